"""Three evenings in three rooms, by the clock of the log: a take-over, an eviction and a loss of Redis between them."""

from __future__ import annotations

import asyncio
import time
from itertools import count
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from stream.commands.audit import assumptions_of
from stream.contract.overlay import room_key
from stream.settings import load_settings
from stream.verify.audit import Where, audit
from tests.integration.worker_process import DEADLINE_S, LOOK_S

if TYPE_CHECKING:
    import redis.asyncio

    from stream.local.stack import Stack
    from tests.conftest import ApplyTopics
    from tests.integration.conftest import StartWorker
    from tests.integration.worker_process import WorkerProcess

pytestmark = pytest.mark.integration

DAY_MS = 86_400_000
MINUTE_MS = 60_000
ROOMS = ("by-silence", "by-word", "forgotten")
# All that is set: three rooms and one more are known, the fourth that comes throws the longest silent out.
RULES = {"clock": "log", "room_idle_ms": "3600000", "rooms_max": "3"}


class Evenings:
    """Writes the records of the rooms, at the times that they name, and looks at what is shown and reported."""

    def __init__(self, stack: Stack, prefix: str, redis_client: redis.asyncio.Redis) -> None:
        self.stack, self.prefix, self.redis = stack, prefix, redis_client
        self.first_ms = time.time_ns() // 1_000_000 - 4 * DAY_MS
        self.numbers = count()
        self.producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap_servers)
        self.versions: dict[str, list[tuple[int, int]]] = {}

    def at(self, evening: int, minute: float = 0) -> int:
        return self.first_ms + evening * DAY_MS + round(minute * MINUTE_MS)

    async def send(self, topic: str, room: str, at_ms: int, **fields: Any) -> None:
        event = {"event_id": f"e{next(self.numbers)}", "room_id": room, "event_time_ms": at_ms, **fields}
        value = msgspec.json.encode(event)
        await self.producer.send_and_wait(f"{self.prefix}.{topic}", value, room.encode(), 0, timestamp_ms=at_ms)

    async def order(self, room: str, at_ms: int, order_id: str, status: str, sale: str | None = "s1") -> None:
        line = {"sku_id": "k1", "quantity": 1, "amount_minor": 900, "sale_id": sale}
        fields = {"order_id": order_id, "status": status, "currency": "CNY", "lines": [line]}
        await self.send("orders", room, at_ms, type="order", user_id=f"u-{order_id}", **fields)

    async def close(self, evening: int, order_id: str, status: str) -> None:
        """The show of `by-word` ends; what comes then is no news: a viewer leaves, a shop repeats itself."""
        room, at_ms = "by-word", self.at(evening, 30)
        await self.send("interactions", room, at_ms, type="room_closed", show_id=f"show-{evening}")
        await self.send("visits", room, at_ms + 1_000, type="leave", user_id="u0")
        await self.order(room, at_ms + 2_000, order_id, status)

    async def shown(self, room: str) -> dict[str, Any] | None:
        """What Redis shows of a room; its versions may only rise."""
        found = await self.redis.get(room_key(self.prefix, room, "overlay"))
        if found is None:
            return None
        document: dict[str, Any] = msgspec.json.decode(found)
        versions, version = self.versions.setdefault(room, []), (document["epoch"], document["rev"])
        assert not versions or version >= versions[-1], (room, versions[-1], version)
        versions.append(version)
        return document

    async def until_shown(self, room: str, since_ms: int, worker: WorkerProcess, views: int = 1) -> dict[str, Any]:
        """The first document of this evening that shows so many views."""
        deadline = time.monotonic() + DEADLINE_S
        while not _is_of((document := await self.shown(room)), since_ms, views):
            assert time.monotonic() < deadline, f"{room}: {document}\n{worker.text()[-4_000:]}"
            await asyncio.sleep(LOOK_S)
        assert document is not None
        return document

    async def until_all_shown(self, worker: WorkerProcess, wanted: dict[str, dict[str, Any]]) -> None:
        """Wait until the rooms show these totals."""
        deadline = time.monotonic() + DEADLINE_S
        for room, totals in wanted.items():
            while (found := _totals(await self.shown(room))) != totals:
                assert time.monotonic() < deadline, f"{room}: {found}\n{worker.text()[-4_000:]}"
                await asyncio.sleep(LOOK_S)

    async def reports(self) -> dict[str, list[dict[str, Any]]]:
        """The last document of each session, as the log has them."""
        part = TopicPartition(f"{self.prefix}.signals", 0)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.stack.bootstrap_servers, isolation_level="read_committed", group_id=None
        )
        found: dict[str, list[dict[str, Any]]] = {}
        await consumer.start()
        try:
            consumer.assign([part])
            await consumer.seek_to_beginning(part)
            end = (await consumer.end_offsets([part]))[part]
            while await consumer.position(part) < end:
                for record in (await consumer.getmany(part, timeout_ms=200)).get(part, ()):
                    document = msgspec.json.decode(record.value or b"")
                    if _has_ended(document):
                        found.setdefault(document["room_id"], []).append(document)
        finally:
            await consumer.stop()
        return found


def _is_of(document: dict[str, Any] | None, since_ms: int, views: int) -> bool:
    if document is None or document["as_of_ms"] < since_ms or _has_ended(document):
        return False
    return bool(document["totals"]["views"] >= views)


def _has_ended(document: dict[str, Any]) -> bool:
    return document.get("session", {}).get("ended_at_ms") is not None


