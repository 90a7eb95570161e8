from __future__ import annotations

from random import Random

import pytest

from stream.core.distinct import Distinct
from stream.core.rules import WINDOWS_MS
from stream.core.windows import LONGEST_BUCKETS, SWEEP_SLACK, WINDOW_BUCKETS, Audience, Tally

NOW = 10_000  # bucket
WINDOWS = pytest.mark.parametrize("window", range(len(WINDOWS_MS)))


def totals(edges: Tally | Audience) -> list[int]:
    return [edges.total(window) for window in range(3)]


def tally_at(now: int = NOW) -> Tally:
    tally = Tally()
    tally.advance(now)
    return tally


def audience_at(now: int = NOW, sample_max: int = 1_000) -> Audience:
    audience = Audience(sample_max, Distinct(sample_max))
    audience.advance(now)
    return audience


# -- sums --------------------------------------------------------------------------------------------------------------
@WINDOWS
def test_a_bucket_just_inside_a_window_counts_and_one_just_outside_does_not(window: int) -> None:
    inside, outside = tally_at(), tally_at()
    inside.add(NOW - WINDOW_BUCKETS[window] + 1, 7)
    outside.add(NOW - WINDOW_BUCKETS[window], 7)
    assert totals(inside) == [0] * window + [7] * (3 - window)
    assert totals(outside) == [0] * (window + 1) + [7] * (2 - window)


@WINDOWS
def test_a_window_slides_while_nothing_happens(window: int) -> None:
    tally = tally_at()
    tally.add(NOW, 7)
    tally.advance(NOW + WINDOW_BUCKETS[window] - 1)
    assert tally.total(window) == 7
    tally.advance(NOW + WINDOW_BUCKETS[window])
    assert tally.total(window) == 0
    assert totals(tally)[window + 1 :] == [7] * (2 - window)


@WINDOWS
def test_what_was_added_before_the_first_look_leaves_like_the_rest(window: int) -> None:
    tally = Tally()
    tally.add(NOW, 7)
    assert tally.total(window) == 7
    tally.advance(NOW + WINDOW_BUCKETS[window] - 1)
    assert tally.total(window) == 7
    tally.advance(NOW + WINDOW_BUCKETS[window])
    assert tally.total(window) == 0


def test_a_second_that_is_ahead_of_the_clock_counts_and_still_stays_its_whole_time() -> None:
    tally = tally_at()
    tally.add(NOW + 2, 7)
    assert totals(tally) == [7, 7, 7]
    tally.advance(NOW + 2 + WINDOW_BUCKETS[0] - 1)
    assert totals(tally) == [7, 7, 7]
    tally.advance(NOW + 2 + WINDOW_BUCKETS[0])
    assert totals(tally) == [0, 7, 7]


def test_what_is_older_than_every_window_is_not_even_kept() -> None:
    tally = tally_at()
    tally.add(NOW - LONGEST_BUCKETS, 7)
    assert totals(tally) == [0, 0, 0]
    assert tally.counts == {}
    assert tally.take_changed() == {}


def test_windows_never_go_back() -> None:
    tally = tally_at()
    tally.add(NOW - WINDOW_BUCKETS[0] + 1, 7)
    tally.advance(NOW - 1)
    tally.add(NOW - WINDOW_BUCKETS[0], 1)
    assert totals(tally) == [7, 8, 8]


def test_amounts_may_be_negative() -> None:
    tally = tally_at()
    tally.add(NOW, 7)
    tally.add(NOW, -9)
    assert totals(tally) == [-2, -2, -2]


def test_a_tally_keeps_no_more_buckets_than_the_longest_window_has() -> None:
    tally = Tally()
    for bucket in range(NOW, NOW + 2 * LONGEST_BUCKETS):
        tally.advance(bucket)
        tally.add(bucket, 1)
    assert len(tally.counts) == LONGEST_BUCKETS
    assert totals(tally) == list(WINDOW_BUCKETS)


def test_a_checkpoint_gets_absolute_values_of_changed_buckets_only_and_once() -> None:
    tally = tally_at()
    tally.add(NOW, 1)
    tally.add(NOW - 5, 2)
    assert tally.take_changed() == {NOW - 5: 2, NOW: 1}
    assert tally.take_changed() == {}
    tally.add(NOW, 3)
    assert tally.take_changed() == {NOW: 4}


def test_a_checkpoint_gets_no_bucket_that_was_forgotten_meanwhile() -> None:
    tally = tally_at()
    tally.add(NOW, 1)
    tally.advance(NOW + LONGEST_BUCKETS)
    assert tally.take_changed() == {}


