"""Text of other systems, cut to what the contract allows: a comment that is too long is shown in part, never lost."""

from __future__ import annotations

import re
from unicodedata import category

from stream.contract.events import MAX_COMMENT_CHARS

ELLIPSIS = "…"

# A character of more code points than this is cut inside: such piles of marks are made to annoy.
_LONGEST_CHARACTER = 32
_JOINER = "\u200d"
_HALF_A_PAIR = re.compile("[\ud800-\udfff]")
# Skin tones, and the tags that make flags of regions.
_MODIFIES = re.compile("[\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f\u200c\u200d]")
_FLAG_LETTER = re.compile("[\U0001f1e6-\U0001f1ff]")
_FLAG_LETTERS_AT_END = re.compile("[\U0001f1e6-\U0001f1ff]*$")
_HANGUL_VOWEL_OR_END = re.compile("[\u1160-\u11ff]")


def fit_text(text: str, max_chars: int = MAX_COMMENT_CHARS) -> str:
    """The text in at most `max_chars` code points; where it is cut, `…` stands at the end and says so.

    A character that a reader sees as one is not cut apart: a letter with its marks, a picture of several code points, a
    flag. Half of a surrogate pair, which no JSON in UTF-8 can hold, becomes U+FFFD.

    Args:
        text: what was written.
        max_chars: at least 1.
    """
    text = _HALF_A_PAIR.sub("\ufffd", text)
    if len(text) <= max_chars:
        return text
    longest = max_chars - len(ELLIPSIS)
    shortest = max(longest - _LONGEST_CHARACTER, 0)
    end = next((end for end in range(longest, shortest, -1) if _parts_at(text, end)), longest)
    return text[:end] + ELLIPSIS


def _parts_at(text: str, end: int) -> bool:
    """Whether a character ends before this code point, as Unicode's annex 29 has it for what people write."""
    before, after = text[end - 1], text[end]
    if category(after).startswith("M") or _MODIFIES.match(after) or _HANGUL_VOWEL_OR_END.match(after):
        return False
    if before == _JOINER or (before, after) == ("\r", "\n"):
        return False
    if _FLAG_LETTER.match(after):
        letters = _FLAG_LETTERS_AT_END.search(text[max(end - _LONGEST_CHARACTER, 0) : end])
        return letters is None or len(letters[0]) % 2 == 0
    return True
