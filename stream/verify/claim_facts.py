"""The facts behind claims, counted along the log: units, seconds and people per sale, watchers per room.

The recount works out every figure from all facts at each call, which is too slow for a million claims. So the same
facts are added up here as records come, by the rules of `docs/signals.md`. `claim_check` compares the sums with the
recount now and then.
"""

from __future__ import annotations

from collections import Counter
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from stream.contract.events import (
    FIRST_EDITION,
    CartAdd,
    Enter,
    Leave,
    Order,
    OrderStatus,
    RecordsMisplaced,
    SaleOpened,
    SaleRestocked,
)
from stream.contract.overlay import FIRST_SIGNALS
from stream.contract.people import UNKNOWN_PEOPLE
from stream.verify.figures import SaleKey
from stream.verify.order_along import Move, OrderSeen
from stream.verify.order_facts import UNDOINGS, words_of
from stream.verify.parts_said import PartsSaid, is_of_part
from stream.verify.sale_along import SECOND_MS, SaleSeen
from stream.verify.suspects_along import SuspectsAlong
from stream.verify.suspicion import OrderSeen as JudgedOrder
from stream.verify.suspicion import People
from stream.verify.visits_seen import VisitsSeen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stream.contract.events import RoomEvent
    from stream.verify.claim_parts import ClaimSettings
    from stream.verify.recount import Heard
    from stream.verify.room_count import RoomCount
    from stream.verify.session_count import SessionCount


