"""When the last unit of a sale goes: an interval that names its coverage, or nothing.

The units of the last seconds are read as a compound, possibly bursty, Poisson process whose rate may have a trend:

1. Dispersion `phi`: variance ÷ mean of a bucket; 1 for single units of a Poisson process, more for larger orders and
   for bursts. From squared differences of neighbouring buckets, so that a trend is not taken for noise (von Neumann
   1941). `n` units then weigh as much as `n / phi` independent arrivals.
2. Memory: as many of the last seconds as the wait that is forecast, but enough for `MEMORY_ARRIVALS`, so that a rush
   that is over is forgotten.
3. Growth `g`: maximum likelihood for a rate `exp(g·t)` (Cox & Lewis 1966, log-linear trend). It depends only on the
   mean position of the units in the window, through the inverse Langevin function (Padé form of Cohen 1991), and is
   shrunk towards none by its own error. The rate now is that curve's end. Growth carries on for `GROWTH_AHEAD` of the
   memory only, decline for `DECLINE_AHEAD`: what accelerates tapers.
4. Units to go: `available` and the mean overshoot `(phi − 1) / 2` of a renewal process on integers (Feller II, ch. XI).
5. The log of the wait is taken as normal. Its variance adds up: the rate's error `phi / n`; the trend's error, carried
   through the wait; the arrivals still to come, `ψ′(K / phi)`, the variance of the log of a gamma variable (Abramowitz
   & Stegun 6.4.12; its mean likewise, 6.3.18); and the drift of a rate that nobody can foresee, which grows with the
   wait. Widened for few arrivals as Student's t is (Cornish-Fisher).
6. The bounds are `LOW_Z` and `HIGH_Z` standard deviations off: a sale tapers more often than it doubles, so the upper
   one is further.

The constants of 2, 3, 5 and 6 were set on simulated drops of seven kinds; `tests/property/test_eta_coverage.py` counts
how often the truth lies inside, for other draws of those kinds and for recorded ones.
"""

from __future__ import annotations

from itertools import accumulate
from math import ceil, dist, exp, log, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

COVERAGE = 0.9

# Below these there is no forecast. Eight independent arrivals leave the rate uncertain by a factor of almost two.
MIN_UNITS = 12
MIN_BUCKETS = 4
MIN_ARRIVALS = 8.0
# Nothing is said further ahead than this many times the span that was seen.
MAX_AHEAD = 10.0

MEMORY_ARRIVALS = 20.0
MEMORY_MIN_BUCKETS = 4
GROWTH_AHEAD = 0.1
DECLINE_AHEAD = 0.25
# Variance of g × (half of the memory) before anything is seen: a factor of e³ over half the window happens.
GROWTH_PRIOR_SQUARED = 9.0
DRIFT_AT_ONCE = 0.01
DRIFT_PER_MEMORY = 0.03
# Student's t needs about 1; more, because the dispersion too came from those few, and order sizes have long tails.
FEW_ARRIVALS = 4.0
LOW_Z = 1.4
HIGH_Z = 1.8

# Mean position of the units in the window: −1 all in its first moment, 1 all in its last. Beyond, the Padé form fails.
_POSITION_MAX = 0.95
_NO_GROWTH = 1e-6


def eta_sellout(
    available: int, unit_buckets: Sequence[int], bucket_ms: int, *, last_bucket_ms: int | None = None
) -> tuple[int, int] | None:
    """Return the interval, in ms from now, in which the last unit goes with probability `COVERAGE`, if any.

    Args:
        available: units left.
        unit_buckets: net units committed in each of the last seconds (up to 30), the newest last; leading zeros are
            taken as "not begun yet".
        bucket_ms: width of a bucket.
        last_bucket_ms: how much of the newest bucket is over; None means all of it.
    """
    if available <= 0 or bucket_ms <= 0:
        return None
    part = 1.0 if last_bucket_ms is None else min(max(last_bucket_ms / bucket_ms, 0.0), 1.0)
    pace = pace_of(available, unit_buckets, whole=part == 1.0)
    return None if pace is None else pace.sellout(part, bucket_ms)


