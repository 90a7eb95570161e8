"""Simulated sales of many kinds, for `bench.forecast`: what a sale may do between its opening and its last unit.

A sale is a list of moves; the platform keeps its stock right and takes an order only for units that are there. Rates
are per second. `CONSTANTS_FROM` are the kinds that the constants of `stream/core/forecast.py` were set on, `KEPT_ASIDE`
those that they were not; the bounds of those that sell in bursts come from precedents.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from random import Random
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OPENS_MS = 2_000
HOLD_S = 60
STEPS_A_SECOND = 10
# How long a record is held back that comes late.
LATE_MS = (300, 4_000)


class Move(NamedTuple):
    """One thing that happens; `order` is the number of the order that it is of, −1 for a restock.

    `late_ms`: how long its record is held back on the way.
    """

    at_ms: int
    what: Literal["placed", "paid", "cancelled", "restocked"]
    units: int
    order: int
    late_ms: int = 0


class Sale(NamedTuple):
    """What is offered at `OPENS_MS`, and all that happens."""

    offered: int
    moves: list[Move]


def log_uniform(rng: Random, low: float, high: float) -> float:
    """Evenly in its logarithm."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def poisson(rng: Random, mean: float) -> int:
    """How many of a Poisson process; of a large mean the normal approximation."""
    if mean > 50:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    count, product, floor = 0, rng.random(), math.exp(-mean)
    while product > floor:
        count += 1
        product *= rng.random()
    return count


class Selling:
    """Plays one sale."""

    def __init__(
        self, rng: Random, offered: int, *, unpaid: float = 0.0, cancelled: float = 0.0, late: float = 0.0
    ) -> None:
        self.rng, self.offered = rng, max(12, offered)
        self._unpaid, self._cancelled, self._late = unpaid, cancelled, late
        self._left = self.offered
        self._back: list[tuple[float, int]] = []  # heap of (second, units that come back)
        self._moves: list[Move] = []
        self._orders = 0

    def play(
        self,
        rate: Callable[[float, int], float],
        seconds: float,
        quantity: Callable[[], int] = lambda: 1,
        restocks: Sequence[tuple[float, int]] = (),
        after_s: float = 20.0,
    ) -> Sale:
        """Until `after_s` after it is sold out for good, or `seconds` have passed."""
        coming = sorted(restocks)
        end = step = 0
        end = int(seconds * STEPS_A_SECOND)
        over = False
        while step < end:
            now = step / STEPS_A_SECOND
            while coming and coming[0][0] <= now:
                at, units = coming.pop(0)
                self._left += units
                self._moves.append(Move(_ms(at), "restocked", units, -1))
            while self._back and self._back[0][0] <= now:
                self._left += heapq.heappop(self._back)[1]
            if self._left > 0:
                self._buy(now, poisson(self.rng, max(0.0, rate(now, self._left)) / STEPS_A_SECOND), quantity)
            if self._left <= 0 and not over and not coming:
                over, end = True, min(end, step + int(after_s * STEPS_A_SECOND))
            step += 1
        return Sale(self.offered, sorted(self._moves))

    def _buy(self, now: float, orders: int, quantity: Callable[[], int]) -> None:
        rng = self.rng
        for at in sorted(now + rng.random() / STEPS_A_SECOND for _ in range(orders)):
            units = min(quantity(), self._left)
            if units <= 0:
                return
            self._left -= units
            self._orders += 1
            late_ms = int(rng.uniform(*LATE_MS)) if self._late and rng.random() < self._late else 0
            self._moves.append(Move(_ms(at), "placed", units, self._orders, late_ms))
            fate = rng.random()
            if fate < self._unpaid:
                heapq.heappush(self._back, (at + HOLD_S, units))
            elif fate < self._unpaid + self._cancelled:
                gone = at + 1 + rng.expovariate(1 / 15)
                heapq.heappush(self._back, (gone, units))
                self._moves.append(Move(_ms(gone), "cancelled", units, self._orders))
            else:
                paid = at + 0.8 + min(24.0, rng.expovariate(1 / 6))
                self._moves.append(Move(_ms(paid), "paid", units, self._orders))


def _ms(seconds: float) -> int:
    return OPENS_MS + int(seconds * 1_000)


