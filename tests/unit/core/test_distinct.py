from __future__ import annotations

from random import Random

import pytest

from stream.core.distinct import ERROR_95, LG_K, Distinct

PEOPLE = [f"user-{number}" for number in range(20_000)]


def distinct_of(people: list[str], exact_max: int = 100) -> Distinct:
    distinct = Distinct(exact_max)
    for person in people:
        distinct.add(person)
    return distinct


def test_a_count_is_exact_up_to_the_bound_and_a_sketch_beyond() -> None:
    distinct = distinct_of(PEOPLE[:100])
    assert (distinct.published().value, distinct.published().method) == (100, "exact")
    assert distinct.published().error_95 is None
    distinct.add(PEOPLE[100])
    assert (distinct.published().method, distinct.published().error_95) == ("sketch", ERROR_95)
    assert distinct.published().value == distinct.count() == 101


def test_the_bound_counts_people_not_sights() -> None:
    distinct = distinct_of(PEOPLE[:100] * 3)
    assert distinct.exact
    assert distinct.count() == 100


def test_adding_says_whether_somebody_is_known_to_be_new() -> None:
    distinct = Distinct(2)
    assert distinct.add("a")
    assert not distinct.add("a")
    assert distinct.add("b")
    assert distinct.add("c")  # the one that makes it a sketch was still known to be new
    assert not distinct.add("d")


def test_members_are_known_while_exact_and_unknown_in_a_sketch() -> None:
    distinct = distinct_of(["a", "b"], exact_max=2)
    assert "a" in distinct
    assert "c" not in distinct
    distinct.add("c")
    assert "a" not in distinct
    assert distinct.members == {}


def test_nothing_changed_until_somebody_new_came() -> None:
    distinct = distinct_of(["a"])
    distinct.changed = False
    distinct.add("a")
    assert not distinct.changed
    distinct.add("b")
    assert distinct.changed


def test_a_sketch_grows_with_those_who_come_after_it_was_read() -> None:
    distinct = distinct_of(PEOPLE[:1_000])
    before = distinct.count()
    distinct.changed = False
    for person in PEOPLE[1_000:2_000]:
        distinct.add(person)
    assert distinct.changed
    assert before == pytest.approx(1_000, rel=0.05)
    assert distinct.count() == pytest.approx(2_000, rel=0.05)


def test_repeats_do_not_move_a_sketch() -> None:
    distinct = distinct_of(PEOPLE[:5_000])
    before = distinct.count()
    for person in PEOPLE[:5_000]:
        distinct.add(person)
    assert distinct.count() == before


def test_an_estimate_does_not_depend_on_the_order_of_arrival() -> None:
    shuffled = PEOPLE.copy()
    Random(1).shuffle(shuffled)
    assert distinct_of(PEOPLE).count() == distinct_of(shuffled).count() == distinct_of(PEOPLE[::-1]).count()


def test_an_estimate_does_not_depend_on_when_the_sketch_began() -> None:
    assert distinct_of(PEOPLE, 10).count() == distinct_of(PEOPLE, 10_000).count()


def test_the_truth_is_inside_the_stated_error_about_as_often_as_stated() -> None:
    sets, people = 40, 15_000
    inside = 0
    for seed in range(sets):
        distinct = Distinct(10)
        for number in range(people):
            distinct.add(f"{seed}:{number}")
        inside += abs(distinct.count() - people) <= ERROR_95 * people
    # 95 % of 40 is 38; fewer than 34 happens once in two hundred.
    assert inside >= 34


def test_the_stated_error_is_that_of_the_sketch_s_size() -> None:
    assert pytest.approx(1.04 / (2**LG_K) ** 0.5 * 2.03, rel=0.01) == ERROR_95


def test_a_saved_sketch_goes_on_like_the_one_that_was_saved() -> None:
    distinct = distinct_of(PEOPLE[:9_000])
    restored = Distinct(100)
    restored.restore_sketch(distinct.encoded_sketch())
    assert not restored.exact
    assert restored.count() == distinct.count()
    for person in PEOPLE[8_000:12_000]:
        assert restored.add(person) == distinct.add(person)
    assert restored.count() == distinct.count()
    assert restored.encoded_sketch() == distinct.encoded_sketch()


def test_saved_members_come_back_in_their_order() -> None:
    restored = Distinct(100)
    restored.restore_members(PEOPLE[:64])
    restored.restore_members(PEOPLE[64:90])
    assert list(restored.members) == PEOPLE[:90]
    assert restored.saved == 90
    assert not restored.changed


def test_members_saved_before_the_sketch_are_no_longer_needed() -> None:
    sketch = distinct_of(PEOPLE[:500])
    restored = Distinct(100)
    restored.restore_sketch(sketch.encoded_sketch())
    restored.restore_members(PEOPLE[:64])
    assert restored.members == {}
    assert restored.count() == sketch.count()
    replaced = Distinct(100)
    replaced.restore_members(PEOPLE[:64])
    assert replaced.count() == 64
    replaced.restore_sketch(sketch.encoded_sketch())
    assert (replaced.members, replaced.saved, replaced.count()) == ({}, 0, sketch.count())


def test_an_exact_count_has_no_sketch_to_save() -> None:
    with pytest.raises(ValueError, match="exact"):
        distinct_of(["a"]).encoded_sketch()
