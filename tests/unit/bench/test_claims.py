"""A small run of `make claims`: every claim of two scenarios, recomputed."""

from __future__ import annotations

from bench.claims import cases, measured
from stream.commands.claims_view import tally_lines
from stream.shows import SCENARIOS
from stream.verify.claim_check import RIGHT, WRONG, Tally


def test_every_claim_of_two_small_shows_is_right() -> None:
    total = Tally()
    for case in cases(small=True):
        _, tally, _ = measured(case)
        assert tally.of(RIGHT) > 500
        total.merge(tally)
    assert total.told == []
    assert total.of(WRONG) == 0
    *_, last = tally_lines(total)
    assert last.startswith("| all | in ")
    assert last.endswith("| 0 | 0 |")


def test_every_scenario_is_among_what_is_checked() -> None:
    assert {case.name for case in cases(small=False) if case.path is None} == {*SCENARIOS}
