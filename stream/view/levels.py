"""How a level looks: word, icon and colour, from one ramp: calm slate → amber → orange → red. Never colour alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from rich.text import Text

from stream.view.words import clean

if TYPE_CHECKING:
    from stream.contract.overlay import Level
    from stream.view.strings import Strings


class Look(NamedTuple):
    """Icon and style of one level. The icon's height rises with the level."""

    icon: str
    style: str


LOOKS: dict[Level, Look] = {
    "calm": Look("▁", "#94a3b8"),
    "warming": Look("▂", "#fcd34d"),
    "brisk": Look("▄", "#fbbf24"),
    "rush": Look("▆", "bold #fb923c"),
    "snap_up": Look("█", "bold #f87171"),
    "last_call": Look("‼", "bold #ef4444"),
    "all_taken": Look("◌", "bold #94a3b8"),
    "sold_out": Look("✕", "bold #94a3b8"),
    "ended": Look("■", "#94a3b8"),
    "unknown": Look("?", "#94a3b8"),
}


# Of a level that only a newer worker knows.
NOT_KNOWN = Look("·", "#94a3b8")
WORD_CHARS = 20


def level_text(level: str, strings: Strings) -> Text:
    """Icon and word of a level; of one that is not known here, its own word."""
    look = LOOKS.get(cast("Level", level), NOT_KNOWN)
    return Text(f"{look.icon} {level_word(level, strings)}", style=look.style)


def level_word(level: str, strings: Strings) -> str:
    """What a level is called."""
    return strings.levels.get(cast("Level", level)) or clean(level, WORD_CHARS)
