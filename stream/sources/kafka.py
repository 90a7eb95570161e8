"""Records → Kafka: idempotent, acknowledged by all replicas, keyed by room so that every client agrees on the place.

History may only go to topics that keep the producer's record times (`CreateTime`): where the broker stamps records with
its own clock, events of last year arrive as too old and are dead-lettered, all of them.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError

from stream import topics
from stream.contract.events import TOPIC_NAMES
from stream.errors import SnapupError
from stream.kafka_clients import client_options
from stream.kafka_refusals import refused_permission, unreachable
from stream.topics import Status

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from stream.contract.recording import RecordedRecord
    from stream.kafka_clients import KafkaAt

# Records sent and not yet acknowledged: a few MB.
MAX_UNACKNOWLEDGED = 5_000


async def check_topics(bootstrap_servers: KafkaAt, prefix: str) -> None:
    """Whether history can be imported under this prefix.

    Raises:
        SnapupError: topics are missing, or stamp records with the broker's clock.
    """
    names = [f"{prefix}.{name}" for name in TOPIC_NAMES]
    await topics.check(bootstrap_servers, names, to="Write")
    keep_time = await create_time_topics(bootstrap_servers, prefix)
    stamped = [name for name, logical in zip(names, TOPIC_NAMES, strict=True) if logical not in keep_time]
    if stamped:
        raise SnapupError(
            f"{', '.join(stamped)} stamp records with the broker's clock (LogAppendTime), so history would arrive as "
            "too old. Import under another --prefix, made with `snapup topics apply --timestamp-type CreateTime "
            "--prefix ...`."
        )


async def create_time_topics(bootstrap_servers: KafkaAt, prefix: str) -> frozenset[str]:
    """Logical names of the input topics that keep the producer's record times (`CreateTime`)."""
    declared = topics.declared(prefix, timestamp_type="CreateTime")
    inputs = [spec for spec in declared if spec.kind == "input"]
    return frozenset(
        report.name.removeprefix(f"{prefix}.")
        for report in await topics.compare(bootstrap_servers, inputs, to="Write")
        if report.status is not Status.MISSING
        and not any(difference.startswith(topics.TIMESTAMP_TYPE) for difference in report.differences)
    )


async def deliver(
    records: Iterable[RecordedRecord],
    bootstrap_servers: KafkaAt,
    prefix: str,
    on_sent: Callable[[], None] = lambda: None,
) -> int:
    """Send all records and wait until each is acknowledged. Returns how many were.

    Args:
        records: in the order of sending.
        bootstrap_servers: the cluster.
        prefix: of the topics.
        on_sent: called now and then, for whoever shows the progress.

    Raises:
        SnapupError: Kafka does not answer or refuses; the message says how many were acknowledged until then.
    """
    producer = AIOKafkaProducer(
        **client_options(bootstrap_servers),
        enable_idempotence=True,
        acks="all",
        linger_ms=20,
        max_batch_size=128 * 1024,
    )
    acknowledged = 0
    try:
        await producer.start()
        waiting: deque[asyncio.Future[Any]] = deque()
        for record in records:
            waiting.append(
                await producer.send(
                    f"{prefix}.{record.topic}", value=record.value, key=record.key, timestamp_ms=record.timestamp
                )
            )
            if len(waiting) >= MAX_UNACKNOWLEDGED:
                on_sent()
                while len(waiting) > MAX_UNACKNOWLEDGED // 2:
                    await waiting[0]
                    waiting.popleft()
                    acknowledged += 1
        while waiting:
            await waiting[0]
            waiting.popleft()
            acknowledged += 1
    except KafkaConnectionError as error:
        why = (await unreachable(bootstrap_servers, error)).message
        raise SnapupError(
            f"{why} {acknowledged} records were acknowledged; import again then: what arrived is told by its ids."
        ) from None
    except KafkaError as error:
        if (refused := refused_permission(error, bootstrap_servers, "Write")) is not None:
            raise SnapupError(f"{refused} {acknowledged} records were acknowledged until then.") from None
        raise SnapupError(
            f"Kafka refused a record after {acknowledged} were acknowledged: {error}. Import again when that is "
            "mended: what arrived is told by its ids."
        ) from None
    finally:
        await producer.stop()
    return acknowledged
