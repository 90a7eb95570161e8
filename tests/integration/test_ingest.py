"""The gateway before a real Kafka: what it acknowledges is there, once, whatever is killed in between."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiohttp import ClientError, ClientSession
from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.contract.catalogue import topic_index_of
from stream.contract.decode import Decoder
from stream.contract.events import TOPIC_NAMES
from stream.contract.partitioner import partition_of
from stream.contract.refusal import DeadLetter
from stream.ingest.keys import OF_WORKERS
from stream.local.stack import Stack, local_stack
from stream.mechanics.kinds import CATALOGUE
from tests.integration.worker_process import add_partitions
from tests.support.any_event import any_event
from tests.support.ingest import DEADLINE_S, eventually, ingesting, like, now_ms
from tests.support.shops import order_body, shop_entry, webhook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.contract.events import Event
    from tests.conftest import ApplyTopics

pytestmark = pytest.mark.integration
START = "from stream.cli import main; main()"
PARTITIONS = 4


async def stored(
    stack: Stack, prefix: str, names: tuple[str, ...] = TOPIC_NAMES, partitions: int = PARTITIONS
) -> list[Any]:
    """Every record of the input topics, as they are now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        parts = [TopicPartition(f"{prefix}.{name}", part) for name in names for part in range(partitions)]
        consumer.assign(parts)
        found: list[Any] = []
        async with asyncio.timeout(DEADLINE_S):
            for part, end in (await consumer.end_offsets(parts)).items():
                while await consumer.position(part) < end:
                    for some in (await consumer.getmany(timeout_ms=100)).values():
                        found += some
        return found
    finally:
        await consumer.stop()


def any_good_event(kind: type[Event], dice: random.Random, event_id: str, room_id: str) -> Event:
    """Draw until the fields do not contradict each other, as a sale that ends before it begins."""
    decoder = Decoder(topic_index_of(kind), catalogue=CATALOGUE)
    while True:
        event = any_event(kind, dice, event_id, room_id, now_ms())
        if not isinstance(decoder.decode(msgspec.json.encode(event), room_id.encode(), now_ms()), DeadLetter):
            return event


def ids_in(records: list[Any]) -> Counter[str]:
    return Counter(msgspec.json.decode(record.value)["event_id"] for record in records)


async def test_events_of_every_type_lie_once_in_the_topic_and_partition_that_they_belong_to(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics
) -> None:
    await apply_topics(PARTITIONS)
    dice = random.Random(7)
    events = [
        any_good_event(kind, dice, f"e-{number}-{name}", f"room-{number}")
        for number in range(5)
        for name, (_, kind) in CATALOGUE.types.items()
        if name not in OF_WORKERS
    ]
    async with ingesting(bootstrap_servers=stack.bootstrap_servers, topic_prefix=topic_prefix) as sender:
        await eventually(lambda: not sender.gateway.publisher.is_away(), "Kafka is reached")
        ready = await sender.session.get(f"{sender.top}/readyz")
        assert ready.status == 200
        answer = await sender.send([msgspec.json.decode(msgspec.json.encode(event)) for event in events])
        said = await answer.json()
        assert (answer.status, said["errors"], said["accepted"]) == (202, [], len(events))
        guide = (Path(__file__).parents[2] / "docs" / "contract.md").read_text("utf-8")
        shell = re.search(r"```sh\n(curl .*?)```", guide, re.DOTALL)
        assert shell
        written = shell[1].replace("http://127.0.0.1:8081", sender.top)
        curl = await asyncio.create_subprocess_shell(written, stdout=asyncio.subprocess.PIPE)
        assert (await curl.communicate())[0] == b'{"accepted":1,"errors":[]}', "docs/contract.md begins with it"
        half = await sender.send([like("room-1", event_id="good"), like(count=0)])
        assert half.status == 207
    records = await stored(stack, topic_prefix)
    (by_curl,) = (record for record in records if record.key == b"viya-2017")
    records.remove(by_curl)
    wanted = Counter([*(event.event_id for event in events), "good"])
    assert ids_in(records) == wanted
    for record in records:
        event = CATALOGUE.decode(record.value)
        assert record.topic == f"{topic_prefix}.{CATALOGUE.types[msgspec.json.decode(record.value)['type']][0]}"
        assert record.key == event.room_id.encode()
        assert record.partition == partition_of(record.key, PARTITIONS)


