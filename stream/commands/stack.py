"""`snapup stack up|down|status|env`: the local Kafka and Redis that keep running.

Shell code goes to stdout, everything else to stderr: `eval "$(snapup stack up)"` works.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from stream import topics
from stream.errors import SnapupError
from stream.local import kept
from stream.local.settings import load_local_settings
from stream.settings import ways_in
from stream.topics import TimestampType

stack_app = typer.Typer(
    name="stack", help="A real Kafka and Redis on this machine, without Docker.", no_args_is_help=True
)

_talk = Console(stderr=True, highlight=False, soft_wrap=True)

Port = Annotated[int | None, typer.Option(min=1, max=65_535, help="Default: a free one, kept from the last time.")]


@stack_app.command()
def up(
    *,
    kafka_port: Port = None,
    redis_port: Port = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the data go; default: the state folder.")] = None,
    prefix: Annotated[str, typer.Option(envvar="SNAPUP_TOPIC_PREFIX")] = topics.DEFAULT_PREFIX,
    partitions: Annotated[int | None, typer.Option(min=1, max=1000, help="Of every topic.")] = None,
    timestamp_type: Annotated[
        TimestampType | None, typer.Option(help="Of the input topics; CreateTime for imports and sped-up shows.")
    ] = None,
) -> None:
    """Start Kafka and Redis, create the topics, and print what to export."""
    with _talk.status("Starting Kafka and Redis (the first time also fetches Kafka's jars)..."):
        started = kept.up(
            load_local_settings(),
            kafka_port=kafka_port,
            redis_port=redis_port,
            folder=data_dir,
            prefix=prefix,
            partitions=partitions,
            timestamp_type=timestamp_type,
        )
    _talk.print(f"Kafka and Redis are up; data in {started.folder}. End them with `snapup stack down`.")
    _print_environment(started)


@stack_app.command()
def down(
    *, wipe: Annotated[bool, typer.Option("--wipe", help="Delete the stack's topics and logs too.")] = False
) -> None:
    """End exactly the servers that `up` started."""
    ended = kept.down(load_local_settings(), wipe=wipe)
    _talk.print(f"Ended: {' and '.join(ended)}." if ended else "No local stack was up.")
    if wipe:
        _talk.print("Its data are deleted.")


@stack_app.command()
def status() -> None:
    """Show each server's health; exit code 1 unless all are well."""
    state = kept.read_state(load_local_settings())
    if state is None or not state.running():
        raise SnapupError("No local stack is up: start one with `snapup stack up`.")
    table = Table("server", "address", "process", "answers", Column("log", overflow="fold"))
    parts = kept.health(state)
    for part in parts:
        process = f"runs (pid {part.pid})" if part.lives else "[red]gone[/]"
        answers = "yes" if part.answers else "[red]no[/]"
        table.add_row(part.name, f"127.0.0.1:{part.port}", process, answers, part.log)
    Console().print(table)
    unwell = [part.name for part in parts if not part.healthy]
    if unwell:
        raise SnapupError(f"Not well: {' and '.join(unwell)}. `snapup stack down`, then `snapup stack up`.")


@stack_app.command()
def env() -> None:
    """Print what to export to use the stack that is up."""
    state = kept.read_state(load_local_settings())
    if state is None or not state.running():
        raise SnapupError("No local stack is up: start one with `snapup stack up`.")
    _print_environment(state)


def _print_environment(state: kept.KeptStack) -> None:
    for name, value in state.environment().items():
        typer.echo(f"export {name}={shlex.quote(value)}")
    for name in ways_in(os.environ):  # the local servers need no credentials
        typer.echo(f"unset {name}")
