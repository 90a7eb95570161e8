"""Each scenario against real workers, on real Kafka and Redis, beside its goal; totals verified, or it does not count.

    python -m bench.scenarios [--scale 1.0] [--only viya,jd,tail,storms,start,memory,soak,pieces] [--soak-min 0]

viya    `viya-2017` from Kafka, one worker: how long the replay of the evening takes
jd      `jd-midnight` live, two workers: from the last append until all of it is in Redis, ledger exact
tail    `long-tail` live, one worker: freshness, CPU; then its start with all these rooms in its checkpoint
storms  `gift-storm` and `coupon-rain` live, one worker each: freshness, CPU, the size of the document
start   a worker's start with nothing in its checkpoint
memory  10 000 rooms, 1 M remembered orders, 1 M viewers, then 1.5 M: resident memory
soak    that memory after `--soak-min` minutes more at 20 000 events/s; none unless they are given
pieces  a snapshot with one and with 50 sales, a checkpoint of one second's work

A scaled run shows that everything works; its figures are not those of the goals. Writes bench/out/scenarios.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from bench import measuring, pieces
from bench.measuring import Worker, total, wait_until
from stream.contract.reading import read_overlay
from stream.local.stack import local_stack
from stream.mechanics.kinds import CATALOGUE
from stream.mechanics.scenarios import STORMS, build
from stream.shows import build_show, jd_midnight, long_tail
from stream.shows.outcome import figures_planned, unmet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stream.local.stack import Stack
    from stream.shows.show import Expected, ExpectedRoom

PREFIX = "bench"
PARTITIONS = 4
LOOK_S = 0.1
WARM_S = 15
# Log time: each show follows the one before, so that none of it is late.
NIGHTS_FROM_MS, NIGHT_MS = 60_000, 60_000
# The orders in the goal for memory: of more, the oldest are forgotten.
ORDERS_REMEMBERED = 1_000_000
# Distinct people beyond the exact bound are a sketch: these figures are then near, and not compared.
OF_PEOPLE = ("viewers:", "watch_to_buy_uv:", "click_to_buy_uv:", "cart_to_order_uv:", "orders_per_viewer:")
OF_ALL_PEOPLE = (*OF_PEOPLE, "engaged_uv_rate:")


class _Placed(msgspec.Struct):
    placed: int


class _OrderTotals(msgspec.Struct):
    orders: _Placed


class _Orders(msgspec.Struct):
    totals: _OrderTotals


_orders = msgspec.json.Decoder(_Orders).decode


class Row(NamedTuple):
    """A figure beside its goal. `figures`: everything else that was seen."""

    name: str
    unit: str
    value: float
    goal: float
    figures: dict[str, Any] = {}  # noqa: RUF012 - never changed

    @property
    def holds(self) -> bool:
        """Whether the goal is met: all goals are upper bounds."""
        return self.value <= self.goal


# -- what is true in Redis ---------------------------------------------------------------------------------------------
def differences(stack: Stack, rooms: Sequence[ExpectedRoom]) -> list[str]:
    """Every figure in Redis that differs from the plan's."""
    wrong = []
    raws = measuring.documents(stack.redis_url, PREFIX, [room.room_id for room in rooms])
    for room, raw in zip(rooms, raws, strict=True):
        if raw is None:
            wrong.append(f"{room.room_id}: no document")
            continue
        overlay = read_overlay(raw, CATALOGUE.sections)
        near = OF_ALL_PEOPLE if overlay.totals.viewers.method != "exact" else ()
        wrong += [f"{room.room_id}: {each}" for each in unmet(room, overlay) if not each.startswith(near)]
    return wrong


def wait_for_totals(stack: Stack, expected: Expected, *, deadline_s: float = 60.0) -> int:
    """Number of figures compared, once every figure is the plan's; ends the bench when one stays wrong."""
    end = time.monotonic() + deadline_s
    while wrong := differences(stack, expected.rooms):
        if time.monotonic() > end:
            sys.exit(f"bench: {len(wrong)} figures are wrong: {'; '.join(wrong[:5])}")
        time.sleep(LOOK_S)
    return sum(figures_planned(room) for room in expected.rooms)


