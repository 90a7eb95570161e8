# mypy: ignore-errors
"""What Snapup 4013363 read, saved, journalled and published, written down once: the recordings in `v1/`.

They are never made anew from a later version, for what they hold that version to is what the old one wrote. To make
them again from the old one, which gives the same bytes:

    git worktree add --detach /tmp/snapup-4013363 4013363
    PYTHONPATH=/tmp/snapup-4013363 .venv/bin/python tests/golden/record.py OUT_FOLDER

Everything here is that commit's own: the fold, its owner, the store of Redis. Kafka and Redis are stood in for by
lists. A run is a pure function of its seed. Each file is gzipped JSON; bytes are in base64. Its fields:

    topics       full names of the input topics, by index
    inputs       by topic index: [offset, append time, key, value, headers], with holes between offsets
    done         what was done, in order:
                   ["take over", epoch, rules, checkpoint records there were]
                   ["fold", topic index, first offset, end]   ["advance", clock ms, source]
                   ["publish", wall ms, everything, digest of the documents]
                   ["cut", number of the transaction]
    checkpoints  [key, value or null] in log order, meta records among them
    journal      values in log order
    signals      [room, document] in log order
    dead_letters [key, value, headers] in log order
    transactions for each: how many records of these four lists there were after it
    redis        documents by key, and version hashes by key
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
from base64 import b64encode
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec
from stream.worker.owner import Home, Owner

from stream.contract import examples
from stream.contract.events import TOPIC_NAMES
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.worker.checkpoint import OutputTopics
from stream.worker.fetching import LogEnds
from stream.worker.overlay_store import OverlayStore
from tests.support.rooms import T0_MS, random_log

TOPICS = tuple(f"live.{name}" for name in TOPIC_NAMES)
PARTITION = 3
OUTPUTS = OutputTopics.of("live")
WALL_LAG_MS = 40
# All that is bounded comes to its bound; people are counted by sketches.
TIGHT = Rules(
    distinct_exact_max=12,
    hold_ms=20_000,
    remember_ids_ms=60_000,
    remember_orders_ms=90_000,
    remember_orders_max=12,
    presence_timeout_ms=40_000,
    room_idle_ms=100_000,
    rooms_max=3,
    sales_per_room_max=4,
    watching_min=2,
    in_carts_min=2,
    suspect_unpaid_orders=2,
)
# Much is claimed and much runs out.
SHORT = Rules(
    hold_ms=6_000,
    watching_min=2,
    in_carts_min=2,
    bought_min_orders=1,
    stock_left_share_max=1.0,
    velocity_min_units=1,
    demand_min_carters=2,
    room_idle_ms=600_000,
)


class Rec(NamedTuple):
    value: bytes | None
    key: bytes | None
    offset: int
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()


class Kafka:
    """The output topics of one partition, without the markers of transactions."""

    def __init__(self):
        self.logs = {name: [] for name in msgspec.structs.astuple(OUTPUTS)}
        self.transactions = []


class Batch:
    def __init__(self):
        self.messages, self._size = [], 0

    def append(self, *, key, value, timestamp, headers):
        self.messages.append((key, value, headers))
        self._size += len(key or b"") + len(value or b"") + 40
        return self._size

    def size(self):
        return self._size

    def record_count(self):
        return len(self.messages)


class Sent(NamedTuple):
    offset: int


class Producer:
    """Stands for aiokafka's transactional producer."""

    def __init__(self, kafka):
        self._kafka = kafka

    async def start(self):
        pass

    async def stop(self):
        pass

    async def begin_transaction(self):
        pass

    async def commit_transaction(self):
        self._kafka.transactions.append([len(log) for log in self._kafka.logs.values()])

    def create_batch(self):
        return Batch()

    async def send_batch(self, batch, topic, partition):
        assert partition == PARTITION
        log = self._kafka.logs[topic]
        done = asyncio.get_running_loop().create_future()
        done.set_result(Sent(len(log)))
        log += batch.messages
        return done


class Consumer:
    """Stands for aiokafka's consumer of one output topic."""

    def __init__(self, kafka):
        self._kafka, self._at = kafka, 0

    async def start(self):
        pass

    async def stop(self):
        pass

    def assign(self, tps):
        (self._tp,) = tps
        self._log = self._kafka.logs[self._tp.topic]

    async def seek_to_beginning(self, tp):
        self._at = 0

    async def end_offsets(self, tps):
        return {self._tp: len(self._log)}

    async def position(self, tp):
        return self._at

    async def getmany(self, tp, timeout_ms):
        records = [
            Rec(value, key, self._at + number, 0) for number, (key, value, _) in enumerate(self._log[self._at :])
        ]
        self._at = len(self._log)
        return {tp: records}


