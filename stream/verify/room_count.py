"""One room, counted again: every fact is kept, every figure is worked out from the facts when it is asked for.

The rules are those of `docs/contract.md`, written a second time on purpose. Nothing here is shared with the fold.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct, field

from stream.contract.events import (
    FIRST_EDITION,
    MAX_AHEAD_MS,
    CartAdd,
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
from stream.contract.people import UNKNOWN_PEOPLE
from stream.verify.figures import (
    WINDOWS_MS,
    Fraction,
    MoneyFigures,
    RateKey,
    RoomFigures,
    SaleFigures,
    SaleKey,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

K = TypeVar("K")


class Assumptions(Struct, frozen=True, kw_only=True):
    """The settings under which the worker ran; a recount under others answers another question."""

    allowed_lateness_ms: int = 60_000
    hold_ms: int = 60_000
    presence_timeout_ms: int = 4 * 3_600_000
    room_idle_ms: int = 6 * 3_600_000
    # An id that comes again later than this may have been forgotten by the worker; such cases are counted apart.
    remember_ids_ms: int = 1_800_000
    # A journal that says nothing of it was written under the first.
    contract_edition: int = FIRST_EDITION
    # A key must be where murmur2 puts it among so many partitions; 0: nobody asked.
    murmur2_partitions: int = 0


class Facts(Struct):
    """What happened in one second of effective time; or, added up, in a window or in the whole session."""

    views: int = 0
    placed: int = 0
    paid: int = 0
    paid_minor: Counter[str] = field(default_factory=Counter)
    viewers: set[str] = field(default_factory=set)
    clickers: set[str] = field(default_factory=set)
    carters: set[str] = field(default_factory=set)
    buyers: set[str] = field(default_factory=set)
    payers: set[str] = field(default_factory=set)
    engaged: set[str] = field(default_factory=set)

    def add(self, other: Facts) -> None:
        """Add what another second holds; people are united, not summed."""
        self.views += other.views
        self.placed += other.placed
        self.paid += other.paid
        self.paid_minor.update(other.paid_minor)
        self.viewers |= other.viewers
        self.clickers |= other.clickers
        self.carters |= other.carters
        self.buyers |= other.buyers
        self.payers |= other.payers
        self.engaged |= other.engaged

    def rates(self) -> Iterator[tuple[str, str | None, Fraction]]:
        """Each rate: name, currency, fraction."""
        yield "watch_to_buy_uv", None, Fraction(len(self.payers), len(self.viewers))
        yield "click_to_buy_uv", None, Fraction(len(self.payers), len(self.clickers))
        yield "cart_to_order_uv", None, Fraction(len(self.buyers & self.carters), len(self.carters))
        yield "orders_per_viewer", None, Fraction(self.placed, len(self.viewers))
        yield "pay_rate", None, Fraction(self.paid, self.placed)
        yield "engaged_uv_rate", None, Fraction(len(self.engaged), len(self.viewers))
        for currency, minor in self.paid_minor.items():
            yield "gpm_views", currency, Fraction(minor * 1000, self.views)


class _OrderFacts(Struct):
    user_id: str
    currency: str
    lines: tuple[OrderLine, ...]
    statuses: set[OrderStatus] = field(default_factory=set)
    placed_record_ms: int | None = None  # effective time of the record that said "placed"

    def is_placed(self) -> bool:
        return bool(self.statuses & {OrderStatus.PLACED, OrderStatus.PAID})

    def is_undone(self) -> bool:
        return bool(self.statuses & {OrderStatus.CANCELLED, OrderStatus.REFUNDED})

    def is_sold(self) -> bool:
        return OrderStatus.PAID in self.statuses and not self.is_undone()

    def is_held(self, as_of_ms: int, hold_ms: int) -> bool:
        if self.is_undone() or OrderStatus.PAID in self.statuses or self.placed_record_ms is None:
            return False
        return self.placed_record_ms + hold_ms > as_of_ms

    def amount_minor(self) -> int:
        return sum(line.amount_minor for line in self.lines)


class _SaleFacts(Struct):
    openings: list[SaleOpened] = field(default_factory=list)
    restocked: int = 0
    carters: set[str] = field(default_factory=set)


class RoomCount:
    """All facts of one room. `apply` takes each event once; `figures` answers for any moment from the last event on."""

    def __init__(self, room_id: str, assumptions: Assumptions) -> None:
        self.room_id = room_id
        self._assumptions = assumptions
        self._edition = assumptions.contract_edition
        self._seconds: dict[int, Facts] = {}
        self._settled = Facts()  # seconds that have left every window, added up
        self._settled_last: int | None = None
        self._settled_gap = 0
        self._likes = 0
        self._comments = 0
        self._cart_adds = 0
        self._entered_ms: dict[str, int] = {}
        self._left_ms: dict[str, int] = {}
        self._orders: dict[str, _OrderFacts] = {}
        self._sales: dict[SaleKey, _SaleFacts] = defaultdict(_SaleFacts)
        # By sale and SKU; None: said of the whole sale.
        self._extended_to_ms: dict[tuple[str, str | None], int] = {}
        self._closed_at_ms: dict[tuple[str, str | None], int] = {}

    def assume(self, assumptions: Assumptions) -> None:
        """Figures from now on are those under these settings."""
        self._assumptions = assumptions

    # -- facts ------------------------------------------------------------------------------------------------------
    def apply(self, event: RoomEvent, effective_ms: int, edition: int) -> bool:
        """Note one event, read under an edition of the contract.

        False: it says nothing new (a status that the order had reached already).
        """
        self._edition = edition
        second = self._second(effective_ms)
        match event:
            case Comment():
                self._comments += 1
                self._meet(second.engaged, event.user_id)
            case Like():
                self._likes += event.count
                self._meet(second.engaged, event.user_id)
            case CartAdd():
                self._cart_adds += 1
                self._meet(second.engaged, event.user_id)
                self._meet(second.carters, event.user_id)
                if event.sale_id is not None:
                    self._meet(self._sales[SaleKey(event.sale_id, event.sku_id)].carters, event.user_id)
            case Enter():
                second.views += 1
                self._meet(second.viewers, event.user_id)
                self._come_or_go(self._entered_ms, event, effective_ms)
            case Leave():
                self._come_or_go(self._left_ms, event, effective_ms)
            case ProductClick():
                self._meet(second.clickers, event.user_id)
            case Order():
                return self._apply_order(event, effective_ms, second)
            case RoomOpened() | RoomClosed() | RecordsMisplaced():
                pass  # heard of, which is a sign of life
            case _:
                self._apply_sale(event, effective_ms)
        return True

    def contradicts(self, event: RoomEvent) -> bool:
        """Whether an event speaks of an order as another known person's, or in another currency, than the first did."""
        order = self._orders.get(event.order_id) if isinstance(event, Order) else None
        if order is None or not isinstance(event, Order):
            return False
        people = {event.user_id, order.user_id}
        return event.currency != order.currency or (len(people) > 1 and not people & UNKNOWN_PEOPLE)

    def has_heard(self, event: Order) -> bool:
        """Whether the order is known to have come to this status."""
        order = self._orders.get(event.order_id)
        return order is not None and event.status in order.statuses

    def _apply_order(self, event: Order, effective_ms: int, second: Facts) -> bool:
        order = self._orders.get(event.order_id)
        if order is None:
            order = self._orders[event.order_id] = _OrderFacts(event.user_id, event.currency, event.lines)
        if event.status in order.statuses:
            return False
        was_placed = order.is_placed()
        order.statuses.add(event.status)
        if event.status is OrderStatus.PLACED:
            order.placed_record_ms = effective_ms
        if order.is_placed() and not was_placed:
            second.placed += 1
            self._meet(second.buyers, order.user_id)
        if event.status is OrderStatus.PAID:
            second.paid += 1
            self._meet(second.payers, order.user_id)
            second.paid_minor[order.currency] += order.amount_minor()
        return True

    def _apply_sale(self, event: SaleOpened | SaleRestocked | SaleExtended | SaleClosed, effective_ms: int) -> None:
        match event:
            case SaleOpened():
                self._sales[SaleKey(event.sale_id, event.sku_id)].openings.append(event)
            case SaleRestocked():
                self._sales[SaleKey(event.sale_id, event.sku_id)].restocked += event.quantity
            case SaleExtended():
                _note_latest(self._extended_to_ms, self._what(event), event.ends_at_ms)
            case SaleClosed():
                what = self._what(event)
                self._closed_at_ms[what] = min(effective_ms, self._closed_at_ms.get(what, effective_ms))

    def _what(self, event: SaleExtended | SaleClosed) -> tuple[str, str | None]:
        """The sale and the SKU that it is about; the first edition knew whole sales only."""
        return event.sale_id, event.sku_id if self._edition > FIRST_EDITION else None

    def _meet(self, people: set[str], user_id: str) -> None:
        if not _is_no_one(user_id, self._edition):
            people.add(user_id)

    def _come_or_go(self, latest_ms: dict[str, int], event: Enter | Leave, at_ms: int) -> None:
        """The session did, else the user; where neither is known nobody can be told from another."""
        for name in (event.session_id, event.user_id):
            if name is not None and not _is_no_one(name, self._edition):
                _note_latest(latest_ms, name, at_ms)
                return

    def _second(self, effective_ms: int) -> Facts:
        number = effective_ms // 1000
        second = self._seconds.get(number)
        if second is None:
            second = self._seconds[number] = Facts()
        return second

    # -- figures ----------------------------------------------------------------------------------------------------
    def last_second_ms(self) -> int:
        """Beginning of the last second in which something happened; 0: nothing did."""
        return max(self._seconds, default=self._settled_last or 0) * 1000

    def was_silent_too_long(self, room_idle_ms: int | None = None) -> bool:
        """Whether the room may have ended and begun anew in between: then its session is not the whole log."""
        idle_ms = self._assumptions.room_idle_ms if room_idle_ms is None else room_idle_ms
        return self._greatest_gap(self._seconds) * 1000 >= idle_ms

    def _greatest_gap(self, seconds: Iterable[int]) -> int:
        known = sorted(seconds)
        if self._settled_last is not None:
            known.insert(0, self._settled_last)
        gaps = (later - earlier for earlier, later in pairwise(known))
        return max(self._settled_gap, max(gaps, default=0))

    def settle(self, as_of_ms: int) -> None:
        """Add up the seconds that no window reaches from `as_of_ms` on: what stays is people, not seconds."""
        first = (as_of_ms - max(window for window in WINDOWS_MS if window is not None)) // 1000
        over = sorted(second for second in self._seconds if second < first)
        if not over:
            return
        self._settled_gap = max(self._settled_gap, self._greatest_gap(over))
        for second in over:
            self._settled.add(self._seconds.pop(second))
        self._settled_last = max(over[-1], self._settled_last or 0)

    def orders(self) -> int:
        """Orders in memory."""
        return len(self._orders)

    def seconds(self) -> int:
        """Seconds kept apart."""
        return len(self._seconds)

    def figures(self, as_of_ms: int) -> RoomFigures:
        """Everything that can be recounted, as of one moment."""
        session = _united([self._settled, *self._seconds.values()])
        return RoomFigures(
            room_id=self.room_id,
            as_of_ms=as_of_ms,
            viewers=len(session.viewers),
            views=session.views,
            watching_now=self._watching(as_of_ms),
            likes=self._likes,
            comments=self._comments,
            cart_adds=self._cart_adds,
            orders=self._order_totals(),
            money=self._money(),
            rates={
                RateKey(name, window_ms, currency): fraction
                for window_ms in WINDOWS_MS
                for name, currency, fraction in self._window(window_ms, as_of_ms).rates()
            },
            sales=self._ledgers(as_of_ms),
        )

    def _window(self, window_ms: int | None, as_of_ms: int) -> Facts:
        if window_ms is None:
            return _united([self._settled, *self._seconds.values()])
        last = as_of_ms // 1000
        first = last - window_ms // 1000 + 1
        # What is dated a little ahead of the clock was counted when it was read: it leaves with its own second.
        last += MAX_AHEAD_MS // 1000 + 1
        return _united(self._seconds[second] for second in range(first, last + 1) if second in self._seconds)

    def _watching(self, as_of_ms: int) -> int:
        timeout_ms = self._assumptions.presence_timeout_ms
        return sum(
            1
            for session, entered_ms in self._entered_ms.items()
            if entered_ms > self._left_ms.get(session, -1) and entered_ms + timeout_ms >= as_of_ms
        )

    def _order_totals(self) -> dict[str, int]:
        orders = self._orders.values()
        reached = {status: sum(1 for order in orders if status in order.statuses) for status in OrderStatus}
        return {
            "placed": sum(1 for order in orders if order.is_placed()),
            "paid": reached[OrderStatus.PAID],
            "cancelled": reached[OrderStatus.CANCELLED],
            "refunded": reached[OrderStatus.REFUNDED],
        }

    def _money(self) -> dict[str, MoneyFigures]:
        placed, paid, net = Counter[str](), Counter[str](), Counter[str]()
        for order in self._orders.values():
            amount_minor = order.amount_minor()
            if order.is_placed():
                placed[order.currency] += amount_minor
            if OrderStatus.PAID in order.statuses:
                paid[order.currency] += amount_minor
            if order.is_sold():
                net[order.currency] += amount_minor
        return {currency: MoneyFigures(placed[currency], paid[currency], net[currency]) for currency in placed}

    def _ledgers(self, as_of_ms: int) -> dict[SaleKey, SaleFigures]:
        held, sold, released = Counter[SaleKey](), Counter[SaleKey](), Counter[SaleKey]()
        of_user: dict[SaleKey, Counter[str]] = defaultdict(Counter)
        keys = set(self._sales)
        for order in self._orders.values():
            for line in order.lines:
                if line.sale_id is None:
                    continue
                key = SaleKey(line.sale_id, line.sku_id)
                keys.add(key)
                if order.is_sold():
                    sold[key] += line.quantity
                elif order.is_held(as_of_ms, self._assumptions.hold_ms):
                    held[key] += line.quantity
                elif order.is_placed():
                    released[key] += line.quantity
                    continue
                else:
                    continue
                if not _is_no_one(order.user_id, self._assumptions.contract_edition):
                    of_user[key][order.user_id] += line.quantity
        return {key: self._ledger(key, (held[key], sold[key], released[key]), of_user[key], as_of_ms) for key in keys}

    def _ledger(self, key: SaleKey, units: tuple[int, int, int], of_user: Counter[str], as_of_ms: int) -> SaleFigures:
        held, sold, released = units
        sale = self._sales.get(key, _SaleFacts())
        opened = max(sale.openings, key=lambda event: (event.event_time_ms, event.event_id), default=None)
        left = None if opened is None else opened.offered + sale.restocked - held - sold
        limit = None if opened is None else opened.per_user_limit
        status, ends_at_ms, extended = self._terms(key, opened, as_of_ms)
        return SaleFigures(
            status=status,
            offered=None if opened is None else opened.offered,
            restocked=sale.restocked,
            available=None if left is None else max(0, left),
            held=held,
            sold=sold,
            oversold=0 if left is None else max(0, -left),
            released=released,
            over_limit=0 if limit is None else sum(max(0, bought - limit) for bought in of_user.values()),
            carters_without_order=len(sale.carters - set(of_user)),
            ends_at_ms=ends_at_ms,
            extended=extended,
        )

    def _terms(self, key: SaleKey, opened: SaleOpened | None, as_of_ms: int) -> tuple[str, int | None, bool]:
        """Status, end and whether it was extended. An extension that shortens is none; a close ends a sale for good."""
        if opened is None:
            return "unknown", None, False
        said_of = ((key.sale_id, None), (key.sale_id, key.sku_id))
        ends_at_ms = opened.ends_at_ms
        extended_to_ms = max(self._extended_to_ms.get(what, 0) for what in said_of)
        extended = ends_at_ms is not None and extended_to_ms > ends_at_ms
        if extended:
            ends_at_ms = extended_to_ms
        closes_ms = [self._closed_at_ms[what] for what in said_of if what in self._closed_at_ms]
        closed_at_ms = min(closes_ms, default=None)
        if closed_at_ms is not None and closed_at_ms <= as_of_ms:
            return "ended", closed_at_ms if ends_at_ms is None else min(closed_at_ms, ends_at_ms), extended
        if ends_at_ms is not None and ends_at_ms <= as_of_ms:
            return "ended", ends_at_ms, extended
        return "scheduled" if as_of_ms < opened.starts_at_ms else "open", ends_at_ms, extended


def _united(seconds: Iterable[Facts]) -> Facts:
    total = Facts()
    for second in seconds:
        total.add(second)
    return total


def _is_no_one(user_id: str, edition: int) -> bool:
    """Whether nobody knows who this is: it may be many."""
    return edition > FIRST_EDITION and user_id in UNKNOWN_PEOPLE


def _note_latest(latest_ms: dict[K, int], key: K, at_ms: int) -> None:
    latest_ms[key] = max(at_ms, latest_ms.get(key, at_ms))
