"""Sends deliveries to Kafka in batches of its own making: a record costs a fifth of `producer.send`.

It owns what is in flight: at most one open batch for each topic partition, a bounded number of unacknowledged records,
and the journal of acknowledged ones.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner

from stream.errors import SnapupError
from stream.kafka_refusals import refused_permission

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    from aiokafka import AIOKafkaProducer

    from stream.kafka_clients import KafkaAt
    from stream.shows.show import Delivery

# Bound on unacknowledged records: some seconds of a rush, and the most that wait on a broken connection.
MAX_IN_FLIGHT = 20_000
# An open batch is shipped after this time, full or not: the show is visible a moment after sending.
LINGER_S = 0.01


class BatchSender:
    """Takes deliveries, a few at a time. `sent`, `acknowledged`: numbers of records.

    Args:
        producer: started, idempotent.
        prefix: the prefix of the topics.
        t0_ms: the show's beginning. A record's timestamp is this plus the time of sending.
        journal: a file for one line for each acknowledged record, or None.
        where: the cluster with the principal that is named when a permission is missing.
    """

    def __init__(
        self,
        producer: AIOKafkaProducer,
        prefix: str,
        t0_ms: int,
        journal: BinaryIO | None = None,
        where: KafkaAt | None = None,
    ) -> None:
        self._where = where
        self._producer = producer
        self._prefix = prefix
        self._t0_ms = t0_ms
        self._journal = journal
        self._partitioner = DefaultPartitioner()
        self._places: dict[tuple[str, bytes], tuple[str, int]] = {}
        self._open: dict[tuple[str, int], tuple[Any, list[str]]] = {}
        self._room = asyncio.Event()
        self._error: BaseException | None = None
        self._now = asyncio.get_running_loop().time
        self._shipped_s = self._now()
        self.sent = 0
        self.acknowledged = 0

    async def add(self, deliveries: Iterable[Delivery]) -> None:
        """Put deliveries into their batches. Ships full batches, and then those that have waited long enough.

        Raises:
            SnapupError: Kafka refuses these records, or refused earlier ones.
        """
        t0_ms, places, opened = self._t0_ms, self._places, self._open
        for delivery in deliveries:
            send_ms, topic, key, value, event_id, _ = delivery
            where = places.get((topic, key)) or await self._place(topic, key)
            batch, event_ids = opened.get(where) or self._begin(where)
            if batch.append(timestamp=t0_ms + send_ms, key=key, value=value) is None:
                await self._ship(where)
                batch, event_ids = self._begin(where)
                if batch.append(timestamp=t0_ms + send_ms, key=key, value=value) is None:
                    raise SnapupError(f"A record of {len(value)} bytes does not fit into a batch.")
            event_ids.append(event_id)
            self.sent += 1
        if self._now() - self._shipped_s >= LINGER_S:
            await self.ship()

    def _begin(self, where: tuple[str, int]) -> tuple[Any, list[str]]:
        begun: tuple[Any, list[str]] = self._producer.create_batch(), []
        self._open[where] = begun
        return begun

    async def _place(self, topic: str, key: bytes) -> tuple[str, int]:
        """The topic partition of a key by Kafka's default, murmur2, on which all clients agree."""
        try:
            partitions = sorted(await self._producer.partitions_for(f"{self._prefix}.{topic}"))
        except KafkaError as error:
            raise self._refused(error) or SnapupError(
                f"The topic {self._prefix}.{topic} is not there: {error}. `snapup topics apply`."
            ) from error
        found = topic, self._partitioner(key, partitions, partitions)
        self._places[topic, key] = found
        return found

    async def ship(self) -> None:
        """Send every open batch, and wait while too much is in flight."""
        for where in list(self._open):
            await self._ship(where)
        self._shipped_s = self._now()
        while self.sent - self.acknowledged >= MAX_IN_FLIGHT and self._error is None:
            self._room.clear()
            await self._room.wait()
        self.check()

    async def _ship(self, where: tuple[str, int]) -> None:
        batch, event_ids = self._open.pop(where)
        if not event_ids:
            return
        topic, partition = where
        batch.close()
        try:
            future = await self._producer.send_batch(batch, f"{self._prefix}.{topic}", partition=partition)
        except KafkaError as error:
            failed = SnapupError(f"Kafka does not take records of {self._prefix}.{topic}: {error}.")
            raise self._refused(error) or failed from error

        def done(acknowledged: asyncio.Future[Any]) -> None:
            self._room.set()
            if acknowledged.cancelled():
                return
            failure = acknowledged.exception()
            self._error = self._error or failure
            if failure is None:
                self.acknowledged += len(event_ids)
                self._note(acknowledged.result(), event_ids)

        future.add_done_callback(done)

    def _note(self, metadata: Any, event_ids: list[str]) -> None:
        if self._journal is None:
            return
        for offset, event_id in enumerate(event_ids, start=metadata.offset):
            line = {
                "topic": metadata.topic,
                "partition": metadata.partition,
                "offset": offset,
                "event_id": event_id,
            }
            self._journal.write(msgspec.json.encode(line) + b"\n")

    async def drain(self, timeout_s: float | None = None) -> None:
        """Ship open batches and wait until all records are acknowledged or have failed, at most `timeout_s`."""
        async with asyncio.timeout(timeout_s):
            await self.ship()
            await self._producer.flush()
            while self.acknowledged < self.sent and self._error is None:
                self._room.clear()  # the futures' callbacks set it in the event loop's next turn
                await self._room.wait()

    def check(self) -> None:
        """Raise the error of an earlier record, if there was one."""
        if self._error is not None:
            failed = SnapupError(f"Kafka did not take the show: {self._error}.")
            raise self._refused(self._error) or failed from self._error

    def _refused(self, error: BaseException) -> SnapupError | None:
        said = refused_permission(error, self._where, "Write")
        return None if said is None else SnapupError(said)
