from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from stream.cli import main
from stream.contract.recording import read_recording

if TYPE_CHECKING:
    from pathlib import Path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["snapup", "simulate", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_a_show_goes_into_a_file_and_says_what_it_must_add_up_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "tadu.ndjson.gz"
    assert run(monkeypatch, "tadu-2019", "--to", str(path), "--json", "--room", "my-room") == 0
    told: dict[str, Any] = msgspec.json.decode(capsys.readouterr().out)
    assert told["expected"]["rooms"][0]["room_id"] == "my-room"
    reader = read_recording(path)
    records = list(reader)
    assert len(records) == told["expected"]["deliveries"] == told["played"]["acknowledged"]
    assert {record.key for record in records} == {b"my-room"}
    assert records[0].timestamp >= 1_507_636_800_000


def test_for_people_there_are_tables_with_both_conversions(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(monkeypatch, "tadu-2019", "--to", str(tmp_path / "tadu.ndjson")) == 0
    said = capsys.readouterr().out
    assert "1 228 / 11 951" in said
    assert "10.28 %" in said
    assert "1 228 / 6 703" in said
    assert "18.32 %" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("snapup",), "There is no scenario 'snapup'"),
        (("tadu-2019", "--speed", "fast"), "--speed fast"),
        (("tadu-2019", "--speed", "0"), "--speed 0"),
        (("tadu-2019", "--speed", "nan"), "--speed nan"),
        (("tadu-2019", "--to", "/"), "a file is needed"),
    ],
)
def test_what_cannot_be_played_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert run(monkeypatch, *arguments) == 1
    assert said in capsys.readouterr().err
