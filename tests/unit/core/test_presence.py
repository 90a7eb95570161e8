from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from stream.core.presence import Presence
from stream.core.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    room.enter("z", 100 + TIMEOUT_MS)
    room.advance(100 + TIMEOUT_MS)
    assert room.sessions.keys() == {"z"}


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
    room.enter("z", 200 + CLOSED_MS)
    assert not room.advance(200 + CLOSED_MS)
    assert room.sessions.keys() == {"z"}


def test_while_visits_are_behind_the_clock_nobody_who_left_is_forgotten() -> None:
    """Other topics have been read further: what visits of that time say may still come."""
    room = presence()
    room.enter("a", 100)
    room.leave("a", 300)
    room.advance(5 * CLOSED_MS)
    room.enter("a", 299)
    assert (room.open_sessions, room.departures(5 * CLOSED_MS, 0, 0).left) == (0, 1)
    room.enter("a", 301)
    assert (room.open_sessions, room.departures(5 * CLOSED_MS, 0, 0).left) == (1, 0), "the same visit goes on"


@pytest.mark.parametrize(("left_ms", "left", "timed_out"), [(99 + TIMEOUT_MS, 1, 0), (100 + TIMEOUT_MS, 0, 1)])
def test_who_was_given_up_and_is_heard_to_have_left_before_has_left(left_ms: int, left: int, timed_out: int) -> None:
    room = presence()
    room.enter("a", 100)
    assert room.advance(2 * TIMEOUT_MS)
    assert (room.open_sessions, room.timed_out, room.departures(2 * TIMEOUT_MS, 0, 0).left) == (0, 1, 0)
    room.leave("a", left_ms)
    assert (room.open_sessions, room.timed_out) == (0, timed_out)
    assert room.departures(2 * TIMEOUT_MS, 0, 0).left == left


def test_who_was_given_up_and_is_heard_to_have_come_again_before_is_there() -> None:
    room = presence()
    room.enter("a", 100)
    room.advance(100 + TIMEOUT_MS)
    room.enter("a", 99 + TIMEOUT_MS)
    assert (room.open_sessions, room.timed_out) == (1, 0)


def test_what_visits_leave_behind_is_the_same_after_a_restore() -> None:
    """Whom the saved room has forgotten is in its sums, and whom it remembers is not."""
    room, restored = presence(), presence()
    for name, entered_ms, left_ms in (("a", 100, 300), ("b", 200, 900), ("c", 250, 1_400)):
        room.enter(name, entered_ms)
        room.leave(name, left_ms)
    room.advance(3_000)
    room.enter("d", 1_500)
    saved = room.saved_departures()
    restored.restore(room.take_changed())
    restored.restore_departures(saved)
    restored.rebuild()
    for each in (room, restored):
        each.enter("b", 905)
        each.leave("c", 1_450)
        each.advance(4_000)
    assert restored.departures(4_000, 0, 0) == room.departures(4_000, 0, 0)
    assert restored.sessions == room.sessions


def test_one_left_in_the_millisecond_it_was_opened_is_forgotten_as_soon_as_any_other_left_one() -> None:
    room = presence()
    room.enter("a", 200)
    room.leave("a", 200)
    room.enter("z", 200 + CLOSED_MS)
    room.advance(200 + CLOSED_MS)
    assert ({*room.sessions}, room.open_sessions) == ({"z"}, 1)


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
    room.enter("z", 300 + CLOSED_MS)
    room.advance(300 + CLOSED_MS)
    assert room.sessions.keys() == {"z"}
    restored.restore(room.take_changed())
    restored.rebuild()
    assert restored.open_sessions == 1
    restored.advance(300 + CLOSED_MS)
    assert restored.sessions.keys() == {"z"}


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
    assert restored.open_sessions == 0


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


# -- whether leaving is heard of ---------------------------------------------------------------------------------------
SECOND = Rules(signals_edition=2)
TIMEOUT = 4 * 3_600_000
MINUTE = 60_000


def heard_of(room: Presence, now_ms: int, came_lately: int = 0, came: int = 0) -> bool:
    room.advance(now_ms)
    return room.departures(now_ms, came_lately, came).are_heard_of(SECOND)


def evening(
    seconds: int, stay: int, leaves: Callable[[int], bool], *, per_second: int = 2
) -> Iterator[tuple[int, int, bool]]:
    """Visitors come and stay; of each minute: when it is over, how many are open, whether leaving is heard of."""
    room = Presence(TIMEOUT, 2 * MINUTE)
    came: list[int] = []
    for second in range(seconds):
        for number in range(per_second):
            room.enter(f"u{second}-{number}", second * 1_000)
        if second >= stay:
            for number in range(per_second):
                if leaves((second - stay) * per_second + number):
                    room.leave(f"u{second - stay}-{number}", second * 1_000)
        came.append(per_second)
        if second % 60 == 59:
            now_ms = second * 1_000 + 999
            room.advance(now_ms)
            said = heard_of(room, now_ms, sum(came[-60:]), sum(came[-300:]))
            yield second + 1, room.open_sessions, said


