from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stream.contract.overlay import (
    ClaimKind,
    Count,
    EtaSellout,
    Evidence,
    Sale,
    SaleStatus,
    Urgency,
    Velocity,
    Withheld,
    WithheldReason,
)
from stream.core.claims import SOURCES, ClaimBook
from stream.core.presence import Departures
from stream.core.rules import Rules
from tests.support.events import at
from tests.support.rooms import TOPICS

if TYPE_CHECKING:
    from typing import Any

    from stream.contract.overlay import Claim

RULES = Rules()
SECOND = Rules(signals_edition=2)
NOW = at(100)
EVIDENCE: list[Evidence | None] = [Evidence(f"live.{index}", 3, index, index + 10) for index in range(len(TOPICS))]


def sale(**changes: Any) -> Sale:
    """An open sale that has reason for every claim: 100 offered, 10 left, a minute to go."""
    found = Sale(
        sale_id="s1",
        sku_id="k1",
        status="open",
        starts_at_ms=at(0),
        ends_at_ms=NOW + 60_000,
        extended=False,
        offered=100,
        restocked=0,
        available=10,
        held=20,
        sold=70,
        oversold=0,
        over_limit=0,
        released=0,
        sell_through=0.7,
        carters_without_order=Count(RULES.in_carts_min, "exact"),
        suspect_units=0,
        velocity=Velocity(30, 10_000),
        eta_sellout_ms=EtaSellout(2_000, 9_000, 0.9),
        restock_planned_at_ms=None,
        price_minor=None,
        list_price_minor=None,
        currency=None,
        urgency=Urgency("calm", 0, []),
    )
    for name, value in changes.items():
        assert hasattr(found, name)
        setattr(found, name, value)
    return found


def book_of(
    the_sale: Sale | None = None,
    units: int = 9,
    orders: int = RULES.bought_min_orders,
    *,
    stale: bool = False,
    rules: Rules = RULES,
) -> ClaimBook:
    book = ClaimBook(rules, EVIDENCE, "3-17", NOW, stale=stale)
    book.sale(the_sale or sale(), units, orders)
    return book


def said(book: ClaimBook) -> dict[ClaimKind, Claim]:
    return {claim.claim: claim for claim in book.claims}


def reasons(book: ClaimBook) -> dict[ClaimKind, WithheldReason]:
    return {withheld.claim: withheld.reason for withheld in book.withheld}


# -- the whole ---------------------------------------------------------------------------------------------------------
def test_a_sale_with_reason_for_every_claim_makes_them_all() -> None:
    book = book_of()
    assert set(said(book)) == {"stock_left", "eta_sellout", "bought_recently", "in_carts", "ends_in"}
    assert book.withheld == []


@pytest.mark.parametrize("status", ["unknown", "scheduled", "open"])
def test_every_kind_is_either_said_or_withheld_with_one_reason(status: SaleStatus) -> None:
    for stale in (False, True):
        book = book_of(sale(status=status), stale=stale)
        kinds = [claim.claim for claim in book.claims] + [withheld.claim for withheld in book.withheld]
        assert sorted(kinds) == ["bought_recently", "ends_in", "eta_sellout", "in_carts", "stock_left"]


def test_a_sale_that_has_ended_claims_nothing_and_withholds_nothing() -> None:
    book = book_of(sale(status="ended"))
    assert (book.claims, book.withheld) == ([], [])


def test_a_claim_names_its_rule_subject_moment_and_snapshot() -> None:
    claim = said(book_of())["stock_left"]
    assert (claim.id, claim.rule) == ("stock_left:s1:k1:3-17", "stock_left/1")
    assert (claim.sale_id, claim.sku_id, claim.unit) == ("s1", "k1", "items")
    assert (claim.as_of_ms, claim.window_ms) == (NOW, None)


