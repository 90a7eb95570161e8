"""An asyncio event loop with virtual time, several processes in it, and a seeded choice of who goes on.

Which process a callback belongs to stands in its context, so tasks, futures and timers need not know of processes.
Within one process the order is asyncio's: first come, first served; between processes it is drawn. A crashed process
never runs again, a paused one later, while time and the other processes go on: that is what SIGKILL and SIGSTOP do.
Everything is a function of the seed.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import heapq
import warnings
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

PROCESS: contextvars.ContextVar[Process] = contextvars.ContextVar("process")
# What belongs to no worker: the network, the servers, the producers, the hand that breaks things.
WORLD_CONTEXT = contextvars.Context()


class Process:
    """One worker process, as the loop sees it.

    Attributes:
        fuse: after so many more callbacks `fused` is called, before the next one runs; −1: not armed.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.paused = False
        self.ready: deque[Handle] = deque()
        self.fuse = -1
        self.fused: Callable[[], None] | None = None

    def arm(self, fuse: int, action: Callable[[], None]) -> None:
        """Call `action` after so many callbacks of this process."""
        self.fuse, self.fused = fuse, action


class Handle:
    """A callback that waits for its turn, or for its time."""

    __slots__ = ("_when", "args", "callback", "context", "dropped", "process")

    def __init__(
        self,
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        context: contextvars.Context,
        process: Process,
        when: float = 0.0,
    ) -> None:
        self.callback = callback
        self.args = args
        self.context = context
        self.process = process
        self.dropped = False
        self._when = when

    def cancel(self) -> None:
        """Do not call it."""
        self.dropped = True

    def cancelled(self) -> bool:
        """Whether it will not be called."""
        return self.dropped

    def when(self) -> float:
        """Virtual seconds."""
        return self._when


class SimulatedLoop(asyncio.BaseEventLoop):
    """The loop. `simulate` drives it until `stop`, or until nothing is left to do.

    Attributes:
        steps: callbacks that were called.
        errors: of callbacks, and what asyncio reports.
    """

    _over = True  # until it is made

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._random = random
        self._now_s = 0.0
        self._timers: list[tuple[float, int, Handle]] = []
        self._timers_made = 0
        self._world = Process("world")
        self._runnable: list[Process] = []  # alive, not paused, with something ready
        self._tasks: list[asyncio.Task[Any]] = []
        self._at_rest = False
        self._over = False
        self.steps = 0
        self.errors: list[str] = []

    # -- what asyncio asks for -----------------------------------------------------------------------------------------

    def time(self) -> float:
        """Virtual seconds since the beginning."""
        return self._now_s

    def is_running(self) -> bool:
        """Until it is closed."""
        return not self._over

    def is_closed(self) -> bool:
        """Whether the run is over."""
        return self._over

    def create_task(self, coro: Any, *, name: Any = None, context: contextvars.Context | None = None) -> Any:
        """The usual task; kept to the end, or the garbage collector would close the coroutines of the dead mid-run."""
        task = asyncio.Task(coro, loop=self, name=name or "task", context=context)
        self._tasks.append(task)
        return task

    def call_soon(self, callback: Any, *args: Any, context: contextvars.Context | None = None) -> Any:  # type: ignore[override]
        """In the next turns of the process whose context this is."""
        if context is None:
            context = contextvars.copy_context()
        handle = Handle(callback, args, context, context.get(PROCESS, self._world))
        self._enqueue(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> Any:
        """After so many virtual seconds."""
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> Any:
        """At that virtual second."""
        if context is None:
            context = contextvars.copy_context()
        handle = Handle(callback, args, context, context.get(PROCESS, self._world), when)
        self._timers_made += 1
        heapq.heappush(self._timers, (when, self._timers_made, handle))
        return handle

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """An error that nobody waits for; those that are told by the garbage collector are not of this moment."""
        message = str(context.get("message"))
        if not self._over and "never retrieved" not in message and "was destroyed" not in message:
            self.errors.append(f"{message}: {context.get('exception')!r}")

    # -- processes -----------------------------------------------------------------------------------------------------

    def crash(self, process: Process) -> None:
        """It never runs again; what it sent is on its way all the same."""
        process.alive = False
        process.fuse = -1
        process.ready.clear()
        self._not_runnable(process)

    def pause(self, process: Process) -> None:
        """It stands still; its timers pass meanwhile."""
        process.paused = True
        self._not_runnable(process)

    def resume(self, process: Process) -> None:
        """It goes on, and does not know that it stood still."""
        process.paused = False
        if process.alive and process.ready and process not in self._runnable:
            self._runnable.append(process)

    def _not_runnable(self, process: Process) -> None:
        if process in self._runnable:
            self._runnable.remove(process)

    # -- the run -------------------------------------------------------------------------------------------------------

    def lose_time(self, seconds: float) -> None:
        """The processor was slow just now."""
        self._now_s += seconds

    def stop(self) -> None:
        """End `simulate` after this callback."""
        self._at_rest = True

    def simulate(self, most_steps: int) -> bool:
        """Go on until `stop` is called. False: there were too many steps, or nothing was left to do."""
        self._at_rest = False
        asyncio._set_running_loop(self)
        try:
            while not self._at_rest:
                if self.steps >= most_steps or not self._go_on():
                    return False
        finally:
            asyncio._set_running_loop(None)
        return True

    def _go_on(self) -> bool:
        """The next callback, after as much time as it takes to have one. False: there is none, and none will be."""
        timers, runnable = self._timers, self._runnable
        while timers and timers[0][0] <= self._now_s:
            self._enqueue(heapq.heappop(timers)[2])
        while not runnable:
            if not timers:
                return False
            self._now_s, _, handle = heapq.heappop(timers)
            self._enqueue(handle)
        process = runnable[int(self._random.random() * len(runnable))] if len(runnable) > 1 else runnable[0]
        if process.fuse >= 0:
            process.fuse -= 1
            if process.fuse < 0 and process.fused is not None:
                process.fused()
                return True
        handle = process.ready.popleft()
        if not process.ready:
            runnable.remove(process)
        if not handle.dropped:
            self.steps += 1
            try:
                handle.context.run(handle.callback, *handle.args)
            except Exception as error:  # noqa: BLE001 — a callback that fails is a finding
                self.errors.append(f"a callback failed: {error!r}")
        return True

    def _enqueue(self, handle: Handle) -> None:
        process = handle.process
        if handle.dropped or not process.alive or self._over:
            return
        ready = process.ready
        ready.append(handle)
        if len(ready) == 1 and not process.paused:
            self._runnable.append(process)

    def close(self) -> None:
        """Drop everything. What is in the middle of something is not asked to tidy up in a world that is gone."""
        if self._over:
            return
        self._over = True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._close_coroutines()
        self._tasks.clear()
        self._timers.clear()
        self._runnable.clear()
        super().close()

    def _close_coroutines(self) -> None:
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                coroutine: Any = task.get_coro()
                with contextlib.suppress(BaseException):  # an `await` in a `finally`, a loop that is gone
                    coroutine.close()
