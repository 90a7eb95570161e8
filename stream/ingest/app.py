"""Assembles the gateway, runs it until it is asked to stop, and drains it."""

from __future__ import annotations

import asyncio
import signal
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

import structlog
from aiohttp import web

from stream.errors import SnapupError
from stream.ingest.budget import Budget
from stream.ingest.intake import Intake
from stream.ingest.keys import Keyring
from stream.ingest.metrics import Metrics
from stream.ingest.publisher import Publisher
from stream.ingest.quota import Quotas
from stream.ingest.receiving import PLATFORM, TALLY, Receiver
from stream.ingest.routes import REQUEST_ID, Routes, request_id_of
from stream.ingest.shops import Shops
from stream.ingest.watched import FileError
from stream.ingest.webhooks import UNTOLD, Webhooks
from stream.serve.connection import ADDRESS, AccessLogger, Gate, log_left, request_fields
from stream.serve.limits import Slots, parse_networks
from stream.serve.listening import allow_files
from stream.serve.problems import plain_problem, response
from stream.serve.running import (
    answer_or_problem,
    around_operators,
    listen,
    listen_for_operators,
    run,
    wait_for_stop,
    watch_loop,
)
from stream.serve.security import is_loopback, security_headers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from stream.contract.catalogue import Catalogue
    from stream.settings import Settings

log = structlog.get_logger(__name__)

WATCH_FILES_S = 1.0
# What is under way at SIGTERM may take this share of the time to stop; the rest is for Kafka's producer.
DRAIN_SHARE = 0.6
# Open files besides connections: Kafka, the event loop's own.
SPARE_FILES = 64
LEFT = web.RequestKey("left", bool)
File = TypeVar("File")


class _AccessLogger(AccessLogger):
    """One line for each answer, with the request's id, who sent it, and how many events were good and bad."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write the line. No header but the reader's own name is in it, and nothing of the body."""
        good, bad = request.get(TALLY, (0, 0))
        log.info(
            "request",
            status=response.status,
            request_id=request.get(REQUEST_ID, ""),
            platform=request.get(PLATFORM, ""),
            events=good,
            refused=bad,
            **({"untold": request[UNTOLD]} if UNTOLD in request else {}),
            **request_fields(request, time),
        )


