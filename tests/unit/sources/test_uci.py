from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest

from stream.contract.events import Order, OrderStatus
from stream.errors import SnapupError
from stream.sources.accounts import Accounts, Note, RefusedRow
from stream.sources.local_time import DateOrder, time_zone
from stream.sources.rows import Row
from stream.sources.uci import uci_events

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
LONDON = time_zone("Europe/London")


def line(
    invoice: str = "536365",
    sku: str = "85123A",
    quantity: object = 6,
    price: str = "2.55",
    customer: str = "17850.0",
    time: str = "2010-12-01 08:26:00",
) -> str:
    return f"{invoice},{sku},THING,{quantity},{time},{price},{customer},United Kingdom"


def orders(
    *lines: str, header: str = HEADER, torn: bool = False, latest_ms: int | None = None
) -> tuple[list[Order], Accounts]:
    fields = list(csv.reader(io.StringIO("\n".join([header, *lines]))))
    rows: Sequence[Row] = [
        Row(number, row, torn=torn and number == len(fields)) for number, row in enumerate(fields, start=1)
    ]
    accounts = Accounts()
    accounts.rows = len(rows)
    found = list(uci_events(rows, "shop", accounts, latest_ms, LONDON, DateOrder.ISO))
    assert accounts.rows == len(lines)
    assert accounts.unaccounted() == 0
    assert accounts.events == len(found)
    return found, accounts


def test_the_rows_of_an_invoice_are_one_paid_order() -> None:
    found, accounts = orders(line(), line(sku="71053", price="3.39"), line(invoice="536366"))
    first, second = found
    assert (first.order_id, first.user_id, first.status, first.currency) == ("536365", "17850", OrderStatus.PAID, "GBP")
    assert [(item.sku_id, item.quantity, item.amount_minor) for item in first.lines] == [
        ("85123A", 6, 1530),
        ("71053", 6, 2034),
    ]
    assert first.event_time_ms == 1291191960000
    assert second.order_id == "536366"
    assert (accounts.rows, accounts.events, accounts.merged) == (3, 2, 1)


def test_repeated_lines_are_kept() -> None:
    found, _ = orders(line(), line())
    assert len(found[0].lines) == 2


def test_a_c_invoice_is_a_refund_under_its_own_number() -> None:
    found, _ = orders(line(invoice="C536379", quantity=-2))
    assert (found[0].order_id, found[0].status) == ("C536379", OrderStatus.REFUNDED)
    assert (found[0].lines[0].quantity, found[0].lines[0].amount_minor) == (2, 510)


def test_what_a_c_invoice_takes_back_is_a_part_of_the_newest_order_that_has_it() -> None:
    found, accounts = orders(
        line("1", quantity=6),
        line("1", "71053", 2, "3.39"),
        line("2", quantity=4),
        line("C3", quantity=-3),
        line("C3", "71053", -2, "3.39"),
        line("C4", quantity=-2),
        line("C5", quantity=-9),
        line("C5", quantity=-1, price="2.50"),
        line("C5", quantity=-1, customer="17851"),
        line("C6", quantity=-1, time="2010-12-01 08:25:00"),
    )
    told = [
        (order.order_id, order.part_id, [(each.quantity, each.amount_minor) for each in order.part_lines])
        for order in found
    ]
    assert told == [
        ("1", None, []),
        ("2", None, []),
        ("2", "C3", [(3, 765)]),
        ("1", "C3", [(2, 678)]),
        ("1", "C4", [(2, 510)]),
        ("C5", None, []),
        ("C5.2", None, []),
        ("C6", None, []),
    ]
    assert {order.status for order in found[2:]} == {OrderStatus.REFUNDED}
    assert [len(order.lines) for order in found[2:]] == [0, 0, 0, 2, 1, 1]
    assert accounts.notes[Note.PART_OF] == 3
    assert (
        "C-invoices took back £50.08: £19.53 as parts of orders, the rest of sales that the file does not show."
        in accounts.remarks
    )


