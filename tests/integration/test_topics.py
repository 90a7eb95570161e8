"""`stream.topics` against a real Kafka."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from stream import topics
from stream.cli import app
from stream.errors import SnapupError
from stream.topics import Status
from stream.worker.checkpoint import OutputTopics
from stream.worker.preflight import check_kafka

if TYPE_CHECKING:
    from stream.local.stack import Stack

pytestmark = pytest.mark.integration


async def test_applying_twice_creates_once_and_then_finds_everything_as_declared(
    stack: Stack, topic_prefix: str
) -> None:
    specs = topics.declared(topic_prefix, partitions=3)
    first = await topics.apply(stack.bootstrap_servers, specs)
    second = await topics.apply(stack.bootstrap_servers, specs)
    assert [report.status for report in first] == [Status.CREATED] * len(specs)
    assert [(report.status, report.differences) for report in second] == [(Status.EXISTS, ())] * len(specs)


async def test_another_partition_count_is_refused_and_nothing_is_created(stack: Stack, topic_prefix: str) -> None:
    orders = [spec for spec in topics.declared(topic_prefix, partitions=2) if spec.name.endswith(".orders")]
    await topics.apply(stack.bootstrap_servers, orders)
    with pytest.raises(SnapupError, match=rf"{topic_prefix}\.orders: has 2 partitions, declared are 5.*--partitions"):
        await topics.apply(stack.bootstrap_servers, topics.declared(topic_prefix, partitions=5))
    after = await topics.compare(stack.bootstrap_servers, topics.declared(topic_prefix, partitions=2))
    assert {report.name for report in after if report.status is not Status.MISSING} == {f"{topic_prefix}.orders"}


async def test_another_timestamp_type_is_refused(stack: Stack, topic_prefix: str) -> None:
    await topics.apply(stack.bootstrap_servers, topics.declared(topic_prefix, partitions=1))
    history = topics.declared(topic_prefix, partitions=1, timestamp_type="CreateTime")
    with pytest.raises(SnapupError, match=r"message\.timestamp\.type is LogAppendTime, declared is CreateTime"):
        await topics.apply(stack.bootstrap_servers, history)


async def test_another_retention_is_reported_and_left_alone(stack: Stack, topic_prefix: str) -> None:
    declared = topics.declared(topic_prefix, partitions=1)
    changed = [
        topics.TopicSpec(spec.name, spec.kind, 1, 1, spec.config | {"retention.ms": "1000000"})
        if spec.name.endswith(".journal")
        else spec
        for spec in declared
    ]
    await topics.apply(stack.bootstrap_servers, changed)
    reports = {report.name: report for report in await topics.apply(stack.bootstrap_servers, declared)}
    journal = reports.pop(f"{topic_prefix}.journal")
    assert journal.status is Status.DIFFERS
    assert journal.differences == ("retention.ms is 1000000, declared is 1209600000",)
    assert {report.status for report in reports.values()} == {Status.EXISTS}


async def test_check_gives_the_counts_and_names_what_is_missing_or_unequal(stack: Stack, topic_prefix: str) -> None:
    orders, likes, nothing = (f"{topic_prefix}.{name}" for name in ("orders", "likes", "nothing"))
    for name, partitions in ((orders, 2), (likes, 3)):
        specs = [spec for spec in topics.declared(topic_prefix, partitions=partitions) if spec.name == name]
        await topics.apply(stack.bootstrap_servers, specs)
    assert await topics.check(stack.bootstrap_servers, [orders]) == {orders: 2}
    with pytest.raises(SnapupError, match=rf"Missing in Kafka: {nothing}\..*snapup topics apply"):
        await topics.check(stack.bootstrap_servers, [orders, nothing])
    with pytest.raises(SnapupError, match=rf"same partition count, but {likes} has 3, {orders} has 2"):
        await topics.check(stack.bootstrap_servers, [orders, likes])


async def test_a_cluster_that_is_not_there_gives_one_clear_sentence() -> None:
    with pytest.raises(SnapupError, match=r"Kafka does not answer at 127\.0\.0\.1:1 "):
        await topics.apply("127.0.0.1:1", topics.declared())


def test_the_commands_apply_then_list_then_find_what_differs(stack: Stack, topic_prefix: str) -> None:
    common = ["--bootstrap-servers", stack.bootstrap_servers, "--prefix", topic_prefix]
    missing = CliRunner().invoke(app, ["topics", "list", *common])
    assert str(missing.exception).startswith(f"Not as declared: {topic_prefix}.comments")
    applied = CliRunner().invoke(app, ["topics", "apply", *common, "--partitions", "2"])
    assert (applied.exit_code, applied.stdout.count("created")) == (0, 12)
    checked = CliRunner().invoke(app, ["topics", "check", *common])
    assert checked.stdout == f"12 topics under '{topic_prefix}', each with 2 partitions.\n"
    listed = CliRunner().invoke(app, ["topics", "list", *common, "--partitions", "2"])
    assert (listed.exit_code, listed.stdout.count("exists")) == (0, 12)
    refused = CliRunner().invoke(app, ["topics", "apply", *common, "--partitions", "3"])
    assert "has 2 partitions, declared are 3" in str(refused.exception)


@pytest.mark.parametrize(
    ("name", "setting", "value", "said", "by"),
    [
        ("visits", "cleanup.policy", "compact,delete", "compact,delete: the key is the room", ("apply", "check")),
        ("journal", "cleanup.policy", "compact", "compact: of several records", ("apply", "check")),
        ("checkpoints", "max.message.bytes", "1048588", "1048588, it must be at least 8004096", ("check",)),
        ("signals", "max.message.bytes", "524288", "524288, it must be at least", ("check",)),
    ],
)
def test_a_topic_with_which_no_worker_can_work_is_refused_by_commands_and_worker_alike(
    stack: Stack, topic_prefix: str, name: str, setting: str, value: str, said: str, by: tuple[str, ...]
) -> None:
    common = ["--bootstrap-servers", stack.bootstrap_servers, "--prefix", topic_prefix]
    specs = topics.declared(topic_prefix, partitions=1)
    odd = [
        topics.TopicSpec(spec.name, spec.kind, 1, 1, spec.config | {setting: value})
        if spec.name.endswith(f".{name}")
        else spec
        for spec in specs
    ]
    asyncio.run(topics.apply(stack.bootstrap_servers, odd))
    for command in by:
        more = ["--partitions", "1"] if command == "apply" else []
        result = CliRunner().invoke(app, ["topics", command, *common, *more])
        assert isinstance(result.exception, SnapupError), command
        assert f"{topic_prefix}.{name} has {setting}={said}" in str(result.exception)
    inputs = [spec.name for spec in specs if spec.kind == "input"]
    with pytest.raises(SnapupError, match=rf"{topic_prefix}\.{name} has {setting}={said}"):
        asyncio.run(
            check_kafka(
                stack.bootstrap_servers,
                inputs,
                OutputTopics.of(topic_prefix),
                group="g",
                id_prefix="g",
                signal_max_bytes=1_000_000,
            )
        )
