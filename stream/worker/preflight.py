"""What is checked before a worker joins its group: a clear line now is better than a rebalance for everybody later."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from stream import topic_settings, topics
from stream.errors import SnapupError
from stream.exits import Exit
from stream.kafka_clients import client_options
from stream.worker.tasks import FatalError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from stream.kafka_clients import KafkaAt
    from stream.worker.checkpoint import OutputTopics

log = structlog.get_logger(__name__)

# Between two looks at the partition counts: what a producer writes into a new partition meanwhile is not read.
LOOK_AT_COUNTS_S = 5.0
# A broker that has just started may not know of a topic yet; so often in a row means that it is gone.
ABSENT_LOOKS = 4


async def check_kafka(bootstrap_servers: KafkaAt, inputs: Sequence[str], outputs: OutputTopics) -> int:
    """How many partitions the topics have, when all is as it must be.

    Raises:
        SnapupError: Kafka does not answer, a topic is missing, counts differ, or a topic forgets what must be kept.
    """
    names = [*inputs, outputs.checkpoints, outputs.dead_letters, outputs.signals, outputs.journal]
    counts = await topics.check(bootstrap_servers, names)
    configs = await _configs(bootstrap_servers, [*inputs, outputs.checkpoints])
    check_policies(configs, inputs, outputs.checkpoints)
    return counts[outputs.checkpoints]


def check_policies(configs: Mapping[str, Mapping[str, str]], inputs: Sequence[str], checkpoints: str) -> None:
    """Refuse settings that lose data, and warn of those that may, or that make timestamps the producers' word.

    Raises:
        SnapupError: a checkpoint topic that deletes, an input topic that is compacted, and the like.
    """
    found = topic_settings.judge(configs, inputs, checkpoints)
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
    """Look now and then whether the input topics still have as many partitions, for as long as the process runs.

    Raises:
        FatalError: one has others now, or is gone.
    """
    absences: Counter[str] = Counter()
    while True:
        await asyncio.sleep(LOOK_AT_COUNTS_S)
        try:
            counts = await asyncio.wait_for(_asked(ask), LOOK_AT_COUNTS_S)
        except Exception as error:  # noqa: BLE001 — whatever it was: the broker is away, the consumer not there yet
            log.debug("partition counts could not be read", error=repr(error))
            continue
        check_counts(counts, partitions)
        check_present(counts, topics, absences)


def check_present(counts: Mapping[str, int], topics: Sequence[str], absences: Counter[str]) -> None:
    """Stop when a topic is gone for good. `absences`: at how many looks it was not there, one after the other.

    Of a topic that the group subscribes to a rebalance tells sooner; of those that are read along nobody does.

    Raises:
        FatalError: says which, and what to do.
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
    """Stop when a topic was given more partitions: its keys lie elsewhere from now on, away from their rooms' state.

    Raises:
        FatalError: says which, and what to do.
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


async def _configs(bootstrap_servers: KafkaAt, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """The settings of topics; empty when this principal may not ask, for nothing else depends on it."""
    admin = AIOKafkaAdminClient(**client_options(bootstrap_servers))
    found: dict[str, dict[str, str]] = {}
    try:
        await admin.start()
        answers: list[Any] = await admin.describe_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        )
    except KafkaError as error:
        log.warning("topic settings could not be read", error=repr(error))
        return {}
    finally:
        await admin.close()
    for answer in answers:
        for code, _message, _kind, name, entries in answer.resources:
            if not code:
                found[name] = {entry[0]: entry[1] for entry in entries}
    return found
