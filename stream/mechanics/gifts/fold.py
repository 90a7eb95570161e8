"""Gifts as the worker counts them: sums, givers, combos.

Rows: one for each giver (key: the user) and one for each combo (key: user, gift and streak, with `|` between them,
which no id holds).
"""

from __future__ import annotations

from heapq import nlargest
from typing import TYPE_CHECKING, ClassVar

from msgspec import Struct

from stream.contract.overlay import Count
from stream.core.distinct import Distinct
from stream.core.mechanic import NEVER_MS, Batch, Mechanic, Scope
from stream.mechanics.gifts.events import Gift
from stream.mechanics.gifts.section import Combo, Gifts, Giver

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

COMBO_SHOWN_MS = 10_000
COMBOS_SHOWN = 3
# Beyond the bound a hundredth of the combos goes at once, so that the search is paid once for these.
FORGOTTEN_AT_ONCE = 100


class GiftRow(Struct, array_like=True, frozen=True, order=True):
    """A giver: gifts and coins in all. A combo: the same of its greatest event, and when it was last heard of.

    Of two events of a combo the greater is that with more gifts; of equal ones that with more coins.
    """

    gifts: int
    coins: int
    at_ms: int = -1


class SavedGifts(Struct, array_like=True):
    """The sums. `sketch`: of givers, once there were more than the bound; `uncredited`: coins of those beyond it."""

    coins: int
    gifts: int
    uncredited: int = 0
    sketch: bytes | None = None


NOTHING = GiftRow(0, 0)


