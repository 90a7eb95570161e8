"""The mechanics under the laws: each alone, and all of them together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stream.contract.catalogue import Catalogue, Forms
from stream.core.mechanic import Installed, Mechanic
from stream.mechanics.folds import INSTALLED
from tests.support.any_event import any_event
from tests.support.candles import FORMS, CandleFold
from tests.support.rooms import INTERACTIONS, T0_MS, Rec

if TYPE_CHECKING:
    from random import Random

    from tests.support.rooms import Log

_ALL: tuple[type[Mechanic], ...] = (*INSTALLED.of_name.values(), CandleFold)
_FORMS: tuple[Forms, ...] = (*INSTALLED.catalogue.mechanics, FORMS)
EACH: dict[str, Installed] = {
    **{fold.NAME: Installed(Catalogue((forms,)), (fold,)) for forms, fold in zip(_FORMS, _ALL, strict=True)},
    "all": Installed(Catalogue(_FORMS), _ALL),
}


def with_interactions(
    log: Log, mechanics: Installed, random: Random, *, events: int, rooms: int, duration_ms: int
) -> Log:
    """The log with events of the mechanics among its interactions; some come twice."""
    kinds = list(mechanics.name_of)
    more = []
    for number in range(events):
        at_ms, room_id = T0_MS + random.randrange(duration_ms), f"room-{random.randrange(rooms)}"
        event = any_event(random.choice(kinds), random, f"m{number}", room_id, at_ms)
        record = Rec(msgspec.json.encode(event), room_id.encode(), 0, at_ms + random.randrange(2_000))
        more += [record, record] if random.random() < 0.1 else [record]
    mixed = sorted([*log[INTERACTIONS], *more], key=lambda record: record.timestamp)
    return [*log[:INTERACTIONS], [record._replace(offset=offset) for offset, record in enumerate(mixed)]]
