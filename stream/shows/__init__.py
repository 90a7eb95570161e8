"""Scenarios: seeded shows with exact totals. A new one is a module with `build` and a line in `SCENARIOS`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.contract.ids import is_id
from stream.errors import NoSuchError, UsageError, did_you_mean
from stream.shows import brushing, encore, jd_midnight, long_tail, snap_up, tadu_2019, viya_2017

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stream.shows.show import Show

# Scenarios that are always played whole: their published figures are the point.
_WHOLE: dict[str, Callable[[int, str], Show]] = {
    encore.NAME: encore.build,
    snap_up.NAME: snap_up.build,
    tadu_2019.NAME: tadu_2019.build,
}
# Scenarios with a scale: the share of the people, rooms or orders that take part, at most the whole.
_SCALED: dict[str, Callable[[int, str, float], Show]] = {
    brushing.NAME: brushing.build,
    jd_midnight.NAME: jd_midnight.build,
    long_tail.NAME: long_tail.build,
    viya_2017.NAME: viya_2017.build,
}
SCENARIOS = (*_WHOLE, *_SCALED)
_NO_MORE: Mapping[str, Callable[[int, str], Show]] = {}
_NONE_SCALED: Mapping[str, Callable[[int, str, float], Show]] = {}
# The names of a show's rooms are this name and a number.
MAX_ROOM_CHARS = 48


def build_show(
    name: str,
    seed: int,
    room_id: str | None = None,
    scale: float = 1.0,
    more: Mapping[str, Callable[[int, str], Show]] = _NO_MORE,
    more_scaled: Mapping[str, Callable[[int, str, float], Show]] = _NONE_SCALED,
) -> Show:
    """The scenario of this name.

    Args:
        name: one of `SCENARIOS`, of `more` or of `more_scaled`.
        seed: another seed is another show of the same kind.
        room_id: the room, or the beginning of its rooms' names; None: the scenario's name.
        scale: above 0, at most 1: the share of the show that is played.
        more: scenarios of mechanics that are always played whole.
        more_scaled: scenarios of mechanics with a scale.

    Raises:
        SnapupError: there is no such scenario, or it cannot be played in this way.
    """
    whole, scaled = {**_WHOLE, **more}, {**_SCALED, **more_scaled}
    names = (*whole, *scaled)
    if name not in names:
        known = ", ".join(sorted(names))
        raise NoSuchError(f"There is no scenario {name!r}.{did_you_mean(name, names)} There are: {known}.")
    room_id = name if room_id is None else room_id
    if not is_id(room_id) or len(room_id) > MAX_ROOM_CHARS:
        raise UsageError(f"A room may be named with letters, digits and . _ : - only, not {room_id!r}.")
    if not 0 < scale <= 1:
        raise UsageError(f"--scale {scale:g}: give a share above 0 and up to 1, such as 0.01.")
    if name in scaled:
        return scaled[name](seed, room_id, scale)
    if scale != 1:
        raise UsageError(f"{name} is played whole; with --scale there are: {', '.join(sorted(scaled))}.")
    return whole[name](seed, room_id)
