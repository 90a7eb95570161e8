"""A WebSocket on loopback as the source of lines: each text message is a line, or several.

Programs of this machine may connect, as many as `MAX_CONNECTIONS` at a time. A web page may not, although browsers let
every page connect to loopback: what a browser opens has an `Origin`, and only those that were named are let in.

A client that is faster than Kafka is not read from, so its own sends wait. Whom this side closes is told why, and how
many messages were read: what came after these was not looked at.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import urlsplit

from aiohttp import WebSocketError, WSCloseCode, WSMsgType, web
from msgspec import Struct

from stream.bridge.messages import MAX_LINE_BYTES
from stream.bridge.reasons import Reason
from stream.errors import SnapupError, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection

    from stream.bridge.bridge import Bridge
    from stream.bridge.inbox import Inbox

MAX_CONNECTIONS = 32
# A message of up to this size is read to its end, so that the client gets the answer. One beyond may get no answer,
# since its connection breaks while the client still sends.
MAX_READ_BYTES = 2 * MAX_LINE_BYTES
# How long the client has to agree to the end.
CLOSE_S = 2.0
ENDS = "the bridge ends, all that it read is delivered"
# Origins that were refused are told, so many of them and each once.
MAX_ORIGINS_TOLD = 20
MAX_ORIGIN_CHARS = 200
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#]+")
_HOSTS = {"127.0.0.1": "127.0.0.1", "localhost": "127.0.0.1", "::1": "::1"}


class Address(NamedTuple):
    """Where to listen; `port` 0: a free one."""

    host: str
    port: int
    path: str

    def url(self, port: int) -> str:
        """The address that clients connect to."""
        return f"ws://{f'[{self.host}]' if ':' in self.host else self.host}:{port}{self.path}"


class Connections(Struct):
    """Connections to a WebSocket: open `now`; since the start, how many were taken, and how many turned away."""

    now: int = 0
    taken: int = 0
    foreign_origin: int = 0
    too_many: int = 0


def address_of(text: str) -> Address:
    """The address of `ws://127.0.0.1:PORT/path`.

    Raises:
        UsageError: it is none, or not on loopback.
    """
    parts = urlsplit(text)
    try:
        host, port = _HOSTS.get(parts.hostname or ""), parts.port
    except ValueError:
        host = port = None
    if parts.scheme != "ws" or host is None or port is None or parts.query or parts.fragment or parts.username:
        raise UsageError(
            f"--listen takes ws://127.0.0.1:PORT, not {text!r}: a WebSocket on loopback alone. From another machine, "
            "send to `snapup ingest`."
        )
    return Address(host, port, parts.path or "/")


def origins_of(named: Collection[str]) -> frozenset[str]:
    """Origins that may connect, as browsers write them.

    Raises:
        UsageError: one is no origin. `null` is none: any page can have it.
    """
    for text in named:
        if not _ORIGIN.fullmatch(text):
            raise UsageError(
                f"--allow-origin takes an origin such as chrome-extension://abcd or https://desk.example, not {text!r}."
            )
    return frozenset(named)


class _Answering(web.WebSocketResponse[Literal[False]]):
    """Says why it is closed, also where aiohttp closes it."""

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        if code == WSCloseCode.MESSAGE_TOO_BIG and not message:
            message = f"a message may have {MAX_LINE_BYTES} bytes".encode()
        return await super().close(code=code, message=message, drain=drain)


class _Connection:
    """An open connection, and how many of its messages are in the inbox or further."""

    def __init__(self, websocket: _Answering) -> None:
        self.websocket = websocket
        self.taken = 0

    async def close(self, code: int, why: str) -> None:
        await self.websocket.close(code=code, message=f"{why}; messages read before: {self.taken}".encode())


class Listener:
    """Answers those who connect. Made by `listening`.

    Attributes:
        connections: how many there are, and what became of those that tried.
        url: where it listens.
    """

    def __init__(
        self, made: Bridge, inbox: Inbox, origins: frozenset[str], connections: Connections, tell: Callable[[str], None]
    ) -> None:
        self.connections = connections
        self.url = ""
        self._made = made
        self._inbox = inbox
        self._origins = origins
        self._tell = tell
        self._open: set[_Connection] = set()
        self._told: set[str] = set()
        self._over = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Take a client's messages until one of both ends it."""
        counts = self.connections
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self._origins:
            counts.foreign_origin += 1
            self._tell_of(origin[:MAX_ORIGIN_CHARS])
            return web.Response(status=403, text="A page may not send here: its Origin is not in --allow-origin.\n")
        websocket = _Answering(timeout=CLOSE_S, compress=False, max_msg_size=MAX_READ_BYTES, decode_text=False)
        if not websocket.can_prepare(request):
            return web.Response(
                status=426, headers={"Upgrade": "websocket"}, text="This is a WebSocket: connect to it with ws://.\n"
            )
        if len(self._open) >= MAX_CONNECTIONS:
            counts.too_many += 1
            return web.Response(status=503, text=f"{MAX_CONNECTIONS} connections are open, which is the most.\n")
        connection = _Connection(websocket)
        self._open.add(connection)
        counts.now = len(self._open)
        try:
            await websocket.prepare(request)
            if counts.taken:
                # What a client heard of the platform when it connected anew may be old. When the first line of a room
                # was heard is said by that line.
                self._made.connected(None)
            counts.taken += 1
            await self._hear(connection)
        finally:
            self._open.discard(connection)
            counts.now = len(self._open)
        return websocket

    async def close(self, code: int, why: str) -> None:
        """End all connections, each with this code and how many messages were taken."""
        await asyncio.gather(*(each.close(code, why) for each in self._open), return_exceptions=True)
        self._over.set()

    async def _hear(self, connection: _Connection) -> None:
        while True:
            message = await connection.websocket.receive()
            if message.type is WSMsgType.TEXT:
                raw: bytes = message.data
                if len(raw) > MAX_LINE_BYTES:
                    self._made.refuse(Reason.TOO_LARGE, raw)
                    await connection.close(
                        WSCloseCode.MESSAGE_TOO_BIG, f"this one has more than {MAX_LINE_BYTES} bytes"
                    )
                    return
                if not await self._inbox.put([line for line in raw.split(b"\n") if line]):
                    await self._over.wait()
                    await connection.close(WSCloseCode.GOING_AWAY, ENDS)
                    return
                connection.taken += 1
            elif message.type is WSMsgType.BINARY:
                self._made.refuse(Reason.NOT_TEXT, message.data)
                await connection.close(WSCloseCode.UNSUPPORTED_DATA, "this one is no text")
                return
            else:
                error = message.data
                if isinstance(error, WebSocketError) and error.code == WSCloseCode.MESSAGE_TOO_BIG:
                    # aiohttp has answered it.
                    self._made.refuse(Reason.TOO_LARGE, b"")
                return

    def _tell_of(self, origin: str) -> None:
        if origin not in self._told and len(self._told) < MAX_ORIGINS_TOLD:
            self._told.add(origin)
            self._tell(f"A page of {origin!r} wanted to connect and was refused: no --allow-origin names it.")


@asynccontextmanager
async def listening(
    at: Address,
    made: Bridge,
    inbox: Inbox,
    *,
    origins: frozenset[str],
    connections: Connections,
    tell: Callable[[str], None],
) -> AsyncIterator[Listener]:
    """Put what clients send into the inbox for as long as the block lasts.

    At its end each client is told how many of its messages were read: with 1001 where all of these are delivered, with
    1011 where the block failed, so that nobody knows.

    Raises:
        SnapupError: nobody can listen on the address.
    """
    listener = Listener(made, inbox, origins, connections, tell)
    app = web.Application()
    app.router.add_get(at.path, listener.answer)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=CLOSE_S)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, at.host, at.port).start()
        except OSError as error:
            raise SnapupError(f"Cannot listen on {at.url(at.port)}: {error.strerror or error}.") from None
        listener.url = at.url(runner.addresses[0][1])
        try:
            yield listener
        except BaseException:
            await listener.close(WSCloseCode.INTERNAL_ERROR, "the bridge failed, send the last minutes again")
            raise
        await listener.close(WSCloseCode.GOING_AWAY, ENDS)
    finally:
        await runner.cleanup()
