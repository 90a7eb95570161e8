"""What a show must add up to, as tables."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.shows.show import Expected, ExpectedRoom, ExpectedSale

ROOMS_SHOWN = 5
LEDGER = ("offered", "restocked", "available", "held", "sold", "oversold", "released", "over_limit")
STATUSES = ("placed", "paid", "cancelled", "refunded")


def expected_tables(expected: Expected) -> Iterator[Table]:
    """One table for the deliveries and one for each room. Many rooms have one for their sum and one for the busiest."""
    table = Table("deliveries", Column("count", justify="right"), title="The show")
    table.add_row("in all", _number(expected.deliveries))
    table.add_row("events that count", _number(expected.applied))
    table.add_row("delivered again", _number(expected.redelivered))
    table.add_row("replayed by a client", _number(expected.replayed))
    table.add_row("statuses said twice", _number(expected.repeated_statuses))
    table.add_row("out of order", _number(expected.out_of_order))
    yield table
    rooms = expected.rooms
    if len(rooms) > ROOMS_SHOWN:
        yield _sum_table(rooms)
        rooms = [max(rooms, key=lambda room: room.orders_placed)]
    for room in rooms:
        yield _room_table(room)


def _sum_table(rooms: list[ExpectedRoom]) -> Table:
    """The figures that may be added over rooms. People are left out: a person may be in several rooms."""
    table = Table("figure", Column("at the end", justify="right"), title=f"All {_number(len(rooms))} rooms")
    for name in ("views", "likes", "comments", "cart_adds"):
        table.add_row(name, _number(sum(getattr(room, name) for room in rooms)))
    for status in STATUSES:
        table.add_row(f"orders {status}", _number(sum(getattr(room, f"orders_{status}") for room in rooms)))
    table.add_section()
    for name in ("gmv_placed_minor", "gmv_paid_minor"):
        of_currency = Counter[str]()
        for room in rooms:
            of_currency.update({money.currency: getattr(money, name) for money in room.money})
        for currency, minor in sorted(of_currency.items()):
            table.add_row(f"{name} {currency}", _number(minor))
    for mechanic in dict.fromkeys(name for room in rooms for name in room.mechanics):
        of = sum(1 for room in rooms if mechanic in room.mechanics)
        table.add_row(f"{mechanic}", f"in {_number(of)} rooms")
    sales = [sale for room in rooms for sale in room.sales]
    for name in ("offered", "available", "held", "sold", "oversold"):
        table.add_row(f"{len(sales)} sales: {name}", _number(sum(getattr(sale, name) for sale in sales)))
    return table


def _room_table(room: ExpectedRoom) -> Table:
    table = Table("figure", Column("at the end", justify="right"), title=f"Room {room.room_id}")
    for name in ("viewers", "views", "watching_now", "likes", "comments", "cart_adds"):
        table.add_row(name, _number(getattr(room, name)))
    for status in (*STATUSES, *(["partly_undone"] if room.orders_partly_undone else [])):
        table.add_row(f"orders {status}", _number(getattr(room, f"orders_{status}")))
    for money in room.money:
        table.add_section()
        for name in ("gmv_placed_minor", "gmv_paid_minor", "gmv_net_minor"):
            table.add_row(f"{name} {money.currency}", _number(getattr(money, name)))
    for sale in room.sales:
        table.add_section()
        for name, told in _of_sale(sale):
            table.add_row(f"{sale.sale_id} {name}", told)
    for mechanic, figures in room.mechanics.items():
        table.add_section()
        for name, value in figures.items():
            is_count = isinstance(value, int) and not isinstance(value, bool)
            table.add_row(f"{mechanic} {name}", _number(int(value or 0)) if is_count else str(value))
    table.add_section()
    for rate in room.rates:
        share = f"{100 * rate.num / rate.den:.2f} %" if rate.den and rate.currency is None else ""
        name = rate.name if rate.currency is None else f"{rate.name} {rate.currency}"
        table.add_row(name, f"{_number(rate.num)} / {_number(rate.den)}  {share:>8}")
    return table


def _of_sale(sale: ExpectedSale) -> Iterator[tuple[str, str]]:
    """The names and figures of one ledger. Figures that the plan lacks are left out."""
    for name in LEDGER:
        yield name, _number(getattr(sale, name))
    if sale.gone:
        yield "gone", _number(sale.gone)
    if sale.former is not None:
        for name in sale.former.__struct_fields__:
            yield f"former {name}", _number(getattr(sale.former, name))
    if sale.corrections:
        yield "corrections", ", ".join(sale.corrections)
    if sale.carters_without_order is not None:
        yield "carters_without_order", _number(sale.carters_without_order)


def _number(value: int) -> str:
    return f"{value:,}".replace(",", " ")
