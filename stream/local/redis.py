"""A real Redis on loopback: bounded memory, nothing kept on disk, because Redis is a projection here."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from stream.errors import SnapupError
from stream.local.packages import Program, find_program
from stream.local.ports import LOOPBACK, free_ports, is_free, require_free
from stream.local.process import LOOK_S, ServerProcess, last_lines, log_size

if TYPE_CHECKING:
    from pathlib import Path

    from stream.local.settings import LocalSettings

OLDEST_REDIS = (6, 2)
PROBE_TIMEOUT_S = 1.0
START_ATTEMPTS = 3
_ASK_TIMEOUT_S = 10.0


class RedisServer:
    """One Redis and its folder; empty after each start.

    Args:
        folder: its log; created when missing, never removed.
        settings: program, memory and deadlines.
        port: None chooses a free port (and keeps it).
    """

    def __init__(self, folder: Path, settings: LocalSettings, *, port: int | None = None) -> None:
        self.folder = folder
        self.process: ServerProcess | None = None
        self.port = 0
        self._settings = settings
        self._wanted_port = port
        self._said_before = 0

    @property
    def url(self) -> str:
        """Address for clients."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.folder / "redis.log"

    def start(self) -> None:
        """Start Redis and return when it answers.

        Raises:
            SnapupError: no redis-server, too old, port in use, or no answer within the deadline; nothing runs then.
        """
        program = find_redis_server(self._settings)
        self.folder.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, START_ATTEMPTS + 1):
            self._choose_port()
            try:
                self._launch(program)
            except _PortTakenError as error:
                if self._wanted_port is not None or attempt == START_ATTEMPTS:
                    raise SnapupError(f"Port {self.port} for Redis is in use: choose another.") from error
                self.port = 0
            else:
                return

    def stop(self) -> None:
        """End Redis in order; kill it when that takes longer than the deadline."""
        if self.process is not None:
            self.process.stop(self._settings.server_stop_timeout_s)

    def kill(self) -> None:
        """SIGKILL: its memory is lost, as in a crash."""
        if self.process is not None:
            self.process.kill()

    def pause(self) -> None:
        """SIGSTOP: Redis hangs, its connections stay open."""
        if self.process is not None:
            self.process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End a pause."""
        if self.process is not None:
            self.process.signal(signal.SIGCONT)

    def restart(self) -> None:
        """Stop Redis if it runs, and start it again, empty, on the same port."""
        self.stop()
        self.start()

    def _choose_port(self) -> None:
        if self.port and not is_free(self.port):
            raise SnapupError(f"Port {self.port} of the local Redis was taken by another program: end that one.")
        if not self.port:
            self.port = free_ports(1)[0] if self._wanted_port is None else require_free(self._wanted_port, "Redis")

    def _launch(self, program: Program) -> None:
        options = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "maxmemory": f"{self._settings.redis_maxmemory_mb}mb",
            # When memory is short, keys rarely written and read go first: never what is on a screen.
            "maxmemory-policy": "allkeys-lfu",
            "dir": str(self.folder),
        }
        self._said_before = log_size(self.log)
        self.process = ServerProcess(
            "Redis",
            [str(program.path), *(word for key, value in options.items() for word in (f"--{key}", value))],
            log=self.log,
            cwd=self.folder,
            env=program.environment(),
        )
        try:
            self._wait_until_it_answers(self.process)
        except BaseException:
            self.process.kill()
            raise

    def _wait_until_it_answers(self, process: ServerProcess) -> None:
        deadline = time.monotonic() + self._settings.server_start_timeout_s
        while not answers(LOOPBACK, self.port):
            if process.exit_code is not None:
                said = " | ".join(last_lines(self.log, 3, since=self._said_before))
                if "Address already in use" in said:
                    raise _PortTakenError(said)
                raise SnapupError(f"Redis ended with code {process.exit_code} at its start: {said} (see {self.log})")
            if time.monotonic() > deadline:
                raise SnapupError(
                    f"Redis did not answer within {self._settings.server_start_timeout_s:.0f} s: see {self.log}."
                )
            time.sleep(LOOK_S)


class _PortTakenError(Exception):
    """Another program listens on the port that we had chosen."""


def find_redis_server(settings: LocalSettings) -> Program:
    """The redis-server to run: the configured one, the PATH's, or the cache's.

    Raises:
        SnapupError: there is none, or it is older than 6.2.
    """
    program = find_program("redis-server", settings.cache_dir, settings.redis_server)
    if program is None:
        raise SnapupError(
            "redis-server is missing: `snapup doctor --install` fetches it, or install it yourself and set "
            "SNAPUP_REDIS_SERVER."
        )
    version = redis_version(program)
    if version < OLDEST_REDIS:
        raise SnapupError(
            f"{program.path} is Redis {version[0]}.{version[1]}; 6.2 or newer is needed: set SNAPUP_REDIS_SERVER."
        )
    return program


def redis_version(program: Program) -> tuple[int, int]:
    """Major and minor version that a redis-server reports."""
    try:
        said = subprocess.run(  # noqa: S603 -- the program was found above
            [str(program.path), "--version"],
            capture_output=True,
            text=True,
            timeout=_ASK_TIMEOUT_S,
            check=False,
            env=program.environment(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SnapupError(f"{program.path} does not run: {error}.") from None
    # Redis says "Redis server v=7.0.15 sha=...", Valkey "Valkey server v=8.1.1 ...".
    found = re.search(r"\bv=(\d+)\.(\d+)", said.stdout)
    if found is None:
        raise SnapupError(f"{program.path} does not run: {(said.stderr or said.stdout).strip() or said.returncode}")
    return int(found[1]), int(found[2])


def answers(host: str, port: int) -> bool:
    """Whether a Redis answers PING now."""
    with suppress(OSError), socket.create_connection((host, port), timeout=PROBE_TIMEOUT_S) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(7) == b"+PONG\r\n"
    return False
