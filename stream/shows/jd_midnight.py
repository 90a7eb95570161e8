"""`jd-midnight`: JD's 11.11 live shows, the first six seconds after midnight.

Published: 100 million yuan in the first 6 seconds. Assumed: everything else, namely

- 500 000 orders of one unit at 200 yuan, over 500 rooms; one room takes a fifth, the others fall off slowly;
- in the half minute before midnight everybody enters a room, two in five cart, one in ten taps; half of the people
  then buy in another room than the one they entered, and one in fifty buys twice;
- 92 % pay within 20 s; the holds of the others still run when the show ends;
- four rooms in five sell out to the unit, three in twenty keep some, one in twenty sells up to three units too many;
- every 250th delivery comes twice.

    0 s   people come and cart      30 s   midnight: 500 000 orders      36 s   the last order      57 s   end
"""

from __future__ import annotations

from array import array
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from stream.contract.events import CartAdd, Enter, Like, Order, OrderLine, OrderStatus, SaleOpened
from stream.shows.bulk import Second, Template, expected_of, shared_out
from stream.shows.show import ExpectedMoney, ExpectedRate, ExpectedRoom, ExpectedSale, Show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.shows.show import Delivery

NAME = "jd-midnight"
ORDERS, ROOMS, FEWEST_ROOMS, LARGEST_SHARE = 500_000, 500, 20, 0.2
MIDNIGHT_MS, RUSH_MS, DURATION_MS = 30_000, 6_000, 57_000
PRICE_MINOR, TAPS = 20_000, 5
SALE, SKU = "midnight", "sku-1111"
# Places among each 50 orders: these stay unpaid (8 %), and the last is a second order of the person before it.
UNPAID, AGAIN = frozenset((3, 17, 28, 41)), 49
PAID_AFTER_MS, PAID_WITHIN_MS = 800, 19_200


class _Night(NamedTuple):
    """Who buys where. `bought_in[n]`, `entered[n]`: numbers of the rooms of order n and of its person's visit."""

    bought_in: array[int]
    entered: array[int]
    rooms: list[str]

    @property
    def orders(self) -> int:
        """The orders of all rooms."""
        return len(self.bought_in)


def build(seed: int, room_id: str = NAME, scale: float = 1.0) -> Show:
    """The show of one seed. `scale` 0.01 has a hundredth of the orders, and at least 20 rooms."""
    count = max(FEWEST_ROOMS, round(ROOMS * scale))
    orders = max(10 * count, 50 * round(ORDERS * scale / 50))
    largest = round(orders * LARGEST_SHARE)
    shares = [largest, *shared_out(orders - largest, [(rank + 10) ** -0.5 for rank in range(count - 1)])]
    rng = Random(f"{NAME}/{seed}")
    bought_in = array("H", (room for room, share in enumerate(shares) for _ in range(share)))
    rng.shuffle(bought_in)
    entered = array("H", bought_in)
    half = [number for number in range(orders) if rng.random() < 0.5]
    for number, other in zip(half, half[1:] + half[:1], strict=True):
        entered[number] = bought_in[other]
    night = _Night(bought_in, entered, [f"{room_id}-{number:03d}" for number in range(count)])
    tag = f"jd{seed}-{orders}"

    def deliveries(t0_ms: int) -> Iterator[Delivery]:
        return _deliveries(night, tag, t0_ms)

    rooms, records = _expected(night)
    return Show(name=NAME, seed=seed, expected=expected_of(rooms, records, DURATION_MS), deliveries=deliveries)


# -- who does what: asked by the records and by the totals ------------------------------------------------------------
def _person(order: int) -> int:
    """The person who placed an order. A person has the number of their first order."""
    return order - 1 if order % 50 == AGAIN else order


def _is_paid(order: int) -> bool:
    return order % 50 not in UNPAID


def _carts(person: int) -> bool:
    return person % 5 < 2


def _taps(person: int) -> bool:
    return person % 10 == 1


