"""Folding many at once is folding them one at a time: in the figures, and in what is saved."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from stream.core.batch import Batch
from stream.core.conflicts import Outcome
from stream.core.folds import fold_many, fold_one
from stream.core.ids import ANY_TOPIC
from stream.core.rules import Rules
from stream.core.saved import heads, rows
from stream.core.time import BUCKET_MS
from tests.support.events import (
    T0_S,
    at,
    cart,
    click,
    comment,
    enter,
    fold_at_own_time,
    leave,
    like,
    line,
    new_room,
    opened,
    order,
)
from tests.support.rooms import CART_ADDS, COMMENTS, LIKES, ORDERS, SALES, VISITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.contract.events import Order, RoomEvent
    from stream.core.room import Room

FEW = Rules(distinct_exact_max=20)  # so that audiences are sampled and sessions sketched


def any_order(status: str, number: str, *, s: float) -> Order:
    """Some users have many orders, which looks like brushing; lines of two sales and of none."""
    number = number[1:]
    kinds = int(number)
    lines = [line(2), line(1, "s2", "k9"), line(1, None, "k2"), line(3)][kinds % 3 : kinds % 3 + 1 + kinds % 2]
    return order(
        status,
        f"o{number}",
        f"u{kinds % 4 if kinds < 20 else kinds}",
        lines=lines,
        currency="CNY" if kinds % 7 else "USD",
        s=s,
    )


MAKERS: dict[int, list[Any]] = {
    ORDERS: [partial(any_order, status) for status in ("placed", "placed", "paid", "cancelled", "refunded")],
    LIKES: [like],
    COMMENTS: [comment],
    CART_ADDS: [cart],
    VISITS: [enter, enter, leave, click],
}


def random_batch(topic_index: int, random: Random, people: int) -> list[RoomEvent]:
    """Events of one topic, some of them late, by people who come again; some are delivered twice."""
    made: list[RoomEvent] = []
    seconds = random.choice([[5], [5, 5, 5, 6, 7, -40, -2_000]])
    for _ in range(random.randrange(4, 60)):
        second = random.choice(seconds)
        made.append(random.choice(MAKERS[topic_index])(f"u{random.randrange(people)}", s=second))
    for _ in range(random.randrange(4)):
        made.insert(random.randrange(len(made)), random.choice(made))
    return made


def saved(room: Room, windows: list[dict[str, int]]) -> list[Any]:
    """What checkpoints would hold of the room, `windows` what they already held of its people.

    But for the order in which people came, the sketches, and people who fell out of a sample since: a restore drops
    them.
    """
    for entry in rows.window_entries(room):
        for known, people in zip(windows, entry.audiences, strict=True):
            known |= people  # noqa: PLW2901 - in place
    return [
        heads.head_record(room),
        [
            {who: when for who, when in people.items() if who in audience.last}
            for people, audience in zip(windows, room.audiences, strict=True)
        ],
        [entry.ids for entry in room.ids.entries(room.room_id, room.known_ms)],
        [set(audience.session.members) for audience in room.audiences],
        {key: set(ledger.carters.members) for key, ledger in room.ledgers.items()},
        list(rows.order_entries(room)),
    ]


def figures(room: Room) -> list[Any]:
    """What is shown of its people and views, in every window."""
    return [
        ([tally.totals() for tally in room.tallies()], room.presence.open_sessions),
        (
            room.unpaid,
            sorted(room.shared.holds),
            room.first_unit_ms,
            room.feed,
            room.cart_people and room.cart_people.left,
        ),
        [(ledger.users, ledger.suspect_held, ledger.recent, ledger.bought) for ledger in room.ledgers.values()],
        *(
            (audience.session.published(), audience.bits, [audience.count(window) for window in range(3)])
            for audience in room.audiences
        ),
    ]


def fold_together(room: Room, topic_index: int, events: Sequence[RoomEvent]) -> int | None:
    """How many were no duplicates; None when they have to be folded one at a time."""
    times = [event.event_time_ms for event in events]
    seconds = [each // BUCKET_MS for each in times]
    folded = fold_many(room, topic_index, Batch(events, times, seconds if len({*seconds}) > 1 else seconds[0]))
    if folded is None:
        return None
    assert [event.event_time_ms for event in folded.events] == folded.at_ms
    return len(folded.events)


def fold_apart(room: Room, events: Sequence[RoomEvent]) -> int:
    """How many were no duplicates."""
    return sum(fold_one(room, event, event.event_time_ms) is Outcome.APPLIED for event in events)


@pytest.mark.parametrize("rules", [Rules(), FEW, Rules(signals_edition=2)], ids=["exact", "sampled", "second"])
@pytest.mark.parametrize("topic_index", MAKERS)
@pytest.mark.parametrize("seed", range(8))
def test_many_at_once_are_one_at_a_time(seed: int, topic_index: int, rules: Rules) -> None:
    random = Random(seed)
    together, apart = new_room(rules), new_room(rules)
    before: list[RoomEvent] = [
        opened(offered=100),
        *(order(order_id=f"o{n}", user=f"u{n}") for n in range(6)),
        cart("u2"),
        like("u3"),
    ]
    delivered: list[RoomEvent] = []
    windows_together: list[dict[str, int]] = [{} for _ in together.audiences]
    windows_apart: list[dict[str, int]] = [{} for _ in apart.audiences]
    for room in (together, apart):
        fold_at_own_time(room, *before)
    for second in (0, 3, 8, 70):
        for room in (together, apart):
            room.advance(at(second))
        batch = random_batch(topic_index, random, people=40)
        batch += random.sample(delivered, min(2, len(delivered)))  # of another batch
        delivered += batch
        assert fold_together(together, topic_index, batch) == fold_apart(apart, batch)
        assert figures(together) == figures(apart)
        assert saved(together, windows_together) == saved(apart, windows_apart)


def test_known_ones_and_repetitions_among_them_are_left_out() -> None:
    room = new_room()
    known, new, other = like("u1", event_id="known"), like("u2", 5, event_id="new"), like("u3", event_id="other")
    fold_at_own_time(room, known)
    assert fold_together(room, LIKES, [new, known, new, other]) == 2
    assert room.likes == 1 + 5 + 1
    assert len(room.ids.new[ANY_TOPIC]) == 3
    assert fold_one(room, new, new.event_time_ms) is Outcome.DUPLICATE


def test_of_nothing_but_duplicates_nothing_is_folded() -> None:
    room = new_room()
    likes = [like(f"u{number}") for number in range(5)]
    assert fold_together(room, LIKES, likes) == 5
    assert fold_together(room, LIKES, likes) == 0
    assert room.likes == 5


def test_an_id_of_the_generation_before_is_a_duplicate_too() -> None:
    room = new_room()
    known = like(event_id="known")
    fold_at_own_time(room, known)
    room.ids.begin_generation(1)
    assert fold_together(room, LIKES, [known, *(like(f"u{number}") for number in range(4))]) == 4
    _, present, _ = room.ids.state()
    assert known.event_id not in present[ANY_TOPIC]  # or it would be remembered for longer than after a restore


def test_what_is_too_little_for_it_and_what_hosts_say_is_folded_one_at_a_time() -> None:
    room = new_room()
    assert fold_together(room, LIKES, [like()]) is None
    assert fold_together(room, SALES, [opened() for _ in range(9)]) is None
    assert not room.ids


def test_a_status_that_an_order_already_had_is_left_out() -> None:
    room = new_room()
    statuses = ["placed", "paid", "placed", "paid", "refunded"]
    assert fold_together(room, ORDERS, [order(status) for status in statuses]) == 3
    assert (room.orders_placed, room.orders_paid, room.orders_refunded) == (1, 1, 1)
    assert len(room.ids.new[ANY_TOPIC]) == 5  # each event is known from now on


def test_people_of_a_moment_before_the_clock_began_are_counted() -> None:
    """Recordings may begin at any time: as windows reach back before 1970, nobody is in them."""
    room = new_room()
    room.advance(5_000)
    assert fold_together(room, LIKES, [like(f"u{number}", s=-T0_S) for number in range(20)]) == 20
    assert room.audiences[4].count(0).value == 20
    assert room.audiences[4].seen("other", 2) == 2
    assert room.audiences[4].count(0).value == 21
