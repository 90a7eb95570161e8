"""Case D1: of the documents of shows nine in ten forecasts hold the truth, and after a restock too; else silence.

A few shows of `bench.forecast`, which counts many; here the bounds are wider, for a show is one draw and not hundreds.
"""

from __future__ import annotations

from collections import Counter

import pytest

from bench.forecast import SAID, Task, count, looks_of, records_of_sale
from bench.selling import KINDS
from stream.verify.forecast_second import SECONDS_KEPT

FAMILIES = ("steady", "tapering", "holds", "restocked", "rival", "cut_short")
SEEDS = (40, 41)


def inside(found: Counter[str]) -> float:
    return found["inside"] / sum(found[each] for each in SAID)


@pytest.fixture(scope="module")
def flagship() -> dict[str, Counter[str]]:
    return {way: counted.verdicts for way, counted in count(Task("scenarios", "snap-up", 2)).items()}


def test_on_the_flagship_show_the_interval_holds_the_truth(flagship: dict[str, Counter[str]]) -> None:
    assert inside(flagship["now"]) >= 0.85, flagship["now"]
    assert sum(flagship["now"][each] for each in SAID) > 40


def test_under_the_first_edition_it_does_not(flagship: dict[str, Counter[str]]) -> None:
    assert inside(flagship["before"]) <= 0.40, flagship["before"]


def test_it_holds_in_draws_that_nothing_was_set_on() -> None:
    found = Counter[str]()
    for kind in FAMILIES:
        for seed in SEEDS:
            found += count(Task("kept aside", kind, seed))["now"].verdicts
    assert sum(found[each] for each in SAID) > 1_000
    assert inside(found) >= 0.85, found


def test_a_restock_begins_a_new_memory() -> None:
    """Nothing is said before ten seconds of the new stock have been seen."""
    (looks,) = looks_of(records_of_sale("restocked", 40), 2).values()
    first = next(look for look in looks if look.restocked)
    early = [look for look in looks if look.restocked and look.as_of_ms < first.as_of_ms + 9_000]
    assert early
    assert not any(look.eta for look in early)


def test_every_kind_sells() -> None:
    assert len(KINDS) == 15
    assert SECONDS_KEPT == 120
