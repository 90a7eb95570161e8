"""Who of a room has something in a cart, of which ledgers, and who of its people went away.

From the second edition of signals on. What one cart holds, and whether it counts, is decided in `carts.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.core.carts import MARGIN_MS, NEVER, SWEEP_FROM

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream.core.carts import Carts
    from stream.core.ledger import Ledger
    from stream.core.rules import Rules

# Up to this many SKUs, each is asked who carted it. Beyond, an index by person says who carted which.
FEW_LEDGERS = 8


class CartPeople:
    """Of one room: who has something in a cart, and who of its people went away."""

    __slots__ = ("_holders", "_holders_sweep_at", "_keep_ms", "_ledgers", "_newest_ms", "_sweep_at", "changed", "left")

    def __init__(self, rules: Rules) -> None:
        self._keep_ms = rules.cart_max_age_ms + rules.allowed_lateness_ms + MARGIN_MS
        self.left: dict[str, int] = {}  # person → latest leave, in ms, until they enter again
        self._ledgers: list[Ledger] = []  # those with carts
        # Person → what they have carted, some of it long ago. None while the ledgers are few: these are asked.
        self._holders: dict[str, tuple[Ledger, ...]] | None = None
        self.changed: dict[str, None] = {}
        self._newest_ms = NEVER
        self._sweep_at = self._holders_sweep_at = SWEEP_FROM

    def has_carts(self, ledger: Ledger) -> None:
        """There are carts of this SKU and sale from now on."""
        self._ledgers.append(ledger)
        if self._holders is None and len(self._ledgers) > FEW_LEDGERS:
            self._find_holders()

    def carted(self, ledger: Ledger, new: Sequence[str]) -> None:
        """These people may have carts of this SKU and sale from now on, and had none before."""
        holders = self._holders
        if holders is not None:
            for user_id in new:
                held = holders.get(user_id, ())
                if ledger not in held:
                    holders[user_id] = (*held, ledger)

    def holding(self, user_id: str) -> list[tuple[Ledger, Carts]]:
        """Returns the ledgers of which a person has something in the cart, with the carts."""
        ledgers = self._ledgers if self._holders is None else self._holders.get(user_id, ())
        return [(ledger, carts) for ledger in ledgers if (carts := ledger.carts) is not None and user_id in carts.added]

    def leave(self, user_id: str, at_ms: int) -> None:
        """Note that a person left."""
        if at_ms > self.left.get(user_id, NEVER):
            self._move(user_id, at_ms)
            self._newest_ms = max(self._newest_ms, at_ms)
            if len(self.left) > self._sweep_at:
                self.sweep()

    def come_back(self, user_id: str) -> None:
        """Note that a person who had left entered again."""
        self._move(user_id, None)

    def _move(self, user_id: str, left_ms: int | None) -> None:
        held = self.holding(user_id)
        before = [carts.second_of(user_id) for _, carts in held]
        if left_ms is None:
            self.left.pop(user_id, None)
        else:
            self.left[user_id] = left_ms
        self.changed[user_id] = None
        for (ledger, carts), second in zip(held, before, strict=True):
            carts.moved(user_id, second)
            ledger.version += 1

    def sweep(self) -> None:
        """Forget leaves that are older than any cart that counts."""
        before_ms = self._newest_ms - self._keep_ms
        for user_id in [user_id for user_id, at_ms in self.left.items() if at_ms < before_ms]:
            del self.left[user_id]
        self._sweep_at = max(SWEEP_FROM, 2 * len(self.left))

    def sweep_holders(self) -> None:
        """Forget who has nothing in a cart any more, now and then."""
        if self._holders is not None and len(self._holders) > self._holders_sweep_at:
            self._find_holders()

    def _find_holders(self) -> None:
        self._holders = {}
        for ledger in self._ledgers:
            if ledger.carts is not None:
                self.carted(ledger, [*ledger.carts.added])
        self._holders_sweep_at = max(SWEEP_FROM, 2 * len(self._holders))

    def take_changed(self) -> dict[str, int]:
        """Leaves that changed since the last call; −1: came back."""
        changed, self.changed = self.changed, {}
        return {user_id: self.left.get(user_id, NEVER) for user_id in changed}

    def restore(self, left: Mapping[str, int]) -> None:
        """Take back saved leaves."""
        for user_id, at_ms in left.items():
            self.left.pop(user_id, None)
            if at_ms != NEVER:
                self.left[user_id] = at_ms
                self._newest_ms = max(self._newest_ms, at_ms)
