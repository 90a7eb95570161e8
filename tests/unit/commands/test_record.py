from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from stream.cli import app
from stream.commands.record import Range, Recorded, _key, _moment
from stream.contract.recording import RecordedRecord
from stream.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

NOW_MS = 1_795_780_000_000


def test_a_moment_is_written_as_one_or_as_how_long_ago() -> None:
    assert _moment(None, "--since", NOW_MS) is None
    assert _moment("2h", "--since", NOW_MS) == NOW_MS - 7_200_000
    assert _moment(str(NOW_MS), "--since", NOW_MS) == NOW_MS
    assert _moment("2026-11-27T13:46:40Z", "--since", NOW_MS) == 1_795_787_200_000
    with pytest.raises(UsageError, match="--until soon"):
        _moment("soon", "--until", NOW_MS)


def test_a_range_ends_before_its_end() -> None:
    within = Range(10, 20)
    assert [ms for ms in range(30) if within.holds(ms)] == [*range(10, 20)]
    assert (Range(None, None).holds(-1), Range(None, 20).holds(20), Range(10, None).holds(10)) == (True, False, True)
    assert not Range(None, None).is_over(10**15)


def test_the_account_has_the_least_and_the_greatest_time() -> None:
    account = Recorded(file="f", room_id="r")
    for topic, timestamp in (("likes", 7), ("orders", 3), ("likes", 5)):
        account.note(RecordedRecord(topic=topic, timestamp=timestamp, value=b"", key=b"r"))
    assert (account.records, account.first_ms, account.last_ms) == (3, 3, 7)
    assert account.topics == {"likes": 2, "orders": 1}


def test_a_key_of_a_file_is_long_enough(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b" 0123456789abcdef\n")
    assert _key(file) == b"0123456789abcdef"
    file.write_bytes(b"short\n")
    with pytest.raises(UsageError, match="5 bytes"):
        _key(file)
    assert _key(None) != _key(None)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--key-file", "key"), "--key-file goes with --pseudonyms"),
        (("--since", "1795780000001", "--until", "1795780000001"), "is not after"),
    ],
)
def test_words_that_do_not_go_together(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["record", "r", "--to", str(tmp_path / "x"), *words])
    assert told in str(result.exception)
    assert isinstance(result.exception, UsageError)
