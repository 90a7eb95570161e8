"""What `topics.toml` declares, without a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stream import topics
from stream.contract.events import MAX_AGE_MS, MAX_RECORD_BYTES, TOPIC_NAMES
from stream.errors import SnapupError

if TYPE_CHECKING:
    from pathlib import Path


def test_the_declared_inputs_are_those_of_the_contract() -> None:
    inputs = [spec.name for spec in topics.declared("live") if spec.kind == "input"]
    assert inputs == [f"live.{name}" for name in TOPIC_NAMES]


def test_all_topics_have_the_same_partition_count_and_it_can_be_set() -> None:
    assert {spec.partitions for spec in topics.declared("live")} == {12}
    assert {spec.partitions for spec in topics.declared("live", partitions=5)} == {5}
    assert {spec.replication_factor for spec in topics.declared("live", replication_factor=3)} == {3}


def test_inputs_take_the_append_time_unless_history_is_imported() -> None:
    live = {spec.name: spec.config for spec in topics.declared("live")}
    history = {spec.name: spec.config for spec in topics.declared("live", timestamp_type="CreateTime")}
    assert live["live.orders"]["message.timestamp.type"] == "LogAppendTime"
    assert history["live.orders"]["message.timestamp.type"] == "CreateTime"
    # Retention looks at record times: the records of an old show would be deleted as soon as they were written.
    assert history["live.orders"]["retention.ms"] == "-1"
    assert {name: config for name, config in history.items() if name.endswith("checkpoints")} == {
        "live.checkpoints": live["live.checkpoints"]
    }


def test_inputs_are_kept_longer_than_an_event_may_be_late() -> None:
    for spec in topics.declared("live"):
        if spec.kind == "input":
            assert int(spec.config["retention.ms"]) > MAX_AGE_MS


def test_a_record_that_an_input_accepts_fits_whole_into_the_dead_letters() -> None:
    sizes = {spec.name: int(spec.config["max.message.bytes"]) for spec in topics.declared("live")}
    largest_input = max(sizes[f"live.{name}"] for name in TOPIC_NAMES)
    assert MAX_RECORD_BYTES < largest_input < sizes["live.dead-letters"]


def test_checkpoints_are_compacted_and_never_deleted() -> None:
    checkpoints = next(spec for spec in topics.declared("x") if spec.name == "x.checkpoints")
    assert checkpoints.config["cleanup.policy"] == "compact"
    assert "retention.ms" not in checkpoints.config


@pytest.mark.parametrize("counts", [{"partitions": 0}, {"replication_factor": 0}])
def test_a_count_below_one_is_refused(counts: dict[str, int]) -> None:
    with pytest.raises(SnapupError, match="must be at least 1"):
        topics.declared("live", **counts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("no toml", "is not a topics file"),
        ("[defaults]\npartitions = 'many'\n", "is not a topics file"),
        ("[defaults]\npartitions = 1\nreplication_factor = 1\ncolour = 1\n[input]\n[topics]\n", "colour"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_name(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "topics.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(SnapupError, match=complaint):
        topics.declared("live", path=path)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SnapupError, match="no topics file at"):
        topics.declared("live", path=tmp_path / "nowhere.toml")
