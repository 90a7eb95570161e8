"""Compares a room's document with the end figures of the scenario's plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from stream.contract.sections import plain_figures_of, sections_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.contract.overlay import Overlay
    from stream.contract.sections import Plain
    from stream.shows.show import ExpectedRoom, ExpectedSale

    Value = tuple[int, ...] | Plain

_TOTALS = ("views", "watching_now", "likes", "comments", "cart_adds")
_STATUSES = ("placed", "paid", "cancelled", "refunded")
_MONEY = ("gmv_placed_minor", "gmv_paid_minor", "gmv_net_minor")
_LEDGER = ("offered", "restocked", "available", "held", "sold", "oversold", "released", "over_limit", "gone")


def unmet(expected: ExpectedRoom, overlay: Overlay) -> list[str]:
    """Each figure of the plan that the document does not show; empty when the show came out as planned.

    The document must have been read with the sections of the mechanics that are planned.
    """
    planned, shown = dict(_planned(expected)), dict(_shown(overlay))
    return [
        f"{name}: planned {value}, shown {shown.get(name)}"
        for name, value in planned.items()
        if shown.get(name) != value
    ]


def figures_planned(expected: ExpectedRoom) -> int:
    """The number of figures that `unmet` compares."""
    return len(dict(_planned(expected)))


def _planned(expected: ExpectedRoom) -> Iterator[tuple[str, Value]]:
    yield "viewers", expected.viewers
    for name in _TOTALS:
        yield name, getattr(expected, name)
    for status in _STATUSES:
        yield f"orders {status}", getattr(expected, f"orders_{status}")
    if expected.orders_partly_undone:
        yield "orders partly_undone", expected.orders_partly_undone
    for money in expected.money:
        for name in _MONEY:
            yield f"{name} {money.currency}", getattr(money, name)
    for rate in expected.rates:
        yield _rate_name(rate.name, rate.currency), (rate.num, rate.den)
    for sale in expected.sales:
        yield from _planned_of(sale)
    for mechanic, figures in expected.mechanics.items():
        for name, value in figures.items():
            yield f"{mechanic} {name}", value


def _planned_of(sale: ExpectedSale) -> Iterator[tuple[str, Value]]:
    which = f"{sale.sale_id}/{sale.sku_id}"
    for name in _LEDGER:
        yield f"{which} {name}", getattr(sale, name)
    yield f"{which} former", None if sale.former is None else structs.astuple(sale.former)
    yield f"{which} corrections", ", ".join(sale.corrections)
    if sale.carters_without_order is not None:
        yield f"{which} carters_without_order", sale.carters_without_order


def _shown(overlay: Overlay) -> Iterator[tuple[str, Value]]:
    totals = overlay.totals
    yield "viewers", totals.viewers.value
    for name in _TOTALS:
        yield name, getattr(totals, name)
    for status in _STATUSES:
        yield f"orders {status}", getattr(totals.orders, status)
    yield "orders partly_undone", totals.orders.partly_undone
    for money in totals.money:
        for name in _MONEY:
            yield f"{name} {money.currency}", getattr(money, name)
    for rate in overlay.rates:
        if rate.window_ms is None:
            yield _rate_name(rate.name, rate.currency), (rate.num, rate.den)
    for sale in overlay.sales:
        which = f"{sale.sale_id}/{sale.sku_id}"
        for name in _LEDGER:
            yield f"{which} {name}", getattr(sale, name)
        yield f"{which} former", None if sale.former is None else structs.astuple(sale.former)
        yield f"{which} corrections", ", ".join(each.what for each in sale.corrections)
        yield f"{which} carters_without_order", sale.carters_without_order.value
    yield from _sections(overlay)


def _sections(overlay: Overlay) -> Iterator[tuple[str, Value]]:
    for mechanic, section in sections_of(overlay).items():
        for name, value in plain_figures_of(section).items():
            yield f"{mechanic} {name}", value


def _rate_name(name: str, currency: str | None) -> str:
    return name if currency is None else f"{name} {currency}"
