"""A TCP proxy before Redis that can be made slow."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

from stream.local.ports import LOOPBACK, free_ports

if TYPE_CHECKING:
    from types import TracebackType

CHUNK_BYTES = 256 * 1024


class SlowProxy:
    """Forwards connections; each answer comes `delay_s` late. Counts the delayed answers."""

    def __init__(self, port_behind: int) -> None:
        self._port_behind = port_behind
        (self.port,) = free_ports(1)
        self.delay_s = 0.0
        self.delayed = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def lead_to(self, port: int) -> None:
        """Lead new connections to this port; open ones stay where they are."""
        self._port_behind = port

    @property
    def url(self) -> str:
        """The address for Redis clients."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            behind_reader, behind_writer = await asyncio.open_connection(LOOPBACK, self._port_behind)
        except OSError:
            writer.close()
            return
        for source, target, slow in ((reader, behind_writer, False), (behind_reader, writer, True)):
            task = asyncio.create_task(self._forward(source, target, slow=slow))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, slow: bool) -> None:
        try:
            with contextlib.suppress(OSError):
                while chunk := await source.read(CHUNK_BYTES):
                    if slow and self.delay_s:
                        self.delayed += 1
                        await asyncio.sleep(self.delay_s)
                    target.write(chunk)
                    await target.drain()
        finally:
            target.close()
