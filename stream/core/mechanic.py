"""What a mechanic is: what one folder of `stream/mechanics` does to a room, and what the machine does for it.

A mechanic folds its own events, says when time changes it, shows one section and names what is to be saved. Everything
else is the machine's (`stream.core.engaged`): duplicates, times, batches, kept bytes, dues, checkpoints, restore. The
core knows no mechanic: whoever makes a `PartitionFold` hands in the list.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from stream.contract.catalogue import BUILT_IN, Catalogue
from stream.core.batch import Batch
from stream.core.time import NEVER_MS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from msgspec import Struct

    from stream.contract.events import Event
    from stream.core.order_state import OrderState
    from stream.core.rules import Rules

__all__ = ["NEVER_MS", "NO_MECHANICS", "Batch", "Installed", "Mechanic", "Scope"]


class Scope(ABC):
    """All that a mechanic may see of its room.

    Attributes:
        room_id: the room.
        rules: of the core.
        strangers: user ids that are nobody's: each may be many people.
    """

    room_id: str
    rules: Rules
    strangers: frozenset[str]

    @property
    @abstractmethod
    def clock_ms(self) -> int:
        """The partition's clock."""

    @abstractmethod
    def limit(self, name: str) -> int:
        """One of the mechanic's own `LIMITS`, as the rules say it."""

    @abstractmethod
    def beyond(self, name: str, count: int = 1) -> None:
        """Count what one of the limits kept out. It goes to the metrics and is no part of the state."""

    @abstractmethod
    def order(self, order_id: str) -> OrderState | None:
        """Returns what is known of an order of the room; None: nothing.

        No `section` may ask for it: an order that moves does not drop the section's kept bytes.
        """


class Mechanic(ABC):
    """One mechanic in one session of a room, made by its first event.

    What it becomes depends on the set of its events and on the clock: never on their order, on how they were batched,
    on another mechanic, or on how often it is looked at. `tests/mechanics/test_laws.py` holds every mechanic to that.

    Attributes:
        NAME: the key of its section, of its records and of its figures: small letters and `_`, for ever.
        KINDS: its events; no other mechanic has any of them.
        SAVED: what `saved` returns: an array-like struct whose new fields come last, with defaults.
        FORMAT: of what is saved. A Snapup that knows a lower one only does not read it.
        ROW: what `row` returns: state by key (a user, a poll and a user), as `SAVED`; None: there is none.
        LIMITS: bound → default. One for each thing that grows. They are part of the rules, so of the journal.
        scope: what may be seen of the room.
        changed: keys of rows that changed since they were last saved; `touch` adds to them.
    """

    NAME: ClassVar[str]
    KINDS: ClassVar[tuple[type[Event], ...]]
    SAVED: ClassVar[type[Struct]]
    FORMAT: ClassVar[int] = 1
    ROW: ClassVar[type[Struct] | None] = None
    LIMITS: ClassVar[Mapping[str, int]] = {}

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.changed: dict[str, None] = {}

    # -- what happens --------------------------------------------------------------------------------------------------
    @abstractmethod
    def fold(self, batch: Batch) -> Sequence[bool] | None:
        """Take a batch of its events, in the order of the log, without duplicates by event id.

        Returns which of them said something new; None: all. Total: raises for nothing.
        """

    def due_ms(self) -> int:
        """Returns the next moment at which time alone changes its state; after `elapse(now_ms)` one beyond `now_ms`."""
        return NEVER_MS

    def elapse(self, now_ms: int) -> None:  # noqa: B027 — for those that are due
        """Change what time changes. Called when the clock comes to `due_ms`, in the order of those moments."""

    # -- what is shown -------------------------------------------------------------------------------------------------
    @abstractmethod
    def section(self, as_of_ms: int) -> Struct | None:
        """Returns what documents show of it as of a moment; None: nothing. Changes nothing."""

    def holds_until_ms(self, as_of_ms: int) -> int:  # noqa: ARG002 — for those that move with the clock
        """Returns the first moment after `as_of_ms` at which `section` may say something else, if nothing happens."""
        return NEVER_MS

    # -- what is saved -------------------------------------------------------------------------------------------------
    @abstractmethod
    def saved(self) -> Struct:
        """Returns its state without the rows: a `SAVED`."""

    def touch(self, key: str) -> None:
        """The row of a key is another now, or is gone."""
        self.changed[key] = None

    def row(self, key: str) -> Struct | None:  # noqa: ARG002 — for those that have rows
        """Returns the row of a key as it is now: a `ROW`; None: it is gone."""
        return None

    @abstractmethod
    def restore(self, saved: Any, rows: Mapping[str, Any]) -> None:
        """Become what was saved, and make everything anew that follows from it. Called once, before anything else.

        The order of `rows` means nothing.
        """


