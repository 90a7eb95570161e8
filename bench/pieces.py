"""What single pieces of the worker cost, without Kafka and Redis: a snapshot, and the cut of a checkpoint.

Used by `bench/scenarios.py`. CPU time of this process, on one thread.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

import msgspec

from bench.fold import EVENTS_PER_S, T0_MS, TOPICS, Rec, mix
from stream.contract.events import TOPIC_NAMES
from stream.contract.history import decode_head, history_of
from stream.core.histories import HISTORY_KIND
from stream.core.partition import PartitionFold
from stream.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.core.publishing import Cut
    from stream.core.rules import Rules

ROOM = "room-1"
BUYERS, ROUNDS = 1_000, 400


class OneRoom:
    """A room with some sales, orders in each, and people."""

    def __init__(self, sales: int, rules: Rules | None = None) -> None:
        self.fold = PartitionFold(0, rules or load_settings().rules(), TOPICS)
        self._sales = sales
        self._number = 0
        self._offsets = [0] * len(TOPICS)
        for sale in range(sales):
            opened = {"sale_id": f"drop-{sale}", "sku_id": f"sku-{sale}", "offered": 5_000, "starts_at_ms": T0_MS}
            self._say("sales", "sale_opened", **opened, ends_at_ms=T0_MS + 3_600_000)
        for buyer in range(BUYERS):
            self._say("visits", "enter", user_id=f"u-{buyer}")
            self.sell(buyer)

    def sell(self, buyer: int) -> None:
        """A tap, a cart-add, and a paid order: they make a document differ from the one before."""
        sku = {"sku_id": f"sku-{buyer % self._sales}", "quantity": 1, "sale_id": f"drop-{buyer % self._sales}"}
        user = {"user_id": f"u-{buyer}"}
        self._say("likes", "like", count=2, **user)
        self._say("cart-adds", "cart_add", **sku, **user)
        order = {"order_id": f"o-{buyer}", "lines": [{**sku, "amount_minor": 19_900}], "currency": "CNY", **user}
        self._say("orders", "order", status="placed", **order)
        self._say("orders", "order", status="paid", **order)

    def _say(self, topic: str, kind: str, **fields: object) -> None:
        index = TOPIC_NAMES.index(topic)
        at_ms = T0_MS + self._number * 10
        event = {"type": kind, "event_id": f"e-{self._number}", "room_id": ROOM, "event_time_ms": at_ms, **fields}
        self._number += 1
        self.fold.fold(index, [Rec(msgspec.json.encode(event), ROOM.encode(), self._offsets[index], at_ms)])
        self._offsets[index] += 1
        self.fold.advance(at_ms, "log")


def snapshot_us(sales: int) -> dict[str, float]:
    """CPU µs of one document, built and encoded, of a room with this many sales; something has happened before each."""
    room = OneRoom(sales)
    taken = []
    for number in range(ROUNDS):
        room.sell(BUYERS + number)
        begin = time.thread_time_ns()
        published = room.fold.publish(None, 1, everything=True)
        taken.append((time.thread_time_ns() - begin) / 1_000)
        if len(published) != 1:
            raise RuntimeError(f"{len(published)} documents of one room")
    return {"median": statistics.median(taken), "least": min(taken), "most": max(taken)}


class _Timed(PartitionFold):
    """A partition that notes how long each piece of saving takes."""

    def __init__(self) -> None:
        super().__init__(0, load_settings().rules(), TOPICS)
        self.pieces_ms: list[float] = []

    def encode_early(self) -> None:
        begin = time.thread_time_ns()
        super().encode_early()
        self.pieces_ms.append((time.thread_time_ns() - begin) / 1e6)

    def cut(self, epoch: int, revisions: Sequence[int] | None = None) -> Cut:
        begin = time.thread_time_ns()
        cut = super().cut(epoch, revisions)
        self.pieces_ms.append((time.thread_time_ns() - begin) / 1e6)
        return cut


def history(sales: int, hours: int = 6) -> dict[str, Any]:
    """What the history of a room costs in which something is sold in every step: a look, its bytes, one answer."""
    room = OneRoom(sales)
    fold, looks_us, saved = room.fold, [], 0
    fold.advance(T0_MS, "log")
    first = BUYERS
    for step in range(1, hours * 360 + 1):
        for buyer in range(first, first := first + 1 + step % 7):
            room.sell(buyer)
        fold.advance(T0_MS + 10_000 * step - 1, "log")
        began = time.thread_time_ns()
        fold.advance(T0_MS + 10_000 * step, "log")
        looks_us.append((time.thread_time_ns() - began) / 1e3)
        if step % 6 == 0:
            records = fold.cut(1).records
            saved += sum(len(key) + len(value or b"") for key, value in records if key.startswith(HISTORY_KIND))
    fold.histories_again()
    (charted,) = fold.take_histories()
    head = decode_head(charted.head)
    began = time.thread_time_ns()
    answer = msgspec.json.encode(history_of(head, head.sessions[-1], charted.closed[head.sessions[-1].session_ms]))
    answer_ms = (time.thread_time_ns() - began) / 1e6
    return {
        "look_us": statistics.median(looks_us),
        "redis_bytes": len(charted.head) + sum(map(len, charted.closed.values())),
        "saved_bytes_per_s": saved / (hours * 3_600),
        "answer_bytes": len(answer),
        "answer_ms": answer_ms,
    }


def checkpoint(seconds: int) -> dict[str, Any]:
    """What each second of the mix at 100 000 events/s costs to save, in one partition: the longest pieces."""
    fold = _Timed()
    longest_ms, sizes, next_ms = [], [], T0_MS + 1_000
    spent_ms = 0.0
    began = time.process_time()
    for topic, piece in mix(seconds * EVENTS_PER_S):
        fold.fold(topic, piece)
        fold.advance(piece[-1].timestamp, "log")
        if fold.clock_ms >= next_ms:
            next_ms = fold.clock_ms + 1_000
            cut = fold.cut(1)
            longest_ms.append(max(fold.pieces_ms))
            spent_ms += sum(fold.pieces_ms)
            fold.pieces_ms.clear()
            sizes.append(sum(len(key) + len(value or b"") for key, value in cut.records))
    return {
        "piece_ms": {"median": statistics.median(longest_ms), "least": min(longest_ms), "most": max(longest_ms)},
        "share_of_a_core": spent_ms / 1_000 / len(longest_ms),
        "bytes": statistics.median(sizes),
        "wall_cpu_s": time.process_time() - began,
    }
