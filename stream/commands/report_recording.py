"""A session's report from a recording: its records are recounted, its documents are those of a replay."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from stream.commands.replay_claims import CheckedReplay
from stream.contract.events import TOPIC_NAMES
from stream.contract.reading import read_overlay
from stream.contract.report import RulesTold
from stream.errors import NoSuchError, SnapupError, did_you_mean
from stream.mechanics.folds import INSTALLED
from stream.mechanics.recounts import COUNTED_AGAIN
from stream.replay.recording import Replay, recorded, survey
from stream.verify.room_sessions import RoomSessions
from stream.verify.rulebook import Rulebook, assumptions_of_rules
from stream.verify.session_report import Asked, SessionReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from stream.contract.recording import RecordedRecord
    from stream.contract.report import Report
    from stream.core.publishing import Published
    from stream.settings import Settings

# The interval of a worker's checkpoints, whose documents `live.signals` holds.
EVERY_MS = 1_000
BEYOND_ANY = 2**62
REPORT_EVERY = 5_000


def report_from_recording(
    path: Path,
    settings: Settings,
    room_id: str | None,
    *,
    session: str | None,
    any_time: bool,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """The report of one session.

    Args:
        path: the recording.
        settings: the settings with the rules of the count.
        room_id: the room of the session; None: the only room.
        session: the session as in `RoomSessions.choose`; None: the last one.
        any_time: accept records whose time is months from all others.
        progress: called with the state of the work.

    Raises:
        NoSuchError: there is no such file, room or session.
        SnapupError: the file is no recording, or its times are not plausible.
    """
    progress(f"checking {path}")
    found = survey(path)
    if not found.records:
        raise SnapupError(f"{path} holds no records.")
    if found.far_off is not None and not any_time:
        raise SnapupError(f"{path}: {found.far_off}. Mend it or take it out, or say --any-time.")
    problems = [f"the end of {path.name} is cut off"] if found.cut_off else []
    sessions: dict[str, RoomSessions] = {}

    def take(published: Published) -> None:
        if room_id in (None, published.room_id):
            of = sessions.setdefault(published.room_id, RoomSessions(published.room_id))
            told = of.add(published.document)
            if (checker := checked.checker_of(published.room_id)) is not None:
                overlay = read_overlay(published.document)
                where = f"document {overlay.epoch}-{overlay.rev} at {overlay.as_of_ms}"
                told.checked.add(where, checker.check(overlay))
            if room_id is None and len(sessions) > 1:
                raise NoSuchError(f"{path} holds several rooms, such as {', '.join(sorted(sessions))}: say --room.")

    rules = settings.rules(INSTALLED)
    checked = CheckedReplay(rules, settings.topic_prefix)
    job = Replay(rules, settings.topic_prefix, EVERY_MS, take, checked, mechanics=INSTALLED)
    job.run(_counted(recorded(path, in_order=found.sorted, offered={}), "folded", progress))
    if not sessions:
        meant = did_you_mean(room_id or "", {overlay.room_id for overlay in job.overlays()})
        raise NoSuchError(f"No room {room_id!r} in {path}.{meant}")
    (room_id, of_room), *_ = sessions.items()
    place = of_room.choose(session)
    chosen = [*of_room][place].session
    # Without a session in the documents it is the only one, and goes on to the end of the file.
    next_offsets = [BEYOND_ANY] * len(TOPIC_NAMES) if chosen is None else chosen.next_offsets
    told_rules = msgspec.to_builtins(rules)
    asked = Asked(
        room_id=room_id,
        prefix=settings.topic_prefix,
        partition=_partition_of(recorded(path, in_order=True, offered={}), room_id),
        sessions=of_room,
        place=place,
        ends=dict(zip(TOPIC_NAMES, next_offsets, strict=False)),
        rulebook=Rulebook(assumptions_of_rules(told_rules), COUNTED_AGAIN),
        rules=[RulesTold(source="settings", where="", from_epoch=0, version="", rules=told_rules)],
        problems=problems,
    )
    counting = SessionReport(asked)
    records = _counted(recorded(path, in_order=found.sorted, offered={}), "counted", progress)
    for record, offset in _placed(records, asked.partition):
        counting.add(record.topic, offset, record.timestamp, record.key, record.value, record.headers)
    return counting.report(documents_from="replay", version=version("snapup"))


def _partition_of(records: Iterable[RecordedRecord], room_id: str) -> int:
    """The partition of the room's first record. Records that were never in Kafka count as of one partition."""
    key = room_id.encode()
    return next((max(record.partition, 0) for record in records if record.key == key), 0)


def _placed(records: Iterable[RecordedRecord], partition: int) -> Iterator[tuple[RecordedRecord, int]]:
    """The records of one partition with their offsets. A record that was never in Kafka gets the next of its topic."""
    positions = Counter[str]()
    for record in records:
        if max(record.partition, 0) == partition:
            offset = record.offset if record.offset >= 0 else positions[record.topic]
            positions[record.topic] = offset + 1
            yield record, offset


def _counted(records: Iterable[RecordedRecord], what: str, progress: Callable[[str], None]) -> Iterator[RecordedRecord]:
    for number, record in enumerate(records, start=1):
        if number % REPORT_EVERY == 0:
            progress(f"{number} records {what}")
        yield record
