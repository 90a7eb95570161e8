"""What heartbeats say alone and together."""

from __future__ import annotations

import msgspec
import pytest

from stream.contract.heartbeat import (
    MAX_HEARTBEAT_BYTES,
    Heartbeat,
    Pipeline,
    PipelineState,
    heartbeat_key,
    pipeline_of,
    read_heartbeat,
)


def test_the_key_is_under_the_prefix_of_all_keys_and_in_one_slot_of_a_cluster() -> None:
    assert heartbeat_key("live", "ab12") == "live:v1:{worker:ab12}:heartbeat"


def test_a_heartbeat_is_read_as_it_was_written_and_a_later_field_is_no_harm() -> None:
    word = Heartbeat(5, [0, 3], 6)
    assert read_heartbeat(msgspec.json.encode(word)) == word
    assert read_heartbeat(b'{"at_ms":5,"folds":[0,3],"of":6,"later":[{}]}') == word


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b'{"at_ms":1,"folds":[-1],"of":6}',
        b'{"at_ms":1,"folds":[],"of":0}',
        b'{"at_ms":1}',
        b'{"at_ms":1,"folds":[0],"of":1,"x":"\xff"}' + b" " * MAX_HEARTBEAT_BYTES,
        b"[" * 50_000,
    ],
)
def test_what_is_no_heartbeat_is_none(raw: bytes) -> None:
    assert read_heartbeat(raw) is None


@pytest.mark.parametrize(
    ("words", "expected", "state"),
    [
        ([], Pipeline(0, 9), PipelineState.DOWN),
        ([Heartbeat(1, [0, 1], 2)], Pipeline(1, 9, 2, 2), PipelineState.UP),
        ([Heartbeat(1, [0], 2)], Pipeline(1, 9, 2, 1), PipelineState.PARTLY),
        ([Heartbeat(1, [0], 2), Heartbeat(1, [1], 2)], Pipeline(2, 9, 2, 2), PipelineState.UP),
        # Both name it during a take-over.
        ([Heartbeat(1, [0], 2), Heartbeat(2, [0], 2)], Pipeline(2, 9, 2, 1), PipelineState.PARTLY),
    ],
)
def test_all_of_them_say_together(words: list[Heartbeat], expected: Pipeline, state: PipelineState) -> None:
    found = pipeline_of(words, 9)
    assert found == expected
    assert found.state is state
