from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stream.contract.events import INPUT_TOPICS
from stream.core.audiences import BUYERS, CARTERS, CLICKERS, ENGAGED, PAYERS, VIEWERS
from stream.core.conflicts import Outcome
from stream.core.folds import FOLDS, fold_one
from stream.core.orders import expire_hold
from stream.core.rules import Rules
from tests.support.events import (
    at,
    cart,
    click,
    closed,
    comment,
    enter,
    extended,
    fold_at_own_time,
    leave,
    like,
    new_room,
    opened,
    order,
    restocked,
)

if TYPE_CHECKING:
    from stream.contract.events import RoomEvent
    from stream.core.room import Room


def people(room: Room) -> dict[str, set[str]]:
    names = {
        "viewers": VIEWERS,
        "clickers": CLICKERS,
        "carters": CARTERS,
        "buyers": BUYERS,
        "payers": PAYERS,
        "engaged": ENGAGED,
    }
    return {name: found for name, index in names.items() if (found := set(room.audiences[index].session.members))}


# -- each event --------------------------------------------------------------------------------------------------------
def test_every_event_type_of_the_contract_has_a_fold() -> None:
    assert set(FOLDS) == {kind for _, kinds in INPUT_TOPICS for kind in kinds}


def test_likes_are_summed_by_taps_and_engage() -> None:
    room = new_room()
    fold_at_own_time(room, like("a", 30), like("a", 12))
    assert room.likes == 42
    assert people(room) == {"engaged": {"a"}}


def test_a_comment_counts_and_engages() -> None:
    room = new_room()
    fold_at_own_time(room, comment("a"), comment("a"))
    assert room.comments == 2
    assert people(room) == {"engaged": {"a"}}


def test_a_cart_add_counts_once_whatever_its_quantity_and_reaches_its_ledger() -> None:
    room = new_room()
    fold_at_own_time(room, cart("a"), cart("b", None))
    assert room.cart_adds == 2
    assert people(room) == {"engaged": {"a", "b"}, "carters": {"a", "b"}}
    assert list(room.ledgers) == [("s1", "k1")]
    assert list(room.ledgers["s1", "k1"].carters.members) == ["a"]


def test_every_enter_is_a_view_and_opens_a_session() -> None:
    room = new_room()
    fold_at_own_time(room, enter("a"), enter("a", "phone"), enter("b"), enter("b"))
    assert (room.views, room.presence.open_sessions) == (4, 3)
    assert people(room) == {"viewers": {"a", "b"}}
    fold_at_own_time(room, leave("a", "phone", s=1), leave("b", s=1), leave("stranger", s=1))
    assert (room.views, room.presence.open_sessions) == (4, 1)


def test_a_click_makes_a_clicker_and_no_viewer() -> None:
    room = new_room()
    fold_at_own_time(room, click("a"))
    assert people(room) == {"clickers": {"a"}}


def test_buyers_placed_and_payers_paid() -> None:
    room = new_room()
    fold_at_own_time(room, order("placed", "o1", "a"), order("paid", "o2", "b"), order("cancelled", "o3", "c"))
    assert people(room) == {"buyers": {"a", "b"}, "payers": {"b"}}
    assert (room.orders_placed, room.orders_paid, room.orders_cancelled, room.orders_refunded) == (2, 1, 1, 0)


def test_events_count_at_their_effective_time_not_their_own() -> None:
    room = new_room()
    for event in (enter("a", s=-500), order("paid", s=-500), like("b", s=-500)):
        fold_one(room, event, at(0))
    bucket = at(0) // 1_000
    assert room.view_tally.counts == room.order_tally.counts == room.paid_tally.counts == {bucket: 1}
    assert room.paid_minor_tallies["CNY"].counts == {bucket: 100}
    assert [audience.latest("a") for audience in room.audiences[:1]] == [bucket]
    assert room.audiences[ENGAGED].latest("b") == bucket
    assert room.presence.sessions == {"a": (at(0), -1)}


def test_what_the_host_says_reaches_ledger_and_terms() -> None:
    room = new_room()
    fold_at_own_time(room, opened(10), restocked(5), extended(900), closed(s=20))
    ledger, terms = room.ledgers["s1", "k1"], room.terms["s1"]
    assert (ledger.offered, ledger.restocked) == (10, 5)
    assert (terms.extended_to_ms, terms.closed_at_ms) == (at(900), at(20))


