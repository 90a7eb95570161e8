"""The sessions of a room in its documents, what each of them said, and how users name a session."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import msgspec
from msgspec import Struct, field

from stream.contract.overlay import Session
from stream.contract.reading import opened
from stream.errors import NoSuchError, SnapupError
from stream.verify.claim_check import Tally
from stream.verify.said import Said

if TYPE_CHECKING:
    from collections.abc import Iterator

# Bound on sessions listed in a message.
LISTED = 20


class _Head(Struct):
    epoch: int
    rev: int
    as_of_ms: int
    session: Session | None = None


_head_of = msgspec.json.Decoder(cast("type[_Head]", opened(_Head))).decode


class ToldSession(Struct, kw_only=True):
    """One session.

    Attributes:
        session: the session as in its last document; None: it is the only one that the room ever had, so far.
        said: what its documents claimed and withheld.
        last: its last document.
        epoch: the epoch of the last document.
        as_of_ms: the moment of the last document.
        rev: the revision of the last document.
        first_epoch: the epoch of its first document.
        first_rev: the revision of its first document.
        checked: the tally of its claims, if they were checked.
    """

    session: Session | None
    said: Said
    last: bytes
    epoch: int
    as_of_ms: int
    rev: int
    first_epoch: int
    first_rev: int
    checked: Tally = field(default_factory=Tally)

    def holds(self, epoch: int, rev: int) -> bool:
        """Whether a document belongs to this session: later documents have greater epochs and revisions."""
        return (self.first_epoch, self.first_rev) <= (epoch, rev) <= (self.epoch, self.rev)

    @property
    def began_at_ms(self) -> int:
        """The beginning of the session; of a session that no document names, the moment of its first document."""
        return self.said.first_ms if self.session is None else self.session.began_at_ms


class RoomSessions:
    """Takes the documents of one room in their order."""

    def __init__(self, room_id: str) -> None:
        self._room_id = room_id
        self._sessions: dict[int | None, ToldSession] = {}

    def add(self, document: bytes) -> ToldSession:
        """Take one document. Returns its session.

        Raises:
            SnapupError: the bytes are no overlay document.
        """
        try:
            head = _head_of(document)
            told = self._of(head.session)
            if told is None:
                began_ms = None if head.session is None else head.session.began_at_ms
                told = self._sessions[began_ms] = ToldSession(
                    session=None,
                    said=Said(),
                    last=b"",
                    epoch=0,
                    as_of_ms=0,
                    rev=0,
                    first_epoch=head.epoch,
                    first_rev=head.rev,
                )
            told.said.add(document)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SnapupError(f"A document of room {self._room_id!r} cannot be read: {error}.") from None
        told.session = head.session or told.session
        told.last, told.epoch, told.rev, told.as_of_ms = document, head.epoch, head.rev, head.as_of_ms
        return told

    def _of(self, session: Session | None) -> ToldSession | None:
        if session is None:
            return self._sessions.get(None)
        first = self._sessions.get(None)
        # Only the last document of the room's first session names it.
        if first is not None and session.began_at_ms <= first.said.first_ms:
            self._sessions[session.began_at_ms] = self._sessions.pop(None)
        return self._sessions.get(session.began_at_ms)

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[ToldSession]:
        """The sessions in the order of their beginnings."""
        return iter(sorted(self._sessions.values(), key=lambda told: told.began_at_ms))

    def choose(self, name: str | None) -> int:
        """The place of a session in the order of beginnings.

        Args:
            name: its show_id, its number from 1, or its beginning (epoch ms, or ISO 8601 to the second); None: the last
                one. A show_id wins over the other meanings. Of several sessions of one show the last is chosen.

        Raises:
            NoSuchError: there is no session of that name; the text lists the sessions.
        """
        sessions = [*self]
        if name is None:
            return len(sessions) - 1
        for place in reversed(range(len(sessions))):
            session = sessions[place].session
            if session is not None and session.show_id == name:
                return place
        if name.isascii() and name.isdecimal() and 1 <= int(name[:18]) <= len(sessions):
            return int(name[:18]) - 1
        for place, each in enumerate(sessions):
            if name in (str(each.began_at_ms), utc_second(each.began_at_ms)):
                return place
        listed = [_listed(place, each) for place, each in enumerate(sessions)]
        told = "; ".join(listed[-LISTED:])
        more = f"; and {len(listed) - LISTED} before these" if len(listed) > LISTED else ""
        raise NoSuchError(f"There is no session {name!r} of room {self._room_id!r}; there are: {told}{more}.")


def _listed(place: int, told: ToldSession) -> str:
    session = told.session
    show = f"show {session.show_id}, " if session is not None and session.show_id is not None else ""
    goes_on = session is None or session.ended_at_ms is None
    ended = "goes on" if session is None or goes_on else f"ended {utc_second(session.ended_at_ms or 0)}"
    return f"{place + 1}: {show}began {utc_second(told.began_at_ms)} ({told.began_at_ms}), {ended}"


def utc_second(epoch_ms: int) -> str:
    """The moment as `2026-11-27T20:33:11Z`."""
    return datetime.fromtimestamp(epoch_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
