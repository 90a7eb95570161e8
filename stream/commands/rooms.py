"""`snapup rooms`: the rooms that are in Redis now, and what is wrong with each."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from redis.asyncio import Redis
from redis.exceptions import RedisError
from rich.console import Console

from stream.errors import NoSuchError, SnapupError, did_you_mean
from stream.settings import load_settings
from stream.sources.rooms import SORTS, RoomStates, ordered, room_states
from stream.view.rooms import rooms_summary, rooms_table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from stream.settings import Settings

# A screen and a half.
SHOWN = 50
PLAIN_WIDTH = 160


def _sorts(incomplete: str) -> list[str]:
    """For the shell that completes the word."""
    return [name for name in SORTS if name.startswith(incomplete)]


def rooms(
    *,
    sort: Annotated[str, typer.Option(help=f"What comes first: {', '.join(SORTS)}.", autocompletion=_sorts)] = "alerts",
    limit: Annotated[int, typer.Option(min=1, help="Show so many; all are looked at and counted.")] = SHOWN,
    only_alerts: Annotated[bool, typer.Option("--alerts", help="Only rooms with which something is wrong.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a room, all of them.")] = False,
    redis_url: Annotated[str | None, typer.Option(help="Redis that overlays read.")] = None,
    topic_prefix: Annotated[str | None, typer.Option(help="Of the keys.")] = None,
) -> None:
    """List the rooms that are in Redis now: what is wrong with each, how old it is, its orders, what is held back."""
    if sort not in SORTS:
        raise NoSuchError(f"--sort {sort}: there is {', '.join(SORTS)}.{did_you_mean(sort, SORTS)}")
    settings = load_settings(redis_url=redis_url, topic_prefix=topic_prefix)
    found = asyncio.run(_look(settings))
    chosen = [room for room in ordered(found.rooms, sort) if room.alerts or not only_alerts]
    if as_json:
        for room in chosen:
            sys.stdout.buffer.write(msgspec.json.encode(room) + b"\n")
        sys.stdout.buffer.flush()
        return
    out = Console(highlight=False)
    if not out.is_terminal:
        out = Console(highlight=False, width=PLAIN_WIDTH)
    out.print(rooms_summary(found.rooms, complete=found.complete), markup=False, soft_wrap=True)
    if chosen:
        out.print(rooms_table(chosen[:limit]))
    if len(chosen) > limit:
        out.print(f"and {len(chosen) - limit} more; --limit shows them, --json gives all", markup=False)


async def _look(settings: Settings) -> RoomStates:
    """Every room once.

    Raises:
        SnapupError: Redis does not answer.
    """
    try:
        client = _Client(settings.redis_url, settings.redis_timeout_ms / 1000)
    except ValueError as error:
        raise SnapupError(f"SNAPUP_REDIS_URL is not the address of a Redis ({error}).") from None
    try:
        return await room_states(client, settings.topic_prefix)
    except (RedisError, OSError) as error:
        raise SnapupError(f"Redis does not answer ({error}). Start it, or set SNAPUP_REDIS_URL.") from None
    finally:
        await client.aclose()


class _Client:
    """One Redis, asked as `room_states` asks."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._redis = Redis.from_url(url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s)

    async def scan(self, match: str, count: int) -> AsyncIterator[list[bytes]]:
        """Keys, a page at a time."""
        cursor = -1
        while cursor != 0:
            cursor, keys = await self._redis.scan(max(cursor, 0), match=match, count=count)
            yield [key for key in keys if isinstance(key, bytes)]

    async def batch(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """An answer for each, in order."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            return list(await pipe.execute(raise_on_error=False))

    async def now_ms(self, key: str) -> int:  # noqa: ARG002 — one server, one clock
        """Its clock."""
        seconds, micros = await self._redis.time()
        return int(seconds) * 1000 + int(micros) // 1000

    async def aclose(self) -> None:
        """Let the connections go."""
        await self._redis.aclose()
