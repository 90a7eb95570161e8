"""Random live rooms for the laws of the core: seeded records of all topics, and ways to fold them."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from stream.contract.events import LATER_STATUSES, TOPIC_NAMES, OrderStatus
from stream.contract.recording import RecordedRecord
from stream.core.merge import TopicMerge
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.verify.figures import Fraction, MoneyFigures, RateKey, RoomFigures, SaleFigures, SaleKey
from stream.verify.recount import Recount

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stream.contract.overlay import Overlay
    from stream.verify.room_count import Assumptions

TOPICS = tuple(f"live.{name}" for name in TOPIC_NAMES)
T0_MS = 1_700_000_000_000
COMMENTS, LIKES, CART_ADDS, ORDERS, VISITS, SALES, INTERACTIONS = range(len(TOPIC_NAMES))


class Rec(NamedTuple):
    """The parts of a Kafka record that the core reads."""

    value: bytes | None
    key: bytes | None
    offset: int
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()


Log = list[list[Rec]]  # by topic


def recording_of(log: Log, partition: int = 3) -> list[RecordedRecord]:
    """The log as records of a recording, in the order of their times."""
    found = [
        RecordedRecord(
            topic=TOPIC_NAMES[topic],
            partition=partition,
            offset=each.offset,
            timestamp=each.timestamp,
            key=each.key,
            value=each.value,
        )
        for topic, of_topic in enumerate(log)
        for each in of_topic
    ]
    return sorted(found, key=lambda record: record.timestamp)


def random_log(seed: int, events: int = 300, rooms: int = 3, duration_ms: int = 120_000, *, words: bool = False) -> Log:
    """A log of all topics: duplicates, late and early events, orders in every shape, bad records, late openings.

    With `words` hosts begin and end shows.
    """
    random = Random(seed)
    drafts: list[tuple[int, int, str, dict[str, object]]] = []
    for number in range(events):
        room = f"room-{random.randrange(rooms)}"
        append_ms = T0_MS + int(duration_ms * number / events)
        topic, event = _word(random) if words and random.random() < 0.06 else _event(random)
        late = random.choice([0, 0, 0, 0, 50, 2_000, 70_000, -1_500])
        event |= {"event_id": f"e{number}", "room_id": room, "event_time_ms": append_ms - late}
        drafts.append((append_ms, topic, room, event))
        if random.random() < 0.05:
            drafts.append((append_ms + random.randrange(3_000), topic, room, event))
    drafts.sort(key=lambda draft: draft[0])
    log: Log = [[] for _ in TOPICS]
    for append_ms, topic, room, event in drafts:
        value = b"{broken" if random.random() < 0.02 else msgspec.json.encode(event)
        log[topic].append(Rec(value, room.encode(), len(log[topic]), append_ms))
    log[INTERACTIONS] = _words_of_rooms(Random(f"words {seed}"), events // 20, rooms, duration_ms)
    return log


def _words_of_rooms(random: Random, count: int, rooms: int, duration_ms: int) -> list[Rec]:
    """Records in which rooms speak of their shows, some of them twice, some of them broken."""
    words: list[Rec] = []
    for offset, at_ms in enumerate(sorted(T0_MS + random.randrange(duration_ms) for _ in range(count))):
        room = f"room-{random.randrange(rooms)}"
        event = {
            "type": random.choice(["room_opened", "room_closed"]),
            "event_id": f"w{random.randrange(count)}",
            "room_id": room,
            "event_time_ms": at_ms - random.choice([0, 0, 50, 70_000]),
            "show_id": f"show-{random.randrange(3)}",
        }
        value = b"{broken" if random.random() < 0.1 else msgspec.json.encode(event)
        words.append(Rec(value, room.encode(), offset, at_ms))
    return words


def _word(random: Random) -> tuple[int, dict[str, object]]:
    kind = random.choice(["room_opened", "room_opened", "room_closed"])
    return INTERACTIONS, {"type": kind, "show_id": f"show-{random.randrange(3)}"}


def _event(random: Random) -> tuple[int, dict[str, object]]:  # noqa: PLR0911 — one for each kind
    user = f"u{random.randrange(25)}"
    sale, sku = f"s{random.randrange(2)}", f"k{random.randrange(2)}"
    kind = random.choice(["like", "comment", "cart", "order", "order", "order", "enter", "leave", "click", "sale"])
    if kind == "like":
        return LIKES, {"type": "like", "user_id": user, "count": random.randrange(1, 20)}
    if kind == "comment":
        return COMMENTS, {"type": "comment", "user_id": user, "text": "好"}
    if kind == "cart":
        cart: dict[str, object] = {"type": "cart_add", "user_id": user, "sku_id": sku, "quantity": 1}
        return CART_ADDS, cart if random.random() < 0.3 else cart | {"sale_id": sale}
    if kind == "order":
        return ORDERS, _order(random)
    if kind in ("enter", "leave"):
        return VISITS, {"type": kind, "user_id": user}
    if kind == "click":
        return VISITS, {"type": "product_click", "user_id": user, "sku_id": sku}
    return SALES, _sale(random, sale, sku)


def _order(random: Random) -> dict[str, object]:
    order_id = random.randrange(40)
    # The lines belong to the order: the same in each of its records.
    of_order = Random(order_id)
    line: dict[str, object] = {
        "sku_id": f"k{order_id % 2}",
        "quantity": of_order.randrange(1, 4),
        "amount_minor": of_order.randrange(10_000),
    }
    if order_id % 5:
        line["sale_id"] = f"s{order_id % 3}"
    return {
        "type": "order",
        "user_id": f"u{order_id % 25}",
        "order_id": f"o{order_id}",
        "status": random.choice(list(OrderStatus)).value,
        "lines": [line] * (1 + order_id % 2),
        "currency": "CNY" if order_id % 7 else "EUR",
    }


def _sale(random: Random, sale: str, sku: str) -> dict[str, object]:
    kind = random.choice(["sale_opened", "sale_restocked", "sale_extended", "sale_closed"])
    event: dict[str, object] = {"type": kind, "sale_id": sale}
    if kind == "sale_opened":
        event |= {
            "sku_id": sku,
            "offered": random.randrange(50),
            "starts_at_ms": T0_MS + random.randrange(60_000),
            "ends_at_ms": T0_MS + 60_000 + random.randrange(60_000),
            "per_user_limit": random.randrange(1, 4),
        }
    elif kind == "sale_restocked":
        event |= {"sku_id": sku, "quantity": random.randrange(1, 20)}
    elif kind == "sale_extended":
        event |= {"ends_at_ms": T0_MS + random.randrange(300_000)}
    return event


def slices(log: Log, random: Random, most: int = 20) -> list[tuple[int, Sequence[Rec]]]:
    """The log in slices, the topics shuffled into each other; order within a topic stays."""
    cuts: list[list[Sequence[Rec]]] = []
    for records in log:
        pieces: list[Sequence[Rec]] = []
        at = 0
        while at < len(records):
            size = random.randrange(1, most + 1)
            pieces.append(records[at : at + size])
            at += size
        cuts.append(pieces)
    order = [topic for topic, pieces in enumerate(cuts) for _ in pieces]
    random.shuffle(order)
    nexts = [iter(pieces) for pieces in cuts]
    return [(topic, next(nexts[topic])) for topic in order]


def new_fold(rules: Rules | None = None) -> PartitionFold:
    """An empty partition."""
    return PartitionFold(3, rules or Rules(), TOPICS)


def fold_plainly(pieces: Iterable[tuple[int, Sequence[Rec]]], end_ms: int, rules: Rules | None = None) -> PartitionFold:
    """The fold of slices as they come, with the clock then moved to the end."""
    fold = new_fold(rules)
    for topic, piece in pieces:
        fold.fold(topic, piece)
    fold.advance(end_ms, "tick")
    return fold


def fold_merged(log: Log, random: Random, end_ms: int, rules: Rules | None = None) -> PartitionFold:
    """The fold as in a worker's backlog: offered in any order, taken by append time, the clock moving with it."""
    fold, merge = new_fold(rules), TopicMerge(len(TOPICS), 1_000)
    last = [len(records) - 1 for records in log]
    for topic, records in enumerate(log):
        merge.set_log_end(topic, not records)
    for topic, piece in slices(log, random):
        merge.offer(topic, piece)
        merge.set_log_end(topic, piece[-1].offset == last[topic])
        while (taken := merge.take()) is not None:
            fold.fold(*taken)
            fold.advance(*merge.clock_ms(None))
    assert merge.queued_records() == 0
    fold.advance(end_ms, "tick")
    return fold


