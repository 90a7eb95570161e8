"""Programs from Debian packages, without installing them: downloaded and unpacked into the cache.

`redis-server` and `promtool` come this way where the machine lacks them. No root is needed, no service is started or
enabled, nothing outside the cache changes. apt itself checks the packages against the signed lists.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from stream.errors import SnapupError
from stream.local.process import last_lines
from stream.local.settings import make_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

APT_TIMEOUT_S = 300.0


class Source(msgspec.Struct, frozen=True):
    """The packages of a program.

    `files` of the `packages` are kept, the program first; `libraries`: whether it also needs what apt would install.
    """

    packages: tuple[str, ...]
    files: tuple[str, ...]
    libraries: bool


SOURCES = {
    # In Debian redis-server is a link to a file of redis-tools, which may be installed without it.
    "redis-server": Source(("redis-server", "redis-tools"), ("usr/bin/redis-server", "usr/bin/redis-check-rdb"), True),
    "promtool": Source(("prometheus",), ("usr/bin/promtool",), libraries=False),
}


class Program(msgspec.Struct, frozen=True):
    """A program to run; `libraries` are folders that its loader must search too."""

    path: Path
    libraries: tuple[Path, ...] = ()

    def environment(self) -> dict[str, str] | None:
        """The environment to run the program with; None when ours will do."""
        if not self.libraries:
            return None
        folders = [str(folder) for folder in self.libraries] + [os.environ.get("LD_LIBRARY_PATH", "")]
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(filter(None, folders))}


def find_program(name: str, cache_dir: Path, configured: str | None = None) -> Program | None:
    """The configured program, the PATH's, or the cache's; None when there is none."""
    if configured is not None:
        found = shutil.which(configured)
        return Program(Path(found)) if found else None
    if found := shutil.which(name):
        return Program(Path(found))
    root = _unpacked(cache_dir, name)
    path = root / SOURCES[name].files[0]
    if not path.exists():
        return None
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    return Program(path, tuple(root / folder / multiarch for folder in ("usr/lib", "lib") if (root / folder).is_dir()))


def install_program(name: str, cache_dir: Path) -> Program:
    """The program; unpacks its package, and what it needs beyond what is installed, into the cache.

    Raises:
        SnapupError: this is no Debian, or apt cannot fetch the packages.
    """
    if found := find_program(name, cache_dir):
        return found
    source = SOURCES[name]
    if not all(shutil.which(tool) for tool in ("apt-get", "dpkg-deb")):
        raise SnapupError(f"{name} is missing and this machine has no apt: install it by the system's own means.")
    make_folder(cache_dir, "SNAPUP_CACHE_DIR")
    with tempfile.TemporaryDirectory(dir=cache_dir, prefix="packages-") as temporary:
        _fetch_and_unpack(source, Path(temporary))
        _keep(source, Path(temporary))
        target = _unpacked(cache_dir, name)
        shutil.rmtree(target, ignore_errors=True)
        (Path(temporary) / "kept").rename(target)
    program = find_program(name, cache_dir)
    if program is None:
        raise SnapupError(f"The package {source.packages[0]} does not hold {name}: install it by hand.")
    return program


def _unpacked(cache_dir: Path, name: str) -> Path:
    return cache_dir / f"program-{name}"


def _fetch_and_unpack(source: Source, work: Path) -> None:
    """Unpack into work/root, by the machine's package lists; where there are none, by lists of our own, fetched now."""
    simulate = ["--simulate", "--no-install-recommends", "install", *source.packages]
    options: list[str] = []
    package = source.packages[0]
    if (plan := _apt(["apt-get", *simulate], work)) is None:
        options = _own_lists(work)
        _require(_apt(["apt-get", *options, "update"], work), package, work)
        plan = _require(_apt(["apt-get", *options, *simulate], work), package, work)
    wanted = set(source.packages)
    if source.libraries:
        # What apt would install: exactly what this machine lacks.
        wanted |= {line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")}
    downloads = work / "downloads"
    downloads.mkdir()
    _require(_apt(["apt-get", *options, "download", *sorted(wanted)], work, cwd=downloads), package, work)
    for archive in sorted(downloads.glob("*.deb")):
        _require(_apt(["dpkg-deb", "--extract", str(archive), str(work / "root")], work), package, work)


def _keep(source: Source, work: Path) -> None:
    """Move the wanted files and the libraries from work/root to work/kept: a package may hold ten times as much."""
    root, kept = work / "root", work / "kept"
    folders = ("usr/lib", "lib") if source.libraries else ()
    for name in (*source.files, *folders):
        if (root / name).is_symlink() or (root / name).exists():
            (kept / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).rename(kept / name)


def _own_lists(work: Path) -> list[str]:
    """Options that let apt keep its lists in our folder, where no root is needed."""
    (work / "lists" / "partial").mkdir(parents=True)
    (work / "archives" / "partial").mkdir(parents=True)
    return ["-o", f"Dir::State::Lists={work / 'lists'}", "-o", f"Dir::Cache={work}", "-o", "Debug::NoLocking=1"]


def _require(output: str | None, package: str, work: Path) -> str:
    if output is None:
        said = last_lines(work / "apt.log", 1, wanted=["E:", "error"])
        raise SnapupError(
            f"The Debian package {package} cannot be fetched ({' '.join(said) or 'no reason given'}): "
            f"install it yourself (as root: apt-get update && apt-get install {package})."
        )
    return output


def _apt(command: Sequence[str], work: Path, cwd: Path | None = None) -> str | None:
    """Output of a command, None when it failed; its stderr goes to a log in the work folder."""
    try:
        with (work / "apt.log").open("ab") as log:
            done = subprocess.run(  # noqa: S603 -- the commands are ours
                list(command),
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.DEVNULL,
                text=True,
                timeout=APT_TIMEOUT_S,
                check=False,
                cwd=cwd or work,
                env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
            )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
