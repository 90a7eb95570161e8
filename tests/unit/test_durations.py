"""What a run of the tests says of its own length, alone and over several processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
CONFTEST = """
from tests.support.durations import Durations

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Durations(config.rootpath, len(config.getoption("tx", None) or [1])), "durations")
"""
SLOW = """
import threading

def test_slow():
    assert not threading.Event().wait(0.3)

def test_failing():
    assert False
"""


@pytest.mark.parametrize("more", [(), ("-n", "2", "--dist", "loadfile")], ids=["alone", "xdist"])
def test_each_file_and_folder_is_saved_and_the_slowest_named(tmp_path: Path, more: tuple[str, ...]) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    for name, text in (("a/test_slow.py", SLOW), ("b/test_quick.py", "def test_quick(): pass\n")):
        path = tmp_path / "tests" / name
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *more, "tests"]
    environment = {**os.environ, "PYTHONPATH": str(TOP)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    told = json.loads((tmp_path / "tests" / "out" / "durations.json").read_text("utf-8"))
    assert list(told["folders"]) == ["tests/a", "tests/b"]
    assert list(told["files"]) == ["tests/a/test_slow.py", "tests/b/test_quick.py"]
    assert told["files"]["tests/a/test_slow.py"] >= 0.3
    assert told["outcomes"] == {"failed": 1, "passed": 2}
    assert next(iter(told["tests"])) == "tests/a/test_slow.py::test_slow"
    assert told["exit_status"] == 1
    assert told["machine"]["cores"] == os.cpu_count()
    assert told["machine"]["processes"] == (2 if more else 1)
    assert "folders: tests/a " in done.stdout
    assert done.stdout.count("of tests in tests/out/durations.json") == 1
