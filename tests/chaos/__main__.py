"""`python -m tests.chaos`: a seeded schedule of faults on a running shop; exact at the end, or the differences."""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from rich.table import Table

from stream.commands.audit import assumptions_of
from stream.local.settings import load_local_settings
from stream.settings import load_settings
from stream.verify.claim_check import NOT_RECOUNTED, RIGHT, WRONG
from stream.verify.compare import MechanicFigure
from tests.chaos.arena import Arena
from tests.chaos.fleet import MissedError
from tests.chaos.plan import PLANS, UPGRADE, Step, plan
from tests.chaos.report import HEAD, TOP, Outcome, marks, rows, table, write_docs, write_json
from tests.chaos.verifier import verify
from tests.support.old_version import FIRST_VERSION, code_of

if TYPE_CHECKING:
    from stream.verify.verdict import Verdict

WHOLE_S = 120.0
VERIFY_S = 120.0
MEMBERS = ("static-1", "static-2", "dynamic-1", "dynamic-2")
HEAP_MB = {1: 1024, 3: 512}

console = Console(highlight=False, soft_wrap=True)


async def run_step(arena: Arena, step: Step) -> Outcome:
    """The measured outcome of one fault, from whole fleet to whole fleet; unmeasured if it overlaps the one before."""
    await asyncio.sleep(step.pause_s)
    outcome = Outcome(kind=step.kind + (", overlapping" if step.overlaps else ""), at_s=0.0)
    victims = await step.fault(arena, outcome)
    if step.overlaps:
        return outcome
    await arena.fleet.until_whole(WHOLE_S)
    now_s = time.time()
    outcome.whole_s = now_s - outcome.at_s
    outcome.victims = len(victims)
    for partition, found in arena.fleet.gaps().items():
        after = [gap for gap in found if gap.to_s is None or gap.to_s > outcome.at_s]
        lengths = [(now_s if gap.to_s is None else gap.to_s) - max(gap.from_s, outcome.at_s) for gap in after]
        if partition not in victims:
            outcome.others_s.append(max(lengths, default=0.0))
        elif step.kind == "rolling restart":
            outcome.takeover_s.append(max(lengths, default=0.0))
        elif lengths:
            outcome.takeover_s.append(lengths[0])
    outcome.stale_s = arena.stale_s(outcome.at_s)
    outcome.behind = [each.behind for each in arena.fleet.taken_over(outcome.at_s)]
    return outcome


async def run(options: argparse.Namespace) -> int:
    """The exit code of the whole run."""
    chance = random.Random(options.seed)
    steps = plan(options.plan, chance, options.brokers, options.only)
    console.print(f"chaos: plan {options.plan}, seed {options.seed}, {len(steps)} faults, {options.brokers} broker(s)")
    settings = load_local_settings(kafka_heap_mb=HEAP_MB[options.brokers])
    if options.brokers > 1:  # on few processors the optimizing compilers of three take what the workers need
        os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
    outcomes: list[Outcome] = []
    missed: list[str] = []
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="snapup-chaos-") as folder:
        arena = Arena(Path(folder), settings, options.brokers, options.partitions, chance)
        if any(step.kind == UPGRADE for step in steps):
            arena.old_code = first_version(Path(folder) / "first")
        async with arena:
            for name in MEMBERS[: options.workers]:
                arena.fleet.add(name, static=name.startswith("static"))
            arena.open_shop(options.seed, options.orders)
            await arena.fleet.until_whole(WHOLE_S)
            if arena.old_code is None:
                arena.shop_says_all()
            for number, step in enumerate(steps, 1):
                if options.minutes and time.monotonic() - begun > options.minutes * 60:
                    console.print(f"the time is up: {len(steps) - number + 1} faults of the plan were left out")
                    break
                try:
                    outcome = await run_step(arena, step)
                except MissedError as error:
                    missed.append(f"{step.kind}: {error}")
                    console.print(f"{number:3}/{len(steps)} {step.kind}: [red]MISSED[/] {error}")
                    continue
                outcomes.append(outcome)
                console.print(f"{number:3}/{len(steps)} {_told(outcome)}")
            verdict = await end(arena, options, outcomes, missed, time.monotonic() - begun)
            if verdict:
                await asyncio.to_thread(arena.kafka.stop)  # so that the segments are whole
                keep_logs(Path(folder), options.out)
            return verdict


def first_version(folder: Path) -> Path | None:
    """The first version's code; None, with a message, when this clone lacks it."""
    try:
        return code_of(FIRST_VERSION, folder)
    except pytest.skip.Exception as error:
        console.print(f"[red]{error}[/]")
        return None


def _told(outcome: Outcome) -> str:
    parts = [f"{outcome.kind}: {outcome.hit}"]
    if outcome.takeover_s:
        parts.append(f"taken over in {max(outcome.takeover_s):.1f} s")
    if outcome.others_s:
        parts.append(f"others stood still for {max(outcome.others_s):.1f} s")
    if outcome.whole_s:
        parts.append(f"whole after {outcome.whole_s:.1f} s")
    return "; ".join(parts)


