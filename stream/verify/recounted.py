"""What an independent recount of a mechanic is, and how a recount finds the mechanics that it was handed.

A recount of a mechanic keeps the facts of one session as they came and works figures out when it is asked. It shares no
line with the mechanic's fold: it is the rule of the mechanic's README, written a second time. This module knows no
mechanic; commands hand in the list.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from stream.contract.catalogue import BUILT_IN, Catalogue
from stream.contract.sections import figures_of, sections_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from msgspec import Struct

    from stream.contract.events import Event
    from stream.contract.overlay import Overlay
    from stream.contract.sections import Plain, Shown

# Name of a mechanic → its figures.
MechanicFigures = dict[str, dict[str, "Plain"]]


class Recounted(ABC):
    """The facts of one mechanic in one session of a room.

    What `figures` says depends on the set of the noted events and on the moment, never on their order.

    Attributes:
        NAME: of the mechanic, as in its section.
        KINDS: its own events.
        HEARS: built-in events that its figures need too; an order each time that its record is read.
        TOPICS: logical names of the topics that its figures come from.
    """

    NAME: ClassVar[str]
    KINDS: ClassVar[tuple[type[Event], ...]]
    HEARS: ClassVar[tuple[type[Event], ...]] = ()
    TOPICS: ClassVar[tuple[str, ...]] = ("interactions",)

    @abstractmethod
    def note(self, event: Event, effective_ms: int) -> bool:
        """Keep the fact; False: it says nothing new. Each event id is noted once; of `HEARS` the answer is not read."""

    @abstractmethod
    def figures(self, as_of_ms: int) -> dict[str, Plain]:
        """What the section must say as of a moment, in the words of `published`; nothing where there is no section."""

    @staticmethod
    def published(section: Struct | None) -> dict[str, Shown]:
        """The section in the same words: by default each of its fields."""
        return figures_of(section)


class Mechanics:
    """The mechanics that a recount was handed.

    Args:
        recounts: how each is counted again.
        catalogue: their kinds of events and their sections.

    Attributes:
        catalogue: as above.
        sections: name → shape of its section.

    Raises:
        ValueError: the catalogue lacks a mechanic that is to be counted again, or two have one name.
    """

    def __init__(self, recounts: Sequence[type[Recounted]] = (), catalogue: Catalogue = BUILT_IN) -> None:
        self.catalogue = catalogue
        self.sections = catalogue.sections
        self._recounts = {each.NAME: each for each in recounts}
        if len(self._recounts) < len(recounts) or self._recounts.keys() != self.sections.keys():
            raise ValueError(f"{sorted(self.sections)} and their recounts {[each.NAME for each in recounts]} differ")
        self._owner = {kind: each for each in recounts for kind in each.KINDS}
        self._hear: dict[type[Event], list[type[Recounted]]] = {}
        for each in recounts:
            for kind in each.HEARS:
                self._hear.setdefault(kind, []).append(each)

    def note(self, counted: dict[str, Recounted], event: Event, effective_ms: int) -> bool | None:
        """Hand an event to those that it concerns, which are made where they are not there yet.

        Args:
            counted: the mechanics of the session, by name.
            event: which counts.
            effective_ms: when.

        Returns:
            Whether it says anything new; None: no mechanic has such events.
        """
        for hearer in self._hear.get(type(event), ()):
            _made(counted, hearer).note(event, effective_ms)
        owner = self._owner.get(type(event))
        return None if owner is None else _made(counted, owner).note(event, effective_ms)

    def published(self, overlay: Overlay) -> dict[str, dict[str, Shown]]:
        """Name → what a document says, of each mechanic; nothing of those of which it holds no section."""
        found = sections_of(overlay)
        return {name: each.published(found.get(name)) for name, each in self._recounts.items()}

    def topics(self, name: str) -> tuple[str, ...]:
        """The logical topics that the figures of a mechanic come from."""
        return self._recounts[name].TOPICS


NO_MECHANICS = Mechanics()


def figures_as_of(counted: dict[str, Recounted], as_of_ms: int) -> MechanicFigures:
    """What the sections of a session must say."""
    return {name: figures for name, figures in _figures(counted, as_of_ms) if figures}


def _figures(counted: dict[str, Recounted], as_of_ms: int) -> Iterator[tuple[str, dict[str, Plain]]]:
    for name, mechanic in counted.items():
        yield name, mechanic.figures(as_of_ms)


def _made(counted: dict[str, Recounted], kind: type[Recounted]) -> Recounted:
    found = counted.get(kind.NAME)
    if found is None:
        found = counted[kind.NAME] = kind()
    return found
