"""Which rooms of a partition are published, when, and with which document.

Documents for Redis use up revisions as they are made; the log does not say when that is. The documents of a cut go to
`live.signals` and depend on nothing but the log and the revision. A cut is all that the shell writes down at one
moment.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Literal, NamedTuple

from msgspec import structs

from stream.core.claim_log import ClaimLog
from stream.core.orders import forget_orders
from stream.core.saved.growth import TOPICS_1, VERSION_1, grown
from stream.core.shortening import shortened
from stream.core.snapshot import Moment, document_of, last_of, overlay_of

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from stream.contract.decode import DeadLetter, Record
    from stream.contract.overlay import EndedBy, Overlay
    from stream.core.counters import Counters, Reason
    from stream.core.memory import Shared
    from stream.core.misplaced import Notice
    from stream.core.room import Room
    from stream.core.rules import Rules
    from stream.core.saved.journal import Steps


class Published(NamedTuple):
    """One room's document, ready for Redis.

    `append_ms`: append time of the newest record in it (−1: none). `positions`: of the partition when it was made;
    those at the end of the contract's order that are 0 are left out. `last`: of a session that has ended.
    `whole_bytes`: of a document that was too large for the log and lacks lists; 0: it lacks none. `claims`: of a
    document of the log, keys and values for `live.claims`.
    """

    room_id: str
    rev: int
    document: bytes
    ttl_ms: int
    append_ms: int
    positions: tuple[int, ...] = ()
    last: bool = False
    whole_bytes: int = 0
    claims: tuple[tuple[bytes, bytes], ...] = ()


class Refused(NamedTuple):
    """A record that the contract refuses, whole, until the shell has written it down."""

    topic_index: int
    offset: int
    record: Record
    letter: DeadLetter


class Cut(NamedTuple):
    """What changed since the last cut, of one moment.

    State records, positions, clock, dead letters, documents of changed rooms, and the steps that led to all this.
    """

    records: list[tuple[bytes, bytes | None]]
    positions: tuple[int, ...]
    clock_ms: int
    refused: list[Refused]
    signals: list[Published]
    steps: Steps | None  # what led here; None: nothing to save, and the steps go on
    version: int = VERSION_1  # of the checkpoint from here on; see `growth`
    notices: Sequence[Notice] = ()  # to rooms of other partitions; see `misplaced`


class Publishing:
    """The documents of one partition.

    Args:
        partition: which.
        rules: of the core.
        topic_names: full names of the input topics, for the evidence of claims.
        rooms: of the partition; the caller's own, looked at and never changed.
        positions: where the fold stands; the caller's own list.
        shared: what the rooms share.
        counters: of the partition; documents and what is withheld are counted there.
    """

    def __init__(
        self,
        partition: int,
        rules: Rules,
        topic_names: Sequence[str],
        rooms: dict[str, Room],
        positions: list[int],
        shared: Shared,
        counters: Counters,
    ) -> None:
        self.clock_source: Literal["tick", "log"] = "log"
        self._partition = partition
        self._rules = rules
        self._topic_names = topic_names
        self._rooms = rooms
        self._positions = positions
        self._shared = shared
        self._counters = counters
        self._behind = False
        # A session whose room is not remembered leaves no last document, so nobody would know that its claims are over.
        self._claims = ClaimLog() if rules.keep_claims and rules.remembers_rooms else None
        # Heap of (wall ms, room id); a room's own next_due_ms says which entry is valid.
        self._due: list[tuple[int, str]] = []

    # -- when --------------------------------------------------------------------------------------------------------
    def changed(self, room: Room) -> None:
        """A room has changed: it is due at its pace, and earlier than it was if it became busy meanwhile."""
        due_ms = room.published_ms + self._pace_ms(room)
        if not room.changed or due_ms < room.next_due_ms:
            room.changed = True
            self._schedule(room, due_ms)

    def due_at_once(self, room: Room) -> None:
        """A room is due whatever its pace."""
        self._schedule(room, 0)

    def again(self, room_id: str) -> bool:
        """A room whose document did not arrive is due at once; False: it is not here."""
        room = self._rooms.get(room_id)
        if room is not None and room.next_due_ms > 0:
            self._schedule(room, 0)
        return room is not None

    def _pace_ms(self, room: Room) -> int:
        """At most one document each 100 ms; a room with neither a sale nor traffic waits longer.

        So does every room in a backlog: what is stale anyway need not be told ten times a second.
        """
        busy = room.ledgers or room.records_since >= self._rules.busy_records
        return self._rules.pace_busy_ms if busy and not self._behind else self._rules.pace_quiet_ms

    def _schedule(self, room: Room, due_ms: int) -> None:
        room.next_due_ms = due_ms
        heappush(self._due, (due_ms, room.room_id))

    def _refresh_ms(self, room: Room) -> int:
        """A silent room still moves: windows slide, countdowns run, holds expire."""
        rules = self._rules
        if self._shared.clock_ms - room.touched_ms > rules.idle_after_ms:
            return rules.refresh_idle_ms
        return rules.refresh_active_ms if room.ledgers or room.changed else rules.refresh_quiet_ms

    # -- what --------------------------------------------------------------------------------------------------------
    def publish(
        self, wall_ms: int | None, epoch: int, *, everything: bool = False, limit: int | None = None
    ) -> list[Published]:
        """Documents of the rooms that are due, as of the clock. Arguments: as `PartitionFold.publish`."""
        now_ms = self._shared.clock_ms if wall_ms is None else wall_ms
        self._behind = now_ms - self._shared.clock_ms > self._rules.stale_lag_ms
        if everything:
            for every in self._rooms.values():
                if every.next_due_ms > 0:
                    self._schedule(every, 0)
        published: list[Published] = []
        due = self._due
        while due and due[0][0] <= now_ms and (limit is None or len(published) < limit):
            due_ms, room_id = heappop(due)
            if (room := self._rooms.get(room_id)) is None or room.next_due_ms != due_ms:
                continue  # an entry that a later one replaced
            published.append(self._publish(room, now_ms, wall_ms, epoch))
        return published

    def _publish(self, room: Room, now_ms: int, wall_ms: int | None, epoch: int) -> Published:
        room.rev += 1
        room.changed = False
        room.records_since = 0
        room.published_ms = now_ms
        refresh_ms = self._refresh_ms(room)
        self._schedule(room, now_ms + refresh_ms)
        self._counters.snapshots += 1
        self._bring_to_clock(room)
        return self._made(room, self._moment(wall_ms, epoch, refresh_ms), self._counters.withheld)

    def signal(self, room: Room, epoch: int) -> Published:
        """The document of a changed room as of the cut, with a revision of its own; not larger than the log takes.

        Nothing in it depends on what was published meanwhile, but for the revision itself.
        """
        room.rev += 1
        room.rev_saved = room.rev
        idle = self._shared.clock_ms - room.touched_ms > self._rules.idle_after_ms
        refresh_ms = self._rules.refresh_idle_ms if idle else self._rules.refresh_active_ms
        self._bring_to_clock(room)
        return self.for_log(self._made(room, self._moment(None, epoch, refresh_ms), None), epoch)

    def for_log(self, published: Published, epoch: int) -> Published:
        """What goes to the topic `signals`, which takes documents up to a size; and what of it goes to `claims`.

        Under older rules no document was shortened. Of one that is, all claims are kept.
        """
        if self._claims is not None:
            claims = tuple(self._claims.records(published.document, published.positions, epoch))
            published = published._replace(claims=claims)
        whole_bytes, most_bytes = len(published.document), self._rules.signal_max_bytes
        if not 0 < most_bytes < whole_bytes:
            return published
        return published._replace(document=shortened(published.document, most_bytes), whole_bytes=whole_bytes)

    def last(self, room: Room, ended_by: EndedBy, positions: Sequence[int]) -> Overlay:
        """The last document of a session, made as it ends; `positions`: behind its last records."""
        self._bring_to_clock(room)
        moment = self._moment(None, 0, self._rules.refresh_idle_ms)
        stale_after_ms = moment.as_of_ms + self._rules.ended_ttl_ms
        # Moves of the clock with nothing folded between them are one to a replay: what moved it is no matter here.
        moment = structs.replace(moment, stale_after_ms=stale_after_ms, source="log", positions=list(positions))
        return last_of(room, moment, ended_by)

    def look(self, room: Room, epoch: int) -> Overlay:
        """One room as of the clock; no revision is used up."""
        self._bring_to_clock(room)
        return overlay_of(room, self._moment(None, epoch, self._refresh_ms(room)))

    def _made(self, room: Room, moment: Moment, withheld: Counter[Reason] | None) -> Published:
        document = document_of(room, moment, withheld)
        good_for_ms = moment.stale_after_ms - moment.as_of_ms + self._rules.ttl_beyond_stale_ms
        made_of = tuple(grown(self._positions, TOPICS_1, 0))
        return Published(room.room_id, room.rev, document, good_for_ms, room.last_append_ms, made_of)

    def _bring_to_clock(self, room: Room) -> None:
        """Move the room's windows to the clock, and forget orders that are too old by then."""
        as_of_ms = max(self._shared.clock_ms, 0)
        room.advance(as_of_ms)
        self._counters.orders_forgotten += forget_orders(room, as_of_ms - self._rules.remember_orders_ms)

    def _moment(self, wall_ms: int | None, epoch: int, refresh_ms: int) -> Moment:
        """Returns the moment at which the clock stands; the next document is due within `refresh_ms`."""
        as_of_ms = max(self._shared.clock_ms, 0)
        return Moment(
            as_of_ms=as_of_ms,
            stale_after_ms=as_of_ms + refresh_ms * self._rules.stale_after_refreshes,
            source=self.clock_source,
            lag_ms=0 if wall_ms is None else max(0, wall_ms - as_of_ms),
            epoch=epoch,
            partition=self._partition,
            topics=self._topic_names,
            positions=self._positions,
        )
