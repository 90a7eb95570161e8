"""The state file of the kept stack; with real servers: tests/integration/test_local_stack.py."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.errors import SnapupError
from stream.local import kept
from stream.local.kept import KeptServer, KeptStack
from stream.local.process import ProcessId
from stream.local.settings import LocalSettings

if TYPE_CHECKING:
    from pathlib import Path


def _note(folder: Path, *, version: int = kept.STATE_VERSION, process: ProcessId) -> LocalSettings:
    server = KeptServer(port=1, process=process, log="log")
    state = KeptStack(version=version, started_at_ms=0, folder=str(folder / "data"), kafka=server, redis=server)
    (folder / "stack.json").write_bytes(msgspec.json.encode(state))
    return LocalSettings(state_dir=folder)


def test_nothing_kept_is_nothing_to_end(tmp_path: Path) -> None:
    assert kept.read_state(LocalSettings(state_dir=tmp_path)) is None
    assert kept.down(LocalSettings(state_dir=tmp_path)) == []


def test_a_second_stack_is_refused_while_one_runs(tmp_path: Path) -> None:
    settings = _note(tmp_path, process=ProcessId.of(os.getpid()))
    with pytest.raises(SnapupError, match=r"up already.*snapup stack down"):
        kept.up(settings)


def test_a_number_that_was_given_to_another_process_is_not_ended(tmp_path: Path) -> None:
    ours = ProcessId.of(os.getpid())
    settings = _note(tmp_path, process=ProcessId(ours.pid, ours.started - 1))
    assert kept.down(settings) == []


@pytest.mark.parametrize("text", ["", "{", '{"version": "x"}', "\xff"])
def test_a_damaged_state_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "stack.json").write_text(text, "latin-1")
    with pytest.raises(SnapupError, match=r"stack\.json is damaged"):
        kept.read_state(LocalSettings(state_dir=tmp_path))


def test_a_state_file_of_another_version_is_left_alone(tmp_path: Path) -> None:
    settings = _note(tmp_path, version=99, process=ProcessId.of(os.getpid()))
    with pytest.raises(SnapupError, match="written by another version"):
        kept.down(settings)


def test_wiping_leaves_what_is_not_ours(tmp_path: Path) -> None:
    ours = ProcessId.of(os.getpid())
    settings = _note(tmp_path, process=ProcessId(ours.pid, ours.started - 1))
    for name in ("kafka", "redis", "photos"):
        (tmp_path / "data" / name).mkdir(parents=True)
    kept.down(settings, wipe=True)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["photos"]