def _hump(units: float, rise: float, fall: float, seconds: float) -> Callable[[float, int], float]:
    """A rush that ends: a beta density over so many seconds."""
    scale = math.lgamma(rise) + math.lgamma(fall) - math.lgamma(rise + fall)

    def rate(now: float, _: int) -> float:
        x = now / seconds
        if not 0 < x < 1:
            return 0.0
        return units / seconds * math.exp((rise - 1) * math.log(x) + (fall - 1) * math.log(1 - x) - scale)

    return rate


# -- kinds that the constants were set on ------------------------------------------------------------------------------
def steady(rng: Random) -> Sale:
    """The same rate all the time."""
    rate, seconds = log_uniform(rng, 1, 60), rng.uniform(30, 240)
    return Selling(rng, int(rate * seconds)).play(lambda *_: rate, seconds * 1.6 + 20)


def tapering(rng: Random) -> Sale:
    """A rush that tapers to its last unit, as `snap-up` does; 8 % are not paid."""
    units = int(log_uniform(rng, 300, 6_000))
    seconds = rng.uniform(25, 120)
    hump = _hump(units * 1.02, rng.uniform(1.3, 4), rng.uniform(1.2, 2.4), seconds)
    selling = Selling(rng, units, unpaid=0.08, late=0.015)
    return selling.play(lambda now, left: hump(now, left) + 0.3, seconds + 40, lambda: 2 if rng.random() < 0.15 else 1)


def rising(rng: Random) -> Sale:
    """Exponential growth."""
    seconds, first = rng.uniform(30, 200), log_uniform(rng, 0.5, 5)
    growth = math.log(2) / rng.uniform(seconds / 6, seconds / 1.5)
    offered = int(first * (math.exp(growth * seconds) - 1) / growth)
    return Selling(rng, offered).play(lambda now, _: first * math.exp(growth * now), seconds * 1.3 + 5)


def decaying(rng: Random) -> Sale:
    """Exponential decay, sold out before it is over."""
    seconds, first = rng.uniform(30, 240), log_uniform(rng, 3, 100)
    decay = math.log(2) / rng.uniform(seconds / 3, seconds * 2)
    offered = int(first * (1 - math.exp(-decay * seconds)) / decay)
    return Selling(rng, offered).play(lambda now, _: first * math.exp(-decay * now), seconds * 3 + 30)


def baskets(rng: Random) -> Sale:
    """One to five units an order, at a rate that is drawn anew each second."""
    rate, seconds, shape = log_uniform(rng, 0.7, 30), rng.uniform(30, 240), log_uniform(rng, 0.7, 4)
    drawn = [rng.gammavariate(shape, 1 / shape) for _ in range(int(seconds * 2.5) + 60)]
    selling = Selling(rng, int(rate * 3 * seconds))
    return selling.play(lambda now, _: rate * drawn[int(now)], seconds * 2.5 + 40, lambda: rng.randint(1, 5))


def wandering(rng: Random) -> Sale:
    """The log of the rate is a random walk."""
    rate, seconds, step = log_uniform(rng, 2, 50), rng.uniform(30, 240), rng.uniform(0.02, 0.12)
    level = [0.0]
    for _ in range(int(seconds * 2) + 2):
        level.append(level[-1] + rng.gauss(0, step))
    offered = int(sum(rate * math.exp(each) for each in level[: int(seconds)]))
    return Selling(rng, offered).play(lambda now, _: rate * math.exp(level[int(now)]), seconds * 2)


def holds(rng: Random) -> Sale:
    """Steady and long: holds of a twentieth to a fifth come back while it sells."""
    rate, seconds = log_uniform(rng, 2, 40), rng.uniform(100, 300)
    selling = Selling(rng, int(rate * seconds * 0.9), unpaid=rng.uniform(0.05, 0.2), cancelled=0.03)
    return selling.play(lambda *_: rate, seconds * 2, after_s=60)


def restocked(rng: Random) -> Sale:
    """Steady, with one restock before or after it is sold out."""
    rate, seconds = log_uniform(rng, 3, 60), rng.uniform(30, 120)
    more = (seconds * rng.uniform(0.5, 1.3), int(rate * rng.uniform(10, 60)))
    return Selling(rng, int(rate * seconds), unpaid=0.05).play(lambda *_: rate, seconds * 3, restocks=[more])


