"""A document of a newer Snapup is read: with other words, more fields, more sections. What is broken is not."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from stream.contract.overlay import Overlay, Sale
from stream.contract.reading import opened, read_overlay
from tests.support.newer import newer_document
from tests.unit.contract.test_overlay import EXAMPLE


def test_what_is_written_today_is_read_as_it_is() -> None:
    raw = EXAMPLE.read_bytes()
    read = read_overlay(raw)
    assert isinstance(read, Overlay)
    assert msgspec.to_builtins(read) == msgspec.to_builtins(msgspec.json.decode(raw, type=Overlay))
    assert msgspec.json.encode(read) == msgspec.json.encode(msgspec.json.decode(raw, type=Overlay))


def test_words_fields_and_sections_that_nobody_knows_yet_are_no_reason_to_refuse_a_document() -> None:
    today = msgspec.json.decode(EXAMPLE.read_bytes())
    raw = msgspec.json.encode(newer_document(today))
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(raw, type=Overlay)
    read = read_overlay(raw)
    said: set[str] = {read.clock.source, read.urgency.level, *(sale.status for sale in read.sales)}
    said |= {claim.claim for claim in read.claims} | {withheld.reason for withheld in read.withheld}
    said |= {rate.method for rate in read.rates} | {item.kind for item in read.feed}
    assert said == {"sundial", "frenzy", "paused", "gift_total", "not_yet", "guess", "gift"}
    assert read.totals.likes == today["totals"]["likes"]
    assert [sale.available for sale in read.sales] == [sale["available"] for sale in today["sales"]]


def test_no_list_of_words_is_left_closed() -> None:
    def closed(kind: Any, at: str) -> list[str]:
        found = []
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            for field in msgspec.structs.fields(kind):
                found += closed(field.type, f"{at}.{field.name}")
        elif any(isinstance(argument, str) for argument in get_args(kind)):
            found.append(at)
        else:
            for argument in get_args(kind):
                found += closed(argument, at)
        return found

    assert closed(Overlay, "")
    assert closed(opened(Overlay), "") == []
    assert opened(Sale) is not Sale


@pytest.mark.parametrize("break_it", [b'"rev":', b'"totals":', b'"likes":'])
def test_what_misses_what_it_always_had_is_still_refused(break_it: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        read_overlay(EXAMPLE.read_bytes().replace(b" ", b"").replace(break_it, b'"x":'))
