"""Orders by people whom their room has never seen, in a room that hears of visits.

A person is seen who comes, clicks, likes, comments or carts, before or after the order, if the room has heard of it by
now. The folds of those events do nothing for this. This file keeps who ordered unseen; `look` asks whether those
people were seen since, before a document is made and before a level moves.

The rule judges only where platforms evidently send visits: of at least so many people who have paid in this session
nearly all were seen. It looks at unpaid orders alone, for who pays and was not seen is a buyer from elsewhere. And it
is silent where people are too many to be known one by one.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from stream.core.audiences import CLICKERS, ENGAGED, PAYERS, VIEWERS
from stream.core.standing import STANDINGS, STANDS_BY
from stream.core.suspects import NEVER_SEEN, was_placed_in
from stream.core.suspicion import suspect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream.core.memory import Memory
    from stream.core.order_state import OrderState
    from stream.core.windows import Audience

SEEN_BY = (VIEWERS, CLICKERS, ENGAGED)


class Unseen:
    """Of one room, in one session. What it keeps it may keep too long: it looks again before it judges."""

    __slots__ = (
        "_asked_at",
        "_audiences",
        "_changed",
        "_fresh",
        "_judges",
        "_looked_at",
        "_memory",
        "_orders",
        "_payers",
    )

    def __init__(self, memory: Memory, audiences: Sequence[Audience]) -> None:
        self._memory, self._audiences = memory, audiences
        # By whom: unpaid orders that were placed in this session. Nearly everybody has one at most: that stands for
        # itself, for a dictionary is three times an order.
        self._orders: dict[str, OrderState | dict[str, OrderState]] = {}
        self._payers: dict[str, None] = {}
        self._judges = self._changed = False
        # Who has placed an order since the last look, while the rule judges: the others are suspected already.
        self._fresh: dict[str, None] = {}
        self._looked_at: tuple[int, ...] = ()
        # People of each audience when the payers were last looked for among them.
        self._asked_at: tuple[int, ...] = (0,) * len(SEEN_BY)

    def _is_seen(self, user_id: str) -> bool:
        # Each order asks this: a generator costs as much as the answers.
        audiences = self._audiences
        return (
            user_id in audiences[ENGAGED].session.members
            or user_id in audiences[VIEWERS].session.members
            or user_id in audiences[CLICKERS].session.members
        )

    def placed(self, order: OrderState) -> None:
        """An order was placed and is not paid."""
        user_id = order.user_id
        if self._is_seen(user_id):
            return
        self._changed = True
        if self._judges:
            self._fresh[user_id] = None
        others = self._orders.setdefault(user_id, order)
        if isinstance(others, dict):
            others[order.order_id] = order
        elif others is not order:
            self._orders[user_id] = {others.order_id: others, order.order_id: order}

    def paid(self, order: OrderState) -> None:
        """An order was paid."""
        user_id = order.user_id
        if not self._is_seen(user_id):
            self._payers[user_id] = None
            self._changed = True
        self.drop(order)

    def drop(self, order: OrderState) -> None:
        """An order is none that the rule looks at any more."""
        user_id = order.user_id
        orders = self._orders.get(user_id)
        if isinstance(orders, dict):
            orders.pop(order.order_id, None)
        if not orders or (not isinstance(orders, dict) and orders.order_id == order.order_id):
            self._orders.pop(user_id, None)
        if order.suspicion & NEVER_SEEN:
            suspect(self._memory, order, order.suspicion & ~NEVER_SEEN)

    def look(self, *, paced: bool = True) -> None:
        """Suspect whoever was never seen, and whoever was seen no longer. `paced`: as of `suspect`.

        While the rule goes on judging, only those are looked at who came or ordered since the last look.
        """
        if not (self._orders or self._judges):
            return
        audiences = self._audiences
        sessions = [audiences[index].session for index in (PAYERS, *SEEN_BY)]
        sizes = tuple([len(session.members) if session.sketch is None else -1 for session in sessions])
        if sizes == self._looked_at and not self._changed:
            return
        before, self._looked_at, self._changed = self._looked_at, sizes, False
        judges = min(sizes) >= 0 and self._may_judge(sizes)
        if judges:
            since = before[1:] if self._judges else (0,) * len(SEEN_BY)
            for user_id in self._seen_among(self._orders, since, sizes[1:]):
                self._lift(user_id)
                del self._orders[user_id]
            for user_id in self._fresh if self._judges else self._orders:
                if user_id in self._orders:
                    self._suspect(user_id, paced=paced)
            self._fresh.clear()
        elif self._judges:
            self.lift_all()
        self._judges = judges

    def lift_all(self) -> None:
        """Nobody is suspected of this any more."""
        for user_id in self._orders:
            self._lift(user_id)
        self._fresh.clear()
        self._judges = False

    def _may_judge(self, sizes: tuple[int, ...]) -> bool:
        """Whether nearly all of those who paid were seen."""
        rules, payers = self._memory.rules, sizes[0]
        least = payers * rules.suspect_seen_percent
        if payers < rules.suspect_seen_payers or sum(sizes[1:]) * 100 < least:
            return False
        # Each person who came since can be one payer at most: mostly there is no need to ask who.
        if (payers - len(self._payers) + sum(sizes[1:]) - sum(self._asked_at)) * 100 < least:
            return False
        for user_id in self._seen_among(self._payers, self._asked_at, sizes[1:]):
            del self._payers[user_id]
        self._asked_at = sizes[1:]
        return (payers - len(self._payers)) * 100 >= least

    def _seen_among(self, people: Mapping[str, object], since: Sequence[int], sizes: Sequence[int]) -> set[str]:
        """Those of these people who were seen since audiences were so large; `sizes`: how large they are now."""
        seen = set[str]()
        for index, now, before in zip(SEEN_BY, sizes, since, strict=True):
            members = self._audiences[index].session.members
            # Those who came since lie at the end. A view finds people among them at two thirds of the cost of a loop.
            seen |= people.keys() & (
                islice(reversed(members), now - before) if now - before < len(people) else members.keys()
            )
        return seen

    def _orders_of(self, user_id: str) -> list[OrderState]:
        orders = self._orders[user_id]
        return [*orders.values()] if isinstance(orders, dict) else [orders]

    def _lift(self, user_id: str) -> None:
        for order in self._orders_of(user_id):
            if order.suspicion & NEVER_SEEN:
                suspect(self._memory, order, order.suspicion & ~NEVER_SEEN)

    def _suspect(self, user_id: str, *, paced: bool) -> None:
        known, orders = self._memory.orders, self._orders[user_id]
        for order in self._orders_of(user_id):
            if known.get(order.order_id) is not order:  # forgotten meanwhile
                if isinstance(orders, dict):
                    del orders[order.order_id]
            elif not order.suspicion & NEVER_SEEN:
                suspect(self._memory, order, order.suspicion | NEVER_SEEN, paced=paced)

    def restore(self) -> None:
        """The same from what is known of orders and people; those must be restored."""
        memory, payers = self._memory, self._audiences[PAYERS].session
        if payers.exact:
            self._payers = {user_id: None for user_id in payers.members if not self._is_seen(user_id)}
        for order in memory.orders.values():
            may_be = STANDINGS[order.mask & STANDS_BY].unpaid and order.lines and order.user_id not in memory.strangers
            if may_be and was_placed_in(order, memory.born_ms):
                self.placed(order)
        self.look(paced=False)
