"""The forecast of a sell-out, worked out a second time from the published formula.

It shares nothing with the publishing code. Plain arithmetic on the units of whole seconds, not tuned for speed.
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil, exp, log, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SECOND_MS = 1_000
SECONDS_SEEN = 30
# Least units, seconds and independent arrivals; and the furthest look ahead, in observed spans.
LEAST_UNITS, LEAST_SECONDS, LEAST_ARRIVALS, FURTHEST = 12, 4, 8, 10
# The memory holds this many independent arrivals, and this many seconds beyond them.
MEMORY_ARRIVALS, MEMORY_SECONDS = 20, 4
# Growth continues for a tenth of the memory, decline for a quarter. Growth is shrunk by a prior of this variance.
GROWTH_GOES_ON, DECLINE_GOES_ON, GROWTH_PRIOR = 0.1, 0.25, 9.0
POSITION_LIMIT, FLAT = 0.95, 1e-6
DRIFT, DRIFT_OF_WAIT = 0.01, 0.03
STUDENT = 4.0
DEVIATIONS_BELOW, DEVIATIONS_ABOVE = 1.4, 1.8


def sellout_1(left: int, seconds: Sequence[int], last_ms: int) -> tuple[int, int] | None:
    """The interval in which the last unit goes, in ms from now; None: too little was seen.

    The formula of the first edition: a bursty Poisson process whose rate has a trend, log-normal wait.

    Args:
        left: available units.
        seconds: net units of each second since the sale began, at most 30, the present one last.
        last_ms: the elapsed part of the present second, in ms, 1 to 1 000.
    """
    seen = list(seconds)
    while seen and seen[0] == 0:
        seen.pop(0)
    units = sum(seen)
    if left <= 0 or units < LEAST_UNITS or len(seen) < LEAST_SECONDS:
        return None
    burst = dispersion(seen if last_ms == SECOND_MS else seen[:-1])
    if units < LEAST_ARRIVALS * burst:
        return None
    memory = ceil(max(left, MEMORY_ARRIVALS * burst) * len(seen) / units) + MEMORY_SECONDS
    seen = seen[-memory:]
    units = sum(seen)
    if units < LEAST_UNITS:
        return None
    return _interval(left, seen, units, burst, len(seen) - 1 + last_ms / SECOND_MS)


def dispersion(seconds: Sequence[int]) -> float:
    """Variance over mean of a second's units, from neighbouring seconds (von Neumann 1941); at least 1."""
    pairs = [*pairwise(seconds)]
    arrivals = sum(one + other for one, other in pairs)
    return 1.0 if arrivals <= 0 else max(1.0, sum((other - one) ** 2 for one, other in pairs) / arrivals)


def _interval(left: int, seen: Sequence[int], units: int, burst: float, span: float) -> tuple[int, int] | None:
    arrivals = units / burst
    # Mean age of a unit, in seconds from the first second's beginning: a unit counts in the middle of its second.
    middle = sum(count * (2 * place + 1) for place, count in enumerate(seen)) / units / span - 1
    middle = max(-POSITION_LIMIT, min(POSITION_LIMIT, middle))
    square = middle * middle
    # Cox & Lewis 1966 through the inverse Langevin function (Cohen 1991), and its error.
    steepness, error = middle * (3 - square) / (1 - square), (3 + square * square) / (1 - square) ** 2 / arrivals
    kept = GROWTH_PRIOR / (GROWTH_PRIOR + error)
    growth, doubt = kept * steepness * 2 / span, sqrt(kept * error) * 2 / span
    to_go = left + (burst - 1) / 2
    wait = _wait(to_go, units, span, growth)
    if wait > FURTHEST * span:
        return None
    # Abramowitz & Stegun 6.3.18 and 6.4.12, for the arrivals to come.
    few = 1 / max(1.0, to_go / burst)
    of_arrivals, sooner = few + few**2 / 2 + few**3 / 6, few / 2 + few**2 / 12
    of_trend = log(_wait(to_go, units, span, growth - doubt) / wait)
    variance = 1 / arrivals + of_trend**2 + of_arrivals + DRIFT + DRIFT_OF_WAIT * wait / span
    deviation = sqrt(variance) * (1 + STUDENT / arrivals)
    center = log(wait) - sooner
    low, high = exp(center - DEVIATIONS_BELOW * deviation), exp(center + DEVIATIONS_ABOVE * deviation)
    return int(SECOND_MS * low), ceil(SECOND_MS * high)


def _wait(to_go: float, units: int, span: float, growth: float) -> float:
    """Seconds until `to_go` units have gone, at a rate that first changes by `growth` and then stays."""
    if abs(growth) < FLAT:
        return to_go * span / units
    rate = units * growth / (1 - exp(-growth * span))
    changing = span * (GROWTH_GOES_ON if growth > 0 else DECLINE_GOES_ON)
    meanwhile = rate * (exp(growth * changing) - 1) / growth
    if to_go <= meanwhile:
        return log(1 + growth * to_go / rate) / growth
    return changing + (to_go - meanwhile) / (rate * exp(growth * changing))
