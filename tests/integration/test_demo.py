from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.contract.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.integration, pytest.mark.slow]

# A show of 150 s at 6 times its speed, servers, worker and recount: some 50 s alone on two cores.
DEADLINE_S = 300.0
STOP_DEADLINE_S = 60.0
# What a shell may hold that speaks to a cluster elsewhere: none of it concerns a demo.
ELSEWHERE = {
    "SNAPUP_BOOTSTRAP_SERVERS": "kafka.example.org:9094",
    "SNAPUP_SECURITY_PROTOCOL": "SASL_SSL",
    "SNAPUP_SASL_MECHANISM": "SCRAM-SHA-512",
    "SNAPUP_SASL_USERNAME": "worker",
    "SNAPUP_SASL_PASSWORD": "hush-hush",
    "SNAPUP_SSL_CAFILE": "/nowhere/ca.pem",
    "SNAPUP_REDIS_URL": "rediss://redis.example.org:6380/0",
    "SNAPUP_REDIS_PASSWORD": "hush-hush",
    "SNAPUP_REDIS_TLS_CA_FILE": "/nowhere/ca.pem",
    "SNAPUP_TOKEN_SECRET": "hush-hush hush-hush hush-hush hush",
    "SNAPUP_MEMBER_NAME": "pod-7",
}


class Demo:
    """A running `snapup demo` whose output goes into a file, and whose temporary files into a folder of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.output = folder / "out"
        self.reports = folder / "reports"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SNAPUP_")}
        environment |= ELSEWHERE
        command = [sys.executable, "-c", "from stream.cli import main; main()", "demo", *arguments]
        command += ["--report-to", str(self.reports)]
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                command,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**environment, "TMPDIR": str(self.temporary)},
                start_new_session=True,
            )

    def said(self) -> str:
        return self.output.read_text("utf-8")

    def children(self) -> list[str]:
        """Command lines of the servers that belong to this demo: each has a keeper that names its owner."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().decode("utf-8", "replace").split("\0")
            except OSError:
                continue
            if str(self.process.pid) in words and any(word.endswith("keeper.py") for word in words):
                found.append(" ".join(words))
        return found


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    started: list[Demo] = []

    def begin(*arguments: str) -> Demo:
        started.append(Demo(tmp_path, *arguments))
        return started[-1]

    yield begin
    for demo in started:
        if demo.process.poll() is None:
            demo.process.kill()
        demo.process.wait()


def wait_for(condition: Callable[[], bool], deadline_s: float) -> bool:
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def test_the_demo_ends_with_every_figure_as_recounted_and_its_pages_stay_up(start: Callable[..., Demo]) -> None:
    demo = start("--speed", "6", "--seed", "4", "--keep")
    over = "These pages stay up until you press Ctrl-C:"
    # The pages are named before the show, and again after it.
    ended = lambda: demo.process.poll() is not None or demo.said().partition(over)[2].count("http://") == 6  # noqa: E731
    assert wait_for(ended, DEADLINE_S), demo.said()
    addresses = re.findall(r"http://\S+", demo.said().partition(over)[2])
    assert len(addresses) == 6, demo.said()
    server = addresses[0].partition("/overlay")[0]
    for address in (*addresses, f"{server}/v1/rooms/snap-up"):
        with urllib.request.urlopen(address, timeout=STOP_DEADLINE_S) as answer:  # noqa: S310 -- its own pages
            assert answer.headers.get("Snapup-State", "live") == "live"
    assert len(demo.children()) == 4  # Kafka, Redis, worker, pages
    demo.process.send_signal(signal.SIGTERM)
    assert wait_for(lambda: demo.process.poll() is not None, STOP_DEADLINE_S), demo.said()
    said = demo.said()
    assert demo.process.returncode == 0, said
    assert said.rstrip().endswith("Ended: nothing of the demo runs any more.")
    assert said.partition("The show is over.")[0].rstrip().endswith("ALL-ACCEPTED-COUNTED-ONCE")
    assert "Traceback" not in said
    assert said.count("✓") == 5
    assert "✗" not in said
    assert f"Ignored, for a demo has its own servers: {', '.join(sorted(ELSEWHERE))}." in said
    assert "hush" not in said
    assert "coat-drop" in said  # the room was shown while it happened
    assert demo.children() == []
    assert list(demo.temporary.iterdir()) == []
    (report,) = (line for line in said.splitlines() if line.startswith("REPORT-"))
    assert report.startswith("REPORT-HOLDS: room snap-up, session of ")
    page, figures = sorted(demo.reports.iterdir())
    assert f"report   {page}" in said
    made = msgspec.json.decode(figures.read_bytes(), type=Report)
    assert made.check.holds
    assert made.documents_from == "signals"
    assert made.check.claims.claims == made.check.claims.right > 10
    assert made.rules[0].source == "journal"


def test_an_interrupted_demo_leaves_nothing_running_and_no_files(start: Callable[..., Demo]) -> None:
    demo = start()
    assert wait_for(lambda: "sent to visible" in demo.said(), DEADLINE_S), demo.said()
    assert len(demo.children()) == 6  # Kafka, Redis, worker, pages, two shows
    addresses = re.findall(r"(?:overlay|builder|console|wall|widget) +http://127\.0\.0\.1:(\d+/\S+)", demo.said())
    assert len(addresses) == 6, demo.said()
    for address in addresses:
        with urllib.request.urlopen(f"http://127.0.0.1:{address}", timeout=STOP_DEADLINE_S) as answer:
            assert answer.headers["Content-Type"].startswith("text/html")
    demo.process.send_signal(signal.SIGINT)
    assert wait_for(lambda: demo.process.poll() is not None, STOP_DEADLINE_S), demo.said()
    assert demo.process.returncode != 0
    assert "REPORT-HOLDS: room snap-up" in demo.said()
    page, figures = sorted(demo.reports.iterdir())
    assert page.read_text("utf-8").rstrip().endswith("</html>")
    assert msgspec.json.decode(figures.read_bytes(), type=Report).totals.views > 0
    assert "Traceback" not in demo.said()
    assert demo.children() == []
    assert list(demo.temporary.iterdir()) == []
