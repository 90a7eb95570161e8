"""A session's report from Kafka: documents give the sessions, the journal gives the rules, the inputs give the rest.

The report writes nothing and joins no group. It reads only the room's partition.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from stream.contract.events import TOPIC_NAMES
from stream.contract.partitioner import partition_of
from stream.contract.report import RulesTold
from stream.errors import NoSuchError, SnapupError, did_you_mean
from stream.verify.following import following
from stream.verify.log import log_reader
from stream.verify.recounted import NO_MECHANICS
from stream.verify.room_sessions import RoomSessions
from stream.verify.rulebook import Rulebook, read_segment
from stream.verify.saved import DeadLetters
from stream.verify.session_report import Asked, SessionReport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from stream.contract.report import Report
    from stream.kafka_clients import KafkaAt
    from stream.verify.log import LogReader, Offsets
    from stream.verify.recounted import Mechanics
    from stream.verify.room_count import Assumptions
    from stream.verify.room_sessions import ToldSession

# Bound on the names among which a similar one is suggested.
ROOMS_KNOWN = 10_000
REPORT_EVERY = 5_000


async def report_from_kafka(
    bootstrap_servers: KafkaAt,
    prefix: str,
    room_id: str,
    *,
    session: str | None,
    stated: Assumptions,
    stated_rules: dict[str, Any],
    check_claims: bool = True,
    progress: Callable[[str], None] = lambda _: None,
    mechanics: Mechanics = NO_MECHANICS,
) -> Report:
    """The report of one session.

    Args:
        bootstrap_servers: the cluster.
        prefix: the prefix of the topics.
        room_id: the room of the session.
        session: the session as in `RoomSessions.choose`; None: the last one.
        stated: the settings here, for what the journal does not say.
        stated_rules: the same settings with all of their names.
        check_claims: recount every claim of the session's documents.
        progress: called with the state of the work.
        mechanics: the mechanics that are recounted too.

    Raises:
        NoSuchError: there is no such room or session.
        SnapupError: Kafka does not answer, or a document cannot be read.
    """
    progress("reading what was said")
    partition, sessions = await _sessions(bootstrap_servers, prefix, room_id)
    place = sessions.choose(session)
    told = [*sessions][place]
    progress("reading under which rules")
    rulebook = Rulebook(stated, mechanics)
    rules, saved = await _rules(bootstrap_servers, prefix, partition, told, rulebook)
    letters = DeadLetters()
    async for record in _whole(bootstrap_servers, f"{prefix}.dead-letters", partition):
        letters.add(record)
    why_no_claims: str | None = "nobody asked"
    if check_claims:
        progress("recomputing the claims")
        why_no_claims = await _check_claims(bootstrap_servers, prefix, partition, room_id, told, mechanics)
    async with log_reader(bootstrap_servers, _inputs(prefix), partition=partition) as inputs:
        log_ends = _logical(await inputs.ends())
        ends, problems = _ends(told, saved, log_ends)
        problems += _cut_off(told, _logical(inputs.begins))
        asked = Asked(
            room_id=room_id,
            prefix=prefix,
            partition=partition,
            sessions=sessions,
            place=place,
            ends=ends,
            rulebook=rulebook,
            rules=rules or [RulesTold(source="settings", where="", from_epoch=0, version="", rules=stated_rules)],
            problems=problems,
            why_no_claims=why_no_claims,
            ahead_of_clock=frozenset(letters.ahead_of_clock),
            begins=_logical(inputs.begins),
        )
        counting, seen = SessionReport(asked), 0
        targets = {(f"{prefix}.{name}", partition): min(end, log_ends[name]) for name, end in ends.items()}
        async for record in inputs.read_in_time(targets):
            topic = record.topic.rpartition(".")[2]
            counting.add(topic, record.offset, record.timestamp, record.key, record.value, record.headers)
            seen += 1
            if seen % REPORT_EVERY == 0:
                progress(f"{seen} records counted")
                await asyncio.sleep(0)  # other tasks get a turn, and the caller may cancel
    return counting.report(documents_from="signals", version=version("snapup"))


def _inputs(prefix: str) -> list[str]:
    return [f"{prefix}.{name}" for name in TOPIC_NAMES]


async def _sessions(servers: KafkaAt, prefix: str, room_id: str) -> tuple[int, RoomSessions]:
    """The room's partition, and the sessions in its documents."""
    key = room_id.encode()
    topic = f"{prefix}.signals"
    async with log_reader(servers, [topic]) as signals:
        partitions = len(signals.begins)
        mine = partition_of(key, partitions)
        others: set[bytes] = set()
        # The contract's partition first. Only producers of the first edition may have used another one.
        for partition in (mine, *(number for number in range(partitions) if number != mine)):
            sessions = RoomSessions(room_id)
            where = (topic, partition)
            async for record in signals.read_to({where: (await signals.ends())[where]}):
                if record.key == key:
                    sessions.add(record.value or b"")
                elif len(others) < ROOMS_KNOWN:
                    others.add(record.key or b"")
            if len(sessions):
                return partition, sessions
    meant = did_you_mean(room_id, sorted(other.decode("utf-8", "replace") for other in others))
    raise NoSuchError(f"Nothing was said of room {room_id!r}: no document of it is in {topic}.{meant}")


