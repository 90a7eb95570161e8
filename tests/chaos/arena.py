"""Where the chaos takes place: brokers, Redis behind its proxy, the fleet, the shop, and a watch on overlays."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Self

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from stream import topics
from stream.contract.overlay import room_key
from stream.local.cluster import KafkaCluster
from stream.local.ports import LOOPBACK
from stream.local.redis import RedisServer
from stream.settings import load_settings
from stream.verify.audit import Where
from tests.chaos.fleet import Fleet, MissedError
from tests.chaos.proxy import SlowProxy
from tests.chaos.traffic import PREFIX, ROOMS_PER_PARTITION, rooms_of

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random
    from types import TracebackType

    from stream.local.settings import LocalSettings

SAMPLE_S = 0.2
READ_TIMEOUT_S = 1.0
RETRIES = 5
SHOP_END_S = 120.0
SYNC_S = 30.0
# Topics that 4013363 did not have.
NEWER_TOPICS = (".interactions",)


class _AsOf(msgspec.Struct):
    as_of_ms: int


_as_of = msgspec.json.Decoder(_AsOf).decode


class Arena:
    """Everything of one run; all of it ends with the block.

    Args:
        folder: for servers, logs and the journal.
        settings: of the local servers.
        brokers: one, or three with three copies of each topic.
        partitions: of each topic.
        chance: draws the faults' choices.
    """

    def __init__(self, folder: Path, settings: LocalSettings, brokers: int, partitions: int, chance: Random) -> None:
        self.folder = folder
        self.chance = chance
        self.partitions = partitions
        self.kafka = KafkaCluster(folder / "kafka", settings, brokers=brokers)
        self.redis, self.standby = (RedisServer(folder / name, settings) for name in ("redis", "redis-b"))
        self.old_code: Path | None = None  # of the version that the fleet begins with
        self.copies = min(3, brokers)
        self.journal = folder / "acknowledged.txt"
        worker = load_settings()
        # The group counts from the last heartbeat that it saw, which may be an interval old when a member falls silent.
        self.shortest_session_s = (worker.session_timeout_ms - worker.heartbeat_interval_ms) / 1000
        self.stale: list[tuple[float, float]] = []  # time, and the age of the oldest overlay
        self._shop: subprocess.Popen[bytes] | None = None
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _start(self) -> None:
        self._stack.callback(self.kafka.kill)
        for server in (self.redis, self.standby):
            self._stack.callback(server.kill)
        await asyncio.to_thread(self.redis.start)
        await asyncio.to_thread(self.kafka.start)
        specs = topics.declared(PREFIX, partitions=self.partitions, replication_factor=self.copies)
        if self.copies > 1:
            specs = [
                msgspec.structs.replace(spec, config={**spec.config, "min.insync.replicas": "2"}) for spec in specs
            ]
        self._specs = specs
        first = specs if self.old_code is None else [spec for spec in specs if not spec.name.endswith(NEWER_TOPICS)]
        await topics.apply(self.kafka.bootstrap_servers, first)
        self.proxy = await self._stack.enter_async_context(SlowProxy(self.redis.port))
        environment = {
            "SNAPUP_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "SNAPUP_REDIS_URL": self.proxy.url,
            "SNAPUP_TOPIC_PREFIX": PREFIX,
            "SNAPUP_GROUP": "chaos",
        }
        self.fleet = Fleet(self.folder, environment, self.partitions, self.old_code)
        self._stack.callback(self.fleet.close)
        self.reader = self._make_reader()
        self._stack.push_async_callback(self._close_reader)
        watching = asyncio.create_task(self._watch())
        self._stack.callback(watching.cancel)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def where(self) -> Where:
        """The addresses for the audit: Redis itself, not the proxy."""
        return Where(bootstrap_servers=self.kafka.bootstrap_servers, redis_url=self.redis.url, prefix=PREFIX)

    def _make_reader(self) -> Redis:
        return Redis.from_url(
            self.redis.url,
            socket_timeout=READ_TIMEOUT_S,
            retry=Retry(NoBackoff(), RETRIES),  # its pool holds connections from before Redis was away
            retry_on_error=[RedisConnectionError],
        )

    async def _close_reader(self) -> None:
        await self.reader.aclose()

    async def apply_topics(self) -> None:
        """Apply all topics, also those that the fleet's first version did not know."""
        await topics.apply(self.kafka.bootstrap_servers, self._specs)

    async def fail_over(self) -> RedisServer:
        """The old master, which follows the new one and keeps its clients; a replica is now behind the one address."""
        old, new = self.redis, self.standby
        await asyncio.to_thread(new.start)
        async with Redis.from_url(old.url) as of_old, Redis.from_url(new.url) as of_new:
            await of_new.replicaof(LOOPBACK, old.port)
            async with asyncio.timeout(SYNC_S):
                while (await of_new.info("replication"))["master_link_status"] != "up":
                    pass  # each look is a request
            await of_new.replicaof("NO", "ONE")
            await of_old.replicaof(LOOPBACK, new.port)
        self.redis, self.standby = new, old
        self.proxy.lead_to(new.port)
        await self.reader.aclose()
        self.reader = self._make_reader()
        return old

    # -- the shop ------------------------------------------------------------------------------------------------------

    def open_shop(self, seed: int, orders_per_s: int) -> None:
        """Begin to send."""
        arguments = [self.kafka.bootstrap_servers, PREFIX, self.partitions, self.journal, seed, orders_per_s]
        self._shop = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.traffic", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=(self.folder / "shop.log").open("wb"),
            start_new_session=True,
        )
        self._stack.callback(self._shop.kill)

    def shop_says_all(self) -> None:
        """All workers are of this version: from now on the shop sends what older ones cannot read."""
        assert self._shop is not None
        self._shop.send_signal(signal.SIGUSR1)

    async def close_shop(self) -> dict[str, int]:
        """The shop's account; lets the shop end in order."""
        assert self._shop is not None
        if self._shop.poll() is not None:
            raise MissedError(f"the shop ended by itself with {self._shop.returncode}")
        self._shop.terminate()
        try:
            said, _ = await asyncio.to_thread(self._shop.communicate, timeout=SHOP_END_S)
        except subprocess.TimeoutExpired:
            raise MissedError("the shop did not end") from None
        return dict(msgspec.json.decode(said, type=dict[str, int]))

    # -- overlays ------------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Note the age of the oldest overlay; a missing overlay grows older."""
        rooms = rooms_of(self.partitions)[: self.partitions]
        assert len(rooms) * ROOMS_PER_PARTITION == len(rooms_of(self.partitions))
        keys = [room_key(PREFIX, room, "overlay") for room in rooms]
        shown_ms: dict[str, int] = {}
        while True:
            await asyncio.sleep(SAMPLE_S)
            try:
                documents: list[Any] = await self.reader.mget(keys)
            except (RedisError, OSError):
                continue  # Redis shows no overlay at all: not a question of freshness
            for key, document in zip(keys, documents, strict=True):
                if document is not None:
                    shown_ms[key] = _as_of(document).as_of_ms
            if len(shown_ms) == len(keys):
                now_s = time.time()
                self.stale.append((now_s, now_s - min(shown_ms.values()) / 1000))

    async def oldest_shown_s(self) -> float | None:
        """The time that the oldest overlay shows, Unix seconds; None when one is missing or Redis does not answer."""
        keys = [room_key(PREFIX, room, "overlay") for room in rooms_of(self.partitions)[: self.partitions]]
        try:
            documents: list[Any] = await self.reader.mget(keys)
        except (RedisError, OSError):
            return None
        return None if None in documents else min(_as_of(document).as_of_ms for document in documents) / 1000

    def stale_s(self, from_s: float) -> float | None:
        """The greatest age of an overlay since `from_s`."""
        return max((age for at_s, age in self.stale if at_s >= from_s), default=None)
