"""Changed state and the offsets that it reflects, in one Kafka transaction per partition.

One transaction writes the changed state records and the meta record to `checkpoints`, refused records to
`dead-letters`, overlay documents of changed rooms to `signals`, their claims to `claims`, and the order in which all
was read to `journal`. All go to the same partition number, under the transactional id `<group>-<prefix>-<partition>`. A
new producer of that id fences off every older owner and aborts its open transaction. So all records are visible or
none, and only the present owner can write.

Any error ends the owner. The next owner reads the outcome of a failed commit from the log and never guesses it. A
producer is never used again after an error.
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

# How long a transaction or a fencing may stand still. A whole transaction takes 24 ms (p95, calm); the worst seen in a
# storm took 359 ms. This does not bound the whole: a transaction in a backlog over ten thousand rooms holds 40 MB. An
# owner that was given up in the midst of one had as much to restore, and more to save the next time.
PROGRESS_WAIT_S = 8.0
# The broker aborts a dead owner's transaction after this time, unless a new owner fences it before. The time is longer
# than the largest transaction takes under a quota, and less than the 15 minutes that brokers usually allow
# (`transaction.max.timeout.ms`). Where a broker allows less, the second time is taken.
TRANSACTION_TIMEOUT_MS = 600_000
TRANSACTION_TIMEOUT_LOW_MS = 60_000
REQUEST_TIMEOUT_MS = 5_000
# Below the brokers' usual limit of 1 MiB a batch (`message.max.bytes`), with room for the batch header.
BATCH_BYTES = 960 * 1024
# For batches of state: `checkpoints` allows 8 MiB. aiokafka sends one batch of a partition at a time, so a large
# checkpoint costs as many round trips as it has batches.
STATE_BATCH_BYTES = 4 * 1024 * 1024
# A state record above the batch size goes alone in its batch. A room above this size could not be saved at all.
STATE_RECORD_MAX_BYTES = 8_000_000
STOP_WAIT_S = 3.0


class Meta(Struct, kw_only=True):
    """The meta record of a checkpoint, under the key `m`.

    Attributes:
        version: a worker that knows only a lower version would lose or misread something; see
            `stream.core.saved.growth`.
        epoch: the number of the owner; each new owner raises it by one. It is not Kafka's producer epoch, which starts
            anew when the transactional id expires.
        seq: the number of the transaction among this owner's.
        owner: the name of the owner, for people.
        claim: this is the first transaction of an owner, with which it announces itself before it folds anything.
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
    """The meta record in these bytes.

    Raises:
        FatalError: the record is of a newer version, or is no meta record.
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
        """The most bytes that the record can take in a batch of format 2, where varints vary in length."""
        headers = sum(len(name.encode()) + len(value or b"") + 10 for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers + 36


class Contents(Struct, frozen=True):
    """The records of one transaction, all of one moment.

    `signals`: room ids with documents; a room may have several. `claims`: keys and values.
    """

    meta: Meta
    state: Sequence[tuple[bytes, bytes | None]] = ()
    dead_letters: Sequence[Message] = ()
    signals: Sequence[tuple[str, bytes]] = ()
    claims: Sequence[tuple[bytes, bytes]] = ()
    journal: bytes = b""
    notices: Sequence[Notice] = ()  # not part of the transaction: sent before it

    @property
    def records(self) -> int:
        """The number of records without the meta record and the journal's record."""
        return len(self.state) + len(self.dead_letters) + len(self.signals) + len(self.claims)


class Written(Struct, frozen=True):
    """A committed transaction: the offset of its first checkpoint record, its number of records, and their bytes."""

    first_offset: int
    records: int
    bytes: int


class OutputTopics(Struct, frozen=True):
    """Full names of the topics that a checkpoint writes. `claims` is empty where claims are not kept."""

    checkpoints: str
    dead_letters: str
    signals: str
    journal: str
    claims: str = ""

    @classmethod
    def of(cls, prefix: str, *, keep_claims: bool = True) -> OutputTopics:
        """The topics under a prefix."""
        names = ("checkpoints", "dead-letters", "signals", "journal", *(["claims"] if keep_claims else []))
        return cls(*(f"{prefix}.{name}" for name in names))

    def all(self) -> tuple[str, ...]:
        """The names of all topics."""
        four = (self.checkpoints, self.dead_letters, self.signals, self.journal)
        return (*four, self.claims) if self.claims else four


