"""The topics: one file declares them, `apply` creates what is missing, `check` guards a start.

Owns the reading of `topics.toml` and the comparison with a cluster. It never alters or deletes an existing topic:
another partition count would move rooms in the middle of their show, another timestamp type would change what an old
record means.
"""

from __future__ import annotations

import asyncio
import time
import tomllib
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.metadata import MetadataRequest

from stream.errors import NoSuchError, SnapupError
from stream.kafka_clients import client_options
from stream.kafka_refusals import UnreachableError, not_permitted, quietly, refused_permission, unreachable
from stream.topic_settings import TIMESTAMP_TYPE as _TIMESTAMP_TYPE
from stream.topic_settings import Judgement, judge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from stream.kafka_clients import KafkaAt

TimestampType = Literal["LogAppendTime", "CreateTime"]

DEFAULT_PREFIX = "live"
TIMESTAMP_TYPE = _TIMESTAMP_TYPE
# A cluster of three answers in well under a second; 30 s covers a controller election.
REQUEST_TIMEOUT_MS = 30_000
# How long new topics may take until every partition has a leader.
LEADERS_DEADLINE_S = 30.0
NOT_PERMITTED = TopicAuthorizationFailedError.errno

_PACKAGE = Path(__file__).resolve().parent
# An installed package holds the files itself; a checkout has them beside it.
_PLACES = (_PACKAGE / "_kafka", _PACKAGE.parent / "deploy" / "kafka")


def kafka_file(name: str) -> Path:
    """Path of one file of `deploy/kafka`, in a checkout or in an installed package."""
    for place in _PLACES:
        if (place / name).is_file():
            return place / name
    raise SnapupError(f"{name} is missing from this installation: install snapup again.")


class TopicSpec(msgspec.Struct, frozen=True):
    """One topic as declared; `config` in Kafka's own names and values."""

    name: str
    kind: Literal["input", "output"]
    partitions: int
    replication_factor: int
    config: dict[str, str]


class Status(StrEnum):
    """What `apply` found or did."""

    CREATED = "created"
    EXISTS = "exists"
    DIFFERS = "differs"
    MISSING = "missing"


class TopicReport(msgspec.Struct, frozen=True):
    """One topic as it is now; `differences` are sentences, empty unless it differs."""

    name: str
    status: Status
    partitions: int
    differences: tuple[str, ...] = ()


class _Defaults(msgspec.Struct, forbid_unknown_fields=True):
    partitions: int
    replication_factor: int
    config: dict[str, str] = {}


class _Input(msgspec.Struct, forbid_unknown_fields=True):
    config: dict[str, str] = {}
    create_time_config: dict[str, str] = {}


class _Topic(msgspec.Struct, forbid_unknown_fields=True):
    kind: Literal["input", "output"]
    config: dict[str, str] = {}


class _File(msgspec.Struct, forbid_unknown_fields=True):
    defaults: _Defaults
    input: _Input
    topics: dict[str, _Topic]


def declared(
    prefix: str = DEFAULT_PREFIX,
    *,
    partitions: int | None = None,
    replication_factor: int | None = None,
    timestamp_type: TimestampType | None = None,
    path: Path | None = None,
) -> list[TopicSpec]:
    """The topics of `topics.toml` under a prefix, in the file's order.

    Args:
        prefix: stands before each name, with a dot.
        partitions: the number for every topic; None takes the file's.
        replication_factor: the factor for every topic; None takes the file's.
        timestamp_type: the type for the input topics; None takes the file's.
        path: another file of the same form.

    Raises:
        SnapupError: the file cannot be read, or a count is not positive.
    """
    file = _read(path or kafka_file("topics.toml"))
    count = file.defaults.partitions if partitions is None else partitions
    copies = file.defaults.replication_factor if replication_factor is None else replication_factor
    if count < 1 or copies < 1:
        raise SnapupError(f"Partitions ({count}) and replication factor ({copies}) must be at least 1.")
    input_config = file.input.config
    if timestamp_type == "CreateTime":
        input_config = input_config | file.input.create_time_config
    elif timestamp_type is not None:
        input_config = input_config | {TIMESTAMP_TYPE: timestamp_type}
    return [
        TopicSpec(
            name=f"{prefix}.{name}",
            kind=topic.kind,
            partitions=count,
            replication_factor=copies,
            config=file.defaults.config | (input_config if topic.kind == "input" else {}) | topic.config,
        )
        for name, topic in file.topics.items()
    ]


