"""What contradicts what a room knows is refused whole or noted; what repeats it never is."""

from __future__ import annotations

import pytest

from stream.contract.refusal import Reason
from stream.core.conflicts import NOTED_MAX
from stream.core.rules import Rules
from tests.support.events import Log, cart, comment, enter, leave, like, line, opened, order, room_closed, room_opened
from tests.support.rooms import ORDERS, restarted

NOW = Rules(contract_edition=2)


def letters(log: Log) -> list[tuple[str, str | None, int]]:
    return [(each.letter.reason.value, each.letter.pointer, each.offset) for each in log.fold.refused]


def outcomes(log: Log) -> tuple[int, int, int]:
    counters = log.fold.counters
    assert counters.received[ORDERS] == (
        counters.applied[ORDERS] + counters.duplicate[ORDERS] + counters.dead_lettered[ORDERS]
    )
    return counters.applied[ORDERS], counters.duplicate[ORDERS], counters.dead_lettered[ORDERS]


def test_an_order_of_two_users_is_the_first_ones_and_the_other_record_is_refused_whole() -> None:
    log = Log(NOW)
    log.add(order("placed", user="u1"), order("paid", user="u2"), order("placed", user="u2"), order("paid", user="u1"))
    assert letters(log) == [("order_conflict", "/user_id", 1), ("order_conflict", "/user_id", 2)]
    assert outcomes(log) == (2, 0, 2)
    assert log.fold.refused[0].letter.detail == "order 'o1' is known as another user's"
    assert log.fold.counters.conflicts == {"order_conflict": 2}


def test_an_order_in_two_currencies_is_refused_too() -> None:
    log = Log(NOW)
    log.add(order("placed"), order("paid", currency="EUR"))
    assert letters(log) == [("order_conflict", "/currency", 1)]
    assert log.fold.rooms["r1"].money == {"CNY": [100, 0, 0]}


def test_a_guest_who_logs_in_is_no_contradiction() -> None:
    log = Log(NOW)
    log.add(order("placed", user="-"), order("paid", user="u1"))
    log.add(order("placed", "o2", user="u1"), order("paid", "o2", user="0"))
    assert outcomes(log) == (4, 0, 0)


def test_what_was_refused_for_its_order_may_come_again_mended_under_its_id() -> None:
    log = Log(NOW)
    log.add(order("placed"), order("paid", user="u2", event_id="e9"), order("paid", event_id="e9"))
    assert outcomes(log) == (2, 0, 1)


@pytest.mark.parametrize("other", [comment(event_id="e1"), like(event_id="e1"), order("placed", "o9", event_id="e1")])
def test_an_order_whose_event_id_was_used_for_something_else_does_not_vanish(other: object) -> None:
    log = Log(NOW)
    log.add(other, order("paid", "o1", event_id="e1"))  # type: ignore[arg-type]
    assert [letter[:2] for letter in letters(log)] == [("event_id_conflict", "/event_id")]
    assert "'e1' was used before, and order 'o1' is not known to be paid" in log.fold.refused[0].letter.detail


def test_one_event_id_for_all_statuses_of_an_order_is_a_conflict() -> None:
    log = Log(NOW)
    log.add(order("placed", event_id="o1"), order("paid", event_id="o1"), order("placed", event_id="o1"))
    assert letters(log) == [("event_id_conflict", "/event_id", 1)]
    assert outcomes(log) == (1, 1, 1)


def test_the_first_record_in_the_log_is_right_however_many_are_folded_at_once() -> None:
    events = [
        order("placed", "o1", "u1"),
        order("placed", "o1", "u2", event_id="e2"),
        order("paid", "o1", "u1", event_id="e2"),
        order("paid", "o1", "u1", event_id="e2"),
        order("paid", "o2", "u1", event_id="e2"),
        order("placed", "o3", "u3"),
    ]
    singly, together = Log(NOW), Log(NOW)
    singly.add(*events)
    together.add_slice(*events)
    assert (
        letters(singly)
        == letters(together)
        == [("order_conflict", "/user_id", 1), ("event_id_conflict", "/event_id", 4)]
    )
    assert outcomes(singly) == outcomes(together) == (3, 1, 2)
    assert singly.overlay() == together.overlay()


def test_other_lines_are_noted_and_those_of_the_first_record_hold() -> None:
    for add in ("add", "add_slice"):
        log = Log(NOW)
        getattr(log, add)(
            order("placed", "o1", units=1),
            order("paid", "o1", units=2),
            order("placed", "o2", amount=500),
            order("paid", "o2", amount=501),
            order("placed", "o3", lines=[line(1), line(2, sku="k2")]),
            order("paid", "o3", lines=[line(2, sku="k2"), line(1)]),  # written down in another order: not the same
            order("placed", "o4"),
            order("paid", "o4"),
        )
        assert outcomes(log) == (8, 0, 0)
        assert log.fold.rooms["r1"].ledgers["s1", "k1"].sold == 4
        assert log.fold.counters.conflicts == {"other_lines": 3}
        assert [(noted.offset, noted.name) for noted in log.fold.noted] == [(1, "o1"), (3, "o2"), (5, "o3")]


def test_of_many_that_have_other_lines_some_are_told_and_all_counted() -> None:
    log = Log(NOW)
    for number in range(NOTED_MAX + 5):
        log.add(order("placed", f"o{number}"), order("paid", f"o{number}", amount=1))
    assert len(log.fold.noted) == NOTED_MAX
    assert log.fold.counters.conflicts["other_lines"] == NOTED_MAX + 5


