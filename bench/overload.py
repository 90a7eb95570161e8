"""Three times what a worker can do, for some minutes: memory stays bounded, nothing is lost, the lag drains.

    python -m bench.overload [--maximum EVENTS_PER_S] [--times 3] [--minutes 10]

The load comes paced from a process of its own, in batches encoded beforehand. /metrics, /healthz and /readyz are asked
every second and timed, during the load and while the lag drains. Afterwards every event must have been received, none
refused, and the totals in Redis must be right. Where broker and load cannot keep the rate on this machine, the report
says what was written. Writes bench/out/overload.json.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from typing import Any

from bench import measuring
from bench.latency import measured_maximum
from bench.measuring import Worker, total, wait_until
from bench.worker import drawn_totals, totals_hold
from stream.local.stack import local_stack

PREFIX = "bench"
PARTITIONS = 4
BUDGET_MIB = 2_048
RECORD_BYTES = 175
ASK_S, ANSWER_S = 1.0, 5.0
PATHS = ("metrics", "healthz", "readyz")


class Watch:
    """Asks the worker's HTTP every second, in a thread; notes the time of the answers, its memory and its lag."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.answer_s: dict[str, list[float]] = {path: [] for path in PATHS}
        self.unanswered: dict[str, int] = dict.fromkeys(PATHS, 0)
        self.not_alive = 0
        self.rss_mib: list[int] = []
        self.lag: list[int] = []
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(ASK_S):
            for path in PATHS:
                self._ask(path)
            self.rss_mib.append(round(measuring.rss_mib(self._worker.pid)))
            self.lag.append(int(total(self._worker.metrics(), "stream_consumer_lag_records")))

    def _ask(self, path: str) -> None:
        began = time.monotonic()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._worker.port}/{path}", timeout=ANSWER_S):
                pass
        except urllib.error.HTTPError:  # it answers, and says no
            self.not_alive += path == "healthz"
        except OSError:
            self.unanswered[path] += 1
            return
        self.answer_s[path].append(time.monotonic() - began)

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()
        self._thread.join()


def overload(rate: int, seconds: int) -> dict[str, Any]:
    """The figures of an overload: loads, drains, verifies."""
    with local_stack(with_topics=False) as stack:
        stack.apply_topics(PREFIX, partitions=PARTITIONS)
        with Worker(stack, PREFIX, name="overload") as worker:
            wait_until(worker.is_ready, "a ready worker")
            flags = ("--partitions", str(PARTITIONS), "--rate", str(rate), "--seconds", str(seconds))
            load = measuring.load("pace", stack.bootstrap_servers, PREFIX, *flags)
            measuring.said(load)
            watch = Watch(worker)
            sent = measuring.said(load)
            drained_from, behind = time.monotonic(), sent["sent"] - worker.received()
            print(
                f"  {sent['sent']:,} events in {sent['wall_s']:,.0f} s, {behind:,} of them yet to be read", flush=True
            )
            wait_until(lambda: worker.received() >= sent["sent"], "the end of the lag", deadline_s=6 * seconds + 600)
            drain_s = time.monotonic() - drained_from
            watch.stop()
            totals = drawn_totals(rate)
            wait_until(lambda: totals_hold(stack.redis_url, PREFIX, totals, seconds), "equal totals in Redis")
            metrics = worker.metrics()
            peak = measuring.rss_peak_mib(worker.pid)
    if sent["failed"] or worker_refused(metrics):
        sys.exit(f"bench: {sent['failed']} records not written, {worker_refused(metrics):.0f} refused")
    return {
        "rate": rate,
        "written_per_s": sent["sent"] / sent["wall_s"],
        "events": sent["sent"],
        "behind_at_end": behind,
        "drain_s": drain_s,
        "most_lag": max(watch.lag, default=0),
        "rss_peak_mib": peak,
        "rss_mib": watch.rss_mib,
        "slowest_answer_s": {path: max(taken, default=0.0) for path, taken in watch.answer_s.items()},
        "unanswered": watch.unanswered,
        "not_alive": watch.not_alive,
        "received": total(metrics, "stream_received_total"),
    }


def worker_refused(metrics: dict[str, float]) -> float:
    """Records that became dead letters: the mix has none."""
    return total(metrics, "stream_dead_letters_total")


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maximum", type=int, help="events/s; default: the median of bench/out/worker.json")
    parser.add_argument("--times", type=float, default=3.0)
    parser.add_argument("--minutes", type=float, default=10.0)
    flags = parser.parse_args()
    maximum = flags.maximum or measured_maximum(parser)
    rate, seconds = int(maximum * flags.times), max(5, int(60 * flags.minutes))
    needed, free = rate * seconds * RECORD_BYTES, shutil.disk_usage(tempfile.gettempdir()).free
    if needed > 0.8 * free:
        parser.error(f"{needed / 2**30:.0f} GiB of log are needed, {free / 2**30:.0f} are free: fewer --minutes")
    print(f"{rate:,} events/s for {seconds} s, {needed / 2**30:.1f} GiB of log", flush=True)
    found = overload(rate, seconds)
    rows = [
        ("asked for, events/s", f"{found['rate']:,}"),
        ("written, events/s", f"{found['written_per_s']:,.0f}"),
        ("events, all received, totals equal", f"{found['events']:,}"),
        ("behind when the load ended", f"{found['behind_at_end']:,}"),
        ("drained within, s", f"{found['drain_s']:,.1f}"),
        (f"peak memory, MiB (budget {BUDGET_MIB:,})", f"{found['rss_peak_mib']:,.0f}"),
        *((f"slowest /{path}, s", f"{found['slowest_answer_s'][path]:.2f}") for path in PATHS),
        ("questions without answer, or not alive", sum(found["unanswered"].values()) + found["not_alive"]),
    ]
    measuring.show(f"{flags.times:g} times the maximum for {flags.minutes:g} minutes", ("", ""), rows)
    report = {"maximum": maximum, "times": flags.times, "minutes": flags.minutes, "budget_mib": BUDGET_MIB, **found}
    measuring.write_report("overload", report)


if __name__ == "__main__":
    main()
