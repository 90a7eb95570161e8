"""A helper that fails ends the process; one that we cancel does not."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from stream.exits import Exit
from stream.worker.tasks import TURN_S, FatalError, LongWork, Tasks, within


class Ends:
    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __call__(self, code: Exit, reason: str, **_fields: Any) -> None:
        self.calls.append((code, reason))


async def settle(task: asyncio.Task[Any]) -> None:
    await asyncio.wait({task})
    await asyncio.sleep(0)


async def test_the_exception_of_a_helper_ends_the_process() -> None:
    ends = Ends()

    async def broken() -> None:
        raise TypeError("a bug")

    await settle(Tasks(ends).spawn(broken(), "statistics"))
    assert ends.calls == [(Exit.HELPER_FAILED, "a helper task failed")]


async def test_a_fatal_error_ends_the_process_with_its_own_code_and_sentence() -> None:
    ends = Ends()

    async def loss() -> None:
        raise FatalError(Exit.DATA_LOSS, "records are gone")

    await settle(Tasks(ends).spawn(loss(), "take over 1"))
    assert ends.calls == [(Exit.DATA_LOSS, "records are gone")]


async def test_closing_cancels_what_runs_and_is_no_failure() -> None:
    ends = Ends()
    tasks = Tasks(ends)
    task = tasks.spawn(asyncio.sleep(3_600), "for ever")
    await tasks.close(1.0)
    assert task.cancelled()
    assert ends.calls == []


@pytest.mark.parametrize("stopping", [False, True])
async def test_a_helper_that_somebody_else_cancels_has_failed_unless_the_process_is_stopping(stopping: bool) -> None:  # noqa: FBT001
    ends = Ends()
    tasks = Tasks(ends)
    if stopping:
        tasks.stopping()
    await settle(tasks.spawn(cancelled_inside(), "partition counts"))
    assert ends.calls == ([] if stopping else [(Exit.HELPER_FAILED, "a helper task was cancelled")])


async def test_what_fails_while_the_process_is_stopping_has_failed() -> None:
    ends = Ends()
    tasks = Tasks(ends)
    tasks.stopping()

    async def broken() -> None:
        raise TypeError("a bug")

    await settle(tasks.spawn(broken(), "statistics"))
    assert ends.calls == [(Exit.HELPER_FAILED, "a helper task failed")]


async def test_tidying_up_never_raises_and_never_takes_longer_than_it_may() -> None:
    async def broken() -> None:
        raise OSError

    async def gives() -> int:
        return 7

    assert await within(broken(), 1.0) is None
    assert await within(asyncio.sleep(3_600), 0.001) is None
    assert await within(gives(), 1.0) == 7


async def cancelled_inside() -> None:
    """What aiokafka does to whoever stops a consumer while one of its fetches waits to be tried again."""
    inside = asyncio.get_running_loop().create_task(asyncio.sleep(3_600))
    inside.cancel()
    await inside


async def test_a_cancellation_from_inside_is_a_failed_tidying_up_and_not_our_own_end() -> None:
    assert await within(cancelled_inside(), 1.0) is None


async def test_our_own_end_is_not_held_up_by_tidying_up() -> None:
    task = asyncio.get_running_loop().create_task(within(asyncio.sleep(3_600), 3_600))
    await asyncio.sleep(0)
    task.cancel()
    await settle(task)
    assert task.cancelled()


async def test_a_helper_that_was_cancelled_by_somebody_else_ends_the_process() -> None:
    ends = Ends()
    await settle(Tasks(ends).spawn(cancelled_inside(), "take over 8"))
    assert ends.calls == [(Exit.HELPER_FAILED, "a helper task was cancelled")]


@pytest.mark.parametrize(("step_s", "most"), [(0.0, 10), (0.001, 10), (0.015, 2), (0.05, 1)])
async def test_long_work_lets_others_take_several_steps_and_no_more_time_than_it_takes(
    monkeypatch: pytest.MonkeyPatch, step_s: float, most: int
) -> None:
    now_s = 0.0
    monkeypatch.setattr("stream.worker.tasks.time", SimpleNamespace(monotonic=lambda: now_s))
    steps = 0

    async def others() -> None:
        nonlocal now_s, steps
        while True:
            steps += 1
            now_s += step_s
            await asyncio.sleep(0)

    beside = asyncio.get_running_loop().create_task(others())
    work = LongWork()
    assert not work.turn_is_over()
    now_s += 2 * TURN_S
    assert work.turn_is_over()
    await work.give_way()
    assert steps == most
    assert not work.turn_is_over()
    beside.cancel()
