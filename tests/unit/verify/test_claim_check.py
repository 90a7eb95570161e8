"""What the checker of claims must find: each kind of lie, told of a document that was right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec import structs

from stream.commands.claims_view import tally_lines
from stream.commands.replay_claims import CheckedReplay
from stream.contract.overlay import Withheld
from stream.contract.reading import read_overlay
from stream.contract.recording import RecordedRecord
from stream.core.rules import Rules
from stream.errors import SnapupError
from stream.replay.recording import Replay
from stream.settings import load_settings
from stream.verify.claim_check import (
    BEYOND_BOUND,
    DISPLACED,
    FORGOTTEN,
    NOT_RECOUNTED,
    RIGHT,
    SKETCHED,
    WRONG,
    ClaimChecker,
    Judged,
    Tally,
)
from stream.verify.claim_parts import ClaimSettings, Condition, claim_settings_of
from stream.verify.claim_rules import EDITIONS, ROOM_RULES, RULES
from stream.verify.rulebook import assumptions_of_rules
from tests.support.rooms import T0_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.contract.overlay import Claim, Overlay

RULES_NOW = load_settings().rules()
PEOPLE = 14


def event(topic: str, at_ms: int, kind: str, **fields: Any) -> RecordedRecord:
    number = f"{topic}-{at_ms}-{fields.get('user_id', '')}-{fields.get('status', kind)}"
    value = {"type": kind, "event_id": number, "room_id": "r", "event_time_ms": T0_MS + at_ms, **fields}
    return RecordedRecord(topic=topic, timestamp=T0_MS + at_ms, value=msgspec.json.encode(value), key=b"r")


def order(at_ms: int, user: int, status: str) -> RecordedRecord:
    line = {"sku_id": "k", "sale_id": "s", "quantity": 2, "amount_minor": 100}
    told = {"order_id": f"o{user}", "user_id": f"u{user}", "status": status, "lines": [line], "currency": "CNY"}
    return event("orders", at_ms, "order", **told)


def show() -> list[RecordedRecord]:
    """Forty units; people come, cart and buy; four of forty are left."""
    terms = {"sale_id": "s", "sku_id": "k", "offered": 32, "starts_at_ms": T0_MS, "ends_at_ms": T0_MS + 60_000}
    found = [event("sales", 0, "sale_opened", **terms)]
    for user in range(PEOPLE):
        found.append(event("visits", 10 + user, "enter", user_id=f"u{user}"))
        cart = {"user_id": f"c{user}", "sku_id": "k", "quantity": 1, "sale_id": "s"}
        found.append(event("cart-adds", 100 + user, "cart_add", **cart))
        found.append(order(1_000 * (user + 1), user, "placed"))
        found.append(order(1_000 * (user + 1) + 300, user, "paid"))
    return sorted(found, key=lambda record: record.timestamp)


def show_with_leaves() -> list[RecordedRecord]:
    """The same, in which as many come and leave again: so who is watching may be said."""
    found = show()
    for user in range(PEOPLE):
        found.append(event("visits", 40 + user, "enter", user_id=f"gone{user}"))
        found.append(event("visits", 2_000 + user, "leave", user_id=f"gone{user}"))
    return sorted(found, key=lambda record: record.timestamp)


@pytest.fixture(scope="module")
def right() -> tuple[Overlay, ClaimChecker]:
    """The last document in which something of each kind is said, and a checker that stands where it was made."""
    seen: list[tuple[Overlay, ClaimChecker]] = []
    checked = CheckedReplay(RULES_NOW, "live", lambda overlay, checker: seen.append((overlay, checker)))
    Replay(RULES_NOW, "live", 250, checked.published, checked).run(show_with_leaves())
    assert checked.tally.of(WRONG) == 0
    overlay, checker = seen[-1]
    return overlay, checker


def judged(checker: ClaimChecker, overlay: Overlay) -> list[Judged]:
    return [each for each in checker.check(overlay) if each.verdict == WRONG]


def changed(overlay: Overlay, kind: str, **fields: Any) -> Overlay:
    claims = [structs.replace(each, **fields) if each.claim == kind else each for each in overlay.claims]
    assert claims != overlay.claims
    return structs.replace(overlay, claims=claims)


KINDS = ["stock_left", "eta_sellout", "bought_recently", "in_carts", "ends_in", "watching_now"]


def test_a_document_of_the_core_is_right(right: tuple[Overlay, ClaimChecker]) -> None:
    overlay, checker = right
    assert {claim.claim for claim in overlay.claims} == set(KINDS)
    assert judged(checker, overlay) == []
    assert {each.verdict for each in checker.check(overlay)} == {RIGHT}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("field", "lie"),
    [
        ("value", lambda claim: [0, 1] if claim.claim == "eta_sellout" else claim.value + 1),
        ("unit", lambda _: "percent"),
        ("window_ms", lambda claim: (claim.window_ms or 0) + 1_000),
        ("valid_until_ms", lambda claim: claim.valid_until_ms + 1),
        ("as_of_ms", lambda claim: claim.as_of_ms - 1),
        ("rule", lambda claim: f"{claim.claim}/9"),
        ("id", lambda claim: claim.id + "x"),
        ("inputs", lambda claim: {**claim.inputs, next(iter(claim.inputs)): -7}),
        (
            "evidence",
            lambda claim: [structs.replace(each, next_offset=0) for each in claim.evidence],
        ),
        ("evidence", lambda claim: claim.evidence[1:]),
    ],
)
def test_each_field_of_each_claim_is_checked(
    right: tuple[Overlay, ClaimChecker], kind: str, field: str, lie: Callable[[Claim], Any]
) -> None:
    overlay, checker = right
    claim = next(each for each in overlay.claims if each.claim == kind)
    (wrong,) = judged(checker, changed(overlay, kind, **{field: lie(claim)}))
    assert (wrong.kind, wrong.said) == (kind, "said")
    assert field in wrong.why


@pytest.mark.parametrize("kind", KINDS)
def test_a_claim_that_is_missing_is_wrong(right: tuple[Overlay, ClaimChecker], kind: str) -> None:
    overlay, checker = right
    without = structs.replace(overlay, claims=[claim for claim in overlay.claims if claim.claim != kind])
    (wrong,) = judged(checker, without)
    assert (wrong.kind, wrong.said) == (kind, "missing")
    assert "may be said" in wrong.why


def test_what_might_be_said_must_not_be_withheld(right: tuple[Overlay, ClaimChecker]) -> None:
    overlay, checker = right
    held_back = Withheld("stock_left", "above_display_threshold", "s", "k")
    claims = [claim for claim in overlay.claims if claim.claim != "stock_left"]
    (wrong,) = judged(checker, structs.replace(overlay, claims=claims, withheld=[held_back]))
    assert wrong.why == "above_display_threshold, not said"


def test_a_claim_that_does_not_follow_and_one_said_twice_are_wrong(right: tuple[Overlay, ClaimChecker]) -> None:
    overlay, checker = right
    stock = next(each for each in overlay.claims if each.claim == "stock_left")
    for other in (structs.replace(stock, claim="sold_out"), structs.replace(stock, sale_id="x"), stock):
        (wrong,) = judged(checker, structs.replace(overlay, claims=[*overlay.claims, other]))
        assert wrong.why in ("nothing of it follows from the log", "it is there twice")


def test_what_is_stale_must_be_withheld_as_such(right: tuple[Overlay, ClaimChecker]) -> None:
    overlay, checker = right
    old = structs.replace(overlay, clock=structs.replace(overlay.clock, lag_ms=3_001))
    assert {each.why for each in judged(checker, old)} == {"said, not stale"}
    held_back = [Withheld(each.claim, "stale", each.sale_id, each.sku_id) for each in overlay.claims]
    assert judged(checker, structs.replace(old, claims=[], withheld=held_back)) == []


def test_a_sketched_count_is_neither_right_nor_wrong(right: tuple[Overlay, ClaimChecker]) -> None:
    overlay, checker = right
    count = structs.replace(overlay.sales[0].carters_without_order, method="sketch", error_95=0.0165)
    sketched = structs.replace(overlay, sales=[structs.replace(overlay.sales[0], carters_without_order=count)])
    verdicts = {each.kind: each.verdict for each in checker.check(sketched)}
    assert verdicts.pop("in_carts") == NOT_RECOUNTED
    assert set(verdicts.values()) == {RIGHT}
    assert {each.why for each in checker.check(sketched) if each.verdict == NOT_RECOUNTED} == {SKETCHED}
    tally = Tally()
    tally.add("here", checker.check(sketched))
    tally.merge(tally)
    assert tally.unknown == {("in_carts", SKETCHED): 2}
    assert f"\n2 of `in_carts` were not recounted: {SKETCHED}." in [*tally_lines(tally)]


def test_of_a_room_with_too_many_sales_no_sale_is_judged(right: tuple[Overlay, ClaimChecker]) -> None:
    overlay, checker = right
    verdicts = {each.kind: each.verdict for each in checker.check(structs.replace(overlay, sales_refused=3))}
    assert verdicts.pop("watching_now") == RIGHT
    assert set(verdicts.values()) == {NOT_RECOUNTED}
    whys = {each.why for each in checker.check(structs.replace(overlay, sales_refused=3)) if each.why}
    assert whys == {BEYOND_BOUND}


def test_of_a_room_whose_orders_were_displaced_no_sale_is_judged(right: tuple[Overlay, ClaimChecker]) -> None:
    overlay, checker = right
    verdicts = {each.kind: each.verdict for each in checker.check(structs.replace(overlay, orders_displaced=1))}
    assert verdicts.pop("watching_now") == RIGHT
    assert set(verdicts.values()) == {NOT_RECOUNTED}
    whys = {each.why for each in checker.check(structs.replace(overlay, orders_displaced=1)) if each.why}
    assert whys == {DISPLACED}


def test_of_a_room_that_was_forgotten_nothing_is_judged(right: tuple[Overlay, ClaimChecker]) -> None:
    """One that is heard of first when rooms had been forgotten may have been here before. The log says whether."""
    overlay, checker = right
    for since_ms, found in ((overlay.as_of_ms, (NOT_RECOUNTED, FORGOTTEN)), (T0_MS, (RIGHT, ""))):
        known = structs.replace(overlay, known_since_ms=since_ms)
        assert {(each.verdict, each.why) for each in checker.check(known)} == {found}


def test_a_session_that_is_over_claims_nothing(right: tuple[Overlay, ClaimChecker]) -> None:
    overlay, checker = right
    over: dict[str, Any] = msgspec.to_builtins(overlay)
    over["session"] = {
        "show_id": None,
        "began_at_ms": 0,
        "ended_at_ms": 5,
        "ended_by": "silence",
        "first_offsets": [],
        "next_offsets": [],
    }
    ended = read_overlay(msgspec.json.encode(over))
    assert {each.why for each in judged(checker, ended)} == {"nothing of it follows from the log"}
    assert checker.check(structs.replace(ended, claims=[], withheld=[])) == []


def test_rules_of_an_edition_that_is_not_known_are_said_to_be_so(right: tuple[Overlay, ClaimChecker]) -> None:
    overlay, _ = right
    said = structs.asdict(RULES_NOW)
    checker = ClaimChecker(0, "live", assumptions_of_rules(said), claim_settings_of(said | {"signals_edition": 99}))
    checker.fold("visits", [event("visits", 0, "enter", user_id="u")])
    with pytest.raises(SnapupError, match="edition 99 are not known"):
        checker.check(overlay)


def test_every_edition_names_rules_that_are_there() -> None:
    for names in EDITIONS.values():
        assert set(names) <= RULES.keys() | ROOM_RULES.keys()
    for book in (RULES, ROOM_RULES):
        for name, rule in book.items():
            assert name.startswith(f"{rule.kind}/")
            assert rule.words.endswith(".")


def test_settings_are_taken_by_the_names_of_the_core() -> None:
    defaults = claim_settings_of(structs.asdict(Rules()))
    assert defaults == ClaimSettings()
    assert claim_settings_of({"in_carts_min": 9, "hold_ms": 5, "of_a_later_version": 1}).in_carts_min == 9


def test_what_is_not_known_meets_no_threshold() -> None:
    assert not Condition("why", "available", None, "at most", 5).holds
    assert not Condition("why", "available", 6, "at most", 5).holds
    assert Condition("why", "available", 6, "more than", 5).holds
    assert Condition("why", "status", "open", "is", "open").holds


def test_a_tally_tells_the_first_wrong_ones_and_counts_all() -> None:
    tally = Tally()
    tally.add("here", [Judged("in_carts", ("s", "k"), "said", WRONG, "value 3, not 4")] * 60)
    tally.add("here", [Judged("in_carts", ("s", "k"), "said", RIGHT)])
    other = Tally()
    other.merge(tally)
    assert (other.of(), other.of(WRONG), other.of(RIGHT, "in_carts"), other.documents) == (61, 60, 1, 2)
    assert len(other.told) == 50
    assert other.told[0] == "here: in_carts s/k: value 3, not 4"
