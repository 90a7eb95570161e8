"""One TCP connection: counted, refused beyond the limit, and answered with problem documents for any error."""

from __future__ import annotations

import fcntl
import logging
import sys
import termios
from typing import TYPE_CHECKING, Any, Protocol, cast

import msgspec
import structlog
from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from stream.serve.limits import client_address
from stream.serve.problems import CONTENT_TYPE, Kind, Problem, plain_problem, response
from stream.serve.security import security_headers

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping, Sequence

    from prometheus_client import Counter, Gauge

    from stream.serve.limits import IPNetwork, Slots
    from stream.serve.metrics import RefuseReason

log = structlog.get_logger("stream.serve.access")

# A browser keeps a connection for its next request. A connection without a request for this long is closed.
KEEPALIVE_S = 30.0
MAX_AGENT_CHARS = 120
MAX_PATH_CHARS = 200
# The client address under which a request is counted.
ADDRESS = web.RequestKey("address", str)


class AccessLogger(AbstractAccessLogger):
    """One line for each answer. The query is left out: it may hold a token."""

    @property
    def enabled(self) -> bool:
        """Whether lines of this level are written."""
        return self.logger.isEnabledFor(logging.INFO)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write the line. `time`: seconds; for a stream, from its beginning to its end."""
        log.info("request", status=response.status, bytes=response.body_length, **request_fields(request, time))


def log_left(request: web.BaseRequest, time_s: float) -> None:
    """Write the same line for a reader that left before the end of its answer, as most readers of streams do."""
    log.info("reader left", **request_fields(request, time_s))


def request_fields(request: web.BaseRequest, time_s: float) -> dict[str, str | float]:
    """What every line says of a request: no query, no header but the reader's name for itself."""
    return {
        "method": request.method[:16],
        "path": request.path[:MAX_PATH_CHARS],
        "ms": round(time_s * 1000, 1),
        "address": request.get(ADDRESS, request.remote or ""),
        "agent": request.headers.get("User-Agent", "")[:MAX_AGENT_CHARS],
    }


class ConnectionMetrics(Protocol):
    """Where connections are counted."""

    connections: Gauge

    @property
    def refused(self) -> Mapping[Any, Counter]:
        """Reason → what was turned away for it."""
        ...


class Gate:
    """The state that all connections share.

    Args:
        slots: the places for connections. A trusted proxy's connection counts in the total only.
        trusted: the networks of proxies.
        metrics: the metrics to count in.
    """

    def __init__(self, slots: Slots, trusted: Sequence[IPNetwork], metrics: ConnectionMetrics) -> None:
        self._slots = slots
        self._trusted = trusted
        self._metrics = metrics

    def address_of(self, request: web.BaseRequest) -> str:
        """The client address under which a request is counted."""
        return client_address(
            request.remote or "", ",".join(request.headers.getall("X-Forwarded-For", [])), self._trusted
        )

    def origin_of(self, request: web.BaseRequest) -> str:
        """Scheme, host and port that the reader's address begins with. Only a trusted proxy's word makes it https."""
        scheme = request.scheme
        if self._is_proxy(request.remote or ""):
            said = request.headers.get("X-Forwarded-Proto", "").partition(",")[0].strip().lower()
            scheme = said if said in ("http", "https") else scheme
        return f"{scheme}://{request.host}"

    def _is_proxy(self, peer: str) -> bool:
        return bool(self._trusted) and client_address(peer, "0.0.0.0", self._trusted) == "0.0.0.0"  # noqa: S104

    def enter(self, peer: str) -> str | None:
        """The name under which a new connection is counted; None if it is refused."""
        # A proxy carries readers of many addresses: its connections have no bound of their own.
        is_proxy = self._is_proxy(peer)
        address = "proxy" if is_proxy else client_address(peer, "", ())
        reason: RefuseReason | None = None
        if self._slots.is_full():
            reason = "total_connections"
        elif not is_proxy and self._slots.is_full_for(address):
            reason = "address_connections"
        if reason is not None:
            self._metrics.refused[reason].inc()
            return None
        self._slots.take(address)
        self._metrics.connections.inc()
        return address

    def note_unread(self) -> None:
        """Count a client that was cut off for it does not take its answer."""
        self._metrics.refused["answer_unread"].inc()

    def leave(self, address: str) -> None:
        """Count the end of a connection that was let in."""
        self._slots.give_back(address)
        self._metrics.connections.dec()


