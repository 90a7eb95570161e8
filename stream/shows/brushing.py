"""`brushing`: a sale with made-up orders. 30 % of its orders come from 50 accounts, and none of those is paid.

Regulators describe the practice; every figure but these two is an assumption. 2 100 people order in earnest, and eight
in a hundred of them do not pay. The 50 accounts place 18 orders each within a minute, and the sale looks all but gone:
claims of scarcity must fall silent, and the totals must say why (many orders, few paid). The accounts' holds run out
after 60 s, and the units are available again.

    0 s   people come       30 s   50 accounts order       90 s   they stop       150 s   their holds have run out
    10 s  the sale opens                                                          240 s   end
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from stream.contract.events import OrderLine
from stream.shows.delivery import Disturbance
from stream.shows.lines import line
from stream.shows.one_room import show_of_room
from stream.shows.plan import RoomPlan

if TYPE_CHECKING:
    from stream.shows.show import Show

NAME = "brushing"
DURATION_MS, OPENS_MS, LAST_BUYER_MS = 240_000, 10_000, 220_000
BRUSH_FROM_MS, BRUSH_UNTIL_MS = 30_000, 90_000
ACCOUNTS, ORDERS_EACH = 50, 18
# Figures for each account, so that 18 of 60 orders are fakes.
GENUINE_EACH, PEOPLE_EACH, LIKES_EACH, COMMENTS_EACH, IDLE_CARTS_EACH, OFFERED_EACH = 42, 240, 200, 60, 20, 44
UNPAID_SHARE = 0.08
SALE, SKU, PRICE_MINOR = "serum-drop", "sku-303", 12_900


def build(seed: int, room_id: str = NAME, scale: float = 1.0) -> Show:
    """The show of one seed. `scale` 0.1 has 5 accounts, and everything else in proportion."""
    accounts = max(1, round(ACCOUNTS * scale))
    rng = Random(f"{NAME}/{seed}")
    plan = RoomPlan(room_id, f"br{seed}-{accounts}", DURATION_MS)
    arrivals = sorted(int(200_000 * rng.betavariate(1.2, 2.4)) for _ in range(accounts * PEOPLE_EACH))
    people = [(at_ms, f"u{number:05d}") for number, at_ms in enumerate(arrivals)]
    for at_ms, user_id in people:
        leave_ms = at_ms + 30_000 + int(rng.expovariate(1 / 120_000))
        plan.visit(user_id, [(at_ms, leave_ms if leave_ms < DURATION_MS - 1_000 else None)])
    plan.open_sale(
        SALE,
        SKU,
        OPENS_MS - 5_000,
        offered=accounts * OFFERED_EACH,
        starts_at_ms=OPENS_MS,
        ends_at_ms=600_000,
        price_minor=PRICE_MINOR,
        currency="CNY",
    )
    _in_earnest(plan, people, rng, accounts)
    for account in range(accounts):
        _brush(plan, f"b{account:02d}", rng)
    _crowd(plan, people, rng, accounts)
    disturbance = Disturbance(seed=seed, duration_ms=DURATION_MS, repeated_per_10k=100, held_back_per_10k=100)
    return show_of_room(NAME, seed, plan, disturbance)


def _in_earnest(plan: RoomPlan, people: list[tuple[int, str]], rng: Random, accounts: int) -> None:
    """Plan the genuine orders: each person buys one unit after a look, mostly from the cart."""
    early = [person for person in people if person[0] < 160_000]
    for enter_ms, user_id in rng.sample(early, min(len(early), accounts * GENUINE_EACH)):
        earliest_ms = max(enter_ms + 5_000, OPENS_MS + 500)
        placed_ms = earliest_ms + rng.randrange(max(1, LAST_BUYER_MS - 20_000 - earliest_ms))
        plan.click(user_id, placed_ms - 3_000, SKU)
        if rng.random() < 0.9:
            plan.cart(user_id, placed_ms - 1_000, SKU, 1, SALE)
        paid_ms = None if rng.random() < UNPAID_SHARE else placed_ms + rng.randrange(1_500, 15_000)
        plan.order(user_id, [_unit()], "CNY", placed_ms=placed_ms, paid_ms=paid_ms)


def _brush(plan: RoomPlan, user_id: str, rng: Random) -> None:
    """Plan an account that places many orders and never pays."""
    plan.visit(user_id, [(BRUSH_FROM_MS - 5_000 + rng.randrange(4_000), None)])
    for number in range(ORDERS_EACH):
        each_ms = (BRUSH_UNTIL_MS - BRUSH_FROM_MS) // ORDERS_EACH
        placed_ms = BRUSH_FROM_MS + number * each_ms + rng.randrange(each_ms)
        plan.order(user_id, [_unit()], "CNY", placed_ms=placed_ms)


def _unit() -> OrderLine:
    return OrderLine(sku_id=SKU, quantity=1, amount_minor=PRICE_MINOR, sale_id=SALE)


def _crowd(plan: RoomPlan, people: list[tuple[int, str]], rng: Random, accounts: int) -> None:
    def somebody() -> tuple[int, str]:
        enter_ms, user_id = rng.choice(people)
        return min(DURATION_MS - 1_000, enter_ms + 500 + rng.randrange(60_000)), user_id

    for _ in range(accounts * LIKES_EACH):
        at_ms, user_id = somebody()
        plan.like(user_id, at_ms, 1 + min(29, int(rng.expovariate(1 / 6))))
    for _ in range(accounts * COMMENTS_EACH):
        at_ms, user_id = somebody()
        plan.comment(user_id, at_ms, line(rng))
    for _ in range(accounts * IDLE_CARTS_EACH):
        at_ms, user_id = somebody()
        plan.cart(user_id, max(at_ms, OPENS_MS), SKU, 1, SALE)
