"""One order of levels, and everything that has a list of them: words, colours, icons, the pages' own copy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from stream.contract.levels import LEVELS, RAMP, place_of_level
from stream.contract.overlay import Level
from stream.view.levels import LEVEL_STYLES
from stream.view.strings import LANGUAGES

STATIC = Path(__file__).parents[3] / "stream/serve/static"
# As people's lists have them: up the ramp, then what no longer sells.
AS_LISTED = (*RAMP, *LEVELS[len(RAMP) :])


def text_of(path: str) -> str:
    return (STATIC / path).read_text(encoding="utf-8")


def test_the_order_has_every_level_of_the_contract_once() -> None:
    assert get_args(Level) == AS_LISTED
    assert LEVELS[: len(RAMP)] == RAMP[::-1]


def test_a_level_of_the_ramp_leads_all_taken_then_sold_out_then_ended_then_unknown() -> None:
    order = sorted(get_args(Level), key=place_of_level)
    assert order == ["last_call", "snap_up", "rush", "brisk", "warming", "calm", *AS_LISTED[len(RAMP) :]]
    assert AS_LISTED[len(RAMP) :] == ("all_taken", "sold_out", "ended", "unknown")


def test_a_level_that_is_not_known_stands_last_unless_the_caller_says_otherwise() -> None:
    assert place_of_level("frenzy") == len(LEVELS)
    assert place_of_level("frenzy", of_unknown=-1) == -1


def test_the_pages_have_the_same_order() -> None:
    source = text_of("levels.js")
    ramp, levels = (re.search(rf"const {name} = \[(.*)\];", source) for name in ("RAMP", "LEVELS"))
    assert ramp is not None
    assert levels is not None
    assert tuple(re.findall(r'"(\w+)"', ramp[1])) == RAMP
    assert levels[1].startswith("...[...RAMP].reverse(), ")
    assert tuple(re.findall(r'"(\w+)"', levels[1])) == LEVELS[len(RAMP) :]


@pytest.mark.parametrize("tag", ["en", "zh-CN"])
def test_the_words_stand_in_that_order(tag: str) -> None:
    assert tuple(LANGUAGES[tag].levels) == AS_LISTED
    words = re.search(r"\n  levels: \{\n(.*?)\n  \},", text_of(f"strings/{tag}.js"), re.DOTALL)
    assert words is not None
    assert tuple(re.findall(r"^    (\w+): ", words[1], re.MULTILINE)) == AS_LISTED


def test_the_colours_and_icons_stand_in_that_order() -> None:
    theme = text_of("theme.css")
    assert tuple(re.findall(r"^\[data-level=\"(\w+)\"\]", theme, re.MULTILINE)) == AS_LISTED
    assert tuple(re.findall(r"^  --snapup-on-(\w+):", theme, re.MULTILINE)) == AS_LISTED
    assert tuple(LEVEL_STYLES) == AS_LISTED


def test_nobody_else_has_a_list_of_levels() -> None:
    """A list is five levels or more in one line; words, colours and icons have one a line."""
    known = {"contract/levels.py", "contract/overlay.py", "serve/static/levels.js"}
    package = STATIC.parents[1]
    wrong = []
    for path in [*package.rglob("*.py"), *package.rglob("*.js")]:
        for line in path.read_text(encoding="utf-8").splitlines():
            quoted = [word for word in re.findall(r'"(\w+)"', line) if word in RAMP]
            if len(set(quoted)) >= 5 and str(path.relative_to(package)) not in known:
                wrong.append(f"{path}: {line.strip()}")
    assert wrong == []
