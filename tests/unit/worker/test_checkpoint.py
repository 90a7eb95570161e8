"""What a checkpoint's transaction holds, and which ones are read."""

from __future__ import annotations

import msgspec
import pytest

from stream.exits import Exit
from stream.worker.checkpoint import (
    BATCH_BYTES,
    CHECKPOINT_VERSION,
    SIGNAL_MAX_BYTES,
    STATE_RECORD_MAX_BYTES,
    CheckpointWriter,
    Contents,
    Message,
    Meta,
    OutputTopics,
    check_sizes,
    decode_meta,
)
from stream.worker.tasks import FatalError

META = Meta(
    version=CHECKPOINT_VERSION,
    epoch=3,
    seq=9,
    owner="host:1",
    claim=False,
    positions={"live.likes": 7},
    clock_ms=1_700_000_000_000,
    partitions=12,
)


def test_the_meta_record_survives_the_way_through_kafka() -> None:
    assert decode_meta(msgspec.json.encode(META), "x") == META


def test_a_checkpoint_of_a_newer_version_is_refused_whatever_else_it_holds() -> None:
    newer = msgspec.json.encode({"version": CHECKPOINT_VERSION + 1, "epoch": "who knows"})
    with pytest.raises(
        FatalError, match=r"live\.checkpoints.* version 2, this worker knows 1: run the newer"
    ) as caught:
        decode_meta(newer, "live.checkpoints, partition 3,")
    assert caught.value.code is Exit.FOREIGN_CHECKPOINT


@pytest.mark.parametrize("raw", [b"", b"null", b"{}", b"\xff", b'{"version":1}', b'{"version":"1"}'])
def test_a_meta_record_of_somebody_else_is_refused(raw: bytes) -> None:
    with pytest.raises(FatalError, match="not ours"):
        decode_meta(raw, "x")


async def batches(messages: list[Message]) -> list[int]:
    writer = CheckpointWriter("127.0.0.1:1", "t-0", OutputTopics.of("live"), 0)
    try:
        return [batch.record_count() for batch in writer._batches(messages)]
    finally:
        await writer.stop()


async def test_many_records_fill_batches() -> None:
    messages = [Message(b"k%d" % number, b"x" * 1_000) for number in range(1_500)]
    counts = await batches(messages)
    assert sum(counts) == 1_500
    assert 3 <= len(counts) <= 4


async def test_a_record_that_is_larger_than_a_batch_gets_one_of_its_own() -> None:
    large = Message(b"large", b"x" * (BATCH_BYTES * 3))
    assert await batches([Message(b"a", b"1"), large, Message(b"b", b"2")]) == [1, 1, 1]


async def test_tombstones_and_records_without_a_key_can_be_written() -> None:
    messages = [Message(b"k", None), Message(None, b"v"), Message(None, None, [("h", b"1")])]
    assert await batches(messages) == [3]


def test_a_state_record_that_no_topic_takes_is_an_error_that_names_it() -> None:
    contents = Contents(META, state=[(b"r|room-1", b"x" * (STATE_RECORD_MAX_BYTES + 1))])
    with pytest.raises(FatalError, match=r"r\|room-1"):
        check_sizes(contents, "partition 1")


def test_a_document_that_is_too_large_to_be_a_signal_stays_out_and_the_others_do_not() -> None:
    contents = Contents(META, signals={"small": b"{}", "large": b"x" * (SIGNAL_MAX_BYTES + 1)})
    assert check_sizes(contents, "x").signals == {"small": b"{}"}
    assert check_sizes(contents, "x").meta == META
