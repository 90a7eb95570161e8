"""The mechanics of a simulated run: all that there are, and candles, which need all that the machine can do."""

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

if TYPE_CHECKING:
    from collections.abc import Sequence

CATALOGUE = Catalogue((*INSTALLED.catalogue.mechanics, FORMS))
FOLDS = Installed(CATALOGUE, (*INSTALLED.of_name.values(), CandleFold))
AGAIN = Mechanics((*COUNTED_AGAIN.recounts, CandlesAgain), CATALOGUE)
# Of seeds, by what a division leaves. The others run as before there were mechanics, and catch the same mutants.
OF, WITH_MECHANICS = 7, (4, 5)
EVENTS_MOST = 40


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
    return sorted([*sent, *more], key=lambda record: record.at_s)
