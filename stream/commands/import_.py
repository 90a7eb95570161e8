"""`snapup import taobao|uci|recording FILE`: recorded shopping → events; a recording → Kafka."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from typer.core import TyperGroup

from stream.commands.import_recording import KAFKA, recording
from stream.commands.whole_file import check_target, written_whole
from stream.contract.ids import is_id
from stream.contract.recording import RecordingWriter
from stream.errors import SnapupError, UsageError
from stream.settings import load_settings
from stream.sources.accounts import Accounts
from stream.sources.far_off import periods_of
from stream.sources.intake import SendOrder, records_of
from stream.sources.kafka import check_topics, deliver
from stream.sources.local_time import DateOrder, time_zone
from stream.sources.rows import RowReader
from stream.sources.taobao import taobao_events, taobao_times
from stream.sources.uci import uci_events, uci_times
from stream.topics import DEFAULT_PREFIX
from stream.view.accounts import accounts_view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from stream.contract.events import Event
    from stream.contract.recording import RecordedRecord
    from stream.kafka_clients import Brokers
    from stream.sources.far_off import Periods
    from stream.sources.rows import Row

RECORDING_SUFFIXES = (".ndjson", ".ndjson.gz")


class _ImportGroup(TyperGroup):
    """Reads `snapup import FILE` with a recording as `snapup import recording FILE`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the arguments name."""
        if args[0] not in self.commands and (args[0].endswith(RECORDING_SUFFIXES) or Path(args[0]).is_file()):
            args = ["recording", *args]
        return super().resolve_command(ctx, args)


import_app = typer.Typer(
    name="import",
    cls=_ImportGroup,
    no_args_is_help=True,
    help=(
        "Turn other people's recordings into events, each row accounted for.\n\n"
        "Every record carries its event's own time, so a worker that follows the wall clock would end such a room at "
        "once: run it with SNAPUP_CLOCK=log, or write a recording and use `snapup replay`."
    ),
)

import_app.command()(recording)

File = Annotated[Path, typer.Argument(help="CSV, or CSV packed as .gz.")]
Room = Annotated[str, typer.Option(help="The room of all events.")]
To = Annotated[str, typer.Option(help="`kafka`, or a recording to write: FILE.ndjson or FILE.ndjson.gz.")]
Order = Annotated[
    SendOrder,
    typer.Option(help="`time`: nothing is sent until the whole file was read and sorted. `file`: as the rows come."),
]
Encoding = Annotated[str, typer.Option(help="Of the file, e.g. utf-8, latin-1, gb18030.")]
Report = Annotated[Path | None, typer.Option(help="Write every refused and noted row to this file, as NDJSON.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", "--force", help="Replace a recording or a report that is there.")
]
AnyTime = Annotated[bool, typer.Option("--any-time", help="Take rows whose time is months from all others too.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with code 3 when a row was refused.")]
Bootstrap = Annotated[str, typer.Option(envvar="SNAPUP_BOOTSTRAP_SERVERS", help="host:port, comma separated.")]
Prefix = Annotated[str, typer.Option(envvar="SNAPUP_TOPIC_PREFIX", help="Of the topics.")]

_DEFAULT_BOOTSTRAP = "127.0.0.1:9092"
_EXIT_ROWS_REFUSED = 3


@import_app.command()
def taobao(
    file: File,
    *,
    room: Room,
    to: To,
    order: Order = SendOrder.TIME,
    encoding: Encoding = "utf-8",
    report: Report = None,
    overwrite: Overwrite = False,
    strict: Strict = False,
    any_time: AnyTime = False,
    bootstrap_servers: Bootstrap = _DEFAULT_BOOTSTRAP,
    prefix: Prefix = DEFAULT_PREFIX,
) -> None:
    """Alibaba UserBehavior: pv → product_click, cart → cart_add, buy → paid order, fav → like."""
    accounts, latest_ms = Accounts(), _latest_ms(to)
    _import(
        file,
        lambda rows, periods: taobao_events(rows, room, accounts, latest_ms, periods),
        None if any_time else lambda rows: taobao_times(rows, latest_ms),
        accounts,
        _Target(to, bootstrap_servers, prefix, overwrite=overwrite),
        room=room,
        order=order,
        encoding=encoding,
        report=report,
        overwrite=overwrite,
    )
    _judge(accounts, strict=strict)


@import_app.command()
def uci(
    file: File,
    *,
    room: Room,
    to: To,
    timezone: Annotated[str, typer.Option(help="Of the times in the file.")] = "Europe/London",
    dates: Annotated[DateOrder, typer.Option(help="2010-12-31, 12/31/2010 or 31/12/2010.")] = DateOrder.ISO,
    order: Order = SendOrder.TIME,
    encoding: Encoding = "utf-8",
    report: Report = None,
    overwrite: Overwrite = False,
    strict: Strict = False,
    any_time: AnyTime = False,
    bootstrap_servers: Bootstrap = _DEFAULT_BOOTSTRAP,
    prefix: Prefix = DEFAULT_PREFIX,
) -> None:
    """UCI Online Retail: invoice → paid order, C-invoice → refunded order, money in pence."""
    accounts, latest_ms, zone = Accounts(), _latest_ms(to), time_zone(timezone)
    _import(
        file,
        lambda rows, periods: uci_events(rows, room, accounts, latest_ms, zone, dates, periods),
        None if any_time else lambda rows: uci_times(rows, latest_ms, zone, dates),
        accounts,
        _Target(to, bootstrap_servers, prefix, overwrite=overwrite),
        room=room,
        order=order,
        encoding=encoding,
        report=report,
        overwrite=overwrite,
    )
    _judge(accounts, strict=strict)


class _Target:
    """The destination of the records."""

    def __init__(self, to: str, bootstrap_servers: str, prefix: str, *, overwrite: bool) -> None:
        self.name = to
        self._bootstrap_servers = bootstrap_servers
        self._prefix = prefix
        self._path = None if to == KAFKA else Path(to)
        self._overwrite = overwrite

    def check(self, source: Path) -> None:
        """Raise unless records can be delivered there. `source` has not been read yet."""
        to = self.name
        if self._path is None:
            self.name = f"Kafka at {self._bootstrap_servers}, topics {self._prefix}.*"
            asyncio.run(check_topics(self._brokers(), self._prefix))
            return
        if not to.endswith(RECORDING_SUFFIXES):
            raise UsageError(f"--to takes `kafka` or a file named {' or '.join(RECORDING_SUFFIXES)}, not {to!r}.")
        check_target(self._path, overwrite=self._overwrite, source=source)

    def _brokers(self) -> Brokers:
        """The cluster, with the TLS and SASL of the environment."""
        return load_settings(bootstrap_servers=self._bootstrap_servers).brokers()

    def deliver(self, records: Iterable[RecordedRecord]) -> int:
        """The number of records that arrived for certain. Delivers all."""
        if self._path is None:
            told = asyncio.run(deliver(records, self._brokers(), self._prefix))
            if told.failed:
                raise SnapupError(
                    f"Kafka refused {told.failed} of {told.sent} events; {told.acknowledged} were acknowledged. "
                    + "; ".join(told.failures)
                )
            return told.acknowledged
        with written_whole(self._path) as part, RecordingWriter(part) as writer:
            for record in records:
                writer.write(record)
        return writer.records


def _import(
    file: Path,
    events_of: Callable[[Iterable[Row], Periods | None], Iterator[Event]],
    times_of: Callable[[Iterable[Row]], Iterator[int]] | None,
    accounts: Accounts,
    target: _Target,
    *,
    room: str,
    order: SendOrder,
    encoding: str,
    report: Path | None,
    overwrite: bool,
) -> None:
    """Read, convert, deliver, and print the books."""
    if not is_id(room):
        raise UsageError(f"{room!r} is no room id: 1 to 64 letters, digits and . _ : - are.")
    talk = Console(stderr=True, highlight=False)
    target.check(file)
    if report is not None:
        check_target(report, overwrite=overwrite, source=file)
    periods = None if times_of is None else _periods(file, times_of, encoding, talk)
    with ExitStack() as stack:
        reader = RowReader(file, accounts, encoding)
        stack.callback(reader.close)
        if report is not None:
            accounts.report_to(stack.enter_context(cast("BinaryIO", report.open("wb"))))
        rows = stack.enter_context(_shown(reader, talk))
        records = records_of(events_of(rows, periods), room, order)
        # Without a record to deliver, no empty recording is made.
        first = next(records, None)
        delivered = 0 if first is None else target.deliver(chain([first], records))
    if not accounts.rows:
        raise SnapupError(f"{file} has no rows.")
    talk.print(accounts_view(accounts, file.name, target.name, delivered, report))
    assert not accounts.unaccounted(), "a row of the file is in no account"  # noqa: S101 - the invariant of this package
    assert delivered == accounts.events, "an event was neither delivered nor reported"  # noqa: S101


def _periods(
    file: Path, times_of: Callable[[Iterable[Row]], Iterator[int]], encoding: str, talk: Console
) -> Periods | None:
    """The periods of a file's times: they show times far from all others. What is wrong with rows is reported later."""
    with ExitStack() as stack:
        reader = RowReader(file, Accounts(), encoding)
        stack.callback(reader.close)
        return periods_of(times_of(stack.enter_context(_shown(reader, talk, "looking at the times"))))


@contextmanager
def _shown(reader: RowReader, talk: Console, what: str = "reading") -> Iterator[Iterator[Row]]:
    """The rows. On a terminal a bar shows the bytes read."""
    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal) as progress:
        task = progress.add_task("", total=reader.size_bytes)

        def rows() -> Iterator[Row]:
            for row in reader:
                if row.line % 1000 == 0:
                    progress.update(task, completed=reader.read_bytes)
                yield row
            progress.update(task, completed=reader.size_bytes)

        yield rows()


def _latest_ms(to: str) -> int | None:
    """The latest time that a record may have: now for Kafka, which refuses later ones; None for a recording."""
    return time.time_ns() // 1_000_000 if to == KAFKA else None


def _judge(accounts: Accounts, *, strict: bool) -> None:
    if not accounts.events:
        raise SnapupError("No row could be used.")
    if strict and accounts.refused:
        raise typer.Exit(_EXIT_ROWS_REFUSED)
