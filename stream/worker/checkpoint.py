"""Changed state and the offsets that it reflects, in one Kafka transaction per partition.

One transaction holds: the changed state records and the meta record, into `checkpoints`; what was refused, into
`dead-letters`; the overlay documents of changed rooms, into `signals`; their claims, into `claims`; the order in which
all was read, into `journal`.
All go to the same partition number, under the
transactional id `<group>-<prefix>-<partition>`: starting a producer of that id fences off every older owner and
aborts its open transaction. So either all of it is visible or none, and nobody but the present owner can write.

Any error ends the owner. The outcome of a failed commit is read back from the log by the next owner, never guessed,
and a producer is never used again after an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, zip_longest
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import InvalidTransactionTimeout, KafkaTimeoutError, UnknownTopicOrPartitionError
from msgspec import Struct

from stream.core.misplaced import Notice
from stream.core.saved.growth import NEWEST_VERSION
from stream.exits import Exit
from stream.kafka_clients import KafkaAt, client_options
from stream.worker.going_back import Landings
from stream.worker.tasks import FatalError, within
from stream.worker.throttling import Throttle, Told

META_KEY = b"m"

# One step of a transaction, or one fencing: how long nothing may come of it. Calm p95 of a whole one is 24 ms, the
# worst seen in a storm 359 ms. Not a bound of the whole: in a backlog over ten thousand rooms one holds 40 MB, and an
# owner that was given up in the midst of one had as much to restore, and more to save next time.
PROGRESS_WAIT_S = 8.0
# The broker aborts a dead owner's transaction after this, in case that nobody fences it before. Longer than the largest
# transaction takes under a quota, for one that goes on must not be aborted; less than the 15 minutes that brokers
# usually allow (`transaction.max.timeout.ms`). Where they allow less than this, the second is taken.
TRANSACTION_TIMEOUT_MS = 600_000
TRANSACTION_TIMEOUT_LOW_MS = 60_000
REQUEST_TIMEOUT_MS = 5_000
# Below the brokers' usual limit of 1 MiB a batch (`message.max.bytes`), with room for the batch header.
BATCH_BYTES = 960 * 1024
# Of state: `checkpoints` allows 8 MiB. aiokafka has one batch of a partition under way at a time, so a large checkpoint
# costs as many round trips as it has batches.
STATE_BATCH_BYTES = 4 * 1024 * 1024
# A larger state record goes alone in its batch. Beyond this a room could not be saved at all.
STATE_RECORD_MAX_BYTES = 8_000_000
STOP_WAIT_S = 3.0


class Meta(Struct, kw_only=True):
    """The meta record of a checkpoint, under the key `m`.

    Attributes:
        version: who reads less than this would lose or misread something; see `stream.core.saved.growth`.
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
        if version > NEWEST_VERSION:
            raise FatalError(
                Exit.FOREIGN_CHECKPOINT,
                f"{where} holds a checkpoint of version {version}, this worker knows {NEWEST_VERSION}: "
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
    headers: Sequence[tuple[str, bytes | None]] = ()

    def most_bytes(self) -> int:
        """At most so many in a batch of format 2: each varint counted as long as it can be."""
        headers = sum(len(name.encode()) + len(value or b"") + 10 for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers + 36


class Contents(Struct, frozen=True):
    """What one transaction writes: all of one moment.

    `signals`: room ids with documents; of a room there may be several. `claims`: keys and values.
    """

    meta: Meta
    state: Sequence[tuple[bytes, bytes | None]] = ()
    dead_letters: Sequence[Message] = ()
    signals: Sequence[tuple[str, bytes]] = ()
    claims: Sequence[tuple[bytes, bytes]] = ()
    journal: bytes = b""
    notices: Sequence[Notice] = ()  # not of the transaction: told before it

    @property
    def records(self) -> int:
        """How many records, without the meta record and the journal's."""
        return len(self.state) + len(self.dead_letters) + len(self.signals) + len(self.claims)


class Written(Struct, frozen=True):
    """What a transaction came to: the offset of its first checkpoint record, how many records, and their bytes."""

    first_offset: int
    records: int
    bytes: int


class OutputTopics(Struct, frozen=True):
    """Full names of the topics that a checkpoint writes; `claims` is empty where they are not kept."""

    checkpoints: str
    dead_letters: str
    signals: str
    journal: str
    claims: str = ""

    @classmethod
    def of(cls, prefix: str, *, keep_claims: bool = True) -> OutputTopics:
        """The names under a prefix."""
        names = ("checkpoints", "dead-letters", "signals", "journal", *(["claims"] if keep_claims else []))
        return cls(*(f"{prefix}.{name}" for name in names))

    def all(self) -> tuple[str, ...]:
        """Each of them."""
        four = (self.checkpoints, self.dead_letters, self.signals, self.journal)
        return (*four, self.claims) if self.claims else four


class LostError(Exception):
    """This owner may not go on: it was fenced off, or cannot prove that it was not."""


class CheckpointWriter:
    """The transactional producer of one partition. Used by one owner, and never again after an error."""

    def __init__(
        self,
        bootstrap_servers: KafkaAt,
        transactional_id: str,
        topics: OutputTopics,
        partition: int,
        make_producer: Callable[..., Any] = AIOKafkaProducer,
        throttled: Told | None = None,
    ) -> None:
        self.landings = Landings()
        self._topics = topics
        self._partition = partition
        self.throttle = Throttle("checkpoint", throttled)

        def make(timeout_ms: int) -> Any:
            producer = make_producer(
                **client_options(bootstrap_servers),
                transactional_id=transactional_id,
                acks="all",
                linger_ms=0,
                max_batch_size=STATE_BATCH_BYTES,
                max_request_size=STATE_RECORD_MAX_BYTES + STATE_BATCH_BYTES,
                transaction_timeout_ms=timeout_ms,
                request_timeout_ms=REQUEST_TIMEOUT_MS,
                retry_backoff_ms=20,
            )
            if (client := getattr(producer, "client", None)) is not None:
                self.throttle.obey(client)
            return producer

        self._make = make
        self._producer = make(TRANSACTION_TIMEOUT_MS)

    async def fence(self) -> None:
        """Fence off every older owner: from here on none of them can write."""
        try:
            await asyncio.wait_for(self._producer.start(), PROGRESS_WAIT_S)
        except InvalidTransactionTimeout:
            await self.stop()
            self._producer = self._make(TRANSACTION_TIMEOUT_LOW_MS)
            await asyncio.wait_for(self._producer.start(), PROGRESS_WAIT_S)

    async def write(self, contents: Contents, *, first_offset: int | None = None) -> Written:
        """Write and commit. Whatever is raised, the caller must give the partition up.

        The contents are the caller's copy of one moment: folds go on meanwhile, and must not move the offsets ahead of
        the state. `first_offset`: where the first checkpoint record must land; else nothing is committed, for a commit
        would make visible what somebody else wrote before it.

        Raises:
            LostError: it landed elsewhere.
            TimeoutError: for `PROGRESS_WAIT_S` nothing came of it.
            FatalError: a topic has gone back; nothing is committed.
            KafkaError: what aiokafka has to say.
        """
        now_s = asyncio.get_running_loop().time
        async with asyncio.timeout(PROGRESS_WAIT_S) as deadline:

            def went_on() -> None:
                # Held back by a quota is not stuck: that time does not count.
                if not deadline.expired():
                    deadline.reschedule(now_s() + self.throttle.left_s() + PROGRESS_WAIT_S)

            self.throttle.listener = went_on
            try:
                return await self._transact(contents, went_on, first_offset)
            finally:
                self.throttle.listener = None

    async def _transact(self, contents: Contents, went_on: Callable[[], None], first_offset: int | None) -> Written:
        await self._producer.begin_transaction()
        topics, batches = zip(*self._batches_by_topic(contents), strict=True)
        sent: list[asyncio.Future[Any]] = []
        sent_to: list[str] = []
        refused: list[BaseException] = []
        size = 0
        # In turns, so that one request carries a batch of each topic.
        for abreast in zip_longest(*batches):
            for topic, batch in zip(topics, abreast, strict=True):
                if batch is not None:
                    size += batch.size()
                    sent.append(await self._taken(batch, topic, refused))
                    sent[-1].add_done_callback(lambda done: _refusal(done, refused))
                    sent_to.append(topic)
                    went_on()  # taken means: the last but one of this topic is acknowledged
        # Every future before the commit: `commit_transaction` succeeds although a batch of the transaction failed.
        done = await asyncio.gather(*sent)
        for topic, batch in zip(sent_to, done, strict=True):
            self.landings.check(topic, self._partition, batch.offset, self._topics.checkpoints)
        went_on()
        landed = done[0].offset
        if first_offset not in (None, landed):
            raise LostError(f"the claim landed at {landed}, the state was read to {first_offset} only")
        await self._producer.commit_transaction()
        return Written(landed, contents.records, size)

    async def end_open(self, *, commit: bool) -> None:
        """Put a marker into every output partition: it ends what an older producer of this id left open there.

        Raises:
            TimeoutError: for `PROGRESS_WAIT_S` nothing came of it.
            KafkaError: what aiokafka has to say.
        """
        async with asyncio.timeout(PROGRESS_WAIT_S):
            await self._producer.begin_transaction()
            for topic in self._topics.all():
                # Without a record: aiokafka offers no other way to make a partition part of a transaction.
                self._producer._txn_manager.maybe_add_partition_to_txn(  # noqa: SLF001
                    TopicPartition(topic, self._partition)
                )
            if commit:
                await self._producer.commit_transaction()
            else:
                await self._producer.abort_transaction()

    async def _taken(self, batch: Any, topic: str, refused: Sequence[BaseException]) -> asyncio.Future[Any]:
        """The future of a batch, once aiokafka has room for it; under a quota that may take longer than a request.

        `refused`: what became of batches before it. Behind one that the broker refused, aiokafka finds no room any more
        and says only that it has waited.
        """
        while True:
            if refused:
                raise refused[0]
            try:
                taken: asyncio.Future[Any] = await self._producer.send_batch(batch, topic, partition=self._partition)
            except (KafkaTimeoutError, UnknownTopicOrPartitionError):
                # Of a topic that it has not written before, aiokafka asks where it lies: that question waits for the
                # quota too, and its failure is called an unknown topic.
                if not refused and not self.throttle.left_s():
                    raise
            else:
                return taken

    def _batches_by_topic(self, contents: Contents) -> Iterator[tuple[str, Iterator[Any]]]:
        """The state first: where its first batch lands is where the transaction begins."""
        meta = Message(META_KEY, msgspec.json.encode(contents.meta))
        state = (Message(key, value) for key, value in contents.state)
        yield self._topics.checkpoints, self._batches(chain(state, [meta]), STATE_BATCH_BYTES)
        if contents.dead_letters:
            yield self._topics.dead_letters, self._batches(contents.dead_letters, BATCH_BYTES)
        if contents.signals:
            signals = (Message(room_id.encode(), document) for room_id, document in contents.signals)
            yield self._topics.signals, self._batches(signals, BATCH_BYTES)
        if contents.claims and self._topics.claims:
            claims = (Message(key, value) for key, value in contents.claims)
            yield self._topics.claims, self._batches(claims, BATCH_BYTES)
        if contents.journal:
            yield self._topics.journal, self._batches([Message(None, contents.journal)], BATCH_BYTES)

    def _batches(self, messages: Iterable[Message], most_bytes: int) -> Iterator[Any]:
        """Full batches; a record that is larger than a batch gets one of its own."""
        batch = self._producer.create_batch()
        for message in messages:
            full = batch.record_count() and batch.size() + message.most_bytes() > most_bytes
            if full or not self._append(batch, message):
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


def _refusal(done: asyncio.Future[Any], refused: list[BaseException]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        refused.append(error)


def check_sizes(contents: Contents, where: str) -> Contents:
    """The contents, which the topics take.

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
    return contents
