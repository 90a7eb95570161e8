"""`card`: an evening in which a host shows seven products, one after the other, and corrects what was said of some.

The plan decides the card of the end first, and only then writes the words that lead there, with older ones before them:
so the figures are known beforehand. All figures and shapes are assumptions. Nobody in it buys anything.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from stream.mechanics.card.events import ProductDescribed, ProductShown, RoomDescribed, RoomLinked, RoomUnlinked
from stream.shows.delivery import Disturbance
from stream.shows.one_room import show_of_room
from stream.shows.plan import RoomPlan
from stream.shows.planned import Planned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream.contract.events import Event
    from stream.contract.sections import Plain
    from stream.shows.show import Show

NAME = "card"
DURATION_MS = 180_000
VIEWERS = 1_500
OF_A_PRODUCT = ("sku_id", "name", "label", "price_minor", "list_price_minor", "currency", "picture")
# SKU → name, price in yuan, list price in yuan (0: the shop says none).
PRODUCTS = {
    "sku-belt": ("牛皮腰带 Belt", 89, 0),
    "sku-boots": ("短靴 Ankle boots", 499, 699),
    "sku-coat": ("羊毛大衣 Wool coat", 399, 899),
    "sku-gloves": ("手套 Gloves", 59, 99),
    "sku-hat": ("毛线帽 Beanie", 79, 0),
    "sku-scarf": ("真丝围巾 Silk scarf", 129, 269),
    "sku-tote": ("托特包 Tote", 259, 399),
}
OTHERS = tuple(f"room-{letter}" for letter in "abcde")


class CardPlanned(Planned):
    """The card of one room, as it is at the end.

    Args:
        room_id: the room.
        tag: begins every event id.
    """

    NAME = "card"

    def __init__(self, room_id: str, tag: str) -> None:
        self._room_id, self._tag = room_id, tag
        self._events: list[Event] = []
        self._room: dict[str, Any] = {}
        self._products: dict[str, dict[str, Any]] = {}
        self._links: set[str] = set()
        self._shown: str | None = None

    def describe(self, words: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
        """The words of the room, (moment, fields) each, in order of time: the last one stays."""
        for at_ms, fields in words:
            self._write(RoomDescribed, at_ms, **fields)
        self._room = dict(words[-1][1])

    def product(self, words: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
        """The words of one product, as of the room."""
        for at_ms, fields in words:
            self._write(ProductDescribed, at_ms, **fields)
        self._products[words[-1][1]["sku_id"]] = dict(words[-1][1])

    def show(self, words: Sequence[tuple[int, str | None]]) -> None:
        """What is shown from when on, in order of time: the last one stays on show."""
        for at_ms, sku_id in words:
            self._write(ProductShown, at_ms, sku_id=sku_id)
        self._shown = words[-1][1]

    def link(self, other_id: str, times_ms: Sequence[int], *, linked: bool) -> None:
        """The room leads to another one at the end, or not. Each moment, in order of time, turns what was before."""
        for left, at_ms in enumerate(reversed(times_ms)):
            self._write(RoomLinked if linked == (left % 2 == 0) else RoomUnlinked, at_ms, linked_room_id=other_id)
        if linked:
            self._links.add(other_id)

    def _write(self, kind: type[Event], at_ms: int, **fields: Any) -> None:
        event_id = f"{self._tag}-{len(self._events):04x}"
        self._events.append(kind(event_id=event_id, room_id=self._room_id, event_time_ms=at_ms, **fields))

    def events(self) -> Sequence[Event]:
        """As `Planned.events`."""
        return self._events

    def figures(self) -> dict[str, Plain]:
        """As `Planned.figures`."""
        figures: dict[str, Plain] = {
            name: self._room.get(name) for name in ("host_id", "host_name", "title", "picture")
        }
        figures |= {
            "product_count": len(self._products),
            "link_count": len(self._links),
            "products_beyond": 0,
            "links_beyond": 0,
        }
        for place, sku_id in enumerate(sorted(self._products), 1):
            figures |= _of(f"products.{place}", self._products[sku_id])
        figures |= {f"links.{place}": other_id for place, other_id in enumerate(sorted(self._links), 1)}
        if self._shown is not None:
            figures |= _of("on_show", self._products[self._shown])
        return figures


def _of(name: str, fields: Mapping[str, Any]) -> dict[str, Plain]:
    return {f"{name}.{field}": fields.get(field) for field in OF_A_PRODUCT}


def build(seed: int, room_id: str = NAME) -> Show:
    """The show of one seed."""
    rng = Random(f"{NAME}/{seed}")
    plan = RoomPlan(room_id, f"ca{seed}", DURATION_MS)
    for number in range(VIEWERS):
        user_id = f"{rng.choice('abcdefghijklmnop')}{number:04d}"
        enters_ms = rng.randrange(60_000)
        plan.visit(user_id, [(enters_ms, None)])
        if rng.random() < 0.4:
            plan.click(user_id, enters_ms + rng.randrange(100_000), rng.choice(list(PRODUCTS)))
        if rng.random() < 0.3:
            plan.like(user_id, 60_000 + rng.randrange(90_000), rng.randint(1, 40))
    plan.add(_planned(rng, room_id, f"cac{seed}"))
    disturbance = Disturbance(seed=seed, duration_ms=DURATION_MS, repeated_per_10k=2_000, held_back_per_10k=2_000)
    return show_of_room(NAME, seed, plan, disturbance)


def _planned(rng: Random, room_id: str, tag: str) -> CardPlanned:
    card = CardPlanned(room_id, tag)
    host = {"host_id": "h-77", "host_name": "小雨", "picture": "https://img.example/hosts/77.webp"}
    # The title is corrected once: both words may come in any order.
    first_ms = rng.randrange(1_000)
    card.describe(
        [(first_ms, {**host, "title": "秋季女装"}), (first_ms + 4_000, {**host, "title": "秋季女装 Autumn coats"})]
    )
    labels = rng.sample(range(1, 60), len(PRODUCTS))
    for label, (sku_id, (name, price, list_price)) in zip(labels, PRODUCTS.items(), strict=True):
        fields = {
            "sku_id": sku_id,
            "name": name,
            "label": str(label),
            "price_minor": price * 100 - rng.randrange(3) * 1_000,
            "list_price_minor": list_price * 100 or None,
            "currency": "CNY",
            "picture": f"https://img.example/skus/{sku_id}.webp",
        }
        # Some were announced at another price, and some without one.
        earlier = rng.choice(({"price_minor": price * 110}, {"price_minor": None, "list_price_minor": None}, None))
        at_ms = rng.randrange(20_000)
        words = [(at_ms, fields)] if earlier is None else [(at_ms, {**fields, **earlier}), (at_ms + 30_000, fields)]
        card.product(words)
    # Each in turn, and between them at times nothing.
    turns: list[tuple[int, str | None]] = []
    for number, sku_id in enumerate(rng.sample(list(PRODUCTS), len(PRODUCTS))):
        at_ms = 15_000 + number * 22_000 + rng.randrange(4_000)
        turns += [(at_ms - 3_000, None)] if rng.random() < 0.4 else []
        turns.append((at_ms, sku_id))
    card.show(turns)
    for other_id in OTHERS:
        times_ms = sorted(rng.sample(range(DURATION_MS - 5_000), rng.randint(1, 4)))
        card.link(other_id, times_ms, linked=rng.random() < 0.6)
    return card