def found(rng: Random) -> Sale:
    """The last ones are harder to find: demand follows what is left."""
    units, power, seconds = int(log_uniform(rng, 200, 5_000)), rng.uniform(0.1, 0.6), rng.uniform(30, 180)
    rate = units / (seconds * (1 - power))
    return Selling(rng, units).play(lambda _, left: rate * (max(left, 1) / units) ** power, seconds * 3)


def calls(rng: Random) -> Sale:
    """The host calls out: bursts of some seconds, each quarter to three quarters of a minute."""
    rate, seconds = log_uniform(rng, 2, 40), rng.uniform(60, 240)
    every, long, times = rng.uniform(15, 45), rng.uniform(3, 8), rng.uniform(2, 5)
    offered = int(rate * seconds * (1 + (times - 1) * long / every))
    return Selling(rng, offered).play(lambda now, _: rate * (times if now % every < long else 1), seconds * 2)


def waves(rng: Random) -> Sale:
    """One to four rushes over a floor, of any size and distance; what is offered meets a part of them."""
    units, seconds = log_uniform(rng, 300, 6_000), rng.uniform(60, 240)
    weights = [rng.expovariate(1.0) for _ in range(rng.randint(1, 4))]
    rushes = [
        (
            rng.uniform(-0.1, 0.8) * seconds,
            _hump(
                units * weight / sum(weights), rng.uniform(1.3, 4), rng.uniform(1.2, 4), seconds * rng.uniform(0.2, 0.8)
            ),
        )
        for weight in weights
    ]
    floor = units / seconds * rng.uniform(0.1, 0.5)
    selling = Selling(rng, int(units * rng.uniform(0.4, 0.95)), unpaid=0.05, late=0.015)
    return selling.play(lambda now, left: floor + sum(rush(now - at, left) for at, rush in rushes), seconds * 2)


def door(rng: Random) -> Sale:
    """Everybody stands at the door: at its highest from the first second on, over in half a minute at most."""
    rate, seconds, fades = log_uniform(rng, 10, 400), rng.uniform(5, 30), rng.uniform(0, 1)
    offered = int(rate * seconds * rng.uniform(0.6, 1.0))
    return Selling(rng, offered, unpaid=0.08, late=0.015).play(
        lambda now, _: rate * math.exp(-fades * now / seconds), seconds * 4
    )


def slow(rng: Random) -> Sale:
    """Some units a minute, as in the long evenings of a large shop; now and then somebody takes two or three."""
    rate, units, swing, period = (
        log_uniform(rng, 0.06, 1),
        rng.randint(15, 80),
        rng.uniform(0, 0.5),
        rng.uniform(100, 600),
    )
    selling = Selling(rng, units, unpaid=0.03)
    return selling.play(
        lambda now, _: rate * (1 + swing * math.sin(math.tau * now / period)),
        units / rate * 2,
        lambda: rng.choice((1, 1, 1, 1, 2, 3)),
    )


# -- kinds kept aside --------------------------------------------------------------------------------------------------
def wholesale(rng: Random) -> Sale:
    """Few orders of very unequal size, at a rate that swells and ebbs."""
    rate, seconds, spread, size = (
        log_uniform(rng, 0.3, 5),
        rng.uniform(60, 300),
        rng.uniform(0.5, 1.2),
        rng.uniform(1, 4),
    )
    swing, period, phase = rng.uniform(0, 0.6), rng.uniform(60, 300), rng.uniform(0, math.tau)
    return Selling(rng, int(rate * seconds * math.exp(size + spread * spread / 2))).play(
        lambda now, _: rate * (1 + swing * math.sin(phase + math.tau * now / period)),
        seconds * 2.5,
        lambda: max(1, int(rng.lognormvariate(size, spread))),
    )


