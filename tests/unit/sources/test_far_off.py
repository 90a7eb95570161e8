"""A time that stands apart from all others is told; two long periods are two periods."""

from __future__ import annotations

from stream.sources.far_off import APART_DAYS, Recorded, periods_of, told

DAY_MS = 86_400_000
T_MS = 1_511_848_894_000
Y2037_MS = 2_114_380_800_000


def test_one_row_of_another_century_stands_apart_from_two_thousand() -> None:
    good = [T_MS + number * 1_000 for number in range(2_000)]
    for far_ms in (Y2037_MS, 0, T_MS - 91 * DAY_MS):
        periods = periods_of([*good, far_ms])
        assert periods is not None
        assert periods.days_off(far_ms) > APART_DAYS
        assert not any(map(periods.days_off, good))
    assert periods_of(good) is None


def test_a_week_or_a_season_is_one_period_and_a_second_long_one_is_none_s_mistake() -> None:
    assert periods_of(T_MS + day * DAY_MS for day in range(400)) is None
    assert periods_of(T_MS + day * DAY_MS for day in (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, APART_DAYS)) is None
    years = [T_MS] * 500 + [T_MS + 365 * DAY_MS] * 500
    assert periods_of(years) is None
    periods = periods_of([*years, Y2037_MS])
    assert periods is not None
    assert len(periods.stretches) == 2


def test_among_few_rows_none_can_be_told_to_be_wrong() -> None:
    assert periods_of([T_MS] * 9 + [Y2037_MS]) is None
    assert periods_of([T_MS] * 10 + [Y2037_MS]) is not None
    assert periods_of([]) is None


def test_a_handful_of_rows_among_a_hundred_stands_apart() -> None:
    for good, far in ((40, 2), (100, 2), (100, 5), (250, 3), (480, 5)):
        times_ms = [T_MS] * good + [Y2037_MS + number for number in range(far)]
        assert periods_of(times_ms) is not None, (good, far)
    for good, far in ((30, 2), (100, 6), (480, 6)):
        assert periods_of([T_MS] * good + [Y2037_MS] * far) is None, (good, far)


def test_a_recording_names_the_first_record() -> None:
    times = Recorded()
    for number in range(1, 51):
        times.add(number, Y2037_MS if number == 20 else -1 if number == 21 else T_MS)
    assert (
        times.first_far_off()
        == "record 20 has timestamp_ms 2114380800000, 2037-01-01T00:00:00Z, 6974 days from all others"
    )


def test_any_time_can_be_told() -> None:
    assert told(2**53 - 1, 7) == "9007199254740991 ms, 7 days from all others"
