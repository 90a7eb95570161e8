"""`snapup rooms`: the rooms now in Redis, and what is wrong with each."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console

from stream.errors import NoSuchError, SnapupError, did_you_mean
from stream.overlays.rooms import SORTS, RoomStates, ordered, room_states
from stream.redis_clients import REDIS_ERRORS, RedisClient
from stream.settings import load_settings
from stream.view.rooms import rooms_summary, rooms_table

if TYPE_CHECKING:
    from stream.settings import Settings

# A screen and a half.
SHOWN = 50
PLAIN_WIDTH = 160


def _sorts(incomplete: str) -> list[str]:
    """The sort orders that complete the word, for the shell."""
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
    """The state of every room, read once.

    Raises:
        SnapupError: Redis does not answer, or refuses.
    """
    client = RedisClient(settings.redis(), timeout_ms=settings.redis_timeout_ms)
    try:
        return await room_states(client, settings.topic_prefix)
    except REDIS_ERRORS as error:
        raise SnapupError(client.sentence(error)) from None
    finally:
        await client.aclose()
