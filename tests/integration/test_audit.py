from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from stream.contract.events import TOPIC_NAMES
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.core.saved.journal import Segment, Steps, encode_segment
from stream.errors import NoSuchError, SnapupError
from stream.metrics_http import serving_metrics
from stream.shows.player import play_to_kafka
from stream.shows.show import Delivery, Expected, Show
from stream.verify.audit import Where, audit, auditing
from stream.verify.redis_check import NOT_SAID
from stream.verify.room_count import Assumptions
from stream.verify.verdict import PASSED, Verdict
from stream.verify.watch import AuditMetrics, watch
from stream.worker.dead_letters import dead_letter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis.asyncio import Redis

    from stream.local.stack import Stack
    from tests.conftest import ApplyTopics

pytestmark = pytest.mark.integration

PARTITIONS = 2
ROOMS = ("room-a", "room-b")


def small_show() -> Show:
    """Two rooms, every topic, a record that breaks the contract, and one delivered twice."""

    def deliveries(t0_ms: int) -> Iterator[Delivery]:
        for number, room in itertools.product(range(40), ROOMS):
            user = f"u{number}"
            events: list[tuple[str, dict[str, Any]]] = [
                ("visits", {"type": "enter", "user_id": user}),
                ("likes", {"type": "like", "user_id": user, "count": 0 if number == 7 else number + 1}),
                ("comments", {"type": "comment", "user_id": user, "text": "好"}),
                ("cart-adds", {"type": "cart_add", "user_id": user, "sku_id": "s", "quantity": 1, "sale_id": "drop"}),
                ("orders", _order(user, "paid" if number % 2 else "placed")),
            ]
            if number == 0:
                opened = {"type": "sale_opened", "sale_id": "drop", "sku_id": "s", "offered": 50, "starts_at_ms": t0_ms}
                events.append(("sales", opened))
            for topic, fields in events:
                event_id = f"{topic}-{min(number, 38)}" if topic == "likes" else f"{topic}-{number}"
                at_ms = t0_ms + number * 50
                value = msgspec.json.encode({"event_id": event_id, "room_id": room, "event_time_ms": at_ms, **fields})
                yield Delivery(number * 50, topic, room.encode(), value, event_id, at_ms)

    expected = Expected(
        rooms=[],
        deliveries=402,
        applied=0,
        redelivered=2,
        replayed=0,
        repeated_statuses=0,
        out_of_order=0,
        duration_ms=2_000,
    )
    return Show(name="small", seed=0, expected=expected, deliveries=deliveries)


def _order(user: str, status: str) -> dict[str, Any]:
    lines = [{"sku_id": "s", "quantity": 1, "amount_minor": 100, "sale_id": "drop"}]
    told = {"type": "order", "user_id": user, "order_id": f"o-{user}", "status": status}
    return told | {"lines": lines, "currency": "CNY"}


