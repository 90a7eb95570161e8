"""Which event ids a room has had: two generations of them, by topic.

An id names an event within its topic. The log does not say in which order the topics of a partition are folded, so a
record of one topic must not decide what becomes of a record of another: an id that is used in two topics names two
events, and both count. Such an id is a producer's mistake; it is reported if one of the two events is an order.

Under the older rule (`Rules.ids_by_topic`) all topics share one place. Ids that were saved under that rule lie there
too, because their topic is not known: as long as they are remembered, they are known in every topic.
"""

from __future__ import annotations

from itertools import compress, islice
from typing import TYPE_CHECKING

from stream.contract.catalogue import topic_index_of
from stream.contract.events import TOPIC_NAMES, Event
from stream.core.saved.entries import ENTRY_ITEMS, IdsEntry, pieces
from stream.core.saved.growth import grown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from stream.contract.events import RoomEvent
    from stream.core.rules import Rules

Ids = set[str] | frozenset[str]
# Where ids lie whose topic does not matter, or is not known; those of the topics follow, in the contract's order.
ANY_TOPIC = 0
_PLACES = 1 + len(TOPIC_NAMES)


class _Places(dict[type[Event], int]):
    """Where ids of each kind of event lie; a kind that is met first is asked for."""

    def __missing__(self, kind: type[Event]) -> int:
        place = self[kind] = 1 + topic_index_of(kind)
        return place


class _OnePlace(dict[type[Event], int]):
    """The older rule: one place for all."""

    def __missing__(self, kind: type[Event]) -> int:
        self[kind] = ANY_TOPIC
        return ANY_TOPIC


_PLACE_OF, _ANY_PLACE_OF = _Places(), _OnePlace()
_ORDERS = 1 + TOPIC_NAMES.index("orders")
# In most rooms most topics are silent.
_NONE: Ids = frozenset()


