from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stream.errors import SnapupError
from stream.local.packages import find_program, install_program

if TYPE_CHECKING:
    from pathlib import Path


def _program(path: Path, script: str = "exit 0") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_configured_program_wins_and_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path / "bin" / "promtool")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    own = _program(tmp_path / "own" / "promtool")
    found = find_program("promtool", tmp_path, str(own))
    assert found is not None
    assert found.path == own
    assert find_program("promtool", tmp_path, str(tmp_path / "nowhere")) is None


def test_the_path_comes_before_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = _program(tmp_path / "program-promtool" / "usr" / "bin" / "promtool")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    found = find_program("promtool", tmp_path)
    assert found is not None
    assert found.path == cached
    installed = _program(tmp_path / "bin" / "promtool")
    found = find_program("promtool", tmp_path)
    assert found is not None
    assert found.path == installed
    assert found.environment() is None


def test_an_unpacked_program_is_run_with_the_libraries_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(tmp_path / "program-redis-server" / "usr" / "bin" / "redis-server")
    (tmp_path / "program-redis-server" / "usr" / "lib").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    found = find_program("redis-server", tmp_path)
    assert found is not None
    environment = found.environment()
    assert environment is not None
    assert environment["LD_LIBRARY_PATH"].startswith(str(tmp_path / "program-redis-server" / "usr" / "lib"))


def test_without_apt_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(SnapupError, match="promtool is missing and this machine has no apt"):
        install_program("promtool", tmp_path / "cache")


def test_what_apt_complains_of_is_passed_on_and_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(tmp_path / "bin" / "apt-get", "echo 'E: Unable to locate package prometheus' >&2; exit 100")
    _program(tmp_path / "bin" / "dpkg-deb")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(SnapupError, match=r"prometheus cannot be fetched \(E: Unable to locate package"):
        install_program("promtool", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
