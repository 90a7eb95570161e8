"""Kafka's jars: fetched once by Maven into the cache, and checked against our own list at each use."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stream.errors import SnapupError
from stream.local.process import last_lines
from stream.local.settings import make_folder
from stream.topics import kafka_file

if TYPE_CHECKING:
    from collections.abc import Iterator

# About 45 MB: ten minutes on a slow line.
FETCH_TIMEOUT_S = 600.0
_LINE = re.compile(r"^([0-9a-f]{64}) [ *]([A-Za-z0-9._+-]+\.jar)$")


def checksums() -> dict[str, str]:
    """Jar name → SHA-256, as committed in `jars.sha256`."""
    listed = {}
    for line in kafka_file("jars.sha256").read_text("ascii").splitlines():
        found = _LINE.match(line)
        if found is None:
            raise SnapupError(f"deploy/kafka/jars.sha256 has a line that is not a checksum: {line!r}.")
        listed[found[2]] = found[1]
    return listed


def kafka_version() -> str:
    """The broker's version, read from the list so that it stands in one place beside the pom."""
    for name in checksums():
        if found := re.fullmatch(r"kafka_2\.13-([0-9.]+)\.jar", name):
            return found[1]
    raise SnapupError("deploy/kafka/jars.sha256 lists no kafka_2.13 jar.")


def jars_dir(cache_dir: Path) -> Path:
    """The folder of the jars: named by version and list, so that another list is another folder."""
    digest = hashlib.sha256(kafka_file("jars.sha256").read_bytes()).hexdigest()[:12]
    return cache_dir / f"kafka-{kafka_version()}-{digest}"


def differences(folder: Path) -> list[str]:
    """What is wrong with a folder of jars, by our list; empty when the folder is exactly as listed."""
    listed = checksums()
    present = {path.name: path for path in folder.glob("*.jar")}
    wrong = [f"{name} is missing" for name in sorted(listed.keys() - present.keys())]
    wrong += [f"{name} is not listed" for name in sorted(present.keys() - listed.keys())]
    for name in sorted(listed.keys() & present.keys()):
        with present[name].open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != listed[name]:
                wrong.append(f"{name} has another checksum")
    return wrong


def ensure_jars(cache_dir: Path) -> Path:
    """The folder of verified jars, fetched now if need be; safe when several processes ask at once.

    Raises:
        SnapupError: Maven is missing or fails, or a jar is not the one that we listed.
    """
    folder = jars_dir(cache_dir)
    if not folder.is_dir():
        make_folder(cache_dir, "SNAPUP_CACHE_DIR")
        with _locked(cache_dir / "kafka.lock"):
            if not folder.is_dir():
                _fetch(folder)
    if wrong := differences(folder):
        raise SnapupError(
            f"The Kafka jars in {folder} are not the listed ones ({_brief(wrong)}): they were damaged or exchanged. "
            "Delete that folder; they will be fetched again."
        )
    return folder


def _fetch(folder: Path) -> None:
    """Fetch into a folder beside, then rename it: no process ever sees half of it."""
    maven = shutil.which("mvn")
    if maven is None:
        raise SnapupError("Maven is missing, which fetches Kafka's jars: on Debian, apt-get install maven.")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetch-") as temporary:
        target = Path(temporary) / "lib"
        # A copy of the pom: an installed package may lie where we cannot write, and Maven may want to.
        pom = Path(shutil.copy(kafka_file("pom.xml"), temporary))
        log = Path(temporary) / "maven.log"
        options = ["-q", "-B", "-f", str(pom), f"-DoutputDirectory={target}", *_repository(Path(temporary))]
        _run_maven([maven, *options, "dependency:copy-dependencies"], log)
        if wrong := differences(target):
            raise SnapupError(
                f"Maven fetched jars that are not the listed ones ({_brief(wrong)}): nothing was kept. If "
                "deploy/kafka/pom.xml was changed on purpose, write deploy/kafka/jars.sha256 again."
            )
        target.rename(folder)


def _repository(temporary: Path) -> list[str]:
    """Maven's options: it keeps its files in the user's home, or in a temporary folder when it may not write there."""
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)  # Java's user.home, whatever HOME says
    return [] if os.access(home, os.W_OK) else [f"-Dmaven.repo.local={temporary / 'repository'}"]


def _run_maven(command: list[str], log: Path) -> None:
    try:
        with log.open("wb") as out:
            done = subprocess.run(command, stdout=out, stderr=out, timeout=FETCH_TIMEOUT_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise SnapupError(
            f"Maven did not fetch Kafka's jars within {FETCH_TIMEOUT_S:.0f} s: look at the network."
        ) from None
    if done.returncode:
        # The first error line says what happened, the later ones how to ask Maven for more.
        said = last_lines(log, 100, wanted=["ERROR"])
        raise SnapupError(f"Maven could not fetch Kafka's jars: {said[0] if said else f'exit code {done.returncode}'}")


def _brief(wrong: list[str]) -> str:
    return wrong[0] if len(wrong) == 1 else f"{wrong[0]}, and {len(wrong) - 1} more"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
