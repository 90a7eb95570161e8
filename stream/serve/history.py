"""The history of a room, read from Redis when somebody asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from stream.contract.history import HISTORY_SCHEMA, RoomHistory, chunks_key, decode_head, history_key, history_of
from stream.contract.sight import Unreadable

if TYPE_CHECKING:
    from stream.redis_clients import RedisClient


class NoHistoryError(Exception):
    """Nothing is kept of the room, or not the session that was asked for."""


class HistoryReader:
    """Reads histories.

    Args:
        redis: to read.
        prefix: the prefix of the keys.
    """

    def __init__(self, redis: RedisClient, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix

    async def read(self, room_id: str, session_ms: int | None, since_ms: int | None) -> RoomHistory | Unreadable:
        """Returns the history of a session of a room, or why it cannot be read.

        Args:
            room_id: the room.
            session_ms: which session; None: the last one.
            since_ms: only points later than this; None: all.

        Raises:
            NoHistoryError: none is kept.
            One of `REDIS_ERRORS`: no answer.
        """
        raw = await self._redis.ask("GET", history_key(self._prefix, room_id))
        if raw is None:
            raise NoHistoryError("nothing is kept of this room")
        try:
            head = decode_head(raw)
            if head.schema != HISTORY_SCHEMA:
                return Unreadable(f"its schema is {head.schema[:64]!r}, this server reads {HISTORY_SCHEMA!r}")
            if head.room_id != room_id or not head.sessions:
                return Unreadable("it is no history of this room")
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            return _unreadable(error)
        wanted = head.sessions[-1].session_ms if session_ms is None else session_ms
        session = next((each for each in head.sessions if each.session_ms == wanted), None)
        if session is None:
            raise NoHistoryError(f"the sessions that are kept: {[each.session_ms for each in head.sessions]}")
        closed: Any = await self._redis.ask("GET", chunks_key(self._prefix, room_id, wanted))
        try:
            return history_of(head, session, closed, since_ms)
        except (msgspec.MsgspecError, ValueError, TypeError, IndexError) as error:
            return _unreadable(error)


def _unreadable(error: Exception) -> Unreadable:
    return Unreadable(f"not a history: {str(error).splitlines()[0][:200]}")
