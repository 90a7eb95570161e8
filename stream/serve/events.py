"""The event stream on the wire: what a snapshot event says, byte by byte, and the connection that it is written to.

    event: snapshot
    id: <epoch>-<rev>
    data: {"server_time_ms": …, "state": "live", "overlay": {…}}

Only a live snapshot has an id. Every other empties it, so that a reader who comes back is told anew whatever he shows.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from stream.serve.documents import Document, State, Unreadable

if TYPE_CHECKING:
    from stream.serve.documents import Sight
    from stream.serve.feed import Room

RETRY_MS = 1_000
# What the kernel may hold of one stream: a slow reader must not find minutes of old snapshots there.
SEND_BUFFER_BYTES = 128 << 10
UNSENT_BYTES = 16 << 10
# A peer that acknowledges nothing for so long is gone.
UNACKNOWLEDGED_MS = 30_000


class Frame:
    """Bytes of the stream, as they are and as a chunk of a chunked answer; shared by all streams of a room."""

    __slots__ = ("chunk", "plain")

    def __init__(self, plain: bytes) -> None:
        self.plain = plain
        self.chunk = b"%x\r\n%b\r\n" % (len(plain), plain)


PING = Frame(b": ping\n\n")


def retry_frame(retry_ms: int) -> Frame:
    """How long the reader is to wait before he connects again."""
    return Frame(b"retry: %d\n\n" % retry_ms)


class View(Struct, frozen=True):
    """What is to be shown of a room: equal views need not be sent twice."""

    state: State
    epoch: int = 0
    rev: int = 0
    as_of_ms: int = 0
    detail: str = ""

    @property
    def event_id(self) -> str:
        """What the reader names when he comes back; "" where he must be told anew."""
        return f"{self.epoch}-{self.rev}" if self.state is State.LIVE else ""


def view_of(state: State, sight: Sight | None) -> View:
    """What there is to show."""
    match sight.found if sight is not None else None:
        case Document() as document:
            return View(state, document.epoch, document.rev, document.as_of_ms)
        case Unreadable(detail=detail) if state is State.UNREADABLE:
            return View(state, detail=detail)
        case _:
            return View(state)


def snapshot_frame(view: View, document: Document | None, server_time_ms: int) -> Frame:
    """One snapshot event."""
    overlay = b"null" if document is None else document.raw
    detail = b',"detail":' + msgspec.json.encode(view.detail) if view.detail else b""
    return Frame(
        b'event: snapshot\nid: %b\ndata: {"server_time_ms":%d,"state":"%b"%b,"overlay":%b}\n\n'
        % (view.event_id.encode(), server_time_ms, view.state.value.encode(), detail, overlay)
    )


class Stream:
    """One reader's connection.

    Never more than one snapshot waits in it: while the last one has not gone, newer ones are skipped, and the newest is
    sent when it has.

    Args:
        transport: of the connection.
        room: that is shown.
        chunked: whether the answer is chunked (HTTP/1.1).
        expires_s: wall clock at which the reader's token ends; None: never.

    Attributes:
        view: what the reader was sent last; None: nothing yet.
        behind_since: monotonic time since which something waits in it; None: nothing does.
        wrote_at: monotonic time of the last write.
        done: set when it has to end.
    """

    __slots__ = ("_chunked", "_transport", "behind_since", "done", "expires_s", "room", "view", "wrote_at")

    def __init__(self, transport: asyncio.Transport, room: Room, *, chunked: bool, expires_s: float | None) -> None:
        self._transport = transport
        self._chunked = chunked
        self.room = room
        self.expires_s = expires_s
        self.view: View | None = None
        self.behind_since: float | None = None
        self.wrote_at = 0.0
        self.done = asyncio.Event()
        _bound_buffers(transport)

    def is_blocked(self, now_s: float) -> bool:
        """Whether something still waits in it; the time since which it does is kept."""
        if self._transport.get_write_buffer_size() and not self._transport.is_closing():
            if self.behind_since is None:
                self.behind_since = now_s
            return True
        self.behind_since = None
        return False

    def write(self, frame: Frame, now_s: float) -> bool:
        """Write unless something still waits; whether it was written."""
        if self.is_blocked(now_s):
            return False
        if not self._transport.is_closing():  # else its handler is about to be told
            self.wrote_at = now_s
            self._transport.write(frame.chunk if self._chunked else frame.plain)
        return True

    def drop(self) -> None:
        """Let go of the connection at once: what waits in it is lost."""
        self._transport.abort()
        self.done.set()


def _bound_buffers(transport: asyncio.Transport) -> None:
    """Keep what waits for a slow reader small; best effort, for the limits are the kernel's."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    options = [(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)]
    for name, value in (("TCP_NOTSENT_LOWAT", UNSENT_BYTES), ("TCP_USER_TIMEOUT", UNACKNOWLEDGED_MS)):
        if (option := getattr(socket, name, None)) is not None:
            options.append((socket.IPPROTO_TCP, option, value))
    for level, option, value in options:
        try:
            sock.setsockopt(level, option, value)
        except OSError:
            continue
