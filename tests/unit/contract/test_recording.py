from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stream.contract.recording import (
    RecordedRecord,
    RecordingWriter,
    decode_record,
    encode_record,
    read_recording,
    write_recording,
)
from stream.errors import SnapupError

if TYPE_CHECKING:
    from pathlib import Path

LIKE = b'{"type": "like", "count":3}'


def record(value: bytes | None = LIKE, key: bytes | None = b"room-1", **more: object) -> RecordedRecord:
    return RecordedRecord(topic="likes", timestamp=1_507_636_800_123, value=value, key=key, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [
        LIKE,
        b"null",
        b"1",
        b'"text"',
        b"",
        b" {}",
        b'{"a":\n1}',
        b'{"a":1}\r',
        b'{"text":"\xff"}',
        b"not json",
        b"[" * 5_000,
        b"{" * 40_000,
        '{"text":"好，\u202e"}'.encode(),
        None,
    ],
)
@pytest.mark.parametrize("key", [b"room-1", b"", b"\xff\x00", None])
def test_any_record_comes_back_byte_for_byte_in_one_line(value: bytes | None, key: bytes | None) -> None:
    before = record(value, key, partition=3, offset=0, headers=(("ce_type", b"like"), ("ce_type", b"\xff"), ("e", b"")))
    line = encode_record(before)
    assert line.count(b"\n") == 1
    assert decode_record(line) == before


def test_a_value_that_is_json_stays_readable_in_the_file() -> None:
    assert encode_record(record()) == (
        b'{"topic":"likes","timestamp_ms":1507636800123,"key":"room-1","value":{"type": "like", "count":3}}\n'
    )


def test_a_full_topic_name_is_read_as_its_logical_name() -> None:
    assert decode_record(b'{"topic":"live.cart-adds","timestamp_ms":5}').topic == "cart-adds"


@pytest.mark.parametrize("suffix", ["ndjson", "ndjson.gz"])
def test_a_file_gives_back_what_was_written_and_twice_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    first, second = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    records = [record(offset=n, partition=0) for n in range(500)]
    assert write_recording(first, records) == 500
    write_recording(second, records)
    assert first.read_bytes() == second.read_bytes()
    reader = read_recording(first)
    assert list(reader) == records
    assert (reader.records, reader.cut_off) == (500, False)


def test_a_cut_off_last_line_is_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cut.ndjson"
    path.write_bytes(encode_record(record()) * 2 + encode_record(record())[:-20])
    reader = read_recording(path)
    assert (len(list(reader)), reader.cut_off) == (2, True)


def test_a_last_line_without_line_end_counts_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "whole.ndjson"
    path.write_bytes(encode_record(record()) + encode_record(record())[:-1])
    reader = read_recording(path)
    assert (len(list(reader)), reader.cut_off) == (2, False)


def test_a_cut_off_compressed_file_is_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cut.ndjson.gz"
    with RecordingWriter(path) as writer:
        for n in range(50_000):
            writer.write(record(offset=n * 7_919 % 100_003))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    reader = read_recording(path)
    assert 10_000 < len(list(reader)) < 40_000
    assert reader.cut_off


@pytest.mark.parametrize(
    "line", [b"garbage\n", b'{"topic":"gifts","timestamp_ms":1}\n', b'{"topic":"likes"}\n', b"[" * 100_000 + b"\n"]
)
def test_a_broken_line_in_the_middle_is_an_error_that_names_the_line(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "broken.ndjson"
    path.write_bytes(encode_record(record()) + line + encode_record(record()))
    with pytest.raises(SnapupError, match="line 2"):
        list(read_recording(path))


def test_a_file_that_is_named_gz_and_is_not_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "plain.gz"
    path.write_bytes(encode_record(record()))
    with pytest.raises(SnapupError, match="not gzip"):
        list(read_recording(path))


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SnapupError, match="No such file"):
        list(read_recording(tmp_path / "none.ndjson"))
