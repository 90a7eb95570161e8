"""`viya-2017`: Taobao Live, 10 October 2017, 19:00 to 00:40: one room, a whole evening, about 15 million records.

Published: 1.53 million viewers, 12.3 million likes, 70 million yuan of sales; and of live audiences in general, that
50.5 % comment. Assumed: everything else, namely

- 350 000 orders of 200 yuan make the 70 million; each buyer orders once and pays 6 s later;
- clients send one or two taps a record, so that 10.25 million records hold the 12.3 million likes;
- 40 products come one after another, each a sale of its own for eight and a half minutes; three in four sell out;
- a viewer taps, opens a product, comments, carts and orders at fixed times after coming, and stays for 5, 20, 60 or
  100 minutes; more come early than late, nobody comes in the last 40 minutes;
- every 250th delivery comes twice.

The audience is whole blocks of 1 530 viewers, in which each viewer has a class. A scaled show has fewer blocks.
"""

from __future__ import annotations

from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING

from stream.contract.events import (
    CartAdd,
    Comment,
    Enter,
    Leave,
    Like,
    Order,
    OrderLine,
    OrderStatus,
    ProductClick,
    SaleOpened,
)
from stream.shows.bulk import Second, Template, curve, expected_of
from stream.shows.lines import line
from stream.shows.show import ExpectedMoney, ExpectedRate, ExpectedRoom, ExpectedSale, Show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.shows.show import Delivery

NAME = "viya-2017"
DURATION_S = 20_400
LAST_ENTER_S = 18_000
BLOCKS, BLOCK = 1_000, 1_530
# Sizes within a block: the first people of an order that the seed shuffles do each of these.
BUYERS, CARTERS, CLICKERS, LIKERS = 350, 490, 612, 918
COMMENTERS = range(300, 1_073)  # 50.5 %; the other likers and carters come before these, so:
ENGAGED = 1_073
LIKE_RECORDS, TWO_TAPS_EACH = 10_250, 5  # for each block: every fifth record holds two taps, 12 300 in all
PRICE_MINOR = 20_000
# Seconds after coming.
LIKE_S, CLICK_S, COMMENT_S, CART_S, ORDER_S, PAID_S = 12, 30, 75, 120, 180, 186
STAYS_S = (300, 1_200, 3_600, 6_000)
PRODUCTS = 40
SLOT_S = DURATION_S // PRODUCTS
SALE_RUNS_ON_MS = 60_000
TEXTS = 500


class _Evening:
    """Who comes when and does what: the common source of the records and the totals."""

    def __init__(self, seed: int, blocks: int) -> None:
        rng = Random(f"{NAME}/{seed}")
        order = list(range(BLOCK))
        rng.shuffle(order)
        self.blocks = blocks
        self.rank = order  # the rank of the viewer at each place of a block
        self.texts = [line(rng) for _ in range(TEXTS)]
        self.liker_places = [place for place, rank in enumerate(order) if rank < LIKERS]
        self._buyers_before = [0, *accumulate(rank < BUYERS for rank in order)]
        self._likers_before = [0, *accumulate(rank < LIKERS for rank in order)]
        arrivals = [(1 - second / LAST_ENTER_S) ** 0.8 + 0.05 for second in range(LAST_ENTER_S)]
        self.came = curve(blocks * BLOCK, arrivals) + [blocks * BLOCK] * (DURATION_S - LAST_ENTER_S)
        # Taps beyond each liker's first. More come in each product's first minute; none comes before the first person.
        first_s = next(second for second in range(DURATION_S) if self.likers(self.came[second])) + LIKE_S + 1
        busy = [0.0 if s < first_s else 3.0 if s % SLOT_S < 60 else 1.0 for s in range(DURATION_S)]
        self.tapped = curve(blocks * (LIKE_RECORDS - LIKERS), busy)

    def likers(self, people: int) -> int:
        """The number of people who tap among the first `people`."""
        return people // BLOCK * LIKERS + self._likers_before[people % BLOCK]

    def buyers(self, people: int) -> int:
        """The number of people who buy among the first `people`."""
        return people // BLOCK * BUYERS + self._buyers_before[people % BLOCK]

    def came_by(self, second: int) -> int:
        """The number of people who have come before this second. The evening begins empty."""
        return self.came[max(0, second)]

    def then(self, now_s: int, after_s: int) -> Iterator[tuple[int, int, int]]:
        """The people who came `after_s` before this second: person, rank, and the moment now (ms)."""
        if now_s < after_s:
            return
        first, end = self.came[now_s - after_s], self.came[now_s - after_s + 1]
        for person in range(first, end):
            yield person, self.rank[person % BLOCK], now_s * 1_000 + (person - first) * 1_000 // (end - first)

    def ordered_in(self, slot: int) -> int:
        """The number of orders of one product."""
        until, since = (self.came_by((slot + end) * SLOT_S - ORDER_S) for end in (1, 0))
        return self.buyers(until) - self.buyers(since)

    def offered(self, slot: int) -> int:
        """The offered units. Three products in four are offered exactly as often as they are bought."""
        orders = self.ordered_in(slot)
        return orders + orders // 5 + 1 if slot % 4 == 3 else orders

    def staying(self) -> int:
        """The number of people still there at the end."""
        people, left = self.blocks * BLOCK, 0
        for kind, stay_s in enumerate(STAYS_S):
            gone = self.came_by(DURATION_S - stay_s)
            left += (gone - kind + len(STAYS_S) - 1) // len(STAYS_S)
        return people - left