class RedisKept:
    """Stands for Redis: keeps what the script would."""

    def __init__(self):
        self.documents, self.versions = {}, {}

    def pipeline(self, *, transaction):
        return self

    async def __aenter__(self):
        self._answers = []
        return self

    async def __aexit__(self, *_):
        pass

    def evalsha(self, _sha, _keys, document_key, version_key, epoch, rev, document, ttl_ms, _version_ttl, _channel, at):
        held = self.versions.get(version_key)
        if held is not None and (held["e"], held["r"]) >= (epoch, rev):
            self._answers.append(3)
            return
        self.documents[document_key] = document
        self.versions[version_key] = {"e": epoch, "r": rev, "p": at}
        self._answers.append(1 if held else 2)

    async def execute(self, *, raise_on_error):
        return self._answers


class Recording:
    """One run. `rules_at`: the rules of each owner, one after the other."""

    def __init__(self, seed, log, rules_of_owners):
        self.random = Random(seed)
        self.log = with_holes(log, self.random)
        self.rules_of_owners = rules_of_owners
        self.kafka, self.redis = Kafka(), RedisKept()
        self.store = OverlayStore("redis://", "live", 1_000, lambda *_args, **_more: self.redis)
        self.done = []
        self.owners = 0

    async def take_over(self):
        rules = self.rules_of_owners[min(self.owners, len(self.rules_of_owners) - 1)]
        self.owners += 1
        home = Home(
            bootstrap_servers="none",
            id_prefix="snapup-live",
            who=f"golden:{self.owners}",
            topics=TOPICS,
            outputs=OUTPUTS,
            partitions=12,
            max_queued_records=1_000,
            accept_data_loss=False,
            make_fold=lambda partition: PartitionFold(partition, rules, TOPICS),
            make_producer=lambda **_: Producer(self.kafka),
            make_consumer=lambda **_: Consumer(self.kafka),
        )
        self.owner = Owner(home, PARTITION)
        there_were = len(self.kafka.logs[OUTPUTS.checkpoints])
        await self.owner.acquire(self._log_ends)
        self.fold = self.owner.fold
        self.done.append(["take over", self.owner.epoch, msgspec.to_builtins(rules), there_were])

    async def _log_ends(self, _partition):
        return LogEnds([0] * len(TOPICS), [topic[-1].offset + 1 if topic else 0 for topic in self.log])

    def next_piece(self):
        """The records that come next by append time, of one topic and about one second; None at the end of all."""
        waiting = []
        for topic, records in enumerate(self.log):
            rest = [record for record in records if record.offset >= self.fold.positions[topic]]
            if rest:
                waiting.append((rest[0].timestamp, topic, rest))
        if not waiting:
            return None
        begin_ms, topic, rest = min(waiting, key=lambda each: each[:2])
        most = self.random.randrange(1, 8)
        return topic, [record for record in rest[:most] if record.timestamp <= begin_ms + 1_000]

    def advance(self, clock_ms, source):
        self.fold.advance(clock_ms, source)
        self.done.append(["advance", clock_ms, source])

    async def publish(self, *, everything=False):
        wall_ms = self.fold.clock_ms + WALL_LAG_MS
        documents = self.fold.publish(wall_ms, self.owner.epoch, everything=everything)
        self.done.append(["publish", wall_ms, everything, digest(documents)])
        if documents:
            await self.store.write(self.owner.epoch, documents)

    async def cut(self):
        if await self.owner.checkpoint() is not None:
            self.done.append(["cut", len(self.kafka.transactions) - 1])

    async def run(self, settle_ms):
        random = self.random
        await self.take_over()
        while (piece := self.next_piece()) is not None:
            topic, records = piece
            self.fold.fold(topic, records)
            self.done.append(["fold", topic, records[0].offset, records[-1].offset + 1])
            if random.random() < 0.8:
                self.advance(max(records[-1].timestamp, self.fold.clock_ms), random.choice(["tick", "tick", "log"]))
            if random.random() < 0.4:
                await self.publish()
            if random.random() < 0.2:
                await self.cut()
            if random.random() < 0.04:
                await self.take_over()  # what is not saved is folded again
                await self.publish(everything=True)
        await self.cut()
        await self.take_over()
        clock_ms = self.fold.clock_ms
        for later_ms in (500, 7_000, 15_000, 21_000, 60_000, settle_ms):
            self.advance(clock_ms + later_ms, "tick")
            await self.publish()
            await self.cut()
        await self.publish(everything=True)
        await self.cut()

    def document(self):
        logs = self.kafka.logs
        return {
            "topics": TOPICS,
            "partition": PARTITION,
            "inputs": [
                [
                    [record.offset, record.timestamp, b64(record.key), b64(record.value), headers(record.headers)]
                    for record in topic
                ]
                for topic in self.log
            ],
            "done": self.done,
            "checkpoints": [[key.decode(), b64(value)] for key, value, _ in logs[OUTPUTS.checkpoints]],
            "journal": [b64(value) for _, value, _ in logs[OUTPUTS.journal]],
            "signals": [[key.decode(), b64(value)] for key, value, _ in logs[OUTPUTS.signals]],
            "dead_letters": [[b64(key), b64(value), headers(more)] for key, value, more in logs[OUTPUTS.dead_letters]],
            "transactions": [
                dict(zip(("checkpoints", "dead_letters", "signals", "journal"), counts, strict=True))
                for counts in self.kafka.transactions
            ],
            "redis": {
                "documents": {key: b64(value) for key, value in sorted(self.redis.documents.items())},
                "versions": dict(sorted(self.redis.versions.items())),
            },
        }


