"""The event stream on the wire: the text of its events, and the connection that they are written to.

    event: snapshot
    id: <epoch>-<rev>
    data: {"server_time_ms": …, "state": "live", "pipeline": {…}, "overlay": {…}}

A stream of a cut document also has `fresh` events: the document sent last still holds, with new times.

    event: fresh
    id: <epoch>-<rev>
    data: {"server_time_ms": …, "state": "live", "fresh": {"epoch": …, "rev": …, …}}

Only a live snapshot under workers that are up has an id. Every other snapshot empties the id: a returning reader is
then sent a snapshot in any case.
"""

from __future__ import annotations

import asyncio
import socket
import zlib
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from stream.contract.heartbeat import PipelineState
from stream.contract.sight import State, Unreadable
from stream.serve.cut import WHOLE, Cut
from stream.serve.documents import Document
from stream.serve.frames import GZIP_HEAD, NOWHERE, Frame, chunk_of, gzip_tail

if TYPE_CHECKING:
    from stream.contract.heartbeat import Pipeline
    from stream.serve.documents import DocumentSight
    from stream.serve.room_follower import FollowedRoom

RETRY_MS = 1_000
# Bounds on what the kernel holds of one stream: a slow reader must not find minutes of old snapshots there.
SEND_BUFFER_BYTES = 128 << 10
UNSENT_BYTES = 16 << 10
# A peer that acknowledges nothing for this long is gone.
UNACKNOWLEDGED_MS = 30_000


PING = Frame(b": ping\n\n")


def retry_frame(retry_ms: int) -> Frame:
    """The frame that says how long a reader waits before it connects again."""
    return Frame(b"retry: %d\n\n" % retry_ms)


class View(Struct, frozen=True):
    """What to show of a room. Equal views need not be sent twice."""

    state: State
    epoch: int = 0
    rev: int = 0
    as_of_ms: int = 0
    detail: str = ""
    pipeline: PipelineState | None = None

    @property
    def event_id(self) -> str:
        """The id that a returning reader names; "" if that reader must be sent a snapshot in any case."""
        is_usual = self.state is State.LIVE and self.pipeline in (None, PipelineState.UP)
        return f"{self.epoch}-{self.rev}" if is_usual else ""


def view_of(state: State, sight: DocumentSight | None, pipeline: PipelineState | None = None) -> View:
    """The view of a state, the last look, and the workers. Without Redis nothing is known of workers."""
    told = None if state is State.REDIS_AWAY else pipeline
    match sight.found if sight is not None else None:
        case Document() as document:
            return View(state, document.epoch, document.rev, document.as_of_ms, pipeline=told)
        case Unreadable(detail=detail) if state is State.UNREADABLE:
            return View(state, detail=detail, pipeline=told)
        case _:
            return View(state, pipeline=told)


def snapshot_text(
    view: View, overlay: bytes | None, server_time_ms: int, pipeline: Pipeline | None = None, cut: Cut = WHOLE
) -> bytes:
    """One snapshot event. `overlay`: one line of JSON. The event tells of the workers if the view does."""
    detail = b',"detail":' + msgspec.json.encode(view.detail) if view.detail else b""
    of = b"" if cut.is_whole else b',"cut":' + msgspec.json.encode(cut)
    return b'event: snapshot\nid: %b\ndata: {%b%b%b,"overlay":%b}\n\n' % (
        view.event_id.encode(),
        _head(view, server_time_ms, pipeline),
        detail,
        of,
        b"null" if overlay is None else overlay,
    )


def fresh_text(view: View, times: bytes, server_time_ms: int, pipeline: Pipeline | None = None) -> bytes:
    """One event that says: the cut document sent last still holds, with these times."""
    head = _head(view, server_time_ms, pipeline)
    return b'event: fresh\nid: %b\ndata: {%b,"fresh":%b}\n\n' % (view.event_id.encode(), head, times)


def _head(view: View, server_time_ms: int, pipeline: Pipeline | None) -> bytes:
    workers = b"" if view.pipeline is None else b',"pipeline":' + msgspec.json.encode(pipeline)
    return b'"server_time_ms":%d,"state":"%b"%b' % (server_time_ms, view.state.value.encode(), workers)


class Stream:
    """One reader's connection.

    At most one snapshot waits in the connection: until it is sent, newer snapshots are skipped, and the newest follows
    it.

    Args:
        transport: the transport of the connection.
        room: the room that is shown.
        chunked: whether the answer is chunked (HTTP/1.1).
        expires_s: wall clock at which the reader's token ends; None: never.
        cut: what of the room is shown.
        packed: whether the answer is compressed, as gzip.

    Attributes:
        view: the view last sent to the reader; None: nothing yet.
        content: the number of the cut document sent last, as its channel counts them; 0: none.
        behind_since: monotonic time since which bytes wait in the connection; None: none wait.
        wrote_at: monotonic time of the last write.
        done: set when the stream has to end.
    """

    __slots__ = (
        *("_chunked", "_crc", "_ended", "_packed", "_place", "_size", "_transport"),
        *("behind_since", "content", "cut", "done", "expires_s", "room", "view", "wrote_at"),
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        room: FollowedRoom,
        *,
        chunked: bool,
        expires_s: float | None,
        cut: Cut = WHOLE,
        packed: bool = False,
    ) -> None:
        self._transport = transport
        self._chunked = chunked
        self._packed = packed
        self._place = NOWHERE
        self._crc = self._size = 0
        self._ended = False
        self.room = room
        self.cut = cut
        self.expires_s = expires_s
        self.view: View | None = None
        self.content = 0
        self.behind_since: float | None = None
        self.wrote_at = 0.0
        self.done = asyncio.Event()
        _bound_buffers(transport)

    def is_blocked(self, now_s: float) -> bool:
        """Whether bytes still wait in the connection. Keeps the time since which they wait."""
        if self._transport.get_write_buffer_size() and not self._transport.is_closing():
            if self.behind_since is None:
                self.behind_since = now_s
            return True
        self.behind_since = None
        return False

    def write(self, frame: Frame, now_s: float) -> bool:
        """Whether the frame was written: nothing is written while bytes still wait."""
        if self.is_blocked(now_s):
            return False
        if not self._transport.is_closing():  # if it is closing, aiohttp is about to cancel the handler
            self.wrote_at = now_s
            self._transport.write(self._bytes_of(frame))
        return True

    def _bytes_of(self, frame: Frame) -> bytes:
        if not self._packed:
            return frame.chunk if self._chunked else frame.plain
        data = frame.packed(self._place)
        if not self._size:
            data = GZIP_HEAD + data
        self._place = frame.place_after(self._place)
        self._crc = zlib.crc32(frame.plain, self._crc)
        self._size += len(frame.plain)
        return chunk_of(data) if self._chunked else data

    def end(self) -> None:
        """Write the end of a compressed stream. Nothing may be written after it."""
        if self._packed and self._size and not self._ended and not self._transport.is_closing():
            self._ended = True
            tail = gzip_tail(self._crc, self._size)
            self._transport.write(chunk_of(tail) if self._chunked else tail)

    def drop(self) -> None:
        """Abort the connection at once. Its waiting bytes are lost."""
        self._transport.abort()
        self.done.set()


def _bound_buffers(transport: asyncio.Transport) -> None:
    """Keep the buffers for a slow reader small, as far as the kernel allows."""
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
