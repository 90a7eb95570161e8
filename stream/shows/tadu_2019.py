"""`tadu-2019`: a two-hour WeChat show of 2019, reported with "18.32 % conversion".

11 951 viewers and 1 228 orders are 10.28 %. 18.32 % needs a denominator of 6 703, which fits the people who opened a
product. The same show must give both, each under its right name. All other figures are assumptions; 50.5 % of a live
audience comments.
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

NAME = "tadu-2019"
DURATION_MS = 2 * 3_600_000
VIEWERS, CLICKERS, ORDERS = 11_951, 6_703, 1_228
COMMENTERS = 6_035  # 50.5 %
IDLE_CARTERS, LIKES, REFUNDS = 1_900, 30_000, 37
# The price of each product in fen.
PRICES = {"tea-250g": 6_800, "tea-gift": 16_800, "cup-pair": 4_900, "honey": 5_900}
LAST_ENTER_MS = DURATION_MS - 600_000


def build(seed: int, room_id: str = NAME) -> Show:
    """The show of one seed."""
    rng = Random(f"{NAME}/{seed}")
    plan = RoomPlan(room_id, f"td{seed}", DURATION_MS)
    enter_ms = {f"wx{number:05d}": _arrival_ms(rng) for number in range(VIEWERS)}
    for user_id, at_ms in enter_ms.items():
        plan.visit(user_id, _spans(at_ms, rng), source=rng.choice(("moments", "group", "search")))
    viewers = list(enter_ms)
    clickers = rng.sample(viewers, CLICKERS)
    buyers = clickers[:ORDERS]
    for user_id in clickers:
        _interest(plan, user_id, enter_ms[user_id], rng)
    refunds = set(buyers[:REFUNDS])
    for user_id in buyers:
        _purchase(plan, user_id, enter_ms[user_id] + 60_000, rng, refunded=user_id in refunds)
    for user_id in clickers[ORDERS : ORDERS + IDLE_CARTERS]:
        plan.cart(user_id, enter_ms[user_id] + 50_000 + rng.randrange(200_000), rng.choice(list(PRICES)))
    _talk(plan, enter_ms, rng.sample(viewers, COMMENTERS), rng)
    for _ in range(LIKES):
        user_id = rng.choice(viewers)
        plan.like(user_id, enter_ms[user_id] + rng.randrange(500_000), 1 + min(99, int(rng.expovariate(1 / 8))))
    disturbance = Disturbance(
        seed=seed,
        duration_ms=DURATION_MS,
        repeated_per_10k=50,
        held_back_per_10k=100,
        held_back_ms=(4_000, 20_000),
    )
    return show_of_room(NAME, seed, plan, disturbance)


def _arrival_ms(rng: Random) -> int:
    """A time of coming: most come in the first half hour, the last ten minutes before the end."""
    return int(LAST_ENTER_MS * rng.betavariate(1.1, 2.6))


def _spans(enter_ms: int, rng: Random) -> list[tuple[int, int | None]]:
    leave_ms = enter_ms + 20_000 + int(rng.expovariate(1 / 900_000))
    if leave_ms >= DURATION_MS - 1_000:
        return [(enter_ms, None)]
    again_ms = leave_ms + 30_000 + int(rng.expovariate(1 / 300_000))
    if rng.random() < 0.85 or again_ms >= DURATION_MS - 1_000:
        return [(enter_ms, leave_ms)]
    return [(enter_ms, leave_ms), (again_ms, None)]


def _interest(plan: RoomPlan, user_id: str, enter_ms: int, rng: Random) -> None:
    for _ in range(1 + (rng.random() < 0.3)):
        plan.click(user_id, enter_ms + 5_000 + rng.randrange(40_000), rng.choice(list(PRICES)))


def _purchase(plan: RoomPlan, user_id: str, from_ms: int, rng: Random, *, refunded: bool) -> None:
    """Everybody in this show pays, as far as is known. Nine in ten have carted before."""
    sku_ids = rng.sample(list(PRICES), 1 if rng.random() < 0.7 else 2)
    placed_ms = from_ms + rng.randrange(200_000)
    paid_ms = placed_ms + 2_000 + rng.randrange(28_000)
    if rng.random() < 0.9:
        plan.cart(user_id, placed_ms - 1_000 - rng.randrange(10_000), sku_ids[0])
    lines = [OrderLine(sku_id=sku_id, quantity=1, amount_minor=PRICES[sku_id]) for sku_id in sku_ids]
    refunded_ms = min(DURATION_MS - 1_000, paid_ms + 60_000 + rng.randrange(600_000)) if refunded else None
    plan.order(user_id, lines, "CNY", placed_ms=placed_ms, paid_ms=paid_ms, refunded_ms=refunded_ms)


def _talk(plan: RoomPlan, enter_ms: dict[str, int], commenters: list[str], rng: Random) -> None:
    for user_id in commenters:
        for _ in range(1 + int(rng.expovariate(1 / 0.8))):
            plan.comment(user_id, enter_ms[user_id] + 3_000 + rng.randrange(500_000), line(rng))
