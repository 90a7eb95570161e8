"""The levels of urgency in their one order, which every ranking of sales or rooms by level uses.

`stream/serve/static/levels.js` has the same order for the pages; a test compares the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream.contract.overlay import Level

# The levels of a sale that sells, from quiet to urgent.
RAMP: tuple[Level, ...] = ("calm", "warming", "brisk", "rush", "snap_up", "last_call")
# All levels, the leading one first. A level of the ramp leads all taken, which leads sold out, which leads ended, which
# leads unknown.
LEVELS: tuple[Level, ...] = (*reversed(RAMP), "all_taken", "sold_out", "ended", "unknown")

_PLACES: dict[str, int] = {level: place for place, level in enumerate(LEVELS)}


def place_of_level(level: str, of_unknown: int = len(LEVELS)) -> int:
    """The place of a level in `LEVELS`; `of_unknown` for a word that only a newer Snapup knows."""
    return _PLACES.get(level, of_unknown)
