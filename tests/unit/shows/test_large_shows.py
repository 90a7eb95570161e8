from __future__ import annotations

from collections import Counter, defaultdict
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pytest

from stream.contract.events import TOPIC_NAMES, Order, OrderStatus, RoomEvent
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.errors import SnapupError
from stream.shows import brushing, build_show, jd_midnight, long_tail, viya_2017
from stream.shows.bulk import curve, shared_out
from stream.shows.outcome import unmet
from stream.verify.recount import Recount

if TYPE_CHECKING:
    from stream.shows.show import Delivery, Show

T0_MS = 1_507_636_800_000
SCALES = {"brushing": 0.2, "jd-midnight": 0.01, "long-tail": 0.003, "viya-2017": 0.002}
decode = msgspec.json.Decoder(RoomEvent).decode


class Rec(NamedTuple):
    value: bytes
    key: bytes
    offset: int
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()


@cache
def built(name: str, seed: int = 1) -> Show:
    return build_show(name, seed, None, SCALES[name])


@cache
def delivered(name: str, seed: int = 1) -> tuple[Delivery, ...]:
    return tuple(built(name, seed).deliveries(T0_MS))


def folded(name: str, until_ms: int | None = None) -> PartitionFold:
    """All in one partition, in pieces of one topic, each as long as the log goes on in it."""
    fold = PartitionFold(0, Rules(), tuple(f"live.{topic}" for topic in TOPIC_NAMES))
    offsets: Counter[int] = Counter()
    for delivery in delivered(name):
        if until_ms is not None and delivery.send_ms >= until_ms:
            break
        topic = TOPIC_NAMES.index(delivery.topic)
        fold.advance(T0_MS + delivery.send_ms, "log")
        fold.fold(topic, [Rec(delivery.value, delivery.key, offsets[topic], T0_MS + delivery.send_ms)])
        offsets[topic] += 1
    fold.advance(T0_MS + (built(name).expected.duration_ms if until_ms is None else until_ms), "log")
    return fold


@pytest.mark.parametrize("name", SCALES)
def test_the_fold_comes_to_the_plan(name: str) -> None:
    fold, expected = folded(name), built(name).expected
    counters = fold.counters
    assert (sum(counters.received), sum(counters.applied), sum(counters.duplicate), sum(counters.dead_lettered)) == (
        expected.deliveries,
        expected.applied,
        expected.duplicates,
        0,
    )
    assert fold.rooms.keys() == {room.room_id for room in expected.rooms}
    for room in expected.rooms:
        overlay = fold.overlay(room.room_id)
        assert overlay is not None
        assert unmet(room, overlay) == []


@pytest.mark.parametrize("name", SCALES)
def test_an_independent_recount_comes_to_the_plan(name: str) -> None:
    recount, expected = Recount(), built(name).expected
    for delivery in delivered(name):
        recount.add(delivery.topic, delivery.value, delivery.key, T0_MS + delivery.send_ms)
    accounts = recount.accounts
    assert (accounts.received, accounts.applied, accounts.duplicate) == (
        expected.deliveries,
        expected.applied,
        expected.duplicates,
    )
    assert recount.room_ids() == [room.room_id for room in expected.rooms]
    for room in expected.rooms:
        found = recount.room(room.room_id, T0_MS + expected.duration_ms)
        for figure in ("viewers", "views", "watching_now", "likes", "comments", "cart_adds"):
            assert getattr(found, figure) == getattr(room, figure), figure
        assert (found.orders["placed"], found.orders["paid"]) == (room.orders_placed, room.orders_paid)
        sales = {(key.sale_id, key.sku_id): ledger for key, ledger in found.sales.items()}
        assert sales.keys() == {(sale.sale_id, sale.sku_id) for sale in room.sales}
        for sale in room.sales:
            for figure in sale.__struct_fields__[2:]:
                if figure == "carters_without_order" and sale.carters_without_order is None:
                    continue  # the plan does not tell
                assert getattr(sales[sale.sale_id, sale.sku_id], figure) == getattr(sale, figure), figure


@pytest.mark.parametrize("name", SCALES)
def test_deliveries_come_in_order_of_sending_and_are_the_same_again(name: str) -> None:
    sent_ms = [delivery.send_ms for delivery in delivered(name)]
    assert sent_ms == sorted(sent_ms)
    assert sent_ms[0] >= 0
    assert sent_ms[-1] <= built(name).expected.duration_ms + 5_000
    again = build_show(name, 1, None, SCALES[name])
    assert again.expected == built(name).expected
    assert tuple(again.deliveries(T0_MS)) == delivered(name)


@pytest.mark.parametrize("name", SCALES)
def test_a_repeated_delivery_is_the_same_record_under_the_same_id(name: str) -> None:
    by_id: dict[str, set[bytes]] = defaultdict(set)
    for delivery in delivered(name):
        by_id[delivery.event_id].add(delivery.value)
        event = decode(delivery.value)
        assert (event.event_id, event.event_time_ms) == (delivery.event_id, delivery.event_time_ms)
    expected = built(name).expected
    assert {len(values) for values in by_id.values()} == {1}
    assert len(delivered(name)) - len(by_id) == expected.redelivered > 0


@pytest.mark.parametrize("name", SCALES)
def test_another_seed_is_another_show_with_ids_of_its_own(name: str) -> None:
    ids = {delivery.event_id for delivery in delivered(name)}
    assert not ids & {delivery.event_id for delivery in built(name, 2).deliveries(T0_MS)}


