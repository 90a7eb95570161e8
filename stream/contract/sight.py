"""What one look at a room's document in Redis found, for every reader of documents: server, `watch`."""

from __future__ import annotations

from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from msgspec import Struct


class State(StrEnum):
    """What can be said of a room now."""

    LIVE = "live"
    STALE = "stale"  # there is a document, and the time is past its `stale_after_ms`
    MISSING = "missing"  # Redis answers, and holds no document
    UNREADABLE = "unreadable"  # Redis holds something that is no document that we know
    REDIS_AWAY = "redis_away"  # no answer; the last known document is passed on until it is stale


class Dated(Protocol):
    """A document that says until when it may pass as live."""

    @property
    def stale_after_ms(self) -> int:
        """The last moment at which the document is not stale."""
        ...


class Unreadable(Struct, frozen=True):
    """The key holds no document; `detail` says why, in words for an operator."""

    detail: str


class Away(Struct, frozen=True):
    """Redis does not answer, or refuses; `detail` is a sentence for an operator."""

    detail: str


D = TypeVar("D", bound=Dated)


class Sight(Struct, Generic[D], frozen=True):
    """What one look found; `found` is None where nothing is."""

    found: D | Unreadable | Away | None

    @property
    def document(self) -> D | None:
        """The document, if there is a readable one."""
        return None if isinstance(self.found, Unreadable | Away) else self.found

    def state(self, now_ms: int) -> State:
        """The state of the room at a moment, as far as this look says."""
        match self.found:
            case None:
                return State.MISSING
            case Unreadable():
                return State.UNREADABLE
            case Away():
                return State.REDIS_AWAY
            case document:
                return State.STALE if now_ms > document.stale_after_ms else State.LIVE