class Connection(web.RequestHandler):
    """aiohttp's protocol behind a gate, with our own answer to unparsable requests.

    Args:
        gate: counts the connection, and may refuse it.
        server: handles the requests.
        loop: the loop that serves.
        access_logger: writes the line of each answer.
        auto_decompress: whether aiohttp unpacks bodies; without it a handler sees them as they came.
        answer_timeout_s: a client that takes no byte of an answer for so long is cut off; None: it never is.
    """

    __slots__ = ("_address", "_answer_timeout_s", "_answer_timer", "_gate")

    def __init__(
        self,
        gate: Gate,
        server: web.Server,
        loop: asyncio.AbstractEventLoop,
        *,
        access_logger: type[AbstractAccessLogger] = AccessLogger,
        auto_decompress: bool = True,
        answer_timeout_s: float | None = None,
    ) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=KEEPALIVE_S,
            access_log_class=access_logger,
            access_log=logging.getLogger("stream.serve.access"),
            lingering_time=1.0,
            auto_decompress=auto_decompress,
        )
        self._gate = gate
        self._address: str | None = None
        self._answer_timeout_s = answer_timeout_s
        self._answer_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection, or refuse and close it."""
        peer = transport.get_extra_info("peername")
        self._address = self._gate.enter(peer[0] if isinstance(peer, tuple) else "")
        super().connection_made(transport)
        if self._address is None:
            cast("asyncio.Transport", transport).write(_raw_answer(_TOO_MANY))
            self.force_close()

    def pause_writing(self) -> None:
        """Nothing more is written until the client takes what is there; wait for that as long as may be."""
        super().pause_writing()
        if self._answer_timeout_s is not None and self.transport is not None:
            self._watch_answer(self._answer_timeout_s, _unread_bytes(self.transport))

    def resume_writing(self) -> None:
        """The client has taken enough."""
        super().resume_writing()
        self._forget_answer()

    def _watch_answer(self, timeout_s: float, left_bytes: int) -> None:
        """Look again after `timeout_s`: less must be left then."""
        self._answer_timer = self._loop.call_later(timeout_s, self._look_at_answer, timeout_s, left_bytes)

    def _look_at_answer(self, timeout_s: float, left_bytes: int) -> None:
        if self.transport is None:
            return
        now_bytes = _unread_bytes(self.transport)
        if now_bytes < left_bytes:
            self._watch_answer(timeout_s, now_bytes)
            return
        self._gate.note_unread()
        self.transport.abort()

    def _forget_answer(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give the connection's place back."""
        self._forget_answer()
        super().connection_lost(exc)
        address, self._address = self._address, None
        if address is not None:
            self._gate.leave(address)

    def handle_error(  # aiohttp's own names and order
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer to an unparsable request or an error outside our handlers. It repeats no input, maybe a token."""
        del request, message
        if self.transport is not None and self.transport.is_closing():
            raise ConnectionError("Connection closed")
        if status >= 500:  # noqa: PLR2004 -- server errors
            log.error("a request failed", exc_info=exc)
        answer = response(plain_problem(status), dict(security_headers(page=False)))
        answer.force_close()
        return answer


def _unread_bytes(transport: asyncio.Transport) -> int:
    """What the client has not taken: here, and in the kernel, which holds megabytes before anything stays here."""
    in_kernel = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
    return transport.get_write_buffer_size() + int.from_bytes(in_kernel, sys.byteorder)


_TOO_MANY = Problem(Kind.FULL.type, Kind.FULL.title, Kind.FULL.status, "too many connections")


def _raw_answer(problem: Problem) -> bytes:
    body = msgspec.json.encode(problem)
    head = {
        "Content-Type": CONTENT_TYPE,
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "Retry-After": "5",
        "Connection": "close",
        **dict(security_headers(page=False)),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    return f"HTTP/1.1 {problem.status} Service Unavailable\r\n{lines}\r\n".encode() + body


def connection_factory(gate: Gate, server: web.Server, loop: asyncio.AbstractEventLoop, **options: Any) -> Any:
    """The function that asyncio calls for each new connection. `options`: those of `Connection`."""
    return lambda: Connection(gate, server, loop, **options)
