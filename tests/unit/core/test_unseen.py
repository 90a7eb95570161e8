"""Orders of people whom the room has never seen, and where that says something."""

from __future__ import annotations

import pytest

from stream.core.orders import forget_orders
from stream.core.room import Room
from stream.core.rules import Rules
from stream.core.suspects import SUSPICION_RULES
from stream.core.unseen import Unseen
from stream.settings import load_settings
from tests.support.events import at, cart, click, comment, enter, fold_at_own_time, like, new_room, order

RULES = Rules(signals_edition=2, contract_edition=2)


def room_with_visits(payers: int = 20, unseen: int = 0, rules: Rules = RULES) -> Room:
    """So many have paid, and all but the last ones were seen."""
    room = new_room(rules=rules)
    for number in range(payers):
        if number < payers - unseen:
            fold_at_own_time(room, enter(f"p{number}", s=1))
        fold_at_own_time(room, order("paid", f"p{number}", f"p{number}", s=5))
    return room


def never_seen(room: Room) -> tuple[int, int]:
    room.unseen.look()
    counts = room.ledgers["s1", "k1"].suspicions
    assert {SUSPICION_RULES[place] for place in counts} <= {"never_seen"}
    orders, units = next(iter(counts.values()), [0, 0])
    return orders, units


def test_an_unpaid_order_of_somebody_whom_nobody_saw_looks_fake() -> None:
    room = room_with_visits()
    fold_at_own_time(room, order("placed", "fake", "ghost", 3, s=10), order("placed", "honest", "p3", s=10))
    assert never_seen(room) == (1, 3)


@pytest.mark.parametrize("event", [enter("ghost"), click("ghost"), like("ghost"), comment("ghost"), cart("ghost")])
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_whoever_does_anything_is_seen_before_the_order_or_after_it(event: object, first: bool) -> None:  # noqa: FBT001
    room = room_with_visits()
    fake = order("placed", "fake", "ghost", 3, s=10)
    if not first:
        fold_at_own_time(room, fake)
        assert never_seen(room) == (1, 3)
    fold_at_own_time(room, event)  # type: ignore[arg-type]
    if first:
        fold_at_own_time(room, fake)
    assert never_seen(room) == (0, 0)


def test_who_pays_and_was_not_seen_is_a_buyer_from_elsewhere() -> None:
    room = room_with_visits()
    fold_at_own_time(room, order("placed", "o", "ghost", 3, s=10))
    assert never_seen(room) == (1, 3)
    fold_at_own_time(room, order("paid", "o", "ghost", 3, s=12))
    assert never_seen(room) == (0, 0)


def test_it_judges_from_twenty_payers_on_of_whom_nine_in_ten_were_seen() -> None:
    for payers, unseen, expected in ((19, 0, 0), (20, 2, 1), (20, 3, 0), (40, 4, 1), (40, 5, 0)):
        room = room_with_visits(payers, unseen)
        fold_at_own_time(room, order("placed", "fake", "ghost", s=10))
        assert never_seen(room)[0] == expected, (payers, unseen)


def test_where_no_visits_are_sent_nobody_is_suspected() -> None:
    room = room_with_visits(200, 200)
    fold_at_own_time(room, order("placed", "o", "somebody", s=10))
    assert never_seen(room) == (0, 0)


def test_payers_who_are_seen_later_let_it_judge_and_more_unseen_ones_silence_it() -> None:
    room = room_with_visits(20, 3)
    fold_at_own_time(room, order("placed", "fake", "ghost", s=10))
    assert never_seen(room)[0] == 0
    fold_at_own_time(room, enter("p19", s=11))
    assert never_seen(room)[0] == 1
    fold_at_own_time(room, order("paid", "x1", "web1", s=12), order("paid", "x2", "web2", s=12))
    assert never_seen(room)[0] == 0


