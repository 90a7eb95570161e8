from __future__ import annotations

from stream.core import audiences
from stream.core.audiences import AUDIENCES, BUYERS, CARTED_BUYERS, CARTERS, count_buyers_or_carters, count_carted_buyer
from stream.core.rules import Rules
from stream.core.saved.growth import AUDIENCES_1
from tests.support.events import new_room


def test_a_room_has_one_audience_for_each_name_in_its_place() -> None:
    assert len(new_room().audiences) == len(AUDIENCES)
    assert [getattr(audiences, name.upper()) for name in AUDIENCES] == [*range(len(AUDIENCES))]


def test_the_first_places_are_those_of_every_checkpoint_that_was_ever_written() -> None:
    known = ("viewers", "clickers", "carters", "payers", "engaged", "buyers", "carted_buyers")
    assert AUDIENCES[:AUDIENCES_1] == known


def test_whoever_carts_and_buys_counts_from_the_second_of_the_two_on_in_the_window_of_the_first() -> None:
    found = new_room().audiences
    found[CARTERS].seen("both", 3)
    count_carted_buyer(found, "both")
    assert not found[CARTED_BUYERS].last
    found[BUYERS].seen("both", 9)
    found[BUYERS].seen("buyer", 9)
    for user_id in ("both", "buyer"):
        count_carted_buyer(found, user_id)
    assert found[CARTED_BUYERS].last == {"both": 3}


def test_people_outside_of_a_sample_go_into_the_sketch_of_the_session_only() -> None:
    found = new_room(Rules(distinct_exact_max=50)).audiences
    people = [(f"u{number}", 1) for number in range(400)]
    count_buyers_or_carters(found, CARTERS, people[:200])
    assert found[CARTERS].bits > 0
    count_buyers_or_carters(found, CARTERS, people[200:])
    assert len(found[CARTERS].last) <= 50
    assert abs(found[CARTERS].session.count() - 400) < 20
