"""Which orders look fake, and by which rule: docs/signals.md publishes all of them.

Whether an order is suspected follows from what is known at a moment of the orders of its account and its device, and
from whom the room has seen: never from the order in which any of it was heard. Windows are fixed: each begins half its
length after the one before it. So an order lies in two of them, and any orders that are no further apart than half a
window lie in one together.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, get_args

from stream.contract.overlay import SuspicionRule
from stream.core.order_state import one_of_equal
from stream.core.standing import (
    BACK,
    CANCELLED,
    EXPIRED,
    GONE,
    HELD_AGAIN,
    PAID,
    PLACED,
    REFUNDED,
    STANDS_BY,
    TRANSITIONS,
    UNDONE,
)
from stream.core.time import BUCKET_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stream.core.order_state import OrderState
    from stream.core.rules import Rules

# In this order: an order that several rules suspect counts under the first of them.
SUSPICION_RULES: tuple[SuspicionRule, ...] = get_args(SuspicionRule)
UNPAID_BURST, ONE_DEVICE, SAME_PRODUCT, BOUGHT_AND_UNDONE, NEVER_SEEN = (
    1 << place for place in range(len(SUSPICION_RULES))
)
# A move: its second above these bits, the status in them.
STATUS_BITS = 5
STATUS_MASK = (1 << STATUS_BITS) - 1
# What is said of the units has no bit there: it is a bit of `placed` or `paid` beside an undoing, or, where that was
# known already, beside that of a hold that ran out. No two statuses are ever reached by one record.
_UNITS = {GONE: PLACED, BACK: PAID}
_CODE_OF = {
    status | said: (status or EXPIRED) | bit for said, bit in _UNITS.items() for status in (0, CANCELLED, REFUNDED)
}
# The same of a hold that is longer than was known.
_CODE_OF[HELD_AGAIN] = EXPIRED | PLACED | PAID
_BITS_OF = {code: bits for bits, code in _CODE_OF.items()}
# Of one product by one account: with fewer there is one distance, to which none is equal.
REGULAR_ORDERS = 3
# Some milliseconds: an account may have dozens of orders.
ACCOUNTS_IN_A_STEP = 500


class Facts(NamedTuple):
    """What the windows ask of an order: when it was placed (s), whether it is unpaid, whether it was soon undone."""

    second: int
    unpaid: bool
    undone: bool


class Window:
    """The orders of one account, or of one device, in one window."""

    __slots__ = ("accounts", "orders", "products", "undone", "unpaid")

    def __init__(self) -> None:
        self.orders: dict[str, OrderState] = {}
        self.unpaid = self.undone = 0
        self.products: dict[tuple[str, str], list[int]] = {}  # (sale, SKU) → seconds of its orders, ascending
        self.accounts: dict[str, int] = {}  # account → orders


Windows = dict[int, Window]


def facts_of(order: OrderState, rules: Rules) -> Facts | None:
    """What is known of an order; None: it touches no sale, or was not placed."""
    mask = order.mask
    if not mask & (PLACED | PAID) or not order.lines:
        return None
    placed = paid = undone = -1
    for move in order.moves:
        bit, second = move & STATUS_MASK, move >> STATUS_BITS
        if bit == PLACED:
            placed = second
        elif bit == PAID:
            paid = second
        elif bit & UNDONE and (undone < 0 or second < undone):
            undone = second
    if placed < 0:
        placed = paid
    if placed < 0:  # a worker of before these rules has saved it; the end of its hold alone tells when it was placed
        if not mask & PLACED:
            return None
        placed = order.placed_ms(rules) // BUCKET_MS
    soon = 0 <= undone <= placed + rules.suspect_undone_ms // BUCKET_MS
    return Facts(placed, not mask & PAID, soon)


class Suspects:
    """The windows of one room's accounts and devices."""

    __slots__ = ("_devices", "_hop", "_people", "_rules")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._hop = max(1, rules.suspect_window_ms // (2 * BUCKET_MS))
        # An order that is the only one of its account stands for itself: nearly all are, and no rule looks at one.
        self._people: dict[str, OrderState | Windows] = {}
        self._devices: dict[str, Windows] = {}

    def letting_go(self) -> Iterator[None]:
        """Free the memory, in steps. Nothing may be asked any more."""
        for windows in (self._people, self._devices):
            while windows:
                for _ in range(min(len(windows), ACCOUNTS_IN_A_STEP)):
                    windows.popitem()
                yield

    def is_alone(self, order: OrderState) -> bool:
        """Whether this is the only order of its account and of no known device; it is remembered as such."""
        return order.device_id is None and self._people.setdefault(order.user_id, order) is order

    def update(self, order: OrderState, before: Facts | None, after: Facts | None) -> dict[str, OrderState] | None:
        """An order has changed. Returns all of which it may change whether they are suspected; None: of none."""
        if before == after and after is not None:
            return None
        found: dict[str, OrderState] = {}
        people, user_id = self._people, order.user_id
        windows = people.get(user_id)
        if windows is None or windows is order:
            if after is None:
                people.pop(user_id, None)
            else:
                people[user_id] = order
            if order.device_id is None:
                return None
        else:
            if not isinstance(windows, dict):
                other, windows = windows, {}
                people[user_id] = windows
                self._move(windows, other, None, facts_of(other, self._rules), found)
            self._move(windows, order, before, after, found)
            if not windows:
                del people[user_id]
        if order.device_id is not None:
            self._move_on_device(order, before, after, found)
        if after is not None:
            found[order.order_id] = order
        return found

    def take_out(self, order: OrderState) -> dict[str, OrderState]:
        """An order leaves its windows. Returns all others of which that may change whether they are suspected."""
        return self.update(order, facts_of(order, self._rules), None) or {}

    def _move(
        self,
        windows: Windows,
        order: OrderState,
        before: Facts | None,
        after: Facts | None,
        found: dict[str, OrderState],
    ) -> None:
        if before is not None:
            self._leave(windows, order, before, found)
        if after is not None:
            self._enter(windows, order, after, found)

    def _enter(self, windows: Windows, order: OrderState, facts: Facts, found: dict[str, OrderState]) -> None:
        rules, hop = self._rules, facts.second // self._hop
        for number in (hop, hop - 1):
            window = windows.get(number)
            if window is None:
                window = windows[number] = Window()
            window.orders[order.order_id] = order
            reached = False
            if facts.unpaid:
                window.unpaid += 1
                reached = window.unpaid == rules.suspect_unpaid_orders
            if facts.undone:
                window.undone += 1
                reached |= window.undone == rules.suspect_undone_orders
            for sale_id, sku_id, _ in order.lines:
                seconds = window.products.setdefault((sale_id, sku_id), [])
                looked = looks_made_up(seconds, rules)
                insort(seconds, facts.second)
                reached |= looks_made_up(seconds, rules) != looked
            if reached:
                found.update(window.orders)

    def _leave(self, windows: Windows, order: OrderState, facts: Facts, found: dict[str, OrderState]) -> None:
        rules, hop = self._rules, facts.second // self._hop
        for number in (hop, hop - 1):
            window = windows[number]
            del window.orders[order.order_id]
            fell = False
            if facts.unpaid:
                fell = window.unpaid == rules.suspect_unpaid_orders
                window.unpaid -= 1
            if facts.undone:
                fell |= window.undone == rules.suspect_undone_orders
                window.undone -= 1
            for sale_id, sku_id, _ in order.lines:
                seconds = window.products[sale_id, sku_id]
                looked = looks_made_up(seconds, rules)
                del seconds[bisect_left(seconds, facts.second)]
                fell |= looks_made_up(seconds, rules) != looked
                if not seconds:
                    del window.products[sale_id, sku_id]
            if fell:
                found.update(window.orders)
            if not window.orders:
                del windows[number]

    def _move_on_device(
        self, order: OrderState, before: Facts | None, after: Facts | None, found: dict[str, OrderState]
    ) -> None:
        least, device_id = self._rules.suspect_device_accounts, order.device_id or ""
        windows = self._devices.setdefault(device_id, {})
        if before is not None:
            for number in (before.second // self._hop, before.second // self._hop - 1):
                window = windows[number]
                del window.orders[order.order_id]
                if not _less(window.accounts, order.user_id) and len(window.accounts) == least - 1:
                    found.update(window.orders)
                if not window.orders:
                    del windows[number]
        if after is not None:
            for number in (after.second // self._hop, after.second // self._hop - 1):
                window = windows.setdefault(number, Window())
                window.orders[order.order_id] = order
                count = window.accounts[order.user_id] = window.accounts.get(order.user_id, 0) + 1
                if count == 1 and len(window.accounts) == least:
                    found.update(window.orders)
        if not windows:
            del self._devices[device_id]

    def judge(self, order: OrderState) -> int:
        """The rules that suspect this order by its windows, as bits."""
        facts = facts_of(order, self._rules)
        if facts is None:
            return 0
        rules, hop, found = self._rules, facts.second // self._hop, 0
        windows = self._people.get(order.user_id)
        of_device = None if order.device_id is None else self._devices.get(order.device_id)
        for number in (hop, hop - 1):
            if isinstance(windows, dict) and (window := windows.get(number)) is not None:
                if facts.unpaid and window.unpaid >= rules.suspect_unpaid_orders:
                    found |= UNPAID_BURST
                if window.undone >= rules.suspect_undone_orders:
                    found |= BOUGHT_AND_UNDONE
                products = window.products
                if any(looks_made_up(products.get(line[:2], ()), rules) for line in order.lines):
                    found |= SAME_PRODUCT
            window = None if of_device is None else of_device.get(number)
            if window is not None and len(window.accounts) >= rules.suspect_device_accounts:
                found |= ONE_DEVICE
        return found


def looks_made_up(seconds: Sequence[int], rules: Rules) -> bool:
    """Whether orders of one product by one account are too many for one person, or too regular.

    Args:
        seconds: when they were placed, ascending.
        rules: how many are too many, and what is regular: three in a row at equal distances.
    """
    if len(seconds) >= rules.suspect_product_orders:
        return True
    least_s, within_s = rules.suspect_regular_gap_ms // BUCKET_MS, rules.suspect_regular_within_ms // BUCKET_MS
    if not least_s or len(seconds) < REGULAR_ORDERS:
        return False
    gaps = [later - earlier for earlier, later in pairwise(seconds)]
    return any(min(gap, after) >= least_s and abs(gap - after) <= within_s for gap, after in pairwise(gaps))


def _less(counts: dict[str, int], key: str) -> int:
    """One less of this. Returns how many are left."""
    left = counts[key] - 1
    if left:
        counts[key] = left
    else:
        del counts[key]
    return left


def counts_under(suspicion: int) -> int:
    """The place of the rule under which such an order counts."""
    return (suspicion & -suspicion).bit_length() - 1


def moves_of_session(order: OrderState, born_ms: int) -> Iterator[tuple[int, int, int]]:
    """What an order did to the pace of its sales in the session that was born then: (second, net, sold) of a unit.

    As it was counted, so that it can be taken out, and put back.
    """
    if order.moved_in != born_ms:
        return
    mask = order.mask & STANDS_BY
    for move in order.moves:
        mask &= ~bits_of_move(move)
    for number, move in enumerate(order.moves):
        bits = bits_of_move(move)
        if bits == HELD_AGAIN:
            mask &= ~EXPIRED
            step = TRANSITIONS[mask | EXPIRED][mask]
        else:
            step = TRANSITIONS[mask][mask | bits]
            mask |= bits
        if number >= order.moves_before and (step.held or step.sold or step.gone):
            yield move >> STATUS_BITS, step.held + step.sold + step.gone, step.sold


def bits_of_move(move: int) -> int:
    """What an order came to by a move: a status, and what was said of its units."""
    code = move & STATUS_MASK
    return _BITS_OF.get(code, code)


def note_move(order: OrderState, bits: int, second: int, born_ms: int) -> None:
    """An order came to a status, or something was said of its units, in a second of the session that was born then."""
    if order.moved_in != born_ms:
        order.moved_in, order.moves_before = born_ms, len(order.moves)
    # In a rush many orders come to the same statuses in the same seconds.
    order.moves = one_of_equal((*order.moves, second << STATUS_BITS | _CODE_OF.get(bits, bits)))


def was_placed_in(order: OrderState, born_ms: int) -> bool:
    """Whether an order became placed in the session that was born then."""
    if order.moved_in != born_ms:
        return False
    placed = [number for number, move in enumerate(order.moves) if bits_of_move(move) & (PLACED | PAID)]
    return bool(placed) and placed[0] >= order.moves_before
