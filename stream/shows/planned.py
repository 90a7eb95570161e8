"""What a planned mechanic adds to the plan of a room: its events, and the figures that they must lead to.

The figures follow from the plan alone ("this combo ends at 99"), never from the events. So a section that agrees with
them has been checked against something that it was not made from. `contract.sections.figures_of` gives a section the
same words.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stream.contract.events import Event
    from stream.contract.sections import Plain


class Planned(ABC):
    """One mechanic in the plan of one room.

    Attributes:
        NAME: of the mechanic, as in its section.
        repeated: number of its events that say nothing new, though their ids are new.
        held_back_ms: the delay by event id, where what counts depends on the order of arrival.
    """

    NAME: ClassVar[str]
    repeated: int = 0
    held_back_ms: Mapping[str, int] = MappingProxyType({})

    @abstractmethod
    def events(self) -> Iterable[Event]:
        """Its events, each with an id of its own; times from the show's beginning, in any order."""

    @abstractmethod
    def figures(self) -> dict[str, Plain]:
        """What its section must say at the end of the show; figures left out are not looked at."""
