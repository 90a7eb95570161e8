"""/metrics, /healthz and /readyz, on loopback unless told otherwise.

Alive: the loop answers, and the consumer is polled or a rebalance is under way. Restarting a worker during a rebalance
would only begin another rebalance. Ready: this process folds every partition that the group gave it, and Redis answers.
"""

from __future__ import annotations

import asyncio
import errno
import time
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from stream.errors import SnapupError
from stream.exits import Exit
from stream.worker.ownership import Phase
from stream.worker.tasks import FatalError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.worker.assignment import Owners
    from stream.worker.metrics import Metrics
    from stream.worker.partition_owner import Owner

# The transport looks at the fetcher several times a second. After this much silence it is stuck.
POLL_SILENT_S = 30.0
# A rebalance ends within the time-outs of all members. A rebalance this old never ends.
REBALANCE_MAX_S = 300.0
# With backlog and fetch answers, and not one record folded for this long, only a new process helps.
STALLED_S = 60.0
WATCH_S = 0.25


class Pulse:
    """Signs of life of the consumer."""

    def __init__(self) -> None:
        self._polled_at = time.monotonic()

    def polled(self) -> None:
        """Note that the transport looked at the fetcher."""
        self._polled_at = time.monotonic()

    def silent_s(self) -> float:
        """Seconds since the transport last looked at the fetcher."""
        return time.monotonic() - self._polled_at


class Health:
    """What can be said about this worker now."""

    def __init__(
        self, owners: Owners, metrics: Metrics, pulse: Pulse, redis_answers: Callable[[], bool | None]
    ) -> None:
        self._owners = owners
        self._metrics = metrics
        self._pulse = pulse
        self._redis_answers = redis_answers
        self._progress: dict[Owner, tuple[tuple[int, ...], float]] = {}

    def not_alive(self) -> list[str]:
        """The reasons to restart this process; empty when there is none."""
        since = self._owners.rebalancing_since
        if since is not None:
            age_s = time.monotonic() - since
            return [f"in a rebalance for {age_s:.0f} s"] if age_s > REBALANCE_MAX_S else []
        silent_s = self._pulse.silent_s()
        return [f"the consumer was not polled for {silent_s:.0f} s"] if silent_s > POLL_SILENT_S else []

    def not_ready(self) -> list[str]:
        """What keeps this worker from doing its whole job; empty when nothing does."""
        missing = []
        if self._owners.stopping:
            missing.append("stopping")
        if self._owners.rebalancing:
            missing.append("the group is rebalancing")
        else:
            live = {owner.partition for owner in self._owners.live()}
            waiting = sorted(self._owners.assigned - live)
            if waiting:
                missing.append(f"partitions being taken over: {', '.join(map(str, waiting))}")
        if not self._redis_answers():
            missing.append("Redis takes no documents")
        return missing

    async def run_watch(self) -> None:
        """Measure the loop's lag, and end the process when a partition stands still although it has work."""
        checked_at = 0.0
        while True:
            begun = time.monotonic()
            await asyncio.sleep(WATCH_S)
            self._metrics.loop_lag_s.observe(max(0.0, time.monotonic() - begun - WATCH_S))
            if begun - checked_at > 1:
                checked_at = begun
                self.check_progress(begun, time.time_ns() // 1_000_000)

    def check_progress(self, monotonic_s: float, now_ms: int) -> None:
        """Check that every partition with work moves.

        Raises:
            FatalError: a partition stands still although the broker answers.
        """
        for gone in self._progress.keys() - set(self._owners.live()):
            del self._progress[gone]
        for owner in self._owners.live():
            positions = tuple(owner.fold.positions)
            before, since = self._progress.get(owner, (None, monotonic_s))
            if positions != before or not self._has_work(owner, now_ms):
                self._progress[owner] = (positions, monotonic_s)
            elif monotonic_s - since > STALLED_S:
                raise FatalError(
                    Exit.STALLED, f"partition {owner.partition} has backlog and has not moved for {STALLED_S:.0f} s"
                )

    @staticmethod
    def _has_work(owner: Owner, now_ms: int) -> bool:
        ownership = owner.ownership
        topics = range(len(owner.config.topics))
        return any(ownership.fetched_lately(index, now_ms) for index in topics) and any(
            ownership.lag_records(index, owner.fold.positions[index]) for index in topics
        )

    # -- over HTTP -----------------------------------------------------------------------------------------------------

    async def metrics(self, request: web.Request) -> web.Response:
        """All metrics, in the format that the scraper asks for."""
        self._metrics.sync(self._owners.all(), len(self._owners.assigned))
        self._metrics.redis_up.set(bool(self._redis_answers()))
        self._metrics.rebalancing.set(self._owners.rebalancing)
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._metrics.registry), headers={"Content-Type": content_type})

    async def healthz(self, _request: web.Request) -> web.Response:
        """200 while the worker is alive, else 503."""
        problems = self.not_alive()
        return web.json_response({"alive": not problems, "problems": problems}, status=503 if problems else 200)

    async def readyz(self, _request: web.Request) -> web.Response:
        """200 while the worker is ready, else 503. The body says what is missing."""
        missing = self.not_ready()
        phases = {phase.value: 0 for phase in Phase if phase is not Phase.GONE}
        for owner in self._owners.all():
            phases[owner.phase.value] += 1
        body = {
            "ready": not missing,
            "missing": missing,
            "assigned": sorted(self._owners.assigned),
            "partitions": phases,
        }
        return web.json_response(body, status=503 if missing else 200)


async def serve(health: Health, host: str, port: int) -> web.AppRunner:
    """The runner of the listening server. The caller cleans it up.

    Raises:
        SnapupError: nothing can listen on the address.
    """
    app = web.Application()
    app.router.add_get("/metrics", health.metrics)
    app.router.add_get("/healthz", health.healthz)
    app.router.add_get("/readyz", health.readyz)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        if error.errno == errno.EADDRINUSE:
            raise SnapupError(
                f"Port {port} on {host} is in use: choose another with --metrics-port or SNAPUP_METRICS_PORT."
            ) from None
        raise SnapupError(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from None
    return runner
