from __future__ import annotations

from typing import Any

import msgspec
import pytest

from stream.verify.figures import Fraction, MoneyFigures, RateKey, RoomFigures, SaleFigures, SaleKey
from stream.verify.recount import Recount, digest
from stream.verify.room_count import Assumptions
from tests.support.days import TOPIC_OF

T = 1_700_000_000_000
ROOM = "room-1"


class Log:
    """Writes events with ids of their own; unless told otherwise an event is stored when it happens."""

    def __init__(self, **assumptions: Any) -> None:
        self.recount = Recount(Assumptions(**assumptions))
        self.written = 0

    def add(self, kind: str, at_ms: int = T, *, append_ms: int | None = None, room: str = ROOM, **fields: Any) -> None:
        self.written += 1
        event = {"type": kind, "event_id": f"e{self.written}", "room_id": room, "event_time_ms": at_ms, **fields}
        value = msgspec.json.encode(event)
        append_ms = at_ms if append_ms is None else append_ms
        self.recount.add(TOPIC_OF[kind], value, room.encode(), append_ms, partition=0, offset=self.written)

    def order(self, status: str, at_ms: int = T, *, order_id: str = "o1", user_id: str = "u1", **fields: Any) -> None:
        lines = fields.pop("lines", [{"sku_id": "s", "quantity": 2, "amount_minor": 500, "sale_id": "drop"}])
        told = {"order_id": order_id, "user_id": user_id, "status": status, "lines": lines, "currency": "CNY"}
        self.add("order", at_ms, **(told | fields))

    def opened(self, at_ms: int = T, **fields: Any) -> None:
        told: dict[str, Any] = {"sale_id": "drop", "sku_id": "s", "offered": 10, "starts_at_ms": T}
        self.add("sale_opened", at_ms, **(told | fields))

    def room(self, as_of_ms: int = T) -> RoomFigures:
        return self.recount.room(ROOM, as_of_ms)

    def sale(self, as_of_ms: int = T) -> SaleFigures:
        return self.room(as_of_ms).sales[SaleKey("drop", "s")]


@pytest.fixture
def log() -> Log:
    return Log()


# -- accounts ----------------------------------------------------------------------------------------------------------
def test_an_event_id_counts_once_in_its_room_whatever_the_second_record_says(log: Log) -> None:
    log.add("like", user_id="u1", count=3, event_id="same")
    log.add("like", user_id="u2", count=9, event_id="same")
    log.add("comment", user_id="u2", text="x", event_id="same")
    log.add("like", user_id="u1", count=5, event_id="same", room="room-2")
    assert (log.room().likes, log.room().comments) == (3, 0)
    assert log.recount.room("room-2", T).likes == 5
    assert (log.recount.accounts.applied, log.recount.accounts.duplicate) == (2, 2)


def test_every_record_is_in_one_account_and_a_refused_one_is_named(log: Log) -> None:
    log.add("like", user_id="u1", count=3)
    log.add("like", user_id="u1", count=0)
    log.recount.add("live.likes", b"{", b"k", T, partition=7, offset=42)
    accounts = log.recount.accounts
    assert accounts.received == 3 == accounts.applied + accounts.duplicate + accounts.dead_lettered.total()
    assert [refusal[:4] for refusal in log.recount.refusals] == [
        ("likes", 0, 2, "schema_violation"),
        ("likes", 7, 42, "not_json"),
    ]
    assert log.recount.refusals[1].digest == digest(b"k", b"{")


def test_a_digest_tells_missing_from_empty_and_key_from_value() -> None:
    assert len({digest(None, b""), digest(b"", b""), digest(b"", None), digest(b"ab", b"c"), digest(b"a", b"bc")}) == 5


def test_an_id_that_comes_back_after_the_memory_is_counted_apart(log: Log) -> None:
    log.add("like", user_id="u1", count=3, event_id="same")
    log.add("like", T + 1_800_000, user_id="u1", count=3, event_id="same")
    assert log.recount.accounts.forgettable == 0
    log.add("like", T + 1_800_001, user_id="u1", count=3, event_id="same")
    assert (log.recount.accounts.forgettable, log.recount.accounts.duplicate, log.room().likes) == (1, 2, 3)


