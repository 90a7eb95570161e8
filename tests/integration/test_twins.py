"""The twins of the simulation answer as the real Kafka and Redis do, in everything that the worker relies on.

Each test runs twice: against the twin, and against the real server with the real client.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import redis.asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import IllegalOperation, MessageSizeTooLargeError

from stream.contract.overlay import room_key
from stream.core.publishing import Published
from stream.redis_clients import REDIS_ERRORS
from stream.worker.checkpoint import CheckpointWriter, Contents, Meta, OutputTopics
from stream.worker.metrics import FENCED_ERRORS
from stream.worker.overlay_store import VERSION_TTL_MS, Answer, OverlayStore
from stream.worker.restore import restore
from tests.simulation.kafka_clients import ConsumerTwin, ProducerTwin
from tests.simulation.kafka_log import Cluster
from tests.simulation.network import Network, Trap
from tests.simulation.redis_server import RedisServer, RedisTwin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stream.local.stack import Stack

pytestmark = pytest.mark.integration

WAIT_S = 20.0
SMALL_BYTES = 2_000
MARKER_S = 0.005


class Kafka(ABC):
    """Producers and consumers of one kind, and a topic of one partition that takes batches of 2 000 bytes at most."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.tp = TopicPartition(topic, 0)
        self._open: list[Any] = []

    @abstractmethod
    def make_producer(self, **arguments: Any) -> Any:
        """As aiokafka's."""

    @abstractmethod
    def make_consumer(self, **arguments: Any) -> Any:
        """As aiokafka's."""

    @abstractmethod
    def refuse_a_large_batch(self) -> None:
        """The next batch is larger than the broker takes."""

    async def producer(self, transactional_id: str = "id") -> Any:
        """Started: every older one of the same id is fenced off."""
        producer = self.make_producer(
            bootstrap_servers="",
            transactional_id=f"{self.topic}-{transactional_id}",
            max_batch_size=64_000,
            transaction_timeout_ms=15_000,
        )
        self._open.append(producer)
        await asyncio.wait_for(producer.start(), WAIT_S)
        return producer

    async def consumer(self, isolation_level: str) -> Any:
        """At the beginning of the topic."""
        consumer = self.make_consumer(bootstrap_servers="", group_id=None, isolation_level=isolation_level)
        self._open.append(consumer)
        await consumer.start()
        consumer.assign([self.tp])
        await consumer.seek_to_beginning(self.tp)
        return consumer

    async def send(self, producer: Any, *values: bytes) -> int:
        """One batch; its first offset."""
        batch = producer.create_batch()
        for value in values:
            batch.append(key=value, value=value, timestamp=None, headers=[])
        future = await producer.send_batch(batch, self.topic, partition=0)
        return int((await asyncio.wait_for(future, WAIT_S)).offset)

    async def end(self, isolation_level: str) -> int:
        consumer = await self.consumer(isolation_level)
        return int((await consumer.end_offsets([self.tp]))[self.tp])

    async def until_end(self, isolation_level: str, end: int) -> None:
        """Markers of a transaction come somewhat after its commit was answered."""
        deadline = time.monotonic() + WAIT_S
        while (found := await self.end(isolation_level)) != end:
            assert time.monotonic() < deadline, f"ends at {found}, not at {end}"

    async def read(self, isolation_level: str) -> list[bytes]:
        """All that such a reader sees."""
        consumer = await self.consumer(isolation_level)
        end = (await consumer.end_offsets([self.tp]))[self.tp]
        values: list[bytes] = []
        deadline = time.monotonic() + WAIT_S
        while await consumer.position(self.tp) < end:
            assert time.monotonic() < deadline
            for records in (await consumer.getmany(self.tp, timeout_ms=100)).values():
                values += [record.value for record in records]
        return values

    async def close(self) -> None:
        for each in self._open:
            await each.stop()


