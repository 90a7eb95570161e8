"""What a room knows: the sales that were announced, the orders, and which events it has had.

None of it depends on whether anybody spoke in between. `Room` adds what belongs to one session; between two sessions
the memory is all there is of a room.
"""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, ClassVar

from stream.contract.events import FIRST_EDITION
from stream.contract.people import UNKNOWN_PEOPLE
from stream.core.ids import EventIds
from stream.core.ledger import Ledger
from stream.core.mechanic import NO_MECHANICS
from stream.core.parts import units_of, word_of
from stream.core.standing import PARTLY, bits_of
from stream.core.suspects import Suspects
from stream.core.terms import SaleTerms, own_terms_key, sale_of_terms, status_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stream.contract.events import Order, RoomEvent
    from stream.contract.overlay import SaleStatus
    from stream.core.mechanic import Installed
    from stream.core.order_state import OrderState, SaleLine
    from stream.core.parts import Parts
    from stream.core.rules import Rules
    from stream.core.words import Told

SaleKey = tuple[str, str]
NOBODY: frozenset[str] = frozenset()
# Orders that are freed in a step: some milliseconds.
ORDERS_IN_A_STEP = 5_000


class Shared:
    """What the rooms of one partition share: the clock, the heap of holds that will run out, what is to be noted."""

    __slots__ = (
        *("cart_removed", "clock_ms", "dues", "edited_late", "holds", "installed", "mechanics_beyond"),
        *(
            "orders_bound_ms",
            "other_lines",
            "parts_beyond",
            "sales_refused",
            "sources_named",
            "used_twice",
            "uses_second",
        ),
        "words_dropped",
    )

    def __init__(self, installed: Installed = NO_MECHANICS) -> None:
        self.installed = installed
        self.clock_ms = -1
        self.dues: list[tuple[int, str, str]] = []  # heap of (when a mechanic is due, room id, name)
        # What limits of mechanics kept out, by name and limit, since this process has the partition.
        self.mechanics_beyond: Counter[tuple[str, str]] = Counter()
        self.holds: list[tuple[int, str, str]] = []  # heap of (deadline, room id, order id)
        self.orders_bound_ms = -1  # orders that have not changed since were forgotten for want of room
        self.sales_refused = 0  # records that found no place, since this process has the partition
        self.words_dropped = 0  # words about terms of sales that newer ones have displaced, since the same time
        self.sources_named = False  # a view's source was counted, which an older Snapup would lose
        self.cart_removed = False  # a `cart_remove` was folded, which an older Snapup refuses
        self.other_lines: list[Order] = []  # records whose orders began with other lines, until they are noted
        self.edited_late: list[Order] = []  # the same of records that edit orders that are paid
        self.parts_beyond: list[Order] = []  # the same of those by which a part found no place, or another lost its own
        # The same of events of which the id names another topic's too, and in how many topics.
        self.used_twice: list[tuple[RoomEvent, int]] = []
        self.uses_second = False  # something was noted of an order that only the second edition's rules know


