"""What a report says of one session besides its totals: by time step, product and source, and the corrections.

It takes each counted event in the order of the recount. Everything is a sum, so the order matters only beyond a bound.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field

from stream.contract.events import (
    FIRST_EDITION,
    CartAdd,
    Comment,
    Enter,
    Leave,
    Like,
    Order,
    OrderStatus,
    PersonEvent,
    ProductClick,
    SaleClosed,
    SaleExtended,
    SaleOpened,
    SaleRestocked,
)
from stream.contract.people import UNKNOWN_PEOPLE
from stream.contract.report import Amounts, Correction, Ledger, Product, SourceCount, Step
from stream.verify.figures import SaleKey
from stream.verify.watching import WatchingCurve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from stream.contract.events import OrderLine, RoomEvent
    from stream.verify.figures import SaleFigures
    from stream.verify.order_facts import Net
    from stream.verify.room_count import Assumptions

MINUTE_MS = 60_000
PRODUCTS_MAX = 5_000
SOURCES_MAX = 200
CORRECTIONS_MAX = 1_000
# Two weeks of minutes: in a longer session most steps are empty.
STEPS_MAX = 20_000
# The counts of a step, besides money and people.
COUNTED = ("views", "comments", "likes", "cart_adds", "orders_placed", "orders_paid")

# Statuses whose units a product counts, beside those placed.
_OF_UNITS = frozenset((OrderStatus.PAID, OrderStatus.CANCELLED, OrderStatus.REFUNDED))

# SKU and sale; None, None: all beyond the bound.
ProductKey = tuple[str | None, str | None]
REST: ProductKey = (None, None)


class _Money(Struct):
    placed_minor: int = 0
    paid_minor: int = 0
    net_minor: int = 0


class _Cell(Struct):
    """The counts of a time step or of a product."""

    counts: Counter[str] = field(default_factory=Counter)
    money: defaultdict[str, _Money] = field(default_factory=lambda: defaultdict(_Money))

    def amounts(self) -> list[Amounts]:
        """The amounts by currency, without currencies in which nothing moved."""
        return [
            Amounts(currency, money.placed_minor, money.paid_minor, money.net_minor)
            for currency, money in sorted(self.money.items())
            if money.placed_minor or money.paid_minor or money.net_minor
        ]


class OrderStep(Struct, frozen=True):
    """What one record of an order changed, worked out from the sets of statuses before and after it."""

    placed: bool
    paid: bool
    net: int

    @staticmethod
    def of(before: AbstractSet[OrderStatus], status: OrderStatus) -> OrderStep:
        """The step from these statuses to one more."""
        after = {*before, status}
        return OrderStep(
            placed=_is_placed(after) and not _is_placed(before),
            paid=status is OrderStatus.PAID,
            net=_is_sold(after) - _is_sold(before),
        )


def _is_placed(statuses: AbstractSet[OrderStatus]) -> bool:
    return OrderStatus.PLACED in statuses or OrderStatus.PAID in statuses


def _is_sold(statuses: AbstractSet[OrderStatus]) -> bool:
    undone = OrderStatus.CANCELLED in statuses or OrderStatus.REFUNDED in statuses
    return OrderStatus.PAID in statuses and not undone


class Tally:
    """Counts one session, event by event.

    Args:
        prefix: the prefix of the topics, for the places of corrections.
        timeout_ms: the silence after which a person counts as gone.
        step_ms: the step of the curve: a minute, or a part of one.
    """

    def __init__(self, prefix: str, timeout_ms: int, step_ms: int = MINUTE_MS) -> None:
        self._step_ms = step_ms
        self._sales_topic = f"{prefix}.sales"
        self._steps: defaultdict[int, _Cell] = defaultdict(_Cell)
        self._products: dict[ProductKey, _Cell] = {}
        self._sources: dict[str | None, Counter[str]] = {}
        self._other_sources = Counter[str]()
        self._watching = WatchingCurve(timeout_ms, step_ms)
        self._opened: set[tuple[str, str]] = set()
        self.corrections: list[Correction] = []
        self.corrections_left_out = 0

    def opened_before(self, event: SaleOpened) -> None:
        """Note a sale opened before the session: a further opening corrects it."""
        self._opened.add((event.sale_id, event.sku_id))

    def add(self, event: RoomEvent, effective_ms: int, rules: Assumptions, place: tuple[int, int]) -> None:  # noqa: C901 — a case for each type
        """Take an event that is no order. `place`: partition and offset of its record."""
        counts = self._steps[effective_ms // self._step_ms].counts
        match event:
            case Comment():
                counts["comments"] += 1
            case Like():
                counts["likes"] += event.count
            case CartAdd():
                counts["cart_adds"] += 1
                self._product(event.sku_id, event.sale_id).counts["cart_adds"] += 1
            case Enter():
                counts["views"] += 1
                self._source(event.source)["views"] += 1
                if (name := _who(event, rules)) is not None:
                    self._watching.enter(name, effective_ms)
            case Leave():
                if (name := _who(event, rules)) is not None:
                    self._watching.leave(name, effective_ms)
            case ProductClick():
                self._source(event.source)["clicks"] += 1
            case PersonEvent():
                pass
            case _:
                if isinstance(event, SaleOpened | SaleRestocked | SaleExtended | SaleClosed):
                    self._host_says(event, effective_ms, place)

    def add_order(
        self,
        event: Order,
        lines: Sequence[OrderLine],
        before: AbstractSet[OrderStatus],
        effective_ms: int,
        currency: str,
        untold: AbstractSet[OrderStatus] = frozenset(),
        left: Net | None = None,
    ) -> None:
        """Take a status that an order reached.

        Args:
            event: the event of the record.
            lines: the lines of the order, as in its first record.
            before: the statuses reached before, in any session.
            effective_ms: the event's effective time.
            currency: the currency of the order.
            untold: statuses of which records told without lines, before this first one with lines.
            left: of an order of which a part was cancelled or refunded, what is left; None: all of it.
        """
        step = OrderStep.of(before, event.status)
        cell = self._steps[effective_ms // self._step_ms]
        cell.counts["orders_placed"] += step.placed
        cell.counts["orders_paid"] += step.paid
        for line in lines:
            product = self._product(line.sku_id, line.sale_id)
            for each in (cell, product):
                money = each.money[currency]
                money.placed_minor += line.amount_minor * step.placed
                money.paid_minor += line.amount_minor * step.paid
                money.net_minor += line.amount_minor * step.net if left is None else 0
            product.counts["units_placed"] += line.quantity * step.placed
            product.counts["units_net"] += line.quantity * step.net if left is None else 0
        self.add_units(lines, {event.status, *untold})
        if left is not None and step.net:
            self._add_net(cell, currency, left, step.net)
        if step.paid:
            for sku_id, sale_id in {(line.sku_id, line.sale_id) for line in lines}:
                self._product(sku_id, sale_id).counts["orders_paid"] += 1

    def add_units(self, lines: Sequence[OrderLine], statuses: AbstractSet[OrderStatus]) -> None:
        """Count the units of an order under the statuses that it reached."""
        for line in lines:
            for status in statuses & _OF_UNITS:
                self._product(line.sku_id, line.sale_id).counts[f"units_{status.value}"] += line.quantity

    def edit_order(
        self,
        were: Sequence[OrderLine],
        are: Sequence[OrderLine],
        statuses: AbstractSet[OrderStatus],
        effective_ms: int,
        currency: str,
    ) -> None:
        """Take other lines of an order that is not paid: those before go, these come, under the statuses reached."""
        is_placed = OrderStatus.PLACED in statuses
        cell = self._steps[effective_ms // self._step_ms]
        for lines, sign in ((were, -1), (are, 1)):
            for line in lines:
                product = self._product(line.sku_id, line.sale_id)
                for each in (cell, product):
                    each.money[currency].placed_minor += sign * is_placed * line.amount_minor
                product.counts["units_placed"] += sign * is_placed * line.quantity
                for status in statuses & _OF_UNITS:
                    product.counts[f"units_{status.value}"] += sign * line.quantity

    def add_part(self, was: Net, now: Net, effective_ms: int, currency: str) -> None:
        """Take a cancel or refund of a part of a sold order: what was left of the order before, and is left now."""
        cell = self._steps[effective_ms // self._step_ms]
        self._add_net(cell, currency, was, -1)
        self._add_net(cell, currency, now, 1)

    def _add_net(self, cell: _Cell, currency: str, net: Net, sign: int) -> None:
        cell.money[currency].net_minor += sign * net.minor
        for (sale_id, sku_id), minor in net.minor_of.items():
            self._product(sku_id, sale_id).money[currency].net_minor += sign * minor
        for (sale_id, sku_id), units in net.units_of.items():
            self._product(sku_id, sale_id).counts["units_net"] += sign * units

    # -- what came of it -----------------------------------------------------------------------------------------------
    def steps(self, as_of_ms: int, watching_now: int) -> list[Step]:
        """Every step from the first with a count to that of `as_of_ms`.

        Beyond `STEPS_MAX` only steps with a change are listed: events of years ago may be sent to a live room.
        """
        if not self._steps:
            return []
        first = min(self._steps)
        last = max(*self._steps, as_of_ms // self._step_ms)
        numbers: Sequence[int] = range(first, last + 1)
        if len(numbers) > STEPS_MAX:
            changed = {step for step in self._watching.changes() if first <= step <= last}
            numbers = sorted({*self._steps, *changed, last})
        watching = self._watching.at_ends(numbers)
        watching[-1] = watching_now  # the last step is not over
        rows = []
        for number, there in zip(numbers, watching, strict=True):
            cell = self._steps.get(number)
            row = Step(start_ms=number * self._step_ms, watching=there)
            if cell is not None:
                for name, count in cell.counts.items():
                    setattr(row, name, count)
                row.money = cell.amounts()
            rows.append(row)
        return rows

    def products(self, sales: Mapping[SaleKey, SaleFigures]) -> list[Product]:
        """Every product with a record, by sale and SKU. Products outside of sales come last."""
        heard_of = {(key.sku_id, key.sale_id) for key, figures in sales.items() if figures.heard_of}
        keys: set[ProductKey] = {*self._products, *heard_of}
        return [self._told(key, sales) for key in sorted(keys, key=_place)]

    def _told(self, key: ProductKey, sales: Mapping[SaleKey, SaleFigures]) -> Product:
        sku_id, sale_id = key
        product = Product(sku_id=sku_id, sale_id=sale_id)
        figures = None if sku_id is None or sale_id is None else sales.get(SaleKey(sale_id, sku_id))
        if figures is not None:
            product.ledger = Ledger(**{name: getattr(figures, name) for name in Ledger.__struct_fields__})
        cell = self._products.get(key)
        if cell is not None:
            for name, count in cell.counts.items():
                setattr(product, name, count)
            product.money = cell.amounts()
        return product

    def sources(self) -> list[SourceCount]:
        """The sources, those with most views first. All beyond the bound come last, in one row."""
        rows = [SourceCount(name, counts["views"], counts["clicks"]) for name, counts in self._sources.items()]
        rows.sort(key=lambda row: (-row.views, -row.clicks, row.source or ""))
        if self._other_sources:
            rows.append(SourceCount(None, self._other_sources["views"], self._other_sources["clicks"], other=True))
        return rows

    # -- within --------------------------------------------------------------------------------------------------------
    def _product(self, sku_id: str, sale_id: str | None) -> _Cell:
        key: ProductKey = (sku_id, sale_id)
        cell = self._products.get(key)
        if cell is None:
            if len(self._products) >= PRODUCTS_MAX:
                key = REST
            cell = self._products.setdefault(key, _Cell())
        return cell

    def _source(self, source: str | None) -> Counter[str]:
        counts = self._sources.get(source)
        if counts is None:
            if len(self._sources) >= SOURCES_MAX:
                return self._other_sources
            counts = self._sources[source] = Counter()
        return counts

    def _host_says(self, event: Any, effective_ms: int, place: tuple[int, int]) -> None:
        """Note a word on a sale. The first opening of a product announces it; every other word is a correction."""
        if isinstance(event, SaleOpened) and (event.sale_id, event.sku_id) not in self._opened:
            self.opened_before(event)
            return
        if len(self.corrections) >= CORRECTIONS_MAX:
            self.corrections_left_out += 1
            return
        said: dict[str, Any] = msgspec.to_builtins(event)
        kind = said.pop("type")
        said = {
            name: value for name, value in said.items() if value is not None and name not in ("event_id", "room_id")
        }
        partition, offset = place
        self.corrections.append(
            Correction(
                kind=kind, at_ms=effective_ms, topic=self._sales_topic, partition=partition, offset=offset, said=said
            )
        )


def by_minute(steps: Sequence[Step]) -> list[Step]:
    """The steps added up to minutes. The number of people is that at the end of the minute."""
    rows: dict[int, Step] = {}
    for step in steps:
        start_ms = step.start_ms // MINUTE_MS * MINUTE_MS
        row = rows.get(start_ms)
        if row is None:
            rows[start_ms] = msgspec.structs.replace(step, start_ms=start_ms)
            continue
        row.watching = step.watching
        for name in COUNTED:
            setattr(row, name, getattr(row, name) + getattr(step, name))
        row.money = _added(row.money, step.money)
    return [*rows.values()]


def _added(ours: list[Amounts], more: list[Amounts]) -> list[Amounts]:
    cell = _Cell()
    for each in (*ours, *more):
        money = cell.money[each.currency]
        money.placed_minor += each.placed_minor
        money.paid_minor += each.paid_minor
        money.net_minor += each.net_minor
    return cell.amounts()


def _who(event: Enter | Leave, rules: Assumptions) -> str | None:
    """The name of the device, else of the person; None: the person is unknown, and may be many."""
    for name in (event.session_id, event.user_id):
        if name is not None and not (rules.contract_edition > FIRST_EDITION and name in UNKNOWN_PEOPLE):
            return name
    return None


def _place(key: ProductKey) -> tuple[bool, bool, str, str]:
    sku_id, sale_id = key
    return sku_id is None, sale_id is None, sale_id or "", sku_id or ""
