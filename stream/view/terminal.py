"""An overlay document in a terminal, for hosts and operators. A figure states its scope, time and certainty.

Old figures never look new: after `stale_after_ms` the whole view turns grey and says so. Every text of the document is
untrusted and goes through `clean`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rich.console import Group
from rich.rule import Rule
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from stream.contract.levels import place_of_level
from stream.contract.overlay import Withheld
from stream.view.levels import WORD_CHARS, level_text
from stream.view.mechanics import section_figures
from stream.view.names import with_names
from stream.view.order_words import orders_told
from stream.view.sale_view import counted_sales, sale_view, utc_time
from stream.view.strings import EN, LANGUAGES, Strings
from stream.view.words import MINUTE_MS, clean, compact, duration, grouped, money, share, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from stream.contract.overlay import Claim, Count, Overlay, Rate, RateNote, Sale

MIN_WIDTH = 60
LABEL_COLUMNS = 24
GREY = Style(color="#64748b", dim=True)
MAX_SALES = 6
MAX_CLAIM_LINES = 8


def render(overlay: Overlay, *, width: int, lang: str = "en", now_ms: int | None = None) -> RenderableType:
    """The whole document, with the names of products where the room knows them.

    Args:
        overlay: the document.
        width: columns of the terminal, at least 60; smaller values count as 60.
        lang: a key of `LANGUAGES`; any other counts as English.
        now_ms: wall clock; None: the document's own moment, the only one that a replay has.
    """
    overlay = with_names(overlay)
    strings = LANGUAGES.get(lang, EN)
    width = max(width, MIN_WIDTH)
    now = overlay.as_of_ms if now_ms is None else now_ms
    parts: list[RenderableType] = [head_of(overlay, strings, width, now), Rule(style="#475569")]
    shown = sorted(overlay.sales, key=lambda sale: sale_order(sale, overlay.urgency.sale_id))
    for sale in shown[:MAX_SALES]:
        parts += [sale_view(sale, strings, width, now), Text()]
    if len(shown) > MAX_SALES:
        parts += [counted_sales(shown[MAX_SALES:], strings), Text()]
    parts += [totals_of(overlay, strings, width), Text(), _rates(overlay.rates, strings, width), Text()]
    for mechanic, figures in section_figures(overlay, strings):
        parts += [Text(mechanic, "bold"), *_filled(figures, width), Text()]
    parts.append(_claims(overlay, strings, width, now))
    body = Group(*parts)
    if now <= overlay.stale_after_ms:
        return body
    warning = strings.stale.format(age=duration(now - overlay.as_of_ms))
    return Group(Text(warning, style="bold #f87171"), _Greyed(body))


class _Greyed:
    """A renderable without its colours: figures that are no longer true must not stand out."""

    def __init__(self, body: RenderableType) -> None:
        self._body = body

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._body, options):
            yield Segment(segment.text, None if segment.control else GREY, segment.control)


def head_of(overlay: Overlay, strings: Strings, width: int, now_ms: int) -> RenderableType:
    """The line of the room: its name and level, the time of the figures, and their age."""
    head = Table.grid(padding=(0, 2))
    head.width = width
    head.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    head.add_column(justify="right", no_wrap=True)
    name = Text(clean(overlay.room_id, 64), style="bold")
    if overlay.sales:
        name.append("  ")
        name.append_text(level_text(overlay.urgency.level, strings))
    if overlay.urgency.sale_id is not None:
        name.append(f" ({clean(overlay.urgency.sale_id, 64)})", style="not bold")
    fresh = strings.as_of.format(time=utc_time(overlay.as_of_ms))
    if now_ms > overlay.as_of_ms:
        fresh += f", {strings.old.format(age=duration(now_ms - overlay.as_of_ms))}"
    if overlay.clock.source == "log" and overlay.clock.lag_ms > 0:
        fresh += f" · {strings.backlog}"
    head.add_row(name, Text(fresh, style="#94a3b8"))
    return head


def totals_of(overlay: Overlay, strings: Strings, width: int) -> RenderableType:
    """Lines of people, orders and money of the session."""
    totals = overlay.totals
    figures = [
        (count_text(totals.viewers, strings), strings.viewers),
        (grouped(totals.views), strings.views),
        (grouped(totals.watching_now), strings.watching),
        (grouped(totals.likes), strings.likes),
        (grouped(totals.comments), strings.comments),
        (grouped(totals.cart_adds), strings.cart_adds),
    ]
    lines: list[RenderableType] = [*_filled(figures, width), Text(orders_told(totals.orders, strings))]
    for purse in totals.money:
        said = strings.gmv.format(
            currency=clean(purse.currency, 8),
            placed=_amount(purse.gmv_placed_minor, purse.currency),
            paid=_amount(purse.gmv_paid_minor, purse.currency),
            net=_amount(purse.gmv_net_minor, purse.currency),
        )
        lines.append(Text(said))
    return Group(*lines)


def _filled(figures: Sequence[tuple[str, str]], width: int) -> list[Text]:
    """Lines of figures with their words. A line takes as many figures as fit, and no figure is broken."""
    lines = [Text()]
    for number, what in figures:
        figure = Text(number, "bold")
        figure.append(f" {what}", "not bold #94a3b8")
        if lines[-1] and lines[-1].cell_len + 3 + figure.cell_len > width:
            lines.append(Text())
        if lines[-1]:
            lines[-1].append("   ")
        lines[-1].append_text(figure)
    return lines


def count_text(count: Count, strings: Strings) -> str:
    """A distinct count as text. An estimate states its error."""
    if count.error_95 is None:
        return grouped(count.value)
    return f"{grouped(count.value)} {strings.about.format(share=round(count.error_95 * 100, 1))}"


def _rates(rates: Sequence[Rate], strings: Strings, width: int) -> RenderableType:
    """A table of one row for each rate and one column for each window. Rates with a denominator of 0 are left out."""
    live = [rate for rate in rates if rate.den > 0]
    if not live:
        return Text(strings.no_rates, style="#94a3b8")
    windows = sorted({rate.window_ms for rate in live}, key=lambda window: (window is None, window or 0))
    names = list(dict.fromkeys((rate.name, rate.currency) for rate in live))
    column = (width - LABEL_COLUMNS) // len(windows) - 1
    cells = {(rate.name, rate.currency, rate.window_ms): _rate_cell(rate, column, strings) for rate in live}
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="#94a3b8")
    table.add_column("", no_wrap=True, overflow="ellipsis", width=LABEL_COLUMNS - 1)
    for window in windows:
        title = strings.session if window is None else strings.minutes.format(n=window // MINUTE_MS)
        table.add_column(title, justify="right", width=column)
    for name, currency in names:
        label = clean(strings.rates.get(name, name), 32)
        row = [cells.get((name, currency, window), Text()) for window in windows]
        table.add_row(Text(label if currency is None else f"{label}, {clean(currency, 8)}"), *row)
    notes = dict.fromkeys((rate.name, rate.note) for rate in live if rate.note is not None)
    return Group(table, *(Text(_rate_note(name, note, strings), "#94a3b8") for name, note in notes))


def _rate_note(name: str, note: str, strings: Strings) -> str:
    known = strings.rate_notes.get(cast("RateNote", note))
    return f"{clean(strings.rates.get(name, name), 32)}: {known or clean(note, WORD_CHARS)}"


def _rate_cell(rate: Rate, column: int, strings: Strings) -> Text:
    """The value, and below it the fraction in whole numbers, or in shortened numbers if those are too wide."""
    num = rate.num
    if rate.currency is not None:  # the numerator is minor units × 1000
        num //= 1000
        value = _amount(rate.num // rate.den, rate.currency)
    elif rate.name == "orders_per_viewer":
        value = f"{rate.num / rate.den:.2f}"
    else:
        value = share(rate.num, rate.den)
    about = "" if rate.error_95 is None else "≈"
    if rate.bound == "lower":
        value, about = strings.at_least.format(value=value), strings.at_least.format(value="")
    numerator = grouped(num) if rate.currency is None else _amount(num, rate.currency)
    of = f"{about}{numerator}/{grouped(rate.den)}"
    if len(of) > column:
        short = compact(num) if rate.currency is None else compact(int(_amount(num, rate.currency, whole=True)))
        of = f"{about}{short}/{compact(rate.den)}"
    cell = Text(value, "bold")
    cell.append(f"\n{of}", "not bold #94a3b8")
    return cell


def _amount(minor: int, currency: str, *, whole: bool = False) -> str:
    """The amount without its currency, which the row's label names."""
    figure = money(minor, currency).rpartition(" ")[2]
    return figure.partition(".")[0].replace(",", "") if whole else figure


