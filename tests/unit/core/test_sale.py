from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from msgspec.structs import replace

from stream.contract.overlay import Restock
from stream.core.forecast import Forecast
from stream.core.rules import Rules
from stream.core.sale import awake_ms, forecast_at, level_now, move_urgencies, next_status_ms, read_sale
from stream.core.saved.growth import VERSION_1, VERSION_2
from tests.support.events import Log, at, closed, extended, fold_at_own_time, new_room, opened, order, restocked
from tests.support.rooms import restarted

if TYPE_CHECKING:
    from stream.contract.events import RoomEvent
    from stream.contract.overlay import Sale
    from stream.core.room import Room
    from stream.core.urgency import UrgencyState


SECOND = Rules(contract_edition=2)


def test_what_is_only_held_has_a_level_of_its_own_until_it_is_paid_or_comes_back() -> None:
    room = new_room(Rules(signals_edition=2, hold_ms=30_000))
    fold_at_own_time(room, opened(2, ends_s=None), order("placed", "o1", "a", s=1), order("placed", "o2", "b", s=1))
    assert level_now(room, room.ledgers["s1", "k1"], read_sale(room, room.ledgers["s1", "k1"], at(2)), at(2)).level == (
        "all_taken"
    )
    fold_at_own_time(room, order("paid", "o1", "a", s=3), order("paid", "o2", "b", s=4))
    ledger = room.ledgers["s1", "k1"]
    assert level_now(room, ledger, read_sale(room, ledger, at(5)), at(5)).level == "sold_out"


@pytest.mark.parametrize("second_of_order", [12, 13, 14])
def test_a_forecast_is_kept_for_its_second_unless_an_order_is_of_one_before_it(second_of_order: int) -> None:
    rules = Rules(signals_edition=2)
    room = new_room(rules)
    fold_at_own_time(
        room, opened(46), *(order("paid", f"o{number}", f"u{number}", 2, s=number) for number in range(13))
    )
    ledger = room.ledgers["s1", "k1"]
    made = forecast_at(ledger, at(13.1), rules)
    assert isinstance(made, Forecast)
    fold_at_own_time(room, order("placed", "later", "somebody", 3, s=second_of_order))
    again = forecast_at(ledger, at(13.9), rules)
    assert (again is made) == (second_of_order >= 13)
    ledger.forecast = None
    assert again == forecast_at(ledger, at(13.9), rules)


# -- what a page says of prices and of a restock ---------------------------------------------------------------------
FIRST_EDITION, SECOND_EDITION = Rules(signals_edition=1), Rules(signals_edition=2, contract_edition=2)


def sale_after(rules: Rules, *events: RoomEvent) -> Sale:
    log = Log(rules)
    log.add(*events)
    log.tick(90)
    (sale,) = log.overlay().sales
    return sale


def test_a_document_has_the_prior_price_of_the_opening_in_force_and_no_other() -> None:
    priced = replace(opened(s=1), price_minor=19_900, list_price_minor=39_900, prior_price_minor=24_900, currency="CNY")
    sale = sale_after(SECOND_EDITION, priced)
    assert (sale.price_minor, sale.prior_price_minor, sale.currency) == (19_900, 24_900, "CNY")
    assert sale_after(FIRST_EDITION, priced).prior_price_minor is None
    assert sale_after(SECOND_EDITION, priced, replace(opened(s=2), list_price_minor=39_900)).prior_price_minor is None
    assert b"prior_price_minor" not in msgspec.json.encode(sale_after(SECOND_EDITION, opened()))


def test_a_prior_price_is_saved_and_an_older_worker_is_told() -> None:
    log, saved = Log(SECOND_EDITION), dict[bytes, bytes | None]()
    log.add(opened())
    assert log.fold.cut(1).version == VERSION_1
    log.add(replace(opened(s=2), prior_price_minor=24_900))
    again = restarted(log.fold, saved)
    ledger = again.rooms["r1"].ledgers["s1", "k1"]
    assert ledger.opened is not None
    assert ledger.opened.prior_price_minor == 24_900
    assert log.fold.cut(2).version == VERSION_2


