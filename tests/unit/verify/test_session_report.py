"""The report of days written by hand, against figures counted by hand. The documents are those of a replay."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from stream.commands.report_recording import report_from_recording
from stream.contract.recording import write_recording
from stream.contract.report import Amounts, Product, Report, SourceCount, Step
from stream.errors import NoSuchError
from stream.settings import load_settings
from stream.verify import room_sessions
from stream.verify.assumptions import Assumptions
from stream.verify.tally import Tally
from stream.view.report_curve import curves
from stream.view.report_words import EN
from tests.support.days import T0_MS, Days
from tests.support.events import at, enter, like

if TYPE_CHECKING:
    from pathlib import Path

HOUR_S = 3_600


def reported(days: Days, tmp_path: Path, session: str | None = None, room: str | None = "r1") -> Report:
    path = days.written(tmp_path / "days.ndjson")
    return report_from_recording(path, load_settings(), room, session=session, any_time=False)


def show() -> Days:
    """Four minutes, in which a bit of everything happens."""
    days = Days()
    days.add(0, "room_opened", show_id="first")
    days.sale(1, offered=10)
    for second, user, source in ((2, "a", "feed"), (3, "b", "feed"), (4, "c", "share"), (65, "d", "-")):
        if source == "-":
            days.add(second, "enter", user_id=user)
        else:
            days.add(second, "enter", user_id=user, source=source)
    days.add(5, "comment", user_id="a", text="好")
    days.add(6, "like", user_id="a", count=7, event_id="once")
    days.add(7, "like", user_id="a", count=7, event_id="once")
    days.raw("likes", b"{", T0_MS + 8_000)
    days.add(9, "like", user_id="a", count=0)
    days.add(10, "cart_add", user_id="a", sku_id="k1", quantity=2, sale_id="s1")
    days.add(11, "product_click", user_id="b", sku_id="k1", source="feed")
    days.order(20, "placed", "o1", lines=[("k1", "s1", 2, 1_800), ("k2", None, 1, 300)])
    days.order(70, "paid", "o1", lines=[("k1", "s1", 2, 1_800), ("k2", None, 1, 300)])
    days.order(80, "placed", "o2")
    days.order(85, "paid", "o3", currency="USD")
    days.order(90, "cancelled", "o2")
    days.add(100, "leave", user_id="b")
    days.add(120, "sale_restocked", sale_id="s1", sku_id="k1", quantity=5)
    days.order(150, "refunded", "o3", currency="USD")
    days.add(160, "sale_extended", sale_id="s1", ends_at_ms=T0_MS + 900_000)
    days.add(170, "sale_closed", sale_id="s1")
    days.add(1, "comment", stored_s=180, user_id="late", text="late")
    days.add(200, "room_closed", show_id="first")
    return days


def test_the_figures_of_a_show_are_those_counted_by_hand(tmp_path: Path) -> None:
    made = reported(show(), tmp_path)
    assert made.check.holds, made.check
    assert made.check.figures > 60
    assert (made.session.show_id, made.session.began_at_ms) == ("first", T0_MS)
    assert (made.session.ended_by, made.session.ended_at_ms) == ("word", T0_MS + 200_000)
    totals = made.totals
    assert (totals.viewers, totals.views, totals.watching_now, totals.likes) == (4, 4, 3, 7)
    assert (totals.comments, totals.cart_adds) == (2, 1)
    assert totals.orders == {"placed": 3, "paid": 2, "cancelled": 1, "refunded": 1}
    assert totals.money == [Amounts("CNY", 3_000, 2_100, 2_100), Amounts("USD", 900, 900, 0)]
    assert totals.peak is not None
    assert totals.peak.watching == 4
    assert made.sources == [SourceCount("feed", 2, 1), SourceCount(None, 1, 0), SourceCount("share", 1, 0)]


def test_a_show_stands_beside_the_one_before_it_each_counted_for_itself(tmp_path: Path) -> None:
    days = show()
    days.add(600, "room_opened", show_id="second")
    days.add(610, "enter", user_id="a")
    days.order(620, "refunded", "o1", lines=[("k1", "s1", 2, 1_800), ("k2", None, 1, 300)])
    days.order(630, "paid", "o9")
    days.add(700, "room_closed", show_id="second")
    first, second = reported(days, tmp_path, "1"), reported(days, tmp_path, "2")
    assert first.before is None
    assert second.before is not None
    # What was refunded later is the later show's.
    assert (second.before.session, second.before.totals, second.before.holds) == (first.session, first.totals, True)
    assert second.totals.viewers == 1
    assert second.check.holds, second.check
    assert reported(show(), tmp_path).before is None


def test_the_minutes_are_those_counted_by_hand_and_late_ones_count_where_they_may(tmp_path: Path) -> None:
    made = reported(show(), tmp_path)
    first = Step(start_ms=T0_MS, views=3, watching=3, comments=1, likes=7, cart_adds=1, orders_placed=1)
    first.money = [Amounts("CNY", 2_100, 0, 0)]
    second = Step(start_ms=T0_MS + 60_000, views=1, watching=3, orders_placed=2, orders_paid=2)
    second.money = [Amounts("CNY", 900, 2_100, 2_100), Amounts("USD", 900, 900, 900)]
    # The late comment counts a minute before it was stored.
    third = Step(start_ms=T0_MS + 120_000, watching=3, comments=1, money=[Amounts("USD", 0, 0, -900)])
    assert made.minutes == [first, second, third, Step(start_ms=T0_MS + 180_000, watching=3)]
    assert made.curve is not None
    assert made.curve.step_ms == 5_000
    assert [step.watching for step in made.curve.steps][:3] == [3, 3, 3]
    assert sum(step.orders_paid for step in made.curve.steps) == 2


def test_the_products_are_those_counted_by_hand(tmp_path: Path) -> None:
    sold, other = reported(show(), tmp_path).products
    assert (sold.sku_id, sold.sale_id, other.sku_id, other.sale_id) == ("k1", "s1", "k2", None)
    assert sold.ledger is not None
    ledger = msgspec.to_builtins(sold.ledger)
    assert (ledger["offered"], ledger["restocked"], ledger["available"], ledger["sold"]) == (10, 5, 13, 2)
    assert (ledger["held"], ledger["released"], ledger["oversold"], ledger["status"]) == (0, 2, 0, "ended")
    assert units(sold) == {"placed": 4, "paid": 3, "cancelled": 1, "refunded": 1, "net": 2}
    assert (sold.orders_paid, sold.cart_adds) == (2, 1)
    assert sold.money == [Amounts("CNY", 2_700, 1_800, 1_800), Amounts("USD", 900, 900, 0)]
    assert other.ledger is None
    assert units(other) == {"placed": 1, "paid": 1, "cancelled": 0, "refunded": 0, "net": 1}
    assert other.money == [Amounts("CNY", 300, 300, 300)]


def test_a_part_counts_with_its_product_and_in_the_minute_in_which_it_came(tmp_path: Path) -> None:
    days, lines = Days(), [("k1", "s1", 3, 2_700), ("k2", None, 2, 600)]
    days.add(0, "room_opened", show_id="first")
    days.sale(1, offered=10)
    days.order(5, "paid", "o1", lines=lines)

    def part(at_s: float, part_id: str, sku: str, sale: str | None, units: int, minor: int, **fields: Any) -> None:
        taken = {"sku_id": sku, "sale_id": sale, "quantity": units, "amount_minor": minor}
        of = {"part_id": part_id, "part_lines": [taken], "user_id": "u-o1", "order_id": "o1", "currency": "CNY"}
        days.add(at_s, "order", **(of | {"status": "refunded"} | fields))

    part(70, "p1", "k1", "s1", 1, 900)
    part(75, "p1", "k1", "s1", 1, 1_000)
    part(80, "p2", "k2", None, 0, 50, status="cancelled")
    days.order(130, "paid", "o2", lines=lines)
    days.order(140, "refunded", "o1", lines=lines)
    days.add(150, "room_closed", show_id="first")
    made = reported(days, tmp_path)
    assert made.check.differences == []
    assert made.totals.orders["partly_undone"] == 1
    assert made.totals.money == [Amounts("CNY", 6_600, 6_600, 3_300)]
    assert [[each.net_minor for each in minute.money] for minute in made.minutes] == [[3_300], [-1_050], [1_050]]
    sold, other = made.products
    assert units(sold) == {"placed": 6, "paid": 6, "cancelled": 0, "refunded": 3, "net": 3}
    assert units(other) == {"placed": 4, "paid": 4, "cancelled": 0, "refunded": 2, "net": 2}
    assert (sold.money, other.money) == ([Amounts("CNY", 5_400, 5_400, 2_700)], [Amounts("CNY", 1_200, 1_200, 600)])


def test_of_an_edited_order_the_lines_count_that_it_was_paid_with(tmp_path: Path) -> None:
    days = Days()
    days.add(0, "room_opened", show_id="first")
    days.sale(1, offered=10)
    days.order(5, "placed", "o1", lines=[("k1", "s1", 3, 2_700)])
    days.order(70, "placed", "o1", lines=[("k1", "s1", 1, 900), ("k2", None, 2, 600)], revision=1)
    days.order(80, "paid", "o1", lines=[("k1", "s1", 1, 900), ("k2", None, 2, 600)], revision=1)
    days.order(90, "cancelled", "o2", lines=[("k1", "s1", 2, 1_800)])
    days.order(95, "placed", "o2", lines=[("k1", "s1", 1, 900)], revision=1)
    days.add(150, "room_closed", show_id="first")
    made = reported(days, tmp_path)
    assert made.check.differences == []
    assert made.totals.money == [Amounts("CNY", 2_400, 1_500, 1_500)]
    assert [[each.placed_minor for each in minute.money] for minute in made.minutes] == [[2_700], [-300], []]
    sold, other = made.products
    assert units(sold) == {"placed": 2, "paid": 1, "cancelled": 1, "refunded": 0, "net": 1}
    assert units(other) == {"placed": 2, "paid": 2, "cancelled": 0, "refunded": 0, "net": 2}
    assert (sold.money, other.money) == ([Amounts("CNY", 1_800, 900, 900)], [Amounts("CNY", 600, 600, 600)])


def units(product: Product) -> dict[str, int]:
    return {name: getattr(product, f"units_{name}") for name in ("placed", "paid", "cancelled", "refunded", "net")}


def test_corrections_are_the_words_that_changed_something(tmp_path: Path) -> None:
    made = reported(show(), tmp_path)
    assert [(each.kind, each.at_ms - T0_MS, each.topic, each.partition, each.offset) for each in made.corrections] == [
        ("sale_restocked", 120_000, "live.sales", 0, 1),
        ("sale_extended", 160_000, "live.sales", 0, 2),
        ("sale_closed", 170_000, "live.sales", 0, 3),
    ]
    assert made.corrections[0].said["quantity"] == 5
    days = show()
    days.sale(30, offered=12)
    assert next(each.kind for each in reported(days, tmp_path).corrections) == "sale_opened"


def test_every_record_is_in_one_account(tmp_path: Path) -> None:
    quality = reported(show(), tmp_path).quality
    assert (quality.received, quality.applied, quality.duplicate, quality.dead_lettered) == (25, 22, 1, 2)
    assert (quality.retimed, quality.dead_letters) == (1, {"not_json": 1, "schema_violation": 1})
    likes = next(each for each in quality.topics if each.topic == "likes")
    assert (likes.received, likes.applied, likes.duplicate, likes.dead_lettered) == (4, 1, 1, 2)


def test_what_was_claimed_is_there_with_evidence_and_what_was_not_with_a_reason(tmp_path: Path) -> None:
    made = reported(show(), tmp_path)
    (ends_in,) = [row for row in made.claims if row.claim == "ends_in"]
    assert ends_in.intervals[0][0] == T0_MS + 2_000
    assert [each.topic for each in ends_in.evidence] == ["live.sales"]
    assert any(row.claim == "stock_left" and row.reason == "above_display_threshold" for row in made.withheld)
    assert {row.claim for row in made.withheld} >= {"watching_now", "stock_left", "bought_recently"}
    checked = made.check.claims
    assert (
        checked.claims
        == checked.right
        == sum(row.documents for row in made.claims) + sum(row.documents for row in made.withheld)
    )
    assert (checked.documents, checked.why_not) == (made.documents, None)


def test_the_log_range_is_that_of_the_rooms_records_and_hashed_as_documented(tmp_path: Path) -> None:
    days = show()
    days.add(30, "like", room="r2", user_id="x", count=1)
    made = reported(days, tmp_path)
    ranges = {
        each.topic: (each.partition, each.first_offset, each.next_offset, each.records) for each in made.log.topics
    }
    assert ranges["likes"] == (0, 0, 4, 4)
    assert ranges["interactions"] == (0, 0, 2, 2)
    assert made.log.records == 25
    lines = "snapup-log-1\n" + "".join(
        f"{each.topic} {each.partition} {each.first_offset} {each.next_offset} {each.records} {each.sha256}\n"
        for each in made.log.topics
    )
    assert made.log.sha256 == hashlib.sha256(lines.encode()).hexdigest()


# -- sessions ----------------------------------------------------------------------------------------------------------
def two_evenings() -> Days:
    days = Days()
    days.add(0, "room_opened", show_id="one")
    days.sale(1, offered=10, ends_s=900)
    days.order(10, "placed", "o1")
    days.order(20, "paid", "o1")
    days.add(30, "enter", user_id="a")
    days.add(200, "room_closed", show_id="one")
    days.add(HOUR_S, "room_opened", show_id="two")
    days.add(HOUR_S + 5, "enter", user_id="b", source="feed")
    days.order(HOUR_S + 10, "refunded", "o1")
    days.order(HOUR_S + 20, "paid", "o2")
    days.add(HOUR_S + 100, "room_closed", show_id="two")
    return days


def test_a_refund_after_the_session_leaves_its_report_as_it_was_byte_for_byte(tmp_path: Path) -> None:
    days = two_evenings()
    first = reported(days, tmp_path, "one")
    assert first.check.holds, first.check
    assert first.totals.orders == {"placed": 1, "paid": 1, "cancelled": 0, "refunded": 0}
    assert first.totals.money == [Amounts("CNY", 900, 900, 900)]
    assert units(first.products[0])["refunded"] == 0
    evening = Days()
    evening.records = [record for record in days.records if record.timestamp <= T0_MS + 200_000]
    alone = reported(evening, tmp_path)
    assert msgspec.json.encode(first) == msgspec.json.encode(alone)


def test_it_counts_in_the_session_in_which_it_came(tmp_path: Path) -> None:
    second = reported(two_evenings(), tmp_path, "two")
    assert second.check.holds, second.check
    assert second.session.show_id == "two"
    assert second.totals.orders == {"placed": 1, "paid": 1, "cancelled": 0, "refunded": 1}
    assert second.totals.money == [Amounts("CNY", 900, 900, 0)]
    (product,) = second.products
    assert units(product) == {"placed": 1, "paid": 1, "cancelled": 0, "refunded": 1, "net": 0}
    assert second.quality.received == 5
    assert {each.topic: each.first_offset for each in second.log.topics}["orders"] == 2


def test_a_session_is_named_by_number_show_and_beginning_and_the_last_one_is_meant_else(tmp_path: Path) -> None:
    days = two_evenings()
    began_ms = T0_MS + HOUR_S * 1_000
    names = ["2", "two", str(began_ms), reported(days, tmp_path).session.show_id]
    assert {reported(days, tmp_path, name).session.show_id for name in names} == {"two"}
    with pytest.raises(
        NoSuchError, match=r"no session '3' of room 'r1'; there are: 1: show one, began .*; 2: show two"
    ):
        reported(days, tmp_path, "3")
    with pytest.raises(NoSuchError, match=r"No room 'nope'"):
        reported(days, tmp_path, room="nope")


def test_a_session_that_silence_ended_and_one_that_goes_on(tmp_path: Path) -> None:
    days = Days()
    days.add(0, "enter", user_id="a")
    days.add(7 * HOUR_S, "enter", user_id="b")
    days.add(7 * HOUR_S + 5, "like", user_id="b", count=3)
    first, second = reported(days, tmp_path, "1"), reported(days, tmp_path, "2")
    assert first.check.holds, first.check
    assert second.check.holds, second.check
    assert (first.session.ended_by, first.totals.views, first.totals.likes) == ("silence", 1, 0)
    assert (second.session.ended_at_ms, second.totals.views, second.totals.likes) == (None, 1, 3)
    assert len(first.minutes) == 6 * 60 + 1
    assert first.curve is None


def test_the_same_records_out_of_kafka_say_where_they_were(tmp_path: Path) -> None:
    days = show()
    path = tmp_path / "kafka.ndjson"
    write_recording(path, days.as_from_kafka())
    made = report_from_recording(path, load_settings(), "r1", session=None, any_time=False)
    assert made.check.holds, made.check
    assert {(each.partition, each.first_offset) for each in made.log.topics} == {(3, 100)}
    alone = reported(days, tmp_path)
    for name in ("totals", "minutes", "products", "quality", "sources"):
        assert getattr(made, name) == getattr(alone, name), name


def test_a_long_log_is_let_go_of_and_the_figures_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    days = Days()
    days.sale(0, offered=500, ends_s=4 * HOUR_S)
    for number in range(100):
        days.add(number * 20, "enter", user_id=f"u{number % 50}")
        days.order(number * 20 + 1, "placed", f"o{number}")
        days.order(number * 20 + 15, "paid", f"o{number}")
    whole = reported(days, tmp_path)
    monkeypatch.setattr("stream.verify.session_report.SETTLE_RECORDS", 10)
    assert reported(days, tmp_path) == whole
    assert whole.check.holds, whole.check
    assert whole.totals.orders["paid"] == 100


def test_what_is_beyond_a_bound_is_told_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("stream.verify.tally.PRODUCTS_MAX", 2)
    monkeypatch.setattr("stream.verify.tally.SOURCES_MAX", 1)
    monkeypatch.setattr("stream.verify.tally.CORRECTIONS_MAX", 1)
    days = show()
    days.order(50, "paid", "o9", lines=[("k8", None, 3, 30), ("k9", None, 4, 40)])
    made = reported(days, tmp_path)
    assert made.check.holds, made.check
    assert [(each.sku_id, each.units_net) for each in made.products] == [("k1", 2), ("k2", 1), (None, 7)]
    assert made.sources == [SourceCount("feed", 2, 1), SourceCount(None, 2, 0, other=True)]
    assert (len(made.corrections), made.corrections_left_out) == (1, 2)


def test_a_document_that_says_something_else_is_a_difference(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = room_sessions.RoomSessions.add

    def wrong(self: Any, document: bytes) -> Any:
        told = msgspec.json.decode(document)
        told["totals"]["likes"] += 1
        return whole(self, msgspec.json.encode(told))

    monkeypatch.setattr(room_sessions.RoomSessions, "add", wrong)
    check = reported(show(), tmp_path).check
    assert [(each.name, each.recounted, each.published) for each in check.differences] == [("likes", 7, 8)]
    assert not check.holds


def test_history_of_years_ago_in_a_live_room_does_not_make_a_step_of_each_minute_since() -> None:
    tally = Tally("live", 3_600_000)
    years_ms = 15 * 365 * 86_400_000
    rules, here = Assumptions(contract_edition=2), (0, 0)
    tally.add(like("u", 5, s=-years_ms / 1_000), at(-years_ms / 1_000), rules, here)
    tally.add(enter("u", s=0), at(0), rules, here)
    steps = tally.steps(at(60), 1)
    assert [(step.start_ms, step.likes, step.views, step.watching) for step in steps] == [
        (at(-years_ms / 1_000) // 60_000 * 60_000, 5, 0, 0),
        (at(0) // 60_000 * 60_000, 0, 1, 1),
        (at(60) // 60_000 * 60_000, 0, 0, 1),
    ]
    assert curves(steps, 60_000, [], EN) == ""
    assert curves(steps[1:], 60_000, [], EN)


def test_an_empty_tally_has_no_steps() -> None:
    assert Tally("live", 1_000).steps(T0_MS, 0) == []
