"""What a gift costs beside a like: µs per event of decode + fold + publish + cut, in the pure core.

    python -m bench.gifts [EVENTS]

Ten rooms, ten thousand people, at 20 000 events per second of log time. Gifts are a storm: combos of up to 99 that
count up one by one. Rounds of both alternate; the least of each is printed and written to bench/out/gifts.json. One
process, CPU time.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from bench.fold import SLICE, T0_MS, TOPICS, Rec
from stream.contract.catalogue import topic_index_of
from stream.contract.events import Event, Like
from stream.core.partition import PartitionFold
from stream.mechanics.folds import INSTALLED
from stream.mechanics.gifts.events import Gift
from stream.settings import load_settings

EVENTS_PER_S = 20_000
ROOMS = 10
PEOPLE = 10_000
COMBO_MAX = 99
ROUNDS = 5


def likes(random: Random, events: int) -> list[Event]:
    """Likes of single taps and batches."""
    return [
        Like(count=random.randrange(1, 20), **_who(random, number, f"u{random.randrange(PEOPLE)}"))
        for number in range(events)
    ]


def gifts(random: Random, events: int) -> list[Event]:
    """Combos of some people at once, each of which counts up one by one."""
    made: list[Event] = []
    running: list[list[int]] = []  # user, streak, count, most
    for number in range(events):
        if len(running) < 100:
            running.append([random.randrange(PEOPLE), number, 0, random.randrange(1, COMBO_MAX + 1)])
        combo = random.choice(running)
        combo[2] += 1
        if combo[2] == combo[3]:
            running.remove(combo)
        user, streak, count, _ = combo
        who = _who(random, number, f"u{user}", room=user % ROOMS)
        made.append(Gift(gift_id="rose", count=count, coins_each=10, streak_id=f"s{streak}", **who))
    return made


def _who(random: Random, number: int, user_id: str, room: int | None = None) -> dict[str, Any]:
    room = random.randrange(ROOMS) if room is None else room
    at_ms = T0_MS + number * 1_000 // EVENTS_PER_S
    return {"event_id": f"e{number}", "room_id": f"room-{room}", "event_time_ms": at_ms, "user_id": user_id}


def us_per_event(events: list[Event]) -> float:
    """Everything that the core does with these, in slices as a worker takes them."""
    records = [
        Rec(msgspec.json.encode(event), event.room_id.encode(), offset, event.event_time_ms + 30)
        for offset, event in enumerate(events)
    ]
    topic = topic_index_of(type(events[0]))
    fold = PartitionFold(0, load_settings().rules(INSTALLED), TOPICS, mechanics=INSTALLED)
    began, cut_ms = time.process_time(), T0_MS
    for start in range(0, len(records), SLICE // 10):
        piece = records[start : start + SLICE // 10]
        fold.fold(topic, piece)
        fold.advance(piece[-1].timestamp, "log")
        fold.publish(None, 1)
        if fold.clock_ms - cut_ms >= 1_000:
            cut_ms = fold.clock_ms
            fold.cut(1)
    spent = time.process_time() - began
    if fold.counters.applied[topic] != len(events):
        raise SystemExit("not every event counted: the comparison means nothing")
    return spent / len(events) * 1e6


def main() -> None:
    """Alternate, and print the least of each."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    made = {"like": likes(Random(1), events), "gift": gifts(Random(1), events)}
    spent = {name: min(us_per_event(of_kind) for _ in range(ROUNDS)) for name, of_kind in made.items()}
    report = {
        "events": events,
        "us_per_event": {name: round(us, 2) for name, us in spent.items()},
        "gift_beside_like": round(spent["gift"] / spent["like"], 2),
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    print(json.dumps(report, indent=1))
    out = Path(__file__).parent / "out" / "gifts.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
