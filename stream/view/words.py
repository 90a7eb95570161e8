"""Figures and untrusted text for people. Here foreign text loses every power over a terminal but to be read."""

from __future__ import annotations

import unicodedata

_ELLIPSIS = "…"
# ISO 4217: currencies whose minor unit is not a hundredth.
_WHOLE = frozenset(
    (
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    )
)
_THOUSANDTHS = frozenset(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"))

SECOND_MS = 1_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def clean(text: str, max_chars: int = 200) -> str:
    """Text that cannot steer a terminal: control, format and private characters become `·`, and the length is bounded.

    Format characters include those that change the direction of writing. Markup does no harm in a `rich.text.Text`,
    which this package uses everywhere.
    """
    kept = "".join("·" if _steers(char) else char for char in text[: max_chars + 1])
    return kept if len(kept) <= max_chars else kept[: max_chars - 1] + _ELLIPSIS


def _steers(char: str) -> bool:
    category = unicodedata.category(char)
    return category.startswith("C") or category in {"Zl", "Zp", "Me", "Mn"}


def grouped(number: int) -> str:
    """12345 → `12,345`."""
    return f"{number:,}"


def compact(number: int) -> str:
    """12345 → `12.3K`, rounded down: at most five characters, for places too narrow for the whole number."""
    for unit, size in (("T", 10**12), ("B", 10**9), ("M", 10**6), ("K", 10**3)):
        if number >= size:
            whole, rest = divmod(number, size)
            digits = 3 - len(str(whole))
            fraction = str(rest * 10**digits // size).zfill(digits) if digits > 0 else ""
            return f"{whole}.{fraction}{unit}" if fraction else f"{whole}{unit}"
    return str(number)


def money(minor: int, currency: str) -> str:
    """Minor units → `CNY 1,234.50`, with the currency's own number of digits."""
    digits = 0 if currency in _WHOLE else 3 if currency in _THOUSANDTHS else 2
    whole, rest = divmod(abs(minor), 10**digits)
    fraction = f".{rest:0{digits}d}" if digits else ""
    return f"{clean(currency, 8)} {'-' if minor < 0 else ''}{whole:,}{fraction}"


def duration(ms: int) -> str:
    """A span, rounded down: `0.4 s`, `42 s`, `4:12`, `1:04:12`, `3 d 4 h`."""
    ms = max(ms, 0)
    if ms < 10 * SECOND_MS:
        return f"{ms // 100 / 10:.1f} s"
    if ms < MINUTE_MS:
        return f"{ms // SECOND_MS} s"
    minutes, seconds = divmod(ms // SECOND_MS, 60)
    if ms < HOUR_MS:
        return f"{minutes}:{seconds:02d}"
    hours, minutes = divmod(minutes, 60)
    if ms < DAY_MS:
        return f"{hours}:{minutes:02d}:{seconds:02d}"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def span(low_ms: int, high_ms: int) -> str:
    """An interval: `1.4–2.6 s`, `14–59 s`, `2–5 min`. Rounding is outwards: the text promises no less.

    It is in one unit, unless the earlier end is less than one of it: `50 s–4 min`.
    """
    if high_ms < 10 * SECOND_MS:
        return f"{low_ms // 100 / 10:.1f}–{-(-high_ms // 100) / 10:.1f} s"
    if high_ms < 2 * MINUTE_MS:
        return f"{low_ms // SECOND_MS}–{-(-high_ms // SECOND_MS)} s"
    if high_ms < 2 * HOUR_MS:
        low = f"{low_ms // SECOND_MS} s" if SECOND_MS <= low_ms < MINUTE_MS else str(low_ms // MINUTE_MS)
        return f"{low}–{-(-high_ms // MINUTE_MS)} min"
    low = f"{low_ms // MINUTE_MS} min" if MINUTE_MS <= low_ms < HOUR_MS else str(low_ms // HOUR_MS)
    return f"{low}–{-(-high_ms // HOUR_MS)} h"


def share(num: int, den: int) -> str:
    """A share in per cent: `1.9 %`; `–` if `den` is 0. A share below 1 % keeps two significant digits."""
    if den <= 0:
        return "–"
    percent = 100 * num / den
    if not num or percent >= 1:
        return f"{percent:.1f} %"
    return f"{percent:.2g} %"
