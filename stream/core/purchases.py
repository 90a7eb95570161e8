"""What a level of urgency must not be without: people who buy, and figures that may be said.

Only from the second edition of signals on; see `docs/signals.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.core.time import BUCKET_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.core.ledger import Ledger
    from stream.core.room import Room
    from stream.core.rules import Rules


def is_bought(ledger: Ledger, recent: Sequence[int], now_ms: int, rules: Rules) -> bool:
    """Whether people buy of a sale: only then may it be in a rush.

    More was paid for in the last `purchases_window_ms` than was refunded or cancelled after it was paid, in hops of
    10 s. Within the last `purchases_silent_ms` some of it was paid for, and in one of these seconds more was ordered
    than came back; `recent` are the units of seconds.
    """
    seconds = rules.purchases_silent_ms // BUCKET_MS
    return (
        ledger.paid_second > now_ms // BUCKET_MS - seconds
        and max(recent[-seconds:], default=0) > 0
        and ledger.bought_recently(now_ms, rules.purchases_window_ms)[0] > 0
    )


def is_doubtful(room: Room, ledger: Ledger, now_ms: int) -> bool:
    """Whether the claims about what is left are withheld: more is to come, or nobody knows what is left in truth."""
    if ledger.restock_planned[1] > now_ms or room.misplaced:
        return True
    taken = ledger.held + ledger.sold - ledger.former[0] - ledger.former[1]
    return ledger.suspect_held > room.rules.suspect_share_max * taken