def orders_placed(stack: Stack, rooms: Sequence[str]) -> int:
    """The orders of all rooms, as Redis shows them."""
    return sum(_orders(raw).totals.orders.placed for raw in measuring.documents(stack.redis_url, PREFIX, rooms) if raw)


def simulate(stack: Stack, *arguments: str) -> float:
    """Records a second of `snapup simulate`, run as fast as it goes in a process of its own."""
    command = [str(Path(sys.executable).parent / "snapup"), "simulate", *arguments, "--speed", "max", "--json"]
    environment = {**os.environ, **stack.environment(), "SNAPUP_TOPIC_PREFIX": PREFIX}
    began = time.monotonic()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if done.returncode:
        sys.exit(f"bench: snapup simulate {' '.join(arguments)} ended with code {done.returncode}")
    acknowledged: int = json.loads(done.stdout)["played"]["acknowledged"]
    return acknowledged / (time.monotonic() - began)


# -- the scenarios -----------------------------------------------------------------------------------------------------
def viya(scale: float, _: argparse.Namespace) -> list[Row]:
    """The whole evening, from a log that is there already."""
    expected = build_show("viya-2017", 1, None, scale).expected
    with local_stack(with_topics=False) as stack:
        stack.apply_topics(PREFIX, partitions=PARTITIONS, timestamp_type="CreateTime")
        written_per_s = simulate(stack, "viya-2017", "--scale", str(scale))
        print(f"  {expected.deliveries:,} records written, {written_per_s:,.0f} a second", flush=True)
        with Worker(stack, PREFIX, name="viya", settings={"SNAPUP_CLOCK": "log"}) as worker:
            wait_until(lambda: worker.received() > 0, "the first record", poll_s=LOOK_S)
            began, cpu = time.monotonic(), measuring.cpu_s(worker.pid)
            wait_until(lambda: worker.received() >= expected.deliveries, "the last record")
            compared = wait_for_totals(stack, expected)
            wall_s, cpu = time.monotonic() - began, measuring.cpu_s(worker.pid) - cpu
            figures = {
                "records": expected.deliveries,
                "events_per_s": expected.deliveries / wall_s,
                "cpu_us_per_event": cpu / expected.deliveries * 1e6,
                "rss_peak_mib": measuring.rss_peak_mib(worker.pid),
                "figures_compared": compared,
                "written_per_s": written_per_s,
            }
    return [Row("viya-2017: replayed from Kafka by one worker", "s", wall_s, 90, figures)]


def jd(scale: float, _: argparse.Namespace) -> list[Row]:
    """The show live, for two workers."""
    show = build_show("jd-midnight", 1, None, scale).expected
    rooms = [room.room_id for room in show.rooms]
    orders = sum(room.orders_placed for room in show.rooms)
    with local_stack(with_topics=False) as stack, ExitStack() as running:
        stack.apply_topics(PREFIX, partitions=PARTITIONS)
        workers = [running.enter_context(Worker(stack, PREFIX, name=f"jd-{number}")) for number in (1, 2)]
        wait_until(lambda: all(worker.is_ready() for worker in workers), "two ready workers")
        mark_ms = jd_midnight.MIDNIGHT_MS + jd_midnight.RUSH_MS
        playing = _play(stack, jd_midnight.NAME, scale, "--mark-ms", str(mark_ms))
        rush_s = _seen_after(playing, "mark_acked_ms", lambda: orders_placed(stack, rooms) >= orders)
        done = measuring.said(playing)
        compared = wait_for_totals(stack, show)
        all_s = time.time() - done["acked_ms"] / 1_000
        figures = {
            "orders": orders,
            "records": show.deliveries,
            "whole_show_s": all_s,
            "sent_late_ms": done["behind_ms"],
            "figures_compared": compared,
            "rss_peak_mib": max(measuring.rss_peak_mib(worker.pid) for worker in workers),
        }
        _require_all_sent(done)
    return [Row("jd-midnight: last order appended until all are in Redis, two workers", "s", rush_s, 2, figures)]


