"""The forecast of a sell-out by the second edition, worked out a second time from `docs/signals.md`.

It shares nothing with the publishing code. Plain arithmetic on the units of whole seconds, not tuned for speed.
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil, exp, log, sqrt
from typing import TYPE_CHECKING, Literal, NamedTuple

from stream.verify.forecast_again import dispersion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Why = Literal["sample_too_small", "forecast_not_calibrated"]

SECONDS_KEPT = 120
LEAST_SECONDS, LEAST_UNITS, LEAST_ARRIVALS = 10, 12, 8
NEAR_SECONDS, NEAR_HALF, NEAR_ARRIVALS = 6, 0.5, 20
# Waves: demand that may be over; demand that falls while more than half of the observed time is ahead; a new rise.
OVER, FALLS, RISES, ROSE = -1.0, -0.4, 0.4, 0.5
# The units before took longer than promised, with more than half of what was seen still ahead.
MISSED, MISSED_UNITS, MISSED_MOST = 0.3, 6, 2.0
FLAT = 1e-6
# How many seconds are looked at for times in which as many units went, and in pieces of how many.
LONG_KEPT, PIECE = 600, 5
# Bounds on units due, as a share of those left then, and on units that came back, as a share of those that go.
MOST_DUE, MOST_BACK = 0.1, 0.25

# By feature: weights of the lower and of the upper bound.
WEIGHTS = {
    "one": (0.636, 1.299),
    "error of the rate": (-2.509, 0.025),
    "error of the way": (-0.751, 0.289),
    "near trend": (-0.221, -0.103),
    "its size": (-0.055, -0.064),
    "ahead": (0.042, -0.321),
    "sunk": (-0.09, -0.034),
    "unrest": (-0.143, 0.043),
    "share ahead": (-0.077, 0.396),
    "coming back": (0.17, -0.329),
    "whole trend": (0.401, -0.076),
    "size of it": (-0.408, -0.019),
    "following": (0.553, 0.343),
    "size of that": (0.399, 0.476),
    "turns": (-0.288, 0.095),
    "hindsight": (-0.003, -0.111),
    "size of the miss": (-0.193, 0.003),
    "how long": (-0.155, -0.225),
}


class Sellout(NamedTuple):
    """The interval in ms from the beginning of a second, and what was seen in how many seconds."""

    low_ms: int
    high_ms: int
    seconds: int
    taken: int
    returned: int


def sellout_2(left: int, taken: Sequence[int], returned: Sequence[int], pieces: Sequence[int]) -> Sellout | Why:
    """The interval in which the last of `left` units goes, or the reason why there is none.

    Args:
        left: available units at the beginning of a second.
        taken: units ordered in each second before it, oldest first.
        returned: units that came back in the same seconds.
        pieces: units ordered in each whole piece of `PIECE` seconds before it, oldest first.
    """
    first = next((place for place, units in enumerate(taken) if units > 0), len(taken))
    seen, back = list(taken[first:]), list(returned[first:])
    units = sum(seen)
    if left <= 0 or len(seen) < LEAST_SECONDS or units < LEAST_UNITS:
        return "sample_too_small"
    burst = dispersion(seen)
    near = NEAR_SECONDS
    while near < len(seen) and sum(seen[-near:]) < max(NEAR_HALF * left, NEAR_ARRIVALS * burst):
        near += 1
    of_near = sum(seen[-near:])
    if units < LEAST_ARRIVALS * burst or of_near < LEAST_UNITS:
        return "sample_too_small"
    wait = left * near / of_near
    trend, whole = _trend(seen[-near:], burst), _trend(seen, burst)
    falling = whole < OVER or (trend < FALLS and 2 * wait > len(seen))
    missed = _missed(left, seen, burst)
    falling = falling or (missed > MISSED and 2 * wait > len(seen))
    if wait > len(seen) or falling or (trend > RISES and whole < ROSE):
        return "forecast_not_calibrated"
    ends_at = of_near * (1.0 if abs(trend) <= FLAT else trend / (1 - exp(-trend)))
    if sum(back[-near:]) > MOST_BACK * ends_at:
        return "forecast_not_calibrated"
    following = min(1.5, max(-1.0, -whole / log(1 + units / left)))
    unrest, turns = _restless(seen, burst)
    features = {
        "one": 1.0,
        "error of the rate": sqrt(burst / of_near),
        "error of the way": min(1.5, sqrt(burst / left)),
        "near trend": trend,
        "its size": abs(trend),
        "ahead": log(wait / near),
        "sunk": log(1 + units / left),
        "unrest": unrest,
        "share ahead": wait / len(seen),
        "coming back": sum(back[-near:]) / ends_at,
        "whole trend": whole,
        "size of it": abs(whole),
        "following": following,
        "size of that": abs(following),
        "turns": turns,
        "hindsight": missed,
        "size of the miss": abs(missed),
        "how long": log(wait),
    }
    low, high = (wait * exp(sum(WEIGHTS[name][side] * x for name, x in features.items())) for side in (0, 1))
    if low >= high:
        return "forecast_not_calibrated"
    times = [*_times_ms(left, near, of_near, pieces)]
    low_ms, high_ms = min([int(1_000 * low), *(took for took, over in times if over)]), ceil(1_000 * high)
    longest = max((took for took, _ in times), default=0)
    if 10 * longest > 12 * high_ms:
        high_ms = (11 * longest + 9) // 10
    return Sellout(low_ms, high_ms, len(seen), units, sum(back))


def _times_ms(left: int, near: int, of_near: int, pieces: Sequence[int]) -> Iterator[tuple[int, bool]]:
    """How long `left` units took whenever the two pieces before sold nearly at the near pace, and whether all went."""
    for start in range(2, len(pieces)):
        before = pieces[start - 2] + pieces[start - 1]
        if 8 * before * near < 5 * 2 * PIECE * of_near:
            continue
        missing, place = left, start
        while place < len(pieces) and pieces[place] < missing:
            missing -= pieces[place]
            place += 1
        if place == len(pieces):
            yield 1_000 * PIECE * (len(pieces) - start), False
            return
        yield 1_000 * PIECE * ((place - start) * pieces[place] + missing) // pieces[place], True


def pieces_of(taken: Mapping[int, int], first: int, end: int) -> list[int]:
    """Units `taken`, by second, in each whole piece between two seconds; at least 0."""
    starts = range(first + -first % PIECE, end - PIECE + 1, PIECE)
    return [max(0, sum(taken.get(start + each, 0) for each in range(PIECE))) for start in starts]


def waits_for_whole_memory(second: int, starts_s: int, restocked_s: int) -> bool:
    """Whether a sale was restocked, once it had started, within the seconds that a forecast would look at."""
    return starts_s < restocked_s and restocked_s + SECONDS_KEPT > second


def _missed(left: int, seen: Sequence[int], burst: float) -> float:
    """By how much the last units, half of what is left, were slower than the pace before them promised; in logs."""
    half = max(1.0, left / 2)
    cut = len(seen) - 1
    while cut > 0 and sum(seen[cut:]) < half:
        cut -= 1
    if cut < NEAR_SECONDS:
        return 0.0
    start = cut - NEAR_SECONDS
    while start > 0 and sum(seen[start:cut]) < max(NEAR_HALF * half, NEAR_ARRIVALS * burst):
        start -= 1
    before, went = sum(seen[start:cut]), sum(seen[cut:])
    if before < MISSED_UNITS:
        return 0.0
    slower = log((len(seen) - cut) * before / (went * (cut - start)))
    return min(MISSED_MOST, max(-MISSED_MOST, slower))


def _trend(seen: Sequence[int], burst: float) -> float:
    """The growth of the log rate over these seconds (Cox & Lewis 1966; Cohen 1991), shrunk by its error."""
    units = sum(seen)
    middle = sum(count * (2 * place + 1) for place, count in enumerate(seen)) / units / len(seen) - 1
    middle = max(-0.95, min(0.95, middle))
    square = middle * middle
    error = (3 + square * square) / (1 - square) ** 2 * burst / units
    grown = 2 * middle * (3 - square) / (1 - square) * 9 / (9 + 4 * error)
    return max(-5.0, min(5.0, grown))


def _restless(seen: Sequence[int], burst: float) -> tuple[float, float]:
    """How far neighbouring blocks differ, and how far they turn back: root mean squares, less the noise."""
    width = max(2, ceil(len(seen) / 10))
    ends = [*range(len(seen), 0, -width)][::-1]
    blocks = [sum(seen[max(0, end - width) : end]) + 1 for end in ends]
    steps = [(log(after / before), burst / after + burst / before) for before, after in pairwise(blocks)]
    apart = sum(step * step - noise for step, noise in steps) / len(steps)
    turned = 0.0
    for (older, noise), (newer, _) in pairwise(steps):
        if older * newer < 0:
            turned += min(older * older, newer * newer) - noise / 4
    return min(2.0, sqrt(max(0.0, apart))), min(1.5, sqrt(max(0.0, turned / (len(steps) - 1))))
