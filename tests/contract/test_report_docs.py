"""docs/report.md against the code: its fields, its program."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import msgspec
import pytest

from stream.contract.report import Report
from stream.verify.range_hash import RangeHash
from tests.support.doc_tables import rows_of

PAGE = (Path(__file__).parents[2] / "docs" / "report.md").read_text("utf-8")
FIELDS = {row[0].strip("`"): row[1] for row in rows_of(PAGE, "fields of a report")}


def test_the_fields_of_the_page_are_those_of_the_report_in_their_order() -> None:
    assert [*FIELDS] == [field.name for field in msgspec.structs.fields(Report)]


@pytest.mark.parametrize("name", FIELDS)
def test_what_stands_within_a_field_is_named_with_it(name: str) -> None:
    (field,) = (field for field in msgspec.structs.fields(Report) if field.name == name)
    kinds = re.findall(r"stream\.contract\.report\.(\w+)", str(field.type)) or re.findall(r"\w+", str(field.type))
    from stream.contract import report  # noqa: PLC0415

    for kind in kinds:
        struct = getattr(report, kind, None)
        if struct is None or name in ("curve", "rules"):
            continue
        for inner in struct.__struct_fields__:
            spoken_of = f"`{inner}`" in FIELDS[name] or inner in SPOKEN_OF.get(name, ())
            assert spoken_of, f"{name}.{inner}"


# Named in words.
SPOKEN_OF = {
    "totals": {"orders", "money"},
    "rates": {"name", "currency"},
    "products": {"sku_id", "sale_id"},
    "sources": {"source"},
    "claims": {"claim", "rule", "sale_id", "sku_id", "unit"},
    "withheld": {"claim", "reason", "sale_id", "sku_id"},
    "check": {"claims", "figures"},
    "quality": {"topics", "dead_lettered"},
    "log": {"records", "topics"},
}


def test_the_program_of_the_page_computes_the_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = RangeHash()
    hashed.add("likes", 3, 100, 7, b"r", b"{}")
    hashed.add("visits", 3, 5, 7, b"r", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report.json").write_bytes(msgspec.json.encode({"log": hashed.log_range()}))
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(program, {"hashlib": hashlib, "json": json})  # noqa: S102 — as a reader would
    (tmp_path / "report.json").write_bytes(msgspec.json.encode({"log": {"sha256": "0", "topics": []}}))
    with pytest.raises(AssertionError):
        exec(program, {})  # noqa: S102
