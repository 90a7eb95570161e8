"""A real worker in a process of its own, the events it is fed, and the independent recount of what it made of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete
from aiokafka.errors import KafkaError

from stream import topics
from stream.commands.audit import assumptions_of
from stream.mechanics.recounts import COUNTED_AGAIN
from stream.settings import load_settings
from stream.verify.audit import Where, audit
from stream.verify.verdict import PASSED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence
    from pathlib import Path

    from stream.local.kafka import KafkaServer
    from stream.local.stack import Stack
    from stream.verify.verdict import Verdict

# A loaded machine of two cores starts a worker in 2 to 10 s.
DEADLINE_S = 60.0
LOOK_S = 0.05
START = "from stream.cli import main; main()"

Record = tuple[str, str, bytes]  # logical topic, key, value


class WorkerProcess:
    """`snapup worker`, of this version or of that in `code`, started at once; its log lines are read as they come."""

    def __init__(
        self, log: Path, stack: Stack | None, prefix: str, *flags: str, code: Path | None = None, **variables: str
    ) -> None:
        self.log = log
        self._out = log.open("wb")
        environment = {
            **os.environ,
            **({} if stack is None else stack.environment()),
            "SNAPUP_TOPIC_PREFIX": prefix,
            "SNAPUP_GROUP": prefix,
            "SNAPUP_METRICS_PORT": "0",
            **{name if name.isupper() else f"SNAPUP_{name.upper()}": value for name, value in variables.items()},
        }
        if code is not None:
            environment["PYTHONPATH"] = str(code)
        command = [sys.executable, "-c", START, "worker", *flags]
        # Its folder, which comes before PYTHONPATH, must not hold this version's code.
        self.process = subprocess.Popen(command, cwd=code, env=environment, stdout=self._out, stderr=subprocess.STDOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()
        self._out.close()

    # -- what it says --------------------------------------------------------------------------------------------------

    def text(self) -> str:
        """All that it has said so far."""
        return self.log.read_text("utf-8", "replace")

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """Its JSON lines, of one event or all."""
        found = []
        for line in self.text().splitlines():
            if line.startswith("{") and line.endswith("}"):
                decoded = json.loads(line)
                if event is None or decoded["event"] == event:
                    found.append(decoded)
        return found

    async def until_said(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until it has said something so often."""
        await until(lambda: len(self.lines(event)) >= count, f"{count} × {event!r}", self)
        return self.lines(event)

    # -- what it answers -----------------------------------------------------------------------------------------------

    async def get(self, page: str) -> tuple[int, str]:
        """Status and body of /metrics, /healthz or /readyz."""
        (started,) = (await self.until_said("worker started"))[:1]
        async with aiohttp.ClientSession() as client, client.get(started["metrics"][0] + page) as answer:
            return answer.status, await answer.text()

    async def readiness(self) -> dict[str, Any]:
        """The body of /readyz."""
        return dict(json.loads((await self.get("/readyz"))[1]))

    async def until_ready(self, partitions: int | None = None) -> dict[str, Any]:
        """Wait until it is ready, with so many partitions if that is said."""
        return await self.until_readiness(
            lambda body: body["ready"] and (partitions is None or len(body["assigned"]) == partitions)
        )

    async def until_readiness(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until /readyz says what is wanted."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            body = await self.readiness()
            if wanted(body):
                return body
            assert time.monotonic() < deadline, f"{body}\n{self.text()[-4_000:]}"
            await asyncio.sleep(LOOK_S)

    async def counted(self, name: str) -> float:
        """The sum of a metric over its labels."""
        _, text = await self.get("/metrics")
        samples = (line.rsplit(" ", 1) for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{")))
        return sum(float(value) for _, value in samples)

    async def until_counted(self, name: str, least: float) -> None:
        """Wait until a metric has come so far."""
        deadline = time.monotonic() + DEADLINE_S
        while (count := await self.counted(name)) < least:
            assert time.monotonic() < deadline, f"{name} is {count}, not {least}\n{self.text()[-4_000:]}"
            await asyncio.sleep(LOOK_S)

    # -- what is done to it --------------------------------------------------------------------------------------------

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """Ask it to stop; its exit code."""
        self.process.terminate()
        return self.process.wait(DEADLINE_S)

    async def exit_code(self) -> int:
        """Wait until it ends by itself."""
        await until(lambda: self.process.poll() is not None, "its end", self)
        return int(self.process.returncode)


async def until(condition: Callable[[], bool], what: str, worker: WorkerProcess | None = None) -> None:
    """Look again until the condition holds."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        said = "" if worker is None else worker.text()[-4_000:]
        assert time.monotonic() < deadline, f"waited in vain for {what}\n{said}"
        await asyncio.sleep(LOOK_S)


def shop_events(count: int, seed: int, rooms: int = 12) -> list[Record]:
    """Likes, comments, carts, orders and visits of some rooms, as of now; every fiftieth comes twice."""
    chance = random.Random(seed)
    records: list[Record] = []
    for number in range(count):
        room, user = f"room-{chance.randrange(rooms)}", f"user-{chance.randrange(200)}"
        event: dict[str, Any] = {
            "event_id": f"e{seed}-{number}",
            "room_id": room,
            "event_time_ms": time.time_ns() // 1_000_000,
            "user_id": user,
        }
        topic = chance.choice(("likes", "likes", "comments", "cart-adds", "orders", "orders", "visits"))
        match topic:
            case "likes":
                event |= {"type": "like", "count": chance.randint(1, 9)}
            case "comments":
                event |= {"type": "comment", "text": "how much?"}
            case "cart-adds":
                event |= {"type": "cart_add", "sku_id": f"sku-{chance.randrange(5)}", "quantity": 1}
            case "visits":
                event |= {"type": chance.choice(("enter", "enter", "leave"))}
            case _:
                amount = chance.randint(1, 90_000)
                event |= {
                    "type": "order",
                    "order_id": f"o{seed}-{chance.randrange(count)}",
                    "status": chance.choice(("placed", "paid", "paid", "cancelled")),
                    "currency": "CNY",
                    "lines": [{"sku_id": "sku-1", "quantity": 1, "amount_minor": amount}],
                }
        records += [(topic, room, msgspec.json.encode(event))] * (2 if number % 50 == 0 else 1)
    return records


def bad_records(count: int) -> list[Record]:
    """Records that the contract refuses, each in its own way."""
    kinds = (b"\xff\xfe", b"{", b'{"type":"nonsense","event_id":"1","room_id":"room-1"}', b"[]", b"")
    return [(("likes", "orders", "sales")[number % 3], "room-1", kinds[number % len(kinds)]) for number in range(count)]


async def send(
    stack: Stack | KafkaServer, prefix: str, records: Iterable[Record], *, per_s: float | None = None
) -> None:
    """Send records, at a pace if one is given; returns when all are acknowledged, also over a broker's restart."""
    producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap_servers, linger_ms=5)
    await producer.start()
    begun, pending = time.monotonic(), []
    try:
        for number, (topic, key, value) in enumerate(records):
            if per_s is not None and (wait_s := begun + number / per_s - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            pending.append(await producer.send(f"{prefix}.{topic}", value, key=key.encode()))
        results: Sequence[Any] = await asyncio.gather(*pending, return_exceptions=True)
        assert not any(isinstance(result, KafkaError) for result in results)
    finally:
        await producer.stop()


@contextlib.asynccontextmanager
async def feeding(stack: Stack, prefix: str, seed: int, *, per_s: float = 500) -> AsyncIterator[None]:
    """Keep sending, good records and bad, until the block ends; all that was sent is acknowledged then."""
    ending = asyncio.Event()

    async def feed() -> None:
        number = seed * 1_000
        while not ending.is_set():
            await send(stack, prefix, shop_events(200, number) + bad_records(3), per_s=per_s)
            number += 1

    task = asyncio.create_task(feed())
    try:
        yield
    finally:
        ending.set()
        await task


async def send_raw(stack: Stack, topic: str, key: bytes, value: bytes) -> None:
    """Send one record to partition 0 of any topic."""
    async with AIOKafkaProducer(bootstrap_servers=stack.bootstrap_servers) as producer:
        await producer.send_and_wait(topic, value, key=key, partition=0)


@contextlib.asynccontextmanager
async def admin_of(stack: Stack) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.bootstrap_servers)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def delete_topic(stack: Stack, name: str) -> None:
    """Delete a topic, and wait until it is gone."""
    async with admin_of(stack) as admin:
        await admin.delete_topics([name])
        while name in await admin.list_topics():  # noqa: ASYNC110 — the broker tells nobody when it is done
            await asyncio.sleep(LOOK_S)


async def delete_records(stack: Stack, topic: str) -> None:
    """Delete every record of partition 0."""
    async with admin_of(stack) as admin:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=-1)})


