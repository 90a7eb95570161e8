"""A verdict of the recount for people: every difference, what was compared, and under which rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Column, Table

if TYPE_CHECKING:
    from rich.console import Console

    from stream.verify.compare import Figure
    from stream.verify.verdict import RoomVerdict, Verdict

# Bounds on a table for people. --json has all.
ROOMS_SHOWN, DIFFERENCES_SHOWN, SHORT_SHOWN = 200, 50, 5
# The rules that figures depend on most. --full has the others.
RULES_SHOWN = ("allowed_lateness_ms", "hold_ms", "room_idle_ms")


def show_verdict(verdict: Verdict, console: Console, *, full: bool = False, one_room: bool = False) -> None:
    """Print every difference, then what was counted, what it was compared with, and under which rules.

    Args:
        verdict: the verdict.
        console: the console to print on.
        full: every difference and every rule; a table of the rooms, or of each figure of the one room.
        one_room: only one room was compared.
    """
    _show_differences(verdict, console, most=None if full else DIFFERENCES_SHOWN)
    if full and one_room:
        for room in verdict.rooms:
            console.print(_figures_table(room, room.saved, room.saved_as_of_ms, "live.signals"))
            console.print(_figures_table(room, room.figures, room.as_of_ms, "Redis"))
    elif full:
        console.print(_rooms_table(verdict.rooms))
    accounts = verdict.accounts
    console.print(
        f"{_number(accounts.received)} records: {_number(accounts.applied)} applied, "
        f"{_number(accounts.duplicate)} duplicates, {_number(accounts.dead_lettered.total())} refused; "
        f"{_number(accounts.retimed)} retimed. Up to one checkpoint each of {len(verdict.cut)} partitions; "
        f"{_number(verdict.checkpoints)} checkpoints, {_number(verdict.dead_letters)} dead letters. "
        f"Took {verdict.waited_s:.1f} s.",
        soft_wrap=True,
    )
    console.print(f"Compared: {_compared(verdict)}.", soft_wrap=True)
    for text in not_compared_told(verdict.rooms, every_room=full):
        console.print(text, markup=False, soft_wrap=True)
    for text in shortened_told(verdict.rooms, every_room=full):
        console.print(text, markup=False, soft_wrap=True)
    for text in words_told(verdict.rooms, every_room=full):
        console.print(text, markup=False, soft_wrap=True)
    if accounts.forgettable:
        told = f"{accounts.forgettable} duplicates came so late that a worker may have forgotten their ids."
        console.print(told, soft_wrap=True)
    if accounts.in_two_topics:
        told = f"{accounts.in_two_topics} events had the event_id of another topic's event of their room; both count."
        console.print(told, soft_wrap=True)
    for text in rules_told(verdict, every_rule=full):
        console.print(text, markup=False, soft_wrap=True)


def shortened_told(rooms: list[RoomVerdict], *, every_room: bool) -> list[str]:
    """Sentences on rooms whose documents are shorter in the topic than in Redis. These are no differences."""
    short = [room for room in rooms if room.left_out]
    told = [
        f"{room.room_id}: too large for live.signals, so without "
        + ", ".join(f"{_number(count)} {name}" for name, count in room.left_out.items())
        + " there; Redis has all."
        for room in (short if every_room else short[:SHORT_SHOWN])
    ]
    if len(short) > len(told):
        told.append(f"and {_number(len(short) - len(told))} more rooms: --full lists all")
    return told


def words_told(rooms: list[RoomVerdict], *, every_room: bool) -> list[str]:
    """The rooms in which a host said more about a sale than is kept, a sentence each. No differences."""
    wordy = [room for room in rooms if room.words_beyond]
    told = [
        f"{room.room_id}: {_number(room.words_beyond)} words about sales are older than the 16 that count."
        for room in (wordy if every_room else wordy[:SHORT_SHOWN])
    ]
    if len(wordy) > len(told):
        told.append(f"and in {_number(len(wordy) - len(told))} more rooms: --full lists all")
    return told


def rules_told(verdict: Verdict, *, every_rule: bool) -> list[str]:
    """The rules of the count and their source: one sentence for each set of rules."""
    told = [f"The journal was not read: {verdict.rules_unread}"] if verdict.rules_unread else []
    for used in verdict.rules:
        where = f"partition{'s' if len(used.partitions) > 1 else ''} {_ranges(used.partitions)}"
        source = "the settings here, as no journal says others"
        if used.source == "journal":
            source = f"the journal ({used.where}, Snapup {used.version}, from epoch {used.from_epoch} on)"
        rules = used.rules if every_rule else {name: used.rules[name] for name in RULES_SHOWN if name in used.rules}
        listed = ", ".join(f"{name} {_number(value)}" for name, value in rules.items())
        told.append(f"Rules of {where} from {source}: {listed}.")
    return told


def _ranges(numbers: list[int]) -> str:
    """Sorted numbers in few words: 0-3, 5."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and found[-1][-1] == number - 1:
            found[-1] = [found[-1][0], number]
        else:
            found.append([number])
    return ", ".join("-".join(map(str, each)) for each in found)


def _rooms_table(rooms: list[RoomVerdict]) -> Table:
    right = (Column(name, justify="right") for name in ("in signals", "in Redis", "by sketch", "differences"))
    table = Table("room", *right, "")
    # Rooms with differences first: the table is cut.
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


def _show_differences(verdict: Verdict, console: Console, *, most: int | None) -> None:
    found = verdict.told()
    for text in found[:most]:
        console.print(text, style="red", markup=False, soft_wrap=True)
    if most is not None and len(found) > most:
        console.print(f"and {_number(len(found) - most)} more: --full lists all, --json too", style="red")


def _compared(verdict: Verdict) -> str:
    """What was compared, and what was left out, as text."""
    saved = sum(1 for room in verdict.rooms if room.saved)
    shown = sum(1 for room in verdict.rooms if room.figures)
    parts = [f"{_number(saved)} rooms in signals, {_number(shown)} in Redis"]
    for (where, why), rooms in _not_compared(verdict.rooms).items():
        parts.append(f"{_number(len(rooms))} not comparable{where}: {why}")
    return "; ".join(parts)


def _not_compared(rooms: list[RoomVerdict]) -> dict[tuple[str, str], list[str]]:
    """Rooms that had nothing to compare, in Redis or at all, by the reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for room in rooms:
        why = room.skipped or room.redis_skipped
        if why is not None:
            where = " in Redis" if room.saved or room.skipped is None else ""
            found.setdefault((where, why), []).append(room.room_id)
    return found


def not_compared_told(rooms: list[RoomVerdict], *, every_room: bool) -> list[str]:
    """Which rooms had nothing to compare, and why: a sentence for each reason."""
    told = []
    for (where, why), names in _not_compared(rooms).items():
        shown = names if every_room else names[:SHORT_SHOWN]
        more = f" and {_number(len(names) - len(shown))} more (--full lists all)" if len(names) > len(shown) else ""
        told.append(f"Not comparable{where}: {', '.join(shown)}{more}: {why}.")
    return told


def audit_line(verdict: Verdict) -> str:
    """One audit of a watch in one line."""
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
