"""A partition of live topics, recounted in the order of its journal, document by document of `signals`.

It only reads inputs, journal and signals, and uses no code of the worker.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from stream.contract.events import TOPIC_NAMES
from stream.contract.partitioner import partition_of
from stream.errors import NoSuchError, SnapupError, did_you_mean
from stream.verify.claim_check import ClaimChecker
from stream.verify.claim_parts import claim_settings_of
from stream.verify.journal_order import Folded, JournalUnreadableError, Told, folded, read_journal
from stream.verify.log import log_reader
from stream.verify.recounted import NO_MECHANICS
from stream.verify.redis_documents import UnreadableError, read_document
from stream.verify.rulebook import assumptions_of_rules

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from stream.contract.claims import KeptRoom
    from stream.contract.overlay import Overlay
    from stream.kafka_clients import KafkaAt
    from stream.verify.log import LogReader
    from stream.verify.recounted import Mechanics

ISOLATION = "read_committed"


class _Session(Struct):
    ended_at_ms: int | None = None


class _Stamp(Struct):
    """The cut that a document belongs to."""

    epoch: int
    as_of_ms: int
    session: _Session | None = None

    def is_of(self, told: Told) -> bool:
        """Whether the document was written with this record of the journal.

        A document has the moment of the cut's clock. The last document of a session has the moment of the session's
        end. That end lies between two cuts; in a backlog it may be years before the later one.
        """
        if self.epoch != told.epoch:
            return False
        ended = self.session is not None and self.session.ended_at_ms is not None
        return self.as_of_ms == told.clock_ms or (ended and told.clock_before_ms <= self.as_of_ms <= told.clock_ms)

    def is_later(self, told: Told) -> bool:
        """Whether the document was written with a later record of the journal."""
        return (self.epoch, self.as_of_ms) > (told.epoch, told.clock_ms)


_stamp_of = msgspec.json.Decoder(_Stamp).decode


class Following:
    """The logs of one prefix, made by `following`. `partitions`: their number."""

    def __init__(
        self,
        inputs: LogReader,
        journal: LogReader,
        signals: LogReader,
        prefix: str,
        mechanics: Mechanics = NO_MECHANICS,
    ) -> None:
        self._inputs, self._journal, self._signals = inputs, journal, signals
        self._prefix = prefix
        self._mechanics = mechanics
        self.partitions = 1 + max(partition for _, partition in inputs.begins)
        self.unchecked = 0  # documents older than the journal's beginning

    async def partition_of(self, room_id: str) -> int:
        """The partition of a room.

        Raises:
            NoSuchError: `signals` has no document of the room.
        """
        likely = partition_of(room_id.encode(), self.partitions)
        known = await self._rooms()
        places = known.get(room_id)
        if not places:
            meant = did_you_mean(room_id, known)
            raise NoSuchError(f"There is no document of room {room_id!r} in {self._prefix}.signals.{meant}")
        return likely if likely in places else min(places)

    async def _rooms(self) -> dict[str, set[int]]:
        found: dict[str, set[int]] = {}
        async for record in self._signals.read_to(await self._signals.ends()):
            found.setdefault((record.key or b"").decode("utf-8", "replace"), set()).add(record.partition)
        self._signals.begin_again()
        return found

    async def documents(
        self, partition: int, until_ms: int | None = None, began: Callable[[ClaimChecker], None] = lambda _: None
    ) -> AsyncGenerator[tuple[ClaimChecker, Overlay], None]:
        """Each document of a partition, with a checker that stands where the document was made.

        Args:
            partition: the number of the partition.
            until_ms: the moment after which no cut is read; None: all cuts are read.
            began: called with the checker before it reads anything.

        Raises:
            SnapupError: Kafka does not answer, or records behind the documents were deleted.
        """
        signals = (f"{self._prefix}.signals", partition)
        signals_end = (await self._signals.ends())[signals]
        async with (
            aclosing(_Documents(self._signals.read_to({signals: signals_end}))) as documents,
            aclosing(self._cuts(partition, until_ms, began)) as cuts,
        ):
            async for checker, told in cuts:
                async for room_id, value in documents.of(told):
                    yield checker, _read(room_id, value)
            self.unchecked += documents.passed_over

    async def counted_to(
        self, partition: int, room: KeptRoom, began: Callable[[ClaimChecker], None]
    ) -> ClaimChecker | None:
        """A checker that stands where a room's document was made; None: the journal no longer holds that place.

        Raises:
            SnapupError: Kafka does not answer, or records behind the document were deleted.
        """
        where = [*room.next_offsets, *[0] * len(TOPIC_NAMES)][: len(TOPIC_NAMES)]
        async with aclosing(self._cuts(partition, room.as_of_ms, began)) as cuts:
            async for checker, told in cuts:
                if (told.epoch, max(told.clock_ms, 0)) != (room.epoch, room.as_of_ms):
                    continue
                if [*told.steps.positions, *[0] * len(TOPIC_NAMES)][: len(TOPIC_NAMES)] == where:
                    return checker
        return None

    async def _cuts(
        self, partition: int, until_ms: int | None, began: Callable[[ClaimChecker], None]
    ) -> AsyncGenerator[tuple[ClaimChecker, Told], None]:
        """Each record of the journal, with the checker after counting its records. Arguments as in `documents`."""
        journal = f"{self._prefix}.journal", partition
        journal_end = (await self._journal.ends())[journal]
        checker: ClaimChecker | None = None
        any_told = False
        async for record in self._journal.read_to({journal: journal_end}):
            any_told = True
            told = _told(record)
            if until_ms is not None and told.clock_ms > until_ms:
                break
            if checker is None and self._may_begin(told, partition):
                checker = self._checker(told, partition)
                began(checker)
            if checker is None:
                continue
            await self._count(checker, told, f"{journal[0]}/{partition}@{record.offset}")
            yield checker, told
        if checker is None and any_told and until_ms is None:
            raise SnapupError(
                f"{journal[0]}, partition {partition}, cannot be followed: its oldest records are of a time when rooms "
                "had begun already, and what led there was deleted. Keep journal and inputs (retention.ms) for longer."
            )

    def _may_begin(self, told: Told, partition: int) -> bool:
        begins = (self._inputs.begins[f"{self._prefix}.{topic}", partition] for topic in TOPIC_NAMES)
        before = told.positions_before(len(TOPIC_NAMES))
        return told.begins_empty and all(at >= begin for at, begin in zip(before, begins, strict=True))

    def _checker(self, told: Told, partition: int) -> ClaimChecker:
        assumptions, settings = assumptions_of_rules(told.rules), claim_settings_of(told.rules)
        checker = ClaimChecker(partition, self._prefix, assumptions, settings, self._mechanics)
        checker.move(told.steps.clock_before_ms)
        return checker

    async def _count(self, checker: ClaimChecker, told: Told, where: str) -> None:
        """Count one checkpoint's records."""
        if told.rules:
            if told.rules.get("isolation", ISOLATION) != ISOLATION:
                raise SnapupError(f"{where}: its worker read aborted transactions too, which are not read here.")
            checker.rules(assumptions_of_rules(told.rules), claim_settings_of(told.rules))
        try:
            for step in folded(told, len(TOPIC_NAMES)):
                if isinstance(step, Folded):
                    topic = TOPIC_NAMES[step.topic]
                    place = (f"{self._prefix}.{topic}", checker.partition)
                    read = [record async for record in self._inputs.read_to({place: step.end})]
                    checker.fold(topic, [each for each in read if each.offset >= step.first], step.latest_ms)
                else:
                    checker.move(step)
        except JournalUnreadableError as error:
            raise SnapupError(f"{where}: {error}") from None
        checker.positions = dict(zip(TOPIC_NAMES, told.steps.positions, strict=False))


