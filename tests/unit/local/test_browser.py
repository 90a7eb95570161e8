"""Chromium and a Chinese font: found, or what to type is said."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from stream.errors import SnapupError
from stream.local import browser

INSTALL = "apt-get install --no-install-recommends chromium-headless-shell fonts-noto-cjk"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of the PATH, empty; no font either."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def put(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_a_font_is_found_by_fontconfig_or_by_its_file(programs: Path, tmp_path: Path) -> None:
    fonts = tmp_path / "fonts"
    (fonts / "noto").mkdir(parents=True)
    assert not browser.has_chinese_font(fonts)
    (fonts / "noto" / "NotoSansCJK-Regular.ttc").touch()
    assert browser.has_chinese_font(fonts)
    put(programs, "fc-list", "exit 0")
    assert not browser.has_chinese_font(fonts)
    put(programs, "fc-list", "echo 'Noto Sans CJK SC'")
    assert browser.has_chinese_font(tmp_path)


def test_nothing_is_installed_where_both_are_there(programs: Path) -> None:
    put(programs, "chromium", "exit 1")
    put(programs, "fc-list", "echo font")
    put(programs, "apt-get", f"echo called > {programs}/called")
    browser.install_browser()
    assert not (programs / "called").exists()
    assert browser.find_chromium() == programs / "chromium"


def test_whoever_is_not_root_is_told_what_to_type(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(programs, "apt-get", f"echo called > {programs}/called")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(
        SnapupError, match=r"root.*apt-get install --no-install-recommends chromium-headless-shell fonts-noto-cjk"
    ):
        browser.install_browser()
    assert not (programs / "called").exists()


def test_package_lists_are_fetched_when_the_first_try_fails(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    said = programs / "said"
    put(programs, "apt-get", f'echo "$1" >> {said}; [ "$1" = update ] && : > {programs}/lists; [ -e {programs}/lists ]')
    browser.install_browser()
    assert said.read_text().split() == ["install", "update", "install"]


def test_a_debian_without_the_engine_alone_gets_the_whole_browser(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    said = programs / "said"
    put(programs, "apt-get", f'echo "$@" >> {said}; case "$*" in *headless*) exit 100;; esac')
    browser.install_browser()
    assert said.read_text().splitlines()[-1] == "install --yes --no-install-recommends chromium fonts-noto-cjk"


def test_the_engine_alone_is_preferred(programs: Path) -> None:
    put(programs, "chromium", "exit 1")
    assert browser.find_chromium() == programs / "chromium"
    put(programs, "chromium-headless-shell", "exit 1")
    assert browser.find_chromium() == programs / "chromium-headless-shell"


def test_a_failed_installation_and_a_machine_without_apt_are_told(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SnapupError, match="no apt"):
        browser.install_browser()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    put(programs, "apt-get", "exit 100")
    with pytest.raises(SnapupError, match="apt could not install it"):
        browser.install_browser()


def test_root_gets_the_packages_of_the_browser_and_the_font_and_nothing_that_is_only_recommended(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    said = programs / "said"
    put(programs, "apt-get", f'echo "$DEBIAN_FRONTEND $@" >> {said}')
    browser.install_browser()
    assert (
        said.read_text()
        == "noninteractive install --yes --no-install-recommends chromium-headless-shell fonts-noto-cjk\n"
    )


def test_the_packages_are_debian_s_and_bring_what_is_looked_for() -> None:
    apt = shutil.which("apt-get")
    if apt is None or not _says("dpkg", "--print-architecture"):
        pytest.skip("no Debian: THE NAMES OF ITS PACKAGES WERE NOT CHECKED")
    # Already installed, or to be installed: both are said by name, an unknown name is an error.
    plan = subprocess.run(
        [apt, "install", "--simulate", "--no-install-recommends", *browser.PACKAGES],
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
        check=False,
    )
    if "Unable to locate package" in plan.stderr and not _says("apt-cache", "pkgnames", "chromium-common"):
        pytest.skip("no package lists on this machine: apt-get update, then THE NAMES CAN BE CHECKED")
    assert plan.returncode == 0, plan.stderr
    for name in browser.PACKAGES:
        assert f"Inst {name} " in plan.stdout or f"{name} is already the newest version" in plan.stdout, plan.stdout
    found = browser.find_chromium()
    if found is not None and found.parent == Path("/usr/bin"):
        assert _says("dpkg", "-S", str(found)).startswith(f"{found.name}:")


def _says(*command: str) -> str:
    program = shutil.which(command[0])
    if program is None:
        return ""
    return subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False).stdout
