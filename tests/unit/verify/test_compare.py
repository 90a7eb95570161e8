from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from stream.contract.overlay import (
    SCHEMA,
    Claim,
    Clock,
    Count,
    Money,
    Orders,
    Overlay,
    Rate,
    Restock,
    Sale,
    Totals,
    Urgency,
    Velocity,
)
from stream.verify.compare import Figure, compare
from stream.verify.figures import RATE_NAMES, Fraction, MoneyFigures, RateKey, RoomFigures, SaleFigures, SaleKey
from stream.verify.room_count import Assumptions, RoomCount

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.contract.overlay import RateNote

T = 1_700_000_000_000
CALM = Urgency("calm", T, [])


def recounted() -> RoomFigures:
    return RoomFigures(
        room_id="r",
        as_of_ms=T,
        viewers=10,
        views=12,
        watching_now=7,
        likes=100,
        comments=3,
        cart_adds=4,
        orders={"placed": 2, "paid": 1, "cancelled": 1, "refunded": 0},
        money={"CNY": MoneyFigures(200, 100, 100)},
        rates={RateKey("pay_rate", None): Fraction(1, 2), RateKey("gpm_views", None, "CNY"): Fraction(100_000, 12)},
        sales={
            SaleKey("drop", "s"): SaleFigures(
                status="open",
                offered=10,
                restocked=0,
                available=8,
                held=1,
                sold=1,
                oversold=0,
                released=1,
                gone=0,
                over_limit=0,
                carters_without_order=3,
                ends_at_ms=None,
                extended=False,
            )
        },
    )


def overlay() -> Overlay:
    sale = Sale(
        sale_id="drop",
        sku_id="s",
        status="open",
        starts_at_ms=T,
        ends_at_ms=None,
        extended=False,
        offered=10,
        restocked=0,
        available=8,
        held=1,
        sold=1,
        oversold=0,
        over_limit=0,
        released=1,
        sell_through=0.1,
        carters_without_order=Count(3, "exact"),
        suspect_units=0,
        velocity=Velocity(2, 10_000),
        eta_sellout_ms=None,
        restock_planned_at_ms=None,
        price_minor=None,
        list_price_minor=None,
        currency=None,
        urgency=CALM,
    )
    totals = Totals(Count(10, "exact"), 12, 7, 100, 3, 4, Orders(2, 1, 1, 0), [Money("CNY", 200, 100, 100)])
    rates = [Rate("pay_rate", None, 1, 2, T, "exact"), Rate("gpm_views", None, 100_000, 12, T, "exact", None, "CNY")]
    return Overlay(SCHEMA, "r", 1, 1, T, T, Clock("tick", 0), totals, rates, [sale], CALM, [claim()], [], [])


def claim(kind: str = "stock_left", value: int | list[int] = 8) -> Claim:
    return msgspec.convert(
        {
            "id": kind,
            "claim": kind,
            "sale_id": "drop",
            "sku_id": "s",
            "value": value,
            "unit": "items",
            "window_ms": None,
            "as_of_ms": T,
            "valid_until_ms": T,
            "rule": "stock_left/1",
            "inputs": {},
            "evidence": [],
        },
        Claim,
    )


def differing(document: Overlay) -> list[str]:
    return [figure.name for figure in compare(recounted(), document) if not figure.agrees]


def test_a_document_that_says_what_was_recounted_agrees_in_every_figure() -> None:
    figures = compare(recounted(), overlay())
    assert [figure for figure in figures if not figure.agrees] == []
    assert len(figures) == 10 + 3 + 2 + 17 + 1


@pytest.mark.parametrize(
    ("name", "num", "note", "differs"),
    [
        ("cart_to_order_uv", 41, "sampled", False),
        ("cart_to_order_uv", 41, "many_orders", True),
        ("cart_to_order_uv", 39, "sampled", True),
        ("orders_per_viewer", 41, "sampled", False),
        ("orders_per_viewer", 80, "sampled", True),
        ("orders_per_viewer", 80, "many_orders", False),
    ],
)
def test_why_a_rate_is_above_one_is_compared(name: str, num: int, note: RateNote, differs: bool) -> None:  # noqa: FBT001 — what is expected
    figures, document = recounted(), overlay()
    figures.rates[RateKey(name, None)] = Fraction(num, 40)
    document.rates.append(Rate(name, None, num, 40, T, "sketch", 0.03, note=note))
    assert [each.name.endswith(" note") for each in compare(figures, document) if not each.agrees] == [True] * differs


def _totals(name: str, value: Any) -> Callable[[Overlay], None]:
    return lambda document: setattr(document.totals, name, value)


