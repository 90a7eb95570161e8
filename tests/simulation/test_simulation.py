"""Thousands of runs of the real worker code in a world that breaks on purpose; each ends exact, or says its seed."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.simulation.run import report, run_seed, run_seeds
from tests.support.kernels import KERNELS, kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.pool import Pool

ROOT = Path(__file__).parents[2]
# In about a minute and a half of two cores that do nothing else, half of them on each kernel.
# `make simulate-faults SEEDS=…` runs any number.
SEEDS = int(os.environ.get("SNAPUP_SIMULATION_SEEDS", "3000"))
IN_ONE_TEST = 250


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with multiprocessing.get_context("spawn").Pool() as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, IN_ONE_TEST))
def test_whatever_goes_wrong_everything_accepted_is_counted_once(pool: Pool, first: int) -> None:
    count = min(IN_ONE_TEST, SEEDS - first)
    results = list(run_seeds(pool, first, count))
    failed = [result for result in results if result.problems]
    assert not failed, "\n".join(report(result) for result in failed[:3])
    assert len(results) == count
    # The runs must have been worth something: faults that happened, checkpoints that were committed, sessions over.
    assert sum(len(result.faults) for result in results) > 2 * count
    assert sum(result.checkpoints for result in results) > 5 * count
    assert sum(result.sessions for result in results) > count


def test_both_kernels_give_the_same_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same digest of all that happened."""
    kernel()
    runs = []
    for name in KERNELS:
        monkeypatch.setenv("SNAPUP_KERNEL", name)
        runs.append([run_seed(seed) for seed in range(20, 26)])
    assert runs[0] == runs[1]


def test_a_seed_gives_the_same_run_again() -> None:
    for seed in range(5):
        assert run_seed(seed) == run_seed(seed)


@pytest.mark.slow
def test_a_seed_gives_the_same_run_in_every_process() -> None:
    """To the byte, also where strings hash otherwise."""
    seeds = ("3", "11", "63", "8603")
    for seed in seeds:
        said = {
            subprocess.run(
                [sys.executable, "-m", "tests.simulation.run", "--seed", seed],
                cwd=ROOT,
                env={**os.environ, "PYTHONHASHSEED": hash_seed},
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            for hash_seed in ("1", "2")
        }
        assert len(said) == 1
        assert f"digest {run_seed(int(seed)).digest}," in said.pop()


def test_two_seeds_are_two_runs() -> None:
    assert run_seed(1).digest != run_seed(2).digest
