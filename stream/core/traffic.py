"""Where the views of a session came from, in the platform's own words: source → views, exact, of a bounded number.

The first `Rules.sources_max` sources that are named in the log are kept apart; the views of all others are counted in
one row. Views without a source are not kept: they are what is missing to all views.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from stream.contract.overlay import SourceViews

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stream.core.room import Room


def count_sources(room: Room, named: Iterable[str]) -> None:
    """Count one view for each source that is named. `named`: in the order of the log."""
    kept, most = room.sources, room.rules.sources_max
    if not most:
        return
    for source, views in Counter(named).items():
        room.shared.sources_named = True
        if source in kept:
            kept[source] += views
        elif len(kept) < most:
            kept[source] = views
        else:
            room.views_beyond += views


def sources_of(room: Room) -> list[SourceViews]:
    """Returns the sources, the most views first, then what was not named, then all beyond the bound; empty: none."""
    if not room.sources:
        return []
    rows = [SourceViews(*each) for each in sorted(room.sources.items(), key=lambda each: (-each[1], each[0]))]
    if unnamed := room.views - sum(room.sources.values()) - room.views_beyond:
        rows.append(SourceViews(None, unnamed))
    if room.views_beyond:
        rows.append(SourceViews(None, room.views_beyond, other=True))
    return rows
