"""Quotas are obeyed and measured, and what they hold back does not count as standing still."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.client import ConnectionGroup

from stream.worker.metrics import Metrics
from stream.worker.throttling import CLIENTS, Throttle
from tests.unit.worker.helpers import TOPICS


class ClientTwin:
    """Answers with what a broker says it will be held back."""

    def __init__(self, *held_ms: int) -> None:
        self.held_ms = list(held_ms)
        self.asked: list[tuple[int, float]] = []

    async def send(self, node_id: int, _request: Any, *, group: Any = None) -> Any:
        del group
        self.asked.append((node_id, time.monotonic()))
        return SimpleNamespace(throttle_time_ms=self.held_ms.pop(0) if self.held_ms else 0)

    async def _metadata_update(self, _cluster: Any, _topics: Any) -> bool:
        self.asked.append((0, time.monotonic()))
        return True


async def test_the_next_request_waits_for_as_long_as_the_broker_says_and_others_do_not() -> None:
    client, throttle = ClientTwin(200), Throttle("checkpoint")
    throttle.obey(client)
    await client.send(1, "produce")
    held_at = time.monotonic()
    assert 0.1 < throttle.left_s() <= 0.2
    await client.send(2, "another broker")
    await client.send(1, "the next")
    (_, _), (_, other_at), (_, next_at) = client.asked
    assert next_at - held_at >= 0.19
    assert other_at < next_at
    assert throttle.left_s() == 0


async def test_a_question_for_metadata_waits_for_the_connections_it_may_use_and_no_others() -> None:
    client, throttle = ClientTwin(0, 200), Throttle("checkpoint")
    throttle.obey(client)
    await client.send(1, "begin", group=ConnectionGroup.COORDINATION)
    await client._metadata_update(None, ())
    held_at = time.monotonic()
    await client.send(1, "produce")
    await client._metadata_update(None, ())
    (_, begun_at), (_, first_at), _, (_, second_at) = client.asked
    assert first_at - begun_at < 0.1
    assert second_at - held_at >= 0.19


async def test_what_is_held_back_is_told_and_measured() -> None:
    metrics, heard = Metrics(TOPICS, observe_latency=True), asyncio.Event()
    throttle = Throttle("restore", metrics.throttled)
    throttle.listener = heard.set
    client = ClientTwin(30, 0, 20)
    throttle.obey(client)
    for _ in range(3):
        await client.send(1, "fetch")
    assert heard.is_set()
    found = {
        client: metrics.registry.get_sample_value("stream_kafka_throttled_seconds_total", {"client": client})
        for client in CLIENTS
    }
    assert found == {"checkpoint": 0, "consumer": 0, "restore": pytest.approx(0.05)}
