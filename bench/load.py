"""The other side of every bench: a process of its own that writes whole record batches.

    python -m bench.load mix  BOOTSTRAP PREFIX --partitions P --events N
    python -m bench.load pace BOOTSTRAP PREFIX --partitions P --rate R --seconds S
    python -m bench.load live BOOTSTRAP PREFIX --partitions P --show NAME [--scale X] [--mark-ms M]

`mix` writes the mix of `bench/mix.py` as fast as it goes. `pace` writes `R` events of it a second: batches are encoded
beforehand and only their ids, their time and their checksum are filled in, so that the load costs next to nothing.
`live` encodes all batches of a show beforehand for a moment to come, then sends each at its time. Each says what it did
as JSON lines on stdout; `live` also when everything up to M of the show, and when all of it, was acknowledged.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2
from aiokafka.record.util import calc_crc32c

from bench.mix import Drawn, draw
from stream.contract.events import TOPIC_NAMES
from stream.kafka_clients import client_options
from stream.mechanics.scenarios import build
from stream.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

BATCH_RECORDS = 2_000
EVENTS_PER_S = 100_000
MAX_BATCH_BYTES = 1 << 20
TICK_MS = 25
# Time to encode a show: some seven times what it takes on a quiet machine.
PREPARE_US, PREPARE_S = 30, 10.0
# Places for a number and a time of the same length in a batch that was encoded beforehand.
RUN, TIME = b"RRRRRR", 1_000_000_000_000
RUNS = 1_000_000
Where = tuple[int, int]


class Batches:
    """Collects records into batches, by topic and partition; the caller takes the `full` ones away."""

    def __init__(self, producer: AIOKafkaProducer, partitions: int, records: int = BATCH_RECORDS) -> None:
        self._producer = producer
        self._partitions = partitions
        self._records = records
        self._places: dict[bytes, int] = {}
        self.open: dict[Where, Any] = {}
        self.full: list[tuple[Where, Any]] = []

    def add(self, topic_index: int, key: bytes, value: bytes) -> None:
        """Add one record, to the partition that any client would choose."""
        partition = self._places.get(key)
        if partition is None:
            partition = self._places[key] = (murmur2(key) & 0x7FFFFFFF) % self._partitions
        where = topic_index, partition
        batch = self.open.get(where)
        if batch is None:
            batch = self.open[where] = self._producer.create_batch()
        if batch.append(key=key, value=value, timestamp=None) is None:
            self.full.append((where, self.open.pop(where)))
            self.add(topic_index, key, value)
        elif batch.record_count() >= self._records:
            self.full.append((where, self.open.pop(where)))

    def take(self) -> list[tuple[Where, Any]]:
        """All batches, full or not."""
        taken, self.full, self.open = [*self.full, *self.open.items()], [], {}
        return taken


class Ready:
    """A batch whose bytes are made: the part of a batch builder that aiokafka's producer uses."""

    def __init__(self, data: bytes, records: int) -> None:
        self._data = data
        self._records = records

    def close(self) -> None:
        """Do nothing: nothing can be added."""

    def closed(self) -> bool:
        """True, always."""
        return True

    def size(self) -> int:
        """Number of bytes."""
        return len(self._data)

    def record_count(self) -> int:
        """Number of records."""
        return self._records

    def _build(self) -> bytes:
        return self._data


def stamped(data: bytes, run: int, now_ms: int) -> bytes:
    """A batch with its places filled in, and its records' times moved to now.

    Record batch version 2: at byte 17 the CRC-32C of all that follows it, at 27 the first and at 35 the last timestamp.
    """
    filled = data.replace(RUN, b"%06d" % run).replace(b"%d" % TIME, b"%d" % now_ms)
    first_ms, last_ms = (int.from_bytes(filled[at : at + 8], "big") for at in (27, 35))
    times = now_ms.to_bytes(8, "big") + (now_ms + last_ms - first_ms).to_bytes(8, "big")
    rest = filled[21:27] + times + filled[43:]
    return filled[:17] + calc_crc32c(rest).to_bytes(4, "big") + rest


async def fill(bootstrap_servers: str, prefix: str, events: int, partitions: int) -> None:
    """Write the mix, all of it from before now: however fast it is written, nothing is ahead of the clock."""
    t0_ms = time.time_ns() // 1_000_000 - events * 1_000 // EVENTS_PER_S
    _say(t0_ms=t0_ms)
    async with _producer(bootstrap_servers) as producer:
        batches = Batches(producer, partitions)
        for topic_index, room_id, value in draw(events, t0_ms, EVENTS_PER_S):
            batches.add(topic_index, room_id.encode(), value)
            if batches.full:
                await _send(producer, prefix, batches.full)
                batches.full = []
        await _send(producer, prefix, batches.take())
        await producer.flush()
    _say(sent=events)


async def pace(bootstrap_servers: str, prefix: str, rate: int, seconds: int, partitions: int) -> None:
    """Write the mix at a rate. Each second has the same `rate` events, under other ids."""
    async with _producer(bootstrap_servers) as producer:
        ticks = _encoded(producer, rate, partitions)
        _say(ready=True)
        began, behind_s, records = time.monotonic(), 0.0, 0
        first_run = int(time.time()) % RUNS  # a run is a second: no two processes share one
        acknowledged: Counter[bool] = Counter()

        def done(future: asyncio.Future[Any], count: int) -> None:
            acknowledged[not future.cancelled() and future.exception() is None] += count

        for number in range(seconds * len(ticks)):
            late_s = time.monotonic() - began - number * TICK_MS / 1_000
            behind_s = max(behind_s, late_s)
            await asyncio.sleep(max(0.0, -late_s))
            run, tick = divmod(number, len(ticks))
            now_ms = time.time_ns() // 1_000_000
            for where, data, count in ticks[tick]:
                batch = Ready(stamped(data, (first_run + run) % RUNS, now_ms), count)
                topic = f"{prefix}.{TOPIC_NAMES[where[0]]}"
                future = await producer.send_batch(batch, topic, partition=where[1])
                future.add_done_callback(lambda future, count=count: done(future, count))
                records += count
        await producer.flush()
    wall_s = time.monotonic() - began
    _say(sent=records, failed=acknowledged[False], behind_s=round(behind_s, 3), wall_s=round(wall_s, 3))


