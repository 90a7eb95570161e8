"""Foreign files into a real Kafka, and what a reader finds there."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from typer.testing import CliRunner

from stream.cli import app
from stream.contract.events import TOPIC_NAMES
from stream.contract.recording import RecordedRecord, read_recording
from stream.core.rules import Rules
from stream.errors import SnapupError
from stream.local.ports import free_ports
from stream.replay.recording import Replay

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from stream.contract.overlay import Overlay
    from stream.local.stack import Stack

    ApplyTopics = Callable[..., Awaitable[dict[str, int]]]

pytestmark = pytest.mark.integration

DAY = Path(__file__).resolve().parents[3] / "shared" / "data" / "uci-online-retail-2011-07-28.csv"

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
ROWS = [
    *(
        f"{536_000 + n // 3},SKU{n},THING,{n + 1},2011-07-28 {9 + n // 60:02d}:{n % 60:02d}:00,1.25,17850.0,UK"
        for n in range(90)
    ),
    "C536999,SKU1,THING,-2,2011-07-28 08:30:00,1.25,17850.0,UK",
    "537000,SKU1,THING,-2,2011-07-28 08:30:00,1.25,,UK",
]


@pytest.fixture
def day(tmp_path: Path) -> Path:
    path = tmp_path / "day.csv"
    path.write_text("\n".join([HEADER, *ROWS, ""]))
    return path


async def imported(stack: Stack, prefix: str, file: Path, *more: str) -> str:
    """What the command says; it runs its own event loop, so in a thread."""
    words = ["import", "uci", str(file), "--room", "shop", "--to", "kafka", "--prefix", prefix]
    words += ["--bootstrap-servers", stack.bootstrap_servers, *more]
    result = await asyncio.to_thread(CliRunner().invoke, app, words)
    if result.exception is not None:
        raise result.exception
    return " ".join(result.output.split())


async def everything(stack: Stack, prefix: str, partitions: int = 4) -> list[RecordedRecord]:
    """All records of the input topics, topic by topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.bootstrap_servers, enable_auto_commit=False)
    await consumer.start()
    try:
        found = []
        for name in TOPIC_NAMES:
            places = [TopicPartition(f"{prefix}.{name}", partition) for partition in range(partitions)]
            ends = await consumer.end_offsets(places)
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            left = sum(ends.values())
            while left:
                for place, records in (await consumer.getmany(timeout_ms=1000)).items():
                    left -= len(records)
                    found += [
                        RecordedRecord(
                            topic=name,
                            timestamp=record.timestamp,
                            value=record.value,
                            key=record.key,
                            partition=place.partition,
                            offset=record.offset,
                        )
                        for record in records
                    ]
        return found
    finally:
        await consumer.stop()


def folded(records: list[RecordedRecord]) -> tuple[Overlay, int]:
    """The room as the core sees it, and how many duplicates there were."""
    job = Replay(Rules(), "live", 60_000, lambda _: None)
    job.run(sorted(records, key=lambda record: record.timestamp))
    (overlay,) = job.overlays()
    return overlay, sum(job.books().duplicate)


async def test_every_event_arrives_in_one_partition_at_its_own_time(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, day: Path, tmp_path: Path
) -> None:
    await apply_topics(timestamp_type="CreateTime")
    said = await imported(stack, topic_prefix, day)
    assert "92 rows = 31 events + 60 merged into the events of their order + 1 refused" in said
    assert "31 events delivered" in said

    found = await everything(stack, topic_prefix)
    await asyncio.to_thread(
        CliRunner().invoke, app, ["import", "uci", str(day), "--room", "shop", "--to", str(tmp_path / "day.ndjson")]
    )
    recorded = list(read_recording(tmp_path / "day.ndjson"))
    place = {record.partition for record in found}
    assert len(place) == 1
    assert [(record.topic, record.key, record.timestamp, record.value) for record in found] == [
        (record.topic, record.key, record.timestamp, record.value) for record in recorded
    ]
    overlay, duplicates = folded(found)
    assert (overlay.totals.orders.paid, overlay.totals.orders.refunded, duplicates) == (30, 1, 0)
    assert overlay.totals.money[0].gmv_net_minor == sum(125 * (n + 1) for n in range(90))


async def test_a_second_import_adds_records_but_counts_nothing_twice(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, day: Path
) -> None:
    await apply_topics(timestamp_type="CreateTime")
    await imported(stack, topic_prefix, day)
    once, _ = folded(await everything(stack, topic_prefix))
    renamed = await asyncio.to_thread(day.rename, day.with_name("the same day.csv"))
    await imported(stack, topic_prefix, renamed, "--order", "file")
    twice, duplicates = folded(await everything(stack, topic_prefix))
    assert twice.totals == once.totals
    assert duplicates == 31


async def test_history_is_not_sent_where_the_broker_would_stamp_it(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, day: Path
) -> None:
    await apply_topics(timestamp_type="LogAppendTime")
    with pytest.raises(SnapupError, match="--timestamp-type CreateTime"):
        await imported(stack, topic_prefix, day)
    assert await everything(stack, topic_prefix) == []


async def test_missing_topics_and_no_broker_are_one_clear_line(stack: Stack, topic_prefix: str, day: Path) -> None:
    with pytest.raises(SnapupError, match=r"snapup topics apply"):
        await imported(stack, topic_prefix, day)
    (port,) = free_ports(1)
    with pytest.raises(SnapupError, match="does not answer"):
        await imported(stack, topic_prefix, day, "--bootstrap-servers", f"127.0.0.1:{port}")


async def test_rows_still_to_come_are_refused_and_the_rest_arrives(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, tmp_path: Path
) -> None:
    await apply_topics(timestamp_type="CreateTime")
    path = tmp_path / "future.csv"
    path.write_text("\n".join([HEADER, ROWS[0], ROWS[3].replace("2011", "2199"), ""]))
    said = await imported(stack, topic_prefix, path)
    assert "2 rows = 1 events + 0 merged into the events of their order + 1 refused" in said
    assert "in_the_future" in said
    assert len(await everything(stack, topic_prefix)) == 1


@pytest.mark.skipif(not DAY.exists(), reason=f"no recorded shop day: {DAY} is not there")
async def test_a_recorded_day_is_whole_in_kafka(stack: Stack, topic_prefix: str, apply_topics: ApplyTopics) -> None:
    await apply_topics(timestamp_type="CreateTime")
    await imported(stack, topic_prefix, DAY)
    found = await everything(stack, topic_prefix)
    events = [msgspec.json.decode(record.value or b"") for record in found]
    statuses = Counter("part" if "part_id" in event else event["status"] for event in events)
    assert statuses["part"] > 0
    overlay, _ = folded(found)
    assert (overlay.totals.orders.paid, overlay.totals.orders.refunded) == (statuses["paid"], statuses["refunded"])
    assert overlay.totals.orders.paid > 80