def test_under_the_first_edition_nothing_is_in_conflict() -> None:
    log = Log(Rules(contract_edition=1))
    log.add(order("placed", user="u1", event_id="e1"), order("paid", user="u2"), order("paid", "o2", event_id="e1"))
    assert outcomes(log) == (2, 1, 0)


# -- what only repeats ------------------------------------------------------------------------------------------------
def test_a_repetition_of_an_order_that_was_forgotten_for_want_of_room_is_no_conflict() -> None:
    log = Log(Rules(contract_edition=2, remember_orders_max=2, hold_ms=1_000))
    first = order("paid", "o0", event_id="e0")
    log.add(first)
    for number in range(1, 6):
        log.tick(number)
        log.add(order("paid", f"o{number}", s=number))
    log.tick(10)
    log.fold.cut(1)
    assert "o0" not in log.fold.rooms["r1"].orders
    log.add(order("paid", "o0", event_id="e0", s=10))
    assert outcomes(log) == (6, 1, 0)
    saved: dict[bytes, bytes | None] = {}
    fold = restarted(log.fold, saved, log.fold.rules)
    assert saved
    again = Log(fold=fold)
    again.records = log.records
    again.add(order("paid", "o0", event_id="e0", s=11))
    assert fold.counters.dead_letters == {}


def test_where_orders_are_forgotten_sooner_than_event_ids_a_repetition_is_no_conflict() -> None:
    log = Log(Rules(contract_edition=2, remember_orders_ms=60_000))
    log.add(order("paid", event_id="e1"))
    log.tick(100)
    log.add(order("paid", event_id="e1", s=100), like(s=100))
    assert outcomes(log) == (1, 1, 0)


def test_an_order_that_is_repeated_is_remembered_for_longer() -> None:
    day_s = 24 * 3_600
    log = Log(Rules(contract_edition=2, room_idle_ms=10**12))
    log.add(order("placed", event_id="e1"))
    for s, event_id in ((day_s - 600, "e2"), (day_s + 600, "e2"), (day_s + 1_200, "e2")):
        log.tick(s)
        log.add(order("placed", event_id=event_id, s=s))
    assert outcomes(log) == (1, 3, 0)
    assert log.fold.refused == []
    assert Reason.EVENT_ID_CONFLICT.value not in log.fold.counters.dead_letters


# -- one event id in two topics ----------------------------------------------------------------------------------------
BY_TOPIC = Rules(contract_edition=2, ids_by_topic=True, remember_sales_ms=7 * 24 * 3_600_000)


def test_a_comment_and_an_order_of_one_event_id_both_count_whichever_is_folded_first() -> None:
    for events in (
        (comment(event_id="a"), order("paid", event_id="a")),
        (order("paid", event_id="a"), comment(event_id="a")),
    ):
        log = Log(BY_TOPIC)
        log.add(*events, *events)  # what is sent again is once
        room = log.fold.rooms["r1"]
        assert (room.comments, room.orders_paid, sum(log.fold.counters.duplicate)) == (1, 1, 2)
        assert not log.fold.refused
        assert log.fold.counters.conflicts == {"event_id_in_two_topics": 1}
        assert [(each.name, each.offset) for each in log.fold.noted] == [("a", 0)]


def test_two_likes_and_a_comment_are_no_matter_of_orders() -> None:
    log = Log(BY_TOPIC)
    log.add(like(event_id="a"), comment(event_id="a"), cart(event_id="a"), enter(event_id="a"), opened(event_id="a"))
    assert sum(log.fold.counters.applied) == 5
    assert not log.fold.counters.conflicts


def test_many_of_one_topic_that_share_ids_with_orders_are_counted_and_some_are_told() -> None:
    count = NOTED_MAX + 5
    orders = [order("placed", f"o{number}", event_id=f"e{number}") for number in range(count)]
    likes = [like(event_id=f"e{number}") for number in range(count)]
    for first, second in ((orders, likes), (likes, orders)):
        log = Log(BY_TOPIC)
        log.add_slice(*first)
        log.add_slice(*second)
        assert log.fold.counters.conflicts == {"event_id_in_two_topics": count}
        assert [each.offset for each in log.fold.noted] == list(range(NOTED_MAX))
        assert (log.fold.rooms["r1"].likes, log.fold.rooms["r1"].orders_placed) == (count, count)


def test_a_word_of_the_host_and_an_order_between_two_sessions_are_found_too() -> None:
    log = Log(BY_TOPIC)
    log.add(order("placed", event_id="a"), room_opened(event_id="a"), room_closed(event_id="b"))
    assert log.fold.counters.conflicts == {"event_id_in_two_topics": 1}
    log.add(order("placed", event_id="b"), leave(event_id="a"))  # said between two sessions
    assert log.fold.counters.conflicts == {"event_id_in_two_topics": 3}
    assert not log.fold.rooms


def test_within_the_topic_of_orders_one_event_id_for_two_things_is_refused_as_ever() -> None:
    log = Log(BY_TOPIC)
    log.add(comment(event_id="a"), order("placed", "o1", event_id="a"), order("placed", "o2", event_id="a"))
    assert letters(log) == [("event_id_conflict", "/event_id", 1)]
    assert outcomes(log) == (1, 0, 1)
