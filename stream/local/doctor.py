"""What this machine has and lacks for running Snapup locally: each finding says what to do.

Looks only. `install` alone changes something, and only inside the cache folder, unless it is to install the browser
too.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from aiokafka import codec

from stream.errors import SnapupError
from stream.kafka_refusals import unreachable
from stream.kernel.choice import CHOICES
from stream.kernel.library import chosen
from stream.local import jars, kafka
from stream.local.browser import find_chromium, has_chinese_font, install_browser
from stream.local.java import find_java, java_version
from stream.local.packages import find_program, install_program
from stream.local.redis import find_redis_server, redis_version
from stream.redis_address import address_of, beside_in
from stream.redis_clients import REDIS_ERRORS, RedisClient, eviction_advice

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.kafka_clients import Brokers
    from stream.local.settings import LocalSettings

OLDEST_PYTHON = (3, 11)
# One show of a few million events and its checkpoints.
DATA_BYTES = 2 * 1024**3
# The jars, twice during the fetch, and two unpacked packages.
CACHE_BYTES = 512 * 1024**2
_ASK_REDIS_MS = 5_000
_ASK_TIMEOUT_S = 15.0
# The pure-Python twins behave differently: see the worker.
_COMPILED = ("faust._cython.streams", "faust.transport._cython.conductor")


class Finding(msgspec.Struct, frozen=True):
    """One line of the report.

    `remedy` says what to do, empty when all is well; a finding that is not `required` may stay missing.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    required: bool = True


def examine(settings: LocalSettings, brokers: Brokers | None = None) -> list[Finding]:
    """Every finding, in the order in which a newcomer would mend them; `brokers`: Kafka, where one is configured."""
    checks: list[Callable[[LocalSettings], Finding | None]] = [
        _python,
        _faust,
        _codecs,
        _kernel,
        _java,
        _maven,
        _cache,
        _kafka_jars,
        _redis_server,
        _data_space,
        _promtool,
        _chromium,
        _docker,
        lambda _: None if brokers is None else _configured_kafka(brokers),
        _configured_redis,
    ]
    return [finding for check in checks if (finding := check(settings)) is not None]


def install(settings: LocalSettings, say: Callable[[str], None], *, browser: bool = False) -> list[Finding]:
    """What could not be had of Kafka's jars, redis-server and promtool; fetches what is missing into the cache.

    Args:
        settings: the cache folder.
        say: called with each step before it begins.
        browser: also install Chromium and a Chinese font into the system; needs root.
    """
    missed: list[Finding] = []

    def attempt(name: str, step: Callable[[], object], *, required: bool) -> None:
        try:
            step()
        except SnapupError as error:
            missed.append(Finding(name, ok=False, detail="not fetched", remedy=error.message, required=required))

    if not jars.jars_dir(settings.cache_dir).is_dir():
        say(f"Fetching the jars of Kafka {jars.kafka_version()} with Maven")
    attempt("Kafka jars", lambda: jars.ensure_jars(settings.cache_dir), required=True)
    for program, configured, required in (("redis-server", settings.redis_server, True), ("promtool", None, False)):
        if find_program(program, settings.cache_dir, configured) is None:
            say(f"Fetching {program} from its Debian package (nothing is installed, no service starts)")
            attempt(program, lambda name=program: install_program(name, settings.cache_dir), required=required)  # type: ignore[misc]
    if browser:
        say("Installing Chromium and a Chinese font with apt, unless they are there")
        attempt("Chromium", install_browser, required=False)
    return missed


def _python(_: LocalSettings) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(
        "Python",
        ok=sys.version_info >= OLDEST_PYTHON,
        detail=version,
        remedy="Install Python 3.11 or newer, then: make setup PYTHON=python3.11",
    )


def _faust(_: LocalSettings) -> Finding:
    try:
        for module in _COMPILED:
            importlib.import_module(module)
    except ImportError as error:
        return Finding(
            "Faust's compiled parts",
            ok=False,
            detail=str(error),
            remedy="Install faust-streaming from a wheel or with a C compiler, and unset NO_CYTHON: make clean setup",
        )
    return Finding("Faust's compiled parts", ok=True, detail="loaded")


def _codecs(_: LocalSettings) -> Finding:
    codecs = {"snappy": codec.has_snappy(), "lz4": codec.has_lz4(), "zstd": codec.has_zstd()}
    missing = [name for name, known in codecs.items() if not known]
    return Finding(
        "Kafka's codecs",
        ok=not missing,
        detail=f"cannot read {', '.join(missing)}: cramjam is missing" if missing else "gzip, snappy, lz4, zstd",
        remedy="Install the pinned libraries again: make clean setup",
    )


def _kernel(_: LocalSettings) -> Finding:
    choice = os.environ.get("SNAPUP_KERNEL", "auto")
    if choice not in CHOICES:
        return Finding("Kernel", ok=False, detail=choice, remedy=f"SNAPUP_KERNEL is one of {', '.join(CHOICES)}")
    try:
        kernel, why = chosen(choice)
    except SnapupError as error:
        return Finding("Kernel", ok=False, detail="python", remedy=error.message)
    if kernel is None and choice == "auto":
        return Finding("Kernel", ok=False, detail="python", remedy=why, required=False)
    return Finding("Kernel", ok=True, detail=f"{'python' if kernel is None else 'native'}, {why}")


def _java(settings: LocalSettings) -> Finding:
    return _asked("Java", lambda: f"{java_version(find_java(settings.java))} ({find_java(settings.java)})")


def _maven(settings: LocalSettings) -> Finding:
    found = shutil.which("mvn")
    fetched = jars.jars_dir(settings.cache_dir).is_dir()
    detail = found or ("not needed any more: the jars are there" if fetched else "missing")
    return Finding("Maven", ok=bool(found) or fetched, detail=detail, remedy="On Debian: apt-get install maven")