class Gateway:
    """One gateway. Call `start`, then `wait`; call `close` in any case.

    Args:
        settings: the settings of the process.
        catalogue: the types of events.

    Raises:
        SnapupError: the settings do not fit together, or the file of keys or of shops is not as it must be.
    """

    def __init__(self, settings: Settings, catalogue: Catalogue) -> None:
        self._settings = settings
        if settings.partitioner != "murmur2":
            raise SnapupError(
                "SNAPUP_PARTITIONER=unchecked says that producers choose partitions otherwise than by murmur2. The "
                "gateway chooses by murmur2: a room would lie in two partitions. Have all producers choose so first."
            )
        self.metrics = Metrics()
        self._quotas = Quotas()
        self.metrics.keys_file_ok.set(1)
        self.metrics.shops_file_ok.set(1)
        path = settings.ingest_keys_file
        self._keyring = _read("SNAPUP_INGEST_KEYS_FILE", path, lambda path: Keyring(path, catalogue.types))
        self._shops = _read("SNAPUP_INGEST_SHOPS_FILE", settings.ingest_shops_file, Shops)
        self._note_files()
        if self._keyring is None and not is_loopback(settings.ingest_host):
            raise SnapupError(
                f"Without SNAPUP_INGEST_KEYS_FILE everybody could send events, of any room, to {settings.ingest_host}: "
                "set it (`snapup ingest-key` makes a key and its entry), or listen on 127.0.0.1."
            )
        self.budget = Budget(settings.ingest_held_max_bytes, self.metrics.held_bytes)
        self.metrics.held_most_bytes.set(settings.ingest_held_max_bytes)
        self.publisher = Publisher(
            settings.brokers(),
            [f"{settings.topic_prefix}.{name}" for name, _ in catalogue.topics],
            settings.ingest_timeout_ms / 1000,
            self.metrics,
        )
        self.receiver = Receiver(
            settings,
            quotas=self._quotas,
            intake=Intake(catalogue, settings.ingest_timeout_ms),
            publisher=self.publisher,
            budget=self.budget,
            metrics=self.metrics,
        )
        self._routes = Routes(settings, catalogue, keyring=self._keyring, receiver=self.receiver, metrics=self.metrics)
        self._webhooks = Webhooks(self._shops, self.receiver, self.metrics)
        try:
            trusted = parse_networks(settings.ingest_trusted_proxies)
        except ValueError as error:
            raise SnapupError(f"SNAPUP_INGEST_TRUSTED_PROXIES: {error}.") from None
        most = settings.ingest_connections_max
        self._gate = Gate(Slots(most, max(1, most // 2)), trusted, self.metrics)
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
        # A client that leaves does not take its events back: they go to Kafka all the same.
        self._runner = web.AppRunner(
            self._app(), handle_signals=False, handler_cancellation=False, shutdown_timeout=0.5
        )
        self._operators = web.AppRunner(self._app_for_operators(), handle_signals=False, access_log=None)
        self._listening: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.port = 0
        self.metrics_port = 0

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._around])
        self._routes.add_to(app)
        self._webhooks.add_to(app)
        app.on_response_prepare.append(_add_headers)
        return app

    def _app_for_operators(self) -> web.Application:
        app = web.Application(middlewares=[around_operators])
        self._routes.add_operators_to(app)
        app.on_response_prepare.append(_add_headers)
        return app

    # -- run -----------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen, and look for Kafka. Clients may connect before Kafka is reached: they are told to come again.

        Raises:
            SnapupError: the gateway cannot listen on the address.
        """
        settings, loop = self._settings, asyncio.get_running_loop()
        self._listening, self.port = await listen(
            self._runner,
            self._gate,
            settings.ingest_host,
            settings.ingest_port,
            "--port or SNAPUP_INGEST_PORT",
            access_logger=_AccessLogger,
            auto_decompress=False,
            answer_timeout_s=settings.ingest_body_timeout_ms / 1000,
        )
        self.metrics_port = await listen_for_operators(
            self._operators, settings.metrics_host, settings.ingest_metrics_port, "SNAPUP_INGEST_METRICS_PORT"
        )
        self._tasks += [loop.create_task(work) for work in (self.publisher.run(), watch_loop(self.metrics.loop_lag_s))]
        if self._keyring is not None or self._shops is not None:
            self._tasks.append(loop.create_task(self._watch_files()))
        log.info(
            "listening",
            host=settings.ingest_host,
            port=self.port,
            keys=self._keyring is not None,
            shops=self._shops is not None,
        )

    async def wait(self, stop: asyncio.Event) -> None:
        """Wait until `stop`. A background task that ends earlier is a bug, and its error is raised here."""
        await wait_for_stop(stop, self._tasks)

    async def close(self) -> None:
        """Take no new requests, answer those under way, then end."""
        log.info("stopping", requests=self._under_way)
        self.receiver.stopping = True
        if self._listening is not None:
            self._listening.close()
        try:
            async with asyncio.timeout(DRAIN_SHARE * self._settings.stop_timeout_ms / 1000):
                await self._idle.wait()
        except TimeoutError:
            log.warning("requests are left unanswered", requests=self._under_way)
        await self._runner.cleanup()
        await self._operators.cleanup()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.publisher.close()

    def reload_files(self, *, changed_alone: bool = False) -> None:
        """Read the files of keys and shops again; while one is wrong what it said holds, and the log says why."""
        for file, ok in ((self._keyring, self.metrics.keys_file_ok), (self._shops, self.metrics.shops_file_ok)):
            if file is None or (changed_alone and not file.has_changed()):
                continue
            try:
                file.reload()
            except FileError as error:
                ok.set(0)
                log.error("a file was not read again, what it said holds", file=str(file.path), why=str(error))  # noqa: TRY400 -- a sentence says all
                continue
            ok.set(1)
            log.info("file read", file=str(file.path), names=sorted(file.names))
        self._note_files()

    def _note_files(self) -> None:
        keyring, shops = self._keyring, self._shops
        self.metrics.keys.set(len(keyring.keys) if keyring is not None else 0)
        self.metrics.shops.set(len(shops.names) if shops is not None else 0)
        self._quotas.keep_only(frozenset[str]().union(*(each.names for each in (keyring, shops) if each is not None)))

    async def _watch_files(self) -> None:
        while True:
            await asyncio.sleep(WATCH_FILES_S)
            self.reload_files(changed_alone=True)

    # -- around each request -------------------------------------------------------------------------------------------

    @web.middleware
    async def _around(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        request[ADDRESS] = self._gate.address_of(request)
        request[REQUEST_ID] = request_id_of(request)
        route = request.match_info.route.resource
        name = route.canonical if route is not None else "none"
        begun_s = time.monotonic()
        status = "left"
        self._under_way += 1
        self._idle.clear()

        async def while_heard(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except ConnectionError:  # the client left: nobody reads this
                request[LEFT] = True
                return response(plain_problem(HTTPStatus.BAD_REQUEST))

        try:
            answer = await answer_or_problem(request, while_heard, request_id=request[REQUEST_ID])
            if LEFT not in request:
                status = str(answer.status)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()
            self.metrics.requests.labels(name, status).inc()
            if status == "left":
                log_left(request, time.monotonic() - begun_s)
            elif request.method == "POST":
                self.metrics.answer_s.observe(time.monotonic() - begun_s)
        if self.receiver.stopping:
            answer.force_close()
        return answer


def _read(variable: str, path: Path | None, read: Callable[[Path], File]) -> File | None:
    """The file that a setting names; None where it names none. Raises SnapupError where it is not as it must be."""
    try:
        return None if path is None else read(path)
    except FileError as error:
        raise SnapupError(f"{variable}={path}: {error}.") from None


async def _add_headers(request: web.Request, answer: web.StreamResponse) -> None:
    for name, value in security_headers(page=False):
        answer.headers[name] = value
    if (request_id := request.get(REQUEST_ID)) is not None:
        answer.headers["X-Request-Id"] = request_id


async def run_gateway(
    settings: Settings, catalogue: Catalogue, announce: Callable[[Gateway], None] = lambda _gateway: None
) -> None:
    """Serve until SIGTERM or SIGINT. SIGHUP reads the files of keys and shops again.

    Args:
        settings: the settings of the process.
        catalogue: the types of events.
        announce: called once the gateway listens.

    Raises:
        SnapupError: the gateway cannot start.
    """
    allow_files(settings.ingest_connections_max + SPARE_FILES)
    gateway = Gateway(settings, catalogue)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, gateway.reload_files)
    await run(gateway, announce, settings.stop_timeout_ms, "gateway")
