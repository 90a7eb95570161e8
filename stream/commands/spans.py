"""Lengths of time as people write them: 90s, 30m, 2h, 7d."""

from __future__ import annotations

import re

from stream.errors import UsageError

_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def span_s(text: str, option: str, most_s: int) -> int:
    """The seconds in a length of time such as 12h.

    Raises:
        SnapupError: the text is no length of time, or it is longer than `most_s`.
    """
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    seconds = int(found[1]) * _UNITS_S[found[2]] if found else 0
    if not 1 <= seconds <= most_s:
        raise UsageError(f"{option} {text}: a number with s, m, h or d is needed, at most {most_s // 86_400}d.")
    return seconds