def with_holes(log, random):
    """Offsets as they are in Kafka: compaction and the markers of transactions leave some out."""
    shifted = []
    for topic in log:
        shift, records = 0, []
        for record in topic:
            shift += random.choice([0] * 15 + [1, 3])
            records.append(Rec(record.value, record.key, record.offset + shift, record.timestamp, record.headers))
        shifted.append(records)
    return shifted


def show(seed, events, rooms, duration_ms):
    """A log of all topics, of rooms whose sales open at once and go on; one room comes late, for a moment."""
    log = random_log(seed, events, rooms, duration_ms)
    likes, sales = log[TOPIC_NAMES.index("likes")], log[TOPIC_NAMES.index("sales")]
    opened = []
    for number in range(4 * rooms):
        room, sale, sku = f"room-{number // 4}", f"s{number // 2 % 2}", f"k{number % 2}"
        event = {
            "type": "sale_opened",
            "event_id": f"open-{number}",
            "room_id": room,
            "event_time_ms": T0_MS,
            "sale_id": sale,
            "sku_id": sku,
            "offered": 12 + number,
            "starts_at_ms": T0_MS,
            "ends_at_ms": T0_MS + duration_ms * 3 // 4,
            "per_user_limit": 2,
        }
        opened.append(Rec(msgspec.json.encode(event), room.encode(), 0, T0_MS))
    sales[:0] = opened
    late_ms = T0_MS + duration_ms * 4 // 5
    like = {
        "type": "like",
        "event_id": "late",
        "room_id": "room-9",
        "event_time_ms": late_ms,
        "user_id": "u",
        "count": 3,
    }
    likes.append(Rec(msgspec.json.encode(like), b"room-9", 0, late_ms))
    return [
        [
            Rec(record.value, record.key, offset, record.timestamp)
            for offset, record in enumerate(sorted(topic, key=lambda record: record.timestamp))
        ]
        for topic in log
    ]


def rush(seed):
    """One room in which everybody wants the same: levels rise, claims are made, it sells out, holds run out."""
    random = Random(seed)
    drafts = []

    def say(at_s, topic, type_, **fields):
        at_ms = T0_MS + round(at_s * 1_000)
        event = {"type": type_, "event_id": f"r{len(drafts)}", "room_id": "rush", "event_time_ms": at_ms, **fields}
        drafts.append((at_ms, len(drafts), topic, event))

    for sku, more in (("k1", {}), ("k2", {"restock_planned_at_ms": T0_MS + 30_000})):
        terms = {"sale_id": "s1", "sku_id": sku, "offered": 70, "starts_at_ms": T0_MS, "ends_at_ms": T0_MS + 80_000}
        say(0, "sales", "sale_opened", price_minor=9_900, currency="CNY", **terms, **more)
    for user in range(60):
        who = {"user_id": f"u{user}"}
        come_s = user / 6
        say(come_s, "visits", "enter", **who)
        say(come_s + 1, "cart-adds", "cart_add", sku_id="k1", quantity=1, sale_id="s1", **who)
        order_s = 12 + 25 * (user / 60) ** 0.5
        for number in range(2):
            line = {"sku_id": f"k{1 + (user + number) % 4 // 3}", "quantity": 1, "amount_minor": 9_900, "sale_id": "s1"}
            order = {"order_id": f"o{user}-{number}", "lines": [line], "currency": "CNY", **who}
            placed_s = order_s + 3 * number
            say(placed_s, "orders", "order", status="placed", **order)
            if random.random() < 0.75:
                say(placed_s + random.random() * 5, "orders", "order", status="paid", **order)
            if random.random() < 0.1:
                say(placed_s + 8, "orders", "order", status="refunded", **order)
        say(come_s + 40, "likes", "like", count=9, **who)
        say(come_s + 45, "comments", "comment", text="好", **who)
        say(come_s + 60, "visits", "leave", **who)
    say(50, "sales", "sale_restocked", sale_id="s1", sku_id="k1", quantity=20)
    say(70, "sales", "sale_extended", sale_id="s1", ends_at_ms=T0_MS + 100_000)
    say(95, "sales", "sale_closed", sale_id="s1")
    log = [[] for _ in TOPICS]
    for at_ms, _, topic, event in sorted(drafts, key=lambda draft: draft[:2]):
        records = log[TOPIC_NAMES.index(topic)]
        records.append(Rec(msgspec.json.encode(event), b"rush", len(records), at_ms))
    return log


