"""Events a second for each platform, over all of its keys; each process of the gateway counts by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

# A platform that was silent may send the events of so many seconds at once.
BURST_S = 4.0


class Quotas:
    """A bucket of events for each name.

    A batch passes while anything is left, and may leave a debt: so a batch of any size passes in the end, and in the
    long run no more than the quota does.
    """

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}

    def wait_s(self, name: str, per_s: float, now_s: float) -> float:
        """0 if a batch of this name may pass; else the seconds until one may. Counts nothing."""
        left = self._left_of(name, per_s, now_s)
        return 0.0 if left > 0 else (1 - left) / per_s

    def charge(self, name: str, per_s: float, events: int, now_s: float) -> None:
        """Count the events of a batch."""
        self._left[name] = self._left_of(name, per_s, now_s) - events, now_s

    def keep_only(self, names: Container[str]) -> None:
        """Forget every other name."""
        self._left = {name: left for name, left in self._left.items() if name in names}

    def _left_of(self, name: str, per_s: float, now_s: float) -> float:
        most = per_s * BURST_S
        left, at_s = self._left.get(name, (most, now_s))
        return min(most, left + max(0.0, now_s - at_s) * per_s)
