"""`snapup simulate SCENARIO`: plays a show whose every figure is known beforehand."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from stream.commands.expected_table import expected_tables
from stream.commands.whole_file import check_target
from stream.errors import EXIT_FAILURE, UsageError
from stream.mechanics.scenarios import NAMES, build
from stream.settings import load_settings
from stream.shows.player import Played, play_to_file, play_to_kafka

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stream.shows.show import Show

# The default beginning of a recording: 10 October 2017, 20:00 in Hangzhou. It is fixed, so that the same seed gives the
# same file.
RECORDING_T0_MS = 1_507_636_800_000
MAX_SPEED = 1_000_000
LINE_EVERY_S = 5.0
# Kafka accepts records up to an hour ahead of its clock.
MAX_AHEAD_MS = 30 * 60_000
SCENARIO_HELP = f"One of: {', '.join(NAMES)}."

_talk = Console(stderr=True, highlight=False, soft_wrap=True)


def _scenarios(incomplete: str) -> list[str]:
    """The scenarios that complete the word, for the shell."""
    return [name for name in NAMES if name.startswith(incomplete)]


def simulate(
    scenario: Annotated[str, typer.Argument(help=SCENARIO_HELP, autocompletion=_scenarios)],
    *,
    to: Annotated[str, typer.Option(help="kafka, or a file: NDJSON, compressed when it ends in .gz.")] = "kafka",
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another show of the same kind.")] = 1,
    speed: Annotated[
        str,
        typer.Option(
            help="Times the show's own speed, or max; then its time runs ahead of the wall clock, and workers need "
            "SNAPUP_RECORD_TIMES=trusted."
        ),
    ] = "1",
    scale: Annotated[
        float, typer.Option(help="The share that takes part, such as 0.01; for viya-2017 and the other large ones.")
    ] = 1.0,
    room: Annotated[
        str | None, typer.Option(help="Default: the scenario's name. Twice into one room, a show counts once.")
    ] = None,
    t0_ms: Annotated[
        int | None,
        typer.Option(min=0, help="The show's beginning (UTC epoch ms); default: now, or so that it ends now."),
    ] = None,
    ack_journal: Annotated[Path | None, typer.Option(help="One line for each record that Kafka acknowledged.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", "--force", help="Replace a recording or a journal that is there.")
    ] = False,
    bootstrap_servers: Annotated[str | None, typer.Option(help="host:port, comma separated.")] = None,
    topic_prefix: Annotated[str | None, typer.Option(help="Put before each topic's name, with a dot.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The expected figures as one JSON object.")] = False,
) -> None:
    """Play a seeded show into Kafka or a file, and print what it must add up to."""
    settings = load_settings(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    times = _speed(speed)
    show = build(scenario, seed, room, scale)
    for target in (None if to == "kafka" else Path(to), ack_journal):
        if target is not None:
            check_target(target, overwrite=overwrite)
    with _progress(show) as report:
        if to == "kafka":
            played = asyncio.run(
                play_to_kafka(
                    show,
                    settings.brokers(),
                    settings.topic_prefix,
                    t0_ms=beginning_ms(show, times, time.time_ns() // 1_000_000) if t0_ms is None else t0_ms,
                    speed=times,
                    journal=ack_journal,
                    report=report,
                )
            )
        else:
            played = play_to_file(show, Path(to), t0_ms=RECORDING_T0_MS if t0_ms is None else t0_ms, report=report)
    _tell(show, played, to, as_json=as_json)
    if played.interrupted:
        raise typer.Exit(EXIT_FAILURE)


def beginning_ms(show: Show, speed: float | None, now_ms: int) -> int:
    """The beginning of a show sent now: now, or earlier if its records would run too far ahead for Kafka."""
    duration_ms = show.expected.duration_ms
    ahead_ms = duration_ms if speed is None else int(duration_ms * (1 - 1 / speed))
    return now_ms if ahead_ms <= MAX_AHEAD_MS else now_ms - ahead_ms


def _speed(text: str) -> float | None:
    """The factor on the show's own speed; None: as fast as possible."""
    if text == "max":
        return None
    try:
        times = float(text)
    except ValueError:
        times = 0.0
    if not 0 < times < MAX_SPEED:
        raise UsageError(f"--speed {text}: give a number such as 1 or 2.5, or max.")
    return times


def _tell(show: Show, played: Played, to: str, *, as_json: bool) -> None:
    if as_json:
        told = {"scenario": show.name, "seed": show.seed, "played": played, "expected": show.expected}
        typer.echo(msgspec.json.encode(told))
        return
    console = Console(highlight=False)
    for table in expected_tables(show.expected):
        console.print(table)
    if played.interrupted:
        _talk.print(
            f"[yellow]Interrupted:[/] {played.acknowledged} of {show.expected.deliveries} records went to {to}."
        )
    else:
        _talk.print(f"All {played.acknowledged} records went to {to}.")


@contextmanager
def _progress(show: Show) -> Iterator[Callable[[Played], None]]:
    """A progress function: a bar on a terminal, else a line every few seconds, both on stderr."""
    if not _talk.is_terminal:
        yield _lines(show)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rate]}"), TimeElapsedColumn())
    with Progress(*columns, console=_talk, transient=True) as bar:
        task = bar.add_task(show.name, total=show.expected.deliveries, rate="")
        began = time.monotonic()

        def report(played: Played) -> None:
            rate = played.acknowledged / max(time.monotonic() - began, 0.001)
            late = f", {played.behind_s:.0f} s behind" if played.behind_s > 1 else ""
            bar.update(task, completed=played.sent, rate=f"{played.acknowledged} records, {rate:.0f}/s{late}")

        yield report


def _lines(show: Show) -> Callable[[Played], None]:
    last = time.monotonic()

    def report(played: Played) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_EVERY_S:
            last = time.monotonic()
            _talk.print(
                f"{show.name}: {played.show_ms / 1000:.0f} of {show.expected.duration_ms / 1000:.0f} s played, "
                f"{played.acknowledged} of {show.expected.deliveries} records acknowledged"
            )

    return report
