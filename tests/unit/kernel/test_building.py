"""The kernel is built by the machine's compiler, else by the wheel, else not at all, and each is said."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stream.errors import SnapupError
from stream.kernel import building, library

CC = shutil.which("cc") or shutil.which("gcc")
needs_cc = pytest.mark.skipif(CC is None, reason="no C compiler: THE BUILD OF THE NATIVE KERNEL IS NOT TESTED")
# Stands for the package `ziglang`: 100 MB that a test does not fetch. It is called as that is: python -m ziglang cc …
WHEEL = "import os, sys\nassert sys.argv[1] == 'cc'\nos.execv({cc!r}, [{cc!r}, *sys.argv[2:]])\n"


def make(into: Path, path: str, *python_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """What `make setup` runs, on a machine with these programs and packages."""
    environment = {"PATH": path, "PYTHONPATH": os.pathsep.join(map(str, [*python_path, Path.cwd()])), **variables}
    command = [sys.executable, "-m", "stream.kernel.building", "--into", str(into)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=200)


@needs_cc
def test_the_machines_compiler_builds_it_without_pythons_headers(tmp_path: Path) -> None:
    made = make(tmp_path, os.environ["PATH"])
    assert made.returncode == 0
    assert "native kernel: built with" in made.stderr
    assert library.Kernel(tmp_path / building.NAME).crc32c(b"123456789") == 0xE3069283
    assert [path.name for path in tmp_path.iterdir()] == [building.NAME]


@needs_cc
def test_without_a_compiler_in_the_path_the_wheel_builds_it(tmp_path: Path) -> None:
    package = tmp_path / "site" / "ziglang"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(WHEEL.format(cc=CC))
    tools = tmp_path / "tools"  # what the stand-in's own compiler calls; none of them is a compiler
    tools.mkdir()
    for name in ("as", "ld"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    made = make(tmp_path, str(tools), tmp_path / "site")
    assert "native kernel: built with ziglang" in made.stderr
    assert library.Kernel(tmp_path / building.NAME).crc32c(b"") == 0


def test_without_any_compiler_it_says_so_once_and_setup_goes_on(tmp_path: Path) -> None:
    made = make(tmp_path, str(tmp_path))
    assert made.returncode == 0
    assert made.stderr.count("\n") == 1
    assert "not built, Snapup runs in Python alone (there is no C compiler" in made.stderr
    assert [*tmp_path.iterdir()] == []


@needs_cc
def test_a_compiler_that_fails_is_named_with_what_it_said(tmp_path: Path) -> None:
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho out of order >&2\nexit 1\n")
    broken.chmod(0o755)
    made = make(tmp_path / "out", str(tmp_path), CC=str(broken))
    assert "out of order" in made.stderr
    assert made.returncode == 0


@needs_cc
def test_a_library_of_other_sources_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    building.build(tmp_path)
    monkeypatch.setattr(library, "checksum", lambda: "0" * 16)
    with pytest.raises(SnapupError, match="built from other sources: make setup"):
        library.load(tmp_path / building.NAME)


@pytest.fixture
def _unbuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(library.LIBRARY_VARIABLE, str(tmp_path / "none.so"))
    library.load.cache_clear()


@pytest.mark.usefixtures("_unbuilt")
def test_auto_is_python_where_nothing_is_built_and_says_why() -> None:
    kernel, why = library.chosen("auto")
    assert kernel is None
    assert "not built" in why
    with pytest.raises(SnapupError, match="not built"):
        library.chosen("native")
    library.load.cache_clear()


def test_python_may_be_chosen_anywhere() -> None:
    assert library.chosen("python") == (None, "chosen")


def test_what_does_not_load_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "bad.so").write_bytes(b"no library")
    with pytest.raises(SnapupError, match="does not load"):
        library.load(tmp_path / "bad.so")
