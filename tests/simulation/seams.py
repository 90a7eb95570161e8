"""Where the worker looks at a clock or says something, the simulation looks and listens."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from stream.worker import assignment, fold_loop, partition_owner, projection, restore, saving, tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.world import World

SAVING_LOOK_S = 0.11
# A look at the clock is where a slow processor shows: now and then time has passed since the last line.
SLOW_SHARE = 0.004
SLOW_MOST_S = 0.03


class _Time:
    """Stands for the module `time`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def monotonic(self) -> float:
        """Virtual seconds."""
        if self._world.random.random() < SLOW_SHARE:
            self._world.loop.lose_time(self._world.random.random() * SLOW_MOST_S)
        return self._world.loop.time()

    def time(self) -> float:
        """The wall clock, which is virtual too."""
        return self._world.loop.time()

    def perf_counter(self) -> float:
        """Virtual seconds."""
        return self._world.loop.time()


class _Log:
    """Stands for a module's logger: what is said is part of what happened."""

    def __init__(self, world: World) -> None:
        self._world = world

    def info(self, event: str, **fields: Any) -> None:
        """Noted."""
        self._world.note(f"{event} {fields}")

    warning = critical = info

    def debug(self, event: str, **fields: Any) -> None:
        """Not noted."""


@contextmanager
def simulated_time(world: World) -> Iterator[None]:
    """For as long as the run goes on."""
    with ExitStack() as stack:
        for module in (fold_loop, partition_owner, assignment, projection, restore, saving, tasks):
            stack.enter_context(patch.object(module, "time", _Time(world)))
        for module in (assignment, projection, saving, tasks):
            stack.enter_context(patch.object(module, "log", _Log(world)))
        # Looks at whose turn it is to save come less often than the worker's, or they would be a fifth of all steps.
        stack.enter_context(patch.object(saving, "LOOK_S", SAVING_LOOK_S))
        yield
