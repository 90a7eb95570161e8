"""The end of a process that may hang: at once, with its code and a sentence, whatever still wanted to run."""

from __future__ import annotations

import subprocess
import sys

from stream.exits import Exit

HANGS = """
import atexit, threading, time
from stream.exits import Exit, end_process
atexit.register(time.sleep, 600)
threading.Thread(target=time.sleep, args=(600,)).start()
try:
    end_process(Exit.SLOW_STOP, "it did not stop in time", streams=3)
finally:
    print("cleaned up")
"""


def test_the_process_ends_with_its_code_and_says_why_though_something_hangs() -> None:
    done = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 77
    said = done.stdout + done.stderr
    assert "it did not stop in time" in said
    assert "streams=3" in said
    assert "cleaned up" not in said


REMEMBERS = """
import sys
from stream.cli import main
import stream.worker.app as app

class Order:
    def __del__(self):
        print("freed")

class Room:
    def __init__(self):
        self.me, self.order = self, Order()

async def run_worker(settings, **_more):
    app.remembered = [Order(), Room()]
    print("stopped")
    return 72

app.run_worker = run_worker
sys.argv = ["snapup", "worker"]
main()
"""


def test_a_worker_that_has_stopped_is_gone_and_frees_nothing_one_by_one() -> None:
    done = subprocess.run([sys.executable, "-c", REMEMBERS], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (72, "stopped\n"), done.stderr


def test_every_code_is_one_of_its_own_and_none_of_a_shell_s() -> None:
    codes = [code.value for code in Exit.__members__.values()]
    assert len(set(codes)) == len(codes)
    assert all(70 <= code < 126 for code in codes)
