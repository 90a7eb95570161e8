"""The history of a room: one point every ten seconds in which something changed, and marks for what happened.

The worker keeps it in chunks of ten minutes. A chunk holds columns: the first value, then the differences. The same
bytes lie in the checkpoint and in Redis. `RoomHistory` is what readers get; every figure there is absolute again.

Shapes and their codec only: when a point is made stands in `stream.core.history`.
"""

from __future__ import annotations

from itertools import accumulate, chain, pairwise
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct

from stream.contract.levels import LEVELS
from stream.contract.overlay import Level, room_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HISTORY_SCHEMA = "snapup.history.v1"
CHUNK_MS = 600_000

MarkKind = Literal[
    "level",
    "sale_opened",
    "sale_ended",
    "restocked",
    "all_taken",
    "sold_out",
    "oversold",
    "over_limit",
    "brushing",
    "gap",
]
Severity = Literal["info", "warn", "alert"]
SEVERITIES: dict[str, Severity] = {"oversold": "alert", "over_limit": "warn", "brushing": "warn", "gap": "warn"}

# Columns of a chunk, in this order for ever: new ones come last.
COLUMNS = (
    *("watching", "viewers", "clickers", "payers", "likes", "comments", "cart_adds"),
    *("orders", "orders_paid", "units", "level", "orders_next_offset"),
)
NO_LEVEL = len(LEVELS)


def history_key(prefix: str, room_id: str) -> str:
    """The key of the sessions of a room and of the chunk that is open: a `HistoryHead`."""
    return room_key(prefix, room_id, "history")


def chunks_key(prefix: str, room_id: str, session_ms: int) -> str:
    """The key of the closed chunks of one session: a list of chunks, each as bytes."""
    return room_key(prefix, room_id, f"history:{session_ms}")


class MarkRow(Struct, array_like=True, frozen=True, gc=False):
    """A mark as it is kept. A later one of the same moment, kind, sale and SKU takes the place of an earlier one.

    `value`: a place in `LEVELS` of kind `level`, else a number of units; −1: none. `until_ms`: −1: it goes on.
    """

    at_ms: int
    kind: str
    sale_id: str
    sku_id: str
    value: int = -1
    until_ms: int = -1


class ChunkRow(Struct, array_like=True, gc=False):
    """Points and marks of ten minutes as they are kept: columns as `COLUMNS`, each the first value, then differences.

    `money`: paid minor units by currency. `left_out`: marks beyond the bound.
    """

    from_ms: int
    at_ms: list[int]
    columns: list[list[int]]
    money: dict[str, list[int]]
    marks: list[MarkRow]
    left_out: int = 0


class SessionRow(Struct, array_like=True, gc=False):
    """A session as it is kept. `ended_ms`: −1: it goes on. `from_ms`: of the oldest chunk that is kept."""

    session_ms: int
    from_ms: int
    ended_ms: int
    show_id: str | None
    orders: int
    money: dict[str, int]


class HistoryHead(Struct, array_like=True, gc=False):
    """What lies in Redis under `history_key`: the kept sessions, oldest first, and the open chunk of the last one."""

    schema: str
    room_id: str
    step_ms: int
    sessions: list[SessionRow]
    open_chunk: bytes


class Points(Struct):
    """Columns of equal length: a point holds from its moment until the next one. Counts are of the session so far.

    `watching`: people at that moment. `gmv_minor`: paid, in the currency that the answer names. `orders`: placed.
    `units`: of sales, bought and not undone. `viewers`, `clickers`, `payers`: distinct people. `conversion`: payers ÷
    clickers, null without clicks. `level`: of the sale that leads, null without sales. `orders_next_offset`: up to
    where in topic `orders` the point counts.
    """

    at_ms: list[int]
    watching: list[int]
    gmv_minor: list[int]
    orders: list[int]
    orders_paid: list[int]
    units: list[int]
    likes: list[int]
    comments: list[int]
    cart_adds: list[int]
    viewers: list[int]
    clickers: list[int]
    payers: list[int]
    conversion: list[float | None]
    level: list[Level | None]
    orders_next_offset: list[int]


