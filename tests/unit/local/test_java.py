from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stream.errors import SnapupError
from stream.local.java import find_java, java_version

if TYPE_CHECKING:
    from pathlib import Path


def _java(folder: Path, says: str) -> str:
    program = folder / "java"
    folder.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "21" 2023-09-19', 21),
        ('java version "1.8.0_392"', 8),
        ('openjdk version "25-ea" 2025-09-16', 25),
    ],
)
def test_the_version_is_read_in_all_its_spellings(tmp_path: Path, says: str, version: int) -> None:
    assert java_version(_java(tmp_path, says)) == version


def test_a_java_that_is_too_old_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SnapupError, match="is Java 11; Kafka needs 17"):
        find_java(_java(tmp_path, 'openjdk version "11.0.2"'))


def test_java_home_comes_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_home = _java(tmp_path / "home" / "bin", 'openjdk version "17.0.1"')
    _java(tmp_path / "path", 'openjdk version "21.0.1"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert find_java(None) == at_home


def test_a_missing_java_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(SnapupError, match="Java 17 or newer is missing: on Debian, apt-get install"):
        find_java(None)


def test_a_java_that_says_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SnapupError, match="did not say its version"):
        java_version(_java(tmp_path, ""))
