"""`long-tail`: "100 million products open to every anchor": 10 000 quiet rooms at one event a second, and 20 busy ones.

Assumed: two minutes; a busy room has 200 events a second and a sale, a quiet room has no sale. In every room one person
after another goes through the same twenty events: enters, taps a dozen times, comments twice, opens a product, carts,
orders and pays. Rooms begin at different places of this sequence. Every 250th delivery comes twice.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec import structs

from stream.contract.events import (
    CartAdd,
    Comment,
    Enter,
    Like,
    Order,
    OrderLine,
    OrderStatus,
    ProductClick,
    SaleOpened,
)
from stream.shows.bulk import Second, Template, expected_of
from stream.shows.plan import RoomPlan
from stream.shows.show import Show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.shows.show import Delivery, ExpectedRoom

NAME = "long-tail"
QUIET, BUSY, BUSY_EVENTS_PER_S = 10_000, 20, 200
DURATION_S = 120
# One person's events in a room.
LIFE = ("enter", *("like",) * 12, "comment", "click", "comment", "like", "cart", "placed", "paid")
TAPS, PRICE_MINOR, OFFERED = 3, 4_900, 5_000
SALE, SKU, TEXT = "all-evening", "sku-7", "does it come in blue?"


class _Kind:
    """A kind of equal rooms: the events a second, and the place in a life at which the rooms begin."""

    def __init__(self, events_per_s: int, begins_at: int) -> None:
        self.events_per_s = events_per_s
        self.begins_at = begins_at
        self.has_sale = events_per_s > 1
        self.sale_id = SALE if self.has_sale else None

    def at(self, number: int) -> tuple[str, int]:
        """The kind of event `number` in the room, and its person."""
        person, place = divmod(number + self.begins_at, len(LIFE))
        return LIFE[place], person

    def at_ms(self, number: int) -> int:
        """The time of an event. The place where a room begins also decides its place within the second."""
        return number * 1_000 // self.events_per_s + self.begins_at * 7 % max(2, 1_000 // self.events_per_s)


def build(seed: int, room_id: str = NAME, scale: float = 1.0) -> Show:
    """The show of one seed. `scale` 0.01 has a hundredth of the rooms, at least 20 quiet ones and a busy one."""
    quiet, busy = max(len(LIFE), round(QUIET * scale)), max(1, round(BUSY * scale))
    kinds = [_Kind(1, (place + seed) % len(LIFE)) for place in range(len(LIFE))]
    busy_kind = _Kind(BUSY_EVENTS_PER_S, seed % len(LIFE))
    rooms = [(f"{room_id}-busy-{number:02d}", busy_kind) for number in range(busy)]
    rooms += [(f"{room_id}-{number:05d}", kinds[number % len(LIFE)]) for number in range(quiet)]
    tag = f"lt{seed}"

    def deliveries(t0_ms: int) -> Iterator[Delivery]:
        return _deliveries(rooms, tag, t0_ms)

    planned = {kind: _planned(kind) for kind in (busy_kind, *kinds)}
    records: Counter[str] = Counter()
    for _, kind in rooms:
        records.update(planned[kind][1])
    expected = expected_of(
        [structs.replace(planned[kind][0], room_id=name) for name, kind in rooms],
        list(records.values()),
        DURATION_S * 1_000,
    )
    return Show(name=NAME, seed=seed, expected=expected, deliveries=deliveries)


def _planned(kind: _Kind) -> tuple[ExpectedRoom, Counter[str]]:
    """A room of this kind at the end, and its events of each topic."""
    plan = RoomPlan("", "", DURATION_S * 1_000)
    records: Counter[str] = Counter()
    if kind.has_sale:
        plan.open_sale(SALE, SKU, 0, offered=OFFERED, starts_at_ms=0)
        records["sales"] += 1
    placed: dict[int, int] = {}
    paid: dict[int, int] = {}
    for number in range(DURATION_S * kind.events_per_s):
        what, person = kind.at(number)
        user_id, at_ms = str(person), kind.at_ms(number)
        records[_TOPICS[what]] += 1
        if what == "enter":
            plan.visit(user_id, [(at_ms, None)])
        elif what == "like":
            plan.like(user_id, at_ms, TAPS)
        elif what == "comment":
            plan.comment(user_id, at_ms, TEXT)
        elif what == "click":
            plan.click(user_id, at_ms, SKU)
        elif what == "cart":
            plan.cart(user_id, at_ms, SKU, 1, kind.sale_id)
        else:
            (placed if what == "placed" else paid)[person] = at_ms
    for person in placed.keys() | paid.keys():
        # If a room begins between the two, only "paid" is sent, which implies that the order was placed.
        line = OrderLine(sku_id=SKU, quantity=1, amount_minor=PRICE_MINOR, sale_id=kind.sale_id)
        placed_ms = placed.get(person, paid.get(person, 0))
        plan.order(str(person), [line], "CNY", placed_ms=placed_ms, paid_ms=paid.get(person))
    return plan.expected(), records


_TOPICS = {
    "enter": "visits",
    "like": "likes",
    "comment": "comments",
    "click": "visits",
    "cart": "cart-adds",
    "placed": "orders",
    "paid": "orders",
}


class _RoomTemplates:
    """The templates of one room."""

    def __init__(self, name: str, kind: _Kind, tag: str) -> None:
        def template(event_type: type, key: str, **fields: object) -> Template:
            common = {"event_id": f"{tag}-{key}%x", "room_id": name, "event_time_ms": 0, "user_id": "u%d"}
            return Template(event_type(**common, **fields))

        self.name = name
        self.kind = kind
        line = OrderLine(sku_id=SKU, quantity=1, amount_minor=PRICE_MINOR, sale_id=kind.sale_id)
        order = {"order_id": f"o-{tag}-%x", "lines": (line,), "currency": "CNY"}
        self.templates = {
            "enter": template(Enter, "e"),
            "like": template(Like, "l", count=TAPS),
            "comment": template(Comment, "c", text=TEXT),
            "click": template(ProductClick, "k", sku_id=SKU),
            "cart": template(CartAdd, "a", sku_id=SKU, quantity=1, sale_id=kind.sale_id),
            "placed": template(Order, "o", status=OrderStatus.PLACED, **order),
            "paid": template(Order, "p", status=OrderStatus.PAID, **order),
        }


def _deliveries(rooms: list[tuple[str, _Kind]], tag: str, t0_ms: int) -> Iterator[Delivery]:
    second = Second(t0_ms)
    known: list[_RoomTemplates] = []
    for number, (name, kind) in enumerate(rooms):
        known.append(_RoomTemplates(name, kind, f"{tag}-{number}"))
        if kind.has_sale:
            opened = SaleOpened(
                event_id=f"{tag}-sale-%x",
                room_id=name,
                event_time_ms=0,
                sale_id=SALE,
                sku_id=SKU,
                offered=OFFERED,
                starts_at_ms=t0_ms,
            )
            second.add(Template(opened), number, 0)
    for now_s in range(DURATION_S):
        for room in known:
            kind, templates = room.kind, room.templates
            for number in range(now_s * kind.events_per_s, (now_s + 1) * kind.events_per_s):
                what, person = kind.at(number)
                at_ms = kind.at_ms(number)
                if what in {"placed", "paid"}:
                    second.add(templates[what], number, at_ms, person, person)
                else:
                    second.add(templates[what], number, at_ms, person)
        yield from second.take()
