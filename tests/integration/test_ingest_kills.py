"""Bridge → gateway → Kafka → worker → Redis, with kill -9 of each in the middle: counted once, and recounted.

Rows of real shops go in as Shopify's webhooks, a platform's messages as its library writes them, each of them twice.
"""

from __future__ import annotations

import asyncio
import csv
import itertools
import os
import sys
import time
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pytest
import redis.asyncio

from stream.contract.overlay import room_key
from stream.contract.reading import read_overlay
from stream.local.ports import free_ports
from stream.local.stack import Stack, local_stack
from tests.integration.test_ingest import PARTITIONS, Process, ids_in, stored
from tests.integration.worker_process import START, WorkerProcess, assert_exact
from tests.support.ingest import DEADLINE_S, eventually
from tests.support.platforms.heard import fixture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import ApplyTopics

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOM = "show"
ROWS = Path(__file__).resolve().parents[3] / "shared" / "data" / "uci-online-retail-2011-11-11.csv"
ALL = os.environ.get("SNAPUP_INGEST") == "all"
# What is older than a bridge's connection by 10 s is a backlog to it; a busy machine takes that long to start one.
LEAD_MS = 50_000
ROUNDS = 6 if ALL else 1


class Said(NamedTuple):
    """Lines of one source, and what a document must come to for them."""

    lines: list[bytes]
    events: int


