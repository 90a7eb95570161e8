"""Records of a bridge → Kafka or a recording. Each is acknowledged, or told as refused."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct, field

from stream.contract.recording import RecordingWriter
from stream.sources.sending import Outgoing, sending

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from stream.contract.recording import RecordedRecord
    from stream.kafka_clients import KafkaAt
    from stream.sources.sending import Sender

FAILURES_TOLD = 20


class Delivered(Struct):
    """What became of records: `sent = acknowledged + refused`, once all were answered. `failures`: the first ones."""

    sent: int = 0
    acknowledged: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)

    def note_refused(self, what: str, why: str) -> None:
        """A record was refused."""
        self.refused += 1
        if len(self.failures) < FAILURES_TOLD:
            self.failures.append(f"{what}: {why}")


class Delivery(Protocol):
    """Where records go."""

    async def send(self, records: Sequence[RecordedRecord]) -> None:
        """Send records; waits while too many are under way."""
        ...

    async def settle(self) -> None:
        """Wait until every record was acknowledged or refused."""
        ...


class _ToKafka:
    def __init__(self, sender: Sender, prefix: str, told: Delivered) -> None:
        self._sender = sender
        self._prefix = prefix
        self._told = told

    async def send(self, records: Sequence[RecordedRecord]) -> None:
        for record in records:
            self._told.sent += 1
            topic, time_ms = f"{self._prefix}.{record.topic}", record.timestamp
            await self._sender.send(Outgoing(topic, record.key, record.value, (), time_ms, self._told.sent))

    async def settle(self) -> None:
        await self._sender.drain()


class _ToRecording:
    def __init__(self, writer: RecordingWriter, told: Delivered) -> None:
        self._writer = writer
        self._told = told

    async def send(self, records: Sequence[RecordedRecord]) -> None:
        for record in records:
            self._writer.write(record)
        self._told.sent += len(records)
        self._told.acknowledged += len(records)

    async def settle(self) -> None:
        return


@asynccontextmanager
async def to_kafka(brokers: KafkaAt, prefix: str, told: Delivered) -> AsyncIterator[Delivery]:
    """Kafka: idempotent, acknowledged by all replicas, keyed by room.

    Raises:
        SnapupError: Kafka does not answer, or lets us write nothing; says how many were acknowledged until then.
    """

    def taken(_: int) -> None:
        told.acknowledged += 1

    async with sending(
        brokers, taken, lambda number, why: told.note_refused(f"record {number}", f"Kafka refused it: {why}")
    ) as sender:
        yield _ToKafka(sender, prefix, told)


@asynccontextmanager
async def to_recording(path: Path, told: Delivered) -> AsyncIterator[Delivery]:
    """A recording, for `snapup replay` and `snapup import`."""
    with RecordingWriter(path) as writer:
        yield _ToRecording(writer, told)
