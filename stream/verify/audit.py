"""Compares the log with what the workers made of it, exactly, while they go on.

A checkpoint's meta record gives, per input topic, the offset up to which everything is folded. One checkpoint of each
partition is the cut: the recount stops exactly there. It is compared with:

- `signals`: each room's newest document of that transaction or an earlier one, as of the document's own time. A room
  with a later record and no later document is a difference.
- `dead-letters`: the refusals of the records up to the cut, one for one.
- `checkpoints`: epochs, clocks and positions never go back, no epoch has two writers, a claim begins where the last
  checkpoint ended.
- Redis: documents between two checkpoints, at the offsets of their making (see `redis_check`).

The settings are those that the workers wrote into `journal` when they began (see `rulebook`).

An audit only reads. A further audit goes on counting where the last one stopped.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import islice
from typing import TYPE_CHECKING

from aiokafka.errors import TopicAuthorizationFailedError
from msgspec import Struct

from stream.contract.events import TOPIC_NAMES
from stream.errors import NoSuchError, SnapupError, did_you_mean
from stream.kafka_clients import KafkaAt
from stream.redis_address import RedisAddress
from stream.redis_clients import RedisClient
from stream.verify.compare import Figure
from stream.verify.counting import SILENT_NOW, Counting
from stream.verify.log import LogReader, Offsets, log_reader
from stream.verify.recounted import NO_MECHANICS
from stream.verify.redis_check import RedisCheck
from stream.verify.redis_documents import RedisDocuments
from stream.verify.rulebook import Rulebook
from stream.verify.saved import CheckpointLog, DeadLetters, Document, Meta, Signals
from stream.verify.verdict import PartitionCut, RoomVerdict, Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from stream.verify.recount import Refusal
    from stream.verify.recounted import Mechanics
    from stream.verify.room_count import Assumptions

LOOK_AGAIN_S = 0.2
# Bound on superfluous letters whose transactions are looked up.
FATES_MAX = 20
REDIS_TIMEOUT_MS = 5_000


class Where(Struct, frozen=True, kw_only=True):
    """The log and the Redis to audit. Redis may be a bare URL."""

    bootstrap_servers: KafkaAt
    redis_url: RedisAddress | str
    prefix: str


class Logs(Struct, frozen=True, kw_only=True):
    """The readers of an audit. Each moves at its own pace."""

    inputs: LogReader
    checkpoints: LogReader
    signals: LogReader
    dead_letters: LogReader
    journal: LogReader | None
    written: LogReader  # gives the ends of logs including uncommitted records


async def audit(
    where: Where,
    assumptions: Assumptions,
    *,
    room_id: str | None = None,
    deadline_s: float = 30.0,
    report: Callable[[str], None] = lambda _: None,
    mechanics: Mechanics = NO_MECHANICS,
) -> Verdict:
    """The verdict of one audit of the log as it is now. Waits until checkpoints and Redis cover it, or time is up.

    Args:
        where: log and Redis.
        assumptions: the settings of workers whose journal holds none.
        room_id: the only room to compare. The whole log is counted in any case.
        deadline_s: the time that workers have to catch up.
        report: called with what is waited for.
        mechanics: the mechanics that are recounted too.

    Raises:
        SnapupError: Kafka or Redis do not answer, or the room is unknown.
    """
    async with auditing(where, assumptions, room_id=room_id, mechanics=mechanics) as auditor:
        return await auditor.audit(deadline_s, report)


@asynccontextmanager
async def auditing(
    where: Where, assumptions: Assumptions, *, room_id: str | None = None, mechanics: Mechanics = NO_MECHANICS
) -> AsyncIterator[Auditor]:
    """An auditor at the beginning of the log, for any number of audits.

    Raises:
        SnapupError: Kafka does not answer, or topics are missing.
    """
    servers = where.bootstrap_servers
    rulebook = Rulebook(assumptions, mechanics)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        checkpoints, signals, dead_letters = (
            f"{where.prefix}.{name}" for name in ("checkpoints", "signals", "dead-letters")
        )
        inputs = await enter(log_reader(servers, [f"{where.prefix}.{name}" for name in TOPIC_NAMES]))
        journal: LogReader | None = None
        try:
            journal = await enter(log_reader(servers, [f"{where.prefix}.journal"]))
            await _read_rules(journal, rulebook)
        except SnapupError as error:
            rulebook.unread = error.message
        # A room that has not ended by now has had a record since this time, and so a document too.
        greatest = rulebook.greatest
        since_ms = time.time_ns() // 1_000_000 - greatest("show_idle_ms") - greatest("allowed_lateness_ms")
        logs = Logs(
            inputs=inputs,
            journal=journal,
            checkpoints=await enter(log_reader(servers, [checkpoints])),
            signals=await enter(log_reader(servers, [signals], since_ms=since_ms)),
            dead_letters=await enter(log_reader(servers, [dead_letters])),
            written=await enter(log_reader(servers, [dead_letters], "read_uncommitted")),
        )
        redis = RedisClient(where.redis_url, timeout_ms=REDIS_TIMEOUT_MS)
        stack.push_async_callback(redis.aclose)
        yield Auditor(logs, RedisDocuments(redis, where.prefix), where.prefix, rulebook, room_id)


async def _read_rules(journal: LogReader, rulebook: Rulebook) -> None:
    """Add what the journal holds since the last call."""
    try:
        async for record in journal.read_to(await journal.ends()):
            rulebook.add(record.topic, record.partition, record.offset, record.value)
    except TopicAuthorizationFailedError as error:
        rulebook.unread = f"Kafka does not let us read the journal ({error})"


class Auditor:
    """The state of the count. Each `audit` continues where the one before stopped."""

    def __init__(self, logs: Logs, shown: RedisDocuments, prefix: str, rulebook: Rulebook, room_id: str | None) -> None:
        self._logs = logs
        self._shown = shown
        self._prefix = prefix
        self._room_id = room_id
        self._checkpoints = CheckpointLog()
        self._signals = Signals()
        self._letters = DeadLetters()
        self._rulebook = rulebook
        self._counting = Counting(logs.inputs, rulebook, self._letters.expect)
        self._counting.recount.ahead_of_clock = self._letters.ahead_of_clock
        self._compared: dict[str, dict[str, int]] = {}
        self._cut: dict[int, Meta] = {}

    async def audit(self, deadline_s: float, report: Callable[[str], None] = lambda _: None) -> Verdict:
        """The verdict after counting on to the first checkpoints seen that cover the present log.

        Raises:
            SnapupError: Kafka or Redis do not answer, or the room asked for is unknown.
        """
        began = time.monotonic()
        until = began + deadline_s
        # Read before the log's end: the records behind the documents shown now will then have been counted.
        shown = await self._shown.rooms()
        problems = await self._choose_cut(await self._logs.inputs.ends(), until, report)
        await self._learn_rules()
        # Read before counting: only letters tell which records were refused for a clock, only documents where sessions
        # begin.
        await self._read_outputs()
        await self._counting.count_to(self._positions(), report, cut=True)
        rooms = self._compare_saved()
        self._refuse_unknown_room(shown, rooms)
        begins, cut = _logical(self._logs.inputs.begins), _logical(self._positions())
        letters = self._letters.differences(begins, cut, await self._fates(begins, cut))
        compared = list(self._counting.places) if self._room_id is None else [self._room_id]
        check = RedisCheck(
            self._counting, self._shown, self._signals, self._prefix, self._compared, learn_rules=self._learn_rules
        )
        await check.run(compared, rooms, until, report)
        problems += self._counting.problems
        self._counting.problems = []
        if self._room_id is None:
            unknown = sorted(shown - self._counting.places.keys())
            problems += [f"a document of room {room!r}, of which the log knows nothing" for room in unknown]
        problems += [*self._checkpoints.problems.said, *self._signals.problems.said, *letters]
        verdict = self._verdict(rooms, problems, time.monotonic() - began)
        self._note_agreed(verdict)
        return verdict

    async def _learn_rules(self) -> None:
        if self._logs.journal is not None:
            await _read_rules(self._logs.journal, self._rulebook)

    def _refuse_unknown_room(self, shown: set[str], rooms: dict[str, RoomVerdict]) -> None:
        room_id = self._room_id
        if room_id is None or room_id in shown or room_id in rooms or room_id in self._counting.places:
            return
        meant = did_you_mean(room_id, {*shown, *self._counting.places})
        raise NoSuchError(f"There is no room {room_id!r}: neither in {self._prefix}.* nor in Redis.{meant}")

    # -- the cut -------------------------------------------------------------------------------------------------------

    async def _choose_cut(self, ends: Offsets, until: float, report: Callable[[str], None]) -> list[str]:
        """What the chosen cut lacks: the first checkpoints that cover these ends, at the deadline the last ones."""
        inputs = self._logs.inputs
        wanted = {where: max(end, inputs.handed[where]) for where, end in ends.items() if end > inputs.begins[where]}
        problems: list[str] = []
        while True:
            await self._read_checkpoints()
            behind = {}
            for where, count in self._checkpoints.behind(wanted).items():
                saved = self._checkpoints.saved(*where) or inputs.begins[where]
                # After the last record there may be transaction markers and aborted records, which no worker folds.
                if not await inputs.is_empty(where, saved, wanted[where]):
                    behind[where] = count
            if not behind:
                break
            if time.monotonic() > until:
                problems = [self._told_behind(*where, wanted[where]) for where in sorted(behind)]
                break
            (topic, partition), count = max(behind.items(), key=lambda each: each[1])
            report(f"checkpoints to cover {count} more records of {topic}/{partition}")
            await asyncio.sleep(LOOK_AGAIN_S)
        self._cut = dict(self._checkpoints.last)
        return problems

    def _told_behind(self, topic: str, partition: int, end: int) -> str:
        saved = self._checkpoints.saved(topic, partition) or 0
        return f"{topic}/{partition}: {end - saved} records after the last checkpoint, from offset {saved} to {end}"

    async def _read_checkpoints(self) -> None:
        reader = self._logs.checkpoints
        async for record in reader.read_to(await reader.ends()):
            self._checkpoints.add(record.partition, record.offset, record.key, record.value)

    def _positions(self) -> Offsets:
        return {
            (topic, partition): position
            for partition, meta in self._cut.items()
            for topic, position in meta.positions.items()
            if (topic, partition) in self._logs.inputs.handed
        }

    # -- what the cut's transactions wrote -----------------------------------------------------------------------------

    async def _read_outputs(self) -> None:
        """Read documents and dead letters up to the ends of their logs, uncommitted records included.

        All that the cut's transactions wrote lies before these ends, and since they are committed it is readable at
        once.
        """
        for reader, add in ((self._logs.signals, self._signals.add), (self._logs.dead_letters, self._letters.add)):
            async for record in reader.read_to(await self._logs.written.ends(reader)):
                add(record)
        for (room_id, _), session in self._signals.sessions.items():
            self._counting.tell(room_id, session)
        self._signals.sessions.clear()

    def _compare_saved(self) -> dict[str, RoomVerdict]:
        """The verdict on each room's newest document up to the cut, if room or document moved since the last audit."""
        heard_of: dict[int, set[str]] = {}
        for room_id in self._counting.heard:
            heard_of.setdefault(self._counting.places[room_id].partition, set()).add(room_id)
        verdicts: dict[str, RoomVerdict] = {}
        for partition, meta in self._cut.items():
            if self._counting.counted_beyond(partition, meta.positions):
                continue  # no checkpoint covers the count, as a problem tells: left for the next audit
            documents = self._signals.take(partition, meta)
            heard = heard_of.get(partition, set())
            self._counting.heard -= heard
            for room_id in sorted(documents.keys() | heard):
                if self._room_id in (None, room_id):
                    verdicts[room_id] = self._judge_saved(room_id, documents.get(room_id, []), meta)
        return verdicts

    def _judge_saved(self, room_id: str, documents: Sequence[Document], meta: Meta) -> RoomVerdict:
        verdict = self._counting.verdict(room_id)
        if verdict.skipped is None and documents:
            for document in reversed(documents):
                verdict.saved_as_of_ms, verdict.saved = self._counting.figures(room_id, document.value)
                verdict.left_out = document.left_out
                if all(figure.agrees for figure in verdict.saved):
                    break
        elif verdict.skipped is None and self._counting.silent_since(room_id, meta.clock_ms):
            verdict.skipped = SILENT_NOW
        elif verdict.skipped is None:
            before = self._signals.newest.get(room_id)
            found = "none" if before is None else f"none after {before.stamp.as_of_ms}"
            verdict.saved = [Figure("document", "one with its newest records", found)]
        return verdict

    async def _fates(self, begins: Offsets, cut: Offsets) -> dict[Refusal, str]:
        """The fates of the transactions that wrote superfluous letters, for the first FATES_MAX letters."""
        fates = {}
        for refusal, offsets in islice(self._letters.too_often(begins, cut).items(), FATES_MAX):
            where = f"{self._prefix}.dead-letters", refusal.partition
            told = [
                f"dead-letters/{where[1]}@{offset}, {await self._logs.dead_letters.fate(where, offset)}"
                for offset in offsets
            ]
            if told:
                fates[refusal] = "; ".join(told)
        return fates

    # -- the verdict ---------------------------------------------------------------------------------------------------

    def _verdict(self, rooms: dict[str, RoomVerdict], problems: list[str], waited_s: float) -> Verdict:
        counted: dict[str, int] = {}
        for where, handed in self._logs.inputs.handed.items():
            counted[where[0]] = counted.get(where[0], 0) + handed - self._logs.inputs.begins[where]
        return Verdict(
            cut=[
                PartitionCut(
                    partition=partition,
                    epoch=meta.epoch,
                    seq=meta.seq,
                    clock_ms=meta.clock_ms,
                    positions=meta.positions,
                )
                for partition, meta in sorted(self._cut.items())
            ],
            rooms=[rooms[room] for room in sorted(rooms)],
            problems=problems,
            accounts=self._counting.recount.accounts,
            records_cut=counted,
            checkpoints=self._checkpoints.checkpoints,
            documents=self._signals.documents,
            dead_letters=self._letters.count,
            waited_s=waited_s,
            rules=self._rulebook.used(1 + max((partition for _, partition in self._logs.inputs.begins), default=-1)),
            rules_unread=self._rulebook.unread,
        )

    def _note_agreed(self, verdict: Verdict) -> None:
        wrong = {room.partition for room in verdict.rooms if room.differences}
        for partition in self._cut.keys() - wrong:
            self._counting.agreed(partition)

    # -- from audit to audit -------------------------------------------------------------------------------------------

    async def forget(self) -> None:
        """Drop what no later audit needs; see `Recount.forget`."""
        ends, positions = await self._logs.inputs.ends(), self._positions()
        late = {partition for (topic, partition), at in positions.items() if at < ends[topic, partition]}
        # A partition without new records says nothing about the time. Forgetting must not run ahead of one that is
        # behind.
        clocks = [meta.clock_ms for partition, meta in self._cut.items() if partition in late]
        clock_ms = min(clocks, default=max((meta.clock_ms for meta in self._cut.values()), default=-1))
        for room_id in self._counting.forget(clock_ms):
            self._compared.pop(room_id, None)
            self._signals.forget(room_id)

    def remembered(self) -> dict[str, int]:
        """The numbers of remembered items, by kind."""
        return self._counting.recount.remembered()


def _logical(offsets: Offsets) -> Offsets:
    """The offsets by topic names without prefix."""
    return {(topic.rpartition(".")[2], partition): offset for (topic, partition), offset in offsets.items()}
