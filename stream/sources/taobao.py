"""Alibaba UserBehavior (Tianchi 649): user, item, category, behaviour, epoch seconds; no header.

| row | event | why |
|---|---|---|
| `pv` | `product_click` of the item | a page view of an item is the opening of a product |
| `cart` | `cart_add` of one unit | quantities are not in the data |
| `buy` | `order`, `paid`, one line of one unit, amount 0 CNY | prices are not in the data: money stays 0 |
| `fav` | `like`, one tap | the nearest thing a room has |

No one enters or leaves, so rates over viewers have denominator 0. The category is not carried. The file is sorted by
user.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, TypedDict

from stream.contract.events import CartAdd, Like, Order, OrderLine, OrderStatus, ProductClick
from stream.contract.foreign_ids import encode_id, fits
from stream.errors import SnapupError
from stream.sources.accounts import Accounts, Note, RefusedRow, RefusedRowError
from stream.sources.far_off import told
from stream.sources.ids import row_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stream.contract.events import PersonEvent
    from stream.sources.far_off import Periods
    from stream.sources.rows import Row

SOURCE = "taobao"
HEADER = ("user_id", "item_id", "category_id", "behavior_type", "timestamp")
BEHAVIOURS = ("pv", "cart", "buy", "fav")


class _Who(TypedDict):
    """The fields that all events of persons have."""

    event_id: str
    room_id: str
    event_time_ms: int
    user_id: str


# Ten digits: 2001-09-09 to 2286. A shorter number is cut off or mistyped, a longer one is not in seconds.
_EPOCH_S = re.compile(r"[1-9]\d{9}", re.ASCII)


def taobao_events(
    rows: Iterable[Row], room_id: str, accounts: Accounts, latest_ms: int | None, periods: Periods | None = None
) -> Iterator[PersonEvent]:
    """The events of the rows, in the order of the rows; rows that cannot be used go to the accounts.

    Args:
        rows: the rows of the file, with or without a header.
        room_id: the room of all events.
        accounts: the books.
        latest_ms: rows later than this are refused; None takes all.
        periods: rows outside of these are refused; None takes all.

    Raises:
        SnapupError: the first row shows another kind of file.
    """
    for index, row in enumerate(rows):
        if not index and _is_header(row):
            accounts.rows -= 1
            continue
        try:
            event = _event(row, room_id, accounts, latest_ms)
            if periods is not None and (days_off := periods.days_off(event.event_time_ms)):
                raise RefusedRowError(RefusedRow.TIME_FAR_OFF, told(event.event_time_ms, days_off))  # noqa: TRY301
        except RefusedRowError as refused:
            # A row at the file's torn end is refused because of the tear, whatever else is wrong with it.
            reason = RefusedRow.CUT_OFF if row.torn else refused.reason
            accounts.refuse(row.line, reason, refused.detail, row.text)
        else:
            accounts.emitted(str(type(event).__struct_config__.tag), event.event_time_ms)
            yield event


def taobao_times(rows: Iterable[Row], latest_ms: int | None) -> Iterator[int]:
    """The time of each row that has one."""
    for row in rows:
        if len(row.fields) == len(HEADER):
            with suppress(RefusedRowError):
                yield _epoch_ms(row.fields[-1], latest_ms)


def _is_header(row: Row) -> bool:
    fields = tuple(field.strip().lower() for field in row.fields)
    if fields == HEADER:
        return True
    if len(fields) != len(HEADER):
        if row.torn:
            return False
        raise SnapupError(
            f"Not a UserBehavior file: line {row.line} has {len(fields)} columns, expected {len(HEADER)} "
            f"({', '.join(HEADER)}), comma separated."
        )
    if fields[3] not in BEHAVIOURS and not fields[4].isdigit():
        raise SnapupError(
            f"Not a UserBehavior file: line {row.line} has {fields[3]!r} and {fields[4]!r} where one of "
            f"{', '.join(BEHAVIOURS)} and epoch seconds are expected."
        )
    return False


def _event(row: Row, room_id: str, accounts: Accounts, latest_ms: int | None) -> PersonEvent:
    if len(row.fields) != len(HEADER):
        raise RefusedRowError(RefusedRow.COLUMN_COUNT, f"{len(row.fields)} columns, expected {len(HEADER)}")
    user, item, _category, behaviour, seconds = row.fields
    event_time_ms = _epoch_ms(seconds, latest_ms)
    user_id, sku_id = encode_id(user), encode_id(item)
    if not user_id or not sku_id:
        raise RefusedRowError(RefusedRow.MISSING_ID, f"user {user!r}, item {item!r}")
    if not fits(user_id) or not fits(sku_id):
        raise RefusedRowError(RefusedRow.ID_TOO_LONG, f"user {user!r}, item {item!r}")
    event = _of_behaviour(behaviour, row_id(SOURCE, row.line, row.fields), room_id, event_time_ms, user_id, sku_id)
    if user_id != user or sku_id != item:
        accounts.note(row.line, Note.ID_ENCODED, f"user {user_id}, item {sku_id}")
    return event


def _epoch_ms(seconds: str, latest_ms: int | None) -> int:
    if not _EPOCH_S.fullmatch(seconds):
        known = re.fullmatch(r"-?\d+", seconds, re.ASCII)
        reason = RefusedRow.TIME_OUT_OF_RANGE if known else RefusedRow.BAD_TIME
        raise RefusedRowError(reason, f"{seconds!r} is not the epoch seconds of 2001 to 2286")
    event_time_ms = int(seconds) * 1000
    if latest_ms is not None and event_time_ms > latest_ms:
        raise RefusedRowError(RefusedRow.IN_THE_FUTURE, f"{seconds} s")
    return event_time_ms


def _of_behaviour(
    behaviour: str, event_id: str, room_id: str, event_time_ms: int, user_id: str, sku_id: str
) -> PersonEvent:
    who = _Who(event_id=event_id, room_id=room_id, event_time_ms=event_time_ms, user_id=user_id)
    match behaviour:
        case "pv":
            return ProductClick(**who, sku_id=sku_id)
        case "cart":
            return CartAdd(**who, sku_id=sku_id, quantity=1)
        case "fav":
            return Like(**who, count=1)
        case "buy":
            line = OrderLine(sku_id=sku_id, quantity=1, amount_minor=0)
            return Order(**who, order_id=event_id, status=OrderStatus.PAID, lines=(line,), currency="CNY")
        case _:
            raise RefusedRowError(RefusedRow.UNKNOWN_BEHAVIOUR, repr(behaviour))
