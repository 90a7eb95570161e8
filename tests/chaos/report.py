"""The outcome of each fault: measured, summed up by kind; as a table, as JSON, and into the documentation."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TOP = Path(__file__).parents[2]
PAGE = TOP / "docs" / "exactness.md"

HEAD = ("fault", "times", "take-over", "others stood still", "whole again", "stale at most", "records to catch up")


class Outcome(Struct, kw_only=True):
    """One fault.

    Attributes:
        kind: as in the table.
        at_s: when, Unix seconds.
        hit: the signs that it had hit.
        victims: number of partitions that it took from their owner.
        takeover_s: per victim partition, until a worker folded it again.
        others_s: per other partition, its longest standstill until all was whole again.
        whole_s: until every partition was folded and every worker ready.
        stale_s: the greatest age of an overlay meanwhile, where Redis was there to tell.
        behind: per take-over, records to fold before anything was published.
        notes: further measurements, by name.
    """

    kind: str
    at_s: float
    hit: str = ""
    victims: int = 0
    takeover_s: list[float] = field(default_factory=list)
    others_s: list[float] = field(default_factory=list)
    whole_s: float = 0.0
    stale_s: float | None = None
    behind: list[int] = field(default_factory=list)
    notes: dict[str, float] = field(default_factory=dict)


def rows(outcomes: Iterable[Outcome]) -> list[tuple[str, ...]]:
    """A row for each kind: median and maximum."""
    kinds: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        kinds.setdefault(outcome.kind, []).append(outcome)
    return [_row(kind, found) for kind, found in sorted(kinds.items())]


def _row(kind: str, found: Sequence[Outcome]) -> tuple[str, ...]:
    return (
        kind,
        str(len(found)),
        _spread([each for outcome in found for each in outcome.takeover_s]),
        _spread([max(outcome.others_s) for outcome in found if outcome.others_s]),
        _spread([outcome.whole_s for outcome in found]),
        _spread([outcome.stale_s for outcome in found if outcome.stale_s is not None]),
        str(max((sum(outcome.behind) for outcome in found), default=0)),
    )


def _spread(values: Sequence[float]) -> str:
    """Median / maximum, in seconds."""
    return f"{median(values):.1f} / {max(values):.1f} s" if values else "–"


def table(outcomes: Iterable[Outcome]) -> str:
    """The rows as a Markdown table."""
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows(outcomes))])


def write_json(path: Path, summary: dict[str, Any], outcomes: Sequence[Outcome]) -> None:
    """Write the summary and all outcomes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {**summary, "faults": outcomes}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=1))


def marks(plan: str) -> tuple[str, str]:
    """The marks around a plan's table in the page.

    Raises:
        SystemExit: the page has no place for this plan's table.
    """
    begin, end = f"<!-- chaos {plan} -->\n", f"<!-- end of chaos {plan} -->"
    page = PAGE.read_text("utf-8")
    if begin not in page or end not in page:
        raise SystemExit(f"{PAGE.name} has no marks for the table of the plan {plan}")
    return begin, end


def write_docs(plan: str, text: str) -> None:
    """Write the text between the marks of the page."""
    begin, end = marks(plan)
    before, _, rest = PAGE.read_text("utf-8").partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{begin}{text}\n{end}{after}", "utf-8")
