"""Writes bench/RESULTS.md from the last figures of the benches (bench/out/*.json), and prints the regression ratio.

    python -m bench.results

Only from the JSON files: nothing in RESULTS.md is typed by hand. RESULTS.md names what has not been measured, and marks
figures of different commits or machines.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from bench import measuring

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

PATH = measuring.TOP / "bench" / "RESULTS.md"
# JSON file → the command that writes it.
SOURCES = {
    "worker": "python -m bench.worker",
    "peers": "make bench-peers",
    "scenarios": "make bench-scenarios",
    "latency": "make bench-latency",
    "overload": "make bench-overload",
    "streams": "python -m bench.streams",
}
# CPU µs an event: the goals, in steps.
GOAL_EVENTS_PER_S = 200_000
GOALS_US = (5.0, 3.7, 2.5)

Reports = dict[str, dict[str, Any]]


def read() -> Reports:
    """Every report that exists."""
    paths = {name: measuring.OUT / f"{name}.json" for name in SOURCES}
    return {name: json.loads(path.read_text("utf-8")) for name, path in paths.items() if path.exists()}


def ratio(reports: Reports) -> dict[str, float] | None:
    """Our CPU to the floor's, of the same rounds; None when the two were not measured together."""
    for row in reports.get("peers", {}).get("peers", ()):
        if row["name"] == "ours" and "cpu_to_floor" in row:
            found: dict[str, float] = row["cpu_to_floor"]
            return found
    return None


def page(reports: Reports) -> Iterator[str]:
    """The lines of RESULTS.md."""
    yield "# What was measured"
    yield ""
    yield "Written by `make bench-results` from what the commands below measured last; nothing here is typed by hand."
    yield "Broker, Redis, load and worker share the machine. Medians, with least and most in brackets. Totals were"
    yield "verified in each run: a run whose totals are wrong ends without a figure."
    yield ""
    yield from _measured_on(reports)
    parts = (
        ("worker", _worker), ("peers", _peers), ("scenarios", _scenarios), ("latency", _latency),
        ("overload", _overload), ("streams", _streams),
    )  # fmt: skip
    for name, part in parts:
        if name in reports:
            yield from part(reports[name])
    missing = [f"`{command}`" for name, command in SOURCES.items() if name not in reports]
    if missing:
        yield "## Not measured"
        yield ""
        yield f"{', '.join(missing)}."


def _measured_on(reports: Reports) -> Iterator[str]:
    yield "## Machine"
    yield ""
    rows = []
    for name, report in reports.items():
        on = report.get("machine")
        if isinstance(on, dict):
            cores = f"{on['cores']} × {on['cpu']}, {on['memory_gib']} GiB"
            rows.append((f"`{SOURCES[name]}`", on["at"], on["commit"], cores, on["load_average"]))
    yield from _table(("command", "when (UTC)", "commit", "machine", "load average at the end"), rows)
    newest = max(
        (report["machine"] for report in reports.values() if isinstance(report.get("machine"), dict)),
        key=lambda on: on["at"],
        default=None,
    )
    if newest:
        versions = ", ".join(f"{name} {number}" for name, number in newest["versions"].items())
        yield f"Python {newest['python']}, Linux {newest['kernel']}, Kafka {newest['kafka']}; {versions}."
        yield ""


def _worker(report: dict[str, Any]) -> Iterator[str]:
    yield "## One worker, the whole job"
    yield ""
    counts = f"{report['events']:,} events of the mix, {report['partitions']} partitions, {len(report['runs'])} runs"
    yield f"{counts}, from a backlog."
    yield ""
    cpu_us, per_s = report["cpu_us_per_event"], report["events_per_s"]
    met = [goal for goal in GOALS_US if cpu_us["median"] <= goal]
    rows = [
        ("CPU µs/event", _spread(cpu_us, 2), "; ".join(f"≤ {goal:g}" for goal in GOALS_US), f"{len(met)} of 3"),
        ("events/s", _spread(per_s, 0), f"≥ {GOAL_EVENTS_PER_S:,}", _yes(per_s["median"] >= GOAL_EVENTS_PER_S)),
        ("peak MiB", _spread(report["rss_peak_mib"], 0), "", ""),
    ]
    yield from _table(("", "measured", "goal", "holds"), rows)


def _peers(report: dict[str, Any]) -> Iterator[str]:
    yield "## Beside others"
    yield ""
    yield f"{report['rounds']} rounds, in turn, on the same log: {report['events']:,} events, a part of it for the slow"
    yield "ones, a longer one for Kafka Streams. Whole process, from first event to last; `before` is the CPU to"
    yield "get there. Each peer's counts by room and second are those of the mix."
    yield ""
    names = ("cpu_us_per_event", "warm_cpu_us_per_event", "events_per_s", "cpu_to_floor", "rss_peak_mib", "start_cpu_s")
    digits = (2, 2, 0, 2, 0, 1)
    rows = [
        (
            row["title"],
            *(_spread(row.get(name), places) for name, places in zip(names, digits, strict=True)),
            f"{row['events']:,}",
        )
        for row in report["peers"]
    ]
    columns = ("", "CPU µs/event", "second half", "events/s", "× floor", "peak MiB", "before, CPU s", "events")
    yield from _table(columns, rows)
    yield "What each of them does:"
    yield ""
    yield from (f"- **{row['title']}**: {row['work']}." for row in report["peers"])
    yield ""
    pinned = ", ".join(f"{name} {number}" for name, number in report["pinned"].items())
    yield f"Peers: {pinned}; Java with {report['java_heap']}."
    yield ""
    found = ratio({"peers": report})
    if found:
        yield f"**Regression ratio** (our CPU an event to the floor's, of the same round): {_spread(found, 2)}."
        yield ""


