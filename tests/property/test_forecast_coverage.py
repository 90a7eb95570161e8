"""Case D1: of the documents of shows nine in ten forecasts hold the truth, and after a restock too; else silence.

`bench.forecast` counts many shows; here some sales go through the worker's own fold, and more are played second by
second, which is the same (a test below) and quick. Bounds are wider here: a sale is one draw and not hundreds.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from msgspec import structs

from bench.forecast import SAID, T0_MS, judged, looks_of, records_of, records_of_sale
from bench.forecast_fit import LEAST_WAIT_S, QUANTILES, SEEDS, fitted, regression, row_of, seconds_of
from bench.selling import BURST_SEEDS, HOLD_S, KINDS, OPENS_MS, Move, Sale, decaying, sale_of, steady
from stream.commands.replay_claims import check_recording
from stream.core.forecast import HIGH, LOW, MEMORY_S, Forecast, forecast
from stream.settings import load_settings
from stream.verify.claim_check import NOT_RECOUNTED, RIGHT, WRONG
from stream.verify.forecast_second import SECONDS_KEPT

if TYPE_CHECKING:
    from collections.abc import Iterable

FAMILIES = ("steady", "tapering", "holds", "restocked", "rival", "cut_short", "waves", "door")
DRAWS = range(40, 43)
RUSHES = range(42, 45)


def inside(found: Counter[str]) -> float:
    return found["inside"] / sum(found[each] for each in SAID)


def documents(edition: int) -> Counter[str]:
    """Of rushes that taper to the last unit, as the flagship show's does."""
    found = Counter[str]()
    for seed in RUSHES:
        (looks,) = looks_of(records_of_sale("tapering", seed), edition).values()
        found += Counter(each.verdict for each in judged(looks, [look.eta for look in looks]))
    return found


def test_in_documents_of_a_rush_the_interval_holds_the_truth_and_it_is_not_silent() -> None:
    found = documents(2)
    assert inside(found) >= 0.85, found
    assert sum(found[each] for each in SAID) >= 40, found


def test_under_the_first_edition_it_does_not() -> None:
    found = documents(1)
    assert inside(found) <= 0.70, found


def counted(
    kinds: Iterable[str], seeds: Iterable[int], narrower: float = 1.0, *, precedents: bool = True
) -> Counter[str]:
    """Of each second in which it is forecast, whether its interval holds the truth."""
    found = Counter[str]()
    for kind in kinds:
        for seed in seeds:
            for seen in seconds_of(sale_of(kind, seed)):
                made = forecast(seen.available, seen.taken, seen.returned, 0, seen.past if precedents else ())
                if row_of(seen) is None or not isinstance(made, Forecast):
                    continue
                wait_ms = max(LEAST_WAIT_S, seen.wait_s or 1e9) * 1_000
                middle = (made.low_ms * made.high_ms) ** 0.5
                if wait_ms < middle * (made.low_ms / middle) ** narrower:
                    found["late"] += 1
                else:
                    found["early" if wait_ms > middle * (made.high_ms / middle) ** narrower else "inside"] += 1
    return found


def test_it_holds_in_draws_that_nothing_was_set_on() -> None:
    found = counted(FAMILIES, DRAWS)
    assert not set(DRAWS) & set(SEEDS)
    assert sum(found.values()) > 700
    assert inside(found) >= 0.85, found


def test_intervals_half_as_wide_would_not_hold() -> None:
    """So the draws are such that the test above can fail."""
    found = counted(FAMILIES[:4], DRAWS[:3], narrower=0.4)
    assert inside(found) < 0.85, found


@pytest.mark.parametrize("kind", ["rush_restocked", "tapering", "short_bursts"])
def test_second_by_second_is_what_documents_say(kind: str) -> None:
    """What the constants are set on is what a worker publishes."""
    (looks,) = looks_of(records_of_sale(kind, 40), 2).values()
    said = {look.as_of_ms - T0_MS: look.eta for look in looks if look.eta}
    alike = differing = 0
    for seen in seconds_of(sale_of(kind, 40)):
        made = forecast(seen.available, seen.taken, seen.returned, 0, seen.past)
        if isinstance(made, Forecast) and row_of(seen):
            known = said.get(seen.second * 1_000)
            alike += known == (made.low_ms, made.high_ms)
            differing += known is not None and known != (made.low_ms, made.high_ms)
    assert alike > 10
    assert differing <= alike // 10


