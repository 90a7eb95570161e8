"""What a recount keeps of one order and of one sale."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field

from stream.contract.events import Order, OrderLine, OrderStatus, SaleRestocked
from stream.contract.overlay import FIRST_SIGNALS, Restock
from stream.verify.figures import SaleKey
from stream.verify.parts_said import Named, PartsSaid
from stream.verify.suspicion import OrderSeen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet


RESTOCKS_TOLD = 64
UNDOINGS = frozenset({OrderStatus.CANCELLED, OrderStatus.REFUNDED})


def words_of(event: Order, signals_edition: int) -> set[str]:
    """What a record says of its order: a status, and from the second edition on more.

    That is whether the units come back, and whether it keeps them until it is paid.
    """
    said = {event.status.value}
    if event.restock is not None and event.status in UNDOINGS and signals_edition > FIRST_SIGNALS:
        said.add("back" if event.restock else "gone")
    if event.payment_terms is not None and signals_edition > FIRST_SIGNALS:
        said.add("kept")
    return said


def is_edit(event: Order, known: int, *, paid: bool) -> bool:
    """Whether a record with lines takes the place of the known revision of an order; `paid`: whether that is paid.

    What was paid stands. Until then the greatest revision counts, and the payment says which one is paid.
    """
    revision = event.revision or 0
    if paid or not event.lines:
        return False
    return revision != known if event.status is OrderStatus.PAID else revision > known


class Net(NamedTuple):
    """What is left of an order: its amount, and by product units and amount, which is negative where more came back."""

    minor: int
    units_of: Counter[Named]
    minor_of: Counter[Named]


class OfProduct(NamedTuple):
    """What an order contributes to one of its products: which steps it has taken, and minor units."""

    is_placed: bool = False
    is_paid: bool = False
    is_sold: bool = False
    placed: int = 0
    paid: int = 0
    net: int = 0


class OrderFacts(Struct):
    """One order: what follows from the set of statuses seen, whatever their order."""

    user_id: str
    currency: str
    lines: tuple[OrderLine, ...]
    device_id: str | None = None
    # Under the second edition of signals: effective time of the record with each status.
    reached_ms: dict[OrderStatus, int] = field(default_factory=dict)
    statuses: set[OrderStatus] = field(default_factory=set)
    placed_record_ms: int | None = None  # effective time of the record with status "placed"
    hold_until_ms: int = -1
    ruled_hold_ms: int = -1  # by the rules of the owner that folded that record
    changed_ms: int = -1
    is_new_status: bool = False  # whether the latest record that counted had a new status
    told_late: bool = False  # whether the latest record that counted was the first with lines, and not the first
    revision: int = 0  # of the lines
    lines_before: tuple[OrderLine, ...] = ()  # those before the latest record that counted, if it has others
    of_units: set[str] = field(default_factory=set)  # "gone", "back", "kept": what was said of the units
    parts: PartsSaid | None = None  # of an order of which a part was cancelled or refunded
    parts_before: PartsSaid | None = None  # as they were before the latest record that counted and was about a part
    is_new_part: bool = False  # whether the latest record that counted was about a part

    def reach(self, status: OrderStatus, effective_ms: int, signals_edition: int, hold_ms: int) -> None:
        """Note a status that the order had not reached before."""
        self.statuses.add(status)
        if status is OrderStatus.PLACED:
            self.placed_record_ms = effective_ms
            self.hold_until_ms, self.ruled_hold_ms = effective_ms + hold_ms, hold_ms
        if signals_edition > FIRST_SIGNALS:
            self.reached_ms[status] = effective_ms

    def hold_for(self, hold_ms: int | None, effective_ms: int) -> None:
        """Note how long it holds by what is known at a moment; None: as the rules say."""
        if self.placed_record_ms is None or not self.is_open():
            return
        until_ms = self.placed_record_ms + (self.ruled_hold_ms if hold_ms is None else hold_ms)
        if until_ms != self.hold_until_ms:
            self.hold_until_ms, self.changed_ms = until_ms, max(self.changed_ms, effective_ms)

    def learn(self, event: Order) -> bool:
        """Take the lines and the device of the first record with lines. Returns whether this record is it."""
        if self.lines or not event.lines:
            return False
        self.lines, self.revision = event.lines, event.revision or 0
        self.device_id = self.device_id if event.device_id is None else event.device_id
        return True

    def revise(self, event: Order) -> bool:
        """Take the lines of another revision, if they count. Returns whether they do."""
        if not is_edit(event, self.revision, paid=OrderStatus.PAID in self.statuses):
            return False
        if self.lines:
            self.lines_before, self.lines, self.revision = self.lines, event.lines, event.revision or 0
        return True

    def is_placed(self) -> bool:
        """Whether the order counts as placed."""
        return bool(self.statuses & {OrderStatus.PLACED, OrderStatus.PAID})

    def is_undone(self) -> bool:
        """Whether the order was cancelled or refunded."""
        return bool(self.statuses & UNDOINGS)

    def is_open(self) -> bool:
        """Whether it was placed, and neither paid nor undone."""
        return self.placed_record_ms is not None and OrderStatus.PAID not in self.statuses and not self.is_undone()

    def is_sold(self) -> bool:
        """Whether the order's units are sold."""
        return OrderStatus.PAID in self.statuses and not self.is_undone()

    def is_of_round(self, from_ms: int) -> bool:
        """Whether it was placed in the round that begins at `from_ms`. Without placing, payment counts."""
        paid_ms = self.reached_ms.get(OrderStatus.PAID, -1)
        return from_ms < 0 or self.reached_ms.get(OrderStatus.PLACED, paid_ms) >= from_ms

    def is_gone(self) -> bool:
        """Whether its units are lost: the order was undone, and everything said of them is that they are gone."""
        return self.is_placed() and self.is_undone() and self.of_units - {"kept"} == {"gone"}

    def standing(self, as_of_ms: int) -> str:
        """`sold`, `held`, `gone` or `released`; empty if only its undoing was seen."""
        if self.is_sold():
            return "sold"
        if self.is_held(as_of_ms):
            return "held"
        if self.is_gone():
            return "gone"
        return "released" if self.is_placed() else ""

    def is_held(self, as_of_ms: int) -> bool:
        """Whether its units are held at a moment."""
        return self.is_open() and self.hold_until_ms > as_of_ms

    def known_ms(self, as_of_ms: int) -> int:
        """When it last changed: by a record, or because its hold ran out."""
        ran_out = self.is_open() and self.hold_until_ms <= as_of_ms
        return max(self.changed_ms, self.hold_until_ms) if ran_out else self.changed_ms

    @staticmethod
    def sales(lines: Iterable[OrderLine]) -> set[SaleKey]:
        """The sales of which these lines have units."""
        return {SaleKey(line.sale_id, line.sku_id) for line in lines if line.sale_id is not None}

    def amount_minor(self) -> int:
        """The amount of the whole order, in minor units."""
        return sum(line.amount_minor for line in self.lines)

    def net_minor(self) -> int:
        """What is left of the amount in net revenue, in minor units."""
        if not self.is_sold():
            return 0
        return self.amount_minor() if self.parts is None else self.net(self.parts).minor

    def net(self, parts: PartsSaid) -> Net:
        """What is left of the order without these parts, once it is sold."""
        units, minor = Counter[Named](), Counter[Named]()
        for line in self.lines:
            units[line.sale_id, line.sku_id] += line.quantity
            minor[line.sale_id, line.sku_id] += line.amount_minor
        whole_minor = minor.total()
        for event in parts.of_id.values():
            for part_line in event.part_lines:
                minor[part_line.sale_id, part_line.sku_id] -= part_line.amount_minor
        left = Counter({named: split["left"] for named, split in parts.split(units).items()})
        return Net(max(0, whole_minor - parts.amount_minor()), left, minor)

    def by_product(self) -> dict[str, OfProduct]:
        """What it contributes to each product. A part takes off the product that it names, whatever that cost."""
        minor, net = Counter[str](), Counter[str]()
        for line in self.lines:
            minor[line.sku_id] += line.amount_minor
        if self.is_sold():
            net.update(minor)
            for event in self.parts.of_id.values() if self.parts is not None else ():
                for part_line in event.part_lines:
                    net[part_line.sku_id] -= part_line.amount_minor
        placed, paid, sold = self.is_placed(), OrderStatus.PAID in self.statuses, self.is_sold()
        found = {sku_id: OfProduct(net=minor_left) for sku_id, minor_left in net.items()}
        for sku_id, amount in minor.items():
            found[sku_id] = OfProduct(placed, paid, sold, amount * placed, amount * paid, net[sku_id])
        return found

    def units(self, as_of_ms: int) -> Iterator[tuple[SaleKey, str, int]]:
        """The units of each sale at a moment, by standing; an empty one if only an undoing was seen."""
        standing = self.standing(as_of_ms)
        ordered: dict[SaleKey, int] = {}
        for line in self.lines:
            if line.sale_id is not None:
                key = SaleKey(line.sale_id, line.sku_id)
                ordered[key] = ordered.get(key, 0) + line.quantity
        if self.parts is None:
            for key, units in ordered.items():
                yield key, standing, units
            return
        of_parts = {"left": standing, "back": "", "gone": ""}
        if self.is_placed():
            # A word about the whole order brings back what a part took for ever.
            of_parts |= {"back": "released", "gone": "released" if "back" in self.of_units else "gone"}
        for key, split in self.parts.split(ordered).items():
            for name, units in split.items():
                yield key, of_parts[name], units

    def seen(self, order_id: str, placed_orders: AbstractSet[str]) -> OrderSeen | None:
        """The order as the rules of suspicion see it; None: they do not consider it.

        Under the first edition only the placing counts: its workers did not keep the times of the rest.
        """
        products = frozenset((line.sale_id, line.sku_id) for line in self.lines if line.sale_id is not None)
        reached_ms = self.reached_ms
        since = reached_ms.get(OrderStatus.PLACED, reached_ms.get(OrderStatus.PAID))
        placed_ms = self.placed_record_ms if since is None else since
        if placed_ms is None or not products:
            return None
        undone_ms = [reached_ms[each] for each in (OrderStatus.CANCELLED, OrderStatus.REFUNDED) if each in reached_ms]
        return OrderSeen(
            order_id,
            self.user_id,
            self.device_id,
            products,
            placed_ms,
            OrderStatus.PAID in self.statuses,
            min(undone_ms, default=None),
            here=since is not None and order_id in placed_orders,
        )


class SaleFacts(Struct):
    """The facts of one SKU of one sale."""

    restocks: list[SaleRestocked] = field(default_factory=list)
    forgotten: Counter[str] = field(default_factory=Counter)  # units of forgotten orders, by standing

    def restocked(self, from_ms: int) -> tuple[int, int]:
        """Units that came into the round that begins at `from_ms`, and before it. Only the newest are told apart."""
        newest = sorted(self.restocks, key=lambda event: (event.event_time_ms, event.event_id))[-RESTOCKS_TOLD:]
        all_units = sum(event.quantity for event in self.restocks)
        units = all_units if from_ms < 0 else sum(each.quantity for each in newest if each.event_time_ms >= from_ms)
        return units, all_units - units

    def last_restock(self, from_ms: int) -> Restock | None:
        """The newest restock of the round that begins at `from_ms`; None: there was none."""
        newest = max(self.restocks, key=lambda event: (event.event_time_ms, event.event_id), default=None)
        if newest is None or newest.event_time_ms < from_ms:
            return None
        return Restock(newest.event_time_ms, newest.quantity)