def test_a_restored_tally_goes_on_like_the_one_that_was_saved() -> None:
    tally = tally_at()
    for age in (0, 59, 60, 299, 300, 1_799):
        tally.add(NOW - age, age + 1)
    restored = Tally()
    restored.restore(tally.take_changed())
    restored.advance(NOW)
    restored.recount()
    assert totals(restored) == totals(tally)
    for now in range(NOW, NOW + 2_000, 37):
        tally.advance(now)
        restored.advance(now)
        assert totals(restored) == totals(tally)


@pytest.mark.parametrize("seed", range(40))
def test_tallies_agree_with_adding_up_everything_anew(seed: int) -> None:
    random, tally, now = Random(seed), Tally(), NOW
    added: list[tuple[int, int]] = []
    for _ in range(120):
        if random.random() < 0.4:
            now += random.choice([1, 1, 2, 30, 59, 60, 61, 299, 1_799, 1_800, 5_000])
            tally.advance(now)
        bucket = now - random.choice([0, 0, 1, 58, 59, 60, 61, 299, 300, 1_799, 1_800])
        added.append((bucket, random.randrange(9)))
        tally.add(*added[-1])
        for window, buckets in enumerate(WINDOW_BUCKETS):
            # Before the first look at the clock there is no window to be outside of.
            oldest = now - buckets + 1 if tally.as_of >= 0 else 0
            assert tally.total(window) == sum(amount for bucket, amount in added if bucket >= oldest)


# -- people ------------------------------------------------------------------------------------------------------------
@WINDOWS
def test_somebody_seen_just_inside_a_window_counts_and_just_outside_does_not(window: int) -> None:
    inside, outside = audience_at(), audience_at()
    inside.seen("a", NOW - WINDOW_BUCKETS[window] + 1)
    outside.seen("a", NOW - WINDOW_BUCKETS[window])
    assert totals(inside) == [0] * window + [1] * (3 - window)
    assert totals(outside) == [0] * (window + 1) + [1] * (2 - window)


@WINDOWS
def test_somebody_silent_leaves_each_window_in_turn(window: int) -> None:
    audience = audience_at()
    audience.seen("a", NOW)
    audience.advance(NOW + WINDOW_BUCKETS[window] - 1)
    assert audience.count(window).value == 1
    audience.advance(NOW + WINDOW_BUCKETS[window])
    assert audience.count(window).value == 0
    assert audience.session.count() == 1


@WINDOWS
def test_somebody_who_comes_back_late_at_the_very_edge_of_a_window_is_in_it(window: int) -> None:
    """Seen in no window but a longer one, then seen again in the oldest second of this one."""
    audience = audience_at()
    edge = NOW - WINDOW_BUCKETS[window] + 1
    audience.seen("a", edge - 1)
    before = totals(audience)
    audience.seen("a", edge)
    assert before == [0] * (window + 1) + [1] * (2 - window)
    assert totals(audience) == [0] * window + [1] * (3 - window)


def test_somebody_seen_again_stays_as_long_as_the_last_time_says_and_counts_once() -> None:
    audience = audience_at()
    audience.seen("a", NOW - 30)
    audience.seen("a", NOW)
    assert totals(audience) == [1, 1, 1]
    audience.advance(NOW + 59)
    assert audience.total(0) == 1
    audience.advance(NOW + 60)
    assert audience.total(0) == 0


def test_an_older_sight_changes_nothing() -> None:
    audience = audience_at()
    audience.seen("a", NOW)
    audience.take_changed()
    assert audience.seen("a", NOW - 10) == NOW
    assert audience.seen("a", NOW) == NOW
    assert audience.latest("a") == NOW
    assert audience.take_changed() == {}


def test_somebody_seen_before_every_window_counts_in_the_session_alone() -> None:
    audience = audience_at()
    assert audience.seen("a", NOW - LONGEST_BUCKETS) == -1
    assert totals(audience) == [0, 0, 0]
    assert audience.latest("a") == -1
    assert audience.session.count() == 1
    assert audience.take_changed() == {}


def test_the_latest_sight_is_forgotten_with_the_longest_window() -> None:
    audience = audience_at()
    assert audience.seen("a", NOW) == NOW
    audience.advance(NOW + LONGEST_BUCKETS - 1)
    assert audience.latest("a") == NOW
    audience.advance(NOW + LONGEST_BUCKETS)
    assert audience.latest("a") == -1


