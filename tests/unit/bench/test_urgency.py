"""The table of seconds in levels: its count is right, and its kinds are what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.urgency import COLUMNS, DRAMA, KINDS, SCALES, Case, cases, measured, row, table, write_into
from stream.shows import SCENARIOS

if TYPE_CHECKING:
    from pathlib import Path

    from bench.urgency import Seconds


def drama(seconds: Seconds, what: str) -> int:
    return sum(seconds[level, what] for level in DRAMA)


def test_where_nobody_buys_the_first_edition_was_in_a_rush_and_the_second_is_not() -> None:
    found = measured(Case("lookers", 1))
    assert drama(found[1], "all") > 600
    assert drama(found[1], "bought") < 0.1 * drama(found[1], "all")
    assert 0 < drama(found[2], "all") == drama(found[2], "bought")


def test_each_scenario_and_each_kind_is_in_the_table() -> None:
    assert {*SCALES} == {*SCENARIOS}
    assert {case.name for case in cases(small=False)} == {*SCENARIOS, *KINDS}


def test_the_table_adds_up_and_is_written_between_its_marks(tmp_path: Path) -> None:
    found = {"lookers": measured(Case("lookers", 1))}
    rows = table(found)
    assert [line[:2] for line in rows] == [
        ("lookers", "1"),
        ("lookers", "2"),
        ("all other kinds", "1"),
        ("all other kinds", "2"),
    ]
    assert rows[0][2:] == rows[2][2:] == row("", 1, found["lookers"][1])[2:]
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- measured: levels -->\nstale\n<!-- end of levels -->\nafter\n", "utf-8")
    write_into(page, rows)
    text = page.read_text("utf-8")
    assert text.startswith("before\n<!-- measured: levels -->\n| kind | edition |")
    assert text.endswith("|\n<!-- end of levels -->\nafter\n")
    assert "stale" not in text
    assert {line.count(" | ") for line in text.splitlines() if line.startswith("|")} == {len(COLUMNS) - 1}
