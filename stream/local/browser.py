"""Chromium for the browser tests, with a font that has Chinese: Debian's packages, installed by apt.

Unlike the programs in `packages`, these cannot be unpacked into the cache: a browser needs a hundred libraries, and it
looks for fonts in the system's folders. So the installation needs root, and happens only when asked for by name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from stream.errors import SnapupError

if TYPE_CHECKING:
    from collections.abc import Sequence

FONT_PACKAGE = "fonts-noto-cjk"
# The same engine without windows: with a window around each page a file of tests took twice the processor's time.
# Where it is no package, the whole browser serves.
PROGRAMS = ("chromium-headless-shell", "chromium")
PACKAGES = (PROGRAMS[0], FONT_PACKAGE)
FONT_FOLDER = Path("/usr/share/fonts")
FONT_FILES = "NotoSansCJK*"
APT_TIMEOUT_S = 900.0
_ASK_TIMEOUT_S = 15.0


def find_chromium() -> Path | None:
    """Debian's Chromium, without windows if that is here; None when neither is installed."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    return Path(found) if found else None


def has_chinese_font(folder: Path = FONT_FOLDER) -> bool:
    """Whether a browser would show Chinese, rather than boxes."""
    if program := shutil.which("fc-list"):
        try:
            said = subprocess.run(  # noqa: S603 -- found on the PATH, arguments are ours
                [program, ":lang=zh-cn", "family"], capture_output=True, timeout=_ASK_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            pass
        else:
            return bool(said.stdout.strip())
    return any(folder.rglob(FONT_FILES))


def install_browser() -> None:
    """Install whichever of Chromium and the font is missing.

    Raises:
        SnapupError: this user may not, this is no Debian, or apt failed; says what to type instead.
    """
    if find_chromium() is not None and has_chinese_font():
        return
    by_hand = f"apt-get install --no-install-recommends {' '.join(PACKAGES)}"
    apt = shutil.which("apt-get")
    if apt is None:
        raise SnapupError("This machine has no apt: install Chromium and a Chinese font by the system's own means.")
    if os.geteuid() != 0:
        raise SnapupError(f"Only root may install it: {by_hand}")
    install = [apt, "install", "--yes", "--no-install-recommends"]
    if (
        not _runs([*install, *PACKAGES])
        and not (_runs([apt, "update"]) and _runs([*install, *PACKAGES]))
        and not _runs([*install, PROGRAMS[1], FONT_PACKAGE])
    ):
        raise SnapupError(f"apt could not install it; see what it says: {by_hand}")


def _runs(command: Sequence[str]) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(  # noqa: S603 -- the commands are ours
            list(command), env=environment, capture_output=True, timeout=APT_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