@pytest.mark.parametrize("scale", [0.0, -1.0, 1.5, float("nan")])
def test_a_scale_is_a_share(scale: float) -> None:
    with pytest.raises(SnapupError, match="--scale"):
        build_show("viya-2017", 1, None, scale)


def test_a_show_that_is_about_its_figures_is_played_whole() -> None:
    with pytest.raises(SnapupError, match="tadu-2019 is played whole"):
        build_show("tadu-2019", 1, None, 0.5)


@pytest.mark.parametrize("room_id", ["", "a b", "r" * 60, "100%"])
def test_a_room_that_the_contract_would_refuse_is_refused_here(room_id: str) -> None:
    with pytest.raises(SnapupError, match="A room may be named"):
        build_show("viya-2017", 1, room_id)


# -- the sizes that scenarios are known by ----------------------------------------------------------------------------
def test_viya_2017_has_the_published_figures_and_about_15_million_records() -> None:
    expected = build_show("viya-2017", 1).expected
    room = expected.rooms[0]
    assert (room.viewers, room.likes, room.money[0].gmv_paid_minor) == (1_530_000, 12_300_000, 70_000_000_00)
    assert room.orders_placed == 350_000
    assert round(room.comments / room.viewers, 3) == 0.505
    assert 15_000_000 < expected.deliveries < 17_500_000
    assert expected.duration_ms == (5 * 60 + 40) * 60_000
    assert len(room.sales) == viya_2017.PRODUCTS
    assert sum(sale.sold for sale in room.sales) == 350_000


def test_jd_midnight_sells_100_million_yuan_in_six_seconds() -> None:
    expected = build_show("jd-midnight", 1).expected
    placed = [room.orders_placed for room in expected.rooms]
    assert (sum(placed), len(placed), max(placed)) == (500_000, 500, 100_000)
    assert sum(room.money[0].gmv_placed_minor for room in expected.rooms) == 100_000_000_00
    sales = [room.sales[0] for room in expected.rooms]
    assert sum(not sale.available and not sale.oversold for sale in sales) == 400
    assert sum(sale.oversold > 0 for sale in sales) == 25
    assert any(sale.over_limit for sale in sales)
    assert jd_midnight.RUSH_MS == 6_000


def test_the_orders_of_jd_midnight_are_placed_within_six_seconds_and_half_of_them_by_viewers_of_another_room() -> None:
    entered = {(decode(d.value).user_id, d.key) for d in delivered("jd-midnight") if d.topic == "visits"}
    orders = [event for d in delivered("jd-midnight") if isinstance(event := decode(d.value), Order)]
    placed = [order for order in orders if order.status is OrderStatus.PLACED]
    moments = [order.event_time_ms - T0_MS - jd_midnight.MIDNIGHT_MS for order in placed]
    assert min(moments) == 0
    assert max(moments) < jd_midnight.RUSH_MS
    at_home = sum((order.user_id, order.room_id.encode()) in entered for order in placed)
    assert 0.4 < at_home / len(placed) < 0.65


def test_long_tail_has_ten_thousand_quiet_rooms_at_one_event_a_second() -> None:
    expected = build_show("long-tail", 1).expected
    busy = [room for room in expected.rooms if "-busy-" in room.room_id]
    assert (len(expected.rooms), len(busy)) == (10_020, 20)
    of_quiet = Counter(d.key for d in delivered("long-tail") if b"-busy-" not in d.key)
    assert set(of_quiet.values()) <= {long_tail.DURATION_S + repeats for repeats in range(4)}
    assert all(room.sales for room in busy)


def test_three_in_ten_orders_of_brushing_come_from_fifty_accounts_that_never_pay() -> None:
    orders = [event for d in build_show("brushing", 1).deliveries(0) if isinstance(event := decode(d.value), Order)]
    by = {
        status: {order.order_id: order.user_id for order in orders if order.status is status} for status in OrderStatus
    }
    fakes = {order: user for order, user in by[OrderStatus.PLACED].items() if user.startswith("b")}
    assert (len(by[OrderStatus.PLACED]), len(fakes), len(set(fakes.values()))) == (3_000, 900, brushing.ACCOUNTS)
    assert not fakes.keys() & by[OrderStatus.PAID].keys()


def test_while_accounts_brush_no_scarcity_is_claimed_and_the_totals_say_why() -> None:
    overlay = folded("brushing", brushing.BRUSH_UNTIL_MS).overlay("brushing")
    assert overlay is not None
    assert {"stock_left", "sold_out", "eta_sellout"}.isdisjoint(claim.claim for claim in overlay.claims)
    assert ("stock_left", "suspected_fake_orders") in {(each.claim, each.reason) for each in overlay.withheld}
    assert overlay.totals.orders.paid < 0.75 * overlay.totals.orders.placed
    genuine = folded("brushing", brushing.DURATION_MS).overlay("brushing")
    assert genuine is not None
    assert "suspected_fake_orders" not in {each.reason for each in genuine.withheld}


# -- arithmetic -------------------------------------------------------------------------------------------------------
def test_what_is_shared_out_adds_up_and_leaves_nobody_without() -> None:
    parts = shared_out(100, [5.0, 1.0, 0.01])
    assert sum(parts) == 100
    assert min(parts) >= 1
    assert parts[0] > parts[1] > parts[2]
    with pytest.raises(ValueError, match="cannot be shared"):
        shared_out(2, [1.0, 1.0, 1.0])


def test_a_curve_begins_at_nothing_and_ends_at_all() -> None:
    reached = curve(1_000, [0.0, 3.0, 1.0])
    assert reached == [0, 0, 750, 1_000]
