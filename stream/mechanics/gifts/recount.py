"""Gifts counted again by the rules of README.md: each combo's greatest word is kept, and sums are made when asked.

Nothing here is shared with the fold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from stream.contract.people import UNKNOWN_PEOPLE
from stream.mechanics.gifts.events import Gift
from stream.verify.recounted import Recounted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stream.contract.events import Event
    from stream.contract.sections import Plain

SHOWN_MS = 10_000
COMBOS_SHOWN = 3


class _Said(NamedTuple):
    """The greatest word of a combo: more gifts, or as many gifts of more coins. `at_ms`: of its latest word."""

    gifts: int
    coins: int
    at_ms: int


class _Sum(NamedTuple):
    gifts: int
    coins: int


class _Combo(NamedTuple):
    user: str
    gift: str
    streak: str

    def written(self) -> str:
        """Decides between combos that were heard of in the same millisecond."""
        return "|".join(self)


class GiftsAgain(Recounted):
    """The gifts of one session."""

    NAME = "gifts"
    KINDS = (Gift,)
    LIMITS: ClassVar[Mapping[str, int]] = {"givers_max": 65_536, "combos_max": 200_000, "top": 3}

    def __init__(self, limits: Mapping[str, int]) -> None:
        super().__init__(limits)
        self._alone: dict[str, _Sum] = {}  # by user: gifts outside of combos, and combos that are forgotten
        self._combos: dict[_Combo, _Said] = {}
        self._givers: dict[str, None] = {}  # in the order in which they first gave

    def note(self, event: Event, effective_ms: int) -> bool:
        """As `Recounted.note`."""
        if not isinstance(event, Gift):
            return False
        coins = event.count * event.coins_each
        if event.streak_id is None:
            self._add(event.user_id, event.count, coins)
            return True
        combo = _Combo(event.user_id, event.gift_id, event.streak_id)
        before = self._combos.get(combo, _Said(0, 0, effective_ms))
        is_greater = (event.count, coins) > (before.gifts, before.coins)
        gifts, coins = (event.count, coins) if is_greater else (before.gifts, before.coins)
        self._combos[combo] = _Said(gifts, coins, max(before.at_ms, effective_ms))
        self._givers.setdefault(event.user_id)
        self._forget()
        return is_greater

    def _add(self, user: str, gifts: int, coins: int) -> None:
        before = self._alone.get(user, _Sum(0, 0))
        self._alone[user] = _Sum(before.gifts + gifts, before.coins + coins)
        self._givers.setdefault(user)

    def _forget(self) -> None:
        """Beyond the bound the combos that were silent for longest go, a hundredth at once; what they came to stays."""
        most = self.limits["combos_max"]
        if len(self._combos) <= most:
            return
        for combo in sorted(self._combos, key=lambda each: (self._combos[each].at_ms, each.written()))[
            : max(1, most // 100)
        ]:
            said = self._combos.pop(combo)
            self._add(combo.user, said.gifts, said.coins)

    def figures(self, as_of_ms: int) -> dict[str, Plain]:
        """As `Recounted.figures`."""
        if not self._givers:
            return {}
        sums = self._sums()
        people = [user for user in self._givers if user not in UNKNOWN_PEOPLE]
        credited, others = people[: self.limits["givers_max"]], people[self.limits["givers_max"] :]
        # Most coins, then most gifts, then the greater id.
        top = sorted(credited, key=lambda user: (sums[user].coins, sums[user].gifts, user), reverse=True)
        figures: dict[str, Plain] = {
            "coins": sum(each.coins for each in sums.values()),
            "gifts": sum(each.gifts for each in sums.values()),
            "givers": len(people),
        }
        for place, user in enumerate(top[: self.limits["top"]], 1):
            figures |= _numbered("top", place, who=_masked(user), coins=sums[user].coins, gifts=sums[user].gifts)
        for place, combo in enumerate(self._newest(as_of_ms), 1):
            said = self._combos[combo]
            who = _masked(combo.user)
            figures |= _numbered("combos", place, who=who, gift_id=combo.gift, count=said.gifts, at_ms=said.at_ms)
        return figures | {"uncredited": sum(sums[user].coins for user in others)}

    def _sums(self) -> dict[str, _Sum]:
        sums = dict(self._alone)
        for combo, said in self._combos.items():
            before = sums.get(combo.user, _Sum(0, 0))
            sums[combo.user] = _Sum(before.gifts + said.gifts, before.coins + said.coins)
        return sums

    def _newest(self, as_of_ms: int) -> Iterable[_Combo]:
        """Of the three that were heard of last, those that are not too old."""
        by_time = sorted(self._combos, key=lambda each: (self._combos[each].at_ms, each.written()), reverse=True)
        return (each for each in by_time[:COMBOS_SHOWN] if self._combos[each].at_ms + SHOWN_MS > as_of_ms)


def _masked(user: str) -> str:
    return f"{'' if user in UNKNOWN_PEOPLE else user[:1]}***"


def _numbered(name: str, place: int, **figures: Plain) -> dict[str, Plain]:
    return {f"{name}.{place}.{figure}": value for figure, value in figures.items()}
