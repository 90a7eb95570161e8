"""What a room knows: the sales that were announced, the orders, and which events it has had.

None of it depends on whether anybody spoke in between. `Room` adds what belongs to one session.
"""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING

from stream.contract.events import FIRST_EDITION
from stream.contract.people import UNKNOWN_PEOPLE
from stream.core.stock import STANDINGS, Ledger, OrderState, SaleTerms, own_terms_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.core.rules import Rules

SaleKey = tuple[str, str]
NOBODY: frozenset[str] = frozenset()


class Shared:
    """What the rooms of one partition share: the clock, and the heap of holds that will run out."""

    __slots__ = ("clock_ms", "holds")

    def __init__(self) -> None:
        self.clock_ms = -1
        self.holds: list[tuple[int, str, str]] = []  # heap of (deadline, room id, order id)


class Memory:
    """Everything known about one room beyond its session."""

    __slots__ = (
        "changed_orders",
        "ids",
        "ids_generation",
        "ids_previous",
        "ledgers",
        "new_ids",
        "orders",
        "room_id",
        "rules",
        "sales_refused",
        "shared",
        "strangers",
        "terms",
        "unpaid",
    )

    def __init__(self, room_id: str, rules: Rules, shared: Shared) -> None:
        self.room_id = room_id
        self.rules = rules
        self.shared = shared
        # User ids that are no one's: in no audience, no limit, no suspicion, for they may be many people.
        self.strangers = UNKNOWN_PEOPLE if rules.contract_edition > FIRST_EDITION else NOBODY
        self.orders: dict[str, OrderState] = {}  # by time of the last change, oldest first
        self.changed_orders: dict[str, None] = {}
        self.unpaid: dict[str, int] = {}  # user → orders placed and never paid
        self.ledgers: dict[SaleKey, Ledger] = {}
        self.terms: dict[str, SaleTerms] = {}
        self.sales_refused = 0
        # Duplicates: two generations of event ids; the partition says when a new one begins.
        self.ids: set[str] = set()
        self.ids_previous: set[str] = set()
        self.ids_generation = 0
        self.new_ids: list[str] = []

    # -- events -----------------------------------------------------------------------------------------------------
    def remember_all(self, event_ids: Sequence[str]) -> list[bool] | None:
        """Remember these ids. None when all are new; else of each whether it is: known ones and repetitions are not."""
        ids, previous = self.ids, self.ids_previous
        if ids.isdisjoint(event_ids) and (not previous or previous.isdisjoint(event_ids)):
            before = len(ids)
            ids.update(event_ids)
            if len(ids) - before == len(event_ids):
                self.new_ids += event_ids
                return None
            ids.difference_update(event_ids)  # none of them was there before
        new = []
        for event_id in event_ids:
            new.append(event_id not in ids and event_id not in previous)
            if new[-1]:  # a known one of the generation before stays there, as after a restore
                ids.add(event_id)
        self.new_ids += compress(event_ids, new)
        return new

    def begin_ids_generation(self, generation: int) -> int:
        """Event ids of two generations are remembered. Returns how many were forgotten."""
        if generation == self.ids_generation + 1:
            forgotten = len(self.ids_previous)
            self.ids_previous = self.ids
        else:
            forgotten = len(self.ids_previous) + len(self.ids)
            self.ids_previous = set()
        self.ids = set()
        self.ids_generation = generation
        return forgotten

    # -- orders -----------------------------------------------------------------------------------------------------
    def count_unpaid(self, user_id: str, change: int) -> None:
        """One user with many unpaid orders looks like brushing: from then on their holds feed no claim."""
        threshold = self.rules.suspect_unpaid_orders
        count = self.unpaid.get(user_id, 0)
        after = count + change
        if after:
            self.unpaid[user_id] = after
        else:
            self.unpaid.pop(user_id, None)
        if (count >= threshold) != (after >= threshold):
            sign = 1 if after >= threshold else -1
            for ledger in self.ledgers.values():
                ledger.suspect(sign * ledger.held_by(user_id))

    def forget_orders(self, older_than_ms: int) -> int:
        """Forget orders that have not changed since `older_than_ms`. Returns how many."""
        forgotten = []
        for order_id, order in self.orders.items():
            if order.changed_ms >= older_than_ms:
                break
            forgotten.append(order_id)
        for order_id in forgotten:
            order = self.orders.pop(order_id)
            self.changed_orders.pop(order_id, None)
            standing = STANDINGS[order.mask]
            if standing.unpaid and order.user_id not in self.strangers:
                self.count_unpaid(order.user_id, -1)
            for sale_id, sku_id, quantity in order.lines:
                ledger = self.ledgers.get((sale_id, sku_id))
                if ledger is not None:
                    ledger.forget(order.user_id, quantity * standing.held, quantity * standing.sold)
        return len(forgotten)

    # -- sales ------------------------------------------------------------------------------------------------------
    def ledger(self, sale_id: str, sku_id: str) -> Ledger | None:
        """The ledger of one SKU of one sale, made when it is met; None beyond the bound on them."""
        key = (sale_id, sku_id)
        ledger = self.ledgers.get(key)
        if ledger is None:
            if len(self.ledgers) >= self.rules.sales_per_room_max:
                self.sales_refused += 1
                return None
            ledger = self.ledgers[key] = Ledger(sale_id, sku_id, self.rules.distinct_exact_max)
        return ledger

    def terms_of(self, sale_id: str, sku_id: str | None = None) -> SaleTerms | None:
        """What was said of a whole sale or of one SKU of it, made when it is met; None beyond the bound on sales."""
        key = sale_id
        if sku_id is not None and self.rules.contract_edition > FIRST_EDITION:
            key = own_terms_key(sale_id, sku_id)
        terms = self.terms.get(key)
        if terms is None:
            if len(self.terms) >= self.rules.sales_per_room_max:
                self.sales_refused += 1
                return None
            terms = self.terms[key] = SaleTerms()
        return terms

    def terms_for(self, ledger: Ledger) -> SaleTerms | None:
        """What holds for one SKU of a sale: what was said of the whole sale, and of this SKU alone."""
        whole, own = self.terms.get(ledger.sale_id), self.terms.get(ledger.own_terms)
        return whole if own is None else own if whole is None else whole.and_of(own)
