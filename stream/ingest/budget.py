"""The bytes that a gateway may hold at once: bodies that come in, and events that Kafka has not acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    """What one request holds of the budget, until `release`."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.bytes = 0

    def hold(self, total_bytes: int) -> None:
        """Hold so many bytes from now on.

        Raises:
            FullError: there is no room for more; what was held stays held.
        """
        self._budget.change(total_bytes - self.bytes)
        self.bytes = total_bytes

    def release(self) -> None:
        """Give everything back. A second call changes nothing."""
        self.hold(0)
