"""`snapup audit`: whether what the overlays show follows from the log. The counting code shares nothing."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console

from stream.commands.verdict_view import audit_line, show_verdict
from stream.errors import EXIT_FAILURE
from stream.mechanics.folds import INSTALLED
from stream.mechanics.recounts import COUNTED_AGAIN
from stream.settings import load_settings
from stream.verify.audit import Where
from stream.verify.audit import audit as audit_once
from stream.verify.room_count import Assumptions
from stream.verify.rulebook import assumptions_of_rules

if TYPE_CHECKING:
    from stream.settings import Settings
    from stream.verify.verdict import Verdict

_talk = Console(stderr=True, highlight=False, soft_wrap=True)


def audit(
    room: Annotated[str | None, typer.Argument(help="Compare this room only.")] = None,
    *,
    bootstrap_servers: Annotated[str | None, typer.Option(help="host:port, comma separated.")] = None,
    redis_url: Annotated[str | None, typer.Option(help="Redis that overlays read.")] = None,
    topic_prefix: Annotated[str | None, typer.Option(help="Of topics and Redis keys.")] = None,
    deadline_s: Annotated[float, typer.Option(min=0, help="How long the workers may take to catch up.")] = 30.0,
    full: Annotated[
        bool, typer.Option("--full", help="Every difference, room and rule; with ROOM its every figure.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The whole verdict as one JSON object.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Again and again, with /metrics, until stopped.")] = False,
    interval_s: Annotated[float, typer.Option(min=1, help="From one audit to the next, with --watch.")] = 60.0,
    metrics_host: Annotated[str | None, typer.Option(help="Where /metrics listens, with --watch.")] = None,
    metrics_port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Its port; 0 takes a free one.")] = None,
) -> None:
    """Count every record of the topics again, and compare with what workers saved, published and show.

    Exact while they work: the log is counted up to a checkpoint of each partition, and compared with the documents and
    dead letters of that checkpoint, and with Redis. The settings are those that the workers wrote into the journal.
    Reads only. Exit code 1 when anything differs, 2 when there is no such room.
    """
    settings = load_settings(
        bootstrap_servers=bootstrap_servers,
        redis_url=redis_url,
        topic_prefix=topic_prefix,
        metrics_host=metrics_host,
        metrics_port=metrics_port,
    )
    if watch:
        if room is not None:
            raise typer.BadParameter("a watch looks at all rooms: leave the room out", param_hint="ROOM")
        asyncio.run(_watch(settings, interval_s, deadline_s, as_json=as_json))
        return
    with _talk.status("Counting the log...") as status:
        verdict = asyncio.run(
            audit_once(
                where_of(settings),
                assumptions_of(settings),
                room_id=room,
                deadline_s=deadline_s,
                report=lambda text: status.update(f"Waiting: {text}"),
                mechanics=COUNTED_AGAIN,
            )
        )
    if as_json:
        typer.echo(msgspec.json.encode({"verdict": verdict.line, **msgspec.to_builtins(verdict)}))
    else:
        show_verdict(verdict, Console(highlight=False), full=full, one_room=room is not None)
        typer.echo(verdict.line)
    if verdict.differences:
        raise typer.Exit(EXIT_FAILURE)


async def _watch(settings: Settings, interval_s: float, deadline_s: float, *, as_json: bool) -> None:
    """Watch until SIGINT or SIGTERM."""
    # The HTTP server takes a moment to import: one audit does without it.
    from stream.metrics_http import serving_metrics  # noqa: PLC0415
    from stream.verify.watch import AuditMetrics, watch  # noqa: PLC0415

    def audited(verdict: Verdict) -> None:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if as_json:
            told = {"at": at, "verdict": verdict.line, "differences": verdict.told(), "cut": verdict.cut}
            typer.echo(msgspec.json.encode(told | {"accounts": verdict.accounts, "waited_s": verdict.waited_s}))
            return
        typer.echo(f"{at} {audit_line(verdict)}")
        for text in verdict.told():
            typer.echo(f"{at}   {text}")

    def failed(text: str) -> None:
        typer.echo(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} NOT AUDITED: {text}", err=True)

    metrics = AuditMetrics()
    async with serving_metrics(metrics.registry, settings.metrics_host, settings.metrics_port) as port:
        typer.echo(f"metrics http://{settings.metrics_host}:{port}/metrics", err=True)
        watching = asyncio.ensure_future(
            watch(
                where_of(settings),
                assumptions_of(settings),
                metrics,
                interval_s=interval_s,
                deadline_s=deadline_s,
                audited=audited,
                failed=failed,
                mechanics=COUNTED_AGAIN,
            )
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, watching.cancel)
        await asyncio.wait([watching])
        if not watching.cancelled():
            watching.result()


def where_of(settings: Settings) -> Where:
    """The log and the Redis of these settings."""
    return Where(bootstrap_servers=settings.brokers(), redis_url=settings.redis(), prefix=settings.topic_prefix)


def assumptions_of(settings: Settings) -> Assumptions:
    """The assumptions of a recount for workers under these settings."""
    return assumptions_of_rules(msgspec.to_builtins(settings.rules(INSTALLED)))