def _encoded(producer: AIOKafkaProducer, rate: int, partitions: int) -> list[list[tuple[Where, bytes, int]]]:
    """The batches of one second, by tick."""
    ticks = []
    each = 1_000 // TICK_MS
    events = list(with_places(draw(rate, TIME, 1 << 62)))
    for tick in range(each):
        batches = Batches(producer, partitions, records=1 << 30)
        for topic_index, room_id, value in events[tick * rate // each : (tick + 1) * rate // each]:
            batches.add(topic_index, room_id.encode(), value)
        ticks.append([(where, bytes(batch._build()), batch.record_count()) for where, batch in batches.take()])  # noqa: SLF001
    return ticks


def with_places(events: Iterable[Drawn]) -> Iterable[Drawn]:
    """The same events, each id with a place for the number of the run."""
    for event in events:
        value = event.value.replace(b'"event_id":"e-', b'"event_id":"e-%b-' % RUN)
        yield event._replace(value=value.replace(b'"order_id":"o-', b'"order_id":"o-%b-' % RUN))


async def live(bootstrap_servers: str, prefix: str, name: str, scale: float, partitions: int, mark_ms: int) -> None:
    """Play a show at its own speed from batches that were encoded before it began."""
    show = build(name, 1, None, scale)
    prepare_s = PREPARE_S + show.expected.deliveries * PREPARE_US / 1e6
    t0_ms = int((time.time() + prepare_s) * 1_000)
    _say(t0_ms=t0_ms, deliveries=show.expected.deliveries)
    async with _producer(bootstrap_servers) as producer:
        ticks: dict[int, list[tuple[Where, Any]]] = defaultdict(list)
        batches, now = Batches(producer, partitions), 0
        for delivery in show.deliveries(t0_ms):
            if delivery.send_ms // TICK_MS != now:
                ticks[now] = batches.take()
                now = delivery.send_ms // TICK_MS
            batches.add(TOPIC_NAMES.index(delivery.topic), delivery.key, delivery.value)
        ticks[now] = batches.take()
        if time.time() * 1_000 > t0_ms:
            raise SystemExit(f"load: {name} could not be encoded within {prepare_s:.0f} s")
        _say(encoded_s=round(prepare_s - t0_ms / 1_000 + time.time(), 1))
        await _send_at_their_time(producer, prefix, ticks, t0_ms, mark_ms)


async def _send_at_their_time(
    producer: AIOKafkaProducer, prefix: str, ticks: dict[int, list[tuple[Where, Any]]], t0_ms: int, mark_ms: int
) -> None:
    acked_ms: dict[bool, int] = {True: 0, False: 0}
    behind_ms, failed = 0, 0

    def done(future: asyncio.Future[Any], *, marked: bool) -> None:
        nonlocal failed
        if future.cancelled() or future.exception() is not None:
            failed += 1
        acked_ms[marked] = time.time_ns() // 1_000_000

    for tick in sorted(ticks):
        # A tick goes out when it is over: nothing in it is ahead of the clock.
        wait_ms = t0_ms + (tick + 1) * TICK_MS - time.time_ns() // 1_000_000
        behind_ms = max(behind_ms, -wait_ms)
        await asyncio.sleep(max(0, wait_ms) / 1_000)
        marked = tick * TICK_MS <= mark_ms
        for future in await _send(producer, prefix, ticks.pop(tick)):
            future.add_done_callback(lambda future, marked=marked: done(future, marked=marked))
        if tick * TICK_MS <= mark_ms < (tick + 1) * TICK_MS:
            await producer.flush()
            await asyncio.sleep(0)
            _say(mark_acked_ms=acked_ms[True])
    await producer.flush()
    await asyncio.sleep(0)
    _say(acked_ms=max(acked_ms.values()), behind_ms=behind_ms, failed_batches=failed)


async def _send(producer: AIOKafkaProducer, prefix: str, batches: Iterable[tuple[Where, Any]]) -> list[Any]:
    return [
        await producer.send_batch(batch, f"{prefix}.{TOPIC_NAMES[where[0]]}", partition=where[1])
        for where, batch in batches
    ]


def _producer(bootstrap_servers: str) -> Any:
    return AIOKafkaProducer(
        **client_options(load_settings(bootstrap_servers=bootstrap_servers).brokers()),
        acks=1,
        max_batch_size=MAX_BATCH_BYTES,
    )


def _say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def main() -> None:
    """Do one of the three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("mix", "pace", "live"))
    parser.add_argument("bootstrap_servers")
    parser.add_argument("prefix")
    parser.add_argument("--partitions", type=int, required=True)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--show", default="jd-midnight")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--mark-ms", type=int, default=-1)
    flags = parser.parse_args()
    where = flags.bootstrap_servers, flags.prefix
    if flags.what == "mix":
        asyncio.run(fill(*where, flags.events, flags.partitions))
    elif flags.what == "pace":
        asyncio.run(pace(*where, flags.rate, flags.seconds, flags.partitions))
    else:
        asyncio.run(live(*where, flags.show, flags.scale, flags.partitions, flags.mark_ms))


if __name__ == "__main__":
    main()
