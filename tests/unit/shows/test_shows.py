from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.contract.events import Comment, Order, OrderStatus, RoomEvent, SaleRestocked
from stream.contract.recording import RecordedRecord
from stream.errors import SnapupError
from stream.shows import build_show, snap_up, tadu_2019
from stream.verify.figures import RateKey, SaleKey
from stream.verify.recount import Recount

if TYPE_CHECKING:
    from stream.shows.show import Delivery, Show

T0_MS = 1_507_636_800_000
LEDGER = ("offered", "restocked", "available", "held", "sold", "oversold", "released", "over_limit")
decode = msgspec.json.Decoder(RoomEvent).decode


@cache
def built(name: str, seed: int) -> Show:
    return build_show(name, seed)


@cache
def delivered(name: str, seed: int) -> tuple[Delivery, ...]:
    return tuple(built(name, seed).deliveries(T0_MS))


@cache
def recounted(name: str, seed: int) -> Recount:
    recount = Recount()
    for delivery in delivered(name, seed):
        recount.add_record(
            RecordedRecord(
                topic=delivery.topic, timestamp=T0_MS + delivery.send_ms, value=delivery.value, key=delivery.key
            )
        )
    return recount


slow = pytest.mark.slow  # a snap-up takes some seconds to build, deliver and recount
SEEDS = [("snap-up", 1), pytest.param("snap-up", 2, marks=slow), ("tadu-2019", 1), ("tadu-2019", 5)]
SNAP_UP_SEEDS = [1, pytest.param(2, marks=slow)]


@pytest.mark.parametrize("name", ["snap-up", "tadu-2019"])
def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(name: str) -> None:
    again = build_show(name, 1)
    assert again.expected == built(name, 1).expected
    assert tuple(islice(again.deliveries(T0_MS), 20_000)) == delivered(name, 1)[:20_000]
    other = build_show(name, 3)
    assert other.expected != again.expected
    assert not {event.event_id for event in other.deliveries(T0_MS)} & {event.event_id for event in delivered(name, 1)}


@pytest.mark.parametrize(("name", "seed"), SEEDS)
def test_what_the_plan_expects_is_what_an_independent_recount_finds(name: str, seed: int) -> None:
    expected, recount = built(name, seed).expected, recounted(name, seed)
    accounts = recount.accounts
    assert (accounts.received, accounts.applied, accounts.duplicate, accounts.dead_lettered, accounts.retimed) == (
        expected.deliveries,
        expected.applied,
        expected.duplicates,
        Counter(),
        0,
    )
    assert recount.room_ids() == [room.room_id for room in expected.rooms]
    for room in expected.rooms:
        found = recount.room(room.room_id, T0_MS + expected.duration_ms)
        for figure in ("viewers", "views", "watching_now", "likes", "comments", "cart_adds"):
            assert getattr(found, figure) == getattr(room, figure), figure
        assert found.orders == {
            "placed": room.orders_placed,
            "paid": room.orders_paid,
            "cancelled": room.orders_cancelled,
            "refunded": room.orders_refunded,
        }
        assert {currency: msgspec.structs.astuple(money) for currency, money in found.money.items()} == {
            money.currency: msgspec.structs.astuple(money)[1:] for money in room.money
        }
        assert {key: fraction for key, fraction in found.rates.items() if key.window_ms is None} == {
            RateKey(rate.name, None, rate.currency): (rate.num, rate.den) for rate in room.rates
        }
        assert set(found.sales) == {SaleKey(sale.sale_id, sale.sku_id) for sale in room.sales}
        for sale in room.sales:
            ledger = found.sales[SaleKey(sale.sale_id, sale.sku_id)]
            for figure in LEDGER:
                assert getattr(ledger, figure) == getattr(sale, figure), figure


@pytest.mark.parametrize(("name", "seed"), SEEDS)
def test_deliveries_are_in_order_of_sending_and_end_in_time(name: str, seed: int) -> None:
    sent_ms = [delivery.send_ms for delivery in delivered(name, seed)]
    assert sent_ms == sorted(sent_ms)
    assert sent_ms[0] >= 0
    assert sent_ms[-1] <= built(name, seed).expected.duration_ms + 5_000