def test_beyond_the_bound_on_exact_counts_it_is_silent() -> None:
    rules = Rules(signals_edition=2, contract_edition=2, distinct_exact_max=24)
    room = room_with_visits(20, 0, rules)
    fold_at_own_time(room, order("placed", "fake", "ghost", s=10))
    assert never_seen(room)[0] == 1
    for number in range(5):
        fold_at_own_time(room, like(f"more{number}", s=11))
    assert never_seen(room)[0] == 1  # of these five there are few
    for number in range(20):
        fold_at_own_time(room, like(f"many{number}", s=11))
    assert never_seen(room)[0] == 0


def test_orders_of_an_earlier_session_and_of_nobody_are_not_looked_at() -> None:
    room = room_with_visits()
    fold_at_own_time(room, order("placed", "fake", "ghost", s=10), order("placed", "none", "-", s=10))
    assert never_seen(room)[0] == 1
    memory = room.memory()
    assert memory.past["s1", "k1"].suspicions == {}
    again = Room("r1", RULES, memory.shared, at(3_600))
    again.begin_with(memory, at(3_600))
    for number in range(20):
        fold_at_own_time(again, enter(f"q{number}", s=3_601), order("paid", f"q{number}", f"q{number}", s=3_602))
    assert never_seen(again)[0] == 0


def test_an_order_that_was_forgotten_is_not_suspected_again() -> None:
    room = room_with_visits()
    fold_at_own_time(room, order("placed", "fake", "ghost", s=10))
    assert never_seen(room) == (1, 1)
    for each in room.orders.values():
        each.changed_ms = 0
    assert forget_orders(room, 1) == 21
    fold_at_own_time(room, like("p1", s=11))
    assert never_seen(room) == (0, 0)


def test_the_pace_is_without_them() -> None:
    room = room_with_visits()
    room.shared.clock_ms = at(12)
    before = sum(room.ledgers["s1", "k1"].recent.values())
    fold_at_own_time(room, order("placed", "fake", "ghost", 3, s=10))
    assert sum(room.ledgers["s1", "k1"].recent.values()) == before + 3
    room.unseen.look()
    assert sum(room.ledgers["s1", "k1"].recent.values()) == before
    fold_at_own_time(room, enter("ghost", s=11))
    room.unseen.look()
    assert sum(room.ledgers["s1", "k1"].recent.values()) == before + 3


@pytest.mark.parametrize(("payers", "suspects"), [(22, 0), (99, 0), (100, 1)])
def test_what_twenty_payers_show_by_chance_suspects_nobody(payers: int, suspects: int) -> None:
    """Where three buyers in ten come from elsewhere, twenty of twenty-two were seen now and then."""
    room = room_with_visits(payers, unseen=1, rules=load_settings().rules())
    fold_at_own_time(room, order("placed", "o1", "stranger", s=6))
    assert never_seen(room)[0] == suspects


def test_a_look_asks_only_those_who_came_or_ordered_since_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    room, asked = room_with_visits(), list[str]()
    suspect_one = Unseen._suspect

    def noted(unseen: Unseen, user_id: str, *, paced: bool) -> None:
        asked.append(user_id)
        suspect_one(unseen, user_id, paced=paced)

    monkeypatch.setattr(Unseen, "_suspect", noted)
    fold_at_own_time(room, *(order("placed", f"o{number}", f"ghost-{number}", s=6) for number in range(50)))
    assert never_seen(room) == (50, 50)
    asked.clear()
    fold_at_own_time(room, order("placed", "one", "ghost-50", s=7), order("placed", "more", "ghost-3", s=7))
    fold_at_own_time(room, enter("ghost-7", s=7), comment("somebody", s=7))
    assert never_seen(room) == (51, 51)
    assert asked == ["ghost-50", "ghost-3"]
    asked.clear()
    fold_at_own_time(room, *(order("paid", f"more-{n}", f"buyer-{n}", s=8) for n in range(30)))
    assert never_seen(room) == (0, 0), "now too few of the payers were seen"
    fold_at_own_time(room, *(enter(f"buyer-{n}", s=9) for n in range(30)))
    assert never_seen(room) == (51, 51)
    assert len(asked) == 50, "whoever orders twice is asked once"
