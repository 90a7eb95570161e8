"""Redis → the overlay documents of one room, as a reader sees them: there, not there yet, gone, or Redis itself away.

Reads only. The nudge says when to look; a look every second serves when nudges are lost. Whatever happens to Redis, the
reader goes on and finds it again.
"""

from __future__ import annotations

import asyncio
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from stream.contract.overlay import Overlay, room_key
from stream.contract.reading import read_overlay
from stream.errors import SnapupError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOOK_EVERY_S = 1.0
RETRY_FIRST_S, RETRY_MOST_S = 0.25, 2.0


class State(StrEnum):
    """What a look at Redis found."""

    CONNECTING = "connecting"
    AWAY = "away"  # Redis does not answer
    WAITING = "waiting"  # it does, and there never was a document
    GONE = "gone"  # there was one, and it ran out: nobody publishes this room
    UNREADABLE = "unreadable"  # something else is under the key
    LIVE = "live"


class Sight(Struct, frozen=True):
    """One look. `now_ms` is Redis' clock, which the worker's documents are compared with; 0: not known."""

    state: State
    now_ms: int = 0
    raw: bytes = b""
    overlay: Overlay | None = None
    detail: str = ""


class OverlayReader:
    """Looks at one room.

    Args:
        url: of Redis.
        prefix: of the keys.
        room_id: the room.
        timeout_ms: of one round trip.
    """

    def __init__(self, url: str, prefix: str, room_id: str, timeout_ms: int) -> None:
        self._key = room_key(prefix, room_id, "overlay")
        self._channel = room_key(prefix, room_id, "rev")
        self._seen = False
        try:
            self._redis = Redis.from_url(
                url,
                socket_timeout=timeout_ms / 1000,
                socket_connect_timeout=timeout_ms / 1000,
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError as error:
            raise SnapupError(f"{url!r} is not the address of a Redis ({error}): redis://host:port/0 is.") from None

    async def look(self) -> Sight:
        """What is there now; never raises for what Redis does."""
        try:
            return await self._look()
        except (RedisError, OSError) as error:
            return Sight(State.AWAY, detail=_short(error))

    async def _look(self) -> Sight:
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.get(self._key)
            (seconds, micros), raw = await pipe.execute()
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        if raw is None:
            return Sight(State.GONE if self._seen else State.WAITING, now_ms)
        self._seen = True
        try:
            return Sight(State.LIVE, now_ms, raw, read_overlay(raw))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Sight(State.UNREADABLE, now_ms, raw, detail=_short(error))

    async def sights(self) -> AsyncIterator[Sight]:
        """A look at each nudge, at least one a second, for ever."""
        retry_s = RETRY_FIRST_S
        while True:
            try:
                async with self._redis.pubsub() as nudges:
                    await nudges.subscribe(self._channel)
                    while True:
                        yield await self._look()
                        retry_s = RETRY_FIRST_S
                        await _nudge(nudges)
            except (RedisError, OSError) as error:
                yield Sight(State.AWAY, detail=_short(error))
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, RETRY_MOST_S)

    async def close(self) -> None:
        """Let the connections go."""
        await self._redis.aclose()


async def _nudge(nudges: Any) -> None:
    """Wait for a nudge, or a second; what else has come by then is the same news."""
    deadline = time.monotonic() + LOOK_EVERY_S
    while (left := deadline - time.monotonic()) > 0:
        if await nudges.get_message(ignore_subscribe_messages=True, timeout=left) is not None:
            break
    while await nudges.get_message(ignore_subscribe_messages=True, timeout=0) is not None:
        pass


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
