"""Letters → the topics that they came from, by their keys: each at most once, and each accounted for.

A record goes to the partition that its key has by murmur2, as every client of Kafka has it, and not to where it was: it
may have been refused because it lay in the wrong one.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError
from msgspec import Struct, field

from stream.errors import SnapupError
from stream.kafka_clients import client_options
from stream.kafka_refusals import refused_permission, unreachable
from stream.sources.letters import RESENT

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable

    from stream.kafka_clients import KafkaAt
    from stream.sources.letters import Letter

MAX_UNACKNOWLEDGED = 1_000
# A record that a broker took with its default limit must get out again; its topic has the last word.
MAX_REQUEST_BYTES = 8 * 1024 * 1024
FAILURES_TOLD = 20


class Resent(Struct):
    """What became of the letters: `chosen = sent + repeated + hopeless + failed`.

    Attributes:
        chosen: were asked for.
        sent: were acknowledged.
        repeated: are a second letter of a record that was sent already in this run.
        hopeless: were left out because they would not be taken.
        failed: were refused by Kafka.
        topics: sent, by topic.
        failures: the first of those that failed, in words.
    """

    chosen: int = 0
    sent: int = 0
    repeated: int = 0
    hopeless: int = 0
    failed: int = 0
    topics: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


async def resend(
    letters: AsyncIterator[Letter],
    brokers: KafkaAt,
    *,
    hopeless: Callable[[Letter], bool],
    by_record_time: Callable[[Letter], bool],
    dead_letters: str,
) -> Resent:
    """Send the records of these letters again, and wait until each is acknowledged or refused.

    Args:
        letters: in any order.
        brokers: the cluster.
        hopeless: whether to leave one out.
        by_record_time: whether its topic keeps the producer's time: then it gets that of the record.
        dead_letters: full name of the topic of the letters, for the mark.

    Raises:
        SnapupError: Kafka does not answer, or refuses all; the message says how many were acknowledged until then.
    """
    told = Resent()
    seen: dict[tuple[str, int], set[int]] = {}
    producer = AIOKafkaProducer(
        **client_options(brokers),
        enable_idempotence=True,
        acks="all",
        linger_ms=5,
        max_request_size=MAX_REQUEST_BYTES,
        max_batch_size=128 * 1024,
    )
    waiting: deque[tuple[Letter, asyncio.Future[Any]]] = deque()
    try:
        await producer.start()
        async for letter in letters:
            told.chosen += 1
            if hopeless(letter):
                told.hopeless += 1
                continue
            offsets = seen.setdefault((letter.topic, letter.partition), set())
            if letter.offset in offsets:
                told.repeated += 1
                continue
            offsets.add(letter.offset)
            mark = f"{dead_letters}/{letter.letter_partition}@{letter.letter_offset}".encode()
            try:
                future = await producer.send(
                    letter.topic,
                    value=letter.value,
                    key=letter.key,
                    headers=[(RESENT, mark), *letter.headers],
                    timestamp_ms=letter.append_time_ms if by_record_time(letter) else None,
                )
            except KafkaError as error:
                _refuse_all(error, brokers, told)
                _note_failure(told, letter, error)
                continue
            waiting.append((letter, future))
            while len(waiting) >= MAX_UNACKNOWLEDGED:
                await _settle(told, *waiting.popleft(), brokers)
        while waiting:
            await _settle(told, *waiting.popleft(), brokers)
    except KafkaConnectionError as error:
        why = (await unreachable(brokers, error)).message
        raise SnapupError(f"{why} {told.sent} letters were sent again until then.") from None
    finally:
        await producer.stop()
    return told


async def _settle(told: Resent, letter: Letter, future: asyncio.Future[Any], brokers: KafkaAt) -> None:
    try:
        await future
    except KafkaConnectionError:
        raise
    except KafkaError as error:
        _refuse_all(error, brokers, told)
        _note_failure(told, letter, error)
        return
    told.sent += 1
    told.topics[letter.topic] += 1


def _note_failure(told: Resent, letter: Letter, error: KafkaError) -> None:
    told.failed += 1
    if len(told.failures) < FAILURES_TOLD:
        told.failures.append(f"{letter.source}: Kafka did not take it: {error}")


def _refuse_all(error: KafkaError, brokers: KafkaAt, told: Resent) -> None:
    """What is refused for want of a permission would be refused for every other letter too."""
    if (refused := refused_permission(error, brokers, "Write")) is not None:
        raise SnapupError(f"{refused} {told.sent} letters were sent again until then.") from None