def test_a_close_holds_from_its_effective_time() -> None:
    room = new_room()
    fold_one(room, closed(s=-500), at(3))
    assert room.terms["s1"].closed_at_ms == at(3)


# -- duplicates --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "event",
    [
        like(),
        comment(),
        cart(),
        enter(),
        leave(),
        click(),
        order("paid"),
        opened(),
        restocked(),
        extended(900),
        closed(),
    ],
)
def test_an_event_folded_twice_is_once(event: RoomEvent) -> None:
    once, twice = new_room(), new_room()
    assert fold_one(once, event, at(0)) is Outcome.APPLIED
    assert fold_one(twice, event, at(0)) is Outcome.APPLIED
    assert fold_one(twice, event, at(9)) is Outcome.DUPLICATE
    for name in ("likes", "comments", "cart_adds", "views", "orders_placed", "orders_paid", "money"):
        assert getattr(once, name) == getattr(twice, name)
    assert once.ids.new == twice.ids.new
    assert once.presence.sessions == twice.presence.sessions
    assert [ledger.restocked for ledger in once.ledgers.values()] == [
        ledger.restocked for ledger in twice.ledgers.values()
    ]


def test_a_remembered_id_is_a_duplicate_whatever_it_says() -> None:
    room = new_room()
    fold_at_own_time(room, like(event_id="e"))
    assert fold_one(room, order("paid", event_id="e"), at(0)) is Outcome.DUPLICATE
    assert room.orders == {}


def test_advancing_moves_every_window_of_a_room() -> None:
    room = new_room()
    fold_at_own_time(
        room,
        opened(),
        enter("a"),
        like("a"),
        cart("a"),
        click("a"),
        order("paid", user="a"),
        order("paid", "o2", currency="EUR"),
    )
    room.advance(at(59))
    assert all(audience.count(0).value for audience in room.audiences)
    assert all(tally.total(0) for tally in room.tallies())
    assert len(room.tallies()) == 6
    room.advance(at(60))
    assert not any(audience.count(0).value for audience in room.audiences)
    assert not any(tally.total(0) for tally in room.tallies())
    assert room.presence.open_sessions == 1
    room.advance(at(0) + room.rules.presence_timeout_ms)
    assert room.presence.open_sessions == 0
    assert (room.ledgers["s1", "k1"].recent, room.ledgers["s1", "k1"].bought) == ({}, {})


# -- people whom nobody knows ------------------------------------------------------------------------------------------
NOW = Rules(contract_edition=2)


@pytest.mark.parametrize("user", ["-", "0", "null"])
def test_guests_without_a_name_are_in_the_totals_and_in_no_count_of_people(user: str) -> None:
    room = new_room(NOW)
    fold_at_own_time(
        room, enter(user), like(user, 3), comment(user), cart(user), click(user), order("paid", user=user), leave(user)
    )
    assert (room.views, room.likes, room.comments, room.cart_adds, room.orders_paid) == (1, 3, 1, 1, 1)
    assert [audience.session.count() for audience in room.audiences] == [0] * len(room.audiences)
    assert room.presence.open_sessions == 0
    ledger = room.ledgers["s1", "k1"]
    assert (ledger.sold, ledger.users, ledger.carters.count(), room.feed[-1].who) == (1, {}, 0, "***")


def test_sessions_of_guests_are_told_apart_by_their_session_id() -> None:
    room = new_room(NOW)
    fold_at_own_time(room, enter("-", "x1"), enter("-", "x2"), enter("0"), enter("u1", "null"), leave("-", "x2"))
    assert room.presence.open_sessions == 2  # x1, and u1 whose session is none


def test_unpaid_orders_of_guests_make_no_suspect_and_reach_no_limit() -> None:
    for rules, suspects, over in ((NOW, 0, 0), (Rules(contract_edition=1), 10, 9)):
        room = new_room(rules)
        fold_at_own_time(room, opened(100, limit=1), *(order("placed", f"o{n}", user="0") for n in range(10)))
        ledger = room.ledgers["s1", "k1"]
        assert (ledger.held, ledger.suspect_held, ledger.over_limit) == (10, suspects, over)
        expire_hold(room, "o1", room.orders["o1"].hold_until_ms)
        assert room.ledgers["s1", "k1"].held == 9
