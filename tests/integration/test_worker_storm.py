"""A storm of faults on three workers, exact afterwards; and the proof that the audit would see it if they were not.

The storm is seeded; the seed is printed, and SNAPUP_STORM_SEED and SNAPUP_STORM_S choose another and a longer one.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from typing import TYPE_CHECKING

import pytest

from stream.commands.audit import assumptions_of
from stream.local.stack import Stack, local_stack
from stream.settings import load_settings
from stream.verify.audit import Where, audit
from tests.integration import worker_process
from tests.integration.worker_process import WorkerProcess, assert_exact, feeding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PREFIX = "live"
PARTITIONS = 6
STORM_S = float(os.environ.get("SNAPUP_STORM_S", "45"))
SEED = int(os.environ.get("SNAPUP_STORM_SEED", "20261111"))
SESSION_S = 6.0
START = "import runpy; runpy.run_module('tests.integration.chaotic_worker', run_name='__main__')"


@pytest.fixture
def own_stack() -> Iterator[Stack]:
    """Servers that this test may kill."""
    with local_stack(with_topics=False) as stack:
        yield stack


class Fleet:
    """Some workers that come and go."""

    def __init__(self, stack: Stack, folder: Path, monkeypatch: pytest.MonkeyPatch, chaos: str) -> None:
        monkeypatch.setattr(worker_process, "START", START)
        self.stack = stack
        self.folder = folder
        self.chaos = chaos
        self.workers: list[WorkerProcess] = []
        self.started = 0
        self.faults: list[str] = []

    def start(self) -> WorkerProcess:
        self.started += 1
        log = self.folder / f"worker-{self.started}.log"
        worker = WorkerProcess(log, self.stack, PREFIX, CHAOS=self.chaos)
        self.workers.append(worker)
        return worker

    def end(self, worker: WorkerProcess) -> None:
        self.workers.remove(worker)
        worker.__exit__()

    async def fault(self, chance: random.Random) -> None:
        """One of the things that happen to workers."""
        worker = chance.choice(self.workers)
        kind = chance.choice(("kill", "kill", "terminate", "pause", "add", "remove"))
        if kind == "remove" and len(self.workers) < 3:
            kind = "add"
        if kind == "add" and len(self.workers) > 3:
            kind = "kill"
        self.faults.append(kind)
        match kind:
            case "pause":
                worker.process.send_signal(signal.SIGSTOP)
                await asyncio.sleep(chance.uniform(0.2, SESSION_S + 2))
                worker.process.send_signal(signal.SIGCONT)
            case "add":
                self.start()
            case "kill":
                self.end(worker)
                self.start()
            case "terminate" | "remove":
                await asyncio.to_thread(worker.terminate)
                self.end(worker)
                if kind == "terminate":
                    self.start()

    def revive(self) -> None:
        """What a supervisor does with workers that ended by themselves."""
        for worker in [worker for worker in self.workers if worker.process.poll() is not None]:
            self.faults.append(f"exit {worker.process.returncode}")
            self.end(worker)
            self.start()


async def test_a_storm_of_faults_loses_and_doubles_nothing(
    own_stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"storm of {STORM_S} s, seed {SEED}")  # noqa: T201 — shown when it fails
    await asyncio.to_thread(own_stack.apply_topics, PREFIX, partitions=PARTITIONS)
    chance = random.Random(SEED)
    fleet = Fleet(own_stack, tmp_path, monkeypatch, "slow")
    try:
        async with feeding(own_stack, PREFIX, seed=31):
            for worker in [fleet.start() for _ in range(3)]:
                await worker.until_said("partition live")
            ends_at = time.monotonic() + STORM_S
            while time.monotonic() < ends_at:
                await fleet.fault(chance)
                await asyncio.sleep(chance.uniform(0.5, 6))
                fleet.revive()
        print(fleet.faults)  # noqa: T201
        fleet.revive()
        await assert_exact(own_stack, PREFIX, *fleet.workers)
    finally:
        for worker in list(fleet.workers):
            fleet.end(worker)


async def test_without_the_fence_the_audit_sees_the_log_go_back(
    own_stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(own_stack.apply_topics, PREFIX, partitions=2)
    fleet = Fleet(own_stack, tmp_path, monkeypatch, "unfenced")
    where = Where(bootstrap_servers=own_stack.bootstrap_servers, redis_url=own_stack.redis_url, prefix=PREFIX)
    problems: list[str] = []
    try:
        async with feeding(own_stack, PREFIX, seed=32):
            zombie = fleet.start()
            await zombie.until_ready(2)
            await zombie.until_counted("stream_checkpoint_seconds_count", 4)
            for _ in range(4):
                zombie.process.send_signal(signal.SIGSTOP)
                heir = fleet.start()
                await heir.until_ready(2)
                await heir.until_counted("stream_checkpoint_seconds_count", 4)
                zombie.process.send_signal(signal.SIGCONT)
                await zombie.until_ready(1)
                verdict = await audit(where, assumptions_of(load_settings()), deadline_s=0)
                problems = [
                    problem for problem in verdict.problems if "goes back" in problem or "two writers" in problem
                ]
                if problems:
                    break
                fleet.end(heir)
                await zombie.until_ready(2)
    finally:
        for worker in list(fleet.workers):
            fleet.end(worker)
    assert problems