def test_something_withheld_names_its_subject() -> None:
    book = book_of(sale(available=None, offered=None, status="unknown"))
    assert Withheld("stock_left", "stock_unknown", "s1", "k1") in book.withheld


@pytest.mark.parametrize(("status", "reason"), [("unknown", "stock_unknown"), ("scheduled", "sale_not_open")])
def test_what_speaks_of_an_open_sale_waits_for_it_to_open(status: SaleStatus, reason: WithheldReason) -> None:
    book = book_of(sale(status=status))
    assert reasons(book) == {"stock_left": reason, "eta_sellout": reason, "ends_in": reason}
    assert set(said(book)) == {"bought_recently", "in_carts"}


def test_nothing_is_said_from_a_stale_snapshot() -> None:
    book = book_of(stale=True)
    book.watching(RULES.watching_min)
    assert book.claims == []
    assert set(reasons(book).values()) == {"stale"}
    assert len(book.withheld) == 6


def test_a_stale_snapshot_does_not_hide_a_better_reason() -> None:
    book = book_of(sale(restock_planned_at_ms=NOW + 1), stale=True)
    assert reasons(book)["stock_left"] == "restock_planned"


# -- how long ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("left_ms", [1, RULES.claim_valid_ms - 1, RULES.claim_valid_ms])
def test_nothing_about_a_sale_is_said_beyond_its_end(left_ms: int) -> None:
    book = book_of(sale(ends_at_ms=NOW + left_ms))
    assert {claim.valid_until_ms for claim in book.claims} == {NOW + left_ms}


@pytest.mark.parametrize("ends_at_ms", [NOW + RULES.claim_valid_ms + 1, None])
def test_a_claim_is_good_for_a_few_seconds(ends_at_ms: int | None) -> None:
    book = book_of(sale(ends_at_ms=ends_at_ms))
    book.watching(RULES.watching_min)
    assert {claim.valid_until_ms for claim in book.claims} == {NOW + RULES.claim_valid_ms}


# -- evidence ----------------------------------------------------------------------------------------------------------
def test_each_claim_points_at_the_topics_that_its_inputs_came_from() -> None:
    book = book_of()
    book.watching(RULES.watching_min)
    topics = {kind: [evidence.topic for evidence in claim.evidence] for kind, claim in said(book).items()}
    assert topics == {
        "stock_left": ["live.3", "live.5"],
        "eta_sellout": ["live.3", "live.5"],
        "bought_recently": ["live.3"],
        "in_carts": ["live.2", "live.3"],
        "watching_now": ["live.4"],
        "ends_in": ["live.5"],
    }
    assert said(book)["watching_now"].evidence == [Evidence("live.4", 3, 4, 14)]
    assert SOURCES["sold_out"] == SOURCES["stock_left"]


def test_a_topic_in_which_the_room_has_no_record_is_no_evidence() -> None:
    book = ClaimBook(RULES, [None, None, None, EVIDENCE[3], None, None], "3-1", NOW, stale=False)
    book.sale(sale(), 9, 9)
    assert [evidence.topic for evidence in said(book)["stock_left"].evidence] == ["live.3"]
    assert said(book)["ends_in"].evidence == []


# -- stock_left, sold_out ----------------------------------------------------------------------------------------------
def test_few_left_is_said_up_to_a_share_of_what_there_was() -> None:
    assert said(book_of(sale(available=20)))["stock_left"].value == 20
    assert reasons(book_of(sale(available=21)))["stock_left"] == "above_display_threshold"
    assert said(book_of(sale(available=21, restocked=5)))["stock_left"].value == 21


def test_stock_left_shows_the_whole_ledger() -> None:
    claim = said(book_of(sale(available=3, restocked=5, held=2, sold=100)))["stock_left"]
    assert claim.inputs == {"offered": 100, "restocked": 5, "held": 2, "sold": 100, "oversold": 0}
    assert claim.value == 3


