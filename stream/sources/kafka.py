"""Records → Kafka: idempotent, acknowledged by all replicas, keyed by room so that every client agrees on the place.

History may only go to topics that keep the producer's record times (`CreateTime`). Where the broker stamps records with
its own clock, all events of last year arrive as too old and are dead-lettered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from stream import topics
from stream.contract.events import TOPIC_NAMES
from stream.errors import SnapupError
from stream.sources.sending import Outgoing, sending
from stream.topics import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stream.contract.recording import RecordedRecord
    from stream.kafka_clients import KafkaAt

FAILURES_TOLD = 20


async def check_topics(bootstrap_servers: KafkaAt, prefix: str) -> None:
    """Check that history can be imported under this prefix.

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


class Delivered(Struct):
    """What became of records: `sent = acknowledged + failed`. `failures`: the first records that Kafka refused."""

    sent: int = 0
    acknowledged: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)


async def deliver(
    records: Iterable[RecordedRecord],
    bootstrap_servers: KafkaAt,
    prefix: str,
    on_sent: Callable[[Delivered], None] = lambda _: None,
) -> Delivered:
    """What became of all records, each sent to the partition of its key and acknowledged or refused.

    Args:
        records: in the order of sending.
        bootstrap_servers: the cluster.
        prefix: the prefix of the topics.
        on_sent: called after each record, to show the progress.

    Raises:
        SnapupError: Kafka does not answer, or lets us write nothing; says how many were acknowledged until then.
    """
    told = Delivered()

    def taken(_: int) -> None:
        told.acknowledged += 1

    def refused(number: int, why: str) -> None:
        told.failed += 1
        if len(told.failures) < FAILURES_TOLD:
            told.failures.append(f"record {number}: Kafka refused it: {why}")

    async with sending(bootstrap_servers, taken, refused) as sender:
        for record in records:
            told.sent += 1
            topic, time_ms = f"{prefix}.{record.topic}", record.timestamp
            # Without a key there is no partition but the recorded one; such a record is refused wherever it lies.
            partition = None if record.key is not None else 0
            outgoing = Outgoing(topic, record.key, record.value, record.headers, time_ms, told.sent, partition)
            await sender.send(outgoing)
            on_sent(told)
    return told
