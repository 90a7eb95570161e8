from __future__ import annotations

import pytest

from stream.core.rules import Rules
from stream.core.saved.entries import IdsEntry
from stream.core.saved.frames import CorruptCheckpointError
from stream.core.saved.generations import GENERATION_KEY, Generations

RULES = Rules(remember_ids_ms=60_000, remember_ids_max=20)


def begun(at_ms: int = 1_000) -> Generations:
    generations = Generations(RULES)
    generations.ids = 1
    generations.turn_by_number(at_ms)
    return generations


def test_a_generation_lasts_for_half_the_time_from_the_first_event() -> None:
    generations = begun(1_000)
    generations.turn_by_time(30_999)
    assert generations.present == 0
    generations.turn_by_time(31_000)
    assert (generations.present, generations.ids) == (1, 0)


def test_before_the_first_event_nothing_turns() -> None:
    generations = Generations(RULES)
    generations.turn_by_number(5)
    generations.turn_by_time(10**12)
    assert generations.present == 0


def test_one_leap_of_the_clock_turns_as_many_steps_do() -> None:
    leap, steps = begun(), begun()
    for clock_ms in range(1_000, 500_001, 700):
        steps.turn_by_number(clock_ms)
        steps.turn_by_time(clock_ms)
    leap.turn_by_number(1_000)
    leap.turn_by_time(500_000)
    steps.turn_by_time(500_000)
    assert dict(leap.record()) == dict(steps.record())
    assert leap.present == 16


def test_beyond_half_the_number_the_next_move_of_the_clock_turns() -> None:
    generations = begun(1_000)
    generations.ids = 9
    generations.turn_by_number(2_000)
    assert generations.present == 0
    generations.ids = 10
    generations.turn_by_number(3_000)
    assert (generations.present, generations.ids) == (1, 0)
    generations.turn_by_time(32_999)
    assert generations.present == 1
    generations.turn_by_time(33_000)
    assert generations.present == 2


def test_it_goes_on_where_it_was_saved() -> None:
    generations = begun()
    generations.turn_by_time(40_000)
    generations.ids = 7
    ((key, value),) = generations.record()
    assert key == GENERATION_KEY
    assert list(generations.record()) == []
    again = Generations(RULES)
    again.load(value)
    again.restored([], 45_000)
    assert (again.present, again.ids) == (1, 7)
    assert list(again.record()) == []
    for each in (generations, again):
        each.turn_by_time(61_000)
    assert again.present == generations.present == 2


def test_a_checkpoint_without_its_record_goes_by_the_ids() -> None:
    generations = Generations(RULES)
    generations.load(None)
    generations.restored([IdsEntry("r", 0, 3, ["a"]), IdsEntry("r", 0, 4, ["b", "c"]), IdsEntry("q", 0, 4, ["d"])], 900)
    assert (generations.present, generations.ids) == (4, 3)


def test_a_record_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(CorruptCheckpointError, match=r"g\|"):
        Generations(RULES).load(b"\x01nonsense")
