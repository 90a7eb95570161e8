"""A show of each mechanic, for `snapup simulate`. One line a mechanic, in the order of `kinds`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.mechanics.follows import show as follows
from stream.mechanics.gifts import show as gifts
from stream.mechanics.shares import show as shares

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stream.shows.show import Show

SCENARIOS: Mapping[str, Callable[[int, str], Show]] = {
    gifts.NAME: gifts.build,
    follows.NAME: follows.build,
    shares.NAME: shares.build,
}
