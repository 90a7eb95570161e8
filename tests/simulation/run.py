"""Run seeds.

python -m tests.simulation.run --seed 408            one seed, with everything that happened
python -m tests.simulation.run --first 0 --seeds N   many, on all cores; failing ones are printed with that command
"""

from __future__ import annotations

import argparse
import gc
import logging
import multiprocessing
import os
import sys
import time
from typing import TYPE_CHECKING

import structlog

from stream.kernel.choice import CHOICES
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.pool import Pool

    from tests.simulation.world import Result

BATCH_SEEDS = 20
SAY_EVERY_S = 5.0
MOST_FAILURES = 10


def replay_command(seed: int) -> str:
    """What to type to see a seed again."""
    return f".venv/bin/python -m tests.simulation.run --seed {seed}"


def run_seed(seed: int, world: type[World] = World, say: Callable[[str], None] | None = None) -> Result:
    """One run. The garbage collector stays out of it: runs make much, and all of it dies together."""
    gc.disable()
    try:
        return world(seed, say).run()
    finally:
        gc.enable()


def _run_batch(seeds: Iterable[int]) -> list[Result]:
    results = [run_seed(seed) for seed in seeds]
    gc.collect()
    return results


def run_seeds(pool: Pool, first: int, count: int) -> Iterator[Result]:
    """Many runs, in no order."""
    batches = [
        range(start, min(start + BATCH_SEEDS, first + count)) for start in range(first, first + count, BATCH_SEEDS)
    ]
    for results in pool.imap_unordered(_run_batch, batches):
        yield from results


def report(result: Result) -> str:
    """A failure, for people."""
    lines = [f"seed {result.seed} fails; to see it again: {replay_command(result.seed)}"]
    lines += [f"  {fault}" for fault in result.faults]
    lines += [f"  PROBLEM {problem}" for problem in result.problems]
    return "\n".join(lines)


def main() -> int:
    """Exit code: 0 when everything held."""
    parser = argparse.ArgumentParser(description="Simulated faults on the real worker code.")
    parser.add_argument("--seed", type=int, help="this one only, with everything that happened")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1_000, help="how many")
    parser.add_argument("--processes", type=int, default=None, help="how many at once (default: all cores)")
    parser.add_argument("--kernel", choices=CHOICES, help="of all runs (default: every second has the native one)")
    arguments = parser.parse_args()
    if arguments.kernel is not None:
        os.environ["SNAPUP_KERNEL"] = arguments.kernel  # for the processes too
    if arguments.seed is not None:
        # What workers log bears the time of day: the same seed says the same on standard output.
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
        result = run_seed(arguments.seed, say=print)
        print(f"digest {result.digest}, {result.steps} steps, {result.seconds:.3f} s")
        if result.problems:
            print(report(result))
        return int(bool(result.problems))
    with multiprocessing.get_context("spawn").Pool(arguments.processes, _say_no_warnings) as pool:
        return _many(pool, arguments.first, arguments.seeds)


def _say_no_warnings() -> None:
    """What workers log of odd records is no news here: some seeds have dozens."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


def _many(pool: Pool, first: int, count: int) -> int:
    begun = said = time.monotonic()
    failures = checkpoints = sessions = faults = 0
    for done, result in enumerate(run_seeds(pool, first, count), start=1):
        checkpoints += result.checkpoints
        sessions += result.sessions
        faults += len(result.faults)
        if result.problems:
            failures += 1
            if failures <= MOST_FAILURES:
                print(report(result), flush=True)
        now = time.monotonic()
        if now - said > SAY_EVERY_S or done == count:
            said = now
            rate = done / (now - begun)
            print(
                f"{done} of {count} seeds, {failures} failed, {faults} faults, {checkpoints} checkpoints, "
                f"{sessions} sessions ended, {rate:.0f} seeds/s, {(count - done) / rate:.0f} s to go",
                flush=True,
            )
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
