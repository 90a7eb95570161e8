"""When a sale sells out: an interval that is calibrated, or nothing. The second edition; `eta` has the first.

The truth that an interval is held to: the moment at which `available`, as it is displayed, is 0 for the first time from
here. Units that are only held count as gone, for that is what viewers see. A restock that nobody announced cannot be
foreseen: it begins a new forecast.

A forecast is made at the beginning of each whole second of the clock, of whole seconds alone, and holds for that
second: documents within it count it down. It sees gross units: `taken` are units ordered, `returned` are units that
came back (stock, and not negative demand). Both since the sale opened or was last restocked, of the last `MEMORY_S`
seconds, from the first second in which anything was taken.

1. `phi`, variance ÷ mean of a second, from squared differences of neighbours (von Neumann 1941); at least 1. `n` units
   weigh as much as `n ÷ phi` independent ones.
2. The near past: the fewest last seconds, at least `NEAR_S`, that hold half of what is left and `NEAR_ARRIVALS · phi`
   units. Its rate gives the plain wait `W` = available ÷ rate.
3. Trends, of the near past and of all seen: the log of the rate at the end ÷ that at the beginning, by maximum
   likelihood for a log-linear rate (Cox & Lewis 1966; inverse Langevin function in the Padé form of Cohen 1991), shrunk
   by its own error.
4. Unrest: about ten blocks of equal length; how far the logs of neighbouring blocks lie apart beyond what `phi`
   explains, and how far they turn back.
5. Hindsight: the plain wait that stood before the last units went, half as many as are left, beside the time that
   these units took. The log of taken ÷ plain is the sale's own last miss, as far as it is known.
6. Bounds: `W · exp(x · LOW)` and `W · exp(x · HIGH)` for the features `x`: quantiles 0.05 and 0.95 of log(wait ÷ W) by
   linear regression (Koenker & Bassett 1978), fitted to simulated sales of thirteen kinds; kinds count alike, and more
   the more of them were missed: `bench/forecast_fit.py` does it, and says whether it comes to the same as stands here.
   `bench/forecast.py` counts how often they hold, also for kinds that were kept aside.
7. Precedents: how long as many units took in the last `PAST_S` of this sale, from each moment at which it sold nearly
   as fast as it does now. The interval holds them all: a sale that sells in bursts is not foreseen by a burst alone.

Where no regression helps nothing is said: demand that falls with most of the wait ahead, that was just missed by much
with most of the wait ahead, or that turns up again; units that come back nearly as fast as they go, or are due to; and
the first `MEMORY_S` after a restock (`is_just_restocked`). Else the last unit would be a wish.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate, pairwise
from math import ceil, copysign, exp, log, sqrt
from operator import add
from typing import TYPE_CHECKING, Literal, NamedTuple

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

COVERAGE = 0.9
MEMORY_S = 120
# Precedents reach further back, in blocks of some seconds: a lull of a minute and a half and the bursts around it.
PAST_S = 600
BLOCK_S = 5
BLOCK_MS = BLOCK_S * 1_000

# Below these minimums there is no forecast.
MIN_SEEN_S = 10
MIN_UNITS = 12
MIN_ARRIVALS = 8.0
# The plain wait may be at most this many times the seconds seen.
MAX_AHEAD = 1.0

NEAR_S = 6
NEAR_SHARE = 0.5
NEAR_ARRIVALS = 20.0

# Variance of a trend before anything is seen: a factor of e³ over half of the window happens.
TREND_PRIOR_SQUARED = 9.0
MAX_TREND = 5.0
BLOCKS = 10
MIN_BLOCK_S = 2

# Demand that has fallen by e⁻¹ over all that was seen may be over; one that falls by a third in the near past, with
# more than half of what was seen still ahead, or that rises again where it did not rise before, is between two waves.
FALLING, FALLING_NEAR, FALLING_AHEAD = -1.0, -0.4, 0.5
RISING_NEAR, RISING = 0.4, 0.5
# The last units took longer than foreseen by e^0.3, with more than half of what was seen still ahead.
SLOWER, SLOWER_AHEAD = 0.3, 0.5
# Hindsight looks at the last units, half as many as are left; and needs so many units before them.
HINDSIGHT_SHARE, HINDSIGHT_UNITS = 0.5, 6
MAX_HINDSIGHT = 2.0
# Units come back: so many for each that goes now, or so many for each that is left.
MAX_RETURNING = 0.25
MAX_DUE = 0.1

LOW = (
    0.636,
    -2.509,
    -0.751,
    -0.221,
    -0.055,
    0.042,
    -0.09,
    -0.143,
    -0.077,
    0.17,
    0.401,
    -0.408,
    0.553,
    0.399,
    -0.288,
    -0.003,
    -0.193,
    -0.155,
)
HIGH = (
    1.299,
    0.025,
    0.289,
    -0.103,
    -0.064,
    -0.321,
    -0.034,
    0.043,
    0.396,
    -0.329,
    -0.076,
    -0.019,
    0.343,
    0.476,
    0.095,
    -0.111,
    0.003,
    -0.225,
)

# A precedent begins after this many blocks, in which at least five eighths of the pace of the near past were sold.
PRECEDENT_BLOCKS, PRECEDENT_PACE = 2, (5, 8)
# The slowest precedent counts beyond 12 tenths of the upper bound, for nearer it is noise. The next one may be slower
# yet: 11 tenths of it.
SLOWEST_BEYOND, SLOWEST_STRETCH = 12, 11

# Mean position of the units in the window: −1 all in its first moment, 1 all in its last. Beyond, the Padé form fails.
_POSITION_MAX = 0.95
_NO_TREND = 1e-6

Silence = Literal["sample_too_small", "forecast_not_calibrated"]


class Forecast(Struct, frozen=True, gc=False):
    """An interval, in ms from `made_ms`, the beginning of a second, and what it was made of.

    Attributes:
        available: units left then.
        seconds: that were seen.
        taken: units ordered in them.
        returned: units that came back in them.
    """

    made_ms: int
    low_ms: int
    high_ms: int
    available: int
    seconds: int
    taken: int
    returned: int

    def at(self, now_ms: int) -> tuple[int, int] | None:
        """The interval in ms from a moment of its second; None once it has passed."""
        gone_ms = now_ms - self.made_ms
        high_ms = self.high_ms - gone_ms
        return (max(0, self.low_ms - gone_ms), high_ms) if high_ms > 0 else None


class _Near(NamedTuple):
    """The near past: `seconds`, and the units `taken` in them."""

    seconds: int
    taken: int


class Outlook(NamedTuple):
    """The plain wait in seconds, the features `x` behind the bounds, and what was seen: the near past, all in all."""

    wait_s: float
    features: tuple[float, ...]
    near: _Near
    seconds: int
    taken: int
    returned: int


def forecast(
    available: int, taken: Sequence[int], returned: Sequence[int], made_ms: int, past: Sequence[int] = ()
) -> Forecast | Silence:
    """Return the interval in which the last unit goes with probability `COVERAGE`, or why there is none.

    Args:
        available: units left at `made_ms`, the beginning of a second.
        taken: units ordered in each of the seconds before it, oldest first, at most `MEMORY_S` of them.
        returned: units that came back in the same seconds.
        made_ms: when the forecast is made.
        past: units ordered in each whole block of `BLOCK_S` before it, oldest first, at most `PAST_S` in all.
    """
    seen = outlook(available, taken, returned)
    if isinstance(seen, str):
        return seen
    low = seen.wait_s * exp(sum([x * weight for x, weight in zip(seen.features, LOW, strict=True)]))
    high = seen.wait_s * exp(sum([x * weight for x, weight in zip(seen.features, HIGH, strict=True)]))
    if not low < high:
        return "forecast_not_calibrated"
    low_ms, high_ms = int(low * 1_000), ceil(high * 1_000)
    quickest_ms, slowest_ms = _precedents(available, seen.near, past)
    low_ms = low_ms if quickest_ms is None else min(low_ms, quickest_ms)
    if 10 * slowest_ms > SLOWEST_BEYOND * high_ms:
        high_ms = -(-slowest_ms * SLOWEST_STRETCH // 10)
    return Forecast(made_ms, low_ms, high_ms, available, seen.seconds, seen.taken, seen.returned)


def is_just_restocked(second: int, starts: int, restocked: int) -> bool:
    """Return whether the last restock of a sale that had started is less than `MEMORY_S` ago; all in whole seconds.

    Those who were turned away have waited, and how many they are nothing tells: forecasts after a restock held in some
    kinds of sales and in others they did not. `restocked` is negative when there was none.
    """
    return restocked > starts and second - restocked < MEMORY_S


def outlook(available: int, taken: Sequence[int], returned: Sequence[int]) -> Outlook | Silence:
    """Return the plain wait and the features of a forecast, or why there is none. `LOW` and `HIGH` fit these."""
    begin = next((second for second, units in enumerate(taken) if units), len(taken))
    if begin:
        taken, returned = taken[begin:], returned[begin:]
    seconds, total = len(taken), sum(taken)
    if available <= 0 or seconds < MIN_SEEN_S or total < MIN_UNITS:
        return "sample_too_small"
    phi = _dispersion(taken, total)
    near = _near(taken, max(NEAR_SHARE * available, NEAR_ARRIVALS * phi))
    if total < MIN_ARRIVALS * phi or near.taken < MIN_UNITS:
        return "sample_too_small"
    wait = available * near.seconds / near.taken
    features = None if wait > MAX_AHEAD * seconds else _features(available, taken, returned, phi, near, wait)
    if features is None:
        return "forecast_not_calibrated"
    return Outlook(wait, features, near, seconds, total, sum(returned))


def _dispersion(taken: Sequence[int], total: int) -> float:
    """Step 1. E(b′ − b)² = phi · (b′ + b) for neighbours whose rates are alike."""
    pairs = 2 * total - taken[0] - taken[-1]
    if pairs <= 0:
        return 1.0
    # Whole numbers: an independent computation gives the same value.
    return max(1.0, sum([(newer - older) ** 2 for older, newer in pairwise(taken)]) / pairs)


def _near(taken: Sequence[int], needed: float) -> _Near:
    """Step 2."""
    units = seconds = 0
    for units in accumulate(reversed(taken)):
        seconds += 1
        if units >= needed and seconds >= NEAR_S:
            break
    return _Near(seconds, units)


def _features(
    available: int, taken: Sequence[int], returned: Sequence[int], phi: float, near: _Near, wait: float
) -> tuple[float, ...] | None:
    """Steps 3 to 5; None where nothing can be said."""
    seconds, total = len(taken), sum(taken)
    trend, whole_trend = _trend(taken[-near.seconds :], near.taken, phi), _trend(taken, total, phi)
    hindsight = _hindsight(available, taken, phi)
    if (
        whole_trend < FALLING
        or (hindsight > SLOWER and wait > SLOWER_AHEAD * seconds)
        or (trend < FALLING_NEAR and wait > FALLING_AHEAD * seconds)
        or (trend > RISING_NEAR and whole_trend < RISING)
    ):
        return None
    # The rate at the end of the near past ÷ its mean.
    end = trend / (1 - exp(-trend)) if abs(trend) > _NO_TREND else 1.0
    returning = sum(returned[-near.seconds :]) / (near.taken * end)
    if returning > MAX_RETURNING:
        return None
    unrest, turns = _unrest(taken, phi)
    # The whole trend by how far the stock has sunk meanwhile: how the rate follows what is left.
    following = max(-1.0, min(1.5, -whole_trend / log(1 + total / available)))
    return (
        1.0,
        sqrt(phi / near.taken),
        min(1.5, sqrt(phi / available)),
        trend,
        abs(trend),
        log(wait / near.seconds),
        log(1 + total / available),
        unrest,
        wait / seconds,
        returning,
        whole_trend,
        abs(whole_trend),
        following,
        abs(following),
        turns,
        hindsight,
        abs(hindsight),
        log(wait),
    )


def _precedents(available: int, near: _Near, past: Sequence[int]) -> tuple[int | None, int]:
    """Step 7: the shortest and the longest time that as many units took, in ms; None and 0 when nothing is known.

    Units that still go have taken at least the time until now. Whole numbers, so that everybody comes to the same ms.
    """
    sums, found = [0, *accumulate(past)], list[int]()
    share, of = PRECEDENT_PACE
    least = -(-share * near.taken * PRECEDENT_BLOCKS * BLOCK_S // (of * near.seconds))
    end, now = 0, len(past)
    for begin in [PRECEDENT_BLOCKS + place for place, units in enumerate(map(add, past, past[1:])) if units >= least]:
        gone = sums[begin] + available
        end = bisect_left(sums, gone, end)
        if end > now:
            return min(found, default=None), max([BLOCK_MS * (now - begin), *found])
        of_last = sums[end] - sums[end - 1]
        found.append(BLOCK_MS * ((end - begin) * of_last - (sums[end] - gone)) // of_last)
    return (min(found), max(found)) if found else (None, 0)


def _trend(taken: Sequence[int], total: int, phi: float) -> float:
    """Step 3: log of the rate at the end of these seconds ÷ that at their beginning, shrunk towards none."""
    seconds = len(taken)
    # The sum of the running sums counts each unit once for every second from its own to the last.
    position = 2 * (seconds + 0.5 - sum(accumulate(taken)) / total) / seconds - 1
    square = min(position * position, _POSITION_MAX * _POSITION_MAX)
    position = copysign(sqrt(square), position)
    variance = (3 + square * square) / (1 - square) ** 2 * phi / total
    trend = 2 * position * (3 - square) / (1 - square)
    trend *= TREND_PRIOR_SQUARED / (TREND_PRIOR_SQUARED + 4 * variance)
    return max(-MAX_TREND, min(MAX_TREND, trend))


def _unrest(taken: Sequence[int], phi: float) -> tuple[float, float]:
    """Step 4: how far neighbouring blocks differ, and how far they turn back, both in logs and beyond their noise."""
    width = max(MIN_BLOCK_S, -(-len(taken) // BLOCKS))
    blocks = [1 + sum(taken[max(0, end - width) : end]) for end in range(len(taken), 0, -width)]
    logs = [log(units) for units in blocks]
    steps = [newer - older for newer, older in pairwise(logs)]
    noise = [phi / newer + phi / older for newer, older in pairwise(blocks)]
    apart = sum([step * step - each for step, each in zip(steps, noise, strict=True)]) / len(steps)
    turned = sum(
        [
            min(after * after, before * before) - each / 4
            for after, before, each in zip(steps, steps[1:], noise[1:], strict=False)
            if after * before < 0
        ]
    ) / (len(steps) - 1)
    return min(2.0, sqrt(max(0.0, apart))), min(1.5, sqrt(max(0.0, turned)))


def _hindsight(available: int, taken: Sequence[int], phi: float) -> float:
    """Step 5: log of the time that the last units took ÷ that which was foreseen for them; 0 when it is not known."""
    needed = max(1.0, HINDSIGHT_SHARE * available)
    units = seconds = 0
    for units in accumulate(reversed(taken)):
        seconds += 1
        if units >= needed:
            break
    before = taken[: len(taken) - seconds]
    if len(before) < NEAR_S:
        return 0.0
    near = _near(before, max(NEAR_SHARE * needed, NEAR_ARRIVALS * phi))
    if near.taken < HINDSIGHT_UNITS:
        return 0.0
    return max(-MAX_HINDSIGHT, min(MAX_HINDSIGHT, log(seconds * near.taken / (units * near.seconds))))