def _play(stack: Stack, name: str, scale: float, *more: str) -> subprocess.Popen[bytes]:
    flags = ("--partitions", str(PARTITIONS), "--show", name, "--scale", str(scale), *more)
    playing = measuring.load("live", stack.bootstrap_servers, PREFIX, *flags)
    begins = measuring.said(playing)
    encoded = measuring.said(playing)
    ahead_s = begins["t0_ms"] / 1_000 - time.time()
    print(f"  {begins['deliveries']:,} records encoded in {encoded['encoded_s']} s, to begin in {ahead_s:.0f} s")
    return playing


def _seen_after(playing: subprocess.Popen[bytes], moment: str, seen: Callable[[], bool]) -> float:
    """Seconds from a moment that the load tells until something is seen."""
    acked_ms: int = measuring.said(playing)[moment]
    wait_until(seen, "what was sent, in Redis", deadline_s=120, poll_s=0.02)
    return max(0.0, time.time() - acked_ms / 1_000)


def _require_all_sent(done: dict[str, Any]) -> None:
    if done["failed_batches"]:
        sys.exit(f"bench: Kafka refused {done['failed_batches']} batches")


def tail(scale: float, _: argparse.Namespace) -> list[Row]:
    """One worker and ten thousand rooms; then its start with all of them."""
    show = build_show("long-tail", 1, None, scale).expected
    with local_stack(with_topics=False) as stack:
        stack.apply_topics(PREFIX, partitions=PARTITIONS)
        with Worker(stack, PREFIX, name="tail") as worker:
            wait_until(worker.is_ready, "a ready worker")
            playing = _play(stack, long_tail.NAME, scale)
            wait_until(lambda: worker.received() > 0, "the first record")
            time.sleep(WARM_S)
            before, cpu, began = worker.metrics(), measuring.cpu_s(worker.pid), time.monotonic()
            time.sleep(long_tail.DURATION_S - WARM_S - 5)
            after, share, wall_s = worker.metrics(), measuring.cpu_s(worker.pid) - cpu, time.monotonic() - began
            done = measuring.said(playing)
            _require_all_sent(done)
            compared = wait_for_totals(stack, show)
            figures: dict[str, Any] = {
                f"visible_p{round(100 * each)}_s": measuring.quantile_of(
                    before, after, "stream_visible_latency_seconds", each
                )
                for each in (0.5, 0.99)
            }
            figures |= {
                "rooms": len(show.rooms),
                "events_per_s": show.deliveries / long_tail.DURATION_S,
                "sent_late_ms": done["behind_ms"],
                "figures_compared": compared,
                "rss_peak_mib": measuring.rss_peak_mib(worker.pid),
            }
        fold_s = _start_s(stack, "tail-again")
    of_core = 100 * share / wall_s
    return [
        Row("long-tail: freshness, p99 (upper edge of its bucket)", "s", figures["visible_p99_s"], 1, figures),
        Row("long-tail: CPU of one worker", "% of a core", of_core, 70, figures),
        Row(f"worker start until the first fold, {len(show.rooms):,} rooms saved", "s", fold_s, 10),
    ]


def storms(scale: float, _: argparse.Namespace) -> list[Row]:
    """Each storm of a mechanic in one room, for one worker: all of it is one partition's."""
    return [row for name in STORMS for row in _storm(name, scale)]


def _storm(name: str, scale: float) -> list[Row]:
    show = build(name, 1, None, scale).expected
    with local_stack(with_topics=False) as stack:
        stack.apply_topics(PREFIX, partitions=PARTITIONS)
        with Worker(stack, PREFIX, name=name) as worker:
            wait_until(worker.is_ready, "a ready worker")
            playing = _play(stack, name, scale)
            wait_until(lambda: worker.received() > 0, "the first record")
            before, cpu, began = worker.metrics(), measuring.cpu_s(worker.pid), time.monotonic()
            done = measuring.said(playing)
            after, share, wall_s = worker.metrics(), measuring.cpu_s(worker.pid) - cpu, time.monotonic() - began
            _require_all_sent(done)
            compared = wait_for_totals(stack, show)
            (document,) = measuring.documents(stack.redis_url, PREFIX, [show.rooms[0].room_id])
            p50_s, p99_s = (
                measuring.quantile_of(before, after, "stream_visible_latency_seconds", each) for each in (0.5, 0.99)
            )
            figures = {
                "records": show.deliveries,
                "visible_p50_s": p50_s,
                "visible_p99_s": p99_s,
                "sent_late_ms": done["behind_ms"],
                "figures_compared": compared,
                "document_bytes": len(document or b""),
                "rss_peak_mib": measuring.rss_peak_mib(worker.pid),
            }
    return [
        Row(f"{name}: freshness, p99 (upper edge of its bucket)", "s", p99_s, 1, figures),
        Row(f"{name}: CPU of one worker", "% of a core", 100 * share / wall_s, 70, figures),
    ]


