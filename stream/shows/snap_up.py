"""`snap-up`: the "limited quantity, limited price" drop, in which rush feeds rush.

5 000 units, 60 000 people in the room, 20 000 cart-adds, sold out in about 40 s; 8 % of the orders are not paid, and
their holds are released after 60 s; one restock of 500. All other figures and all shapes are assumptions.

The platform that takes the orders keeps its stock right: it accepts an order only for available units, and offers units
again once their hold has run out or their order was cancelled.

    0 s   people come                     70 s   restock of 500, gone in some 10 s
    15 s  the sale opens                  75 s   the first unpaid holds run out; their units are bought one by one
    55 s  the last unit is taken         118 s   nobody buys any more
    62 s  the first regret it, and       140 s   the last hold runs out
          cancel                         150 s   end
"""

from __future__ import annotations

from bisect import bisect_right
from functools import partial
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from stream.contract.events import OrderLine
from stream.shows.delivery import Disturbance, Replay
from stream.shows.lines import line
from stream.shows.one_room import show_of_room
from stream.shows.plan import HOLD_MS, RoomPlan

if TYPE_CHECKING:
    from stream.shows.show import Show

NAME = "snap-up"
SALE, COAT, SCARF = "coat-drop", "sku-881", "sku-412"
COAT_MINOR, COAT_PRIOR_MINOR, COAT_LIST_MINOR = 39_900, 59_900, 89_900
SCARF_MINOR, SCARF_USD_MINOR = 5_900, 1_290
OFFERED, RESTOCK, PER_USER_LIMIT = 5_000, 500, 2
PEOPLE, CART_ADDS = 60_000, 20_000
LIKES, COMMENTS, EXTRA_CLICKS, SCARF_ORDERS, USD_ORDERS = 60_000, 15_000, 22_000, 260, 40

DURATION_MS = 150_000
ANNOUNCED_MS, OPENS_MS, SELL_OUT_MS, ENDS_MS = 4_000, 15_000, 40_000, 600_000
RESTOCK_MS, RESTOCK_RUSH_MS = 70_000, 9_000
LAST_UNPAID_MS = 80_000  # holds of earlier orders have run out by 140 s, ten seconds before the end
LAST_BUYER_MS = 118_000
# Longer than the delay of any delivery: units are offered again only after their release is known everywhere.
REGRET_MS, CANCEL_CYCLE_MS, REFUNDS_FROM_MS = 62_000, 5_000, 100_000

UNPAID_SHARE, CANCELLED_SHARE, REFUNDED_ORDERS = 0.085, 0.02, 30
CARTED_FIRST_SHARE, CLICKED_FIRST_SHARE = 0.92, 0.97
CANCEL_OVERTAKES, REPEATED_PAYMENTS, LIMIT_BREAKERS = 3, 40, 12


class _Purchase(NamedTuple):
    at_ms: int
    quantity: int


class _Person(NamedTuple):
    enter_ms: int
    user_id: str


def build(seed: int, room_id: str = NAME) -> Show:
    """The show of one seed."""
    rng = Random(f"{NAME}/{seed}")
    plan = RoomPlan(room_id, f"su{seed}", DURATION_MS)
    people = _audience(plan, rng)
    plan.open_sale(
        SALE,
        COAT,
        ANNOUNCED_MS,
        offered=OFFERED,
        starts_at_ms=OPENS_MS,
        ends_at_ms=ENDS_MS,
        price_minor=COAT_MINOR,
        list_price_minor=COAT_LIST_MINOR,
        prior_price_minor=COAT_PRIOR_MINOR,
        currency="CNY",
        per_user_limit=PER_USER_LIMIT,
    )
    plan.restock(SALE, COAT, RESTOCK_MS, RESTOCK)
    _drop(plan, people, rng)
    _other_orders(plan, people, rng)
    _carts_without_order(plan, people, rng)
    _crowd(plan, people, rng)
    disturbance = Disturbance(
        seed=seed,
        duration_ms=DURATION_MS,
        repeated_per_10k=200,
        held_back_per_10k=150,
        replay=Replay(count=300, first_ms=40_000, lost_ms=60_000, back_ms=95_000),
    )
    return show_of_room(NAME, seed, plan, disturbance)


