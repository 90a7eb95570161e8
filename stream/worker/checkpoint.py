"""Changed state and the offsets that it reflects, in one Kafka transaction per partition.

One transaction holds: the changed state records and the meta record, into `checkpoints`; what was refused, into
`dead-letters`; the overlay documents of changed rooms, into `signals`; the order in which all was read, into `journal`.
All go to the same partition number, under the
transactional id `<group>-<prefix>-<partition>`: starting a producer of that id fences off every older owner and
aborts its open transaction. So either all of it is visible or none, and nobody but the present owner can write.

Any error ends the owner. The outcome of a failed commit is read back from the log by the next owner, never guessed,
and a producer is never used again after an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from msgspec import Struct

from stream.exits import Exit
from stream.worker.tasks import FatalError, within

# Raise when an older worker could misread what this one writes; an unknown, newer version is refused.
CHECKPOINT_VERSION = 1
META_KEY = b"m"

# One transaction or one fencing. Calm p95 is 24 ms, the worst seen in a storm 359 ms; a failure only costs a new
# take-over.
TRANSACTION_WAIT_S = 8.0
# The broker aborts a dead owner's transaction after this, in case that nobody fences it before.
TRANSACTION_TIMEOUT_MS = 15_000
REQUEST_TIMEOUT_MS = 5_000
# Below the brokers' usual limit of 1 MiB a batch (`message.max.bytes`), with room for the batch header.
BATCH_BYTES = 512 * 1024
# A larger state record goes alone in its batch; `checkpoints` allows 8 MiB. Beyond that a room could not be saved at
# all.
STATE_RECORD_MAX_BYTES = 8_000_000
SIGNAL_MAX_BYTES = 1_000_000
STOP_WAIT_S = 3.0


class Meta(Struct, kw_only=True):
    """The meta record of a checkpoint, under the key `m`.

    Attributes:
        epoch: counts owners; each claim raises it by one. Not Kafka's producer epoch, which starts anew when the
            transactional id expires.
        seq: counts the transactions of this owner.
        owner: who, for people.
        claim: the first transaction of an owner, before anything is folded.
        positions: per input topic (full name), the next offset to fold.
        clock_ms: the partition's clock.
        partitions: how many partitions the topics had.
    """

    version: int
    epoch: int
    seq: int
    owner: str
    claim: bool
    positions: dict[str, int]
    clock_ms: int
    partitions: int


class _Version(Struct):
    version: int


def decode_meta(raw: bytes, where: str) -> Meta:
    """The meta record.

    Raises:
        FatalError: it is of a newer version, or is no meta record at all.
    """
    try:
        version = msgspec.json.decode(raw, type=_Version).version
        if version > CHECKPOINT_VERSION:
            raise FatalError(
                Exit.FOREIGN_CHECKPOINT,
                f"{where} holds a checkpoint of version {version}, this worker knows {CHECKPOINT_VERSION}: "
                "run the newer Snapup, or use another topic prefix.",
            )
        return msgspec.json.decode(raw, type=Meta)
    except msgspec.MsgspecError as error:
        raise FatalError(
            Exit.FOREIGN_CHECKPOINT, f"{where} holds a meta record that is not ours ({error}): who else writes there?"
        ) from error


class Message(Struct, frozen=True):
    """One record to write."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class Contents(Struct, frozen=True):
    """What one transaction writes: all of one moment."""

    meta: Meta
    state: Sequence[tuple[bytes, bytes | None]] = ()
    dead_letters: Sequence[Message] = ()
    signals: Mapping[str, bytes] = {}
    journal: bytes = b""

    @property
    def records(self) -> int:
        """How many records, without the meta record and the journal's."""
        return len(self.state) + len(self.dead_letters) + len(self.signals)


class Written(Struct, frozen=True):
    """What a transaction came to: the offset of its first checkpoint record, how many records, and their bytes."""

    first_offset: int
    records: int
    bytes: int


class OutputTopics(Struct, frozen=True):
    """Full names of the topics that a checkpoint writes."""

    checkpoints: str
    dead_letters: str
    signals: str
    journal: str

    @classmethod
    def of(cls, prefix: str) -> OutputTopics:
        """The names under a prefix."""
        return cls(f"{prefix}.checkpoints", f"{prefix}.dead-letters", f"{prefix}.signals", f"{prefix}.journal")