class EventIds:
    """Of one room. The partition says when a generation begins: the present one and the one before are remembered.

    Attributes:
        by_topic: whether an id names an event of its topic only.
        generation: the number of the present one.
        new: ids by place that came since they were last saved.
    """

    __slots__ = ("_has_old", "_place_of", "_present", "_previous", "_renews", "by_topic", "generation", "new")

    def __init__(self, rules: Rules) -> None:
        self.by_topic = rules.ids_by_topic
        self.generation = 0
        self.new: dict[int, list[str]] = {}
        self._renews = rules.remembers_rooms
        self._place_of = _PLACE_OF if self.by_topic else _ANY_PLACE_OF
        self._present = self._nothing()
        self._previous = self._nothing()
        self._has_old = False  # there are ids of which the topic is not known, though it matters

    def _nothing(self) -> list[Ids]:
        return [_NONE] * (_PLACES if self.by_topic else 1)

    def state(self) -> tuple[int, dict[int, set[str]], dict[int, set[str]]]:
        """The present generation, and the ids of it and of the one before by place: 0 is any topic's."""
        present, previous = (
            {place: set(ids) for place, ids in enumerate(generation) if ids}
            for generation in (self._present, self._previous)
        )
        return self.generation, present, previous

    def __len__(self) -> int:
        return sum(map(len, self._present)) + sum(map(len, self._previous))

    # -- one ---------------------------------------------------------------------------------------------------------
    def knows(self, event: RoomEvent) -> bool:
        """Whether an event of this topic was folded under this id."""
        event_id, place = event.event_id, self._place_of[type(event)]
        if event_id in self._present[place] or event_id in self._previous[place]:
            return True
        return place != ANY_TOPIC and (event_id in self._present[ANY_TOPIC] or event_id in self._previous[ANY_TOPIC])

    def remember(self, event: RoomEvent) -> int:
        """Remember the id of an event, which is not known. Returns what `used_elsewhere` says of it."""
        event_id, place = event.event_id, self._place_of[type(event)]
        self._add(place, event_id)
        if place == ANY_TOPIC:
            return 0
        if place != _ORDERS:
            return event_id in self._present[_ORDERS] or event_id in self._previous[_ORDERS]
        return self.used_elsewhere(place - 1, (event_id,)).get(event_id, 0)

    def take(self, event: RoomEvent) -> int | None:
        """`knows`, and then `renew` or `remember`, at once: None when it was known, else what `remember` returns."""
        event_id, place = event.event_id, self._place_of[type(event)]
        all_present, all_previous = self._present, self._previous
        present = all_present[place]
        if event_id in present or event_id in all_previous[place]:
            self._renew(place, event_id)
            return None
        if self._has_old and self.knows(event):
            self._renew(place, event_id)
            return None
        if not isinstance(present, set):
            present = _at(all_present, place)
        present.add(event_id)
        if (new := self.new.get(place)) is None:
            self.new[place] = [event_id]
        else:
            new.append(event_id)
        if place == ANY_TOPIC:
            return 0
        if place != _ORDERS:
            return event_id in all_present[_ORDERS] or event_id in all_previous[_ORDERS]
        return self.used_elsewhere(place - 1, (event_id,)).get(event_id, 0)

    def renew(self, event: RoomEvent) -> None:
        """A known id came again: from now on it is remembered as long as one that came for the first time."""
        self._renew(self._place_of[type(event)], event.event_id)

    def _renew(self, place: int, event_id: str) -> None:
        if not self._renews or event_id in self._present[place] or event_id in self._present[ANY_TOPIC]:
            return
        if event_id in self._previous[place]:
            _at(self._previous, place).discard(event_id)
        self._add(place, event_id)

    def _add(self, place: int, event_id: str) -> None:
        _at(self._present, place).add(event_id)
        new = self.new.get(place)
        if new is None:
            self.new[place] = [event_id]
        else:
            new.append(event_id)

    # -- many of one topic -------------------------------------------------------------------------------------------
    def _are_new(self, place: int, event_ids: Sequence[str]) -> bool:
        """Whether none of these is known; two of them may be equal."""
        previous = self._previous[place]
        if not self._present[place].isdisjoint(event_ids) or (previous and not previous.isdisjoint(event_ids)):
            return False
        if place == ANY_TOPIC:
            return True
        present, previous = self._present[ANY_TOPIC], self._previous[ANY_TOPIC]
        return not (present or previous) or (present.isdisjoint(event_ids) and previous.isdisjoint(event_ids))

    def new_among(self, topic_index: int, event_ids: Sequence[str]) -> list[bool] | None:
        """What `remember_all` would give; nothing is remembered."""
        place = 1 + topic_index if self.by_topic else ANY_TOPIC
        if self._are_new(place, event_ids) and len(set(event_ids)) == len(event_ids):
            return None
        known = set[str]()
        for at in (place, ANY_TOPIC):
            for ids in (self._present[at], self._previous[at]):
                known.update(ids.intersection(event_ids))
        new = []
        for event_id in event_ids:
            new.append(event_id not in known)
            known.add(event_id)
        return new

    def remember_all(self, topic_index: int, event_ids: Sequence[str]) -> list[bool] | None:
        """Remember these ids. None when all are new; else of each whether it is: known ones and repetitions are not."""
        place = 1 + topic_index if self.by_topic else ANY_TOPIC
        ids = self._present[place]
        if not isinstance(ids, set):
            ids = _at(self._present, place)
        if self._are_new(place, event_ids):
            before = len(ids)
            ids.update(event_ids)
            if len(ids) - before == len(event_ids):
                self._note(place, event_ids)
                return None
            ids.difference_update(event_ids)  # none of them was there before
        previous, new = self._previous[place], []
        for event_id in event_ids:
            is_new = event_id not in ids and event_id not in previous and not self._is_of_any(event_id)
            new.append(is_new)
            if is_new:
                ids.add(event_id)
            else:
                self._renew(place, event_id)
        self._note(place, compress(event_ids, new))
        return new

    def _is_of_any(self, event_id: str) -> bool:
        return event_id in self._present[ANY_TOPIC] or event_id in self._previous[ANY_TOPIC]

    def _note(self, place: int, event_ids: Iterable[str]) -> None:
        new = self.new.get(place)
        if new is None:
            self.new[place] = list(event_ids)
        else:
            new += event_ids

    # -- one id for two events ---------------------------------------------------------------------------------------
    def used_elsewhere(self, topic_index: int, event_ids: Sequence[str]) -> dict[str, int]:
        """Those of these ids that name an event of another topic too, of which one is an order; mostly none.

        And in how many topics. Whichever of two events comes second finds the other, so how many pairs there are does
        not depend on which that is. To look for all pairs would take each event through all topics; money hangs on
        those with an order.
        """
        if not self.by_topic:
            return {}
        if topic_index + 1 != _ORDERS:
            present, previous = self._present[_ORDERS], self._previous[_ORDERS]
            if (not present or present.isdisjoint(event_ids)) and (not previous or previous.isdisjoint(event_ids)):
                return {}
            return {event_id: 1 for event_id in event_ids if event_id in present or event_id in previous}
        found: dict[str, int] = {}
        for place in range(1, _PLACES):
            present, previous = self._present[place], self._previous[place]
            if place != _ORDERS and not (present.isdisjoint(event_ids) and previous.isdisjoint(event_ids)):
                for event_id in {*event_ids}:
                    if event_id in present or event_id in previous:
                        found[event_id] = found.get(event_id, 0) + 1
        return found

    # -- from generation to generation, from session to session, to the checkpoint and back ----------------------------
    def begin_generation(self, generation: int) -> int:
        """Another generation is the present one. Returns how many ids were forgotten."""
        if generation == self.generation + 1:
            forgotten = sum(map(len, self._previous))
            self._previous = self._present
        else:
            forgotten = len(self)
            self._previous = self._nothing()
        self._present = self._nothing()
        self._has_old = self.by_topic and bool(self._previous[ANY_TOPIC])
        self.generation = generation
        return forgotten

    def entries(self, room_id: str, known_ms: int) -> Iterator[IdsEntry]:
        """Those that are new since the last call, to be saved, in entries that are not too large."""
        new, self.new = self.new, {}
        if sum(map(len, new.values())) <= ENTRY_ITEMS:
            parts = [new] if new else []
        else:
            parts = [{place: list(part)} for place in sorted(new) for part in pieces(new[place])]
        for part in parts:
            ids = [event_id for place in sorted(part) for event_id in part[place]]
            counts = [len(part.get(place, ())) for place in range(1, _PLACES)]
            yield IdsEntry(room_id, known_ms, self.generation, ids, grown(counts, 0, 0))

    def restore(self, entry: IdsEntry, present: int) -> None:
        """Take what was saved, as of the present generation; `restored` follows the last one."""
        self.generation = present
        if entry.generation == present:
            into = self._present
        elif entry.generation == present - 1:
            into = self._previous
        else:
            return
        if not self.by_topic or not entry.counts:
            _at(into, ANY_TOPIC).update(entry.ids)
            return
        ids = iter(entry.ids)
        for place, count in enumerate(entry.counts[: _PLACES - 1], 1):
            if count:
                _at(into, place).update(islice(ids, count))

    def restored(self) -> None:
        """All were taken: those that came again are in both generations, and belong to the present one."""
        self._has_old = self.by_topic and bool(self._present[ANY_TOPIC] or self._previous[ANY_TOPIC])
        for place, ids in enumerate(self._present):
            if ids and self._previous[place]:
                self._previous[place] = self._previous[place] - ids


def _at(generation: list[Ids], place: int) -> set[str]:
    """The ids of one place, made when it gets the first."""
    ids = generation[place]
    if not isinstance(ids, set):
        ids = generation[place] = set()
    return ids
