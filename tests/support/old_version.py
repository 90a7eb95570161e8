"""The code of an older version, out of this repository's history: what an upgrade begins with."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Six topics, checkpoints of version 1, and the recordings of `tests/golden`.
FIRST_VERSION = "4013363"


def code_of(commit: str, to: Path) -> Path:
    """A folder with the package, the deploy files and the tests' support of a commit, for PYTHONPATH.

    Skips the test where this clone lacks that commit.
    """
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", "--format=tar", commit, "stream", "deploy", "tests/support"],  # noqa: S607
        capture_output=True,
        check=False,
    )
    if archive.returncode:
        pytest.skip(f"commit {commit} is not in this clone (shallow, or no git): {archive.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(to, filter="data")
    return to
