"""The time from sending an event until an overlay could show it, measured from outside with events of its own.

A probe is a `like` in its own room with a sale, as every room that matters has one. Its clock starts before the event
is handed to the producer. It stops when the room's document, read from Redis after the nudge, counts the event. So the
time covers producer, broker, fetch, fold, pace of publication, Redis and the nudge. Probes carry the wall clock's time,
and their room lies in a partition that no show at N times its speed has moved ahead of it.
"""

from __future__ import annotations

import asyncio
import time
from math import ceil
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner
from msgspec import Struct

from stream.contract.events import Event, Like, SaleOpened
from stream.kafka_clients import client_options
from stream.redis_clients import RedisClient

if TYPE_CHECKING:
    from collections.abc import Collection

    from stream.verify.audit import Where

# The pause between probes: long enough for the last document, and not in step with the refresh.
PAUSE_S = (0.3, 0.7)
LOST_AFTER_S = 10.0
REDIS_TIMEOUT_MS = 5_000
ROOM_NAMES_TRIED = 1_000


class _Likes(Struct):
    likes: int


class _Document(Struct):
    totals: _Likes


_document_of = msgspec.json.Decoder(_Document).decode


def quiet_room(partitions: int, busy_rooms: Collection[str]) -> str:
    """A room id in a partition without busy rooms.

    Raises:
        ValueError: every partition has a busy room.
    """
    numbers = list(range(partitions))
    partitioner = DefaultPartitioner()
    busy = {partitioner(room.encode(), numbers, numbers) for room in busy_rooms}
    for number in range(ROOM_NAMES_TRIED):
        room = f"probe-{number}"
        if partitioner(room.encode(), numbers, numbers) not in busy:
            return room
    raise ValueError(f"the busy rooms lie in all of the {partitions} partitions")


def quantile(samples: list[float], share: float) -> float:
    """The least sample that is not below `share` of them (nearest rank). `samples` must not be empty."""
    ordered = sorted(samples)
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


class LatencyProbe:
    """Sends probes one after another. `samples_ms`: of those that became visible; `lost`: number of the others."""

    def __init__(self, where: Where, room_id: str) -> None:
        self._where = where
        self._room_id = room_id
        self._key = f"{where.prefix}:v1:{{room:{room_id}}}"
        self._pauses = Random(0)  # noqa: S311 - no secret, and the same in every run
        # Each run has its own event ids in the log.
        self._run = f"{time.time_ns() // 1_000_000:x}"
        self._sent = 0
        self._base_likes = 0
        self.samples_ms: list[float] = []
        self.lost = 0

    async def run(self) -> None:
        """Probe until cancelled."""
        redis = RedisClient(self._where.redis_url, timeout_ms=REDIS_TIMEOUT_MS)
        producer = AIOKafkaProducer(**client_options(self._where.bootstrap_servers), enable_idempotence=True)
        try:
            await producer.start()
            async with redis.subscription() as nudges:
                await nudges.subscribe(f"{self._key}:rev")
                await self._open_sale(producer)
                self._base_likes = await self._likes(redis)
                while True:
                    await self._probe(producer, redis, nudges)
                    await asyncio.sleep(self._pauses.uniform(*PAUSE_S))
        finally:
            await producer.stop()
            await redis.aclose()

    async def _open_sale(self, producer: AIOKafkaProducer) -> None:
        now_ms = _now_ms()
        opened = SaleOpened(
            event_id=f"{self._run}-sale",
            room_id=self._room_id,
            event_time_ms=now_ms,
            sale_id="probe",
            sku_id="probe",
            offered=0,
            starts_at_ms=now_ms,
        )
        await self._send(producer, "sales", opened)

    async def _probe(self, producer: AIOKafkaProducer, redis: RedisClient, nudges: Any) -> None:
        event_id = f"{self._run}-{self._sent}"
        began_ms, began = _now_ms(), time.perf_counter()
        like = Like(event_id=event_id, room_id=self._room_id, event_time_ms=began_ms, user_id="probe", count=1)
        await self._send(producer, "likes", like)
        self._sent += 1
        try:
            async with asyncio.timeout(LOST_AFTER_S):
                while await self._likes(redis) < self._base_likes + self._sent:
                    await nudges.get_message(timeout=LOST_AFTER_S)
        except TimeoutError:
            self.lost += 1
            return
        self.samples_ms.append((time.perf_counter() - began) * 1000)

    async def _send(self, producer: AIOKafkaProducer, topic: str, event: Event) -> None:
        await producer.send_and_wait(
            f"{self._where.prefix}.{topic}",
            value=msgspec.json.encode(event),
            key=self._room_id.encode(),
            timestamp_ms=event.event_time_ms,
        )

    async def _likes(self, redis: RedisClient) -> int:
        document = await redis.ask("GET", f"{self._key}:overlay")
        return 0 if document is None else _document_of(document).totals.likes


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
