from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from bench.load import RUN, TIME, Batches, Ready, stamped, with_places
from bench.mix import draw
from stream.contract.decode import DeadLetter, Decoder
from stream.contract.events import RoomEvent

NOW_MS = 1_700_000_000_000


class _Producer:
    """As much of aiokafka's producer as makes a batch."""

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(1 << 20, 0)


def batches(events: int, records: int = 1 << 30) -> Batches:
    made = Batches(_Producer(), 3, records)  # type: ignore[arg-type]
    for topic, room, value in with_places(draw(events, TIME, 1 << 62)):
        made.add(topic, room.encode(), value)
    return made


def records_of(data: bytes) -> list[Any]:
    found = []
    records = MemoryRecords(data)
    while records.has_next():
        batch = records.next_batch()
        assert batch is not None
        assert batch.validate_crc()
        found += list(batch)
    return found


def test_a_stamped_batch_is_a_valid_batch_of_valid_events_of_now() -> None:
    counted: Counter[int] = Counter()
    for (topic, _), batch in batches(400).take():
        for record in records_of(stamped(bytes(batch._build()), 7, NOW_MS)):
            event = Decoder(topic).decode(record.value, record.key, NOW_MS)
            assert not isinstance(event, DeadLetter)
            assert event.event_time_ms == NOW_MS
            assert NOW_MS <= record.timestamp < NOW_MS + 60_000
            counted[topic] += 1
    assert counted.total() == 400


def test_each_run_has_ids_of_its_own() -> None:
    ids: set[str] = set()
    orders: set[tuple[str, str]] = set()
    decode = msgspec.json.Decoder(RoomEvent).decode
    for _, batch in batches(400).take():
        data = bytes(batch._build())
        assert RUN in data
        for run in (0, 1):
            for record in records_of(stamped(data, run, NOW_MS)):
                event: Any = decode(record.value)
                assert event.event_id not in ids
                ids.add(event.event_id)
                if hasattr(event, "order_id"):
                    assert (event.order_id, event.status) not in orders
                    orders.add((event.order_id, event.status))
    assert len(ids) == 800


def test_batches_are_taken_when_they_hold_enough_and_nothing_is_left_behind() -> None:
    made = batches(1_000, records=50)
    full = len(made.full)
    assert full > 5
    assert all(batch.record_count() == 50 for _, batch in made.full)
    assert sum(batch.record_count() for _, batch in made.take()) == 1_000
    assert made.take() == []


def test_a_room_stays_in_the_partition_that_any_client_would_choose() -> None:
    places: dict[bytes, set[int]] = {}
    for (_, partition), batch in batches(1_000).take():
        for record in records_of(bytes(batch._build())):
            places.setdefault(record.key, set()).add(partition)
    assert {len(found) for found in places.values()} == {1}


def test_a_ready_batch_says_what_the_producer_asks() -> None:
    ready = Ready(b"data", 3)
    assert (ready.closed(), ready.size(), ready.record_count(), ready._build()) == (True, 4, 3, b"data")
