"""Storms of mechanics: what they come to is what they planned, to the unit, for the fold and for the recount."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from stream.contract.catalogue import topic_of
from stream.contract.events import Order
from stream.contract.reading import read_overlay
from stream.errors import UsageError
from stream.mechanics.coupons.events import CouponTaken, CouponUsed
from stream.mechanics.gifts.events import Gift
from stream.mechanics.kinds import CATALOGUE
from stream.mechanics.scenarios import STORMS, build
from stream.shows.outcome import figures_planned, unmet
from tests.mechanics.test_outer_laws import T0_MS, Beside

if TYPE_CHECKING:
    from stream.shows.show import Delivery, Show

SCALE = 0.01
LOOKS = 6
# What a section of a room may take, whatever storms in it.
SECTION_BYTES_MAX = 1_500


def stormy(name: str, scale: float = SCALE) -> tuple[Show, list[Delivery]]:
    show = build(name, 1, None, scale)
    return show, [*show.deliveries(T0_MS)]


@pytest.mark.parametrize("name", STORMS)
def test_plan_recount_and_document_say_the_same_of_a_storm_and_of_the_room_that_sells_in_it(name: str) -> None:
    show, deliveries = stormy(name)
    beside, (room,) = Beside(), show.expected.rooms
    looks = [show.expected.duration_ms * part // LOOKS for part in range(1, LOOKS)]
    looked_at = 0
    for each in deliveries:
        while looks and each.send_ms > looks[0]:
            looked, found = beside.differences(T0_MS + looks.pop(0))
            assert found == []
            looked_at += looked
        beside.add(each.topic, each.value, each.key, T0_MS + each.send_ms)
    looked, found = beside.differences(T0_MS + show.expected.duration_ms)
    assert (looked > 0, found) == (True, [])
    assert looked_at > LOOKS
    (published,) = beside.fold.publish(None, 1, everything=True)
    document = msgspec.json.decode(published.document)
    (section,) = (document[each] for each in room.mechanics)
    assert len(msgspec.json.encode(section)) < SECTION_BYTES_MAX
    assert figures_planned(room) > 30
    assert unmet(room, read_overlay(published.document, CATALOGUE.sections)) == []
    accounts, counters = beside.recount.accounts, beside.fold.counters
    expected = show.expected
    assert (accounts.received, accounts.applied) == (expected.deliveries, expected.applied)
    assert accounts.dead_lettered == {}
    assert (sum(counters.applied), sum(counters.duplicate)) == (expected.applied, expected.duplicates)


@pytest.mark.parametrize("name", STORMS)
def test_a_storm_arrives_as_disturbed_as_it_says(name: str) -> None:
    show, deliveries = stormy(name)
    seen: set[str] = set()
    repeated = overtaken = latest_ms = 0
    for each in deliveries:
        if each.event_id in seen:
            repeated += 1
            continue
        seen.add(each.event_id)
        overtaken += each.event_time_ms < latest_ms
        latest_ms = max(latest_ms, each.event_time_ms)
    expected = show.expected
    assert (repeated, overtaken) == (expected.redelivered + expected.replayed, expected.out_of_order)
    assert min(expected.redelivered, expected.replayed, expected.out_of_order) > 0
    assert [each.send_ms for each in deliveries] == sorted(each.send_ms for each in deliveries)
    assert deliveries[-1].send_ms <= expected.duration_ms + 5_000


def test_a_storm_has_a_scale_and_its_seeds_are_its_own() -> None:
    for name in STORMS:
        assert build(name, 1, None, SCALE).expected == build(name, 1, None, SCALE).expected
        one, other = ({each.event_id for each in build(name, seed, "r", SCALE).deliveries(0)} for seed in (1, 2))
        assert not one & other
    with pytest.raises(UsageError, match=r"with --scale there are: .*gift-storm"):
        build("gifts", 1, None, 0.5)


# -- gift-storm --------------------------------------------------------------------------------------------------------
def test_in_a_storm_of_gifts_combos_climb_to_99_begin_again_and_overlap() -> None:
    _, deliveries = stormy("gift-storm")
    decode = msgspec.json.Decoder(Gift).decode
    gifts = [decode(each.value) for each in deliveries if each.topic == topic_of(Gift) and b'"gift"' in each.value]
    combos: dict[tuple[str, str, str], list[Gift]] = {}
    for gift in gifts:
        if gift.streak_id is not None:
            combos.setdefault((gift.user_id, gift.gift_id, gift.streak_id), []).append(gift)
    assert max(gift.count for gift in gifts) == 99
    falls = [words for words in combos.values() if any(b.count < a.count for a, b in pairwise(words))]
    assert len(falls) > len(combos) // 20
    begins = Counter((user_id, min(gift.event_time_ms for gift in words)) for (user_id, *_), words in combos.items())
    assert max(begins.values()) > 1
    assert any(each.topic == topic_of(Order) for each in deliveries)


# -- coupon-rain -------------------------------------------------------------------------------------------------------
def test_of_each_coupon_that_rains_every_one_is_accounted_for_and_more_are_taken_than_there_are() -> None:
    show, deliveries = stormy("coupon-rain")
    planned = show.expected.rooms[0].mechanics["coupons"]
    for place, coupon_id in enumerate(("dear", "rain"), 1):
        figures: Any = {name.removeprefix(f"coupons.{place}."): value for name, value in planned.items()}
        assert figures["coupon_id"] == coupon_id
        became = sum(figures[fate] for fate in ("taken", "used", "returned", "expired"))
        assert figures["offered"] + figures["overdrawn"] == figures["left"] + became
        assert min(figures["overdrawn"], figures["used"], figures["returned"], figures["refused"]) > 0
        assert (figures["taken"] > 0, figures["expired"] > 0) == ((True, False), (False, True))[place - 1]
    decode = msgspec.json.Decoder(CouponTaken | CouponUsed | Order).decode
    kinds = ("coupon_taken", "coupon_used", "order")
    events = [decode(each.value) for each in deliveries if msgspec.json.decode(each.value)["type"] in kinds]
    orders = {event.order_id for event in events if isinstance(event, Order)}
    used_for = {event.order_id for event in events if isinstance(event, CouponUsed) and event.order_id is not None}
    assert used_for
    assert used_for <= orders
    taken_ms = sorted(event.event_time_ms - T0_MS for event in events if isinstance(event, CouponTaken))
    assert (taken_ms[0] >= 20_000, taken_ms[-1] < 50_010) == (True, True)
    assert len(taken_ms) > 1.4 * planned["coupons.2.offered"]  # type: ignore[operator]
