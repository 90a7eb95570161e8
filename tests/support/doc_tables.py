"""The tables of the documentation that are made from the code, and a reader of those that are checked against it.

`python -m tests.support.doc_tables` writes them into docs/operations.md; tests/contract/test_docs.py says when to.
A table stands between `<!-- table: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic_core import PydanticUndefined

from stream.local.settings import LocalSettings
from stream.settings import Settings
from tests.support.worker_metrics import (
    Family,
    declared,
    declared_by_audit,
    declared_by_bridge,
    declared_by_ingest,
    declared_by_server,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic.fields import FieldInfo
    from pydantic_settings import BaseSettings

TOP = Path(__file__).parents[2]
OPERATIONS = TOP / "docs" / "operations.md"
# The defaults of these depend on the user.
FOLDERS = {"cache_dir": "`~/.cache/snapup`", "state_dir": "`~/.local/state/snapup`"}


def tables() -> dict[str, str]:
    """Name → Markdown of every made table."""
    return {
        "settings": settings_table(Settings),
        "local settings": settings_table(LocalSettings),
        "metrics": metrics_table(declared()),
        "server metrics": metrics_table(declared_by_server()),
        "ingest metrics": metrics_table(declared_by_ingest()),
        "bridge metrics": metrics_table(declared_by_bridge()),
        "audit metrics": metrics_table(declared_by_audit()),
    }


def redis_users(prefix: str) -> dict[str, str]:
    """User → its rules, as the page gives them for a redis.conf, for another prefix of the keys."""
    (block,) = re.findall(r"```conf\n(.*?)```", OPERATIONS.read_text("utf-8"), re.DOTALL)
    found = {}
    for line in block.splitlines():
        if line.startswith("user ") and ">PASSWORD" in line:
            _, name, _on, _password, rules = line.split(" ", 4)
            found[name] = rules.replace("live:", f"{prefix}:")
    return found


def settings_table(settings: type[BaseSettings]) -> str:
    """Each field as its environment variable, default, bounds and description."""
    rows = [
        (f"`SNAPUP_{name.upper()}`", _default(name, field), _allowed(field), field.description or "")
        for name, field in settings.model_fields.items()
    ]
    return _table(("variable", "default", "allowed", "what"), rows)


def metrics_table(families: list[Family]) -> str:
    """Our own metrics; the text names those of the process and of Python's collector."""
    rows = [
        (f"`{family.name}`", family.kind, ", ".join(f"`{label}`" for label in family.labels), family.text)
        for family in families
        if family.name.startswith("stream_")
    ]
    return _table(("metric", "kind", "labels", "what"), rows)


def _default(name: str, field: FieldInfo) -> str:
    if name in FOLDERS:
        return FOLDERS[name]
    assert field.default is not PydanticUndefined, name
    return "–" if field.default is None else f"`{field.default}`"


def _allowed(field: FieldInfo) -> str:
    choices = _choices(field.annotation)
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    low = high = pattern = ""
    for rule in field.metadata:
        match rule:
            case annotated_types.Ge(ge=bound):
                low = f"{bound}"
            case annotated_types.Gt(gt=bound):
                low = f"> {bound}"
            case annotated_types.Le(le=bound):
                high = f"{bound}"
            case _:
                pattern = getattr(rule, "pattern", "") or pattern
    if pattern:
        return f"`{pattern}`"
    if low.startswith(">"):
        return f"{low}, ≤ {high}" if high else low
    return f"{low} to {high}" if low and high else f"≥ {low}" if low else ""


def _choices(annotation: Any) -> tuple[str, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        return next((found for part in get_args(annotation) if (found := _choices(part))), ())
    return ()


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def marked(text: str, name: str) -> str:
    """The text between the marks of a table."""
    found = re.search(rf"<!-- table: {re.escape(name)} -->\n(.*?)\n?<!-- end -->", text, re.DOTALL)
    assert found, f"there is no table {name!r}"
    return found[1]


def rows_of(text: str, name: str) -> Iterator[list[str]]:
    """The rows of a marked table, cell by cell, without its head."""
    for line in marked(text, name).splitlines()[2:]:
        yield [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def main() -> None:
    """Write every made table into its document."""
    text = OPERATIONS.read_text("utf-8")
    for name, table in tables().items():
        mark = f"<!-- table: {name} -->\n"
        before, _, after = text.partition(mark)
        _, end, rest = after.partition("<!-- end -->")
        text = f"{before}{mark}{table}\n{end}{rest}"
    OPERATIONS.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
