"""Redis as the overlays see it: keys, and the one script that writes them.

A document is written only over an older one: the version hash beside it holds the epoch of the owner who wrote it and
his revision, and the script compares and sets in one step. So a paused owner that wakes up cannot bring old figures
back. The hash also says of which offsets the document was made (`p`, in the order of the topics), so that anybody can
count them again.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from stream.contract.overlay import room_key
from stream.errors import SnapupError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stream.core.publishing import Published

# The version outlives the document by far: a room that was silent for hours must not fall back to an older owner's
# word.
VERSION_TTL_MS = 24 * 3_600_000


class Answer(IntEnum):
    """What the script says of one document."""

    STALE_EPOCH = 0  # a later owner has written: this process is not the owner any more
    WRITTEN = 1
    WRITTEN_NEW = 2  # and no version was there before: a new room, or a wiped Redis
    NOT_NEWER = 3  # this owner's same or a later document is there: a repeat after a lost answer


# KEYS: document, version. ARGV: epoch, rev, document, its TTL in ms, TTL of the version in ms, channel, positions.
SCRIPT = b"""
local held = redis.call('HMGET', KEYS[2], 'e', 'r')
if held[1] then
  local epoch, rev = tonumber(ARGV[1]), tonumber(ARGV[2])
  local held_epoch, held_rev = tonumber(held[1]), tonumber(held[2])
  if held_epoch > epoch then return 0 end
  if held_epoch == epoch and held_rev >= rev then return 3 end
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
redis.call('HSET', KEYS[2], 'e', ARGV[1], 'r', ARGV[2], 'p', ARGV[7])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
redis.call('PUBLISH', ARGV[6], ARGV[2])
if held[1] then return 1 else return 2 end
"""
SCRIPT_SHA = hashlib.sha1(SCRIPT, usedforsecurity=False).hexdigest()


class OverlayStore:
    """The connection of this process; every failure is raised as `RedisError` or `OSError` within a bounded time.

    Args:
        url: of Redis.
        prefix: of the keys.
        timeout_ms: of one round trip. A slow Redis must not hold back documents that a newer one will replace.
        make_redis: the client; takes the arguments of redis-py's.

    Raises:
        SnapupError: the URL is none.
    """

    def __init__(self, url: str, prefix: str, timeout_ms: int, make_redis: Callable[..., Any] = Redis.from_url) -> None:
        self._prefix = prefix
        try:
            self._redis = make_redis(
                url,
                socket_timeout=timeout_ms / 1000,
                socket_connect_timeout=timeout_ms / 1000,
                retry=Retry(NoBackoff(), 0),
                max_connections=8,
            )
        except ValueError as error:  # the URL itself is not repeated: it may hold a password
            raise SnapupError(
                f"SNAPUP_REDIS_URL is no address of a Redis ({error}): it looks like redis://host:6379/0."
            ) from None

    async def ping(self) -> None:
        """Ask whether it answers."""
        await self._redis.ping()

    async def write(self, epoch: int, documents: Sequence[Published]) -> list[Answer | RedisError]:
        """Write documents, one answer each, in order."""
        answers = await self._send(epoch, documents)
        if any(isinstance(answer, NoScriptError) for answer in answers):
            await self._redis.script_load(SCRIPT)
            # Those that went through answer NOT_NEWER now.
            answers = await self._send(epoch, documents)
        return [answer if isinstance(answer, RedisError) else Answer(answer) for answer in answers]

    async def _send(self, epoch: int, documents: Sequence[Published]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for each in documents:
                pipe.evalsha(
                    SCRIPT_SHA,
                    2,
                    room_key(self._prefix, each.room_id, "overlay"),
                    room_key(self._prefix, each.room_id, "version"),
                    epoch,
                    each.rev,
                    each.document,
                    each.ttl_ms,
                    VERSION_TTL_MS,
                    room_key(self._prefix, each.room_id, "rev"),
                    ",".join(map(str, each.positions)),
                )
            return list(await pipe.execute(raise_on_error=False))

    async def known(self, room_ids: Sequence[str]) -> bool:
        """Whether Redis still holds the versions of all these rooms."""
        keys = [room_key(self._prefix, room_id, "version") for room_id in room_ids]
        async with self._redis.pipeline(transaction=False) as pipe:
            for key in keys:  # one by one: in a cluster they lie in different slots
                pipe.exists(key)
            return all(await pipe.execute())

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
