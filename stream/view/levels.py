"""How a level looks: word, icon and colour, from one ramp: calm slate → amber → orange → red. Never colour alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

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
    "sold_out": Look("✕", "bold #94a3b8"),
    "ended": Look("■", "#94a3b8"),
    "unknown": Look("?", "#94a3b8"),
}


def level_text(level: Level, strings: Strings) -> Text:
    """Icon and word of a level."""
    look = LOOKS[level]
    return Text(f"{look.icon} {strings.levels[level]}", style=look.style)
