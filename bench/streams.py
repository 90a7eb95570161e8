"""2 000 event streams on one read server: from publication in Redis to the whole event in the reader's hands.

    python -m bench.streams [SECONDS] [--base FOLDER]

`--base` names a checkout of an earlier version: its server takes turns with this one, under the same loads and readers.
What it does not know (compression, subjects) it leaves out.
Four processes: a Redis of its own, `snapup serve`, one reader process that holds all streams, and this one, which
publishes as a worker does. Prints a table, writes bench/out/streams.json with machine and versions, exits 1 when a p99
is above 250 ms.
The latency is wall clock at the reader less `as_of_ms` of the document, stamped just before it is sent to Redis. So it
holds the work of publisher, Redis and reader as well, and whatever else the machine was busy with. The server's own
measurement, and its share of a core, stand beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
import zlib
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from redis import Redis

from stream.core.publishing import Published
from stream.local.redis import RedisServer
from stream.local.settings import LocalSettings
from stream.worker.overlay_store import OverlayStore
from tests.support.serve import document
from tests.support.sixty import SKUS
from tests.support.sixty import documents as sixty_products

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOP = Path(__file__).parents[1]

STREAMS = 2_000
PROMISE_MS = 250
CONNECT_AT_ONCE = 50
READY_S = 60.0
END = b"}\n\n"
# These follow each other again and again.
SIXTY_DOCUMENTS = 50
AS_OF = b'"as_of_ms":'


class Load(NamedTuple):
    """How the streams lie over rooms, and how often each room changes."""

    name: str
    rooms: int
    per_s: float
    promised: bool = True
    packed: bool = False
    sixty: bool = False  # sixty products in a room, and each stream shows one of them


LOADS = (
    Load("100 rooms, each once a second", 100, 1),
    Load("20 rooms, each 5 times a second", 20, 5),
    Load("one room, once a second", 1, 1),
    Load("one room, 5 times a second", 1, 5),
    # 20 000 events a second: one process cannot do all of them, and must skip the rest, not queue it.
    Load("one room, 10 times a second", 1, 10, promised=False),
    Load("100 rooms, once a second, gzip", 100, 1, packed=True),
    Load("20 rooms, 5 times a second, gzip", 20, 5, packed=True),
    Load("one room, 5 times a second, gzip", 1, 5, packed=True),
    Load("60 products, 1/s, one each, gzip", 1, 1, packed=True, sixty=True),
    Load("60 products, 5/s, one each, gzip", 1, 5, packed=True, sixty=True),
)


# -- the readers' process ----------------------------------------------------------------------------------------------
class Reader(asyncio.Protocol):
    """One stream: notes the age of each whole event, and the bytes that it took."""

    def __init__(self, path: str, counts: Counts, ready: asyncio.Future[None], *, packed: bool) -> None:
        coding = "gzip" if packed else "identity"
        self._request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: {coding}\r\n\r\n".encode()
        self._counts = counts
        self._ready = ready
        self._raw = b""
        self._held = b""
        self._inflate: Any = None
        self._begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Take whole chunks apart, and look for ends of events."""
        self._counts.bytes += len(data)
        raw = self._raw + data if self._raw else data
        if not self._begun:
            head, found, raw = raw.partition(b"\r\n\r\n")
            if not found:
                self._raw = head
                return
            self._begun = True
            if b"content-encoding: gzip" in head.lower():
                self._inflate = zlib.decompressobj(31)
        while (at := raw.find(b"\r\n")) >= 0:
            size = int(raw[:at], 16)
            if len(raw) < at + size + 4:
                break
            chunk, raw = raw[at + 2 : at + 2 + size], raw[at + 4 + size :]
            self._events(self._inflate.decompress(chunk) if self._inflate is not None else chunk)
        self._raw = raw

    def _events(self, text: bytes) -> None:
        held = self._held + text if self._held else text
        while (end := held.find(END)) >= 0:
            event, held = held[:end], held[end + len(END) :]
            at = event.find(AS_OF)
            if at >= 0:
                as_of_ms = int(event[at + len(AS_OF) : event.index(b",", at)])
                self._counts.ages_ms[time.time_ns() // 1_000_000 - as_of_ms] += 1
            if not self._ready.done():
                self._ready.set_result(None)
        self._held = held

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a failure of the bench: a stream must not end."""
        if not self._ready.done():
            self._ready.set_exception(exc or ConnectionError("refused"))
        self._counts.lost += 1


class Counts:
    """What all streams of the readers' process saw."""

    def __init__(self) -> None:
        self.ages_ms: Counter[int] = Counter()
        self.bytes = self.lost = 0


def path_of(load: Load, number: int) -> str:
    """What a stream asks for."""
    query = f"?sale=s{number % SKUS}&parts=claims,feed" if load.sixty else ""
    return f"/v1/rooms/{'r1' if load.sixty else f'room-{number % load.rooms}'}/events{query}"


async def read(port: int, load: Load, seconds: float) -> None:
    """Open the streams, say so, wait for the word to go, and count for a while."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    loop = asyncio.get_running_loop()
    counts = Counts()

    async def connect(number: int) -> None:
        ready = loop.create_future()
        await loop.create_connection(
            lambda: Reader(path_of(load, number), counts, ready, packed=load.packed), "127.0.0.1", port
        )
        await ready

    for start in range(0, STREAMS, CONNECT_AT_ONCE):
        await asyncio.gather(*(connect(number) for number in range(start, start + CONNECT_AT_ONCE)))
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    before_s, before = time.process_time(), counts.bytes
    counts.ages_ms.clear()
    await asyncio.sleep(seconds)
    report = {
        "ages_ms": dict(counts.ages_ms),
        "cpu": (time.process_time() - before_s) / seconds,
        "lost": counts.lost,
        "bytes": counts.bytes - before,
    }
    print(json.dumps(report), flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)  # 2 000 readers who leave are work that is not measured here


# -- this process ------------------------------------------------------------------------------------------------------
class Publisher:
    """Publishes every room at its pace, as a worker would."""

    def __init__(self, url: str, epoch: int) -> None:
        self._store = OverlayStore(url, "live", 2_000)
        self._epoch = epoch
        self._rev = 0
        self._drafts: dict[str, dict[str, Any]] = {}
        self._sixty: list[dict[str, Any]] = []
        self.published = 0

    async def run(self, load: Load) -> None:
        """Publish for ever, the rooms spread evenly over their period."""
        period_s = 1 / load.per_s
        begun = time.monotonic()
        number = 0
        while True:
            await self.publish(load, number)
            number += 1
            wait_s = begun + number * period_s / load.rooms - time.monotonic()
            await asyncio.sleep(max(0.0, wait_s))

    async def publish(self, load: Load, number: int) -> None:
        """Publish one document, stamped now."""
        self._rev += 1
        if load.sixty:
            self._sixty = self._sixty or [msgspec.json.decode(raw) for raw in sixty_products(SIXTY_DOCUMENTS)]
            draft, room_id = self._sixty[number % SIXTY_DOCUMENTS] | {"epoch": self._epoch}, "r1"
        else:
            room_id = f"room-{number % load.rooms}"
            draft = self._drafts.setdefault(room_id, document(room_id, epoch=self._epoch))
        now_ms = time.time_ns() // 1_000_000
        draft |= {"rev": self._rev, "as_of_ms": now_ms, "stale_after_ms": now_ms + 60_000}
        await self._store.write(self._epoch, [Published(room_id, self._rev, msgspec.json.encode(draft), 60_000, -1)])
        self.published += 1

    async def close(self) -> None:
        """Close the connection to Redis."""
        await self._store.close()


@contextlib.asynccontextmanager
async def serving(redis_url: str, folder: Path = TOP) -> AsyncIterator[tuple[int, int]]:
    """A read server of a checkout in a process of its own: its port and process id."""
    with tempfile.TemporaryFile() as log:
        server = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", "from stream.cli import main; main()", "serve", "--port", "0", "--redis-url", redis_url),
            # All readers come from one address here.
            env={
                **os.environ,
                "PYTHONPATH": str(folder),
                "SNAPUP_SERVE_STREAMS_PER_ADDRESS": str(STREAMS),
                "SNAPUP_SERVE_REQUESTS_PER_S": "10000",
            },
            stdout=log,
            stderr=subprocess.DEVNULL,
            cwd=folder,
        )
        try:
            yield await _port_in(log.fileno()), server.pid
        finally:
            server.terminate()
            await server.wait()


async def _port_in(log: int) -> int:
    async with asyncio.timeout(READY_S):
        while b"\n" not in (said := os.pread(log, 1 << 16, 0)):  # noqa: ASYNC110 -- a file
            await asyncio.sleep(0.05)
    return int(json.loads(said.splitlines()[0])["port"])


async def measure(load: Load, epoch: int, redis_url: str, seconds: float, folder: Path = TOP) -> dict[str, Any]:
    """The figures of one load, with a server and readers of its own."""
    publisher = Publisher(redis_url, epoch)
    for number in range(load.rooms):
        await publisher.publish(load, number)
    async with serving(redis_url, folder) as (port, pid):
        readers = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "bench.streams", "--read", str(port), str(LOADS.index(load)), str(seconds)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=TOP,
            limit=1 << 22,
        )
        said: Any = readers.stdout
        told: Any = readers.stdin
        if await asyncio.wait_for(said.readline(), READY_S) != b"ready\n":
            raise RuntimeError("not all streams could be opened")
        publishing = asyncio.create_task(publisher.run(load))
        await asyncio.sleep(2)
        cpu_s, figures, published = _cpu_s(pid), await _figures(port), publisher.published
        busy_s, own_s = _busy_s(), time.process_time()
        told.write(b"go\n")
        report = json.loads(await said.readline())
        cpu_s, published = _cpu_s(pid) - cpu_s, publisher.published - published
        others_s = _busy_s() - busy_s - (time.process_time() - own_s) - cpu_s - report["cpu"] * seconds
        after = await _figures(port)
        coalesced = after["stream_serve_coalesced_total"] - figures["stream_serve_coalesced_total"]
        told.write(b"bye\n")
        await readers.wait()
        while not publishing.done():  # the client of Redis may swallow a cancellation that meets an answer
            publishing.cancel()
            await asyncio.wait([publishing], timeout=0.2)
    await publisher.close()
    ages_ms = Counter({int(age): count for age, count in report["ages_ms"].items()})
    return {
        "load": load.name,
        "promised": load.promised,
        "streams": STREAMS,
        "lost_streams": report["lost"],
        "published_per_s": round(published / seconds, 1),
        "kbit_per_s_a_stream": round(report["bytes"] * 8 / 1000 / STREAMS / seconds, 1),
        "events_per_s": round(ages_ms.total() / seconds),
        "p50_ms": _quantile(ages_ms, 0.5),
        "p99_ms": _quantile(ages_ms, 0.99),
        "max_ms": max(ages_ms, default=None),
        "skipped": int(coalesced),
        "server_p99_ms": _server_p99_ms(figures, after),
        "server_cpu": round(cpu_s / seconds, 2),
        "readers_cpu": round(report["cpu"], 2),
        # Redis, and whatever else ran: where they leave no core free, the latency is that of waiting for one.
        "others_cpu": round(others_s / seconds, 2),
        "server_grew_mib": round(
            (after["process_resident_memory_bytes"] - figures["process_resident_memory_bytes"]) / 2**20, 1
        ),
        "server_rss_mib": round(after["process_resident_memory_bytes"] / 2**20),
    }


def _quantile(ages_ms: Counter[int], share: float) -> int | None:
    left = share * ages_ms.total()
    for age in sorted(ages_ms):
        left -= ages_ms[age]
        if left <= 0:
            return age
    return None


def _server_p99_ms(before: dict[str, float], after: dict[str, float]) -> int | None:
    """The server's own measurement: the upper bound of the step in which its p99 lies."""
    steps = {
        float(name.partition('le="')[2].rstrip('"}')): count - before.get(name, 0.0)
        for name, count in after.items()
        if name.startswith("stream_serve_delivery_seconds_bucket")
    }
    most = max(steps.values(), default=0.0)
    within = [step for step, count in steps.items() if most and count >= 0.99 * most and step != float("inf")]
    return round(1000 * min(within)) if within else None


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _busy_s() -> float:
    """CPU time of the whole machine so far."""
    user, nice, system, _idle, _wait, irq, soft = map(int, Path("/proc/stat").read_text("ascii").split()[1:8])
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


async def _figures(port: int) -> dict[str, float]:
    def ask() -> list[str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            return answer.read().decode().splitlines()  # type: ignore[no-any-return]

    lines = await asyncio.to_thread(ask)
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


async def main(seconds: float, base: Path | None = None) -> int:
    """The exit code of all loads; 1 when the promise does not hold."""
    reports: list[dict[str, Any]] = []
    bases: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        redis = RedisServer(Path(folder), LocalSettings())
        redis.start()
        redis_version = _redis_version(redis.url)
        _head()
        try:
            for number, load in enumerate(LOADS):
                if base is not None:
                    bases.append(await measure(load, 2 * number + 1, redis.url, seconds, base))
                    _row(bases[-1] | {"load": "base: " + load.name})
                reports.append(await measure(load, 2 * number + 2, redis.url, seconds))
                _row(reports[-1])
        finally:
            redis.stop()
    out = TOP / "bench" / "out" / "streams.json"
    out.parent.mkdir(exist_ok=True)
    told = {
        **machine(redis_version),
        "document_bytes": len(_encoded()),
        "seconds": seconds,
        "loads": reports,
        "base": bases,
    }
    out.write_text(json.dumps(told, indent=1) + "\n")
    late = [report for report in reports if report["promised"] and (report["p99_ms"] or PROMISE_MS + 1) > PROMISE_MS]
    lost = sum(report["lost_streams"] for report in reports)
    print(f"promise: p99 ≤ {PROMISE_MS} ms: {'broken' if late else 'kept'}; streams lost: {lost}")
    return 1 if late or lost else 0


def _redis_version(url: str) -> str:
    with Redis.from_url(url) as client:
        return str(client.info("server")["redis_version"])


def _encoded() -> bytes:
    return msgspec.json.encode(document("room-0"))


def machine(redis_version: str) -> dict[str, Any]:
    """The machine and the versions of this measurement."""
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    versions = {name: version(name) for name in ("snapup", "aiohttp", "redis", "msgspec")}
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
        "kernel": platform.release(),
        "versions": {"python": platform.python_version(), "redis-server": redis_version, **versions},
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8").splitlines()
    except OSError:
        return []


# Column → field of a report and its width.
COLUMNS = {
    "load": ("load", -40),
    "kbit/s": ("kbit_per_s_a_stream", 8),
    "events/s": ("events_per_s", 9),
    "p50 ms": ("p50_ms", 7),
    "p99 ms": ("p99_ms", 7),
    "max ms": ("max_ms", 7),
    "its p99 ≤": ("server_p99_ms", 10),
    "skipped": ("skipped", 8),
    "server": ("server_cpu", 7),
    "readers": ("readers_cpu", 8),
    "others": ("others_cpu", 7),
    "MiB": ("server_rss_mib", 5),
    "grew": ("server_grew_mib", 6),
}


def _head() -> None:
    print(f"{STREAMS} streams; latency at the reader, and as the server itself saw it; CPU in cores")
    print(" ".join(_cell(name, width) for name, (_, width) in COLUMNS.items()), flush=True)


def _row(report: dict[str, Any]) -> None:
    print(" ".join(_cell(report[field], width) for field, width in COLUMNS.values()), flush=True)


def _cell(value: object, width: int) -> str:
    text = "–" if value is None else str(value)
    return text.ljust(-width) if width < 0 else text.rjust(width)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.streams")
    parser.add_argument("seconds", type=float, nargs="?", default=15.0)
    parser.add_argument("--base", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        asyncio.run(read(int(sys.argv[2]), LOADS[int(sys.argv[3])], float(sys.argv[4])))
    else:
        asked = _arguments()
        sys.exit(asyncio.run(main(asked.seconds, None if asked.base is None else asked.base.resolve())))
