"""What every command has in common: versions, short help, near names, exit code 2 for what is not there, completion."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib.metadata import metadata, version
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stream import cli
from stream.mechanics.scenarios import NAMES
from tests.support.commands import ROOT, subcommands

TOP = Path(__file__).parents[3]
SNAPUP = Path(sys.executable).with_name("snapup")


def run(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    monkeypatch.setattr("sys.argv", ["snapup", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def commands(command: Any = ROOT, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [words]
    for name, below in subcommands(command).items():
        found += commands(below, (*words, name))
    return found


def test_the_version_is_that_of_the_package() -> None:
    answer = CliRunner().invoke(cli.app, ["--version"])
    assert (answer.exit_code, answer.output) == (0, f"snapup {version('snapup')}\n")


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_short_help_is_everywhere(words: tuple[str, ...]) -> None:
    answer = CliRunner().invoke(cli.app, [*words, "-h"])
    assert answer.exit_code == 0
    assert answer.output == CliRunner().invoke(cli.app, [*words, "--help"]).output


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("wroker",), "Did you mean 'worker'?"),
        (("topics", "aply"), "Did you mean 'apply'?"),
        (("import", "taoboa"), "Did you mean 'taobao'?"),
        (("worker", "--redis-ulr", "x"), "--redis-url"),
        (("--verison",), "--version"),
        (("simulate", "snapup"), "Did you mean 'snap-up'?"),
        (("simulate", "viya"), "Did you mean 'viya-2017'?"),
        (("topics", "apply", "--timestamp-type", "createtime"), "'CreateTime'"),
    ],
)
def test_a_name_that_is_nearly_one_is_answered_with_the_one_that_was_meant(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], meant: str
) -> None:
    assert run(monkeypatch, *words) == 2
    assert meant in capsys.readouterr().err


def test_a_name_that_is_near_nothing_gets_no_guess(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "xyzzy") == 2
    assert "Did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("simulate", "nope", "--to", "x.ndjson"),
        ("simulate", "snap-up", "--to", "nope/x.ndjson"),
        ("simulate", "snap-up", "--to", "x.ndjson", "--ack-journal", "nope/x"),
        ("replay", "nope.ndjson"),
        ("replay", "one.ndjson", "--room", "nope"),
        ("replay", "one.ndjson", "--signals", "nope/x.ndjson"),
        ("report", "nope.ndjson", "--room", "r"),
        ("report", "one.ndjson", "--room", "nope"),
        ("report", "one.ndjson", "--session", "nope"),
        ("report", "one.ndjson", "--to", "nope/x"),
        ("report", "one.ndjson", "--lang", "nope"),
        ("replay", "one.ndjson", "--offered", "nope=5"),
        ("import", "taobao", "nope.csv", "--room", "r", "--to", "x.ndjson"),
        ("import", "uci", "nope.csv", "--room", "r", "--to", "x.ndjson"),
        ("import", "uci", "one.csv", "--room", "r", "--to", "nope/x.ndjson"),
        ("import", "uci", "one.csv", "--room", "r", "--to", "x.ndjson", "--timezone", "Europe/Nope"),
        ("import", "uci", "one.csv", "--room", "r", "--to", "x.ndjson", "--report", "nope/x"),
        ("record", "r", "--to", "nope/x.ndjson"),
        ("record", "nope nope", "--to", "x.ndjson"),
        ("record", "r", "--to", "x.ndjson", "--since", "nope"),
        ("record", "r", "--to", "x.ndjson", "--pseudonyms", "--key-file", "nope"),
        ("topics", "check", "--file", "nope.toml"),
        ("schemas", "check", "--root", "nope"),
        ("schemas", "check", "--root", str(TOP), "--against", "nope"),
        # What a command cannot take is wrong usage too.
        ("import", "recording", "one.ndjson", "--to", "nope"),
        ("replay", "one.ndjson", "--offered", "nope"),
        ("dead-letters", "--since", "nope"),
        ("watch", "nope nope"),
        ("simulate", "snap-up", "--speed", "nope"),
    ],
    ids=" ".join,
)
def test_what_is_not_there_ends_with_2_and_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one.csv").write_text("a,b\n", encoding="utf-8")
    line = '{"topic":"likes","key":"r","timestamp_ms":1795780000000,"value":{"type":"like","event_id":"1",'
    line += '"room_id":"r","event_time_ms":1795780000000,"user_id":"u","count":1}}\n'
    Path("one.ndjson").write_text(line, encoding="utf-8")
    assert run(monkeypatch, *words) == 2
    told = capsys.readouterr().err
    assert "nope" in told.lower()
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "target"),
    [
        (("simulate", "tadu-2019", "--to", "there.ndjson"), "there.ndjson"),
        (("simulate", "tadu-2019", "--to", "new.ndjson", "--ack-journal", "there.txt"), "there.txt"),
        (("replay", "rec.ndjson", "--signals", "there.ndjson"), "there.ndjson"),
        (("record", "r", "--to", "there.ndjson"), "there.ndjson"),
        (("report", "rec.ndjson", "--to", "there"), "there.json"),
        (("import", "uci", "in.csv", "--room", "r", "--to", "there.ndjson"), "there.ndjson"),
        (("import", "uci", "in.csv", "--room", "r", "--to", "new.ndjson", "--report", "there.txt"), "there.txt"),
        (("import", "uci", "in.csv", "--room", "r", "--to", "new.ndjson", "--report", "in.csv", "--force"), "in.csv"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_no_command_replaces_a_file_that_is_there(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    words: tuple[str, ...],
    target: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("there.ndjson", "there.txt", "there.json", "rec.ndjson", "in.csv"):
        Path(name).write_text("precious\n", encoding="utf-8")
    assert run(monkeypatch, *words) in (1, 2)
    assert Path(target).read_text("utf-8") == "precious\n"
    if words[0] != "replay":  # which reads its recording first, and that one is none
        assert target in capsys.readouterr().err


def test_a_recording_is_replaced_when_one_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "show.ndjson"
    path.write_text("old\n", encoding="utf-8")
    assert run(monkeypatch, "simulate", "tadu-2019", "--to", path, "--force") == 0
    assert path.stat().st_size > 1_000_000


def test_a_device_is_written_to_without_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "simulate", "tadu-2019", "--to", "/dev/null") == 0
    assert Path("/dev/null").is_char_device()


# -- completion, by the protocol of each shell -------------------------------------------------------------------------
def complete(shell: str, line: str) -> str:
    """What the shell's own script would ask of us for a line with the cursor at its end."""
    words = line.split(" ")
    environment = {
        **os.environ,
        "_SNAPUP_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run([SNAPUP], env=environment, capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scenarios_are_completed(shell: str) -> None:
    told = complete(shell, "snapup simulate sn")
    assert "snap-up" in told
    assert "viya-2017" not in told


def test_all_scenarios_are_offered() -> None:
    assert sorted(complete("bash", "snapup simulate ").split()) == NAMES


def test_commands_are_completed() -> None:
    assert complete("bash", "snapup si").split() == ["simulate"]
    assert complete("bash", "snapup topics ").split() == ["apply", "check", "list"]


def test_options_are_completed() -> None:
    assert "--speed" in complete("bash", "snapup simulate snap-up --sp").split()


def of_shell(option: str, shell: str, home: Path) -> str:
    """Ask for a shell by its name: which one started the tests must not matter."""
    environment = {**os.environ, "HOME": str(home), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run([SNAPUP, option, shell], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize(
    ("shell", "mark"),
    [("bash", "complete -o default"), ("zsh", "#compdef snapup"), ("fish", "complete --command")],
)
def test_the_script_for_a_shell_is_shown_and_installed(tmp_path: Path, shell: str, mark: str) -> None:
    script = of_shell("--show-completion", shell, tmp_path)
    assert mark in script
    assert "_SNAPUP_COMPLETE" in script
    of_shell("--install-completion", shell, tmp_path)
    installed = [path.read_text("utf-8") for path in tmp_path.rglob("*") if path.is_file()]
    assert any("_SNAPUP_COMPLETE" in text for text in installed)


# -- the licence -------------------------------------------------------------------------------------------------------
def test_the_licence_is_apache_2_whole_and_named_where_tools_look_for_it() -> None:
    text = (TOP / "LICENSE").read_text("utf-8")
    assert "Version 2.0, January 2004" in text
    assert text.count("\n") > 190
    project = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]
    assert (project["license"], project["license-files"]) == ("Apache-2.0", ["LICENSE"])
    assert not [name for name in project["classifiers"] if name.startswith("License ::")]  # PEP 639: not both
    assert "[Apache License 2.0](LICENSE)" in (TOP / "README.md").read_text("utf-8")
    assert metadata("snapup")["License-Expression"] in ("Apache-2.0", None)  # None: installed before this was said
