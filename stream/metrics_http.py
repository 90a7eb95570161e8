"""`/metrics` of a command that serves nothing else."""

from __future__ import annotations

import errno
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from stream.errors import SnapupError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from prometheus_client import CollectorRegistry


@asynccontextmanager
async def serving_metrics(registry: CollectorRegistry, host: str, port: int) -> AsyncIterator[int]:
    """Serve /metrics for as long as the block lasts. Gives the port.

    Raises:
        SnapupError: the server cannot listen on the address.
    """

    async def answer(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    app = web.Application()
    app.router.add_get("/metrics", answer)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise SnapupError(
                    f"Port {port} on {host} is in use: choose another with --metrics-port or SNAPUP_METRICS_PORT."
                ) from None
            raise SnapupError(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from None
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
