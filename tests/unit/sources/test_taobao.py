from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stream.contract.events import CartAdd, Like, Order, OrderStatus, PersonEvent, ProductClick
from stream.errors import SnapupError
from stream.sources.accounts import Accounts, Note, RefusedRow
from stream.sources.rows import Row
from stream.sources.taobao import taobao_events

if TYPE_CHECKING:
    from collections.abc import Iterable


def rows(lines: Iterable[str], *, torn: bool = False) -> list[Row]:
    found = [Row(number, line.split(","), torn=False) for number, line in enumerate(lines, start=1)]
    return [*found[:-1], Row(found[-1].line, found[-1].fields, torn=torn)]


def events(*lines: str, torn: bool = False, latest_ms: int | None = None) -> tuple[list[PersonEvent], Accounts]:
    accounts = Accounts()
    read = rows(lines, torn=torn)
    accounts.rows = len(read)
    found = list(taobao_events(read, "room-1", accounts, latest_ms))
    assert accounts.unaccounted() == 0
    assert accounts.events == len(found)
    return found, accounts


def test_each_behaviour_becomes_its_event() -> None:
    found, accounts = events(
        "1,11,5,pv,1511848894", "1,12,5,cart,1511848895", "2,12,5,fav,1511848896", "2,12,5,buy,1511848897"
    )
    click, cart, like, order = found
    assert isinstance(click, ProductClick)
    assert (click.user_id, click.sku_id, click.event_time_ms, click.room_id) == ("1", "11", 1511848894000, "room-1")
    assert isinstance(cart, CartAdd)
    assert (cart.sku_id, cart.quantity) == ("12", 1)
    assert isinstance(like, Like)
    assert like.count == 1
    assert isinstance(order, Order)
    assert (order.status, order.currency, order.user_id) == (OrderStatus.PAID, "CNY", "2")
    assert [(line.sku_id, line.quantity, line.amount_minor) for line in order.lines] == [("12", 1, 0)]
    assert accounts.by_type == {"product_click": 1, "cart_add": 1, "like": 1, "order": 1}
    assert (accounts.earliest_ms, accounts.latest_ms) == (1511848894000, 1511848897000)


def test_ids_depend_on_the_row_and_its_place_alone() -> None:
    lines = ["1,11,5,pv,1511848894", "1,11,5,pv,1511848894"]
    first, _ = events(*lines)
    again, _ = events(*lines)
    assert [event.event_id for event in first] == [event.event_id for event in again]
    assert len({event.event_id for event in first}) == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,11,5,pv", RefusedRow.COLUMN_COUNT),
        ("1,11,5,pv,1511848894,x", RefusedRow.COLUMN_COUNT),
        ("1,11,5,look,1511848894", RefusedRow.UNKNOWN_BEHAVIOUR),
        ("1,11,5,pv,151184889", RefusedRow.TIME_OUT_OF_RANGE),
        ("1,11,5,pv,-2134949234", RefusedRow.TIME_OUT_OF_RANGE),
        ("1,11,5,pv,1511848894000", RefusedRow.TIME_OUT_OF_RANGE),
        ("1,11,5,pv,noon", RefusedRow.BAD_TIME),
        ("1,11,5,pv,1511848894.5", RefusedRow.BAD_TIME),
        (",11,5,pv,1511848894", RefusedRow.MISSING_ID),
        ("1,,5,pv,1511848894", RefusedRow.MISSING_ID),
        (f"{'9' * 65},11,5,pv,1511848894", RefusedRow.ID_TOO_LONG),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_with_its_reason(line: str, reason: RefusedRow) -> None:
    found, accounts = events("1,11,5,pv,1511848894", line, "1,11,5,pv,1511848894")
    assert accounts.refused == {reason: 1}
    assert accounts.first_refused == {reason: 2}
    assert len(found) == 2


@pytest.mark.parametrize("line", ["1,11,5", "1,11,5,pv,15118", "1,11,5,p"])
def test_a_row_cut_by_the_end_of_the_file_is_called_so(line: str) -> None:
    _, accounts = events("1,11,5,pv,1511848894", line, torn=True)
    assert accounts.refused == {RefusedRow.CUT_OFF: 1}


def test_times_still_to_come_are_refused_for_kafka_only() -> None:
    line = "1,11,5,pv,2037000000"
    assert events(line)[1].refused == {}
    assert events(line, latest_ms=1_700_000_000_000)[1].refused == {RefusedRow.IN_THE_FUTURE: 1}


def test_odd_ids_are_encoded_and_noted() -> None:
    found, accounts = events("a b,11,5,pv,1511848894")
    assert found[0].user_id == "a:20b"
    assert accounts.notes == {Note.ID_ENCODED: 1}


def test_a_header_is_no_row() -> None:
    found, accounts = events("user_id,item_id,category_id,behavior_type,timestamp", "1,11,5,pv,1511848894")
    assert len(found) == 1
    assert accounts.rows == 1


@pytest.mark.parametrize(
    "line",
    ["InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country", "a;b;c;d;e", "a,b,c,d,e"],
)
def test_another_kind_of_file_is_one_clear_line(line: str) -> None:
    with pytest.raises(SnapupError, match="Not a UserBehavior file: line 1"):
        events(line, "1,11,5,pv,1511848894")