def _scenarios(report: dict[str, Any]) -> Iterator[str]:
    yield "## Scenarios"
    yield ""
    if report["scale"] != 1:
        yield f"**Scaled to {report['scale']:g}: this shows that they run, and is no figure for the goals.**"
        yield ""
    rows = [
        (row["name"], f"{row['value']:,.2f} {row['unit']}", f"≤ {row['goal']:g}", _yes(row["holds"]), row["commit"])
        for row in report["rows"]
    ]
    yield from _table(("", "measured", "goal", "holds", "commit"), rows)
    for row in report["rows"]:
        said = ", ".join(f"{name} {_number(value)}" for name, value in row["figures"].items() if _is_number(value))
        if said:
            yield f"- {row['name']}: {said}."
    yield ""


def _latency(report: dict[str, Any]) -> Iterator[str]:
    yield "## Append to visible in Redis"
    yield ""
    goal = report["goal"]
    goals = f"p50 ≤ {goal['p50_ms']} ms, p99 ≤ {goal['p99_ms']} ms"
    yield f"Probes in rooms of their own, under a paced load. Goal at {goal['share']} % of the maximum: {goals}."
    yield ""
    rows = []
    for load in report["loads"]:
        holds = load["p50_ms"] <= goal["p50_ms"] and load["p99_ms"] <= goal["p99_ms"]
        times = (f"{load[name]:,.0f}" for name in ("p50_ms", "p99_ms", "max_ms"))
        held = _yes(holds) if load["share"] == goal["share"] else ""
        rate = f"{load['share']} %: {load['rate']:,} events/s"
        rows.append((rate, *times, load["probes"], load["lost"], f"{load['worker_cpu']:.2f}", held))
    yield from _table(("load", "p50 ms", "p99 ms", "max ms", "probes", "lost", "worker, cores", "holds"), rows)


def _overload(report: dict[str, Any]) -> Iterator[str]:
    yield f"## {report['times']:g} times the maximum for {report['minutes']:g} minutes"
    yield ""
    quiet = sum(report["unanswered"].values()) + report["not_alive"]
    rows = [
        ("asked for, events/s", f"{report['rate']:,}"),
        ("written by the load, events/s", f"{report['written_per_s']:,.0f}"),
        ("events: all received, none refused, totals equal", f"{report['events']:,}"),
        ("yet to be read when the load ended", f"{report['behind_at_end']:,}"),
        ("lag drained within, s", f"{report['drain_s']:,.0f}"),
        (f"peak memory, MiB (budget {report['budget_mib']:,})", f"{report['rss_peak_mib']:,.0f}"),
        *((f"slowest answer of /{path}, s", f"{taken:.2f}") for path, taken in report["slowest_answer_s"].items()),
        ("questions without an answer, or answered with: not alive", f"{quiet}"),
    ]
    yield from _table(("", ""), rows)


def _streams(report: dict[str, Any]) -> Iterator[str]:
    yield "## Event streams of the read server"
    yield ""
    rows = [
        (
            load["load"],
            f"{load['events_per_s']:,}",
            load["p50_ms"],
            load["p99_ms"],
            load["max_ms"],
            load["server_rss_mib"],
        )
        for load in report["loads"]
    ]
    yield from _table(("2 000 streams", "events/s", "p50 ms", "p99 ms", "max ms", "server MiB"), rows)


# -- how it is written -------------------------------------------------------------------------------------------------
def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield "|" + "---|" + "---:|" * (len(columns) - 1)
    for row in rows:
        yield f"| {' | '.join(str(cell) for cell in row)} |"
    yield ""


def _spread(figure: dict[str, float] | None, digits: int) -> str:
    if figure is None:
        return ""
    median, least, most = (f"{figure[name]:,.{digits}f}" for name in ("median", "least", "most"))
    return median if least == most else f"{median} ({least} to {most})"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _yes(holds: bool) -> str:  # noqa: FBT001 - a word for it
    return "yes" if holds else "no"


def main() -> None:
    """Write the page, and print the ratio."""
    reports = read()
    if not reports:
        sys.exit("bench: nothing in bench/out: run `make bench` and the others first")
    PATH.write_text("\n".join(page(reports)).rstrip("\n") + "\n", encoding="utf-8")
    print(f"written: {PATH.relative_to(measuring.TOP)}")
    found = ratio(reports)
    if found:
        print(f"regression ratio, our CPU an event to the bare floor's: {_spread(found, 2)}")


if __name__ == "__main__":
    main()