def test_an_id_that_comes_back_after_twice_the_memory_is_another_event(log: Log) -> None:
    log.add("like", user_id="u1", count=3, event_id="same")
    log.add("like", T + 3_600_001, user_id="u1", count=3, event_id="same")
    assert (log.recount.accounts.forgettable, log.recount.accounts.duplicate, log.room().likes) == (1, 0, 6)


@pytest.mark.parametrize(
    ("event_ms", "append_ms", "second"),
    [
        (T, T, T // 1000),
        (T - 60_000, T, T // 1000 - 60),
        (T - 60_001, T, T // 1000 - 60),
        (T - 3_600_000, T, T // 1000 - 60),
        (T + 5_000, T, T // 1000),
        (T - 3_600_000, -1, T // 1000 - 3_600),
    ],
)
def test_an_event_counts_at_its_time_held_between_lateness_and_the_append_time(
    log: Log, event_ms: int, append_ms: int, second: int
) -> None:
    log.add("enter", event_ms, append_ms=append_ms, user_id="u1")
    assert log.recount.last_second_ms(ROOM) == second * 1000
    assert log.recount.accounts.retimed == (0 if append_ms < 0 or T - 60_000 <= event_ms <= T else 1)


# -- audience ----------------------------------------------------------------------------------------------------------
def test_views_viewers_and_who_is_still_there(log: Log) -> None:
    log.add("enter", T, user_id="u1")
    log.add("enter", T + 5, user_id="u1", session_id="u1.tablet")
    log.add("enter", T + 5, user_id="u2")
    log.add("leave", T + 5, user_id="u2")  # at the same moment: gone
    log.add("leave", T + 9, user_id="u3")
    room = log.room(T + 10)
    assert (room.views, room.viewers, room.watching_now) == (3, 2, 2)


def test_a_leave_that_arrives_before_its_enter_still_closes_the_session(log: Log) -> None:
    log.add("leave", T + 10, user_id="u1")
    log.add("enter", T, append_ms=T + 20, user_id="u1")
    assert log.room(T + 30).watching_now == 0


def test_the_latest_enter_and_leave_count_whichever_arrives_last(log: Log) -> None:
    log.add("enter", T + 30, user_id="u1")
    log.add("leave", T + 20, append_ms=T + 40, user_id="u1")
    log.add("enter", T, append_ms=T + 50, user_id="u1")
    assert log.room(T + 60).watching_now == 1


def test_a_session_that_says_nothing_is_gone_after_the_timeout() -> None:
    log = Log(presence_timeout_ms=1_000)
    log.add("enter", T, user_id="u1")
    assert [log.room(T + age).watching_now for age in (999, 1_000)] == [1, 0]


def test_a_window_holds_whole_seconds_up_to_the_present_one(log: Log) -> None:
    log.add("enter", T, user_id="u1")
    log.add("order", T, user_id="u1", order_id="o", status="paid", currency="CNY", lines=[_line()])

    def minute(as_of_ms: int) -> Fraction:
        return log.room(as_of_ms).rates[RateKey("watch_to_buy_uv", 60_000)]

    assert [minute(T + age) for age in (0, 59_999, 60_000)] == [(1, 1), (1, 1), (0, 0)]
    assert log.room(T + 10_000_000).rates[RateKey("watch_to_buy_uv", None)] == (1, 1)


def test_each_rate_has_its_own_people_above_and_below(log: Log) -> None:
    for user in ("a", "b", "c", "d"):
        log.add("enter", user_id=user)
    log.add("product_click", user_id="a")
    log.add("product_click", user_id="b")
    log.add("cart_add", user_id="a", sku_id="s", quantity=1)
    log.add("cart_add", user_id="c", sku_id="s", quantity=1)
    log.order("placed", user_id="a")
    log.order("paid", user_id="a")
    log.order("placed", order_id="o2", user_id="b")
    log.add("comment", user_id="d", text="x")
    rates = {key.name: value for key, value in log.room().rates.items() if key.window_ms is None}
    assert rates == {
        "watch_to_buy_uv": (1, 4),
        "click_to_buy_uv": (1, 2),
        "cart_to_order_uv": (1, 2),
        "orders_per_viewer": (2, 4),
        "pay_rate": (1, 2),
        "engaged_uv_rate": (3, 4),
        "gpm_views": (500_000, 4),
    }


# -- orders ------------------------------------------------------------------------------------------------------------
def _line(quantity: int = 1, amount_minor: int = 100, sale_id: str | None = "drop") -> dict[str, Any]:
    return {"sku_id": "s", "quantity": quantity, "amount_minor": amount_minor, "sale_id": sale_id}


def test_a_status_counts_once_an_order_even_under_another_event_id(log: Log) -> None:
    for _ in range(3):
        log.order("paid")
    assert log.room().orders == {"placed": 1, "paid": 1, "cancelled": 0, "refunded": 0}
    assert log.room().money == {"CNY": MoneyFigures(500, 500, 500)}
    assert log.recount.accounts.duplicate == 2


@pytest.mark.parametrize(
    ("statuses", "orders", "money", "stock"),
    [
        (["placed"], (1, 0, 0, 0), (500, 0, 0), (2, 0, 0)),
        (["placed", "paid"], (1, 1, 0, 0), (500, 500, 500), (0, 2, 0)),
        (["paid"], (1, 1, 0, 0), (500, 500, 500), (0, 2, 0)),
        (["paid", "placed"], (1, 1, 0, 0), (500, 500, 500), (0, 2, 0)),
        (["placed", "cancelled"], (1, 0, 1, 0), (500, 0, 0), (0, 0, 2)),
        (["cancelled", "placed"], (1, 0, 1, 0), (500, 0, 0), (0, 0, 2)),
        (["placed", "paid", "refunded"], (1, 1, 0, 1), (500, 500, 0), (0, 0, 2)),
        (["cancelled"], (0, 0, 1, 0), (0, 0, 0), (0, 0, 0)),
        (["refunded"], (0, 0, 0, 1), (0, 0, 0), (0, 0, 0)),
    ],
)
def test_an_order_is_the_set_of_its_statuses(
    log: Log,
    statuses: list[str],
    orders: tuple[int, ...],
    money: tuple[int, int, int],
    stock: tuple[int, int, int],
) -> None:
    log.opened()
    for status in statuses:
        log.order(status)
    sale = log.sale()
    assert tuple(log.room().orders.values()) == orders
    assert log.room().money.get("CNY", MoneyFigures()) == MoneyFigures(*money)
    assert (sale.held, sale.sold, sale.released) == stock
    assert sale.available == 10 - sale.held - sale.sold


def test_a_hold_runs_out_at_its_moment_and_a_payment_after_it_still_sells(log: Log) -> None:
    log.opened()
    log.order("placed", T)
    assert [(log.sale(T + age).held, log.sale(T + age).released) for age in (59_999, 60_000)] == [(2, 0), (0, 2)]
    log.order("paid", T + 70_000)
    assert (log.sale(T + 80_000).sold, log.sale(T + 80_000).released, log.sale(T + 80_000).available) == (2, 0, 8)


def test_the_lines_of_an_order_are_those_of_its_first_record(log: Log) -> None:
    log.opened()
    log.order("placed", lines=[_line(1, 100)])
    log.order("paid", lines=[_line(9, 900)])
    assert (log.sale().sold, log.room().money["CNY"]) == (1, MoneyFigures(100, 100, 100))


def test_lines_without_a_sale_touch_no_stock_and_currencies_stay_apart(log: Log) -> None:
    log.order("paid", lines=[_line(3, 300, None)])
    log.order("paid", order_id="o2", currency="USD", lines=[_line(1, 10, None), _line(1, 20, None)])
    room = log.room()
    assert room.sales == {}
    assert room.money == {"CNY": MoneyFigures(300, 300, 300), "USD": MoneyFigures(30, 30, 30)}
    assert room.rates[RateKey("gpm_views", None, "USD")] == (30_000, 0)


# -- sales -------------------------------------------------------------------------------------------------------------
def test_before_the_opening_is_seen_stock_is_unknown_and_orders_wait(log: Log) -> None:
    log.order("placed")
    before = log.sale()
    assert (before.status, before.offered, before.available, before.held) == ("unknown", None, None, 2)
    log.opened(T + 1)
    log.add("sale_restocked", T + 2, sale_id="drop", sku_id="s", quantity=5)
    after = log.sale(T + 3)
    assert (after.status, after.offered, after.restocked, after.available) == ("open", 10, 5, 13)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_the_opening_said_last_holds_whichever_arrives_first(log: Log, order: tuple[int, ...]) -> None:
    openings = [(T + 5, 20, "b"), (T + 5, 30, "a"), (T, 40, "c")]
    for number in order:
        at_ms, offered, event_id = openings[number]
        log.opened(at_ms, append_ms=T + 9, offered=offered, event_id=event_id)
    assert log.sale(T + 10).offered == 20


def test_more_than_there_is_shows_as_oversold_not_as_negative_stock(log: Log) -> None:
    log.opened(offered=3)
    log.order("paid")
    log.order("paid", order_id="o2")
    assert (log.sale().available, log.sale().oversold, log.sale().sold) == (0, 1, 4)


def test_over_limit_sums_what_each_user_has_beyond_the_limit(log: Log) -> None:
    log.opened(per_user_limit=3)
    log.order("paid")
    log.order("placed", order_id="o2")
    log.order("paid", order_id="o3", user_id="u2")
    assert log.sale().over_limit == 1
    assert log.sale(T + 60_000).over_limit == 0  # the hold has run out


def test_a_sale_is_scheduled_open_extended_closed(log: Log) -> None:
    log.opened(T, starts_at_ms=T + 10, ends_at_ms=T + 100)
    log.add("sale_extended", T, sale_id="drop", ends_at_ms=T + 50)
    assert [(log.sale(T + age).status, log.sale(T + age).ends_at_ms) for age in (9, 10, 99, 100)] == [
        ("scheduled", T + 100),
        ("open", T + 100),
        ("open", T + 100),
        ("ended", T + 100),
    ]
    assert not log.sale(T).extended
    log.add("sale_extended", T, sale_id="drop", ends_at_ms=T + 200)
    assert (log.sale(T + 150).status, log.sale(T + 150).ends_at_ms, log.sale(T).extended) == ("open", T + 200, True)
    log.add("sale_closed", T + 120, sale_id="drop")
    assert (log.sale(T + 119).status, log.sale(T + 120).status, log.sale(T + 120).ends_at_ms) == (
        "open",
        "ended",
        T + 120,
    )
    log.add("sale_closed", T + 130, sale_id="drop")  # the first close holds
    log.add("sale_closed", T + 110, append_ms=T + 140, sale_id="drop")
    assert (log.sale(T + 109).status, log.sale(T + 110).ends_at_ms) == ("open", T + 110)


def test_one_sku_of_a_sale_is_extended_and_closed_by_itself() -> None:
    log = Log(contract_edition=2)
    for sku_id in ("s", "s2"):
        log.opened(T, sku_id=sku_id, ends_at_ms=T + 100)
    log.add("sale_extended", T, sale_id="drop", sku_id="s2", ends_at_ms=T + 200)
    log.add("sale_closed", T + 50, sale_id="drop", sku_id="s")
    other = log.room(T + 150).sales[SaleKey("drop", "s2")]
    assert (other.status, other.ends_at_ms, other.extended) == ("open", T + 200, True)
    assert (log.sale(T + 50).status, log.sale(T + 50).ends_at_ms, log.sale(T).extended) == ("ended", T + 50, False)
    log.add("sale_closed", T + 160, sale_id="drop")
    assert log.sale(T + 170).ends_at_ms == T + 50
    assert log.room(T + 170).sales[SaleKey("drop", "s2")].ends_at_ms == T + 160


def test_carters_without_order_are_those_who_have_none_of_it(log: Log) -> None:
    log.opened()
    for user in ("u1", "u2", "u3"):
        log.add("cart_add", user_id=user, sku_id="s", quantity=1, sale_id="drop")
    log.order("placed", user_id="u1")
    assert [log.sale(T + age).carters_without_order for age in (0, 60_000)] == [2, 3]


# -- sessions ----------------------------------------------------------------------------------------------------------
def test_a_room_that_was_silent_for_longer_than_idle_is_said_to_be_so() -> None:
    log = Log(room_idle_ms=10_000)
    log.add("enter", T, user_id="u1")
    log.add("enter", T + 9_000, user_id="u1")
    assert not log.recount.was_silent_too_long(ROOM)
    log.add("enter", T + 19_000, user_id="u1")
    assert log.recount.was_silent_too_long(ROOM)
    assert not log.recount.was_silent_too_long("nobody")


def test_a_room_that_was_never_heard_of_has_zeros() -> None:
    room = Recount().room("nobody", T)
    assert (room.viewers, room.sales, room.rates[RateKey("pay_rate", None)]) == (0, {}, (0, 0))


# -- forgetting --------------------------------------------------------------------------------------------------------
HOUR_MS = 3_600_000


def busy(log: Log, hours: int) -> None:
    """Somebody comes, likes and buys every minute."""
    for minute in range(hours * 60):
        at_ms = T + minute * 60_000
        log.add("enter", at_ms, user_id=f"u{minute % 97}")
        log.add("like", at_ms, user_id=f"u{minute % 97}", count=2)
        log.order("paid", at_ms, order_id=f"o{minute}", user_id=f"u{minute % 31}")


def test_what_was_forgotten_changes_no_figure_of_a_later_moment() -> None:
    whole, forgetful = Log(), Log()
    for log in (whole, forgetful):
        busy(log, 3)
    end_ms = T + 3 * HOUR_MS
    assert forgetful.recount.forget(end_ms - 60_000) == []
    for later_ms in (0, 60_000, 1_800_000, HOUR_MS):
        assert forgetful.recount.room(ROOM, end_ms + later_ms) == whole.recount.room(ROOM, end_ms + later_ms)
    assert not forgetful.recount.was_silent_too_long(ROOM)


def test_what_is_remembered_is_bounded_by_time() -> None:
    log = Log()
    busy(log, 3)
    before = log.recount.remembered()
    log.recount.forget(T + 3 * HOUR_MS)
    after = log.recount.remembered()
    assert before["seconds"] == 180
    assert after["seconds"] <= 33
    assert (before["ids"], after["ids"]) == (540, 180)
    assert after["orders"] == before["orders"] == 180


def test_a_room_that_has_ended_is_forgotten_and_begins_anew() -> None:
    log = Log(room_idle_ms=10_000, allowed_lateness_ms=0)
    log.add("enter", T, user_id="u1")
    assert log.recount.forget(T + 10_000) == []
    assert log.recount.forget(T + 11_001) == [ROOM]
    log.add("enter", T + 20_000, user_id="u2")
    assert log.recount.room(ROOM, T + 20_000).views == 1
    assert not log.recount.was_silent_too_long(ROOM)


def test_a_silence_is_remembered_when_its_seconds_are_not() -> None:
    log = Log(room_idle_ms=HOUR_MS)
    for at_ms in (T, T + HOUR_MS, T + HOUR_MS + 1_000):
        log.add("enter", at_ms, user_id="u1")
    log.recount.forget(T + HOUR_MS + 2_500_000)
    assert log.recount.remembered()["seconds"] == 0
    assert log.recount.was_silent_too_long(ROOM)


def test_a_person_whom_nobody_knows_is_no_one_but_was_one_under_the_first_edition() -> None:
    for edition, people, over_limit, watching in ((1, 1, 3, 2), (2, 0, 0, 1)):
        log = Log(contract_edition=edition)
        log.opened(per_user_limit=1)
        for number, user_id in enumerate(("0", "0")):
            log.order("placed", order_id=f"o{number}", user_id=user_id)
            log.add("enter", user_id=user_id)
            log.add("enter", user_id=user_id, session_id="x1")
            log.add("like", user_id=user_id, count=1)
        room = log.room()
        assert (room.views, room.likes, room.orders["placed"], log.sale().held) == (4, 2, 2, 4)
        assert (room.viewers, log.sale().over_limit, room.watching_now) == (people, over_limit, watching)
        assert room.rates[RateKey("engaged_uv_rate", None, None)] == Fraction(people, people)
