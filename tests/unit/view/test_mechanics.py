"""Sections of mechanics in a terminal: every figure by its name, and nothing that could steer it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import msgspec
import pytest
from rich.console import Console

from stream.contract.overlay import Count, Overlay
from stream.contract.reading import read_overlay
from stream.view.line import overlay_line
from stream.view.mechanics import FIGURES_MAX
from stream.view.strings import LANGUAGES
from stream.view.terminal import render
from tests.support.apples import CATALOGUE, Apples, Picker

if TYPE_CHECKING:
    from collections.abc import Sequence


def with_apples(overlay: Overlay, section: Apples | None) -> Overlay:
    raw = msgspec.json.encode(overlay)
    if section is not None:
        raw = raw[:-1] + b',"apples":' + msgspec.json.encode(section) + b"}"
    return read_overlay(raw, CATALOGUE.sections)


def shown(overlay: Overlay, lang: str = "en", width: int = 100) -> str:
    file = io.StringIO()
    Console(file=file, width=width, color_system=None).print(render(overlay, width=width, lang=lang))
    return file.getvalue()


SECTION = Apples(12_345, Count(40, "exact"), 0, [Picker("小", 7), Picker("b", 5)])


@pytest.mark.parametrize("lang", list(LANGUAGES))
def test_every_figure_of_a_section_stands_with_its_name(lang: str, overlay: Overlay) -> None:
    text = shown(with_apples(overlay, SECTION), lang)
    for said in ("apples", "12,345 apples", "40 pickers", "0 cheers", "小 top.1.who", "5 top.2.apples"):
        assert said in text
    assert "pickers" not in shown(overlay, lang)


def test_an_estimate_says_how_sure_it_is(overlay: Overlay) -> None:
    text = shown(with_apples(overlay, Apples(1, Count(90_000, "sketch", 0.016), 0, [])))
    assert "90,000 ±1.6 %" in text


def test_a_hostile_text_steers_nothing_and_a_long_section_is_cut(overlay: Overlay) -> None:
    hostile = [Picker("\x1b[2J\u202e[bold red]x", 1), *(Picker(f"u{number}", 1) for number in range(50))]
    text = shown(with_apples(overlay, Apples(1, Count(1, "exact"), 0, hostile)))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[bold red]x" in text
    assert f"+{3 + 2 * len(hostile) - FIGURES_MAX}" in text


def test_a_line_says_the_whole_numbers_of_each_section(overlay: Overlay) -> None:
    said: Sequence[str] = overlay_line(with_apples(overlay, SECTION)).split(" | ")
    assert said[-1] == "apples: 12,345 apples, 40 pickers, 0 cheers"
    assert overlay_line(with_apples(overlay, None)) == overlay_line(overlay)