class Memory:
    """Everything known about one room beyond its session."""

    in_session: ClassVar[bool] = False

    __slots__ = (
        "born_ms",
        "changed_orders",
        "ids",
        "known_ms",
        "ledgers",
        "lost",
        "orders",
        "orders_displaced",
        "parts",
        "past",
        "room_id",
        "rules",
        "sales_refused",
        "second_edition",
        "shared",
        "strangers",
        "suspects",
        "terms",
        "touched_ms",
        "unpaid",
    )

    def __init__(self, room_id: str, rules: Rules, shared: Shared, born_ms: int) -> None:
        self.room_id = room_id
        self.rules = rules
        self.shared = shared
        self.second_edition = rules.contract_edition > FIRST_EDITION
        # User ids that are no one's: in no audience, no limit, no suspicion, for they may be many people.
        self.strangers = UNKNOWN_PEOPLE if self.second_edition else NOBODY
        self.known_ms = self.born_ms = born_ms  # of the first session that is remembered, and of the last one
        self.touched_ms = born_ms  # by the partition's clock, so that imported history does not end at once
        self.orders: dict[str, OrderState] = {}  # by time of the last change, oldest first
        self.changed_orders: dict[str, None] = {}
        self.parts: dict[str, Parts] = {}  # of the few orders that were edited, cancelled in part or refunded in part
        self.unpaid: dict[str, int] = {}  # user → orders placed and never paid
        # From the second edition on in place of `unpaid`.
        self.suspects = Suspects(rules) if rules.second_signals else None
        self.ledgers: dict[SaleKey, Ledger] = {}
        # Sales that were over when the session began, and of which nothing was heard since: no document shows them.
        self.past: dict[SaleKey, Ledger] = {}
        self.terms: dict[str, SaleTerms] = {}
        self.sales_refused = 0
        self.orders_displaced = 0  # orders that were forgotten before their time, for want of room
        self.lost = False  # rooms had been forgotten when it was met: it may know less than was said of it
        self.ids = EventIds(rules)

    # -- events -----------------------------------------------------------------------------------------------------
    def remember(self, event: RoomEvent) -> None:
        """Remember the id of an event, which is not known."""
        if pairs := self.ids.remember(event):
            self.shared.used_twice.append((event, pairs))

    # -- orders -----------------------------------------------------------------------------------------------------
    def bits_of(self, event: Order) -> int:
        """What a record says of its order."""
        return bits_of(event, second_signals=self.rules.second_signals)

    def says_new(self, order: OrderState | None, event: Order) -> bool:
        """Whether a record says anything that is not known of its order. `order`: that one; None: it is not known."""
        if order is None:
            return True
        bits = self.bits_of(event)
        if self.rules.second_signals and order.revises(event):
            return True
        if bits != PARTLY:
            return bool(bits & ~order.mask)
        parts = self.parts.get(event.order_id)
        return parts is None or parts.is_news(event.part_id or "", word_of(event), self.rules.order_parts_max)

    def renew_order(self, order: OrderState) -> None:
        """A record repeats what is known of an order: it is remembered as long as the record's event id at least."""
        order_id = order.order_id
        order.changed_ms = self.shared.clock_ms
        for by_age in (self.orders, self.changed_orders):
            by_age.pop(order_id, None)
        self.orders[order_id] = order
        self.changed_orders[order_id] = None

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
            for ledger in chain(self.ledgers.values(), self.past.values()):
                ledger.suspect(sign * ledger.held_by(user_id))

    # -- sales ------------------------------------------------------------------------------------------------------
    def find(self, key: SaleKey) -> Ledger | None:
        """The ledger of one SKU of one sale, if there is one."""
        return self.ledgers.get(key) or self.past.get(key)

    def ledger(self, sale_id: str, sku_id: str) -> Ledger | None:
        """The ledger of one SKU of one sale, made when it is met; None beyond the bound on them."""
        key = (sale_id, sku_id)
        ledger = self.ledgers.get(key)
        if ledger is None and (ledger := self.past.pop(key, None)) is not None:
            self.ledgers[key] = ledger  # it is heard of again
        if ledger is None:
            if len(self.ledgers) >= self.rules.sales_per_room_max:
                self.refuse_sale()
                return None
            ledger = self.ledgers[key] = Ledger(sale_id, sku_id, self.rules.distinct_exact_max)
            if self.sales_refused and self.rules.second_signals:
                self._take_in_orders(ledger)
        return ledger

    def make_ledgers(self, lines: Sequence[SaleLine]) -> None:
        """Make the ledgers of an order that is about to change, where there is a place for them now.

        So what the order holds and bought until here is counted before the change is.
        """
        if not self.sales_refused or not self.rules.second_signals:
            return
        for sale_id, sku_id, _ in lines:
            if self.find((sale_id, sku_id)) is None and len(self.ledgers) < self.rules.sales_per_room_max:
                self.ledger(sale_id, sku_id)

    def _take_in_orders(self, ledger: Ledger) -> None:
        """Count what remembered orders hold and bought of a sale that may have found no place until now.

        A new owner's memory is made of the same orders, which do not tell whether there was a place then.
        """
        key = ledger.sale_id, ledger.sku_id
        for order in self.orders.values():
            if key in [line[:2] for line in order.lines]:
                units = dict(units_of(order, self.parts.get(order.order_id)))[key]
                ledger.take_in(order, units, known=order.user_id not in self.strangers)

    def refuse_sale(self) -> None:
        """A record of a sale finds no place: it touches no stock."""
        self.sales_refused += 1
        self.shared.sales_refused += 1

    def status_of(self, ledger: Ledger, now_ms: int) -> tuple[SaleStatus, int | None, bool]:
        """Returns the status of a ledger's sale, its end (None: open-ended) and whether it was extended."""
        told = self.told_of(ledger)
        return status_of(ledger.opened, told, self.terms_for(ledger) if told is None else None, now_ms)

    def is_over(self, ledger: Ledger, now_ms: int) -> bool:
        """Whether its sale has ended."""
        return self.status_of(ledger, now_ms)[0] == "ended"

    def forget_sales(self, now_ms: int) -> None:
        """Forget past sales of which nothing was said for `remember_sales_ms` and that no remembered order touches.

        So goes what was said of a sale without a ledger. Beyond the bound on sales those go first that are over, and of
        these the ones of which nothing was said for longest.
        """
        touched = {(sale_id, sku_id) for order in self.orders.values() for sale_id, sku_id, _ in order.lines}
        before_ms = now_ms - self.rules.remember_sales_ms
        free = {key: self.said_ms(ledger) for key, ledger in self.past.items() if key not in touched}
        kept = []
        for key, said_ms in free.items():
            if said_ms < before_ms:
                del self.past[key]
            else:
                kept.append((not self.is_over(self.past[key], now_ms), said_ms, key))
        for _, _, key in sorted(kept)[: max(0, len(kept) - self.rules.sales_per_room_max)]:
            del self.past[key]
        sales = {sale_id for sale_id, _ in chain(self.ledgers, self.past)}
        self.terms = {
            key: terms for key, terms in self.terms.items() if sale_of_terms(key) in sales or terms.said_ms >= before_ms
        }

    def said_ms(self, ledger: Ledger) -> int:
        """When a host last said something of its sale, by the partition's clock; −1: never."""
        terms = self.terms_for(ledger)
        return ledger.said_ms if terms is None else max(ledger.said_ms, terms.said_ms)

    def terms_of(self, sale_id: str, sku_id: str | None = None) -> SaleTerms | None:
        """What was said of a whole sale or of one SKU of it, made when it is met; None beyond the bound on sales."""
        key = sale_id
        if sku_id is not None and self.second_edition:
            key = own_terms_key(sale_id, sku_id)
        terms = self.terms.get(key)
        if terms is None:
            if len(self.terms) >= self.rules.sales_per_room_max:
                self.refuse_sale()
                return None
            terms = self.terms[key] = SaleTerms()
        return terms

    def terms_for(self, ledger: Ledger) -> SaleTerms | None:
        """What holds for one SKU of a sale: what was said of the whole sale, and of this SKU alone."""
        whole, own = self.terms.get(ledger.sale_id), self.terms.get(ledger.own_terms)
        return whole if own is None else own if whole is None else whole.and_of(own)

    def told_of(self, ledger: Ledger) -> Told | None:
        """What follows from all words about one SKU; None under the first edition, which asks `terms_for`."""
        if not self.rules.second_signals:
            return None
        return ledger.told(self.terms.get(ledger.sale_id), self.terms.get(ledger.own_terms))

    # -- from session to session ------------------------------------------------------------------------------------
    def inherit(self, other: Memory) -> None:
        """Take over what another one of the same room knows; that one must not be used any more."""
        self.known_ms = other.known_ms
        self.orders, self.changed_orders, self.unpaid = other.orders, other.changed_orders, other.unpaid
        self.parts, self.suspects = other.parts, other.suspects
        self.past, self.terms = other.past | other.ledgers, other.terms
        if self.rules.second_signals:
            self.sales_refused, self.orders_displaced = other.sales_refused, other.orders_displaced
        self.lost = other.lost
        self.ids = other.ids
        for ledger in self.past.values():
            ledger.rest(self.rules.distinct_exact_max)

    # -- at the end -------------------------------------------------------------------------------------------------
    def let_go(self) -> None:
        """Break what refers back to this, which must not be used any more: then its memory is free at once."""

    def letting_go(self) -> Iterator[None]:
        """Free what is much of it, in steps of some milliseconds; behind `let_go`."""
        suspects, self.suspects = self.suspects, None
        if suspects is not None:
            yield from suspects.letting_go()
        orders = self.orders
        while orders:
            for _ in range(min(len(orders), ORDERS_IN_A_STEP)):
                orders.popitem()
            yield
