from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from stream.contract.overlay import SaleCorrection
from stream.core.rules import Rules
from stream.core.words import ENDLESS, WORDS_MAX, Word, close, extension, opening, told, with_word
from stream.verify.recount import Recount
from stream.verify.rulebook import assumptions_of_rules
from tests.support.events import Log, at, closed, extended, opened, order

if TYPE_CHECKING:
    from stream.contract.events import RoomEvent
    from stream.contract.overlay import Sale

SECOND = Rules(signals_edition=2, contract_edition=2)
FIRST = Rules(signals_edition=1, contract_edition=2)


def sale_after(*events: RoomEvent, rules: Rules = SECOND, s: float = 60) -> Sale:
    log = Log(rules)
    log.add(*events, append_s=s)
    log.tick(s)
    (sale,) = log.overlay().sales
    return sale


def says(sale: Sale) -> list[tuple[str, int | None, int | None, int]]:
    return [(each.what, each.before, each.now, each.said_at_ms) for each in sale.corrections]


# -- case D6: a word can be taken back, visibly ---------------------------------------------------------------------
def test_an_extension_by_mistake_is_taken_back_by_a_newer_opening() -> None:
    events: list[RoomEvent] = [opened(ends_s=600), extended(1_200, s=10), opened(ends_s=600, s=20)]
    assert sale_after(*events, rules=FIRST).ends_at_ms == at(1_200)
    sale = sale_after(*events)
    assert (sale.ends_at_ms, sale.extended) == (at(600), False)
    assert says(sale) == [("ends_at_ms", at(1_200), at(600), at(20))]


def test_an_extension_is_taken_back_by_a_newer_one() -> None:
    sale = sale_after(opened(ends_s=600), extended(1_200, s=10), extended(900, sku="k1", s=20))
    assert (sale.ends_at_ms, sale.extended) == (at(900), True)
    assert says(sale) == [("ends_at_ms", at(1_200), at(900), at(20))]


@pytest.mark.parametrize("again", [opened(ends_s=600, s=20), extended(600, s=20)], ids=["opened", "extended"])
def test_a_close_is_taken_back(again: RoomEvent) -> None:
    events: list[RoomEvent] = [opened(ends_s=600), closed(s=10), again]
    assert sale_after(*events, rules=FIRST).status == "ended"
    sale = sale_after(*events)
    assert (sale.status, sale.ends_at_ms) == ("open", at(600))
    assert [(each[0], each[2], each[3]) for each in says(sale)] == [("closed_at_ms", None, at(20))]


def test_a_close_after_all_of_that_closes_it() -> None:
    sale = sale_after(opened(ends_s=600), closed(s=10), extended(600, s=20), closed(s=30), closed(s=40))
    assert sale.status == "ended"
    assert [each[0] for each in says(sale)] == ["closed_at_ms"]


def test_a_stock_level_that_is_set_down_is_a_correction() -> None:
    sale = sale_after(opened(100), order("paid", s=5), opened(40, s=10))
    assert (sale.offered, sale.available) == (40, 39)
    assert says(sale) == [("offered", 100, 40, at(10))]
    assert says(sale_after(opened(40), opened(100, s=10))) == []


def test_an_end_where_there_was_none_and_none_where_there_was_one() -> None:
    assert says(sale_after(opened(ends_s=None), opened(ends_s=600, s=9))) == [("ends_at_ms", None, at(600), at(9))]
    sale = sale_after(opened(ends_s=600), opened(ends_s=None, s=9))
    assert (sale.ends_at_ms, says(sale)) == (None, [])
    assert sale_after(opened(ends_s=None), extended(600, s=9)).ends_at_ms is None


def test_a_longer_sale_is_no_correction_and_a_document_without_one_says_nothing() -> None:
    sale = sale_after(opened(ends_s=600), extended(900, s=10))
    assert (sale.ends_at_ms, sale.extended, says(sale)) == (at(900), True, [])


def test_the_first_opening_takes_nothing_back() -> None:
    sale = sale_after(extended(900, s=1), opened(ends_s=600, s=2))
    assert (sale.ends_at_ms, says(sale)) == (at(900), [])


def test_a_correction_counts_in_any_order_of_arrival_and_over_a_restart() -> None:
    again = opened(50, ends_s=600, s=20)
    events: list[RoomEvent] = [opened(100, ends_s=600), extended(1_200, s=10), closed(s=15), again, closed("s2")]
    found = [sale_after(*arranged) for arranged in permutations(events)]
    assert all(sale.corrections == found[0].corrections for sale in found)
    assert {(sale.ends_at_ms, sale.status, sale.offered) for sale in found} == {(at(600), "open", 50)}
    assert [each.what for each in found[0].corrections] == ["closed_at_ms", "ends_at_ms", "offered"]


def test_the_last_three_are_shown_and_so_many_words_are_kept() -> None:
    events = [opened(1_000 - number, ends_s=600, s=number) for number in range(40)]
    sale = sale_after(opened(2_000, ends_s=600, s=-1), *events, s=50)
    assert says(sale) == [("offered", 1_001 - number, 1_000 - number, at(number)) for number in (37, 38, 39)]
    words: tuple[Word, ...] = ()
    for event in events:
        words = with_word(words, opening(event))
    assert words == tuple(opening(event) for event in events[-WORDS_MAX:])
    assert with_word(words, opening(events[-1])) is words


def test_a_checkpoint_that_holds_such_words_says_so() -> None:
    log = Log(SECOND)
    log.add(opened())
    assert log.fold.cut(1).version == 1
    log.add(extended(900, s=1))
    assert log.fold.cut(1).version == 2


# -- the words themselves -------------------------------------------------------------------------------------------
def test_nothing_said_is_no_end_and_no_close() -> None:
    assert told(()) == (ENDLESS, -1, ())


def test_words_count_by_event_time_then_by_id() -> None:
    first, second = extended(700, s=5, event_id="a"), extended(650, s=5, event_id="b")
    words = [opening(opened(ends_s=600)), extension(second), extension(first)]
    assert told(words).ends_at_ms == at(650)
    assert told(words).corrections == (SaleCorrection("ends_at_ms", at(700), at(650), at(5)),)


def test_of_two_closes_the_first_holds() -> None:
    words = [opening(opened()), close(closed(s=9), at(9)), close(closed(s=7), at(8))]
    assert told(words).closed_at_ms == at(8)


def test_words_that_find_no_place_among_the_newest_are_counted_by_worker_and_recount() -> None:
    """Each kind: openings of a SKU, words about it, words about the whole sale. A repetition is none."""
    events: list[RoomEvent] = [opened(100 + number, s=number) for number in range(WORDS_MAX + 3)]
    events += [extended(700 + number, sku="k1", s=100 + number) for number in range(WORDS_MAX + 2)]
    events += [extended(900, s=300), *(closed(s=200 + number) for number in range(WORDS_MAX))]
    for rules, dropped in ((SECOND, 3 + 2 + 1), (FIRST, 0)):
        log, recount = Log(rules), Recount(assumptions_of_rules(structs.asdict(rules)))
        for event in [*events, events[-1]]:
            topic, record = log.record(event, 400)
            log.fold.fold(topic, [record])
            recount.add("sales", record.value, record.key, record.timestamp)
        assert log.fold.shared.words_dropped == dropped
        assert (recount.words_beyond("r1"), recount.words_beyond("another")) == (dropped, 0)


def test_the_room_for_words_is_not_passed_by_its_last_one() -> None:
    log = Log(SECOND)
    log.add(*(opened(100 + number, s=number) for number in range(WORDS_MAX)), append_s=60)
    assert log.fold.shared.words_dropped == 0
