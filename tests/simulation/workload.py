"""What is sold, said and liked in one run: records of all topics, some twice, some late, some broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from stream.contract.events import TOPIC_NAMES

if TYPE_CHECKING:
    from random import Random

T0_MS = 1_700_000_000_000
TOPICS = tuple(f"live.{name}" for name in TOPIC_NAMES)
COMMENTS, LIKES, CART_ADDS, ORDERS, VISITS, SALES, INTERACTIONS = range(len(TOPIC_NAMES))
EVENTS_MIN, EVENTS_MAX = 30, 120
# An id may come again after so many other records of its partition.
REPEATED_WITHIN = 20
ROOMS_PER_PARTITION = 2
NAMED_SOURCES = ("feed", "search")
STRANGER, TWO_USERS, USED_ID, IN_TWO_TOPICS = 3, 5, 2, 4  # of event numbers, what is left by a divisor
REVISED = 2  # the same of the numbers of orders
POISON = (b"{broken", b"", b'{"type":"like"}', b"\xff\xfe")

_encoder = msgspec.json.Encoder()


class Sent(NamedTuple):
    """A record that a producer sends at `at_s`. `hole`: offsets that are left out before it."""

    at_s: float
    topic: int
    partition: int
    key: bytes
    value: bytes
    hole: int


def workload(random: Random, partitions: int, events: int, seconds: float) -> list[Sent]:
    """Records in the order in which they are sent."""
    sent: list[Sent] = []
    recent: list[list[Sent]] = [[] for _ in range(partitions)]
    used: dict[str, list[object]] = {}  # event ids of orders, by room
    last: dict[str, tuple[int, object]] = {}  # topic and event id of the last event of a room
    for number in range(events):
        at_s = seconds * number / events
        partition = int(random.random() * partitions)
        hole = 0 if random.random() < 0.95 else 1 + int(random.random() * 3)
        chance = random.random()
        earlier = recent[partition]
        if chance < 0.07 and earlier:
            again = earlier[int(random.random() * len(earlier))]
            record = again._replace(at_s=at_s, hole=hole)
        else:
            room = f"room-{partition}-{int(random.random() * ROOMS_PER_PARTITION)}"
            topic, event = _event(random, number, T0_MS + int(at_s * 1000))
            late_ms = 0 if random.random() < 0.8 else int(random.random() * 2_000)
            event |= {
                "event_id": f"e{number}",
                "room_id": room,
                "event_time_ms": T0_MS + int(at_s * 1000) - late_ms,
            }
            _make_odd(number, topic, event, used.setdefault(room, []))
            if number % 6 == IN_TWO_TOPICS and last.get(room, (topic, ""))[0] != topic:
                event["event_id"] = last[room][1]
            last[room] = topic, event["event_id"]
            value = POISON[number % len(POISON)] if chance > 0.96 else _encoder.encode(event)
            record = Sent(at_s, topic, partition, room.encode(), value, hole)
        sent.append(record)
        earlier.append(record)
        del earlier[:-REPEATED_WITHIN]
    return sent


def with_sessions(random: Random, sent: list[Sent], seconds: float, idle_ms: int) -> list[Sent]:
    """The same, but rooms fall silent for longer than `idle_ms` and come back, and hosts open and close shows."""
    words: list[Sent] = []
    for number, (partition, key) in enumerate(sorted({(record.partition, record.key) for record in sent})):
        if random.random() < 0.7:
            begins_s = random.random() * seconds * 0.6
            ends_s = begins_s + idle_ms / 1000 + random.random() * 0.6
            sent = [record for record in sent if record.key != key or not begins_s <= record.at_s < ends_s]
        if random.random() < 0.5:
            words += _words(random, f"w{number}", partition, key, seconds)
    return sorted(sent + words, key=lambda record: record.at_s)


def _words(random: Random, name: str, partition: int, key: bytes, seconds: float) -> list[Sent]:
    """Of one room: shows that are opened and closed, or opened one after the other; some words come again."""
    words: list[Sent] = []
    count = 1 + int(random.random() * 5)
    for number, at_s in enumerate(sorted(random.random() * seconds for _ in range(count))):
        if words and random.random() < 0.25:
            words.append(words[int(random.random() * len(words))]._replace(at_s=at_s))
            continue
        event = {
            "type": "room_opened" if random.random() < 0.6 else "room_closed",
            "event_id": f"{name}-{number}",
            "room_id": key.decode(),
            "event_time_ms": T0_MS + int(at_s * 1000),
            "show_id": f"show-{int(random.random() * 2)}",
        }
        words.append(Sent(at_s, INTERACTIONS, partition, key, _encoder.encode(event), 0))
    return words


def _make_odd(number: int, topic: int, event: dict[str, object], used: list[object]) -> None:
    """Now and then somebody whom nobody knows; an order of two users; an event id that was another order's."""
    if "user_id" in event and number % 11 == STRANGER:
        event["user_id"] = "-"
    if topic == ORDERS:
        if number % 13 == TWO_USERS:
            event["user_id"] = "u-other"
        elif number % 7 == USED_ID and used:
            event["event_id"] = used[-1]
        used.append(event["event_id"])