def test_sold_out_is_said_instead_of_none_left() -> None:
    book = book_of(sale(available=0, oversold=4))
    assert said(book)["sold_out"].value == 0
    assert said(book)["sold_out"].inputs["oversold"] == 4
    assert "stock_left" not in said(book)
    assert "eta_sellout" not in said(book) | reasons(book)


def test_what_is_only_held_is_taken_and_not_sold_out() -> None:
    taken = book_of(sale(available=0, held=876, sold=3_224), rules=SECOND)
    claim = said(taken)["all_taken"]
    assert (claim.value, claim.unit, claim.rule) == (876, "items", "all_taken/1")
    assert claim.inputs["sold"] == 3_224
    assert "sold_out" not in said(taken)
    gone = said(book_of(sale(available=0, held=0, sold=100), rules=SECOND))
    assert (gone["sold_out"].value, gone["sold_out"].rule) == (0, "sold_out/2")
    assert "all_taken" not in gone
    assert SOURCES["all_taken"] == SOURCES["sold_out"]


@pytest.mark.parametrize("changes", [{"restock_planned_at_ms": NOW + 1}, {"suspect_units": 10}])
def test_all_taken_is_withheld_for_the_reasons_of_sold_out(changes: dict[str, int]) -> None:
    taken = reasons(book_of(sale(available=0, held=20, **changes), rules=SECOND))
    gone = reasons(book_of(sale(available=0, held=20, **changes)))
    assert taken["all_taken"] == gone["sold_out"]


def test_without_known_stock_nothing_is_said_of_it() -> None:
    assert reasons(book_of(sale(available=None)))["stock_left"] == "stock_unknown"
    assert reasons(book_of(sale(offered=None)))["stock_left"] == "stock_unknown"


@pytest.mark.parametrize("available", [0, 10])
def test_nothing_is_said_of_scarcity_while_more_is_planned(available: int) -> None:
    planned = book_of(sale(available=available, restock_planned_at_ms=NOW + 1))
    assert reasons(planned)["sold_out" if available == 0 else "stock_left"] == "restock_planned"
    assert reasons(planned).get("eta_sellout") == (None if available == 0 else "restock_planned")
    assert {"bought_recently", "in_carts", "ends_in"} <= set(said(planned))


def test_a_planned_restock_that_did_not_come_no_longer_silences() -> None:
    assert "stock_left" in said(book_of(sale(restock_planned_at_ms=NOW)))


@pytest.mark.parametrize("available", [0, 10])
def test_nothing_is_said_of_scarcity_when_too_much_of_it_looks_fake(available: int) -> None:
    fine = book_of(sale(available=available, suspect_units=9))
    assert "suspected_fake_orders" not in reasons(fine).values()
    kind: ClaimKind = "sold_out" if available == 0 else "stock_left"
    fake = book_of(sale(available=available, suspect_units=10))
    assert reasons(fake)[kind] == "suspected_fake_orders"
    assert reasons(fake).get("eta_sellout") == (None if available == 0 else "suspected_fake_orders")
    assert {"bought_recently", "in_carts", "ends_in"} <= set(said(fake))


# -- eta_sellout -------------------------------------------------------------------------------------------------------
def test_a_forecast_is_an_interval_that_names_its_coverage() -> None:
    claim = said(book_of())["eta_sellout"]
    assert (claim.value, claim.unit, claim.window_ms) == ([2_000, 9_000], "ms", 10_000)
    assert claim.inputs == {"available": 10, "units": 30, "coverage": 0.9}


def test_without_a_forecast_there_was_too_little_to_go_by() -> None:
    assert reasons(book_of(sale(eta_sellout_ms=None)))["eta_sellout"] == "sample_too_small"


# -- bought_recently ---------------------------------------------------------------------------------------------------
def test_bought_recently_names_its_window_and_needs_a_few_orders() -> None:
    claim = said(book_of(units=9, orders=3))["bought_recently"]
    assert (claim.value, claim.unit, claim.window_ms) == (9, "items", RULES.bought_window_ms)
    assert claim.inputs == {"paid_orders_net": 3, "units_net": 9}
    assert reasons(book_of(units=9, orders=2))["bought_recently"] == "sample_too_small"


