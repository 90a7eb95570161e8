"""Sections of mechanics: optional keys of the document, and what they say in plain figures."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest
from msgspec import Struct

from stream.contract.overlay import Count, Overlay
from stream.contract.reading import read_overlay
from stream.contract.sections import (
    NO_SECTIONS,
    figures_of,
    overlay_with,
    plain_figures_of,
    sections_of,
)
from tests.unit.contract.test_overlay import EXAMPLE


class Taker(Struct):
    who: str
    mood: Literal["glad", "cross"]


class Apples(Struct):
    apples: int
    takers: Count
    by_tree: dict[str, int]
    top: list[Taker]
    is_over: bool = False


SHAPES = {"apples": Apples, "pears": Apples}
APPLES = Apples(7, Count(40, "sketch", 0.01), {"old": 3, "new": 4}, [Taker("a", "glad"), Taker("b", "cross")])
RAW = EXAMPLE.read_bytes().strip()
WITH_APPLES = RAW[:-1] + b',"apples":' + msgspec.json.encode(APPLES) + b"}"


def test_a_document_holds_those_of_its_sections_that_there_are() -> None:
    read = read_overlay(WITH_APPLES, SHAPES)
    assert isinstance(read, Overlay)
    assert sections_of(read) == {"apples": read.apples}  # type: ignore[attr-defined]
    assert msgspec.to_builtins(sections_of(read)["apples"]) == msgspec.to_builtins(APPLES)
    assert msgspec.json.decode(msgspec.json.encode(read)) == msgspec.json.decode(WITH_APPLES)


def test_a_document_without_sections_is_read_and_written_as_ever() -> None:
    assert sections_of(read_overlay(RAW, SHAPES)) == {}
    assert msgspec.json.encode(read_overlay(RAW, SHAPES)) == msgspec.json.encode(read_overlay(RAW))
    assert overlay_with(NO_SECTIONS) is Overlay


def test_a_section_that_the_reader_does_not_know_is_passed_over() -> None:
    assert sections_of(read_overlay(WITH_APPLES)) == {}
    assert sections_of(read_overlay(WITH_APPLES, {"pears": Apples})) == {}


def test_words_within_a_section_are_open_and_its_shape_is_not() -> None:
    newer = WITH_APPLES.replace(b'"cross"', b'"calm"').replace(b'"apples":7', b'"apples":7,"x":[]')
    assert figures_of(sections_of(read_overlay(newer, SHAPES))["apples"])["top.2.mood"] == "calm"
    with pytest.raises(msgspec.ValidationError):
        read_overlay(WITH_APPLES.replace(b'"apples":7', b'"apples":"7"'), SHAPES)


def test_a_section_may_not_take_the_name_of_a_field() -> None:
    with pytest.raises(ValueError, match="totals"):
        overlay_with({"totals": Apples})


def test_what_a_section_says_in_plain_figures() -> None:
    said = {
        "apples": 7,
        "takers": Count(40, "sketch", 0.01),
        "by_tree.old": 3,
        "by_tree.new": 4,
        "top.1.who": "a",
        "top.1.mood": "glad",
        "top.2.who": "b",
        "top.2.mood": "cross",
        "is_over": False,
    }
    assert figures_of(APPLES) == said
    assert list(figures_of(APPLES)) == list(said)
    assert plain_figures_of(APPLES) == said | {"takers": 40}
    assert figures_of(None) == plain_figures_of(None) == {}