def test_where_nobody_is_heard_to_leave_nobody_is_known_to_be_there() -> None:
    room = Presence(TIMEOUT, 2 * MINUTE)
    for number in range(60):
        room.enter(f"u{number}", number * 1_000)
    assert not any(heard_of(room, minute * MINUTE) for minute in range(1, 181))
    assert not any(said for _, _, said in evening(1_800, 120, lambda _: False))


def test_where_leaves_come_it_is_said_within_minutes() -> None:
    assert [said for _, _, said in evening(3_600, 120, lambda _: True)] == [False] * 3 + [True] * 57


def test_a_room_in_which_people_stay_for_long_is_believed_once_enough_have_left() -> None:
    said = [said for _, _, said in evening(7_200, 1_200, lambda _: True, per_second=1)]
    first = said.index(True)
    assert 20 < first < 60
    assert all(said[first:])


@pytest.mark.parametrize("of_ten", [1, 3, 5])
def test_where_part_of_the_leaves_come_nothing_is_said(of_ten: int) -> None:
    assert not any(said for _, _, said in evening(1_800, 120, lambda visit: visit % 10 < of_ten))


@pytest.mark.parametrize("of_ten", [7, 9])
def test_where_most_leaves_come_nothing_far_from_true_is_said(of_ten: int) -> None:
    for _, watching, said in evening(4_800, 120, lambda visit: visit % 10 < of_ten):
        assert not said or watching < 3 * 240


@pytest.mark.parametrize("stay", [60, 120, 600])
def test_leaves_that_cease_are_noticed(stay: int) -> None:
    stops = 1_800 + 2 * stay
    said = {second: said for second, _, said in evening(stops + 900, stay, lambda visit: visit // 2 + stay < stops)}
    assert said[stops // 60 * 60]
    assert not any(value for second, value in said.items() if second >= stops + 120)


def test_in_a_room_that_has_just_begun_nothing_is_known() -> None:
    room = Presence(TIMEOUT, 2 * MINUTE)
    for number in range(500):
        room.enter(f"u{number}", number * 10)
    assert not heard_of(room, 6_000, 500, 500)


def test_who_leaves_without_having_come_proves_nothing() -> None:
    room = Presence(TIMEOUT, 2 * MINUTE)
    for number in range(60):
        room.enter(f"u{number}", 1_000)
        for again in range(9):
            room.leave(f"stranger{number}-{again}", 2_000 + again)
    assert not heard_of(room, 10 * MINUTE)
    assert room.departures(10 * MINUTE, 0, 0).left == 0


def test_a_second_leave_of_a_visit_proves_no_more() -> None:
    room = Presence(TIMEOUT, 2 * MINUTE)
    room.enter("a", 0)
    for second in range(1, 400, 10):
        room.leave("a", second * 1_000)
        room.advance(second * 1_000)
    assert room.departures(400_000, 0, 0).left == 1


def test_who_comes_back_within_a_minute_has_not_been_away() -> None:
    room = Presence(TIMEOUT, 2 * MINUTE)
    for second in range(0, 600, 20):
        room.enter("a", second * 1_000)
        room.leave("a", (second + 10) * 1_000)
    assert room.departures(600_000, 0, 0).left == 1
    room.enter("a", 590_000 + MINUTE + 1)
    assert room.departures(700_000, 0, 0).left == 1
    room.leave("a", 710_000)
    assert room.departures(710_000, 0, 0).left == 2


def test_how_visits_ended_is_the_same_after_a_restart() -> None:
    random = Random(5)
    for _ in range(30):
        room = Presence(20 * MINUTE, 2 * MINUTE)
        now_ms = 0
        for _ in range(300):
            now_ms += random.randrange(20_000)
            room.advance(now_ms)
            (room.enter if random.random() < 0.6 else room.leave)(f"u{random.randrange(20)}", now_ms)
            if random.random() < 0.05:
                again = Presence(20 * MINUTE, 2 * MINUTE)
                # Of a session that is over what was saved last may still be read.
                again.restore({"gone": (0, 10_000), **room.sessions} if now_ms > 5 * MINUTE else room.sessions)
                again.restore_departures(room.saved_departures())
                again.rebuild()
                assert again.departures(now_ms, 0, 0) == room.departures(now_ms, 0, 0)
                assert again.sessions == room.sessions
                room = again