def cut_short(rng: Random) -> Sale:
    """A rush like a gamma density; what is offered meets 30 to 85 % of it."""
    peak, shape, demand, basket = (
        rng.uniform(8, 60),
        rng.uniform(1.2, 3),
        log_uniform(rng, 150, 6_000),
        rng.randint(1, 3),
    )
    scale = peak / max(shape - 1, 0.5)

    def rate(now: float, _: int) -> float:
        x = max(now, 1e-3) / scale
        return demand * math.exp((shape - 1) * math.log(x) - x - math.lgamma(shape)) / scale

    offered = int(demand * (1 + basket) / 2 * rng.uniform(0.3, 0.85))
    return Selling(rng, offered).play(rate, scale * 10, lambda: rng.randint(1, basket))


def rival(rng: Random) -> Sale:
    """Steady until another sale opens beside it, which takes a fifth to seven tenths of its buyers."""
    rate, seconds = log_uniform(rng, 3, 60), rng.uniform(40, 200)
    opens, keeps = seconds * rng.uniform(0.2, 0.8), rng.uniform(0.3, 0.8)
    return Selling(rng, int(rate * seconds * 0.75)).play(
        lambda now, _: rate * (keeps if now > opens else 1.0), seconds * 3
    )


def rush_restocked(rng: Random) -> Sale:
    """Sold out in a tapering rush, restocked some seconds later, while unpaid holds come back."""
    units, seconds = int(log_uniform(rng, 500, 5_000)), rng.uniform(25, 80)
    first = _hump(units, rng.uniform(1.5, 3), rng.uniform(1.3, 2.2), seconds)
    more, again, lasts = (
        int(units * rng.uniform(0.1, 0.5)),
        seconds + rng.uniform(5, 30),
        seconds * rng.uniform(0.3, 0.8),
    )
    second = _hump(more, 1.6, rng.uniform(1.3, 2.2), lasts)

    def rate(now: float, left: int) -> float:
        return (first(now, left) if now < seconds else second(now - again, left)) + 0.5 * (1 + left / 50)

    return Selling(rng, units, unpaid=0.08).play(rate, again + lasts + 60, restocks=[(again, more)], after_s=60)


def two_waves(rng: Random) -> Sale:
    """Word gets round: a second and greater wave after the first, of which nobody can know."""
    units, seconds = int(log_uniform(rng, 300, 5_000)), rng.uniform(60, 200)
    first, second = _hump(units * 0.5, 2, 3, seconds * 0.6), _hump(units * 0.7, 2.5, 2, seconds * 0.6)
    again = seconds * rng.uniform(0.35, 0.55)

    def rate(now: float, left: int) -> float:
        return first(now, left) + second(now - again, left) + units / seconds * 0.1

    return Selling(rng, units, unpaid=0.05).play(rate, seconds * 2)


def word_of_mouth(rng: Random) -> Sale:
    """Who bought tells others (Bass 1969); there are more who would buy than units, or hardly more."""
    units, seconds = int(log_uniform(rng, 300, 5_000)), rng.uniform(40, 200)
    crowd, told = units * rng.uniform(1.05, 3), rng.uniform(3, 30)
    own = rng.uniform(1.5, 4) / seconds

    def rate(_: float, left: int) -> float:
        bought = units - left
        return (own + own * told * bought / crowd) * max(0.0, crowd - bought) / 4

    return Selling(rng, units, unpaid=0.03).play(rate, seconds * 3)


def paused(rng: Random) -> Sale:
    """Steady; once or twice the host talks of something else, and hardly anybody buys for some seconds."""
    rate, seconds = log_uniform(rng, 3, 60), rng.uniform(60, 240)
    pauses = [
        (at, at + rng.uniform(8, 25)) for at in (seconds * rng.uniform(0.1, 0.9) for _ in range(rng.randint(1, 2)))
    ]
    return Selling(rng, int(rate * seconds * 0.85)).play(
        lambda now, _: rate * (0.1 if any(begin < now < end for begin, end in pauses) else 1.0), seconds * 2
    )


def cheaper(rng: Random) -> Sale:
    """Steady until the price falls; then half as many again buy, or three times as many."""
    rate, seconds = log_uniform(rng, 2, 40), rng.uniform(60, 240)
    at, times = seconds * rng.uniform(0.2, 0.8), rng.uniform(1.5, 3)
    return Selling(rng, int(rate * (at + (seconds - at) * times))).play(
        lambda now, _: rate * (times if now > at else 1.0), seconds * 2
    )


