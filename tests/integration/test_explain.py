"""Claims of live topics, recomputed and explained in the order of the journal: on a real Kafka, over a kill."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from typer.testing import CliRunner

from stream.cli import app
from stream.commands.claims import check_topics
from stream.settings import load_settings
from stream.verify.claim_check import RIGHT, WRONG
from stream.verify.kept_claims import Kept
from tests.integration.worker_process import delete_records, feeding, send

if TYPE_CHECKING:
    from stream.local.stack import Stack
    from tests.integration.conftest import StartWorker
    from tests.integration.worker_process import Record

pytestmark = pytest.mark.integration

ROOM, OTHER = "room-of-claims", "another-room"


def show(seed: int, began_ms: int) -> list[Record]:
    """People come and buy; the sale is opened again, which is no second round while its start is the same."""
    now_ms = time.time_ns() // 1_000_000
    records: list[Record] = []

    def add(topic: str, room: str = ROOM, **event: Any) -> None:
        event |= {"event_id": f"c{seed}-{len(records)}", "room_id": room, "event_time_ms": now_ms}
        records.append((topic, room, msgspec.json.encode(event)))

    terms: dict[str, Any] = {"sale_id": "s", "sku_id": "k", "offered": 30, "starts_at_ms": began_ms}
    add("sales", type="sale_opened", ends_at_ms=began_ms + 600_000, **terms)
    for user in range(12):
        add("visits", type="enter", user_id=f"u{seed}-{user}")
        add("cart-adds", type="cart_add", user_id=f"c{seed}-{user}", sku_id="k", sale_id="s", quantity=1)
        line = {"sku_id": "k", "sale_id": "s", "quantity": 1, "amount_minor": 990}
        for status in ("placed", "paid"):
            order: dict[str, Any] = {
                "order_id": f"o{seed}-{user}",
                "user_id": f"u{seed}-{user}",
                "status": status,
                "currency": "CNY",
            }
            add("orders", type="order", lines=[line], **order)
    add("comments", OTHER, type="comment", user_id="u", text="hi")
    return records


async def explained(stack: Stack, prefix: str, *words: str) -> Any:
    where = ["--bootstrap-servers", stack.bootstrap_servers, "--topic-prefix", prefix]
    return await asyncio.to_thread(CliRunner().invoke, app, ["explain", *words, *where])


async def test_every_claim_of_live_topics_is_right_over_a_kill_and_can_be_explained(
    stack: Stack, topic_prefix: str, start_worker: StartWorker
) -> None:
    await asyncio.to_thread(stack.apply_topics, topic_prefix, partitions=2)
    began_ms = time.time_ns() // 1_000_000 - 1_000
    first = start_worker()
    await first.until_ready(2)
    async with feeding(stack, topic_prefix, seed=5):
        await send(stack, topic_prefix, show(1, began_ms))
        await first.until_counted("stream_checkpoint_seconds_count", 3)
        first.kill()
        second = start_worker(hold_ms="2000")  # an owner with other rules
        await second.until_ready(2)
        await send(stack, topic_prefix, show(2, began_ms))
        await second.until_counted("stream_checkpoint_seconds_count", 4)
    assert second.terminate() == 0

    settings = load_settings(bootstrap_servers=stack.bootstrap_servers, topic_prefix=topic_prefix)
    kept = Kept()
    tally, unchecked = await check_topics(settings, kept=kept)
    assert (kept.differing, kept.why_not) == (0, ""), kept.told
    assert kept.documents > tally.documents // 2, "compaction leaves one a second"
    assert tally.told == []
    assert (tally.of(WRONG), unchecked) == (0, 0)
    assert tally.of(RIGHT, "stock_left") >= 2

    told = await explained(stack, topic_prefix, ROOM, "--json")
    assert told.exit_code == 0, told.output
    found = {each["claim"]: each for each in json.loads(told.stdout)}
    stock = found["stock_left"]
    assert (stock["value"], stock["recomputed_value"], stock["verdict"]) == (6, 6, "right")
    (orders, sales) = stock["records"]
    assert (orders["topic"], orders["count"], len(orders["last"])) == (f"{topic_prefix}.orders", 48, 5)
    assert orders["last"][-1]["who"] == "u2-11"
    assert sales["count"] == 2
    assert found["in_carts"]["value"] == 24

    hour_before_ms = found["stock_left"]["as_of_ms"] - 3_600_000
    for words, code, said in (
        ((ROOM, "--claim", "stok_left"), 2, "Did you mean 'stock_left'?"),
        (("rom-of-claims",), 2, f"Did you mean '{ROOM}'?"),
        ((ROOM, "--at", str(hour_before_ms)), 2, "no document of room"),
    ):
        refused = await explained(stack, topic_prefix, *words)
        assert refused.exception is not None
        assert getattr(refused.exception, "exit_code", None) == code
        assert said in str(refused.exception)

    await claims_outlive_signals_and_journal(stack, topic_prefix, stock)


async def claims_outlive_signals_and_journal(stack: Stack, prefix: str, stock: dict[str, Any]) -> None:
    """What the topic `claims` still tells when the others are gone; and one record that is not ours."""
    at = "--at", str(stock["as_of_ms"]), "--claim", "stock_left"
    await delete_records(stack, f"{prefix}.signals")
    (again,) = json.loads((await explained(stack, prefix, ROOM, "--json", *at)).stdout)
    assert again == stock
    await delete_records(stack, f"{prefix}.journal")
    (kept,) = json.loads((await explained(stack, prefix, ROOM, "--json", *at)).stdout)
    same = ("value", "inputs", "unit", "rule", "published", "valid_until_ms", "epoch", "rev")
    assert [kept[name] for name in same] == [stock[name] for name in same]
    assert (kept["verdict"], kept["recomputed_value"]) == ("not recounted", None)
    told = await explained(stack, prefix, ROOM, *at)
    assert told.exit_code == 0, told.output
    assert "EXPLAIN-KEPT: 1 claims" in told.stdout