def _offered(orders: int, room: int) -> int:
    if room % 20 == 7:
        return max(0, orders - 3)
    return orders + 1 + orders // 10 if room % 20 in {1, 2, 3} else orders


# -- what it adds up to -----------------------------------------------------------------------------------------------
def _expected(night: _Night) -> tuple[list[ExpectedRoom], tuple[int, ...]]:
    """Every room at the end, and the number of events of each topic."""
    viewers, likes, carts, placed, paid, again, payers_again = (Counter[int]() for _ in range(7))
    carters_elsewhere, tappers = Counter[int](), Counter[int]()
    for order in range(night.orders):
        room, person = night.bought_in[order], _person(order)
        placed[room] += 1
        paid[room] += _is_paid(order)
        if person != order:
            if night.bought_in[person] == room:
                again[room] += 1
                payers_again[room] += _is_paid(order) and _is_paid(person)
            continue
        viewers[night.entered[order]] += 1
        if _carts(order):
            carts[room] += 1
        if _taps(order):
            likes[night.entered[order]] += TAPS
            tappers[night.entered[order]] += 1
            carters_elsewhere[room] += _carts(order) and night.entered[order] == room
    rooms = []
    for room, name in enumerate(night.rooms):
        engaged = carts[room] + tappers[room] - carters_elsewhere[room]
        people = (placed[room] - again[room], paid[room] - payers_again[room], engaged)
        counts = (viewers[room], likes[room], carts[room], placed[room], paid[room])
        rooms.append(_expected_room(name, counts, people, _sale(room, placed[room], paid[room], again[room])))
    visits = sum(viewers.values())
    records = (0, sum(tappers.values()), sum(carts.values()), night.orders + sum(paid.values()), visits, len(rooms))
    return rooms, records


def _sale(room: int, placed: int, paid: int, again: int) -> ExpectedSale:
    offered = _offered(placed, room)
    return ExpectedSale(
        sale_id=SALE,
        sku_id=SKU,
        offered=offered,
        restocked=0,
        available=max(0, offered - placed),
        held=placed - paid,
        sold=paid,
        oversold=max(0, placed - offered),
        released=0,
        over_limit=again,
    )


def _expected_room(
    name: str, counts: tuple[int, int, int, int, int], people: tuple[int, int, int], sale: ExpectedSale
) -> ExpectedRoom:
    viewers, likes, carts, placed, paid = counts
    _, payers, engaged = people
    minor = PRICE_MINOR * paid
    rates = (
        ("watch_to_buy_uv", payers, viewers),
        ("click_to_buy_uv", payers, 0),
        ("cart_to_order_uv", carts, carts),
        ("orders_per_viewer", placed, viewers),
        ("pay_rate", paid, placed),
        ("engaged_uv_rate", engaged, viewers),
    )
    money = ExpectedMoney(
        currency="CNY", gmv_placed_minor=PRICE_MINOR * placed, gmv_paid_minor=minor, gmv_net_minor=minor
    )
    return ExpectedRoom(
        room_id=name,
        viewers=viewers,
        views=viewers,
        watching_now=viewers,
        likes=likes,
        comments=0,
        cart_adds=carts,
        orders_placed=placed,
        orders_paid=paid,
        orders_cancelled=0,
        orders_refunded=0,
        money=[money],
        rates=[
            *(ExpectedRate(name=rate, num=num, den=den) for rate, num, den in rates),
            ExpectedRate(name="gpm_views", num=minor * 1_000, den=viewers, currency="CNY"),
        ],
        sales=[sale],
    )


