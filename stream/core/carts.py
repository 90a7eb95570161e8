"""People with one SKU of one sale in the cart who may still buy it, from the second edition of signals on.

A person counts

- whose latest cart-add is at most `cart_max_age_ms` old, in whole seconds, like every window;
- who has not taken all units out again: a number of units counts in the order of the log, "all units" by its time;
- who holds and bought no unit;
- who has no `leave` later than that cart-add, unless an `enter` follows the `leave` in the log. A person without known
  visits counts while the cart is young.

The count is kept up to date: each second has the number of counting people whose latest cart-add lies in it, and the
whole second leaves at once. Beyond the bound on people a sample is kept, by the rule of the windows
(`windows.sample_of`), and the count is an estimate.
"""

from __future__ import annotations

from collections import Counter
from math import sqrt
from typing import TYPE_CHECKING

from stream.contract.overlay import Count
from stream.core.time import BUCKET_MS
from stream.core.windows import Z_95, sample_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream.core.rules import Rules

NEVER = -1
# (latest cart-add, units, all of it taken out), in ms where they are times.
Saved = tuple[int, int, int]
# Old entries are removed when there are twice as many as after the last removal, and at least this many.
SWEEP_FROM = 1_024
# A record of the greatest lateness, held back in the merge, still finds the entries of its person.
MARGIN_MS = 60_000


