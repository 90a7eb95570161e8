"""Python environments of their own, for what must not lie beside our pinned libraries."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path


class NoEnvironmentError(Exception):
    """An environment could not be made: the text names the command that failed."""


def environment(requirements: Path, folder: Path) -> Path:
    """The Python of an environment, which is made when its requirements have changed.

    Args:
        requirements: pinned, with hashes.
        folder: where environments lie, each under the hash of its requirements.

    Raises:
        NoEnvironmentError: it cannot be made here, as without a package registry.
    """
    made = folder / f"venv-{hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]}"
    python = made / "bin" / "python"
    if not (made / "ready").exists():
        shutil.rmtree(made, ignore_errors=True)
        _require([sys.executable, "-m", "venv", str(made)])
        uv = Path(sys.executable).parent / "uv"
        flags = ["--quiet", "--require-hashes", "-r", str(requirements)]
        with_uv = [str(uv), "pip", "install", "--python", str(python), *flags]
        if not uv.exists() or subprocess.run(with_uv, check=False).returncode:
            _require([str(python), "-m", "pip", "install", "--disable-pip-version-check", *flags])
        (made / "ready").touch()
    return python


def _require(command: list[str]) -> None:
    if subprocess.run(command, check=False).returncode:
        raise NoEnvironmentError(f"{' '.join(command[:4])} … failed")