async def _rules(
    servers: KafkaAt, prefix: str, partition: int, told: ToldSession, rulebook: Rulebook
) -> tuple[list[RulesTold], dict[str, int] | None]:
    """The session's rules for the report, and the offsets of its last document's cut. Fills the rulebook."""
    found: list[RulesTold] = []
    saved: dict[str, int] | None = None
    try:
        async for record in _whole(servers, f"{prefix}.journal", partition):
            rulebook.add(record.topic, record.partition, record.offset, record.value)
            segment = read_segment(record.value)
            if isinstance(segment, str):
                continue
            if segment.epoch == told.epoch and max(segment.steps.clock_ms, 0) == told.as_of_ms:
                saved = dict(zip(TOPIC_NAMES, segment.steps.positions, strict=False))
            if not segment.rules or segment.epoch > told.epoch:
                continue
            rules = RulesTold(
                source="journal",
                where=f"{record.topic}/{record.partition}@{record.offset}",
                from_epoch=segment.epoch,
                version=segment.version,
                rules=segment.rules,
            )
            if segment.epoch <= told.first_epoch:
                found = [rules] if not found or found[-1].rules != rules.rules else found
            elif not found or found[-1].rules != rules.rules:
                found.append(rules)
    except SnapupError as error:
        rulebook.unread = error.message
    return found, saved


async def _check_claims(
    servers: KafkaAt, prefix: str, partition: int, room_id: str, told: ToldSession, mechanics: Mechanics
) -> str | None:
    """Why the session's claims could not be recounted, or not all of them; None: all were."""
    try:
        async with (
            following(servers, prefix, mechanics) as logs,
            aclosing(logs.documents(partition, told.as_of_ms)) as documents,
        ):
            async for checker, overlay in documents:
                if overlay.room_id == room_id and told.holds(overlay.epoch, overlay.rev):
                    where = f"document {overlay.epoch}-{overlay.rev} at {overlay.as_of_ms}"
                    told.checked.add(where, checker.check(overlay))
                    await asyncio.sleep(0)
    except SnapupError as error:
        return error.message
    return None


@asynccontextmanager
async def _open(servers: KafkaAt, topic: str, partition: int) -> AsyncIterator[LogReader]:
    async with log_reader(servers, [topic], partition=partition) as reader:
        yield reader


async def _whole(servers: KafkaAt, topic: str, partition: int) -> AsyncIterator[Any]:
    """Every committed record of one topic partition."""
    async with _open(servers, topic, partition) as reader:
        async for record in reader.read_to(await reader.ends()):
            yield record


def _ends(
    told: ToldSession, saved: dict[str, int] | None, log_ends: dict[str, int]
) -> tuple[dict[str, int], list[str]]:
    """By topic, the offset after the session's last record, and what is uncertain about it."""
    if told.session is not None:
        found = dict(zip(TOPIC_NAMES, told.session.next_offsets, strict=False))
    elif saved is not None:
        found = saved
    else:
        return log_ends, []  # the last document's place is unknown: a record too many will show as a difference
    ends = {name: found.get(name, 0) for name in TOPIC_NAMES}
    beyond = [
        f"{name} was folded up to offset {end}, but its log ends at {log_ends[name]}"
        for name, end in ends.items()
        if end > log_ends[name]
    ]
    return ends, beyond


def _cut_off(told: ToldSession, begins: dict[str, int]) -> Sequence[str]:
    """What retention has removed of the session, in sentences."""
    first = {} if told.session is None else dict(zip(TOPIC_NAMES, told.session.first_offsets, strict=False))
    return [
        f"the log of {name} begins at offset {begin}, the session at {first.get(name, 0)}: records are missing"
        for name, begin in begins.items()
        if begin > first.get(name, 0)
    ]


def _logical(offsets: Offsets) -> dict[str, int]:
    return {topic.rpartition(".")[2]: offset for (topic, _), offset in offsets.items()}