# -- the records ------------------------------------------------------------------------------------------------------
class _Templates:
    """The record templates of one room."""

    def __init__(self, tag: str, room_id: str, offered: int, t0_ms: int) -> None:
        def common(kind: str) -> dict[str, object]:
            return {"event_id": f"{tag}-{kind}%x", "room_id": room_id, "event_time_ms": 0}

        def template(event_type: type, kind: str, **fields: object) -> Template:
            return Template(event_type(**common(kind), user_id="u%06d", **fields))

        midnight_ms = t0_ms + MIDNIGHT_MS
        self.opened = Template(
            SaleOpened(
                event_id=f"{tag}-s%x",
                room_id=room_id,
                event_time_ms=0,
                sale_id=SALE,
                sku_id=SKU,
                offered=offered,
                starts_at_ms=midnight_ms,
                ends_at_ms=midnight_ms + 600_000,
                price_minor=PRICE_MINOR,
                list_price_minor=2 * PRICE_MINOR,
                currency="CNY",
                per_user_limit=1,
            )
        )
        self.enter = template(Enter, "e")
        self.like = template(Like, "l", count=TAPS)
        self.cart = template(CartAdd, "a", sku_id=SKU, quantity=1, sale_id=SALE)
        line = OrderLine(sku_id=SKU, quantity=1, amount_minor=PRICE_MINOR, sale_id=SALE)
        order = {"order_id": f"o-{tag}-%x", "lines": (line,), "currency": "CNY"}
        self.placed = template(Order, "o", status=OrderStatus.PLACED, **order)
        self.paid = template(Order, "p", status=OrderStatus.PAID, **order)


def _deliveries(night: _Night, tag: str, t0_ms: int) -> Iterator[Delivery]:
    placed = Counter(night.bought_in)
    templates = [_Templates(tag, name, _offered(placed[room], room), t0_ms) for room, name in enumerate(night.rooms)]
    second = Second(t0_ms)
    for room, of_room in enumerate(templates):
        second.add(of_room.opened, room, room)
    payments: list[array[int]] = [array("I") for _ in range(DURATION_MS // 1_000)]
    for now_s in range(DURATION_MS // 1_000):
        _before_midnight(night, templates, second, now_s)
        _rush(night, templates, second, now_s, payments)
        for order in payments[now_s]:
            paid = templates[night.bought_in[order]].paid
            second.add(paid, order, _paid_ms(night, order), _person(order), order)
        yield from second.take()


def _before_midnight(night: _Night, templates: list[_Templates], second: Second, now_s: int) -> None:
    """People enter during 25 s. Each carts and taps within the five seconds after entering."""
    for what, after_ms in (("enter", 0), ("like", 2_000), ("cart", 4_000)):
        for person in _those_of(night.orders, now_s * 1_000 - 1_000 - after_ms, MIDNIGHT_MS - 5_000):
            if _person(person) != person:
                continue
            at_ms = 1_000 + after_ms + person * (MIDNIGHT_MS - 5_000) // night.orders
            if what == "enter":
                second.add(templates[night.entered[person]].enter, person, at_ms, person)
            elif what == "like" and _taps(person):
                second.add(templates[night.entered[person]].like, person, at_ms, person)
            elif what == "cart" and _carts(person):
                second.add(templates[night.bought_in[person]].cart, person, at_ms, person)


def _those_of(count: int, since_ms: int, whole_ms: int) -> range:
    """Of `count` numbers spread evenly over `whole_ms`, those in the second that begins at `since_ms`."""
    return range(*(min(count, max(0, -(-moment * count // whole_ms))) for moment in (since_ms, since_ms + 1_000)))


def _placed_ms(night: _Night, order: int) -> int:
    return MIDNIGHT_MS + order * RUSH_MS // night.orders


def _paid_ms(night: _Night, order: int) -> int:
    return _placed_ms(night, order) + PAID_AFTER_MS + order * 7_919 % PAID_WITHIN_MS


def _rush(night: _Night, templates: list[_Templates], second: Second, now_s: int, payments: list[array[int]]) -> None:
    for order in _those_of(night.orders, now_s * 1_000 - MIDNIGHT_MS, RUSH_MS):
        second.add(templates[night.bought_in[order]].placed, order, _placed_ms(night, order), _person(order), order)
        if _is_paid(order):
            payments[_paid_ms(night, order) // 1_000].append(order)