class Log:
    """A log with the small show in it, and the means to do a worker's work by hand."""

    def __init__(self, stack: Stack, prefix: str, redis: Redis, t0_ms: int) -> None:
        self.t0_ms = t0_ms
        self.where = Where(bootstrap_servers=stack.bootstrap_servers, redis_url=stack.redis_url, prefix=prefix)
        self.prefix = prefix
        self.redis = redis

    async def audit(self, deadline_s: float = 0, room_id: str | None = None) -> Verdict:
        return await audit(self.where, Assumptions(), room_id=room_id, deadline_s=deadline_s)

    async def work(
        self,
        *,
        epoch: int = 1,
        change: dict[str, tuple[str, int]] | None = None,
        leave_out: str | None = None,
        beyond: int = 0,
        letters: bool = True,
        rules: Rules | None = None,
    ) -> None:
        """Fold what is there; write documents, a checkpoint and the dead letters of each partition.

        Under other `rules`, with the record of the journal that says so.

        Or do it badly: change a total of a room's saved document, leave a room out, save positions that do not exist,
        write no letters.
        """
        producer = AIOKafkaProducer(bootstrap_servers=self.where.bootstrap_servers)
        await producer.start()
        for partition in range(PARTITIONS):
            fold = await self._folded(partition, rules or Rules())
            if rules is not None:
                steps = Steps([0] * len(TOPIC_NAMES), -1, [], [0] * len(TOPIC_NAMES), -1, [], None)
                segment = Segment(epoch, 1, True, steps, "0.1.0", msgspec.to_builtins(rules))
                await producer.send_and_wait(f"{self.prefix}.journal", encode_segment(segment), b"", partition)
            positions = dict(zip(fold.topic_names, fold.positions, strict=True))
            cut = fold.cut(epoch)
            positions = {topic: at + beyond for topic, at in positions.items()}
            meta = {"epoch": epoch, "seq": 1, "owner": "me", "claim": False, "positions": positions}
            meta["clock_ms"] = cut.clock_ms
            topic = f"{self.prefix}.checkpoints"
            await producer.send_and_wait(topic, msgspec.json.encode(meta), b"m", partition)
            for each in cut.signals:
                document = msgspec.json.decode(each.document)
                if change and each.room_id in change:
                    name, value = change[each.room_id]
                    document["totals"][name] = value
                if each.room_id != leave_out:
                    topic, saved = f"{self.prefix}.signals", msgspec.json.encode(document)
                    await producer.send_and_wait(topic, saved, each.room_id.encode(), partition)
            for refused in cut.refused if letters else ():
                letter = dead_letter(refused, fold.topic_names[refused.topic_index], partition)
                topic = f"{self.prefix}.dead-letters"
                await producer.send_and_wait(topic, letter.value, letter.key, partition, headers=list(letter.headers))
            for document in fold.publish(None, epoch, everything=True):
                await self.redis.set(self.key(document.room_id), document.document)
                made_of = ",".join(map(str, document.positions))
                await self.redis.hset(self.key(document.room_id, "version"), mapping={"e": epoch, "r": 1, "p": made_of})
        await producer.stop()

    async def send(self, topic: str, fields: dict[str, Any], event_id: str, room: str = "room-a") -> None:
        """One more record."""
        at_ms = self.t0_ms + small_show().expected.duration_ms
        event = {"event_id": event_id, "room_id": room, "event_time_ms": at_ms, **fields}
        async with AIOKafkaProducer(bootstrap_servers=self.where.bootstrap_servers) as producer:
            name = f"{self.prefix}.{topic}"
            await producer.send_and_wait(name, msgspec.json.encode(event), room.encode(), timestamp_ms=at_ms)

    async def _folded(self, partition: int, rules: Rules) -> PartitionFold:
        names = [f"{self.prefix}.{name}" for name in TOPIC_NAMES]
        fold = PartitionFold(partition, rules, names)
        consumer = AIOKafkaConsumer(bootstrap_servers=self.where.bootstrap_servers, auto_offset_reset="earliest")
        await consumer.start()
        parts = [TopicPartition(name, partition) for name in names]
        consumer.assign(parts)
        ends = await consumer.end_offsets(parts)
        while any([await consumer.position(part) < ends[part] for part in parts]):
            for part, records in (await consumer.getmany(timeout_ms=100)).items():
                fold.fold(names.index(part.topic), records)
        await consumer.stop()
        fold.advance(self.t0_ms + small_show().expected.duration_ms, "log")
        return fold

    def key(self, room_id: str, what: str = "overlay") -> str:
        return f"{self.prefix}:v1:{{room:{room_id}}}:{what}"


@pytest.fixture
async def log(stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, redis_client: Redis) -> Log:
    await apply_topics(PARTITIONS, "CreateTime")
    t0_ms = time.time_ns() // 1_000_000
    played = await play_to_kafka(small_show(), stack.bootstrap_servers, topic_prefix, t0_ms=t0_ms, speed=None)
    assert played.sent == played.acknowledged == 402
    return Log(stack, topic_prefix, redis_client, t0_ms)


