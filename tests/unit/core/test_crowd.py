"""Folding many at once is folding them one at a time: in the figures, and in what is saved."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from stream.core import roomstate
from stream.core.crowd import FOLDS_OF_CROWDS
from stream.core.room import Outcome
from stream.core.rules import Rules
from stream.core.time import BUCKET_MS
from tests.support.events import T0_S, at, cart, comment, fold_at_own_time, like, new_room, opened, order
from tests.support.rooms import CART_ADDS, COMMENTS, LIKES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.contract.events import RoomEvent
    from stream.core.room import Room

FEW = Rules(distinct_exact_max=20)  # so that audiences are sampled and sessions sketched
MAKERS: dict[int, Any] = {LIKES: like, COMMENTS: comment, CART_ADDS: cart}


def random_crowd(topic_index: int, random: Random, people: int) -> list[RoomEvent]:
    """Events of one topic, some of them late, by people who come again."""
    made = []
    for _ in range(random.randrange(1, 60)):
        second = random.choice([5, 5, 5, 6, 7, -40, -2_000])
        made.append(MAKERS[topic_index](f"u{random.randrange(people)}", s=second))
    return made


def saved(room: Room, windows: list[dict[str, int]]) -> list[Any]:
    """What checkpoints would hold of the room, `windows` what they already held of its people.

    But for the order in which people came, the sketches, and people who fell out of a sample since: a restore drops
    them.
    """
    for entry in roomstate.window_entries(room):
        for known, people in zip(windows, entry.audiences, strict=True):
            known |= people  # noqa: PLW2901 - in place
    return [
        roomstate.head_record(room),
        [
            {who: when for who, when in people.items() if who in audience.last}
            for people, audience in zip(windows, room.audiences, strict=True)
        ],
        [entry.ids for entry in roomstate.ids_entries(room)],
        [set(audience.session.members) for audience in room.audiences],
        {key: set(ledger.carters.members) for key, ledger in room.ledgers.items()},
    ]


def figures(room: Room) -> list[Any]:
    """What is shown of its people, in every window."""
    return [
        (audience.session.published(), audience.bits, [audience.count(window) for window in range(3)])
        for audience in room.audiences
    ]


def fold_crowd(room: Room, topic_index: int, events: Sequence[RoomEvent]) -> bool:
    return FOLDS_OF_CROWDS[topic_index](room, events, [event.event_time_ms // BUCKET_MS for event in events])


@pytest.mark.parametrize("rules", [Rules(), FEW], ids=["exact", "sampled"])
@pytest.mark.parametrize("topic_index", [LIKES, COMMENTS, CART_ADDS])
@pytest.mark.parametrize("seed", range(12))
def test_many_at_once_are_one_at_a_time(seed: int, topic_index: int, rules: Rules) -> None:
    random = Random(seed)
    together, apart = new_room(rules), new_room(rules)
    before: list[RoomEvent] = [
        opened(offered=100),
        *(order(order_id=f"o{n}", user=f"u{n}") for n in range(6)),
        cart("u2"),
        like("u3"),
    ]
    windows_together: list[dict[str, int]] = [{} for _ in together.audiences]
    windows_apart: list[dict[str, int]] = [{} for _ in apart.audiences]
    for room in (together, apart):
        fold_at_own_time(room, *before)
    for second in (0, 3, 8, 70):
        for room in (together, apart):
            room.advance(at(second))
        crowd = random_crowd(topic_index, random, people=40)
        if not fold_crowd(together, topic_index, crowd):
            assert topic_index == CART_ADDS
            assert rules is FEW
            fold_at_own_time(together, *crowd)
        fold_at_own_time(apart, *crowd)
        assert figures(together) == figures(apart)
        assert saved(together, windows_together) == saved(apart, windows_apart)


@pytest.mark.parametrize("topic_index", [LIKES, COMMENTS, CART_ADDS])
def test_a_duplicate_among_them_and_nothing_is_folded(topic_index: int) -> None:
    room = new_room()
    make = MAKERS[topic_index]
    known, other = make("u1", event_id="known"), make("u2", event_id="other")
    fold_at_own_time(room, known)
    untouched = saved(room, [{} for _ in room.audiences])[0]
    assert not fold_crowd(room, topic_index, [other, known])
    assert not fold_crowd(room, topic_index, [other, other])
    assert saved(room, [{} for _ in room.audiences])[0] == untouched
    assert room.fold(other, other.event_time_ms) is Outcome.APPLIED


def test_an_id_of_the_generation_before_is_a_duplicate_too() -> None:
    room = new_room()
    fold_at_own_time(room, like(event_id="known"))
    room.begin_ids_generation(1)
    assert not fold_crowd(room, LIKES, [like(event_id="new"), like(event_id="known")])


def test_people_of_a_moment_before_the_clock_began_are_counted() -> None:
    """Recordings may begin at any time: as windows reach back before 1970, nobody is in them."""
    room = new_room()
    room.advance(5_000)
    fold_crowd(room, LIKES, [like("u1", s=-T0_S), like("u2", s=-T0_S)])
    assert room.audiences[4].count(0).value == 2
    assert room.audiences[4].seen("u3", 2) == 2
    assert room.audiences[4].count(0).value == 3
