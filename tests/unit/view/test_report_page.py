"""The page of a report: every text escaped, every word in each language, curves however long."""

from __future__ import annotations

from dataclasses import fields
from string import Formatter
from typing import Any

import msgspec
import pytest

from stream.contract.report import Amounts, Correction, Differing, Report, Step
from stream.view.report_curve import COLUMNS_MAX, curves, strip
from stream.view.report_page import ROWS_MAX, report_page
from stream.view.report_words import EN, WORDS, ReportWords
from stream.view.strings import LANGUAGES

T0_MS = 1_795_780_020_000
BAD = "<script>alert(1)</script>\u202e&"


def report(**changed: Any) -> Report:
    """One with a text from outside wherever a text may stand."""
    steps = [{"start_ms": T0_MS, "views": 3, "watching": 2, "money": [amounts()]}]
    of_claim = {
        "claim": BAD,
        "sale_id": BAD,
        "sku_id": BAD,
        "documents": 1,
        "first_at_ms": T0_MS,
        "last_until_ms": T0_MS + 1,
    }
    made = {
        "schema": "snapup.report.v1",
        "room_id": BAD,
        "session": {
            "show_id": BAD,
            "began_at_ms": T0_MS,
            "ended_at_ms": T0_MS + 1,
            "ended_by": BAD,
            "as_of_ms": T0_MS + 1,
        },
        "totals": {
            **dict.fromkeys(("viewers", "views", "watching_now", "likes", "comments", "cart_adds"), 2),
            "peak": None,
            "orders": {"placed": 1, "paid": 1, "cancelled": 0, "refunded": 0},
            "money": [amounts()],
        },
        "rates": [{"name": BAD, "num": 1, "den": 2, "currency": None}],
        "minutes": steps,
        "curve": None,
        "products": [{"sku_id": BAD, "sale_id": BAD, "money": [amounts()]}, {"sku_id": None, "sale_id": None}],
        "sources": [{"source": BAD, "views": 1, "clicks": 0}, {"source": None, "views": 1, "clicks": 0, "other": True}],
        "claims": [
            of_claim
            | {"rule": BAD, "unit": "ms", "said_ms": 5, "spans": 2, "intervals": [[T0_MS, T0_MS + 5]], "first": [1, 2]}
            | {"last": BAD, "least": None, "most": 3, "evidence": [evidence()]}
        ],
        "withheld": [of_claim | {"reason": BAD, "withheld_ms": 5, "spans": 1}],
        "corrections": [correction()],
        "corrections_left_out": 7,
        "quality": {
            **dict.fromkeys(("received", "applied", "duplicate", "dead_lettered", "retimed", "forgettable"), 2),
            "dead_letters": {BAD: 1},
            "topics": [{"topic": "likes", "received": 1, "dead_lettered": 1}],
        },
        "log": {"sha256": "ab" * 32, "records": 1, "topics": []},
        "rules": [{"source": "journal", "where": BAD, "from_epoch": 1, "version": BAD, "rules": {BAD: BAD}}],
        "check": {
            **dict.fromkeys(("figures", "epoch", "rev", "document_as_of_ms"), 3),
            "differences": [],
            "problems": [],
            "claims": dict.fromkeys(("documents", "claims", "right", "not_recounted"), 2)
            | {"wrong": 0, "told": [BAD], "why_not": BAD},
        },
        "documents": 1,
        "documents_from": BAD,
        "snapup_version": BAD,
    }
    return msgspec.convert(made | changed, Report)


def amounts() -> dict[str, Any]:
    return {"currency": "CNY", "placed_minor": 900, "paid_minor": 900, "net_minor": 0}


def evidence() -> dict[str, Any]:
    return {"topic": BAD, "partition": 0, "first_offset": 0, "next_offset": 5}


def correction() -> dict[str, Any]:
    said = {"ends_at_ms": T0_MS, BAD: BAD}
    return {"kind": BAD, "at_ms": T0_MS + 1, "topic": BAD, "partition": 0, "offset": 1, "said": said}


@pytest.mark.parametrize("lang", WORDS)
def test_no_text_from_outside_is_more_than_text(lang: str) -> None:
    made = report()
    made.check = msgspec.structs.replace(made.check, differences=[Differing(BAD, BAD, BAD)], problems=[BAD])
    page = report_page(made, lang)
    assert "<script" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;" in page


def test_each_language_says_everything_and_fills_in_the_same() -> None:
    assert WORDS.keys() == LANGUAGES.keys()

    def names(text: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    for words in WORDS.values():
        for field in fields(ReportWords):
            ours, theirs = getattr(words, field.name), getattr(EN, field.name)
            if isinstance(theirs, dict):
                assert ours.keys() == theirs.keys(), field.name
            else:
                assert ours, field.name
                assert names(ours) == names(theirs), field.name


def test_each_language_is_its_own() -> None:
    assert report_page(report(), "en") != report_page(report(), "zh-CN")
    assert report_page(report(), "xx") == report_page(report(), "en")


def test_long_tables_are_cut_and_say_so() -> None:
    minutes = [Step(start_ms=T0_MS + 60_000 * number, views=1) for number in range(ROWS_MAX + 3)]
    page = report_page(report(minutes=msgspec.to_builtins(minutes)), "en")
    assert page.count("<tr>") < ROWS_MAX + 60
    assert "and 3 more" in page


def test_a_session_without_anything_has_a_page() -> None:
    empty: dict[str, Any] = {name: [] for name in ("rates", "minutes", "products", "sources", "claims", "withheld")}
    page = report_page(report(**empty, corrections=[], corrections_left_out=0), "en")
    assert page.count("None.") == 3
    assert 'role="img"' not in page


@pytest.mark.parametrize("count", [1, 2, COLUMNS_MAX, COLUMNS_MAX + 1, 30 * 1_440])
def test_a_curve_of_any_length_is_drawn_small(count: int) -> None:
    steps = [
        Step(start_ms=T0_MS + 60_000 * number, watching=number, money=[Amounts("CNY", 1, 1, -1)])
        for number in range(count)
    ]
    drawn = curves(steps, 60_000, [msgspec.convert(correction(), Correction)], EN)
    assert drawn.startswith("<svg")
    assert drawn.endswith("</svg>")
    assert len(drawn) < 60_000
    assert "nan" not in drawn
    assert 1 <= drawn.count('y="') < 40
    assert drawn.count('class="mark"') == 1


def test_a_strip_shows_even_the_shortest_stretch() -> None:
    assert "h0.50v8" in strip([(T0_MS, T0_MS + 1)], T0_MS, T0_MS + 3_600_000)
    assert strip([], T0_MS, T0_MS).startswith("<svg")


@pytest.mark.parametrize(("lang", "told"), [("en", "2 cancelled or refunded in part"), ("zh-CN", "部分取消或退款 2")])
def test_orders_of_which_a_part_was_undone_are_told_where_there_are_any(lang: str, told: str) -> None:
    made = report()
    assert told[2:] not in report_page(made, lang)
    made.totals.orders["partly_undone"] = 2
    assert told in report_page(made, lang)
