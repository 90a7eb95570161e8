"""Checked claims as lines, for a terminal or a page: counted, right, wrong, by kind and by reason."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from stream.verify.claim_check import NOT_RECOUNTED, RIGHT, WRONG

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stream.verify.claim_check import Tally


def tally_lines(tally: Tally) -> Iterator[str]:
    """The lines of a table in Markdown, then the wrong claims."""
    rows: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for (kind, said, verdict), count in tally.counted.items():
        rows[kind, said][verdict] += count
    yield "| claim | what was said of it | counted | right | wrong | not recounted |"
    yield "|---|---|---:|---:|---:|---:|"
    for (kind, said), counts in sorted(rows.items(), key=lambda row: (row[0][0], row[0][1] != "said", row[0][1])):
        yield _row(f"`{kind}`", said if said in ("said", "missing") else f"withheld: `{said}`", counts)
    yield _row("all", f"in {_number(tally.documents)} documents", sum(rows.values(), Counter()))
    for (kind, why), count in sorted(tally.unknown.items()):
        yield f"\n{_number(count)} of `{kind}` were not recounted: {why}."
    for text in tally.told:
        yield f"WRONG {text}"


def _row(kind: str, words: str, counts: Mapping[str, int]) -> str:
    numbers = (sum(counts.values()), *(counts.get(verdict, 0) for verdict in (RIGHT, WRONG, NOT_RECOUNTED)))
    return f"| {kind} | {words} | {' | '.join(map(_number, numbers))} |"


def _number(count: int) -> str:
    return f"{count:,}".replace(",", " ")
