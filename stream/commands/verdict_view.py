"""A verdict of the recount for people: what was compared with what, and every difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Column, Table

if TYPE_CHECKING:
    from rich.console import Console

    from stream.verify.compare import Figure
    from stream.verify.verdict import RoomVerdict, Verdict

# In a table for people; --json has all.
ROOMS_SHOWN, DIFFERENCES_SHOWN = 20, 50


def show_verdict(verdict: Verdict, console: Console, *, every_figure: bool) -> None:
    """What was counted, how each room compares, and every difference."""
    accounts = verdict.accounts
    console.print(
        f"{_number(accounts.received)} records: {_number(accounts.applied)} applied, "
        f"{_number(accounts.duplicate)} duplicates, {_number(accounts.dead_lettered.total())} refused; "
        f"{_number(accounts.retimed)} retimed. Up to one checkpoint each of {len(verdict.cut)} partitions; "
        f"{_number(verdict.checkpoints)} checkpoints, {_number(verdict.dead_letters)} dead letters. "
        f"Took {verdict.waited_s:.1f} s."
    )
    console.print(f"Compared: {_compared(verdict)}.")
    if accounts.forgettable:
        console.print(f"{accounts.forgettable} duplicates came so late that a worker may have forgotten their ids.")
    if every_figure:
        for room in verdict.rooms:
            console.print(_figures_table(room, room.saved, room.saved_as_of_ms, "live.signals"))
            console.print(_figures_table(room, room.figures, room.as_of_ms, "Redis"))
        for problem in verdict.problems:
            console.print(problem, style="red", markup=False)
        return
    console.print(_rooms_table(verdict.rooms))
    _show_differences(verdict, console)


def _rooms_table(rooms: list[RoomVerdict]) -> Table:
    right = (Column(name, justify="right") for name in ("in signals", "in Redis", "by sketch", "differences"))
    table = Table("room", *right, "")
    # Those that differ first: the table is cut.
    ordered = sorted(rooms, key=lambda room: (not room.differences, room.skipped is None, room.room_id))
    for room in ordered[:ROOMS_SHOWN]:
        sketches = sum(1 for figure in (*room.saved, *room.figures) if figure.error_95 is not None)
        differences = len(room.differences)
        table.add_row(
            room.room_id,
            str(len(room.saved)),
            str(len(room.figures)),
            str(sketches),
            f"[red]{differences}[/]" if differences else "0",
            room.skipped or room.redis_skipped or "",
        )
    if len(rooms) > ROOMS_SHOWN:
        table.caption = f"and {len(rooms) - ROOMS_SHOWN} more rooms"
    return table


def _show_differences(verdict: Verdict, console: Console) -> None:
    found = verdict.told()
    for text in found[:DIFFERENCES_SHOWN]:
        console.print(text, style="red", markup=False)
    if len(found) > DIFFERENCES_SHOWN:
        console.print(f"and {len(found) - DIFFERENCES_SHOWN} more", style="red")


def _compared(verdict: Verdict) -> str:
    """With what, and what was left out."""
    saved = sum(1 for room in verdict.rooms if room.saved)
    shown = sum(1 for room in verdict.rooms if room.figures)
    left = sum(1 for room in verdict.rooms if room.skipped is not None)
    moving = sum(1 for room in verdict.rooms if room.redis_skipped is not None)
    parts = [f"{_number(saved)} rooms in signals, {_number(shown)} in Redis"]
    parts += [f"{_number(moving)} in motion in Redis"] if moving else []
    parts += [f"{_number(left)} not comparable"] if left else []
    return "; ".join(parts)


def audit_line(verdict: Verdict) -> str:
    """One audit of many in one line."""
    return (
        f"{verdict.line} {_number(verdict.accounts.received)} records up to checkpoints of {len(verdict.cut)} "
        f"partitions; {_compared(verdict)}; {verdict.waited_s:.1f} s"
    )


def _figures_table(room: RoomVerdict, figures: list[Figure], as_of_ms: int | None, source: str) -> Table:
    right = (Column(name, justify="right") for name in ("recounted", f"in {source}"))
    caption = room.skipped or (room.redis_skipped if source == "Redis" else None)
    table = Table("figure", *right, "", title=f"Room {room.room_id} as of {as_of_ms}", caption=caption)
    for figure in figures:
        if figure.agrees:
            word = "=" if figure.error_95 is None else f"± {100 * figure.error_95:.1f} %"
        else:
            word = "[red]differs[/]"
        table.add_row(figure.name, str(figure.recounted), str(figure.published), word)
    return table


def _number(value: int) -> str:
    return f"{value:,}".replace(",", " ")
