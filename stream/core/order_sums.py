"""What the orders of a batch come to in windows and audiences, together: half the cost of one at a time."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from stream.contract.overlay import FeedItem
from stream.core.audiences import (
    BUYERS,
    CARTED_BUYERS,
    CARTERS,
    PAYERS,
    count_buyers_or_carters,
    count_carted_buyer,
)
from stream.core.time import BUCKET_MS
from stream.core.windows import Tally

if TYPE_CHECKING:
    from stream.contract.events import Order
    from stream.core.room import Room

Seen = list[tuple[str, int]]  # (user, second), in the order of the log


def count_units(room: Room, units: dict[int, int]) -> None:
    """So many units of sales were taken, net, in these seconds."""
    for second, moved in units.items():
        room.unit_tally.add(second, moved)
    first_ms = min(units) * BUCKET_MS
    if room.first_unit_ms < 0 or first_ms < room.first_unit_ms:
        room.first_unit_ms = first_ms


def count_placed(room: Room, placed: Seen) -> None:
    """So many orders became placed: at the moment of the record that made it so."""
    room.orders_placed += len(placed)
    by_second = _by_second(placed)
    for second, users in by_second.items():
        room.order_tally.add(second, len(users))
    if not room.strangers.isdisjoint([user_id for user_id, _ in placed]):
        placed = [each for each in placed if each[0] not in room.strangers]
        by_second = _by_second(placed)
    buyers, carters, both = (room.audiences[index] for index in (BUYERS, CARTERS, CARTED_BUYERS))
    if both.bits or not (buyers.is_exact_with(len(placed)) and carters.is_exact_with(0)):
        count_buyers_or_carters(room.audiences, BUYERS, placed)
        return
    carted = carters.session.members
    for second, users in by_second.items():
        people = dict.fromkeys(users, second)
        buyers.seen_all(people, second)
        for user_id in people:
            if user_id in carted:
                count_carted_buyer(room.audiences, user_id)


def count_paid(room: Room, paid: Seen, income: dict[tuple[str, int], int]) -> None:
    """So many orders became paid; `income`: by currency and second, minor units."""
    room.orders_paid += len(paid)
    for second, users in _by_second(paid).items():
        room.paid_tally.add(second, len(users))
        people = dict.fromkeys(users, second)
        if not people.keys().isdisjoint(room.strangers):
            people = {user_id: second for user_id in people if user_id not in room.strangers}
        room.audiences[PAYERS].seen_all(people, second)
    for (currency, second), amount_minor in income.items():
        tally = room.paid_minor_tallies.get(currency)
        if tally is None:
            tally = room.paid_minor_tallies[currency] = Tally()
            tally.advance(room.view_tally.as_of)
        tally.add(second, amount_minor)


def _by_second(seen: Seen) -> dict[int, list[str]]:
    users: defaultdict[int, list[str]] = defaultdict(list)
    for user_id, second in seen:
        users[second].append(user_id)
    return users


def feed(room: Room, sold: list[tuple[Order, int]]) -> None:
    """The last orders that were paid, for all to see: the first letter of a name, no more."""
    keep = room.rules.feed_items
    for event, at_ms in sold[-keep:]:
        line = event.lines[0]
        initial = "" if event.user_id in room.strangers else event.user_id[:1]
        room.feed.append(FeedItem("order", at_ms, initial + "***", line.sku_id, line.quantity))
    del room.feed[: max(0, len(room.feed) - keep)]
