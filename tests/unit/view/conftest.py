"""One overlay document with everything in it, to change in the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from stream.contract.overlay import (
    SCHEMA,
    Claim,
    Clock,
    Count,
    EtaSellout,
    Money,
    Orders,
    Overlay,
    Rate,
    Sale,
    Totals,
    Urgency,
    Velocity,
    Withheld,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NOW_MS = 1_507_636_800_123


def a_sale(**changes: Any) -> Sale:
    fields: dict[str, Any] = {
        "sale_id": "coat-drop",
        "sku_id": "sku-881",
        "status": "open",
        "starts_at_ms": NOW_MS - 60_000,
        "ends_at_ms": NOW_MS + 252_000,
        "extended": False,
        "offered": 5000,
        "restocked": 500,
        "available": 212,
        "held": 388,
        "sold": 4900,
        "oversold": 0,
        "over_limit": 0,
        "released": 3,
        "sell_through": 0.89,
        "carters_without_order": Count(1904, "exact"),
        "suspect_units": 0,
        "velocity": Velocity(1204, 10_000),
        "eta_sellout_ms": EtaSellout(1400, 2600, 0.9),
        "restock_planned_at_ms": None,
        "price_minor": 9900,
        "list_price_minor": None,
        "currency": "CNY",
        "urgency": Urgency("snap_up", NOW_MS - 29_000, []),
    }
    return Sale(**(fields | changes))


def a_claim(**changes: Any) -> Claim:
    fields: dict[str, Any] = {
        "id": "stock_left:coat-drop:sku-881:1-7",
        "claim": "stock_left",
        "sale_id": "coat-drop",
        "sku_id": "sku-881",
        "value": 212,
        "unit": "items",
        "window_ms": None,
        "as_of_ms": NOW_MS,
        "valid_until_ms": NOW_MS + 3000,
        "rule": "stock_left/1",
        "inputs": {},
        "evidence": [],
    }
    return Claim(**(fields | changes))


@pytest.fixture
def overlay() -> Overlay:
    return Overlay(
        schema=SCHEMA,
        room_id="viya-2017",
        epoch=7,
        rev=18_231,
        as_of_ms=NOW_MS,
        stale_after_ms=NOW_MS + 3000,
        clock=Clock("tick", 41),
        totals=Totals(
            viewers=Count(1_204_118, "sketch", 0.016),
            views=1_530_000,
            watching_now=88_210,
            likes=9_120_433,
            comments=402_113,
            cart_adds=61_877,
            orders=Orders(31_544, 29_810, 611, 97),
            money=[Money("CNY", 630_880_000, 596_200_000, 594_260_000)],
        ),
        rates=[
            Rate("watch_to_buy_uv", 60_000, 412, 21_877, NOW_MS, "exact"),
            Rate("pay_rate", None, 29_810, 31_544, NOW_MS, "exact"),
        ],
        sales=[a_sale()],
        urgency=Urgency("snap_up", NOW_MS - 29_000, [], "coat-drop"),
        claims=[a_claim()],
        withheld=[Withheld("eta_sellout", "sample_too_small", "coat-drop", "sku-881")],
        feed=[],
    )


@pytest.fixture
def make_sale() -> Callable[..., Sale]:
    return a_sale


@pytest.fixture
def make_claim() -> Callable[..., Claim]:
    return a_claim
