"""Each rule, broken on purpose, is noticed: otherwise the simulation's silence would mean nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.run import report, run_seed

# Other code needs other seeds: from the recorded one the search goes on, this far.
MOST_SEEDS = 300


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_broken_rule_is_noticed(mutant: Mutant) -> None:
    caught = mutant.first_caught(mutant.seed, MOST_SEEDS)
    assert caught is not None, f"no seed from {mutant.seed} to {mutant.seed + MOST_SEEDS} notices: {mutant.name}"
    print(f"{mutant.name}: seed {caught.seed}: {caught.problems[0]}")  # noqa: T201 — shown with -s
    unbroken = run_seed(caught.seed, mutant.unbroken)
    assert not unbroken.problems, report(unbroken)


def test_the_documentation_names_every_mutant_and_its_seed() -> None:
    text = (Path(__file__).parents[2] / "docs" / "exactness.md").read_text(encoding="utf-8")
    missing = [mutant.name for mutant in MUTANTS if f"| {mutant.name} | {mutant.seed} |" not in text]
    assert not missing
