"""What viewers send in a storm: gifts whose combos climb, and coupons that more people reach for than there are.

Seeded. The fields of events, without event id, room and time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

GIFTS = {"heart": 0, "rose": 1, "koi": 188}
COMBO_MAX = 99
# Combos of a room that go on at once.
RUNNING = 8
# Per cent of the words of a combo: said below what was said before, and the last one before its client is gone.
BEGINS_AGAIN, LOSES_ITS_END = 5, 3
COUPONS = 3
# Takes of which something may still be said.
TAKES_OPEN = 200
# Of a hundred words of coupons: offers, uses, returns, takes that are told twice, uses of takes that nobody told of.
OFFER, USE, RETURN, TAKEN_AGAIN, UNKNOWN = 2, 22, 10, 4, 2


class Gifts:
    """The combos of one room.

    Args:
        chance: what people choose by.
        tag: begins the id of every streak.
        people: how many there are.
    """

    def __init__(self, chance: Random, tag: str, people: int) -> None:
        self._chance, self._tag, self._people = chance, tag, people
        self._begun = 0
        self._running: list[dict[str, Any]] = []

    def next(self) -> dict[str, Any]:
        """The next word of any of them: a gift."""
        chance = self._chance
        if chance.random() < 0.1:
            return {**self._of_somebody(), "count": chance.randint(1, 5)}
        if len(self._running) < RUNNING:
            self._begun += 1
            self._running.append({**self._of_somebody(), "count": 0, "streak_id": f"{self._tag}-{self._begun}"})
        combo = chance.choice(self._running)
        if combo["count"] > 1 and chance.randrange(100) < BEGINS_AGAIN:
            return {**combo, "count": chance.randint(1, combo["count"])}
        combo["count"] = min(COMBO_MAX, combo["count"] + chance.randint(1, 4))
        if combo["count"] == COMBO_MAX or chance.randrange(100) < LOSES_ITS_END:
            self._running.remove(combo)
        return dict(combo)

    def _of_somebody(self) -> dict[str, Any]:
        gift_id = self._chance.choice(list(GIFTS))
        user_id = f"user-{self._chance.randrange(self._people)}"
        return {"type": "gift", "user_id": user_id, "gift_id": gift_id, "coins_each": GIFTS[gift_id]}


class Coupons:
    """The coupons of one room: few, limited for each person, soon expired, handed out beyond their number.

    Args:
        chance: what people and the host choose by.
        tag: begins the id of every take.
        people: how many there are.
        now_ms: the clock.
        offered: at most so many at once.
    """

    def __init__(self, chance: Random, tag: str, people: int, now_ms: Callable[[], int], offered: int) -> None:
        self._chance, self._tag, self._people = chance, tag, people
        self._now_ms, self._offered = now_ms, offered
        self._made = 0
        self._takes: list[str] = []
        self._known: list[str] = []

    def next(self) -> dict[str, Any]:
        """The next word of the host, of a person or of the platform: any of the four kinds."""
        chance = self._chance
        if not self._known or chance.randrange(100) < OFFER:
            return self._offer()
        kinds = (self._use, self._give_back, self._taken_again, self._use_unknown, self._take)
        shares = (USE, RETURN, TAKEN_AGAIN, UNKNOWN, 100 - USE - RETURN - TAKEN_AGAIN - UNKNOWN)
        (said,) = chance.choices(kinds if self._takes else (self._take,), shares if self._takes else None)
        return said()

    def _offer(self) -> dict[str, Any]:
        chance, coupon_id = self._chance, f"coupon-{self._chance.randrange(COUPONS)}"
        self._known.append(coupon_id)
        return {
            "type": "coupon_offered",
            "coupon_id": coupon_id,
            "title": "满 199 减 20",
            "offered": chance.randint(1, self._offered),
            "starts_at_ms": self._now_ms(),
            "ends_at_ms": chance.choice((None, self._now_ms() + 30_000)),
            "per_user_limit": chance.choice((1, 2, None)),
            "valid_s": chance.choice((1, 20, None)),
        }

    def _take(self) -> dict[str, Any]:
        self._made += 1
        take_id = f"{self._tag}-{self._made}"
        self._takes.append(take_id)
        del self._takes[:-TAKES_OPEN]
        return self._taken(take_id)

    def _taken_again(self) -> dict[str, Any]:
        """Told twice, and the second time of somebody else."""
        return self._taken(self._chance.choice(self._takes))

    def _taken(self, take_id: str) -> dict[str, Any]:
        user_id = f"user-{self._chance.randrange(self._people)}"
        coupon_id = self._chance.choice(self._known)
        return {"type": "coupon_taken", "take_id": take_id, "coupon_id": coupon_id, "user_id": user_id}

    def _use(self) -> dict[str, Any]:
        return {"type": "coupon_used", "take_id": self._chance.choice(self._takes), "order_id": "o-1"}

    def _use_unknown(self) -> dict[str, Any]:
        self._made += 1
        return {"type": "coupon_used", "take_id": f"{self._tag}-{self._made}"}

    def _give_back(self) -> dict[str, Any]:
        return {"type": "coupon_returned", "take_id": self._chance.choice(self._takes)}
