"""The shop, as a process of its own: orders, likes, comments, some broken, and a journal of what was acknowledged.

`python -m tests.chaos.traffic SERVERS PREFIX PARTITIONS JOURNAL SEED ORDERS_PER_S` sends until SIGTERM, waits for its
acknowledgements and prints its account as JSON. The producer is not idempotent, so a retry may write a record twice:
that is for the worker to see. Every tenth record breaks the contract, every tenth producer's clock is an hour off.
From SIGUSR1 on it sends what workers of the first version cannot read too: carts that are emptied, units that stay
away, all that a host can say, and storms of gifts and coupons.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner

from tests.chaos.host import Host
from tests.support.storms import Coupons, Gifts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

PREFIX = "live"
ROOMS_PER_PARTITION = 3
HOUR_MS = 3_600_000
TURN_S = 0.02
# Most records that may wait while a broker is away; beyond it the shop stops selling.
IN_FLIGHT_MAX = 20_000
REQUEST_TIMEOUT_MS = 30_000
# To each 10 orders.
WORDS_PER_TURN = 0.05
# To each order, all of a turn in one room.
STORM_PER_ORDER = 0.3
PEOPLE = 3_000
# At most, of a coupon.
COUPONS_OFFERED = 500
OFFERED = 20_000
REPEATED = 0.02
BESIDE = ("likes", "likes", "likes", "comments", "cart-adds", "visits")
POISON = (b"\xff\xfe", b"{", b'{"type":"nonsense","event_id":"1","room_id":"room-1"}', b"[]", b"", b'{"type":"order"}')

Record = tuple[str, str, bytes]  # logical topic, room, value


def rooms_of(partitions: int) -> list[str]:
    """Rooms such that each partition has `ROOMS_PER_PARTITION`."""
    partitioner, numbers = DefaultPartitioner(), list(range(partitions))
    found: dict[int, list[str]] = {number: [] for number in numbers}
    number = 0
    while any(len(rooms) < ROOMS_PER_PARTITION for rooms in found.values()):
        room = f"room-{number}"
        rooms = found[partitioner(room.encode(), numbers, numbers)]
        if len(rooms) < ROOMS_PER_PARTITION:
            rooms.append(room)
        number += 1
    return [rooms[place] for place in range(ROOMS_PER_PARTITION) for rooms in found.values()]


class Shop:
    """Makes records: seeded, but for the time of day. `says_all`: also those that only the second version can read."""

    def __init__(self, seed: int, rooms: list[str], *, says_all: bool = False) -> None:
        self.says_all = says_all
        self._hosts: dict[str, Host] = {}
        self._storms: dict[str, tuple[Gifts, Coupons]] = {}
        self._chance = random.Random(seed)
        self._rooms = rooms
        self._run = f"{seed}-{time.time_ns() // 1_000_000:x}"
        self._made = 0
        self._orders = 0

    def openings(self) -> Iterator[Record]:
        """The opening of a sale in each room."""
        for room in self._rooms:
            self._hosts[room] = host = Host(self._chance, OFFERED, now_ms)
            topic, fields = host.opening()
            yield topic, room, self._event(room, fields)

    def records(self, orders: int) -> Iterator[Record]:
        """This many orders, and the events beside them."""
        for _ in range(orders):
            yield from self._good("orders")
        for _ in range(orders * len(BESIDE) // 10):
            yield from self._good(self._chance.choice(BESIDE))
        if self.says_all and self._hosts and self._chance.random() < WORDS_PER_TURN:
            room = self._chance.choice(self._rooms)
            topic, fields = self._hosts[room].says()
            yield topic, room, self._event(room, fields)
        if self.says_all and orders:
            yield from self._storm(orders)

    def _storm(self, orders: int) -> Iterator[Record]:
        """Gifts and coupons of one room at once; now and then a record comes twice."""
        chance, room = self._chance, self._chance.choice(self._rooms)
        if room not in self._storms:
            tag = f"{self._run}-{room}"
            self._storms[room] = Gifts(chance, tag, PEOPLE), Coupons(chance, tag, PEOPLE, now_ms, COUPONS_OFFERED)
        for _ in range(sum(chance.random() < STORM_PER_ORDER for _ in range(orders))):
            record = "interactions", room, self._event(room, chance.choice(self._storms[room]).next())
            yield record
            if chance.random() < REPEATED:
                yield record

    def _good(self, topic: str) -> Iterator[Record]:
        chance = self._chance
        room = chance.choice(self._rooms)
        if chance.random() < 1 / 9:  # a tenth of all
            yield topic, room, chance.choice(POISON)
        record = topic, room, self._event(room, self._fields(topic))
        yield record
        if chance.random() < REPEATED:
            yield record

    def _event(self, room: str, fields: dict[str, Any]) -> bytes:
        self._made += 1
        off_ms = self._chance.choice((-HOUR_MS, HOUR_MS)) if self._chance.random() < 0.1 else 0
        event = {"event_id": f"{self._run}-{self._made}", "room_id": room, "event_time_ms": now_ms() + off_ms}
        return msgspec.json.encode(event | fields)

    def _fields(self, topic: str) -> dict[str, Any]:
        chance = self._chance
        user = {"user_id": f"user-{chance.randrange(PEOPLE)}"}
        match topic:
            case "likes":
                return user | {"type": "like", "count": chance.randint(1, 9)}
            case "comments":
                return user | {"type": "comment", "text": "how much?"}
            case "cart-adds" if self.says_all and chance.random() < 0.3:
                units = chance.choice(({}, {"quantity": 1}))
                return user | {"type": "cart_remove", "sku_id": "coat", "sale_id": "drop"} | units
            case "cart-adds":
                return user | {"type": "cart_add", "sku_id": "coat", "quantity": 1, "sale_id": "drop"}
            case "visits":
                kind = chance.choice(("enter", "enter", "leave"))
                named = (
                    {"source": chance.choice(("feed", "search", "share"))} if kind == "enter" and self.says_all else {}
                )
                return user | {"type": kind} | named
        if chance.random() < 0.5:
            self._orders += 1
        line = {"sku_id": "coat", "quantity": 1, "amount_minor": chance.randint(1, 90_000), "sale_id": "drop"}
        number = max(0, self._orders - chance.randrange(50))
        order_id = f"o-{self._run}-{number}"
        status = chance.choice(("placed", "placed", "paid", "cancelled"))
        made: dict[str, Any] = user | {
            "type": "order",
            "order_id": order_id,
            "status": status,
            "currency": "CNY",
            "lines": [line],
        }
        if self.says_all and status == "cancelled" and (back := chance.choice((None, False, True))) is not None:
            made["restock"] = back
        if self.says_all and number % 7 == 0 and status == "placed":
            made["payment_terms"] = "cash_on_delivery"
        return made


class Sender:
    """Sends at a pace; journals each acknowledgement as `topic partition offset crc32-of-value`."""

    def __init__(self, producer: AIOKafkaProducer, prefix: str, journal: TextIO) -> None:
        self._producer = producer
        self._prefix = prefix
        self._journal = journal
        self._in_flight: set[Any] = set()
        self.account: Counter[str] = Counter()

    async def send(self, record: Record) -> None:
        """Hand one record to the producer."""
        topic, room, value = record
        while len(self._in_flight) >= IN_FLIGHT_MAX:
            await asyncio.wait(self._in_flight, return_when=asyncio.FIRST_COMPLETED)
        self.account["sent"] += 1
        try:
            future = await self._producer.send(f"{self._prefix}.{topic}", value, key=room.encode())
        except KafkaError as error:
            self.account[f"refused {type(error).__name__}"] += 1
            return
        self._in_flight.add(future)
        future.add_done_callback(lambda done: self._done(done, topic, crc32(value)))

    def _done(self, future: Any, topic: str, checksum: int) -> None:
        self._in_flight.discard(future)
        if future.cancelled() or future.exception() is not None:
            self.account["not acknowledged"] += 1
            return
        told = future.result()
        self._journal.write(f"{topic} {told.partition} {told.offset} {checksum}\n")
        self.account["acknowledged"] += 1

    async def close(self) -> None:
        """Wait for the records in flight."""
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=2 * REQUEST_TIMEOUT_MS / 1000)
        await self._producer.stop()


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


async def run(servers: str, prefix: str, partitions: int, journal: Path, seed: int, orders_per_s: int) -> Counter[str]:
    """The account of all that was sent until SIGTERM."""
    stop = asyncio.Event()
    shop = Shop(seed, rooms_of(partitions))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, setattr, shop, "says_all", True)
    producer = AIOKafkaProducer(
        bootstrap_servers=servers, acks="all", linger_ms=5, request_timeout_ms=REQUEST_TIMEOUT_MS
    )
    await producer.start()
    with journal.open("w", encoding="ascii") as file:
        sender = Sender(producer, prefix, file)
        for record in shop.openings():
            await sender.send(record)
        begun, ordered = time.monotonic(), 0
        while not stop.is_set():
            due = round((time.monotonic() - begun) * orders_per_s) - ordered
            ordered += due
            # After a halt the shop goes on; it does not catch up.
            for record in shop.records(min(due, orders_per_s)):
                await sender.send(record)
            await asyncio.sleep(TURN_S)
        await sender.close()
    return sender.account


if __name__ == "__main__":
    servers, prefix, partitions, journal, seed, orders_per_s = sys.argv[1:]
    account = asyncio.run(run(servers, prefix, int(partitions), Path(journal), int(seed), int(orders_per_s)))
    print(msgspec.json.encode(account).decode())  # noqa: T201
