"""How a level looks: word, icon and colour, from one ramp: calm slate → amber → orange → red. Never colour alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from rich.text import Text

from stream.view.words import clean

if TYPE_CHECKING:
    from stream.contract.overlay import Level
    from stream.view.strings import Strings


class LevelStyle(NamedTuple):
    """Icon and style of one level. The icon's height rises with the level."""

    icon: str
    style: str


LEVEL_STYLES: dict[Level, LevelStyle] = {
    "calm": LevelStyle("▁", "#94a3b8"),
    "warming": LevelStyle("▂", "#fcd34d"),
    "brisk": LevelStyle("▄", "#fbbf24"),
    "rush": LevelStyle("▆", "bold #fb923c"),
    "snap_up": LevelStyle("█", "bold #f87171"),
    "last_call": LevelStyle("‼", "bold #ef4444"),
    "all_taken": LevelStyle("◌", "bold #94a3b8"),
    "sold_out": LevelStyle("✕", "bold #94a3b8"),
    "ended": LevelStyle("■", "#94a3b8"),
    "unknown": LevelStyle("?", "#94a3b8"),
}


# For a level that only a newer worker knows.
NOT_KNOWN = LevelStyle("·", "#94a3b8")
WORD_CHARS = 20


def level_text(level: str, strings: Strings) -> Text:
    """Icon and word of a level. An unknown level is shown by its own name."""
    shown = LEVEL_STYLES.get(cast("Level", level), NOT_KNOWN)
    return Text(f"{shown.icon} {level_word(level, strings)}", style=shown.style)


def level_word(level: str, strings: Strings) -> str:
    """The word for a level; an unknown level's own name, cleaned."""
    return strings.levels.get(cast("Level", level)) or clean(level, WORD_CHARS)