class Mark(Struct, omit_defaults=True):
    """Something that happened. One mark an episode: `value` is the highest count in it, `until_ms` its end.

    Of kind `level` the value is the level. `gap`: a worker that keeps no history folded until `until_ms`.
    """

    at_ms: int
    kind: MarkKind
    severity: Severity
    sale_id: str | None = None
    sku_id: str | None = None
    value: int | str | None = None
    until_ms: int | None = None


class KeptSession(Struct, omit_defaults=True):
    """One of the sessions that are kept, with its totals so far."""

    session_ms: int
    currency: str | None
    gmv_minor: int
    orders: int
    ended_ms: int | None = None
    show_id: str | None = None


class RoomHistory(Struct):
    """The history of one session of a room, and which others are kept, oldest first.

    `from_ms`: where it begins; later than `session_ms` when the beginning is kept no more. `to_ms`: of the last point.
    `other_gmv_minor`: columns of further currencies. `marks_left_out`: how many the bound on marks kept out.
    """

    schema: str
    room_id: str
    session_ms: int
    ended_ms: int | None
    step_ms: int
    from_ms: int
    to_ms: int
    currency: str | None
    points: Points
    other_gmv_minor: dict[str, list[int]]
    marks: list[Mark]
    marks_left_out: int
    sessions: list[KeptSession]


# -- chunks ------------------------------------------------------------------------------------------------------------
_encode = msgspec.msgpack.Encoder().encode
_decode_chunk = msgspec.msgpack.Decoder(ChunkRow).decode
_decode_head = msgspec.msgpack.Decoder(HistoryHead).decode
_decode_chunks = msgspec.msgpack.Decoder(list[bytes]).decode


class Point(Struct, gc=False):
    """One point. `values`: as `COLUMNS`. `money`: paid minor units by currency."""

    at_ms: int
    values: tuple[int, ...]
    money: dict[str, int]


def encode_chunk(from_ms: int, points: Sequence[Point], marks: Sequence[MarkRow], left_out: int) -> bytes:
    """Returns the bytes of a chunk."""
    columns = zip(*[point.values for point in points], strict=True) if points else [()] * len(COLUMNS)
    currencies = dict.fromkeys(chain.from_iterable(point.money for point in points))
    row = ChunkRow(
        from_ms,
        _steps([point.at_ms for point in points]),
        [_steps(column) for column in columns],
        {each: _steps([point.money.get(each, 0) for point in points]) for each in currencies},
        [*marks],
        left_out,
    )
    return _encode(row)


def _steps(values: Sequence[int]) -> list[int]:
    return [*values[:1], *[after - before for before, after in pairwise(values)]]


class Chunk(Struct, gc=False):
    """A chunk that was read."""

    from_ms: int
    points: list[Point]
    marks: list[MarkRow]
    left_out: int


def decode_chunk(raw: bytes) -> Chunk:
    """Returns what `encode_chunk` was given; of a newer Snapup without its newer columns.

    Raises:
        msgspec.MsgspecError or ValueError: these are the bytes of no chunk.
    """
    row = _decode_chunk(raw)
    at_ms = [*accumulate(row.at_ms)]
    columns = [[*accumulate(column)] for column in row.columns[: len(COLUMNS)]]
    columns += [[0] * len(at_ms)] * (len(COLUMNS) - len(columns))
    money = {currency: [*accumulate(column)] for currency, column in row.money.items()}
    points = [
        Point(each_ms, values, {currency: column[place] for currency, column in money.items()})
        for place, (each_ms, values) in enumerate(zip(at_ms, zip(*columns, strict=True), strict=True))
    ]
    return Chunk(row.from_ms, points, row.marks, row.left_out)


def encode_head(head: HistoryHead) -> bytes:
    """Returns the bytes for `history_key`."""
    return _encode(head)


def encode_chunks(chunks: Sequence[bytes]) -> bytes:
    """Returns the bytes for `chunks_key`."""
    return _encode(chunks)