# Shapes are numbers in the functions that draw them: assumed shares and milliseconds, named by their use there.
# -- the audience -----------------------------------------------------------------------------------------------------
def _audience(plan: RoomPlan, rng: Random) -> list[_Person]:
    """All visitors in order of coming."""
    arrivals = sorted(_arrival_ms(rng) for _ in range(PEOPLE))
    people = [_Person(at_ms, f"u{number:05d}") for number, at_ms in enumerate(arrivals)]
    for person in people:
        _visit(plan, person, rng)
    return people


def _arrival_ms(rng: Random) -> int:
    """A time of coming: a fifth comes before the sale, most as word of the rush spreads, the rest late."""
    roll = rng.random()
    if roll < 0.2:
        return rng.randrange(OPENS_MS)
    if roll < 0.85:
        return 8_000 + int(50_000 * rng.betavariate(2.0, 2.2))
    return 50_000 + rng.randrange(85_000)


def _visit(plan: RoomPlan, person: _Person, rng: Random) -> None:
    source = rng.choice(("feed", "follow", "search", "share"))
    session_id = f"{person.user_id}.phone" if rng.random() < 0.1 else None
    spans: list[tuple[int, int | None]] = []
    enter_ms = person.enter_ms
    while True:
        leave_ms = enter_ms + 1_000 + int(rng.expovariate(1 / 45_000))
        if leave_ms >= DURATION_MS - 1_000 or rng.random() < 0.35:
            spans.append((enter_ms, None))
            break
        spans.append((enter_ms, leave_ms))
        enter_ms = leave_ms + 500 + int(rng.expovariate(1 / 8_000))
        if enter_ms >= DURATION_MS - 1_000 or rng.random() < 0.92:
            break
    plan.visit(person.user_id, spans, session_id=session_id, source=source)
    if session_id is not None and rng.random() < 0.1 and person.enter_ms < DURATION_MS - 10_000:
        # A second device of the same person adds a view and a session, but no viewer.
        plan.visit(person.user_id, [(person.enter_ms + 3_000, None)], session_id=f"{person.user_id}.tablet")


# -- the drop ---------------------------------------------------------------------------------------------------------
def _drop(plan: RoomPlan, people: list[_Person], rng: Random) -> None:
    """Orders for the coat: the rush, then the restock, then units that come back one by one."""
    buyers = _Buyers(people, rng)
    back_ms = [moment for purchase in _rush(rng) for moment in _order(plan, buyers, purchase, rng)]
    back_ms += [RESTOCK_MS] * RESTOCK
    for moment in sorted(back_ms):
        if moment == RESTOCK_MS:
            at_ms = moment + 300 + int(RESTOCK_RUSH_MS * rng.betavariate(1.6, 2.0))
        else:
            at_ms = moment + 200 + int(rng.expovariate(1 / 2_000))
        if at_ms < LAST_BUYER_MS:
            _order(plan, buyers, _Purchase(at_ms, 1), rng)  # what these give back comes too late to be sold
    lines = (_coats(1),)
    plan.cancel_of_unknown_order(rng.choice(people).user_id, lines, "CNY", OPENS_MS + 21_000)


def _rush(rng: Random) -> list[_Purchase]:
    """The first 5 000 units: slow, faster, very fast, then a tail while the last units are found."""
    quantities: list[int] = []
    left = OFFERED
    while left:
        quantities.append(min(left, 2 if rng.random() < 0.15 else 1))
        left -= quantities[-1]
    moments = sorted(OPENS_MS + 200 + int(SELL_OUT_MS * rng.betavariate(2.4, 1.7)) for _ in quantities)
    return [_Purchase(at_ms, quantity) for at_ms, quantity in zip(moments, quantities, strict=True)]


