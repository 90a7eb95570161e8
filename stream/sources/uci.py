"""UCI Online Retail I and II: invoice lines of a wholesaler, local time of the United Kingdom, prices in pounds.

Neighbouring rows of one invoice and customer are one `order` event with a line for each row, in pence:

- an invoice of digits was sold at the till: status `paid`; its order id is the invoice number. More than 100 lines do
  not fit into an event: the rest is a further order, `536544.2`, `536544.3`. So there are more orders than invoices,
  but money and units are exact. The suffix goes on when an invoice comes back later in the file;
- a C-invoice takes goods back, and never says of which sale. A row of it is a part of the newest earlier order of its
  customer that has as many units of the stock code left, at the same price: `refunded`, with the C-invoice as
  `part_id`. A row for which the file has no such order is `refunded` under the C-invoice's own number: it counts in
  refunds, and moves no money and no stock. The books end with how much of the money could be told;
- an A-invoice corrects the books: refused. Refused too: quantities below zero outside C-invoices (write-offs), and 0.

A row's amount is quantity × price, computed in decimals and rounded half to even when it has a fraction of a penny. A
price of 0 is a gift and stays. The customer `17850.0` is `17850`; a missing one is `guest:<invoice>`. Repeated lines
are legitimate and kept. An order counts at the time of its first row.
"""

from __future__ import annotations

import re
from contextlib import suppress
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING

from msgspec import Struct

from stream.contract.events import (
    MAX_AMOUNT_MINOR,
    MAX_ORDER_LINES,
    MAX_QUANTITY,
    Order,
    OrderLine,
    OrderStatus,
    PartLine,
)
from stream.contract.foreign_ids import encode_id, fits
from stream.errors import SnapupError
from stream.sources.accounts import Accounts, Note, RefusedRow, RefusedRowError
from stream.sources.far_off import told
from stream.sources.ids import row_id
from stream.sources.local_time import DateOrder, LocalTime, parse_local
from stream.sources.rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from zoneinfo import ZoneInfo

    from stream.sources.far_off import Periods


SOURCE = "uci"
CURRENCY = "GBP"
# Customers' stock codes and prices of which what was sold is remembered: the whole data set has about 500 000 lines.
MAX_SOLD = 600_000
DAY_MS = 86_400_000
# A fold remembers orders for so long, if nothing else was set.
REMEMBERED_DAYS = 7
# One row of more units becomes more lines than an order may have.
MAX_ROW_QUANTITY = MAX_QUANTITY * MAX_ORDER_LINES

# Our column → its names in the two editions of the data set, without spaces and in lower case.
_COLUMNS = {
    "invoice": ("invoiceno", "invoice"),
    "sku": ("stockcode",),
    "quantity": ("quantity",),
    "time": ("invoicedate",),
    "price": ("unitprice", "price"),
    "customer": ("customerid",),
}
_INVOICE = re.compile(r"([A-Za-z]?)(\d{1,20})", re.ASCII)
_QUANTITY = re.compile(r"-?\d{1,15}", re.ASCII)
_PRICE = re.compile(r"-?\d{0,12}(\.\d{1,9})?", re.ASCII)
_CUSTOMER = re.compile(r"(\d+)\.0", re.ASCII)
_PENNY = Decimal(1)


class _Columns(Struct, frozen=True):
    """Index of each column, and the number of columns."""

    invoice: int
    sku: int
    quantity: int
    time: int
    price: int
    customer: int
    count: int


class _Line(Struct, frozen=True):
    """A usable row. `quantity` is without its sign."""

    row: Row
    invoice: str
    status: OrderStatus
    user_id: str
    sku_id: str
    quantity: int
    price: Decimal
    time: LocalTime


def uci_events(
    rows: Iterable[Row],
    room_id: str,
    accounts: Accounts,
    latest_ms: int | None,
    zone: ZoneInfo,
    dates: DateOrder,
    periods: Periods | None = None,
) -> Iterator[Order]:
    """The orders of the rows, in the order of the rows; rows that cannot be used go to the accounts.

    Args:
        rows: the rows of the file, its header first.
        room_id: the room of all events.
        accounts: the books.
        latest_ms: rows later than this are refused; None takes all.
        zone: the time zone of the times.
        dates: how the times are written.
        periods: rows outside of these are refused; None takes all.

    Raises:
        SnapupError: the header is another data set's.
    """
    every = iter(rows)
    header = next(every, None)
    if header is None:
        return
    accounts.rows -= 1
    columns = _columns(header)
    orders = _Orders(room_id, accounts)
    for row in every:
        try:
            line = _line(row, columns, latest_ms, zone, dates)
            if periods is not None and (days_off := periods.days_off(line.time.epoch_ms)):
                raise RefusedRowError(RefusedRow.TIME_FAR_OFF, told(line.time.epoch_ms, days_off))  # noqa: TRY301
        except RefusedRowError as refused:
            # A row at the file's torn end is refused because of the tear, whatever else is wrong with it.
            reason = RefusedRow.CUT_OFF if row.torn else refused.reason
            accounts.refuse(row.line, reason, refused.detail, row.text)
        else:
            yield from orders.add(line)
    yield from orders.finish()
    orders.told()


