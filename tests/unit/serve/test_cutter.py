"""Cut documents are made once and shared, within bounds; what a request asks for is checked."""

from __future__ import annotations

import gzip
from typing import Any

import msgspec
import pytest

from stream.serve import cutter as module
from stream.serve.cut import WHOLE, Cut
from stream.serve.cutter import Cutter, cut_of, known_parts
from stream.serve.documents import Document, read_document
from stream.serve.problems import ProblemError
from tests.support.serve import document


def made(room_id: str = "room-1", **changes: Any) -> Document:
    found = read_document(room_id, msgspec.json.encode(document(room_id, **changes)))
    assert isinstance(found, Document)
    return found


def test_a_document_is_cut_once_for_all_who_ask_the_same() -> None:
    cutter, first = Cutter(), made()
    reduced = cutter.reduced(first, Cut(sale="s0"))
    assert cutter.reduced(first, Cut(sale="s0")) is reduced
    assert cutter.reduced(first, Cut(sale="s1")) is not reduced
    assert cutter.reduced(made(rev=2), Cut(sale="s0")) is not reduced


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CUTS", 10)
    monkeypatch.setattr(module, "MAX_ROOMS", 2)
    cutter = Cutter()
    for number in range(30):
        cutter.reduced(made(f"room-{number % 5}"), Cut(sale=f"s{number}"))
    assert len(cutter) == 10
    assert len(cutter._pieces) == 2


def test_compressed_it_is_the_same() -> None:
    cutter, found = Cutter(), made()
    for cut in (WHOLE, Cut(sale="s0")):
        packed = cutter.packed(found, cut)
        assert packed is not None
        assert gzip.decompress(packed) == cutter.body(found, cut)
        assert cutter.packed(found, cut) is packed
    assert cutter.packed(found, Cut("x", "", ())) is None  # too short for it


@pytest.mark.parametrize("changes", [{"claims": [{}]}, {"sales": [{"oversold": 0, "sale_id": 7}]}])
def test_a_document_of_other_lists_is_passed_on_as_it_is(changes: dict[str, Any]) -> None:
    found = made(**changes)
    assert Cutter().reduced(found, Cut(sale="s0")).raw == found.raw


def test_a_request_names_sales_products_and_parts() -> None:
    parts = known_parts()
    assert {"claims", "feed", "gifts", "card"} <= set(parts)
    assert cut_of({}, parts) == WHOLE
    assert cut_of({"token": "x"}, parts).is_whole
    assert cut_of({"sale": "s1", "sku": "k:1", "parts": "feed, claims,feed,"}, parts) == Cut(
        "s1", "k:1", ("claims", "feed")
    )
    assert cut_of({"parts": ""}, parts) == Cut("", "", ())


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"sale": "a b"}, "sale"),
        ({"sku": 65 * "k"}, "sku"),
        ({"sku": "好"}, "sku"),
        ({"parts": "claims,everything"}, "parts"),
        ({"parts": "schema"}, "parts"),
    ],
)
def test_what_is_wrong_is_named(query: dict[str, str], parameter: str) -> None:
    with pytest.raises(ProblemError) as raised:
        cut_of(query, known_parts())
    assert raised.value.problem.parameter == parameter
    if parameter == "parts":
        assert "withheld" in str(raised.value)
