"""Mechanics in real workers: a storm of gifts and a rain of coupons over a kill, recounted and replayed."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from stream.commands.replay_kafka import replay_topics
from tests.integration.worker_process import assert_exact, send

if TYPE_CHECKING:
    from stream.local.stack import Stack
    from tests.integration.conftest import StartWorker
    from tests.integration.worker_process import Record

pytestmark = pytest.mark.integration

ROOMS, COMBOS, LIMIT = 4, 60, 20
# Takes of each room in each storm, by seven people who may have three; 15 are handed out. Of another coupon more than
# are taken, and what is taken expires at once.
TAKES, PEOPLE, EACH, OFFERED = 30, 7, 3, 15
SHORT_TAKES, SHORT_OFFERED = 10, 50


def storm(seed: int) -> list[Record]:
    """Words of combos and of coupons as of now, shuffled, some of them twice; the same combos for every seed."""
    random, now_ms = Random(seed), time.time_ns() // 1_000_000
    records: list[Record] = []
    for combo in range(COMBOS):
        room = f"room-{combo % ROOMS}"
        for count in range(1 + random.randrange(5), 12, 2):
            gift: dict[str, Any] = {
                "type": "gift",
                "event_id": f"g{seed}-{combo}-{count}",
                "room_id": room,
                "event_time_ms": now_ms,
                "user_id": f"u{combo % 7}",
                "gift_id": "rose",
                "count": count,
                "coins_each": 10,
                "streak_id": f"s{combo}",
            }
            records.append(("interactions", room, msgspec.json.encode(gift)))
    for number in range(ROOMS):
        records += rain(seed, f"room-{number}", now_ms)
    records += random.sample(records, len(records) // 10)
    random.shuffle(records)
    return records


def rain(seed: int, room: str, now_ms: int) -> list[Record]:
    """Far more takes than coupons; in the second storm some of the first one are used, in the third returned."""
    said: list[dict[str, Any]] = [
        {"type": "coupon_offered", "coupon_id": "rain", "offered": OFFERED, "per_user_limit": EACH, "valid_s": None},
        {"type": "coupon_offered", "coupon_id": "short", "offered": SHORT_OFFERED, "valid_s": 1},
    ]
    for offer in said:
        offer |= {"title": "20 off", "starts_at_ms": now_ms}
    for take in range(TAKES):
        of = {"take_id": f"t{seed}-{take:02}", "user_id": f"u{take % PEOPLE}"}
        said.append({"type": "coupon_taken", "coupon_id": "rain", **of})
    short = {"type": "coupon_taken", "coupon_id": "short", "user_id": "u1"}
    said += [short | {"take_id": f"s{seed}-{take}"} for take in range(SHORT_TAKES)]
    if seed == 2:
        said += [{"type": "coupon_used", "take_id": f"t1-{take:02}", "order_id": "o1"} for take in range(0, TAKES, 3)]
    if seed == 3:
        said += [{"type": "coupon_returned", "take_id": f"t1-{take:02}"} for take in range(0, TAKES, 5)]
    ids = {"room_id": room, "event_time_ms": now_ms}
    return [
        ("interactions", room, msgspec.json.encode(ids | {"event_id": f"c{seed}-{number}"} | each))
        for number, each in enumerate(said)
    ]


async def test_gifts_and_coupons_are_exact_over_a_kill_and_a_take_over(
    stack: Stack, topic_prefix: str, start_worker: StartWorker
) -> None:
    await asyncio.to_thread(stack.apply_topics, topic_prefix, partitions=3)
    first = start_worker(mechanic_limits=f"gifts.givers_max={LIMIT}")
    await first.until_ready(3)
    await send(stack, topic_prefix, storm(1))
    await first.until_counted("stream_checkpoint_seconds_count", 2)
    await send(stack, topic_prefix, storm(2))
    first.kill()
    second = start_worker(mechanic_limits=f"gifts.givers_max={LIMIT}")
    await second.until_ready(3)
    await send(stack, topic_prefix, storm(3))
    verdict = await assert_exact(stack, topic_prefix, second)
    assert len(verdict.rooms) == ROOMS
    assert second.terminate() == 0
    replayed = await replay_topics(
        stack.bootstrap_servers, topic_prefix, room=None, check=True, emit=lambda _: None, progress=lambda *_: None
    )
    assert replayed.differences == []
    assert len(replayed.last) == ROOMS
    for document in replayed.last.values():
        decoded = msgspec.json.decode(document)
        section = decoded["gifts"]
        assert section["coins"] == 10 * section["gifts"] > 0
        assert section["givers"] == {"value": 7, "method": "exact"}
        coupons = {coupon["coupon_id"]: coupon for coupon in decoded["coupons"]["coupons"]}
        # Of the first storm's takes those below 21 are the first three of their person. Of these every third was used,
        # and every fifth came back, used before or not.
        counted = range(PEOPLE * EACH)
        rain_now = {name: coupons["rain"][name] for name in ("handed_out", "returned", "used", "taken", "expired")}
        assert rain_now == {
            "handed_out": 21,
            "returned": len(counted[::5]),
            "used": len({*counted[::3]} - {*counted[::5]}),
            "taken": 11,
            "expired": 0,
        }
        assert (coupons["rain"]["left"], coupons["rain"]["overdrawn"]) == (0, 21 - OFFERED)
        assert coupons["rain"]["refused"] == 3 * TAKES - 21
        short = coupons["short"]
        assert (short["left"], short["overdrawn"]) == (SHORT_OFFERED - 3 * SHORT_TAKES, 0)
        assert short["taken"] + short["expired"] == short["handed_out"] == 3 * SHORT_TAKES