def uci_times(rows: Iterable[Row], latest_ms: int | None, zone: ZoneInfo, dates: DateOrder) -> Iterator[int]:
    """The time of each row that has one. Raises SnapupError as `uci_events` does."""
    every = iter(rows)
    header = next(every, None)
    if header is None:
        return
    columns = _columns(header)
    for row in every:
        if len(row.fields) == columns.count:
            with suppress(RefusedRowError):
                yield _time(row.fields[columns.time].strip(), latest_ms, zone, dates).epoch_ms


def _columns(header: Row) -> _Columns:
    names = [field.strip().lower().replace(" ", "") for field in header.fields]
    found = {
        wanted: next((names.index(alias) for alias in aliases if alias in names), -1)
        for wanted, aliases in _COLUMNS.items()
    }
    missing = [aliases[0] for wanted, aliases in _COLUMNS.items() if found[wanted] < 0]
    if missing:
        hint = " Its columns seem to be parted by semicolons: commas are expected." if ";" in header.text else ""
        raise SnapupError(
            f"Not an Online Retail file: its header (line {header.line}) lacks {', '.join(missing)}; it begins with "
            f"{header.text[:80]!r}.{hint}"
        )
    return _Columns(**found, count=len(names))


def _line(row: Row, columns: _Columns, latest_ms: int | None, zone: ZoneInfo, dates: DateOrder) -> _Line:
    fields = [field.strip() for field in row.fields]
    if len(fields) != columns.count:
        raise RefusedRowError(RefusedRow.COLUMN_COUNT, f"{len(fields)} columns, the header has {columns.count}")
    invoice = fields[columns.invoice]
    status = _status(invoice)
    quantity = _quantity(fields[columns.quantity], status)
    user_id = _user_id(fields[columns.customer], invoice)
    sku_id = encode_id(fields[columns.sku])
    if not fits(user_id) or not fits(sku_id):
        reason = RefusedRow.ID_TOO_LONG if sku_id else RefusedRow.MISSING_ID
        raise RefusedRowError(reason, f"stock code {fields[columns.sku]!r}, customer {fields[columns.customer]!r}")
    price = _price(fields[columns.price])
    if price * quantity > MAX_AMOUNT_MINOR:
        raise RefusedRowError(RefusedRow.AMOUNT_TOO_LARGE, f"{quantity} × {price / 100}")
    time = _time(fields[columns.time], latest_ms, zone, dates)
    return _Line(row, invoice, status, user_id, sku_id, quantity, price, time)


def _status(invoice: str) -> OrderStatus:
    found = _INVOICE.fullmatch(invoice)
    match found and found[1].upper():
        case "":
            return OrderStatus.PAID
        case "C":
            return OrderStatus.REFUNDED
        case "A":
            raise RefusedRowError(RefusedRow.ACCOUNTING_ENTRY, f"invoice {invoice!r}")
        case _:
            raise RefusedRowError(RefusedRow.UNKNOWN_INVOICE_KIND, f"invoice {invoice!r}")


def _quantity(text: str, status: OrderStatus) -> int:
    if not _QUANTITY.fullmatch(text):
        raise RefusedRowError(RefusedRow.BAD_QUANTITY, repr(text))
    quantity = int(text)
    if not quantity:
        raise RefusedRowError(RefusedRow.ZERO_QUANTITY, text)
    if status is OrderStatus.REFUNDED:
        if quantity > 0:
            raise RefusedRowError(RefusedRow.POSITIVE_CANCELLATION, text)
        quantity = -quantity
    elif quantity < 0:
        raise RefusedRowError(RefusedRow.NEGATIVE_QUANTITY, text)
    if quantity > MAX_ROW_QUANTITY:
        raise RefusedRowError(RefusedRow.QUANTITY_TOO_LARGE, text)
    return quantity


def _user_id(customer: str, invoice: str) -> str:
    if not customer:
        # No two hex digits of a forbidden byte follow this colon: no customer's id can be taken for a guest's.
        return f"guest:{invoice}"
    number = _CUSTOMER.fullmatch(customer)
    return encode_id(number[1] if number else customer)


