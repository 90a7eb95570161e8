"""`coupon-rain`: 100 000 coupons in 30 s, and far more hands than coupons, in a room that sells beside it.

48 000 people reach for them, three each at most, and the platform tells of more than there are. A third is used for
orders; of some of these orders the coupon comes back, most of the others expire before the show ends. A few dear ones
rain beside them, one each, and stay in people's hands. Records come late and twice, and one client sends a thousand of
its records again after it was away. All figures and shapes are assumptions.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from stream.contract.people import UNKNOWN_USER
from stream.mechanics.coupons.show import FATES, CouponsPlanned, Handed
from stream.shows.delivery import Disturbance, Replay
from stream.shows.one_room import show_of_room
from stream.shows.plan import RoomPlan
from stream.shows.selling_room import SellingRoom

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.mechanics.coupons.show import Fate
    from stream.shows.show import Show

NAME = "coupon-rain"
DURATION_MS = 130_000
PEOPLE, COME_UNTIL_MS, OFFERED, ORDERS, WORDS_BESIDE, REPLAYED = 60_000, 19_000, 200_000, 1_500, 9_000, 1_000
RAINS_FROM_MS, RAINS_FOR_MS, DEAR_FROM_MS = 20_000, 30_000, 25_000
# Of the rain, what the host says first, and then, while it rains.
SAID_FIRST, RAIN = 80_000, 100_000
RAISED_MS = 35_000
RAIN_EACH, RAIN_VALID_S = 3, 60
DEAR, DEAR_TAKEN, DEAR_TWICE, DEAR_VALID_S = 1_000, 4_000, 500, 3_600
# How many one person reaches for, and of how many people out of a hundred.
HANDS = {1: 10, 2: 20, 3: 40, 4: 18, 5: 12}
# Takes of people whom nobody knows: of the rain, used at once.
UNKNOWN, UNMATCHED = 200, 50
# Shares of what becomes of a take, in the order of `FATES`.
RAIN_FATES, DEAR_FATES = (0, 30, 8, 62), (70, 25, 5, 0)
# A coupon is used in this time, and an order that gives it back is cancelled within that.
USED_WITHIN_MS, CANCELLED_WITHIN_MS = 40_000, 4_000


def build(seed: int, room_id: str = NAME, scale: float = 1.0) -> Show:
    """The show of one seed. `scale` 0.01 has a hundredth of the people, coupons and orders; the times stay."""
    rng = Random(f"{NAME}/{seed}")
    plan = RoomPlan(room_id, f"cr{seed}", DURATION_MS)
    room = SellingRoom(
        plan, rng, people=_part(PEOPLE, scale), come_until_ms=COME_UNTIL_MS, offered=_part(OFFERED, scale)
    )
    room.talk(_part(WORDS_BESIDE, scale), COME_UNTIL_MS, DURATION_MS - 10_000)
    room.sell(_part(ORDERS, scale), COME_UNTIL_MS, DURATION_MS - 15_000)
    coupons = CouponsPlanned(room_id, f"crc{seed}", rng)
    storm = _Storm(coupons, room, rng)
    storm.rain(_part(SAID_FIRST, scale), _part(RAIN, scale), _part(UNKNOWN, scale))
    storm.dear(_part(DEAR, scale), _part(DEAR_TAKEN, scale), _part(DEAR_TWICE, scale))
    for _ in range(_part(UNMATCHED, scale)):
        coupons.use_unknown(rng.randrange(RAINS_FROM_MS, DURATION_MS - 10_000))
    plan.add(coupons)
    disturbance = Disturbance(
        seed=seed,
        duration_ms=DURATION_MS,
        repeated_per_10k=300,
        held_back_per_10k=200,
        replay=Replay(count=_part(REPLAYED, scale), first_ms=RAINS_FROM_MS, lost_ms=45_000, back_ms=60_000),
    )
    return show_of_room(NAME, seed, plan, disturbance)


def _part(whole: int, scale: float) -> int:
    return max(4, round(whole * scale))


class _Storm:
    """Who takes which coupon, and what becomes of it."""

    def __init__(self, coupons: CouponsPlanned, room: SellingRoom, rng: Random) -> None:
        self._coupons, self._room, self._rng = coupons, room, rng

    def rain(self, said_first: int, offered: int, unknown: int) -> None:
        """Everybody who stays takes one after the other; all that are left in their hands expire."""
        rng, until_ms = self._rng, RAINS_FROM_MS + RAINS_FOR_MS
        rain = Handed("rain", "满 199 减 20", said_first, RAINS_FROM_MS, until_ms, RAIN_EACH, RAIN_VALID_S)
        self._coupons.offer(rain, RAINS_FROM_MS - 5_000)
        for user_id in self._room.staying:
            (hands,) = rng.choices(list(HANDS), list(HANDS.values()))
            for place, at_ms in enumerate(self._moments(hands)):
                fate: Fate = rng.choices(FATES, RAIN_FATES)[0] if place < RAIN_EACH else "refused"
                self._take("rain", user_id, at_ms, fate)
        for at_ms in self._moments(unknown):
            self._take("rain", UNKNOWN_USER, at_ms, "expired")
        self._coupons.offer(rain._replace(offered=offered), RAISED_MS)

    def dear(self, offered: int, taken: int, twice: int) -> None:
        """Some take one, and some of them one more, which the rule refuses."""
        rng = self._rng
        dear = Handed("dear", "¥100 off", offered, DEAR_FROM_MS, None, 1, DEAR_VALID_S)
        self._coupons.offer(dear, DEAR_FROM_MS - 1_000)
        takers = rng.sample(self._room.staying, min(taken, len(self._room.staying)))
        for user_id in takers:
            self._take("dear", user_id, DEAR_FROM_MS + rng.randrange(5_000), rng.choices(FATES, DEAR_FATES)[0])
        for user_id in rng.sample(takers, min(twice, len(takers))):
            self._take("dear", user_id, DEAR_FROM_MS + 5_000 + rng.randrange(10_000), "refused")

    def _moments(self, number: int) -> Sequence[int]:
        """Moments of the rain, rising, most of them at its beginning."""
        moments = sorted(int(RAINS_FOR_MS * self._rng.random() ** 2) for _ in range(number))
        return [RAINS_FROM_MS + moment + place for place, moment in enumerate(moments)]

    def _take(self, coupon_id: str, user_id: str, at_ms: int, fate: Fate) -> None:
        """One take, and the order that it is used for. Half of those that are returned were used before."""
        rng = self._rng
        take_id = self._coupons.hand_out(coupon_id, user_id, at_ms, fate)
        used_ms = at_ms + 2_000 + rng.randrange(USED_WITHIN_MS)
        if fate == "used" or (fate == "returned" and rng.random() < 0.5):
            order_id = self._room.buy(user_id, used_ms, cancels=fate == "returned")
            self._coupons.use(take_id, used_ms, order_id)
        if fate == "returned":
            self._coupons.give_back(take_id, used_ms + CANCELLED_WITHIN_MS)
