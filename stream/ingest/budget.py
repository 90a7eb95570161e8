"""The bytes that a gateway may hold at once: bodies that come in, and events that Kafka has not acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import Gauge


class FullError(Exception):
    """There is no room for these bytes now."""


class Budget:
    """Bytes that are taken and given back.

    Args:
        most_bytes: the bound of all leases together.
        gauge: shows what is taken.
    """

    def __init__(self, most_bytes: int, gauge: Gauge) -> None:
        self.most_bytes = most_bytes
        self.taken_bytes = 0
        self._gauge = gauge

    def change(self, by_bytes: int) -> None:
        """Take bytes, or give some back with a negative number.

        Raises:
            FullError: so many are not left; none was taken.
        """
        if by_bytes > 0 and self.taken_bytes + by_bytes > self.most_bytes:
            raise FullError
        self.taken_bytes += by_bytes
        self._gauge.set(self.taken_bytes)


class Lease:
    """What one request holds of the budget: until its `with` block ends, or longer if it is handed over."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._handed_over = False
        self.bytes = 0

    def __enter__(self) -> Self:
        """Hold nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give everything back, unless somebody else was told to."""
        if not self._handed_over:
            self.release()

    def hold(self, total_bytes: int) -> None:
        """Hold so many bytes from now on.

        Raises:
            FullError: there is no room for more; what was held stays held.
        """
        self._budget.change(total_bytes - self.bytes)
        self.bytes = total_bytes

    def hand_over(self) -> Callable[[], None]:
        """What gives everything back: from now on whoever has it must call it."""
        self._handed_over = True
        return self.release

    def release(self) -> None:
        """Give everything back. A second call changes nothing."""
        self.hold(0)
