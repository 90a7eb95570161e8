"""Words and figures for people. Owns what untrusted text may do on a terminal: nothing but be read."""

from __future__ import annotations

import unicodedata

_ELLIPSIS = "…"


def clean(text: str, max_chars: int = 200) -> str:
    """Text that cannot steer a terminal: control, format and private characters become `·`, length is bounded.

    Format characters include those that turn the direction of writing. Markup is harmless where the result is put into
    a `rich.text.Text`, which this package does everywhere.
    """
    kept = "".join("·" if unicodedata.category(char).startswith("C") else char for char in text[: max_chars + 1])
    return kept if len(kept) <= max_chars else kept[: max_chars - 1] + _ELLIPSIS
