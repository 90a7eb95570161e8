"""What Redis holds, and what of it must come back after a loss: all that a screen can show.

Not everything comes back. Heartbeats are of processes that may have ended, trials live for a second, and a session that
the history of its room names no more is shown by nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from stream.contract.history import chunks_key, decode_head
from tests.chaos.traffic import PREFIX

if TYPE_CHECKING:
    from redis.asyncio import Redis

# Of a room that is on screen.
_SHOWN = ("overlay", "version")
_HISTORY = "history"


class Held(NamedTuple):
    """The keys that Redis holds; `named`: the keys of the sessions that the histories there name."""

    keys: frozenset[str]
    named: frozenset[str]


async def held(redis: Redis) -> Held:
    """What Redis holds now."""
    keys = [key.decode() async for key in redis.scan_iter(count=1_000)]
    of_histories = [key for key in keys if _of_room(key)[1] == _HISTORY]
    heads: list[Any] = await redis.mget(of_histories) if of_histories else []
    named: set[str] = set()
    for raw in heads:
        if raw is not None:  # else it ran out meanwhile
            head = decode_head(raw)
            named.update(chunks_key(PREFIX, head.room_id, session.session_ms) for session in head.sessions)
    return Held(frozenset(keys), frozenset(named))


def not_back(before: Held, now: Held) -> list[str]:
    """Keys that were there before a loss, must be there again, and are not."""
    wanted = before.keys & before.named & now.named
    for key in before.keys:
        room, what = _of_room(key)
        on_screen = what in _SHOWN and f"{room}overlay" in before.keys
        if on_screen or what == _HISTORY:
            wanted |= {key}
    return sorted(wanted - now.keys)


def _of_room(key: str) -> tuple[str, str]:
    """The key's room, with the colon behind it, and what of the room it holds; empty where it is of no room."""
    place, mark, what = key.partition("}:")
    return (place + mark, what) if "{room:" in place else ("", "")