def every_kind():
    """Each published example: every type with every field, and every reason to refuse a record."""
    drafts = []
    topic_of = {name: topic for name, (topic, _) in examples.event_types().items()}
    for number, (name, value) in enumerate(examples.valid().items()):
        event = value if "ids" in name else {**value, "event_id": f"valid-{number}"}
        body = msgspec.json.encode(event)
        topic = topic_of[name.split("--")[0]]
        drafts.append((examples.NOW_MS, topic, Rec(body, value["room_id"].encode(), 0, examples.NOW_MS)))
    ce = examples.cloudevent()
    ce_headers = tuple((name, text.encode()) for name, text in ce["headers"].items())
    body = msgspec.json.encode(ce["value"])
    drafts.append((examples.NOW_MS, ce["topic"], Rec(body, ce["key"].encode(), 0, examples.NOW_MS, ce_headers)))
    for each in examples.invalid().values():
        key = None if each.key is None else each.key.encode()
        more = tuple((name, text.encode()) for name, text in each.headers)
        at_ms = each.append_time_ms
        drafts.append((at_ms, each.topic, Rec(each.value, key, 0, at_ms, more)))
    drafts.sort(key=lambda draft: draft[0])
    log = [[] for _ in TOPICS]
    for _, name, record in drafts:
        topic = log[TOPIC_NAMES.index(name)]
        topic.append(record._replace(offset=len(topic)))
    return log


def digest(documents):
    """Of published documents: rooms, revisions, times to live, bytes."""
    found = blake2b(digest_size=16)
    for each in documents:
        found.update(f"{each.room_id} {each.rev} {each.ttl_ms} {each.append_ms} ".encode() + each.document)
    return found.hexdigest()


def b64(value):
    return None if value is None else b64encode(value).decode()


def headers(pairs):
    return [[name, b64(value)] for name, value in pairs]


RECORDINGS = {
    # Twenty seconds: everything in one window.
    "seed-1": lambda: (1, show(1, events=350, rooms=3, duration_ms=20_000), [Rules()], 7 * 3_600_000),
    # Ten minutes at the bounds of everything, by sketches.
    "seed-2": lambda: (2, show(2, events=220, rooms=3, duration_ms=600_000), [TIGHT], 400_000),
    # A quarter of an hour; owners under other settings take over.
    "seed-3": lambda: (3, show(3, events=180, rooms=2, duration_ms=900_000), [SHORT, SHORT, Rules()], 700_000),
    "rush": lambda: (5, rush(5), [msgspec.structs.replace(SHORT, distinct_exact_max=24)], 700_000),
    "every_kind": lambda: (4, every_kind(), [SHORT], 700_000),
}


def main() -> None:
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for name, make in RECORDINGS.items():
        seed, log, rules, settle_ms = make()
        recording = Recording(seed, log, rules)
        asyncio.run(recording.run(settle_ms))
        text = json.dumps(recording.document(), separators=(",", ":"), ensure_ascii=False).encode()
        packed = gzip.compress(text, 9, mtime=0)
        (out / f"{name}.json.gz").write_bytes(packed)
        counts = {topic: len(log) for topic, log in recording.kafka.logs.items()}
        print(f"{name}: {len(text)} bytes, packed {len(packed)}, {recording.owners} owners, {counts}")


if __name__ == "__main__":
    main()
