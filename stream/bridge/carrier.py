"""Takes lines from the inbox, makes events of them, and sees to it that each is acknowledged."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.bridge.bridge import Bridge
    from stream.bridge.delivery import Delivery
    from stream.bridge.inbox import Inbox
    from stream.contract.recording import RecordedRecord

# Between two looks at sources, signals and metrics: so many lines take some milliseconds.
LINES_AT_ONCE = 500
# Under steady load the inbox is never empty: what was sent is waited for after this time at the latest.
SETTLE_S = 1.0


class Carrier:
    """Carries what is in an inbox.

    Args:
        made: makes the events.
        inbox: where lines come from.
        now_ms: the time of arrival of a line; None: nobody knows.
    """

    def __init__(self, made: Bridge, inbox: Inbox, now_ms: Callable[[], int | None]) -> None:
        self._made = made
        self._inbox = inbox
        self._now_ms = now_ms
        self._since_s: float | None = None

    async def run(self, delivery: Delivery) -> None:
        """Carry lines until the inbox ends; then everything is acknowledged or refused."""
        settled_s = time.monotonic()
        while (batch := await self._inbox.take()) is not None:
            if self._since_s is None:
                self._since_s = batch.since_s
            for first in range(0, len(batch.lines), LINES_AT_ONCE):
                records: list[RecordedRecord] = []
                for line in batch.lines[first : first + LINES_AT_ONCE]:
                    records += self._made.take(line, self._now_ms())
                if records:
                    await delivery.send(records)
                await asyncio.sleep(0)  # the others' turn
            # Nobody waits for a full batch in a quiet room.
            if self._inbox.is_empty() or time.monotonic() - settled_s >= SETTLE_S:
                await delivery.settle()
                self._since_s, settled_s = None, time.monotonic()
        await delivery.settle()
        self._since_s = None

    def lag_s(self) -> float:
        """Seconds since the oldest line came of which not every event is acknowledged or refused; 0: there is none."""
        since_s = self._inbox.oldest_s() if self._since_s is None else self._since_s
        return 0.0 if since_s is None else time.monotonic() - since_s
