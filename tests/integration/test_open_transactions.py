"""What a transaction left open in one of the output partitions, on a real broker, and the next owner's way out.

The broker is told not to ask the coordinator whether a partition belongs to a transaction. So records can be written to
a partition of which the coordinator does not know, and which gets no marker: as when Kafka leaves it out.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from stream import topics
from stream.contract.events import TOPIC_NAMES
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.core.saved.journal import Segment, encode_segment
from stream.local.kafka import KafkaServer
from stream.local.settings import load_local_settings
from stream.verify.log import log_reader
from stream.worker.checkpoint import CheckpointWriter, Contents, LostError, Message, Meta, OutputTopics
from stream.worker.fetching import LogEnds
from stream.worker.open_transactions import OutputEnds
from stream.worker.partition_owner import Acquired, Owner, OwnerConfig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

WAIT_S = 30.0


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("kafka")
    server = KafkaServer(
        folder, load_local_settings(), properties={"transaction.partition.verification.enable": "false"}
    )
    server.start()
    yield server.bootstrap_servers
    server.kill()


class Partition:
    """Partition 0 of the topics under a prefix, and its owners."""

    def __init__(self, servers: str, prefix: str) -> None:
        self.servers = servers
        self.outputs = OutputTopics.of(prefix)
        self.inputs = tuple(f"{prefix}.{name}" for name in TOPIC_NAMES)
        self.likes = f"{prefix}.likes"
        self.config = OwnerConfig(
            bootstrap_servers=servers,
            id_prefix=f"group-{prefix}",
            who="test",
            topics=self.inputs,
            outputs=self.outputs,
            partitions=1,
            max_queued_records=100,
            accept_data_loss=False,
            output_ends=OutputEnds(servers),
            make_fold=lambda partition: PartitionFold(partition, Rules(), self.inputs),
        )

    async def acquire(self) -> tuple[Owner, Acquired]:
        async def ends(partition: int) -> LogEnds:
            del partition
            return LogEnds([0] * len(self.inputs), [9] * len(self.inputs))

        owner = Owner(self.config, 0)
        try:
            return owner, await asyncio.wait_for(owner.acquire(ends), WAIT_S)
        except BaseException:
            await self.close(owner)
            raise
        finally:
            await self.config.output_ends.stop()

    @staticmethod
    async def close(owner: Owner) -> None:
        writer = owner.close()
        if writer is not None:
            await writer.stop()

    def contents(self, owner: Owner, refused_offset: int) -> Contents:
        """A checkpoint in which a like was refused."""
        positions = dict.fromkeys(self.inputs, 0) | {self.likes: refused_offset + 1}
        meta = Meta(
            version=owner.fold.version,
            epoch=owner.epoch,
            seq=2,
            owner="test",
            claim=False,
            positions=positions,
            clock_ms=-1,
            partitions=1,
        )
        steps = owner.fold.journal.take(-1, [])
        steps.positions = list(positions.values())
        headers = [("dl-topic", self.likes.encode()), ("dl-partition", b"0"), ("dl-offset", b"%d" % refused_offset)]
        letter = Message(b"room", b"letter %d" % refused_offset, headers)
        journal = encode_segment(Segment(meta.epoch, meta.seq, claim=False, steps=steps))
        return Contents(meta, dead_letters=[letter], journal=journal)

    async def half(self, topic: str, refused_offset: int, *, commit: bool) -> None:
        """An owner takes over and writes a transaction; `topic`, if one is given, gets no marker of it."""
        owner, _ = await self.acquire()
        # A marker of the claim that came later would end this transaction too.
        async with asyncio.timeout(WAIT_S):
            while await self.ends("read_committed") != await self.ends("read_uncommitted"):
                pass  # each look is some requests to the broker
        writer = owner.writer
        assert writer is not None
        producer: Any = writer._producer
        manager: Any = producer._txn_manager
        contents = self.contents(owner, refused_offset)
        begin = producer.begin_transaction

        async def begin_without() -> None:
            await begin()
            if topic:
                manager._txn_partitions.add(TopicPartition(topic, 0))

        producer.begin_transaction = begin_without
        if not commit:
            producer.commit_transaction = _cut_off
        with contextlib.suppress(_CutOffError):
            await asyncio.wait_for(writer.write(contents), WAIT_S)
        await self.close(owner)

    async def ends(self, isolation_level: str) -> dict[TopicPartition, int]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.servers, isolation_level=isolation_level)
        await consumer.start()
        try:
            return dict(await consumer.end_offsets([TopicPartition(topic, 0) for topic in self.outputs.all()]))
        finally:
            await consumer.stop()

    async def seen(self, topic: str) -> list[Any]:
        """What a reader of committed records gets."""
        part = TopicPartition(topic, 0)
        consumer = AIOKafkaConsumer(bootstrap_servers=self.servers, isolation_level="read_committed")
        await consumer.start()
        try:
            consumer.assign([part])
            await consumer.seek_to_beginning(part)
            end = (await consumer.end_offsets([part]))[part]
            found: list[Any] = []
            async with asyncio.timeout(WAIT_S):
                while await consumer.position(part) < end:
                    for records in (await consumer.getmany(part, timeout_ms=100)).values():
                        found += [record.value for record in records]
            return found
        finally:
            await consumer.stop()

    async def metas(self) -> list[Meta]:
        return [msgspec.json.decode(value, type=Meta) for value in await self.seen(self.outputs.checkpoints)]


class _CutOffError(Exception):
    """Here the owner was killed."""


async def _cut_off() -> None:
    raise _CutOffError


async def make(broker: str, prefix: str) -> Partition:
    await topics.apply(broker, topics.declared(prefix, partitions=1))
    return Partition(broker, prefix)


@pytest.mark.parametrize("name", ["checkpoints", "dead-letters", "journal"])
async def test_what_an_aborted_transaction_left_open_is_aborted_by_the_next_owner(
    broker: str, topic_prefix: str, name: str
) -> None:
    part = await make(broker, topic_prefix)
    await part.half(f"{topic_prefix}.{name}", 4, commit=False)
    with pytest.raises(LostError, match=rf"left open \({topic_prefix}\.{name} from .* it was aborted"):
        await part.acquire()
    owner, _ = await part.acquire()
    assert owner.writer is not None
    await owner.writer.write(part.contents(owner, 4))
    await part.close(owner)
    assert await part.seen(part.outputs.dead_letters) == [b"letter 4"]
    metas = await part.metas()
    assert [(meta.epoch, meta.claim) for meta in metas] == [(1, True), (2, True), (2, False)]
    assert len(await part.seen(part.outputs.journal)) == 3


@pytest.mark.parametrize("name", ["checkpoints", "dead-letters", "journal"])
async def test_what_a_committed_transaction_left_open_is_committed_by_the_next_owner(
    broker: str, topic_prefix: str, name: str
) -> None:
    part = await make(broker, topic_prefix)
    await part.half(f"{topic_prefix}.{name}", 4, commit=True)
    with pytest.raises(LostError, match=rf"left open \({topic_prefix}\.{name} from .* it was committed"):
        await part.acquire()
    owner, _ = await part.acquire()
    await part.close(owner)
    assert await part.seen(part.outputs.dead_letters) == [b"letter 4"]
    metas = await part.metas()
    assert [(meta.epoch, meta.claim) for meta in metas] == [(1, True), (1, False), (2, True)]
    assert metas[-1].positions[part.likes] == 5
    assert len(await part.seen(part.outputs.journal)) == 3


async def test_a_claim_does_not_commit_what_lies_before_it(broker: str, topic_prefix: str) -> None:
    part = await make(broker, topic_prefix)
    await part.half(part.outputs.checkpoints, 4, commit=False)
    writer = CheckpointWriter(broker, f"group-{topic_prefix}-0", part.outputs, 0)
    await writer.fence()
    claim = Meta(version=1, epoch=2, seq=1, owner="test", claim=True, positions={}, clock_ms=0, partitions=1)
    with pytest.raises(LostError, match="landed at"):
        await writer.write(Contents(claim), first_offset=2)
    await writer.stop()
    assert [meta.epoch for meta in await part.metas()] == [1]


async def test_the_audit_tells_half_of_a_transaction_from_an_aborted_record_that_was_read(
    broker: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = await make(broker, topic_prefix)
    letters = part.outputs.dead_letters
    await part.half(letters, 4, commit=False)
    monkeypatch.setattr("stream.worker.partition_owner.OutputPartitions.end_open", _nothing_open)
    owner, _ = await part.acquire()
    assert owner.writer is not None
    await owner.writer.write(part.contents(owner, 4))
    await part.close(owner)
    await part.half("", 5, commit=False)  # aborted whole, when the next owner comes
    owner, _ = await part.acquire()
    await part.close(owner)
    assert await part.seen(letters) == [b"letter 4"] * 2
    async with log_reader(broker, [letters], "read_uncommitted") as reader:
        offsets = [record.offset async for record in reader.read_to(await reader.ends())]
        found = [await reader.fate((letters, 0), offset) for offset in offsets]
    assert len(found) == 3
    assert found[0].startswith("half of a transaction: the one of producer epoch")
    assert found[1].startswith("its transaction was committed at")
    assert found[2].endswith("a reader did not skip it")


async def _nothing_open(*_: object) -> None:
    """As before anybody looked."""
