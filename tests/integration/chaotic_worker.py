"""`snapup worker`, made worse on purpose; started in a process of its own by the storm tests.

CHAOS=slow: sleeps inside transactions and take-overs, so that kills, pauses and rebalances land there.
CHAOS=unfenced: a transactional id of its own for each process, so that nobody is fenced off. The audit must notice.
"""

from __future__ import annotations

import asyncio
import os
import random
from typing import TYPE_CHECKING, Any

from stream.cli import main
from stream.worker import checkpoint, partition_owner, restore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CHAOS = os.environ["CHAOS"]
chance = random.Random(os.getpid())


def sometimes_slow(work: Callable[..., Awaitable[Any]], share: float, most_s: float) -> Callable[..., Awaitable[Any]]:
    """The same work, now and then with a sleep before it."""

    async def slow(*args: Any, **kwargs: Any) -> Any:
        if chance.random() < share:
            await asyncio.sleep(chance.uniform(0, most_s))
        return await work(*args, **kwargs)

    return slow


def slow_commits(start: Callable[..., Any]) -> Callable[..., Any]:
    """Producers that wait between sending and committing."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 — it takes the place of one
        start(self, *args, **kwargs)
        self._producer.commit_transaction = sometimes_slow(self._producer.commit_transaction, 0.4, 0.6)

    return __init__


def unfenced(start: Callable[..., Any]) -> Callable[..., Any]:
    """Producers that nobody can fence off."""

    def __init__(self: Any, servers: str, transactional_id: str, *args: Any) -> None:  # noqa: N807 — as above
        start(self, servers, f"{transactional_id}-{os.getpid()}", *args)

    return __init__


if CHAOS == "slow":
    checkpoint.CheckpointWriter.__init__ = slow_commits(checkpoint.CheckpointWriter.__init__)  # type: ignore[method-assign]
    partition_owner.__dict__["restore"] = sometimes_slow(restore.restore, 0.3, 2.0)
elif CHAOS == "unfenced":
    checkpoint.CheckpointWriter.__init__ = unfenced(checkpoint.CheckpointWriter.__init__)  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
