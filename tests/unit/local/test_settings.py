from __future__ import annotations

from pathlib import Path

import pytest

from stream.errors import SnapupError
from stream.local.settings import load_local_settings, make_folder


def test_folders_follow_the_users_own_conventions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/to/be/ignored")
    for variable in ("SNAPUP_CACHE_DIR", "SNAPUP_STATE_DIR"):
        monkeypatch.delenv(variable, raising=False)
    settings = load_local_settings()
    assert settings.cache_dir == Path("/caches/snapup")
    assert settings.state_dir == Path.home() / ".local/state/snapup"


def test_a_relative_folder_is_meant_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAPUP_CACHE_DIR", "cache")
    assert load_local_settings().cache_dir == Path.cwd() / "cache"


def test_a_bad_setting_is_named_with_its_value_and_what_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAPUP_KAFKA_HEAP_MB", "much")
    with pytest.raises(SnapupError, match=r"SNAPUP_KAFKA_HEAP_MB='much': Input should be a valid integer"):
        load_local_settings()


def test_a_folder_that_cannot_be_made_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SnapupError, match=r"cannot be made \(Not a directory\): point SNAPUP_STATE_DIR at"):
        make_folder(tmp_path / "file" / "folder", "SNAPUP_STATE_DIR")
