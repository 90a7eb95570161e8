"""An overlay document in one plain line, for logs and pipes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.view.levels import level_word
from stream.view.mechanics import sections_in_line
from stream.view.order_words import orders_told
from stream.view.sale_view import utc_time
from stream.view.strings import EN, LANGUAGES
from stream.view.words import clean, duration, grouped

if TYPE_CHECKING:
    from stream.contract.overlay import Overlay, Sale


def overlay_line(overlay: Overlay, *, lang: str = "en", now_ms: int | None = None) -> str:
    """The moment, revision, people and orders, then each sale. The line of a stale document begins with STALE."""
    strings = LANGUAGES.get(lang, EN)
    totals = overlay.totals
    parts = [
        f"{utc_time(overlay.as_of_ms, millis=True)} UTC {clean(overlay.room_id, 64)} rev {overlay.epoch}.{overlay.rev}",
        f"{grouped(totals.watching_now)} {strings.watching}",
        orders_told(totals.orders, strings),
        *(_sale(sale, lang) for sale in overlay.sales),
        *sections_in_line(overlay),
    ]
    line = " | ".join(parts)
    if now_ms is None or now_ms <= overlay.stale_after_ms:
        return line
    return f"STALE {duration(now_ms - overlay.as_of_ms)} | {line}"


def _sale(sale: Sale, lang: str) -> str:
    strings = LANGUAGES.get(lang, EN)
    left = "?" if sale.available is None else grouped(sale.available)
    said = f"{clean(sale.sale_id, 64)}/{clean(sale.sku_id, 64)}: {level_word(sale.urgency.level, strings)}, {left} "
    said += f"{strings.left}, {grouped(sale.held)} {strings.held}, {grouped(sale.sold)} {strings.sold}"
    return f"{said}, {strings.oversold.format(n=grouped(sale.oversold))}" if sale.oversold else said