def _claims(overlay: Overlay, strings: Strings, width: int, now_ms: int) -> RenderableType:
    """The claims that stand at `now_ms`, and those withheld. An expired claim is listed as withheld for `stale`."""
    grid = Table.grid(padding=(0, 2))
    grid.width = width
    grid.add_column(ratio=1)
    grid.add_column(ratio=1)
    sales = {(sale.sale_id, sale.sku_id): sale for sale in overlay.sales}
    said = [_claim(claim, strings, now_ms) for claim in _standing(overlay, now_ms)]
    held_back = [_withheld(withheld, sales, strings) for withheld in _held_back(overlay, now_ms)]
    grid.add_row(
        _column(strings.said, said, "✓", "#e2e8f0", strings),
        _column(strings.not_said, held_back, "–", "#94a3b8", strings),
    )
    return grid


def claim_lines(overlay: Overlay, strings: Strings, now_ms: int) -> list[Text]:
    """A title with the number of claims that stand and that are withheld, then a line for each that stands."""
    said = [_claim(claim, strings, now_ms) for claim in _standing(overlay, now_ms)]
    title = Text(f"{strings.said}: {grouped(len(said))}", style="bold")
    title.append(f" · {strings.not_said}: {grouped(len(_held_back(overlay, now_ms)))}", "not bold #94a3b8")
    return [title, *(Text(f"✓ {line}", style="#e2e8f0", no_wrap=True, overflow="ellipsis") for line in said)]