@pytest.mark.parametrize(("name", "seed"), SEEDS)
def test_as_many_deliveries_repeat_and_come_out_of_order_as_the_show_says(name: str, seed: int) -> None:
    seen: set[str] = set()
    repeated = overtaken = latest_ms = 0
    for delivery in delivered(name, seed):
        if delivery.event_id in seen:
            repeated += 1
            continue
        seen.add(delivery.event_id)
        overtaken += delivery.event_time_ms < latest_ms
        latest_ms = max(latest_ms, delivery.event_time_ms)
    expected = built(name, seed).expected
    assert (repeated, overtaken) == (expected.redelivered + expected.replayed, expected.out_of_order)


def test_the_room_may_be_named_and_the_key_is_the_room() -> None:
    show = build_show("tadu-2019", 1, "room-b")
    first = next(show.deliveries(T0_MS))
    assert (first.key, decode(first.value).room_id) == (b"room-b", "room-b")
    assert show.expected.rooms[0].room_id == "room-b"


def test_an_unknown_scenario_is_a_clear_error() -> None:
    with pytest.raises(SnapupError, match="snap-up"):
        build_show("snapup", 1)


# -- tadu-2019 ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", [1, 5])
def test_tadu_2019_gives_both_conversions_each_under_its_right_name(seed: int) -> None:
    room = built("tadu-2019", seed).expected.rooms[0]
    rates = {rate.name: (rate.num, rate.den) for rate in room.rates}
    assert rates["watch_to_buy_uv"] == (1_228, 11_951)
    assert rates["click_to_buy_uv"] == (1_228, 6_703)
    assert round(100 * 1_228 / 11_951, 2) == 10.28
    assert round(100 * 1_228 / 6_703, 2) == 18.32
    assert (room.orders_placed, room.orders_paid, room.viewers) == (1_228, 1_228, 11_951)
    assert built("tadu-2019", seed).expected.duration_ms == 2 * 3_600_000
    assert tadu_2019.NAME == "tadu-2019"


# -- snap-up -----------------------------------------------------------------------------------------------------------
def orders(seed: int) -> list[Order]:
    """Each order record once, in order of event time."""
    once = {d.event_id: decode(d.value) for d in delivered("snap-up", seed) if d.topic == "orders"}
    return sorted((event for event in once.values() if isinstance(event, Order)), key=lambda event: event.event_time_ms)


def coats(order: Order) -> int:
    return sum(line.quantity for line in order.lines if line.sale_id == snap_up.SALE)


@pytest.mark.parametrize("seed", SNAP_UP_SEEDS)
def test_snap_up_has_the_sizes_of_the_scenario(seed: int) -> None:
    expected = built("snap-up", seed).expected
    room, sale = expected.rooms[0], expected.rooms[0].sales[0]
    assert (room.viewers, room.cart_adds, sale.offered, sale.restocked) == (60_000, 20_000, 5_000, 500)
    assert expected.replayed == 300
    assert 0.018 < expected.redelivered / expected.applied < 0.022
    assert 0.013 < expected.out_of_order / expected.applied < 0.017
    assert 0.07 < 1 - room.orders_paid / room.orders_placed < 0.10
    assert 5_300 <= sale.sold <= 5_500
    assert (sale.held, sale.oversold, sale.available + sale.sold) == (0, 0, 5_500)
    assert sale.over_limit > 0
    assert 200_000 < expected.deliveries < 300_000


