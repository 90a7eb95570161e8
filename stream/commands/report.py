"""`snapup report`: the totals and claims of a session, and the range of the log that proves them."""

from __future__ import annotations

import asyncio
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console

from stream.commands.whole_file import check_target, written_whole
from stream.contract.ids import is_id
from stream.errors import EXIT_FAILURE, NoSuchError, UsageError
from stream.settings import load_settings
from stream.verify.room_sessions import utc_second
from stream.view.report_csv import minutes_csv, products_csv
from stream.view.report_page import report_page
from stream.view.strings import LANGUAGES
from stream.view.words import money

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.contract.report import Report
    from stream.settings import Settings

# The bound on differences in a message. The report has all.
DIFFERENCES_TOLD = 20

_talk = Console(stderr=True, highlight=False, soft_wrap=True)


def report(
    source: Annotated[str, typer.Argument(metavar="ROOM|FILE", help="A room in Kafka; or a recording, with --room.")],
    *,
    room: Annotated[
        str | None, typer.Option(help="Of a recording: whose session. Not needed where it has one.")
    ] = None,
    session: Annotated[
        str | None, typer.Option(help="Its number from 1, its show_id, or when it began. Default: the last one.")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(help="PATH.html, PATH.json, or PATH for both; a folder takes both under their own names."),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Products and minutes too, as two CSV files in this folder.")
    ] = None,
    lang: Annotated[str, typer.Option(help=f"Of the page. One of: {', '.join(LANGUAGES)}.")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="The JSON on stdout, no file.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", "--force", help="Replace files that are there.")] = False,
    any_time: Annotated[
        bool, typer.Option("--any-time", help="Of a recording: records too whose time is months from all others.")
    ] = False,
    bootstrap_servers: Annotated[str | None, typer.Option(help="host:port, comma separated.")] = None,
    topic_prefix: Annotated[str | None, typer.Option(help="Of the topics.")] = None,
) -> None:
    """Write the report of a session: a page (HTML) and its figures (JSON), counted again from the log alone.

    The same log gives the same bytes. Exit code 1 when a figure is not that of the session's last document, 2 when
    there is no such room or session.
    """
    if lang not in LANGUAGES:
        raise NoSuchError(f"--lang {lang}: there is {', '.join(LANGUAGES)}.")
    if as_json and (to is not None or csv is not None):
        raise UsageError("--json writes to stdout, --to and --csv into files: choose one.")
    if csv is not None and not csv.is_dir():
        raise NoSuchError(f"There is no folder {csv}.")
    if to is not None and not to.is_dir():
        for path in _targets(to, ""):
            check_target(path, overwrite=overwrite)
    settings = load_settings(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    with _talk.status("Reading...") as status:
        made = _made(source, room, session, settings, any_time=any_time, progress=lambda told: status.update(f"{told}"))
    if as_json:
        sys.stdout.buffer.write(report_json(made))
    else:
        for path in write_report(made, to, lang=lang, overwrite=overwrite, csv=csv):
            typer.echo(f"{path}")
        typer.echo(report_line(made))
    tell_problems(made, _talk)
    if not made.check.holds:
        raise typer.Exit(EXIT_FAILURE)


def _made(
    source: str,
    room: str | None,
    session: str | None,
    settings: Settings,
    *,
    any_time: bool,
    progress: Callable[[str], None],
) -> Report:
    path = Path(source)
    if room is not None or path.is_file() or not is_id(source):
        # Imported here: a report from Kafka does without the core, and one from a file without Kafka's client.
        from stream.commands.report_recording import report_from_recording  # noqa: PLC0415

        return report_from_recording(path, settings, room, session=session, any_time=any_time, progress=progress)
    from stream.commands.audit import assumptions_of  # noqa: PLC0415
    from stream.mechanics.folds import INSTALLED  # noqa: PLC0415
    from stream.mechanics.recounts import COUNTED_AGAIN  # noqa: PLC0415
    from stream.verify.report_log import report_from_kafka  # noqa: PLC0415

    return asyncio.run(
        report_from_kafka(
            settings.brokers(),
            settings.topic_prefix,
            source,
            session=session,
            stated=assumptions_of(settings),
            stated_rules=msgspec.to_builtins(settings.rules(INSTALLED)),
            progress=progress,
            mechanics=COUNTED_AGAIN,
        )
    )


def report_json(made: Report) -> bytes:
    """The JSON of a report, with a line end."""
    return msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n"


def write_report(made: Report, to: Path | None, *, lang: str, overwrite: bool, csv: Path | None = None) -> list[Path]:
    """The paths of a report's files, which are written all or not at all.

    Args:
        made: the report.
        to: the target as in the option; None: this folder, under the files' own names.
        lang: the language of the page.
        overwrite: replace existing files.
        csv: a folder for products and minutes; None: neither is written.

    Raises:
        SnapupError: a file exists already, or its folder does not.
    """
    contents = {
        path: report_json(made) if path.suffix == ".json" else report_page(made, lang).encode()
        for path in _targets(to, report_name(made))
    }
    if csv is not None:
        contents[csv / f"{report_name(made)}-products.csv"] = products_csv(made)
        contents[csv / f"{report_name(made)}-minutes.csv"] = minutes_csv(made)
    for path in contents:
        check_target(path, overwrite=overwrite)
    with ExitStack() as stack:
        parts = [(stack.enter_context(written_whole(path)), content) for path, content in contents.items()]
        for part, content in parts:
            part.write_bytes(content)
    return [*contents]


def report_name(made: Report) -> str:
    """The name of a report's files without suffix: the room and the beginning of the session."""
    began = utc_second(made.session.began_at_ms).replace("-", "").replace(":", "")
    return f"report-{made.room_id.replace(':', '_')}-{began}"


def _targets(to: Path | None, name: str) -> list[Path]:
    if to is None or to.is_dir():
        to = (to or Path()) / name
    elif to.suffix in (".html", ".json") or (to.exists() and not to.is_file()):
        return [to]
    return [to.with_name(f"{to.name}{suffix}") for suffix in (".html", ".json")]


def report_line(made: Report) -> str:
    """A report in one line."""
    totals, quality = made.totals, made.quality
    paid = ", ".join(money(each.paid_minor, each.currency) for each in totals.money) or "nothing"
    check, show = made.check, made.session.show_id
    session = f"session of {utc_second(made.session.began_at_ms)}{'' if show is None else f', show {show}'}"
    differs = check.differences or check.claims.wrong
    verdict = "REPORT-HOLDS" if check.holds else "REPORT-DIFFERS" if differs else "REPORT-INCOMPLETE"
    return (
        f"{verdict}: room {made.room_id}, {session}: paid {paid} in "
        f"{totals.orders['paid']} orders; {len(made.claims)} claims said, {len(made.withheld)} withheld in "
        f"{made.documents} documents; {quality.received} records = {quality.applied} applied + {quality.duplicate} "
        f"duplicates + {quality.dead_lettered} dead letters; {check.figures - len(check.differences)} of "
        f"{check.figures} figures as in the last document; {_claims(made)}; log sha256 {made.log.sha256[:16]}"
    )


def _claims(made: Report) -> str:
    checked = made.check.claims
    if not checked.claims:
        return "claims not recomputed"
    return f"{checked.right} of {checked.claims} claims as recomputed"


def tell_problems(made: Report, console: Console) -> None:
    """Print every problem and difference, in red."""
    check = made.check
    for problem in check.problems:
        console.print(f"The report is incomplete: {problem}", style="red", markup=False)
    for each in check.differences[:DIFFERENCES_TOLD]:
        told = f"{each.name}: recounted {each.recounted}, in the session's last document {each.published}"
        console.print(told, style="bold red", markup=False)
    for text in check.claims.told[:DIFFERENCES_TOLD] if check.claims.wrong else ():
        console.print(f"A claim that does not follow from the log: {text}", style="bold red", markup=False)
    if check.claims.why_not is not None:
        console.print(f"Claims were not recomputed: {check.claims.why_not}", style="yellow", markup=False)
    if len(check.differences) > DIFFERENCES_TOLD:
        console.print(f"and {len(check.differences) - DIFFERENCES_TOLD} more", style="red", markup=False)
