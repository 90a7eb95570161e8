"""One room.

Folds one event into totals, windows, people, orders and ledgers. Owns duplicates; no other file decides them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stream.contract.events import (
    TOPIC_NAMES,
    CartAdd,
    CartRemove,
    Comment,
    Enter,
    Leave,
    Like,
    Order,
    ProductClick,
    RecordsMisplaced,
    RoomClosed,
    RoomOpened,
    SaleClosed,
    SaleExtended,
    SaleOpened,
    SaleRestocked,
)
from stream.core.carts import Carts, People
from stream.core.conflicts import Outcome
from stream.core.distinct import Distinct
from stream.core.memory import Memory
from stream.core.orders import expire, fold_orders
from stream.core.presence import Presence
from stream.core.rates import (
    AUDIENCES,
    BUYERS,
    CARTED_BUYERS,
    CARTERS,
    CLICKERS,
    ENGAGED,
    VIEWERS,
)
from stream.core.rounds import begin_round
from stream.core.time import BUCKET_MS
from stream.core.unseen import Unseen
from stream.core.windows import Audience, Tally, advance_all, sample_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stream.contract.events import RoomEvent
    from stream.contract.overlay import FeedItem
    from stream.core.memory import SaleKey, Shared
    from stream.core.presence import Departures
    from stream.core.rules import Rules
    from stream.core.stock import Ledger, OrderState
    from stream.core.urgency import UrgencyState

# A late `enter` must find the `leave` that closed its session: lateness plus a minute for what waits in the merge.
CLOSED_MARGIN_MS = 60_000


class Room(Memory):
    """Everything known about one room in one session."""

    in_session: ClassVar[bool] = True

    __slots__ = (
        "alarm_ms",
        "audiences",
        "awake_until_ms",
        "cart_adds",
        "cart_people",
        "changed",
        "comments",
        "feed",
        "first_offsets",
        "first_unit_ms",
        "last_append_ms",
        "later",
        "likes",
        "misplaced",
        "money",
        "next_due_ms",
        "order_tally",
        "orders_cancelled",
        "orders_paid",
        "orders_placed",
        "orders_refunded",
        "over_ms",
        "paid_minor_tallies",
        "paid_tally",
        "presence",
        "published_ms",
        "records_since",
        "rev",
        "rev_saved",
        "show_id",
        "unit_tally",
        "unseen",
        "urgencies",
        "view_tally",
        "views",
    )

    def __init__(self, room_id: str, rules: Rules, shared: Shared, born_ms: int) -> None:
        super().__init__(room_id, rules, shared, born_ms)
        self.likes = self.comments = self.cart_adds = self.views = 0
        self.orders_placed = self.orders_paid = self.orders_cancelled = self.orders_refunded = 0
        self.money: dict[str, list[int]] = {}  # currency → [placed, paid, net] minor units
        self.audiences = [
            Audience(rules.distinct_exact_max, Distinct(rules.distinct_exact_max)) for _ in range(AUDIENCES)
        ]
        self.order_tally, self.paid_tally, self.view_tally, self.unit_tally = Tally(), Tally(), Tally(), Tally()
        self.first_unit_ms = -1  # when units of a sale first moved: the baseline begins here
        self.paid_minor_tallies: dict[str, Tally] = {}
        closed_ms = rules.allowed_lateness_ms + CLOSED_MARGIN_MS
        self.presence = Presence(rules.presence_timeout_ms, closed_ms, counts_ends=rules.second_signals)
        # From the second edition of signals on: who has something in a cart, and who went away.
        self.cart_people = People(rules) if rules.second_signals else None
        self.urgencies: dict[SaleKey, UrgencyState] = {}
        self.unseen = Unseen(self)
        self.feed: list[FeedItem] = []
        self.first_offsets = [-1] * len(TOPIC_NAMES)
        self.show_id: str | None = None  # of the show, if a host has opened one
        self.misplaced = False  # some of its records lie where nobody counts them
        self.later = False  # there were sessions of this room before, or may have been
        # Publication and checkpoint.
        self.rev = self.rev_saved = 0
        self.changed = False
        self.records_since = 0
        self.last_append_ms = -1
        self.next_due_ms = self.published_ms = 0
        # The partition's timers: when the session is over by silence, until when and from when on levels may move.
        self.over_ms = self.awake_until_ms = self.alarm_ms = -1

    # -- the fold ---------------------------------------------------------------------------------------------------
    def note(self, topic_index: int, offset: int, append_ms: int) -> None:
        """A record of this room is folded."""
        if self.first_offsets[topic_index] < 0:
            self.first_offsets[topic_index] = offset
        self.last_append_ms = max(self.last_append_ms, append_ms)
        self.records_since += 1

    def fold(self, event: RoomEvent, effective_ms: int) -> Outcome:
        """Apply one event. Total: any event in any state has an outcome."""
        if isinstance(event, Order):
            outcome = self.said_before(event)
            if outcome is not None:
                return outcome
            self.remember(event)
        else:  # nothing else is ever in conflict
            pairs = self.ids.take(event)
            if pairs is None:
                return Outcome.DUPLICATE
            if pairs:
                self.shared.used_twice.append((event, pairs))
        return self.FOLDS[type(event)](self, event, effective_ms)

    def _like(self, event: Like, at_ms: int) -> Outcome:
        self.likes += event.count
        if event.user_id not in self.strangers:
            self.audiences[ENGAGED].seen(event.user_id, at_ms // BUCKET_MS)
        return Outcome.APPLIED

    def _comment(self, event: Comment, at_ms: int) -> Outcome:
        self.comments += 1
        if event.user_id not in self.strangers:
            self.audiences[ENGAGED].seen(event.user_id, at_ms // BUCKET_MS)
        return Outcome.APPLIED

    def _cart_add(self, event: CartAdd, at_ms: int) -> Outcome:
        bucket = at_ms // BUCKET_MS
        self.cart_adds += 1
        ledger = None if event.sale_id is None else self.ledger(event.sale_id, event.sku_id)
        if event.user_id in self.strangers:
            return Outcome.APPLIED
        self.audiences[ENGAGED].seen(event.user_id, bucket)
        self.audiences[CARTERS].seen(event.user_id, bucket)
        self.carted_and_bought(event.user_id)
        if ledger is not None:
            ledger.add_carter(event.user_id)
            if (people := self.cart_people) is not None:
                self.put_into_carts(ledger, people, [(event.user_id, event.quantity, at_ms)])
        return Outcome.APPLIED

    def put_into_carts(self, ledger: Ledger, people: People, added: Sequence[tuple[str, int, int]]) -> None:
        """What cart-adds change from the second edition of signals on: (person, units, ms) of each, as in the log."""
        carts = ledger.carts or self.carts_of(ledger, people)
        if new := carts.add_all(added):
            people.carted(ledger, new)

    def carts_of(self, ledger: Ledger, people: People) -> Carts:
        """The carts with one SKU of one sale, made when it is carted first."""
        carts = ledger.carts
        if carts is None:
            carts = ledger.carts = Carts(self.rules, ledger.users, people.left)
            people.has_carts(ledger)
        return carts

    def remove_from_cart(self, event: CartRemove, at_ms: int) -> Outcome:
        """Somebody took something out of the cart: nothing else changes."""
        self.shared.cart_removed = True
        ledger = None if event.sale_id is None else self.ledger(event.sale_id, event.sku_id)
        people, user_id = self.cart_people, event.user_id
        if people is None or user_id in self.strangers:
            return Outcome.APPLIED
        if ledger is not None:
            self.carts_of(ledger, people).remove(user_id, event.quantity, at_ms)
            ledger.shown = None
        if event.sale_id is None:
            for ledger, carts in people.holding(user_id):
                if ledger.sku_id == event.sku_id and carts.has(user_id, at_ms):
                    carts.remove(user_id, event.quantity, at_ms)
                    ledger.shown = None
        return Outcome.APPLIED

    def met(self, audience_index: int, people: Sequence[tuple[str, int]]) -> None:
        """Carters or buyers with the second of each, in the order of the log.

        Once they are sampled it matters who was met when; not of those outside the sample: these go into the sketch.
        """
        audience = self.audiences[audience_index]
        session = audience.session
        if audience.bits and session.sketch is not None:
            chosen = set(sample_of([user_id for user_id, _ in people], audience.bits))
            session.add_all([user_id for user_id, _ in people if user_id not in chosen])
            people = [each for each in people if each[0] in chosen]
        for user_id, second in people:
            audience.seen(user_id, second)
            self.carted_and_bought(user_id)

    def carted_and_bought(self, user_id: str) -> None:
        """Somebody carted or bought: are they one who did both? Nothing happens when they did only one.

        A window holds who did both inside it: whoever's earlier one of the two latest moments is inside.
        """
        audiences = self.audiences
        carters, buyers, both = audiences[CARTERS], audiences[BUYERS], audiences[CARTED_BUYERS]
        if carters.bits > both.bits or buyers.bits > both.bits:
            both.thin(max(carters.bits, buyers.bits))
        bought, carted = buyers.latest(user_id), carters.latest(user_id)
        if bought >= 0 <= carted:
            both.seen(user_id, min(bought, carted))
        elif user_id in buyers.session.members and user_id in carters.session.members:
            both.session.add(user_id)

    def _enter(self, event: Enter, at_ms: int) -> Outcome:
        bucket = at_ms // BUCKET_MS
        self.views += 1
        self.view_tally.add(bucket, 1)
        if event.user_id not in self.strangers:
            self.audiences[VIEWERS].seen(event.user_id, bucket)
        if (session := self.session_of(event)) is not None:
            self.presence.enter(session, at_ms)
        if (people := self.cart_people) is not None and event.user_id in people.left:
            people.come_back(event.user_id)
        return Outcome.APPLIED

    def _leave(self, event: Leave, at_ms: int) -> Outcome:
        if (session := self.session_of(event)) is not None:
            self.presence.leave(session, at_ms)
        if (people := self.cart_people) is not None and event.user_id not in self.strangers:
            people.leave(event.user_id, at_ms)
        return Outcome.APPLIED

    def departures(self, now_ms: int) -> Departures | None:
        """How visits ended, as of a moment to which the room was advanced; None: the first edition did not ask."""
        if not self.rules.second_signals:
            return None
        views = self.view_tally
        return self.presence.departures(now_ms, views.total_0, views.total_1)

    def session_of(self, event: Enter | Leave) -> str | None:
        """Whose coming and going this is: the session's, else the user's; None where neither is known."""
        session_id, strangers = event.session_id, self.strangers
        if session_id is not None and session_id not in strangers:
            return session_id
        return None if event.user_id in strangers else event.user_id

    def _click(self, event: ProductClick, at_ms: int) -> Outcome:
        if event.user_id not in self.strangers:
            self.audiences[CLICKERS].seen(event.user_id, at_ms // BUCKET_MS)
        return Outcome.APPLIED

    # -- orders -----------------------------------------------------------------------------------------------------
    def _order(self, event: Order, at_ms: int) -> Outcome:
        return Outcome.APPLIED if fold_orders(self, (event,), (at_ms,))[0] else Outcome.DUPLICATE

    def _expire(self, order: OrderState) -> None:
        expire(self, order)

    # -- sales ------------------------------------------------------------------------------------------------------
    def _sale_opened(self, event: SaleOpened, at_ms: int) -> Outcome:  # noqa: ARG002 — all folds take the same
        ledger = self.ledger(event.sale_id, event.sku_id)
        if ledger is not None:
            round_from_ms = ledger.round_from_ms
            ledger.open(event, in_rounds=self.rules.second_signals)
            if ledger.round_from_ms != round_from_ms:
                begin_round(self, ledger)
            ledger.said_ms = self.shared.clock_ms
            self.shared.uses_second |= self.rules.second_signals and len(ledger.words) > 1
        return Outcome.APPLIED

    def _sale_restocked(self, event: SaleRestocked, at_ms: int) -> Outcome:
        ledger = self.ledger(event.sale_id, event.sku_id)
        if ledger is not None:
            planned_ms = event.restock_planned_at_ms
            ledger.restock(event.quantity, event.event_time_ms, planned_ms, at_ms, event.event_id)
            ledger.said_ms = self.shared.clock_ms
            self.shared.uses_second |= self.rules.second_signals
        return Outcome.APPLIED

    def _sale_extended(self, event: SaleExtended, at_ms: int) -> Outcome:  # noqa: ARG002
        terms = self.terms_of(event.sale_id, event.sku_id)
        if terms is not None:
            terms.extend(event)
            terms.said_ms = self.shared.clock_ms
            self.shared.uses_second |= self.rules.second_signals
            self._show_anew(event.sale_id)
        return Outcome.APPLIED

    def _sale_closed(self, event: SaleClosed, at_ms: int) -> Outcome:
        terms = self.terms_of(event.sale_id, event.sku_id)
        if terms is not None:
            terms.close(event, at_ms)
            terms.said_ms = self.shared.clock_ms
            self.shared.uses_second |= self.rules.second_signals
            self._show_anew(event.sale_id)
        return Outcome.APPLIED

    # -- the room's own words -----------------------------------------------------------------------------------------
    def _room_said(self, event: RoomOpened | RoomClosed, at_ms: int) -> Outcome:  # noqa: ARG002
        return Outcome.APPLIED

    def _records_misplaced(self, event: RecordsMisplaced, at_ms: int) -> Outcome:  # noqa: ARG002
        self.misplaced = True
        for ledger in self.ledgers.values():
            ledger.shown = None
        return Outcome.APPLIED

    def _show_anew(self, sale_id: str) -> None:
        """The terms of a sale have changed: what is shown of it does not hold any more."""
        for _, sku_id in [key for key in self.past if key[0] == sale_id]:
            self.ledger(sale_id, sku_id)
        for ledger in self.ledgers.values():
            if ledger.sale_id == sale_id:
                ledger.shown = None

    # Event type → how it is folded.
    FOLDS: ClassVar[dict[type, Callable[..., Outcome]]] = {
        Like: _like,
        Comment: _comment,
        CartAdd: _cart_add,
        CartRemove: remove_from_cart,
        Order: _order,
        Enter: _enter,
        Leave: _leave,
        ProductClick: _click,
        SaleOpened: _sale_opened,
        SaleRestocked: _sale_restocked,
        SaleExtended: _sale_extended,
        SaleClosed: _sale_closed,
        RoomOpened: _room_said,
        RoomClosed: _room_said,
        RecordsMisplaced: _records_misplaced,
    }

    # -- from session to session ------------------------------------------------------------------------------------
    def begin_with(self, memory: Memory, now_ms: int) -> None:
        """A new session of a room that is remembered: it knows what was known, and shows the sales that go on."""
        self.inherit(memory)
        self.later = True
        for key in [
            key for key, ledger in self.past.items() if ledger.opened is not None and not self.is_over(ledger, now_ms)
        ]:
            self.ledgers[key] = self.past.pop(key)

    def memory(self) -> Memory:
        """What is kept when the session has ended; the room must not be used any more."""
        self.unseen.lift_all()
        memory = Memory(self.room_id, self.rules, self.shared, self.born_ms)
        memory.inherit(self)
        memory.touched_ms = self.touched_ms
        memory.forget_sales(self.shared.clock_ms)
        return memory

    # -- time -------------------------------------------------------------------------------------------------------
    def settle(self, clock_ms: int) -> int:
        """Bring to the partition's clock what time alone changes, before anything is folded.

        So what is folded does not depend on when the room was last looked at. Returns how many orders were forgotten.
        """
        self.advance(clock_ms)
        return self.forget_orders(clock_ms - self.rules.remember_orders_ms) if self.orders else 0

    def advance(self, clock_ms: int) -> None:
        """Move every window of this room to the partition's clock, and look who was never seen."""
        self.unseen.look()
        self.presence.advance(clock_ms)
        bucket = clock_ms // BUCKET_MS
        if bucket <= self.view_tally.as_of:
            return
        advance_all((*self.audiences, *self.tallies()), bucket)
        for audience in self.audiences:
            audience.sweep()
        for ledger in self.ledgers.values():
            ledger.forget_recent(bucket, self.rules.bought_window_ms)
        if self.cart_people is not None:
            self.cart_people.sweep_holders()

    def tallies(self) -> list[Tally]:
        """All of this room's tallies."""
        return [*self.saved_tallies(), *self.paid_minor_tallies.values()]

    def saved_tallies(self) -> tuple[Tally, ...]:
        """Those that are no currency's, in the order of the checkpoints: append only."""
        return self.order_tally, self.paid_tally, self.view_tally, self.unit_tally
