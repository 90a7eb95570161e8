"""How many people watched each of some rooms in the last minutes, from the open chunks of their histories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from stream.contract.history import COLUMNS, HISTORY_SCHEMA, decode_chunk, decode_head, history_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.redis_clients import RedisClient

_WATCHING = COLUMNS.index("watching")


class Trend(Struct, frozen=True, gc=False):
    """People watching at some moments, oldest first. A number holds from its moment until the next one."""

    at_ms: list[int]
    watching: list[int]


async def read_trends(redis: RedisClient, prefix: str, room_ids: Sequence[str]) -> dict[str, Trend]:
    """The trend of each room whose history is kept and can be read: the ten minutes at most of its open chunk.

    Raises:
        One of `REDIS_ERRORS`: no answer.
    """
    if not room_ids:
        return {}
    raws = await redis.batch([("GET", history_key(prefix, room_id)) for room_id in room_ids])
    found = {room_id: trend_of(room_id, raw) for room_id, raw in zip(room_ids, raws, strict=True)}
    return {room_id: trend for room_id, trend in found.items() if trend is not None}


def trend_of(room_id: str, raw: object) -> Trend | None:
    """The trend in what Redis holds as a room's history; None: there is none in it. Total: any bytes have an answer."""
    if not isinstance(raw, bytes):
        return None
    try:
        head = decode_head(raw)
        if head.schema != HISTORY_SCHEMA or head.room_id != room_id or not head.open_chunk:
            return None
        points = decode_chunk(head.open_chunk).points
    except (msgspec.MsgspecError, ValueError, TypeError, IndexError):
        return None
    return Trend([point.at_ms for point in points], [point.values[_WATCHING] for point in points])
