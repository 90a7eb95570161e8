"""One TCP connection: counted, turned away when there are too many, and never answered with anything but a problem."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

import msgspec
import structlog
from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from stream.serve.limits import client_address
from stream.serve.problems import CONTENT_TYPE, Kind, Problem, plain_problem, response
from stream.serve.security import security_headers

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from stream.serve.limits import IPNetwork, Slots
    from stream.serve.metrics import Metrics, RefuseReason

log = structlog.get_logger("stream.serve.access")

# A browser keeps a connection for its next request; a connection that asks nothing for so long is closed.
KEEPALIVE_S = 30.0
MAX_AGENT_CHARS = 120
MAX_PATH_CHARS = 200
# Whom a request is counted for.
ADDRESS = web.RequestKey("address", str)


class AccessLogger(AbstractAccessLogger):
    """One line for each answer. The query is left out: a token may stand there."""

    @property
    def enabled(self) -> bool:
        """Whether lines of this level are written at all."""
        return self.logger.isEnabledFor(logging.INFO)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write the line; `time` in seconds, of a stream from its beginning to its end."""
        log.info("request", status=response.status, bytes=response.body_length, **_fields(request, time))


def log_left(request: web.BaseRequest, time_s: float) -> None:
    """The same line for a reader who left before the end of his answer: how nearly every stream ends."""
    log.info("reader left", **_fields(request, time_s))


def _fields(request: web.BaseRequest, time_s: float) -> dict[str, str | float]:
    return {
        "method": request.method[:16],
        "path": request.path[:MAX_PATH_CHARS],
        "ms": round(time_s * 1000, 1),
        "address": request.get(ADDRESS, request.remote or ""),
        "agent": request.headers.get("User-Agent", "")[:MAX_AGENT_CHARS],
    }


class Gate:
    """What all connections share.

    Args:
        slots: of connections. One of a trusted proxy is counted in total only.
        trusted: networks of proxies.
        metrics: what to count in.
    """

    def __init__(self, slots: Slots, trusted: Sequence[IPNetwork], metrics: Metrics) -> None:
        self._slots = slots
        self._trusted = trusted
        self._metrics = metrics

    def address_of(self, request: web.BaseRequest) -> str:
        """Whom to count a request for."""
        return client_address(
            request.remote or "", ",".join(request.headers.getall("X-Forwarded-For", [])), self._trusted
        )

    def enter(self, peer: str) -> str | None:
        """Let a connection in: the name under which it is counted; None if it may not come in."""
        # A proxy carries the readers of many addresses: its connections have no bound of their own.
        is_proxy = bool(self._trusted) and client_address(peer, "0.0.0.0", self._trusted) == "0.0.0.0"  # noqa: S104
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

    def leave(self, address: str) -> None:
        """A connection that was let in is gone."""
        self._slots.give_back(address)
        self._metrics.connections.dec()


class Connection(web.RequestHandler):
    """aiohttp's protocol, with a gate before it and our own words for what it cannot parse."""

    __slots__ = ("_address", "_gate")

    def __init__(self, gate: Gate, server: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=KEEPALIVE_S,
            access_log_class=AccessLogger,
            access_log=logging.getLogger("stream.serve.access"),
            lingering_time=1.0,
        )
        self._gate = gate
        self._address: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it, or answer and close."""
        peer = transport.get_extra_info("peername")
        self._address = self._gate.enter(peer[0] if isinstance(peer, tuple) else "")
        super().connection_made(transport)
        if self._address is None:
            cast("asyncio.Transport", transport).write(_raw_answer(_TOO_MANY))
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give its place back."""
        super().connection_lost(exc)
        address, self._address = self._address, None
        if address is not None:
            self._gate.leave(address)

    def handle_error(  # aiohttp's own names and order
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """What cannot be parsed, or fails outside our handlers. What was sent is not repeated: a token may be in it."""
        del request, message
        if self.transport is not None and self.transport.is_closing():
            raise ConnectionError("Connection closed")
        if status >= 500:  # noqa: PLR2004 -- server errors
            log.error("a request failed", exc_info=exc)
        answer = response(plain_problem(status), dict(security_headers(page=False)))
        answer.force_close()
        return answer


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


def connection_factory(gate: Gate, server: web.Server, loop: asyncio.AbstractEventLoop) -> Any:
    """What asyncio calls for each new connection."""
    return lambda: Connection(gate, server, loop)
