from __future__ import annotations

from random import Random

import pytest

from stream.verify.session_count import SessionCount
from stream.verify.visits_seen import VisitsSeen

MINUTE = 60_000
TIMEOUT = 15 * MINUTE


@pytest.mark.parametrize("seed", range(20))
def test_sums_along_the_log_are_those_of_all_facts(seed: int) -> None:
    random = Random(seed)
    seen, facts = VisitsSeen(TIMEOUT), SessionCount({})
    now_ms = 1_000_000
    for _ in range(250):
        now_ms += random.randrange(30_000)
        at_ms, name, gone = now_ms - random.randrange(30_000), f"u{random.randrange(40)}", random.random() < 0.5
        if not gone:
            seen.view(at_ms)
            facts.second(at_ms).views += 1
        seen.move(name, at_ms, gone=gone)
        facts.come_or_go(name, at_ms, gone=gone)
        if random.random() < 0.2:
            seen.advance(now_ms)
            ours = facts.departures(now_ms, TIMEOUT)
            there = sum(
                came > facts.left_ms.get(who, -1) and came + TIMEOUT > now_ms for who, came in facts.entered_ms.items()
            )
            assert (seen.left, seen.left_long, seen.silent_ms(now_ms)) == (ours.left, ours.left_long, ours.silent_ms)
            assert seen.not_left(there, now_ms, MINUTE) == ours.not_left
            assert seen.not_left(there, now_ms, 5 * MINUTE) == ours.not_left_long
    assert seen.given_up > 3


def test_where_nobody_has_left_there_is_no_silence() -> None:
    seen = VisitsSeen(TIMEOUT)
    seen.view(1_000)
    seen.move("a", 1_000, gone=False)
    assert seen.silent_ms(5_000) == -1
    assert seen.not_left(1, 5_000, MINUTE) == 0
    assert seen.not_left(1, 70_000, MINUTE) == 1
