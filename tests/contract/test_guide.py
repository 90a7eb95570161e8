"""What `docs/contract.md` says by hand is what the code does. Its tables and examples are generated: `test_schemas`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from stream.contract.catalogue import BUILT_IN
from stream.contract.cloudevents import SPEC_VERSION, type_name
from stream.contract.decode import Decoder, Reason
from stream.contract.events import INPUT_TOPICS, MAX_AGE_MS, MAX_AHEAD_MS, MAX_RECORD_BYTES, TOPIC_NAMES, Like
from stream.contract.people import PLACEHOLDERS, UNKNOWN_USER
from stream.contract.refusal import MAX_DETAIL_CHARS
from stream.contract.wire import MAX_DEPTH

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    return GUIDE.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def first_cells(text: str) -> list[str]:
    return re.findall(r"^\| `([^`]*)`", text, re.MULTILINE)


def test_every_reason_is_explained_in_the_order_in_which_they_are_given() -> None:
    table = section("Dead letters").split("| reason |")[1]
    assert first_cells(table) == [str(reason) for reason in Reason]


def test_every_topic_and_type_is_listed() -> None:
    rows = re.findall(r"^\| `live\.([^`]*)` \| (.*?) \|", section("Topics and types"), re.MULTILINE)
    assert [topic for topic, _ in rows] == list(TOPIC_NAMES)
    for (_, cell), (_, kinds) in zip(rows, INPUT_TOPICS, strict=True):
        assert re.findall(r"`(\w+)`", cell) == [kind.__struct_config__.tag for kind in kinds]


@pytest.mark.parametrize("name", BUILT_IN.types)
def test_every_type_has_its_table(name: str) -> None:
    assert f"<!-- fields: {name} -->" in section("The types")


def test_the_limits_are_those_of_the_code() -> None:
    limits = section("What every record keeps to")
    assert f"{MAX_RECORD_BYTES // 1024} KiB ({MAX_RECORD_BYTES:,} bytes)".replace(",", " ") in limits
    assert f"{MAX_DEPTH} levels" in limits
    assert f"at most {MAX_AHEAD_MS // 1_000} s ahead" in limits
    assert f"at most {MAX_AGE_MS // 86_400_000} days older" in limits
    assert f"at most {MAX_DETAIL_CHARS} characters" in section("Dead letters")
    assert f"`{SPEC_VERSION}`" in section("Producing")
    assert f"`{type_name('order')}`" in section("Producing")


def test_the_record_of_the_shell_example_is_read() -> None:
    line = re.search(r"^viya-2017\|({.*})$", section("Producing"), re.MULTILINE)
    assert line
    record = json.loads(line[1])
    answer = Decoder(TOPIC_NAMES.index("likes")).decode(line[1].encode(), b"viya-2017", record["event_time_ms"])
    assert isinstance(answer, Like)


def test_the_python_example_compiles() -> None:
    code = re.search(r"```python\n(.*?)```", section("Producing"), re.DOTALL)
    assert code
    compile(code[1], "docs/contract.md", "exec")


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", GUIDE):
        assert (ROOT / "docs" / target).exists(), target


def test_the_ids_that_are_no_one_are_listed() -> None:
    rules = section("What every record keeps to")
    (sentence,) = re.findall(r"in small or capital letters:(.*?)\. Any other", rules, re.DOTALL)
    assert re.findall(r"`([^`]*)`", sentence) == list(PLACEHOLDERS)
    assert f"send `{UNKNOWN_USER}`" in rules
