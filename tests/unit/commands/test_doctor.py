from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from stream.cli import app

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with Python and nothing else."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("SNAPUP_CACHE_DIR", str(tmp_path / "cache"))
    for variable in ("JAVA_HOME", "SNAPUP_JAVA", "SNAPUP_REDIS_SERVER", "SNAPUP_BOOTSTRAP_SERVERS", "SNAPUP_REDIS_URL"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.usefixtures("bare")
def test_each_check_is_a_line_and_what_is_missing_has_a_second_one_that_says_what_to_do() -> None:
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    java = next(number for number, line in enumerate(lines) if line.startswith("missing  Java"))
    assert "→ Java 17 or newer is missing: on Debian, apt-get install" in lines[java + 1]
    assert any(line.startswith("optional Docker") for line in lines)
    assert any(line.startswith("ok       Python") for line in lines)


@pytest.mark.usefixtures("bare")
def test_programs_get_the_same_as_json() -> None:
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 1
    findings = {finding["name"]: finding for finding in json.loads(result.stdout)}
    assert findings["Python"]["ok"] is True
    assert findings["Maven"] == {
        "name": "Maven",
        "ok": False,
        "detail": "missing",
        "remedy": "On Debian: apt-get install maven",
        "required": True,
    }
