"""Webhooks over HTTP: whose they are, what becomes of each, and that each is in one account."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from structlog.testing import capture_logs

from tests.support.ingest import Sender, Taking, eventually, taking
from tests.support.shops import NEXT_SECRET, SECRET, order_body, shop_entry, webhook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

Both = tuple[Sender, Taking]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[list[Any]]:
    """What is logged."""
    caplog.set_level("INFO")
    with capture_logs() as found:
        yield found


@pytest.fixture
async def both(tmp_path: Path, lines: list[Any]) -> AsyncIterator[Both]:  # noqa: ARG001 -- logs from its start on
    """A gateway with the shop `coats`, and `hats`, whose orders name their room."""
    path = tmp_path / "shops.toml"
    hats = shop_entry(
        name='"hats"',
        domain='"hats.myshopify.com"',
        room="",
        room_attribute='"live"',
        rooms='["room-*"]',
        events_per_s="1",
    )
    path.write_text(shop_entry() + hats)
    async with taking(ingest_shops_file=path, ingest_body_max_bytes=1 << 16) as made:
        yield made


async def answers_in(lines: list[Any], count: int) -> list[dict[str, Any]]:
    """The lines of so many answers, once they are written."""

    def found() -> list[dict[str, Any]]:
        return [line for line in lines if line["event"] == "request"]

    await eventually(lambda: len(found()) == count, f"{count} lines")
    return found()


def outcomes(sender: Sender) -> dict[tuple[str, str], float]:
    """(shop, outcome) → webhooks, of those that were counted."""
    (family,) = sender.gateway.metrics.webhooks.collect()
    return {
        (sample.labels["platform"], sample.labels["outcome"]): sample.value
        for sample in family.samples
        if sample.name.endswith("_total")
    }


async def problem(*words: Any, **options: Any) -> tuple[int, str]:
    answer = await webhook(*words, **options)
    assert answer.content_type == "application/problem+json", (answer.status, await answer.text())
    found = await answer.json()
    assert answer.status == found["status"]
    return answer.status, found["type"].rpartition(":")[2]


async def test_an_order_of_a_shop_is_in_kafka_when_the_answer_is_there(both: Both, lines: list[Any]) -> None:
    sender, kept = both
    kept.waits.clear()
    waiting = asyncio.create_task(webhook(sender, "orders/paid", order_body()))
    await eventually(lambda: sender.gateway.budget.taken_bytes, "the body is there")
    assert not waiting.done()
    kept.waits.set()
    answer = await waiting
    assert (answer.status, await answer.json()) == (202, {"accepted": 1, "errors": []})
    (event,) = kept.events
    assert event.key == b"room-1"
    assert msgspec.json.decode(event.value)["lines"][0]["amount_minor"] == 2_000
    (line,) = await answers_in(lines, 1)
    wanted = {"platform": "coats", "events": 1, "refused": 0, "request_id": answer.headers["X-Request-Id"]}
    assert wanted.items() <= line.items()
    assert answer.headers["X-Request-Id"].startswith("b54557e4"), "the delivery's id, by which the shop's log has it"
    assert outcomes(sender) == {("coats", "acknowledged"): 1}
    assert sender.gateway.budget.taken_bytes == 0


async def test_what_is_not_the_shops_is_an_error_and_touches_nothing(both: Both) -> None:
    sender, kept = both
    topic, body = "orders/paid", order_body()
    for wanted, options in (
        ((401, "signature_missing"), {"X_Shopify_Hmac_Sha256": None}),
        ((401, "signature_refused"), {"secret": NEXT_SECRET}),
        ((401, "signature_refused"), {"X_Shopify_Hmac_Sha256": "no base64"}),
        ((403, "other_shop"), {"X_Shopify_Shop_Domain": "hats.myshopify.com"}),
        ((403, "other_shop"), {"X_Shopify_Shop_Domain": None}),
        ((400, "topic_missing"), {"X_Shopify_Topic": None}),
        ((415, "unknown_content_type"), {"Content_Type": "application/xml"}),
        ((415, "unknown_content_type"), {"Content_Encoding": "gzip"}),
        ((404, "unknown_shop"), {"shop": "socks"}),
    ):
        assert await problem(sender, topic, body, **options) == wanted
    assert await problem(sender, topic, b"[1]") == (400, "bad_body")
    assert await problem(sender, topic, b"x" * (1 << 16) + b"x") == (413, "body_too_large")
    assert kept.events == []
    assert sender.gateway.budget.taken_bytes == 0
    assert outcomes(sender) == {
        ("coats", "signature_missing"): 1,
        ("coats", "signature_refused"): 2,
        ("coats", "other_shop"): 2,
        ("coats", "topic_missing"): 1,
        ("coats", "unknown_content_type"): 2,
        ("coats", "bad_body"): 1,
        ("coats", "body_too_large"): 1,
    }


async def test_a_webhook_in_no_room_is_accounted_for_and_not_asked_for_again(both: Both, lines: list[Any]) -> None:
    sender, kept = both
    live = [{"name": "live", "value": "elsewhere"}]
    for topic, body, shop, reason in (
        ("orders/paid", order_body(test=True), "coats", "test"),
        ("products/update", {"id": 1}, "coats", "ignored_kind"),
        ("refunds/create", {"id": 1, "order_id": 1}, "coats", "refund_of_unknown_order"),
        ("orders/paid", order_body(), "hats", "no_room"),
    ):
        answer = await webhook(sender, topic, body, shop=shop, X_Shopify_Shop_Domain=f"{shop}.myshopify.com")
        found = await answer.json()
        assert (answer.status, found["accepted"], found["reason"]) == (200, 0, reason)
        assert found["detail"]
    answer = await webhook(
        sender, "orders/paid", order_body(note_attributes=live), shop="hats", X_Shopify_Shop_Domain="hats.myshopify.com"
    )
    found = await answer.json()
    assert (answer.status, found["accepted"], found["errors"][0]["reason"]) == (200, 0, "room_not_allowed")
    assert kept.events == []
    assert [line["untold"] for line in await answers_in(lines, 5)] == [
        *("test", "ignored_kind", "refund_of_unknown_order", "no_room", "room_not_allowed")
    ]
    assert sum(outcomes(sender).values()) == 5
    assert outcomes(sender)["hats", "no_room"] == 1


async def test_what_kafka_does_not_acknowledge_is_a_503_that_the_shop_sends_again(both: Both) -> None:
    sender, kept = both
    kept.lost = True
    assert await problem(sender, "orders/paid", order_body()) == (503, "kafka_away")
    kept.lost, kept.away = False, True
    assert await problem(sender, "orders/paid", order_body()) == (503, "kafka_away")
    kept.away = False
    for _ in range(2):
        assert (await webhook(sender, "orders/paid", order_body(), X_Shopify_Webhook_Id="1")).status == 202
    assert {msgspec.json.decode(event.value)["event_id"] for event in kept.events} == {"sh:1:paid"}
    assert outcomes(sender) == {("coats", "kafka_away"): 2, ("coats", "acknowledged"): 2}


async def test_a_shop_has_a_quota_of_its_own(both: Both) -> None:
    sender, _ = both
    place = {"shop": "hats", "X_Shopify_Shop_Domain": "hats.myshopify.com"}
    body = order_body(note_attributes=[{"name": "live", "value": "room-7"}])
    statuses = [(await webhook(sender, "orders/paid", body, **place)).status for _ in range(6)]
    assert statuses[:4] == [202] * 4
    assert 429 in statuses
    assert (await webhook(sender, "orders/paid", order_body())).status == 202


async def test_secrets_change_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "shops.toml"
    path.write_text(shop_entry())
    async with taking(ingest_shops_file=path) as (sender, _):
        metrics = sender.gateway.metrics
        path.write_text(shop_entry(secrets=f'["{NEXT_SECRET}", "{SECRET}"]'))
        sender.gateway.reload_files()
        for secret in (SECRET, NEXT_SECRET):
            assert (await webhook(sender, "orders/paid", order_body(), secret)).status == 202
        path.write_text("[[")
        await eventually(lambda: not metrics.shops_file_ok._value.get(), "the change is noticed by itself")
        assert metrics.keys_file_ok._value.get() == 1
        assert (await webhook(sender, "orders/paid", order_body())).status == 202
        path.write_text(shop_entry(secrets=f'["{NEXT_SECRET}"]') + shop_entry(name='"hats"'))
        await eventually(lambda: metrics.shops._value.get() == 2, "the change is noticed by itself")
        assert await problem(sender, "orders/paid", order_body()) == (401, "signature_refused")


async def test_the_openapi_document_says_what_is_answered(both: Both) -> None:
    sender, _ = both
    document = await (await sender.session.get(f"{sender.top}/v1/openapi.json")).json()
    answers = document["paths"]["/v1/webhooks/shopify/{shop}"]["post"]["responses"]
    for topic, options, status in (
        ("orders/paid", {}, 202),
        ("products/update", {}, 200),
        ("orders/paid", {"secret": NEXT_SECRET}, 401),
        ("orders/paid", {"shop": "socks"}, 404),
    ):
        answer = await webhook(sender, topic, order_body(), **options)
        assert answer.status == status
        (described,) = answers[str(status)]["content"].values()
        schema = {**described["schema"], "components": document["components"]}
        Draft202012Validator(schema).validate(await answer.json())
