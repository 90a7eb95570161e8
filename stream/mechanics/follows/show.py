"""`follows`: three minutes in which people follow, leave, come again, and cannot decide.

The plan decides of each person whether they followed before and whether they do at the end, and only then writes the
words that lead there: so the totals are known beforehand. All figures and shapes are assumptions.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from stream.contract.people import UNKNOWN_USER
from stream.mechanics.follows.events import Follow, Unfollow
from stream.shows.delivery import Disturbance
from stream.shows.one_room import show_of_room
from stream.shows.plan import RoomPlan
from stream.shows.planned import Planned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.contract.sections import Plain
    from stream.shows.show import Show

NAME = "follows"
DURATION_MS = 180_000
VIEWERS, UNKNOWN = 1_500, 9
# Of a hundred viewers who say anything: (followed before, follows at the end) → how many.
KINDS = {(False, True): 62, (True, False): 12, (False, False): 16, (True, True): 10}


class FollowsPlanned(Planned):
    """The follows of one room.

    Args:
        room_id: the room.
        tag: begins every event id.
    """

    NAME = "follows"

    def __init__(self, room_id: str, tag: str) -> None:
        self._room_id, self._tag = room_id, tag
        self._events: list[Follow | Unfollow] = []
        self._gained = self._lost = self._unknown = 0

    def person(self, user_id: str, times_ms: Sequence[int], *, before: bool, after: bool) -> None:
        """Somebody who followed before or did not, and does at the end or does not.

        Args:
            user_id: the person.
            times_ms: when they act, rising; each turns what they did before. An even number leads back.
            before: whether they followed.
            after: whether they follow at the end.
        """
        if (len(times_ms) % 2 == 1) != (before != after):
            raise ValueError(f"{len(times_ms)} turns do not lead from {before} to {after}")
        for turn, at_ms in enumerate(times_ms):
            self._write(user_id, at_ms, follows=before == bool(turn % 2))
        self._gained += after and not before
        self._lost += before and not after

    def unknown(self, at_ms: int) -> None:
        """A follow of nobody known."""
        self._write(UNKNOWN_USER, at_ms, follows=True)
        self._unknown += 1

    def _write(self, user_id: str, at_ms: int, *, follows: bool) -> None:
        kind = Follow if follows else Unfollow
        event_id = f"{self._tag}-{len(self._events):05x}"
        self._events.append(kind(event_id=event_id, room_id=self._room_id, event_time_ms=at_ms, user_id=user_id))

    def events(self) -> Sequence[Follow | Unfollow]:
        """As `Planned.events`."""
        return self._events

    def figures(self) -> dict[str, Plain]:
        """As `Planned.figures`."""
        return {
            "gained": self._gained,
            "lost": self._lost,
            "net": self._gained - self._lost,
            "beyond": 0,
            "unknown": self._unknown,
        }


def build(seed: int, room_id: str = NAME) -> Show:
    """The show of one seed."""
    rng = Random(f"{NAME}/{seed}")
    plan = RoomPlan(room_id, f"fl{seed}", DURATION_MS)
    follows = FollowsPlanned(room_id, f"flf{seed}")
    for number in range(VIEWERS):
        user_id = f"{rng.choice('abcdefghijklmnop')}{number:04d}"
        enters_ms = rng.randrange(60_000)
        plan.visit(user_id, [(enters_ms, None)])
        if rng.random() < 0.3:
            plan.like(user_id, 60_000 + rng.randrange(90_000), rng.randint(1, 40))
        if rng.random() < 0.4:
            before, after = rng.choices(list(KINDS), list(KINDS.values()))[0]
            turns = rng.choice((1, 1, 1, 3)) if before != after else rng.choice((2, 2, 4))
            times_ms = sorted(rng.sample(range(enters_ms, DURATION_MS - 5_000), turns))
            follows.person(user_id, times_ms, before=before, after=after)
    for _ in range(UNKNOWN):
        follows.unknown(rng.randrange(DURATION_MS - 5_000))
    plan.add(follows)
    disturbance = Disturbance(seed=seed, duration_ms=DURATION_MS, repeated_per_10k=300, held_back_per_10k=300)
    return show_of_room(NAME, seed, plan, disturbance)
