"""A recording → the core, at the pace of its own log: no Kafka, no Redis, no clock but the recording's.

Records of one topic and partition keep their order. Over topics and partitions they are folded in the order of append
times, second by second; a time that goes back counts as the latest one before it. The clock ticks every `every_ms` of
log time for all partitions at once, as the wall clock does over topics read to their end. Through a silence the clock
ticks for `SILENCE_MS`, long enough for holds and short windows, and then leaps. The same recording and the same rules
give the same documents, byte for byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec
from msgspec import Struct

from stream.contract.events import TOPIC_NAMES, SaleOpened
from stream.contract.overlay import Overlay
from stream.contract.recording import RecordedRecord, decode_record, encode_record, read_recording
from stream.core.mechanic import NO_MECHANICS
from stream.core.partition import PartitionFold
from stream.core.time import BUCKET_MS
from stream.sources.far_off import Recorded
from stream.sources.timeline import in_time_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from stream.core.mechanic import Installed
    from stream.core.publishing import Published, Refused
    from stream.core.rules import Rules
    from stream.sources.timeline import TimedValue

MIN_EVERY_MS = 50
SILENCE_MS = 120_000
# Most records of one second that wait before they are folded.
MAX_QUEUED = 20_000
# A worker cuts each second; where the cut's documents are dropped, a cut every ten seconds forgets the same.
CUT_EVERY_MS = 1_000
FORGET_EVERY_MS = 10_000
EPOCH = 1
SHOWN_REFUSED = 20

_SALES = TOPIC_NAMES.index("sales")
_TOPIC_INDEX = {name: index for index, name in enumerate(TOPIC_NAMES)}
_sale_decoder = msgspec.json.Decoder(SaleOpened)
_encoder = msgspec.json.Encoder()
_decode = msgspec.json.Decoder(Overlay).decode


class Survey(Struct):
    """What a first reading of a recording found. `far_off`: a record whose time stands apart from all others."""

    records: int
    cut_off: bool
    sorted: bool
    opened: frozenset[str]
    far_off: str | None = None


def survey(path: Path, on_record: Callable[[], None] = lambda: None) -> Survey:
    """The survey of a recording, read once: its records, whether times are in order, which sales open in it.

    Raises:
        SnapupError: a line is broken; names its number.
    """
    reader = read_recording(path)
    latest_ms, in_order = -1, True
    opened: set[str] = set()
    times = Recorded()
    for record in reader:
        times.add(reader.records, record.timestamp)
        in_order = in_order and record.timestamp >= latest_ms
        latest_ms = max(latest_ms, record.timestamp)
        if record.topic == TOPIC_NAMES[_SALES] and (sale := _opened(record)) is not None:
            opened.add(sale.sale_id)
        on_record()
    return Survey(reader.records, reader.cut_off, in_order, frozenset(opened), times.first_far_off())


def recorded(path: Path, *, in_order: bool, offered: Mapping[str, int]) -> Iterator[RecordedRecord]:
    """The records in the order of folding; `offered` gives sales another stock."""
    records = iter(read_recording(path))
    if not in_order:
        records = (decode_record(line) for _, _, line in in_time_order(_lines(records)))
    return (_with_offer(record, offered) for record in records) if offered else records


def _lines(records: Iterable[RecordedRecord]) -> Iterator[TimedValue]:
    """Each record with the time at which it may be folded: the latest of its topic and partition until then."""
    reached_ms: dict[tuple[int, str], int] = {}
    for record in records:
        log = (record.partition, record.topic)
        reached_ms[log] = max(record.timestamp, reached_ms.get(log, record.timestamp))
        yield reached_ms[log], 0, encode_record(record)


def _opened(record: RecordedRecord) -> SaleOpened | None:
    try:
        return None if record.value is None else _sale_decoder.decode(record.value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # another type, or one for the dead letters: the fold says which


def _with_offer(record: RecordedRecord, offered: Mapping[str, int]) -> RecordedRecord:
    if record.topic != TOPIC_NAMES[_SALES] or (sale := _opened(record)) is None or sale.sale_id not in offered:
        return record
    changed = msgspec.structs.replace(sale, offered=offered[sale.sale_id])
    return msgspec.structs.replace(record, value=_encoder.encode(changed))


class Books(Struct):
    """What the fold did with the records, over all partitions; lists by topic."""

    received: list[int]
    applied: list[int]
    duplicate: list[int]
    dead_lettered: list[int]
    dead_letters: dict[str, int]
    withheld: dict[str, int]
    retimed: int = 0
    holds_expired: int = 0
    rooms_ended: int = 0
    documents: int = 0
    first_ms: int = -1
    last_ms: int = -1


class Watcher(Protocol):
    """Hears what the fold does, in its order, to count the same again."""

    def fold(self, partition: int, topic: str, records: Sequence[RecordedRecord]) -> None:
        """These records of a logical topic were folded."""

    def move(self, clock_ms: int) -> None:
        """The clock of all partitions was moved."""


class Replay:
    """Folds records and hands out each document that becomes due.

    Args:
        rules: the rules of the core.
        prefix: the prefix of the topics, for the evidence of claims.
        every_ms: log time between two ticks.
        emit: called with each document, in order.
        watcher: hears what is folded, before a document is made of it.
        keep: called with each document, and its claims, that a worker would have written to the log.
        mechanics: all mechanics; the rules say which of them are known.
    """

    def __init__(
        self,
        rules: Rules,
        prefix: str,
        every_ms: int,
        emit: Callable[[Published], None],
        watcher: Watcher | None = None,
        keep: Callable[[Published], None] | None = None,
        mechanics: Installed = NO_MECHANICS,
    ) -> None:
        self._mechanics = mechanics
        self._keep = keep
        self._cut_every_ms = FORGET_EVERY_MS if keep is None else CUT_EVERY_MS
        self._watcher = watcher
        self._rules = rules
        self._topics = tuple(f"{prefix}.{name}" for name in TOPIC_NAMES)
        self._every_ms = max(every_ms, MIN_EVERY_MS)
        self._emit = emit
        self._folds: dict[int, PartitionFold] = {}
        self._queues: dict[tuple[int, int], list[RecordedRecord]] = {}
        self._queued = 0
        self._second = -1
        self._now_ms = -1
        self._cut_ms = -1
        self._ended: list[bytes] = []  # the last document of each session that has ended
        self.refused: list[Refused] = []
        self.first_ms = -1
        self.last_ms = -1

    def run(self, records: Iterable[RecordedRecord], settle_ms: int = 0) -> None:
        """Fold all records, then let `settle_ms` of log time pass."""
        for record in records:
            if record.timestamp > self.last_ms:
                self._reach(record.timestamp)
            self._take(record)
        self._fold()
        end_ms = max(self.last_ms, 0) + settle_ms
        if self.last_ms >= 0:
            self._tick_until(end_ms)
        self._tick(end_ms, everything=True)
        if self._keep is not None:
            self._cut()

    def settle(self, until_ms: int) -> None:
        """Let log time pass up to a moment, after `run`; each room gives a document."""
        self._tick_until(until_ms)
        self._tick(until_ms, everything=True)

    def overlays(self) -> list[Overlay]:
        """The last document of each session, by room id, then in their order."""
        found = [_decode(document) for document in self._ended]
        for _, fold in sorted(self._folds.items()):
            for room_id in fold.rooms:
                overlay = fold.overlay(room_id, EPOCH)
                if overlay is not None:
                    found.append(overlay)
        return sorted(found, key=lambda overlay: (overlay.room_id, overlay.rev))

    def books(self) -> Books:
        """The counters, summed over all partitions."""
        topics = range(len(self._topics))
        counters = [fold.counters for _, fold in sorted(self._folds.items())]
        books = Books(
            received=[sum(each.received[topic] for each in counters) for topic in topics],
            applied=[sum(each.applied[topic] for each in counters) for topic in topics],
            duplicate=[sum(each.duplicate[topic] for each in counters) for topic in topics],
            dead_lettered=[sum(each.dead_lettered[topic] for each in counters) for topic in topics],
            dead_letters={},
            withheld={},
            first_ms=self.first_ms,
            last_ms=self.last_ms,
        )
        for each in counters:
            books.retimed += each.retimed
            books.holds_expired += each.holds_expired
            books.rooms_ended += each.rooms_ended
            books.documents += each.snapshots
            _add(books.dead_letters, each.dead_letters)
            _add(books.withheld, {f"{claim}: {why}": count for (claim, why), count in each.withheld.items()})
        return books

    def _reach(self, time_ms: int) -> None:
        """The log has come to `time_ms`: tick at every boundary before it."""
        if self.last_ms < 0:
            self.first_ms = time_ms
            self._now_ms = time_ms // self._every_ms * self._every_ms
        elif time_ms >= self._now_ms + self._every_ms:
            self._fold()
            self._tick_until(time_ms)
        self.last_ms = time_ms

    def _tick_until(self, time_ms: int) -> None:
        silent_ms = self._now_ms + SILENCE_MS
        while self._now_ms + self._every_ms <= time_ms:
            if self._now_ms >= silent_ms:
                self._now_ms = time_ms // self._every_ms * self._every_ms
            else:
                self._now_ms += self._every_ms
            self._tick(self._now_ms)

    def _tick(self, clock_ms: int, *, everything: bool = False) -> None:
        cut = clock_ms - self._cut_ms >= self._cut_every_ms
        if self._watcher is not None:
            self._watcher.move(clock_ms)
        for _, fold in sorted(self._folds.items()):
            fold.advance(clock_ms, "log")
            for published in fold.publish(None, EPOCH, everything=everything):
                if published.last:
                    self._ended.append(published.document)
                self._emit(published)
            self._keep_refused(fold)
        if cut:
            self._cut()
            self._cut_ms = clock_ms

    def _cut(self) -> None:
        for _, fold in sorted(self._folds.items()):
            signals = fold.cut(EPOCH).signals
            if self._keep is not None:
                for published in signals:
                    self._keep(published)

    def _keep_refused(self, fold: PartitionFold) -> None:
        if fold.refused:
            self.refused += fold.refused[: SHOWN_REFUSED - len(self.refused)]
            fold.take_refused()

    def _take(self, record: RecordedRecord) -> None:
        """Queue a record with those of its topic and its second, as a worker's merge of the topics does."""
        second = record.timestamp // BUCKET_MS
        if second > self._second or self._queued >= MAX_QUEUED:
            self._fold()
            self._second = second
        self._queues.setdefault((max(record.partition, 0), _TOPIC_INDEX[record.topic]), []).append(record)
        self._queued += 1

    def _fold(self) -> None:
        """Fold the queued records, topic by topic."""
        queues, self._queues, self._queued = self._queues, {}, 0
        for (partition, topic), records in sorted(queues.items(), key=_place):
            fold = self._folds.get(partition)
            if fold is None:
                fold = self._folds[partition] = PartitionFold(
                    partition, self._rules, self._topics, mechanics=self._mechanics
                )
            numbered = _with_offsets(records, fold.positions[topic])
            fold.fold(topic, numbered)
            if self._watcher is not None:
                self._watcher.fold(partition, TOPIC_NAMES[topic], numbered)


def _place(queue: tuple[tuple[int, int], list[RecordedRecord]]) -> tuple[int, int]:
    return queue[0]


def _with_offsets(records: Sequence[RecordedRecord], position: int) -> Sequence[RecordedRecord]:
    """The records; those that never were in Kafka get the next places of their topic."""
    if records[0].offset >= 0:
        return records
    return [msgspec.structs.replace(record, offset=position + index) for index, record in enumerate(records)]


def _add(to: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        to[name] = to.get(name, 0) + count
