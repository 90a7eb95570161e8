"""A document cut to a subject and parts: still a document, and no claim without what it rests on."""

from __future__ import annotations

from itertools import chain, combinations
from typing import Any

import msgspec
import pytest

from stream.contract.overlay import Overlay
from stream.contract.reading import read_overlay
from stream.serve.cut import ALWAYS, LISTS, Cut, Pieces
from stream.serve.documents import Document, read_document
from tests.support.sixty import documents

GIFTS = {"gifts": 7, "value_minor": 3}


def document(raw: bytes, **changes: Any) -> Document:
    found = read_document("r1", msgspec.json.encode(msgspec.json.decode(raw) | changes))
    assert isinstance(found, Document)
    return found


@pytest.fixture(scope="module")
def raws() -> list[bytes]:
    return list(documents(3))


@pytest.fixture(scope="module")
def whole(raws: list[bytes]) -> Document:
    return document(raws[0], gifts=GIFTS, later={"of": "a newer worker"})


def cut(whole: Document, **asked: Any) -> dict[str, Any]:
    return msgspec.json.decode(Pieces(whole).reduced(Cut(**asked)).raw)  # type: ignore[no-any-return]


def subsets(*items: str) -> list[tuple[str, ...]]:
    return list(chain.from_iterable(combinations(items, count) for count in range(len(items) + 1)))


def test_what_is_asked_for_by_nothing_is_the_document(whole: Document) -> None:
    assert Pieces(whole).reduced(Cut()).raw == whole.raw


@pytest.mark.parametrize("asked", [{"sale": "s7"}, {"sku": "sku-007"}, {"sale": "s7", "sku": "sku-007"}])
def test_a_subject_keeps_its_sale_its_claims_its_orders_and_the_rooms_own_figures(
    whole: Document, asked: dict[str, str]
) -> None:
    made, full = cut(whole, **asked), msgspec.json.decode(whole.raw)
    assert [sale["sale_id"] for sale in made["sales"]] == ["s7"]
    kept = [claim for claim in full["claims"] if claim["sale_id"] in (None, "s7")]
    assert made["claims"] == kept
    assert {claim["claim"] for claim in kept} >= {"bought_recently", "ends_in"}
    assert made["withheld"] == [each for each in full["withheld"] if each.get("sale_id") in (None, "s7")]
    assert made["feed"] == [each for each in full["feed"] if each["sku_id"] == "sku-007"]
    for name in (*ALWAYS, "rates", "gifts", "later"):
        assert made.get(name) == full.get(name), name


def test_a_subject_that_is_not_there_leaves_the_room(whole: Document) -> None:
    made = cut(whole, sale="s7", sku="sku-008")
    assert (made["sales"], made["feed"]) == ([], [])
    assert made["totals"] == msgspec.json.decode(whole.raw)["totals"]
    assert all(claim["sale_id"] is None for claim in made["claims"])


@pytest.mark.parametrize("parts", subsets("rates", "sales", "claims", "withheld", "feed", "gifts"))
@pytest.mark.parametrize("sale", ["", "s7"])
def test_any_parts_are_a_whole_document_and_no_claim_is_without_its_sale(
    whole: Document, sale: str, parts: tuple[str, ...]
) -> None:
    reduced = Pieces(whole).reduced(Cut(sale, "", parts))
    made = msgspec.json.decode(reduced.raw)
    msgspec.json.decode(reduced.raw, type=Overlay)
    read_overlay(reduced.raw)
    sales = {each["sale_id"] for each in made["sales"]}
    assert {claim["sale_id"] for claim in made["claims"]} - {None} <= sales
    brought = {*parts, *(("sales", "withheld") if "claims" in parts else ())}
    assert [name for name in (*LISTS, "gifts") if made.get(name)] == [
        name for name in (*LISTS, "gifts") if name in brought and (name != "feed" or made["feed"])
    ]
    assert "later" not in made
    assert len(msgspec.json.decode(reduced.fresh)["claims"]) == len(made["claims"])


