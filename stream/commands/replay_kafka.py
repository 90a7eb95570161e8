"""`snapup replay --from-kafka`: folds live topics again in the journal's order and compares with what was published."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing, contextmanager, nullcontext
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec
import typer
from msgspec import Struct, field
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from stream.contract.reading import read_overlay
from stream.errors import EXIT_FAILURE, NoSuchError
from stream.mechanics.folds import INSTALLED
from stream.replay.journal_log import JournalLog, Plan, journal_log
from stream.verify.kept_claims import Kept
from stream.verify.kept_log import KeptComparison, KeptLog, kept_log

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from stream.core.publishing import Published
    from stream.kafka_clients import KafkaAt
    from stream.settings import Settings
    from stream.verify.kept_claims import Standing

VERSION = version("snapup")

_talk = Console(stderr=True, highlight=False, soft_wrap=True)


class Replayed(Struct):
    """The result of a replay.

    Attributes:
        documents: the number of documents made.
        identical: with a check, the number of documents that `live.signals` holds byte for byte.
        unchecked: documents that `live.signals` no longer holds.
        differences: the first differences, in words.
        versions: the versions of Snapup that wrote the journal.
        last: the last document of each room.
        records: the number of folded input records.
        kept: with a check, how `live.claims` agrees with the documents.
    """

    documents: int = 0
    records: int = 0
    identical: int = 0
    unchecked: int = 0
    differences: list[str] = []
    versions: set[str] = set()
    last: dict[str, bytes] = {}
    kept: Kept = field(default_factory=Kept)

    @property
    def differs(self) -> bool:
        """Whether documents or claims are others than those of the log."""
        return bool(self.differences or self.kept.differing)


def replay_live(
    settings: Settings,
    room: str | None,
    emit: Callable[[Published], None],
    *,
    check: bool,
    as_json: bool,
    summary: bool,
) -> None:
    """Replay and print the result. Raises Exit with code 1 if a check finds a difference.

    Raises:
        SnapupError: see `replay_topics`; or nothing of this room was found.
    """
    with _bar() as progress:
        found = asyncio.run(
            replay_topics(
                settings.brokers(),
                settings.topic_prefix,
                room=room,
                check=check,
                emit=emit,
                progress=progress,
            )
        )
    if room is not None and not found.documents:
        raise NoSuchError(f"No document of room {room!r} follows from the journal; --all replays every room.")
    if as_json:
        for document in found.last.values():
            sys.stdout.buffer.write(document + b"\n")
    elif summary:
        told = sys.stdout if not check else sys.stderr
        print(f"{found.documents} documents of {len(found.last)} rooms from {found.records} records", file=told)
    if not check:
        return
    for text in [*found.differences, *found.kept.told]:
        _talk.print(text, style="red", markup=False)
    if found.differs and found.versions - {VERSION}:
        _talk.print(f"The journal was written by Snapup {', '.join(sorted(found.versions))}; this is {VERSION}.")
    verdict = "REPLAY-DIFFERS" if found.differs else "REPLAY-IDENTICAL" if found.identical else "REPLAY-UNCHECKED"
    line = (
        f"{verdict}: {found.identical} documents identical, {found.unchecked} not compared; {claims_told(found.kept)}"
    )
    print(line, file=sys.stderr if as_json or not summary else sys.stdout)
    if not found.identical or found.differs:
        raise typer.Exit(EXIT_FAILURE)


def claims_told(kept: Kept) -> str:
    """What a check found of `live.claims`, in words; a claims topic that cannot be read says why."""
    if kept.why_not:
        return f"claims not compared: {kept.why_not}"
    told = f"claims of {kept.documents} documents as they were kept"
    return f"{told}, of {kept.differing} others" if kept.differing else told


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """A progress function: a bar on a terminal, else a line for each tenth."""
    columns = (TextColumn("folding"), BarColumn(), TaskProgressColumn(), TextColumn("{task.completed:,} records"))
    with Progress(*columns, console=_talk, transient=True, disable=not _talk.is_terminal) as bar:
        task = bar.add_task("", total=None)
        tenths = 0

        def progress(done: int, total: int) -> None:
            nonlocal tenths
            bar.update(task, completed=done, total=total)
            if not _talk.is_terminal and done * 10 // max(total, 1) > tenths:
                tenths = done * 10 // max(total, 1)
                _talk.print(f"{done} of {total} records folded")

        yield progress


async def replay_topics(
    bootstrap_servers: KafkaAt,
    prefix: str,
    *,
    room: str | None,
    check: bool,
    emit: Callable[[Published], None],
    progress: Callable[[int, int], None],
) -> Replayed:
    """The result of replaying all partitions.

    Args:
        bootstrap_servers: the cluster.
        prefix: the prefix of the topics.
        room: the room whose documents are handed out; None: all rooms.
        check: compare with `live.signals` and `live.claims`.
        emit: called with each document, in order within a partition.
        progress: called with the records folded and the records in all.

    Raises:
        SnapupError: Kafka does not answer, or logs and journal do not go together (any more).
    """
    log = await journal_log(bootstrap_servers, prefix, INSTALLED)
    found = Replayed(differences=[], versions=set(), last={})
    plans = {number: plan for number in range(log.partitions) if (plan := await log.plan(number)) is not None}
    total, done = sum(plan.records for plan in plans.values()), 0

    def folded(records: int) -> None:
        nonlocal done
        done += records
        progress(done, total)
        found.records = done

    async with kept_log(bootstrap_servers, prefix) if check else nullcontext(None) as kept:
        found.kept.why_not = "" if kept is None else kept.why_not
        for number, plan in plans.items():
            found.versions |= plan.versions
            await _replay_partition(log, number, plan, found, room, emit, folded, kept)
    return found


async def _replay_partition(
    log: JournalLog,
    number: int,
    plan: Plan,
    found: Replayed,
    room: str | None,
    emit: Callable[[Published], None],
    folded: Callable[[int], None],
    kept: KeptLog | None,
) -> None:
    """Replay one partition. `kept`: the topic of claims, for a check; None: nothing is compared."""
    async with (
        aclosing(log.committed_signals(number)) as live,
        aclosing(log.replay(number, plan, folded)) as documents,
        aclosing(KeptComparison(_none() if kept is None else kept.standings(number), found.kept)) as claims,
    ):
        comparison = Comparison(live, f"{log.signals}, partition {number}", found)
        async for published in documents:
            if kept is not None:
                await comparison.take(published)
                if kept.is_there:
                    await claims.take(read_overlay(published.document))
            if room in (None, published.room_id):
                found.documents += 1
                found.last[published.room_id] = published.document
                emit(published)


async def _none() -> AsyncIterator[Standing]:
    none: tuple[Standing, ...] = ()
    for standing in none:
        yield standing


class Comparison:
    """Compares the documents of one partition's replay with the records of `live.signals`, in the order of both.

    The two may begin at different places: retention deletes signals sooner than the journal. Documents before the first
    common one are unchecked. After the first difference nothing more is compared.
    """

    def __init__(self, live: AsyncIterator[Any], where: str, found: Replayed) -> None:
        self._live = live
        self._where = where
        self._found = found
        self._waiting: Any = None
        self._aligned = self._differs = False

    async def take(self, published: Published) -> None:
        """Compare the next document of the replay."""
        if self._differs:
            self._found.unchecked += 1
            return
        record = await self._next()
        if not self._aligned:
            ours = _place(published.room_id.encode(), published.document)
            while record is not None and _place(record.key, record.value) < ours:
                self._found.unchecked += 1
                record = await self._next()
            if record is None or _place(record.key, record.value) != ours:
                self._waiting = record
                self._found.unchecked += 1
                return
            self._aligned = True
        if record is None:
            self._differ(f"room {published.room_id}, rev {published.rev} is in the replay and not in the log")
        elif record.key == published.room_id.encode() and record.value == published.document:
            self._found.identical += 1
        else:
            self._differ(f"offset {record.offset}: {difference(published, record.key, record.value)}")

    async def _next(self) -> Any:
        record, self._waiting = self._waiting, None
        return await anext(self._live, None) if record is None else record

    def _differ(self, text: str) -> None:
        self._differs = True
        self._found.differences.append(f"{self._where}, {text}")


def _place(key: bytes | None, document: bytes | None) -> tuple[int, bytes, int]:
    """The sort key of a document in the log: the clock never goes back, and one cut is sorted by room."""
    known = msgspec.json.decode(document or b"{}")
    return known.get("as_of_ms", 0), key or b"", known.get("rev", 0)


def difference(published: Published, key: bytes | None, live: bytes | None) -> str:
    """The first field in which two documents differ."""
    room = f"room {published.room_id}, rev {published.rev}"
    if key != published.room_id.encode():
        return f"{room} in the replay, room {(key or b'').decode('utf-8', 'replace')} in the log"
    ours, theirs = msgspec.json.decode(published.document), msgspec.json.decode(live or b"{}")
    field = _first_difference(ours, theirs, "")
    return f"{room}: {field}" if field else f"{room}: the same values, in other bytes"


def _first_difference(ours: Any, theirs: Any, at: str) -> str | None:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            if found := _first_difference(ours.get(key), theirs.get(key), f"{at}.{key}".lstrip(".")):
                return found
        return None
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            if found := _first_difference(one, other, f"{at}[{number}]"):
                return found
        return None
    return None if ours == theirs else f"{at} is {ours!r} in the replay and {theirs!r} in the log"
