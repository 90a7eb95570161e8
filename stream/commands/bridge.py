"""`snapup bridge PLATFORM`: what a library or a webhook of a platform says, line by line → events."""

from __future__ import annotations

import asyncio
import gzip
import signal
import sys
import threading
import time
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, NamedTuple, cast

import msgspec
import typer
from rich.console import Console

from stream import topics
from stream.bridge.bridge import Bridge
from stream.bridge.carrier import Carrier
from stream.bridge.delivery import Delivered, Delivery, to_kafka, to_recording
from stream.bridge.gateway import to_gateway
from stream.bridge.inbox import Inbox
from stream.bridge.metrics import bridge_registry
from stream.bridge.platforms import PLATFORMS, Platform, shopify
from stream.bridge.reading import line_batches
from stream.bridge.websocket import Address, Connections, address_of, listening, origins_of
from stream.commands.whole_file import check_target, written_whole
from stream.contract.events import TOPIC_NAMES
from stream.contract.ids import is_id
from stream.errors import EXIT_FAILURE, NoSuchError, SnapupError, UsageError, did_you_mean
from stream.metrics_http import serving_metrics
from stream.settings import load_settings
from stream.view.bridge import bridge_view

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

KAFKA = "kafka"
STDIN = Path("-")
RECORDING_SUFFIXES = (".ndjson", ".ndjson.gz")

_talk = Console(stderr=True, highlight=False, soft_wrap=True)


def bridge(
    platform: Annotated[str, typer.Argument(help=f"{', '.join(PLATFORMS)}.")],
    file: Annotated[Path, typer.Argument(help="NDJSON, also packed as .gz; `-`: standard input, heard now.")] = STDIN,
    *,
    listen: Annotated[
        str | None, typer.Option(help="ws://127.0.0.1:PORT: hear a WebSocket in the place of FILE; port 0: a free one.")
    ] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(help="With --listen: an Origin that may connect, such as chrome-extension://ID.")
    ] = None,
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
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Serve /metrics on this port; 0: a free one.")
    ] = None,
    metrics_host: Annotated[str | None, typer.Option(help="Where /metrics listens; SNAPUP_METRICS_HOST.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The account as one JSON object.")] = False,
) -> None:
    """JSON of a platform's library or webhooks, one message a line → events, each message accounted for.

    The bridge connects to no platform: pipe into it what your own process hears, or send it there with --listen. It
    ends at the end of its input, at Ctrl-C or at SIGTERM, with everything acknowledged and an account by reason.
    docs/platforms.md has the rest.
    """
    source = _source(file, listen, allow_origin or [], dry_run=dry_run)
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
        _show(made, source, dry_run)
        target_name = "nothing sent (--dry-run)"
    else:
        metrics = None if metrics_port is None else _metrics_at(metrics_host, metrics_port)
        target_name = target.check()
        asyncio.run(_carry(made, source, target, told, metrics))
    books = made.books
    assert not books.unaccounted(), "a message is in no account"  # noqa: S101 - the invariant of this package
    if as_json:
        sys.stdout.write(msgspec.json.encode(_account(made, told)).decode() + "\n")
    else:
        _talk.print(bridge_view(books, f"{chosen.name} {source.name}", target_name))
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


class _Source(NamedTuple):
    """Where lines come from: a file, standard input, or the clients of a WebSocket.

    `began_ms`: since when standard input is heard; None: of the others nobody knows.
    """

    file: Path
    at: Address | None
    origins: frozenset[str]
    began_ms: int | None

    @property
    def name(self) -> str:
        return str(self.file) if self.at is None else self.at.url(self.at.port)

    def now_ms(self) -> int | None:
        """The time of arrival. A file was heard at some other time, and only its lines may know when."""
        return _now_ms(self.file)


def _now_ms(file: Path) -> int | None:
    return time.time_ns() // 1_000_000 if file == STDIN else None


def _source(file: Path, listen: str | None, allow_origin: list[str], *, dry_run: int) -> _Source:
    origins = origins_of(allow_origin)
    if listen is None:
        if origins:
            raise UsageError("--allow-origin is for a WebSocket: say --listen.")
        return _Source(file, None, origins, _now_ms(file))
    if file != STDIN or dry_run:
        raise UsageError("--listen takes the place of FILE, and --dry-run reads a file or a pipe.")
    return _Source(file, address_of(listen), origins, None)


def _metrics_at(host: str | None, port: int) -> tuple[str, int]:
    return load_settings(metrics_host=host).metrics_host, port


def _show(made: Bridge, source: _Source, lines: int) -> None:
    """Print what the first lines become."""
    left, reasons = lines, Counter(made.books.reasons)
    with _opened(source.file) as opened:
        for batch in line_batches(cast("Any", opened)):
            for line in batch[:left]:
                records = made.take(line, source.now_ms())
                gave_none = made.books.reasons - reasons
                reasons = Counter(made.books.reasons)
                said = ", ".join(gave_none)
                typer.echo(f"# {line[:120].decode(errors='replace')}" + (f"\n# → {said}" if said else ""))
                for record in records:
                    typer.echo(f"{record.topic}\t{(record.value or b'').decode()}")
            left -= len(batch[:left])
            if not left:
                return


async def _carry(
    made: Bridge, source: _Source, target: _Target, told: Delivered, metrics: tuple[str, int] | None
) -> None:
    """Carry lines until the input ends or a signal says so; then everything is acknowledged or refused."""
    loop, inbox, connections = asyncio.get_running_loop(), Inbox(), Connections()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, inbox.end)
    carrier = Carrier(made, inbox, source.now_ms)
    lines = _opened(source.file) if source.at is None else None
    async with AsyncExitStack() as until_the_end:
        if metrics is not None:
            registry = bridge_registry(made, told, inbox, connections, carrier.lag_s)
            port = await until_the_end.enter_async_context(serving_metrics(registry, *metrics))
            typer.echo(f"metrics http://{metrics[0]}:{port}/metrics", err=True)
        delivery = await until_the_end.enter_async_context(target.open(told))
        if lines is not None:
            made.connected(source.began_ms)
            # A daemon: a read from a pipe that says nothing cannot be called back.
            threading.Thread(target=_read, args=(lines, inbox, loop), daemon=True).start()
        elif source.at is not None:
            heard = listening(
                source.at, made, inbox, origins=source.origins, connections=connections, tell=_tell_on_stderr
            )
            typer.echo(f"listening {(await until_the_end.enter_async_context(heard)).url}", err=True)
        await carrier.run(delivery)
        if inbox.error is not None:
            raise SnapupError(f"{source.name} cannot be read: {inbox.error}.")


def _tell_on_stderr(text: str) -> None:
    typer.echo(text, err=True)


def _read(source: BinaryIO, inbox: Inbox, loop: asyncio.AbstractEventLoop) -> None:
    """Put the lines of a source into the inbox, and end it."""
    end: BaseException | None = None
    try:
        for batch in line_batches(cast("Any", source)):
            if not asyncio.run_coroutine_threadsafe(inbox.put(batch), loop).result():
                return
    except (OSError, EOFError) as error:
        end = error
    except RuntimeError:
        return  # the loop has ended
    finally:
        source.close()
    loop.call_soon_threadsafe(inbox.end, end)