async def test_a_shops_order_and_its_refund_lie_in_the_log_when_its_webhooks_are_answered(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, tmp_path: Path
) -> None:
    await apply_topics(PARTITIONS)
    path = tmp_path / "shops.toml"
    path.write_text(shop_entry())
    refund = {
        "id": 5,
        "processed_at": datetime.now(UTC).isoformat(),
        "refund_line_items": [
            {"line_item_id": 9, "quantity": 1, "subtotal_set": {"shop_money": {"amount": "10.00"}}},
        ],
    }
    where = {"bootstrap_servers": stack.bootstrap_servers, "topic_prefix": topic_prefix}
    # Two processes, as a balancer would have them: neither remembers what the other has heard.
    async with ingesting(**where, ingest_shops_file=path) as one, ingesting(**where, ingest_shops_file=path) as other:
        for sender in (one, other):
            await eventually(lambda: not sender.gateway.publisher.is_away(), "Kafka is reached")  # noqa: B023 -- at once
        for sender, topic, refunds in (
            (one, "orders/create", []),
            (other, "orders/paid", []),
            (one, "orders/paid", []),  # the answer was lost, and the shop sends it again
            (other, "orders/updated", [refund]),
        ):
            answer = await webhook(sender, topic, order_body(refunds=refunds))
            assert (answer.status, await answer.json()) == (202, {"accepted": 1, "errors": []})
    records = await stored(stack, topic_prefix, ("orders",))
    assert ids_in(records) == {"sh:1:placed": 1, "sh:1:paid": 2, "sh:1:part:5": 1}
    assert {(record.key, record.partition) for record in records} == {(b"room-1", partition_of(b"room-1", PARTITIONS))}
    first, again = (record.value for record in records if b"sh:1:paid" in record.value)
    assert msgspec.json.decode(first)["lines"] == msgspec.json.decode(again)["lines"]


# -- processes ---------------------------------------------------------------------------------------------------------
class Process:
    """`snapup ingest` in a process of its own."""

    def __init__(self, folder: Path, servers: str, prefix: str, **variables: str) -> None:
        self._said = folder / f"ingest-{os.urandom(4).hex()}.log"
        environment = {
            **os.environ,
            "SNAPUP_BOOTSTRAP_SERVERS": servers,
            "SNAPUP_TOPIC_PREFIX": prefix,
            "SNAPUP_INGEST_PORT": "0",
            "SNAPUP_INGEST_METRICS_PORT": "0",
            **variables,
        }
        with self._said.open("wb") as out:
            command = [sys.executable, "-c", START, "ingest"]
            self.process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)

    def text(self) -> str:
        return self._said.read_text("utf-8", "replace")

    async def top(self) -> str:
        """Its address, once it listens and reaches Kafka."""
        await eventually(lambda: "producer ready" in self.text(), "the gateway reaches Kafka")
        found = re.search(r"http://127\.0\.0\.1:\d+(?=/v1/events)", self.text())
        assert found
        return found[0]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


async def post(session: ClientSession, top: str, body: list[dict[str, Any]]) -> int:
    """The status; 0: no answer."""
    try:
        async with session.post(f"{top}/v1/events", json=body) as answer:
            await answer.read()
            return answer.status
    except (ClientError, OSError):
        return 0


async def test_a_gateway_that_is_killed_loses_nothing_acknowledged_and_a_retry_is_told_by_its_ids(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, tmp_path: Path
) -> None:
    await apply_topics(PARTITIONS)
    bodies = [[like(f"room-{number % 5}") for _ in range(50)] for number in range(200)]
    first = Process(tmp_path, stack.bootstrap_servers, topic_prefix)
    second = Process(tmp_path, stack.bootstrap_servers, topic_prefix)
    statuses: dict[int, int] = {}

    async def send(session: ClientSession, top: str, number: int) -> None:
        statuses[number] = await post(session, top, bodies[number])
        if len([status for status in statuses.values() if status == 202]) == 60:
            first.process.send_signal(signal.SIGKILL)

    try:
        async with ClientSession() as session:
            top = await first.top()
            await asyncio.gather(*(send(session, top, number) for number in range(len(bodies))))
            first.process.wait()
            unanswered = [number for number, status in statuses.items() if status != 202]
            assert unanswered, "it was killed in the middle"
            assert {statuses[number] for number in unanswered} == {0}
            acknowledged = {each["event_id"] for number in statuses.keys() - unanswered for each in bodies[number]}
            assert acknowledged <= ids_in(await stored(stack, topic_prefix, ("likes",))).keys()
            top = await second.top()
            for number in unanswered:
                assert await post(session, top, bodies[number]) == 202
    finally:
        first.kill()
        second.process.terminate()
    found = ids_in(await stored(stack, topic_prefix, ("likes",)))
    assert found.keys() == {each["event_id"] for body in bodies for each in body}
    # What was not acknowledged may lie there twice, under one id; what was, once.
    assert {event_id for event_id, count in found.items() if count > 1} & acknowledged == set()
    assert await asyncio.to_thread(second.process.wait, DEADLINE_S) == 0, second.text()