def start(_scale: float, _: argparse.Namespace) -> list[Row]:
    """A worker that finds an empty checkpoint log."""
    with local_stack(with_topics=False) as stack:
        stack.apply_topics(PREFIX, partitions=PARTITIONS)
        fold_s = _start_s(stack, "start")
    return [Row("worker start until the first fold, nothing saved", "s", fold_s, 3)]


def _start_s(stack: Stack, name: str) -> float:
    """From the start of the process until it says that it has folded something of a trickle."""
    flags = ("--partitions", str(PARTITIONS), "--rate", "40", "--seconds", "120")
    trickle = measuring.load("pace", stack.bootstrap_servers, PREFIX, *flags)
    measuring.said(trickle)
    with Worker(stack, PREFIX, name=name) as worker:
        wait_until(lambda: worker.received() > 0, "the first fold", poll_s=0.02)
        fold_s = time.monotonic() - worker.started
        trickle.terminate()
        trickle.wait()
    return fold_s


def memory(scale: float, _: argparse.Namespace) -> list[Row]:
    """The rooms of `long-tail` and two nights of `jd-midnight`, with a million orders; then a third night."""
    return _nights(scale, 0)[:2]


def soak(scale: float, flags: argparse.Namespace) -> list[Row]:
    """That memory after some more minutes of the mix, in rooms of its own."""
    return _nights(scale, flags.soak_min)[2:]


def _nights(scale: float, soak_min: float) -> list[Row]:
    """The worker must remember a million orders. The totals of those that it forgot stay, and are compared."""
    now_ms = time.time_ns() // 1_000_000 - 10 * 60_000
    shows = [("long-tail", 1, "tail", now_ms)]
    shows += [("jd-midnight", seed, f"jd{seed}", now_ms + NIGHTS_FROM_MS + seed * NIGHT_MS) for seed in (1, 2, 3)]
    expected = [build_show(name, seed, room, scale).expected for name, seed, room, _ in shows]
    rows = []
    bound = max(1_000, round(scale * ORDERS_REMEMBERED / PARTITIONS))
    settings = {"SNAPUP_CLOCK": "log", "SNAPUP_REMEMBER_ORDERS_MAX": str(bound)}
    with local_stack(with_topics=False) as stack:
        stack.apply_topics(PREFIX, partitions=PARTITIONS, timestamp_type="CreateTime")
        with Worker(stack, PREFIX, name="memory", settings=settings) as worker:
            for begin, end in ((0, 3), (3, 4)):
                for name, seed, room, t0_ms in shows[begin:end]:
                    common = ("--scale", str(scale), "--room", room, "--seed", str(seed), "--t0-ms", str(t0_ms))
                    simulate(stack, name, *common)
                rows.append(_remembered(stack, worker, expected[:end]))
            until = time.monotonic() + 60 * soak_min
            taken_mib = []
            while time.monotonic() < until:
                _soak_a_minute(stack)
                taken_mib.append(round(measuring.rss_mib(worker.pid)))
                print(f"  minute {len(taken_mib)}: {taken_mib[-1]:,} MiB", flush=True)
            if taken_mib:
                figures = {"first_mib": taken_mib[0], "last_mib": taken_mib[-1], "most_mib": max(taken_mib)}
                figures |= {f"minute_{at}_mib": taken_mib[at - 1] for at in range(5, len(taken_mib), 5)}
                name = f"memory after {soak_min:g} minutes more of 20 000 events/s, to that after one"
                rows.append(Row(name, "×", taken_mib[-1] / taken_mib[0], 1.02, figures))
    return rows


