"""`snapup worker`: folds the live topics into overlays until it is stopped."""

from __future__ import annotations

import gc
import sys
from typing import Annotated, Literal

import typer

from stream.settings import load_settings

Bootstrap = Annotated[str | None, typer.Option(help="Kafka brokers, host:port, comma separated.")]
RedisUrl = Annotated[str | None, typer.Option(help="Redis that overlays read.")]
Prefix = Annotated[str | None, typer.Option(help="Prefix of topics and Redis keys.")]
Group = Annotated[str | None, typer.Option(help="Consumer group: workers of one group share the partitions.")]
Member = Annotated[
    str | None,
    typer.Option(help="Static membership: a unique, stable name, so that a quick restart stops nobody else."),
]
Clock = Annotated[
    Literal["wall", "log"] | None,
    typer.Option(help="What moves a silent room: the wall clock, or only the log (imports, shows at N times speed)."),
]
Host = Annotated[str | None, typer.Option(help="Where /metrics, /healthz and /readyz listen.")]
Port = Annotated[int | None, typer.Option(min=0, max=65_535, help="Their port; 0 takes a free one.")]
Level = Annotated[Literal["debug", "info", "warning", "error"] | None, typer.Option(help="Least level that is logged.")]
AcceptLoss = Annotated[
    bool, typer.Option("--accept-data-loss", help="Go on where saved offsets are no longer in the log, this once.")
]


def worker(
    *,
    bootstrap_servers: Bootstrap = None,
    redis_url: RedisUrl = None,
    topic_prefix: Prefix = None,
    group: Group = None,
    member_name: Member = None,
    clock: Clock = None,
    metrics_host: Host = None,
    metrics_port: Port = None,
    log_level: Level = None,
    accept_data_loss: AcceptLoss = False,
) -> None:
    """Fold the live topics into signals and overlays. Start as many as you like: they share the partitions.

    Every other setting is read from SNAPUP_* variables.
    """
    settings = load_settings(
        bootstrap_servers=bootstrap_servers,
        redis_url=redis_url,
        topic_prefix=topic_prefix,
        group=group,
        member_name=member_name,
        clock=clock,
        metrics_host=metrics_host,
        metrics_port=metrics_port,
        log_level=log_level,
    )
    # Faust and aiokafka take a moment to import: the other commands do without them.
    gc.disable()  # imports make no garbage; `run_worker` sets the collection up
    without_rich()
    from stream.mechanics.folds import INSTALLED  # noqa: PLC0415
    from stream.worker.app import run_until_asked  # noqa: PLC0415

    run_until_asked(settings, accept_data_loss=accept_data_loss, mechanics=INSTALLED)


def without_rich() -> None:
    """Import structlog without Rich, which structlog loads for consoles. A worker logs JSON and must start quickly."""
    if "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment] # as if it were not installed
    try:
        import structlog  # noqa: F401, PLC0415
    finally:
        del sys.modules["rich"]