def _price(text: str) -> Decimal:
    """The price of one unit in pence, with its fractions."""
    if not _PRICE.fullmatch(text) or not any(map(str.isdigit, text)):
        raise RefusedRowError(RefusedRow.BAD_PRICE, repr(text))
    if text.startswith("-") and Decimal(text):
        raise RefusedRowError(RefusedRow.NEGATIVE_PRICE, text)
    return abs(Decimal(text)) * 100


def _time(text: str, latest_ms: int | None, zone: ZoneInfo, dates: DateOrder) -> LocalTime:
    try:
        time = parse_local(text, dates, zone)
    except ValueError as error:
        raise RefusedRowError(RefusedRow.BAD_TIME, str(error)) from None
    if time.epoch_ms < 0:
        raise RefusedRowError(RefusedRow.TIME_OUT_OF_RANGE, f"{text} is before 1970")
    if latest_ms is not None and time.epoch_ms > latest_ms:
        raise RefusedRowError(RefusedRow.IN_THE_FUTURE, text)
    return time


class _Sold(Struct):
    """What an order has of one stock code, and when it was sold."""

    at_ms: int
    units: int = 0


class SoldLines:
    """What was sold and not taken back: by customer, stock code and price the orders, the newest last, and their units.

    Beyond `most` of these the oldest are forgotten. `longest_ms` is the longest time from a sale to its return.
    """

    def __init__(self, most: int = MAX_SOLD) -> None:
        self._most = most
        self._left: dict[tuple[str, str, Decimal], dict[str, _Sold]] = {}
        self.longest_ms = 0

    def add(self, order_id: str, line: _Line, units: int) -> None:
        """Note units of a line of an order."""
        orders = self._left.setdefault((line.user_id, line.sku_id, line.price), {})
        orders.setdefault(order_id, _Sold(line.time.epoch_ms)).units += units
        if len(self._left) > self._most:
            del self._left[next(iter(self._left))]

    def take(self, line: _Line) -> str | None:
        """Take the units of a row out of the newest earlier order that has so many. Returns its id; None: none has."""
        orders = self._left.get((line.user_id, line.sku_id, line.price), {})
        for order_id, sold in reversed(orders.items()):
            if sold.units >= line.quantity and sold.at_ms <= line.time.epoch_ms:
                sold.units -= line.quantity
                self.longest_ms = max(self.longest_ms, line.time.epoch_ms - sold.at_ms)
                return order_id
        return None


