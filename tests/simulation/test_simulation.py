"""Thousands of runs of the real worker code in a world that breaks on purpose; each ends exact, or says its seed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.run import report, run_seed, run_seeds

ROOT = Path(__file__).parents[2]
SEEDS = int(os.environ.get("SNAPUP_SIMULATION_SEEDS", "2000"))


@pytest.mark.slow
def test_whatever_goes_wrong_everything_accepted_is_counted_once() -> None:
    results = list(run_seeds(0, SEEDS))
    failed = [result for result in results if result.problems]
    assert not failed, "\n".join(report(result) for result in failed[:3])
    assert len(results) == SEEDS
    # The runs must have been worth something: faults that happened, checkpoints that were committed.
    assert sum(len(result.faults) for result in results) > 2 * SEEDS
    assert sum(result.checkpoints for result in results) > 5 * SEEDS


def test_a_seed_gives_the_same_run_again() -> None:
    for seed in range(3):
        assert run_seed(seed).digest == run_seed(seed).digest


def test_a_seed_gives_the_same_run_in_every_process() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-m", "tests.simulation.run", "--seed", "3"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(digests) == 1
    assert digests.pop().splitlines()[-1] == f"digest {run_seed(3).digest}, " + _rest(3)


def _rest(seed: int) -> str:
    result = run_seed(seed)
    return f"{result.steps} steps, {result.seconds:.3f} s"


def test_two_seeds_are_two_runs() -> None:
    assert run_seed(1).digest != run_seed(2).digest
