"""What becomes of the records of a piece: decoded, refused, or folded into their rooms, and counted.

`partition.py` says which piece is folded when; `folds.py` what an event does to its room.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, cast

from stream.contract.decode import DeadLetter, Decoder, ahead_of_clock
from stream.contract.events import MAX_AHEAD_MS, TOPIC_NAMES, Order, RoomClosed, RoomOpened
from stream.core.batch import Apart, Batch, ColumnBatch, by_room, newest_by_room, no_part
from stream.core.conflicts import REASON_OF, Outcome, letter_of, note_conflicts, record_of
from stream.core.folds import fold_many, fold_one
from stream.core.misplaced import Misplaced, limits_of
from stream.core.publishing import Refused
from stream.core.time import BUCKET_MS, effective_time_ms, effective_times_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.contract.decode import Decoded, Limits, Record
    from stream.contract.events import RoomEvent
    from stream.contract.forms import Columns, Scannable
    from stream.core.batch import AnyBatch
    from stream.core.conflicts import Noted
    from stream.core.counters import Counters
    from stream.core.lifecycle import Lifecycle
    from stream.core.memory import Memory, Shared
    from stream.core.room import Room
    from stream.core.rules import Rules

INTERACTIONS = TOPIC_NAMES.index("interactions")


class Intake:
    """Folds pieces into the rooms of one partition.

    Args:
        partition: its number.
        rules: of the partition.
        shared: what its rooms share.
        positions: where the fold stands in each topic. The caller moves it on.
        counters: count what becomes of each record.
        life: begins and ends rooms.
        limits: of what is taken; None: those of the rules.

    Attributes:
        refused: refused records, until somebody takes them out.
        refused_bytes: how large they are.
        noted: the first records that contradict what is known, until somebody takes them out.
        misplaced: the rooms of other partitions of which records lie here.
    """

    def __init__(
        self,
        partition: int,
        rules: Rules,
        shared: Shared,
        positions: list[int],
        counters: Counters,
        life: Lifecycle,
        limits: Limits | None,
    ) -> None:
        self.refused: list[Refused] = []
        self.refused_bytes = 0
        self.noted: list[Noted] = []
        self.misplaced = Misplaced(partition, rules.murmur2_partitions)
        limits = limits or limits_of(rules, partition)
        self._decoders = [Decoder(index, limits, shared.installed.catalogue) for index in range(len(positions))]
        self._name_of = shared.installed.name_of
        self._rules = rules
        self._shared = shared
        self._positions = positions
        self._counters = counters
        self._life = life

    def fold(self, topic_index: int, records: Sequence[Record], latest_ms: int | None) -> bool:
        """Fold one contiguous piece of one topic. Returns whether a record in it is beyond `latest_ms`.

        Total: bad records wait in `refused`, nothing raises. Afterwards `life.touched` holds the rooms that changed.
        """
        decoder = self._decoders[topic_index]
        columns, records = self._in_columns(topic_index, records)
        decoded = None if columns is not None else decoder.decode_all(records)
        if columns is not None:
            newest_ms = max([part.newest_ms for part in columns.rooms])
            if columns.odd:
                newest_ms = max(newest_ms, *(records[place].timestamp for place in columns.odd))
        elif decoded is not None:
            newest_ms = max(decoded.append_time_ms)
        else:
            decoded, newest_ms = decoder.decode_each(records), max([record.timestamp for record in records])
        is_ahead = latest_ms is not None and newest_ms > latest_ms
        if self._shared.clock_ms < 0:
            # Before anything is known the first record says what time it is: rooms and orders must not be born at −1.
            first_ms = records[0].timestamp
            most_ms = latest_ms - MAX_AHEAD_MS if is_ahead and latest_ms is not None else first_ms
            self._shared.clock_ms = max(min(first_ms, most_ms), 0)
        self._life.touched.clear()
        if columns is not None and not is_ahead:
            self._fold_columns(topic_index, records, columns)
        elif decoded is None or is_ahead or (topic_index == INTERACTIONS and self._has_words(decoded.events)):
            self._fold_each(topic_index, records, latest_ms if is_ahead else None)
        else:
            self._fold_good(topic_index, records, decoded)
        self._counters.received[topic_index] += len(records)
        return is_ahead

    def _in_columns(self, topic_index: int, records: Sequence[Record]) -> tuple[Columns | None, Sequence[Record]]:
        """The columns of records that can be had so, and are good without a further look; and the records.

        Without columns each record is looked at several times, and those that lie packed would be made each time.
        """
        if not hasattr(records, "columns"):
            return None, records
        lateness_ms = self._rules.allowed_lateness_ms
        columns = self._decoders[topic_index].in_columns(cast("Scannable", records), lateness_ms)
        return columns, [*records] if columns is None else records

    def take_refused(self) -> list[Refused]:
        """Returns the refused records and lets go of them."""
        refused, self.refused, self.refused_bytes = self.refused, [], 0
        return refused

    def _has_words(self, events: Sequence[RoomEvent]) -> bool:
        """Whether others than mechanics' are among these: some begin and end sessions, so each has its turn."""
        return not self._name_of.keys() >= set(map(type, events))

    def _fold_each(self, topic_index: int, records: Sequence[Record], latest_ms: int | None) -> None:
        """One record at a time: what becomes of one hangs on those before it, or on its own time."""
        decode, lateness_ms = self._decoders[topic_index].decode, self._rules.allowed_lateness_ms
        for record in records:
            event = decode(record.value, record.key, record.timestamp, record.headers)
            if latest_ms is not None and record.timestamp > latest_ms and not isinstance(event, DeadLetter):
                event = ahead_of_clock(record.timestamp - latest_ms + MAX_AHEAD_MS)
            if isinstance(event, DeadLetter):
                self._refuse(topic_index, record, event)
                continue
            if isinstance(event, RoomOpened | RoomClosed) and self._rules.remembers_rooms:
                self._life.fold_word(topic_index, record, event, self._positions, self.noted)
                continue
            at_ms = effective_time_ms(event.event_time_ms, record.timestamp, lateness_ms)
            if between := self._life.between(event):
                memory, outcome = between
            else:
                memory = room = self._life.touch(event.room_id, self._positions)
                room.note(topic_index, record.offset, record.timestamp)
                outcome = fold_one(room, event, at_ms)
            self._account(topic_index, memory, outcome, event, at_ms, [record], [event])
            note_conflicts(self._shared, self._counters, self.noted, topic_index, [record], [event])
            self._life.generations.ids += 1

    def _fold_good(self, topic_index: int, records: Sequence[Record], decoded: Decoded) -> None:
        """Room by room, each in the order of the log: what one room becomes does not depend on another.

        What is refused changes no room, so it does not stand between the others.
        """
        room_ids, own_ms = decoded.room_ids, decoded.event_time_ms
        events_of = by_room(room_ids, decoded.events)
        if not self._life.dormant.rooms.keys().isdisjoint(events_of):
            self._fold_each(topic_index, records, None)  # not every record begins a session
            return
        if decoded.refused:
            self._refuse_all(topic_index, records, decoded.refused)
            places = {place for place, _ in decoded.refused}
            records = [record for place, record in enumerate(records) if place not in places]
            if not records:
                return
        effective_ms = effective_times_ms(decoded, self._rules.allowed_lateness_ms)
        retimed = effective_ms is not own_ms
        times = by_room(room_ids, effective_ms) if retimed else {}
        newest_ms = newest_by_room(room_ids, decoded.append_time_ms)
        second = min(effective_ms) // BUCKET_MS
        in_one_second = max(effective_ms) // BUCKET_MS == second
        for room_id, events in events_of.items():
            room = self._life.touch(room_id, self._positions)
            if room.first_offsets[topic_index] < 0:
                room.first_offsets[topic_index] = records[room_ids.index(room_id)].offset
            at_ms = times[room_id] if retimed else [event.event_time_ms for event in events]
            seconds = second if in_one_second else [each_ms // BUCKET_MS for each_ms in at_ms]
            batch = Batch(events, at_ms, seconds)
            self._fold_room(topic_index, room, batch, newest_ms[room_id], records, decoded.events, retimed=retimed)
        note_conflicts(self._shared, self._counters, self.noted, topic_index, records, decoded.events)
        self._life.generations.ids += len(records)

    def _fold_columns(self, topic_index: int, records: Sequence[Record], columns: Columns) -> None:
        """The same of columns, which hold all that the folds of their topics ask for, and of what is in no column."""
        decoder, refused = self._decoders[topic_index], list[tuple[int, DeadLetter]]()
        parts, apart = [*columns.rooms], defaultdict[str, list[Apart]](list)
        for place in columns.odd:
            record = records[place]
            event = decoder.decode(record.value, record.key, record.timestamp, record.headers)
            if isinstance(event, DeadLetter):
                refused.append((place, event))
                continue
            at_ms = effective_time_ms(event.event_time_ms, record.timestamp, self._rules.allowed_lateness_ms)
            apart[event.room_id].append(Apart(place, event, at_ms, record.timestamp))
        if apart:
            named = {part.room_id for part in parts}
            parts += [no_part(room_id, each[0].place) for room_id, each in apart.items() if room_id not in named]
        dormant = self._life.dormant.rooms
        if dormant and not dormant.keys().isdisjoint([part.room_id for part in parts]):
            self._fold_each(topic_index, records, None)
            return
        self._refuse_all(topic_index, records, refused)

        def event_at(place: int) -> RoomEvent:
            return decoder.event_in_columns(records[place].value or b"")

        kinds = decoder.kinds_in_columns
        batches = [ColumnBatch(columns, part, event_at, kinds, apart.get(part.room_id, ())) for part in parts]
        if apart:
            batches.sort(key=lambda batch: batch.part.first_place)
        for batch in batches:
            part = batch.part
            room = self._life.touch(part.room_id, self._positions)
            if room.first_offsets[topic_index] < 0:
                room.first_offsets[topic_index] = records[part.first_place].offset
            self._fold_room(topic_index, room, batch, part.newest_ms, records, (), retimed=part.retimed > 0)
        if self._shared.used_twice:
            event_of = {
                place: event for batch in batches for place, event in zip(batch.places, batch.events, strict=True)
            }
            places = sorted(event_of)
            events, good = [event_of[place] for place in places], [records[place] for place in places]
            note_conflicts(self._shared, self._counters, self.noted, topic_index, good, events)
        self._life.generations.ids += len(records) - len(refused)

    def _refuse_all(
        self, topic_index: int, records: Sequence[Record], refused: Sequence[tuple[int, DeadLetter]]
    ) -> None:
        for place, letter in refused:
            self._refuse(topic_index, records[place], letter)

    def _fold_room(
        self,
        topic_index: int,
        room: Room,
        batch: AnyBatch,
        newest_ms: int,
        records: Sequence[Record],
        events: Sequence[RoomEvent],
        *,
        retimed: bool,
    ) -> None:
        """One room's events of a piece, whose records and events are all given: together, or else one at a time."""
        counters = self._counters
        room.last_append_ms = max(room.last_append_ms, newest_ms)
        room.records_since += batch.size
        folded = fold_many(room, topic_index, batch)
        if folded is not None:
            counters.applied[topic_index] += folded.size
            counters.duplicate[topic_index] += batch.size - folded.size
            if retimed:
                counters.retimed += folded.retimed()
            return
        for event, at_ms in zip(batch.events, batch.at_ms, strict=True):
            outcome = fold_one(room, event, at_ms)
            self._account(topic_index, room, outcome, event, at_ms, records, events)

    def _account(
        self,
        topic_index: int,
        memory: Memory,
        outcome: Outcome,
        event: RoomEvent,
        at_ms: int,
        records: Sequence[Record],
        events: Sequence[RoomEvent],
    ) -> None:
        """Count what became of one of `events`, which are those of `records`."""
        if outcome is Outcome.APPLIED:
            self._counters.applied[topic_index] += 1
            self._counters.retimed += event.event_time_ms != at_ms
        elif outcome is Outcome.DUPLICATE:
            self._counters.duplicate[topic_index] += 1
        elif isinstance(event, Order):  # no other is ever in conflict
            letter = letter_of(memory, REASON_OF[outcome], event)
            self._refuse(topic_index, record_of(event, records, events), letter)
            self._counters.conflicts[letter.reason.value] += 1

    def _refuse(self, topic_index: int, record: Record, letter: DeadLetter) -> None:
        self.refused.append(Refused(topic_index, record.offset, record, letter))
        self.refused_bytes += len(record.value or b"") + len(record.key or b"")
        self._counters.refused(topic_index, letter.reason.value)
        self.misplaced.meet(topic_index, record, letter)
