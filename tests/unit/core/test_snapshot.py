from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stream.contract.overlay import Count, Evidence, Money, Orders
from stream.core.eta import COVERAGE, eta_sellout
from stream.core.rules import Rules
from stream.core.sale import move_urgencies
from stream.core.snapshot import Moment, overlay_of
from tests.support.events import (
    Log,
    at,
    cart,
    closed,
    enter,
    extended,
    fold_at_own_time,
    like,
    new_room,
    opened,
    order,
    restocked,
)
from tests.support.rooms import TOPICS

if TYPE_CHECKING:
    from typing import Any

    from stream.contract.overlay import Overlay, Sale
    from stream.core.room import Room


def snapshot(room: Room, s: float, **changes: Any) -> Overlay:
    room.shared.clock_ms = at(s)
    room.advance(at(s))
    moment: dict[str, Any] = {
        "as_of_ms": at(s),
        "stale_after_ms": at(s + 3),
        "source": "tick",
        "lag_ms": 0,
        "epoch": 7,
        "partition": 3,
        "topics": TOPICS,
        "positions": [10, 20, 30, 40, 50, 60],
    }
    return overlay_of(room, Moment(**(moment | changes)))


def the_sale(room: Room, s: float) -> Sale:
    (found,) = snapshot(room, s).sales
    return found


def withheld(overlay: Overlay) -> dict[str, str]:
    return {each.claim: each.reason for each in overlay.withheld}


# -- a sale's figures --------------------------------------------------------------------------------------------------
def test_a_sale_shows_the_ledger_and_its_terms() -> None:
    room = new_room()
    fold_at_own_time(
        room,
        opened(10, limit=2, restock_s=300),
        restocked(6, next_s=400, s=1),
        order("placed", "o1", "a", 3),
        order("paid", "o2", "b", 4),
        order("placed", "o3", "c", 1),
        order("cancelled", "o3", "c", 1),
        cart("d"),
    )
    sale = the_sale(room, 2)
    assert (sale.offered, sale.restocked, sale.available, sale.held, sale.sold) == (10, 6, 9, 3, 4)
    assert (sale.oversold, sale.released, sale.over_limit) == (0, 1, 3)
    assert (sale.starts_at_ms, sale.ends_at_ms, sale.restock_planned_at_ms) == (at(0), at(600), at(400))
    assert (sale.price_minor, sale.list_price_minor, sale.currency) == (9_900, 19_900, "CNY")
    assert sale.sell_through == 0.25
    assert sale.carters_without_order == Count(1, "exact")
    assert (sale.velocity.units, sale.velocity.window_ms) == (7, 10_000)


def test_more_sold_than_offered_is_published_and_the_screen_shows_none() -> None:
    room = new_room()
    fold_at_own_time(room, opened(2), order("paid", units=5), restocked(1))
    overlay = snapshot(room, 0)
    (sale,) = overlay.sales
    assert sale.oversold == 2
    assert sale.offered is not None
    assert sale.available is not None
    assert sale.offered + sale.restocked + sale.oversold == sale.available + sale.held + sale.sold
    assert sale.available == 0
    assert sale.urgency.level == "sold_out"
    (claim,) = [claim for claim in overlay.claims if claim.claim == "sold_out"]
    assert (claim.value, claim.inputs["oversold"]) == (0, 2)


def test_orders_before_the_opening_wait_for_it() -> None:
    room = new_room()
    fold_at_own_time(room, order("paid", units=3), restocked(2))
    sale = the_sale(room, 0)
    assert (sale.status, sale.offered, sale.available, sale.sell_through) == ("unknown", None, None, None)
    assert (sale.sold, sale.oversold, sale.restocked, sale.starts_at_ms, sale.price_minor) == (3, 0, 2, None, None)
    assert withheld(snapshot(room, 0))["stock_left"] == "stock_unknown"
    fold_at_own_time(room, opened(10))
    sale = the_sale(room, 0)
    assert (sale.status, sale.available, sale.sell_through) == ("open", 9, 0.25)


def test_a_sale_of_nothing_has_no_sell_through() -> None:
    room = new_room()
    fold_at_own_time(room, opened(0))
    sale = the_sale(room, 0)
    assert (sale.available, sale.sell_through, sale.urgency.level) == (0, None, "sold_out")


