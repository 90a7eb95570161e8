"""`snapup import RECORDING --to kafka`: sends a recording into topics that keep its own times."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from stream.contract.recording import read_recording
from stream.errors import EXIT_FAILURE, SnapupError, UsageError
from stream.settings import load_settings
from stream.sources.far_off import Recorded
from stream.sources.kafka import Delivered, check_topics, deliver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KAFKA = "kafka"
# The brokers' default bound on times ahead of their clock (`message.timestamp.after.max.ms`).
MAX_AHEAD_MS = 3_600_000
LINE_EVERY_S = 5.0
SHOW_EVERY = 500

_talk = Console(stderr=True, highlight=False, soft_wrap=True)


class Looked(Struct):
    """The result of a first reading, before which nothing is sent."""

    records: int = 0
    first_ms: int = -1
    last_ms: int = -1
    cut_off: bool = False
    topics: Counter[str] = msgspec.field(default_factory=Counter)


class Account(Struct, frozen=True, kw_only=True):
    """The account of an import: `records = acknowledged + refused`."""

    file: str
    records: int
    acknowledged: int
    refused: int
    topics: dict[str, int]
    first_ms: int
    last_ms: int
    took_s: float


def recording(
    file: Annotated[Path, typer.Argument(help="A recording: NDJSON, also packed as .gz.")],
    *,
    to: Annotated[str, typer.Option(help="`kafka`: topics made with --timestamp-type CreateTime.")],
    bootstrap_servers: Annotated[str | None, typer.Option(help="host:port, comma separated.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Of the topics.")] = None,
    any_time: Annotated[
        bool, typer.Option("--any-time", help="Send records too whose time is months from all others.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The account as one JSON object.")] = False,
) -> None:
    """A recording (of simulate, replay's input, or mended dead letters) → its records in Kafka, with their own times.

    The file is read whole before anything is sent. Every record goes to the partition of its key. Exit code 1 when
    Kafka refused any.
    """
    if to != KAFKA:
        raise UsageError(f"--to {to}: a recording goes to `kafka`; to copy one, copy the file.")
    settings = load_settings(bootstrap_servers=bootstrap_servers, topic_prefix=prefix)
    with _progress("checking", None) as step:
        looked = look(file, time.time_ns() // 1_000_000, step, any_time=any_time)
    if not looked.records:
        raise SnapupError(f"{file} holds no records.")
    asyncio.run(check_topics(settings.brokers(), settings.topic_prefix))
    began = time.monotonic()
    with _progress("sending", looked.records) as step:
        told = asyncio.run(
            deliver(
                read_recording(file),
                settings.brokers(),
                settings.topic_prefix,
                lambda so_far: step(so_far.acknowledged),
            )
        )
    account = Account(
        file=str(file),
        records=told.sent,
        acknowledged=told.acknowledged,
        refused=told.failed,
        topics=dict(looked.topics),
        first_ms=looked.first_ms,
        last_ms=looked.last_ms,
        took_s=time.monotonic() - began,
    )
    _tell(account, told, looked, f"{settings.bootstrap_servers}, topics {settings.topic_prefix}.*", as_json=as_json)
    if told.failed:
        raise typer.Exit(EXIT_FAILURE)


def look(file: Path, now_ms: int, step: Callable[[int], None] = lambda _: None, *, any_time: bool = False) -> Looked:
    """The contents of a recording, which is read once. Checks that Kafka accepts its times.

    Raises:
        SnapupError: a line is broken, or Kafka would refuse a record's time. The text names the record.
    """
    looked, times = Looked(), Recorded()
    reader = read_recording(file)
    for record in reader:
        looked.records += 1
        step(looked.records)
        if record.timestamp < 0:
            raise SnapupError(f"{file}: record {looked.records} has no time ({record.timestamp}). Nothing was sent.")
        if record.timestamp > now_ms + MAX_AHEAD_MS:
            raise SnapupError(
                f"{file}: record {looked.records} ({record.topic}) is of {_utc(record.timestamp)}, which is more than "
                "an hour ahead: Kafka refuses it. Nothing was sent. Take it out, or `snapup replay` the file."
            )
        looked.first_ms = record.timestamp if looked.first_ms < 0 else min(looked.first_ms, record.timestamp)
        looked.last_ms = max(looked.last_ms, record.timestamp)
        looked.topics[record.topic] += 1
        times.add(looked.records, record.timestamp)
    looked.cut_off = reader.cut_off
    if not any_time and (far_off := times.first_far_off()) is not None:
        raise SnapupError(
            f"{file}: {far_off}: the clock would leap there, and everything before would have ended. Nothing was sent. "
            "Mend it or take it out, or say --any-time."
        )
    return looked


def _tell(account: Account, told: Delivered, looked: Looked, where: str, *, as_json: bool) -> None:
    if looked.cut_off:
        text = f"The end of {account.file} is cut off: {account.records} whole records were read."
        _talk.print(text, style="yellow", markup=False)
    for text in told.failures:
        _talk.print(text, style="red", markup=False)
    if as_json:
        typer.echo(msgspec.json.encode(account))
        return
    rate = account.acknowledged / max(account.took_s, 0.001)
    typer.echo(f"{account.file} → Kafka at {where}, {_utc(account.first_ms)} to {_utc(account.last_ms)} UTC")
    for name, count in sorted(account.topics.items()):
        typer.echo(f"{count:>12} {name}")
    typer.echo(
        f"{account.records:>12} records: {account.acknowledged} acknowledged, {account.refused} refused; "
        f"{account.took_s:.1f} s, {rate:.0f} a second"
    )


def _utc(time_ms: int) -> str:
    try:
        return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        return f"{time_ms} ms"


@contextmanager
def _progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A step function: a bar on a terminal, else a line every few seconds, both on stderr. A call is cheap."""
    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeRemainingColumn(), console=_talk, transient=True, disable=not _talk.is_terminal) as bar:
        task = bar.add_task("", total=total, rate="")
        began = last = time.monotonic()
        calls = 0

        def step(done: int) -> None:
            nonlocal last, calls
            calls += 1
            if calls % SHOW_EVERY:
                return
            now = time.monotonic()
            rate = f"{done} records, {done / max(now - began, 0.001):.0f}/s"
            bar.update(task, completed=done, rate=rate)
            if not _talk.is_terminal and now - last >= LINE_EVERY_S:
                last = now
                _talk.print(f"{what}: {rate}{'' if total is None else f' of {total}'}")

        yield step
