"""`snapup topics apply|check|list`: the declared topics against a cluster."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from stream import topics
from stream.errors import SnapupError
from stream.settings import load_settings
from stream.topics import Status, TimestampType, TopicReport
from stream.worker.checkpoint import OutputTopics
from stream.worker.preflight import check_outputs

if TYPE_CHECKING:
    from stream.kafka_clients import Brokers

topics_app = typer.Typer(name="topics", help="Create and compare the declared Kafka topics.", no_args_is_help=True)

Bootstrap = Annotated[str, typer.Option(envvar="SNAPUP_BOOTSTRAP_SERVERS", help="host:port, comma separated.")]
Prefix = Annotated[str, typer.Option(envvar="SNAPUP_TOPIC_PREFIX", help="Put before each name, with a dot.")]
Partitions = Annotated[int | None, typer.Option(envvar="SNAPUP_PARTITIONS", min=1, help="Of every topic.")]
Replication = Annotated[
    int | None, typer.Option("--replication-factor", envvar="SNAPUP_REPLICATION_FACTOR", min=1, help="Of every topic.")
]
Timestamps = Annotated[
    TimestampType | None,
    typer.Option(
        "--timestamp-type", envvar="SNAPUP_TIMESTAMP_TYPE", help="Of the input topics; CreateTime for imports."
    ),
]
TopicsFile = Annotated[Path | None, typer.Option("--file", envvar="SNAPUP_TOPICS_FILE", help="Another topics.toml.")]

_DEFAULT_BOOTSTRAP = "127.0.0.1:9092"
_COLOURS = {Status.CREATED: "green", Status.EXISTS: "default", Status.DIFFERS: "yellow", Status.MISSING: "red"}


@topics_app.command()
def apply(
    *,
    bootstrap_servers: Bootstrap = _DEFAULT_BOOTSTRAP,
    prefix: Prefix = topics.DEFAULT_PREFIX,
    partitions: Partitions = None,
    replication_factor: Replication = None,
    timestamp_type: Timestamps = None,
    file: TopicsFile = None,
) -> None:
    """Create the topics that are missing. Existing ones are never changed; doing it twice changes nothing."""
    specs = topics.declared(
        prefix,
        partitions=partitions,
        replication_factor=replication_factor,
        timestamp_type=timestamp_type,
        path=file,
    )
    _show(asyncio.run(topics.apply(_brokers(bootstrap_servers), specs)))


@topics_app.command()
def check(
    *,
    bootstrap_servers: Bootstrap = _DEFAULT_BOOTSTRAP,
    prefix: Prefix = topics.DEFAULT_PREFIX,
    file: TopicsFile = None,
) -> None:
    """Say whether a worker could start: every topic there, all with one partition count, none that loses data."""
    specs = topics.declared(prefix, path=file)
    settings = load_settings(bootstrap_servers=bootstrap_servers, topic_prefix=prefix)
    counts = asyncio.run(topics.check(_brokers(bootstrap_servers), [spec.name for spec in specs]))
    asyncio.run(check_outputs(settings.brokers(), OutputTopics.of(prefix), settings.signal_max_bytes))
    for sentence in asyncio.run(topics.check_settings(_brokers(bootstrap_servers), specs)):
        typer.secho(f"Warning: {sentence}", fg="yellow", err=True)
    typer.echo(f"{len(counts)} topics under {prefix!r}, each with {next(iter(counts.values()))} partitions.")


@topics_app.command(name="list")
def list_(
    *,
    bootstrap_servers: Bootstrap = _DEFAULT_BOOTSTRAP,
    prefix: Prefix = topics.DEFAULT_PREFIX,
    partitions: Partitions = None,
    replication_factor: Replication = None,
    timestamp_type: Timestamps = None,
    file: TopicsFile = None,
) -> None:
    """Compare what is declared with the cluster; changes nothing, exit code 1 unless all is as declared."""
    specs = topics.declared(
        prefix,
        partitions=partitions,
        replication_factor=replication_factor,
        timestamp_type=timestamp_type,
        path=file,
    )
    reports = asyncio.run(topics.compare(_brokers(bootstrap_servers), specs))
    _show(reports)
    odd = [report.name for report in reports if report.status is not Status.EXISTS]
    if odd:
        raise SnapupError(f"Not as declared: {', '.join(odd)}.")


def _brokers(bootstrap_servers: str) -> Brokers:
    """The cluster, with the TLS and SASL of the environment."""
    return load_settings(bootstrap_servers=bootstrap_servers).brokers()


def _show(reports: list[TopicReport]) -> None:
    table = Table("topic", "status", "partitions", "differences")
    for report in reports:
        colour = _COLOURS[report.status]
        table.add_row(
            report.name, f"[{colour}]{report.status}[/]", str(report.partitions), "\n".join(report.differences)
        )
    Console().print(table)