def test_a_document_has_the_newest_restock_of_the_round_by_event_time() -> None:
    later, earlier = restocked(500, s=70), restocked(30, s=60)
    assert sale_after(SECOND_EDITION, opened(), later, earlier).last_restock == Restock(at(70), 500)
    assert sale_after(SECOND_EDITION, opened()).last_restock is None
    assert sale_after(FIRST_EDITION, opened(), later).last_restock is None
    second_round = opened(10, starts_s=80, s=80)
    assert sale_after(SECOND_EDITION, opened(), later, second_round).last_restock is None
    assert sale_after(SECOND_EDITION, opened(), second_round, restocked(5, s=85)).last_restock == Restock(at(85), 5)


# -- status ------------------------------------------------------------------------------------------------------------
def status(room: Room, s: float) -> tuple[str, int | None, bool]:
    return room.status_of(room.ledgers["s1", "k1"], at(s))


def test_a_sale_is_unknown_until_it_was_opened_whatever_else_was_said() -> None:
    room = new_room()
    fold_at_own_time(room, order(), extended(900), closed(s=1))
    assert status(room, 5) == ("unknown", None, False)


def test_a_sale_opens_at_its_start_and_ends_at_its_end() -> None:
    room = new_room()
    fold_at_own_time(room, opened(starts_s=10, ends_s=20))
    assert status(room, 9.999) == ("scheduled", at(20), False)
    assert status(room, 10) == ("open", at(20), False)
    assert status(room, 19.999) == ("open", at(20), False)
    assert status(room, 20) == ("ended", at(20), False)


def test_one_sku_of_a_sale_ends_and_is_extended_by_itself() -> None:
    room = new_room(SECOND)
    fold_at_own_time(
        room, opened(ends_s=20), opened(sku="k2", ends_s=20), closed(sku="k2", s=5), extended(30, sku="k1")
    )
    other = room.ledgers["s1", "k2"]
    assert status(room, 25) == ("open", at(30), True)
    assert room.status_of(other, at(4.999)) == ("open", at(20), False)
    assert room.status_of(other, at(5)) == ("ended", at(5), False)


@pytest.mark.parametrize("whole_s", [3, 8])
def test_what_was_said_of_a_sale_and_of_one_sku_holds_together(whole_s: float) -> None:
    room = new_room(SECOND)
    fold_at_own_time(room, opened(ends_s=20), extended(30), extended(25, sku="k1"))
    assert status(room, 1) == ("open", at(30), True)
    fold_at_own_time(room, closed(sku="k1", s=5), closed(s=whole_s))
    assert status(room, 8) == ("ended", at(min(5, whole_s)), True)


def test_under_the_first_edition_a_close_is_of_the_whole_sale() -> None:
    room = new_room(Rules(contract_edition=1))
    fold_at_own_time(room, opened(ends_s=20), opened(sku="k2", ends_s=20), closed(sku="k2", s=5))
    assert status(room, 5) == ("ended", at(5), False)


def test_a_sale_without_an_end_stays_open_and_cannot_be_extended() -> None:
    room = new_room()
    fold_at_own_time(room, opened(ends_s=None), extended(900))
    assert status(room, 5_000) == ("open", None, False)


@pytest.mark.parametrize("first", ["the opening", "the extension"])
def test_an_extension_holds_in_whatever_order_it_was_said(first: str) -> None:
    room = new_room()
    events: list[RoomEvent] = [opened(ends_s=20), extended(40)]
    fold_at_own_time(room, *(events if first == "the opening" else events[::-1]))
    assert status(room, 20) == ("open", at(40), True)
    assert status(room, 40) == ("ended", at(40), True)


def test_an_extension_to_an_earlier_or_the_same_end_is_none() -> None:
    room = new_room()
    fold_at_own_time(room, opened(ends_s=20), extended(20))
    assert status(room, 0) == ("open", at(20), False)


def test_an_extension_revives_a_sale_that_had_ended() -> None:
    room = new_room()
    fold_at_own_time(room, opened(ends_s=20))
    assert status(room, 25)[0] == "ended"
    fold_at_own_time(room, extended(40, s=25))
    assert status(room, 25)[0] == "open"


