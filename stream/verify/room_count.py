"""One room, recounted: every fact is kept, and every figure is worked out from the facts on demand.

The rules are those of `docs/contract.md`, written a second time on purpose. Nothing here is shared with the fold.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from stream.contract.events import (
    FIRST_EDITION,
    CartAdd,
    CartRemove,
    Comment,
    Enter,
    Leave,
    Like,
    Order,
    OrderLine,
    OrderStatus,
    ProductClick,
    RecordsMisplaced,
    RoomClosed,
    RoomEvent,
    RoomOpened,
    SaleClosed,
    SaleExtended,
    SaleOpened,
    SaleRestocked,
)
from stream.contract.overlay import FIRST_SIGNALS
from stream.verify.assumptions import Assumptions
from stream.verify.figures import (
    WINDOWS_MS,
    RateKey,
    RoomFigures,
    SaleFigures,
    SaleKey,
    Terms,
)
from stream.verify.holds_said import hold_by_opening, own_hold_ms, reach
from stream.verify.host_words import HostWords
from stream.verify.order_count import count_suspects, is_no_one, orders_seen
from stream.verify.order_facts import OrderFacts, SaleFacts, words_of
from stream.verify.orders_met import OrdersMet
from stream.verify.parts_said import PartsSaid, is_of_part
from stream.verify.recounted import NO_MECHANICS, figures_as_of
from stream.verify.session_count import Facts, SessionCount
from stream.verify.stock_count import Units, count_units, sale_figures
from stream.verify.suspicion import People, suspected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream.contract.overlay import Session
    from stream.verify.recounted import Mechanics

__all__ = ["Assumptions", "RoomCount"]

NEVER_MS = -1
FORGET_LATER_MS = 3_600_000


class RoomCount:
    """All facts of one room. `apply` takes each event once; `figures` answers for any moment from the last event on."""

    def __init__(self, room_id: str, assumptions: Assumptions, mechanics: Mechanics = NO_MECHANICS) -> None:
        self.room_id = room_id
        self._mechanics = mechanics
        self._assumptions = assumptions
        self._edition = assumptions.contract_edition
        # For the record that is applied.
        self._signals, self._rules = FIRST_SIGNALS, assumptions
        # By the time of beginning. The first is the session of documents that name none.
        self._sessions = {NEVER_MS: SessionCount({})}
        self._session = self._sessions[NEVER_MS]  # the session of the applied record, or of the document asked for
        self._between = SessionCount({})  # takes records that belong to no session
        self._in_order = False  # whether records come without offsets
        self._orders: dict[str, OrderFacts] = {}
        self.met = OrdersMet()
        self._sales: dict[SaleKey, SaleFacts] = defaultdict(SaleFacts)
        self._words = HostWords()

    def assume(self, assumptions: Assumptions) -> None:
        """Use these settings for figures from now on."""
        self._assumptions = assumptions

    # -- facts ------------------------------------------------------------------------------------------------------
    def apply(self, event: RoomEvent, effective_ms: int, rules: Assumptions) -> bool:  # noqa: C901, PLR0912 — a case for each type
        """Note one event under the rules of the owner that folded it.

        Returns False if it says nothing new (a status that the order had already reached).
        """
        self._edition, self._signals, self._rules = rules.contract_edition, rules.signals_edition, rules
        session = self._session
        if isinstance(event, RoomOpened | RoomClosed):
            return self._apply_word(event)
        second = session.second(effective_ms)
        if (says_new := self._mechanics.note(session.mechanics, event, effective_ms, rules)) is not None:
            return says_new
        match event:
            case Comment():
                session.comments += 1
                self._meet(second.engaged, event.user_id)
            case Like():
                session.likes += event.count
                self._meet(second.engaged, event.user_id)
            case CartAdd():
                session.cart_adds += 1
                self._meet(second.engaged, event.user_id)
                self._meet(second.carters, event.user_id)
                self._meet(session.products.carted(event.sku_id), event.user_id)
                if event.sale_id is not None:
                    sale = self._hear_of(event.sale_id, event.sku_id)
                    self._meet(session.carters.setdefault(sale, set()), event.user_id)
                self._apply_carts(event, effective_ms)
            case CartRemove():
                self._apply_carts(event, effective_ms)
            case Enter():
                second.views += 1
                session.come_from(event.source, rules.sources_max)
                self._meet(second.viewers, event.user_id)
                self._come_or_go(event, effective_ms)
                self._apply_carts(event, effective_ms)
            case Leave():
                self._come_or_go(event, effective_ms)
                self._apply_carts(event, effective_ms)
            case ProductClick():
                self._meet(second.clickers, event.user_id)
                self._meet(session.products.clicked(event.sku_id), event.user_id)
            case Order():
                return self._apply_order(event, effective_ms, second)
            case RecordsMisplaced():
                pass  # counted as a sign of life only
            case _:
                self._apply_sale(event, effective_ms)
        return True

    def is_news(self, event: RoomEvent, rules: Assumptions) -> bool:
        """Whether a session may begin with the event. A known word about an order and a leave begin none."""
        return not self.met.has_heard(event, rules) if isinstance(event, Order) else not isinstance(event, Leave)

    def meet(self, event: RoomEvent, rules: Assumptions) -> None:
        """Note a record that will be applied, now or later."""
        if isinstance(event, Order):
            self.met.meet(event, rules)

    def _apply_word(self, event: RoomOpened | RoomClosed) -> bool:
        """Apply a host's word on the show. Words without news belong to no session: documents' offsets exclude them."""
        if isinstance(event, RoomOpened):
            self._session.show_id = self._session.show_id or event.show_id
        else:
            self._session.is_over = True
        return True

    def _apply_order(self, event: Order, effective_ms: int, second: Facts) -> bool:
        order = self._orders.get(event.order_id)
        if order is None:
            order = self._orders[event.order_id] = OrderFacts(
                event.user_id, event.currency, event.lines, event.device_id, revision=event.revision or 0
            )
        order.is_new_status = order.is_new_part = order.told_late = False
        is_revised = self._signals > FIRST_SIGNALS and self._apply_edit(event, order, effective_ms)
        if is_of_part(event, self._signals):
            return self._apply_part(event, order, effective_ms) or is_revised
        of_units = words_of(event, self._signals) - {event.status.value}
        if event.status in order.statuses and of_units <= order.of_units:
            return is_revised
        session, was_placed, was_net_minor = self._session, order.is_placed(), order.net_minor()
        were = order.by_product()
        self._hear_of_order(order, event, effective_ms)
        order.of_units |= of_units
        order.is_new_status = event.status not in order.statuses
        reach(order, event, self._words, effective_ms, self._rules)
        if not order.is_new_status:
            return True
        amount_minor = order.amount_minor()
        if event.status is not OrderStatus.PLACED:
            session.reached[event.status] += 1
        session.net_minor[order.currency] += order.net_minor() - was_net_minor
        session.products.move(order, were, self._edition)
        if order.is_placed() and not was_placed:
            second.placed += 1
            session.placed_orders.add(event.order_id)
            session.reached[OrderStatus.PLACED] += 1
            session.placed_minor[order.currency] += amount_minor
            self._meet(second.buyers, order.user_id)
        if event.status is OrderStatus.PAID:
            second.paid += 1
            self._meet(second.payers, order.user_id)
            second.paid_minor[order.currency] += amount_minor
            session.paid_minor[order.currency] += amount_minor
        return True

    def _apply_edit(self, event: Order, order: OrderFacts, effective_ms: int) -> bool:
        """Apply another revision of an order that is not paid. Returns whether the record says one that counts."""
        order.lines_before = ()
        were, was_minor = order.by_product(), order.amount_minor()
        if not order.revise(event):
            return False
        self._session.heard_of |= order.sales(order.lines_before)
        self._hear_of_order(order, event, effective_ms)
        if order.is_placed():
            self._session.placed_minor[order.currency] += order.amount_minor() - was_minor
        self._session.products.move(order, were, self._edition)
        order.hold_for(own_hold_ms(order, self._words, self._rules.remember_orders_ms), effective_ms)
        return True

    def _hear_of_order(self, order: OrderFacts, event: Order, effective_ms: int) -> None:
        """Note a record that says something new of an order."""
        order.told_late = order.learn(event) or order.told_late
        order.changed_ms = max(order.changed_ms, effective_ms)
        self._session.heard_of |= order.sales(order.lines)

    def _apply_part(self, event: Order, order: OrderFacts, effective_ms: int) -> bool:
        was_net_minor, were, is_first = order.net_minor(), order.by_product(), order.parts is None
        before = PartsSaid() if order.parts is None else order.parts
        order.parts = PartsSaid(before.of_id)
        if not order.parts.take(event, self._rules.order_parts_max):
            return False
        order.parts_before, order.is_new_part = before, True
        self._hear_of_order(order, event, effective_ms)
        self._session.partly_undone += is_first
        self._session.products.move(order, were, self._edition)
        self._session.net_minor[order.currency] += order.net_minor() - was_net_minor
        return True

    def _apply_carts(self, event: CartAdd | CartRemove | Enter | Leave, at_ms: int) -> None:
        """Apply an event to the carts. Workers under the first edition of signals did not follow carts."""
        if isinstance(event, CartAdd | CartRemove) and event.sale_id is not None:
            self._hear_of(event.sale_id, event.sku_id)
        if self._signals > FIRST_SIGNALS and not is_no_one(event.user_id, self._edition):
            self._session.carts.take(event, at_ms, self._assumptions.cart_max_age_ms)

    def _waiting(self, key: SaleKey, ordered: set[str], as_of_ms: int) -> int:
        """The people with it in the cart and none held or bought; if carts were followed, those who may still buy."""
        session, rules = self._session, self._assumptions
        if rules.signals_edition > FIRST_SIGNALS:
            return session.carts.waiting(key, ordered, as_of_ms, rules.cart_max_age_ms)
        return len(session.carters.get(key, set()) - ordered)

    def _apply_sale(self, event: SaleOpened | SaleRestocked | SaleExtended | SaleClosed, effective_ms: int) -> None:
        match event:
            case SaleOpened():
                key = self._hear_of(event.sale_id, event.sku_id)
                self._sales[key]  # makes the sale known
                hold_by_opening(self._orders.values(), key, event, self._words, effective_ms, self._rules)
            case SaleRestocked():
                self._sales[self._hear_of(event.sale_id, event.sku_id)].restocks.append(event)
            case SaleExtended() | SaleClosed():
                self._hear_of_all(event.sale_id)
                # The first edition of the contract had words about whole sales only.
                sku_id = event.sku_id if self._edition > FIRST_EDITION else None
                self._words.said(event.sale_id, sku_id, event, effective_ms)

    def hold_ms(self, order_id: str) -> int | None:
        """How long a known order holds its units by what was said; None: as the rules say."""
        return own_hold_ms(self._orders.get(order_id), self._words, self._rules.remember_orders_ms)

    def _hear_of_all(self, sale_id: str) -> None:
        self._session.heard_of.update(key for key in self._sales if key.sale_id == sale_id)

    def _hear_of(self, sale_id: str, sku_id: str) -> SaleKey:
        key = SaleKey(sale_id, sku_id)
        self._session.heard_of.add(key)
        return key

    def _meet(self, people: set[str], user_id: str) -> None:
        if not is_no_one(user_id, self._edition):
            people.add(user_id)

    def _come_or_go(self, event: Enter | Leave, at_ms: int) -> None:
        """Note a coming or going of the session, else of the user. Unknown names, maybe many people, are skipped."""
        names = (name for name in (event.session_id, event.user_id) if name is not None)
        if name := next((name for name in names if not is_no_one(name, self._edition)), ""):
            self._session.come_or_go(name, at_ms, gone=isinstance(event, Leave))

    # -- sessions ---------------------------------------------------------------------------------------------------
    def begins(
        self, began_at_ms: int, first_offsets: Mapping[str, int], next_offsets: Mapping[str, int] | None = None
    ) -> None:
        """Note from documents where a session begins, by logical topic, and from its last one where it ends.

        No record after them may have been applied yet. The offset of a topic without a record grows until there is one.
        """
        session, unnamed = self._sessions.get(began_at_ms), self._sessions[NEVER_MS]
        if session is None:
            session = SessionCount({})
            # Only the last document of a room's first session names it: its records have been applied by then.
            if all(offset >= first_offsets.get(topic, 0) for topic, offset in unnamed.applied_from.items()):
                session, self._sessions[NEVER_MS] = unnamed, session
            session.first_offsets = dict(first_offsets)
            self._sessions[began_at_ms] = session
            self._sessions = dict(sorted(self._sessions.items()))
        else:
            for topic, first in first_offsets.items():
                session.first_offsets[topic] = max(first, session.first_offsets.get(topic, 0))
        if next_offsets is not None:
            session.next_offsets = dict(next_offsets)

    def go_to(self, event: RoomEvent, topic: str, offset: int) -> None:
        """Choose the session of the record applied next: the last one that begins before it and still goes on."""
        found = None
        for session in self._sessions.values():
            if session.first_offsets.get(topic, 0) <= offset:
                found = session
        self._session = found or self._session
        if found is not None and found.next_offsets is not None and offset >= found.next_offsets.get(topic, offset + 1):
            self._session = self._between
        elif not isinstance(event, RoomOpened | RoomClosed):
            self._session.applied_from.setdefault(topic, offset)

    def go_on(self, event: RoomEvent, now_ms: int, *, is_news: bool) -> None:
        """Choose the session of a record without an offset: in log order, silence and hosts' words end sessions."""
        self._in_order = True
        newest = next(reversed(self._sessions.values()))
        idle_ms = self._assumptions.room_idle_ms
        if newest.show_id is not None:
            idle_ms = max(idle_ms, self._assumptions.show_idle_ms)
        began = newest.touched_ms >= 0
        over = newest.is_over or (began and now_ms - newest.touched_ms > idle_ms)
        if isinstance(event, RoomOpened):
            over = over or (began and event.show_id != newest.show_id)
        if over and not is_news:
            self._session = self._between
            return
        if over:
            began_ms = max(now_ms, next(reversed(self._sessions)) + 1)
            newest = self._sessions[began_ms] = SessionCount({})
        newest.touched_ms = max(newest.touched_ms, now_ms)
        self._session = newest

    def says_nothing(self, event: RoomEvent, now_ms: int) -> bool:
        """Whether a word names a show that already goes on, or closes one that does not."""
        newest = next(reversed(self._sessions.values()))
        goes_on = not newest.is_over and newest.show_id == getattr(event, "show_id", None)
        idle_ms = max(self._assumptions.room_idle_ms, self._assumptions.show_idle_ms)
        goes_on = goes_on and now_ms - newest.touched_ms <= idle_ms
        return isinstance(event, RoomClosed) != goes_on if isinstance(event, RoomOpened | RoomClosed) else False

    def look_at(self, session: Session | None) -> None:
        """Use the session of a document for figures from now on."""
        if self._in_order:
            self._session = next(reversed(self._sessions.values()))
        else:
            began_at_ms = NEVER_MS if session is None else session.began_at_ms
            found = self._sessions.get(began_at_ms) or SessionCount({})
            if session is None and found.is_empty():  # the first session, which its last document has named by now
                found = next(each for each in [*self._sessions.values()][1:] or [found])
            self._session = found

    @property
    def session(self) -> SessionCount | None:
        """The session of the last applied record; None: it belongs to none."""
        return None if self._session is self._between else self._session

    # -- figures ----------------------------------------------------------------------------------------------------
    def terms(self, key: SaleKey, as_of_ms: int) -> Terms:
        """A host's terms for a sale."""
        sale, words = self._sales.get(key, SaleFacts()), self._words
        status = words.status(key, as_of_ms, self._assumptions.signals_edition)
        from_ms = self.round_from_ms(key)
        return Terms(words.opening(key), sale.restocked(from_ms)[0], *status, from_ms)

    def order(self, order_id: str) -> OrderFacts:
        """The facts of a known order."""
        return self._orders[order_id]

    def lines_of(self, order_id: str) -> tuple[OrderLine, ...]:
        """The lines of an order, with those that its latest record took away; none where it or they are not known."""
        order = self._orders.get(order_id)
        return () if order is None else (*order.lines, *order.lines_before)

    def orders(self) -> int:
        """The number of orders in memory."""
        return len(self._orders)

    def last_second_ms(self) -> int:
        """The beginning of the last second with an event; 0: there is none."""
        return max(session.last_second_ms() for session in self._sessions.values())

    def was_silent_too_long(self, room_idle_ms: int | None = None) -> bool:
        """Whether the session in question may have ended and begun anew, and so be more than one."""
        session = self._session
        idle_ms = self._assumptions.room_idle_ms if room_idle_ms is None else room_idle_ms
        return session.show_id is None and session.longest_silence_ms() >= idle_ms

    def forget(self, clock_ms: int) -> None:
        """Drop ended sessions, seconds that no window reaches, and forgotten orders."""
        self._sessions = dict([*self._sessions.items()][-1:])
        self.settle(clock_ms)

    def settle(self, clock_ms: int) -> None:
        """Drop as `forget` does, but keep the sessions."""
        rules = self._assumptions
        for session in self._sessions.values():
            session.settle(clock_ms - 2 * rules.allowed_lateness_ms)
        # An hour more: a worker forgets by its own clock.
        before_ms = clock_ms - rules.remember_orders_ms - FORGET_LATER_MS
        for order_id in [name for name, order in self._orders.items() if order.known_ms(clock_ms) < before_ms]:
            order = self._orders.pop(order_id)
            self.met.forget(order_id)
            for key, standing, quantity in order.units(clock_ms):
                if standing:
                    self._sales[key].forgotten[standing] += quantity

    def is_forgotten(self, clock_ms: int) -> bool:
        """Whether the room has no more effect on any figure."""
        rules = self._assumptions
        known_ms = max(rules.remember_sales_ms + FORGET_LATER_MS if rules.remember_sales_ms else 0, rules.room_idle_ms)
        return self.last_second_ms() < clock_ms - known_ms - rules.allowed_lateness_ms

    def seconds(self) -> int:
        """The number of seconds kept apart."""
        return sum(session.seconds() for session in self._sessions.values())

    def figures(self, as_of_ms: int) -> RoomFigures:
        """All recountable figures at one moment."""
        session, timeout_ms = self._session, self._assumptions.presence_timeout_ms
        whole = session.window(None, as_of_ms)
        return RoomFigures(
            room_id=self.room_id,
            as_of_ms=as_of_ms,
            viewers=len(whole.viewers),
            views=whole.views,
            watching_now=session.watching(as_of_ms, timeout_ms),
            likes=session.likes,
            comments=session.comments,
            cart_adds=session.cart_adds,
            orders=session.orders(),
            money=session.money(),
            rates={
                RateKey(name, window_ms, currency): fraction
                for window_ms in WINDOWS_MS
                for name, currency, fraction in session.window(window_ms, as_of_ms).rates()
            },
            sales=self._ledgers(as_of_ms),
            mechanics=figures_as_of(session.mechanics, as_of_ms),
            sources=dict(session.sources),
            views_beyond=session.views_beyond,
            products=session.products.figures(self._assumptions.products_max),
        )

    def _ledgers(self, as_of_ms: int) -> dict[SaleKey, SaleFigures]:
        rules = self._assumptions
        counted = count_units(self._orders, as_of_ms, rules.contract_edition, self.round_from_ms)
        for key, sale in self._sales.items():
            counted[key].add_forgotten(sale)
        for key in self._session.heard_of:
            counted[key]  # includes sales without an order
        ledgers = {key: self._ledger(key, units, as_of_ms) for key, units in counted.items()}
        suspects = count_suspects(self._orders, self.suspected(as_of_ms), as_of_ms)
        for (key, rule), counts in suspects.items():
            ledgers[key].suspicions[rule] = counts
        return ledgers

    @property
    def words_beyond(self) -> int:
        """Number of words about terms of its sales that no longer count, displaced by newer ones."""
        return self._words.beyond if self._signals > FIRST_SIGNALS else 0

    def round_from_ms(self, key: SaleKey) -> int:
        """The beginning of a sale's present round; −1: the first one."""
        return self._words.round(key, self._assumptions.signals_edition)[1]

    def suspected(self, as_of_ms: int) -> dict[str, str]:
        """Orders that look fake at a moment → the rule under which each counts; none under the first edition."""
        rules, session = self._assumptions, self._session
        if rules.signals_edition == FIRST_SIGNALS:
            return {}
        whole = session.window(None, as_of_ms)
        people = People(whole.payers, whole.viewers, whole.clickers, whole.engaged)
        since_ms = as_of_ms - rules.remember_orders_ms
        seen = orders_seen(self._orders, session.placed_orders, as_of_ms, since_ms, rules.contract_edition)
        return suspected(seen, people, rules)

    def _ledger(self, key: SaleKey, units: Units, as_of_ms: int) -> SaleFigures:
        sale, waiting = self._sales.get(key, SaleFacts()), self._waiting(key, set(units.of_user), as_of_ms)
        told = sale_figures(key, sale, units, self._words, as_of_ms, self._assumptions.signals_edition)
        return SaleFigures(carters_without_order=waiting, heard_of=key in self._session.heard_of, **told)
