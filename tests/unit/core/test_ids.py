"""Event ids of one room: by topic, in two generations, saved and restored; and those that an older rule saved."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from stream.core.ids import ANY_TOPIC, EventIds
from stream.core.rules import Rules
from stream.core.saved.entries import ENTRY_ITEMS, IdsEntry
from stream.core.saved.growth import grown_row
from tests.support.events import comment, enter, like, order
from tests.support.rooms import COMMENTS, LIKES, ORDERS

BY_TOPIC = Rules(ids_by_topic=True, remember_sales_ms=1)
SHARED = Rules(remember_sales_ms=1)
OF_COMMENTS, OF_LIKES, OF_ORDERS = COMMENTS + 1, LIKES + 1, ORDERS + 1


def saved(ids: EventIds) -> list[IdsEntry]:
    return list(ids.entries("r", 7))


def restored(rules: Rules, present: int, *entries: IdsEntry) -> EventIds:
    ids = EventIds(rules)
    for entry in entries:
        ids.restore(entry, present)
    ids.restored()
    return ids


def test_an_id_names_an_event_of_its_topic() -> None:
    ids = EventIds(BY_TOPIC)
    ids.remember(comment(event_id="a"))
    assert ids.knows(comment(event_id="a"))
    assert not ids.knows(like(event_id="a"))
    assert ids.remember_all(LIKES, ["a", "b"]) is None
    assert ids.remember_all(LIKES, ["c", "b", "c"]) == [True, False, False]
    assert ids.new_among(COMMENTS, ["a", "b", "b"]) == [False, True, False]
    assert ids.state() == (0, {OF_COMMENTS: {"a"}, OF_LIKES: {"a", "b", "c"}}, {})
    assert len(ids) == 4


def test_under_the_older_rule_it_names_one_event_of_all_topics() -> None:
    ids = EventIds(SHARED)
    ids.remember(comment(event_id="a"))
    assert ids.knows(like(event_id="a"))
    assert ids.new_among(LIKES, ["a", "b"]) == [False, True]
    assert ids.remember_all(LIKES, ["a", "b"]) == [False, True]
    assert ids.used_elsewhere(ORDERS, ["a"]) == {}
    assert ids.state() == (0, {ANY_TOPIC: {"a", "b"}}, {})


def test_a_generation_forgets_the_one_before_the_last_in_each_topic() -> None:
    ids = EventIds(BY_TOPIC)
    ids.remember_all(LIKES, ["a"])
    ids.remember_all(COMMENTS, ["a"])
    assert ids.begin_generation(1) == 0
    ids.renew(like(event_id="a"))
    assert ids.state() == (1, {OF_LIKES: {"a"}}, {OF_COMMENTS: {"a"}})
    assert ids.begin_generation(2) == 1
    assert (ids.knows(like(event_id="a")), ids.knows(comment(event_id="a"))) == (True, False)
    assert ids.begin_generation(4) == 1
    assert len(ids) == 0


def test_known_ones_among_many_are_renewed_in_their_topic_alone() -> None:
    ids = EventIds(BY_TOPIC)
    ids.remember_all(LIKES, ["a", "b"])
    ids.remember_all(COMMENTS, ["a"])
    ids.begin_generation(1)
    assert ids.remember_all(LIKES, ["a", "c", "a"]) == [False, True, False]
    assert ids.state() == (1, {OF_LIKES: {"a", "c"}}, {OF_LIKES: {"b"}, OF_COMMENTS: {"a"}})


def test_where_rooms_are_not_remembered_nothing_is_renewed() -> None:
    ids = EventIds(Rules(ids_by_topic=True))
    ids.remember_all(LIKES, ["a"])
    ids.begin_generation(1)
    ids.renew(like(event_id="a"))
    assert ids.remember_all(LIKES, ["a"]) == [False]
    assert ids.state() == (1, {}, {OF_LIKES: {"a"}})


@pytest.mark.parametrize("rules", [BY_TOPIC, SHARED, Rules(ids_by_topic=True)])
def test_taken_at_once_or_asked_first_is_the_same(rules: Rules) -> None:
    random = Random(1)
    old = IdsEntry("r", 7, 0, [f"e{number}" for number in range(5)])
    once, twice = restored(rules, 0, old), restored(rules, 0, old)
    for step in range(400):
        if step % 60 == 59:
            assert once.begin_generation(step // 60 + 1) == twice.begin_generation(step // 60 + 1)
        event_id = f"e{random.randrange(40)}"
        of_one_id = (like(event_id=event_id), comment(event_id=event_id), enter(event_id=event_id))
        event = random.choice((*of_one_id, order(event_id=event_id)))
        known = twice.knows(event)
        if known:
            twice.renew(event)
        assert once.take(event) == (None if known else twice.remember(event))
        assert (once.state(), once.new) == (twice.state(), twice.new)


# -- one id for two events ---------------------------------------------------------------------------------------------
def test_an_order_and_another_event_of_one_id_are_found_whichever_comes_first() -> None:
    for events in ((order(event_id="a"), like(event_id="a")), (like(event_id="a"), order(event_id="a"))):
        ids = EventIds(BY_TOPIC)
        assert [ids.remember(event) for event in events] == [0, 1]


def test_pairs_with_an_order_are_as_many_in_any_order() -> None:
    many = {LIKES: ["a", "b"], COMMENTS: ["a"], ORDERS: ["a", "b", "c"]}
    for topics in ((ORDERS, LIKES, COMMENTS), (LIKES, ORDERS, COMMENTS), (COMMENTS, LIKES, ORDERS)):
        ids, pairs = EventIds(BY_TOPIC), 0
        for place, topic in enumerate(topics):
            if place == 1:
                ids.begin_generation(1)  # of the generation before they are found too
            ids.remember_all(topic, many[topic])
            pairs += sum(ids.used_elsewhere(topic, many[topic]).values())
        assert pairs == 3


def test_two_events_without_an_order_are_not_looked_for() -> None:
    ids = EventIds(BY_TOPIC)
    assert [ids.remember(like(event_id="a")), ids.remember(comment(event_id="a"))] == [0, 0]
    assert ids.used_elsewhere(COMMENTS, ["a"]) == {}


# -- checkpoint --------------------------------------------------------------------------------------------------------
def test_what_is_saved_comes_back_by_topic() -> None:
    ids = EventIds(BY_TOPIC)
    ids.remember_all(ORDERS, ["o1", "a"])
    ids.remember_all(LIKES, ["a"])
    first = saved(ids)
    assert first == [IdsEntry("r", 7, 0, ["a", "o1", "a"], [0, 1, 0, 2])]
    assert saved(ids) == []
    ids.begin_generation(1)
    ids.renew(like(event_id="a"))
    assert restored(BY_TOPIC, 1, *first, *saved(ids)).state() == ids.state()
    assert ids.state() == (1, {OF_LIKES: {"a"}}, {OF_ORDERS: {"a", "o1"}})


def test_many_are_split_and_every_part_says_of_which_topic_it_is() -> None:
    ids = EventIds(BY_TOPIC)
    ids.remember_all(LIKES, [f"l{number}" for number in range(ENTRY_ITEMS + 1)])
    ids.remember_all(ORDERS, ["o1"])
    entries = saved(ids)
    assert [(len(entry.ids), entry.counts) for entry in entries] == [
        (ENTRY_ITEMS, [0, ENTRY_ITEMS]),
        (1, [0, 1]),
        (1, [0, 0, 0, 1]),
    ]


def test_under_the_older_rule_the_saved_bytes_are_the_old_ones() -> None:
    ids = EventIds(SHARED)
    ids.remember_all(LIKES, ["a"])
    ids.remember_all(ORDERS, ["b"])
    (entry,) = saved(ids)
    assert msgspec.msgpack.encode(grown_row(entry)) == msgspec.msgpack.encode(("r", 7, 0, ["a", "b"]))


def test_ids_that_were_saved_without_a_topic_are_known_in_every_one_until_they_are_forgotten() -> None:
    ids = restored(BY_TOPIC, 1, IdsEntry("r", 7, 0, ["old"]), IdsEntry("r", 7, 1, ["new"]))
    assert ids.state() == (1, {ANY_TOPIC: {"new"}}, {ANY_TOPIC: {"old"}})
    for event in (like(event_id="old"), order(event_id="new")):
        assert ids.knows(event)
    assert ids.new_among(LIKES, ["old", "new", "x"]) == [False, False, True]
    assert ids.remember_all(LIKES, ["old", "new", "x"]) == [False, False, True]
    assert ids.begin_generation(2) == 1
    # Who came again is remembered as long as one that came for the first time, in the topic in which it came again.
    assert (ids.knows(like(event_id="old")), ids.knows(comment(event_id="old"))) == (True, False)
    assert ids.knows(comment(event_id="new"))
    ids.begin_generation(3)
    assert not ids.knows(like(event_id="new"))


def test_what_was_saved_by_topic_is_every_topics_under_the_older_rule() -> None:
    ids = restored(SHARED, 0, IdsEntry("r", 7, 0, ["a", "b"], [1, 1]))
    assert ids.state() == (0, {ANY_TOPIC: {"a", "b"}}, {})


def test_ids_of_topics_that_are_not_known_here_and_of_older_generations_are_left_out() -> None:
    counts = [0] * 20 + [1]
    ids = restored(BY_TOPIC, 3, IdsEntry("r", 7, 3, ["a"], counts), IdsEntry("r", 7, 1, ["b"], [1]))
    assert ids.state() == (3, {}, {})