def test_a_restock_that_is_no_longer_planned_is_not_shown() -> None:
    room = new_room()
    fold_at_own_time(room, opened(restock_s=300))
    assert the_sale(room, 0).restock_planned_at_ms == at(300)
    fold_at_own_time(room, restocked(5, s=10))
    assert the_sale(room, 10).restock_planned_at_ms is None


def test_carts_beyond_the_exact_bound_are_published_as_a_sketch() -> None:
    room = new_room(Rules(distinct_exact_max=10))
    fold_at_own_time(room, *(cart(f"u{number}") for number in range(50)))
    count = the_sale(room, 0).carters_without_order
    assert (count.method, count.error_95) == ("sketch", 0.0165)
    assert count.value == pytest.approx(50, abs=2)


def test_sales_are_listed_by_name() -> None:
    room = new_room()
    fold_at_own_time(room, opened(sale="s2"), opened(sku="k2"), opened())
    assert [(sale.sale_id, sale.sku_id) for sale in snapshot(room, 0).sales] == [
        ("s1", "k1"),
        ("s1", "k2"),
        ("s2", "k1"),
    ]


# -- forecast ----------------------------------------------------------------------------------------------------------
def steadily(room: Room, first_s: int, last_s: int, per_second: int = 2) -> None:
    for second in range(first_s, last_s + 1):
        for number in range(per_second):
            fold_at_own_time(room, order("placed", f"o{second}.{number}", f"u{second}.{number}", s=second))


def test_a_sale_that_sells_has_a_forecast_from_its_last_seconds() -> None:
    room = new_room()
    fold_at_own_time(room, opened(60))
    steadily(room, 0, 19)
    eta = the_sale(room, 19.499).eta_sellout_ms
    assert eta is not None
    assert (eta.low, eta.high) == eta_sellout(20, [2] * 20, 1_000, last_bucket_ms=500)
    assert eta.coverage == COVERAGE


def test_a_forecast_looks_back_no_further_than_thirty_seconds() -> None:
    room = new_room()
    fold_at_own_time(room, opened(500))
    steadily(room, 0, 50)
    eta = the_sale(room, 50.999).eta_sellout_ms
    assert eta is not None
    assert (eta.low, eta.high) == eta_sellout(500 - 102, [2] * 30, 1_000, last_bucket_ms=1_000)


def test_seconds_before_the_start_are_not_seconds_in_which_nobody_bought() -> None:
    room = new_room()
    fold_at_own_time(room, opened(60, starts_s=10), order("placed", "early", s=9))
    steadily(room, 10, 29)
    eta = the_sale(room, 29.999).eta_sellout_ms
    assert eta is not None
    assert (eta.low, eta.high) == eta_sellout(19, [2] * 20, 1_000, last_bucket_ms=1_000)


def test_only_an_open_sale_with_stock_has_a_forecast() -> None:
    room = new_room()
    fold_at_own_time(room, opened(100, ends_s=30))
    steadily(room, 0, 20)
    assert the_sale(room, 20).eta_sellout_ms is not None
    assert the_sale(room, 30).eta_sellout_ms is None
    sold_out = new_room()
    fold_at_own_time(sold_out, opened(42))
    steadily(sold_out, 0, 20)
    assert the_sale(sold_out, 20).eta_sellout_ms is None
    assert "eta_sellout" not in withheld(snapshot(sold_out, 20))


# -- urgency -----------------------------------------------------------------------------------------------------------
def test_velocity_counts_against_the_room_s_own_pace() -> None:
    room = new_room()
    fold_at_own_time(room, opened(100_000))
    steadily(room, 0, 109, per_second=1)  # 10 units in each window of 10 s
    assert the_sale(room, 109.999).urgency.level == "calm"
    steadily(room, 110, 119, per_second=5)
    # 50 units; before them 110 units in 109.999 s: 10.0 in a window.
    because = the_sale(room, 119.999).urgency.because
    assert [(why.rule, why.value) for why in because] == [("velocity_over_baseline", 5.0)]


def test_a_room_without_a_past_is_measured_against_the_floor() -> None:
    room = new_room()
    fold_at_own_time(room, opened(100_000))
    steadily(room, 0, 2, per_second=4)
    because = the_sale(room, 2).urgency.because
    assert [(why.rule, why.value) for why in because] == [("velocity_over_baseline", 6.0)]