@pytest.fixture
def own_stack() -> Iterator[Stack]:
    """Servers that this test may kill."""
    with local_stack(with_topics=False) as made:
        yield made


@pytest.mark.skipif(os.environ.get("SNAPUP_INGEST") != "all", reason="`make test-ingest` stops and kills a broker too")
@pytest.mark.slow
async def test_a_broker_that_is_away_is_503_and_nothing_is_half_said(own_stack: Stack) -> None:
    await asyncio.to_thread(own_stack.apply_topics, "live", partitions=PARTITIONS)
    at = own_stack.bootstrap_servers
    async with ingesting(bootstrap_servers=at, ingest_timeout_ms=1_000) as sender:
        gateway = sender.gateway
        await eventually(lambda: not gateway.publisher.is_away(), "Kafka is reached")
        before = [like() for _ in range(20)]
        assert (await sender.send(before)).status == 202
        own_stack.kafka.pause()
        unsaid = [like(), like(count=0)]
        found = await sender.problem(unsaid)
        assert (found["status"], found["kind"]) == (503, "kafka_away")
        assert "errors" not in found
        assert int(found["retry_after"]) >= 1
        assert gateway.budget.taken_bytes > 0  # the producer still holds them
        # The next one is told before its body is read, and the process says that it is not ready.
        await eventually(gateway.publisher.is_away, "the oldest answer is overdue")
        assert (await sender.problem([like()]))["kind"] == "kafka_away"
        assert (await sender.session.get(f"{sender.top}/readyz")).status == 503
        own_stack.kafka.resume()
        await eventually(lambda: not gateway.publisher.is_away(), "Kafka acknowledges again")
        assert (await sender.send(unsaid)).status == 207
        assert gateway.budget.taken_bytes == 0
        await asyncio.to_thread(own_stack.kafka.kill)
        after = [like() for _ in range(20)]
        assert (await sender.problem(after))["status"] == 503
        await asyncio.to_thread(own_stack.kafka.start)
        await eventually(lambda: not gateway.publisher.is_away(), "Kafka acknowledges again")
        assert (await sender.send(after)).status == 202
        await eventually(lambda: gateway.budget.taken_bytes == 0, "nothing is held")
    records = ids_in(await stored(own_stack, "live", ("likes",)))
    assert records.keys() == {each["event_id"] for each in [*before, unsaid[0], *after]}
    assert all(records[each["event_id"]] == 1 for each in before)


async def test_a_topic_that_is_given_more_partitions_splits_no_room(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics
) -> None:
    await apply_topics(1)
    async with ingesting(
        bootstrap_servers=stack.bootstrap_servers, topic_prefix=topic_prefix, ingest_timeout_ms=20_000
    ) as sender:
        publisher = sender.gateway.publisher
        await eventually(lambda: not publisher.is_away(), "Kafka is reached")
        assert (await sender.send([like("first")])).status == 202
        await add_partitions(stack, topic_prefix, 3)
        await publisher._producer.client.force_metadata_update()
        await eventually(lambda: publisher._partitions == 3 and not publisher.is_away(), "the new count is known")
        rooms = [f"room-{number}" for number in range(20)]
        assert (await sender.send([like(room) for room in rooms])).status == 202
        found = await stored(stack, topic_prefix, ("likes",), 3)
        assert len(found) == 1 + len(rooms)
        places = {record.key.decode(): record.partition for record in found if record.key != b"first"}
        assert places == {room: partition_of(room.encode(), 3) for room in rooms}