@pytest.mark.parametrize("units", [0, -1])
def test_nothing_bought_on_balance_is_not_said(units: int) -> None:
    assert reasons(book_of(units=units, orders=3))["bought_recently"] == "sample_too_small"
    assert said(book_of(units=1, orders=3))["bought_recently"].value == 1


# -- in_carts, watching_now --------------------------------------------------------------------------------------------
def test_carts_are_said_from_a_few_people_on() -> None:
    least = RULES.in_carts_min
    claim = said(book_of(sale(carters_without_order=Count(least, "exact"))))["in_carts"]
    assert (claim.value, claim.unit, claim.inputs) == (least, "people", {"carters_without_order": least})
    assert reasons(book_of(sale(carters_without_order=Count(least - 1, "exact"))))["in_carts"] == "sample_too_small"


def test_watching_is_said_from_a_few_sessions_on() -> None:
    for watching in (RULES.watching_min - 1, RULES.watching_min):
        book = ClaimBook(RULES, EVIDENCE, "3-17", NOW, stale=False)
        book.watching(watching)
        if watching < RULES.watching_min:
            assert book.withheld == [Withheld("watching_now", "sample_too_small")]
        else:
            claim = book.claims[0]
            assert (claim.id, claim.value, claim.unit) == ("watching_now:3-17", watching, "people")
            assert (claim.sale_id, claim.sku_id, claim.inputs) == (None, None, {"open_sessions": watching})


def test_watching_is_said_only_where_leaving_is_heard_of() -> None:
    book = ClaimBook(SECOND, EVIDENCE, "3-17", NOW, stale=False)
    book.watching(60, Departures(60, 0, 0, 0, -1, 0, 0, -1))
    assert book.withheld == [Withheld("watching_now", "leaves_not_heard")]
    book.watching(RULES.watching_min - 1, Departures(9, 0, 0, 0, -1, 0, 0, -1))
    assert book.withheld[1:] == [Withheld("watching_now", "sample_too_small")]
    book.watching(60, Departures(60, 90, 40, 1, 500, 40, 50, -1))
    (claim,) = book.claims
    assert (claim.value, claim.rule) == (60, "watching_now/2")
    assert claim.inputs == {
        "open_sessions": 60,
        "left": 90,
        "not_left": 21,
        "left_long": 40,
        "not_left_long": 11,
        "silent_ms": 500,
    }


def test_where_an_older_worker_did_not_count_it_is_said_since_when_it_was() -> None:
    book = ClaimBook(SECOND, EVIDENCE, "3-17", NOW, stale=False)
    book.watching(60, Departures(60, 90, 40, 1, 500, 40, 50, at(7)))
    assert book.claims[0].inputs["since_ms"] == at(7)


# -- ends_in -----------------------------------------------------------------------------------------------------------
def test_a_countdown_runs_to_the_one_fixed_end_and_says_whether_it_was_extended() -> None:
    claim = said(book_of(sale(ends_at_ms=NOW + 5_000, extended=True)))["ends_in"]
    assert (claim.value, claim.unit) == (5_000, "ms")
    assert claim.inputs == {"ends_at_ms": NOW + 5_000, "extended": 1}


def test_a_far_end_is_not_said() -> None:
    far = RULES.ends_in_max_ms
    assert "ends_in" in said(book_of(sale(ends_at_ms=NOW + far)))
    assert reasons(book_of(sale(ends_at_ms=NOW + far + 1)))["ends_in"] == "above_display_threshold"


def test_a_sale_without_an_end_has_no_countdown() -> None:
    book = book_of(sale(ends_at_ms=None))
    assert "ends_in" not in said(book) | reasons(book)