async def test_work_that_was_done_right_passes_and_says_what_it_saw(log: Log) -> None:
    await log.work()
    verdict = await log.audit()
    assert (verdict.line, verdict.problems) == (PASSED, [])
    assert [(room.room_id, room.differences, room.skipped) for room in verdict.rooms] == [
        ("room-a", [], None),
        ("room-b", [], None),
    ]
    assert [room.redis_skipped for room in verdict.rooms] == [None, None]
    assert all(len(room.saved) > 40 and len(room.figures) > 40 for room in verdict.rooms)
    accounts = verdict.accounts
    assert (accounts.received, accounts.duplicate, dict(accounts.dead_lettered)) == (402, 2, {"schema_violation": 2})
    assert (verdict.dead_letters, sum(verdict.records_cut.values())) == (2, 402)


async def test_one_event_id_in_every_topic_is_as_many_events_and_the_audit_says_how_many(log: Log) -> None:
    """As the journal says; the fold takes topics as they are fetched, the recount as it reads them."""
    event: dict[str, dict[str, Any]] = {
        "orders": _order("u-new", "paid"),
        "comments": {"type": "comment", "user_id": "u1", "text": "好"},
        "likes": {"type": "like", "user_id": "u1", "count": 1},
        "visits": {"type": "enter", "user_id": "u1"},
        "cart-adds": {"type": "cart_add", "user_id": "u1", "sku_id": "s", "quantity": 1},
    }
    for topic, fields in event.items():
        await log.send(topic, fields, "one-id")
        await log.send(topic, fields, "one-id")
    await log.work(rules=Rules(contract_edition=2, ids_by_topic=True))
    verdict = await log.audit()
    assert (verdict.line, verdict.problems) == (PASSED, [])
    accounts = verdict.accounts
    assert (accounts.received, accounts.duplicate, accounts.in_two_topics) == (412, 2 + len(event), len(event) - 1)
    assert dict(accounts.dead_lettered) == {"schema_violation": 2}


async def test_work_that_was_not_done_is_missed_everywhere(log: Log) -> None:
    verdict = await log.audit()
    assert len(verdict.problems) >= 6
    for problem in verdict.problems:
        assert "records after the last checkpoint, from offset 0 to" in problem
    assert (verdict.rooms, verdict.accounts.received) == ([], 0)
    assert verdict.line == f"DIFFERENCES: {len(verdict.problems)}"


async def test_refusals_without_letters_and_rooms_without_documents_are_missed(log: Log) -> None:
    await log.work(letters=False)
    await log.redis.flushall()
    verdict = await log.audit()
    assert " ".join(verdict.problems).count("missing in dead-letters") == 2
    assert [room.differences[0].published for room in verdict.rooms] == ["missing", "missing"]


async def test_one_unit_off_is_found(log: Log) -> None:
    await log.work()
    document = msgspec.json.decode(await log.redis.get(log.key("room-a")) or b"")
    document["sales"][0]["sold"] += 1
    document["sales"][0]["available"] -= 1
    await log.redis.set(log.key("room-a"), msgspec.json.encode(document))
    differences = [figure.name for room in (await log.audit()).rooms for figure in room.differences]
    assert differences == ["drop/s available", "drop/s sold"]
    assert (await log.audit(room_id="room-b")).line == PASSED


async def test_documents_of_nobody_and_of_another_room_are_found(log: Log) -> None:
    await log.work()
    await log.redis.set(log.key("stranger"), b"{}")
    await log.redis.set(log.key("room-b"), await log.redis.get(log.key("room-a")) or b"")
    verdict = await log.audit()
    assert verdict.problems == ["a document of room 'stranger', of which the log knows nothing"]
    assert [figure.name for room in verdict.rooms for figure in room.differences] == ["document's room_id"]


async def test_it_waits_until_the_work_is_done_and_no_longer_than_it_may(log: Log) -> None:
    waits = asyncio.Event()
    waiting = asyncio.create_task(audit(log.where, Assumptions(), deadline_s=60, report=lambda _: waits.set()))
    await waits.wait()
    await log.work()
    assert (await waiting).line == PASSED
    await log.redis.flushall()
    late = await log.audit(deadline_s=0.5)
    assert (late.differences, late.waited_s >= 0.5) == (2, True)


