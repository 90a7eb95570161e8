"""The mechanics of a simulated run: all that there are, and candles, which need all that the machine can do.

In some runs a storm of gifts and coupons comes over one room.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import msgspec

from stream.contract.catalogue import Catalogue
from stream.core.mechanic import Installed
from stream.mechanics.folds import INSTALLED
from stream.mechanics.recounts import COUNTED_AGAIN
from stream.verify.recounted import Mechanics
from tests.simulation.workload import INTERACTIONS, T0_MS, Sent
from tests.support.any_event import any_event
from tests.support.candles import FORMS, Candle, CandleFold
from tests.support.candles_again import CandlesAgain
from tests.support.storms import Coupons, Gifts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CATALOGUE = Catalogue((*INSTALLED.catalogue.mechanics, FORMS))
FOLDS = Installed(CATALOGUE, (*INSTALLED.of_name.values(), CandleFold))
AGAIN = Mechanics((*COUNTED_AGAIN.recounts, CandlesAgain), CATALOGUE)
# Of seeds, by what a division leaves. The others run as before there were mechanics, and catch the same mutants.
OF, WITH_MECHANICS = 7, (4, 5)
EVENTS_MOST = 40
# Of the seeds with mechanics, by what is left of the quotient: those with a storm, in which more events come in less
# time than in all of a run beside it.
STORM_OF, WITH_STORM = 4, 3
STORM_EVENTS, STORM_S, STORM_PEOPLE, COUPONS_OFFERED = (60, 160), 1.5, 6, 8


def with_mechanics(seed: int, sent: Sequence[Sent], seconds: float) -> list[Sent]:
    """The same with events of mechanics in the rooms that there are, in a share of the runs; some come twice."""
    hand = Random(f"mechanics of {seed}")
    rooms = sorted({(record.partition, record.key) for record in sent})
    if seed % OF not in WITH_MECHANICS or not rooms:
        return list(sent)
    more: list[Sent] = []
    for number in range(1 + int(hand.random() * EVENTS_MOST)):
        at_s = hand.random() * seconds
        partition, key = hand.choice(rooms)
        kind = hand.choice(list(FOLDS.name_of))
        event = any_event(kind, hand, f"m{number}", key.decode(), T0_MS + int(at_s * 1000))
        if isinstance(event, Candle):  # they burn down within the run
            event = msgspec.structs.replace(event, burns_s=1 + int(hand.random() * 3))
        record = Sent(at_s, INTERACTIONS, partition, key, msgspec.json.encode(event), 0)
        more += [record, record._replace(at_s=at_s + hand.random() * 0.5)] if hand.random() < 0.15 else [record]
    if seed // OF % STORM_OF == WITH_STORM:
        more += _storm(hand, *hand.choice(rooms), seconds)
    return sorted([*sent, *more], key=lambda record: record.at_s)


def _storm(hand: Random, partition: int, key: bytes, seconds: float) -> Iterator[Sent]:
    """A burst of gifts and coupons in one room; some records come late, some twice, some under a new id."""
    room, at_s = key.decode(), hand.random() * max(0.1, seconds - STORM_S)
    gifts = Gifts(hand, f"storm-{room}", STORM_PEOPLE)
    coupons = Coupons(hand, f"storm-{room}", STORM_PEOPLE, lambda: T0_MS + int(at_s * 1_000), COUPONS_OFFERED)
    number = hand.randrange(*STORM_EVENTS)
    for place in range(number):
        at_s += STORM_S / number
        said = hand.choice((gifts, coupons)).next()
        event = {"event_id": f"s{place}", "room_id": room, "event_time_ms": T0_MS + int(at_s * 1_000), **said}
        late_s = hand.random() if hand.random() < 0.1 else 0.0
        record = Sent(at_s + late_s, INTERACTIONS, partition, key, msgspec.json.encode(event), 0)
        yield record
        if hand.random() < 0.1:
            yield record._replace(at_s=record.at_s + hand.random() * 0.5)
        if hand.random() < 0.05:
            again = msgspec.json.encode(event | {"event_id": f"s{place}-again"})
            yield record._replace(at_s=record.at_s + hand.random() * 0.5, value=again)
