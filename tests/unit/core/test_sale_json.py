"""How long what was made of a ledger holds. That the bytes are right: `tests/property/test_documents.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from stream.core.rules import Rules
from stream.core.sale import move_urgencies
from stream.core.sale_json import AS_OF, ENDS_IN, VALID_UNTIL, VALUES, JsonTemplate, SaleJson
from stream.core.time import NEVER_MS
from tests.support.events import at, cart, closed, fold_at_own_time, new_room, opened, order

if TYPE_CHECKING:
    from stream.core.ledger import Ledger
    from stream.core.room import Room

SECOND = Rules(signals_edition=2, contract_edition=2)
COUNTDOWN_S = Rules().ends_in_max_ms / 1_000


class Sale(NamedTuple):
    room: Room
    ledger: Ledger
    shown: SaleJson

    def until_ms(self) -> int:
        return self.shown.until_ms(self.room, self.ledger)


def shown_at(s: float, *, starts_s: float = 0, ends_s: float | None = 600, closed_s: float | None = None) -> Sale:
    """A sale without orders, of which the level is remembered."""
    room = new_room()
    fold_at_own_time(room, opened(starts_s=starts_s, ends_s=ends_s))
    if closed_s is not None:
        fold_at_own_time(room, closed(s=closed_s))
    move_urgencies(room, at(s) // 1_000 * 1_000 - 1_000)
    return shown_in(room, s)


def shown_in(room: Room, s: float) -> Sale:
    ledger = room.ledgers["s1", "k1"]
    return Sale(room, ledger, SaleJson(room, ledger, at(s)))


def values() -> list[bytes]:
    return [b"%d" % place for place in range(VALUES)]


# -- text with gaps ----------------------------------------------------------------------------------------------------
def test_gaps_are_filled_in_their_order_and_percent_signs_stay() -> None:
    text = JsonTemplate(b'{"name":"100% silk, %s","as_of":\0,"until":\0,"again":\0}', (AS_OF, VALID_UNTIL, AS_OF))
    assert text.filled(values()) == b'{"name":"100%% silk, %%s","as_of":%d,"until":%d,"again":%d}' % (
        AS_OF,
        VALID_UNTIL,
        AS_OF,
    )


def test_text_without_gaps_is_what_it_is() -> None:
    assert JsonTemplate(b'{"name":"100% silk"}', ()).filled(values()) == b'{"name":"100% silk"}'


def test_one_gap_takes_one_value() -> None:
    assert JsonTemplate(b"[\0]", (ENDS_IN,)).filled(values()) == b"[%d]" % ENDS_IN


# -- how long it holds -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("s", "ends_s", "changes_s"),
    [
        (5, 600, 10),  # it opens
        (15, COUNTDOWN_S + 100, 100),  # from here on its countdown is told
        (300, 600, 600),  # it ends
    ],
)
def test_it_holds_until_the_clock_alone_changes_it(s: float, ends_s: float, changes_s: float) -> None:
    assert shown_at(s, starts_s=10, ends_s=ends_s).until_ms() == at(changes_s)


def test_a_sale_that_is_over_is_shown_for_ever() -> None:
    assert shown_at(700).until_ms() == NEVER_MS


def test_what_was_bought_moves_with_the_second() -> None:
    room = new_room()
    fold_at_own_time(room, opened(), order(s=3), order("paid", s=3))
    move_urgencies(room, at(3))
    assert shown_in(room, 4.2).until_ms() == at(4.999)


def test_what_was_bought_leaves_its_window_in_hops_of_ten_seconds() -> None:
    room = new_room()
    fold_at_own_time(room, opened(), order(s=3), order("paid", s=3))
    room.ledgers["s1", "k1"].forget_recent(at(104) // 1_000, room.rules.bought_window_ms)
    move_urgencies(room, at(103))
    assert shown_in(room, 104).until_ms() == (at(104) // 10_000 + 1) * 10_000


def test_what_has_left_every_window_by_the_first_look_does_not_make_it_hold_longer() -> None:
    room = new_room()
    fold_at_own_time(room, opened(), order(s=3), order("paid", s=3))
    move_urgencies(room, at(3))
    sale = shown_in(room, 4.2)
    assert sale.shown.sale.velocity.units > 0
    sale.ledger.forget_recent(at(1_000) // 1_000, room.rules.bought_window_ms)
    assert not sale.ledger.recent
    assert not sale.shown.fill(room, sale.ledger, at(1_000), values())
    assert sale.until_ms() == at(4.999)


def test_what_came_back_leaves_the_velocity_though_nothing_was_taken_in_this_session() -> None:
    """A hold of the session before has run out: under the second edition `taken` is empty, and `recent` is not."""
    room = new_room(rules=SECOND)
    fold_at_own_time(room, opened())
    room.ledgers["s1", "k1"].move("u1", -1, 0, at(3) // 1_000, suspect=False)
    move_urgencies(room, at(3))
    sale = shown_in(room, 4.2)
    assert (sale.ledger.taken, sale.shown.sale.velocity.units) == ({}, -1)
    assert sale.until_ms() == at(4.999)


def test_a_cart_that_was_counted_makes_it_hold_no_longer_when_others_have_looked_at_the_carts_since() -> None:
    room = new_room(rules=SECOND)
    fold_at_own_time(room, opened(ends_s=None), cart(s=3))
    move_urgencies(room, at(200))
    sale = shown_in(room, 200)
    assert (sale.shown.sale.carters_without_order.value, sale.ledger.carts is None) == (1, False)
    if sale.ledger.carts is not None:
        sale.ledger.carts.advance(at(1_900))
    too_old_ms = at(3) // 1_000 * 1_000 + room.rules.cart_max_age_ms
    assert sale.until_ms() == too_old_ms
    assert not sale.shown.fill(room, sale.ledger, at(1_900), values())


def test_a_level_that_nobody_remembers_is_not_kept() -> None:
    room = new_room()
    fold_at_own_time(room, opened())
    assert shown_in(room, 5).until_ms() == at(5) + 1


def test_what_does_not_hold_any_more_is_not_filled_and_the_rest_moves_with_the_clock() -> None:
    room, ledger, shown = shown_at(300)
    found = values()
    assert shown.fill(room, ledger, at(301), found)
    assert found[ENDS_IN] == b"299000"
    assert found[VALID_UNTIL] == b"%d" % (at(301) + room.rules.claim_valid_ms)
    assert not shown.fill(room, ledger, at(600), found)