# -- what readers get --------------------------------------------------------------------------------------------------
def decode_head(raw: bytes) -> HistoryHead:
    """Returns the head that lies under `history_key`. Raises msgspec.MsgspecError: these are the bytes of no head."""
    return _decode_head(raw)


def history_of(
    head: HistoryHead, session: SessionRow, closed: bytes | None, since_ms: int | None = None
) -> RoomHistory:
    """Returns the history of one session.

    Args:
        head: of the room.
        session: one of the head's.
        closed: what lies under `chunks_key`; None: nothing does.
        since_ms: only points later than this, and marks that are later or changed later.

    Raises:
        msgspec.MsgspecError or ValueError: what was read is no history.
    """
    raws = [] if closed is None else _decode_chunks(closed)
    chunks = {chunk.from_ms: chunk for chunk in map(decode_chunk, raws)}
    if head.open_chunk and session is head.sessions[-1]:
        newest = decode_chunk(head.open_chunk)
        chunks[newest.from_ms] = newest  # the same chunk may lie closed already: two keys are not read at one moment
    ordered = [chunks[each] for each in sorted(chunks)]
    points = [point for chunk in ordered for point in chunk.points]
    currency = _leading_currency(session.money)
    to_ms = points[-1].at_ms if points else session.session_ms
    if since_ms is not None:
        points = [point for point in points if point.at_ms > since_ms]
        ordered = [chunk for chunk in ordered if chunk.from_ms + CHUNK_MS > since_ms]
    others = sorted({each for point in points for each in point.money} - {currency})
    return RoomHistory(
        HISTORY_SCHEMA,
        head.room_id,
        session.session_ms,
        None if session.ended_ms < 0 else session.ended_ms,
        head.step_ms,
        session.from_ms,
        to_ms,
        currency,
        _points_of(points, currency),
        {each: [point.money.get(each, 0) for point in points] for each in others},
        _marks_of(chain.from_iterable(chunk.marks for chunk in ordered)),
        sum(chunk.left_out for chunk in ordered),
        [_kept(each) for each in head.sessions],
    )


def _points_of(points: Sequence[Point], currency: str | None) -> Points:
    columns = [*zip(*[point.values for point in points], strict=True)] or [()] * len(COLUMNS)
    named = {name: [*column] for name, column in zip(COLUMNS, columns, strict=True)}
    levels: list[Level | None] = [LEVELS[each] if 0 <= each < NO_LEVEL else None for each in named.pop("level")]
    conversion = [
        round(paid / clicked, 4) if clicked else None
        for paid, clicked in zip(named["payers"], named["clickers"], strict=True)
    ]
    paid_minor = [point.money.get(currency or "", 0) for point in points]
    return Points(
        at_ms=[point.at_ms for point in points], gmv_minor=paid_minor, conversion=conversion, level=levels, **named
    )


def _marks_of(rows: Iterable[MarkRow]) -> list[Mark]:
    """The marks, each as it was written last, by their moments."""
    last = {(row.at_ms, row.kind, row.sale_id, row.sku_id): row for row in rows}
    return [_mark_of(last[key]) for key in sorted(last)]


def _mark_of(row: MarkRow) -> Mark:
    value: int | str | None = None if row.value < 0 else row.value
    if row.kind == "level" and value is not None:
        value = LEVELS[row.value] if row.value < NO_LEVEL else None
    return Mark(
        row.at_ms,
        row.kind,  # type: ignore[arg-type] # a newer Snapup may know more
        SEVERITIES.get(row.kind, "info"),
        row.sale_id or None,
        row.sku_id or None,
        value,
        None if row.until_ms < 0 else row.until_ms,
    )


def _kept(session: SessionRow) -> KeptSession:
    currency = _leading_currency(session.money)
    return KeptSession(
        session.session_ms,
        currency,
        session.money.get(currency or "", 0),
        session.orders,
        None if session.ended_ms < 0 else session.ended_ms,
        session.show_id,
    )


def _leading_currency(money: dict[str, int]) -> str | None:
    """The currency with the most minor units, of equals the first by name; None: nothing was sold for money."""
    return min(money, key=lambda currency: (-money[currency], currency), default=None)
