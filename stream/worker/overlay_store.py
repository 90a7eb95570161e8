"""Redis as the overlays see it: the keys, and the scripts that write them.

A document only replaces an older one. The version hash beside the document holds the epoch and the revision of the
owner that wrote it; the script compares and sets in one step. So a paused owner that wakes up cannot bring old figures
back. The hash also holds the offsets up to which the document was made (`p`, in the order of the topics), so that
anyone can count the records again.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError

from stream.contract.heartbeat import HEARTBEAT_TTL_MS, heartbeat_key
from stream.contract.history import chunks_key, history_key
from stream.contract.overlay import room_key
from stream.redis_clients import RedisClient

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stream.core.histories import Charted
    from stream.core.publishing import Published
    from stream.redis_address import RedisAddress

# The version outlives the document by far: after hours of silence an older owner's document must still be refused.
VERSION_TTL_MS = 24 * 3_600_000


class Answer(IntEnum):
    """The script's answer for one document."""

    STALE_EPOCH = 0  # a later owner has written: this process is no longer the owner
    WRITTEN = 1
    WRITTEN_NEW = 2  # written, and there was no version before: a new room, or a wiped Redis
    NOT_NEWER = 3  # the same or a later document of this owner is there: a repeat after a lost answer


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

# The same for histories, which have no revisions of their own: an owner writes in order, and no older owner writes.
# KEYS: head, version, closed chunks of sessions, then those of forgotten sessions, which go. ARGV: epoch, TTL in ms,
# head, closed chunks.
HISTORY_SCRIPT = b"""
local held = redis.call('HMGET', KEYS[2], 'e')
if held[1] and tonumber(held[1]) > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[2])
for place = 3, #KEYS do
  local chunks = ARGV[place + 1]
  if chunks then redis.call('SET', KEYS[place], chunks, 'PX', ARGV[2]) else redis.call('PEXPIRE', KEYS[place], 0) end
end
return 1
"""
HISTORY_SCRIPT_SHA = hashlib.sha1(HISTORY_SCRIPT, usedforsecurity=False).hexdigest()

# How long the keys of a trial live.
TRIAL_TTL_MS = 1_000


class OverlayStore:
    """The process's connections to Redis. Every failure is raised as one of `REDIS_ERRORS` within a bounded time.

    Args:
        address: the address of Redis, or a bare URL.
        prefix: the prefix of the keys.
        timeout_ms: the bound on one round trip. A slow Redis must not hold back documents that newer ones will replace.
        make_redis: makes what stands for redis-py's client in a simulation.

    Raises:
        SnapupError: the URL is not one of Redis.
    """

    def __init__(
        self,
        address: RedisAddress | str,
        prefix: str,
        timeout_ms: int,
        make_redis: Callable[..., Any] | None = None,
    ) -> None:
        self._prefix = prefix
        self._redis = RedisClient(address, timeout_ms=timeout_ms, max_connections=8, make_redis=make_redis)
        self._trial = f"{prefix}:v1:{{trial:{uuid.uuid4().hex[:12]}"

    async def ping(self) -> None:
        """Raise unless Redis answers."""
        await self._redis.ping()

    async def write(self, epoch: int, documents: Sequence[Published]) -> list[Answer | Exception]:
        """One answer for each written document, in order. An error of Redis about one document is an answer too."""
        commands = [
            (
                "EVALSHA",
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
            for each in documents
        ]
        return await self._run(commands)

    async def write_histories(self, epoch: int, histories: Sequence[Charted]) -> list[Answer | Exception]:
        """One answer for each written history, in order: `WRITTEN`, `STALE_EPOCH`, or an error of Redis about it."""
        commands = [
            (
                "EVALSHA",
                HISTORY_SCRIPT_SHA,
                2 + len(each.closed) + len(each.forgotten),
                history_key(self._prefix, each.room_id),
                room_key(self._prefix, each.room_id, "version"),
                *[chunks_key(self._prefix, each.room_id, session_ms) for session_ms in (*each.closed, *each.forgotten)],
                epoch,
                each.ttl_ms,
                each.head,
                *each.closed.values(),
            )
            for each in histories
        ]
        return await self._run(commands, HISTORY_SCRIPT)

    async def _run(self, commands: Sequence[tuple[Any, ...]], script: bytes = SCRIPT) -> list[Answer | Exception]:
        answers = await self._redis.batch(commands)
        if any(isinstance(answer, NoScriptError) for answer in answers):
            await self._redis.load_script(script)
            # Documents that went through would answer NOT_NEWER now: they are not sent again.
            missed = [number for number, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
            again = await self._redis.batch([commands[number] for number in missed])
            for number, answer in zip(missed, again, strict=True):
                answers[number] = answer
        return [answer if isinstance(answer, Exception) else Answer(answer) for answer in answers]

    async def try_to_write(self) -> None:
        """Write trial keys that nobody reads, as documents are written. In a cluster one master has to take its key.

        A server may answer and yet take nothing: a replica, a full server, a server that does not permit us to write.

        Raises:
            RedisError or OSError: no server takes its key; the error is the first server's.
        """
        # Ask shortly first: Redis tells an unauthenticated client what is wrong only when its command is short.
        await self._redis.ping()
        keys = await self._redis.key_of_each_master(lambda number: f"{self._trial}:{number}}}")
        now_ms = time.time_ns() // 1_000_000
        commands = [
            (
                *("EVALSHA", SCRIPT_SHA, 2, f"{key}:overlay", f"{key}:version", 1, now_ms, b""),
                *(TRIAL_TTL_MS, TRIAL_TTL_MS, f"{key}:rev", ""),
            )
            for key in keys
        ]
        refused = [answer for answer in await self._run(commands) if isinstance(answer, Exception)]
        if len(refused) == len(commands):
            raise refused[0]

    async def known(self, room_ids: Sequence[str]) -> bool:
        """Whether Redis still holds the versions of all these rooms.

        Raises:
            RedisError or OSError: Redis does not say.
        """
        return all(await self._exist(room_ids, "version"))

    async def shown(self, room_ids: Sequence[str]) -> list[bool]:
        """For each room, whether Redis holds its document now.

        Raises:
            RedisError or OSError: Redis does not say.
        """
        return await self._exist(room_ids, "overlay")

    async def _exist(self, room_ids: Sequence[str], what: str) -> list[bool]:
        answers = await self._redis.batch([("EXISTS", room_key(self._prefix, room_id, what)) for room_id in room_ids])
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return [bool(answer) for answer in answers]

    async def configuration(self) -> dict[str, str]:
        """`maxmemory` and `maxmemory-policy`.

        Raises:
            RedisError or OSError: we may not ask, or Redis does not answer.
        """
        return await self._redis.configuration()

    async def beat(self, name: str, word: bytes) -> None:
        """Write this worker's heartbeat, which runs out by itself.

        Raises:
            RedisError or OSError: Redis does not take it.
        """
        await self._redis.ask("SET", heartbeat_key(self._prefix, name), word, "PX", HEARTBEAT_TTL_MS)

    async def renew(self) -> None:
        """Close all connections. The next question goes to the server that is the master by then."""
        await self._redis.renew()

    async def refresh(self) -> None:
        """Ask a cluster anew which server has which keys."""
        await self._redis.refresh()

    def words(self, error: BaseException) -> str:
        """The text of an error in the server's own words."""
        return self._redis.words(error)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
