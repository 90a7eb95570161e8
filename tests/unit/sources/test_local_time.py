from __future__ import annotations

from datetime import UTC, datetime

import pytest

from stream.errors import SnapupError
from stream.sources.accounts import Note
from stream.sources.local_time import DateOrder, parse_local, time_zone

LONDON = time_zone("Europe/London")


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("local", "expected", "note"),
    [
        ("2010-12-01 08:26:00", "2010-12-01 08:26:00", None),
        ("2011-07-28 08:55:00", "2011-07-28 07:55:00", None),
        ("2011-07-28T08:55", "2011-07-28 07:55:00", None),
        ("2011-03-27 00:59:59", "2011-03-27 00:59:59", None),
        ("2011-03-27 01:00:00", "2011-03-27 01:00:00", Note.NONEXISTENT_TIME),
        ("2011-03-27 01:30:00", "2011-03-27 01:30:00", Note.NONEXISTENT_TIME),
        ("2011-03-27 02:00:00", "2011-03-27 01:00:00", None),
        ("2011-10-30 00:59:59", "2011-10-29 23:59:59", None),
        ("2011-10-30 01:30:00", "2011-10-30 00:30:00", Note.AMBIGUOUS_TIME),
        ("2011-10-30 02:00:00", "2011-10-30 02:00:00", None),
    ],
)
def test_local_times_follow_the_clock_changes(local: str, expected: str, note: Note | None) -> None:
    assert parse_local(local, DateOrder.ISO, LONDON) == (utc(expected), note)


def test_dates_are_read_as_told() -> None:
    at = utc("2010-12-01 08:26:00")
    assert parse_local("12/1/2010 8:26", DateOrder.MDY, LONDON).epoch_ms == at
    assert parse_local("1/12/2010 8:26", DateOrder.DMY, LONDON).epoch_ms == at


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2010-12-01",
        "12/1/2010 8:26",
        "2010-13-01 00:00",
        "2011-02-29 00:00",
        "2010-12-01 24:00",
        "0000-01-01 00:00",
    ],
)
def test_what_is_no_time_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_local(text, DateOrder.ISO, LONDON)


def test_the_edge_of_the_calendar_is_no_crash() -> None:
    with pytest.raises(ValueError, match="calendar"):
        parse_local("0001-01-01 00:00", DateOrder.ISO, time_zone("Asia/Shanghai"))


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "/etc/passwd", "../UTC"])
def test_an_unknown_zone_is_one_clear_line(name: str) -> None:
    with pytest.raises(SnapupError, match="no time zone"):
        time_zone(name)