def restarted(fold: PartitionFold, saved: dict[bytes, bytes | None], rules: Rules | None = None) -> PartitionFold:
    """The fold of a worker that takes over, from the checkpoint alone; updates `saved`, the compacted topic."""
    cut = fold.cut(1)
    for key, value in cut.records:
        saved.pop(key, None)
        if value is not None:
            saved[key] = value
    again = new_fold(rules)
    for key, value in saved.items():
        again.load(key, value)
    again.loaded(cut.positions, cut.clock_ms)
    return again


def recounted(log: Log, assumptions: Assumptions | None = None) -> Recount:
    """The independent recount of the same records."""
    recount = Recount(assumptions)
    for topic, records in enumerate(log):
        for record in records:
            recount.add(TOPICS[topic], record.value, record.key, record.timestamp, offset=record.offset)
    return recount


def figures_of(overlay: Overlay) -> RoomFigures:
    """An overlay in the recount's shape."""
    totals = overlay.totals
    return RoomFigures(
        room_id=overlay.room_id,
        as_of_ms=overlay.as_of_ms,
        viewers=totals.viewers.value,
        views=totals.views,
        watching_now=totals.watching_now,
        likes=totals.likes,
        comments=totals.comments,
        cart_adds=totals.cart_adds,
        orders={
            status.value: count
            for status in OrderStatus
            if (count := getattr(totals.orders, status.value)) or status not in LATER_STATUSES
        }
        | ({"partly_undone": count} if (count := totals.orders.partly_undone) else {}),
        money={
            money.currency: MoneyFigures(money.gmv_placed_minor, money.gmv_paid_minor, money.gmv_net_minor)
            for money in totals.money
            if money.gmv_placed_minor or money.gmv_paid_minor
        },
        rates={
            RateKey(rate.name, rate.window_ms, rate.currency): Fraction(rate.num, rate.den)
            for rate in overlay.rates
            if rate.num or rate.name != "gpm_views"
        },
        sales={
            SaleKey(sale.sale_id, sale.sku_id): SaleFigures(
                offered=sale.offered,
                restocked=sale.restocked,
                available=sale.available,
                held=sale.held,
                sold=sale.sold,
                oversold=sale.oversold,
                released=sale.released,
                gone=sale.gone,
                corrections=sale.corrections,
                former=sale.former,
                over_limit=sale.over_limit,
                carters_without_order=sale.carters_without_order.value,
                ends_at_ms=sale.ends_at_ms,
                extended=sale.extended,
                status=sale.status,
                suspicions={each.rule: (each.orders, each.units) for each in sale.suspicions},
                price_minor=sale.price_minor,
                list_price_minor=sale.list_price_minor,
                currency=sale.currency,
                prior_price_minor=sale.prior_price_minor,
                last_restock=sale.last_restock,
            )
            for sale in overlay.sales
        },
    )


def all_figures(fold: PartitionFold) -> dict[str, RoomFigures]:
    """The figures of every room of a partition, as of its clock."""
    found = {}
    for room_id in sorted(fold.rooms):
        overlay = fold.overlay(room_id)
        assert overlay is not None
        found[room_id] = figures_of(overlay)
    return found
