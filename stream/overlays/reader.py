"""Redis → the overlay documents of one room, as a reader finds them: live, not yet there, gone, or Redis itself away.

Reads only. A nudge says when to look; should nudges be lost, the reader looks every second. Whatever happens to Redis,
the reader goes on and connects again.
"""

from __future__ import annotations

import asyncio
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from stream.contract.overlay import Overlay, room_key
from stream.contract.reading import read_overlay
from stream.contract.sections import NO_SECTIONS
from stream.redis_clients import REDIS_ERRORS, RedisClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stream.contract.sections import Sections
    from stream.redis_address import RedisAddress

LOOK_EVERY_S = 1.0
RETRY_FIRST_S, RETRY_MOST_S = 0.25, 2.0


class State(StrEnum):
    """What a look at Redis found."""

    CONNECTING = "connecting"
    AWAY = "away"  # Redis does not answer, or refuses; the detail is a sentence
    WAITING = "waiting"  # Redis answers, and never held a document
    GONE = "gone"  # Redis held a document, and it expired: no worker publishes this room
    UNREADABLE = "unreadable"  # the key holds something else
    LIVE = "live"


class Sight(Struct, frozen=True):
    """One look. `now_ms`: Redis' clock, to compare the worker's documents with; 0: unknown."""

    state: State
    now_ms: int = 0
    raw: bytes = b""
    overlay: Overlay | None = None
    detail: str = ""


class OverlayReader:
    """Looks at one room.

    Args:
        address: of Redis; may be a bare URL.
        prefix: of the keys.
        room_id: the room.
        timeout_ms: of one round trip.
        sections: of mechanics, to read the documents with.
    """

    def __init__(
        self,
        address: RedisAddress | str,
        prefix: str,
        room_id: str,
        timeout_ms: int,
        sections: Sections = NO_SECTIONS,
    ) -> None:
        self._sections = sections
        self._key = room_key(prefix, room_id, "overlay")
        self._channel = room_key(prefix, room_id, "rev")
        self._seen = False
        self._redis = RedisClient(address, timeout_ms=timeout_ms)

    async def look(self) -> Sight:
        """The document there now; never raises for what Redis does."""
        try:
            return await self._look()
        except REDIS_ERRORS as error:
            return Sight(State.AWAY, detail=self._redis.sentence(error))

    async def _look(self) -> Sight:
        now_ms, raw = await self._redis.now_ms(self._key), await self._redis.ask("GET", self._key)
        if raw is None:
            return Sight(State.GONE if self._seen else State.WAITING, now_ms)
        self._seen = True
        try:
            return Sight(State.LIVE, now_ms, raw, read_overlay(raw, self._sections))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Sight(State.UNREADABLE, now_ms, raw, detail=_short(error))

    async def sights(self) -> AsyncIterator[Sight]:
        """A look at each nudge, and at least one a second, for ever."""
        retry_s = RETRY_FIRST_S
        while True:
            try:
                async with self._redis.subscription() as nudges:
                    generation = self._redis.generation
                    await nudges.subscribe(self._channel)
                    while self._redis.generation == generation:
                        yield await self._look()
                        retry_s = RETRY_FIRST_S
                        await _nudge(nudges)
                        await self._redis.check_role()
            except REDIS_ERRORS as error:
                yield Sight(State.AWAY, detail=self._redis.sentence(error))
                await self._redis.renew()
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, RETRY_MOST_S)

    async def close(self) -> None:
        """Let the connections go."""
        await self._redis.aclose()


async def _nudge(nudges: Any) -> None:
    """Wait for a nudge, at most a second; drop the nudges that came meanwhile: they are the same news."""
    deadline = time.monotonic() + LOOK_EVERY_S
    while (left := deadline - time.monotonic()) > 0:
        if await nudges.get_message(timeout=left) is not None:
            break
    while await nudges.get_message(timeout=0) is not None:
        pass


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
