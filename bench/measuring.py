"""What every bench needs: CPU and memory of a process, a worker to measure, waiting with a deadline, and the report.

A report is a table on the screen and a JSON file in bench/out that names machine, versions and commit.
"""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import redis
from rich.console import Console
from rich.table import Table

from stream.contract.overlay import room_key
from stream.local.jars import kafka_version
from stream.local.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from stream.local.stack import Stack

TOP = Path(__file__).parents[1]
OUT = Path(__file__).parent / "out"
DEADLINE_S = 900.0
POLL_S = 0.5  # a look at /metrics costs the worker some 5 ms
STOP_S = 30.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PACKAGES = ("faust-streaming", "aiokafka", "msgspec", "redis", "datasketches")


# -- a process ---------------------------------------------------------------------------------------------------------
def cpu_s(pid: int) -> float:
    """CPU seconds of one process so far, user + system, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def rss_peak_mib(pid: int) -> float:
    """Peak resident memory of one process."""
    return _status_mib(pid, "VmHWM")


def rss_mib(pid: int) -> float:
    """Resident memory of one process now."""
    return _status_mib(pid, "VmRSS")


def _status_mib(pid: int, field: str) -> float:
    found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    return int(found[1]) / 1024 if found else 0.0


def wait_until(true: Callable[[], bool], what: str, *, deadline_s: float = DEADLINE_S, poll_s: float = POLL_S) -> None:
    """Poll until true; a deadline ends the bench, for its figures would mean nothing."""
    end = time.monotonic() + deadline_s
    while not true():
        if time.monotonic() > end:
            sys.exit(f"bench: {what} did not happen within {deadline_s:.0f} s")
        time.sleep(poll_s)


class Worker:
    """`snapup worker` on a stack, for a `with` block; ended in order afterwards, its output in bench/out.

    Args:
        stack: Kafka and Redis.
        prefix: of the topics.
        name: of this worker's log file.
        settings: further environment variables.
    """

    def __init__(
        self, stack: Stack, prefix: str, *, name: str = "worker", settings: Mapping[str, str] | None = None
    ) -> None:
        self.port = free_ports(1)[0]
        self._name = name
        self._environment = {
            **os.environ,
            **stack.environment(),
            "SNAPUP_TOPIC_PREFIX": prefix,
            "SNAPUP_METRICS_PORT": str(self.port),
            **(settings or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.started = 0.0

    @property
    def pid(self) -> int:
        """Number of the process."""
        assert self._process is not None  # noqa: S101 - in a with block
        return self._process.pid

    def __enter__(self) -> Self:
        OUT.mkdir(exist_ok=True)
        with (OUT / f"{self._name}.log").open("wb") as out:
            self.started = time.monotonic()
            command = [str(Path(sys.executable).parent / "snapup"), "worker"]
            self._process = subprocess.Popen(command, env=self._environment, stdout=out, stderr=out)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None  # noqa: S101 - set by __enter__
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def require_alive(self) -> None:
        """End the bench when the worker has ended by itself."""
        if self._process is None or self._process.poll() is not None:
            sys.exit(f"bench: the worker has ended, see {OUT / self._name}.log")

    def metrics(self) -> dict[str, float]:
        """Every sample of /metrics by its name and labels; empty before it answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            self.require_alive()
            return {}
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}

    def received(self) -> int:
        """Number of records that the worker says it has received; 0 before it answers."""
        return int(total(self.metrics(), "stream_received_total"))

    def is_ready(self) -> bool:
        """Whether /readyz answers that the worker is ready."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                return int(answer.status) == 200
        except OSError:
            self.require_alive()
            return False


def total(metrics: Mapping[str, float], name: str) -> float:
    """The sum of a metric's samples over all labels."""
    return sum(value for sample, value in metrics.items() if sample == name or sample.startswith(f"{name}{{"))


def quantile_of(before: Mapping[str, float], after: Mapping[str, float], name: str, share: float) -> float:
    """An upper bound of a histogram's quantile between two looks: its bucket's edge. NaN when nothing was seen."""
    steps: dict[float, float] = {}
    for sample, value in after.items():
        found = re.fullmatch(rf"{name}_bucket{{.*le=\"([^\"]+)\".*}}", sample)
        if found:
            edge = float(found[1])
            steps[edge] = steps.get(edge, 0.0) + value - before.get(sample, 0.0)
    seen = max(steps.values(), default=0.0)
    return min((edge for edge, count in steps.items() if seen and count >= share * seen), default=float("nan"))


def documents(redis_url: str, prefix: str, room_ids: Sequence[str]) -> Iterator[bytes | None]:
    """Each room's document as overlays read it, None where there is none."""
    client: Any = redis.Redis.from_url(redis_url)
    try:
        for start in range(0, len(room_ids), 500):
            some = room_ids[start : start + 500]
            yield from client.mget([room_key(prefix, room_id, "overlay") for room_id in some])
    finally:
        client.close()


def load(*arguments: str) -> subprocess.Popen[bytes]:
    """A process of `bench/load.py`; its stdout, in JSON lines, says what it did."""
    command = [sys.executable, "-m", "bench.load", *arguments]
    return subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE)


def said(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The next line of a load process; ends the bench when the process has failed."""
    assert process.stdout is not None  # noqa: S101 - as `load` starts it
    line = process.stdout.readline()
    if not line:
        sys.exit(f"bench: the load process ended with code {process.wait()}")
    found: dict[str, Any] = json.loads(line)
    return found


# -- the report --------------------------------------------------------------------------------------------------------
def spread(values: Iterable[float]) -> dict[str, float]:
    """Median, least and most."""
    some = list(values)
    return {"median": statistics.median(some), "least": min(some), "most": max(some)}


def machine() -> dict[str, Any]:
    """The machine and the versions of this measurement."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    memory = re.search(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
    return {
        "cpu": cpu[1].strip() if cpu else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory[1]) / 2**20, 1) if memory else None,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "kafka": kafka_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "commit": commit(),
        "load_average": round(os.getloadavg()[0], 1),
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
    }


def commit() -> str:
    """The commit of the checkout, and whether files have changed since."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=TOP, capture_output=True, text=True, check=False)  # noqa: S607
        return done.stdout.strip() if not done.returncode else ""

    found = git("rev-parse", "--short=10", "HEAD") or "unknown"
    return f"{found} and changes" if git("status", "--porcelain", "--untracked-files=no") else found


def write_report(name: str, report: Mapping[str, Any]) -> None:
    """Write bench/out/NAME.json."""
    OUT.mkdir(exist_ok=True)
    path = OUT / f"{name}.json"
    path.write_text(json.dumps({**report, "machine": machine()}, indent=1) + "\n", encoding="utf-8")
    print(f"written: {path.relative_to(TOP)}", flush=True)


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table on the screen."""
    table = Table(title=title)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(f"{cell:,.2f}" if isinstance(cell, float) else str(cell) for cell in row))
    # A file gets a table as wide as it needs, or a table of many columns would be one word a line.
    Console(width=None if sys.stdout.isatty() else 160).print(table)
