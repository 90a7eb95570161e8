"""Repeated audits beside the workers, with metrics of their own. Counts are kept, and only new records are read."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.gc_collector import GCCollector

from stream.errors import SnapupError
from stream.verify.audit import auditing
from stream.verify.log import CutOffError
from stream.verify.recounted import NO_MECHANICS

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.verify.audit import Auditor, Where
    from stream.verify.recounted import Mechanics
    from stream.verify.room_count import Assumptions
    from stream.verify.verdict import Verdict

DURATION_STEPS_S = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
RESULTS = ("passed", "differences", "failed")
REMEMBERED = ("ids", "rooms", "orders", "seconds")


class AuditMetrics:
    """The registry of the auditor and its metrics."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        audits = Counter("stream_audits_total", "Audits ended; failed: Kafka or Redis.", ["result"], registry=registry)
        # Series that exist from the start at 0: `increase` misses the first count of a series that begins at 1.
        self.audits = {result: audits.labels(result) for result in RESULTS}
        self._finished = Gauge(
            "stream_audit_last_timestamp_seconds", "When the last audit ended that was not failed.", registry=registry
        )
        self._differences = Gauge(
            "stream_audit_differences", "Figures and facts that were not as they must be, last time.", registry=registry
        )
        self._records = Gauge("stream_audit_records", "Records recounted since the start.", registry=registry)
        self._rooms = Gauge(
            "stream_audit_rooms", "Rooms compared the last time, by what with.", ["beside"], registry=registry
        )
        self._lag_s = Gauge(
            "stream_audit_lag_seconds", "Age of the oldest checkpoint that was compared last.", registry=registry
        )
        self._duration_s = Histogram(
            "stream_audit_duration_seconds", "One audit.", buckets=DURATION_STEPS_S, registry=registry
        )
        self._remembered = Gauge(
            "stream_audit_remembered", "What the auditor has in memory.", ["what"], registry=registry
        )
        for what in REMEMBERED:
            self._remembered.labels(what)
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)

    def audited(self, verdict: Verdict, remembered: dict[str, int]) -> None:
        """Note an audit that has ended."""
        now_s = time.time()
        self.audits["differences" if verdict.differences else "passed"].inc()
        self._finished.set(now_s)
        self._differences.set(verdict.differences)
        self._records.set(verdict.accounts.received)
        self._rooms.labels("signals").set(sum(1 for room in verdict.rooms if room.saved))
        self._rooms.labels("redis").set(sum(1 for room in verdict.rooms if room.figures))
        self._lag_s.set(max((now_s - cut.clock_ms / 1000 for cut in verdict.cut if cut.clock_ms >= 0), default=0))
        self._duration_s.observe(verdict.waited_s)
        for what in REMEMBERED:
            self._remembered.labels(what).set(remembered[what])


async def watch(
    where: Where,
    assumptions: Assumptions,
    metrics: AuditMetrics,
    *,
    interval_s: float,
    deadline_s: float,
    audited: Callable[[Verdict], None],
    failed: Callable[[str], None],
    mechanics: Mechanics = NO_MECHANICS,
) -> None:
    """Audit repeatedly until cancelled. `mechanics`: those that are recounted too.

    If Kafka or Redis do not answer, the next audit tries again and goes on from the kept count. If the log was cut off,
    the count begins anew.
    """
    while True:
        try:
            async with auditing(where, assumptions, mechanics=mechanics) as auditor:
                await _watch_on(auditor, metrics, interval_s, deadline_s, audited, failed)
        except SnapupError as error:
            metrics.audits["failed"].inc()
            failed(error.message)
        await asyncio.sleep(interval_s)


async def _watch_on(
    auditor: Auditor,
    metrics: AuditMetrics,
    interval_s: float,
    deadline_s: float,
    audited: Callable[[Verdict], None],
    failed: Callable[[str], None],
) -> None:
    while True:
        began = time.monotonic()
        try:
            verdict = await auditor.audit(deadline_s)
            await auditor.forget()
        except CutOffError:
            raise
        except (SnapupError, KafkaError, OSError) as error:
            metrics.audits["failed"].inc()
            failed(error.message if isinstance(error, SnapupError) else f"Kafka does not answer: {error!r}")
        else:
            metrics.audited(verdict, auditor.remembered())
            audited(verdict)
        await asyncio.sleep(max(0.0, began + interval_s - time.monotonic()))