class Carts:
    """The carts with one SKU of one sale.

    Args:
        rules: the rules of the room.
        with_order: people who hold or bought a unit. The caller changes it, and calls `ordered`.
        left: person → time of the latest `leave`. `CartPeople` changes it.
    """

    __slots__ = (
        "_age_s",
        "_counts",
        "_edge",
        "_emptied",
        "_keep_s",
        "_left",
        "_oldest",
        "_people_max",
        "_sweep_at",
        "_units",
        "_with_order",
        "added",
        "bits",
        "changed",
        "total",
    )

    def __init__(self, rules: Rules, with_order: Mapping[str, object], left: Mapping[str, int]) -> None:
        self._age_s = rules.cart_max_age_ms // BUCKET_MS
        self._keep_s = (rules.cart_max_age_ms + rules.allowed_lateness_ms + MARGIN_MS) // BUCKET_MS
        self._people_max = rules.distinct_exact_max
        self._with_order, self._left = with_order, left
        self.added: dict[str, int] = {}  # person → latest cart-add, in ms
        self._units: dict[str, int] = {}  # of people with more than one unit
        self._emptied: dict[str, int] = {}  # person → time at which all units were taken out
        self.changed: dict[str, None] = {}
        self.bits = 0  # one in 2**bits people is kept
        # Second → counting people whose latest cart-add lies in it. No second lies at or before the edge.
        self._counts: dict[int, int] = {}
        self.total = 0
        self._edge = self._oldest = NEVER
        self._sweep_at = SWEEP_FROM

    # -- what people do ---------------------------------------------------------------------------------------------
    def add(self, user_id: str, units: int, at_ms: int) -> bool:
        """Somebody put units into the cart. Returns whether they are new here."""
        is_new = user_id not in self.added
        if is_new and not self._emptied and not self.bits:
            # The common case, at a third of the cost.
            self.added[user_id] = at_ms
            self.changed[user_id] = None
            if units > 1:
                self._units[user_id] = units
            second = at_ms // BUCKET_MS
            if user_id not in self._with_order and second > self._edge and self._left.get(user_id, NEVER) <= at_ms:
                self._count(second, 1)
        else:
            self._add_to(user_id, units, at_ms)
        if len(self.added) + len(self._emptied) > self._sweep_at or len(self.added) > self._people_max:
            self._sweep()
        return is_new

    def add_all(self, people: Sequence[tuple[str, int, int]]) -> list[str]:
        """Call `add` for each (person, units, ms). Returns the people who are new here."""
        added = self.added
        known = len(added) + len(self._emptied) + len(people)
        if self._emptied or self.bits or known > min(self._sweep_at, self._people_max):
            return [user_id for user_id, units, at_ms in people if self.add(user_id, units, at_ms)]
        new: list[str] = []
        seconds: list[int] = []
        changed, with_order, left, edge = self.changed, self._with_order, self._left, self._edge
        for user_id, units, at_ms in people:
            if user_id in added:
                self._add_to(user_id, units, at_ms)
                continue
            added[user_id] = at_ms
            changed[user_id] = None
            new.append(user_id)
            if units > 1:
                self._units[user_id] = units
            second = at_ms // BUCKET_MS
            if user_id not in with_order and second > edge and left.get(user_id, NEVER) <= at_ms:
                seconds.append(second)
        for second, people_in_it in Counter(seconds).items():
            self._count(second, people_in_it)
        return new

    def _add_to(self, user_id: str, units: int, at_ms: int) -> None:
        if at_ms <= self._emptied.get(user_id, NEVER) or (self.bits and not sample_of((user_id,), self.bits)):
            return
        latest_ms = self.added.get(user_id, NEVER)
        before = self.second_of(user_id)
        if not self._is_over(latest_ms, at_ms):
            units += self._units.get(user_id, 1)
            at_ms = max(at_ms, latest_ms)
        self._put(user_id, at_ms, units)
        self.moved(user_id, before)

    def remove(self, user_id: str, units: int | None, at_ms: int) -> None:
        """Somebody took units out of the cart; None: all of them."""
        before = self.second_of(user_id)
        latest_ms = self.added.get(user_id, NEVER)
        if units is not None:
            if self._is_over(latest_ms, at_ms):
                return
            units = self._units.get(user_id, 1) - units
            if units > 0:
                self._put(user_id, latest_ms, units)
                return
        elif latest_ms > at_ms:
            self._note_emptied(user_id, at_ms)
            return
        self.added.pop(user_id, None)
        self._units.pop(user_id, None)
        self._note_emptied(user_id, at_ms)
        self.moved(user_id, before)

    def has(self, user_id: str, at_ms: int) -> bool:
        """Return whether a person had a unit in the cart at a moment, as far as is known now."""
        return not self._is_over(self.added.get(user_id, NEVER), at_ms)

    def ordered(self, user_id: str) -> None:
        """Note that a person came into `with_order`, or went out of it."""
        at_ms = self.added.get(user_id, NEVER)
        second = at_ms // BUCKET_MS
        if at_ms >= 0 and second > self._edge and self._left.get(user_id, NEVER) <= at_ms:
            self._count(second, -1 if user_id in self._with_order else 1)

    def _is_over(self, latest_ms: int, at_ms: int) -> bool:
        return latest_ms == NEVER or latest_ms // BUCKET_MS <= at_ms // BUCKET_MS - self._age_s

    def _put(self, user_id: str, at_ms: int, units: int) -> None:
        self.added[user_id] = at_ms
        if units > 1:
            self._units[user_id] = units
        else:
            self._units.pop(user_id, None)
        self.changed[user_id] = None

    def _note_emptied(self, user_id: str, at_ms: int) -> None:
        self._emptied[user_id] = max(at_ms, self._emptied.get(user_id, at_ms))
        self.changed[user_id] = None

    # -- the count --------------------------------------------------------------------------------------------------
    def second_of(self, user_id: str) -> int:
        """Return the second with which a person counts; −1: the person does not count."""
        at_ms = self.added.get(user_id, NEVER)
        if at_ms < 0 or user_id in self._with_order or self._left.get(user_id, NEVER) > at_ms:
            return NEVER
        second = at_ms // BUCKET_MS
        return second if second > self._edge else NEVER

    def moved(self, user_id: str, before: int) -> None:
        """Count a person anew who counted with the second `before`."""
        after = self.second_of(user_id)
        if after != before:
            if before != NEVER:
                self._count(before, -1)
            if after != NEVER:
                self._count(after, 1)

    def _count(self, second: int, by: int) -> None:
        counts = self._counts
        if not counts or second < self._oldest:
            self._oldest = second
        self.total += by
        if count := counts.get(second, 0) + by:
            counts[second] = count
        else:
            counts.pop(second, None)

    def advance(self, now_ms: int) -> None:
        """Remove the carts that are too old at `now_ms` from the count."""
        edge = now_ms // BUCKET_MS - self._age_s
        if edge <= self._edge:
            return
        counts, self._edge = self._counts, edge
        if not counts or self._oldest > edge:
            return
        if edge - self._oldest > len(counts):  # a leap
            over = [second for second in counts if second <= edge]
        else:
            over = [second for second in range(self._oldest, edge + 1) if second in counts]
        for second in over:
            self.total -= counts.pop(second)
        second = edge + 1
        while counts and second not in counts:  # each second is passed once
            second += 1
        self._oldest = second

    def next_ms(self) -> int:
        """Return the next moment at which time alone may change the count, or an earlier one; −1: never."""
        return (self._oldest + self._age_s) * BUCKET_MS if self._counts else NEVER

    def count(self) -> int:
        """Return the number of counting people, as of the last `advance`."""
        return self.total << self.bits

    def published(self) -> Count:
        """Return the number of counting people with its method and error."""
        if not self.bits:
            return Count(self.total, "exact")
        error = Z_95 * sqrt((1 - 0.5**self.bits) / max(self.total, 1))
        return Count(self.count(), "sketch", round(error, 4))

    # -- bounds -----------------------------------------------------------------------------------------------------
    def _sweep(self) -> None:
        before = self._edge + self._age_s - self._keep_s
        self.added = {user_id: at_ms for user_id, at_ms in self.added.items() if at_ms // BUCKET_MS > before}
        self._emptied = {user_id: at_ms for user_id, at_ms in self._emptied.items() if at_ms // BUCKET_MS > before}
        bits = self.bits
        while len(self.added) > self._people_max:
            self.bits += 1
            self._thin()
        self._units = {user_id: units for user_id, units in self._units.items() if user_id in self.added}
        if self.bits > bits:
            self.rebuild()
        self._sweep_at = max(SWEEP_FROM, 2 * (len(self.added) + len(self._emptied)))

    def _thin(self) -> None:
        added = self.added
        self.added = {user_id: added[user_id] for user_id in sample_of(added, self.bits)}

    def rebuild(self) -> None:
        """Compute the counts anew from people, orders and leaves."""
        self._counts, self.total = {}, 0
        for user_id in self.added:
            self.moved(user_id, NEVER)

    # -- the checkpoint ---------------------------------------------------------------------------------------------
    def take_changed(self) -> dict[str, Saved]:
        """Return the people who changed since the last call, in their present state."""
        changed, self.changed = self.changed, {}
        added, units, emptied = self.added, self._units, self._emptied
        # Each cart-add of the cut passes here: no call for each.
        return {
            user_id: (added[user_id], units.get(user_id, 1), emptied.get(user_id, NEVER))
            if user_id in added
            else (NEVER, 0, emptied.get(user_id, NEVER))
            for user_id in changed
        }

    def restore(self, people: Mapping[str, Saved], bits: int) -> None:
        """Restore saved people; `restored` must follow."""
        self.bits = bits
        for user_id, (at_ms, units, emptied_ms) in people.items():
            self.added.pop(user_id, None)
            self._units.pop(user_id, None)
            if at_ms != NEVER:
                self._put(user_id, at_ms, units)
            if emptied_ms != NEVER:
                self._emptied[user_id] = emptied_ms

    def restored(self, now_ms: int) -> None:
        """Finish a restore, once people, orders and leaves are there."""
        if self.bits:
            self._thin()
        self.changed = {}
        self._edge = now_ms // BUCKET_MS - self._age_s
        self._sweep()
        self.rebuild()