class _Buyers:
    """Picks buyers: people who have been in the room for a while, each once, with a few exceptions."""

    def __init__(self, people: list[_Person], rng: Random) -> None:
        self._people = people
        self._enter_ms = [person.enter_ms for person in people]
        self._rng = rng
        self._taken: set[int] = set()
        self._over_limit_left = LIMIT_BREAKERS
        self._cancel_overtakes_left = CANCEL_OVERTAKES
        self._repeats_left = REPEATED_PAYMENTS
        self._refunds_left = REFUNDED_ORDERS

    def pick(self, at_ms: int) -> _Person:
        there = bisect_right(self._enter_ms, at_ms - 1_500)
        if self._over_limit_left and len(self._taken) > 1_000 and self._rng.random() < 0.02:
            # Two devices of one person order at the same time: the platform lets the second order through.
            self._over_limit_left -= 1
            return self._people[self._rng.choice(sorted(self._taken)[:500])]
        while True:
            number = self._rng.randrange(there)
            if number not in self._taken:
                self._taken.add(number)
                return self._people[number]

    def overtaken(self) -> bool:
        self._cancel_overtakes_left -= 1
        return self._cancel_overtakes_left >= 0

    def pays_twice(self) -> bool:
        self._repeats_left -= 1
        return self._repeats_left >= 0

    def refunded(self) -> bool:
        self._refunds_left -= 1
        return self._refunds_left >= 0


def _order(plan: RoomPlan, buyers: _Buyers, purchase: _Purchase, rng: Random) -> list[int]:
    """The times at which the units of one planned order can be bought again, one for each unit."""
    placed_ms, quantity = purchase
    person = buyers.pick(placed_ms)
    _towards_order(plan, person, placed_ms, quantity, rng)
    lines = [_coats(quantity)]
    if rng.random() < 0.05:
        lines.append(OrderLine(sku_id=SCARF, quantity=1, amount_minor=SCARF_MINOR))
    paid_ms = placed_ms + 800 + min(24_000, int(rng.expovariate(1 / 6_000)))
    roll = rng.random()
    if roll < UNPAID_SHARE and placed_ms < LAST_UNPAID_MS:
        plan.order(person.user_id, lines, "CNY", placed_ms=placed_ms)
        return [placed_ms + HOLD_MS + rng.randrange(500, 1_500)] * quantity
    if roll > 1 - CANCELLED_SHARE:
        overtaken = placed_ms > REGRET_MS and buyers.overtaken()
        cancelled_ms = _cancelled_order(plan, person, lines, (placed_ms, paid_ms), rng, overtaken=overtaken)
        return [cancelled_ms + CANCEL_CYCLE_MS] * quantity
    refunded = placed_ms < 90_000 and rng.random() < 0.02 and buyers.refunded()
    plan.order(
        person.user_id,
        lines,
        "CNY",
        placed_ms=placed_ms,
        paid_ms=paid_ms,
        refunded_ms=max(paid_ms, REFUNDS_FROM_MS) + rng.randrange(2_000, 30_000) if refunded else None,
        repeat_paid_ms=paid_ms + rng.randrange(1, 5_000) if rng.random() < 0.02 and buyers.pays_twice() else None,
    )
    return []


def _cancelled_order(
    plan: RoomPlan, person: _Person, lines: list[OrderLine], moments: tuple[int, int], rng: Random, *, overtaken: bool
) -> int:
    """The time of a planned order's cancel. Half of the cancels come before payment; none comes during the rush."""
    placed_ms, paid_ms = moments
    order = partial(plan.order, person.user_id, lines, "CNY", placed_ms=placed_ms)
    if overtaken:
        cancelled_ms = placed_ms + 1_500
        order(cancelled_ms=cancelled_ms, placed_held_back_ms=rng.randrange(3_000, 4_000))
    elif rng.random() < 0.5:
        cancelled_ms = max(placed_ms, REGRET_MS) + rng.randrange(100, 12_000)
        order(cancelled_ms=cancelled_ms)
    else:
        cancelled_ms = max(paid_ms, REGRET_MS) + rng.randrange(100, 12_000)
        order(paid_ms=paid_ms, cancelled_ms=cancelled_ms)
    return cancelled_ms


