"""Effective time and window bounds. Integers only: UTC epoch milliseconds and whole-second buckets.

Windows are half open in buckets: the window of `w` ms as of time `t` holds the buckets `t//1000 - w/1000 + 1 ..
t//1000`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream.contract.decode import Decoded

BUCKET_MS = 1_000
NEVER_MS = 1 << 62


def effective_time_ms(event_time_ms: int, append_time_ms: int, allowed_lateness_ms: int) -> int:
    """When an event counts: its own time, held between `append − allowed lateness` and the append time.

    It depends on the record alone, so every reader of the log agrees. A late event counts at the earliest moment still
    open; one from a fast producer clock counts when the log stored it, for it cannot have happened later. A record
    without a timestamp (−1) keeps its own time.
    """
    if append_time_ms < 0:
        return event_time_ms
    if event_time_ms > append_time_ms:
        return append_time_ms
    earliest = append_time_ms - allowed_lateness_ms
    return max(event_time_ms, earliest)


def first_bucket(as_of_bucket: int, window_ms: int) -> int:
    """The oldest bucket of the window that ends with `as_of_bucket`."""
    return as_of_bucket - window_ms // BUCKET_MS + 1


def effective_times_ms(decoded: Decoded, allowed_lateness_ms: int) -> list[int]:
    """`effective_time_ms` of all of them; their own list of times when none is moved."""
    least_ms, most_ms = decoded.ahead_ms
    if least_ms >= -allowed_lateness_ms:
        return decoded.event_time_ms if most_ms <= 0 else [*map(min, decoded.event_time_ms, decoded.append_time_ms)]
    return [
        effective_time_ms(event_ms, append_ms, allowed_lateness_ms)
        for event_ms, append_ms in zip(decoded.event_time_ms, decoded.append_time_ms, strict=True)
    ]
