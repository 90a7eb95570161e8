"""`snapup bridge PLATFORM`: what a library or a webhook of a platform says, line by line → events."""

from __future__ import annotations

import asyncio
import gzip
import signal
import sys
import threading
import time
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, cast

import msgspec
import typer
from rich.console import Console

from stream import topics
from stream.bridge.bridge import Bridge
from stream.bridge.delivery import Delivered, Delivery, to_kafka, to_recording
from stream.bridge.gateway import to_gateway
from stream.bridge.platforms import PLATFORMS, Platform, shopify
from stream.bridge.reading import line_batches
from stream.commands.whole_file import check_target, written_whole
from stream.contract.events import TOPIC_NAMES
from stream.contract.ids import is_id
from stream.errors import EXIT_FAILURE, NoSuchError, SnapupError, UsageError, did_you_mean
from stream.settings import load_settings
from stream.view.bridge import bridge_view

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from stream.contract.recording import RecordedRecord

KAFKA = "kafka"
STDIN = Path("-")
RECORDING_SUFFIXES = (".ndjson", ".ndjson.gz")
# Batches of lines read and not yet taken: a source that is faster than Kafka waits in its pipe.
MAX_BATCHES = 16

_talk = Console(stderr=True, highlight=False, soft_wrap=True)


def bridge(
    platform: Annotated[str, typer.Argument(help=f"{', '.join(PLATFORMS)}.")],
    file: Annotated[Path, typer.Argument(help="NDJSON, also packed as .gz; `-`: standard input, heard now.")] = STDIN,
    *,
    to: Annotated[str, typer.Option(help="`kafka`, http://HOST:PORT of `snapup ingest`, or FILE.ndjson(.gz).")] = KAFKA,
    room: Annotated[str | None, typer.Option(help="The room of all events; default: the platform's own.")] = None,
    dry_run: Annotated[int, typer.Option(help="Print what so many lines become, and send nothing.", min=0)] = 0,
    room_attribute: Annotated[str, typer.Option(help="Shopify: the note attribute that names the room.")] = "",
    sale_attribute: Annotated[str, typer.Option(help="Shopify: the attribute or property that names the sale.")] = "",
    sale: Annotated[str | None, typer.Option(help="Shopify: the sale of lines that name none.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", "--force", help="Replace a recording that is there.")
    ] = False,
    bootstrap_servers: Annotated[str | None, typer.Option(help="host:port, comma separated.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Of the topics.")] = None,
    key: Annotated[
        str | None,
        typer.Option(envvar="SNAPUP_BRIDGE_KEY", help="Of the gateway; the variable shows it to no list of processes."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The account as one JSON object.")] = False,
) -> None:
    """JSON of a platform's library or webhooks, one message a line → events, each message accounted for.

    The bridge connects to no platform: pipe into it what your own process hears. It ends at the end of its input, at
    Ctrl-C or at SIGTERM, with everything acknowledged and an account by reason. docs/platforms.md has the rest.
    """
    began_ms = _now_ms(file)
    for name, value in (("--room", room), ("--sale", sale)):
        if value is not None and not is_id(value):
            raise UsageError(f"{name} {value!r} is no id: 1 to 64 letters, digits and . _ : - are.")
    chosen = _platform(platform, room_attribute, sale_attribute, sale)
    if chosen.name == "shopify" and room is None and not room_attribute:
        raise UsageError("A shop knows no rooms: say --room, or --room-attribute with the name of a note attribute.")
    made = Bridge(chosen, room)
    told = Delivered()
    target = _target(to, file, bootstrap_servers, prefix, key, overwrite=overwrite)
    if dry_run:
        _show(made, file, dry_run)
        target_name = "nothing sent (--dry-run)"
    else:
        target_name = target.check()
        asyncio.run(_carry(made, file, target, told, began_ms))
    books = made.books
    assert not books.unaccounted(), "a message is in no account"  # noqa: S101 - the invariant of this package
    if as_json:
        sys.stdout.write(msgspec.json.encode(_account(made, told)).decode() + "\n")
    else:
        _talk.print(bridge_view(books, f"{chosen.name} {file}", target_name))
        if not dry_run:
            _talk.print(f"{told.acknowledged:,} of {told.sent:,} events acknowledged.")
    if made.last_refusal:
        _talk.print(f"The contract refused what was made, at last: {made.last_refusal}", style="red")
    for failure in told.failures:
        _talk.print(failure, style="red")
    if told.refused:
        raise typer.Exit(EXIT_FAILURE)


def _platform(name: str, room_attribute: str, sale_attribute: str, sale: str | None) -> Platform:
    if name not in PLATFORMS:
        raise NoSuchError(f"No platform {name!r}: there are {', '.join(PLATFORMS)}.{did_you_mean(name, PLATFORMS)}")
    if name == "shopify":
        return shopify(room_attribute, sale_attribute, sale)
    if room_attribute or sale_attribute or sale:
        raise UsageError("--room-attribute, --sale-attribute and --sale are Shopify's.")
    return PLATFORMS[name]


def _account(made: Bridge, told: Delivered) -> dict[str, Any]:
    books = made.books
    return {
        "platform": made.platform.name,
        "lines": books.lines,
        "messages": books.messages,
        "gave_events": books.gave,
        "reasons": dict(books.reasons),
        "notes": dict(books.notes),
        "kinds": dict(books.kinds),
        "events": dict(books.by_type),
        "rooms_forgotten": made.rooms.forgotten,
        "sent": told.sent,
        "acknowledged": told.acknowledged,
        "refused": told.refused,
    }


# -- where it goes -----------------------------------------------------------------------------------------------------
class _Target:
    """Where records go: `check` names it or raises, `open` begins the delivery."""

    def __init__(self, name: str, check: Callable[[], None], begin: Callable[[Delivered], Any]) -> None:
        self._name = name
        self._check = check
        self.open = begin

    def check(self) -> str:
        """Its name. Raises SnapupError where nothing can be delivered there."""
        self._check()
        return self._name


def _target(
    to: str, source: Path, bootstrap_servers: str | None, prefix: str | None, key: str | None, *, overwrite: bool
) -> _Target:
    if to == KAFKA:
        settings = load_settings(bootstrap_servers=bootstrap_servers, topic_prefix=prefix)
        brokers, name = settings.brokers(), settings.topic_prefix
        inputs = [f"{name}.{topic}" for topic in TOPIC_NAMES]

        def check() -> None:
            asyncio.run(topics.check(brokers, inputs, to="Write"))

        return _Target(
            f"Kafka at {settings.bootstrap_servers}, topics {name}.*", check, lambda told: to_kafka(brokers, name, told)
        )
    if to.startswith(("http://", "https://")):
        return _Target(f"the gateway at {to}", lambda: None, lambda told: to_gateway(to, key, told))
    if not to.endswith(RECORDING_SUFFIXES):
        raise UsageError(
            f"--to takes `kafka`, an address http://… or a file named {' or '.join(RECORDING_SUFFIXES)}, not {to!r}."
        )
    path = Path(to)

    @asynccontextmanager
    async def begin(told: Delivered) -> AsyncIterator[Delivery]:
        with written_whole(path) as part:
            async with to_recording(part, told) as delivery:
                yield delivery

    return _Target(to, lambda: check_target(path, overwrite=overwrite, source=source), begin)


# -- what comes in -----------------------------------------------------------------------------------------------------
def _opened(file: Path) -> BinaryIO:
    """The source, not buffered: who reads a pipe gets what is there, and holds no lock that the process's end needs."""
    if file == STDIN:
        return cast("BinaryIO", open(sys.stdin.fileno(), "rb", buffering=0, closefd=False))
    try:
        return cast("BinaryIO", gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb", buffering=0))
    except FileNotFoundError:
        raise NoSuchError(f"No such file: {file}.") from None
    except IsADirectoryError:
        raise UsageError(f"{file} is a folder, a file is needed.") from None


def _now_ms(file: Path) -> int | None:
    """The time of arrival. A file was heard at some other time, and only its lines may know when."""
    return time.time_ns() // 1_000_000 if file == STDIN else None


def _show(made: Bridge, file: Path, lines: int) -> None:
    """Print what the first lines become."""
    left, reasons = lines, Counter(made.books.reasons)
    with _opened(file) as source:
        for batch in line_batches(cast("Any", source)):
            for line in batch[:left]:
                records = made.take(line, _now_ms(file))
                gave_none = made.books.reasons - reasons
                reasons = Counter(made.books.reasons)
                said = ", ".join(gave_none)
                typer.echo(f"# {line[:120].decode(errors='replace')}" + (f"\n# → {said}" if said else ""))
                for record in records:
                    typer.echo(f"{record.topic}\t{(record.value or b'').decode()}")
            left -= len(batch[:left])
            if not left:
                return


async def _carry(made: Bridge, file: Path, target: _Target, told: Delivered, began_ms: int | None) -> None:
    """Carry lines until the input ends or a signal says so; then everything is acknowledged or refused."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stop.set)
    batches: asyncio.Queue[list[bytes] | BaseException | None] = asyncio.Queue(MAX_BATCHES)
    source = _opened(file)
    # A daemon: a read from a pipe that says nothing cannot be called back.
    threading.Thread(target=_read, args=(source, batches, loop), daemon=True).start()
    async with target.open(told) as delivery:
        made.connected(began_ms)
        while (batch := await _next(batches, stop)) is not None:
            if isinstance(batch, BaseException):
                raise SnapupError(f"{file} cannot be read: {batch}.")
            records: list[RecordedRecord] = []
            for line in batch:
                records += made.take(line, _now_ms(file))
            await delivery.send(records)
            if batches.empty():
                await delivery.settle()  # nobody waits for a full batch in a quiet room


async def _next(batches: asyncio.Queue[Any], stop: asyncio.Event) -> Any:
    """The next batch; None at the end, or when it is time to stop."""
    getting, stopping = asyncio.ensure_future(batches.get()), asyncio.ensure_future(stop.wait())
    await asyncio.wait((getting, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if getting.done():
        return getting.result()
    getting.cancel()
    return None if batches.empty() else batches.get_nowait()


def _read(source: BinaryIO, batches: asyncio.Queue[Any], loop: asyncio.AbstractEventLoop) -> None:
    """Put the lines of a source into the queue, then None, or what went wrong."""
    end: BaseException | None = None
    try:
        for batch in line_batches(cast("Any", source)):
            asyncio.run_coroutine_threadsafe(batches.put(batch), loop).result()
    except (OSError, EOFError) as error:
        end = error
    except RuntimeError:
        return  # the loop has ended
    finally:
        source.close()
    asyncio.run_coroutine_threadsafe(batches.put(end), loop)
