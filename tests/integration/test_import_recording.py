"""`snapup import RECORDING --to kafka`: what arrives, what is refused, and that workers come to what a replay says."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from stream.contract.recording import RecordedRecord, read_recording, write_recording
from tests.integration.test_dead_letters import like, records_of, snapup
from tests.integration.worker_process import DEADLINE_S, LOOK_S, WorkerProcess

if TYPE_CHECKING:
    from pathlib import Path

    from redis.asyncio import Redis

    from stream.local.stack import Stack
    from tests.conftest import ApplyTopics

pytestmark = pytest.mark.integration

PARTITIONS = 4
HOUR_MS = 3_600_000


async def test_a_show_that_is_imported_comes_to_what_its_replay_says(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, redis_client: Redis, tmp_path: Path
) -> None:
    show = tmp_path / "show.ndjson.gz"
    await apply_topics(PARTITIONS, "CreateTime")
    await snapup(stack, topic_prefix, "simulate", "brushing", "--scale", "0.02", "--to", str(show))
    replayed, _ = await snapup(stack, topic_prefix, "replay", str(show), "--json")
    records = len(list(read_recording(show)))
    out, _ = await snapup(stack, topic_prefix, "import", str(show), "--to", "kafka", "--json")
    account = json.loads(out)
    assert (account["records"], account["acknowledged"], account["refused"]) == (records, records, 0)
    assert sum(account["topics"].values()) == records
    with WorkerProcess(tmp_path / "worker.log", stack, topic_prefix, clock="log") as worker:
        await worker.until_ready(PARTITIONS)
        wanted = {room["room_id"]: totals(room) for room in map(json.loads, replayed.splitlines())}
        deadline = time.monotonic() + DEADLINE_S
        while (shown := await shown_totals(redis_client, topic_prefix)) != wanted:
            assert time.monotonic() < deadline, (shown, wanted)
            await asyncio.sleep(LOOK_S)
        await snapup(stack, topic_prefix, "audit")


def totals(document: dict[str, Any]) -> dict[str, Any]:
    """What a session adds up to; who is watching now depends on the clock."""
    return {name: value for name, value in document["totals"].items() if name != "watching_now"}


async def shown_totals(redis: Redis, prefix: str) -> dict[str, Any]:
    found = {}
    async for key in redis.scan_iter(match=f"{prefix}:v1:*:overlay"):
        if (raw := await redis.get(key)) is not None:
            document = json.loads(raw)
            found[document["room_id"]] = totals(document)
    return found


async def test_odd_records_arrive_as_they_are_and_one_that_is_too_large_is_named(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, tmp_path: Path
) -> None:
    await apply_topics(PARTITIONS, "CreateTime")
    now_ms = time.time_ns() // 1_000_000
    headers: tuple[tuple[str, bytes | None], ...] = (("a", b"\xff"), ("b", None), ("c", b""))

    def record(key: bytes | None, value: bytes | None) -> RecordedRecord:
        at_ms = now_ms - 1_000_000_000
        return RecordedRecord(topic="likes", timestamp=at_ms, value=value, key=key, headers=headers, partition=9)

    odd = [record(None, None), record(b"\xff", b"\x00"), record(b"r", None), record(b"", b"")]
    odd += [record(b"r", b"x" * 1_500_000), record(b"r", like("r", "e"))]
    file = tmp_path / "odd.ndjson"
    write_recording(file, odd)
    out, err = await snapup(stack, topic_prefix, "import", "recording", str(file), "--to", "kafka", code=1)
    assert "6 records: 5 acknowledged, 1 refused" in out
    assert "record 5: Kafka refused it" in err
    arrived = await records_of(stack, f"{topic_prefix}.likes", 5)
    pairs = [(record.key, record.value) for record in odd if record.value is None or len(record.value) < 1_000_000]
    assert sorted(map(repr, pairs)) == sorted(repr((record.key, record.value)) for record in arrived)
    assert {record.headers for record in arrived} == {headers}
    assert {record.timestamp for record in arrived} == {now_ms - 1_000_000_000}


async def test_what_cannot_be_imported_is_said_before_anything_is_sent(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, tmp_path: Path
) -> None:
    now_ms = time.time_ns() // 1_000_000
    good = RecordedRecord(topic="likes", timestamp=now_ms, value=like("r", "e"), key=b"r")
    file, stamped = tmp_path / "show", tmp_path / "good.ndjson"
    write_recording(stamped, [good])
    _, err = await snapup(stack, topic_prefix, "import", str(stamped), "--to", "kafka", code=1)
    assert "Missing in Kafka" in err
    await apply_topics(PARTITIONS)
    _, err = await snapup(stack, topic_prefix, "import", str(stamped), "--to", "kafka", code=1)
    assert "stamp records with the broker's clock (LogAppendTime)" in err
    assert "--timestamp-type CreateTime" in err
    ahead = RecordedRecord(topic="orders", timestamp=now_ms + 2 * HOUR_MS, value=b"{}", key=b"r")
    write_recording(file, [good] * 20 + [ahead])
    _, err = await snapup(stack, topic_prefix, "import", str(file), "--to", "kafka", code=1)
    assert "record 21 (orders) is of" in err
    assert "Nothing was sent" in err
    file.write_bytes(stamped.read_bytes() + b"{}\n" + stamped.read_bytes())
    assert "line 2" in (await snapup(stack, topic_prefix, "import", str(file), "--to", "kafka", code=1))[1]
    await snapup(stack, topic_prefix, "import", "nope.ndjson", "--to", "kafka", code=2)
    assert "copy the file" in (await snapup(stack, topic_prefix, "import", str(file), "--to", "x.ndjson", code=2))[1]
    assert await records_of(stack, f"{topic_prefix}.likes", 0) == []
