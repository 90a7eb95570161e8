"""The books of a bridge as tables: what became of the messages, and why some gave no event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stream.bridge.reasons import NOTE_WORDS, REASON_WORDS
from stream.view.words import clean

if TYPE_CHECKING:
    from rich.console import RenderableType

    from stream.bridge.books import Books

KINDS_SHOWN = 12


def bridge_view(books: Books, source: str, target: str) -> RenderableType:
    """The text printed when a bridge ends."""
    parts: list[RenderableType] = [
        Text(f"{clean(source)} → {clean(target)}", style="bold"),
        Padding(_balance(books), (0, 2)),
        Text(f"{books.events:,} events: {_types(books)}"),
    ]
    if books.reasons:
        parts.append(Padding(_reasons(books), (1, 2, 0, 2)))
    if books.notes:
        parts.append(Padding(_notes(books), (1, 2, 0, 2)))
    if books.kinds:
        shown = ", ".join(f"{clean(kind)} {count:,}" for kind, count in books.kinds.most_common(KINDS_SHOWN))
        parts.append(Text(f"Kinds that map to nothing: {shown}", style="dim"))
    return Group(*parts)


def _balance(books: Books) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right")
    table.add_column()
    table.add_row(f"{books.messages:,}", f"messages in {books.lines:,} lines")
    table.add_row(f"= {books.gave:,}", "gave events")
    table.add_row(f"+ {books.reasons.total():,}", "gave none")
    return table


def _types(books: Books) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(books.by_type.items())) or "none"


def _reasons(books: Books) -> Table:
    table = Table("gave none", "messages", "first at line", "why", box=None, pad_edge=False)
    for reason, count in books.reasons.most_common():
        table.add_row(reason.value, f"{count:,}", str(books.first[reason][0]), REASON_WORDS[reason])
    return table


def _notes(books: Books) -> Table:
    table = Table("gave events, but", "times", "what was done", box=None, pad_edge=False)
    for note, count in books.notes.most_common():
        table.add_row(note.value, f"{count:,}", NOTE_WORDS[note])
    return table