@pytest.mark.parametrize(("kind", "seed"), [("restocked", 42), ("rush_restocked", 3)])
def test_after_a_restock_nothing_is_said_before_a_whole_memory_was_seen(kind: str, seed: int) -> None:
    """Under the first edition there was; and half of it was wrong."""
    for edition, speaks in ((1, True), (2, False)):
        (looks,) = looks_of(records_of_sale(kind, seed), edition).values()
        first = next(look for look in looks if look.restocked)
        early = [look for look in looks if look.restocked and look.as_of_ms < first.as_of_ms + MEMORY_S * 1_000]
        assert len(early) > 10
        assert any(look.eta for look in early) == speaks
        assert any(look.eta for look in looks if not look.restocked)


def test_two_minutes_after_a_restock_it_is_foreseen_again() -> None:
    """Two a second, restocked after a minute, sold out after four minutes more."""
    moves = [Move(OPENS_MS + 500 * number, "placed", 1, number) for number in range(600)]
    moves += [Move(each.at_ms + 200, "paid", 1, each.order) for each in moves]
    moves.append(Move(OPENS_MS + 60_000, "restocked", 400, -1))
    (looks,) = looks_of(records_of(Sale(200, sorted(moves))), 2).values()
    restocked_ms = next(look.as_of_ms for look in looks if look.restocked)
    spoken = [look.as_of_ms - restocked_ms for look in looks if look.restocked and look.eta]
    assert len(spoken) > 60
    assert MEMORY_S * 1_000 - 2_000 <= spoken[0] <= MEMORY_S * 1_000 + 2_000
    assert [each.verdict for each in judged(looks, [look.eta for look in looks])].count("inside") >= 60


def test_between_two_waves_the_second_is_rarely_missed() -> None:
    """A pace that was just missed with most of the way ahead is no pace to go by: one late miss in seven before."""
    found = counted(("two_waves",), range(20))
    assert sum(found.values()) > 200
    assert found["late"] <= 0.1 * sum(found.values()), found


def test_a_sale_that_sells_in_bursts_is_not_foreseen_by_its_bursts_alone() -> None:
    """Without a look at how long as many units took before, three of five were missed, all too early."""
    kinds, seeds = ("bursts", "short_bursts"), range(BURST_SEEDS, BURST_SEEDS + 4)
    found = counted(kinds, seeds)
    assert sum(found.values()) > 300
    assert inside(found) >= 0.8, found
    found = counted(kinds, seeds, precedents=False)
    assert inside(found) < 0.6, found
    assert found["early"] > 10 * found["late"]


@pytest.mark.parametrize(("kind", "seed"), [("two_waves", 1), ("rush_restocked", 3), ("slow", 2), ("bursts", 101)])
def test_what_is_said_and_withheld_of_sales_follows_from_their_logs(kind: str, seed: int) -> None:
    rules = structs.replace(load_settings().rules(), hold_ms=HOLD_S * 1_000, room_idle_ms=10**9)
    records = [
        structs.replace(each, offset=offset, partition=0) for offset, each in enumerate(records_of_sale(kind, seed))
    ]
    tally = check_recording(records, rules, "live", every_ms=1_370)
    assert tally.told == []
    assert tally.of(WRONG) == 0
    assert tally.of(NOT_RECOUNTED) == 0
    assert tally.of(RIGHT) > 100


# -- where the constants come from -------------------------------------------------------------------------------------
def test_a_regression_without_features_is_the_quantile() -> None:
    y = np.random.default_rng(7).exponential(1.0, 4_000)
    for quantile in QUANTILES:
        (found,) = regression(np.ones((len(y), 1)), y, np.ones(len(y)), quantile)
        assert abs(found - np.quantile(y, quantile)) < 0.03


def test_a_fit_is_the_same_each_time_and_has_a_weight_for_each_feature() -> None:
    low, high = fitted([1_000], (steady, decaying))
    assert (low, high) == fitted([1_000], (steady, decaying))
    assert len(low) == len(high) == len(LOW) == len(HIGH)


def test_every_kind_sells() -> None:
    assert len(KINDS) == 27
    assert SECONDS_KEPT == 120
