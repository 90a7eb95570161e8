from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from stream.commands.schemas import check, write
from stream.errors import SnapupError

if TYPE_CHECKING:
    from pathlib import Path

LIKE = "schemas/like.v1.schema.json"


def narrow(path: Path) -> None:
    """Let the file say that it once allowed more taps, as an older version would have."""
    schema = json.loads(path.read_text(encoding="utf-8"))
    schema["properties"]["count"]["maximum"] = 20_000
    path.write_text(json.dumps(schema), encoding="utf-8")


def test_what_was_written_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path)
    check(tmp_path)
    assert "as they should be" in capsys.readouterr().out
    write(tmp_path)
    assert " 0 written, 0 removed." in capsys.readouterr().out


def test_files_that_are_missing_different_or_left_over_are_named(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / LIKE).unlink()
    (tmp_path / "schemas/asyncapi.yaml").write_text("asyncapi: 3.0.0\n", encoding="utf-8")
    (tmp_path / "schemas/examples/valid/karaoke--full.json").write_text("{}", encoding="utf-8")
    with pytest.raises(SnapupError) as error:
        check(tmp_path)
    lines = error.value.message.splitlines()
    assert "snapup schemas write" in lines[0]
    assert [line.removeprefix(str(tmp_path)) for line in lines[1:]] == [
        f"/{LIKE}: missing",
        "/schemas/asyncapi.yaml: differs",
        "/schemas/examples/valid/karaoke--full.json: not part of the contract",
    ]
    with pytest.raises(SnapupError) as error:
        write(tmp_path)
    assert [line.removeprefix(str(tmp_path)) for line in error.value.message.splitlines()[1:]] == [
        "/schemas/asyncapi.yaml: would be replaced",
        "/schemas/examples/valid/karaoke--full.json: would be removed",
    ]
    assert not (tmp_path / LIKE).exists()
    write(tmp_path, overwrite=True)
    check(tmp_path)


def test_a_breaking_change_is_neither_passed_nor_written(tmp_path: Path) -> None:
    write(tmp_path)
    narrow(tmp_path / LIKE)
    committed = (tmp_path / LIKE).read_text(encoding="utf-8")
    for command in (check, write):
        with pytest.raises(SnapupError, match=r"like\.v1\.schema\.json/count: maximum was 20000"):
            command(tmp_path)
    assert (tmp_path / LIKE).read_text(encoding="utf-8") == committed
    write(tmp_path, allow_breaking=True, overwrite=True)
    check(tmp_path)


def test_a_type_may_not_go(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "schemas/karaoke.v1.schema.json").write_text("{}", encoding="utf-8")
    with pytest.raises(SnapupError, match=r"karaoke\.v1\.schema\.json: the whole type is gone"):
        check(tmp_path)


def test_an_earlier_version_can_be_held_against_this_one(tmp_path: Path) -> None:
    write(tmp_path / "now")
    write(tmp_path / "then")
    check(tmp_path / "now", against=tmp_path / "then/schemas")
    narrow(tmp_path / "then" / LIKE)
    with pytest.raises(SnapupError, match="/count: maximum was 20000"):
        check(tmp_path / "now", against=tmp_path / "then/schemas")


def test_a_schema_that_is_no_json_is_a_sentence(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / LIKE).write_text("<<<<<<< ours", encoding="utf-8")
    with pytest.raises(SnapupError, match="is not JSON"):
        check(tmp_path)


def test_the_guide_is_filled_in_where_there_is_one(tmp_path: Path) -> None:
    guide = tmp_path / "docs/contract.md"
    guide.parent.mkdir()
    guide.write_text("<!-- fields: like -->\n<!-- end -->\n", encoding="utf-8")
    write(tmp_path)
    assert "taps in this batch" in guide.read_text(encoding="utf-8")
    check(tmp_path)
    guide.write_text("<!-- fields: like -->\nby hand\n<!-- end -->\n", encoding="utf-8")
    with pytest.raises(SnapupError, match=r"contract\.md: differs"):
        check(tmp_path)