CONSTANTS_FROM = (
    steady,
    tapering,
    rising,
    decaying,
    baskets,
    wandering,
    holds,
    restocked,
    found,
    calls,
    waves,
    door,
    slow,
)
KEPT_ASIDE = (wholesale, cut_short, rival, rush_restocked, two_waves, word_of_mouth, paused, cheaper)


# -- kinds that sell in bursts, or stand still for a while -------------------------------------------------------------
def _phased(rng: Random, seconds: float, pace: Callable[[float], float]) -> Sale:
    """A sale whose units would last for `seconds` at this pace, a share of its rate."""
    rate = log_uniform(rng, 2, 40)
    offered = int(rate * sum(pace(second) for second in range(int(seconds))))
    return Selling(rng, offered).play(lambda now, _: rate * pace(now), seconds * 1.6 + 60)


def _in_turn(quick: float, quick_s: float, slow: float, slow_s: float, phase_s: float) -> Callable[[float], float]:
    return lambda now: quick if (now + phase_s) % (quick_s + slow_s) < quick_s else slow


def bursts(rng: Random) -> Sale:
    """Four times the rate for 30 s, then three tenths of it for 90 s, and so on."""
    return _phased(rng, rng.uniform(180, 600), _in_turn(4, 30, 0.3, 90, 0))


def short_bursts(rng: Random) -> Sale:
    """Three times the rate for 20 s, then a fifth of it for 60 s, begun anywhere in between."""
    return _phased(rng, rng.uniform(180, 600), _in_turn(3, 20, 0.2, 60, rng.uniform(0, 80)))


def lulls(rng: Random) -> Sale:
    """It sells, and stands nearly still, for as long as chance will have it."""
    still, sells_s, stands_s = rng.uniform(0.05, 0.4), rng.uniform(20, 60), rng.uniform(15, 60)
    ends, until = list[float](), 0.0
    while until < 1_200:
        until += rng.expovariate(1 / (stands_s if len(ends) % 2 else sells_s))
        ends.append(until)
    return _phased(rng, rng.uniform(120, 500), lambda now: still if bisect_right(ends, now) % 2 else 1.0)


def one_lull(rng: Random) -> Sale:
    """Steady, but for 20 s to 60 s."""
    seconds, still, lasts = rng.uniform(90, 300), rng.uniform(0.05, 0.4), rng.uniform(20, 60)
    begins = rng.uniform(0.2, 0.8) * seconds
    return _phased(rng, seconds, lambda now: still if begins < now < begins + lasts else 1.0)


def called(rng: Random) -> Sale:
    """The host calls now and then: twice to six times the rate at once, which fades in half a minute or so."""
    found, at = list[tuple[float, float, float]](), rng.uniform(0, 40)
    while at < 1_200:
        found.append((at, rng.uniform(1, 5), rng.uniform(10, 30)))
        at += rng.uniform(40, 120)

    def pace(now: float) -> float:
        return 1 + sum(more * math.exp((at - now) / fades) for at, more, fades in found if at <= now)

    return _phased(rng, rng.uniform(120, 500), pace)


def tides(rng: Random) -> Sale:
    """It swells to many times its ebb and falls again, smoothly, every one to three minutes."""
    swings, period, phase = rng.uniform(0.5, 1.5), rng.uniform(50, 180), rng.uniform(0, math.tau)
    return _phased(rng, rng.uniform(180, 600), lambda now: math.exp(swings * math.sin(phase + math.tau * now / period)))


# Precedents were set on the first three; all but `tides` were looked at meanwhile, with seeds below `BURST_SEEDS`.
PRECEDENTS_FROM = (bursts, short_bursts, lulls)
BURSTS_KEPT_ASIDE = (one_lull, called, tides)
BURST_SEEDS = 100
KINDS: dict[str, Callable[[Random], Sale]] = {
    kind.__name__: kind for kind in (*CONSTANTS_FROM, *KEPT_ASIDE, *PRECEDENTS_FROM, *BURSTS_KEPT_ASIDE)
}


def sale_of(kind: str, seed: int) -> Sale:
    """One sale of a kind; the same for the same seed."""
    return KINDS[kind](Random(f"{kind}/{seed}"))
