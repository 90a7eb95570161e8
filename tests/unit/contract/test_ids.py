from __future__ import annotations

import re
from typing import Any, get_args

import msgspec
import pytest

from stream.contract.events import ID_PATTERN, RoomEvent
from stream.contract.ids import ID_CHARS, are_id_chars, id_check, is_id, pointer_to_bad_id


def test_the_table_and_the_published_pattern_allow_the_same_characters() -> None:
    pattern = re.compile(ID_PATTERN)
    for char in map(chr, range(0x250)):
        assert is_id(char) == (pattern.fullmatch(char) is not None) == (char in ID_CHARS)


@pytest.mark.parametrize("text", ["", "a\n", "\n", "a b", "ａ", "1²", "x" * 65])
def test_what_is_no_id_is_refused(text: str) -> None:
    assert not is_id(text)


def test_an_id_has_up_to_64_characters() -> None:
    assert is_id("A-z_0.9:" * 8)


@pytest.mark.parametrize("kind", get_args(RoomEvent))
def test_every_id_of_every_type_is_checked(kind: type[msgspec.Struct]) -> None:
    """Fields whose name ends in `_id`, `source` and `topic` hold ids: wherever one stands, a bad character is seen."""
    good = _filled(kind)
    assert id_check(kind)(msgspec.convert(good, kind))  # type: ignore[arg-type]
    assert pointer_to_bad_id(msgspec.convert(good, kind)) is None
    for pointer, container, name in _ids(good):
        container[name] = "a\n"
        event = msgspec.convert(good, kind)
        assert pointer_to_bad_id(event) == pointer
        # The decoder checks the room where it compares the key.
        assert id_check(kind)(event) == (pointer == "/room_id")  # type: ignore[arg-type]
        container[name] = "a"


def test_an_id_that_is_absent_is_not_checked() -> None:
    for kind in get_args(RoomEvent):
        record = {name: value for name, value in _filled(kind).items() if name in kind.__struct_fields__}
        required = {field.name for field in msgspec.structs.fields(kind) if field.required} | {"type"}
        event = msgspec.convert({k: v for k, v in record.items() if k in required} | {"type": _tag(kind)}, kind)
        assert id_check(kind)(event)


def test_characters_are_asked_for_not_only_the_lack_of_wrong_ones() -> None:
    assert not are_id_chars("")
    assert are_id_chars("a")


def _tag(kind: type[msgspec.Struct]) -> Any:
    return kind.__struct_config__.tag


def _filled(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """A record with every field of the type, also those that may be absent."""
    values: dict[str, Any] = {"status": "paid", "currency": "CNY", "text": "x", "restock": False}
    values["lines"] = [{"sku_id": "a", "quantity": 1, "amount_minor": 1, "sale_id": "a"} for _ in range(2)]
    values["part_lines"] = [{**line} for line in values["lines"]]
    values |= {"payment_terms": "deposit", "hold_ms": 60_000}
    record = {}
    for name in kind.__struct_fields__:
        default = "a" if name.endswith("_id") or name in ("source", "topic") else 1
        record[name] = values.get(name, default)
    return {"type": _tag(kind), **record}


def _ids(record: dict[str, Any], at: str = "") -> list[tuple[str, dict[str, Any], str]]:
    found = []
    for name, value in record.items():
        if name.endswith("_id") or name in ("source", "topic"):
            found.append((f"{at}/{name}", record, name))
        if isinstance(value, list):
            for index, item in enumerate(value):
                found += _ids(item, f"{at}/{name}/{index}")
    return found