def _read(path: Path) -> _File:
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), _File)
    except FileNotFoundError:
        raise NoSuchError(f"There is no topics file at {path}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise SnapupError(f"{path} is not a topics file: {error}.") from None


async def apply(bootstrap_servers: KafkaAt, specs: Sequence[TopicSpec]) -> list[TopicReport]:
    """Each topic's report: created, exists as declared, or differs; creates the missing topics.

    Doing it twice changes nothing. A difference in retention or the like is reported only.

    Args:
        bootstrap_servers: the cluster.
        specs: the topics as `declared` gives them.

    Raises:
        SnapupError: the cluster does not answer or refuses, or an existing topic has another partition count, another
            timestamp type or a setting that loses data; then nothing was created.
    """
    async with admin_client(bootstrap_servers) as admin:
        await _judge(admin, specs, bootstrap_servers)
        before = await _compare(admin, specs, bootstrap_servers)
        _refuse_unmendable(before)
        missing = [spec for spec, report in zip(specs, before, strict=True) if report.status is Status.MISSING]
        if missing:
            await _create(admin, missing, bootstrap_servers)
            await _wait_for_leaders(admin, missing)
        created = {spec.name for spec in missing}
        return [
            TopicReport(report.name, Status.CREATED, spec.partitions) if report.name in created else report
            for spec, report in zip(specs, before, strict=True)
        ]


async def compare(bootstrap_servers: KafkaAt, specs: Sequence[TopicSpec], *, to: str = "Describe") -> list[TopicReport]:
    """Each topic's report: missing, exists as declared, or differs (`to`: as for `check`)."""
    async with admin_client(bootstrap_servers) as admin:
        return await _compare(admin, specs, bootstrap_servers, to)


async def check(
    bootstrap_servers: KafkaAt, topics: Iterable[str], *, to: Mapping[str, str] | str = "Describe"
) -> dict[str, int]:
    """The partition count of each of these topics (full names), for a worker's start.

    Args:
        bootstrap_servers: the cluster.
        topics: full names.
        to: the intended operation in Kafka's words: without its permission the topics cannot even be seen.

    Raises:
        SnapupError: a topic is missing, or the counts are not all the same: a room's events would then meet in
            different workers.
    """
    wanted = list(topics)
    async with admin_client(bootstrap_servers) as admin:
        found = await _partition_counts(admin)
        missing = [name for name in wanted if name not in found]
        await _refuse_hidden(admin, missing, bootstrap_servers, to)
    if missing:
        raise SnapupError(
            f"Missing in Kafka: {', '.join(missing)}. Create what is declared with `snapup topics apply`."
        )
    counts = {name: found[name] for name in wanted}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} has {count}" for name, count in sorted(counts.items()))
        raise SnapupError(
            f"All topics must have the same partition count, but {listed}. Stop everything that writes, delete the odd "
            "ones, and create them with `snapup topics apply`."
        )
    return counts


async def check_settings(bootstrap_servers: KafkaAt, specs: Sequence[TopicSpec]) -> list[str]:
    """What may lose data in the settings of these topics, in sentences; missing topics are not judged.

    Raises:
        SnapupError: a setting does lose data, such as compaction of an input topic.
    """
    async with admin_client(bootstrap_servers) as admin:
        return (await _judge(admin, specs, bootstrap_servers)).warned


async def _judge(admin: Any, specs: Sequence[TopicSpec], bootstrap_servers: KafkaAt) -> Judgement:
    there = await _partition_counts(admin)
    configs, hidden = await read_configs(admin, [spec.name for spec in specs if spec.name in there])
    inputs = [spec.name for spec in specs if spec.kind == "input"]
    compacted = [spec.name for spec in specs if spec.config.get("cleanup.policy") == "compact"]
    # Compaction keeps one record of the claims a second: that is meant.
    both = [spec.name for spec in specs if spec.config.get("cleanup.policy") == "compact,delete"]
    logs = [spec.name for spec in specs if spec.name not in {*inputs, *compacted, *both}]
    found = judge(configs, inputs, compacted[0] if compacted else None, logs)
    if found.refused:
        raise SnapupError(" ".join(found.refused))
    if hidden:
        why = not_permitted(bootstrap_servers, "DescribeConfigs", f"topic {', '.join(hidden)}")
        found.warned.append(f"{why} Until then its settings are not checked.")
    return found


