"""Dead letters in a terminal: the number for each reason, then the newest letters in two lines each."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct, field
from rich.table import Table
from rich.text import Text

from stream.view.sale_view import utc_time
from stream.view.words import clean, grouped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from stream.sources.letters import Letter

VALUE_CHARS = 160


class OfReason(Struct):
    """The letters of one reason."""

    letters: int = 0
    resent: int = 0
    topics: Counter[str] = field(default_factory=Counter)
    newest_ms: int = -1
    detail: str = ""

    def add(self, letter: Letter) -> None:
        """Count one letter."""
        self.letters += 1
        self.resent += bool(letter.resent)
        self.topics[letter.topic or "?"] += 1
        if letter.letter_time_ms >= self.newest_ms:
            self.newest_ms, self.detail = letter.letter_time_ms, letter.detail


def counts_view(of_reason: dict[str, OfReason]) -> RenderableType:
    """A table with one line for each reason, the most frequent first."""
    table = Table(box=None, pad_edge=False, header_style="#94a3b8")
    table.add_column("reason", no_wrap=True)
    for name in ("letters", "refused again", "newest, UTC"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("from", overflow="fold")
    for reason, found in sorted(of_reason.items(), key=lambda item: (-item[1].letters, item[0])):
        topics = ", ".join(f"{clean(topic, 80)} {grouped(count)}" for topic, count in found.topics.most_common(6))
        again = grouped(found.resent) if found.resent else ""
        table.add_row(Text(clean(reason, 40)), grouped(found.letters), again, utc_time(found.newest_ms), Text(topics))
    return table


def letter_lines(letter: Letter) -> Iterator[Text]:
    """Two lines: the reason and source of the letter, then the beginning of its value."""
    key = "no key" if letter.key is None else f"key {clean(letter.key.decode('utf-8', 'replace'), 64)}"
    line = Text(f"{utc_time(letter.letter_time_ms)} UTC ")
    line.append(clean(letter.reason, 40), "bold yellow")
    line.append(f"  {clean(letter.source, 120)}  {key}  {clean(letter.detail, 200)}")
    if letter.pointer:
        line.append(f" at {clean(letter.pointer, 80)}")
    if letter.resent:
        line.append(f"  sent again {letter.resent} times before", "red")
    if letter.cut:
        line.append(f"  cut: {', '.join(letter.cut)}", "red")
    yield line
    if letter.value is not None:
        yield Text(f"    {clean(letter.value.decode('utf-8', 'replace'), VALUE_CHARS)}", "#94a3b8")