async def end(
    arena: Arena, options: argparse.Namespace, outcomes: list[Outcome], missed: list[str], took_s: float
) -> int:
    """The exit code; closes the shop, verifies, reports."""
    account = await arena.close_shop()
    await arena.fleet.until_whole(WHOLE_S)
    console.print("counting the log again...")
    # In a loop of its own: the workers reach Redis through the proxy in this loop, and counting millions of records
    # takes seconds on end. While the proxy stands still, documents run out.
    found = await asyncio.to_thread(
        asyncio.run, verify(arena.where, assumptions_of(load_settings()), arena.journal, VERIFY_S, lambda _: None)
    )
    verdict, acknowledged, problems = found.verdict, found.acknowledged, found.problems
    show(outcomes)
    accounts = verdict.accounts
    summary: dict[str, Any] = {
        "plan": options.plan,
        "seed": options.seed,
        "brokers": options.brokers,
        "minutes": round(took_s / 60, 1),
        "shop": account,
        "acknowledged_in_journal": acknowledged,
        "records": accounts.received,
        "applied": accounts.applied,
        "duplicates": accounts.duplicate,
        "dead_letters": verdict.dead_letters,
        "retimed": accounts.retimed,
        "checkpoints": verdict.checkpoints,
        "documents": verdict.documents,
        "claims": found.claims.of(),
        "claims_right": found.claims.of(RIGHT),
        "claims_not_recounted": found.claims.of(NOT_RECOUNTED),
        "rooms_compared": sum(1 for room in verdict.rooms if room.saved and room.figures),
        "mechanic_figures": mechanic_figures(verdict),
        "exits": arena.fleet.exits,
        "missed": missed,
        "differences": [*verdict.told(), *problems],
        "verdict": verdict.line if not problems else f"DIFFERENCES: {verdict.differences + len(problems)}",
    }
    if not (accounts.retimed and verdict.dead_letters and accounts.duplicate):
        missed.append("no late clock, poison or duplicate reached the log")
    if not summary["mechanic_figures"]:
        missed.append("no figure of a mechanic was compared")
    write_json(options.out / f"chaos-{options.plan}.json", summary, outcomes)
    for text in [*verdict.told()[:50], *problems]:
        console.print(text, style="red", markup=False)
    for text in missed:
        console.print(f"MISSED: {text}", style="red", markup=False)
    told = (
        f"{accounts.received} records ({acknowledged} acknowledged, each in the log), "
        f"{accounts.duplicate} duplicates, "
        f"{verdict.dead_letters} dead letters, {accounts.retimed} retimed; {verdict.checkpoints} checkpoints in order; "
        f"{summary['rooms_compared']} of {len(verdict.rooms)} rooms compared in signals and Redis, "
        f"{summary['mechanic_figures']} figures of mechanics among them; "
        f"{found.claims.of()} claims of {found.claims.documents} documents worked out again, "
        f"{found.claims.of(WRONG)} wrong, {found.claims.of(NOT_RECOUNTED)} not recounted; "
        f"{took_s / 60:.1f} min"
    )
    console.print(told)
    console.print(summary["verdict"])
    if options.write_docs and not summary["differences"]:
        date = time.strftime("%Y-%m-%d", time.gmtime())
        head = f"Plan `{options.plan}`, {options.brokers} broker(s), seed {options.seed}, {date}"
        write_docs(options.plan, f"{head}: {told}. Median / maximum.\n\n{table(outcomes)}{_missed(missed)}")
    return int(bool(summary["differences"] or missed))


def mechanic_figures(verdict: Verdict) -> int:
    """Number of figures of mechanics that were compared, in signals and in Redis."""
    figures = (figure for room in verdict.rooms for figure in (*room.saved, *room.figures))
    return sum(isinstance(figure, MechanicFigure) for figure in figures)


def _missed(missed: list[str]) -> str:
    """The lines below the table: what did not hit, and so proves nothing."""
    return "".join(f"\n\nMissed: {text}." for text in missed)


def show(outcomes: list[Outcome]) -> None:
    """Print the table."""
    shown = Table(*HEAD)
    for row in rows(outcomes):
        shown.add_row(*row)
    console.print(shown)


def keep_logs(folder: Path, out: Path) -> None:
    """Keep the logs of workers and brokers, and the brokers' segments (for `kafka-dump-log`), to find the cause."""
    kept = out / "chaos-logs"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for log in folder.glob("*.log"):
        shutil.copy(log, kept)
    for broker in (folder / "kafka").iterdir():
        shutil.copytree(broker, kept / broker.name, symlinks=True)
    console.print(f"the workers' logs, the brokers' and their segments are in {kept}")


def main() -> None:
    """Parse, run, exit."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--plan", choices=PLANS, default="standard")
    parser.add_argument("--seed", type=int, default=None, help="of the schedule and the shop; printed")
    parser.add_argument(
        "--minutes", type=float, default=0.0, help="begin no further fault after this; 0: the whole plan"
    )
    parser.add_argument("--only", action="append", default=[], help="faults whose name begins so; may be repeated")
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    parser.add_argument("--workers", type=int, choices=(3, 4), default=4)
    parser.add_argument("--partitions", type=int, default=12)
    parser.add_argument("--orders", type=int, default=500, help="a second; as much again comes beside them")
    parser.add_argument("--out", type=Path, default=TOP / "tests" / "out", help="where the report goes")
    parser.add_argument("--write-docs", action="store_true", help="write the table into docs/exactness.md")
    options = parser.parse_args()
    if options.write_docs:
        marks(options.plan)
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1_000_000)
    for number in (signal.SIGINT, signal.SIGTERM):  # ignored or deadly where it runs in the background
        signal.signal(number, signal.default_int_handler)
    faulthandler.register(signal.SIGUSR1)
    sys.exit(asyncio.run(run(options)))


if __name__ == "__main__":
    main()
