"""Servers that we start: how they end, and that none outlives us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from stream.errors import SnapupError
from stream.local.process import ProcessId, ServerProcess, last_lines, stop_by_id, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEADLINE_S = 20.0
WATCH_S = 0.5
SERVER = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(600)"
PARENT = """
import pathlib, sys, time
from stream.local.process import ServerProcess
folder = pathlib.Path(sys.argv[1])
server = ServerProcess("x", [sys.executable, "-c", sys.argv[2], str(folder / "pid")], log=folder / "log", cwd=folder)
if sys.argv[3] == "release":
    while not (folder / "pid").exists():
        time.sleep(0.01)
    server.release()
(folder / "keeper").write_text(str(server.pid))
time.sleep(600)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    started = _start(tmp_path, SERVER)
    yield started
    started.kill()


def _start(folder: Path, code: str) -> ServerProcess:
    argv = [sys.executable, "-c", code, str(folder / "pid")]
    return ServerProcess("x", argv, log=folder / "log", cwd=folder)


def _pid_in(path: Path) -> ProcessId:
    assert wait_until(lambda: path.exists() and path.read_text() != "", DEADLINE_S)
    return ProcessId.of(int(path.read_text()))


def _gone(*processes: ProcessId) -> bool:
    return wait_until(lambda: not any(process.lives() for process in processes), DEADLINE_S)


def test_a_stopped_server_ends_by_itself_with_its_own_code(tmp_path: Path) -> None:
    code = SERVER.replace("import os", "import signal, os").replace(
        "time.sleep(600)", "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); pathlib.Path('ready').touch()"
    )
    server = _start(tmp_path, code + "; time.sleep(600)")
    assert wait_until((tmp_path / "ready").exists, DEADLINE_S)
    assert server.stop(DEADLINE_S) is True
    assert server.exit_code == 7


def test_a_server_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    code = "import signal, pathlib, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); pathlib.Path('ready').touch()"
    server = _start(tmp_path, code + "; time.sleep(600)")
    assert wait_until((tmp_path / "ready").exists, DEADLINE_S)
    assert server.stop(0.2) is False
    assert server.exit_code == 128 + signal.SIGKILL


def test_a_killed_server_leaves_neither_itself_nor_its_keeper(server: ServerProcess, tmp_path: Path) -> None:
    itself = _pid_in(tmp_path / "pid")
    server.kill()
    assert _gone(itself, server.id)


def test_a_server_ends_when_only_its_keeper_is_killed(server: ServerProcess, tmp_path: Path) -> None:
    itself = _pid_in(tmp_path / "pid")
    os.kill(server.pid, signal.SIGKILL)
    assert _gone(itself)


def test_a_paused_server_can_be_stopped(server: ServerProcess, tmp_path: Path) -> None:
    itself = _pid_in(tmp_path / "pid")
    server.signal(signal.SIGSTOP)
    assert server.stop(DEADLINE_S) is True
    assert _gone(itself)


def test_a_parent_killed_by_sigkill_leaves_no_server(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path), SERVER, "keep"])
    itself, keeper = _pid_in(tmp_path / "pid"), _pid_in(tmp_path / "keeper")
    assert itself.lives()
    parent.kill()
    parent.wait()
    assert _gone(itself, keeper)


def test_a_released_server_outlives_its_parent_and_is_ended_by_its_id(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path), SERVER, "release"])
    itself, keeper = _pid_in(tmp_path / "pid"), _pid_in(tmp_path / "keeper")
    parent.kill()
    parent.wait()
    # An unreleased server is gone in milliseconds, see above; that nothing happens can only be watched for a while.
    assert not wait_until(lambda: not (itself.lives() and keeper.lives()), WATCH_S)
    assert stop_by_id(keeper, DEADLINE_S) is True
    assert _gone(itself, keeper)
    assert stop_by_id(keeper, DEADLINE_S) is False


def test_a_number_that_was_given_to_another_process_is_not_taken_for_ours() -> None:
    ours = ProcessId.of(os.getpid())
    assert ours.lives()
    assert not ProcessId(ours.pid, ours.started - 1).lives()
    assert stop_by_id(ProcessId(ours.pid, ours.started - 1), DEADLINE_S) is False


def test_a_program_that_does_not_exist_is_reported_by_its_exit(tmp_path: Path) -> None:
    server = ServerProcess("x", ["/nowhere/program"], log=tmp_path / "log", cwd=tmp_path)
    assert wait_until(lambda: server.exit_code is not None, DEADLINE_S)
    assert server.exit_code == 1
    assert "No such file or directory" in "".join(last_lines(tmp_path / "log", 3))


def test_a_log_that_may_not_be_written_gives_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    with pytest.raises(SnapupError, match="x cannot be started"):
        ServerProcess("x", ["true"], log=tmp_path / "log", cwd=tmp_path)


def test_the_last_lines_prefer_the_telling_ones_and_drop_colours(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("a\n\x1b[31mERROR one\x1b[0m\nb\n\nc\n", "utf-8")
    assert last_lines(log, 2) == ["b", "c"]
    assert last_lines(log, 2, wanted=["ERROR"]) == ["ERROR one"]
    assert last_lines(log, 2, wanted=["FATAL"]) == ["b", "c"]
    assert last_lines(tmp_path / "none", 2) == []
