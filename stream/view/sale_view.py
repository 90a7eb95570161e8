"""One SKU of one sale in a terminal: its stock as a bar, and its pace."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from stream.view.levels import WORD_CHARS, level_text, level_word
from stream.view.words import clean, duration, grouped, money, share, span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

    from stream.contract.overlay import Sale
    from stream.view.strings import Strings

# Characters that differ without colour: solid, half, empty.
SOLD, HELD, AVAILABLE = "█", "▒", "░"
_SOLD_STYLE, _HELD_STYLE, _AVAILABLE_STYLE = "#fb923c", "#fcd34d", "#64748b"
_WARNING = "bold #f87171"


def sale_view(sale: Sale, strings: Strings, width: int, now_ms: int) -> RenderableType:
    """Head, bar, stock and pace of one sale at `now_ms`."""
    lines: list[RenderableType] = [_head(sale, strings, width, now_ms)]
    committed = sale.held + sale.sold
    if sale.offered is None or sale.available is None:
        lines.append(Text(f"  {strings.stock_unknown}; {_stock(sale, strings)}"))
    else:
        total = max(sale.offered + sale.restocked, committed)
        if total:
            lines.append(stock_bar(sale.sold, sale.held, total, width - 2))
        sold_of = strings.sell_through.format(
            share=share(sale.sold, sale.offered + sale.restocked),
            num=grouped(sale.sold),
            den=grouped(sale.offered + sale.restocked),
        )
        lines.append(Text(f"  {_stock(sale, strings)} · {sold_of}"))
    if pace := _pace(sale, strings):
        lines.append(Text(f"  {' · '.join(pace)}"))
    if warnings := _warnings(sale, strings):
        lines.append(Text(f"  {' · '.join(warnings)}", style=_WARNING))
    return Group(*lines)


def stock_bar(sold: int, held: int, total: int, width: int) -> Text:
    """A bar of `width` cells. A part above 0 has at least one cell: rounding never hides it."""
    parts = (sold, held, max(total - sold - held, 0))
    cells = _cells(parts, width)
    bar = Text("  ")
    for count, (char, style) in zip(
        cells, ((SOLD, _SOLD_STYLE), (HELD, _HELD_STYLE), (AVAILABLE, _AVAILABLE_STYLE)), strict=True
    ):
        bar.append(char * count, style)
    return bar


def _cells(parts: tuple[int, ...], width: int) -> list[int]:
    """Whole cells for each part that add up to the width; the largest part takes the rest, any part above 0 has one."""
    total = sum(parts)
    if not total or width < len(parts):
        return [0] * len(parts)
    cells = [max(part * width // total, 1 if part else 0) for part in parts]
    largest = max(range(len(parts)), key=parts.__getitem__)
    cells[largest] += width - sum(cells)
    return cells


def _head(sale: Sale, strings: Strings, width: int, now_ms: int) -> Table:
    head = Table.grid(padding=(0, 1))
    head.width = width
    head.add_column(overflow="ellipsis", no_wrap=True, ratio=1)
    head.add_column(justify="right", no_wrap=True)
    name = Text(clean(sale.sale_id, 64), style="bold")
    name.append(f" · {clean(sale.sku_id, 64)}", style="not bold")
    if sale.price_minor is not None and sale.currency is not None:
        name.append(f" · {money(sale.price_minor, sale.currency)}", style="not bold")
    state = level_text(sale.urgency.level, strings)
    when = when_of(sale, strings, now_ms)
    if when and sale.urgency.level != "ended":
        state.append(f" · {when}", style="default not bold")
    head.add_row(name, state)
    return head


def when_of(sale: Sale, strings: Strings, now_ms: int) -> str:
    """The time to the start or end of a sale, else its status."""
    if sale.status == "scheduled" and sale.starts_at_ms is not None:
        return strings.starts_in.format(time=duration(sale.starts_at_ms - now_ms))
    if sale.status != "open" or sale.ends_at_ms is None:
        return strings.statuses.get(sale.status) or clean(sale.status, WORD_CHARS)
    if sale.ends_at_ms <= now_ms:
        return strings.ended
    ends = strings.ends_in.format(time=duration(sale.ends_at_ms - now_ms))
    return f"{ends} ({strings.extended})" if sale.extended else ends


def _stock(sale: Sale, strings: Strings) -> str:
    parts = [f"{grouped(sale.sold)} {strings.sold}", f"{grouped(sale.held)} {strings.held}"]
    if sale.available is not None:
        parts.append(f"{grouped(sale.available)} {strings.left}")
    if sale.gone:
        parts.append(strings.gone.format(n=grouped(sale.gone)))
    return ", ".join(parts)


def _pace(sale: Sale, strings: Strings) -> list[str]:
    parts = []
    if sale.velocity.units:
        window = duration(sale.velocity.window_ms)
        parts.append(strings.velocity.format(n=f"{sale.velocity.units:+,}", window=window))
    if sale.eta_sellout_ms is not None:
        eta = sale.eta_sellout_ms
        parts.append(strings.eta.format(span=span(eta.low, eta.high), coverage=round(eta.coverage * 100)))
    if sale.carters_without_order.value:
        parts.append(strings.carters.format(n=grouped(sale.carters_without_order.value)))
    if sale.restock_planned_at_ms is not None:
        parts.append(strings.restock_at.format(time=utc_time(sale.restock_planned_at_ms)))
    return parts


def _warnings(sale: Sale, strings: Strings) -> list[str]:
    parts = []
    if sale.oversold:
        parts.append(strings.oversold.format(n=grouped(sale.oversold)))
    if sale.over_limit:
        parts.append(strings.over_limit.format(n=grouped(sale.over_limit)))
    if sale.suspect_units:
        parts.append(strings.suspects.format(n=grouped(sale.suspect_units)))
    for each in sale.suspicions:
        rule = strings.suspicions.get(each.rule, each.rule)
        parts.append(strings.suspect_orders.format(n=grouped(each.orders), units=grouped(each.units), rule=rule))
    return parts


def counted_sales(sales: Iterable[Sale], strings: Strings) -> Text:
    """`and 54 more sales: 50 calm, 3 sold out, 1 scheduled`: by level, and by status where none is announced yet."""
    words = Counter(
        strings.statuses[sale.status] if sale.status == "scheduled" else level_word(sale.urgency.level, strings)
        for sale in sales
    )
    said = strings.between.join(f"{grouped(number)} {word}" for word, number in words.most_common())
    more = strings.more_sales.format(n=grouped(words.total()), kinds=said)
    return Text(f"  {more}", style="#94a3b8", no_wrap=True, overflow="ellipsis")


def utc_time(epoch_ms: int, *, millis: bool = False) -> str:
    """`2026-11-27 20:15:00`, with milliseconds if asked for; the bare number if no calendar date matches."""
    try:
        moment = datetime.fromtimestamp(epoch_ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{epoch_ms} ms"
    text = moment.strftime("%Y-%m-%d %H:%M:%S")
    return f"{text}.{epoch_ms % 1000:03d}" if millis else text
