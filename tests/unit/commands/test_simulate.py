from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from stream.cli import main
from stream.commands.simulate import beginning_ms
from stream.contract.recording import read_recording
from stream.shows import build_show

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


def test_a_share_of_a_large_show_has_a_table_of_all_its_rooms(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(monkeypatch, "jd-midnight", "--scale", "0.002", "--to", str(tmp_path / "jd.ndjson")) == 0
    said = capsys.readouterr().out
    assert "All 20 rooms" in said
    assert "Room jd-midnight-000" in said
    assert "20 000 000" in said  # 1 000 orders of 200 yuan, in fen: what was placed


@pytest.mark.parametrize(
    ("name", "speed", "begins_ms"),
    [("tadu-2019", 1.0, 0), ("tadu-2019", 1.1, 0), ("tadu-2019", 2.0, -3_600_000), ("tadu-2019", None, -7_200_000)],
)
def test_a_show_played_fast_does_not_run_further_ahead_than_kafka_allows(
    name: str, speed: float | None, begins_ms: int
) -> None:
    now_ms = 1_700_000_000_000
    assert beginning_ms(build_show(name, 1), speed, now_ms) == now_ms + begins_ms


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("viya-2017", "--scale", "2"), "--scale 2"),
        (("tadu-2019", "--scale", "0.5"), "is played whole"),
        (("tadu-2019", "--speed", "fast"), "--speed fast"),
        (("tadu-2019", "--speed", "0"), "--speed 0"),
        (("tadu-2019", "--speed", "nan"), "--speed nan"),
        (("tadu-2019", "--to", "/"), "a file is needed"),
    ],
)
def test_what_cannot_be_played_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert run(monkeypatch, *arguments) == 2
    assert said in capsys.readouterr().err
