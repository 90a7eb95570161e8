"""The machine: the mechanics that one session of a room has met, and all that no mechanic does for itself.

It hands each mechanic its own events, keeps the bytes of its section until something changes it, calls it when its time
has come, and says what is to be saved of it. A mechanic's author can forget none of that.
"""

from __future__ import annotations

from heapq import heappush
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import msgspec

from stream.core.mechanic import NEVER_MS, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from msgspec import Struct

    from stream.core.batch import Batch
    from stream.core.mechanic import Installed, Mechanic
    from stream.core.memory import Memory, Shared
    from stream.core.order_state import OrderState


class _RoomScope(Scope):
    """What the mechanic of a name sees of a room."""

    def __init__(self, room: Memory, name: str, limits: Mapping[str, int]) -> None:
        self.room_id = room.room_id
        self.rules = room.rules
        self.strangers = room.strangers
        self._room = room
        self._name = name
        self._limits = limits

    @property
    def clock_ms(self) -> int:
        return self._room.shared.clock_ms

    def limit(self, name: str) -> int:
        return self._limits[name]

    def beyond(self, name: str, count: int = 1) -> None:
        self._room.shared.mechanics_beyond[self._name, name] += count

    def order(self, order_id: str) -> OrderState | None:
        return self._room.orders.get(order_id)


class Part:
    """One mechanic of one session, with what the machine knows of it.

    Attributes:
        mechanic: the mechanic.
        due_ms: its next moment, as it stands in the heap of dues.
        changed: it changed since its record was last made.
        is_saved: there is a record of it in the checkpoint, or was one.
        written_ms: keys of its rows in the order in which they were last written, with the clock of then.
        rewrite_ms: when the first of them is to be written again; None: there are none.
    """

    __slots__ = ("_holds_until_ms", "_json", "changed", "due_ms", "is_saved", "mechanic", "rewrite_ms", "written_ms")

    def __init__(self, mechanic: Mechanic) -> None:
        self.mechanic = mechanic
        self.due_ms = NEVER_MS
        self.changed = False
        self.is_saved = False
        self.written_ms: dict[str, int] = {}
        self.rewrite_ms: int | None = None
        self._json: bytes | None = None
        self._holds_until_ms = NEVER_MS

    def moves(self) -> None:
        """Its state changes now: what is kept of the section does not hold any more."""
        self.changed = True
        self._json = None

    def json(self, as_of_ms: int) -> bytes:
        """Returns its section as JSON, `null` where there is none; kept until `moves` or until it does not hold."""
        if self._json is None or as_of_ms >= self._holds_until_ms:
            self._json = _encode(self.mechanic.section(as_of_ms))
            self._holds_until_ms = self.mechanic.holds_until_ms(as_of_ms)
        return self._json

    def take_rows(self, clock_ms: int) -> dict[str, Any]:
        """Returns the rows that changed since the last call, absolute; None for one that is gone."""
        mechanic, written_ms = self.mechanic, self.written_ms
        changed, mechanic.changed = mechanic.changed, {}
        rows: dict[str, Any] = {}
        for key in changed:
            was_written = written_ms.pop(key, None) is not None
            row = mechanic.row(key)
            if row is not None:
                written_ms[key] = clock_ms
            elif not was_written:
                continue  # it came and went since the last call
            rows[key] = row
        return rows

    def take_old_rows(self, until_ms: int, clock_ms: int) -> dict[str, Any]:
        """Returns the rows that were last written until a moment, to be written again now."""
        written_ms = self.written_ms
        old = list(takewhile(lambda key: written_ms[key] <= until_ms, written_ms))
        for key in old:
            del written_ms[key]
            written_ms[key] = clock_ms
        return {key: self.mechanic.row(key) for key in old}


class Engaged:
    """The mechanics of one session of a room.

    Args:
        room: the room.
        installed: the mechanics that there are.

    Attributes:
        parts: those that the room has met, by name, in the order in which documents show their sections.
    """

    __slots__ = ("_installed", "_room", "_shared", "parts")

    def __init__(self, room: Memory, installed: Installed) -> None:
        self._room = room
        self._shared: Shared = room.shared
        self._installed = installed
        self.parts: dict[str, Part] = {}

    def meet(self, name: str) -> Part:
        """Returns the part of a mechanic, made when the room meets it first."""
        part = self.parts.get(name)
        if part is None:
            kind = self._installed.of_name[name]
            limits = {**kind.LIMITS, **self._room.rules.mechanics.get(name, {})}
            part = Part(kind(_RoomScope(self._room, name, limits)))
            parts = {**self.parts, name: part}
            self.parts = {each: parts[each] for each in self._installed.of_name if each in parts}
        return part

    # -- what happens --------------------------------------------------------------------------------------------------
    def fold(self, batch: Batch) -> Sequence[bool] | None:
        """Hand each mechanic its own events. Returns which of all events counted; None: all.

        Which mechanic goes first is no matter: none looks at another.
        """
        name_of = self._installed.name_of
        names = [name_of[type(event)] for event in batch.events]
        if names.count(names[0]) == len(names):
            return self._fold(names[0], batch)
        counted = [True] * len(names)
        for name in dict.fromkeys(names):
            answers = self._fold(name, batch.those([each == name for each in names]))
            if answers is not None:
                places = (place for place, each in enumerate(names) if each == name)
                for place, answer in zip(places, answers, strict=True):
                    counted[place] = answer
        return counted

    def _fold(self, name: str, batch: Batch) -> Sequence[bool] | None:
        part = self.meet(name)
        part.moves()
        counted = part.mechanic.fold(batch)
        self.note_due(name, part)
        return counted

    def note_due(self, name: str, part: Part) -> None:
        """Look when the mechanic is due, and put it into the heap where that is another moment than before."""
        due_ms = part.mechanic.due_ms()
        if due_ms != part.due_ms:
            part.due_ms = due_ms
            if due_ms < NEVER_MS:
                heappush(self._shared.dues, (due_ms, self._room.room_id, name))

    def elapse(self, name: str, due_ms: int) -> bool:
        """The clock has come to a moment that stood in the heap. Returns whether it still was the mechanic's."""
        part = self.parts.get(name)
        if part is None or part.due_ms != due_ms:
            return False
        part.moves()
        part.due_ms = NEVER_MS
        part.mechanic.elapse(self._shared.clock_ms)
        self.note_due(name, part)
        return True

    # -- what is shown -------------------------------------------------------------------------------------------------
    def sections(self, as_of_ms: int) -> dict[str, Struct]:
        """Returns the sections that there are, made anew."""
        made = ((name, part.mechanic.section(as_of_ms)) for name, part in self.parts.items())
        return {name: section for name, section in made if section is not None}

    def add_to(self, document: bytes, as_of_ms: int) -> bytes:
        """Returns a document, which is a JSON object with some fields, with the sections behind its fields."""
        sections = [
            b',"%b":%b' % (name.encode(), json)
            for name, part in self.parts.items()
            if (json := part.json(as_of_ms)) != _NULL
        ]
        return b"%b%b}" % (document[:-1], b"".join(sections)) if sections else document


_encode = msgspec.json.Encoder().encode
_NULL = _encode(None)
