"""Days and sessions, as a recording of them comes out: the cases of nightly shows, late payments and rehearsals."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from stream.contract.recording import RecordedRecord
from stream.replay.recording import Replay
from stream.settings import load_settings
from tests.support.days import TOPIC_OF

T0_MS = 1_795_780_000_000
HOUR_MS = 3_600_000
LINE = {"sku_id": "k1", "quantity": 1, "amount_minor": 900, "sale_id": "s1"}


class Days:
    """Records of some days, and what a replay makes of them."""

    def __init__(self) -> None:
        self._records: list[tuple[int, str, str, dict[str, Any]]] = []
        self.documents: list[dict[str, Any]] = []

    def add(self, at_h: float, kind: str, room: str = "r1", event_id: str | None = None, **fields: Any) -> None:
        at_ms = T0_MS + round(at_h * HOUR_MS)
        event: dict[str, Any] = {"type": kind, "event_id": event_id or f"e{len(self._records)}", "room_id": room}
        event |= {"event_time_ms": at_ms, **fields}
        self._records.append((at_ms, TOPIC_OF[kind], room, event))

    def comment(self, at_h: float, room: str = "r1", event_id: str | None = None) -> None:
        self.add(at_h, "comment", room, event_id, user_id="u1", text="hi")

    def order(self, at_h: float, status: str, order_id: str = "o1", user: str = "u1", room: str = "r1") -> None:
        self.add(at_h, "order", room, user_id=user, order_id=order_id, status=status, currency="CNY", lines=[LINE])

    def sale(self, at_h: float, starts_h: float, ends_h: float, offered: int = 50, room: str = "r1") -> None:
        starts_ms, ends_ms = (T0_MS + round(hours * HOUR_MS) for hours in (starts_h, ends_h))
        terms: dict[str, Any] = {"offered": offered, "starts_at_ms": starts_ms, "ends_at_ms": ends_ms}
        self.add(at_h, "sale_opened", room, sale_id="s1", sku_id="k1", **terms)

    def replayed(self, settle_h: float = 0) -> Days:
        offsets: dict[str, int] = {}
        records = []
        for at_ms, topic, room, event in sorted(self._records, key=lambda each: each[0]):
            offsets[topic] = offsets.get(topic, -1) + 1
            value = msgspec.json.encode(event)
            records.append(
                RecordedRecord(
                    topic=topic, timestamp=at_ms, value=value, key=room.encode(), partition=0, offset=offsets[topic]
                )
            )
        job = Replay(load_settings().rules(), "live", 1_000, self._take)
        job.run(records, round(settle_h * HOUR_MS))
        return self

    def _take(self, published: Any) -> None:
        self.documents.append(msgspec.json.decode(published.document))

    def of(self, room: str = "r1") -> list[dict[str, Any]]:
        return [document for document in self.documents if document["room_id"] == room]

    def ended(self, room: str = "r1") -> list[dict[str, Any]]:
        """The last document of each session that has ended."""
        return [each for each in self.of(room) if each.get("session", {}).get("ended_at_ms") is not None]

    def newest(self, room: str = "r1") -> dict[str, Any]:
        return self.of(room)[-1]


def versions(documents: list[dict[str, Any]]) -> list[tuple[int, int]]:
    return [(document["epoch"], document["rev"]) for document in documents]


def stock_of(document: dict[str, Any]) -> tuple[str, int | None, int, int]:
    (sale,) = document["sales"]
    return sale["status"], sale["available"], sale["held"], sale["sold"]


# -- A1 ----------------------------------------------------------------------------------------------------------------
def test_the_versions_of_a_room_rise_over_its_sessions() -> None:
    days = Days()
    for at_h in (0, 5 / 3600, 7, 7.01, 20, 44):
        days.comment(at_h)
    found = versions(days.replayed().of())
    assert len(found) > 40
    assert found == sorted(set(found))


def test_no_claim_has_the_id_of_another_session_s() -> None:
    days = Days()
    for evening in (0, 24):
        days.sale(evening, evening, evening + 1)
        for number in range(45):
            days.order(evening + number / 3600, "paid", f"o{evening}-{number}", f"u{number}")
    ids: list[list[str]] = [[], []]
    for document in days.replayed().of():
        evening = document["as_of_ms"] > T0_MS + 20 * HOUR_MS
        ids[evening] += [claim["id"] for claim in document["claims"]]
    assert ids[0]
    assert ids[1]
    assert not set(ids[0]) & set(ids[1])


# -- A2 ----------------------------------------------------------------------------------------------------------------
def test_a_sale_that_was_announced_before_a_silent_night_is_known() -> None:
    days = Days()
    days.sale(0, 10, 11)
    for number in range(45):
        days.order(10, "paid", f"o{number}", f"u{number}")
    assert stock_of(days.replayed().newest()) == ("open", 5, 0, 45)


def test_so_is_one_that_lasts_over_a_silent_night() -> None:
    days = Days()
    days.sale(0, 0, 30)
    days.order(0.1, "paid", "o1")
    days.order(0.1, "placed", "o2")
    days.comment(12)
    # The hold of o2 ran out while nobody spoke.
    assert stock_of(days.replayed().newest()) == ("open", 49, 0, 1)
    days.order(12.1, "cancelled", "o1")
    assert stock_of(days.replayed().newest()) == ("open", 50, 0, 0)


def test_a_sale_that_starts_and_ends_in_a_silent_night_is_over_in_the_morning() -> None:
    days = Days()
    days.sale(0, 10, 11)
    days.comment(12)
    document = days.replayed().newest()
    assert document["sales"] == []
    assert document["claims"] == []


def test_an_extension_in_the_silence_brings_a_sale_back() -> None:
    days = Days()
    days.sale(0, 0, 1)
    days.order(0.5, "paid")
    days.add(12, "sale_extended", sale_id="s1", ends_at_ms=T0_MS + 14 * HOUR_MS)
    assert stock_of(days.replayed().newest()) == ("open", 49, 0, 1)


# -- A3, A4 ------------------------------------------------------------------------------------------------------------
def orders_and_money(document: dict[str, Any]) -> tuple[int, int, int]:
    """Placed, paid, placed money."""
    money = document["totals"]["money"]
    orders = document["totals"]["orders"]
    return orders["placed"], orders["paid"], sum(each["gmv_placed_minor"] for each in money)


def test_the_same_order_paid_again_the_next_morning_is_a_repeat() -> None:
    days = Days()
    days.order(0, "paid")
    days.order(7, "paid")
    days.replayed()
    (last,) = days.ended()  # no news, so no session begins with it
    assert orders_and_money(last) == (1, 1, 900)
    assert days.newest()["rev"] == last["rev"]


def test_an_order_paid_the_next_evening_is_one_order() -> None:
    days = Days()
    days.order(0, "placed")
    days.order(24, "paid")
    days.replayed()
    assert orders_and_money(days.ended()[0]) == (1, 0, 900)
    assert orders_and_money(days.newest()) == (0, 1, 0)
    assert days.newest()["totals"]["money"][0]["gmv_paid_minor"] == 900


@pytest.mark.parametrize("paid_h", [30, 100, 160])
def test_an_order_paid_late_in_a_room_that_never_sleeps_is_one_order(paid_h: int) -> None:
    days = Days()
    days.order(0, "placed")
    for at_h in range(1, paid_h):
        days.comment(at_h)
    days.order(paid_h, "paid")
    assert orders_and_money(days.replayed().newest()) == (1, 1, 900)


# -- A5 ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("minutes", [10, 25])
def test_an_event_that_comes_again_and_again_counts_once(minutes: int) -> None:
    days = Days()
    for number in range(20):
        days.comment(number * minutes / 60, event_id="again")
    assert days.replayed().newest()["totals"]["comments"] == 1


# -- A6 ----------------------------------------------------------------------------------------------------------------
def test_a_room_that_ends_while_nobody_looks_leaves_its_last_document() -> None:
    days = Days()
    for number in range(3_000):
        days.comment(number / 3_600_000)
    days.comment(7, "r2")
    days.replayed()
    (last,) = days.ended()
    assert last["totals"]["comments"] == 3_000
    assert last["session"] == {
        "show_id": None,
        "began_at_ms": T0_MS,
        "ended_at_ms": last["as_of_ms"],
        "ended_by": "silence",
        "first_offsets": [0, 0, 0, 0, 0, 0, 0],
        "next_offsets": [3_000, 0, 0, 0, 0, 0, 0],
    }
    assert last["claims"] == last["withheld"] == []
    assert last["urgency"]["level"] == "ended"
    assert versions(days.of()) == sorted(set(versions(days.of())))


def test_documents_of_a_room_s_first_session_say_nothing_of_sessions() -> None:
    days = Days()
    days.comment(0)
    days.comment(8, "r2")
    days.replayed()
    assert ["session" in document for document in days.of()].count(True) == 1  # the last one
    assert "session" in days.of()[-1]


# -- A7 ----------------------------------------------------------------------------------------------------------------
def rehearsed() -> Days:
    """A rehearsal, a show of half an hour, and somebody who stays behind."""
    days = Days()
    days.sale(-1, -1, 2)
    days.add(-1, "enter", user_id="host")
    for number in range(5):
        days.order(-0.01, "paid", f"test-{number}", "host")
    days.add(0, "room_opened", show_id="show-1")
    for number in range(4):
        days.order(0.01, "paid", f"o{number}", f"u{number}")
    days.add(0.5, "room_closed", show_id="show-1")
    days.comment(0.6)
    return days.replayed()


def test_a_rehearsal_does_not_count_in_the_show() -> None:
    days = rehearsed()
    rehearsal, show = days.ended()
    assert orders_and_money(rehearsal) == (5, 5, 4_500)
    assert rehearsal["session"]["ended_by"] == "word"
    assert orders_and_money(show) == (4, 4, 3_600)
    assert (show["session"]["show_id"], show["session"]["ended_by"]) == ("show-1", "word")
    assert show["session"]["began_at_ms"] == rehearsal["session"]["ended_at_ms"] == T0_MS
    assert show["totals"]["viewers"]["value"] == show["totals"]["watching_now"] == 0
    assert [item["who"] for item in show["feed"]] == ["u***"] * 4
    windows = [rate for rate in show["rates"] if rate["name"] == "pay_rate"]
    assert all((rate["num"], rate["den"]) in ((4, 4), (0, 0)) for rate in windows)


def test_the_stock_is_the_sale_s_whatever_the_session() -> None:
    _, show = rehearsed().ended()
    assert stock_of(show) == ("open", 41, 0, 9)


def test_what_was_bought_before_the_show_is_not_said_in_it() -> None:
    days = rehearsed()
    said = [
        claim["value"]
        for document in days.of()
        if document.get("session", {}).get("show_id") == "show-1"
        for claim in document["claims"]
        if claim["claim"] == "bought_recently"
    ]
    assert said
    assert max(said) == 4


def test_documents_of_a_show_say_which_it_is() -> None:
    days = rehearsed()
    shows = [session for document in days.of() if (session := document.get("session"))]
    first = next(session for session in shows if session["show_id"] == "show-1")
    assert first["ended_at_ms"] is None
    # What follows the close is a session that nobody announced.
    assert days.newest()["session"]["show_id"] is None
    assert days.newest()["totals"]["comments"] == 1


def test_words_that_say_nothing_new_end_nothing() -> None:
    days = Days()
    days.add(0, "room_closed", show_id="show-0")
    days.add(0.1, "room_opened", show_id="show-1")
    days.comment(0.2)
    days.add(0.3, "room_opened", show_id="show-1")
    days.add(0.3, "room_closed", show_id="show-2")
    days.comment(0.4)
    days.replayed()
    assert days.ended() == []
    assert days.newest()["totals"]["comments"] == 2
    assert days.newest()["session"]["show_id"] == "show-1"


def test_a_word_that_comes_again_after_the_show_does_not_begin_it_again() -> None:
    days = Days()
    days.add(0, "room_opened", show_id="show-1", event_id="word")
    days.comment(0.1)
    days.add(0.2, "room_closed", show_id="show-1")
    days.add(0.21, "room_opened", show_id="show-1", event_id="word")
    days.replayed()
    assert len(days.ended()) == 1
    assert days.newest()["session"]["ended_by"] == "word"


def test_one_show_ends_the_one_before_it() -> None:
    days = Days()
    days.add(0, "room_opened", show_id="show-1")
    days.comment(0.1)
    days.add(0.2, "room_opened", show_id="show-2")
    days.comment(0.3)
    days.replayed()
    (first,) = days.ended()
    assert first["session"]["show_id"] == "show-1"
    assert first["totals"]["comments"] == 1
    assert days.newest()["session"]["show_id"] == "show-2"


@pytest.mark.parametrize(("silent_h", "ends"), [(23.9, 0), (24.1, 1)])
def test_a_show_that_was_opened_by_word_may_be_silent_for_a_day(silent_h: float, ends: int) -> None:
    days = Days()
    days.add(0, "room_opened", show_id="show-1")
    days.comment(silent_h)
    days.replayed()
    assert len(days.ended()) == ends