class RealKafka(Kafka):
    def __init__(self, topic: str, bootstrap_servers: str) -> None:
        super().__init__(topic)
        self.bootstrap_servers = bootstrap_servers

    async def make_topic(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        await admin.start()
        config = {"max.message.bytes": str(SMALL_BYTES)}
        await admin.create_topics([NewTopic(self.topic, 1, 1, topic_configs=config)])
        await admin.close()

    def refuse_a_large_batch(self) -> None:
        """It does so by itself."""

    def make_producer(self, **arguments: Any) -> Any:
        return AIOKafkaProducer(**arguments | {"bootstrap_servers": self.bootstrap_servers})

    def make_consumer(self, **arguments: Any) -> Any:
        return AIOKafkaConsumer(**arguments | {"bootstrap_servers": self.bootstrap_servers})


class TwinKafka(Kafka):
    def __init__(self, topic: str) -> None:
        super().__init__(topic)
        self._network = Network(Random(1))
        self._cluster = Cluster(lambda: time.time_ns() // 1_000_000, self._later)

    @staticmethod
    def _later(work: Any, delay_s: float | None) -> None:
        asyncio.get_running_loop().call_later(MARKER_S if delay_s is None else delay_s, work)

    def make_producer(self, **arguments: Any) -> Any:
        return ProducerTwin(self._cluster, self._network, "host", **arguments)

    def make_consumer(self, **arguments: Any) -> Any:
        return ConsumerTwin(self._cluster, self._network, "host", **arguments)

    def refuse_a_large_batch(self) -> None:
        self._network.traps.append(Trap(None, "produce", "asked", MessageSizeTooLargeError))


@pytest.fixture(params=["twin", "real"])
async def kafka(request: pytest.FixtureRequest, topic_prefix: str) -> AsyncIterator[Kafka]:
    made: Kafka
    if request.param == "twin":
        made = TwinKafka(f"{topic_prefix}.twins")
    else:
        stack: Stack = request.getfixturevalue("stack")
        made = RealKafka(f"{topic_prefix}.twins", stack.bootstrap_servers)
        await made.make_topic()
    yield made
    await made.close()


# -- Kafka -------------------------------------------------------------------------------------------------------------


async def test_a_later_producer_of_the_same_id_makes_the_older_ones_commit_fail(kafka: Kafka) -> None:
    older = await kafka.producer()
    await older.begin_transaction()
    await kafka.send(older, b"of the older")
    await kafka.producer()
    with pytest.raises(Exception) as caught:  # noqa: PT011 — which one is the question
        await asyncio.wait_for(older.commit_transaction(), WAIT_S)
    assert type(caught.value).__name__ in FENCED_ERRORS
    assert await kafka.read("read_committed") == []


async def test_a_later_producer_makes_the_older_ones_next_batch_fail(kafka: Kafka) -> None:
    older = await kafka.producer()
    await kafka.producer()
    await older.begin_transaction()
    with pytest.raises(Exception) as caught:  # noqa: PT011
        await kafka.send(older, b"of the older")
    assert type(caught.value).__name__ in FENCED_ERRORS
    assert await kafka.read("read_uncommitted") == []


async def test_a_producer_of_another_id_fences_nobody(kafka: Kafka) -> None:
    older = await kafka.producer()
    await older.begin_transaction()
    await kafka.send(older, b"kept")
    await kafka.producer("another")
    await older.commit_transaction()
    await kafka.until_end("read_committed", 2)
    assert await kafka.read("read_committed") == [b"kept"]


async def test_fencing_aborts_what_was_open_before_it_is_done(kafka: Kafka) -> None:
    older = await kafka.producer()
    await older.begin_transaction()
    await kafka.send(older, b"open")
    assert await kafka.end("read_committed") == 0
    await kafka.producer()
    assert await kafka.end("read_committed") == 2  # the record and the marker that aborts it: no waiting
    assert await kafka.read("read_committed") == []
    assert await kafka.read("read_uncommitted") == [b"open"]


async def test_committed_is_seen_open_and_aborted_is_not(kafka: Kafka) -> None:
    producer = await kafka.producer()
    await producer.begin_transaction()
    await kafka.send(producer, b"committed")
    await producer.commit_transaction()
    await producer.begin_transaction()
    await kafka.send(producer, b"aborted")
    await producer.abort_transaction()
    await kafka.until_end("read_committed", 4)
    await producer.begin_transaction()
    await kafka.send(producer, b"open")
    assert await kafka.read("read_committed") == [b"committed"]
    assert await kafka.read("read_uncommitted") == [b"committed", b"aborted", b"open"]


async def test_the_end_for_committed_readers_is_before_the_first_open_transaction(kafka: Kafka) -> None:
    slow, quick = await kafka.producer("slow"), await kafka.producer("quick")
    await slow.begin_transaction()
    await kafka.send(slow, b"open")
    await quick.begin_transaction()
    await kafka.send(quick, b"committed after")
    await quick.commit_transaction()
    await kafka.until_end("read_uncommitted", 3)
    assert await kafka.end("read_committed") == 0
    assert await kafka.read("read_committed") == []
    await slow.commit_transaction()
    await kafka.until_end("read_committed", 4)
    assert await kafka.read("read_committed") == [b"open", b"committed after"]


async def test_the_next_transaction_lands_where_a_committed_reader_ends(kafka: Kafka) -> None:
    producer = await kafka.producer()
    for number in range(3):
        await producer.begin_transaction()
        assert await kafka.send(producer, b"first", b"second") == number * 3
        await producer.commit_transaction()
    successor = await kafka.producer()
    end = await kafka.end("read_committed")
    await successor.begin_transaction()
    assert await kafka.send(successor, b"claim") == end == 9


async def test_a_commit_succeeds_although_a_batch_of_it_was_refused(kafka: Kafka) -> None:
    producer = await kafka.producer()
    await producer.begin_transaction()
    await kafka.send(producer, b"small")
    kafka.refuse_a_large_batch()
    with pytest.raises(MessageSizeTooLargeError):
        await kafka.send(producer, b"x" * 10 * SMALL_BYTES)
    await asyncio.wait_for(producer.commit_transaction(), WAIT_S)
    await kafka.until_end("read_committed", 2)
    assert await kafka.read("read_committed") == [b"small"]


async def test_batches_of_one_partition_keep_their_order(kafka: Kafka) -> None:
    producer = await kafka.producer()
    await producer.begin_transaction()
    futures = []
    for value in (b"1", b"2", b"3"):
        batch = producer.create_batch()
        batch.append(key=None, value=value, timestamp=None, headers=[])
        futures.append(await producer.send_batch(batch, kafka.topic, partition=0))
    assert [done.offset for done in await asyncio.gather(*futures)] == [0, 1, 2]
    await producer.commit_transaction()


async def test_a_batch_is_taken_when_the_last_but_one_of_its_partition_is_answered(kafka: Kafka) -> None:
    producer = await kafka.producer()
    await producer.begin_transaction()
    futures: list[Any] = []
    for number in range(5):
        batch = producer.create_batch()
        batch.append(key=None, value=b"%d" % number, timestamp=None, headers=[])
        futures.append(await producer.send_batch(batch, kafka.topic, partition=0))
        assert all(future.done() for future in futures[:-2])
    await asyncio.gather(*futures)
    await producer.commit_transaction()


async def test_nothing_is_sent_outside_a_transaction(kafka: Kafka) -> None:
    producer = await kafka.producer()
    with pytest.raises(IllegalOperation):
        await kafka.send(producer, b"lost")


async def test_a_checkpoint_is_restored_as_it_was_written(kafka: Kafka) -> None:
    outputs = OutputTopics.of("none")
    outputs = type(outputs)(**dict.fromkeys(outputs.__struct_fields__, kafka.topic))
    meta = Meta(version=1, epoch=1, seq=1, owner="me", claim=True, positions={"t": 7}, clock_ms=1, partitions=1)
    servers = getattr(kafka, "bootstrap_servers", "")
    writer = CheckpointWriter(servers, f"{kafka.topic}-id", outputs, 0, kafka.make_producer)
    await writer.fence()
    written = await writer.write(Contents(meta, state=[(b"r|1", b"old"), (b"r|2", b"kept")]))
    again = await writer.write(Contents(meta, state=[(b"r|1", None)]))
    await writer.stop()
    heir = CheckpointWriter(servers, f"{kafka.topic}-id", outputs, 0, kafka.make_producer)
    await heir.fence()
    found: list[tuple[bytes, bytes | None]] = []
    restored = await restore(servers, kafka.topic, 0, lambda *record: found.append(record), kafka.make_consumer)
    assert found == [(b"r|1", b"old"), (b"r|2", b"kept"), (b"r|1", None)]
    assert restored.meta == meta
    assert (written.first_offset, again.first_offset, restored.end_offset) == (0, 4, 7)
    claim = await heir.write(Contents(meta))
    assert claim.first_offset == restored.end_offset
    await heir.stop()


# -- Redis -------------------------------------------------------------------------------------------------------------


# Keeps the server from everything else for so many µs.
BUSY = """
local function now_us() local time = redis.call('TIME') return time[1] * 1000000 + time[2] end
local ends_us = now_us() + ARGV[1]
while now_us() < ends_us do end
"""


class OneRedis:
    """A store with a short time-out, a client to look with, and the server's moods."""

    def __init__(
        self,
        client: Any,
        store: OverlayStore,
        away: OverlayStore,
        server: RedisServer | None,
        probe: OverlayStore | None = None,
    ) -> None:
        self.client = client
        self.store = store
        self.away = away  # its server refuses connections
        self._server = server
        self._probe = probe or store

    async def full(self) -> None:
        """From now on writes are refused, reads answered."""
        if self._server is None:
            await self.client.config_set("maxmemory-policy", "noeviction")
            await self.client.config_set("maxmemory", 1)
        else:
            self._server.full_until_s = self._server.now_s() + 60

    async def room_again(self) -> None:
        if self._server is None:
            await self.client.config_set("maxmemory", 0)
        else:
            self._server.full_until_s = -1.0

    async def _ping_on(self) -> None:
        """Over connections of its own: the store's must be there already when the server is busy."""
        while True:
            await self._probe.ping()

    async def slow(self, seconds: float) -> None:
        """Commands are carried out only after so long."""
        if self._server is None:
            self._busy = asyncio.create_task(self.client.eval(BUSY, 0, round(seconds * 1e6)))
            with pytest.raises(REDIS_ERRORS):
                await self._ping_on()
        else:
            self._server.slow_until_s = self._server.now_s() + 0.001
            self._server.slow_most_s = seconds
            self._server._random = Always(0.9)


class Always(Random):
    """Draws the same number each time."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self._number = number

    def random(self) -> float:
        return self._number


@pytest.fixture(params=["twin", "real"])
async def one_redis(request: pytest.FixtureRequest) -> AsyncIterator[OneRedis]:
    if request.param == "twin":
        server = RedisServer(Random(1), time.monotonic)
        twin = RedisTwin(server, socket_timeout=20)
        dead = RedisServer(Random(1), time.monotonic)
        dead.refuses_until_s = time.monotonic() + 60
        yield OneRedis(
            twin,
            OverlayStore("redis://twin", "live", 500, partial(_twin_of, server)),
            OverlayStore("redis://twin", "live", 500, partial(_twin_of, dead)),
            server,
        )
        return
    stack: Stack = request.getfixturevalue("stack")
    client = redis.asyncio.Redis.from_url(stack.redis_url)
    await client.flushall()
    await client.script_flush()
    store = OverlayStore(stack.redis_url, "live", 500)
    away = OverlayStore("redis://127.0.0.1:1/0", "live", 500)
    settings = await client.config_get("maxmemory*")
    probe = OverlayStore(stack.redis_url, "live", 100)
    yield OneRedis(client, store, away, None, probe)
    for name in ("maxmemory", "maxmemory-policy"):
        await client.config_set(name, str(settings[name]))
    for each in (store, away, probe):
        await each.close()
    await client.aclose()


def _twin_of(server: RedisServer, **arguments: Any) -> RedisTwin:
    return RedisTwin(server, socket_timeout=arguments["socket_timeout"])


def document(rev: int, room: str = "room-1", ttl_ms: int = 60_000) -> Published:
    return Published(room, rev, b'{"room_id":"%b","rev":%d}' % (room.encode(), rev), ttl_ms, -1, (7, 8))


async def test_only_what_is_newer_is_written(one_redis: OneRedis) -> None:
    versions = ((2, 5), (2, 6), (2, 6), (2, 4), (1, 99), (3, 1), (2, 7), (3, 2), (10, 1), (9, 9))
    answers = [(await one_redis.store.write(epoch, [document(rev)]))[0] for epoch, rev in versions]
    assert answers == [
        Answer.WRITTEN_NEW,
        Answer.WRITTEN,
        Answer.NOT_NEWER,
        Answer.NOT_NEWER,
        Answer.STALE_EPOCH,
        Answer.WRITTEN,
        Answer.STALE_EPOCH,
        Answer.WRITTEN,
        Answer.WRITTEN,
        Answer.STALE_EPOCH,
    ]
    assert await one_redis.client.hgetall(room_key("live", "room-1", "version")) == {
        b"e": b"10",
        b"r": b"1",
        b"p": b"7,8",
    }
    assert await one_redis.client.get(room_key("live", "room-1", "overlay")) == document(1).document


async def test_documents_of_one_pipeline_are_answered_one_by_one(one_redis: OneRedis) -> None:
    await one_redis.store.write(1, [document(3, "a"), document(5, "b")])
    answers = await one_redis.store.write(1, [document(4, "a"), document(5, "b"), document(1, "c")])
    assert answers == [Answer.WRITTEN, Answer.NOT_NEWER, Answer.WRITTEN_NEW]


async def test_a_forgotten_script_is_loaded_again(one_redis: OneRedis) -> None:
    assert await one_redis.store.write(1, [document(1)]) == [Answer.WRITTEN_NEW]
    await one_redis.client.script_flush()
    assert await one_redis.store.write(1, [document(2)]) == [Answer.WRITTEN]


async def test_a_document_runs_out_and_its_version_stands_guard(one_redis: OneRedis) -> None:
    key, version = (room_key("live", "room-1", what) for what in ("overlay", "version"))
    await one_redis.store.write(2, [document(5)])
    assert 0 < await one_redis.client.pttl(key) <= 60_000
    assert 60_000 < await one_redis.client.pttl(version) <= VERSION_TTL_MS
    await one_redis.store.write(2, [document(6, ttl_ms=1)])
    deadline = time.monotonic() + WAIT_S
    while await one_redis.client.get(key) is not None:
        assert time.monotonic() < deadline
    assert await one_redis.client.pttl(key) == -2
    assert await one_redis.store.write(1, [document(9)]) == [Answer.STALE_EPOCH]
    assert await one_redis.client.get(key) is None


async def test_a_wiped_server_is_noticed_and_takes_everything_as_new(one_redis: OneRedis) -> None:
    await one_redis.store.write(2, [document(5)])
    assert await one_redis.store.known(["room-1"])
    await one_redis.client.flushall()
    assert not await one_redis.store.known(["room-1"])
    assert await one_redis.store.write(1, [document(1)]) == [Answer.WRITTEN_NEW]


async def test_a_server_that_refuses_is_an_error_of_the_kind_that_is_waited_out(one_redis: OneRedis) -> None:
    for work in (one_redis.away.ping(), one_redis.away.write(1, [document(1)]), one_redis.away.known(["room-1"])):
        with pytest.raises(REDIS_ERRORS):
            await work


async def test_a_full_server_answers_each_document_with_an_error(one_redis: OneRedis) -> None:
    await one_redis.store.write(1, [document(1)])
    await one_redis.full()
    answers = await one_redis.store.write(1, [document(2), document(3, "room-2")])
    await one_redis.store.ping()
    assert await one_redis.store.known(["room-1"])
    await one_redis.room_again()
    assert [type(answer).__name__ for answer in answers] == ["OutOfMemoryError"] * 2
    assert await one_redis.store.write(1, [document(2)]) == [Answer.WRITTEN]


async def test_a_slow_server_is_given_up_and_may_carry_it_out_all_the_same(one_redis: OneRedis) -> None:
    await one_redis.store.write(1, [document(1)])
    await one_redis.slow(2.0)
    with pytest.raises(REDIS_ERRORS):
        await one_redis.store.write(1, [document(2)])
    deadline = time.monotonic() + WAIT_S
    while await one_redis.client.get(room_key("live", "room-1", "overlay")) != document(2).document:
        assert time.monotonic() < deadline