class LostError(Exception):
    """This owner may not go on: it was fenced off, or cannot prove the contrary."""


class CheckpointWriter:
    """The transactional producer of one partition. One owner uses it, and never again after an error."""

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
        """Fence off every older owner. No older owner can write from here on."""
        try:
            await asyncio.wait_for(self._producer.start(), PROGRESS_WAIT_S)
        except InvalidTransactionTimeout:
            await self.stop()
            self._producer = self._make(TRANSACTION_TIMEOUT_LOW_MS)
            await asyncio.wait_for(self._producer.start(), PROGRESS_WAIT_S)

    async def write(self, contents: Contents, *, first_offset: int | None = None) -> Written:
        """What was written and committed. Whatever is raised, the caller must give the partition up.

        The contents are the caller's copy of one moment: folds go on meanwhile, and must not move the offsets ahead of
        the state. `first_offset`: the offset at which the first checkpoint record must land. If it lands elsewhere,
        nothing is committed: a commit would make visible what another process wrote before.

        Raises:
            LostError: the first record landed elsewhere.
            TimeoutError: the transaction stood still for `PROGRESS_WAIT_S`.
            FatalError: a topic has gone back; nothing is committed.
            KafkaError: any error of aiokafka.
        """
        now_s = asyncio.get_running_loop().time
        async with asyncio.timeout(PROGRESS_WAIT_S) as deadline:

            def went_on() -> None:
                # A transaction that a quota holds back is not stuck: that time does not count.
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
        # Take the topics in turns, so that one request carries a batch of each topic.
        for abreast in zip_longest(*batches):
            for topic, batch in zip(topics, abreast, strict=True):
                if batch is not None:
                    size += batch.size()
                    sent.append(await self._taken(batch, topic, refused))
                    sent[-1].add_done_callback(lambda done: _refusal(done, refused))
                    sent_to.append(topic)
                    went_on()  # a batch is taken once the last but one of its topic is acknowledged
        # Await every future before the commit: `commit_transaction` succeeds although a batch failed.
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
        """Put a marker into every output partition. It ends what an older producer of this id left open there.

        Raises:
            TimeoutError: the transaction stood still for `PROGRESS_WAIT_S`.
            KafkaError: any error of aiokafka.
        """
        async with asyncio.timeout(PROGRESS_WAIT_S):
            await self._producer.begin_transaction()
            for topic in self._topics.all():
                # No record is sent: aiokafka offers no other way to add a partition to a transaction without one.
                self._producer._txn_manager.maybe_add_partition_to_txn(  # noqa: SLF001
                    TopicPartition(topic, self._partition)
                )
            if commit:
                await self._producer.commit_transaction()
            else:
                await self._producer.abort_transaction()

    async def _taken(self, batch: Any, topic: str, refused: Sequence[BaseException]) -> asyncio.Future[Any]:
        """The future of a batch, once aiokafka has room for it. Under a quota that may take longer than a request.

        `refused`: the errors of earlier batches. Behind a batch that the broker refused, aiokafka finds no room any
        more, and says only that it has waited.
        """
        while True:
            if refused:
                raise refused[0]
            try:
                taken: asyncio.Future[Any] = await self._producer.send_batch(batch, topic, partition=self._partition)
            except (KafkaTimeoutError, UnknownTopicOrPartitionError):
                # aiokafka first asks where a topic lies that it has not written before. That question waits for the
                # quota too; when it fails, aiokafka says "unknown topic".
                if not refused and not self.throttle.left_s():
                    raise
            else:
                return taken

    def _batches_by_topic(self, contents: Contents) -> Iterator[tuple[str, Iterator[Any]]]:
        """Each topic with its batches. The state comes first: the transaction begins where its first batch lands."""
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
        """Full batches. A record that is larger than a batch gets a batch of its own."""
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
        # None stands for the present time. aiokafka takes the first record of a batch whatever its size.
        added = batch.append(key=message.key, value=message.value, timestamp=None, headers=list(message.headers))
        return added is not None

    async def stop(self) -> None:
        """Close the connections. Never raises."""
        await within(self._producer.stop(), STOP_WAIT_S)


def _refusal(done: asyncio.Future[Any], refused: list[BaseException]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        refused.append(error)


def check_sizes(contents: Contents, where: str) -> Contents:
    """The same contents, checked.

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
