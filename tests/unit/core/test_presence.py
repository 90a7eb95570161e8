from __future__ import annotations

from random import Random

import pytest

from stream.core.presence import Presence

TIMEOUT_MS = 10_000
CLOSED_MS = 500


def presence() -> Presence:
    return Presence(TIMEOUT_MS, CLOSED_MS)


def test_somebody_who_entered_is_watching_until_they_leave() -> None:
    room = presence()
    room.enter("a", 100)
    assert room.open_sessions == 1
    room.leave("a", 101)
    assert room.open_sessions == 0


def test_enter_and_leave_in_the_same_millisecond_is_left_in_either_order() -> None:
    first, second = presence(), presence()
    first.enter("a", 100)
    first.leave("a", 100)
    second.leave("a", 100)
    second.enter("a", 100)
    assert first.open_sessions == second.open_sessions == 0
    assert first.sessions == second.sessions


def test_somebody_may_come_back() -> None:
    room = presence()
    room.enter("a", 100)
    room.leave("a", 200)
    room.enter("a", 201)
    assert room.open_sessions == 1


def test_a_late_enter_does_not_open_what_was_left_after_it() -> None:
    room = presence()
    room.leave("a", 200)
    assert room.open_sessions == 0
    room.enter("a", 199)
    assert room.open_sessions == 0
    room.enter("a", 201)
    assert room.open_sessions == 1


def test_a_late_leave_does_not_close_what_was_opened_after_it() -> None:
    room = presence()
    room.enter("a", 200)
    room.leave("a", 199)
    assert room.open_sessions == 1


def test_older_words_of_the_same_kind_change_nothing() -> None:
    room = presence()
    room.enter("a", 200)
    room.leave("a", 300)
    room.take_changed()
    room.enter("a", 150)
    room.leave("a", 250)
    room.enter("a", 200)
    room.leave("a", 300)
    assert room.sessions == {"a": (200, 300)}
    assert room.take_changed() == {}


def test_entering_twice_is_one_session() -> None:
    room = presence()
    room.enter("a", 100)
    room.enter("a", 150)
    room.enter("b", 100)
    assert room.open_sessions == 2
    room.leave("a", 160)
    assert room.open_sessions == 1


def test_a_session_that_says_nothing_is_over_at_the_time_out_and_not_before() -> None:
    room = presence()
    room.enter("a", 100)
    assert not room.advance(100 + TIMEOUT_MS - 1)
    assert room.open_sessions == 1
    assert room.advance(100 + TIMEOUT_MS)
    assert room.open_sessions == 0
    assert room.sessions == {}


def test_entering_again_puts_the_time_out_off() -> None:
    room = presence()
    room.enter("a", 100)
    room.enter("a", 600)
    room.advance(100 + TIMEOUT_MS)
    assert room.open_sessions == 1
    room.advance(600 + TIMEOUT_MS)
    assert room.open_sessions == 0


def test_a_session_left_is_remembered_as_long_as_a_late_enter_may_come_and_then_forgotten() -> None:
    room = presence()
    room.enter("a", 100)
    room.leave("a", 200)
    assert not room.advance(200 + CLOSED_MS - 1)
    room.enter("a", 199)
    assert room.open_sessions == 0
    assert room.sessions == {"a": (199, 200)}
    assert not room.advance(200 + CLOSED_MS)
    assert room.sessions == {}


def test_one_left_in_the_millisecond_it_was_opened_is_forgotten_as_soon_as_any_other_left_one() -> None:
    room = presence()
    room.enter("a", 200)
    room.leave("a", 200)
    room.advance(200 + CLOSED_MS)
    assert (room.sessions, room.open_sessions) == ({}, 0)


def test_a_checkpoint_gets_changed_sessions_once() -> None:
    room = presence()
    room.enter("b", 100)
    room.enter("a", 100)
    assert room.take_changed() == {"a": (100, -1), "b": (100, -1)}
    assert room.take_changed() == {}


def test_a_session_that_was_saved_as_open_does_not_come_back_after_it_was_left_and_forgotten() -> None:
    """In a backlog minutes of the log may lie between two checkpoints."""
    room, restored = presence(), presence()
    room.enter("a", 100)
    restored.restore(room.take_changed())
    room.leave("a", 300)
    room.advance(300 + CLOSED_MS)
    assert room.sessions == {}
    restored.restore(room.take_changed())
    restored.rebuild()
    assert restored.open_sessions == 0
    restored.advance(300 + CLOSED_MS)
    assert restored.sessions == {}


def test_a_restored_room_goes_on_like_the_one_that_was_saved() -> None:
    room, restored = presence(), presence()
    room.enter("a", 100)
    room.enter("b", 300)
    room.enter("c", 200)
    room.leave("c", 200)
    restored.restore(room.take_changed())
    restored.rebuild()
    assert restored.open_sessions == 2
    for clock_ms in (200 + CLOSED_MS, 100 + TIMEOUT_MS, 300 + TIMEOUT_MS):
        assert room.advance(clock_ms) == restored.advance(clock_ms)
        assert room.open_sessions == restored.open_sessions
        assert room.sessions == restored.sessions
    assert restored.sessions == {}


@pytest.mark.parametrize("seed", range(30))
def test_whoever_watches_is_whoever_entered_last_and_not_too_long_ago(seed: int) -> None:
    """Against the definition, for events that are at most `CLOSED_MS` late."""
    random, room, now_ms = Random(seed), presence(), 1_000
    entered: dict[str, int] = {}
    left: dict[str, int] = {}
    for _ in range(300):
        now_ms += random.choice([0, 1, 100, 400, TIMEOUT_MS // 2])
        session, at_ms = f"s{random.randrange(5)}", now_ms - random.randrange(CLOSED_MS)
        if random.random() < 0.6:
            room.enter(session, at_ms)
            entered[session] = max(at_ms, entered.get(session, -1))
        else:
            room.leave(session, at_ms)
            left[session] = max(at_ms, left.get(session, -1))
        room.advance(now_ms)
        assert room.open_sessions == sum(
            1
            for session, entered_ms in entered.items()
            if entered_ms > left.get(session, -1) and entered_ms + TIMEOUT_MS > now_ms
        )
