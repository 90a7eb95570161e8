"""`snapup serve`: overlays for browsers: snapshots, event streams, pages."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stream.settings import load_settings

if TYPE_CHECKING:
    from stream.serve.app import Server

Host = Annotated[
    str | None, typer.Option(help="Where to listen; elsewhere than on loopback SNAPUP_TOKEN_SECRET is needed.")
]
Port = Annotated[int | None, typer.Option(min=0, max=65_535, help="The port; 0 takes a free one.")]
RedisUrl = Annotated[str | None, typer.Option(help="Redis that holds the overlays.")]
Prefix = Annotated[str | None, typer.Option(help="Prefix of the keys.")]
Level = Annotated[Literal["debug", "info", "warning", "error"] | None, typer.Option(help="Least level that is logged.")]


def serve(
    *,
    host: Host = None,
    port: Port = None,
    redis_url: RedisUrl = None,
    topic_prefix: Prefix = None,
    log_level: Level = None,
) -> None:
    """Serve overlays to browsers. Start as many as you like: they hold nothing.

    Every other setting is read from SNAPUP_* variables.
    """
    settings = load_settings(
        serve_host=host, serve_port=port, redis_url=redis_url, topic_prefix=topic_prefix, log_level=log_level
    )
    # The server takes a moment to import: the other commands do without it.
    from stream.serve.app import run_server  # noqa: PLC0415
    from stream.worker.logs import configure_logging  # noqa: PLC0415

    configure_logging(settings.log_level)

    def announce(server: Server) -> None:
        address = f"[{settings.serve_host}]" if ":" in settings.serve_host else settings.serve_host
        top = f"http://{address}:{server.port}"
        for what, path in (("overlay", "/overlay?room=ROOM"), ("builder", "/builder"), ("console", "/console")):
            typer.echo(f"{what:8} {top}{path}", err=True)

    asyncio.run(run_server(settings, announce))