class _Orders:
    """Gathers the lines of neighbouring rows into orders. Holds one order's lines, and which invoices came before."""

    def __init__(self, room_id: str, accounts: Accounts) -> None:
        self._room_id = room_id
        self._accounts = accounts
        self._first: _Line | None = None
        self._lines: list[OrderLine] = []
        self._taken: dict[str, list[tuple[_Line, Sequence[OrderLine]]]] = {}
        self._rows = 0
        self._parts: dict[str, int] = {}
        self._sold = SoldLines()
        self._back_minor = self._told_minor = 0

    def add(self, line: _Line) -> Iterator[Order]:
        """The orders that this row completes; takes the row."""
        first = self._first
        if first is None or (line.invoice, line.user_id) != (first.invoice, first.user_id):
            yield from self.finish()
            self._begin(line)
        if line.status is OrderStatus.REFUNDED:
            amount = _pence(line.price * line.quantity)
            self._back_minor += amount
            if (order_id := self._sold.take(line)) is not None:
                self._told_minor += amount
                self._accounts.note(line.row.line, Note.PART_OF, order_id)
                self._taken.setdefault(order_id, []).append((line, self._order_lines(line)))
                return
        self._rows += 1
        for order_line in self._order_lines(line):
            if len(self._lines) == MAX_ORDER_LINES:
                yield self._order()
                self._accounts.remark("Invoices of more than 100 lines go on as further orders (suffix .2, .3, ...).")
            self._lines.append(order_line)
            if line.status is OrderStatus.PAID:
                self._sold.add(self._order_id(self._parts.get(line.invoice, 0) + 1), line, order_line.quantity)

    def finish(self) -> Iterator[Order]:
        """The last order, if any, and what the last invoice took back."""
        if self._lines:
            yield self._order()
        for order_id, rows in self._taken.items():
            yield from self._part(order_id, rows)
        self._taken = {}
        self._first = None

    def told(self) -> None:
        """Say how much of what was taken back could be told, once the file is read."""
        if self._back_minor:
            self._accounts.remark(
                f"C-invoices took back £{self._back_minor / 100:,.2f}: £{self._told_minor / 100:,.2f} as parts of "
                "orders, the rest of sales that the file does not show."
            )
        days = self._sold.longest_ms // DAY_MS
        if days >= REMEMBERED_DAYS:
            self._accounts.remark(
                f"A part came back up to {days} days after its sale. A fold deducts it only from an order that it "
                f"remembers: replay, or run workers, with SNAPUP_REMEMBER_ORDERS_MS={(days + 1) * DAY_MS} or more."
            )

    def _part(self, order_id: str, rows: Sequence[tuple[_Line, Sequence[OrderLine]]]) -> Iterator[Order]:
        """What an invoice took back of one order; more than 100 lines go on as further parts."""
        number, told, lines = 1, 0, list[PartLine]()
        first = rows[0][0]
        for line, order_lines in rows:
            if lines and len(lines) + len(order_lines) > MAX_ORDER_LINES:
                yield self._part_event(order_id, first, number, lines, told)
                first, number, told, lines = line, number + 1, 0, []
            told += 1
            lines += [
                PartLine(sku_id=each.sku_id, quantity=each.quantity, amount_minor=each.amount_minor)
                for each in order_lines
            ]
        yield self._part_event(order_id, first, number, lines, told)

    def _part_event(self, order_id: str, line: _Line, number: int, lines: Sequence[PartLine], rows: int) -> Order:
        part_id = line.invoice if number == 1 else f"{line.invoice}.{number}"
        order = Order(
            event_id=row_id(SOURCE, line.row.line, [order_id, part_id, *line.row.fields]),
            room_id=self._room_id,
            event_time_ms=line.time.epoch_ms,
            user_id=line.user_id,
            order_id=order_id,
            status=OrderStatus.REFUNDED,
            currency=CURRENCY,
            part_id=part_id,
            part_lines=tuple(lines),
        )
        self._accounts.emitted("order", order.event_time_ms, rows)
        return order

    def _begin(self, line: _Line) -> None:
        self._first = line
        number = line.row.line
        if line.invoice in self._parts:
            self._accounts.remark("Invoices that come back, or under another customer, go on likewise.")
        if line.user_id.startswith("guest:"):
            self._accounts.note(number, Note.GUEST, line.user_id)
        if line.time.note is not None:
            self._accounts.note(number, line.time.note, f"{line.time.epoch_ms} ms")

    def _order_lines(self, line: _Line) -> Sequence[OrderLine]:
        """One order line; several when the row has more units than a line may. Their amounts add up to the row's."""
        number = line.row.line
        total = _pence(line.price * line.quantity)
        if total != line.price * line.quantity:
            self._accounts.note(number, Note.AMOUNT_ROUNDED, f"{line.quantity} × {line.price / 100} is {total} pence")
        if ":" in line.sku_id:
            self._accounts.note(number, Note.ID_ENCODED, line.sku_id)
        if line.quantity <= MAX_QUANTITY:
            return (OrderLine(sku_id=line.sku_id, quantity=line.quantity, amount_minor=total),)
        self._accounts.note(number, Note.QUANTITY_SPLIT, f"{line.quantity} units")
        lines, before = [], 0
        while before < line.quantity:
            upto = min(before + MAX_QUANTITY, line.quantity)
            amount = _pence(line.price * upto) - _pence(line.price * before)
            lines.append(OrderLine(sku_id=line.sku_id, quantity=upto - before, amount_minor=amount))
            before = upto
        return lines

    def _order_id(self, part: int) -> str:
        """The id of a further order of the present invoice, from 1 on."""
        assert self._first is not None  # noqa: S101 - as in `_order`
        return self._first.invoice if part == 1 else f"{self._first.invoice}.{part}"

    def _order(self) -> Order:
        first = self._first
        assert first is not None  # noqa: S101 - lines are gathered after a row began the order
        part = self._parts[first.invoice] = self._parts.get(first.invoice, 0) + 1
        order_id = self._order_id(part)
        order = Order(
            event_id=row_id(SOURCE, first.row.line, [order_id, *first.row.fields]),
            room_id=self._room_id,
            event_time_ms=first.time.epoch_ms,
            user_id=first.user_id,
            order_id=order_id,
            status=first.status,
            lines=tuple(self._lines),
            currency=CURRENCY,
        )
        self._accounts.emitted("order", order.event_time_ms, self._rows)
        self._lines, self._rows = [], 0
        return order


def _pence(amount: Decimal) -> int:
    return int(amount.quantize(_PENNY, ROUND_HALF_EVEN))
