"""How an HTTP server of ours answers, listens, runs until it is asked to stop, and stops."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import structlog
from aiohttp import web

from stream.exits import Exit, end_process
from stream.serve.connection import connection_factory
from stream.serve.listening import cannot_listen
from stream.serve.problems import ProblemError, plain_problem, response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from prometheus_client import Histogram

    from stream.serve.connection import Gate

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = structlog.get_logger(__name__)

WATCH_LOOP_S = 0.25
BACKLOG = 1_024


class Runnable(Protocol):
    """A server that can be run."""

    async def start(self) -> None:
        """Listen. Raises SnapupError where that cannot be."""

    async def wait(self, stop: asyncio.Event) -> None:
        """Wait until `stop`."""

    async def close(self) -> None:
        """Stop in order; after a failed start too."""


_Server = TypeVar("_Server", bound=Runnable)


async def answer_or_problem(request: web.Request, handler: Handler, **told: str) -> web.StreamResponse:
    """The answer, or the problem that took its place. `told`: what the log says of a request that failed."""
    try:
        return await handler(request)
    except ProblemError as error:
        return response(error.problem, error.headers)
    except web.HTTPException as error:
        kept = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
        return response(plain_problem(error.status), kept)
    except Exception:
        log.exception("a request failed", path=request.path[:200], **told)
        return response(plain_problem(500))


@web.middleware
async def around_operators(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What lies around each request on the metrics port."""
    return await answer_or_problem(request, handler)


async def listen(
    runner: web.AppRunner, gate: Gate, host: str, port: int, setting: str, **options: Any
) -> tuple[asyncio.Server, int]:
    """Listen for clients. Returns the listening server and its port. `options`: those of `Connection`.

    Raises:
        SnapupError: nobody can listen on the address; `setting` chooses another port.
    """
    loop = asyncio.get_running_loop()
    await runner.setup()
    server = runner.server
    assert server is not None  # noqa: S101 -- set up above
    try:
        listening = await loop.create_server(
            connection_factory(gate, server, loop, **options), host, port, backlog=BACKLOG
        )
    except OSError as error:
        raise cannot_listen(host, port, error, setting) from None
    return listening, listening.sockets[0].getsockname()[1]


async def listen_for_operators(runner: web.AppRunner, host: str, port: int, setting: str) -> int:
    """Listen on the metrics port. Returns it.

    Raises:
        SnapupError: nobody can listen on the address; `setting` chooses another port.
    """
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise cannot_listen(host, port, error, setting) from None
    found: int = runner.addresses[0][1]
    return found


async def watch_loop(lag_s: Histogram) -> None:
    """Measure how late the event loop is, for as long as the process runs."""
    while True:
        begun = time.monotonic()
        await asyncio.sleep(WATCH_LOOP_S)
        lag_s.observe(max(0.0, time.monotonic() - begun - WATCH_LOOP_S))


async def wait_for_stop(stop: asyncio.Event, tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait until `stop`. A background task that ends earlier is a bug, and its error is raised here."""
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    for task in tasks:
        if task.done():
            task.result()


async def run(server: _Server, announce: Callable[[_Server], None], stop_timeout_ms: int, what: str) -> None:
    """Run a server until SIGTERM or SIGINT; end the process where it does not stop in time.

    Args:
        server: the server.
        announce: called once it listens.
        stop_timeout_ms: the time that it has to stop.
        what: it, in a sentence.

    Raises:
        SnapupError: it cannot start.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await server.start()
        announce(server)
        await server.wait(stop)
    finally:
        try:
            async with asyncio.timeout(stop_timeout_ms / 1000):
                await server.close()
        except TimeoutError:
            end_process(Exit.SLOW_STOP, f"the {what} did not stop in time")
    log.info("stopped")