class GiftFold(Mechanic):
    """Gifts of one session."""

    NAME = "gifts"
    KINDS = (Gift,)
    SAVED = SavedGifts
    ROW = GiftRow
    LIMITS: ClassVar[Mapping[str, int]] = {"givers_max": 65_536, "combos_max": 200_000, "top": 3}

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self.coins = self.gifts = self.uncredited = 0
        self.givers: dict[str, GiftRow] = {}
        self.combos: dict[str, GiftRow] = {}
        self._givers_max, self._combos_max = scope.limit("givers_max"), scope.limit("combos_max")
        self._people: Distinct | None = None  # all givers, once some have no row
        self._top: list[str] | None = []  # the users who gave most; None: to be found anew
        self._newest: list[str] = []  # keys of the combos that were heard of last

    # -- what happens --------------------------------------------------------------------------------------------------
    def fold(self, batch: Batch) -> list[bool]:
        """As `Mechanic.fold`: a word of a combo counts where it is the greatest of it so far."""
        rose: set[str] = set()
        heard: set[str] = set()
        counted = [self._take(gift, at_ms, rose, heard) for gift, at_ms in zip(batch.events, batch.at_ms, strict=True)]
        # Whoever is among the first now was before, or is among those that changed.
        if self._top is not None:
            self._top = self._most(rose.union(self._top))
        if heard:
            self._newest = self._last(heard.union(self._newest).intersection(self.combos))
        return counted

    def _take(self, gift: Gift, at_ms: int, rose: set[str], heard: set[str]) -> bool:
        """Whether it counts. Notes the giver and the combo that changed."""
        user_id, gifts, coins = gift.user_id, gift.count, gift.count * gift.coins_each
        if gift.streak_id is None:
            self._give(user_id, gifts, coins, rose)
            return True
        key = f"{user_id}|{gift.gift_id}|{gift.streak_id}"
        before = self.combos.get(key, NOTHING)
        at_ms = max(at_ms, before.at_ms)
        counts = gifts > before.gifts or (gifts == before.gifts and coins > before.coins)
        if counts:
            self._give(user_id, gifts - before.gifts, coins - before.coins, rose)
            self.combos[key] = GiftRow(gifts, coins, at_ms)
        elif at_ms > before.at_ms:
            self.combos[key] = GiftRow(before.gifts, before.coins, at_ms)
        else:
            return False
        self.changed[key] = None
        heard.add(key)
        if before is NOTHING and len(self.combos) > self._combos_max:
            self._forget_combos()
        return counts

    def _give(self, user_id: str, gifts: int, coins: int, rose: set[str]) -> None:
        self.gifts += gifts
        self.coins += coins
        if user_id in self.scope.strangers:
            return
        had = self.givers.get(user_id, NOTHING)
        if had is NOTHING and len(self.givers) >= self._givers_max:
            if self._people is None:
                self._people = Distinct(len(self.givers))
                self._people.add_all(list(self.givers))
            self._people.add(user_id)
            self.uncredited += coins
            self.scope.beyond("givers_max")
            return
        self.givers[user_id] = GiftRow(had.gifts + gifts, had.coins + coins)
        self.changed[user_id] = None
        rose.add(user_id)
        if coins < 0:
            self._top = None  # somebody else may be among them now

    def _rank(self, user_id: str) -> tuple[int, int, str]:
        giver = self.givers[user_id]
        return giver.coins, giver.gifts, user_id

    def _most(self, users: Iterable[str]) -> list[str]:
        return nlargest(self.scope.limit("top"), users, key=self._rank)

    def _last(self, keys: Iterable[str]) -> list[str]:
        return nlargest(COMBOS_SHOWN, keys, key=lambda key: (self.combos[key].at_ms, key))

    def _forget_combos(self) -> None:
        """More combos than the bound: those go that were silent for longest. One that speaks again counts anew."""
        count = max(1, self._combos_max // FORGOTTEN_AT_ONCE)
        for key in sorted(self.combos, key=lambda each: (self.combos[each].at_ms, each))[:count]:
            del self.combos[key]
            self.touch(key)
        self.scope.beyond("combos_max", count)

    # -- what is shown -------------------------------------------------------------------------------------------------
    def section(self, as_of_ms: int) -> Gifts:
        """As `Mechanic.section`."""
        if self._top is None:
            self._top = self._most(self.givers)
        return Gifts(
            self.coins,
            self.gifts,
            Count(len(self.givers), "exact") if self._people is None else self._people.published(),
            [Giver(self._masked(user), self.givers[user].coins, self.givers[user].gifts) for user in self._top],
            [self._combo(key) for key in self._shown(as_of_ms)],
            self.uncredited,
        )

    def holds_until_ms(self, as_of_ms: int) -> int:
        """As `Mechanic.holds_until_ms`: until the first of the combos that are shown is too old."""
        shown = [self.combos[key].at_ms for key in self._shown(as_of_ms)]
        return min(shown) + COMBO_SHOWN_MS if shown else NEVER_MS

    def _shown(self, as_of_ms: int) -> list[str]:
        return [key for key in self._newest if self.combos[key].at_ms + COMBO_SHOWN_MS > as_of_ms]

    def _combo(self, key: str) -> Combo:
        user_id, gift_id, _ = key.split("|")
        row = self.combos[key]
        return Combo(self._masked(user_id), gift_id, row.gifts, row.at_ms)

    def _masked(self, user_id: str) -> str:
        return ("" if user_id in self.scope.strangers else user_id[:1]) + "***"

    # -- what is saved -------------------------------------------------------------------------------------------------
    def saved(self) -> SavedGifts:
        """As `Mechanic.saved`."""
        sketch = None if self._people is None else self._people.encoded_sketch()
        return SavedGifts(self.coins, self.gifts, self.uncredited, sketch)

    def row(self, key: str) -> GiftRow | None:
        """As `Mechanic.row`."""
        return self.combos.get(key) if "|" in key else self.givers.get(key)

    def restore(self, saved: SavedGifts, rows: Mapping[str, GiftRow]) -> None:
        """As `Mechanic.restore`."""
        self.coins, self.gifts, self.uncredited = saved.coins, saved.gifts, saved.uncredited
        for key, row in rows.items():
            (self.combos if "|" in key else self.givers)[key] = row
        if saved.sketch is not None:
            self._people = Distinct(len(self.givers))
            self._people.restore_sketch(saved.sketch)
        self._top = self._most(self.givers)
        self._newest = self._last(self.combos)
