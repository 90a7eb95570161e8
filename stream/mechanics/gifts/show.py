"""`gifts`: an evening of gifts in one room, with combos that are counted up, lose their ends and begin again.

The plan decides what each combo comes to before it writes a single word of it: so the totals are known beforehand. All
figures and shapes are assumptions. Nobody in it buys anything.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING

from stream.contract.people import UNKNOWN_USER
from stream.mechanics.gifts.events import Gift
from stream.shows.delivery import Disturbance
from stream.shows.one_room import show_of_room
from stream.shows.plan import RoomPlan
from stream.shows.planned import Planned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream.contract.sections import Plain
    from stream.shows.show import Show

NAME = "gifts"
TOP = 3
DURATION_MS = 180_000
LAST_GIFT_MS = 160_000  # the last combo has left the screen before the end
VIEWERS, GIVERS, COMBOS, ALONE, UNKNOWN = 2_000, 240, 420, 300, 12
# Gift → coins; a like-gift costs nothing.
PRICES = {"heart": 0, "rose": 1, "lantern": 20, "koi": 188, "dragon": 2_999}
WORD_EVERY_MS = 180
# Per cent of the combos whose client says lower numbers again after it was away.
BEGINS_AGAIN_PERCENT = 15
ON_TIME: Mapping[int, int] = MappingProxyType({})


class GiftsPlanned(Planned):
    """The gifts of one room.

    Args:
        room_id: the room.
        tag: begins every event id.
    """

    NAME = "gifts"

    def __init__(self, room_id: str, tag: str) -> None:
        self._room_id, self._tag = room_id, tag
        self._events: list[Gift] = []
        self._gifts, self._coins = Counter[str](), Counter[str]()
        self._streaks = 0
        self.held_back_ms: dict[str, int] = {}

    def alone(self, user_id: str, at_ms: int, gift_id: str, count: int, coins_each: int) -> None:
        """Gifts outside of any combo."""
        self._write(user_id, at_ms, gift_id, count, coins_each, None)
        self._give(user_id, count, count * coins_each)

    def combo(
        self,
        user_id: str,
        from_ms: int,
        gift_id: str,
        counts: Sequence[int],
        coins_each: int,
        late_ms: Mapping[int, int] = ON_TIME,
    ) -> None:
        """A combo that says these numbers one after the other; what it comes to is the greatest of them.

        `late_ms`: by its place among the numbers, how much later than the others one arrives. A number that arrives
        after a greater one says nothing new.
        """
        self._streaks += 1
        arrivals: list[tuple[int, int, int]] = []
        for place, count in enumerate(counts):
            at_ms = from_ms + place * WORD_EVERY_MS
            event_id = self._write(user_id, at_ms, gift_id, count, coins_each, f"{self._tag}-c{self._streaks:x}")
            if place in late_ms:
                self.held_back_ms[event_id] = late_ms[place]
            arrivals.append((at_ms + late_ms.get(place, 0), place, count))
        greatest = 0
        for _, _, count in sorted(arrivals):
            self.repeated += count <= greatest
            greatest = max(greatest, count)
        self._give(user_id, greatest, greatest * coins_each)

    def _write(self, user_id: str, at_ms: int, gift_id: str, count: int, coins_each: int, streak_id: str | None) -> str:
        event_id = f"{self._tag}-{len(self._events):x}"
        self._events.append(
            Gift(
                event_id=event_id,
                room_id=self._room_id,
                event_time_ms=at_ms,
                user_id=user_id,
                gift_id=gift_id,
                count=count,
                coins_each=coins_each,
                streak_id=streak_id,
            )
        )
        return event_id

    def _give(self, user_id: str, gifts: int, coins: int) -> None:
        self._gifts[user_id] += gifts
        self._coins[user_id] += coins

    def events(self) -> Sequence[Gift]:
        """As `Planned.events`."""
        return self._events

    def figures(self) -> dict[str, Plain]:
        """As `Planned.figures`; combos have left the screen by the end."""
        people = [user for user in self._gifts if user != UNKNOWN_USER]
        top = sorted(people, key=lambda user: (self._coins[user], self._gifts[user], user), reverse=True)[:TOP]
        figures: dict[str, Plain] = {
            "coins": self._coins.total(),
            "gifts": self._gifts.total(),
            "givers": len(people),
            "uncredited": 0,
        }
        for place, user in enumerate(top, 1):
            figures[f"top.{place}.who"] = f"{user[0]}***"
            figures[f"top.{place}.coins"] = self._coins[user]
            figures[f"top.{place}.gifts"] = self._gifts[user]
        return figures


def build(seed: int, room_id: str = NAME) -> Show:
    """The show of one seed."""
    rng = Random(f"{NAME}/{seed}")
    plan = RoomPlan(room_id, f"gf{seed}", DURATION_MS)
    viewers = [f"{rng.choice('abcdefghijklmnop')}{number:04d}" for number in range(VIEWERS)]
    for user_id in viewers:
        plan.visit(user_id, [(rng.randrange(60_000), None)])
        if rng.random() < 0.4:
            plan.like(user_id, 60_000 + rng.randrange(90_000), rng.randint(1, 40))
    gifts = GiftsPlanned(room_id, f"gfg{seed}")
    givers = rng.sample(viewers, GIVERS)
    # Few give most: the first of them give again and again.
    weights = [1 / (1 + place) for place in range(GIVERS)]
    for _ in range(COMBOS):
        (user_id,) = rng.choices(givers, weights)
        gift_id = rng.choices(list(PRICES), (30, 40, 20, 8, 2))[0]
        counts = _counts(rng)
        gifts.combo(user_id, rng.randrange(LAST_GIFT_MS - 40_000), gift_id, counts, PRICES[gift_id])
    for _ in range(ALONE):
        gift_id = rng.choices(list(PRICES), (10, 40, 30, 15, 5))[0]
        gifts.alone(rng.choice(givers), rng.randrange(LAST_GIFT_MS), gift_id, rng.choice((1, 1, 1, 5)), PRICES[gift_id])
    for _ in range(UNKNOWN):
        gifts.alone(UNKNOWN_USER, rng.randrange(LAST_GIFT_MS), "rose", 1, PRICES["rose"])
    plan.add(gifts)
    disturbance = Disturbance(seed=seed, duration_ms=DURATION_MS, repeated_per_10k=300, held_back_per_10k=0)
    return show_of_room(NAME, seed, plan, disturbance)


def _counts(rng: Random) -> list[int]:
    """What a combo says: up to some number, in ones or in leaps; some lose the way and begin again below it."""
    end = min(99, 1 + int(rng.expovariate(1 / 9)))
    counts = (
        [*range(1, end + 1)] if rng.random() < 0.6 else sorted({*rng.sample(range(1, end + 1), (end + 1) // 2), end})
    )
    if rng.randrange(100) < BEGINS_AGAIN_PERCENT:
        counts += range(max(1, end - 3), end + rng.randrange(3))
    return counts
