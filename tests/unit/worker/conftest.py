"""Fixtures of the worker's unit tests."""

from __future__ import annotations

import pytest

from stream.worker.metrics import Metrics
from stream.worker.tasks import Tasks
from tests.unit.worker.helpers import TOPICS, Ends


@pytest.fixture
def ends() -> Ends:
    return Ends()


@pytest.fixture
def tasks(ends: Ends) -> Tasks:
    return Tasks(ends)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(TOPICS, observe_latency=True)