def _totals(document: dict[str, Any] | None) -> dict[str, Any] | None:
    if document is None:
        return None
    totals, orders = document["totals"], document["totals"]["orders"]
    gmv_minor = sum(each["gmv_paid_minor"] for each in totals["money"])
    return {"views": totals["views"], "placed": orders["placed"], "paid": orders["paid"], "gmv": gmv_minor}


def report(views: int, placed: int, paid: int) -> dict[str, Any]:
    return {"views": views, "placed": placed, "paid": paid, "gmv": 900 * paid}


async def test_three_evenings_are_seen_from_their_first_event_and_reported_right(  # noqa: PLR0915 — days are long
    stack: Stack,
    topic_prefix: str,
    apply_topics: ApplyTopics,
    start_worker: StartWorker,
    redis_client: redis.asyncio.Redis,
) -> None:
    await apply_topics(1, "CreateTime")
    show = Evenings(stack, topic_prefix, redis_client)
    await show.producer.start()
    worker = start_worker("--member-name", "w0", **RULES)
    await worker.until_ready(1)

    async def begin(evening: int) -> None:
        """The first event of each room is on the screen before there is a second."""
        for room in ROOMS:
            at_ms = show.at(evening)
            if room == "by-word":
                await show.send("interactions", room, at_ms, type="room_opened", show_id=f"show-{evening}")
                # Two topics have no order but that in which they are read.
                document = await show.until_shown(room, at_ms, worker, views=0)
                assert document["session"]["show_id"] == f"show-{evening}"
            await show.send("visits", room, at_ms, type="enter", user_id="u0")
            document = await show.until_shown(room, at_ms, worker)
            assert _totals(document) == report(1, 0, 0), (room, evening)

    # -- the first: a sale that lasts for days, an order that is paid the next evening
    await begin(0)
    for room in ROOMS:
        # Of the room that will be forgotten the sale is over by then.
        ends_ms = show.at(1, 60) if room == "forgotten" else show.at(3)
        terms = {"offered": 50, "starts_at_ms": show.at(0), "ends_at_ms": ends_ms}
        await show.send("sales", room, show.at(0, 1), type="sale_opened", sale_id="s1", sku_id="k1", **terms)
        await show.order(room, show.at(0, 2), "late", "placed")
        await show.order(room, show.at(0, 2), "prompt", "paid")
    await show.until_all_shown(worker, dict.fromkeys(ROOMS, report(1, 2, 1)))
    await show.close(0, "prompt", "paid")

    # -- a take-over in the night
    worker.kill()
    worker = start_worker("--member-name", "w0", **RULES)
    await worker.until_ready(1)

    # -- the second
    await begin(1)
    for room in ROOMS:
        await show.order(room, show.at(1, 2), "late", "paid")
        await show.order(room, show.at(1, 2), "prompt", "paid")  # again, under another event id
    await show.until_all_shown(worker, dict.fromkeys(ROOMS, report(1, 0, 1)))
    for room in ROOMS:
        (sale,) = (await show.shown(room) or {})["sales"]
        assert (sale["status"], sale["available"], sale["held"], sale["sold"]) == ("open", 48, 0, 2)
    await show.send("comments", "by-silence", show.at(1, 10), type="comment", user_id="u0", text="hi")
    await show.close(1, "late", "paid")

    # -- a fourth room: that which has been silent for longest is forgotten
    await show.send("visits", "passing", show.at(1, 200), type="enter", user_id="u9")
    await show.until_shown("passing", show.at(1, 200), worker)
    await worker.until_counted("stream_rooms_forgotten_total", 1)

    # -- the third, in the midst of which Redis loses everything
    await begin(2)
    await redis_client.flushall()
    for room in ROOMS:
        await show.order(room, show.at(2, 2), "third", "placed", None if room == "forgotten" else "s1")
    await show.until_all_shown(worker, dict.fromkeys(ROOMS, report(1, 1, 0)))
    left = {}
    for room in ROOMS:
        left[room] = [(sale["status"], sale["available"]) for sale in (await show.shown(room) or {})["sales"]]
    assert left == {"by-silence": [("open", 47)], "by-word": [("open", 47)], "forgotten": []}
    await show.close(2, "third", "placed")
    await show.send("visits", "passing", show.at(2, 200), type="enter", user_id="u9")
    await show.until_shown("passing", show.at(2, 200), worker)
    document = await show.shown("by-word") or {}
    assert (document["session"]["ended_by"], document["totals"]["watching_now"]) == ("word", 1)

    settings = load_settings(
        bootstrap_servers=stack.bootstrap_servers, topic_prefix=topic_prefix, room_idle_ms=3_600_000
    )
    where = Where(bootstrap_servers=stack.bootstrap_servers, redis_url=stack.redis_url, prefix=topic_prefix)
    verdict = await audit(where, assumptions_of(settings))
    assert (verdict.problems, [(room.room_id, room.differences) for room in verdict.rooms if room.differences]) == (
        [],
        [],
    )

    # -- the reports
    reports = await show.reports()
    for room in ROOMS:
        assert [_totals(each) for each in reports[room]] == [report(1, 2, 1), report(1, 0, 1), report(1, 1, 0)], room
        assert [each["claims"] for each in reports[room]] == [[], [], []]
        versions = [(each["epoch"], each["rev"]) for each in reports[room]]
        assert versions == sorted(set(versions))
    assert [each["session"]["ended_by"] for each in reports["by-word"]] == ["word"] * 3
    assert [each["session"]["show_id"] for each in reports["by-word"]] == ["show-0", "show-1", "show-2"]
    await show.producer.stop()
    assert worker.terminate() == 0
