"""The state of the recount: the counted records, the place of each room, and what can be compared."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from stream.contract.events import TOPIC_NAMES
from stream.verify.compare import Figure, compare
from stream.verify.recount import Recount
from stream.verify.redis_documents import UnreadableError, read_document
from stream.verify.verdict import RoomVerdict, Span

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.contract.overlay import Overlay, Session
    from stream.verify.log import LogReader, Offsets
    from stream.verify.recount import Refusal
    from stream.verify.rulebook import Rulebook

# Counting yields to the event loop after this many records, or connections would time out.
TURN_RECORDS = 2_000

SILENT_BETWEEN = "silent for so long in between that its session began anew"
SILENT_NOW = "silent for so long that its session has ended"
BEFORE_LOG = "its session may have begun before the log does"


class Place(Struct):
    """The place of a room in the log.

    Attributes:
        partition: the room's own partition.
        since_ms: append time of the room's first record.
        after: per topic (full name), the offset after its last counted record.
        news_after: per topic, the offset after its last record that may begin a session.
    """

    partition: int
    since_ms: int
    after: dict[str, int]
    news_after: dict[str, int]

    def counted(self, session: Session | None) -> dict[str, int]:
        """The offsets up to which records that may change a document of this session were counted."""
        return self.after if session is None or session.ended_at_ms is None else self.news_after


class Counting:
    """The input logs, counted up to any positions that only grow.

    Args:
        inputs: the input topics, at their beginning.
        rulebook: the settings of the workers.
        refused: called with each refused record.

    Attributes:
        places: the place of every known room.
        heard: rooms with records since the caller last emptied it.
        problems: contradictions in the log, in sentences; the caller empties it.
        sections: the sections of the counted mechanics in documents.
    """

    def __init__(self, inputs: LogReader, rulebook: Rulebook, refused: Callable[[Refusal], None]) -> None:
        self.inputs = inputs
        self.recount = Recount(rulebook=rulebook)
        self.places: dict[str, Place] = {}
        self.heard: set[str] = set()
        self.problems: list[str] = []
        self.sections = rulebook.mechanics.sections
        self._rulebook = rulebook
        self._refused = refused
        self._agreed: Offsets = dict(inputs.begins)
        self._cut: Offsets = {}
        self._sessions: dict[str, Session | None] = {}
        self._blind_until_ms: dict[int, int] = {}
        self._truncated = {where for where, begin in inputs.begins.items() if begin}

    async def count_to(self, positions: Offsets, report: Callable[[str], None], *, cut: bool = False) -> None:
        """Read every unread record below these positions.

        Records below a cut count at once: the documents that name the beginnings of their sessions have been read
        (`begins`). Later records wait until a document that was made of them is compared.
        """
        if cut:
            self._cut = dict(positions)
            for room_id in self.recount.waiting_rooms():
                place = self.places[room_id]
                below = {topic: at for (topic, partition), at in positions.items() if partition == place.partition}
                self.release(room_id, below)
        inputs, count = self.inputs, 0
        ends = await inputs.ends()
        for (topic, partition), position in sorted(positions.items()):
            end = ends[topic, partition]
            if position > end:
                self.problems.append(
                    f"{topic}/{partition}: was folded up to offset {position}, but its log ends at {end}: it was cut "
                    "off, or the topic was made anew"
                )
        async for record in inputs.read_to({where: min(at, ends[where]) for where, at in positions.items()}):
            self._count(record)
            count += 1
            if count % TURN_RECORDS == 0:
                report(f"{self.recount.accounts.received} records counted")
                await asyncio.sleep(0)
        for refusal in self.recount.refusals:
            self._refused(refusal)
        self.recount.refusals.clear()

    def release(self, room_id: str, positions: dict[str, int]) -> None:
        """Count a room's waiting records below these offsets, by topic."""
        self.recount.release(room_id, {topic.rpartition(".")[2]: at for topic, at in positions.items()})

    def tell(self, room_id: str, session: Session | None) -> None:
        """Take the session of a room from a document that was read."""
        if session is None:
            self._sessions.setdefault(room_id, None)
            return
        first = dict(zip(TOPIC_NAMES, session.first_offsets, strict=False))
        end = None if session.ended_at_ms is None else dict(zip(TOPIC_NAMES, session.next_offsets, strict=False))
        self.recount.begins(room_id, session.began_at_ms, first, end)
        known = self._sessions.get(room_id)
        if known is None or known.began_at_ms <= session.began_at_ms:
            self._sessions[room_id] = session

    def _count(self, record: Any) -> None:
        where = record.topic, record.partition
        if where in self._truncated:  # the partition's first record: rooms of about this time may be older than the log
            self._truncated.discard(where)
            until_ms = record.timestamp + self._rulebook.greatest("room_idle_ms")
            self._blind_until_ms[record.partition] = max(until_ms, self._blind_until_ms.get(record.partition, until_ms))
        room_id = self.recount.add(
            record.topic,
            record.value,
            record.key,
            record.timestamp,
            partition=record.partition,
            offset=record.offset,
            headers=record.headers,
            wait=record.offset >= self._cut.get(where, 0),
        )
        if room_id is None:
            return
        place = self.places.get(room_id)
        if place is None:
            place = self.places[room_id] = Place(record.partition, record.timestamp, {}, {})
        place.after[record.topic] = record.offset + 1
        if self.recount.last_is_news:
            place.news_after[record.topic] = record.offset + 1
        self.heard.add(room_id)

    def counted_beyond(self, partition: int, positions: dict[str, int]) -> bool:
        """Whether any topic of a partition was counted beyond these positions."""
        return any(self.inputs.handed.get((topic, partition), 0) > at for topic, at in positions.items())

    # -- rooms ---------------------------------------------------------------------------------------------------------

    def verdict(self, room_id: str) -> RoomVerdict:
        """An empty verdict of a room, or one that says why it cannot be compared."""
        place = self.places.get(room_id)
        verdict = RoomVerdict(room_id=room_id)
        if place is None:
            return verdict
        partition = verdict.partition = place.partition
        verdict.words_beyond = self.recount.words_beyond(room_id)
        for topic, after in place.after.items():
            first = min(self._agreed[topic, partition], after - 1)
            verdict.spans.append(Span(topic, partition, first, self.inputs.handed[topic, partition]))
        shortest_ms = min(rules.room_idle_ms for rules in self._rulebook.all(partition))
        if self.recount.was_silent_too_long(room_id, shortest_ms, self._sessions.get(room_id)):
            verdict.skipped = SILENT_BETWEEN
        elif place.since_ms <= self._blind_until_ms.get(partition, -1):
            verdict.skipped = BEFORE_LOG
        return verdict

    def figures(self, room_id: str, document: bytes | Overlay) -> tuple[int | None, list[Figure]]:
        """The moment of a document, and its figures beside the present recount."""
        try:
            overlay = document
            if isinstance(overlay, bytes):
                overlay = read_document(room_id, overlay, self.sections)
        except UnreadableError as error:
            return None, [Figure(error.name, error.expected, error.found)]
        place = self.places.get(room_id)
        rules = None if place is None else self._rulebook.of_epoch(place.partition, overlay.epoch)
        recounted = self.recount.room(room_id, overlay.as_of_ms, rules, overlay.session)
        departures = None
        if any(claim.claim == "watching_now" for claim in overlay.claims):
            departures = self.recount.departures(room_id, overlay.as_of_ms, rules)
        return overlay.as_of_ms, compare(recounted, overlay, departures, self._rulebook.mechanics)

    def silent_since(self, room_id: str, now_ms: float) -> bool:
        """Whether a room's session has ended by now, by a host's word or by silence."""
        session = self._sessions.get(room_id)
        if session is not None and session.ended_at_ms is not None:
            return True
        heard_ms = self.recount.last_second_ms(room_id)
        place = self.places.get(room_id)
        idle_ms = self._rulebook.all(None if place is None else place.partition)[-1].room_idle_ms
        return bool(heard_ms) and now_ms - heard_ms > idle_ms

    def agreed(self, partition: int) -> None:
        """Note that all counted records of a partition agreed: later differences come from later records."""
        for topic, number in self.inputs.handed:
            if number == partition:
                self._agreed[topic, number] = self.inputs.handed[topic, number]

    def forget(self, clock_ms: int) -> list[str]:
        """The rooms that have ended. Drops what no figure from `clock_ms` on depends on."""
        ended = self.recount.forget(clock_ms)
        for room_id in ended:
            self.places.pop(room_id, None)
            self._sessions.pop(room_id, None)
            self.heard.discard(room_id)
        return ended
