"""What an independent recount of a mechanic is, and how a recount finds the mechanics that it was given.

A mechanic's recount keeps the facts of one session as they came and works out figures on demand. It shares no line with
the mechanic's fold: it is the rule of the mechanic's README, written a second time. This module knows no mechanic;
commands pass the list in.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from stream.contract.catalogue import BUILT_IN, Catalogue
from stream.contract.sections import figures_of, sections_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from msgspec import Struct

    from stream.contract.events import Event
    from stream.contract.overlay import Overlay
    from stream.contract.sections import Plain, Shown
    from stream.verify.assumptions import Assumptions

# Name of a mechanic → its figures.
MechanicFigures = dict[str, dict[str, "Plain"]]


class Recounted(ABC):
    """The facts of one mechanic in one session of a room.

    `figures` depends on the set of noted events and on the moment, never on their order.

    Attributes:
        NAME: the mechanic's name, as in its section.
        KINDS: the mechanic's own events.
        HEARS: built-in events that its figures also need; an order comes each time that a record of it is read.
        TOPICS: logical names of the topics behind its figures.
        LIMITS: bound → its value where the journal does not say.
        limits: the bounds as the worker had them.
    """

    NAME: ClassVar[str]
    KINDS: ClassVar[tuple[type[Event], ...]]
    HEARS: ClassVar[tuple[type[Event], ...]] = ()
    TOPICS: ClassVar[tuple[str, ...]] = ("interactions",)
    LIMITS: ClassVar[Mapping[str, int]] = {}

    def __init__(self, limits: Mapping[str, int]) -> None:
        self.limits = limits

    @abstractmethod
    def note(self, event: Event, effective_ms: int) -> bool:
        """Whether the fact, now kept, says anything new. An event id comes once. The answer to `HEARS` is ignored."""

    @abstractmethod
    def figures(self, as_of_ms: int) -> dict[str, Plain]:
        """The section's figures at a moment, in the words of `published`; empty if there is no section."""

    @staticmethod
    def published(section: Struct | None) -> dict[str, Shown]:
        """The section's published figures in the same words: by default each of its fields."""
        return figures_of(section)


class Mechanics:
    """The mechanics that a recount was given.

    Args:
        recounts: the recount of each mechanic.
        catalogue: the mechanics' kinds of events and their sections.

    Attributes:
        catalogue: as above.
        sections: name → shape of its section.
        recounts: as above.

    Raises:
        ValueError: the catalogue and the recounts name different mechanics, or two have one name.
    """

    def __init__(self, recounts: Sequence[type[Recounted]] = (), catalogue: Catalogue = BUILT_IN) -> None:
        self.catalogue = catalogue
        self.sections = catalogue.sections
        self.recounts = tuple(recounts)
        self._recounts = {each.NAME: each for each in recounts}
        if len(self._recounts) < len(recounts) or self._recounts.keys() != self.sections.keys():
            raise ValueError(f"{sorted(self.sections)} and their recounts {[each.NAME for each in recounts]} differ")
        self._owner = {kind: each for each in recounts for kind in each.KINDS}
        self._hear: dict[type[Event], list[type[Recounted]]] = {}
        for each in recounts:
            for kind in each.HEARS:
                self._hear.setdefault(kind, []).append(each)

    def note(
        self, counted: dict[str, Recounted], event: Event, effective_ms: int, assumptions: Assumptions
    ) -> bool | None:
        """Give an event to the mechanics that it concerns, which are made if missing.

        Args:
            counted: the mechanics of the session, by name.
            event: an event that counts.
            effective_ms: the event's effective time.
            assumptions: the rules of the worker that folded the event; a mechanic keeps its first limits.

        Returns:
            Whether the event says anything new; None: no mechanic has such events.
        """
        for hearer in self._hear.get(type(event), ()):
            if hearer.NAME in dict(assumptions.mechanics):
                _made(counted, hearer, assumptions).note(event, effective_ms)
        owner = self._owner.get(type(event))
        return None if owner is None else _made(counted, owner, assumptions).note(event, effective_ms)

    def published(self, overlay: Overlay) -> dict[str, dict[str, Shown]]:
        """Name → published figures of each mechanic; empty for a mechanic without a section in the document."""
        found = sections_of(overlay)
        return {name: each.published(found.get(name)) for name, each in self._recounts.items()}

    def topics(self, name: str) -> tuple[str, ...]:
        """The logical topics behind a mechanic's figures."""
        return self._recounts[name].TOPICS


NO_MECHANICS = Mechanics()


def figures_as_of(counted: dict[str, Recounted], as_of_ms: int) -> MechanicFigures:
    """The figures that the sections of a session must show."""
    return {name: figures for name, figures in _figures(counted, as_of_ms) if figures}


def _figures(counted: dict[str, Recounted], as_of_ms: int) -> Iterator[tuple[str, dict[str, Plain]]]:
    for name, mechanic in counted.items():
        yield name, mechanic.figures(as_of_ms)


def _made(counted: dict[str, Recounted], kind: type[Recounted], assumptions: Assumptions) -> Recounted:
    found = counted.get(kind.NAME)
    if found is None:
        said = dict(dict(assumptions.mechanics).get(kind.NAME, ()))
        found = counted[kind.NAME] = kind({**kind.LIMITS, **said})
    return found