class Installed:
    """The mechanics that a partition was handed.

    Args:
        catalogue: their kinds of events and their sections.
        folds: what each does, in the order of the catalogue.

    Attributes:
        catalogue: as above.
        of_name: name → its class, in the order in which documents show the sections.
        name_of: kind of event → the name of its mechanic.

    Raises:
        ValueError: catalogue and folds differ.
    """

    def __init__(self, catalogue: Catalogue = BUILT_IN, folds: Sequence[type[Mechanic]] = ()) -> None:
        said = [(forms.name, forms.kinds) for forms in catalogue.mechanics]
        if said != [(fold.NAME, fold.KINDS) for fold in folds]:
            raise ValueError(f"the catalogue has {said}, the folds are {folds}")
        self.catalogue = catalogue
        self.of_name = {fold.NAME: fold for fold in folds}
        self.name_of = dict(catalogue.mechanic_of)
        self._saved_decoders = {
            name: msgspec.msgpack.Decoder(tuple[int, fold.SAVED])  # type: ignore[name-defined]
            for name, fold in self.of_name.items()
        }
        self._row_decoders = {
            name: msgspec.msgpack.Decoder(fold.ROW) for name, fold in self.of_name.items() if fold.ROW is not None
        }

    def under(self, rules: Rules) -> Installed:
        """Returns those that the rules name: a journal of before a mechanic was there does not know it."""
        if self.of_name.keys() <= rules.mechanics.keys():
            return self
        catalogue = self.catalogue.only(rules.mechanics)
        return Installed(catalogue, [self.of_name[forms.name] for forms in catalogue.mechanics])

    def limits(self, said: Mapping[str, int]) -> dict[str, dict[str, int]]:
        """Returns `Rules.mechanics`: the limits of each mechanic, by name.

        Args:
            said: `name.limit` → value, of those that differ from the default.

        Raises:
            ValueError: there is no such limit, or a value is below 1.
        """
        found = {name: dict(fold.LIMITS) for name, fold in self.of_name.items()}
        for key, value in said.items():
            name, _, limit = key.partition(".")
            if limit not in found.get(name, {}):
                known = sorted(f"{each}.{bound}" for each, bounds in found.items() for bound in bounds)
                raise ValueError(f"no limit is called {key!r}; there are: {', '.join(known) or 'none'}")
            if value < 1:
                raise ValueError(f"{key} is {value}, the least is 1")
            found[name][limit] = value
        return found

    def saved_decoder(self, name: str) -> msgspec.msgpack.Decoder[tuple[int, Any]]:
        """Reads (format, `SAVED`) of a mechanic."""
        return self._saved_decoders[name]

    def row_of(self, name: str, encoded: bytes | msgspec.Raw) -> Any:
        """Returns a saved row of a mechanic; None: it is gone. Raises what msgspec raises."""
        return None if bytes(encoded) == _NIL else self._row_decoders[name].decode(encoded)


_NIL = msgspec.msgpack.encode(None)
NO_MECHANICS = Installed()