def _sale(name: str, value: Any) -> Callable[[Overlay], None]:
    return lambda document: setattr(document.sales[0], name, value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_totals("viewers", Count(11, "exact")), ["viewers"]),
        (_totals("views", 13), ["views"]),
        (_totals("watching_now", 8), ["watching_now"]),
        (_totals("likes", 99), ["likes"]),
        (_totals("comments", 2), ["comments"]),
        (_totals("cart_adds", 5), ["cart_adds"]),
        (_totals("orders", Orders(2, 2, 1, 0)), ["orders.paid"]),
        (_totals("money", [Money("CNY", 200, 100, 0)]), ["gmv_net_minor.CNY"]),
        (_totals("money", []), ["gmv_placed_minor.CNY", "gmv_paid_minor.CNY", "gmv_net_minor.CNY"]),
        (_sale("status", "ended"), ["drop/s status"]),
        (_sale("available", 7), ["drop/s available", "drop/s ledger adds up"]),
        (_sale("held", 2), ["drop/s held", "drop/s ledger adds up"]),
        (_sale("released", 0), ["drop/s released"]),
        (_sale("over_limit", 1), ["drop/s over_limit"]),
        (_sale("extended", True), ["drop/s extended"]),
        (_sale("price_minor", 1), ["drop/s price_minor"]),
        (_sale("list_price_minor", 1), ["drop/s list_price_minor"]),
        (_sale("currency", "CNY"), ["drop/s currency"]),
        (_sale("prior_price_minor", 1), ["drop/s prior_price_minor"]),
        (_sale("last_restock", Restock(T, 500)), ["drop/s last_restock"]),
        (_sale("ends_at_ms", T), ["drop/s ends_at_ms"]),
        (_sale("carters_without_order", Count(4, "exact")), ["drop/s carters_without_order"]),
        (_sale("sale_id", "other"), ["drop/s", "other/s"]),
        (lambda d: d.sales.clear(), ["drop/s"]),
        (lambda d: d.rates.pop(0), ["pay_rate/session"]),
        (lambda d: setattr(d.rates[0], "num", 2), ["pay_rate/session"]),
        (lambda d: setattr(d.rates[0], "as_of_ms", 0), ["pay_rate/session as_of_ms"]),
        (lambda d: d.rates.append(Rate("pay_rate", 60_000, 0, 0, T, "exact")), ["pay_rate/60 s"]),
        (lambda d: d.claims.append(claim("sold_out", 0)), ["claim sold_out"]),
        (lambda d: d.claims.append(claim("in_carts", 2)), ["claim in_carts"]),
        (lambda d: d.claims.append(claim("watching_now", 8)), ["claim watching_now"]),
    ],
)
def test_whatever_differs_is_named(change: Callable[[Overlay], Any], named: list[str]) -> None:
    document = overlay()
    change(document)
    assert differing(document) == named


def test_words_that_only_a_newer_worker_knows_are_no_difference() -> None:
    """And what is known beside them is compared all the same."""
    newer = overlay()
    newer.rates.append(Rate("gift_rate", None, 3, 4, T, "exact"))
    newer.claims.append(
        Claim("g", cast("Any", "gift_total"), None, None, 3, "gifts", None, T, T, "gift_total/1", {}, [])
    )
    newer.sales[0].status = cast("Any", "paused")
    newer.totals.likes += 1
    assert [figure.name for figure in compare(recounted(), newer) if not figure.agrees] == ["likes"]


def test_the_rates_that_are_recounted_have_their_names() -> None:
    recount = RoomCount("r", Assumptions())
    assert {key.name for key in recount.figures(T).rates} | {"gpm_views"} == RATE_NAMES


def test_a_currency_in_which_no_money_moved_may_be_listed_or_not() -> None:
    document = overlay()
    document.totals.money.append(Money("USD", 0, 0, 0))
    document.rates.append(Rate("gpm_views", 60_000, 0, 12, T, "exact", None, "USD"))
    assert differing(document) == []


@pytest.mark.parametrize(
    ("published", "error_95", "agrees"),
    [
        (100, None, True),
        (101, None, False),
        (103, 0.016, True),
        (104, 0.016, False),
        (100, 0.0, True),
        (101, 0.0, False),
    ],
)
def test_a_sketch_may_be_off_by_twice_its_stated_error_and_an_exact_figure_not_at_all(
    published: int, error_95: float | None, *, agrees: bool
) -> None:
    assert Figure("f", 100, published, error_95).agrees is agrees


def test_a_sketched_count_and_rate_are_compared_within_their_errors() -> None:
    document = overlay()
    document.totals.viewers = Count(11, "sketch", 0.06)
    document.rates[0] = Rate("pay_rate", None, 51, 100, T, "sketch", 0.016)
    assert differing(document) == []
    document.rates[0] = Rate("pay_rate", None, 53, 100, T, "sketch", 0.016)
    assert differing(document) == ["pay_rate/session"]


def test_what_a_document_says_that_it_lacks_is_no_difference_and_what_it_does_not_say_is() -> None:
    short, whole = overlay(), recounted()
    another = msgspec.structs.replace(whole.sales[SaleKey("drop", "s")])
    whole.sales[SaleKey("drop", "t")] = another
    whole.rates[RateKey("gpm_views", None, "EUR")] = Fraction(5, 12)
    whole.money["EUR"] = MoneyFigures(5, 5, 5)
    assert [figure.name for figure in compare(whole, short) if not figure.agrees] == [
        *(f"{name}.EUR" for name in MoneyFigures.__struct_fields__),
        "gpm_views/session.EUR",
        "drop/t",
    ]
    short.left_out = {"claims": 3, "sales": 1, "rates": 1, "money": 1}
    assert [figure for figure in compare(whole, short) if not figure.agrees] == []
    short.sales = []
    short.sales, whole.sales[SaleKey("drop", "u")] = [], another
    assert [figure.name for figure in compare(whole, short) if not figure.agrees] == ["drop/t", "drop/u"]