async def test_a_missing_topic_and_a_silent_broker_are_clear_errors(log: Log) -> None:
    with pytest.raises(SnapupError, match="Missing in Kafka"):
        await audit(msgspec.structs.replace(log.where, prefix="nothing"), Assumptions())
    with pytest.raises(SnapupError, match="does not answer"):
        await audit(msgspec.structs.replace(log.where, bootstrap_servers="127.0.0.1:1"), Assumptions())
    with pytest.raises(SnapupError, match=r"Redis at .* does not answer"):
        await audit(msgspec.structs.replace(log.where, redis_url="redis://127.0.0.1:1/0"), Assumptions())


async def test_the_ack_journal_names_every_record_where_it_is(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, tmp_path: Path
) -> None:
    await apply_topics(PARTITIONS, "CreateTime")
    journal = tmp_path / "acks.ndjson"
    await play_to_kafka(
        small_show(), stack.bootstrap_servers, topic_prefix, t0_ms=1_700_000_000_000, speed=100, journal=journal
    )
    noted = {
        (line["topic"], line["partition"], line["offset"]): line["event_id"]
        for line in map(msgspec.json.decode, journal.read_bytes().splitlines())
    }
    found: dict[tuple[str, int, int], str] = {}
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([TopicPartition(f"{topic_prefix}.{n}", p) for n in TOPIC_NAMES for p in range(PARTITIONS)])
    while len(found) < len(noted):
        for records in (await consumer.getmany(timeout_ms=100)).values():
            for record in records:
                event = msgspec.json.decode(record.value or b"")
                found[record.topic, record.partition, record.offset] = event["event_id"]
                assert 1_700_000_000_000 <= record.timestamp <= 1_700_000_002_000
    await consumer.stop()
    assert noted == found
    assert len(noted) == 402


async def test_a_show_is_not_played_fast_into_topics_with_the_brokers_clock(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics
) -> None:
    await apply_topics(PARTITIONS, "LogAppendTime")
    with pytest.raises(SnapupError, match="CreateTime"):
        await play_to_kafka(small_show(), stack.bootstrap_servers, topic_prefix, t0_ms=0, speed=None)


async def test_a_show_needs_topics_and_a_broker(stack: Stack, topic_prefix: str) -> None:
    with pytest.raises(SnapupError, match="missing"):
        await play_to_kafka(small_show(), stack.bootstrap_servers, topic_prefix, t0_ms=0, speed=None)
    with pytest.raises(SnapupError, match="does not answer"):
        await play_to_kafka(small_show(), "127.0.0.1:1", topic_prefix, t0_ms=0, speed=1)


# -- settings and names ------------------------------------------------------------------------------------------------
async def test_the_workers_settings_come_from_their_journal(log: Log) -> None:
    """Holds of one second and a minute of silence: under the settings here most orders would still be held."""
    await log.work(rules=Rules(hold_ms=1_000, room_idle_ms=60_000, allowed_lateness_ms=0))
    verdict = await log.audit()
    assert (verdict.line, verdict.told()) == (PASSED, [])
    (used,) = verdict.rules
    assert (used.partitions, used.source) == ([0, 1], "journal")
    assert (used.rules["hold_ms"], used.rules["room_idle_ms"], used.where) == (
        1_000,
        60_000,
        f"{log.prefix}.journal/0@0",
    )


async def test_a_room_that_nobody_knows_is_no_difference_but_a_mistake(log: Log) -> None:
    await log.work()
    with pytest.raises(NoSuchError, match="There is no room 'nope'") as error:
        await log.audit(room_id="nope")
    assert error.value.exit_code == 2
    with pytest.raises(NoSuchError, match="Did you mean 'room-a'"):
        await log.audit(room_id="roma-a")
    await log.redis.set(log.key("stranger"), b"{}")
    assert (await log.audit(room_id="stranger")).differences > 0  # it is there, and it is wrong


