"""Tells rooms of their misplaced records, in their own partitions of the interactions topic, as any producer would.

A notice is sent before the checkpoint that moves past the records. A crash in between sends the notice twice, which its
event id shows, and never loses it. The notice is not part of the checkpoint's transaction: a transaction that stayed
open would hold up an input topic.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka import AIOKafkaProducer

from stream.kafka_clients import client_options
from stream.worker.tasks import within

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stream.core.misplaced import Notice
    from stream.kafka_clients import KafkaAt

log = structlog.get_logger(__name__)

SEND_WAIT_S = 2.0
# Unsent notices are tried again at the next checkpoint. Beyond this many the oldest are dropped.
UNSENT_MAX = 10_000
STOP_WAIT_S = 1.0


class Notices:
    """Sends the notices of a process. Makes its producer when the first notice is due.

    Args:
        bootstrap_servers: Kafka, and how it is reached.
        topic: full name of the interactions topic.
        count: is called with `sent` for each notice, and with `failed` for each attempt that was given up.
        make_producer: takes aiokafka's arguments.
    """

    def __init__(
        self,
        bootstrap_servers: KafkaAt,
        topic: str,
        count: Callable[[str], None],
        make_producer: Callable[..., Any] = AIOKafkaProducer,
    ) -> None:
        self._servers = bootstrap_servers
        self._topic = topic
        self._make_producer = make_producer
        self._producer: Any = None
        self._unsent: list[Notice] = []
        self._count = count

    async def tell(self, notices: Sequence[Notice]) -> None:
        """Send these notices and the unsent ones before them. A failure is logged, counted, and tried again."""
        self._unsent = [*self._unsent, *notices][-UNSENT_MAX:]
        if not self._unsent:
            return
        try:
            await asyncio.wait_for(self._send(), SEND_WAIT_S)
        except Exception as error:  # noqa: BLE001 — no reason to give a partition up
            self._count("failed")
            log.warning("rooms could not be told of misplaced records", rooms=len(self._unsent), error=repr(error))
            await self.stop()

    async def _send(self) -> None:
        if self._producer is None:
            producer = self._make_producer(**client_options(self._servers), acks="all")
            await producer.start()
            self._producer = producer
        while self._unsent:
            notice = self._unsent[0]
            await self._producer.send_and_wait(
                self._topic,
                notice.value,
                key=notice.event.room_id.encode(),
                partition=notice.partition,
                timestamp_ms=notice.event.event_time_ms,
            )
            del self._unsent[0]
            self._count("sent")
            log.warning(
                "records of a room lie in another partition than its own",
                room=notice.event.room_id,
                topic=notice.event.topic,
                partition=notice.event.partition,
                offset=notice.event.offset,
                records=notice.event.count,
                belongs_in=notice.partition,
            )

    async def stop(self) -> None:
        """Close the connections; never raises."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await within(producer.stop(), STOP_WAIT_S)