def _remembered(stack: Stack, worker: Worker, played: Sequence[Expected]) -> Row:
    """The worker's peak memory, once all of these shows are in Redis."""
    rooms = [room for each in played for room in each.rooms]
    records = sum(each.deliveries for each in played)
    wait_until(lambda: worker.received() >= records, "the last record")
    orders = sum(room.orders_placed for room in rooms)
    names = [room.room_id for room in rooms]
    wait_until(lambda: orders_placed(stack, names) == orders, "every order in Redis", poll_s=3.0)
    viewers = sum(room.viewers for room in rooms)
    remembered = total(worker.metrics(), "stream_remembered_orders")
    name = f"memory: {len(rooms):,} rooms, {remembered:,.0f} orders of {orders:,}, {viewers:,} viewers, peak"
    figures = {"after_mib": measuring.rss_mib(worker.pid), "records": records}
    return Row(name, "GiB", measuring.rss_peak_mib(worker.pid) / 1_024, 2, figures)


def _soak_a_minute(stack: Stack) -> None:
    flags = ("--partitions", str(PARTITIONS), "--rate", "20000", "--seconds", "60")
    load = measuring.load("pace", stack.bootstrap_servers, PREFIX, *flags)
    measuring.said(load)
    measuring.said(load)
    load.wait()


def of_pieces(scale: float, _: argparse.Namespace) -> list[Row]:
    """The rows that need no server."""
    cut = pieces.checkpoint(max(3, round(20 * scale)))
    one, fifty = pieces.snapshot_us(1), pieces.snapshot_us(50)
    return [
        Row("snapshot of a room with one sale", "µs", one["median"], 60, one),
        Row("snapshot of a room with 50 sales", "µs", fifty["median"], 400, fifty),
        Row("checkpoint of a second at 100 000 events/s, in one piece", "ms", cut["piece_ms"]["most"], 60, cut),
        Row("checkpoints at 100 000 events/s", "% of a core", 100 * cut["share_of_a_core"], 5, cut),
    ]


PARTS: dict[str, Callable[[float, argparse.Namespace], list[Row]]] = {
    "pieces": of_pieces,
    "start": start,
    "jd": jd,
    "tail": tail,
    "storms": storms,
    "viya": viya,
    "memory": memory,
    "soak": soak,
}


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--soak-min", type=float, default=0.0)
    flags = parser.parse_args()
    names = [name for name in flags.only.split(",") if name != "soak" or flags.soak_min]
    if unknown := set(names) - PARTS.keys():
        parser.error(f"--only {','.join(unknown)}: there are {', '.join(PARTS)}")
    rows = _measured_before(flags.scale, names)
    for name in names:
        print(name, flush=True)
        for row in PARTS[name](flags.scale, flags):
            print(f"  {row.name}: {row.value:,.2f} {row.unit}", flush=True)
            rows.append({"part": name, **row._asdict(), "holds": row.holds, "commit": measuring.commit()})
    rows.sort(key=lambda row: list(PARTS).index(row["part"]))
    table = [
        (row["name"], f"{row['value']:,.2f} {row['unit']}", f"{row['goal']:g}", "yes" if row["holds"] else "no")
        for row in rows
    ]
    title = "scenarios" if flags.scale == 1 else f"scenarios, scaled to {flags.scale:g}: no figures for the goals"
    measuring.show(title, ("", "measured", "goal: at most", "holds"), table)
    measuring.write_report("scenarios", {"scale": flags.scale, "rows": rows})


def _measured_before(scale: float, now: list[str]) -> list[dict[str, Any]]:
    """The rows of other parts at this scale, if there are any: `--only` measures one part anew."""
    path = measuring.OUT / "scenarios.json"
    report = json.loads(path.read_text("utf-8")) if path.exists() else {}
    kept = report.get("rows", ()) if report.get("scale") == scale else ()
    return [row for row in kept if row["part"] not in now]


if __name__ == "__main__":
    main()
