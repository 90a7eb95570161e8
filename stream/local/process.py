"""One server process: started in a session of its own, stopped within a deadline, and told apart from a reused pid.

The server ends with us, even when we are killed (see `keeper.py`), until it is *released*: then it outlives us, and its
`ProcessId` finds it again. The server leads a process group of its own, so that Ctrl-C in a terminal reaches us and not
it: we stop it in our order.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from stream.errors import SnapupError, explain_os_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_KEEPER = Path(__file__).with_name("keeper.py")
# How often to look at a condition again; a server starts or ends in seconds.
LOOK_S = 0.05
# A tail is read from the last bytes only: logs may be large.
_TAIL_BYTES = 64 * 1024
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class ProcessId(msgspec.Struct, frozen=True):
    """A process for ever: its number alone is reused, its number with its start time is not.

    `started` is the kernel's start time in clock ticks since boot, 0 where /proc does not exist.
    """

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """The identity of a process that runs now."""
        return cls(pid, _start_ticks(pid) or 0)

    def lives(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        if not Path("/proc/self/stat").exists():
            return _answers(self.pid)
        return _start_ticks(self.pid) == self.started


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _start_ticks(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat (proc(5)), counted from behind the name, which may hold spaces; None for a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


class ServerProcess:
    """A running server that we started.

    Args:
        name: for messages.
        argv: the command.
        log: gets stdout and stderr, appended.
        cwd: the folder to run in.
        env: its whole environment; None takes ours.

    Raises:
        SnapupError: the program cannot be started.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        cwd: Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        command = [sys.executable, "-I", "-S", str(_KEEPER), str(os.getpid()), *argv]
        try:
            with log.open("ab") as out:
                self._process = subprocess.Popen(  # noqa: S603 -- the command is ours
                    command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=cwd, env=env, start_new_session=True
                )
        except OSError as error:
            raise explain_os_error(error) or SnapupError(f"{name} cannot be started: {error}.") from error
        self.id = ProcessId.of(self._process.pid)

    @property
    def pid(self) -> int:
        """Process number of the keeper, which leads the server's process group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while the server runs; 128 + n when signal n ended it."""
        code = self._process.poll()
        return code if code is None or code >= 0 else 128 - code

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server's whole group; nothing happens when the server has ended."""
        if self.exit_code is None:
            signal_group(self._process.pid, number)

    def release(self) -> None:
        """From now on the server does not end with us, and is not ours to wait for: this object is done."""
        if self.exit_code is None:
            os.kill(self._process.pid, signal.SIGUSR1)
            # Else Python warns, rightly for any other process, that we forgot one which still runs.
            self._process.returncode = 0

    def stop(self, timeout_s: float) -> bool:
        """Whether the server ended by itself; asks it to end, and kills it when it does not."""
        self.signal(signal.SIGCONT)  # a paused process would not hear the next signal
        self.signal(signal.SIGTERM)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True

    def kill(self) -> None:
        """SIGKILL, and wait until the server is gone."""
        self.signal(signal.SIGKILL)
        self._process.wait()


def signal_group(pgid: int, number: signal.Signals) -> None:
    """Signal a process group; silent when the group is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pgid, number)


def stop_by_id(identity: ProcessId, timeout_s: float) -> bool:
    """Whether a process that an earlier command started and released still ran; ends it: SIGTERM, then SIGKILL."""
    if not identity.lives():
        return False
    signal_group(identity.pid, signal.SIGCONT)
    signal_group(identity.pid, signal.SIGTERM)
    if not wait_until(lambda: not identity.lives(), timeout_s):
        signal_group(identity.pid, signal.SIGKILL)
        wait_until(lambda: not identity.lives(), timeout_s)
    return True


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Whether a condition came true before the deadline; waits for it."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_S)
    return True


def log_size(log: Path) -> int:
    """Bytes in a log now, 0 when there is none; a `since` for `last_lines`."""
    try:
        return log.stat().st_size
    except OSError:
        return 0


def last_lines(log: Path, count: int, *, wanted: Sequence[str] = (), since: int = 0) -> list[str]:
    """The last lines of a log, written after its first `since` bytes.

    With `wanted`, the last lines that hold one of these words, if there are any.
    """
    size = log_size(log)
    begin = since if since <= size else 0  # smaller than before: the log has been rolled
    try:
        with log.open("rb") as file:
            file.seek(max(begin, size - _TAIL_BYTES))
            text = _COLOURS.sub("", file.read().decode("utf-8", "replace"))
    except OSError:
        return []
    lines = [line for line in text.splitlines() if line.strip()]
    useful = [line for line in lines if any(word in line for word in wanted)]
    return (useful or lines)[-count:]