async def add_partitions(stack: Stack, prefix: str, count: int) -> None:
    """Give every declared topic so many partitions."""
    async with admin_of(stack) as admin:
        names = [spec.name for spec in topics.declared(prefix)]
        await admin.create_partitions({name: NewPartitions(total_count=count) for name in names})


async def apply_topic(stack: Stack, prefix: str, name: str, *, partitions: int) -> None:
    """Create one of the declared topics."""
    specs = [spec for spec in topics.declared(prefix, partitions=partitions) if spec.name == f"{prefix}.{name}"]
    await topics.apply(stack.bootstrap_servers, specs)


async def assert_exact(stack: Stack, prefix: str, *workers: WorkerProcess, redis_url: str | None = None) -> Verdict:
    """The independent recount of the log agrees with Redis, checkpoints and dead letters; its verdict."""
    where = Where(bootstrap_servers=stack.bootstrap_servers, redis_url=redis_url or stack.redis_url, prefix=prefix)
    verdict = await audit(where, assumptions_of(load_settings()), deadline_s=DEADLINE_S, mechanics=COUNTED_AGAIN)
    said = "\n".join(worker.text()[-2_000:] for worker in workers)
    assert verdict.line == PASSED, f"{verdict.told()[:20]}\n{said}"
    assert verdict.rooms
    return verdict


async def assert_books_balance(worker: WorkerProcess) -> None:
    """Received = applied + duplicate + dead_lettered, in one scrape."""
    _, text = await worker.get("/metrics")
    sums = dict.fromkeys(("stream_received_total", "stream_events_total"), 0.0)
    for line in text.splitlines():
        name = line.partition("{")[0]
        if name in sums:
            sums[name] += float(line.rsplit(" ", 1)[1])
    assert sums["stream_received_total"] == sums["stream_events_total"] > 0
