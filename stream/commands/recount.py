"""`snapup recount`: does what the overlays show follow from the log? Counted again by code that shares nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table

from stream.errors import EXIT_FAILURE
from stream.settings import load_settings
from stream.verify.audit import RoomVerdict, Verdict, Where, audit
from stream.verify.room_count import Assumptions

if TYPE_CHECKING:
    from stream.settings import Settings
    from stream.verify.compare import Figure

# In a table for people; --json has all.
ROOMS_SHOWN, DIFFERENCES_SHOWN = 20, 50

_talk = Console(stderr=True, highlight=False, soft_wrap=True)


def recount(
    room: Annotated[str | None, typer.Argument(help="Compare this room only, and show its every figure.")] = None,
    *,
    bootstrap_servers: Annotated[str | None, typer.Option(help="host:port, comma separated.")] = None,
    redis_url: Annotated[str | None, typer.Option(help="Redis that overlays read.")] = None,
    topic_prefix: Annotated[str | None, typer.Option(help="Of topics and Redis keys.")] = None,
    deadline_s: Annotated[float, typer.Option(min=0, help="How long the workers may take to catch up.")] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="The whole verdict as one JSON object.")] = False,
) -> None:
    """Count every record of the topics again, and compare with Redis, checkpoints and dead letters.

    Reads only. Exit code 1 when anything differs.
    """
    settings = load_settings(bootstrap_servers=bootstrap_servers, redis_url=redis_url, topic_prefix=topic_prefix)
    with _talk.status("Counting the log...") as status:
        verdict = asyncio.run(
            audit(
                where_of(settings),
                assumptions_of(settings),
                room_id=room,
                deadline_s=deadline_s,
                report=lambda text: status.update(f"Waiting for the workers: {text}"),
            )
        )
    if as_json:
        typer.echo(msgspec.json.encode({"verdict": verdict.line, **msgspec.to_builtins(verdict)}))
    else:
        show_verdict(verdict, Console(highlight=False), every_figure=room is not None)
        typer.echo(verdict.line)
    if verdict.differences:
        raise typer.Exit(EXIT_FAILURE)


def where_of(settings: Settings) -> Where:
    """The log and the Redis of these settings."""
    return Where(
        bootstrap_servers=settings.bootstrap_servers, redis_url=settings.redis_url, prefix=settings.topic_prefix
    )


def assumptions_of(settings: Settings) -> Assumptions:
    """What a recount must assume when the workers run under these settings."""
    return Assumptions(
        allowed_lateness_ms=settings.allowed_lateness_ms,
        hold_ms=settings.hold_ms,
        room_idle_ms=settings.room_idle_ms,
        presence_timeout_ms=settings.rules().presence_timeout_ms,
        # Ids are remembered in two generations: for half of this at least.
        remember_ids_ms=settings.remember_ids_ms // 2,
    )


def show_verdict(verdict: Verdict, console: Console, *, every_figure: bool) -> None:
    """What was counted, how each room compares, and every difference."""
    accounts = verdict.accounts
    console.print(
        f"{_number(accounts.received)} records: {_number(accounts.applied)} applied, "
        f"{_number(accounts.duplicate)} duplicates, {_number(accounts.dead_lettered.total())} refused; "
        f"{_number(accounts.retimed)} retimed. {_number(verdict.checkpoints)} checkpoints, "
        f"{_number(verdict.dead_letters)} dead letters. Compared after {verdict.waited_s:.1f} s."
    )
    if accounts.forgettable:
        console.print(f"{accounts.forgettable} duplicates came so late that a worker may have forgotten their ids.")
    if every_figure:
        for room in verdict.rooms:
            console.print(_figures_table(room))
        for problem in verdict.problems:
            console.print(problem, style="red", markup=False)
        return
    console.print(_rooms_table(verdict.rooms))
    _show_differences(verdict, console)


def _rooms_table(rooms: list[RoomVerdict]) -> Table:
    table = Table("room", *(Column(name, justify="right") for name in ("figures", "by sketch", "differences")), "")
    # Those that differ first: the table is cut.
    ordered = sorted(rooms, key=lambda room: (not room.differences, room.skipped is None, room.room_id))
    for room in ordered[:ROOMS_SHOWN]:
        sketches = sum(1 for figure in room.figures if figure.error_95 is not None)
        differences = len(room.differences)
        table.add_row(
            room.room_id,
            str(len(room.figures)),
            str(sketches),
            f"[red]{differences}[/]" if differences else "0",
            room.skipped or "",
        )
    if len(rooms) > ROOMS_SHOWN:
        table.caption = f"and {len(rooms) - ROOMS_SHOWN} more rooms"
    return table


def _show_differences(verdict: Verdict, console: Console) -> None:
    found = list(verdict.problems)
    found += [f"{room.room_id}: {_told(figure)}" for room in verdict.rooms for figure in room.differences]
    for text in found[:DIFFERENCES_SHOWN]:
        console.print(text, style="red", markup=False)
    if len(found) > DIFFERENCES_SHOWN:
        console.print(f"and {len(found) - DIFFERENCES_SHOWN} more", style="red")


def _told(figure: Figure) -> str:
    return f"{figure.name}: recounted {figure.recounted}, published {figure.published}"


def _figures_table(room: RoomVerdict) -> Table:
    right = (Column(name, justify="right") for name in ("recounted", "in Redis"))
    table = Table("figure", *right, "", title=f"Room {room.room_id} as of {room.as_of_ms}", caption=room.skipped)
    for figure in room.figures:
        if figure.agrees:
            word = "=" if figure.error_95 is None else f"± {100 * figure.error_95:.1f} %"
        else:
            word = "[red]differs[/]"
        table.add_row(figure.name, str(figure.recounted), str(figure.published), word)
    return table


def _number(value: int) -> str:
    return f"{value:,}".replace(",", " ")
