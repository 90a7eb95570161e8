"""Runs one server, and ends it when the process that wanted it is gone, however that process died.

A program of its own, not imported: `python -I -S keeper.py PARENT_PID COMMAND...`. It needs only the standard library,
so that it starts in a few milliseconds. The keeper watches its parent: a parent killed by SIGKILL leaves no server
behind. On Linux the server is also tied to the keeper (PR_SET_PDEATHSIG): killing only the keeper ends the server too.
SIGUSR1 releases the pair: from then on the parent may go (`snapup stack up`).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import subprocess
import sys

PR_SET_PDEATHSIG = 1
PARENT_GONE = 125
# Only where the kernel has no pidfd: how often to look whether the parent still lives.
POLL_MS = 200


def _tie_to_keeper() -> None:
    """In the child, before exec: die with the keeper. Harmless where the call does not exist."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class _Release:
    """Set by SIGUSR1; `wakes` then becomes readable, so that a wait ends."""

    def __init__(self) -> None:
        self.given = False
        self.wakes, self._writes = socket.socketpair()
        self._writes.setblocking(False)
        signal.set_wakeup_fd(self._writes.fileno())
        signal.signal(signal.SIGUSR1, self._give)

    def _give(self, *_: object) -> None:
        self.given = True


def _wait(parent: int, child: subprocess.Popen[bytes], release: _Release) -> bool:
    """Whether the child ended; waits for the child or the parent to end."""
    poll = select.poll()
    poll.register(release.wakes, select.POLLIN)
    step_ms = None
    try:
        for pid in (parent, child.pid):
            poll.register(os.pidfd_open(pid), select.POLLIN)
    except (AttributeError, OSError):  # no pidfd here, or the parent is gone already
        step_ms = POLL_MS
    while child.poll() is None:
        if release.given:
            child.wait()
        elif os.getppid() != parent:
            return False
        elif (release.wakes.fileno(), select.POLLIN) in poll.poll(step_ms):
            release.wakes.recv(64)
    return True


def main() -> int:
    """The server's exit code, 128 + n when signal n ended it; runs the command."""
    parent = int(sys.argv[1])
    # A stop goes to the whole process group; the keeper stays until the server has ended, to report how.
    # A handler, not SIG_IGN: an ignored signal would stay ignored in the server.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    release = _Release()
    if os.getppid() != parent:
        return PARENT_GONE
    child = subprocess.Popen(sys.argv[2:], preexec_fn=_tie_to_keeper)  # noqa: S603, PLW1509 -- this process has one thread
    if not _wait(parent, child, release):
        child.kill()
        child.wait()
        return PARENT_GONE
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


if __name__ == "__main__":
    sys.exit(main())
