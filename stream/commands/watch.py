"""`snapup watch ROOM`: one room as the overlays see it, live in a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from stream.commands.ending import end_on_sigterm
from stream.contract.ids import is_id
from stream.contract.sight import Away, State, Unreadable
from stream.errors import NoSuchError, SnapupError, UsageError
from stream.mechanics.kinds import CATALOGUE
from stream.overlays.reader import Look, OverlayReader
from stream.settings import load_settings
from stream.view.fitted import Fitted
from stream.view.line import overlay_line
from stream.view.strings import LANGUAGES
from stream.view.terminal import render
from stream.view.words import clean

if TYPE_CHECKING:
    from rich.console import RenderableType

REFRESH_PER_S = 4
# Bound on Redis's words and the advice to them.
MOST_WORDS = 800
# Without a terminal, the least time between two lines, so that a log stays readable.
LINE_EVERY_S = 1.0
LANGUAGE_HELP = f"One of: {', '.join(LANGUAGES)}."


def watch(
    room: Annotated[str, typer.Argument(help="The room's id.")],
    *,
    once: Annotated[
        bool, typer.Option("--once", help="Print what is there now and exit; 2 without such a room.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line: state, at_ms, room_id, detail, and the document.")
    ] = False,
    lang: Annotated[str, typer.Option(help=LANGUAGE_HELP)] = "en",
    redis_url: Annotated[str | None, typer.Option(help="Redis that overlays read.")] = None,
    topic_prefix: Annotated[str | None, typer.Option(help="Of the keys.")] = None,
) -> None:
    """Show a room live: stock, urgency, rates, claims, and how old all that is. Ends with Ctrl-C."""
    if not is_id(room):
        raise UsageError(f"{room!r} is no room id: 1 to 64 letters, digits and . _ : - are.")
    if lang not in LANGUAGES:
        raise NoSuchError(f"--lang {lang}: there is {', '.join(LANGUAGES)}.")
    settings = load_settings(redis_url=redis_url, topic_prefix=topic_prefix)
    address = settings.redis()
    reader = OverlayReader(address, settings.topic_prefix, room, settings.redis_timeout_ms, CATALOGUE.sections)
    shown = _Screen(room, address.called, lang, as_json=as_json)
    end_on_sigterm()  # else a terminal would stay without its cursor
    try:
        asyncio.run(_once(reader, shown) if once else _watch(reader, shown))
    except KeyboardInterrupt:
        if shown.is_live:
            typer.echo(f"No longer watching {room}; the room goes on.", err=True)
    except BrokenPipeError:
        # The reader of our output has closed it. Python would complain again when it closes the stream.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except BrokenPipeError:
                os.dup2(nowhere, stream.fileno())


async def _once(reader: OverlayReader, shown: _Screen) -> None:
    try:
        look = await reader.look()
    finally:
        await reader.close()
    match look.sight.found:
        case None:
            raise NoSuchError(shown.words(look))
        case Away(detail=detail):
            raise SnapupError(clean(detail, MOST_WORDS))
        case Unreadable():
            raise SnapupError(shown.words(look))
    shown.take(look)
    shown.print_whole()


async def _watch(reader: OverlayReader, shown: _Screen) -> None:
    following = asyncio.create_task(_follow(reader, shown))
    try:
        if shown.is_live:
            with Live(shown, console=shown.console, auto_refresh=False, screen=False) as live:
                while not following.done():
                    live.refresh()
                    await asyncio.sleep(1 / REFRESH_PER_S)
        await following
    finally:
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError, BrokenPipeError):
            await following
        await reader.close()


async def _follow(reader: OverlayReader, shown: _Screen) -> None:
    async for look in reader.looks():
        shown.take(look)
        if not shown.is_live:
            shown.print_news()


class _Screen:
    """The newest look, drawn on demand. Between looks ages grow, by this machine's clock set to Redis's."""

    def __init__(self, room: str, redis: str, lang: str, *, as_json: bool) -> None:
        self.console = Console(highlight=False)
        self.is_live = self.console.is_terminal and not as_json
        self._room = room
        self._redis = redis
        self._lang = lang
        self._as_json = as_json
        self._look: Look | None = None
        self._last: Look | None = None
        self._ahead_ms = 0
        self._printed: tuple[State, int, int, bool] | None = None
        self._printed_at = 0.0

    def take(self, look: Look) -> None:
        """Take a new look."""
        self._look = look
        if look.now_ms:
            self._ahead_ms = look.now_ms - _wall_ms()
        if look.overlay is not None or (look.sight.found is None and look.was_there):
            self._last = look

    def __rich__(self) -> RenderableType:
        """The newest document so far, and the trouble if it is not the present one."""
        is_present = self._look is not None and self._look.overlay is not None
        words = "" if is_present else self.words(self._look)
        state = Text(words, style="bold #fbbf24")
        if self._last is None or self._last.overlay is None:
            return state
        # One line stays free for the cursor: a terminal that is full would scroll at the end.
        reserved = 1 + (0 if is_present else 1 + cell_len(words) // self.console.width)
        whole = Fitted(self._last.overlay, lang=self._lang, now_ms=self._now_ms(), reserved=reserved)
        return whole if is_present else Group(state, whole)

    def print_whole(self) -> None:
        """Print the present document once."""
        look = self._look
        if look is None:
            return
        if self._as_json:
            self._print_json(look)
        elif look.overlay is not None:
            overlay = look.overlay
            if self.console.is_terminal:
                self.console.print(render(overlay, width=self.console.width, lang=self._lang, now_ms=self._now_ms()))
            else:
                print(overlay_line(overlay, lang=self._lang, now_ms=self._now_ms()), flush=True)  # noqa: T201

    def print_news(self) -> None:
        """Print a line after a change: as JSON each; else a new state at once, and figures now and then."""
        look = self._look
        if look is None:
            return
        overlay = look.overlay
        state = look.sight.state(0)  # of the document, only that it is there: `stale` below says the rest
        news = (state, 0, 0, False)
        if overlay is not None:
            stale = self._now_ms() > overlay.stale_after_ms
            news = (state, overlay.epoch, overlay.rev, stale)
        if news == self._printed:
            return
        same_state = self._printed is not None and self._printed[0] is state
        if not self._as_json and same_state and time.monotonic() - self._printed_at < LINE_EVERY_S:
            return
        self._printed, self._printed_at = news, time.monotonic()
        if self._as_json:
            self._print_json(look)
        elif overlay is None:
            print(self.words(look), file=sys.stderr, flush=True)  # noqa: T201
        else:
            print(overlay_line(overlay, lang=self._lang, now_ms=self._now_ms()), flush=True)  # noqa: T201

    def _print_json(self, look: Look) -> None:
        """Print one object in one line; its first four fields are always there."""
        now_ms = self._now_ms()
        state = look.sight.state(now_ms)
        said: dict[str, Any] = {
            "state": state.value,
            "at_ms": now_ms,
            "room_id": self._room,
            "detail": None if state is State.LIVE else self.words(look),
        }
        if look.overlay is not None:
            # The fields as the worker wrote them, also those that only a newer Snapup knows.
            document = msgspec.json.decode(look.raw, type=dict[str, msgspec.Raw])
            said |= {name: value for name, value in document.items() if name not in said}
        # A line break can only stand between the values of a document, where it means nothing.
        line = msgspec.json.encode(said).replace(b"\r", b" ").replace(b"\n", b" ")
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()

    def words(self, look: Look | None) -> str:
        """The meaning of a look, and the advice. None: before the first look."""
        match None if look is None else look.sight.found:
            case Away(detail=detail):
                said = f"{clean(detail, MOST_WORDS)} Trying again."
            case Unreadable(detail=detail):
                said = f"What is in Redis for {self._room!r} is no overlay document ({clean(detail)})."
            case None if look is None:
                said = f"Connecting to {self._redis}..."
            case None if look is not None and look.was_there:
                said = f"The document of {self._room!r} ran out: no worker publishes it now. Waiting."
            case None:
                said = f"No room {self._room!r} in {self._redis} yet: waiting for a worker to publish it."
            case overlay if self._now_ms() > overlay.stale_after_ms:
                said = f"The document of {self._room!r} is too old: what it says is not how things are now."
            case _:
                said = f"{self._room!r} is live."
        return said

    def _now_ms(self) -> int:
        return _wall_ms() + self._ahead_ms


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
