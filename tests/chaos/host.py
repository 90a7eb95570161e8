"""What hosts say in a chaos run: restocks, mistakes and their corrections, second rounds, shows that begin and end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

HOUR_MS = 3_600_000
# A second round is announced this long before it starts.
AHEAD_MS = 2_000


class Said(NamedTuple):
    """One word of a host: its topic, and its fields without ids and time."""

    topic: str
    fields: dict[str, Any]


class Host:
    """The host of one room, who sells one coat. Seeded, but for the time of day.

    Args:
        chance: what the host chooses by.
        offered: units of the first round.
        now_ms: the clock; the first round starts now.
    """

    def __init__(self, chance: Random, offered: int, now_ms: Callable[[], int]) -> None:
        self._chance = chance
        self._now_ms = now_ms
        self._offered = offered
        self._starts_ms = now_ms()
        self._shows = 0
        self._is_open = False

    def opening(self) -> Said:
        """The sale, as its terms are now."""
        return _of_sale("sale_opened", sku_id="coat", offered=self._offered, starts_at_ms=self._starts_ms)

    def says(self) -> Said:
        """The next word."""
        kinds: tuple[Callable[[], Said], ...] = (
            *(self._restock, self._restock, self._restock),
            *(self._other_end, self._other_end),
            *(self._close, self._reopened, self._set_down, self._round, self._show),
        )
        return self._chance.choice(kinds)()

    def _restock(self) -> Said:
        return _of_sale("sale_restocked", sku_id="coat", quantity=self._chance.randint(1, 500))

    def _other_end(self) -> Said:
        """Later or earlier than the one before; of a sale without an end it says nothing."""
        return _of_sale("sale_extended", ends_at_ms=self._now_ms() + self._chance.randint(1, 10) * HOUR_MS)

    def _close(self) -> Said:
        return _of_sale("sale_closed", **({"sku_id": "coat"} if self._chance.random() < 0.5 else {}))

    def _reopened(self) -> Said:
        """The same terms once more, with an end or without: a close is taken back."""
        ends = {"ends_at_ms": self._now_ms() + HOUR_MS} if self._chance.random() < 0.5 else {}
        return Said("sales", self.opening().fields | ends)

    def _set_down(self) -> Said:
        self._offered = self._offered * 9 // 10
        return self.opening()

    def _round(self) -> Said:
        self._offered, self._starts_ms = self._chance.randint(500, 5_000), self._now_ms() + AHEAD_MS
        return self.opening()

    def _show(self) -> Said:
        """A show begins, or the one that goes on ends; now and then one follows another without an end."""
        self._is_open = not self._is_open or self._chance.random() < 0.3
        self._shows += self._is_open
        kind = "room_opened" if self._is_open else "room_closed"
        return Said("interactions", {"type": kind, "show_id": f"show-{self._shows}"})


def _of_sale(kind: str, **fields: Any) -> Said:
    return Said("sales", {"type": kind, "sale_id": "drop", **fields})
