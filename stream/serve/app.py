"""Assembles the server, runs it until it is asked to stop, and stops it in order."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

import structlog
from aiohttp import web

from stream.errors import SnapupError
from stream.serve.connection import ADDRESS, Gate, log_left
from stream.serve.cutter import Cutter
from stream.serve.fanout import Fanout
from stream.serve.heartbeats import Heartbeats
from stream.serve.history import HistoryReader
from stream.serve.limits import RateLimit, Slots, parse_networks
from stream.serve.listening import allow_files
from stream.serve.metrics import Metrics
from stream.serve.pages import PAGES
from stream.serve.room_follower import RoomFollower
from stream.serve.rooms import RoomIndex
from stream.serve.routes import PIPELINE, Routes
from stream.serve.running import (
    answer_or_problem,
    around_operators,
    listen,
    listen_for_operators,
    run,
    wait_for_stop,
    watch_loop,
)
from stream.serve.security import Access, Cors, is_loopback, parse_origins, parse_picture_hosts, security_headers
from stream.serve.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from stream.settings import Settings

log = structlog.get_logger(__name__)
_Value = TypeVar("_Value")

# Streams end at once. This time is for the other answers in progress.
LAST_ANSWERS_S = 1.0
CANCEL_AGAIN_S = 0.2
# Connections besides streams: pages, polls, and readers between two streams.
CONNECTIONS_PER_STREAM = 2
SPARE_CONNECTIONS = 64
# Open files besides connections: Redis, static files, the event loop's own.
SPARE_FILES = 64


class Server:
    """One read server. Call `start`, then `wait`; call `close` in any case.

    Args:
        settings: the settings of the process.

    Raises:
        SnapupError: the settings do not fit together.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.metrics = Metrics()
        tokens = _tokens(settings)
        if tokens is None and not is_loopback(settings.serve_host):
            raise SnapupError(
                f"Without SNAPUP_TOKEN_SECRET everybody could read every room on {settings.serve_host}: set it (at "
                "least 32 random characters), or listen on 127.0.0.1."
            )
        self.follower = RoomFollower(settings.redis(), settings.topic_prefix, settings.redis_timeout_ms, self.metrics)
        cutter = Cutter()
        self.heartbeats = Heartbeats(self.follower.redis, settings.topic_prefix, self.metrics, _now_ms)
        self.fanout = Fanout(
            self.follower,
            self.metrics,
            ping_ms=settings.serve_ping_ms,
            slow_ms=settings.serve_slow_client_ms,
            pipeline=lambda: self.heartbeats.pipeline,
            cutter=cutter,
        )
        self.heartbeats.on_change = self.fanout.news_of_all
        self.rooms = RoomIndex(self.follower.redis, settings.topic_prefix, _now_ms)
        self._access = Access(tokens)
        self._cors = Cors(_checked("SNAPUP_SERVE_CORS_ORIGINS", parse_origins, settings.serve_cors_origins))
        self._picture_hosts = _checked("SNAPUP_SERVE_PICTURE_HOSTS", parse_picture_hosts, settings.serve_picture_hosts)
        trusted = _checked("SNAPUP_SERVE_TRUSTED_PROXIES", parse_networks, settings.serve_trusted_proxies)
        total, per_address = settings.serve_streams_max, settings.serve_streams_per_address
        self.streams = Slots(total, per_address)
        self._connections = Slots(
            CONNECTIONS_PER_STREAM * total + SPARE_CONNECTIONS, CONNECTIONS_PER_STREAM * per_address + SPARE_CONNECTIONS
        )
        self._gate = Gate(self._connections, trusted, self.metrics)
        self.routes = Routes(
            follower=self.follower,
            fanout=self.fanout,
            cutter=cutter,
            heartbeats=self.heartbeats,
            rooms=self.rooms,
            histories=HistoryReader(self.follower.redis, settings.topic_prefix),
            access=self._access,
            streams=self.streams,
            requests=RateLimit(settings.serve_requests_per_s),
            metrics=self.metrics,
            picture_hosts=self._picture_hosts,
            origin_of=self._gate.origin_of,
        )
        # A reader that leaves cancels its handler.
        self._runner = web.AppRunner(
            self.app(),
            handle_signals=False,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=LAST_ANSWERS_S,
        )
        self._operators = web.AppRunner(self.app_for_operators(), handle_signals=False, access_log=None)
        self._listening: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.port = 0
        self.metrics_port: int | None = None

    def app(self) -> web.Application:
        """The application with its routes and the wrapper around each of them."""
        app = web.Application(middlewares=[self._around], client_max_size=1 << 16)
        for route in self.routes.table():
            app.router.add_get(route.path, route.handler, allow_head=route.allow_head)
        app.on_response_prepare.append(self._add_headers)
        return app

    def app_for_operators(self) -> web.Application:
        """The application on the metrics port, if there is one."""
        app = web.Application(middlewares=[around_operators], client_max_size=1 << 16)
        for route in self.routes.table_for_operators():
            app.router.add_get(route.path, route.handler)
        app.on_response_prepare.append(self._add_headers)
        return app

    # -- run -----------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen, and follow Redis. Readers may connect before Redis answers.

        Raises:
            SnapupError: the server cannot listen on the address.
        """
        settings, loop = self._settings, asyncio.get_running_loop()
        self._listening, self.port = await listen(
            self._runner, self._gate, settings.serve_host, settings.serve_port, "--port or SNAPUP_SERVE_PORT"
        )
        if settings.serve_metrics_port is not None:
            self.metrics_port = await listen_for_operators(
                self._operators, settings.metrics_host, settings.serve_metrics_port, "SNAPUP_SERVE_METRICS_PORT"
            )
        for work in (*self.follower.work(), self.fanout.run(), self.rooms.run(), self.heartbeats.run()):
            self._tasks.append(loop.create_task(work))
        self._tasks.append(loop.create_task(watch_loop(self.metrics.loop_lag_s)))
        log.info("listening", host=settings.serve_host, port=self.port, tokens=settings.token_secret is not None)

    async def wait(self, stop: asyncio.Event) -> None:
        """Wait until `stop`. A background task that ends earlier is a bug, and its error is raised here."""
        await wait_for_stop(stop, self._tasks)

    async def close(self) -> None:
        """Refuse new readers, end all streams, then close the connections to Redis."""
        log.info("stopping", streams=len(self.fanout))
        self.routes.stopping = True
        if self._listening is not None:
            self._listening.close()
        await self.fanout.stop()
        await self._runner.cleanup()
        await self._operators.cleanup()
        await self._end_tasks()
        await self.follower.close()

    async def _end_tasks(self) -> None:
        """Cancel repeatedly: before Python 3.12, the Redis client may swallow a cancellation that meets an answer."""
        left = set(self._tasks)
        while left:
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)

    # -- around each request -------------------------------------------------------------------------------------------

    @web.middleware
    async def _around(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        request[ADDRESS] = self._gate.address_of(request)
        route = request.match_info.route.resource
        name = route.canonical if route is not None else "none"
        begun_s = time.monotonic()
        status = "left"  # nearly every stream ends by its reader leaving
        try:
            answer = await self._answer(request, handler)
            status = str(answer.status)
        finally:
            self.metrics.requests.labels(name, status).inc()
            if status == "left":  # the access log has lines for answers only
                log_left(request, time.monotonic() - begun_s)
        return answer

    async def _answer(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        async def guarded(request: web.Request) -> web.StreamResponse:
            self._access.check_host(request)
            preflight = self._cors.preflight(request)
            return await handler(request) if preflight is None else preflight

        return await answer_or_problem(request, guarded)

    async def _add_headers(self, request: web.Request, answer: web.StreamResponse) -> None:
        # The address decides, not the answer: a browser takes the headers of a 304 for the page it holds.
        resource = request.match_info.route.resource
        is_page = resource is not None and resource.canonical in PAGES
        for name, value in security_headers(page=is_page, picture_hosts=self._picture_hosts):
            answer.headers[name] = value
        for name, value in self._cors.headers(request).items():
            if name == "Vary" and name in answer.headers:
                value = f"{answer.headers[name]}, {value}"  # noqa: PLW2901 -- one header of both
            answer.headers[name] = value
        if (told := request.get(PIPELINE)) is not None:
            answer.headers["Snapup-Pipeline"] = told
        if request.path.startswith("/v1/"):
            answer.headers["Snapup-Time-Ms"] = str(_now_ms())


async def run_server(settings: Settings, announce: Callable[[Server], None] = lambda _server: None) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: the settings of the process.
        announce: called once the server listens.

    Raises:
        SnapupError: the server cannot start.
    """
    allow_files(CONNECTIONS_PER_STREAM * settings.serve_streams_max + SPARE_CONNECTIONS + SPARE_FILES)
    await run(Server(settings), announce, settings.stop_timeout_ms, "server")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _tokens(settings: Settings) -> Tokens | None:
    secret = settings.token_secret
    return None if secret is None else tokens_of(secret.get_secret_value())


def tokens_of(secret: str) -> Tokens:
    """The tokens of the setting: one secret, or several separated by commas, of which the first signs.

    Raises:
        SnapupError: a secret is too short.
    """
    return _checked("SNAPUP_TOKEN_SECRET", lambda text: Tokens([part.strip() for part in text.split(",")]), secret)


def _checked(variable: str, parse: Callable[[str], _Value], text: str) -> _Value:
    try:
        return parse(text)
    except ValueError as error:
        raise SnapupError(f"{variable}: {error}.") from None
