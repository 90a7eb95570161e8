"""The log against what the workers made of it: recount, documents in Redis, checkpoints, dead letters.

It waits, by looking again, until all of them cover the log's end or the time is up. It reads only.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field
from redis.asyncio import Redis
from redis.exceptions import RedisError

from stream.contract.events import TOPIC_NAMES
from stream.contract.overlay import Overlay, room_key
from stream.errors import SnapupError
from stream.verify.compare import Figure, compare
from stream.verify.log import LogReader, log_reader
from stream.verify.recount import Accounts, Recount
from stream.verify.saved import CheckpointLog, DeadLetters

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.verify.room_count import Assumptions

LOOK_AGAIN_S = 0.2
REDIS_TIMEOUT_S = 5.0
REDIS_BATCH = 200
PASSED = "ALL-ACCEPTED-COUNTED-ONCE"

_overlay_of = msgspec.json.Decoder(Overlay).decode


class Where(Struct, frozen=True, kw_only=True):
    """Which log and which Redis."""

    bootstrap_servers: str
    redis_url: str
    prefix: str


class RoomVerdict(Struct, kw_only=True):
    """One room. `skipped` says why there was nothing to compare; else every figure was."""

    room_id: str
    as_of_ms: int | None = None
    figures: list[Figure] = field(default_factory=list)
    skipped: str | None = None

    @property
    def differences(self) -> list[Figure]:
        """Figures that do not agree."""
        return [figure for figure in self.figures if not figure.agrees]


class Verdict(Struct, kw_only=True):
    """Everything that was found; `problems` are those that belong to no room."""

    rooms: list[RoomVerdict]
    problems: list[str]
    accounts: Accounts
    records_cut: dict[str, int]
    checkpoints: int
    dead_letters: int
    waited_s: float

    @property
    def differences(self) -> int:
        """How many figures and facts are not as they must be."""
        return len(self.problems) + sum(len(room.differences) for room in self.rooms)

    @property
    def line(self) -> str:
        """The verdict in one line."""
        return PASSED if not self.differences else f"DIFFERENCES: {self.differences}"


async def audit(
    where: Where,
    assumptions: Assumptions,
    *,
    room_id: str | None = None,
    deadline_s: float = 30.0,
    report: Callable[[str], None] = lambda _: None,
) -> Verdict:
    """Recount the log and compare, until everything agrees or `deadline_s` have passed.

    Args:
        where: log and Redis.
        assumptions: the settings of the workers.
        room_id: compare this room only; the log is counted whole all the same.
        deadline_s: how long workers may take to catch up.
        report: is told what is being waited for.

    Raises:
        SnapupError: Kafka or Redis do not answer.
    """
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        names = [f"{where.prefix}.{name}" for name in TOPIC_NAMES]
        inputs = await enter(log_reader(where.bootstrap_servers, names))
        outputs = await enter(
            log_reader(
                where.bootstrap_servers,
                [f"{where.prefix}.checkpoints", f"{where.prefix}.dead-letters"],
                "read_committed",
            )
        )
        redis = Redis.from_url(where.redis_url, socket_timeout=REDIS_TIMEOUT_S)
        stack.push_async_callback(redis.aclose)
        auditor = _Auditor(where, inputs, outputs, redis, Recount(assumptions), assumptions, room_id)
        while True:
            await auditor.look()
            verdict = auditor.verdict(time.monotonic() - began)
            if not verdict.differences or verdict.waited_s > deadline_s:
                return verdict
            report(f"{verdict.differences} differences after {verdict.waited_s:.0f} s: {_first(verdict)}")
            await asyncio.sleep(LOOK_AGAIN_S)


def _first(verdict: Verdict) -> str:
    for room in verdict.rooms:
        for figure in room.differences:
            return f"{room.room_id} {figure.name}: recounted {figure.recounted}, published {figure.published}"
    return verdict.problems[0]


class _Auditor:
    """What was read so far. Rooms that agreed are not compared again, unless the log has grown since."""

    def __init__(
        self,
        where: Where,
        inputs: LogReader,
        outputs: LogReader,
        redis: Redis,
        recount: Recount,
        assumptions: Assumptions,
        room_id: str | None,
    ) -> None:
        self._where = where
        self._inputs = inputs
        self._outputs = outputs
        self._redis = redis
        self._recount = recount
        self._assumptions = assumptions
        self._room_id = room_id
        self._rooms: dict[str, RoomVerdict] = {}
        self._checkpoints = CheckpointLog()
        self._dead_letters = DeadLetters()
        self._problems: list[str] = []

    async def look(self) -> None:
        """Read on, and compare what did not agree yet."""
        if await self._read_inputs():
            self._rooms.clear()
        async for record in self._outputs.read_on():
            if record.topic.endswith(".checkpoints"):
                self._checkpoints.add(record.partition, record.offset, record.key, record.value)
            else:
                self._dead_letters.add(record)
        self._problems = [
            f"{topic}/{partition}: {count} records after the last checkpoint"
            for (topic, partition), count in sorted(self._checkpoints.behind(self._inputs.ends).items())
        ]
        try:
            await self._look_at_rooms()
        except (RedisError, OSError) as error:
            raise SnapupError(f"Redis does not answer: {error}. Start it, or set SNAPUP_REDIS_URL.") from error

    async def _read_inputs(self) -> bool:
        before = self._recount.accounts.received
        async for record in self._inputs.read_on():
            self._recount.add(
                record.topic,
                record.value,
                record.key,
                record.timestamp,
                partition=record.partition,
                offset=record.offset,
                headers=record.headers,
            )
        return self._recount.accounts.received > before

    async def _look_at_rooms(self) -> None:
        known = self._recount.room_ids() if self._room_id is None else [self._room_id]
        open_rooms = [room for room in known if room not in self._rooms or self._rooms[room].differences]
        for first in range(0, len(open_rooms), REDIS_BATCH):
            batch = open_rooms[first : first + REDIS_BATCH]
            for room, document in zip(batch, await self._documents(batch), strict=True):
                self._rooms[room] = self._judge(room, document)
        if self._room_id is None:
            self._problems += await self._unheard_of(set(known))

    async def _documents(self, rooms: list[str]) -> list[bytes | None]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for room in rooms:  # one by one: in a cluster they lie in different slots
                pipe.get(room_key(self._where.prefix, room, "overlay"))
            return list(await pipe.execute())

    def _judge(self, room: str, document: bytes | None) -> RoomVerdict:
        if self._recount.was_silent_too_long(room):
            return RoomVerdict(room_id=room, skipped="silent for so long in between that its session began anew")
        if document is None:
            idle_ms = time.time() * 1000 - self._recount.last_second_ms(room)
            if self._recount.last_second_ms(room) and idle_ms > self._assumptions.room_idle_ms:
                return RoomVerdict(room_id=room, skipped="silent for so long that its session has ended")
            return RoomVerdict(room_id=room, figures=[Figure("document", "in Redis", "missing")])
        try:
            overlay = _overlay_of(document)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return RoomVerdict(room_id=room, figures=[Figure("document", "an overlay document", str(error))])
        if overlay.room_id != room:
            return RoomVerdict(room_id=room, figures=[Figure("document's room_id", room, overlay.room_id)])
        figures = compare(self._recount.room(room, overlay.as_of_ms), overlay)
        return RoomVerdict(room_id=room, as_of_ms=overlay.as_of_ms, figures=figures)

    async def _unheard_of(self, known: set[str]) -> list[str]:
        """Documents of rooms of which the log knows nothing."""
        begin, end = f"{self._where.prefix}:v1:{{room:", "}:overlay"
        strangers: list[str] = []
        async for key in self._redis.scan_iter(match=f"{begin}*{end}", count=1_000):
            room = _text(key).removeprefix(begin).removesuffix(end)
            if room not in known:
                strangers.append(f"a document of room {room!r}, of which the log knows nothing")
        return strangers

    def verdict(self, waited_s: float) -> Verdict:
        """As of the last look."""
        problems = self._problems + self._checkpoints.problems
        problems += self._dead_letters.differences(self._recount.refusals)
        cut: dict[str, int] = {}
        for (topic, _), end in self._inputs.ends.items():
            cut[topic] = cut.get(topic, 0) + end
        return Verdict(
            rooms=[self._rooms[room] for room in sorted(self._rooms)],
            problems=problems,
            accounts=self._recount.accounts,
            records_cut=cut,
            checkpoints=self._checkpoints.checkpoints,
            dead_letters=self._dead_letters.found.total(),
            waited_s=waited_s,
        )


def _text(key: Any) -> str:
    return key.decode() if isinstance(key, bytes) else str(key)
