"""What a checkpoint's transaction holds, and which ones are read."""

from __future__ import annotations

import asyncio
from functools import partial
from random import Random
from typing import Any

import msgspec
import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from aiokafka.producer.message_accumulator import BatchBuilder

from stream.core.saved.growth import NEWEST_VERSION
from stream.exits import Exit
from stream.worker.checkpoint import (
    BATCH_BYTES,
    PROGRESS_WAIT_S,
    STATE_BATCH_BYTES,
    STATE_RECORD_MAX_BYTES,
    CheckpointWriter,
    Contents,
    Message,
    Meta,
    OutputTopics,
    Written,
    check_sizes,
    decode_meta,
)
from stream.worker.tasks import FatalError
from tests.simulation.kafka_clients import ProducerTwin
from tests.simulation.kafka_log import Cluster
from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import Network

META = Meta(
    version=NEWEST_VERSION,
    epoch=3,
    seq=9,
    owner="host:1",
    claim=False,
    positions={"live.likes": 7},
    clock_ms=1_700_000_000_000,
    partitions=12,
)


def test_the_meta_record_survives_the_way_through_kafka() -> None:
    assert decode_meta(msgspec.json.encode(META), "x") == META


def test_a_checkpoint_of_a_newer_version_is_refused_whatever_else_it_holds() -> None:
    newer = msgspec.json.encode({"version": NEWEST_VERSION + 1, "epoch": "who knows"})
    with pytest.raises(
        FatalError, match=r"live\.checkpoints.* version 3, this worker knows 2: run the newer"
    ) as caught:
        decode_meta(newer, "live.checkpoints, partition 3,")
    assert caught.value.code is Exit.FOREIGN_CHECKPOINT


@pytest.mark.parametrize("raw", [b"", b"null", b"{}", b"\xff", b'{"version":1}', b'{"version":"1"}'])
def test_a_meta_record_of_somebody_else_is_refused(raw: bytes) -> None:
    with pytest.raises(FatalError, match="not ours"):
        decode_meta(raw, "x")


async def batches(messages: list[Message], most_bytes: int = BATCH_BYTES) -> list[int]:
    writer = CheckpointWriter("127.0.0.1:1", "t-0", OutputTopics.of("live"), 0)
    try:
        made = list(writer._batches(messages, most_bytes))
        assert all(batch.size() <= most_bytes for batch in made if batch.record_count() > 1)
        return [batch.record_count() for batch in made]
    finally:
        await writer.stop()


async def test_many_records_fill_batches_of_the_size_that_their_topic_takes() -> None:
    messages = [Message(b"k%d" % number, b"x" * 1_000, [("reason", b"y" * 100)]) for number in range(9_000)]
    for most_bytes, least in ((BATCH_BYTES, 850), (STATE_BATCH_BYTES, 3_600)):
        *full, rest = await batches(messages, most_bytes)
        assert sum(full) + rest == 9_000
        assert min(full) >= least


async def test_a_record_that_is_larger_than_a_batch_gets_one_of_its_own() -> None:
    large = Message(b"large", b"x" * (BATCH_BYTES * 3))
    assert await batches([Message(b"a", b"1"), large, Message(b"b", b"2")]) == [1, 1, 1]
    larger = Message(b"larger", b"x" * STATE_RECORD_MAX_BYTES)
    assert await batches([Message(b"a", b"1"), larger, Message(b"b", b"2")], STATE_BATCH_BYTES) == [1, 1, 1]


async def test_claims_are_written_where_they_are_kept() -> None:
    contents = Contents(META, signals=[("r", b"{}")], claims=[(b'["r",1]', b"{}")], journal=b"j")
    for keeps, wanted in ((True, ["signals", "claims", "journal"]), (False, ["signals", "journal"])):
        topics = OutputTopics.of("live", keep_claims=keeps)
        writer = CheckpointWriter("127.0.0.1:1", "t-0", topics, 0)
        try:
            written = [topic for topic, _ in writer._batches_by_topic(contents)]
        finally:
            await writer.stop()
        assert written == ["live.checkpoints", *(f"live.{name}" for name in wanted)]
        assert {*written} <= {*topics.all()}
        assert ("live.claims" in topics.all()) == keeps