def build(seed: int, room_id: str = NAME, scale: float = 1.0) -> Show:
    """The show of one seed; `scale` 0.01 has a hundredth of the viewers."""
    blocks = max(1, round(BLOCKS * scale))
    evening = _Evening(seed, blocks)
    tag = f"vy{seed}-{blocks}"

    def deliveries(t0_ms: int) -> Iterator[Delivery]:
        return _deliveries(evening, Random(f"{NAME}/{seed}/taps"), tag, room_id, t0_ms)

    room = _expected(evening, room_id)
    visits = 2 * room.viewers - room.watching_now + blocks * CLICKERS
    records = (room.comments, blocks * LIKE_RECORDS, room.cart_adds, 2 * room.orders_placed, visits, PRODUCTS)
    expected = expected_of([room], records, DURATION_S * 1_000)
    return Show(name=NAME, seed=seed, expected=expected, deliveries=deliveries)


def _expected(evening: _Evening, room_id: str) -> ExpectedRoom:
    blocks = evening.blocks
    viewers, orders = blocks * BLOCK, blocks * BUYERS
    minor = orders * PRICE_MINOR
    rates = (
        ("watch_to_buy_uv", orders, viewers),
        ("click_to_buy_uv", orders, blocks * CLICKERS),
        ("cart_to_order_uv", orders, blocks * CARTERS),
        ("orders_per_viewer", orders, viewers),
        ("pay_rate", orders, orders),
        ("engaged_uv_rate", blocks * ENGAGED, viewers),
    )
    return ExpectedRoom(
        room_id=room_id,
        viewers=viewers,
        views=viewers,
        watching_now=evening.staying(),
        likes=blocks * (LIKE_RECORDS + LIKE_RECORDS // TWO_TAPS_EACH),
        comments=blocks * len(COMMENTERS),
        cart_adds=blocks * CARTERS,
        orders_placed=orders,
        orders_paid=orders,
        orders_cancelled=0,
        orders_refunded=0,
        money=[ExpectedMoney(currency="CNY", gmv_placed_minor=minor, gmv_paid_minor=minor, gmv_net_minor=minor)],
        rates=[
            *(ExpectedRate(name=name, num=num, den=den) for name, num, den in rates),
            ExpectedRate(name="gpm_views", num=minor * 1_000, den=viewers, currency="CNY"),
        ],
        sales=[_expected_sale(evening, slot) for slot in range(PRODUCTS)],
    )


def _expected_sale(evening: _Evening, slot: int) -> ExpectedSale:
    offered, sold = evening.offered(slot), evening.ordered_in(slot)
    return ExpectedSale(
        sale_id=f"drop-{slot:02d}",
        sku_id=f"sku-{slot:02d}",
        offered=offered,
        restocked=0,
        available=offered - sold,
        held=0,
        sold=sold,
        oversold=0,
        released=0,
        over_limit=0,
    )


class _Templates:
    """The templates of every kind of record of the evening."""

    def __init__(self, evening: _Evening, tag: str, room_id: str) -> None:
        def common(kind: str, user_id: str = "u%07d") -> dict[str, object]:
            return {"event_id": f"{tag}-{kind}%x", "room_id": room_id, "event_time_ms": 0, "user_id": user_id}

        def template(event_type: type, kind: str, **fields: object) -> Template:
            return Template(event_type(**common(kind), **fields))

        self.leave = template(Leave, "x")
        self.likes = [template(Like, "l", count=taps) for taps in (1, 2)]
        self.comments = [template(Comment, "c", text=text.replace("%", "%%")) for text in evening.texts]
        clicks, carts = [], []
        self.placed, self.paid = [], []
        for slot in range(PRODUCTS):
            sku = {"sku_id": f"sku-{slot:02d}"}
            sale = {**sku, "quantity": 1, "sale_id": f"drop-{slot:02d}"}
            clicks.append(template(ProductClick, "k", **sku))
            carts.append(template(CartAdd, "a", **sale))
            order = {"lines": (OrderLine(amount_minor=PRICE_MINOR, **sale),), "currency": "CNY"}  # type: ignore[arg-type]
            order["order_id"] = f"o-{tag}-%x"
            self.placed.append(template(Order, "o", status=OrderStatus.PLACED, **order))
            self.paid.append(template(Order, "p", status=OrderStatus.PAID, **order))
        # Seconds after coming, the ranks of the people who act then, and the record for each product on show.
        self.steps = (
            (0, range(BLOCK), [template(Enter, "e", source="feed")] * PRODUCTS),
            (LIKE_S, range(LIKERS), [self.likes[0]] * PRODUCTS),
            (CLICK_S, range(CLICKERS), clicks),
            (CART_S, range(CARTERS), carts),
        )

    def opening(self, evening: _Evening, tag: str, room_id: str, slot: int, t0_ms: int) -> Template:
        """The opening of a product's sale, at the beginning of its slot."""
        starts_at_ms = t0_ms + slot * SLOT_S * 1_000
        event = SaleOpened(
            event_id=f"{tag}-s%x",
            room_id=room_id,
            event_time_ms=0,
            sale_id=f"drop-{slot:02d}",
            sku_id=f"sku-{slot:02d}",
            offered=evening.offered(slot),
            starts_at_ms=starts_at_ms,
            ends_at_ms=starts_at_ms + SLOT_S * 1_000 + SALE_RUNS_ON_MS,
            price_minor=PRICE_MINOR,
            list_price_minor=2 * PRICE_MINOR,
            currency="CNY",
        )
        return Template(event)


def _deliveries(evening: _Evening, taps: Random, tag: str, room_id: str, t0_ms: int) -> Iterator[Delivery]:
    templates = _Templates(evening, tag, room_id)
    second = Second(t0_ms)
    for now_s in range(DURATION_S):
        slot, into = divmod(now_s, SLOT_S)
        if not into:
            second.add(templates.opening(evening, tag, room_id, slot, t0_ms), slot, now_s * 1_000)
        _journeys(evening, templates, second, now_s)
        _leaving(evening, templates, second, now_s)
        _extra_taps(evening, templates, second, taps, now_s)
        yield from second.take()


def _journeys(evening: _Evening, templates: _Templates, second: Second, now_s: int) -> None:
    """Add the steps that follow a person's coming, each at a fixed time after it."""
    add, slot = second.add, now_s // SLOT_S
    for after_s, ranks, of_slots in templates.steps:
        template = of_slots[slot]
        for person, ranked, at_ms in evening.then(now_s, after_s):
            if ranked in ranks:
                add(template, person, at_ms, person)
    for person, ranked, at_ms in evening.then(now_s, COMMENT_S):
        if ranked in COMMENTERS:
            add(templates.comments[person % TEXTS], person, at_ms, person)
    paid_for = (now_s - PAID_S + ORDER_S) // SLOT_S  # the product on show at the time of ordering
    for after_s, template in ((ORDER_S, templates.placed[slot]), (PAID_S, templates.paid[paid_for])):
        for person, ranked, at_ms in evening.then(now_s, after_s):
            if ranked < BUYERS:
                add(template, person, at_ms, person, person)


def _leaving(evening: _Evening, templates: _Templates, second: Second, now_s: int) -> None:
    for kind, stay_s in enumerate(STAYS_S):
        for person, _, at_ms in evening.then(now_s, stay_s):
            if person % len(STAYS_S) == kind:
                second.add(templates.leave, person, at_ms, person)


def _extra_taps(evening: _Evening, templates: _Templates, second: Second, taps: Random, now_s: int) -> None:
    """Add further taps of likers who came some time ago. A fifth of all records hold two taps, so more here do."""
    first, end = evening.tapped[now_s], evening.tapped[now_s + 1]
    if first == end:
        return
    likers = evening.likers(evening.came_by(now_s - LIKE_S))
    places, random, add, (one, two) = evening.liker_places, taps.random, second.add, templates.likes
    begin_ms, count = now_s * 1_000, end - first
    numbered_from = evening.blocks * BLOCK  # first taps have the numbers of their people
    twos, extras = evening.blocks * (LIKE_RECORDS // TWO_TAPS_EACH), evening.blocks * (LIKE_RECORDS - LIKERS)
    for number in range(first, end):
        block, place = divmod(int(random() * likers), LIKERS)
        is_two = number * twos // extras != (number + 1) * twos // extras
        at_ms = begin_ms + (number - first) * 1_000 // count
        add(two if is_two else one, numbered_from + number, at_ms, block * BLOCK + places[place])
