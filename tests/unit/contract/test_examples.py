from __future__ import annotations

import re
from base64 import b64decode

import msgspec

from stream.contract.catalogue import BUILT_IN
from stream.contract.examples import Invalid, cloudevent, invalid, valid
from stream.contract.refusal import Reason


def test_the_name_of_an_example_says_what_it_shows() -> None:
    types = "|".join(BUILT_IN.types)
    for name in valid():
        assert re.fullmatch(rf"({types})--[a-z0-9-]+\.json", name)
    for name, record in invalid().items():
        assert re.fullmatch(rf"{record.reason}--({types})--[a-z0-9_-]+\.json", name)


def test_a_value_is_published_as_json_where_that_gives_its_bytes_back() -> None:
    for record in invalid().values():
        document = record.document()
        if "value" in document:
            assert msgspec.json.encode(document["value"]) == record.value
        else:
            assert b64decode(document["value_base64"]) == record.value


def test_bytes_that_no_json_value_gives_are_published_in_base64() -> None:
    def keys(value: bytes) -> set[str]:
        document = Invalid(Reason.NOT_JSON, None, "likes", value).document()
        return document.keys() - {"reason", "pointer", "topic", "key", "append_time_ms"}

    assert keys(b'{"a":1}') == {"value"}
    for value in (b'{"a": 1}', b"", b"\xff", b'{"a":1e2}', b'{"a":1,"a":1}', b"[" * 100):
        assert keys(value) == {"value_base64"}


def test_making_examples_changes_none_of_them() -> None:
    before = msgspec.json.encode([valid(), cloudevent()])
    invalid()
    assert msgspec.json.encode([valid(), cloudevent()]) == before
