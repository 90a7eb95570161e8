"""Where `LOW` and `HIGH` of `stream/core/forecast.py` come from: `python -m bench.forecast --fit`.

Sales of the kinds `CONSTANTS_FROM` (`bench/selling.py`), of seeds that no table counts, are played second by second.
Of each second in which the core would forecast, its own features and ln(wait ÷ plain wait) are one row. For the lower
bound a row in the last `LAST_S` of a sale counts as much as `LAST_WEIGHT` others: by then a sale that is sold out
sooner than foreseen has few rows left. A quantile is
the linear regression that minimises the pinball loss (Koenker & Bassett 1978), by iteratively reweighted least squares,
each a majorizer of the loss (Hunter & Lange 2000). All kinds weigh alike at first. Then, `ROUNDS` times, a kind weighs
more by how much more often it was missed than it should have been: so the bounds are nearer to those of the worst kind
than to those of the average.

Printed are the constants to three decimals; the exit status is 1 when those in the core are others.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from math import log
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.selling import CONSTANTS_FROM, HOLD_S, OPENS_MS, sale_of
from stream.core.forecast import (
    BLOCK_S,
    HIGH,
    LOW,
    MAX_DUE,
    MAX_RETURNING,
    MEMORY_S,
    PAST_S,
    is_just_restocked,
    outlook,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from random import Random

    from numpy.typing import NDArray

    from bench.selling import Sale

    Floats = NDArray[np.float64]

SEEDS = range(1_000, 1_080)
SECOND_MS = 1_000
QUANTILES = 0.05, 0.95
ROUNDS = 2
MAX_STEP = 2.0
LAST_S, LAST_WEIGHT = 15.0, 3.0
# A miss in a hundred more on both sides of a ratio: a kind that was never missed does not lose all its weight.
SMOOTH = 0.01
STEPS = 60
EPSILON, EPSILON_STEP, EPSILON_LEAST = 0.3, 0.85, 0.003
RIDGE = 1e-6
# Logs of wait ÷ plain wait beyond this count as this much, and so do waits that never end.
MAX_LOG = 4.0
LEAST_WAIT_S = 0.25


class Second(NamedTuple):
    """What is known at the beginning of a second, and `wait_s` until nothing is left, None if that never comes.

    `due`: units whose holds run out in each second from here to half of a hold. `back`: share of all taken that came
    back. `restocked`: whether it was restocked just before. `past`: units taken in each whole block before.
    """

    second: int
    available: int
    taken: list[int]
    returned: list[int]
    due: list[int]
    back: float
    restocked: bool
    past: list[int]
    wait_s: float | None


class _Known(NamedTuple):
    """One thing that becomes known at a moment, of the second in which it happened."""

    known_ms: int
    second: int
    what: str
    units: int
    order: int


def _known(sale: Sale) -> list[_Known]:
    """All that becomes known of a sale: an order that is paid before its placing arrives is placed by that."""
    fates = Counter(move.order for move in sale.moves if move.what in {"paid", "cancelled"})
    found, placed = [], set[int]()
    for move in sorted(sale.moves, key=lambda move: move.at_ms + move.late_ms):
        what: str = move.what
        if what == "placed":
            if move.order in placed:
                continue
            placed.add(move.order)
            if not fates[move.order]:
                out_ms = move.at_ms + HOLD_S * SECOND_MS
                found.append(_Known(out_ms, out_ms // SECOND_MS, "expired", move.units, move.order))
        elif what == "paid" and move.order not in placed:
            placed.add(move.order)
            what = "placed and paid"
        found.append(_Known(move.at_ms + move.late_ms, move.at_ms // SECOND_MS, what, move.units, move.order))
    return sorted(found)


class _Books:
    """The ledger of one sale, as it becomes known."""

    def __init__(self, sale: Sale) -> None:
        self.left, self.committed, self.released = sale.offered, 0, 0
        self.taken, self.returned, self.due = Counter[int](), Counter[int](), Counter[int]()
        self.since = OPENS_MS // SECOND_MS
        self.empty_ms: list[int] = []
        self._out: dict[int, int] = {}

    def learn(self, known: _Known) -> None:
        """One thing more."""
        _, second, what, units, order = known
        if what == "restocked":
            self.left += units
            self.since = second
            return
        if what in {"placed", "placed and paid"}:
            self.left -= units
            self.committed += units
            self.taken[second] += units
            if self.left == 0:
                self.empty_ms.append(known.known_ms)
            if what == "placed":
                self._out[order] = second + HOLD_S
                self.due[second + HOLD_S] += units
            return
        if order in self._out:
            self.due[self._out.pop(order)] -= units
        if what != "paid":
            self.left += units
            self.committed -= units
            self.released += units
            self.returned[second] += units

    def at(self, second: int) -> Second:
        """What is known at its beginning."""
        seen = range(max(self.since, second - MEMORY_S), second)
        past = range(max(self.since, second - PAST_S) // -BLOCK_S * -BLOCK_S, second - BLOCK_S + 1, BLOCK_S)
        return Second(
            second,
            self.left,
            [self.taken[each] for each in seen],
            [self.returned[each] for each in seen],
            [self.due[second + ahead] for ahead in range(HOLD_S // 2)],
            self.released / max(1, self.committed + self.released),
            is_just_restocked(second, OPENS_MS // SECOND_MS, self.since),
            [sum(self.taken[each] for each in range(begin, begin + BLOCK_S)) for begin in past],
            None,
        )


def seconds_of(sale: Sale) -> Iterator[Second]:
    """Each second of a sale in which something is left, but for those before a restock that nobody foresees."""
    known, books, found = _known(sale), _Books(sale), list[tuple[int, Second]]()
    end_ms = max(each.known_ms for each in known) if known else 0
    place = 0
    for second in range(OPENS_MS // SECOND_MS, end_ms // SECOND_MS + 1):
        while place < len(known) and known[place].known_ms < second * SECOND_MS:
            books.learn(known[place])
            place += 1
        if books.left > 0:
            found.append((second * SECOND_MS, books.at(second)))
    for each in known[place:]:
        books.learn(each)
    restocks = [each.known_ms for each in known if each.what == "restocked"]
    for at_ms, seen in found:
        place = bisect_left(books.empty_ms, at_ms)
        empty_ms = books.empty_ms[place] if place < len(books.empty_ms) else None
        place = bisect_left(restocks, at_ms)
        if place < len(restocks) and (empty_ms is None or restocks[place] <= empty_ms):
            continue
        yield seen if empty_ms is None else seen._replace(wait_s=(empty_ms - at_ms) / SECOND_MS)


def row_of(seen: Second) -> tuple[tuple[float, ...], float] | None:
    """Features and ln(wait ÷ plain wait) of a second in which the core would forecast."""
    found = outlook(seen.available, seen.taken, seen.returned)
    if isinstance(found, str) or seen.restocked or seen.back > MAX_RETURNING:
        return None
    ahead = min(HOLD_S // 2, int(2 * found.wait_s + 1))
    if sum(seen.due[:ahead]) > MAX_DUE * seen.available:
        return None
    if seen.wait_s is None:
        return found.features, MAX_LOG
    return found.features, max(-MAX_LOG, min(MAX_LOG, log(max(seen.wait_s, LEAST_WAIT_S) / found.wait_s)))


def regression(x: Floats, y: Floats, weights: Floats, quantile: float) -> Floats:
    """Coefficients of the linear quantile regression of `y`, of shape [rows], on `x`, [rows, features]."""
    found, epsilon = np.zeros(x.shape[1]), EPSILON
    ridge = RIDGE * weights.sum() * np.eye(x.shape[1])
    pull = (2 * quantile - 1) * (x.T @ weights)
    for _ in range(STEPS):
        epsilon = max(EPSILON_LEAST, epsilon * EPSILON_STEP)
        each = weights / (np.abs(y - x @ found) + epsilon)
        found = np.linalg.solve((x * each[:, None]).T @ x + ridge, x.T @ (each * y) + pull)
    return found


def balanced(x: Floats, y: Floats, kinds: NDArray[np.int64], counts: Floats, quantile: float) -> Floats:
    """The same, where kinds that are missed more often weigh more. Each row counts as many times as `counts` says."""
    sizes = np.bincount(kinds, counts)
    gains = np.ones(len(sizes))
    aim = min(quantile, 1 - quantile)

    def weighed(gains: Floats) -> Floats:
        weights = (gains / sizes)[kinds] * counts
        return regression(x, y, weights / weights.mean(), quantile)

    found = weighed(gains)
    for _ in range(ROUNDS):
        missed = y < x @ found if quantile < 1 / 2 else y > x @ found
        share = np.bincount(kinds, missed * counts) / sizes
        gains *= np.clip((share + SMOOTH) / (aim + SMOOTH), 1 / MAX_STEP, MAX_STEP)
        found = weighed(gains)
    return found


def fitted(
    seeds: Sequence[int] = SEEDS, of_kinds: Sequence[Callable[[Random], Sale]] = CONSTANTS_FROM
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """`LOW` and `HIGH`, from sales of these seeds of each kind."""
    rows: list[tuple[float, ...]] = []
    logs: list[float] = []
    kinds: list[int] = []
    lasts: list[bool] = []
    for number, kind in enumerate(of_kinds):
        for seed in seeds:
            for seen in seconds_of(sale_of(kind.__name__, seed)):
                row = row_of(seen)
                if row is not None:
                    rows.append(row[0])
                    logs.append(row[1])
                    kinds.append(number)
                    lasts.append(seen.wait_s is not None and seen.wait_s <= LAST_S)
    x, y, of = np.array(rows), np.array(logs), np.array(kinds)
    counts = np.where(lasts, LAST_WEIGHT, 1.0), np.ones(len(y))
    low, high = (
        tuple(float(each) for each in balanced(x, y, of, each_counts, quantile).round(3))
        for each_counts, quantile in zip(counts, QUANTILES, strict=True)
    )
    return low, high


def main() -> int:
    """Fit, print, and compare with what the core has."""
    low, high = fitted()
    print(f"LOW = {low}\nHIGH = {high}")
    if (low, high) == (LOW, HIGH):
        print("These are the constants of stream/core/forecast.py.")
        return 0
    print("stream/core/forecast.py has others.")
    return 1
