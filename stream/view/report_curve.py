"""The curves of a report's page as SVG: money, orders, views and people over one time axis, with corrections."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from msgspec import Struct

from stream.view.words import clean, compact, money

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.contract.report import Correction, Step
    from stream.view.report_words import ReportWords

WIDTH, LEFT, RIGHT = 1_080, 8, 8
HEAD, HEIGHT, GAP, FOOT = 18, 76, 12, 22
# More columns would be too narrow to tell apart: neighbours are added up.
COLUMNS_MAX = 360
TICKS = 8
CURRENCIES_MAX = 3
MARKS_MAX = 60
DAY_MS = 24 * 3_600_000
_NICE_MS = tuple(
    1_000 * seconds
    for seconds in (5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400)
)


class _Panel(Struct):
    """One curve: its name, its colour's name, its values, and the text for its greatest value."""

    name: str
    colour: str
    values: list[int]
    greatest: str
    line: bool = False


def curves(steps: Sequence[Step], step_ms: int, corrections: Sequence[Correction], words: ReportWords) -> str:
    """The drawing; empty if nothing happened or if the list of steps leaves out empty ones."""
    if not steps or steps[-1].start_ms - steps[0].start_ms != (len(steps) - 1) * step_ms:
        return ""
    width = -(-len(steps) // COLUMNS_MAX)
    groups = [steps[at : at + width] for at in range(0, len(steps), width)]
    panels = _panels(groups, words)
    since_ms, until_ms = steps[0].start_ms, groups[0][0].start_ms + len(groups) * width * step_ms
    height = len(panels) * (HEAD + HEIGHT + GAP) + FOOT
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(words.curve)}">']
    for number, panel in enumerate(panels):
        parts.append(_drawn(panel, number * (HEAD + HEIGHT + GAP)))
    parts += _marks(corrections, since_ms, until_ms, height - FOOT, words)
    parts += _axis(since_ms, until_ms, height - FOOT)
    return "".join([*parts, "</svg>"])


def _panels(groups: Sequence[Sequence[Step]], words: ReportWords) -> list[_Panel]:
    paid: dict[str, int] = {}
    for amounts in (amounts for group in groups for step in group for amounts in step.money):
        paid[amounts.currency] = paid.get(amounts.currency, 0) + amounts.paid_minor
    panels = []
    for currency in sorted(paid, key=lambda each: (-paid[each], each))[:CURRENCIES_MAX]:
        values = [
            sum(each.paid_minor for step in group for each in step.money if each.currency == currency)
            for group in groups
        ]
        name = words.gmv.format(currency=currency)
        panels.append(_Panel(name, "gmv", values, money(max(values), currency)))
    orders = [sum(step.orders_paid for step in group) for group in groups]
    views = [sum(step.views for step in group) for group in groups]
    people = [group[-1].watching for group in groups]
    panels.append(_Panel(words.orders_paid, "orders", orders, compact(max(orders))))
    panels.append(_Panel(words.views, "views", views, compact(max(views))))
    panels.append(_Panel(words.watching, "watching", people, compact(max(people)), line=True))
    return panels


def _drawn(panel: _Panel, top: int) -> str:
    greatest = max(*panel.values, 1)
    base = top + HEAD + HEIGHT
    column = (WIDTH - LEFT - RIGHT) / len(panel.values)
    heights = [HEIGHT * max(value, 0) / greatest for value in panel.values]
    if panel.line:
        points = " ".join(f"{_x(index + 1, column)} {base - tall:.1f}" for index, tall in enumerate(heights))
        shape = (
            f'<path d="M{LEFT} {base} L{LEFT} {base - heights[0]:.1f} L{points} L{WIDTH - RIGHT} {base}Z" '
            f'style="fill:var(--{panel.colour});opacity:.18"/>'
            f'<path d="M{LEFT} {base - heights[0]:.1f} L{points}" '
            f'style="fill:none;stroke:var(--{panel.colour});stroke-width:2"/>'
        )
    else:
        wide = max(column - 1, column * 0.75)
        bars = "".join(
            f"M{_x(index, column)} {base}v{-tall:.1f}h{wide:.1f}V{base}Z" for index, tall in enumerate(heights) if tall
        )
        shape = f'<path d="{bars}" style="fill:var(--{panel.colour})"/>'
    return (
        f'<text class="name" x="{LEFT}" y="{top + HEAD - 5}">{escape(panel.name)}</text>'
        f'<text x="{WIDTH - RIGHT}" y="{top + HEAD - 5}" text-anchor="end">{escape(panel.greatest)}</text>'
        f"{shape}"
        f'<path class="axis" d="M{LEFT} {base}H{WIDTH - RIGHT}"/>'
    )


def _marks(
    corrections: Sequence[Correction], since_ms: int, until_ms: int, bottom: int, words: ReportWords
) -> list[str]:
    parts = []
    for each in corrections[:MARKS_MAX]:
        if since_ms <= each.at_ms <= until_ms:
            at = _at(each.at_ms, since_ms, until_ms)
            told = f"{words.kinds.get(each.kind, clean(each.kind))} {utc_time(each.at_ms)}"
            parts.append(f'<path class="mark" d="M{at} {HEAD}V{bottom}"><title>{escape(told)}</title></path>')
    return parts


def _axis(since_ms: int, until_ms: int, top: int) -> list[str]:
    long_ms = until_ms - since_ms
    each_ms = next((nice for nice in _NICE_MS if long_ms / nice <= TICKS), -(-long_ms // (TICKS * DAY_MS)) * DAY_MS)
    first_ms = -(-since_ms // each_ms) * each_ms
    parts = []
    for time_ms in range(first_ms, until_ms + 1, each_ms):
        at = _at(time_ms, since_ms, until_ms)
        told = utc_time(time_ms)[: 8 if each_ms % 60_000 else 5] if each_ms < DAY_MS else utc_date(time_ms)
        near = (float(at) - LEFT) / (WIDTH - LEFT - RIGHT)
        anchor = "start" if near < 0.02 else "end" if near > 0.98 else "middle"  # noqa: PLR2004 — a label's half
        parts.append(f'<text x="{at}" y="{top + 12}" text-anchor="{anchor}">{told}</text>')
    return parts


def strip(intervals: Sequence[tuple[int, int]], since_ms: int, until_ms: int) -> str:
    """A small bar over the whole session that is filled in the given intervals."""
    long_ms = max(until_ms - since_ms, 1)
    bars = "".join(
        f"M{100 * (begin - since_ms) / long_ms:.2f} 0h{max(100 * (end - begin) / long_ms, 0.5):.2f}v8"
        f"H{100 * (begin - since_ms) / long_ms:.2f}Z"
        for begin, end in intervals
    )
    return (
        '<svg class="strip" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<path class="ground" d="M0 0h100v8H0Z"/><path class="on" d="{bars}"/></svg>'
    )


def utc_time(epoch_ms: int) -> str:
    """The time as `20:33:11`."""
    return datetime.fromtimestamp(epoch_ms // 1000, UTC).strftime("%H:%M:%S")


def utc_date(epoch_ms: int) -> str:
    """The date as `2026-11-27`."""
    return datetime.fromtimestamp(epoch_ms // 1000, UTC).strftime("%Y-%m-%d")


def _x(index: int, column: float) -> str:
    return f"{LEFT + index * column:.1f}"


def _at(time_ms: int, since_ms: int, until_ms: int) -> str:
    return f"{LEFT + (WIDTH - LEFT - RIGHT) * (time_ms - since_ms) / max(until_ms - since_ms, 1):.1f}"
