"""`snapup record` on a real Kafka: what comes out replays to what a worker shows, and goes in again elsewhere."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from typer.testing import CliRunner

from stream.cli import app
from stream.contract.overlay import room_key
from stream.contract.partitioner import partition_of
from stream.contract.recording import RecordedRecord, read_recording
from tests.integration.test_dead_letters import SNAPUP
from tests.integration.test_import_recording import totals
from tests.integration.worker_process import DEADLINE_S, LOOK_S, WorkerProcess, until

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from redis.asyncio import Redis

    from stream.local.stack import Stack
    from tests.conftest import ApplyTopics

pytestmark = pytest.mark.integration

PARTITIONS = 4
Bytes = tuple[int, bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...]]


@dataclass
class Log:
    """What lies in Kafka, and in `file`, which was recorded of it."""

    stack: Stack
    prefix: str
    room: str
    folder: Path
    sent: list[RecordedRecord]
    wanted: dict[str, list[Bytes]]
    last_ms: int
    totals: dict[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        return self.folder / "out.ndjson.gz"


async def run(stack: Stack, prefix: str, *words: str, code: int = 0) -> tuple[str, str]:
    environment = {**stack.environment(), "SNAPUP_TOPIC_PREFIX": prefix, "COLUMNS": "200"}
    result = await asyncio.to_thread(CliRunner().invoke, app, [*words], env=environment)
    if isinstance(result.exception, SystemExit | type(None)):
        assert result.exit_code == code, result.output
        return result.stdout, result.stderr
    assert getattr(result.exception, "exit_code", None) == code, result
    return result.stdout, str(result.exception)


def by_topic(records: Iterable[RecordedRecord]) -> dict[str, list[Bytes]]:
    """What must come out as it went in, in the order of each topic."""
    found: dict[str, list[Bytes]] = defaultdict(list)
    for each in records:
        found[each.topic].append((each.timestamp, each.key, each.value, each.headers))
    return found


def like(room: str, event_id: str, at_ms: int) -> bytes:
    return msgspec.json.encode(
        {"type": "like", "event_id": event_id, "room_id": room, "event_time_ms": at_ms, "user_id": "u-9", "count": 1}
    )


async def test_what_was_recorded_replays_and_is_imported_as_it_was(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, redis_client: Redis, tmp_path: Path
) -> None:
    show, file = tmp_path / "show.ndjson.gz", tmp_path / "out.ndjson.gz"
    await apply_topics(PARTITIONS, "CreateTime")
    await run(stack, topic_prefix, "simulate", "brushing", "--scale", "0.02", "--to", str(show))
    await run(stack, topic_prefix, "import", str(show), "--to", "kafka")
    sent = list(read_recording(show))
    (room,) = {each.key.decode() for each in sent if each.key is not None}
    partition = partition_of(room.encode(), PARTITIONS)
    neighbour = next(
        name for name in map("room-{}".format, range(99)) if partition_of(name.encode(), PARTITIONS) == partition
    )
    last_ms = max(each.timestamp for each in sent)
    odd = [
        (room.encode(), b"no JSON: Anna", [("trace", b"\xff"), ("empty", None)]),
        (room.encode(), None, []),
        (room.encode(), like(room, "of-u-9", last_ms), []),
        (neighbour.encode(), like(neighbour, "n-1", last_ms), []),
        (None, like(room, "keyless", last_ms), []),
    ]
    async with AIOKafkaProducer(
        bootstrap_servers=stack.bootstrap_servers, transactional_id=f"{topic_prefix}-tx"
    ) as producer:
        for is_kept in (False, True):
            await producer.begin_transaction()
            for key, value, headers in odd:
                to = {"key": key, "partition": partition, "headers": headers, "timestamp_ms": last_ms}
                await producer.send_and_wait(f"{topic_prefix}.likes", value, **to)
            await (producer.commit_transaction() if is_kept else producer.abort_transaction())

    out, _ = await run(stack, topic_prefix, "record", room, "--to", str(file), "--json")
    recorded = list(read_recording(file))
    account = json.loads(out)
    assert account["records"] == len(recorded) == len(sent) + 3, "aborted, the neighbour's and without a key: not ours"
    wanted = by_topic(sent)
    wanted["likes"] += [(last_ms, key, value, tuple(headers)) for key, value, headers in odd[:3]]
    assert by_topic(recorded) == wanted
    assert account["topics"] == {topic: len(of_topic) for topic, of_topic in wanted.items()}
    assert {each.partition for each in recorded} == {partition}
    assert [each.timestamp for each in recorded] == sorted(each.timestamp for each in recorded)

    log = Log(stack, topic_prefix, room, tmp_path, sent, wanted, last_ms)
    await a_replay_shows_what_a_worker_shows(log, redis_client)
    await another_prefix_takes_it(log)
    await pseudonyms_keep_the_figures(log)
    await a_part_of_it_is_by_time(log)
    await nothing_is_replaced(log)
    await it_follows(log, neighbour)


async def a_replay_shows_what_a_worker_shows(log: Log, redis: Redis) -> None:
    key = room_key(log.prefix, log.room, "overlay")
    replayed, _ = await run(log.stack, log.prefix, "replay", str(log.file), "--json")
    documents = {document["room_id"]: document for document in map(json.loads, replayed.splitlines())}
    assert documents.keys() == {log.room}
    wanted = shown(documents[log.room])
    log.totals = wanted["totals"]
    assert wanted["sales"]
    assert wanted["claims"]
    with WorkerProcess(log.folder / "worker.log", log.stack, log.prefix, clock="log") as worker:
        await worker.until_ready(PARTITIONS)
        deadline = time.monotonic() + DEADLINE_S
        while (live := shown(json.loads(await redis.get(key) or b"{}"))) != wanted:
            assert time.monotonic() < deadline, (live, wanted)
            await asyncio.sleep(LOOK_S)


def shown(document: dict[str, Any]) -> dict[str, Any]:
    """What a document says of the log, whenever it was made of it."""
    if not document:
        return {}
    return {"totals": totals(document), "sales": stripped(document["sales"]), "claims": stripped(document["claims"])}


def stripped(node: Any) -> Any:
    """Without what depends on when the clock ticked."""
    clocks = {"id", "at_ms", "as_of_ms", "valid_until_ms", "evidence", "since_ms"}
    if isinstance(node, dict):
        return {name: stripped(value) for name, value in node.items() if name not in clocks}
    return [stripped(each) for each in node] if isinstance(node, list) else node


async def another_prefix_takes_it(log: Log) -> None:
    other, again = f"{log.prefix}b", log.folder / "again.ndjson"
    await asyncio.to_thread(log.stack.apply_topics, other, partitions=1, timestamp_type="CreateTime")
    await run(log.stack, other, "import", str(log.file), "--to", "kafka")
    await run(log.stack, other, "record", log.room, "--to", str(again))
    assert by_topic(read_recording(again)) == log.wanted


async def pseudonyms_keep_the_figures(log: Log) -> None:
    """Of people whom nobody can name. The key decides."""
    key, secret, twice = (log.folder / name for name in ("key", "secret.ndjson", "twice.ndjson"))
    key.write_text("0123456789abcdef\n", "utf-8")
    hide = ("--pseudonyms", "--key-file", str(key))
    _, err = await run(log.stack, log.prefix, "record", log.room, "--to", str(secret), *hide)
    assert "2 left out: not_json" in err
    assert "1 event ids hold the id of the person" in err
    await run(log.stack, log.prefix, "record", log.room, "--to", str(twice), *hide)
    hidden = secret.read_bytes()
    assert hidden == twice.read_bytes()
    events = [json.loads(each.value) for each in log.sent if each.value is not None]
    people = {event["user_id"] for event in events if "user_id" in event}
    assert len(people) > 10
    assert not any(f'"{person}"'.encode() in hidden for person in people)
    assert b"Anna" not in hidden
    replayed, _ = await run(log.stack, log.prefix, "replay", str(secret), "--json")
    assert totals(json.loads(replayed)) == log.totals


async def a_part_of_it_is_by_time(log: Log) -> None:
    part, half_ms = log.folder / "part.ndjson", log.sent[len(log.sent) // 2].timestamp
    for option, holds in (("--since", range(half_ms, log.last_ms + 1)), ("--until", range(half_ms))):
        await run(log.stack, log.prefix, "record", log.room, "--to", str(part), option, str(half_ms), "--overwrite")
        assert by_topic(read_recording(part)) == {
            topic: within
            for topic, whole in log.wanted.items()
            if (within := [each for each in whole if each[0] in holds])
        }


async def nothing_is_replaced(log: Log) -> None:
    before = log.file.read_bytes()
    _, err = await run(log.stack, log.prefix, "record", log.room, "--to", str(log.file), code=1)
    assert "--overwrite" in err
    _, err = await run(log.stack, log.prefix, "record", "nobody", "--to", str(log.file), "--overwrite", code=2)
    assert "no record of room 'nobody'" in err
    assert log.file.read_bytes() == before
    assert [name for name in names_in(log.folder) if name.startswith(".")] == []


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def has_lines(file: Path, count: int) -> bool:
    return file.exists() and file.read_bytes().count(b"\n") >= count


async def it_follows(log: Log, room: str) -> None:
    """It goes on with what comes, until it is told to end: then the file is there, whole."""
    stack, prefix, file = log.stack, log.prefix, log.folder / "live.ndjson"
    environment = {**os.environ, **stack.environment(), "SNAPUP_TOPIC_PREFIX": prefix}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        SNAPUP, "record", room, "--to", file, "--follow", env=environment, stdout=pipe, stderr=pipe
    )
    part = file.with_name(f".{file.name}.part{file.suffix}")
    seen = 1
    async with AIOKafkaProducer(bootstrap_servers=stack.bootstrap_servers) as producer:
        for number in range(2):
            await until(partial(has_lines, part, seen), f"{seen} lines")
            value = like(room, f"later-{number}", time.time_ns() // 1_000_000)
            await producer.send_and_wait(f"{prefix}.likes", value, key=room.encode())
            seen += 1
    assert file.name not in names_in(log.folder)
    process.send_signal(signal.SIGTERM)
    out, err = await process.communicate()
    assert process.returncode == 0, err
    assert f"{seen} records of {room}" in out.decode()
    assert len(list(read_recording(file))) == seen
