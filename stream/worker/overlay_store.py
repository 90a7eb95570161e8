"""Redis as the overlays see it: keys, and the one script that writes them.

A document is written only over an older one: the version hash beside it holds the epoch of the owner who wrote it and
his revision, and the script compares and sets in one step. So a paused owner that wakes up cannot bring old figures
back. The hash also says of which offsets the document was made (`p`, in the order of the topics), so that anybody can
count them again.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError

from stream.contract.overlay import room_key
from stream.redis_clients import RedisClient

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stream.core.publishing import Published
    from stream.redis_address import RedisAddress

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


# A trial leaves nothing behind for long.
TRIAL_TTL_MS = 1_000


class OverlayStore:
    """The connections of this process; every failure is raised as one of `REDIS_ERRORS` within a bounded time.

    Args:
        address: of Redis; a bare URL too.
        prefix: of the keys.
        timeout_ms: of one round trip. A slow Redis must not hold back documents that a newer one will replace.
        make_redis: stands for the client of redis-py in a simulation.

    Raises:
        SnapupError: the URL is none.
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
        """Ask whether it answers."""
        await self._redis.ping()

    async def write(self, epoch: int, documents: Sequence[Published]) -> list[Answer | Exception]:
        """Write documents, one answer each, in order; what Redis refuses is an answer too."""
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

    async def _run(self, commands: Sequence[tuple[Any, ...]]) -> list[Answer | Exception]:
        answers = await self._redis.batch(commands)
        if any(isinstance(answer, NoScriptError) for answer in answers):
            await self._redis.load_script(SCRIPT)
            # Those that went through answer NOT_NEWER now: they are not sent again.
            missed = [number for number, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
            again = await self._redis.batch([commands[number] for number in missed])
            for number, answer in zip(missed, again, strict=True):
                answers[number] = answer
        return [answer if isinstance(answer, Exception) else Answer(answer) for answer in answers]

    async def try_to_write(self) -> None:
        """Write as documents are written, but nothing that anybody reads; of a cluster, one master has to take it.

        A server may answer and yet take nothing: a replica, one that is full, one that we have no permission for.

        Raises:
            RedisError or OSError: none takes it; what the first one says.
        """
        # A stranger is told what is the matter only when he says little.
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
            RedisError or OSError: it does not say.
        """
        return all(await self._exist(room_ids, "version"))

    async def shown(self, room_ids: Sequence[str]) -> list[bool]:
        """Whether Redis holds a document of each of these rooms now.

        Raises:
            RedisError or OSError: it does not say.
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
            RedisError or OSError: we may not ask, or it does not answer.
        """
        return await self._redis.configuration()

    async def renew(self) -> None:
        """Let all connections go: the next question goes to whoever is the master by then."""
        await self._redis.renew()

    async def refresh(self) -> None:
        """Ask a cluster anew who has which keys."""
        await self._redis.refresh()

    def words(self, error: BaseException) -> str:
        """What an error says, in the server's own words."""
        return self._redis.words(error)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
