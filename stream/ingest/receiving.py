"""What every address that takes events does with a body: turn it away in time, read it, judge it, wait for Kafka."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from stream.ingest.bodies import too_large
from stream.ingest.budget import FullError
from stream.ingest.problems import AWAY_RETRY_S, STOPPING_RETRY_S, Kind, full
from stream.ingest.publisher import AwayError
from stream.serve.problems import ProblemError

if TYPE_CHECKING:
    from stream.ingest.budget import Budget, Lease
    from stream.ingest.intake import Accepted, Intake, Refusal
    from stream.ingest.keys import Key
    from stream.ingest.metrics import Metrics
    from stream.ingest.publisher import Publisher
    from stream.ingest.quota import Quotas
    from stream.settings import Settings

# Between two looks at other requests: this many events take a few milliseconds.
EVENTS_AT_ONCE = 200
PLATFORM = web.RequestKey("platform", str)
TALLY = web.RequestKey("tally", tuple)


class Receiver:
    """Takes the events of bodies.

    Attributes:
        publisher: where they go.
        budget: the bytes of all bodies together.
        stopping: the process is about to end and takes no new requests.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        quotas: Quotas,
        intake: Intake,
        publisher: Publisher,
        budget: Budget,
        metrics: Metrics,
    ) -> None:
        self._body_max_bytes = settings.ingest_body_max_bytes
        self._body_timeout_s = settings.ingest_body_timeout_ms / 1000
        self._quotas = quotas
        self._intake = intake
        self._metrics = metrics
        self.publisher = publisher
        self.budget = budget
        self.stopping = False

    def check_ready(self, key: Key) -> None:
        """Turn a request away before its body is read, when that would be in vain."""
        if self.stopping:
            self._metrics.refused["stopping"].inc()
            raise ProblemError(Kind.STOPPING, "another replica may take the same body", retry_after_s=STOPPING_RETRY_S)
        if self.publisher.is_away():
            raise self._away()
        self._check_quota(key)

    def _away(self) -> ProblemError:
        self._metrics.refused["kafka_away"].inc()
        return ProblemError(
            Kind.KAFKA_AWAY,
            "not all events were acknowledged: send the same body again, an event counts once by its event_id",
            retry_after_s=AWAY_RETRY_S,
        )

    def _check_quota(self, key: Key) -> None:
        if key.events_per_s is None:
            return
        wait_s = self._quotas.wait_s(key.name, key.events_per_s, time.monotonic())
        if wait_s:
            self._metrics.refused["quota"].inc()
            raise ProblemError(
                Kind.QUOTA, f"{key.name} may send {key.events_per_s:g} events a second", retry_after_s=wait_s
            )

    def _charge(self, key: Key, events: int) -> None:
        self._check_quota(key)  # others of the same name may have come first
        if key.events_per_s is not None:
            self._quotas.charge(key.name, key.events_per_s, events, time.monotonic())

    async def body(self, request: web.Request, lease: Lease) -> bytes:
        """The body as it came. What has come of it is held in the lease.

        Raises:
            ProblemError: it is too large or too slow, it breaks off, or there is no room for it.
        """
        if (request.content_length or 0) > self._body_max_bytes:
            raise too_large(self._body_max_bytes)
        parts: list[bytes] = []
        length = 0
        try:
            async with asyncio.timeout(self._body_timeout_s):
                while part := await request.content.readany():
                    length += len(part)
                    if length > self._body_max_bytes:
                        raise too_large(self._body_max_bytes)
                    self.hold(lease, length)
                    parts.append(part)
        except TimeoutError:
            raise ProblemError(Kind.BODY_SLOW, f"a body must be here within {self._body_timeout_s:g} s") from None
        except (HttpProcessingError, web.RequestPayloadError):
            raise ProblemError(Kind.BAD_BODY, "the body is not framed as its headers say") from None
        return b"".join(parts)

    def hold(self, lease: Lease, total_bytes: int) -> None:
        """Hold so many bytes. Raises ProblemError where there is no room for them."""
        try:
            lease.hold(total_bytes)
        except FullError:
            self._metrics.refused["full"].inc()
            raise full() from None

    async def deliver(
        self, request: web.Request, key: Key, items: list[bytes], lease: Lease, *, are_cloudevents: bool = False
    ) -> tuple[int, list[Refusal]]:
        """Put the good events into Kafka: how many are there now, and what is wrong with each other one.

        Raises:
            ProblemError: more events than the quota, or Kafka has not acknowledged all good ones.
        """
        self._charge(key, len(items))
        accepted, refusals = await self._judge(items, key, are_cloudevents=are_cloudevents)
        request[TALLY] = (len(accepted), len(refusals))
        if accepted:
            try:
                await self.publisher.publish(accepted, lease.hand_over())
            except AwayError:
                self._metrics.events.labels(key.name, "unanswered").inc(len(accepted))
                raise self._away() from None
        self._count(key, len(accepted), refusals)
        return len(accepted), refusals

    async def _judge(
        self, items: list[bytes], key: Key, *, are_cloudevents: bool
    ) -> tuple[list[Accepted], list[Refusal]]:
        """The events to send, and what is wrong with each other one. Lets other requests pass in between."""
        accepted: list[Accepted] = []
        refusals: list[Refusal] = []
        now_ms = time.time_ns() // 1_000_000
        for start in range(0, len(items), EVENTS_AT_ONCE):
            if start:
                await asyncio.sleep(0)
            some = items[start : start + EVENTS_AT_ONCE]
            good, bad = self._intake.read_all(some, start, key, now_ms, are_cloudevents=are_cloudevents)
            accepted += good
            refusals += bad
        return accepted, refusals

    def _count(self, key: Key, accepted: int, refusals: list[Refusal]) -> None:
        if accepted:
            self._metrics.events.labels(key.name, "acknowledged").inc(accepted)
        if refusals:
            self._metrics.events.labels(key.name, "refused").inc(len(refusals))
            for reason, count in Counter(refusal.reason for refusal in refusals).items():
                self._metrics.refused_events.labels(reason).inc(count)
