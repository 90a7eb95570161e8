"""How many were there at the end of each step, against the rule asked anew at every end."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream.core.presence import Presence
from stream.verify.session_count import SessionCount
from stream.verify.watching import WatchingCurve

STEP_MS, TIMEOUT_MS = 60_000, 150_000


def curve(moves: list[tuple[int, str, bool]], last: int) -> list[int]:
    found = WatchingCurve(TIMEOUT_MS, STEP_MS)
    for at_ms, name, comes in moves:
        (found.enter if comes else found.leave)(name, at_ms)
    return found.at_ends(range(last + 1))


def asked_anew(moves: list[tuple[int, str, bool]], last: int) -> list[int]:
    found = []
    for step in range(last + 1):
        end_ms = (step + 1) * STEP_MS
        session = SessionCount({})
        for at_ms, name, comes in moves:
            if at_ms < end_ms:
                (session.entered_ms if comes else session.left_ms)[name] = at_ms
        found.append(session.watching(end_ms, TIMEOUT_MS))
    return found


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 599_999), st.sampled_from("abc"), st.booleans()), max_size=30).map(
        lambda moves: sorted(moves, key=lambda move: move[0])
    )
)
@example([(30_000, "a", True)])
def test_it_is_the_rule_asked_at_every_end(moves: list[tuple[int, str, bool]]) -> None:
    assert curve(moves, 12) == asked_anew(moves, 12)


def test_who_comes_goes_and_is_timed_out() -> None:
    moves = [(0, "a", True), (1_000, "b", True), (61_000, "b", False), (130_000, "b", True)]
    assert curve(moves, 5) == [2, 1, 1, 1, 0, 0]


def test_who_says_nothing_is_gone_at_the_time_out_itself_as_in_the_worker() -> None:
    counted, presence = SessionCount({}), Presence(TIMEOUT_MS, TIMEOUT_MS)
    counted.come_or_go("a", 30_000, gone=False)
    presence.enter("a", 30_000)
    found = []
    for as_of_ms in (30_000 + TIMEOUT_MS - 1, 30_000 + TIMEOUT_MS):
        presence.advance(as_of_ms)
        assert counted.watching(as_of_ms, TIMEOUT_MS) == presence.open_sessions
        found.append((presence.open_sessions, counted.departures(as_of_ms, TIMEOUT_MS).not_left))
    assert found == [(1, 1), (0, 1)]
    assert curve([(30_000, "a", True)], 2) == asked_anew([(30_000, "a", True)], 2) == [1, 1, 0]


def test_a_going_that_arrives_before_its_coming_ends_the_stay() -> None:
    assert curve([(90_000, "a", False), (30_000, "a", True)], 2) == [1, 0, 0]


def test_an_older_coming_or_going_moves_nothing() -> None:
    moves = [(30_000, "a", True), (20_000, "a", False), (10_000, "a", True)]
    assert curve(moves, 3) == [1, 1, 0, 0]
