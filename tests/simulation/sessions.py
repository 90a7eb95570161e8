"""What must hold of sessions: asked of the committed signals, by code that knows nothing of the fold.

When a silence ends a session is a matter of the owner's clock, so signals say it. A word ends or begins one at its own
offset: no show of the simulation is silent for long enough to end by itself, so the log alone says which words count.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from tests.simulation.workload import INTERACTIONS, TOPICS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from stream.contract.overlay import Session
    from tests.simulation.kafka_log import Kept

# As the workload writes them; other types may begin with `room_` too.
WORDS = (b'"type":"room_opened"', b'"type":"room_closed"')


class Signal(NamedTuple):
    """What is looked at of a signal. `session`: None for the first one of a room, as long as it goes on."""

    where: str
    room_id: str
    version: tuple[int, int]
    session: Session | None


def first_offsets(session: Session | None) -> dict[str, int]:
    """By topic, where the records of a document's session begin."""
    return {} if session is None else dict(zip(TOPICS, session.first_offsets, strict=False))


def next_offsets(session: Session) -> dict[str, int]:
    """By topic, where the records of a document end."""
    return dict(zip(TOPICS, session.next_offsets, strict=False))


def is_same(one: Session | None, other: Session | None) -> bool:
    """Whether both are the same session in the same state: it goes on, or it ended at the same moment in one way."""
    if one is None or other is None:
        return one is other
    return (one.began_at_ms, one.ended_at_ms, one.ended_by) == (other.began_at_ms, other.ended_at_ms, other.ended_by)


def named(session: Session | None) -> str:
    """A session, for people."""
    if session is None:
        return "the first session"
    ended = "" if session.ended_by is None else f", ended by {session.ended_by}"
    return f"the session of {session.began_at_ms}{ended}"


def look_at_room(
    signals: Sequence[Signal], has_between: Callable[[str, Mapping[str, int], Mapping[str, int]], bool]
) -> Iterator[str]:
    """What may not be in the signals of one room, which are in the order of the log.

    `has_between`: whether a record counts in a room from some offsets on and before others.
    """
    for before, now in pairwise(signals):
        if now.version <= before.version:
            yield f"{now.where}: {now.version} follows {before.version} of {now.room_id}"
        old, new = before.session, now.session
        goes_on = old is None or old.ended_by is None
        if goes_on and (new is None or (old is not None and new.began_at_ms == old.began_at_ms)):
            continue
        if goes_on and old is None and new is not None and new.ended_by is not None:
            continue  # the end of the first one, which had no name before
        if goes_on:
            yield f"{now.where}: a session of {now.room_id} begins, but the one before has no last document"
        elif new is None or old is None or new.began_at_ms <= old.began_at_ms:
            yield f"{now.where}: {now.room_id} goes back to a session that has ended"
        elif any(new_at < old_at for new_at, old_at in zip(new.first_offsets, old.next_offsets, strict=True)):
            yield f"{now.where}: a session of {now.room_id} begins before the one before ends"
        elif has_between(now.room_id, next_offsets(old), first_offsets(new)):
            yield f"{now.where}: between two sessions of {now.room_id} lie records that are in neither"


def look_at_words(partition: int, records: Sequence[Kept], signals: Sequence[Signal]) -> Iterator[str]:
    """Words of one partition's log that did not do what they say."""
    began, ended = set(), set()
    for signal in signals:
        if (session := signal.session) is not None and session.show_id is not None:
            began.add((signal.room_id, session.show_id, session.first_offsets[INTERACTIONS]))
            if session.ended_by == "word":
                ended.add((signal.room_id, session.show_id, session.next_offsets[INTERACTIONS]))
    shows: dict[str, str] = {}
    known: set[tuple[str, str]] = set()
    for record in records:
        if record.value is None or record.marker or not any(word in record.value for word in WORDS):
            continue
        event = json.loads(record.value)
        room, show, name = event["room_id"], event["show_id"], (event["room_id"], event["event_id"])
        opens, goes_on = event["type"] == "room_opened", shows.get(room) == show
        if opens == goes_on or name in known:
            continue
        known.add(name)
        where = f"live.interactions/{partition}@{record.offset}"
        if opens:
            shows[room] = show
            if (room, show, record.offset) not in began:
                yield f"{where}: no session of {room} begins with its {show}"
        else:
            del shows[room]
            if (room, show, record.offset + 1) not in ended:
                yield f"{where}: no session of {room} ends with its {show}"
