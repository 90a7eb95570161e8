"""`gift-storm`: more gifts than a room should bear, while it sells: 9 000 combos of 6 000 givers in two minutes.

Combos climb to 99, lose their ends, and begin again below what they had said; some of their words arrive after later
ones; people send several gifts at a time; records come twice, and one client sends hundreds of its records again after
it was away. In the half minute of a battle half of all combos begin. All figures and shapes are assumptions.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from stream.contract.people import UNKNOWN_USER
from stream.mechanics.gifts.show import PRICES, GiftsPlanned
from stream.shows.delivery import Disturbance, Replay
from stream.shows.one_room import show_of_room
from stream.shows.plan import RoomPlan
from stream.shows.selling_room import SellingRoom

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream.shows.show import Show

NAME = "gift-storm"
DURATION_MS = 150_000
PEOPLE, GIVERS, COMBOS, ALONE, UNKNOWN = 30_000, 6_000, 9_000, 4_000, 200
ORDERS, OFFERED, WORDS_BESIDE, REPLAYED = 3_000, 50_000, 12_000, 600
COME_UNTIL_MS = 40_000
GIFTS_FROM_MS, BATTLE_FROM_MS, BATTLE_UNTIL_MS, GIFTS_UNTIL_MS = 15_000, 60_000, 90_000, 110_000
# The greatest number that a client counts up to.
COMBO_MAX = 99
# Per cent of combos.
WHOLE_COMBO, LOSES_ITS_END, BEGINS_AGAIN, IN_BATTLE = 15, 20, 12, 50
# Per cent of words, and by how much they are late.
LATE, LATE_MS = 3, (300, 4_000)


def build(seed: int, room_id: str = NAME, scale: float = 1.0) -> Show:
    """The show of one seed. `scale` 0.01 has a hundredth of the people, combos and orders; the times stay."""
    rng = Random(f"{NAME}/{seed}")
    plan = RoomPlan(room_id, f"gs{seed}", DURATION_MS)
    room = SellingRoom(
        plan, rng, people=_part(PEOPLE, scale), come_until_ms=COME_UNTIL_MS, offered=_part(OFFERED, scale)
    )
    room.talk(_part(WORDS_BESIDE, scale), COME_UNTIL_MS, DURATION_MS - 10_000)
    room.sell(_part(ORDERS, scale), COME_UNTIL_MS // 2, DURATION_MS - 15_000)
    gifts = GiftsPlanned(room_id, f"gsg{seed}")
    givers = rng.sample(room.staying, _part(GIVERS, scale))
    for user_id in _who_combines(rng, givers, _part(COMBOS, scale)):
        _combo(gifts, rng, user_id)
    names = list(PRICES)
    for number in range(_part(ALONE, scale) + _part(UNKNOWN, scale)):
        user_id = UNKNOWN_USER if number < _part(UNKNOWN, scale) else rng.choice(givers)
        gift_id = rng.choices(names, (10, 40, 30, 15, 5))[0]
        gifts.alone(user_id, rng.randrange(GIFTS_FROM_MS, GIFTS_UNTIL_MS), gift_id, rng.choice((1, 5)), PRICES[gift_id])
    plan.add(gifts)
    replay = Replay(count=_part(REPLAYED, scale), first_ms=BATTLE_FROM_MS, lost_ms=BATTLE_UNTIL_MS, back_ms=100_000)
    disturbance = Disturbance(
        seed=seed, duration_ms=DURATION_MS, repeated_per_10k=300, held_back_per_10k=0, replay=replay
    )
    return show_of_room(NAME, seed, plan, disturbance)


def _part(whole: int, scale: float) -> int:
    return max(4, round(whole * scale))


def _who_combines(rng: Random, givers: Sequence[str], combos: int) -> Sequence[str]:
    """Everybody who gives counts something up at least once; few count up most."""
    weights = [1 / (1 + place) ** 0.5 for place in range(len(givers))]
    return [*givers, *rng.choices(givers, weights, k=max(0, combos - len(givers)))]


def _combo(gifts: GiftsPlanned, rng: Random, user_id: str) -> None:
    """One combo; of every fourth there is a second one of another gift at the same time."""
    from_ms, until_ms = GIFTS_FROM_MS, GIFTS_UNTIL_MS
    if rng.randrange(100) < IN_BATTLE:
        from_ms, until_ms = BATTLE_FROM_MS, BATTLE_UNTIL_MS
    begins_ms = rng.randrange(from_ms, until_ms)
    for gift_id in rng.sample(list(PRICES), 2 if rng.randrange(4) == 0 else 1):
        counts = _counts(rng)
        gifts.combo(user_id, begins_ms, gift_id, counts, PRICES[gift_id], _late(rng, len(counts)))


def _counts(rng: Random) -> list[int]:
    """What a client says: up to 99 or some number below, in ones or in leaps.

    Some never say their end, and some come back and count on from below what they had said.
    """
    end = COMBO_MAX if rng.randrange(100) < WHOLE_COMBO else min(COMBO_MAX, 1 + int(rng.expovariate(1 / 8)))
    step = rng.choice((1, 1, 3))
    counts = sorted({*range(1, end + 1, step), end})
    if rng.randrange(100) < LOSES_ITS_END:
        counts = counts[: max(1, len(counts) * 2 // 3)]
    if rng.randrange(100) < BEGINS_AGAIN:
        last = counts[-1]
        counts += range(max(1, last - 4), min(COMBO_MAX, last + rng.randrange(3)) + 1)
    return counts


def _late(rng: Random, words: int) -> Mapping[int, int]:
    """Which of the words of a combo arrive after later ones, and by how much."""
    return {place: rng.randrange(*LATE_MS) for place in range(words) if rng.randrange(100) < LATE}