def webhooks() -> tuple[Said, int]:
    """Invoices of real people as orders that were paid; beside them the money, in minor units.

    Left out are invoices that the contract would split or refuse: what they become is asked elsewhere.
    """
    invoices: dict[str, list[dict[str, str]]] = {}
    with ROWS.open(encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            invoices.setdefault(row["InvoiceNo"], []).append(row)
    lines, minor = [], Decimal(0)
    for number, rows_of_it in invoices.items():
        if len(rows_of_it) > 20 or not all(0 < int(row["Quantity"]) <= 1_000 for row in rows_of_it):
            continue
        items = [
            {"id": place, "variant_id": row["StockCode"], "quantity": int(row["Quantity"]), "price": row["UnitPrice"]}
            for place, row in enumerate(rows_of_it)
        ]
        minor += sum(100 * int(row["Quantity"]) * Decimal(row["UnitPrice"]) for row in rows_of_it)
        order = {
            "admin_graphql_api_id": f"gid://shopify/Order/{number}",
            "currency": "GBP",
            "customer": {"id": rows_of_it[0]["CustomerID"].partition(".")[0]} if rows_of_it[0]["CustomerID"] else None,
            "line_items": items,
        }
        lines.append(of_now({"topic": "orders/paid", "body": order}))
    return Said(lines, len(lines)), int(minor)


def chats(count: int) -> Said:
    """Comments of a live room, as a platform's library writes them."""
    chat = msgspec.json.decode(fixture("tiktok-node.ndjson")[2])
    lines = []
    for number in range(count):
        chat["common"] |= {"msgId": str(7_400_000_000_000_000_000 + number), "createTime": str(now_ms() + LEAD_MS)}
        lines.append(of_now(chat))
    return Said(lines, count)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def of_now(message: dict[str, Any]) -> bytes:
    return msgspec.json.encode(message | {"received_at": now_ms()}) + b"\n"


class Bridge:
    """`snapup bridge PLATFORM --to http://…` whose lines come through a pipe."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, platform: str, address: str) -> Bridge:
        command = [sys.executable, "-c", START, "bridge", platform, "--room", ROOM, "--json", "--to", address]
        pipe = asyncio.subprocess.PIPE
        return cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe))

    async def hear(self, lines: list[bytes]) -> None:
        """Hand lines over, as fast as they are taken."""
        assert self._process.stdin is not None
        self._process.stdin.writelines(lines)
        await self._process.stdin.drain()

    async def account(self) -> dict[str, Any]:
        """End its input; what became of each message."""
        async with asyncio.timeout(2 * DEADLINE_S):
            out, told = await self._process.communicate(b"")  # without input it would be left open
        assert self._process.returncode == 0, told.decode()
        return dict(msgspec.json.decode(out))

    def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()


def parts(said: Said, count: int) -> Iterator[list[bytes]]:
    """The lines in so many parts, each line twice: a library that connects again repeats itself."""
    for number in range(count):
        yield said.lines[number::count] * 2


async def carry(stack: Stack, prefix: str, folder: Path, *, kill_broker: bool) -> None:
    """Carry all through, killing gateway, worker and, where that may be, the broker."""
    shop, minor = webhooks()
    live = chats(300 * ROUNDS)
    (port,) = free_ports(1)
    numbers = itertools.count()
    address = f"http://127.0.0.1:{port}"

    def gateway() -> Process:
        made = Process(folder, stack.bootstrap_servers, prefix, SNAPUP_INGEST_PORT=str(port))
        ending.callback(made.kill)
        return made

    def worker() -> WorkerProcess:
        log = folder / f"worker-{next(numbers)}.log"
        return ending.enter_context(WorkerProcess(log, stack, prefix))

    def answered(process: Process, status: int) -> Callable[[], bool]:
        return lambda: any(
            f'"status": {status}' in line or f'"status":{status}' in line for line in process.text().splitlines()
        )

    with ExitStack() as ending:
        first, folding = gateway(), worker()
        await first.top()
        bridges = [await Bridge.start(platform, address) for platform in ("shopify", "tiktok")]
        for bridge in bridges:
            ending.callback(bridge.kill)
        turns = [parts(said, (3 if kill_broker else 2) * ROUNDS + 2) for said in (shop, live)]

        async def hear() -> None:
            await asyncio.gather(*(bridge.hear(next(turn)) for bridge, turn in zip(bridges, turns, strict=True)))

        await hear()
        await eventually(answered(first, 202), "the gateway acknowledges")
        for _ in range(ROUNDS):
            await hear()
            first.kill()
            first = gateway()
            await first.top()
            await hear()
            folding.kill()
            if kill_broker:
                await asyncio.to_thread(stack.kafka.kill)
                heard = asyncio.create_task(hear())
                await eventually(answered(first, 503), "the gateway says that Kafka is away")
                await asyncio.to_thread(stack.kafka.start)
                await heard
            folding = worker()
        await hear()
        accounts = [await bridge.account() for bridge in bridges]
        for account, source in zip(accounts, (shop, live), strict=True):
            assert (account["refused"], account["acknowledged"]) == (0, 2 * source.events), account
        # What was acknowledged is there; what was not may be there too, under the same id.
        ids = ids_in(await stored(stack, prefix, ("orders", "comments")))
        assert len(ids) == shop.events + live.events
        await folding.until_ready(PARTITIONS)
        await assert_exact(stack, prefix, folding)
        async with redis.asyncio.Redis.from_url(stack.redis_url) as client:
            said = await client.get(room_key(prefix, ROOM, "overlay"))
    assert said is not None
    document = read_overlay(said)
    totals = document.totals
    assert (totals.comments, totals.orders.paid) == (live.events, shop.events)
    assert [(money.currency, money.gmv_paid_minor) for money in totals.money] == [("GBP", minor)]


@pytest.mark.skipif(not ROWS.exists(), reason=f"{ROWS.name} is MISSING: real rows over kill -9 were NOT checked")
async def test_what_was_acknowledged_counts_once_whoever_is_killed_in_between(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, tmp_path: Path
) -> None:
    if ALL:
        pytest.skip("the longer one runs")
    await apply_topics(PARTITIONS)
    await carry(stack, topic_prefix, tmp_path, kill_broker=False)


@pytest.mark.skipif(not ALL, reason="`make test-ingest` kills the broker too, six times")
@pytest.mark.skipif(not ROWS.exists(), reason=f"{ROWS.name} is MISSING: real rows over kill -9 were NOT checked")
async def test_what_was_acknowledged_counts_once_also_when_the_broker_is_killed(tmp_path: Path) -> None:
    with local_stack(with_topics=False) as own:
        await asyncio.to_thread(own.apply_topics, "live", partitions=PARTITIONS)
        await carry(own, "live", tmp_path, kill_broker=True)
