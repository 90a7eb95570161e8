"""A small run of `python -m bench.brushing`: each kind of attack in a tenth of a show, and that show without any."""

from __future__ import annotations

from random import Random

import pytest

from bench.brushing import T0_MS, Score, attack_table, attacked, honest, measured, quiet_table
from bench.brushing_attacks import DEVELOPMENT, Fakes, Target
from bench.brushing_held_out import HELD_OUT

TARGET = Target("brushing", "serum-drop", "sku-303", 10_000, 220_000, "CNY", 210)


@pytest.mark.parametrize("kind", [*DEVELOPMENT, *HELD_OUT])
def test_fakes_are_found_and_no_honest_order_is_taken_for_one(kind: str) -> None:
    fakes = Fakes(TARGET, Random(kind))
    (DEVELOPMENT | HELD_OUT)[kind](fakes)
    score = measured(attacked(honest("brushing", 1, 0.1), TARGET, fakes), fakes.order_ids, T0_MS)
    assert score.fakes == len(fakes.order_ids) > 10
    assert score.found == score.suspected
    assert score.found > 0.75 * score.fakes
    assert score.fake_units >= score.found_units > 0


def test_an_honest_show_raises_no_alarm() -> None:
    score = measured(honest("brushing", 1, 0.1), set(), T0_MS)
    assert (score.orders, score.suspected, score.alarm_s, score.alarm_rooms) == (210, 0, 0, 0)


def test_tables_have_a_row_for_each() -> None:
    score = Score(shows=2, fakes=8, suspected=5, found=4, fake_units=10, suspected_units=5, found_units=5)
    assert attack_table({"kind": score})[-1] == "| `kind` | 2 | 8 | 5 | 0.800 | 0.500 | 1.000 | 0.500 |"
    assert quiet_table({"`snap-up`": Score(orders=9, rooms=1)})[-1] == "| `snap-up` | 9 | 0 | 1 | 0 |"
