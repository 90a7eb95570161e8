from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stream.contract.events import (
    Event,
    Like,
    RoomClosed,
    RoomEvent,
    RoomOpened,
    SaleExtended,
    SaleOpened,
    SaleRestocked,
)
from stream.shows.delivery import LATENCY_MS, Disturbance, Replay, count_disturbed, deliver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.shows.show import Delivery

DURATION_MS = 100_000
T0_MS = 1_700_000_000_000
decode = msgspec.json.Decoder(RoomEvent).decode


def like_at(at_ms: int) -> Like:
    return Like(event_id="e", room_id="r", event_time_ms=at_ms, user_id="u", count=1)


def likes(count: int, every_ms: int = 10) -> list[Event]:
    return [Like(event_id=f"e{n}", room_id="r", event_time_ms=n * every_ms, user_id="u", count=1) for n in range(count)]


def calm(**changes: object) -> Disturbance:
    nothing = Disturbance(seed=1, duration_ms=DURATION_MS, repeated_per_10k=0, held_back_per_10k=0)
    return msgspec.structs.replace(nothing, **changes)


def test_when_nothing_goes_wrong_each_event_arrives_a_moment_after_it_happened() -> None:
    deliveries = list(deliver(likes(50), {}, calm(), T0_MS))
    assert [d.event_id for d in deliveries] == [f"e{n}" for n in range(50)]
    assert all(d.send_ms == decode(d.value).event_time_ms - T0_MS + LATENCY_MS for d in deliveries)
    assert {(d.topic, d.key) for d in deliveries} == {("likes", b"r")}


def test_all_times_inside_an_event_move_with_the_shows_beginning() -> None:
    common = {"room_id": "r", "event_time_ms": 10, "sale_id": "drop"}
    opened = SaleOpened(event_id="a", sku_id="s", offered=1, starts_at_ms=20, ends_at_ms=30, **common)  # type: ignore[arg-type]
    events = [
        msgspec.structs.replace(opened, restock_planned_at_ms=40),
        msgspec.structs.replace(opened, event_id="b", ends_at_ms=None),
        SaleRestocked(event_id="c", sku_id="s", quantity=1, restock_planned_at_ms=50, **common),  # type: ignore[arg-type]
        SaleExtended(event_id="d", ends_at_ms=60, **common),  # type: ignore[arg-type]
    ]
    first, second, third, fourth = [decode(d.value) for d in deliver(events, {}, calm(), T0_MS)]
    assert isinstance(first, SaleOpened)
    assert isinstance(second, SaleOpened)
    assert isinstance(third, SaleRestocked)
    assert isinstance(fourth, SaleExtended)
    assert (first.starts_at_ms, first.ends_at_ms, first.restock_planned_at_ms) == (T0_MS + 20, T0_MS + 30, T0_MS + 40)
    assert (second.ends_at_ms, second.restock_planned_at_ms) == (None, None)
    assert (third.restock_planned_at_ms, fourth.ends_at_ms) == (T0_MS + 50, T0_MS + 60)


def test_what_is_counted_beforehand_is_what_is_delivered() -> None:
    events = likes(9_000)
    wrong = calm(repeated_per_10k=500, held_back_per_10k=300)
    counted = count_disturbed(events, {"e5": 1_000}, wrong)
    sent = [d.event_id for d in deliver(events, {"e5": 1_000}, wrong, T0_MS)]
    assert len(sent) - len(set(sent)) == counted.redelivered > 300
    late = [d for d in deliver(events, {"e5": 1_000}, calm(held_back_per_10k=300), T0_MS) if _delay_ms(d) > LATENCY_MS]
    assert len(late) == counted.out_of_order > 200


def _delay_ms(delivery: Delivery) -> int:
    return delivery.send_ms - (delivery.event_time_ms - T0_MS)


def test_delays_and_repeats_stay_in_their_ranges_and_spare_the_end() -> None:
    wrong = calm(repeated_per_10k=10_000, held_back_per_10k=10_000, repeat_after_ms=(7, 9), held_back_ms=(100, 103))
    assert {wrong.repeat_ms(n, like_at(0)) for n in range(500)} == {7, 8}
    assert {wrong.delay_ms(n, like_at(0)) for n in range(500)} == {100, 101, 102}
    late = like_at(DURATION_MS - 5_000)
    assert (wrong.delay_ms(1, late), wrong.repeat_ms(1, late)) == (0, 0)
    assert wrong.delay_ms(1, like_at(DURATION_MS - 5_001)) > 0


def test_what_a_room_says_of_its_show_and_what_is_before_the_beginning_come_at_once_and_once() -> None:
    wrong = calm(repeated_per_10k=10_000, held_back_per_10k=10_000, from_ms=1_000)
    said = {"room_id": "r", "event_time_ms": 2_000, "show_id": "s"}
    for kind in (RoomOpened, RoomClosed):
        word = kind(event_id="w", **said)  # type: ignore[arg-type]
        assert [(wrong.delay_ms(n, word), wrong.repeat_ms(n, word)) for n in range(9)] == [(0, 0)] * 9
    early, later = like_at(999), like_at(1_000)
    assert (wrong.delay_ms(1, early), wrong.repeat_ms(1, early)) == (0, 0)
    assert min(wrong.delay_ms(1, later), wrong.repeat_ms(1, later)) > 0


def test_a_client_replays_what_it_sent_before_it_was_lost_in_its_order_under_the_old_ids() -> None:
    replay = Replay(count=20, first_ms=10_000, lost_ms=40_000, back_ms=60_000, gap_ms=2)
    sent = list(deliver(likes(9_000), {}, calm(replay=replay), T0_MS))
    seen: set[str] = set()
    again = [d for d in sent if d.event_id in seen or seen.add(d.event_id)]  # type: ignore[func-returns-value]
    assert [d.send_ms for d in again] == [60_000 + 2 * n for n in range(20)]
    assert all(10_000 <= d.event_time_ms - T0_MS < 40_000 for d in again)
    assert [d.event_time_ms for d in again] == sorted(d.event_time_ms for d in again)


def test_only_what_is_on_its_way_is_remembered() -> None:
    taken = 0

    def many() -> Iterator[Event]:
        nonlocal taken
        for event in likes(20_000, every_ms=1):
            taken += 1
            yield event

    deliveries = deliver(many(), {}, calm(repeated_per_10k=200, held_back_per_10k=150), T0_MS)
    for _ in range(1_000):
        next(deliveries)
    assert taken < 1_000 + 2 * LATENCY_MS
