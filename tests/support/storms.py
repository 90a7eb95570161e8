"""What viewers send in a storm: gifts whose combos climb.

Seeded. The fields of events, without event id, room and time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

GIFTS = {"heart": 0, "rose": 1, "koi": 188}
COMBO_MAX = 99
# Combos of a room that go on at once.
RUNNING = 8
# Per cent of the words of a combo: said below what was said before, and the last one before its client is gone.
BEGINS_AGAIN, LOSES_ITS_END = 5, 3


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
