"""`snapup record`: a room's records from Kafka → a recording, to be replayed, imported elsewhere, or sent to us."""

from __future__ import annotations

import asyncio
import secrets
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from msgspec import Struct, field
from rich.console import Console

from stream.commands.ending import end_on_sigterm
from stream.commands.moments import moment_ms, moment_words
from stream.commands.spans import span_s
from stream.commands.whole_file import check_target, written_whole
from stream.contract.events import TOPIC_NAMES
from stream.contract.ids import is_id
from stream.contract.kept import CutBytes
from stream.contract.partitioner import partition_of
from stream.contract.pseudonyms import MIN_KEY_BYTES, Pseudonyms
from stream.contract.recording import RecordedRecord, RecordingWriter
from stream.errors import NoSuchError, UsageError
from stream.mechanics.kinds import CATALOGUE
from stream.settings import load_settings
from stream.topics import check
from stream.verify.log import log_reader
from stream.view.words import grouped

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.settings import Settings
    from stream.verify.log import LogReader, Offsets

MAX_AGO_S = 3_653 * 86_400
REPORT_EVERY = 5_000
FOLLOW_EVERY_S = 0.5
SECOND_MS = 1_000

_talk = Console(stderr=True, highlight=False, soft_wrap=True)


class Recorded(Struct, kw_only=True):
    """The account of a recording. Of the room's records in the log, `records` are in the file and `left_out` are not.

    Attributes:
        file: where they are.
        room_id: whose they are.
        records: their number.
        topics: their number by topic.
        first_ms, last_ms: the least and the greatest of their times; -1: there are none.
        left_out: under pseudonyms, the number of those that break the contract, by reason.
        named: under pseudonyms, the number of those whose `event_id` holds the person's id all the same.
        cut: values of more than 1 MB, of which the beginning is recorded; they are refused whole or cut.
        begins: without `--since`, topics whose log has lost its beginning, with the offset at which it begins now.
    """

    file: str
    room_id: str
    records: int = 0
    topics: Counter[str] = field(default_factory=Counter)
    first_ms: int = -1
    last_ms: int = -1
    left_out: dict[str, int] = {}
    named: int = 0
    cut: int = 0
    begins: dict[str, int] = {}

    def note(self, record: RecordedRecord) -> None:
        """Count a record that was written."""
        self.records += 1
        self.topics[record.topic] += 1
        self.first_ms = record.timestamp if self.first_ms < 0 else min(self.first_ms, record.timestamp)
        self.last_ms = max(self.last_ms, record.timestamp)


class Range(Struct, frozen=True):
    """Times of records, in ms: not before `since_ms`, before `until_ms`; None: no bound."""

    since_ms: int | None
    until_ms: int | None

    def holds(self, time_ms: int) -> bool:
        """Whether a time is in it."""
        return (self.since_ms is None or time_ms >= self.since_ms) and not self.is_over(time_ms)

    def is_over(self, time_ms: int) -> bool:
        """Whether it ends at this time or before."""
        return self.until_ms is not None and time_ms >= self.until_ms