def _standing(overlay: Overlay, now_ms: int) -> list[Claim]:
    return [claim for claim in overlay.claims if claim.valid_until_ms >= now_ms]


def _held_back(overlay: Overlay, now_ms: int) -> list[Withheld]:
    expired = [
        Withheld(claim.claim, "stale", claim.sale_id, claim.sku_id)
        for claim in overlay.claims
        if claim.valid_until_ms < now_ms
    ]
    return [*expired, *overlay.withheld]


def _column(title: str, lines: list[str], mark: str, style: str, strings: Strings) -> RenderableType:
    body = Text(title, style="bold")
    for line in lines[:MAX_CLAIM_LINES]:
        body.append(f"\n{mark} {line}", f"not bold {style}")
    if len(lines) > MAX_CLAIM_LINES:
        body.append(f"\n  +{len(lines) - MAX_CLAIM_LINES}", f"not bold {style}")
    if not lines:
        body.append(f"\n  {strings.nothing}", "not bold #94a3b8")
    return body


def _claim(claim: Claim, strings: Strings, now_ms: int) -> str:
    value = claim.value
    if isinstance(value, list):
        figure = span(value[0], value[-1]) if value else ""
    elif claim.unit == "ms":
        figure = duration(value - (now_ms - claim.as_of_ms))
    else:
        figure = grouped(value)
    coverage = claim.inputs.get("coverage")
    words = strings.claims.get(claim.claim)
    if words is None:  # a claim of a newer worker
        return _of_sale(f"{clean(claim.claim, WORD_CHARS)}: {figure}", claim)
    said = words.format(
        value=figure,
        window="" if claim.window_ms is None else _window(claim.window_ms, strings),
        coverage="?" if coverage is None else round(coverage * 100),
    )
    return _of_sale(said, claim)


def sale_order(sale: Sale, lead: str | None) -> tuple[int, bool, str, str]:
    """The sort key of a sale: by urgency, `lead` first among equals. One of an unknown level comes first."""
    return place_of_level(sale.urgency.level, of_unknown=-1), sale.sale_id != lead, sale.sale_id, sale.sku_id


def _of_sale(said: str, claim: Claim | Withheld) -> str:
    return said if claim.sale_id is None else f"{said} · {_subject(claim.sale_id, claim.sku_id)}"


def _withheld(withheld: Withheld, sales: dict[tuple[str, str], Sale], strings: Strings) -> str:
    known = strings.withheld_of.get((withheld.claim, withheld.reason)) or strings.withheld.get(withheld.reason)
    reason = known or clean(withheld.reason, WORD_CHARS)
    sale = sales.get((withheld.sale_id or "", withheld.sku_id or ""))
    if withheld.reason == "restock_planned" and sale is not None and sale.restock_planned_at_ms is not None:
        reason = strings.restock_at.format(time=utc_time(sale.restock_planned_at_ms))
    name = strings.claim_names.get(withheld.claim) or clean(withheld.claim, WORD_CHARS)
    return _of_sale(f"{name}: {reason}", withheld)


def _subject(sale_id: str, sku_id: str | None) -> str:
    return clean(sale_id, 40) if sku_id is None else f"{clean(sale_id, 40)}/{clean(sku_id, 40)}"


def _window(window_ms: int, strings: Strings) -> str:
    if window_ms % MINUTE_MS == 0:
        return strings.minutes.format(n=window_ms // MINUTE_MS)
    return duration(window_ms)