@asynccontextmanager
async def admin_client(bootstrap_servers: KafkaAt) -> AsyncIterator[Any]:
    """A started admin client; an error of the cluster or the network becomes one sentence."""
    admin = AIOKafkaAdminClient(**client_options(bootstrap_servers), request_timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        with quietly():
            await admin.start()
        yield admin
    except KafkaConnectionError as error:
        raise await unreachable(bootstrap_servers, error) from None
    except KafkaError as error:
        if (refused := refused_permission(error, bootstrap_servers, "Describe")) is not None:
            raise SnapupError(refused) from None
        raise UnreachableError(f"Kafka at {bootstrap_servers} refused: {error}.") from None
    except TimeoutError:
        raise UnreachableError(
            f"Kafka at {bootstrap_servers} took longer than {REQUEST_TIMEOUT_MS // 1000} s."
        ) from None
    finally:
        await admin.close()


async def _partition_counts(admin: Any) -> dict[str, int]:
    # All topics, not the named ones: asking by name would create them where auto.create.topics.enable is left on.
    return {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}


async def _refuse_hidden(
    admin: Any, names: Sequence[str], bootstrap_servers: KafkaAt, to: Mapping[str, str] | str = "Describe"
) -> None:
    """Tell topics that this principal may not see from topics that are not there: a list shows neither."""
    if not names:
        return
    client = admin._client  # noqa: SLF001 — by name, the admin client would let the broker create them
    answer = await client.send(client.get_random_node(), MetadataRequest(list(names), allow_auto_topic_creation=False))
    hidden: dict[str, list[str]] = {}
    for topic in answer.to_object()["topics"]:
        if topic["error_code"] == NOT_PERMITTED:
            operation = to if isinstance(to, str) else to[topic["topic"]]
            hidden.setdefault(operation, []).append(topic["topic"])
    if hidden:
        raise SnapupError(
            " ".join(
                not_permitted(bootstrap_servers, operation, f"topic {', '.join(sorted(names))}")
                for operation, names in hidden.items()
            )
        )


async def _compare(
    admin: Any, specs: Sequence[TopicSpec], bootstrap_servers: KafkaAt, to: str = "Describe"
) -> list[TopicReport]:
    counts = await _partition_counts(admin)
    await _refuse_hidden(admin, [spec.name for spec in specs if spec.name not in counts], bootstrap_servers, to)
    configs, hidden = await read_configs(admin, [spec.name for spec in specs if spec.name in counts])
    if hidden:
        raise SnapupError(not_permitted(bootstrap_servers, "DescribeConfigs", f"topic {', '.join(hidden)}"))
    return [_report(spec, counts.get(spec.name), configs.get(spec.name, {})) for spec in specs]


def _report(spec: TopicSpec, partitions: int | None, config: Mapping[str, str]) -> TopicReport:
    if partitions is None:
        return TopicReport(spec.name, Status.MISSING, 0)
    differences = []
    if partitions != spec.partitions:
        differences.append(f"has {partitions} partitions, declared are {spec.partitions}")
    differences += [
        f"{key} is {config.get(key)}, declared is {value}"
        for key, value in spec.config.items()
        if config.get(key) != value
    ]
    return TopicReport(
        spec.name, Status.DIFFERS if differences else Status.EXISTS, partitions, differences=tuple(differences)
    )


def _refuse_unmendable(reports: Sequence[TopicReport]) -> None:
    wrong: dict[str, list[str]] = {}
    for report in reports:
        for difference in report.differences:
            if "partitions" in difference or difference.startswith(TIMESTAMP_TYPE):
                wrong.setdefault(difference, []).append(report.name)
    if wrong:
        listed = "; ".join(f"{', '.join(names)}: {difference}" for difference, names in wrong.items())
        raise SnapupError(
            f"{listed}. This cannot be changed under running shows: ask for what is there (--partitions, "
            "--timestamp-type), use another --prefix, or delete the topic first."
        )


async def read_configs(admin: Any, names: Sequence[str]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """The settings of topics, by Kafka's names, and the topics whose settings this principal may not see."""
    if not names:
        return {}, []
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    found: dict[str, dict[str, str]] = {}
    hidden: list[str] = []
    for answer in answers:
        for code, message, _kind, name, entries in answer.resources:
            if code == NOT_PERMITTED:
                hidden.append(name)
            elif code:
                raise for_code(code)(message)
            else:
                found[name] = {entry[0]: entry[1] for entry in entries}
    return found, sorted(hidden)


async def _create(admin: Any, specs: Sequence[TopicSpec], bootstrap_servers: KafkaAt) -> None:
    answer = await admin.create_topics(
        [
            NewTopic(spec.name, spec.partitions, spec.replication_factor, topic_configs=dict(spec.config))
            for spec in specs
        ]
    )
    for name, code, *message in answer.topic_errors:
        if code in {NOT_PERMITTED, ClusterAuthorizationFailedError.errno}:
            raise SnapupError(not_permitted(bootstrap_servers, "Create", f"topic {name}"))
        # Another worker may have created it meanwhile: two workers of one deployment start together.
        if code and for_code(code).__name__ != "TopicAlreadyExistsError":
            raise SnapupError(f"Kafka refused to create {name}: {message[0] if message else for_code(code).__name__}")


async def _wait_for_leaders(admin: Any, specs: Sequence[TopicSpec]) -> None:
    """Return when every new partition has a leader: until then producers and consumers see errors."""
    wanted = {spec.name: spec.partitions for spec in specs}
    deadline = time.monotonic() + LEADERS_DEADLINE_S
    while wanted:
        for topic in await admin.describe_topics():
            led = [partition for partition in topic["partitions"] if partition["leader"] >= 0]
            if len(led) == wanted.get(topic["topic"]):
                del wanted[topic["topic"]]
        if not wanted:
            return
        if time.monotonic() > deadline:
            raise SnapupError(
                f"After {LEADERS_DEADLINE_S:.0f} s no leader for: {', '.join(wanted)}. Look at the brokers."
            )
        await asyncio.sleep(0.05)