def test_a_past_counts_from_two_velocity_windows_on() -> None:
    room = new_room()
    fold_at_own_time(room, opened(100_000), order("placed", "o", "u", 1_000, s=0))
    steadily(room, 15, 19, per_second=2)
    assert the_sale(room, 19.999).urgency.because[0].value == 5.0  # against the floor of 2
    move_urgencies(room, at(19))
    assert the_sale(room, 20).urgency.level != "calm"  # held
    room.urgencies.clear()
    assert the_sale(room, 20).urgency.level == "calm"  # 10 against 1 000


def test_the_pace_of_a_room_is_that_of_half_an_hour_at_most() -> None:
    room = new_room()
    fold_at_own_time(room, opened(100_000, ends_s=None), order("placed", "first", "u", 1))
    steadily(room, 1_900, 1_999, per_second=9)
    steadily(room, 3_000, 3_009, per_second=2)
    # 900 units in 1 790 s: 5.03 in a window; the window holds 20.
    because = the_sale(room, 3_009.999).urgency.because
    assert [why.value for why in because if why.rule == "velocity_over_baseline"] == [
        pytest.approx(20 / (900 * 10 / 1_790), abs=0.01)
    ]


def test_below_its_least_number_of_units_velocity_says_nothing() -> None:
    room = new_room()
    fold_at_own_time(room, opened(1_000), order("placed", "o1", "a", 9))
    assert the_sale(room, 0).urgency.because == []
    fold_at_own_time(room, order("placed", "o2", "b", 1))
    assert the_sale(room, 0).urgency.because[0].value == 5.0


def test_carts_count_against_stock_from_a_few_people_on() -> None:
    room = new_room()
    fold_at_own_time(room, opened(10), *(cart(f"u{number}") for number in range(9)))
    assert the_sale(room, 0).urgency.level == "calm"
    fold_at_own_time(room, cart("u9"))
    urgency = the_sale(room, 0).urgency
    assert [(why.rule, why.value) for why in urgency.because] == [("carters_over_available", 1.0)]
    assert urgency.level == "rush"


def test_the_middle_of_the_forecast_counts() -> None:
    room = new_room(Rules(velocity_min_units=1_000))
    fold_at_own_time(room, opened(300))
    steadily(room, 0, 29)
    sale = the_sale(room, 29.999)
    assert sale.eta_sellout_ms is not None
    middle_s = (sale.eta_sellout_ms.low + sale.eta_sellout_ms.high) / 2_000
    assert 120 < middle_s <= 300
    assert sale.urgency.level == "brisk"
    assert {why.rule: why.value for why in sale.urgency.because} == {"eta_below_s": round(middle_s, 1)}


def test_the_last_minute_counts_to_the_extended_end() -> None:
    room = new_room()
    fold_at_own_time(room, opened(100_000, ends_s=60), order("placed", units=10))
    assert the_sale(room, 0).urgency.level == "last_call"
    room.urgencies.clear()
    fold_at_own_time(room, extended(90))
    assert the_sale(room, 0).urgency.level != "last_call"


def test_the_urgency_of_a_sale_begins_with_the_second_in_which_it_is_first_seen() -> None:
    room = new_room()
    fold_at_own_time(room, cart())
    assert the_sale(room, 3.2).urgency.since_ms == at(3)
    move_urgencies(room, at(3))
    fold_at_own_time(room, opened())
    assert (the_sale(room, 5.9).urgency.level, the_sale(room, 5.9).urgency.since_ms) == ("calm", at(5))
    move_urgencies(room, at(5))
    assert the_sale(room, 6).urgency.since_ms == at(5)


def test_a_document_shows_the_level_of_the_last_whole_second_and_moves_none() -> None:
    room = new_room()
    fold_at_own_time(room, opened(100_000))
    move_urgencies(room, at(0))
    fold_at_own_time(room, order("placed", units=40, s=1))
    assert the_sale(room, 1.9).urgency.level == "calm"
    move_urgencies(room, at(1))
    assert (the_sale(room, 2).urgency.level, the_sale(room, 2).urgency.since_ms) == ("snap_up", at(1))
    before = repr(room.urgencies)
    snapshot(room, 60)
    assert repr(room.urgencies) == before


