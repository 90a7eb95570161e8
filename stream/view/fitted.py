"""An overlay document in as many lines as a terminal has: what matters most first, the rest counted, nothing scrolled.

A document that fits is shown whole (`terminal.render`). Of a longer one: its head, the sale that leads, the next most
urgent ones in a line each, how many others there are by level, people and orders, and what may be said on screen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.rule import Rule
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from stream.view.levels import level_text
from stream.view.names import with_names
from stream.view.sale_view import counted_sales, sale_view, when_of
from stream.view.strings import EN, LANGUAGES
from stream.view.terminal import GREY, MIN_WIDTH, claim_lines, head_of, render, sale_order, totals_of
from stream.view.words import clean, duration, grouped

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from stream.contract.overlay import Overlay, Sale
    from stream.view.strings import Strings

    Lines = list[list[Segment]]

# Sales in a line each that come before everything but the sale that leads.
FIRST_OTHERS = 5
# Lines of totals: two of figures, one of orders, one of money.
TOTALS_LINES = 4


class Fitted:
    """The document in at most as many lines as the console has, less `reserved`.

    Args:
        overlay: the document.
        lang: a key of `LANGUAGES`; any other counts as English.
        now_ms: wall clock.
        reserved: lines that are kept free.
    """

    def __init__(self, overlay: Overlay, *, lang: str, now_ms: int, reserved: int = 0) -> None:
        self._overlay = overlay
        self._lang = lang
        self._strings = LANGUAGES.get(lang, EN)
        self._now_ms = now_ms
        self._reserved = reserved

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        most = max(1, console.height - self._reserved)
        width = max(options.max_width, MIN_WIDTH)
        options = options.update(width=width, height=None)
        whole = render(self._overlay, width=width, lang=self._lang, now_ms=self._now_ms)
        lines = console.render_lines(whole, options, pad=False)
        if len(lines) > most:
            lines = self._short(console, options, width, most)
        for line in lines:
            yield from line
            yield Segment.line()

    def _short(self, console: Console, options: ConsoleOptions, width: int, most: int) -> Lines:
        overlay, strings, now = with_names(self._overlay), self._strings, self._now_ms

        def lines_of(*parts: RenderableType) -> Lines:
            return [line for part in parts for line in console.render_lines(part, options, pad=False)]

        is_stale = now > overlay.stale_after_ms
        warning = Text(strings.stale.format(age=duration(now - overlay.as_of_ms)), style="bold #f87171")
        top = lines_of(warning) if is_stale else []
        body = lines_of(head_of(overlay, strings, width, now), Rule(style="#475569"))
        left = most - len(top) - len(body)
        sales = sorted(overlay.sales, key=lambda sale: sale_order(sale, overlay.urgency.sale_id))
        # Taken in the order of importance, shown in the order of the page.
        leader = lines_of(*(sale_view(sale, strings, width, now) for sale in sales[:1]))[: max(left, 0)]
        others = sales[1:]
        left -= len(leader)
        # The line that counts what is not shown, and the one that says that a taller window shows more.
        left -= 2
        totals = lines_of(totals_of(overlay, strings, width))[:TOTALS_LINES]
        totals = totals if len(totals) + 1 <= left else []
        left -= len(totals) + bool(totals)
        shown = min(len(others), FIRST_OTHERS, max(left, 0))
        left -= shown
        claims = lines_of(*claim_lines(overlay, strings, now))
        claims = [] if left < 3 else claims[: left - 1]  # noqa: PLR2004 -- a blank, a title and a claim
        left -= len(claims) + bool(claims)
        more = min(len(others) - shown, max(left, 0))
        listed = [_in_a_line(sale, strings, width, now) for sale in others[: shown + more]]
        body += leader + lines_of(*listed)
        if rest := others[shown + more :]:
            body += lines_of(counted_sales(rest, strings))
        for block in (totals, claims):
            if block:
                body += [[], *block]
        body += lines_of(Text(strings.taller, style="#94a3b8", no_wrap=True, overflow="ellipsis"))
        if is_stale:
            body = [[Segment(text, None if control else GREY, control) for text, _, control in line] for line in body]
        return (top + body)[:most]


def _in_a_line(sale: Sale, strings: Strings, width: int, now_ms: int) -> Table:
    """One sale: its name, what is left of it, and its level; the name is cut where all three do not fit."""
    line = Table.grid(padding=(0, 1))
    line.width = width
    line.add_column(overflow="ellipsis", no_wrap=True, ratio=1)
    line.add_column(justify="right", no_wrap=True)
    line.add_column(justify="right", no_wrap=True, min_width=24)
    name = Text(f"  {clean(sale.sku_id, 64)}")
    name.append(f" · {clean(sale.sale_id, 64)}", "#94a3b8")
    stock = strings.stock_unknown if sale.available is None else f"{grouped(sale.available)} {strings.left}"
    if sale.oversold:
        stock = strings.oversold.format(n=grouped(sale.oversold))
    state = level_text(sale.urgency.level, strings)
    if sale.urgency.level != "ended" and (when := when_of(sale, strings, now_ms)):
        state.append(f" · {when}", style="default not bold")
    line.add_row(name, Text(stock, style="bold #f87171" if sale.oversold else ""), state)
    return line
