"""Helper tasks, and the error with which one of them ends the process.

A helper task that dies silently is worse than a crash: the worker would go on folding without checkpoints. So the first
exception of any helper ends the process at once. The next owner folds again what was not saved.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import structlog

from stream.exits import Exit, end_process

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

log = structlog.get_logger(__name__)

# Long work goes on for this long before the event loop gets its turn: heartbeats and /healthz wait for it.
TURN_S = 0.02
STEPS_BETWEEN_TURNS = 10


class FatalError(Exception):
    """This process must end with this code and sentence: it may not go on, and a new try would not help."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Tasks:
    """The helper tasks of this process.

    Args:
        end: called with the exit code and the reason when a task fails. It never returns in production.
    """

    def __init__(self, end: Callable[..., Any] = end_process) -> None:
        self._end = end
        self._stopping = False
        self._running: dict[asyncio.Task[Any], None] = {}  # in the order of start, so that a run can be repeated

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """The task that does this work beside everything else. Its exception ends the process."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running[task] = None
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.pop(task, None)
        if task.cancelled():
            if not self._stopping:
                self._end(Exit.HELPER_FAILED, "a helper task was cancelled", task=task.get_name())
            return
        error = task.exception()
        if isinstance(error, FatalError):
            self._end(error.code, error.message)
        elif error is not None:
            self._end(Exit.HELPER_FAILED, "a helper task failed", task=task.get_name(), exc_info=error)

    def stopping(self) -> None:
        """Take no cancelled task for a failure from here on: clients that are closed next cancel their waiters."""
        self._stopping = True

    async def close(self, timeout_s: float) -> None:
        """Cancel the tasks that still run, and wait for them for a bounded time."""
        self._stopping = True
        tasks = [task for task in self._running if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)


async def within(work: Coroutine[Any, Any, Any], timeout_s: float) -> Any:
    """The result, or None if the work failed or took too long. For tidying up, where that makes no difference."""
    try:
        return await asyncio.wait_for(work, timeout_s)
    except asyncio.CancelledError as error:
        if asked_to_stop(error):
            raise
        log.debug("tidying up was cancelled", error=repr(error))
        return None
    except Exception as error:  # noqa: BLE001 — whatever it was, nothing depends on it
        log.debug("tidying up failed", error=repr(error))
        return None


class LongWork:
    """Work of some seconds that takes turns with the other tasks of the process.

    A request takes a dozen steps of the loop. With one step to each turn of 20 ms, the first transaction of a partition
    took two seconds while the process made the rooms of another. But a step of the fold that has a backlog takes 10 ms.
    With ten of these to each turn, a partition came back six times as late. So the others get several steps, and no
    more time than the work has had. Where nobody else has work, this costs nothing.
    """

    def __init__(self) -> None:
        self._began_at = time.monotonic()

    def turn_is_over(self) -> bool:
        """Whether the work has had its turn."""
        return time.monotonic() - self._began_at > TURN_S

    async def give_way(self) -> None:
        """Let the other tasks have their turn; then the work's next turn begins."""
        began_at = time.monotonic()
        for _ in range(STEPS_BETWEEN_TURNS):
            await asyncio.sleep(0)
            if time.monotonic() - began_at > TURN_S:
                break
        self._began_at = time.monotonic()


def asked_to_stop(error: BaseException) -> bool:
    """Whether this is a `CancelledError` for the task that caught it.

    aiokafka cancels tasks of its own and passes their `CancelledError` on to the tasks that wait for them, for example
    when a consumer is stopped while a fetch waits for its next try. A task that took this error for its own end would
    end without a word.
    """
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0
