"""SIGTERM ends a command also where a script has started it in the background, with SIGINT ignored."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

DEADLINE_S = 60.0
# Redis is away: the command waits for it until it is ended.
WATCH = ["watch", "room-1", "--json", "--redis-url", "redis://127.0.0.1:1"]


@pytest.mark.parametrize("ignored", [False, True])
def test_sigterm_ends_watch(ignored: bool) -> None:  # noqa: FBT001 -- a case
    before = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); " if ignored else ""
    command = [sys.executable, "-c", f"{before}from stream.cli import main; main()", *WATCH]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watch:
        try:
            assert watch.stdout is not None
            assert watch.stderr is not None
            assert b'"redis_away"' in watch.stdout.readline()
            watch.send_signal(signal.SIGTERM)
            assert watch.wait(DEADLINE_S) == 0
            assert b"Traceback" not in watch.stderr.read()
        finally:
            watch.kill()
