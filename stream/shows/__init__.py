"""Scenarios: seeded shows with exact totals. A new one is a module with `build`, and a line in `SCENARIOS`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.errors import SnapupError
from stream.shows import snap_up, tadu_2019

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.shows.show import Show

SCENARIOS: dict[str, Callable[[int, str], Show]] = {
    snap_up.NAME: snap_up.build,
    tadu_2019.NAME: tadu_2019.build,
}


def build_show(name: str, seed: int, room_id: str | None = None) -> Show:
    """A scenario by its name.

    Raises:
        SnapupError: there is no such scenario.
    """
    build = SCENARIOS.get(name)
    if build is None:
        raise SnapupError(f"There is no scenario {name!r}. There are: {', '.join(sorted(SCENARIOS))}.")
    return build(seed, room_id or name)
