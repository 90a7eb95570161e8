"""`snapup explain ROOM`: why each claim is said or withheld, worked out again from the log alone."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from stream.commands.explain_view import show_explanations
from stream.commands.moments import moment_ms, moment_words
from stream.commands.replay_claims import CheckedReplay
from stream.contract.partitioner import partition_of
from stream.contract.reading import read_overlay
from stream.errors import EXIT_FAILURE, NoSuchError, SnapupError, did_you_mean
from stream.mechanics.folds import INSTALLED
from stream.mechanics.recounts import COUNTED_AGAIN
from stream.replay.recording import Replay, recorded, survey
from stream.settings import load_settings
from stream.verify.claim_records import RoomRecords
from stream.verify.claim_rules import ROOM_RULES, RULES
from stream.verify.explain import Explanation, as_json, differs
from stream.verify.explain import explain as explain_document
from stream.verify.following import following
from stream.verify.kept_explained import explain_kept, overlay_of
from stream.verify.kept_log import kept_log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.contract.overlay import Overlay
    from stream.contract.recording import RecordedRecord
    from stream.core.publishing import Published
    from stream.settings import Settings
    from stream.verify.claim_check import ClaimChecker

RECORDS_SHOWN = 5
PLAIN_WIDTH = 120
EVERY_MS = 1_000

_talk = Console(stderr=True, highlight=False, soft_wrap=True)


def explain(
    room: Annotated[str, typer.Argument(help="Whose claims.")],
    *,
    claim: Annotated[str | None, typer.Option(help="This kind of claim alone, such as stock_left.")] = None,
    at: Annotated[
        str | None,
        typer.Option(help="As of this moment, such as 2026-11-11T20:00:30Z; with --recording also +90s. Default: now."),
    ] = None,
    recording: Annotated[
        Path | None, typer.Option(metavar="FILE", help="From a recording in place of the live topics.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Every record, and every condition of every rule.")] = False,
    as_json_: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
    bootstrap_servers: Annotated[str | None, typer.Option(help="host:port, comma separated.")] = None,
    topic_prefix: Annotated[str | None, typer.Option(help="Of the topics.")] = None,
) -> None:
    """Why a claim is on screen, or why it is not: its rule, what the rule asked, and the very records.

    From the log alone: live topics are counted in the order of the journal, up to the document that was the newest at
    that moment, by the topic `claims` or by `signals`; a recording is folded up to it. Exit code 1 when what was
    published is not what follows, 2 when there is no such room or claim.
    """
    kinds = sorted({rule.kind for rule in RULES.values()} | {rule.kind for rule in ROOM_RULES.values()})
    if claim is not None and claim not in kinds:
        raise NoSuchError(f"There is no claim {claim!r}.{did_you_mean(claim, kinds)} There are: {', '.join(kinds)}.")
    settings = load_settings(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    keep = None if full else RECORDS_SHOWN
    with _talk.status("Counting the log..."):
        if recording is not None:
            found = of_recording(recording, room, at, settings, keep)
        else:
            found = asyncio.run(_of_topics(room, None if at is None else moment_ms(at, "--at"), settings, keep))
    chosen = [each for each in found if claim in (None, each.claim)]
    if not chosen:
        raise NoSuchError(f"Nothing is claimed{'' if claim is None else f' as {claim}'} of room {room} at that moment.")
    if as_json_:
        typer.echo(as_json(chosen))
    else:
        out = Console(highlight=False)
        show_explanations(chosen, out if out.is_terminal else Console(highlight=False, width=PLAIN_WIDTH), full=full)
    if differs(chosen):
        raise typer.Exit(EXIT_FAILURE)


async def _of_topics(room: str, at_ms: int | None, settings: Settings, keep: int | None) -> list[Explanation]:
    records = RoomRecords(room, keep)
    found: list[Explanation] = []
    last: Overlay | None = None

    def began(checker: ClaimChecker) -> None:
        checker.heard = records.take

    async with (
        following(settings.brokers(), settings.topic_prefix, COUNTED_AGAIN) as logs,
        kept_log(settings.brokers(), settings.topic_prefix) as kept,
    ):
        standing = await kept.at(partition_of(room.encode(), logs.partitions), room, at_ms)
        if standing is not None and not standing.room.ended:
            counted = await logs.counted_to(partition_of(room.encode(), logs.partitions), standing.room, began)
            return (
                explain_kept(standing) if counted is None else explain_document(overlay_of(standing), counted, records)
            )
        partition = await logs.partition_of(room)
        async with aclosing(logs.documents(partition, at_ms, began)) as documents:
            async for checker, overlay in documents:
                if overlay.room_id == room:
                    last = overlay
                    found = explain_document(overlay, checker, records)
    if last is None:
        raise NoSuchError(f"The journal tells of no document of room {room} at that moment.")
    _refuse_an_ended(last)
    return found


def _refuse_an_ended(overlay: Overlay) -> None:
    """Raise NoSuchError if the session is over: an ended session has no claims."""
    ended_ms = None if overlay.session is None else overlay.session.ended_at_ms
    if ended_ms is not None:
        raise NoSuchError(
            f"The session of room {overlay.room_id} ended at {moment_words(ended_ms)}, and nothing is claimed of it "
            f"since. Ask for a moment before that, such as --at {ended_ms - 1}."
        )


def of_recording(file: Path, room: str, at: str | None, settings: Settings, keep: int | None) -> list[Explanation]:
    """The explanations at a moment of a recording. `keep`: the number of records shown of each kind; None: all.

    Raises:
        SnapupError: the file is no recording, or `at` is no moment.
    """
    looked = survey(file)
    if not looked.records:
        raise SnapupError(f"{file} holds no records.")
    first = next(iter(recorded(file, in_order=looked.sorted, offered={})))
    at_ms = None if at is None else moment_ms(at, "--at", first.timestamp)
    rules, records = settings.rules(INSTALLED), RoomRecords(room, keep)
    rooms: set[str] = set()
    last: list[tuple[Overlay, ClaimChecker]] = []

    def began(checker: ClaimChecker) -> None:
        checker.heard = records.take

    def emit(published: Published) -> None:
        rooms.add(published.room_id)
        if published.room_id == room:
            checker = checked.checker_of(room)
            if checker is not None:
                last[:] = [(read_overlay(published.document), checker)]

    checked = CheckedReplay(rules, settings.topic_prefix, began=began)
    job = Replay(rules, settings.topic_prefix, EVERY_MS, emit, checked, mechanics=INSTALLED)
    reached = _Reached()
    job.run(reached.until(recorded(file, in_order=looked.sorted, offered={}), at_ms), 0)
    if at_ms is not None and at_ms > reached.last_ms >= 0:
        job.settle(at_ms)
    if not last:
        raise NoSuchError(f"No room {room!r} in {file} at that moment.{did_you_mean(room, rooms)}")
    _refuse_an_ended(last[-1][0])
    return explain_document(*last[-1], records)


class _Reached:
    """Remembers how far a recording was read."""

    def __init__(self) -> None:
        self.last_ms = -1

    def until(self, records: Iterator[RecordedRecord], at_ms: int | None) -> Iterator[RecordedRecord]:
        for record in records:
            if at_ms is not None and record.timestamp > at_ms:
                return
            self.last_ms = record.timestamp
            yield record