def _told(record: Any) -> Told:
    try:
        return read_journal(record.value)
    except JournalUnreadableError as error:
        raise SnapupError(f"{record.topic}/{record.partition}@{record.offset}: {error}") from None


def _read(room_id: str, value: bytes) -> Overlay:
    try:
        return read_document(room_id, value)
    except UnreadableError as error:
        raise SnapupError(f"A document of room {room_id} in signals cannot be read: {error}") from None


class _Documents:
    """The records of `signals`, cut by cut. `passed_over`: the number of skipped documents of other cuts."""

    def __init__(self, records: AsyncIterator[Any]) -> None:
        self._records = records
        self._next: Any = None
        self.passed_over = 0

    async def of(self, told: Told) -> AsyncIterator[tuple[str, bytes]]:
        """The documents written with a record of the journal: room and document."""
        taken, most = 0, told.documents()
        while taken < most:
            record = self._next if self._next is not None else await anext(self._records, None)
            self._next = record
            if record is None or (stamp := _stamp_of(record.value)).is_later(told):
                return
            self._next = None
            if not stamp.is_of(told):
                self.passed_over += 1
                continue
            taken += 1
            yield record.key.decode(), record.value

    async def aclose(self) -> None:
        """Stop reading."""
        close = getattr(self._records, "aclose", None)
        if close is not None:
            await close()


@asynccontextmanager
async def following(servers: KafkaAt, prefix: str, mechanics: Mechanics = NO_MECHANICS) -> AsyncIterator[Following]:
    """The logs at their beginnings. `mechanics`: those whose events are read too.

    Raises:
        SnapupError: Kafka does not answer, a topic is missing, or may not be read.
    """
    async with AsyncExitStack() as stack:
        inputs, journal, signals = [
            await stack.enter_async_context(log_reader(servers, [f"{prefix}.{name}" for name in names]))
            for names in (TOPIC_NAMES, ("journal",), ("signals",))
        ]
        yield Following(inputs, journal, signals, prefix, mechanics)