# -- exact while the workers go on -------------------------------------------------------------------------------------
async def test_records_behind_the_cut_are_left_for_the_next_audit_and_never_a_difference(log: Log) -> None:
    await log.work()
    async with auditing(log.where, Assumptions()) as auditor:
        assert (await auditor.audit(0)).line == PASSED
        await log.send("likes", {"type": "like", "user_id": "late", "count": 5}, "late-1")
        late = await auditor.audit(0)
        (problem,) = late.problems
        assert problem.startswith(f"{log.prefix}.likes/")
        assert "1 records after the last checkpoint" in problem
        assert not any(room.differences for room in late.rooms)
        await log.work(epoch=2, letters=False)
        again = await auditor.audit(30)
        assert (again.line, again.accounts.received) == (PASSED, 403)
        assert [bool(room.saved) for room in again.rooms] == [True, True]


async def test_a_wrong_document_of_a_checkpoint_is_found_with_its_place_in_the_log(log: Log) -> None:
    await log.work(change={"room-b": ("likes", 7)})
    verdict = await log.audit()
    (room,) = [room for room in verdict.rooms if room.differences]
    (figure,) = room.differences
    assert (room.room_id, figure.name, figure.published) == ("room-b", "likes", 7)
    (told,) = room.told()
    assert f"in live.signals 7 as of {room.saved_as_of_ms}; from {log.prefix}.likes/{room.partition}@" in told


async def test_a_checkpoint_without_the_document_of_its_newest_records_is_found(log: Log) -> None:
    await log.work(leave_out="room-a")
    told = (await log.audit()).told()
    assert [text for text in told if "document: recounted one with its newest records" in text] != []
    assert all(text.startswith("room-a") for text in told)


async def test_a_document_in_redis_is_counted_at_its_own_offsets(log: Log) -> None:
    """It says of fewer records than it holds: the recount goes by what it says."""
    await log.work()
    key = log.key("room-a", "version")
    said = await log.redis.hget(key, "p")
    assert isinstance(said, bytes)
    positions = [int(part) for part in said.split(b",")]
    await log.send("likes", {"type": "like", "user_id": "late", "count": 5}, "late-1")
    positions[TOPIC_NAMES.index("likes")] += 1
    await log.redis.hset(key, "p", ",".join(map(str, positions)))
    verdict = await log.audit()
    assert {figure.name for room in verdict.rooms for figure in room.differences} >= {"likes"}


async def test_a_document_that_does_not_say_of_which_offsets_it_was_made_is_said_to_be_so(log: Log) -> None:
    await log.work()
    await log.redis.hdel(log.key("room-a", "version"), "p")
    verdict = await log.audit()
    assert verdict.line == PASSED
    assert [room.redis_skipped for room in verdict.rooms] == [NOT_SAID, None]


async def test_a_topic_that_was_made_anew_under_the_checkpoints_is_named(log: Log) -> None:
    await log.work(beyond=3)
    said = " ".join((await log.audit()).problems)
    assert "was folded up to offset" in said
    assert "but its log ends at" in said


async def test_a_watch_counts_on_and_says_so_in_its_metrics(log: Log) -> None:
    await log.work()
    metrics, verdicts = AuditMetrics(), asyncio.Queue[Verdict]()

    async def scraped(port: int) -> dict[str, float]:
        async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}

    async with serving_metrics(metrics.registry, "127.0.0.1", 0) as port:
        watching = asyncio.create_task(
            watch(
                log.where,
                Assumptions(),
                metrics,
                interval_s=0.1,
                deadline_s=0.5,
                audited=verdicts.put_nowait,
                failed=pytest.fail,
            )
        )
        assert (await verdicts.get()).line == PASSED
        passed = await scraped(port)
        document = msgspec.json.decode(await log.redis.get(log.key("room-a")) or b"")
        await log.redis.delete(log.key("room-b"))
        while not (verdict := await verdicts.get()).differences:
            pass
        found = await scraped(port)
        watching.cancel()
    assert document["totals"]
    assert passed['stream_audits_total{result="passed"}'] >= 1
    assert (passed["stream_audit_differences"], passed["stream_audit_records"]) == (0, 402)
    assert passed["stream_audit_last_timestamp_seconds"] > 1.7e9
    assert passed['stream_audit_remembered{what="rooms"}'] == len(ROOMS)
    assert [room.room_id for room in verdict.rooms if room.differences] == ["room-b"]
    assert found["stream_audit_differences"] == 1
    assert found['stream_audits_total{result="differences"}'] >= 1
