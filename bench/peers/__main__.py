"""Other ways to count the same events, beside ours: in one run, in turn, on the same log, with the answer checked.

    python -m bench.peers [--events 1000000] [--runs 5] [--partitions 4] [--only ours,floor]

Each round: a fresh Kafka and Redis, the mix of `bench/mix.py` written once by another process, then each peer reads it
from the beginning, one at a time. A peer counts events by room and second of event time; its counts must be those of
the mix, or the figure does not count. Ours does its whole job, and its totals in Redis must be right. CPU is that of
the whole process, wall time runs too, from the first event to the last; what came before is a column of its own. The
slow ones read a shorter log of the same mix; Kafka Streams a longer one, and the second half of it has a column of its
own, for then its Java machine is warm. Writes bench/out/peers.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench import measuring
from bench.load import EVENTS_PER_S
from bench.mix import draw
from bench.worker import PREFIX, drawn_totals, run_once
from stream.local.java import find_java
from stream.local.settings import load_local_settings
from stream.local.stack import local_stack
from tests.support.environments import NoEnvironmentError, environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.local.stack import Stack

HERE = Path(__file__).parent
BUILD = measuring.OUT / "peers"
LEAST_EVENTS = 1_000
PEER_TIMEOUT_S = 1_800
JAVA_HEAP = "-Xmx1g"
FIGURES = ("cpu_us_per_event", "warm_cpu_us_per_event", "events_per_s", "rss_peak_mib", "start_cpu_s")


class Peer(NamedTuple):
    """One way to count. `work` says what it does, and what it leaves out that ours does."""

    name: str
    title: str
    work: str
    module: str = ""
    guarantee: str = ""
    share: float = 1.0


_COUNTS = "counts only"
# A share of the events: some peers are too slow for all of them, and a Java machine is warm after some millions.
SLOW, LONG = 0.05, 4.0
PEERS = (
    Peer(
        "ours",
        "Snapup, the whole job",
        "the whole job: validation, duplicates, windows, stock, urgency, documents in Redis, exactly once",
    ),
    Peer("floor", "bare aiokafka + msgspec", f"{_COUNTS}: in memory, nothing survives", "floor"),
    Peer(
        "faust-table",
        "Faust, Record and Table",
        f"{_COUNTS}: table in memory, changelog in Kafka, at least once",
        "faust_table",
        share=SLOW,
    ),
    Peer("faust-raw", "Faust, raw bytes + msgspec", f"{_COUNTS}: in memory, nothing survives", "faust_raw", share=SLOW),
    Peer(
        "quix",
        "Quix Streams, 1 s windows",
        f"{_COUNTS}, each topic for itself: RocksDB and changelog, at least once",
        "quix",
    ),
    Peer("bytewax", "Bytewax, a stateful step", f"{_COUNTS}: in memory, no recovery store", "bytewax_counts"),
    Peer(
        "streams",
        "Kafka Streams DSL, at least once",
        f"{_COUNTS}: window store in memory, changelog in Kafka",
        guarantee="at_least_once",
        share=LONG,
    ),
    Peer(
        "streams-eos",
        "Kafka Streams DSL, exactly once v2",
        f"{_COUNTS}: window store in memory, changelog, exactly once",
        guarantee="exactly_once_v2",
        share=LONG,
    ),
)


# -- what the peers need -----------------------------------------------------------------------------------------------
def python() -> Path:
    """The Python of the peers' own environment, made when its requirements have changed."""
    try:
        return environment(HERE / "requirements.txt", BUILD)
    except NoEnvironmentError as error:
        sys.exit(f"bench: {error}")


def classes() -> str:
    """The class path of the Java peer, built when its sources have changed."""
    sources = [HERE / "kafka-streams" / "pom.xml", *sorted((HERE / "kafka-streams").rglob("*.java"))]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    folder = BUILD / f"kafka-streams-{digest}"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _require(["mvn", "-q", "-B", "-f", str(sources[0]), f"-Dsnapup.build={folder}", "compile"])
        (folder / "ready").touch()
    return f"{folder}/classes:{folder}/lib/*"


