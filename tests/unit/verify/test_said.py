"""Claims and reasons over the documents of a session: from when to when, which values, which evidence."""

from __future__ import annotations

from typing import Any

import msgspec

from stream.verify.said import INTERVALS_MAX, Said


def claim(value: Any, until_ms: int, *, kind: str = "stock_left", first: int = 5, after: int = 9) -> dict[str, Any]:
    evidence = [{"topic": "live.orders", "partition": 3, "first_offset": first, "next_offset": after}]
    told = {"claim": kind, "sale_id": "s1", "sku_id": "k1", "value": value, "unit": "items", "rule": f"{kind}/1"}
    return told | {"valid_until_ms": until_ms, "evidence": evidence}


def said(*documents: tuple[int, list[dict[str, Any]], list[tuple[str, str]]]) -> Said:
    found = Said()
    for as_of_ms, claims, withheld in documents:
        reasons = [{"claim": kind, "reason": why, "sale_id": "s1", "sku_id": "k1"} for kind, why in withheld]
        found.add(msgspec.json.encode({"as_of_ms": as_of_ms, "claims": claims, "withheld": reasons}))
    found.end()
    return found


def test_a_claim_stands_until_a_document_does_not_say_it() -> None:
    found = said(
        (1_000, [claim(9, 4_000, first=5, after=7)], []),
        (2_000, [claim(4, 5_000, first=4, after=20)], []),
        (3_500, [], []),
        (9_000, [claim(7, 12_000)], []),
    )
    (row,) = found.claims()
    assert (row.claim, row.rule, row.sale_id, row.sku_id, row.unit) == (
        "stock_left",
        "stock_left/1",
        "s1",
        "k1",
        "items",
    )
    assert row.intervals == [(1_000, 3_500), (9_000, 12_000)]
    assert (row.spans, row.said_ms, row.documents) == (2, 5_500, 3)
    assert (row.first_at_ms, row.last_until_ms) == (1_000, 12_000)
    assert (row.first, row.last, row.least, row.most) == (9, 7, 4, 9)
    (evidence,) = row.evidence
    assert (evidence.topic, evidence.partition, evidence.first_offset, evidence.next_offset) == (
        "live.orders",
        3,
        4,
        20,
    )


def test_it_stands_no_longer_than_it_was_valid() -> None:
    found = said((1_000, [claim(9, 4_000)], []), (60_000, [], []))
    assert found.claims()[0].intervals == [(1_000, 4_000)]


def test_an_interval_is_least_at_its_low_end_and_most_at_its_high_one() -> None:
    found = said((0, [claim([5, 90], 10)], []), (5, [claim([2, 40], 15)], []))
    (row,) = found.claims()
    assert (row.first, row.last, row.least, row.most) == ([5, 90], [2, 40], 2, 90)


def test_another_rule_is_another_row_and_a_kind_that_nobody_knows_is_one_too() -> None:
    other = claim(1, 10, kind="all_taken") | {"rule": "all_taken/7"}
    found = said((0, [claim(3, 10)], []), (5, [claim(3, 15) | {"rule": "stock_left/2"}, other], []))
    assert [(row.claim, row.rule) for row in found.claims()] == [
        ("all_taken", "all_taken/7"),
        ("stock_left", "stock_left/1"),
        ("stock_left", "stock_left/2"),
    ]


def test_what_is_held_back_is_so_by_reason_until_a_document_says_otherwise() -> None:
    found = said(
        (0, [], [("stock_left", "sale_not_open")]),
        (10_000, [], [("stock_left", "above_display_threshold")]),
        (70_000, [claim(3, 73_000)], []),
        (80_000, [], [("stock_left", "above_display_threshold")]),
        (85_000, [], [("stock_left", "above_display_threshold")]),
    )
    rows = {
        row.reason: (row.withheld_ms, row.documents, row.spans, row.first_at_ms, row.last_until_ms)
        for row in found.withheld()
    }
    assert rows == {
        "sale_not_open": (10_000, 1, 1, 0, 10_000),
        "above_display_threshold": (65_000, 3, 2, 10_000, 85_000),
    }


def test_a_claim_that_flickers_fills_nothing_and_is_counted_all_the_same() -> None:
    documents: list[Any] = []
    for number in range(3 * INTERVALS_MAX):
        documents += [(10_000 * number, [claim(1, 10_000 * number + 3_000)], []), (10_000 * number + 1_000, [], [])]
    (row,) = said(*documents).claims()
    assert (row.spans, len(row.intervals), row.said_ms) == (3 * INTERVALS_MAX, INTERVALS_MAX, 3_000 * INTERVALS_MAX)
