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


# Scripts that join their letters: within a word a joiner or a non-joiner shows how two of them meet.
_JOINED = (
    *("ARABIC", "SYRIAC", "NKO", "MONGOLIAN", "DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI", "ORIYA", "TAMIL"),
    *("TELUGU", "KANNADA", "MALAYALAM", "SINHALA", "KHMER", "MYANMAR", "TIBETAN"),
)
_NON_JOINER, _JOINER, _AS_PICTURE = "\u200c", "\u200d", "\ufe0f"
_SKINS = frozenset("\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")
# Two marks on a letter belong to languages. More build a tower over other people's lines.
_MARKS_MAX = 2


def clean(text: str, max_chars: int = 200) -> str:
    """Text that cannot steer a terminal: what has no look of its own becomes `·`, and the length is bounded.

    That is control, format and private characters, of which some change the direction of writing, and marks without a
    letter. What belongs to the writing stays: marks on letters, joiners within words of scripts that join their letters
    (Persian, Hindi) and between pictures. Markup does no harm in a `rich.text.Text`, which all of this package uses.
    """
    text = text[: max_chars + 1]
    if text.isascii() and text.isprintable():
        kept = text
    else:
        kept = "".join("·" if _steers(text, at) else char for at, char in enumerate(text))
    return kept if len(kept) <= max_chars else kept[: max_chars - 1].rstrip(_JOINER + _NON_JOINER) + _ELLIPSIS


def _steers(text: str, at: int) -> bool:
    char = text[at]
    category = unicodedata.category(char)
    if char in (_JOINER, _NON_JOINER):
        after = text[at + 1 : at + 2]
        if _is_joined(_letter_before(text, at)) and _is_joined(after):
            return False
        before = text[max(0, at - 2) : at].rstrip(_AS_PICTURE)[-1:]
        return not (char == _JOINER and (_is_picture(before) or before in _SKINS) and _is_picture(after))
    if char == _AS_PICTURE:
        return not _is_picture(text[max(0, at - 1) : at])
    if category == "Mn":
        return not _letter_before(text, at, _MARKS_MAX - 1)
    return category.startswith("C") or category in {"Zl", "Zp", "Me"}


def _letter_before(text: str, at: int, marks_max: int = _MARKS_MAX) -> str:
    """The letter just before a place, or before at most so many marks; empty: there is none."""
    for place in range(at - 1, max(-1, at - 2 - marks_max), -1):
        category = unicodedata.category(text[place])
        if category.startswith("L"):
            return text[place]
        if category not in ("Mn", "Mc"):
            break
    return ""


def _is_joined(char: str) -> bool:
    return bool(char) and unicodedata.category(char)[0] == "L" and unicodedata.name(char, "").startswith(_JOINED)


def _is_picture(char: str) -> bool:
    return bool(char) and unicodedata.category(char) == "So"


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