@pytest.mark.parametrize("first", ["the opening", "the close"])
def test_a_close_ends_a_sale_in_whatever_order_it_was_said(first: str) -> None:
    room = new_room()
    events: list[RoomEvent] = [opened(ends_s=20), closed(s=15)]
    fold_at_own_time(room, *(events if first == "the opening" else events[::-1]))
    assert status(room, 14.999)[0] == "open"
    assert status(room, 15) == ("ended", at(15), False)
    fold_at_own_time(room, extended(40, s=16))
    assert status(room, 16) == ("ended", at(15), True)


def test_a_close_of_a_sale_that_had_ended_changes_nothing() -> None:
    room = new_room()
    fold_at_own_time(room, opened(ends_s=20), closed(s=25))
    assert status(room, 30) == ("ended", at(20), False)


def test_a_close_is_the_end_of_a_sale_that_had_none() -> None:
    room = new_room()
    fold_at_own_time(room, opened(ends_s=None), closed(s=15))
    assert status(room, 14.999) == ("open", None, False)
    assert status(room, 15) == ("ended", at(15), False)


def test_a_close_before_the_start_ends_it() -> None:
    room = new_room()
    fold_at_own_time(room, opened(starts_s=10, ends_s=20), closed(s=5))
    assert status(room, 6)[0] == "ended"


# -- urgency -----------------------------------------------------------------------------------------------------------
def shown(room: Room, s: float) -> UrgencyState:
    ledger = room.ledgers["s1", "k1"]
    room.advance(at(s))
    return level_now(room, ledger, read_sale(room, ledger, at(s)), at(s))


def test_the_level_that_stands_is_shown_until_the_next_whole_second() -> None:
    room = new_room()
    fold_at_own_time(room, opened(100_000))
    move_urgencies(room, at(0))
    fold_at_own_time(room, order("placed", units=40, s=1))
    assert shown(room, 1.9).level == "calm"
    assert move_urgencies(room, at(1))
    assert (shown(room, 2).level, shown(room, 2).since_ms) == ("snap_up", at(1))
    assert not move_urgencies(room, at(2))


def test_showing_a_level_moves_none() -> None:
    room = new_room()
    fold_at_own_time(room, opened(10))
    move_urgencies(room, at(0))
    fold_at_own_time(room, order("paid", units=10, s=1))
    assert shown(room, 1.5).level == "sold_out"
    assert room.urgencies["s1", "k1"].level == "calm"


def test_the_whole_second_counts_to_its_last_millisecond() -> None:
    room = new_room()
    fold_at_own_time(room, opened(100, ends_s=30.999))
    move_urgencies(room, at(30))
    assert room.urgencies["s1", "k1"].level == "ended"
    room = new_room()
    fold_at_own_time(room, opened(100, ends_s=31))
    move_urgencies(room, at(30))
    assert room.urgencies["s1", "k1"].level == "calm"


def test_levels_do_not_move_any_more_after_the_time_for_which_a_room_is_awake() -> None:
    rules = Rules()
    room = new_room(rules)
    fold_at_own_time(room, opened(60, ends_s=None))
    for second in range(20):
        fold_at_own_time(room, order("paid", f"o{second}", f"u{second}", units=2, s=second))
        move_urgencies(room, at(second))
    last_s = 19 + awake_ms(rules) // 1_000
    for second in range(20, last_s):
        move_urgencies(room, at(second))
    assert not any(move_urgencies(room, at(second)) for second in range(last_s, last_s + 2_000))


def test_the_next_change_of_status_is_a_start_an_end_an_extended_end_or_a_close() -> None:
    room = new_room()
    assert next_status_ms(room, at(0)) is None
    fold_at_own_time(room, opened(starts_s=10, ends_s=20), extended(30), closed(s=40))
    moments, after_ms = [], at(0)
    while (moment := next_status_ms(room, after_ms)) is not None:
        moments.append((moment - at(0)) // 1_000)
        after_ms = moment
    assert moments == [10, 20, 30, 40]