def _towards_order(plan: RoomPlan, person: _Person, placed_ms: int, quantity: int, rng: Random) -> None:
    """Most click, then cart, then order. Impatient people and those who ordered elsewhere have no cart-add."""
    earliest_ms = person.enter_ms + 200
    cart_ms = max(earliest_ms, placed_ms - 700 - int(rng.expovariate(1 / 2_500)))
    if rng.random() < CLICKED_FIRST_SHARE:
        plan.click(person.user_id, max(earliest_ms, cart_ms - 300 - int(rng.expovariate(1 / 4_000))), COAT)
    if rng.random() < CARTED_FIRST_SHARE:
        plan.cart(person.user_id, cart_ms, COAT, quantity, SALE)


def _coats(quantity: int) -> OrderLine:
    return OrderLine(sku_id=COAT, quantity=quantity, amount_minor=quantity * COAT_MINOR, sale_id=SALE)


# -- everything else --------------------------------------------------------------------------------------------------
def _other_orders(plan: RoomPlan, people: list[_Person], rng: Random) -> None:
    """Orders of a scarf that is not on sale, in two currencies."""
    prices = [("CNY", SCARF_MINOR)] * SCARF_ORDERS + [("USD", SCARF_USD_MINOR)] * USD_ORDERS
    for currency, price_minor in prices:
        person = people[rng.randrange(PEOPLE * 9 // 10)]
        placed_ms = person.enter_ms + rng.randrange(2_000, 12_000)
        line_ = OrderLine(sku_id=SCARF, quantity=1, amount_minor=price_minor)
        paid_ms = None if rng.random() < UNPAID_SHARE else placed_ms + rng.randrange(1_000, 20_000)
        plan.order(person.user_id, [line_], currency, placed_ms=min(placed_ms, LAST_BUYER_MS), paid_ms=paid_ms)


def _carts_without_order(plan: RoomPlan, people: list[_Person], rng: Random) -> None:
    """Cart-adds without an order, up to the scenario's number. They follow the rush by a breath."""
    carted = plan.expected().cart_adds
    for _ in range(CART_ADDS - carted):
        at_ms = OPENS_MS - 5_000 + int((SELL_OUT_MS + 12_000) * rng.betavariate(2.4, 1.6))
        person = _somebody_there(people, at_ms, rng)
        plan.cart(person.user_id, at_ms, COAT, 1, SALE)


def _crowd(plan: RoomPlan, people: list[_Person], rng: Random) -> None:
    """Clicks, taps and comments of all people, to the end of the show."""
    for _ in range(EXTRA_CLICKS):
        at_ms = _busy_ms(rng)
        plan.click(_somebody_there(people, at_ms, rng).user_id, at_ms, COAT if rng.random() < 0.85 else SCARF)
    for _ in range(LIKES):
        at_ms = _busy_ms(rng)
        plan.like(_somebody_there(people, at_ms, rng).user_id, at_ms, 1 + min(59, int(rng.expovariate(1 / 11))))
    for _ in range(COMMENTS):
        at_ms = _busy_ms(rng)
        plan.comment(_somebody_there(people, at_ms, rng).user_id, at_ms, line(rng))


def _busy_ms(rng: Random) -> int:
    """A time: two thirds lie in the rush, the rest over the whole show."""
    if rng.random() < 0.66:
        return 5_000 + int(65_000 * rng.betavariate(2.4, 2.0))
    return 1_000 + rng.randrange(DURATION_MS - 1_000)


def _somebody_there(people: list[_Person], at_ms: int, rng: Random) -> _Person:
    """A random person who has come by then. Some have left since: clients send late."""
    there = bisect_right(people, (at_ms - 300, ""))
    return people[rng.randrange(max(1, there))]