def _event(random: Random, number: int, at_ms: int) -> tuple[int, dict[str, object]]:  # noqa: PLR0911 — one for each kind
    chance = random.random()
    user = f"u{int(random.random() * 12)}"
    if chance < 0.25:
        return LIKES, {"type": "like", "user_id": user, "count": 1 + int(random.random() * 4)}
    if chance < 0.4:
        return COMMENTS, {"type": "comment", "user_id": user, "text": "好"}
    if chance < 0.43:
        removed: dict[str, object] = {"type": "cart_remove", "user_id": user, "sku_id": "k1"}
        return CART_ADDS, removed | ({"sale_id": "s1"} if chance < 0.42 else {})
    if chance < 0.52:
        return CART_ADDS, {"type": "cart_add", "user_id": user, "sku_id": "k1", "quantity": 1, "sale_id": "s1"}
    if chance < 0.82:
        order = int(random.random() * 30)
        statuses = ("placed", "placed", "placed", "paid", "cancelled", "refunded")
        status = statuses[int(random.random() * len(statuses))]
        line = {"sku_id": "k1", "quantity": 1 + order % 3, "amount_minor": 100 * (1 + order), "sale_id": "s1"}
        # Some are edited before they are paid, and a few say so only when they are.
        revision = number // 12 if order % 5 == REVISED else 0
        if revision:
            line["quantity"], line["amount_minor"] = 1 + (order + revision) % 3, 100 * (1 + (order + revision) % 7)
        return ORDERS, {
            "type": "order",
            "user_id": f"u{order % 12}",
            "order_id": f"o{order}",
            "status": status,
            "currency": "CNY",
            "lines": [line],
            # Of some orders the units do not come back, or do after all.
            "restock": {"cancelled": False, "refunded": order % 2 == 0}.get(status) if order % 3 == 0 else None,
            **(_part(number, line) if order % 4 == 3 and status in ("cancelled", "refunded") else {}),
            # Some are paid on delivery, as any of their records may say.
            "payment_terms": "cash_on_delivery" if order % 4 == 1 and number % 2 else None,
            "revision": revision or None,
        }
    if chance < 0.93:
        if chance >= 0.89:
            return VISITS, {"type": "leave", "user_id": user}
        return VISITS, {"type": "enter", "user_id": user, "source": (None, *NAMED_SOURCES)[number % 3]}
    if chance < 0.94:
        return VISITS, {"type": "product_click", "user_id": user, "sku_id": f"k{number % 5}"}
    return SALES, _word(number, at_ms)


def _part(number: int, line: dict[str, object]) -> dict[str, object]:
    """What makes a cancel or refund one of a part; of some parts two things are said."""
    taken = {**line, "quantity": number % 3, "amount_minor": 10 * (number % 7)}
    return {"part_id": f"p{number % 5}", "part_lines": [taken]}


def _word(number: int, at_ms: int) -> dict[str, object]:
    """What the host says of the sale: a restock, another end, a close, or terms that correct it or begin a round."""
    sale: dict[str, object] = {"sale_id": "s1"}
    match number % 12:
        case 0 | 1 | 2:
            return sale | {"type": "sale_restocked", "sku_id": "k1", "quantity": 5}
        case 3 | 4:
            return sale | {"type": "sale_extended", "ends_at_ms": T0_MS + (1 + number % 5) * 1_800_000}
        case 5:
            return sale | {"type": "sale_closed"} | ({"sku_id": "k1"} if number % 24 == 5 else {})
    is_round = number % 12 > 9
    return sale | {
        "type": "sale_opened",
        "sku_id": "k1",
        "offered": 20 - number % 3,
        "starts_at_ms": at_ms + 40 * (number % 4) if is_round else T0_MS,
        "ends_at_ms": T0_MS + 3_600_000,
        "price_minor": 100,
        "list_price_minor": 200,
        "prior_price_minor": (None, 150, 160)[number % 3],
        "currency": "CNY",
        "per_user_limit": None,
        "restock_planned_at_ms": None,
        "hold_ms": (None, 1_000, 3_000)[number % 3],
    }
