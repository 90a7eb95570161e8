"""How each mechanic is counted again. One line a mechanic, in the order of `kinds`; it never reaches the core."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.mechanics.kinds import CATALOGUE
from stream.verify.recounted import Mechanics

if TYPE_CHECKING:
    from stream.verify.recounted import Recounted

RECOUNTS: tuple[type[Recounted], ...] = ()
COUNTED_AGAIN = Mechanics(RECOUNTS, CATALOGUE)
