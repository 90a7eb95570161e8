"""`snapup ingest`: the HTTP gateway: events over HTTP into Kafka."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stream.settings import load_settings

if TYPE_CHECKING:
    from stream.ingest.app import Gateway

Host = Annotated[
    str | None, typer.Option(help="Where to listen; elsewhere than on loopback SNAPUP_INGEST_KEYS_FILE is needed.")
]
Port = Annotated[int | None, typer.Option(min=0, max=65_535, help="The port; 0 takes a free one.")]
Keys = Annotated[Path | None, typer.Option(help="The file of keys; read again when it changes.")]
Servers = Annotated[str | None, typer.Option(help="Kafka brokers, host:port, comma separated.")]
Prefix = Annotated[str | None, typer.Option(help="Prefix of the topics.")]
Level = Annotated[Literal["debug", "info", "warning", "error"] | None, typer.Option(help="Least level that is logged.")]


def ingest(
    *,
    host: Host = None,
    port: Port = None,
    keys: Keys = None,
    bootstrap_servers: Servers = None,
    topic_prefix: Prefix = None,
    log_level: Level = None,
) -> None:
    """Take events over HTTP and put them into Kafka. Start as many as you like: they hold nothing.

    Every other setting is read from SNAPUP_* variables.
    """
    settings = load_settings(
        ingest_host=host,
        ingest_port=port,
        ingest_keys_file=keys,
        bootstrap_servers=bootstrap_servers,
        topic_prefix=topic_prefix,
        log_level=log_level,
    )
    # The gateway takes a moment to import: the other commands do without it.
    from stream.ingest.app import run_gateway  # noqa: PLC0415
    from stream.mechanics.kinds import CATALOGUE  # noqa: PLC0415
    from stream.worker.logs import configure_logging  # noqa: PLC0415

    configure_logging(settings.log_level)

    def announce(gateway: Gateway) -> None:
        address = f"[{settings.ingest_host}]" if ":" in settings.ingest_host else settings.ingest_host
        typer.echo(f"events  http://{address}:{gateway.port}/v1/events", err=True)
        typer.echo(f"metrics http://{settings.metrics_host}:{gateway.metrics_port}/metrics", err=True)

    asyncio.run(run_gateway(settings, CATALOGUE, announce))