def sketched_audience() -> Audience:
    """Its session is sketched, so windows keep people of their own."""
    audience = Audience(10**6, Distinct(0))
    audience.advance(NOW)
    return audience


def test_people_who_are_in_no_window_are_dropped_in_the_end() -> None:
    audience = sketched_audience()
    many = SWEEP_SLACK + 1
    for number in range(many):
        audience.seen(f"u{number}", NOW)
    audience.advance(NOW + LONGEST_BUCKETS - 1)
    assert len(audience.last) == many
    audience.advance(NOW + LONGEST_BUCKETS)
    assert audience.last == {}
    assert audience.session.count() == many


def test_people_are_kept_once_while_the_session_keeps_them() -> None:
    audience = audience_at(sample_max=3)
    for number in range(3):
        audience.seen_all({f"u{number}": NOW}, NOW)
    audience.advance(NOW + LONGEST_BUCKETS)
    assert audience.last is audience.session.members
    assert totals(audience) == [0, 0, 0]
    audience.seen_all({"u3": NOW + LONGEST_BUCKETS}, NOW + LONGEST_BUCKETS)
    assert not audience.session.exact
    assert audience.last == {"u3": NOW + LONGEST_BUCKETS}
    assert (totals(audience), audience.bits, audience.session.count()) == ([1, 1, 1], 0, 4)


def test_memory_follows_the_people_in_the_longest_window() -> None:
    audience = sketched_audience()
    for bucket in range(NOW, NOW + 3 * LONGEST_BUCKETS):
        audience.advance(bucket)
        audience.seen(f"u{bucket}", bucket)
    assert len(audience.last) <= 2 * LONGEST_BUCKETS + SWEEP_SLACK + 1
    assert totals(audience) == list(WINDOW_BUCKETS)


@pytest.mark.parametrize("seed", range(40))
def test_audiences_agree_with_looking_at_everybody_anew(seed: int) -> None:
    random, audience, now = Random(seed), audience_at(), NOW
    latest: dict[str, int] = {}
    for _ in range(200):
        if random.random() < 0.3:
            now += random.choice([1, 1, 2, 30, 59, 60, 61, 299, 1_799, 1_800, 5_000])
            audience.advance(now)
        person = f"u{random.randrange(12)}"
        bucket = now - random.choice([0, 0, 1, 58, 59, 60, 61, 298, 299, 300, 1_798, 1_799, 1_800])
        audience.seen(person, bucket)
        latest[person] = max(latest.get(person, 0), bucket)
        for window, buckets in enumerate(WINDOW_BUCKETS):
            expected = sum(1 for bucket in latest.values() if bucket > now - buckets)
            assert audience.count(window).value == expected
    assert audience.session.count() == len(latest)


def test_a_restored_audience_goes_on_like_the_one_that_was_saved() -> None:
    audience = audience_at()
    for age in (0, 59, 60, 299, 300, 1_799):
        audience.seen(f"u{age}", NOW - age)
    restored = Audience(1_000, Distinct(1_000))
    restored.restore(audience.take_changed(), audience.bits)
    restored.advance(NOW)
    restored.rebuild()
    for now in range(NOW, NOW + 2_000, 37):
        audience.advance(now)
        restored.advance(now)
        assert totals(restored) == totals(audience)


# -- samples -----------------------------------------------------------------------------------------------------------
def crowd(people: int, sample_max: int, name: str = "u", buckets: int = 1) -> Audience:
    audience = Audience(sample_max, Distinct(10**6))
    audience.advance(NOW)
    for number in range(people):
        audience.seen(f"{name}{number}", NOW - number % buckets)
    return audience


def test_people_are_counted_exactly_up_to_the_bound_and_estimated_beyond() -> None:
    exact = crowd(500, 500).count(0)
    assert (exact.value, exact.method, exact.error_95) == (500, "exact", None)
    beyond = crowd(501, 500)
    estimate = beyond.count(0)
    assert estimate.method == "sketch"
    assert estimate.value == 2 * len(beyond.last)
    assert estimate.error_95 == round(1.96 * (0.5 / len(beyond.last)) ** 0.5, 4)


def test_a_sample_stays_within_the_bound_and_the_session_knows_everybody() -> None:
    audience = crowd(20_000, 500)
    assert len(audience.last) <= 500
    assert audience.bits >= 5
    assert audience.session.count() == 20_000


def test_a_sample_does_not_depend_on_the_order_of_arrival() -> None:
    forward, backward = crowd(0, 300), crowd(0, 300)
    people = [f"u{number}" for number in range(5_000)]
    for person in people:
        forward.seen(person, NOW)
    for person in reversed(people):
        backward.seen(person, NOW)
    assert forward.last == backward.last
    assert forward.count(0) == backward.count(0)