@pytest.mark.parametrize("seed", SNAP_UP_SEEDS)
def test_snap_up_is_sold_out_some_40_s_after_the_opening_while_rush_feeds_rush(seed: int) -> None:
    taken, sold_out_ms = 0, 0
    per_second: Counter[int] = Counter()
    for order in orders(seed):
        if order.status is not OrderStatus.PLACED or not coats(order):
            continue
        taken += coats(order)
        since_opening_ms = order.event_time_ms - T0_MS - snap_up.OPENS_MS
        assert since_opening_ms > 0
        per_second[since_opening_ms // 1_000] += coats(order)
        if taken == 5_000:
            sold_out_ms = since_opening_ms
    assert 37_000 < sold_out_ms < 41_000
    thirds = [sum(per_second[second] for second in range(first, first + 10)) for first in (0, 10, 20, 30)]
    assert thirds[0] < thirds[1] < thirds[2] > thirds[3]


def test_snap_up_shows_sold_out_between_the_rush_and_the_first_regrets() -> None:
    recount, looked = Recount(), []
    moments = iter([snap_up.OPENS_MS + snap_up.SELL_OUT_MS + 4_500, snap_up.REGRET_MS, snap_up.DURATION_MS])
    look_ms = next(moments)
    for delivery in delivered("snap-up", 1):
        if delivery.send_ms >= look_ms:
            looked.append(recount.room("snap-up", T0_MS + look_ms).sales[SaleKey(snap_up.SALE, snap_up.COAT)])
            look_ms = next(moments)
            if look_ms == snap_up.DURATION_MS:
                break
        recount.add(delivery.topic, delivery.value, delivery.key, T0_MS + delivery.send_ms)
    assert [(sale.available, sale.held + sale.sold, sale.oversold) for sale in looked] == [(0, 5_000, 0)] * 2


@pytest.mark.parametrize("seed", SNAP_UP_SEEDS)
def test_the_platform_of_snap_up_never_takes_an_order_for_units_that_are_not_there(seed: int) -> None:
    undone = {o.order_id: o for o in orders(seed) if o.status in {OrderStatus.CANCELLED, OrderStatus.REFUNDED}}
    paid = {o.order_id for o in orders(seed) if o.status is OrderStatus.PAID}
    changes = [(T0_MS + snap_up.OPENS_MS, 5_000)]
    for delivery in delivered("snap-up", seed):
        event = decode(delivery.value)
        if isinstance(event, SaleRestocked):
            changes.append((event.event_time_ms, event.quantity))
    for order in orders(seed):
        if order.status is OrderStatus.PLACED and coats(order):
            changes.append((order.event_time_ms, -coats(order)))
            if order.order_id in undone:
                changes.append((undone[order.order_id].event_time_ms, coats(order)))
            elif order.order_id not in paid:
                changes.append((order.event_time_ms + 60_000, coats(order)))
    left = 0
    for _, change in sorted(changes):
        left += change
        assert left >= 0
    assert left == built("snap-up", seed).expected.rooms[0].sales[0].available


def test_the_last_hold_of_snap_up_runs_out_before_the_end_and_events_follow_it() -> None:
    paid_or_undone = {order.order_id for order in orders(1) if order.status is not OrderStatus.PLACED}
    last_hold_ms = max(o.event_time_ms for o in orders(1) if o.order_id not in paid_or_undone) + 60_000
    assert sum(1 for delivery in delivered("snap-up", 1) if T0_MS + delivery.send_ms > last_hold_ms) > 500


def test_snap_up_holds_the_odd_cases_that_captures_hold() -> None:
    first_status: dict[str, OrderStatus] = {}
    seen: Counter[tuple[str, OrderStatus]] = Counter()
    ids: set[str] = set()
    for delivery in delivered("snap-up", 1):
        event = decode(delivery.value)
        if isinstance(event, Order) and event.event_id not in ids:
            ids.add(event.event_id)
            first_status.setdefault(event.order_id, event.status)
            seen[event.order_id, event.status] += 1
    cancelled_first = [o for o, status in first_status.items() if status is OrderStatus.CANCELLED]
    assert len(cancelled_first) >= 4  # three whose order comes later, one whose order never comes
    assert sum(1 for o in cancelled_first if not seen[o, OrderStatus.PLACED]) == 1
    assert sum(count - 1 for count in seen.values()) == built("snap-up", 1).expected.repeated_statuses == 40


def test_comments_of_snap_up_are_in_two_languages_and_some_are_hostile() -> None:
    texts = {event.text for d in delivered("snap-up", 1) if isinstance(event := decode(d.value), Comment)}
    assert any("<script>" in text for text in texts)
    assert any("\u202e" in text for text in texts)
    assert "抢到了！！！" in texts
    assert "got one!!" in texts