def _cache(settings: LocalSettings) -> Finding:
    try:
        settings.cache_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.cache_dir):
            pass
    except OSError as error:
        return Finding(
            "cache folder", ok=False, detail=str(error), remedy="Point SNAPUP_CACHE_DIR at a folder that you may write."
        )
    fetched = jars.jars_dir(settings.cache_dir).is_dir()
    return _space("cache folder", settings.cache_dir, 0 if fetched else CACHE_BYTES, "SNAPUP_CACHE_DIR")


def _kafka_jars(settings: LocalSettings) -> Finding:
    folder = jars.jars_dir(settings.cache_dir)
    if not folder.is_dir():
        return Finding("Kafka jars", ok=False, detail="not fetched yet", remedy="snapup doctor --install")
    if wrong := jars.differences(folder):
        return Finding(
            "Kafka jars", ok=False, detail=wrong[0], remedy=f"Delete {folder}, then: snapup doctor --install"
        )
    return Finding("Kafka jars", ok=True, detail=f"{jars.kafka_version()}, checksums right")


def _redis_server(settings: LocalSettings) -> Finding:
    def ask() -> str:
        program = find_redis_server(settings)
        return f"{'.'.join(map(str, redis_version(program)))} ({program.path})"

    return _asked("redis-server", ask)


def _data_space(_: LocalSettings) -> Finding:
    return _space("room for data", Path(tempfile.gettempdir()), DATA_BYTES, "TMPDIR")


def _promtool(settings: LocalSettings) -> Finding:
    program = find_program("promtool", settings.cache_dir)
    return Finding(
        "promtool",
        ok=program is not None,
        detail=str(program.path) if program else "missing: alert rules are not checked",
        remedy="snapup doctor --install",
        required=False,
    )


def _chromium(_: LocalSettings) -> Finding:
    found, has_font = find_chromium(), has_chinese_font()
    missing = [what for what, ok in (("Chromium", found is not None), ("a Chinese font", has_font)) if not ok]
    return Finding(
        "Chromium",
        ok=not missing,
        detail=str(found) if not missing else f"missing: {' and '.join(missing)}; pages are not tested in a browser",
        remedy="As root: snapup doctor --install --browser",
        required=False,
    )


def _docker(_: LocalSettings) -> Finding:
    remedy = "Only needed for docker-compose.yml; the local stack does without."
    found = shutil.which("docker")
    if found is None:
        return Finding("Docker", ok=False, detail="missing", remedy=remedy, required=False)
    try:
        done = subprocess.run(  # noqa: S603 -- the program was found on the PATH
            [found, "version", "--format", "{{.Server.Version}}"],
            capture_output=True,
            text=True,
            timeout=_ASK_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("Docker", ok=False, detail=str(error), remedy=remedy, required=False)
    runs = done.returncode == 0
    detail = done.stdout.strip() if runs else "installed, but its daemon does not answer"
    return Finding("Docker", ok=runs, detail=detail, remedy=remedy, required=False)


def _configured_kafka(brokers: Brokers) -> Finding:
    security = brokers.security
    how = f"{security.protocol}, {security.mechanism}" if security.sasl else security.protocol
    try:
        if kafka.answers(brokers):
            return Finding("configured Kafka", ok=True, detail=f"{brokers} answers ({how})")
        why = asyncio.run(unreachable(brokers, None)).message
    except SnapupError as error:  # a certificate that cannot be read
        why = error.message
    return Finding("configured Kafka", ok=False, detail=f"{brokers} does not answer us ({how})", remedy=why)


def _configured_redis(_: LocalSettings) -> Finding | None:
    url = os.environ.get("SNAPUP_REDIS_URL")
    if not url:
        return None
    try:
        client = RedisClient(address_of(url, beside_in(os.environ)), timeout_ms=_ASK_REDIS_MS)
    except SnapupError as error:
        return Finding("configured Redis", ok=False, detail="bad settings", remedy=error.message)
    return asyncio.run(_asked_redis(client))


async def _asked_redis(client: RedisClient) -> Finding:
    """Whether Redis answers, and what its memory policy does with overlays, where we may ask for it."""
    name = "configured Redis"
    try:
        await client.ask("GET", "snapup:doctor")
    except REDIS_ERRORS as error:
        # NOPERM for a user who may not read this key, or may only write, comes from a Redis that is well.
        said = client.words(error)
        if not said.startswith("NOPERM") or not any(each in said for each in ("'get'", "a key", "the keys")):
            return Finding(name, ok=False, detail=f"{client.address} does not serve us", remedy=client.sentence(error))
    try:
        advice = eviction_advice(await client.configuration())
    except REDIS_ERRORS as error:
        return Finding(name, ok=True, detail=f"answers; its memory policy cannot be seen ({client.words(error)})")
    finally:
        await client.aclose()
    if advice is not None:
        return Finding(name, ok=False, detail="answers, and may drop overlays", remedy=advice, required=False)
    return Finding(name, ok=True, detail="answers")


def _asked(name: str, ask: Callable[[], str]) -> Finding:
    """The finding of a function that returns what it found, or raises what to do."""
    try:
        return Finding(name, ok=True, detail=ask())
    except SnapupError as error:
        return Finding(name, ok=False, detail="missing", remedy=error.message)


def _space(name: str, folder: Path, wanted_bytes: int, variable: str) -> Finding:
    free = shutil.disk_usage(folder).free
    return Finding(
        name,
        ok=free >= wanted_bytes,
        detail=f"{folder}, {free / 1024**3:.1f} GiB free",
        remedy=f"Free {wanted_bytes / 1024**3:.1f} GiB there, or point {variable} elsewhere.",
    )