def test_books_say_how_long_a_fold_must_remember_where_goods_came_back_after_more_than_a_week() -> None:
    week = [line("1", quantity=3), line("C2", quantity=-1, time="2010-12-08 08:25:00")]
    _, accounts = orders(*week)
    assert not any("SNAPUP_REMEMBER_ORDERS_MS" in remark for remark in accounts.remarks)
    _, accounts = orders(*week, line("C3", quantity=-1, time="2011-03-01 08:26:00"))
    (said,) = [remark for remark in accounts.remarks if "SNAPUP_REMEMBER_ORDERS_MS" in remark]
    assert "up to 90 days" in said
    assert f"={91 * 86_400_000} " in said


def test_a_part_of_more_than_100_lines_goes_on_as_further_parts() -> None:
    rows = [line("1", f"sku{number}", 1, "1.00") for number in range(100)]
    back = [line("C2", f"sku{number}", -1, "1.00") for number in range(100)]
    found, _ = orders(*rows, line("1", "more", 20_001, "1.00"), *back, line("C2", "more", -20_001, "1.00"))
    told = [(order.order_id, order.part_id, len(order.part_lines)) for order in found]
    assert told == [("1", None, 0), ("1.2", None, 0), ("1", "C2", 100), ("1.2", "C2", 3)]
    assert sum(each.amount_minor for each in found[3].part_lines) == 2_000_100
    many = [line("C3", f"sku{number % 3}", -1, "1.00") for number in range(150)]
    found, _ = orders(*[line("1", f"sku{number}", 50, "1.00") for number in range(3)], *many)
    assert [(order.part_id, len(order.part_lines)) for order in found[1:]] == [("C3", 100), ("C3.2", 50)]


def test_a_missing_customer_is_a_guest_of_the_invoice() -> None:
    found, accounts = orders(line(customer=""), line(customer=""), line(invoice="536367", customer=""))
    assert [order.user_id for order in found] == ["guest:536365", "guest:536367"]
    assert accounts.notes == {Note.GUEST: 2}


def test_more_than_100_lines_go_on_as_further_orders() -> None:
    found, accounts = orders(*(line(sku=str(number), quantity=1, price="0.01") for number in range(250)))
    assert [order.order_id for order in found] == ["536365", "536365.2", "536365.3"]
    assert [len(order.lines) for order in found] == [100, 100, 50]
    assert len({order.event_id for order in found}) == 3
    assert sum(item.amount_minor for order in found for item in order.lines) == 250
    assert (accounts.events, accounts.merged) == (3, 247)
    assert any("more than 100 lines" in remark for remark in accounts.remarks)


def test_exactly_100_lines_are_one_order() -> None:
    found, accounts = orders(*(line() for _ in range(100)))
    assert len(found) == 1
    assert not accounts.remarks


def test_an_invoice_that_comes_back_is_not_taken_for_a_duplicate() -> None:
    found, accounts = orders(line(), line(invoice="536366"), line(sku="x"), line(customer="5", sku="y"))
    assert [order.order_id for order in found] == ["536365", "536366", "536365.2", "536365.3"]
    assert accounts.remarks.total() == 2


def test_more_than_10_000_units_become_several_lines_of_the_same_amount() -> None:
    found, accounts = orders(line(quantity=25_001, price="0.333"))
    assert [item.quantity for item in found[0].lines] == [10_000, 10_000, 5_001]
    assert sum(item.amount_minor for item in found[0].lines) == round(25_001 * 33.3)
    assert accounts.notes[Note.QUANTITY_SPLIT] == 1


