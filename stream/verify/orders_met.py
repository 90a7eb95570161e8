"""What a recount has read of orders, applied or not yet: it decides which records contradict or repeat others."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from stream.contract.events import OrderStatus
from stream.contract.overlay import FIRST_SIGNALS
from stream.contract.people import UNKNOWN_PEOPLE
from stream.verify.order_facts import is_edit, words_of
from stream.verify.parts_said import PartsSaid, is_of_part

if TYPE_CHECKING:
    from stream.contract.events import Order
    from stream.verify.assumptions import Assumptions


class OrdersMet:
    """The orders of one room."""

    def __init__(self) -> None:
        self._met: dict[str, tuple[str, str, set[str]]] = {}
        self._parts: defaultdict[str, PartsSaid] = defaultdict(PartsSaid)
        self._revisions: dict[str, int] = {}  # of orders with lines

    def contradicts(self, event: Order) -> bool:
        """Whether a record names another known person or another currency than the order's first record."""
        met = self._met.get(event.order_id)
        if met is None:
            return False
        people = {event.user_id, met[0]}
        return event.currency != met[1] or (len(people) > 1 and not people & UNKNOWN_PEOPLE)

    def has_heard(self, event: Order, rules: Assumptions) -> bool:
        """Whether the order is known to have this status, with everything else that the record says."""
        met = self._met.get(event.order_id)
        if met is not None and rules.signals_edition > FIRST_SIGNALS and self._is_edit(event, met[2]):
            return False
        if met is not None and is_of_part(event, rules.signals_edition):
            return self._parts[event.order_id].has_heard(event, rules.order_parts_max)
        return met is not None and words_of(event, rules.signals_edition) <= met[2]

    def _is_edit(self, event: Order, words: set[str]) -> bool:
        return is_edit(event, self._revisions.get(event.order_id, 0), paid=OrderStatus.PAID.value in words)

    def meet(self, event: Order, rules: Assumptions) -> None:
        """Note a record that will be applied, now or later."""
        met = self._met.setdefault(event.order_id, (event.user_id, event.currency, set()))
        if event.lines and (event.order_id not in self._revisions or self._is_edit(event, met[2])):
            self._revisions[event.order_id] = event.revision or 0
        if is_of_part(event, rules.signals_edition):
            self._parts[event.order_id].take(event, rules.order_parts_max)
        else:
            met[2].update(words_of(event, rules.signals_edition))

    def forget(self, order_id: str) -> None:
        """Drop an order that is no longer remembered."""
        self._met.pop(order_id, None)
        self._parts.pop(order_id, None)
        self._revisions.pop(order_id, None)