@pytest.mark.parametrize(("people", "sample_max"), [(1_500, 1_000), (6_000, 1_000), (3_000, 200)])
def test_the_truth_is_inside_the_stated_error_of_a_sample_about_as_often_as_stated(
    people: int, sample_max: int
) -> None:
    rooms = 60
    inside = 0
    for seed in range(rooms):
        count = crowd(people, sample_max, f"room{seed}.viewer:").count(0)
        assert count.error_95 is not None
        inside += abs(count.value - people) <= count.error_95 * count.value
    # 95 % of 60 is 57; fewer than 52 happens once in a hundred.
    assert inside >= 52


def test_a_sample_slides_like_everybody() -> None:
    audience = crowd(4_000, 500, buckets=100)
    kept = dict(audience.last)
    for now in (NOW, NOW + 10, NOW + 59, NOW + 200):
        audience.advance(now)
        for window, buckets in enumerate(WINDOW_BUCKETS):
            expected = sum(1 for bucket in kept.values() if bucket > now - buckets)
            assert audience.count(window).value == expected << audience.bits


def test_an_empty_window_of_a_sample_is_zero() -> None:
    audience = crowd(4_000, 500)
    audience.advance(NOW + 60)
    assert audience.count(0).value == 0


def test_people_in_no_window_make_room_before_anybody_is_sampled_away() -> None:
    audience = crowd(500, 500)
    audience.advance(NOW + LONGEST_BUCKETS)
    audience.last.update({f"u{number}": NOW for number in range(500)})  # as before a sweep
    audience.seen("somebody", NOW + LONGEST_BUCKETS)
    assert audience.bits == 0
    assert audience.count(2).value == 1


def see(audience: Audience, people: range, *, together: bool) -> None:
    names = dict.fromkeys([f"u{number}" for number in people], audience.as_of)
    if together:
        audience.seen_all(names, audience.as_of)
    else:
        for name in names:
            audience.seen(name, audience.as_of)


@pytest.mark.parametrize("together", [False, True])
def test_a_sample_begins_as_soon_as_more_than_the_bound_are_in_the_longest_window(*, together: bool) -> None:
    audience = crowd(0, 1_000)
    see(audience, range(1_000), together=together)
    assert audience.bits == 0
    see(audience, range(1_000, 1_020), together=together)
    assert audience.bits == 1
    assert len(audience.last) == audience.total(2) < 600


@pytest.mark.parametrize("together", [False, True])
def test_people_in_no_window_are_a_quarter_of_the_bound_at_most(*, together: bool) -> None:
    audience = crowd(0, 1_000)
    see(audience, range(500), together=together)
    audience.advance(NOW + LONGEST_BUCKETS - 1)
    see(audience, range(500, 1_000), together=together)
    audience.advance(NOW + LONGEST_BUCKETS)
    see(audience, range(1_000, 1_200), together=together)
    assert len(audience.last) == 1_200
    see(audience, range(1_200, 1_300), together=together)
    assert len(audience.last) <= 1_250
    assert audience.count(2).value == 800
    assert audience.bits == 0


def test_a_restored_sample_holds_only_who_is_in_the_sample() -> None:
    audience = crowd(4_000, 500)
    restored = Audience(500, Distinct(10**6))
    restored.restore(audience.take_changed(), audience.bits)
    restored.keep_sample()
    restored.advance(NOW)
    restored.rebuild()
    assert restored.last == audience.last
    assert [restored.count(window) for window in range(3)] == [audience.count(window) for window in range(3)]


def test_somebody_outside_the_sample_counts_in_the_session_alone() -> None:
    audience = crowd(4_000, 500)
    outside = next(f"u{number}" for number in range(4_000) if f"u{number}" not in audience.last)
    before = audience.count(0)
    assert audience.seen(outside, NOW) == -1
    assert audience.count(0) == before
    newcomers = [f"new{number}" for number in range(100)]
    for person in newcomers:
        audience.seen(person, NOW)
    assert audience.session.count() == 4_100


def test_a_part_of_an_audience_is_thinned_to_its_sample() -> None:
    whole, part = crowd(4_000, 500), crowd(400, 500)
    part.thin(whole.bits)
    assert part.bits == whole.bits
    assert set(part.last) == {f"u{number}" for number in range(400)} & set(whole.last)
    assert part.count(0).value == len(part.last) << part.bits
    kept = dict(part.last)
    part.thin(0)
    assert part.last == kept
