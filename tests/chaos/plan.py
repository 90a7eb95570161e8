"""The faults of a plan, their number and their order: seeded."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.chaos import faults

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from tests.chaos.faults import Fault


class Step(NamedTuple):
    """One fault. `pause_s` before it; `overlaps`: the fleet need not have recovered from the fault before it."""

    kind: str
    fault: Fault
    pause_s: float
    overlaps: bool


# Kind → how often in each plan. The long plan is the promised one: 60 kills, 20 pauses, 10 wipes.
_KINDS: dict[str, tuple[Fault, int, int, int]] = {
    "kill -9, dynamic": (faults.kill_dynamic, 1, 10, 32),
    "kill -9, static": (faults.kill_static, 1, 10, 32),
    "SIGSTOP beyond the session": (faults.pause, 1, 6, 20),
    "SIGTERM and restart": (faults.terminate, 1, 3, 6),
    "rolling restart": (faults.rolling_restart, 0, 2, 5),
    "join and leave": (faults.join_and_leave, 1, 5, 16),
    "broker killed": (faults.broker_killed, 0, 2, 4),
    "Redis wiped": (faults.redis_wiped, 1, 4, 10),
    "Redis answers in 2 s": (faults.redis_slow, 1, 2, 4),
    "Redis fails over": (faults.redis_fails_over, 0, 2, 4),
    "hanging transaction": (faults.hanging_transaction, 0, 2, 4),
    "poison storm": (faults.poison_storm, 0, 2, 4),
}
PLANS = ("short", "standard", "long")
# Seconds that Kafka and Redis are away in each plan; None: not at all.
_AWAY_S: dict[str, tuple[float | None, float | None, float]] = {
    "Kafka away": (None, 30.0, 120.0),
    "Redis away": (None, 45.0, 300.0),
}
# The first fault of a plan that has it: the fleet begins with the first version.
UPGRADE = "rolling upgrade"
# Of kills and pauses, in the plans but the short one.
OVERLAP = 0.2
_MAY_OVERLAP = ("kill -9, dynamic", "kill -9, static", "SIGTERM and restart")
PAUSE_S = (0.5, 4.0)


def plan(name: str, chance: Random, brokers: int, only: Sequence[str] = ()) -> list[Step]:
    """The schedule of a plan; `only`: beginnings of the names of the kinds to take.

    Raises:
        ValueError: no kind's name begins with one of `only`.
    """
    place = PLANS.index(name)
    kinds = [(kind, fault) for kind, (fault, *counts) in _KINDS.items() for _ in range(counts[place])]
    for kind, seconds in _AWAY_S.items():
        if (for_s := seconds[place]) is not None:
            away = faults.kafka_away if kind == "Kafka away" else faults.redis_away
            kinds.append((f"{kind} for {for_s:.0f} s", away(for_s)))
    if brokers > 1:
        kinds += [("leader moved", faults.leader_moved)] * (1, 3, 6)[place]
    upgrade = [(UPGRADE, faults.rolling_upgrade)] if place else []
    kinds += upgrade
    for beginning in only:
        if not any(kind.startswith(beginning) for kind, _ in kinds):
            raise ValueError(f"the plan {name} has no fault {beginning!r}, but {sorted({kind for kind, _ in kinds})}")
    if only:
        kinds = [(kind, fault) for kind, fault in kinds if kind.startswith(tuple(only))]
    upgrade = [kind for kind in kinds if kind in upgrade]
    kinds = [kind for kind in kinds if kind not in upgrade]
    chance.shuffle(kinds)
    kinds = upgrade + kinds
    return [
        Step(kind, fault, chance.uniform(*PAUSE_S), place > 0 and kind in _MAY_OVERLAP and chance.random() < OVERLAP)
        for kind, fault in kinds
    ]
