from __future__ import annotations

import subprocess
import sys

import pytest

from stream.contract.publish import files, filled


def test_a_table_of_fields_is_filled_in() -> None:
    guide = "# A\n<!-- fields: like -->\nold\n<!-- end -->\nb\n"
    lines = filled(guide).splitlines()
    assert lines[:3] == ["# A", "<!-- fields: like -->", "| field | required | value | meaning |"]
    assert "| `count` | yes | integer 1 … 10\N{NO-BREAK SPACE}000 | taps in this batch |" in lines
    assert lines[-2:] == ["<!-- end -->", "b"]
    assert "old" not in lines


def test_what_all_types_have_is_said_once() -> None:
    common = filled("<!-- fields: all -->\n<!-- end -->")
    names = [line.split("`")[1] for line in common.splitlines() if line.startswith("| `")]
    assert names == ["type", "event_id", "room_id", "event_time_ms", "user_id"]
    own = filled("<!-- fields: sale_closed -->\n<!-- end -->")
    assert [line.split("`")[1] for line in own.splitlines() if line.startswith("| `")] == ["sale_id", "sku_id"]


def test_a_field_that_may_be_null_and_one_of_a_line_are_described() -> None:
    table = filled("<!-- fields: order.lines -->\n<!-- end -->")
    assert "| `sale_id` |  | id or null | the flash sale that it is part of, if any |" in table
    words = "`cancelled`, `completed`, `delivered`, `paid`, `payment_failed`, `placed`, `refunded`, `shipped`"
    assert f"| `status` | yes | {words} |" in filled("<!-- fields: order -->\n<!-- end -->")


def test_an_example_is_the_file() -> None:
    path = "valid/order--full.json"
    text = filled(f"<!-- example: {path} -->\n<!-- end -->")
    assert text == f"<!-- example: {path} -->\n```json\n{files()['examples/' + path]}```\n<!-- end -->"


def test_filling_twice_is_filling_once() -> None:
    guide = "x\n<!-- fields: like -->\n<!-- end -->\ny\n<!-- example: valid/like--full.json -->\n<!-- end -->\n"
    assert filled(filled(guide)) == filled(guide)


def test_a_block_that_asks_for_what_does_not_exist_is_our_error() -> None:
    with pytest.raises(KeyError):
        filled("<!-- example: valid/gift--full.json -->\n<!-- end -->")


def test_the_files_do_not_depend_on_the_process() -> None:
    code = "from stream.contract.publish import files; print(hash_of(files()))"
    code = f"import hashlib\nhash_of = lambda found: hashlib.sha256(repr(found).encode()).hexdigest()\n{code}"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONUTF8": "1"},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1