def record(
    room: Annotated[str, typer.Argument(help="The room whose records are wanted.")],
    *,
    to: Annotated[Path, typer.Option(help="The recording: NDJSON; .gz packs it.")],
    since: Annotated[
        str | None, typer.Option(help="Stored at this moment or later: 2026-11-11T20:00Z, epoch ms, or 2h for 2h ago.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Stored before this moment; written as --since.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is stored from now on, up to --until or Ctrl-C.")
    ] = False,
    pseudonyms: Annotated[
        bool,
        typer.Option("--pseudonyms", help="Replace ids of people by a keyed hash; its key is not kept."),
    ] = False,
    key_file: Annotated[
        Path | None,
        typer.Option(help=f"With --pseudonyms: the key, at least {MIN_KEY_BYTES} bytes, for the same ones elsewhere."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", "--force", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The account as one JSON object.")] = False,
    bootstrap_servers: Annotated[str | None, typer.Option(help="host:port, comma separated.")] = None,
    topic_prefix: Annotated[str | None, typer.Option(help="Of the topics.")] = None,
) -> None:
    """A room's records in all input topics, as they were committed → a recording, byte for byte, up to now.

    It reads the room's partition without a group, and writes nothing to Kafka. The file appears when it is whole.
    """
    if not is_id(room):
        raise UsageError(f"{room!r} is no room id.")
    if key_file is not None and not pseudonyms:
        raise UsageError("--key-file goes with --pseudonyms.")
    now_ms = time.time_ns() // 1_000_000
    wanted = Range(_moment(since, "--since", now_ms), _moment(until, "--until", now_ms))
    if wanted.since_ms is not None and wanted.is_over(wanted.since_ms):
        raise UsageError(f"--until {until} is not after --since {since}.")
    check_target(to, overwrite=overwrite, source=key_file)
    end_on_sigterm()
    settings = load_settings(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    names = Pseudonyms(_key(key_file), CATALOGUE) if pseudonyms else None
    with written_whole(to) as path, _talk.status("Reading...") as status:
        with RecordingWriter(path) as writer:
            recorder = Recorder(settings, room, wanted, names, writer, status.update)
            account = Recorded(file=str(to), room_id=room)
            asyncio.run(recorder.run(account, follow=follow))
        if not account.records and not account.left_out:
            within = "" if wanted == Range(None, None) else " in this time"
            raise NoSuchError(f"There is no record of room {room!r}{within} in {settings.topic_prefix}.*")
    _tell(account, to_stdout=to.is_file(), as_json=as_json)


class Recorder:
    """Writes a room's records to a recording."""

    def __init__(
        self,
        settings: Settings,
        room: str,
        wanted: Range,
        names: Pseudonyms | None,
        writer: RecordingWriter,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._room = room
        self._wanted = wanted
        self._names = names
        self._writer = writer
        self._progress = progress

    async def run(self, account: Recorded, *, follow: bool) -> None:
        """Record up to the present end of the log; following, until the range is over or a signal comes.

        Raises:
            SnapupError: Kafka does not answer, a topic is missing, or the log was cut off meanwhile.
        """
        prefix, brokers = self._settings.topic_prefix, self._settings.brokers()
        topics = [f"{prefix}.{name}" for name in TOPIC_NAMES]
        counts = await check(brokers, topics, to="Read")
        partition = partition_of(self._room.encode(), counts[topics[0]])
        async with log_reader(
            brokers,
            topics,
            since_ms=self._wanted.since_ms,
            # Where producers choose partitions in their own way, the room may lie in any.
            partition=partition if self._settings.partitioner == "murmur2" else None,
        ) as reader:
            if self._wanted.since_ms is None:
                account.begins = {topic: begin for (topic, _), begin in sorted(reader.begins.items()) if begin}
            await self._record(reader, await reader.ends(), account)
            if follow:
                await self._follow(reader, account)
        if self._names is not None:
            account.left_out, account.named = dict(self._names.left_out), self._names.named

    async def _follow(self, reader: LogReader, account: Recorded) -> None:
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        while not stopped.is_set() and not self._wanted.is_over(time.time_ns() // 1_000_000):
            await self._record(reader, await reader.ends(), account)
            self._writer.flush()
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), FOLLOW_EVERY_S)
        # What was stored while it waited.
        await self._record(reader, await reader.ends(), account)

    async def _record(self, reader: LogReader, ends: Offsets, account: Recorded) -> None:
        key, seen = self._room.encode(), 0
        async for found in reader.read_in_time(ends):
            seen += 1
            if seen % REPORT_EVERY == 0:
                self._progress(f"{grouped(seen)} records read, {grouped(account.records)} of the room")
                await asyncio.sleep(0)  # a signal gets its turn
            if found.key != key or not self._wanted.holds(found.timestamp):
                continue
            taken: RecordedRecord | None = RecordedRecord(
                topic=found.topic.rpartition(".")[2],
                timestamp=found.timestamp,
                value=found.value,
                key=found.key,
                partition=found.partition,
                offset=found.offset,
                headers=tuple(found.headers),
            )
            is_cut = isinstance(found.value, CutBytes)
            if self._names is not None and taken is not None:
                taken = self._names.replaced(taken)
            if taken is not None:
                self._writer.write(taken)
                account.note(taken)
                account.cut += is_cut


def _moment(text: str | None, option: str, now_ms: int) -> int | None:
    if text is None:
        return None
    if text[-1:] in "smhd" and text[:-1].isdigit():
        return now_ms - SECOND_MS * span_s(text, option, MAX_AGO_S)
    return moment_ms(text, option)


def _key(file: Path | None) -> bytes:
    """The key in a file without white space around it; without a file a new one."""
    if file is None:
        return secrets.token_bytes(MIN_KEY_BYTES)
    if not file.is_file():
        raise NoSuchError(f"There is no file {file}.")
    key = file.read_bytes().strip()
    if len(key) < MIN_KEY_BYTES:
        raise UsageError(
            f"{file} holds {len(key)} bytes: a key needs at least {MIN_KEY_BYTES}, such as `openssl rand -hex 32`."
        )
    return key


def _tell(account: Recorded, *, to_stdout: bool, as_json: bool) -> None:
    """Print the account; on stderr where the recording itself may be on stdout."""
    for topic, begin in account.begins.items():
        _talk.print(f"{topic} begins at offset {begin}: what was before is gone.", style="yellow", markup=False)
    for reason, count in sorted(account.left_out.items()):
        text = f"{grouped(count)} left out: {reason}. What is in a record that breaks the contract nobody knows."
        _talk.print(text, style="yellow", markup=False)
    if account.cut:
        _talk.print(
            f"{grouped(account.cut)} values of more than 1 MB are cut: they are refused all the same.", style="yellow"
        )
    if account.named:
        text = f"{grouped(account.named)} event ids hold the id of the person: they stay as they are."
        _talk.print(text, style="yellow", markup=False)
    if as_json:
        typer.echo(msgspec.json.encode(account), err=not to_stdout)
        return
    times = f", {moment_words(account.first_ms)} to {moment_words(account.last_ms)}" if account.records else ""
    typer.echo(f"{account.file}: {grouped(account.records)} records of {account.room_id}{times}", err=not to_stdout)
    for name, count in sorted(account.topics.items()):
        typer.echo(f"{grouped(count):>12} {name}", err=not to_stdout)
