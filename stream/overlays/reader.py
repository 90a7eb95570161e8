"""Redis → the overlay documents of one room, as a reader sees them: there, not there yet, gone, or Redis itself away.

The reader only reads. It looks at each nudge, and once a second because nudges can be lost. It outlives Redis: when
Redis comes back, the reader finds Redis again.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from stream.contract.overlay import Overlay, room_key
from stream.contract.reading import read_overlay
from stream.contract.sections import NO_SECTIONS
from stream.contract.sight import Away, Sight, Unreadable
from stream.redis_clients import REDIS_ERRORS, RedisClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stream.contract.sections import Sections
    from stream.redis_address import RedisAddress

LOOK_EVERY_S = 1.0
RETRY_FIRST_S, RETRY_MOST_S = 0.25, 2.0


class Look(Struct, frozen=True):
    """One look at the room.

    Attributes:
        sight: what it found.
        now_ms: Redis' clock, which the worker's documents are compared with; 0: not known.
        raw: the bytes under the key.
        was_there: this look or an earlier one of the same reader found something under the key.
    """

    sight: Sight[Overlay]
    now_ms: int = 0
    raw: bytes = b""
    was_there: bool = False

    @property
    def overlay(self) -> Overlay | None:
        """The document, if there is a readable one."""
        return self.sight.document


class OverlayReader:
    """Looks at one room.

    Args:
        address: the address of Redis, or a bare URL.
        prefix: the prefix of the keys.
        room_id: the room.
        timeout_ms: the bound on one round trip.
        sections: the mechanics' sections to read in documents.
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
        self._was_there = False
        self._redis = RedisClient(address, timeout_ms=timeout_ms)

    async def look(self) -> Look:
        """What is there now. Never raises for what Redis does."""
        try:
            return await self._look()
        except REDIS_ERRORS as error:
            return self._away(error)

    async def _look(self) -> Look:
        now_ms, raw = await self._redis.now_ms(self._key), await self._redis.ask("GET", self._key)
        if raw is None:
            return Look(Sight(None), now_ms, was_there=self._was_there)
        self._was_there = True
        try:
            found: Overlay | Unreadable = read_overlay(raw, self._sections)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            found = Unreadable(_short(error))
        return Look(Sight(found), now_ms, raw, was_there=True)

    def _away(self, error: BaseException) -> Look:
        return Look(Sight(Away(self._redis.sentence(error))), was_there=self._was_there)

    async def looks(self) -> AsyncIterator[Look]:
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
                yield self._away(error)
                await self._redis.renew()
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, RETRY_MOST_S)

    async def close(self) -> None:
        """Let the connections go."""
        await self._redis.aclose()


async def _nudge(nudges: Any) -> None:
    """Wait for a nudge, a second at most. Further nudges that have come by then are the same news."""
    deadline = time.monotonic() + LOOK_EVERY_S
    while (left := deadline - time.monotonic()) > 0:
        if await nudges.get_message(timeout=left) is not None:
            break
    while await nudges.get_message(timeout=0) is not None:
        pass


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
