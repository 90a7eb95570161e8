"""Urgency levels: evidence or silence. A level rises at the next whole second and falls late, so as not to flicker.

Each rule looks at one figure of the ledger and names the level that the figure supports; the highest one holds. `BANDS`
is the rule book: thresholds are the product's judgement (there is no public standard), each documented in
docs/signals.md. To fall, the rules must support less than the present level, with thresholds lowered by
`urgency_fall_factor`, for `urgency_fall_after_ms` without a break; then the level goes to what they support.

From the second edition on no level above `QUIET_TOP` is supported while nobody buys: a rush is people who buy. A higher
level ends in the same second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from stream.contract.levels import RAMP, place_of_level
from stream.contract.overlay import Because, Level, Urgency

if TYPE_CHECKING:
    from stream.core.rules import Rules

_RANK: dict[Level, int] = {level: rank for rank, level in enumerate(RAMP)}
# The highest level of a sale in which nobody buys.
QUIET_TOP: Level = "brisk"

# rule → (threshold, level) from low to high. `eta_below` and `time_left_below` compare downwards.
VELOCITY_BANDS: tuple[tuple[float, Level], ...] = ((1.5, "warming"), (2.5, "brisk"), (4.0, "rush"), (8.0, "snap_up"))
DEMAND_BANDS: tuple[tuple[float, Level], ...] = ((0.25, "warming"), (0.5, "brisk"), (1.0, "rush"), (2.0, "snap_up"))
ETA_BANDS_S: tuple[tuple[float, Level], ...] = (
    (300.0, "brisk"),
    (120.0, "rush"),
    (60.0, "snap_up"),
    (10.0, "last_call"),
)

# The bands that count while nobody buys.
_QUIET = {
    bands: tuple(band for band in bands if _RANK[band[1]] <= _RANK[QUIET_TOP])
    for bands in (VELOCITY_BANDS, DEMAND_BANDS, ETA_BANDS_S)
}


class SaleFigures(Struct, gc=False):
    """The figures that the rules look at, as of one moment. Times in ms; None: unknown, or below the minimum sample.

    `is_bought`: whether people buy; always true under the first edition.
    """

    status: str
    sold_out: bool
    velocity_ratio: float | None
    demand_ratio: float | None
    eta_s: float | None
    time_left_ms: int | None
    is_bought: bool = True
    all_taken: bool = False  # no unit is available, and held units may come back


class UrgencyState(Struct):
    """One level: its name, its beginning, and the moment since which the rules support less (−1: they support it)."""

    level: Level = "unknown"
    since_ms: int = 0
    below_since_ms: int = -1
    because: list[Because] = []

    def copy(self) -> UrgencyState:
        """Return an independent copy."""
        return UrgencyState(self.level, self.since_ms, self.below_since_ms, self.because)

    def update(self, figures: SaleFigures, now_ms: int, rules: Rules) -> bool:
        """Move the level as of `now_ms`. Returns whether the saved state changed."""
        before = self.level, self.since_ms, self.below_since_ms, self.because
        self._move(figures, now_ms, rules)
        return before != (self.level, self.since_ms, self.below_since_ms, self.because)

    def _move(self, figures: SaleFigures, now_ms: int, rules: Rules) -> None:
        fixed = _fixed_level(figures.status, sold_out=figures.sold_out, all_taken=figures.all_taken)
        if fixed is not None:
            self._set(fixed, now_ms, [])
            return
        level, because = supported(figures, rules, 1.0)
        if self.level not in _RANK or _RANK[level] >= _RANK[self.level]:
            self.below_since_ms = -1
            self._set(level, now_ms, because)
            return
        lenient, lenient_because = supported(figures, rules, rules.urgency_fall_factor)
        if not figures.is_bought and _RANK[self.level] > _RANK[QUIET_TOP]:
            self.below_since_ms = -1
            self._set(lenient, now_ms, lenient_because)
            return
        if _RANK[lenient] >= _RANK[self.level]:
            self.below_since_ms = -1
            self.because = lenient_because or self.because
            return
        if self.below_since_ms < 0:
            self.below_since_ms = now_ms
        elif now_ms - self.below_since_ms >= rules.urgency_fall_after_ms:
            self.below_since_ms = -1
            self._set(level, now_ms, because)

    def _set(self, level: Level, now_ms: int, because: list[Because]) -> None:
        if level != self.level:
            self.level = level
            self.since_ms = now_ms
        self.because = because

    def published(self, sale_id: str | None = None) -> Urgency:
        """Return the level in the form of the overlay document."""
        return Urgency(self.level, self.since_ms, self.because, sale_id)


def agrees(level: Level, status: str, *, sold_out: bool, all_taken: bool = False) -> bool:
    """Return whether a sale in this condition can have the level: ended, not open, all taken, sold out, or selling."""
    fixed = _fixed_level(status, sold_out=sold_out, all_taken=all_taken)
    return level in _RANK if fixed is None else level == fixed


def _fixed_level(status: str, *, sold_out: bool, all_taken: bool) -> Level | None:
    if status == "ended":
        return "ended"
    if status != "open":
        return "unknown"
    if all_taken:
        return "all_taken"
    return "sold_out" if sold_out else None


def supported(figures: SaleFigures, rules: Rules, factor: float) -> tuple[Level, list[Because]]:
    """Return the highest level that the figures support, with the rules that support it.

    `factor` < 1 makes every threshold easier to meet.
    """
    votes: list[tuple[int, Because]] = []
    is_bought = figures.is_bought
    for rule, value, bands in (
        ("velocity_over_baseline", figures.velocity_ratio, VELOCITY_BANDS),
        ("carters_over_available", figures.demand_ratio, DEMAND_BANDS),
    ):
        _vote_up(votes, rule, value, bands if is_bought else _QUIET[bands], factor)
    _vote_down(votes, "eta_below_s", figures.eta_s, ETA_BANDS_S if is_bought else _QUIET[ETA_BANDS_S], factor)
    time_left_ms = figures.time_left_ms if is_bought else None
    # The end of a sale makes a last call only while units are selling.
    if time_left_ms is not None and time_left_ms <= rules.last_call_ms and figures.velocity_ratio is not None:
        reason = Because("time_left_below_s", round(time_left_ms / 1_000, 1), rules.last_call_ms / 1_000)
        votes.append((_RANK["last_call"], reason))
    if not votes:
        return "calm", []
    top = max(rank for rank, _ in votes)
    return RAMP[top], [because for rank, because in votes if rank == top]


def _vote_up(
    votes: list[tuple[int, Because]],
    rule: str,
    value: float | None,
    bands: tuple[tuple[float, Level], ...],
    factor: float,
) -> None:
    if value is None:
        return
    for threshold, level in reversed(bands):
        if value >= threshold * factor:
            votes.append((_RANK[level], Because(rule, round(value, 2), threshold)))
            return


def _vote_down(
    votes: list[tuple[int, Because]],
    rule: str,
    value: float | None,
    bands: tuple[tuple[float, Level], ...],
    factor: float,
) -> None:
    if value is None:
        return
    for threshold, level in reversed(bands):
        if value <= threshold / factor:
            votes.append((_RANK[level], Because(rule, round(value, 1), threshold)))
            return


def leading(levels: dict[tuple[str, str], UrgencyState]) -> tuple[tuple[str, str] | None, UrgencyState]:
    """Return the sale that leads the room's urgency, and its level.

    The highest level leads; of equal levels the one that began first; then the order of names decides.
    """
    if not levels:
        return None, UrgencyState()
    lead = min(rank_of(key, urgency) for key, urgency in levels.items())[-1]
    return lead, levels[lead]


def rank_of(key: tuple[str, str], urgency: UrgencyState) -> tuple[int, int, tuple[str, str]]:
    """Return the sort key of a sale's level: the least one leads."""
    return place_of_level(urgency.level), urgency.since_ms, key
