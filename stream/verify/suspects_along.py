"""Orders that look fake, followed along the log: after each record only its account and its device are checked.

The rules are those of `suspicion`, which checks a whole room at once. Here they are applied to a few orders at a time,
for a checker of a million claims.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.contract.events import CartAdd, Comment, Enter, Like, ProductClick
from stream.verify.suspicion import OrderSeen, People, one_device, suspected

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.contract.events import RoomEvent
    from stream.verify.suspicion import Thresholds

_NOBODY = People(frozenset(), frozenset(), frozenset(), frozenset())


class SuspectsAlong:
    """Follows the suspected orders of one room.

    Args:
        rules: the thresholds.
        flip: called with an order's id when the order becomes suspected, or no longer is.
    """

    def __init__(self, rules: Thresholds, flip: Callable[[str, bool], None]) -> None:
        self.rules = rules
        self._flip = flip
        self._orders: dict[str, OrderSeen] = {}
        self._of_account: dict[str, dict[str, None]] = {}
        self._of_device: dict[str, dict[str, None]] = {}
        self._by_account: set[str] = set()  # orders suspected for their accounts' windows; below, their devices'
        self._by_device: set[str] = set()
        self._suspects: set[str] = set()
        self._begin()

    def _begin(self) -> None:
        self._viewers: set[str] = set()
        self._clickers: set[str] = set()
        self._engaged: set[str] = set()
        self._payers: set[str] = set()
        self._seen_payers = 0
        self._unpaid_here: dict[str, dict[str, None]] = {}  # by user, for users who were not seen
        self._judges = False

    def begin_with(self, people: People) -> None:
        """Note who was seen and who paid in the session before these rules began."""
        self._viewers.update(people.viewers)
        self._clickers.update(people.clickers)
        self._engaged.update(people.engaged)
        self._payers.update(people.payers)
        self._seen_payers = sum(self._is_seen(user_id) for user_id in self._payers)
        self._judge()

    def begin_session(self) -> None:
        """Begin a session: who was seen and who paid is counted per session."""
        judged = [order_id for orders in self._unpaid_here.values() for order_id in orders] if self._judges else []
        self._begin()
        for order_id, order in self._orders.items():
            self._orders[order_id] = order._replace(here=False)
        for order_id in judged:
            self._decide(order_id)

    # -- people -------------------------------------------------------------------------------------------------------
    def meet(self, event: RoomEvent) -> None:
        """Note an act of a known person."""
        match event:
            case Enter():
                self._see(self._viewers, event.user_id)
            case ProductClick():
                self._see(self._clickers, event.user_id)
            case Comment() | Like() | CartAdd():
                self._see(self._engaged, event.user_id)
            case _:
                pass

    def _is_seen(self, user_id: str) -> bool:
        return user_id in self._viewers or user_id in self._clickers or user_id in self._engaged

    def _see(self, people: set[str], user_id: str) -> None:
        is_new = not self._is_seen(user_id)
        people.add(user_id)
        if is_new:
            self._seen_payers += user_id in self._payers
            for order_id in self._unpaid_here.pop(user_id, ()):
                self._decide(order_id)
        self._judge()

    def pay(self, user_id: str) -> None:
        """Note a payment by a known person, for anything."""
        if user_id not in self._payers:
            self._payers.add(user_id)
            self._seen_payers += self._is_seen(user_id)
            self._judge()

    def _judge(self) -> None:
        """Note whether nearly all payers of the room were seen, and all its people are known one by one."""
        rules, payers = self.rules, len(self._payers)
        people = (self._viewers, self._clickers, self._engaged, self._payers)
        judges = (
            payers >= rules.suspect_seen_payers
            and 100 * self._seen_payers >= rules.suspect_seen_percent * payers
            and max(map(len, people)) <= rules.distinct_exact_max
        )
        if judges != self._judges:
            self._judges = judges
            for orders in self._unpaid_here.values():
                for order_id in orders:
                    self._decide(order_id)

    # -- orders -------------------------------------------------------------------------------------------------------
    def change(self, order: OrderSeen) -> None:
        """Note a new status of a sale's order by a known person."""
        order_id, user_id, device_id = order.order_id, order.user_id, order.device_id
        self._orders[order_id] = order
        self._of_account.setdefault(user_id, {})[order_id] = None
        if device_id is not None:
            self._of_device.setdefault(device_id, {})[order_id] = None
        unseen = self._unpaid_here.get(user_id, {})
        if order.here and not order.paid and not self._is_seen(user_id):
            self._unpaid_here.setdefault(user_id, {})[order_id] = None
        elif unseen.pop(order_id, 0) is None and not unseen:
            del self._unpaid_here[user_id]
        self._look_around(order)

    def forget(self, order_id: str) -> None:
        """Drop an order that is no longer remembered."""
        order = self._orders.pop(order_id, None)
        if order is None:
            return
        for orders in (self._of_account[order.user_id], self._unpaid_here.get(order.user_id, {})):
            orders.pop(order_id, None)
        if order.device_id is not None:
            del self._of_device[order.device_id][order_id]
        self._by_account.discard(order_id)
        self._by_device.discard(order_id)
        self._decide(order_id)
        self._look_around(order)

    def _look_around(self, order: OrderSeen) -> None:
        """Apply the rules to the orders of the order's account, and to those of its device."""
        mine = [self._orders[order_id] for order_id in self._of_account[order.user_id]]
        alone = [each._replace(device_id=None) for each in mine]
        self._found(self._by_account, {each.order_id for each in mine}, suspected(alone, _NOBODY, self.rules))
        if order.device_id is not None:
            there = [self._orders[order_id] for order_id in self._of_device[order.device_id]]
            devices = dict.fromkeys([each.order_id for each in one_device(there, self.rules)], "")
            self._found(self._by_device, {each.order_id for each in there}, devices)
        self._decide(order.order_id)

    def _found(self, known: set[str], asked: set[str], found: dict[str, str]) -> None:
        was = known & asked
        known.difference_update(asked)
        known.update(found)
        for order_id in was ^ found.keys():
            self._decide(order_id)

    def _decide(self, order_id: str) -> None:
        order = self._orders.get(order_id)
        now = order is not None and (
            order_id in self._by_account
            or order_id in self._by_device
            or (self._judges and order_id in self._unpaid_here.get(order.user_id, ()))
        )
        if now != (order_id in self._suspects):
            (self._suspects.add if now else self._suspects.discard)(order_id)
            self._flip(order_id, now)