@pytest.mark.parametrize(
    ("price", "quantity", "pence"),
    [("0.005", 1, 0), ("0.015", 1, 2), ("0.025", 1, 2), ("0.1", 3, 30), ("1.10", 3, 330), ("0", 5, 0), (".5", 1, 50)],
)
def test_amounts_are_exact_decimals_rounded_half_to_even(price: str, quantity: int, pence: int) -> None:
    found, _ = orders(line(price=price, quantity=quantity))
    assert found[0].lines[0].amount_minor == pence


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (line(quantity=0), RefusedRow.ZERO_QUANTITY),
        (line(quantity=-3), RefusedRow.NEGATIVE_QUANTITY),
        (line(quantity="1.5"), RefusedRow.BAD_QUANTITY),
        (line(quantity="1_0"), RefusedRow.BAD_QUANTITY),
        (line(quantity="٣"), RefusedRow.BAD_QUANTITY),
        (line(quantity=1_000_001), RefusedRow.QUANTITY_TOO_LARGE),
        (line(invoice="C1", quantity=3), RefusedRow.POSITIVE_CANCELLATION),
        (line(invoice="A563185", quantity=1, price="11062.06"), RefusedRow.ACCOUNTING_ENTRY),
        (line(invoice="X1"), RefusedRow.UNKNOWN_INVOICE_KIND),
        (line(invoice=""), RefusedRow.UNKNOWN_INVOICE_KIND),
        (line(price="-1.5"), RefusedRow.NEGATIVE_PRICE),
        (line(price="NaN"), RefusedRow.BAD_PRICE),
        (line(price="1e3"), RefusedRow.BAD_PRICE),
        (line(price=""), RefusedRow.BAD_PRICE),
        (line(price="-"), RefusedRow.BAD_PRICE),
        (line(price="999999999999", quantity=1_000_000), RefusedRow.AMOUNT_TOO_LARGE),
        (line(time="12/1/2010 8:26"), RefusedRow.BAD_TIME),
        (line(time="1969-12-31 08:26:00"), RefusedRow.TIME_OUT_OF_RANGE),
        (line(sku=""), RefusedRow.MISSING_ID),
        (line(sku="x" * 65), RefusedRow.ID_TOO_LONG),
        ("536365,85123A,THING", RefusedRow.COLUMN_COUNT),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_and_its_invoice_goes_on(bad: str, reason: RefusedRow) -> None:
    found, accounts = orders(line(), bad, line(sku="after"))
    assert accounts.refused == {reason: 1}
    assert accounts.first_refused == {reason: 3}
    assert [[item.sku_id for item in order.lines] for order in found] == [["85123A", "after"]]


def test_a_negative_zero_price_is_a_gift() -> None:
    assert orders(line(price="-0.0"))[0][0].lines[0].amount_minor == 0


def test_a_row_cut_by_the_end_of_the_file_is_called_so() -> None:
    assert orders(line(), "536365,85123A,TH", torn=True)[1].refused == {RefusedRow.CUT_OFF: 1}
    assert orders(line(), line(), torn=True)[1].refused == {}


def test_odd_stock_codes_are_encoded_and_noted() -> None:
    found, accounts = orders(line(sku="BANK CHARGES"))
    assert found[0].lines[0].sku_id == "BANK:20CHARGES"
    assert accounts.notes == {Note.ID_ENCODED: 1}


def test_the_hours_of_clock_changes_are_noted() -> None:
    assert orders(line(time="2011-10-30 01:30:00"))[1].notes == {Note.AMBIGUOUS_TIME: 1}
    assert orders(line(time="2011-03-27 01:30:00"))[1].notes == {Note.NONEXISTENT_TIME: 1}


def test_times_still_to_come_are_refused_for_kafka() -> None:
    assert orders(line(), latest_ms=1_000)[1].refused == {RefusedRow.IN_THE_FUTURE: 1}


def test_the_second_edition_and_another_order_of_columns_are_read() -> None:
    header = "Customer ID,Price,InvoiceDate,Quantity,StockCode,Invoice"
    found, _ = orders("17850,2.55,2010-12-01 08:26:00,6,85123A,536365", header=header)
    assert (found[0].order_id, found[0].lines[0].amount_minor) == ("536365", 1530)


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("InvoiceNo,StockCode,Quantity,InvoiceDate,CustomerID", "lacks unitprice"),
        (HEADER.replace(",", ";"), "semicolons"),
        (line(), "lacks invoiceno"),
    ],
)
def test_another_kind_of_file_is_one_clear_line(header: str, says: str) -> None:
    with pytest.raises(SnapupError, match=says):
        orders(line(), header=header)
