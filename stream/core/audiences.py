"""The audiences of a room: which there are, and who is in the one that follows from two others.

`room.audiences` holds one `Audience` for each name in `AUDIENCES`, in this order. A name's place is its code in
checkpoints, so new names are appended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.core.windows import sample_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.core.windows import Audience

AUDIENCES = ("viewers", "clickers", "carters", "payers", "engaged", "buyers", "carted_buyers")
VIEWERS, CLICKERS, CARTERS, PAYERS, ENGAGED, BUYERS, CARTED_BUYERS = range(len(AUDIENCES))


def count_buyers_or_carters(audiences: Sequence[Audience], place: int, people: Sequence[tuple[str, int]]) -> None:
    """Count buyers or carters one by one.

    Once an audience is sampled, the order of arrival matters for people in the sample. People outside the sample only
    go into the session's sketch.

    Args:
        audiences: of one room.
        place: `BUYERS` or `CARTERS`.
        people: (user id, second) of each, in the order of the log.
    """
    audience = audiences[place]
    session = audience.session
    if audience.bits and session.sketch is not None:
        chosen = set(sample_of([user_id for user_id, _ in people], audience.bits))
        session.add_all([user_id for user_id, _ in people if user_id not in chosen])
        people = [each for each in people if each[0] in chosen]
    for user_id, second in people:
        audience.seen(user_id, second)
        count_carted_buyer(audiences, user_id)


def count_carted_buyer(audiences: Sequence[Audience], user_id: str) -> None:
    """Count a person who just carted or bought among those who did both; a person who did only one changes nothing.

    A person counts in a window if both their latest cart and their latest order lie in it, that is, if the earlier of
    the two does.
    """
    carters, buyers, both = audiences[CARTERS], audiences[BUYERS], audiences[CARTED_BUYERS]
    if carters.bits > both.bits or buyers.bits > both.bits:
        both.thin(max(carters.bits, buyers.bits))
    bought, carted = buyers.latest(user_id), carters.latest(user_id)
    if bought >= 0 <= carted:
        both.seen(user_id, min(bought, carted))
    elif user_id in buyers.session.members and user_id in carters.session.members:
        both.session.add(user_id)