def _require(command: list[str]) -> None:
    if subprocess.run(command, check=False).returncode:
        sys.exit(f"bench: {' '.join(command[:4])} … failed")


# -- one peer, once ----------------------------------------------------------------------------------------------------
class Log(NamedTuple):
    """A log to count: its counts by room and second, and its totals by room and topic."""

    prefix: str
    events: int
    counts: dict[str, int]
    totals: dict[str, Counter[int]]


def fill(stack: Stack, prefix: str, events: int, partitions: int) -> Log:
    """The filled log, with what a count of it must give."""
    stack.apply_topics(prefix, partitions=partitions)
    flags = ("--events", str(events), "--partitions", str(partitions))
    loading = measuring.load("mix", stack.bootstrap_servers, prefix, *flags)
    t0_ms = measuring.said(loading)["t0_ms"]
    counts: Counter[str] = Counter()
    for number, event in enumerate(draw(events, 0, EVENTS_PER_S)):
        counts[f"{event.room_id}|{(t0_ms + number * 1_000 // EVENTS_PER_S) // 1_000}"] += 1
    if loading.wait():
        sys.exit("bench: the log could not be filled")
    return Log(prefix, events, dict(counts), drawn_totals(events))


def count(peer: Peer, stack: Stack, log: Log, partitions: int, group: str) -> dict[str, float]:
    """The figures of a peer that counts a log; ends the bench when it counts wrong."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        arguments = [stack.bootstrap_servers, log.prefix, group, str(log.events), str(partitions), str(answer), folder]
        if peer.module:
            command = [str(python()), "-m", f"bench.peers.{peer.module}", *arguments]
        else:
            java = find_java(load_local_settings().java)
            command = [java, JAVA_HEAP, "-cp", classes(), "snapup.Count", *arguments, peer.guarantee]
        out = measuring.OUT / f"peer-{peer.name}.log"
        with out.open("wb") as errors:
            done = subprocess.run(
                command,
                cwd=measuring.TOP,
                stdout=subprocess.PIPE,
                stderr=errors,
                timeout=PEER_TIMEOUT_S,
                check=False,
                env={**os.environ, "PYTHONWARNINGS": "ignore"},
            )
        lines = done.stdout.decode().strip().splitlines()
        if done.returncode or not lines:
            sys.exit(f"bench: {peer.name} ended with code {done.returncode}, see {out}")
        told = json.loads(lines[-1])
        if json.loads(answer.read_text("utf-8")) != log.counts:
            sys.exit(f"bench: {peer.name} counted wrong")
    warm = {"warm_cpu_us_per_event": told["half_cpu_s"] / (log.events / 2) * 1e6} if "half_cpu_s" in told else {}
    return {
        "cpu_us_per_event": told["cpu_s"] / log.events * 1e6,
        **warm,
        "events_per_s": log.events / told["wall_s"],
        "rss_peak_mib": told["rss_peak_mib"],
        "start_cpu_s": told["begin_cpu_s"],
    }


def one_round(peers: list[Peer], events: int, partitions: int) -> dict[str, dict[str, float]]:
    """The figures of every peer, once each, on one log."""
    found = {}
    with local_stack(with_topics=False) as stack:
        logs = {}
        for share in sorted({peer.share for peer in peers}):
            prefix = PREFIX if share == 1 else f"{PREFIX}-{share:g}"
            logs[share] = fill(stack, prefix, _events_of(share, events), partitions)
        for peer in peers:
            if peer.name == "ours":
                found[peer.name] = run_once(stack, events, logs[1.0].totals)
            else:
                found[peer.name] = count(peer, stack, logs[peer.share], partitions, f"peer-{peer.name}")
            said = ", ".join(f"{name} {value:,.2f}" for name, value in found[peer.name].items())
            print(f"  {peer.name:12} {said}", flush=True)
    return found


# -- all of it ---------------------------------------------------------------------------------------------------------
def report_of(peers: list[Peer], rounds: list[dict[str, dict[str, float]]], events: int) -> dict[str, Any]:
    """Median and spread of each, and its ratio to the floor of the same round."""
    rows = []
    for peer in peers:
        runs = [found[peer.name] for found in rounds]
        row: dict[str, Any] = {"name": peer.name, "title": peer.title, "work": peer.work, "runs": runs}
        row["events"] = _events_of(peer.share, events)
        row |= {name: measuring.spread(run[name] for run in runs) for name in FIGURES if name in runs[0]}
        if "floor" in rounds[0]:
            ratios = (found[peer.name]["cpu_us_per_event"] / found["floor"]["cpu_us_per_event"] for found in rounds)
            row["cpu_to_floor"] = measuring.spread(ratios)
        rows.append(row)
    return {"events": events, "rounds": len(rounds), "peers": rows, "pinned": _pinned(), "java_heap": JAVA_HEAP}


def _events_of(share: float, events: int) -> int:
    return max(LEAST_EVENTS, int(events * share))


def _pinned() -> dict[str, str]:
    text = (HERE / "requirements.txt").read_text("utf-8")
    found = dict(re.findall(r"^([a-z-]+)==([0-9.]+)", text, re.MULTILINE))
    wanted = {name: found[name] for name in ("faust-streaming", "quixstreams", "bytewax", "aiokafka", "msgspec")}
    pom = (HERE / "kafka-streams" / "pom.xml").read_text("utf-8")
    streams = re.search(r"<artifactId>kafka-streams</artifactId>\s*<version>([0-9.]+)", pom)
    return {**wanted, "kafka-streams": streams[1] if streams else "unknown"}


def _tell(report: dict[str, Any]) -> None:
    def cell(row: dict[str, Any], name: str, digits: int) -> str:
        if name not in row:
            return ""
        median, least, most = (f"{row[name][each]:,.{digits}f}" for each in ("median", "least", "most"))
        return median if report["rounds"] == 1 else f"{median} ({least}-{most})"

    columns = ("", "CPU µs/event", "second half", "events/s", "× floor", "peak MiB", "CPU s before", "events")
    digits: tuple[tuple[str, int], ...] = (
        ("cpu_us_per_event", 2),
        ("warm_cpu_us_per_event", 2),
        ("events_per_s", 0),
        ("cpu_to_floor", 2),
        ("rss_peak_mib", 0),
        ("start_cpu_s", 1),
    )
    rows = [(row["title"], *(cell(row, *each) for each in digits), f"{row['events']:,}") for row in report["peers"]]
    measuring.show("the same events, counted and checked", columns, rows)
    for row in report["peers"]:
        print(f"{row['title']}: {row['work']}")


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--only", help=f"comma separated, of: {','.join(peer.name for peer in PEERS)}")
    flags = parser.parse_args()
    names = flags.only.split(",") if flags.only else [peer.name for peer in PEERS]
    peers = [peer for peer in PEERS if peer.name in names]
    if len(peers) != len(names):
        parser.error(f"--only {flags.only}: there are {', '.join(peer.name for peer in PEERS)}")
    needed: set[Callable[[], object]] = {python for peer in peers if peer.module}
    needed |= {classes for peer in peers if peer.guarantee}
    for make in needed:
        make()
    rounds = []
    for number in range(flags.runs):
        print(f"round {number + 1}", flush=True)
        # Each round begins with another peer: the first to run has the coldest page cache.
        turn = number % len(peers)
        rounds.append(one_round(peers[turn:] + peers[:turn], flags.events, flags.partitions))
    report = report_of(peers, rounds, flags.events)
    _tell(report)
    measuring.write_report("peers", report)


if __name__ == "__main__":
    main()
