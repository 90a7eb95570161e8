"""The machine that the mechanics of a room run in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from stream.core.rules import Rules
from tests.support.candles import RULES, CandleFold, Candles, candle, new_log, section, snuff
from tests.support.events import at, like, order, room_opened
from tests.support.rooms import INTERACTIONS

if TYPE_CHECKING:
    import pytest

    from tests.support.events import Log


def document(log: Log) -> dict[str, Any]:
    (published,) = log.fold.publish(None, 1, everything=True)
    found: dict[str, Any] = msgspec.json.decode(published.document)
    return found


def test_a_room_without_mechanics_has_none() -> None:
    log = new_log()
    log.add(like())
    assert log.fold.rooms["r1"].engaged is None
    assert "candles" not in document(log)


def test_events_reach_their_mechanic() -> None:
    log = new_log()
    log.add(candle("red"), candle("blue", 20), snuff("red"))
    assert section(log) == Candles(1, 0, 1, 20)
    assert document(log)["candles"] == {"burning": 1, "burnt": 0, "away": 1, "left_s": 20}
    assert log.fold.counters.applied[INTERACTIONS] == 3


def test_what_says_nothing_new_is_a_duplicate_one_at_a_time_and_in_a_batch() -> None:
    for together in (False, True):
        log = new_log()
        events = [candle(), candle(number=1), snuff("blue"), candle("blue"), candle("green"), candle("green")]
        if together:
            log.add_slice(*events)
        else:
            log.add(*events)
        assert log.fold.counters.applied[INTERACTIONS] == 3
        assert log.fold.counters.duplicate[INTERACTIONS] == 3
        assert section(log) == Candles(2, 0, 1, 60)


def test_a_batch_with_words_of_hosts_is_taken_in_its_order() -> None:
    log = new_log()
    log.add_slice(candle("red"), candle("blue"), room_opened("s1", s=1), candle("green", s=2), candle("white", s=2))
    assert log.fold.rooms["r1"].show_id == "s1"
    # The show began a new session, with candles of its own.
    assert section(log) == Candles(2, 0, 0, 62)


def test_time_comes_to_a_mechanic_at_its_moment_and_to_its_document() -> None:
    log = new_log()
    log.add(candle("red", 10), candle("blue", 20))
    log.fold.cut(1)
    log.tick(9.999)
    assert document(log)["candles"] == {"burning": 2, "burnt": 0, "away": 0, "left_s": 11}
    assert log.fold.cut(1).signals == []
    log.tick(10)
    assert document(log)["candles"] == {"burning": 1, "burnt": 1, "away": 0, "left_s": 10}
    assert len(log.fold.cut(1).signals) == 1  # the room changed by itself
    log.tick(3_600)
    assert section(log) == Candles(0, 2, 0, 0)


def test_a_moment_that_has_moved_is_not_the_mechanics_any_more() -> None:
    log = new_log()
    log.add(candle("red", 10), candle("red", 30, s=1))
    log.fold.cut(1)
    log.tick(10)
    assert log.fold.cut(1).signals == []
    log.tick(31)
    assert section(log) == Candles(0, 1, 0, 0)
    assert len(log.fold.cut(1).signals) == 1


def test_what_is_over_when_it_is_folded_is_over_at_once() -> None:
    log = new_log()
    log.tick(100)
    log.add(candle("red", 10, s=1), append_s=30)
    assert section(log) == Candles(0, 1, 0, 0)


def test_a_section_is_made_once_while_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    plain = CandleFold.section

    def counted(self: CandleFold, as_of_ms: int) -> Candles | None:
        made.append(as_of_ms)
        return plain(self, as_of_ms)

    monkeypatch.setattr(CandleFold, "section", counted)
    log = new_log()
    log.add(candle("red", 10))
    for s in (0.1, 0.2, 0.9, 0.999):
        log.tick(s)
        assert document(log)["candles"]["left_s"] == 10
    assert made == [at(0.1)]
    log.tick(1)
    assert document(log)["candles"]["left_s"] == 9
    log.add(like(s=1))
    document(log)
    assert made == [at(0.1), at(1)]
    log.add(candle("blue", 20, s=1))
    assert document(log)["candles"]["left_s"] == 20


def test_a_mechanic_that_shows_nothing_has_no_section() -> None:
    log = new_log(Rules(remember_sales_ms=9_000_000, mechanics={"candles": {"candles_max": 0}}))
    log.add(candle())
    assert log.fold.shared.mechanics_beyond == {("candles", "candles_max"): 1}
    assert "candles" not in document(log)
    assert section(log) is None


def test_the_last_document_of_a_session_has_its_sections() -> None:
    log = new_log()
    log.add(candle("red", 10))
    log.tick(10_000_000)
    (last,) = log.fold.publish(None, 1)
    assert msgspec.json.decode(last.document)["candles"] == {"burning": 0, "burnt": 1, "away": 0, "left_s": 0}


def test_a_mechanic_sees_its_room_and_the_clock() -> None:
    log = new_log()
    log.add(candle(), order("paid", order_id="o1"))
    engaged = log.fold.rooms["r1"].engaged
    assert engaged is not None
    scope = engaged.parts["candles"].mechanic.scope
    assert (scope.room_id, scope.rules, scope.clock_ms) == ("r1", RULES, at(0))
    assert scope.limit("candles_max") == 50
    found = scope.order("o1")
    assert found is not None
    assert found.order_id == "o1"
    assert scope.order("o2") is None