class CheckpointWriter:
    """The transactional producer of one partition. Used by one owner, and never again after an error."""

    def __init__(
        self,
        bootstrap_servers: str,
        transactional_id: str,
        topics: OutputTopics,
        partition: int,
        make_producer: Callable[..., Any] = AIOKafkaProducer,
    ) -> None:
        self._topics = topics
        self._partition = partition
        self._producer = make_producer(
            bootstrap_servers=bootstrap_servers,
            transactional_id=transactional_id,
            acks="all",
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            max_request_size=STATE_RECORD_MAX_BYTES + BATCH_BYTES,
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            retry_backoff_ms=20,
        )

    async def fence(self) -> None:
        """Fence off every older owner: from here on none of them can write."""
        await asyncio.wait_for(self._producer.start(), TRANSACTION_WAIT_S)

    async def write(self, contents: Contents) -> Written:
        """Write and commit. Whatever is raised, the caller must give the partition up.

        The contents are the caller's copy of one moment: `wait_for` begins one turn of the loop later, and a fold in
        between must not move the offsets ahead of the state.
        """
        return await asyncio.wait_for(self._transact(contents), TRANSACTION_WAIT_S)

    async def _transact(self, contents: Contents) -> Written:
        await self._producer.begin_transaction()
        meta = Message(META_KEY, msgspec.json.encode(contents.meta))
        state = [Message(key, value) for key, value in contents.state]
        state.append(meta)
        sent = [await self._send(self._topics.checkpoints, state)]
        if contents.dead_letters:
            sent.append(await self._send(self._topics.dead_letters, contents.dead_letters))
        if contents.signals:
            signals = [Message(room_id.encode(), document) for room_id, document in contents.signals.items()]
            sent.append(await self._send(self._topics.signals, signals))
        if contents.journal:
            sent.append(await self._send(self._topics.journal, [Message(None, contents.journal)]))
        # Every future before the commit: `commit_transaction` succeeds although a batch of the transaction failed.
        done = await asyncio.gather(*(future for futures, _ in sent for future in futures))
        await self._producer.commit_transaction()
        return Written(done[0].offset, contents.records, sum(size for _, size in sent))

    async def _send(self, topic: str, messages: Sequence[Message]) -> tuple[list[asyncio.Future[Any]], int]:
        futures = []
        size = 0
        for batch in self._batches(messages):
            size += batch.size()
            futures.append(await self._producer.send_batch(batch, topic, partition=self._partition))
        return futures, size

    def _batches(self, messages: Iterable[Message]) -> Iterator[Any]:
        """Full batches; a record that is larger than a batch gets one of its own."""
        batch = self._producer.create_batch()
        for message in messages:
            if not self._append(batch, message):
                yield batch
                batch = self._producer.create_batch()
                self._append(batch, message)
        yield batch

    @staticmethod
    def _append(batch: Any, message: Message) -> bool:
        # Milliseconds of now; aiokafka's first record of a batch is taken whatever its size.
        added = batch.append(key=message.key, value=message.value, timestamp=None, headers=list(message.headers))
        return added is not None

    async def stop(self) -> None:
        """Close the connections; never raises."""
        await within(self._producer.stop(), STOP_WAIT_S)


def check_sizes(contents: Contents, where: str) -> Contents:
    """The contents without signals that no topic would take.

    Raises:
        FatalError: a state record is larger than the checkpoint topic allows: the partition could never be saved again.
    """
    for key, value in contents.state:
        if value is not None and len(value) > STATE_RECORD_MAX_BYTES:
            raise FatalError(
                Exit.HELPER_FAILED,
                f"The state record {key[:80]!r} of {where} has {len(value)} bytes, the checkpoint topic takes at most "
                f"{STATE_RECORD_MAX_BYTES}: this is a bug, please report it.",
            )
    if all(len(document) <= SIGNAL_MAX_BYTES for document in contents.signals.values()):
        return contents
    kept = {room_id: document for room_id, document in contents.signals.items() if len(document) <= SIGNAL_MAX_BYTES}
    return msgspec.structs.replace(contents, signals=kept)