async def test_tombstones_and_records_without_a_key_can_be_written() -> None:
    messages = [Message(b"k", None), Message(None, b"v"), Message(None, None, [("h", b"1")])]
    assert await batches(messages) == [3]


def test_a_state_record_that_no_topic_takes_is_an_error_that_names_it() -> None:
    contents = Contents(META, state=[(b"r|room-1", b"x" * (STATE_RECORD_MAX_BYTES + 1))])
    with pytest.raises(FatalError, match=r"r\|room-1"):
        check_sizes(contents, "partition 1")


class StuckProducer:
    """As aiokafka behaves behind a batch that the broker has refused: there is no room for the next one."""

    def __init__(self, **options: Any) -> None:
        del options
        self.asked = 0

    async def begin_transaction(self) -> None:
        pass

    def create_batch(self) -> Any:
        return BatchBuilder(STATE_BATCH_BYTES, 0, is_transactional=True)

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> asyncio.Future[Any]:
        del batch, topic, partition
        self.asked += 1
        if self.asked > 1:
            await asyncio.sleep(0)
            raise KafkaTimeoutError
        refused: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        refused.set_exception(MessageSizeTooLargeError())
        return refused


async def test_what_the_broker_refused_is_said_and_not_that_the_next_batch_has_waited_in_vain() -> None:
    writer = CheckpointWriter("127.0.0.1:1", "t-0", OutputTopics.of("live"), 0, StuckProducer)
    with pytest.raises(MessageSizeTooLargeError):
        await writer.write(Contents(META, journal=b"{}"))


class SlowNetwork(Network):
    one_way_s = 0.0

    def latency_s(self, host: str, now_s: float) -> float:
        del host, now_s
        return self.one_way_s


class SlowKafka:
    """A broker whose every answer takes so long, in virtual time, and one writer that has fenced."""

    def __init__(self, latency_s: float) -> None:
        self.loop = SimulatedLoop(Random(1))
        self.latency_s = latency_s
        self.network = SlowNetwork(Random(1))
        self.cluster = Cluster(
            lambda: int(self.loop.time() * 1000), lambda work, delay_s: self.loop.call_later(delay_s or 0.0, work)
        )
        make_producer = partial(ProducerTwin, self.cluster, self.network, "worker")
        self.writer = CheckpointWriter("", "t-0", OutputTopics.of("live"), 0, make_producer)

    def run(self, contents: Contents) -> tuple[Any, float]:
        """What became of the write, and after how many seconds."""
        outcome: list[Any] = []

        async def work() -> None:
            await self.writer.fence()
            self.network.one_way_s = self.latency_s / 2
            begun_s = self.loop.time()
            try:
                outcome.append(await self.writer.write(contents))
            except Exception as error:  # noqa: BLE001 — the outcome
                outcome.append(error)
            outcome.append(self.loop.time() - begun_s)
            self.loop.stop()

        task = self.loop.create_task(work())
        try:
            assert self.loop.simulate(100_000), task
        finally:
            self.loop.close()
        return outcome[0], outcome[1]


def test_a_large_transaction_may_take_its_time_while_it_goes_on() -> None:
    kafka = SlowKafka(latency_s=2.0)
    state = [(b"r|%d" % number, b"x" * 1_000_000) for number in range(40)]
    signals = [(str(number), b"x" * 100_000) for number in range(80)]
    written, took_s = kafka.run(Contents(META, state=state, signals=signals))
    assert isinstance(written, Written), written
    assert took_s > 2 * PROGRESS_WAIT_S
    assert kafka.cluster.log("live.checkpoints", 0).stable_end() == 42  # and the commit's marker
    # Side by side: as long as the larger of the two, not as both.
    assert took_s < 2.0 * (len(state) / 4 + 4)


def test_a_transaction_that_stands_still_is_given_up() -> None:
    error, took_s = SlowKafka(latency_s=3_600.0).run(Contents(META))
    assert isinstance(error, TimeoutError)
    assert took_s == pytest.approx(PROGRESS_WAIT_S)
