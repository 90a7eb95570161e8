"""The books of an import as tables: what became of the rows, and why some were not usable."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stream.sources.accounts import NOTE_WORDS, REFUSED_WORDS
from stream.view.words import clean

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import RenderableType

    from stream.sources.accounts import Accounts


def accounts_view(
    accounts: Accounts, file_name: str, target: str, delivered: int, report: Path | None
) -> RenderableType:
    """The text printed at the end of an import."""
    parts: list[RenderableType] = [
        Text(f"{clean(file_name)} → {clean(target)}", style="bold"),
        Padding(_balance(accounts), (0, 2)),
        Text(f"{delivered:,} events delivered: {_types(accounts)}{_span(accounts)}"),
    ]
    if accounts.refused:
        parts.append(Padding(_refused(accounts), (1, 2, 0, 2)))
    if accounts.notes:
        parts.append(Padding(_notes(accounts), (1, 2, 0, 2)))
    parts += [
        Text(f"{clean(sentence)}{f' ({times:,}×)' if times > 1 else ''}", style="yellow")
        for sentence, times in accounts.remarks.items()
    ]
    if report is not None:
        parts.append(Text(f"Each refused and noted row: {clean(str(report))}", style="dim"))
    return Group(*parts)


def _balance(accounts: Accounts) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right")
    table.add_column()
    table.add_row(f"{accounts.rows:,}", "rows")
    table.add_row(f"= {accounts.events:,}", "events")
    table.add_row(f"+ {accounts.merged:,}", "merged into the events of their order")
    table.add_row(f"+ {accounts.refused.total():,}", "refused")
    if accounts.blank_lines:
        table.add_row(f"{accounts.blank_lines:,}", "blank lines beside them")
    return table


def _types(accounts: Accounts) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(accounts.by_type.items())) or "none"


def _span(accounts: Accounts) -> str:
    if accounts.earliest_ms is None or accounts.latest_ms is None:
        return ""
    return f"; {_utc(accounts.earliest_ms)} to {_utc(accounts.latest_ms)} UTC"


def _utc(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _refused(accounts: Accounts) -> Table:
    table = Table("refused", "rows", "first at line", "why", title_justify="left", box=None, pad_edge=False)
    for reason, count in accounts.refused.most_common():
        table.add_row(reason.value, f"{count:,}", str(accounts.first_refused[reason]), REFUSED_WORDS[reason])
    return table


def _notes(accounts: Accounts) -> Table:
    table = Table("used, but", "rows", "what was done", box=None, pad_edge=False)
    for note, count in accounts.notes.most_common():
        table.add_row(note.value, f"{count:,}", NOTE_WORDS[note])
    return table