def test_a_sale_that_sells_out_is_restocked_or_ends_within_a_second_is_shown_as_it_is() -> None:
    room = new_room()
    fold_at_own_time(room, opened(10, ends_s=7.5))
    move_urgencies(room, at(0))
    fold_at_own_time(room, order("paid", units=10, s=1.2))
    assert (the_sale(room, 1.3).urgency.level, the_sale(room, 1.3).urgency.since_ms) == ("sold_out", at(1))
    move_urgencies(room, at(1))
    fold_at_own_time(room, restocked(100, s=2.5))
    shown = the_sale(room, 2.6).urgency
    assert shown.level not in ("sold_out", "unknown", "ended")
    assert shown.because != []
    move_urgencies(room, at(2))
    assert (the_sale(room, 7.5).urgency.level, the_sale(room, 7.5).urgency.since_ms) == ("ended", at(7))


def test_the_room_shows_the_urgency_of_the_sale_that_leads() -> None:
    room = new_room()
    fold_at_own_time(room, opened(), opened(sale="s2"), order("placed", units=40, sale="s2"))
    urgency = snapshot(room, 0).urgency
    assert (urgency.level, urgency.sale_id) == ("snap_up", "s2")
    empty = snapshot(new_room(), 0).urgency
    assert (empty.level, empty.sale_id) == ("unknown", None)


def test_a_level_that_moved_or_began_is_to_be_remembered() -> None:
    room = new_room()
    fold_at_own_time(room, opened())
    assert move_urgencies(room, at(0))
    assert not move_urgencies(room, at(1))
    fold_at_own_time(room, closed(s=2.5))
    assert move_urgencies(room, at(2))


# -- the document ------------------------------------------------------------------------------------------------------
def test_totals_are_those_of_the_session() -> None:
    room = new_room()
    fold_at_own_time(
        room,
        *(enter(user) for user in "aab"),
        like("a", 5),
        cart("a"),
        order("paid", amount=100),
        order("placed", "o2", amount=30, currency="EUR"),
        order("refunded", "o3", amount=1, currency="AUD"),
    )
    totals = snapshot(room, 4_000).totals
    assert totals.viewers == Count(2, "exact")
    assert (totals.views, totals.watching_now, totals.likes, totals.comments, totals.cart_adds) == (3, 2, 5, 0, 1)
    assert totals.orders == Orders(2, 1, 0, 1)
    assert totals.money == [Money("AUD", 0, 0, 0), Money("CNY", 100, 100, 100), Money("EUR", 30, 0, 0)]


def test_a_document_says_whose_it_is_and_of_when() -> None:
    room = new_room()
    room.rev = 12
    overlay = snapshot(room, 5, source="log", lag_ms=77, epoch=9)
    assert (overlay.schema, overlay.room_id, overlay.epoch, overlay.rev) == ("snapup.overlay.v1", "r1", 9, 12)
    assert (overlay.as_of_ms, overlay.stale_after_ms) == (at(5), at(8))
    assert (overlay.clock.source, overlay.clock.lag_ms) == ("log", 77)
    assert {rate.as_of_ms for rate in overlay.rates} == {at(5)}


def test_the_feed_begins_with_the_newest() -> None:
    room = new_room()
    fold_at_own_time(room, order("paid", "o1", s=1), order("paid", "o2", s=2))
    assert [item.at_ms for item in snapshot(room, 3).feed] == [at(2), at(1)]


def test_claims_are_stale_when_the_document_lags_more_than_the_rule_allows() -> None:
    room = new_room()
    fold_at_own_time(room, *(enter(f"u{number}") for number in range(10)))
    limit = Rules().stale_lag_ms
    assert [claim.claim for claim in snapshot(room, 0, lag_ms=limit).claims] == ["watching_now"]
    assert withheld(snapshot(room, 0, lag_ms=limit + 1)) == {"watching_now": "stale"}


def test_evidence_reaches_from_the_room_s_first_record_to_the_fold_s_position() -> None:
    log = Log()
    for number in range(10):
        log.add(enter("other", room="r2", s=number))
    for number in range(10):
        log.add(enter(f"u{number}", s=10 + number))
    log.add(enter("other", room="r2", s=20))
    log.tick(21)
    (claim,) = log.overlay().claims
    assert claim.evidence == [Evidence("live.visits", 3, 10, 21)]


def test_bought_recently_is_said_of_the_rule_s_window() -> None:
    room = new_room()
    fold_at_own_time(room, opened(), *(order("paid", f"o{number}") for number in range(3)))
    claims = {claim.claim: claim for claim in snapshot(room, 299).claims}
    assert claims["bought_recently"].value == 3
    assert withheld(snapshot(room, 310))["bought_recently"] == "sample_too_small"
