"""An explanation says the rule, what it asked, what it would take, and the very records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from stream.commands.replay_claims import CheckedReplay
from stream.replay.recording import Replay
from stream.settings import load_settings
from stream.verify.claim_parts import Condition
from stream.verify.claim_records import RoomRecords
from stream.verify.explain import COUNTED, PHRASES, Explanation, differs, explain, not_so
from stream.verify.figures import SaleKey
from tests.unit.verify.test_claim_check import PEOPLE, event, show

if TYPE_CHECKING:
    from stream.contract.overlay import Overlay
    from stream.verify.claim_check import ClaimChecker

RULES = load_settings().rules()


def explained(records: int, keep: int | None = 3, **changes: Any) -> dict[str, Explanation]:
    """The claims after so many records of the show, by kind; `changes`: of the document."""
    seen: list[tuple[Overlay, ClaimChecker]] = []
    kept = RoomRecords("r", keep)

    def began(checker: ClaimChecker) -> None:
        checker.heard = kept.take

    checked = CheckedReplay(RULES, "live", lambda overlay, checker: seen.append((overlay, checker)), began)
    Replay(RULES, "live", 1_000, checked.published, checked).run(show()[:records])
    overlay, checker = seen[-1]
    return {each.claim: each for each in explain(structs.replace(overlay, **changes), checker, kept)}


def test_what_is_said_comes_with_its_records_and_what_would_silence_it() -> None:
    stock = explained(len(show()))["stock_left"]
    assert (stock.published, stock.recomputed, stock.verdict) == ("said", "said", "right")
    assert (stock.value, stock.recomputed_value, stock.unit) == (4, 4, "items")
    assert stock.takes.endswith("or when more than 6 units are left")
    assert "a restock is planned for later" in stock.takes
    orders, sales = stock.records
    assert (orders.topic, orders.first_offset, orders.next_offset, orders.count) == ("live.orders", 0, 28, 28)
    assert [(proof.offset, proof.who, proof.says) for proof in orders.last] == [
        (25, "u12", "order o12 paid, 2 units"),
        (26, "u13", "order o13 placed, 2 units"),
        (27, "u13", "order o13 paid, 2 units"),
    ]
    assert (sales.count, sales.last[0].who) == (1, "")
    assert all(asked.holds for asked in stock.conditions)


def test_what_is_withheld_says_what_it_would_take() -> None:
    early = explained(2 * PEOPLE + 7)
    stock = early["stock_left"]
    assert (stock.published, stock.value) == ("above_display_threshold", None)
    assert stock.takes == "is said when at most 6 units are left; now 26"
    assert [asked.holds for asked in stock.conditions] == [True] * 5 + [False]
    assert early["bought_recently"].takes.startswith("is withheld when fewer than 3 orders are paid, net")
    assert early["eta_sellout"].takes == "is said when there is a forecast"


def test_all_records_are_there_for_those_who_ask() -> None:
    watching = explained(len(show()), keep=None)["watching_now"]
    assert [len(records.last) for records in watching.records] == [PEOPLE]
    assert watching.sale_id is None


def test_a_document_that_lies_differs() -> None:
    right = explained(len(show()))
    assert not differs([*right.values()])
    overlay_lies = explained(len(show()), claims=[])
    assert differs([*overlay_lies.values()])
    assert overlay_lies["stock_left"].published == "nothing"
    assert overlay_lies["stock_left"].recomputed == "said"
    assert "missing" in overlay_lies["stock_left"].why


def test_every_condition_has_words() -> None:
    asked = [condition for each in explained(len(show())).values() for condition in each.conditions]
    assert asked
    for each in asked:
        assert (each.figure, each.relation) in PHRASES or each.figure in COUNTED
    assert not_so(Condition("why", "open_sessions", 3, "at least", 10)) == "fewer than 10 sessions are open"
    assert not_so(Condition("why", "units_net", 3, "more than", 0)) == "at most 0 units are sold, net"


def test_what_was_taken_out_of_carts_and_who_came_and_went_is_among_the_records_of_carts() -> None:
    kept = RoomRecords("r", None)
    checked = CheckedReplay(RULES, "live", began=lambda checker: setattr(checker, "heard", kept.take))
    last = 20_000
    told: dict[str, Any] = {"user_id": "c1", "sku_id": "k"}
    removed = [
        event("cart-adds", last, "cart_remove", **told, sale_id="s"),
        event("cart-adds", last + 1, "cart_remove", **told, quantity=2),
        event("cart-adds", last + 2, "cart_remove", user_id="c1", sku_id="another"),
        event("visits", last + 3, "leave", user_id="c1"),
    ]
    Replay(RULES, "live", 1_000, checked.published, checked).run([*show(), *removed])
    count, carts = kept.of("cart-adds", SaleKey("s", "k"))
    assert count == PEOPLE + 2
    assert [proof.says for proof in carts[-2:]] == ["cart_remove, all units", "cart_remove, 2 units"]
    assert kept.of("visits", SaleKey("s", "k"))[1][-1].says == "leave"
    assert checked.tally.told == []


@pytest.mark.parametrize("topic", ["orders", "visits"])
def test_records_of_other_rooms_are_passed_over(topic: str) -> None:
    kept = RoomRecords("another", 3)
    checked = CheckedReplay(RULES, "live", began=lambda checker: setattr(checker, "heard", kept.take))
    Replay(RULES, "live", 1_000, checked.published, checked).run(show())
    assert kept.of(topic, None) == (0, [])
