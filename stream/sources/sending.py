"""Records → Kafka, each exactly once and each accounted for, also where the broker refuses some of them.

An idempotent producer numbers its records. A batch that the broker refuses leaves a hole in the numbers, and after the
hole the broker takes nothing more of that partition. So after a refusal the sender waits for everything under way,
makes a new producer, and sends each untaken record once more, by itself: only a record refused then has failed.
"""

from __future__ import annotations

from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import AIOKafkaProducer, errors
from aiokafka.errors import KafkaConnectionError, KafkaError

from stream.errors import SnapupError
from stream.kafka_clients import client_options
from stream.kafka_refusals import AUTHORIZATION_ERRORS, refused_permission, unreachable

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable

    from stream.kafka_clients import KafkaAt

# Records sent and not yet acknowledged: a few MB.
MAX_UNACKNOWLEDGED = 5_000
# A record that a broker took under its own limit must get in again; the topic has the last word.
MAX_REQUEST_BYTES = 16 * 1024 * 1024
# The broker has looked at these records and refuses them.
REFUSED = (
    errors.MessageSizeTooLargeError,
    errors.InvalidTimestampError,
    errors.InvalidMessageError,
    errors.RecordListTooLargeError,
)
# The errors that follow a hole in the numbers.
BEHIND_A_HOLE = (errors.OutOfOrderSequenceNumber, errors.DuplicateSequenceNumber, errors.InvalidProducerEpoch)


class Outgoing(NamedTuple):
    """One record to send. `tag`: what the caller knows the record by; `partition` None: by its key (murmur2)."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp_ms: int | None
    tag: Any
    partition: int | None = None


class Sender:
    """Sends records; made by `sending`. `acknowledged` and `failed` count records.

    Args:
        brokers: the cluster.
        taken: called with the tag of each acknowledged record.
        refused: called with the tag of each record that the broker refuses, and why.
    """

    def __init__(self, brokers: KafkaAt, taken: Callable[[Any], None], refused: Callable[[Any, str], None]) -> None:
        self._brokers = brokers
        self._taken = taken
        self._refused = refused
        self._producer: Any = None
        self._waiting: deque[tuple[Outgoing, asyncio.Future[Any]]] = deque()
        self.acknowledged = 0
        self.failed = 0

    async def send(self, record: Outgoing) -> None:
        """Send a record; waits while too many are under way."""
        try:
            self._waiting.append((record, await self._begin(record)))
        except REFUSED as error:  # too large for any request
            self._note_refused(record, error)
        if len(self._waiting) >= MAX_UNACKNOWLEDGED:
            await self._settle(MAX_UNACKNOWLEDGED // 2)

    async def drain(self) -> None:
        """Wait until every record was acknowledged or refused."""
        await self._settle(0)

    async def _begin(self, record: Outgoing) -> asyncio.Future[Any]:
        headers = list(record.headers)
        sent: asyncio.Future[Any]
        if record.value is None and record.key is None:
            # aiokafka's own `send` refuses such a record; Kafka takes it.
            batch = self._producer.create_batch()
            batch.append(timestamp=record.timestamp_ms, key=None, value=None, headers=headers)
            batch.close()
            sent = await self._producer.send_batch(batch, record.topic, partition=record.partition or 0)
        else:
            sent = await self._producer.send(
                record.topic,
                value=record.value,
                key=record.key,
                headers=headers,
                timestamp_ms=record.timestamp_ms,
                partition=record.partition,
            )
        return sent

    async def _settle(self, left: int) -> None:
        waiting = self._waiting
        while len(waiting) > left:
            record, future = waiting[0]
            try:
                await future
            except (*REFUSED, *BEHIND_A_HOLE):
                await self._send_one_by_one()
                continue
            waiting.popleft()
            self._note_taken(record)

    async def _send_one_by_one(self) -> None:
        """Send every untaken record that is under way again, each by itself."""
        untaken: list[Outgoing] = []
        while self._waiting:
            record, future = self._waiting.popleft()
            try:
                await future
            except (*REFUSED, *BEHIND_A_HOLE):
                untaken.append(record)
            else:
                self._note_taken(record)
        await self._renew()
        for record in untaken:
            try:
                await (await self._begin(record))
            except REFUSED as error:
                self._note_refused(record, error)
                await self._renew()
            else:
                self._note_taken(record)

    def _note_taken(self, record: Outgoing) -> None:
        self.acknowledged += 1
        self._taken(record.tag)

    def _note_refused(self, record: Outgoing, error: BaseException) -> None:
        self.failed += 1
        self._refused(record.tag, _words(error))

    async def _renew(self) -> None:
        await self.stop()
        await self.start()

    async def start(self) -> None:
        """Make a producer."""
        self._producer = AIOKafkaProducer(
            **client_options(self._brokers),
            enable_idempotence=True,
            acks="all",
            linger_ms=20,
            max_batch_size=128 * 1024,
            max_request_size=MAX_REQUEST_BYTES,
        )
        await self._producer.start()

    async def stop(self) -> None:
        """Stop the producer."""
        await self._producer.stop()


@asynccontextmanager
async def sending(
    brokers: KafkaAt, taken: Callable[[Any], None], refused: Callable[[Any, str], None]
) -> AsyncIterator[Sender]:
    """A sender for as long as the block lasts; at its end everything was acknowledged or refused.

    Raises:
        SnapupError: Kafka does not answer, or lets us write nothing; says how many were acknowledged until then.
    """
    sender = Sender(brokers, taken, refused)
    try:
        await sender.start()
        yield sender
        await sender.drain()
    except KafkaConnectionError as error:
        why = (await unreachable(brokers, error)).message
        raise SnapupError(f"{why} {sender.acknowledged} records were acknowledged until then.") from None
    except AUTHORIZATION_ERRORS as error:
        said = refused_permission(error, brokers, "Write") or str(error)
        raise SnapupError(f"{said} {sender.acknowledged} records were acknowledged until then.") from None
    except KafkaError as error:
        raise SnapupError(
            f"Kafka failed after {sender.acknowledged} records were acknowledged: {_words(error)}. Do it again when "
            "that is mended: what arrived is told by its ids."
        ) from None
    finally:
        await sender.stop()


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
