"""How `snapup` ends: one line and a code for what a user can mend, a traceback for our bugs."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from stream import cli
from stream.errors import SnapupError


def _run(monkeypatch: pytest.MonkeyPatch, error: Exception) -> int:
    def fails() -> None:
        raise error

    monkeypatch.setattr(cli, "app", fails)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_failure_is_one_line_on_stderr_and_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "Java is missing [really]: " + "install it " * 40
    assert _run(monkeypatch, SnapupError(long, exit_code=3)) == 3
    out, err = capsys.readouterr()
    assert (out, err) == ("", long + "\n")


def test_a_full_disk_is_one_line_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(monkeypatch, OSError(errno.ENOSPC, "No space left on device", "/data/log")) == 1
    assert capsys.readouterr().err.startswith("The disk is full: /data/log")


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(cli, "app", fails)
    with pytest.raises(OSError, match="Input/output error"):
        cli.main()


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_is_there_and_says_what_it_does(name: str) -> None:
    answer = CliRunner().invoke(cli.app, [name, "--help"])
    assert answer.exit_code == 0
    assert f"snapup {name}" in answer.output


def test_an_unknown_command_is_named() -> None:
    answer = CliRunner().invoke(cli.app, ["wrong"])
    assert answer.exit_code == 2
    assert "No such command 'wrong'" in answer.output


def test_a_command_does_not_load_the_others() -> None:
    """A worker that comes back after a crash must not first load the simulator and the terminal views."""
    show = "import sys; from stream.cli import main; sys.argv[1:] = ['token', '--help']\ntry: main()\n"
    show += "finally: print(*sys.modules, file=sys.stderr)"
    loaded = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True).stderr.split()
    assert "stream.commands.token" in loaded
    assert {"numpy", "faust", "stream.commands.demo"} & set(loaded) == set()