def test_what_only_ages_has_equal_content_and_the_times_make_it_the_later_document(raws: list[bytes]) -> None:
    first = msgspec.json.decode(raws[0])
    later = msgspec.json.decode(raws[0]) | {"rev": first["rev"] + 1, "as_of_ms": first["as_of_ms"] + 100}
    later |= {"stale_after_ms": first["stale_after_ms"] + 100, "clock": {"source": "tick", "lag_ms": 9}}
    for claim in later["claims"]:
        claim |= {"id": claim["id"] + "x", "as_of_ms": claim["as_of_ms"] + 100}
        claim["valid_until_ms"] += 100
        if claim["claim"] == "ends_in":
            claim["value"] -= 100
    asked = Cut("s7", "", ("claims",))
    before = Pieces(document(raws[0])).reduced(asked)
    after = Pieces(document(msgspec.json.encode(later))).reduced(asked)
    assert before.content == after.content
    # What a reader makes of the `fresh` event is the later document, to the last field.
    fresh, merged = msgspec.json.decode(after.fresh), msgspec.json.decode(before.raw)
    times = fresh.pop("claims")
    merged |= fresh
    for claim, (claim_id, as_of_ms, until_ms, value) in zip(merged["claims"], times, strict=True):
        claim |= {"id": claim_id, "as_of_ms": as_of_ms, "valid_until_ms": until_ms, "value": value}
    assert merged == msgspec.json.decode(after.raw)


@pytest.mark.parametrize(
    "change",
    [
        lambda made: made["claims"][0].update(value=made["claims"][0]["value"] + 1),
        lambda made: made["claims"][0]["evidence"][0].update(next_offset=1),
        lambda made: made["claims"].pop(),
        lambda made: made["sales"][0].update(sold=1),
        lambda made: made["totals"].update(likes=1),
        lambda made: made["withheld"].pop(),
        lambda made: made.update(epoch=made["epoch"] + 1),
    ],
)
def test_whatever_else_changes_is_another_content(raws: list[bytes], change: Any) -> None:
    asked = Cut("s7")
    before = Pieces(document(raws[0])).reduced(asked)
    made = msgspec.json.decode(before.raw)
    change(made)
    assert Pieces(document(msgspec.json.encode(made))).reduced(asked).content != before.content


PRODUCTS = [{"sku_id": sku_id, "clickers": {"value": 3, "method": "exact"}} for sku_id in ("sku-007", "sku-008")]
SOURCES = [{"source": "feed", "views": 7}]


@pytest.fixture(scope="module")
def with_sections(raws: list[bytes]) -> Document:
    return document(raws[0], products=PRODUCTS, products_beyond=4, sources=SOURCES)


@pytest.mark.parametrize("asked", [{"sku": "sku-007"}, {"sale": "s7"}, {"sku": "sku-007", "parts": ("products",)}])
def test_a_subject_keeps_the_figures_of_its_product_only(with_sections: Document, asked: dict[str, Any]) -> None:
    assert cut(with_sections, **asked)["products"] == PRODUCTS[:1]


@pytest.mark.parametrize(("parts", "kept"), [(("sources",), {"sources"}), (("products",), {"products"}), ((), set())])
def test_sources_and_products_are_there_when_they_are_asked_for(
    with_sections: Document, parts: tuple[str, ...], kept: set[str]
) -> None:
    made = cut(with_sections, parts=parts)
    assert made.keys() & {"sources", "products"} == kept
    assert made.get("products_beyond") == (4 if "products" in kept else None)


def test_figures_of_products_that_were_not_asked_for_make_no_other_content(
    raws: list[bytes], with_sections: Document
) -> None:
    later = document(raws[0], products=PRODUCTS[:1], products_beyond=5, sources=[])
    asked = Cut("s7", "", ("claims",))
    assert Pieces(later).reduced(asked).content == Pieces(with_sections).reduced(asked).content