class RoomSeen:
    """One room, as far as claims rest on it. It takes the room's records in the order of their folding.

    Attributes:
        room: the recount of the room.
        sales: by sale and SKU.
        first_offsets: by logical topic, the beginning of the session's records.
        open_sessions: the number of watching sessions.
        misplaced: whether records of the room lie in a wrong partition, where they are not counted.
        visits: how visits ended.
        as_of_ms: the moment up to which the room was advanced.
    """

    def __init__(self, room: RoomCount, settings: ClaimSettings) -> None:
        self.room = room
        self.sales: dict[SaleKey, SaleSeen] = {}
        self.first_offsets: dict[str, int] = {}
        self.open_sessions = 0
        self.misplaced = False
        self.visits = VisitsSeen(settings.presence_timeout_ms)
        self.as_of_ms = -1
        self._settings = settings
        self._session: SessionCount | None = None
        self._sessions = 0
        self._suspects = SuspectsAlong(settings, self._flip) if settings.signals_edition > FIRST_SIGNALS else None
        self._orders: dict[str, OrderSeen] = {}  # ordered by last change
        self._unpaid: Counter[str] = Counter()
        self._holds: list[tuple[int, str]] = []
        self._came_ms: dict[str, int] = {}
        self._went_ms: dict[str, int] = {}
        self._watches_until: list[tuple[int, str]] = []

    def follow(self, settings: ClaimSettings, clock_ms: int) -> None:
        """Take the settings of another owner, who begins at a time of the clock."""
        if self._settings.signals_edition <= FIRST_SIGNALS < settings.signals_edition:
            self.visits = self.visits.taken_over(clock_ms, heard="visits" in self.first_offsets)
        self._settings = settings
        if self._suspects is not None:
            self._suspects.rules = settings
        elif settings.signals_edition > FIRST_SIGNALS:
            self._begin_second()

    def _begin_second(self) -> None:
        """Switch to the second edition: newer workers take over, and what older ones did not keep is unknown."""
        self._suspects = SuspectsAlong(self._settings, self._flip)
        self._unpaid.clear()
        for sale in self.sales.values():
            sale.begin_second()
        if self._session is not None:
            whole = self._session.window(None, self.as_of_ms)
            self._suspects.begin_with(People(whole.payers, whole.viewers, whole.clickers, whole.engaged))
        for order_id, order in self._orders.items():
            self._judge(order_id, order)

    def former(self, key: SaleKey, round_from_ms: int) -> Counter[str]:
        """Units that orders of former rounds hold, bought or took for ever, before the round from `round_from_ms`."""
        sale, found = self.seen(key), Counter[str]()
        if round_from_ms < 0:
            return found
        found.update({"held": sale.held, "sold": sale.sold, "gone": sale.gone})
        for order in self._orders.values():
            if key in order.units and order.is_of_round(round_from_ms):
                found.subtract(order.stands()[key])
        return found

    def seen(self, key: SaleKey) -> SaleSeen:
        """The counts of a sale; empty if no record of it was heard."""
        return self.sales.get(key) or SaleSeen()

    # -- records -------------------------------------------------------------------------------------------------------
    def hear(self, heard: Heard, topic: str, offset: int, clock_ms: int) -> None:
        """Take one valid record. `clock_ms`: the partition's clock at its folding."""
        if heard.session is None:
            return
        if heard.session is not self._session:
            self._begin(heard.session)
        self.first_offsets.setdefault(topic, offset)
        if heard.counts_ms >= 0:
            self._take(heard.event, heard.counts_ms, clock_ms)
        elif isinstance(heard.event, Order):
            self._heard_again(heard.event, clock_ms)

    def _take(self, event: RoomEvent, at_ms: int, clock_ms: int) -> None:
        if self._suspects is not None and not self._is_no_one(getattr(event, "user_id", "")):
            self._suspects.meet(event)
        match event:
            case CartAdd() if event.sale_id is not None:
                sale = self._sale(SaleKey(event.sale_id, event.sku_id))
                if not self._is_no_one(event.user_id):
                    sale.cart(event.user_id, at_ms)
            case Enter() | Leave():
                self._come_or_go(event, at_ms)
            case Order():
                self._order(event, at_ms, clock_ms)
            case SaleOpened() | SaleRestocked():
                self._plan(event)
                if isinstance(event, SaleOpened):
                    self._hold_by_sale(SaleKey(event.sale_id, event.sku_id), at_ms, clock_ms)
                else:
                    sale = self._sale(SaleKey(event.sale_id, event.sku_id))
                    sale.restocked_s = max(sale.restocked_s, at_ms // SECOND_MS)
            case RecordsMisplaced():
                self.misplaced = True
            case _:
                pass

    def _plan(self, event: SaleOpened | SaleRestocked) -> None:
        """Note the next restock. An opening without a plan says nothing; a restock without one cancels the plan."""
        sale, planned_ms = self._sale(SaleKey(event.sale_id, event.sku_id)), event.restock_planned_at_ms
        if planned_ms is not None or isinstance(event, SaleRestocked):
            sale.plan = max(sale.plan, (event.event_time_ms, -1 if planned_ms is None else planned_ms))

    def _begin(self, session: SessionCount) -> None:
        self._session = session
        self._sessions += 1
        self.first_offsets.clear()
        self.misplaced = False
        self.open_sessions = 0
        self.visits = VisitsSeen(self._settings.presence_timeout_ms)
        self._came_ms.clear()
        self._went_ms.clear()
        self._watches_until.clear()
        for sale in self.sales.values():
            sale.begin_session()
        if self._suspects is not None:
            self._suspects.begin_session()

    def _sale(self, key: SaleKey) -> SaleSeen:
        return self.sales.setdefault(key, SaleSeen())

    def _is_no_one(self, name: str) -> bool:
        return self._settings.contract_edition > FIRST_EDITION and name in UNKNOWN_PEOPLE

    def _come_or_go(self, event: Enter | Leave, at_ms: int) -> None:
        if isinstance(event, Enter):
            self.visits.view(at_ms)
        names = (name for name in (event.session_id, event.user_id) if name is not None)
        name = next((name for name in names if not self._is_no_one(name)), None)
        if name is None:
            return
        self.visits.move(name, at_ms, gone=isinstance(event, Leave))
        was_there = self._is_there(name)
        latest_ms = self._came_ms if isinstance(event, Enter) else self._went_ms
        latest_ms[name] = max(at_ms, latest_ms.get(name, -1))
        is_there = self._is_there(name)
        self.open_sessions += is_there - was_there
        if is_there:
            heappush(self._watches_until, (self._came_ms[name] + self._settings.presence_timeout_ms, name))

    def _is_there(self, name: str) -> bool:
        return self._came_ms.get(name, -1) > self._went_ms.get(name, -1)

    # -- orders --------------------------------------------------------------------------------------------------------
    def _heard_again(self, event: Order, clock_ms: int) -> None:
        order = self._orders.get(event.order_id)
        if order is None or self._settings.contract_edition <= FIRST_EDITION:
            return
        if is_of_part(event, self._settings.signals_edition):
            known = order.parts is not None and order.parts.has_heard(event, self._settings.order_parts_max)
        else:
            known = event.status in order.statuses
        if known:
            self._changed(event.order_id, order, clock_ms)

    def _changed(self, order_id: str, order: OrderSeen, clock_ms: int) -> None:
        order.changed_ms = clock_ms
        self._orders.pop(order_id, None)
        self._orders[order_id] = order

    def _order(self, event: Order, at_ms: int, clock_ms: int) -> None:
        order = self._orders.get(event.order_id)
        if order is None:
            order = OrderSeen(event.user_id, {}, device_id=event.device_id)
        order.learn(event)
        self._changed(event.order_id, order, clock_ms)
        before, was_unpaid = order.stands(), order.is_unpaid()
        is_revised = self._suspects is not None and order.revise(event, clock_ms)
        if is_revised:
            heappush(self._holds, (order.hold_until_ms, event.order_id))
        if is_of_part(event, self._settings.signals_edition):
            order.parts = order.parts or PartsSaid()
            order.parts.take(event, self._settings.order_parts_max)
            if is_revised:
                self._hold(event.order_id, order, before, clock_ms)
            self._move(order, before, at_ms // SECOND_MS)
            if is_revised:
                self._judge(event.order_id, order)
            return
        order.statuses.add(event.status)
        order.said_ms.setdefault(event.status, at_ms)
        order.of_units |= words_of(event, self._settings.signals_edition) - {event.status.value}
        is_known = bool(order.units) or self._suspects is not None
        if event.status is OrderStatus.PLACED and is_known and order.ruled_hold_ms < 0:
            order.hold_until_ms, order.ruled_hold_ms = at_ms + self._settings.hold_ms, self._settings.hold_ms
            heappush(self._holds, (order.hold_until_ms, event.order_id))
        self._hold(event.order_id, order, before, clock_ms)
        if not self._is_no_one(order.user_id) and self._suspects is None:
            self._count_unpaid(order.user_id, order.is_unpaid() - was_unpaid)
        self._move(order, before, at_ms // SECOND_MS)
        self._look_at(event, order, at_ms)

    def _hold(self, order_id: str, order: OrderSeen, before: Mapping[SaleKey, Counter[str]], clock_ms: int) -> bool:
        """Set the hold of an order, which stood as `before`, by what is known. Returns whether it is another one."""
        due_ms, own_ms = order.hold_until_ms, self.room.hold_ms(order_id)
        if self._suspects is None or not order.hold_for(own_ms, clock_ms):
            return False
        for key, units in before.items():
            self._sale(key).due[due_ms // SECOND_MS] -= units["held"]
            self._sale(key).due[order.hold_until_ms // SECOND_MS] += units["held"]
        heappush(self._holds, (order.hold_until_ms, order_id))
        return True

    def _hold_by_sale(self, key: SaleKey, at_ms: int, clock_ms: int) -> None:
        """The newest word about a sale may change how long the known orders hold its units."""
        for order_id, order in [*self._orders.items()]:
            before = order.stands()
            if key in order.units and "kept" not in order.of_units and self._hold(order_id, order, before, clock_ms):
                self._changed(order_id, order, clock_ms)
                self._move(order, before, at_ms // SECOND_MS)

    def _look_at(self, event: Order, order: OrderSeen, at_ms: int) -> None:
        """From the second edition on: judge whether the order looks fake, and whether it makes others look so."""
        if self._suspects is None or self._is_no_one(order.user_id):
            return
        was_placed = not order.reached_ms.keys().isdisjoint((OrderStatus.PLACED, OrderStatus.PAID))
        order.reached_ms.setdefault(event.status, at_ms)
        if not was_placed and event.status in (OrderStatus.PLACED, OrderStatus.PAID):
            order.placed_in = self._sessions
        if event.status is OrderStatus.PAID:
            self._suspects.pay(order.user_id)
        self._judge(event.order_id, order)

    def _judge(self, order_id: str, order: OrderSeen) -> None:
        """Judge whether an order looks fake. Of what was said under the first edition only the placing counts."""
        reached_ms = order.reached_ms
        placed_ms = reached_ms.get(OrderStatus.PLACED, reached_ms.get(OrderStatus.PAID))
        if placed_ms is None and order.hold_until_ms >= 0:
            placed_ms = order.hold_until_ms - self._settings.hold_ms
        if self._suspects is None or placed_ms is None or self._is_no_one(order.user_id):
            return
        if not order.units:
            self._suspects.forget(order_id)
            return
        undone_ms = [reached_ms[each] for each in UNDOINGS if each in reached_ms]
        self._suspects.change(
            JudgedOrder(
                order_id,
                order.user_id,
                order.device_id,
                frozenset(order.units),
                placed_ms,
                OrderStatus.PAID in order.statuses,
                min(undone_ms, default=None),
                here=order.placed_in == self._sessions,
            )
        )

    def _flip(self, order_id: str, looks_fake: bool) -> None:  # noqa: FBT001 - of a callback
        """Mark an order as fake or genuine, and move its units and its part of the pace accordingly."""
        order = self._orders[order_id]
        order.looks_fake = looks_fake
        for key, units in order.stands().items():
            self._sale(key).held_by_suspects += (units["held"] + units["sold"]) * (1 if looks_fake else -1)
        for key, move in order.moves if order.moved_in == self._sessions else []:
            paced = move if order.is_of_round(self.room.round_from_ms(key)) else move._replace(net=0)
            self._sale(key).pace(paced, -1 if looks_fake else 1)

    def _count_unpaid(self, user_id: str, change: int) -> None:
        """Count a user's unpaid orders. A user who becomes a suspect, or none again, takes all held units along."""
        was, self._unpaid[user_id] = self._is_suspect(user_id), self._unpaid[user_id] + change
        if (now := self._is_suspect(user_id)) != was:
            for sale in self.sales.values():
                held = sale.of_user.get(user_id, (0, 0))[0]
                sale.held_by_suspects += held if now else -held

    def _is_suspect(self, user_id: str) -> bool:
        return self._unpaid[user_id] >= self._settings.suspect_unpaid_orders

    def _move(self, order: OrderSeen, before: Mapping[SaleKey, Counter[str]], second: int) -> None:
        """Move the units of an order from where they stood before to where they stand."""
        second_edition, nothing = self._suspects is not None, Counter[str]()
        suspect = order.looks_fake if second_edition else self._is_suspect(order.user_id)
        stands = order.stands()
        for key in {**before, **stands}:
            sale, was, after = self._sale(key), before.get(key, nothing), stands.get(key, nothing)
            held, sold, gone = (after[name] - was[name] for name in ("held", "sold", "gone"))
            sale.released += after["released"] - was["released"]
            sale.gone += gone
            if not held and not sold and not gone:
                continue
            if held:
                sale.due[order.hold_until_ms // SECOND_MS] += held
            sale.held += held
            sale.sold += sold
            sale.held_by_suspects += (held + sold * second_edition) * suspect
            if not self._is_no_one(order.user_id):
                sale.units_of(order.user_id, held, sold)
            move = Move(second, held + sold + gone, sold, (after["sold"] > 0) - (was["sold"] > 0))
            paced = move if order.is_of_round(self.room.round_from_ms(key)) else move._replace(net=0)
            if not suspect:
                sale.pace(paced)
            elif not second_edition:
                sale.pace(move._replace(net=0))
            if second_edition and (move.net or move.sold):
                if order.moved_in != self._sessions:
                    order.moved_in, order.moves = self._sessions, []
                order.moves.append((key, move))

    # -- time ----------------------------------------------------------------------------------------------------------
    def advance(self, clock_ms: int) -> None:
        """Advance to a moment, which never goes back: holds run out, silent sessions end, orders are forgotten."""
        self.as_of_ms = max(self.as_of_ms, clock_ms)
        self.visits.advance(clock_ms)
        while self._holds and self._holds[0][0] <= clock_ms:
            until_ms, order_id = heappop(self._holds)
            order = self._orders.get(order_id)
            if order is None or order.hold_until_ms != until_ms or order.standing() != "held" or not order.units:
                continue
            before, order.ran_out = order.stands(), True
            # For the memory of orders, the change counts at the clock's moment at which the hold ran out.
            self._changed(order_id, order, until_ms)
            self._move(order, before, until_ms // SECOND_MS)
        while self._watches_until and self._watches_until[0][0] <= clock_ms:
            until_ms, name = heappop(self._watches_until)
            if self._is_there(name) and self._came_ms[name] + self._settings.presence_timeout_ms == until_ms:
                del self._came_ms[name]
                self.open_sessions -= 1
        self._forget_orders(clock_ms - self._settings.remember_orders_ms)
        for sale in self.sales.values():
            sale.forget(clock_ms, self._settings.bought_window_ms)

    def _forget_orders(self, before_ms: int) -> None:
        for order_id, order in self._oldest(before_ms):
            if self._suspects is not None:
                self._suspects.forget(order_id)
            del self._orders[order_id]
            if self._is_no_one(order.user_id):
                continue
            if self._suspects is None:
                self._count_unpaid(order.user_id, -order.is_unpaid())
            for key, units in order.stands().items():
                sale = self.sales[key]
                if order.user_id in sale.of_user and (units["held"] or units["sold"]):
                    sale.units_of(order.user_id, -units["held"], -units["sold"])

    def _oldest(self, before_ms: int) -> list[tuple[str, OrderSeen]]:
        def old() -> Iterator[tuple[str, OrderSeen]]:
            for order_id, order in self._orders.items():
                if order.changed_ms >= before_ms:
                    return
                yield order_id, order

        return list(old())
