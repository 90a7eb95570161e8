"""One order, as a checker that follows the log knows it."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from msgspec import Struct, field

from stream.contract.events import Order, OrderStatus
from stream.verify.figures import SaleKey
from stream.verify.order_facts import UNDOINGS, is_edit
from stream.verify.parts_said import PartsSaid


class Move(NamedTuple):
    """What an order did to the pace of a sale: in a second, net units, of these sold, and orders paid."""

    second: int
    net: int
    sold: int
    orders: int


class OrderSeen(Struct):
    """One order: its user, its units by sale, its statuses, the end of its hold, and its last change.

    From the second edition on also the times of its statuses, whether it looks fake, its moves in the pace of its sales
    in a session, and what was said of parts of it. `of_units`: what was said of its units. `own_hold_ms`: how long it
    holds them by what was said of it or its sales; `ruled_hold_ms`: by the rules when it was placed.
    """

    user_id: str
    units: dict[SaleKey, int]
    statuses: set[OrderStatus] = field(default_factory=set)
    hold_until_ms: int = -1
    ran_out: bool = False
    changed_ms: int = -1
    device_id: str | None = None
    of_units: set[str] = field(default_factory=set)
    said_ms: dict[OrderStatus, int] = field(default_factory=dict)
    reached_ms: dict[OrderStatus, int] = field(default_factory=dict)
    looks_fake: bool = False
    moves: list[tuple[SaleKey, Move]] = field(default_factory=list)
    moved_in: int = -1
    placed_in: int = -1
    has_lines: bool = False
    parts: PartsSaid | None = None
    ruled_hold_ms: int = -1
    own_hold_ms: int | None = None
    revision: int = 0

    def learn(self, event: Order) -> None:
        """Take the units and the device from the first record of the order that has lines."""
        if self.has_lines or not event.lines:
            return
        self.has_lines = True
        self.device_id = self.device_id if event.device_id is None else event.device_id
        self._take_lines(event)

    def revise(self, event: Order, clock_ms: int) -> bool:
        """Take the units of another revision, if they count. Returns whether they do."""
        if not self.has_lines or not is_edit(event, self.revision, paid=OrderStatus.PAID in self.statuses):
            return False
        held_nothing, self.units = not self.units, {}
        self._take_lines(event)
        if held_nothing and self.units and self.is_open():
            self.ran_out = self.hold_until_ms <= clock_ms
        return True

    def _take_lines(self, event: Order) -> None:
        self.revision = event.revision or 0
        for line in event.lines:
            if line.sale_id is not None:
                key = SaleKey(line.sale_id, line.sku_id)
                self.units[key] = self.units.get(key, 0) + line.quantity

    def standing(self) -> str:
        """`sold`, `held`, `gone`, `released`, or empty if only its undoing was seen."""
        paid, placed = OrderStatus.PAID in self.statuses, OrderStatus.PLACED in self.statuses
        undone = bool(self.statuses & UNDOINGS)
        if paid and not undone:
            return "sold"
        if placed and not paid and not undone and not self.ran_out:
            return "held"
        if undone and (placed or paid) and self.of_units - {"kept"} == {"gone"}:
            return "gone"
        return "released" if placed or paid else ""

    def stands(self) -> dict[SaleKey, Counter[str]]:
        """Of each sale, its units by standing."""
        standing = self.standing()
        if self.parts is None:
            return {key: Counter({standing: units}) for key, units in self.units.items()}
        there = bool(self.statuses & {OrderStatus.PLACED, OrderStatus.PAID})
        found = {}
        for key, split in self.parts.split(self.units).items():
            lost = "released" if "back" in self.of_units else "gone"
            found[key] = Counter({standing: split["left"]})
            found[key].update({"released": split["back"] * there, lost: split["gone"] * there})
        return found

    def is_of_round(self, from_ms: int) -> bool:
        """Whether it was placed, or else paid, in the round that begins at `from_ms`; −1: the first, which has all."""
        paid_ms = self.said_ms.get(OrderStatus.PAID, -1)
        return from_ms < 0 or self.said_ms.get(OrderStatus.PLACED, paid_ms) >= from_ms

    def is_open(self) -> bool:
        """Whether it was placed, and neither paid nor undone."""
        return self.is_unpaid() and not self.statuses & UNDOINGS

    def hold_for(self, own_hold_ms: int | None, clock_ms: int) -> bool:
        """Set how long an open order holds its units; None: as the rules say. Returns whether that is new."""
        if not self.is_open() or not self.units or own_hold_ms == self.own_hold_ms:
            return False
        hold_ms = self.ruled_hold_ms if own_hold_ms is None else own_hold_ms
        self.own_hold_ms, self.hold_until_ms = own_hold_ms, self.said_ms[OrderStatus.PLACED] + hold_ms
        self.ran_out = self.ran_out and self.hold_until_ms <= clock_ms
        return True

    def is_unpaid(self) -> bool:
        """Whether it was placed and never paid."""
        return OrderStatus.PLACED in self.statuses and OrderStatus.PAID not in self.statuses
