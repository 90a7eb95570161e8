"""How visits ended is the same in the fold and in the recount, whatever order their events arrive in."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from stream.core.rules import Rules
from stream.verify.recount import Recount
from stream.verify.room_count import Assumptions
from tests.support.events import Log, at, enter, leave

if TYPE_CHECKING:
    from stream.contract.events import Enter, Leave

TIMEOUT_MS = 900_000
RULES = Rules(signals_edition=2, contract_edition=2, presence_timeout_ms=TIMEOUT_MS)
ASSUMPTIONS = Assumptions(contract_edition=2, presence_timeout_ms=TIMEOUT_MS)


def visits(random: Random, count: int) -> list[Enter | Leave]:
    """Comings and goings over an hour: some never leave, some leave twice, some were never seen to come."""
    found: list[Enter | Leave] = []
    for number in range(count):
        user, s = f"u{random.randrange(2 * count)}", random.uniform(0, 3_600)
        if random.random() < 0.9:
            found.append(enter(user, s=s, event_id=f"e{number}"))
        while random.random() < 0.6:
            s += random.choice([1, 5, 30, 200, 400, 1_500])
            found.append(leave(user, s=s, event_id=f"l{number}-{len(found)}"))
    return sorted(found, key=lambda event: event.event_time_ms)


@pytest.mark.parametrize("ahead_s", [0, 300])
@pytest.mark.parametrize("seed", range(12))
def test_how_visits_ended_is_recounted(seed: int, ahead_s: int) -> None:
    """Also where other topics, which have been read further, have moved the clock ahead of the visits."""
    random = Random(seed)
    events = visits(random, 120)
    # Each arrives up to half a minute after it happened, so that neighbours change places.
    arrivals = sorted((event.event_time_ms / 1_000 - at(0) / 1_000 + random.uniform(0, 30), event) for event in events)
    log, recount, theirs = Log(RULES), Recount(ASSUMPTIONS), None
    for place, (arrives_s, event) in enumerate(arrivals):
        topic_index, record = log.record(event, arrives_s)
        log.fold.fold(topic_index, [record])
        recount.add("visits", record.value, record.key, record.timestamp)
        if place % 20 == 19:
            log.tick(arrives_s + ahead_s)
            room = log.fold.rooms["r1"]
            now_ms = at(arrives_s + ahead_s)
            room.advance(now_ms)
            ours, theirs = recount.departures("r1", now_ms), room.departures(now_ms)
            assert topic_index == 4
            assert theirs is not None
            assert ours == (*(theirs.left, theirs.not_left, theirs.left_long, theirs.not_left_long, theirs.silent_ms),)
    assert theirs is not None
    assert theirs.left > 20
    assert theirs.timed_out > 5
