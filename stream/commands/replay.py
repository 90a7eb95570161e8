"""`snapup replay`: the result of a recording, under its own or other rules; and live topics once more."""

from __future__ import annotations

import gzip
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, cast

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from stream.commands.whole_file import check_target, written_whole
from stream.contract.events import MAX_OFFERED
from stream.contract.ids import is_id
from stream.errors import NoSuchError, SnapupError, UsageError, did_you_mean
from stream.mechanics.folds import INSTALLED
from stream.replay.recording import MIN_EVERY_MS, Replay, Survey, recorded, survey
from stream.settings import load_settings
from stream.view.replay import books_view, rooms_view
from stream.view.terminal import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from stream.contract.overlay import Overlay
    from stream.contract.recording import RecordedRecord
    from stream.core.publishing import Published

# The width of a summary without a terminal: it must not depend on where the output goes.
PLAIN_WIDTH = 100
STDOUT = "-"

_talk = Console(stderr=True, highlight=False, soft_wrap=True)


def replay(
    source: Annotated[
        str | None,
        typer.Argument(metavar="FILE|ROOM", help="A recording (NDJSON, also packed as .gz); with --from-kafka a room."),
    ] = None,
    *,
    from_kafka: Annotated[
        bool, typer.Option("--from-kafka", help="Fold live topics in the order of their journal, for ROOM or --all.")
    ] = False,
    every_room: Annotated[bool, typer.Option("--all", help="With --from-kafka: every room.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="With --from-kafka: compare with the committed signals, byte for byte.")
    ] = False,
    bootstrap_servers: Annotated[
        str | None, typer.Option(help="With --from-kafka: host:port, comma separated.")
    ] = None,
    signals: Annotated[
        str | None, typer.Option(help="Write every document to this file as NDJSON (.gz packs it); - for stdout.")
    ] = None,
    claims: Annotated[
        str | None,
        typer.Option(
            help="Write what a worker writes to the topic claims, each second, to this file; else as --signals."
        ),
    ] = None,
    every_ms: Annotated[int, typer.Option(min=MIN_EVERY_MS, help="Log time between two ticks of the clock.")] = 1_000,
    settle_ms: Annotated[int, typer.Option(min=0, help="Log time that passes after the last record.")] = 0,
    room: Annotated[str | None, typer.Option(help="Show this room whole.")] = None,
    hold_ms: Annotated[
        int | None, typer.Option(min=1_000, help="What if unpaid orders held their units so long.")
    ] = None,
    allowed_lateness_ms: Annotated[
        int | None, typer.Option(min=0, help="What if late events counted so far back.")
    ] = None,
    offered: Annotated[
        list[str] | None, typer.Option(metavar="SALE=N", help="What if the sale had opened with N units. Repeatable.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="The last document of each session as NDJSON, no summary.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", "--force", help="Replace a signals or claims file that is there.")
    ] = False,
    any_time: Annotated[
        bool, typer.Option("--any-time", help="Fold records too whose time is months from all others.")
    ] = False,
    topic_prefix: Annotated[str | None, typer.Option(help="Of the topics, for the evidence of claims.")] = None,
) -> None:
    """Fold a recording as a worker would have, and print what it came to. The same file gives the same bytes.

    With --from-kafka: fold the live topics again as the workers did; exit code 1 if --check finds a difference.
    """
    if as_json + (signals == STDOUT) + (claims == STDOUT) > 1:
        raise UsageError("--json, --signals - and --claims - all want stdout: choose one.")
    if from_kafka:
        if every_room == (source is not None):
            raise UsageError("--from-kafka wants a ROOM, or --all.")
        # Imported here: Kafka's client takes a second to load, and a file does not need it.
        from stream.commands.replay_kafka import replay_live  # noqa: PLC0415

        settings = load_settings(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
        with signals_to(signals, overwrite=overwrite) as emit, claims_to(claims, overwrite=overwrite) as keep:

            def emit_both(published: Published) -> None:
                emit(published)
                keep(published)

            summary = STDOUT not in (signals, claims)
            replay_live(settings, source, emit_both, check=check, as_json=as_json, summary=summary)
        return
    if source is None or every_room or check:
        raise UsageError("Say which FILE to replay; --all and --check go with --from-kafka.")
    file = Path(source)
    offers = dict(_offer(text) for text in offered or ())
    settings = load_settings(hold_ms=hold_ms, allowed_lateness_ms=allowed_lateness_ms, topic_prefix=topic_prefix)
    with _bar("checking") as step:
        found = survey(file, step)
    _check(file, found, offers)
    if found.far_off is not None and not any_time:
        raise SnapupError(
            f"{file}: {found.far_off}: the clock would leap there, and everything before would have ended. Mend it or "
            "take it out, or say --any-time."
        )
    with ExitStack() as stack:
        emit = stack.enter_context(signals_to(signals, overwrite=overwrite))
        keep = stack.enter_context(claims_to(claims, overwrite=overwrite))
        step = stack.enter_context(_bar("folding", found.records))
        rules = msgspec.structs.replace(settings.rules(INSTALLED), keep_claims=claims is not None)
        kept = None if claims is None else keep
        job = Replay(rules, settings.topic_prefix, every_ms, emit, keep=kept, mechanics=INSTALLED)
        job.run(_counted(recorded(file, in_order=found.sorted, offered=offers), step), settle_ms)
    if found.cut_off:
        _talk.print(
            f"The end of {file} is cut off: {found.records} whole records were read.", style="yellow", markup=False
        )
    _tell(job, room, as_json=as_json, summary=STDOUT not in (signals, claims))


def _offer(text: str) -> tuple[str, int]:
    sale_id, _, units = text.rpartition("=")
    if not is_id(sale_id) or not units.isdecimal() or not units.isascii() or int(units) > MAX_OFFERED:
        raise UsageError(f"--offered {text}: say SALE=N, with N from 0 to {MAX_OFFERED}.")
    return sale_id, int(units)


def _check(file: Path, found: Survey, offers: dict[str, int]) -> None:
    if not found.records:
        raise SnapupError(f"{file} holds no records.")
    if unknown := sorted(offers.keys() - found.opened):
        opened = ", ".join(sorted(found.opened)[:10]) or "none"
        raise NoSuchError(f"No sale {', '.join(unknown)} opens in {file}; these do: {opened}.")


def _tell(job: Replay, room: str | None, *, as_json: bool, summary: bool) -> None:
    overlays = job.overlays()
    chosen = [overlay for overlay in overlays if room in (None, overlay.room_id)]
    if room is not None and not chosen:
        meant = did_you_mean(room, (overlay.room_id for overlay in overlays))
        raise NoSuchError(
            f"No room {room!r} in this recording; there are {len({each.room_id for each in overlays})}.{meant}"
        )
    if as_json:
        for overlay in chosen:
            sys.stdout.buffer.write(msgspec.json.encode(overlay) + b"\n")
        return
    if summary:
        _summarise(job, chosen, whole=room is not None)


def _summarise(job: Replay, overlays: list[Overlay], *, whole: bool) -> None:
    out = Console(highlight=False)
    width = out.width if out.is_terminal else PLAIN_WIDTH
    out = Console(highlight=False, width=width)
    out.print(books_view(job.books(), job.refused))
    out.print()
    if whole or len(overlays) == 1:
        for overlay in overlays:
            out.print(render(overlay, width=width))
    else:
        out.print(rooms_view(overlays))


@contextmanager
def signals_to(target: str | None, *, overwrite: bool) -> Iterator[Callable[[Published], None]]:
    """A function that writes documents: nowhere, to stdout, or to a file that is written whole."""
    with _lines_to(target, overwrite=overwrite) as file:
        yield lambda published: _write(file, [published.document])


@contextmanager
def claims_to(target: str | None, *, overwrite: bool) -> Iterator[Callable[[Published], None]]:
    """A function that writes the claims of documents of the log: the values without their keys."""
    with _lines_to(target, overwrite=overwrite) as file:
        yield lambda published: _write(file, [value for _, value in published.claims])


@contextmanager
def _lines_to(target: str | None, *, overwrite: bool) -> Iterator[BinaryIO | None]:
    if target is None:
        yield None
        return
    if target == STDOUT:
        yield sys.stdout.buffer
        return
    path = Path(target)
    check_target(path, overwrite=overwrite)
    with written_whole(path) as part, part.open("wb") as raw:
        file = raw if path.suffix != ".gz" else gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0)
        with file:
            yield cast("BinaryIO", file)


def _write(file: BinaryIO | None, lines: Iterable[bytes]) -> None:
    if file is not None:
        for line in lines:
            file.write(line + b"\n")


@contextmanager
def _bar(what: str, total: int | None = None) -> Iterator[Callable[[], None]]:
    """A step function: a bar on a terminal, nothing elsewhere. A call is cheap."""
    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TextColumn("{task.completed:,} records"))
    with Progress(*columns, console=_talk, transient=True, disable=not _talk.is_terminal) as progress:
        task = progress.add_task("", total=total)
        seen = 0

        def step() -> None:
            nonlocal seen
            seen += 1
            if seen % 5_000 == 0:
                progress.update(task, completed=seen)

        yield step


def _counted(records: Iterator[RecordedRecord], step: Callable[[], None]) -> Iterator[RecordedRecord]:
    for record in records:
        step()
        yield record