def pace_of(available: int, unit_buckets: Sequence[int], *, whole: bool) -> Pace | None:
    """Steps 1 and 2: what was seen, or None when it is too little. `whole`: the newest bucket is over."""
    buckets = unit_buckets if unit_buckets and unit_buckets[0] else _from_first_unit(unit_buckets)
    units = sum(buckets)
    if units < MIN_UNITS or len(buckets) < MIN_BUCKETS:
        return None
    phi = _dispersion(buckets, units) if whole else _dispersion(buckets[:-1], units - buckets[-1])
    if units < MIN_ARRIVALS * phi:
        return None
    memory = ceil(max(available, MEMORY_ARRIVALS * phi) * len(buckets) / units) + MEMORY_MIN_BUCKETS
    if memory < len(buckets):
        buckets = buckets[-memory:]
        units = sum(buckets)
        if units < MIN_UNITS:
            return None
    return Pace(available, buckets, units, phi)


class Pace:
    """What was seen in the seconds of the memory, in buckets; the same for as long as nothing is bought or released."""

    __slots__ = ("_ahead", "_arrivals", "_later", "_length", "_middle", "_to_go", "_units", "_widen")

    def __init__(self, available: int, buckets: Sequence[int], units: int, phi: float) -> None:
        self._units = units
        self._arrivals = units / phi
        self._length = len(buckets)
        # The sum of the running sums counts each unit once for every bucket from its own to the last.
        self._middle = 2 * (len(buckets) + 0.5 - sum(accumulate(buckets)) / units)
        self._to_go = available + (phi - 1) / 2
        inverse = 1 / max(1.0, self._to_go / phi)
        self._ahead = inverse * (1 + inverse * (0.5 + inverse / 6))
        self._later = inverse * (0.5 + inverse / 12)
        self._widen = 1 + FEW_ARRIVALS / self._arrivals

    def sellout(self, part: float, bucket_ms: int) -> tuple[int, int] | None:
        """Steps 3 to 6, in ms; `part`: how much of the newest bucket is over."""
        arrivals, to_go, units = self._arrivals, self._to_go, self._units
        span = self._length - 1 + part
        position = self._middle / span - 1
        square = min(position * position, _POSITION_MAX * _POSITION_MAX)
        position = sqrt(square) if position > 0 else -sqrt(square)
        growth_variance = (3 + square * square) / (1 - square) ** 2 / arrivals
        shrink = GROWTH_PRIOR_SQUARED / (GROWTH_PRIOR_SQUARED + growth_variance)
        growth = shrink * position * (3 - square) / (1 - square) * 2 / span
        growth_error = sqrt(shrink * growth_variance) * 2 / span

        wait = _wait(to_go, units, span, growth)
        if wait > MAX_AHEAD * span:
            return None
        trend = log(_wait(to_go, units, span, growth - growth_error) / wait)
        variance = 1 / arrivals + trend * trend + self._ahead + DRIFT_AT_ONCE + DRIFT_PER_MEMORY * wait / span
        middle = log(wait) - self._later
        deviation = sqrt(variance) * self._widen
        low, high = exp(middle - LOW_Z * deviation), exp(middle + HIGH_Z * deviation)
        return int(low * bucket_ms), ceil(high * bucket_ms)


def _from_first_unit(unit_buckets: Sequence[int]) -> Sequence[int]:
    for position, units in enumerate(unit_buckets):
        if units:
            return unit_buckets[position:]
    return ()


def _dispersion(buckets: Sequence[int], units: int) -> float:
    """Variance ÷ mean of a bucket, at least 1: E(b′ − b)² = phi·(b′ + b) for neighbours whose rates are alike."""
    pairs = 2 * units - buckets[0] - buckets[-1]
    if pairs <= 0:
        return 1.0
    distance: float = dist(buckets[1:], buckets[:-1])
    return max(1.0, distance * distance / pairs)


def _wait(to_go: float, units: int, span: float, growth: float) -> float:
    """Buckets until `to_go` units more, at the rate and growth of `units` in the last `span` buckets."""
    if -_NO_GROWTH < growth < _NO_GROWTH:
        return to_go * span / units
    rate = units * growth / (1 - exp(-growth * span))
    ahead = (GROWTH_AHEAD if growth > 0 else DECLINE_AHEAD) * span
    factor = exp(growth * ahead)
    while_changing = rate * (factor - 1) / growth
    if to_go <= while_changing:
        return log(1 + growth * to_go / rate) / growth
    return ahead + (to_go - while_changing) / (rate * factor)
