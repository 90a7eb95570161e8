"""Checks before a worker joins its group: a clear line now is better than a rebalance of the whole group later."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import structlog

from stream import topic_settings, topics
from stream.errors import SnapupError
from stream.exits import Exit
from stream.kafka_refusals import UnreachableError, not_permitted
from stream.topic_settings import MAX_MESSAGE_BYTES
from stream.worker.checkpoint import BATCH_BYTES, STATE_RECORD_MAX_BYTES
from stream.worker.permissions import missing_permissions, unreadable
from stream.worker.tasks import FatalError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from stream.kafka_clients import KafkaAt
    from stream.worker.checkpoint import OutputTopics

log = structlog.get_logger(__name__)

# The time between two looks at partition counts. Records in a new partition are not read meanwhile.
LOOK_AT_COUNTS_S = 5.0
# A broker that has just started may not know a topic yet. A topic that is missing this often in a row is gone.
ABSENT_LOOKS = 4
# What a batch of one record has around the value, with the key.
BATCH_OVERHEAD_BYTES = 4 * 1024


async def check_kafka(
    bootstrap_servers: KafkaAt,
    inputs: Sequence[str],
    outputs: OutputTopics,
    *,
    group: str,
    id_prefix: str,
    signal_max_bytes: int,
) -> int:
    """How many partitions the topics have.

    Args:
        bootstrap_servers: Kafka, and how it is reached.
        inputs: full names of the input topics.
        outputs: the topics that are written.
        group: the consumer group.
        id_prefix: the prefix of the transactional ids; the partition follows.
        signal_max_bytes: the most bytes of a document that is written.

    Raises:
        SnapupError: Kafka does not answer or does not let us in, a permission or a topic is missing, counts differ, a
            topic forgets what must be kept, or takes only smaller batches than are written.
    """
    writes = list(outputs.all())
    to = dict.fromkeys(inputs, "Read") | dict.fromkeys(writes, "Write")
    partitions = (await topics.check(bootstrap_servers, to, to=to))[outputs.checkpoints]
    async with topics.admin_client(bootstrap_servers) as admin:
        missing = await missing_permissions(
            admin,
            bootstrap_servers,
            group=group,
            transactional_ids=[f"{id_prefix}-{partition}" for partition in range(partitions)],
            reads=[*inputs, outputs.checkpoints],
            writes=writes,
        )
        only_written = await unreadable(admin, [name for name in writes if name != outputs.checkpoints])
        configs, hidden = await topics.read_configs(admin, [*inputs, *writes])
    missing += [
        not_permitted(bootstrap_servers, "DescribeConfigs", f"topic {name}")
        for name in hidden
        if name in {*inputs, outputs.checkpoints}
    ]
    if missing:
        raise SnapupError(" ".join(missing))
    if hidden:
        log.info("not permitted to see the settings of topics that are written (DescribeConfigs)", topics=hidden)
    if only_written:
        log.info(
            "not permitted to read topics that are written (Read): needed if a broker leaves a transaction open",
            topics=only_written,
        )
    logs = [name for name in writes if name not in {outputs.checkpoints, outputs.claims}]
    check_policies(configs, inputs, outputs.checkpoints, logs)
    check_limits(configs, outputs, signal_max_bytes)
    return partitions


async def recheck_kafka(check: Callable[[], Awaitable[object]]) -> None:
    """Check again for a running worker that loses its partitions again and again.

    Raises:
        FatalError: something is no longer as it must be. Kafka that does not answer is no such case.
    """
    try:
        await check()
    except UnreachableError as error:
        log.info("Kafka could not be checked again", why=error.message)
    except SnapupError as error:
        raise FatalError(Exit.KAFKA_REFUSES, error.message) from error


async def check_outputs(bootstrap_servers: KafkaAt, outputs: OutputTopics, signal_max_bytes: int) -> None:
    """Check the size limits alone, for commands that run before a worker. Hidden settings are not checked.

    Raises:
        SnapupError: Kafka does not answer, or a topic takes only smaller batches than are written.
    """
    async with topics.admin_client(bootstrap_servers) as admin:
        configs, _hidden = await topics.read_configs(admin, outputs.all())
    check_limits(configs, outputs, signal_max_bytes)


def check_limits(configs: Mapping[str, Mapping[str, str]], outputs: OutputTopics, signal_max_bytes: int) -> None:
    """Refuse topics that take only smaller batches than a checkpoint writes: no checkpoint would ever succeed.

    Raises:
        SnapupError: a topic takes too small batches; the error says how large a batch each must take.
    """
    wrong = []
    for name, needed in (
        (outputs.checkpoints, STATE_RECORD_MAX_BYTES + BATCH_OVERHEAD_BYTES),
        (outputs.signals, max(signal_max_bytes, BATCH_BYTES) + BATCH_OVERHEAD_BYTES),
        (outputs.dead_letters, BATCH_BYTES + BATCH_OVERHEAD_BYTES),
        (outputs.journal, BATCH_BYTES + BATCH_OVERHEAD_BYTES),
        (outputs.claims, BATCH_BYTES + BATCH_OVERHEAD_BYTES),
    ):
        limit = configs.get(name, {}).get(MAX_MESSAGE_BYTES)
        if limit is not None and int(limit) < needed:
            wrong.append(f"{name} has {MAX_MESSAGE_BYTES}={limit}, it must be at least {needed}")
    if wrong:
        raise SnapupError(
            f"{'; '.join(wrong)}: nothing could be saved. Set it as deploy/kafka/topics.toml has it (`snapup topics "
            "list` shows all differences)."
        )


def check_policies(
    configs: Mapping[str, Mapping[str, str]], inputs: Sequence[str], checkpoints: str, logs: Sequence[str] = ()
) -> None:
    """Refuse settings that lose data. Warn of settings that may, and of timestamps that producers write.

    Args:
        configs: topic → its settings, for topics whose settings we may see.
        inputs: full names of the input topics.
        checkpoints: the topic with the state.
        logs: the other topics that are written. A compacted topic takes no record without a key, so nothing could be
            saved at all.

    Raises:
        SnapupError: a setting loses data: the checkpoint topic deletes, another topic is compacted, and the like.
    """
    found = topic_settings.judge(configs, inputs, checkpoints, logs)
    if found.refused:
        raise SnapupError(" ".join(found.refused))
    for sentence in found.warned:
        log.warning("a topic setting may lose data", why=sentence)
    created = [name for name in inputs if configs.get(name, {}).get(topic_settings.TIMESTAMP_TYPE) == "CreateTime"]
    if created:
        log.warning(
            "record timestamps are the producers' word (CreateTime): right for imports and replays, not for live shows",
            topics=created,
        )


async def run_watch_counts(
    ask: Callable[[], Awaitable[Mapping[str, int]]], topics: Sequence[str], partitions: int
) -> None:
    """Check now and then that the input topics still have as many partitions, for as long as the process runs.

    Raises:
        FatalError: a topic has another number of partitions now, or is gone.
    """
    absences: Counter[str] = Counter()
    while True:
        await asyncio.sleep(LOOK_AT_COUNTS_S)
        try:
            counts = await asyncio.wait_for(_asked(ask), LOOK_AT_COUNTS_S)
        except Exception as error:  # noqa: BLE001 — whatever the error: the broker is away, or the consumer is not there yet
            log.debug("partition counts could not be read", error=repr(error))
            continue
        check_counts(counts, partitions)
        check_present(counts, topics, absences)


def check_present(counts: Mapping[str, int], topics: Sequence[str], absences: Counter[str]) -> None:
    """Raise when a topic is gone for good. `absences`: topic → at how many looks in a row it was missing.

    A rebalance shows sooner that a topic of the group's subscription is gone. Nothing else shows it for topics that are
    read along.

    Raises:
        FatalError: a topic is gone; the error names it and says what to do.
    """
    for topic in topics:
        absences[topic] = 0 if topic in counts else absences[topic] + 1
        if absences[topic] >= ABSENT_LOOKS:
            raise FatalError(
                Exit.NOT_COPARTITIONED,
                f"{topic} is not there any more. Was the topic deleted? Then what came after the last checkpoint is "
                "gone: make it anew (`snapup topics apply`) and start once with --accept-data-loss.",
            )


def check_counts(counts: Mapping[str, int], partitions: int) -> None:
    """Raise when a topic's number of partitions has changed: keys then lie elsewhere than their rooms' state.

    Raises:
        FatalError: a number has changed; the error names the topic and says what to do.
    """
    for topic, count in sorted(counts.items()):
        if count != partitions:
            raise FatalError(
                Exit.FOREIGN_CHECKPOINT,
                f"{topic} has {count} partitions now, {partitions} when this worker started: rooms would be in other "
                f"partitions than their state. Nothing is lost: records from partition {partitions} on were not read. "
                "Partitions cannot be taken back: let producers and workers go on under another topic prefix.",
            )


async def _asked(ask: Callable[[], Awaitable[Mapping[str, int]]]) -> Mapping[str, int]:
    return await ask()
