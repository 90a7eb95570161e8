"""Which settings of topics lose data, and which may."""

from __future__ import annotations

import pytest

from stream import topics
from stream.topic_settings import Judgement, judge

INPUTS = ("live.likes", "live.orders")


def test_what_is_declared_is_in_order() -> None:
    for timestamp_type in ("LogAppendTime", "CreateTime"):
        specs = topics.declared("live", timestamp_type=timestamp_type)
        configs = {spec.name: spec.config for spec in specs}
        inputs = [spec.name for spec in specs if spec.kind == "input"]
        logs = ["live.dead-letters", "live.signals", "live.journal"]
        assert judge(configs, inputs, "live.checkpoints", logs) == Judgement([], [])


@pytest.mark.parametrize("policy", ["compact", "compact,delete", "delete,compact", "delete, compact"])
def test_an_input_topic_that_is_compacted_is_refused(policy: str) -> None:
    found = judge({"live.orders": {"cleanup.policy": policy}}, INPUTS)
    assert len(found.refused) == 1
    assert found.refused[0].startswith(f"live.orders has cleanup.policy={policy}: the key is the room")


@pytest.mark.parametrize("policy", ["compact", "compact,delete"])
def test_a_log_of_outputs_that_is_compacted_is_refused(policy: str) -> None:
    found = judge({"live.journal": {"cleanup.policy": policy}}, INPUTS, logs=["live.journal"])
    assert [sentence.split(":")[0] for sentence in found.refused] == [f"live.journal has cleanup.policy={policy}"]


def test_state_that_is_deleted_by_age_is_refused() -> None:
    found = judge({"live.checkpoints": {"cleanup.policy": "compact,delete"}}, INPUTS, "live.checkpoints")
    assert len(found.refused) == 1
    assert judge({"live.checkpoints": {"cleanup.policy": "compact"}}, INPUTS, "live.checkpoints").refused == []


def test_records_that_are_deleted_before_they_can_be_read_are_refused_and_short_ones_warned_of() -> None:
    assert len(judge({"live.likes": {"retention.ms": "599999"}}, INPUTS).refused) == 1
    for retention_ms, warnings in (("600000", 1), ("604799999", 1), ("604800000", 0), ("-1", 0), ("?", 0)):
        found = judge({"live.likes": {"retention.ms": retention_ms}}, INPUTS)
        assert (found.refused, len(found.warned)) == ([], warnings), retention_ms


def test_retention_by_the_producers_times_says_so() -> None:
    (warned,) = judge(
        {"live.likes": {"retention.ms": "86400000", "message.timestamp.type": "CreateTime"}}, INPUTS
    ).warned
    assert "older records are deleted as soon as they are written" in warned


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"retention.bytes": "1000000"}, "retention.bytes=1000000"),
        ({"max.message.bytes": "16384"}, "16 KiB"),
        ({"message.timestamp.type": "CreateTime", "message.timestamp.before.max.ms": "3600000"}, "7 days of age"),
    ],
)
def test_what_may_lose_data_or_keep_it_out_is_warned_of(settings: dict[str, str], word: str) -> None:
    found = judge({"live.likes": settings}, INPUTS)
    assert found.refused == []
    assert [word in sentence for sentence in found.warned] == [True]


def test_timestamps_of_two_kinds_among_the_inputs_are_warned_of() -> None:
    (warned,) = judge(
        {
            "live.likes": {"message.timestamp.type": "CreateTime"},
            "live.orders": {"message.timestamp.type": "LogAppendTime"},
        },
        INPUTS,
    ).warned
    assert warned.startswith("live.likes take their times from producers (CreateTime), live.orders from the broker")
