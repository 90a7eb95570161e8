"""What one look at a room says: of a document, of none, of something else, of Redis away."""

from __future__ import annotations

import pytest
from msgspec import Struct

from stream.contract.sight import Away, Sight, State, Unreadable


class Paper(Struct, frozen=True):
    stale_after_ms: int


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (Paper(1_000), State.LIVE),
        (Paper(999), State.STALE),
        (None, State.MISSING),
        (Unreadable("not JSON"), State.UNREADABLE),
        (Away("no answer"), State.REDIS_AWAY),
    ],
)
def test_what_was_found_says_the_state(found: Paper | Unreadable | Away | None, state: State) -> None:
    sight = Sight(found)
    assert sight.state(1_000) is state
    assert sight.document == (found if isinstance(found, Paper) else None)
