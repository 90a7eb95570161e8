"""Fixtures of the integration tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.worker_process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from stream.local.stack import Stack

    StartWorker = Callable[..., WorkerProcess]


@pytest.fixture
def start_worker(tmp_path: Path, stack: Stack, topic_prefix: str) -> Iterator[StartWorker]:
    started: list[WorkerProcess] = []

    def start(*flags: str, code: Path | None = None, **variables: str) -> WorkerProcess:
        log = tmp_path / f"worker-{len(started)}.log"
        started.append(WorkerProcess(log, stack, topic_prefix, *flags, code=code, **variables))
        return started[-1]

    yield start
    for worker in started:
        worker.__exit__()
