"""docs/recordings.md against the code that reads and writes recordings."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from stream.contract import recording
from stream.contract.events import MAX_RECORD_BYTES, TOPIC_NAMES
from stream.contract.recording import RecordedRecord, decode_record, encode_record
from tests.support.doc_tables import rows_of

PAGE = (Path(__file__).parents[2] / "docs" / "recordings.md").read_text("utf-8")
EXAMPLES = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
FIELDS = {row[0].strip("`"): row for row in rows_of(PAGE, "fields of a recording")}


def test_each_field_is_in_the_table_and_no_other() -> None:
    assert set(FIELDS) == set(recording._Line.__struct_fields__)
    headers = set(re.findall(r"`(\w+)`", FIELDS["headers"][3]))
    assert headers == set(recording._Header.__struct_fields__)


def test_what_must_be_there_is_what_a_line_cannot_do_without() -> None:
    must = {field.name for field in msgspec.structs.fields(recording._Line) if field.required}
    assert {name for name, row in FIELDS.items() if row[2] == "no"} == must


def test_the_examples_are_lines_of_a_recording_and_are_written_so() -> None:
    assert EXAMPLES is not None
    lines = EXAMPLES[1].encode().splitlines(keepends=True)
    records = [decode_record(line) for line in lines]
    assert records[1].headers == (("trace", b"a1"), ("empty", None))
    assert (records[1].key, records[1].value) == (b"\xff", b"\x00\xff")
    assert [msgspec.json.decode(encode_record(record)) for record in records] == [*map(msgspec.json.decode, lines)]


@pytest.mark.parametrize("more", [b'"later":{"a":1},', b'"version":9,'])
def test_a_field_that_a_later_version_adds_is_passed_over(more: bytes) -> None:
    line = b'{"topic":"likes","timestamp_ms":1,' + more + b'"key":"r","value":{}}'
    assert decode_record(line) == RecordedRecord(topic="likes", timestamp=1, value=b"{}", key=b"r")


def test_the_bounds_are_those_of_the_code() -> None:
    assert f"A line has at most {recording.MAX_LINE_BYTES // 2**20} MiB" in PAGE
    assert f"at most {2 * MAX_RECORD_BYTES // 1024} KiB" in PAGE
    largest = b'"%b"' % (b"x" * (2 * MAX_RECORD_BYTES - 2))
    for value, name in ((largest, "value"), (b'"x' + largest[1:], "value_base64")):
        line = encode_record(RecordedRecord(topic=TOPIC_NAMES[0], timestamp=1, value=value, key=None))
        assert name in msgspec.json.decode(line)


def test_a_header_without_a_value_comes_back_without_one() -> None:
    before = RecordedRecord(topic="likes", timestamp=1, value=b"1", key=None, headers=(("a", None), ("b", b"")))
    assert decode_record(encode_record(before)) == before
