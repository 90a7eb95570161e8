"""Runs one server, and ends it when the process that wanted it is gone, however that one died.

A program of its own, not imported: `python -I -S keeper.py PARENT_PID COMMAND...`. It needs nothing but the standard
library, so that it starts in a few milliseconds. It watches its parent; a parent killed by SIGKILL leaves no server
behind. On Linux the server is also tied to the keeper itself (PR_SET_PDEATHSIG): killing only the keeper ends it too.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
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


def _wait(parent: int, child: subprocess.Popen[bytes]) -> bool:
    """Wait for one of the two to end; True when the child did."""
    try:
        watched = {os.pidfd_open(pid): pid for pid in (parent, child.pid)}
    except (AttributeError, OSError):  # no pidfd here, or the parent is gone already
        watched = {}
    poll = select.poll()
    for descriptor in watched:
        poll.register(descriptor, select.POLLIN)
    while True:
        if child.poll() is not None:
            return True
        if os.getppid() != parent:
            return False
        poll.poll(None if watched else POLL_MS)


def main() -> int:
    """Run the command; the exit code is the server's, 128 + n when signal n ended it."""
    parent = int(sys.argv[1])
    # A stop is sent to the whole process group; the keeper stays until the server has ended, to report how.
    # A handler, not SIG_IGN: an ignored signal would stay ignored in the server.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    if os.getppid() != parent:
        return PARENT_GONE
    child = subprocess.Popen(sys.argv[2:], preexec_fn=_tie_to_keeper)  # noqa: S603, PLW1509 -- this process has one thread
    if not _wait(parent, child):
        child.kill()
        child.wait()
        return PARENT_GONE
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


if __name__ == "__main__":
    sys.exit(main())
