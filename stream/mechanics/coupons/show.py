"""`coupons`: two coupons in one room: one of which too many go, and one that expires in half a minute.

The plan decides of each take what becomes of it before it writes an event: so the totals are known beforehand. All
figures and shapes are assumptions. Nobody in it buys anything.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from stream.contract.people import UNKNOWN_USER
from stream.mechanics.coupons.events import CouponOffered, CouponReturned, CouponTaken, CouponUsed
from stream.shows.delivery import Disturbance
from stream.shows.one_room import show_of_room
from stream.shows.plan import RoomPlan
from stream.shows.planned import Planned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream.contract.events import Event
    from stream.contract.sections import Plain
    from stream.shows.show import Show

NAME = "coupons"
DURATION_MS = 180_000
VIEWERS = 2_000
# What becomes of a take. Of a person's takes beyond the limit the log holds the take, and the rule refuses it.
Fate = Literal["taken", "used", "returned", "expired", "refused"]
FATES: tuple[Fate, ...] = ("taken", "used", "returned", "expired")
RAIN_TAKES, RAIN_TWICE, RAIN_OFFERED, RAIN_VALID_S = 900, 70, 1_000, 30
SHIP_TAKES, SHIP_SAID_FIRST, SHIP_OFFERED, SHIP_NOBODY = 130, 80, 120, 6
UNMATCHED = 5


class Handed(NamedTuple):
    """A coupon of the plan."""

    coupon_id: str
    title: str
    offered: int
    starts_at_ms: int
    ends_at_ms: int | None = None
    per_user_limit: int | None = None
    valid_s: int | None = None


class CouponsPlanned(Planned):
    """The coupons of one room.

    Args:
        room_id: the room.
        tag: begins every event id.
        rng: draws when a take is used or returned.
    """

    NAME = "coupons"

    def __init__(self, room_id: str, tag: str, rng: Random) -> None:
        self._room_id, self._tag, self._rng = room_id, tag, rng
        self._events: list[Event] = []
        self._handed: dict[str, Handed] = {}
        self._fates: dict[str, Counter[Fate]] = {}
        self._takes = 0
        self._unmatched = 0

    def offer(self, coupon: Handed, at_ms: int) -> None:
        """The coupon is handed out on these terms, whatever was said of it before."""
        self._handed[coupon.coupon_id] = coupon
        self._fates.setdefault(coupon.coupon_id, Counter())
        self._events.append(CouponOffered(**self._what(at_ms), **coupon._asdict()))

    def take(self, coupon_id: str, user_id: str, at_ms: int, fate: Fate) -> None:
        """Somebody takes one, and this becomes of it."""
        take_id = self.hand_out(coupon_id, user_id, at_ms, fate)
        within_ms = 1_000 * (self._handed[coupon_id].valid_s or 60)
        later_ms = at_ms + self._rng.randrange(within_ms // 2)
        # Some of those that are returned were used before.
        if fate == "used" or (fate == "returned" and self._rng.random() < 0.3):
            self.use(take_id, later_ms, f"{take_id}-o")
        if fate == "returned":
            self.give_back(take_id, later_ms + 1_000)

    def hand_out(self, coupon_id: str, user_id: str, at_ms: int, fate: Fate) -> str:
        """The id of a take of which this becomes; `use` and `give_back` must then be told."""
        self._takes += 1
        take_id = f"{self._tag}-t{self._takes:x}"
        self._events.append(CouponTaken(**self._what(at_ms), take_id=take_id, coupon_id=coupon_id, user_id=user_id))
        self._fates[coupon_id][fate] += 1
        return take_id

    def use(self, take_id: str, at_ms: int, order_id: str) -> None:
        """A take is used for an order."""
        self._events.append(CouponUsed(**self._what(at_ms), take_id=take_id, order_id=order_id))

    def give_back(self, take_id: str, at_ms: int) -> None:
        """A take is returned."""
        self._events.append(CouponReturned(**self._what(at_ms), take_id=take_id))

    def use_unknown(self, at_ms: int) -> None:
        """A take is used of which nobody ever says who took what."""
        self._unmatched += 1
        self._events.append(CouponUsed(**self._what(at_ms), take_id=f"{self._tag}-x{self._unmatched}"))

    def _what(self, at_ms: int) -> dict[str, Any]:
        return {"event_id": f"{self._tag}-{len(self._events):x}", "room_id": self._room_id, "event_time_ms": at_ms}

    def events(self) -> Sequence[Event]:
        """As `Planned.events`."""
        return self._events

    def figures(self) -> dict[str, Plain]:
        """As `Planned.figures`; when a coupon starts and ends is moved with the show, and not looked at."""
        figures: dict[str, Plain] = {"unmatched": self._unmatched, "beyond": 0}
        for place, coupon in enumerate(sorted(self._handed.values(), key=lambda each: -each.starts_at_ms), 1):
            fates = self._fates[coupon.coupon_id]
            for name, value in _figures(coupon, fates).items():
                figures[f"coupons.{place}.{name}"] = value
        return figures


def _figures(coupon: Handed, fates: Mapping[Fate, int]) -> dict[str, Plain]:
    handed_out = sum(fates[fate] for fate in FATES)
    return {
        "coupon_id": coupon.coupon_id,
        "title": coupon.title,
        "offered": coupon.offered,
        "left": max(0, coupon.offered - handed_out),
        "overdrawn": max(0, handed_out - coupon.offered),
        "handed_out": handed_out,
        **{fate: fates[fate] for fate in FATES},
        "refused": fates["refused"],
        "per_user_limit": coupon.per_user_limit,
        "valid_s": coupon.valid_s,
    }


def build(seed: int, room_id: str = NAME) -> Show:
    """The show of one seed."""
    rng = Random(f"{NAME}/{seed}")
    plan = RoomPlan(room_id, f"cp{seed}", DURATION_MS)
    viewers = [f"{rng.choice('abcdefghijklmnop')}{number:04d}" for number in range(VIEWERS)]
    for user_id in viewers:
        plan.visit(user_id, [(rng.randrange(60_000), None)])
        if rng.random() < 0.4:
            plan.like(user_id, 60_000 + rng.randrange(90_000), rng.randint(1, 40))
    coupons = CouponsPlanned(room_id, f"cpc{seed}", rng)
    _ship(coupons, rng, viewers)
    _rain(coupons, rng, viewers)
    for _ in range(UNMATCHED):
        coupons.use_unknown(rng.randrange(DURATION_MS))
    plan.add(coupons)
    disturbance = Disturbance(seed=seed, duration_ms=DURATION_MS, repeated_per_10k=300, held_back_per_10k=0)
    return show_of_room(NAME, seed, plan, disturbance)


def _rain(coupons: CouponsPlanned, rng: Random, viewers: Sequence[str]) -> None:
    """One a person, for half a minute; what is not used in half a minute more has expired before the show ends."""
    coupon = Handed("rain", "满 199 减 20", RAIN_OFFERED, 90_000, 120_000, 1, RAIN_VALID_S)
    coupons.offer(coupon, 85_000)
    takers = rng.sample(viewers, RAIN_TAKES)
    for user_id in takers:
        at_ms = 90_000 + int(20_000 * rng.random() ** 2)
        coupons.take("rain", user_id, at_ms, rng.choices(FATES, (0, 50, 5, 45))[0])
    for user_id in rng.sample(takers, RAIN_TWICE):
        coupons.take("rain", user_id, 110_000 + rng.randrange(10_000), "refused")


def _ship(coupons: CouponsPlanned, rng: Random, viewers: Sequence[str]) -> None:
    """Any number a person, and without end. The host says a greater number while more are taken than that."""
    coupon = Handed("ship", "Free shipping", SHIP_SAID_FIRST, 10_000)
    coupons.offer(coupon, 9_000)
    for number in range(SHIP_TAKES):
        user_id = UNKNOWN_USER if number < SHIP_NOBODY else rng.choice(viewers)
        coupons.take("ship", user_id, 10_000 + rng.randrange(100_000), rng.choices(FATES, (60, 35, 5, 0))[0])
    coupons.offer(coupon._replace(offered=SHIP_OFFERED), 60_000)
