"""`snapup claims check`: whether every claim, said or withheld, follows from the log. The code shares nothing."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console

from stream.commands.claims_view import tally_lines
from stream.commands.replay_claims import check_recording
from stream.errors import EXIT_FAILURE, SnapupError, UsageError
from stream.mechanics.folds import INSTALLED
from stream.mechanics.recounts import COUNTED_AGAIN
from stream.replay.recording import MIN_EVERY_MS, recorded, survey
from stream.settings import load_settings
from stream.verify.claim_check import NOT_RECOUNTED, RIGHT, WRONG, Tally
from stream.verify.following import following
from stream.verify.kept_claims import Kept
from stream.verify.kept_log import KeptComparison, kept_log

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.settings import Settings

REPORT_EVERY = 100

claims_app = typer.Typer(name="claims", no_args_is_help=True, help="The claims that overlays make, checked.")

_talk = Console(stderr=True, highlight=False, soft_wrap=True)


@claims_app.callback()
def _claims() -> None:
    """A group, although it has one command so far."""


@claims_app.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A recording (NDJSON, also packed as .gz).")
    ] = None,
    *,
    from_kafka: Annotated[
        bool, typer.Option("--from-kafka", help="The documents in `signals`, by the live topics and their journal.")
    ] = False,
    every_ms: Annotated[int, typer.Option(min=MIN_EVERY_MS, help="Log time between two ticks of the clock.")] = 250,
    settle_ms: Annotated[int, typer.Option(min=0, help="Log time that passes after the last record.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="The counts as one JSON object.")] = False,
    bootstrap_servers: Annotated[str | None, typer.Option(help="host:port, comma separated.")] = None,
    topic_prefix: Annotated[str | None, typer.Option(help="Of the topics, for the evidence of claims.")] = None,
) -> None:
    """Recompute every claim of every document from the records alone: of a recording replayed here, or of live topics.

    Rule, value, unit, window, inputs, validity and evidence of what is said, the reason of what is withheld,
    and whether any is missing. Exit code 1 when one is wrong.
    """
    if from_kafka == (file is not None):
        raise UsageError("Say which FILE to check, or --from-kafka.")
    settings = load_settings(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    kept = Kept()
    if file is None:
        with _talk.status("Recomputing claims...") as status:
            tally, unchecked = asyncio.run(check_topics(settings, status.update, kept))
        if unchecked:
            _talk.print(
                f"{unchecked} documents are older than what the journal still tells: not checked.", style="yellow"
            )
        for text in kept.told:
            _talk.print(text, style="red", markup=False)
        _talk.print(
            kept.why_not or f"claims: {kept.documents} documents as they were kept, {kept.differing} others",
            style="red" if kept.differing else None,
            markup=False,
        )
    else:
        tally = _of_file(file, settings, every_ms, settle_ms)
    tell(tally, as_json=as_json, differs=kept.differing > 0)


def _of_file(file: Path, settings: Settings, every_ms: int, settle_ms: int) -> Tally:
    with _talk.status("Checking the file..."):
        found = survey(file)
    if not found.records:
        raise SnapupError(f"{file} holds no records.")
    if found.cut_off:
        said = f"The end of {file} is cut off: {found.records} whole records were read."
        _talk.print(said, style="yellow", markup=False)
    with _talk.status("Recomputing claims..."):
        records = recorded(file, in_order=found.sorted, offered={})
        return check_recording(records, settings.rules(INSTALLED), settings.topic_prefix, every_ms, settle_ms)


async def check_topics(
    settings: Settings, report: Callable[[str], None] = lambda _: None, kept: Kept | None = None
) -> tuple[Tally, int]:
    """The tally of the claims in `signals`, and the number of documents from before the journal's beginning.

    `kept`: collects how the topic `claims` agrees with the documents.

    Raises:
        SnapupError: Kafka does not answer, or logs and journal do not go together (any more).
    """
    tally = Tally()
    kept = kept or Kept()
    async with (
        following(settings.brokers(), settings.topic_prefix, COUNTED_AGAIN) as logs,
        kept_log(settings.brokers(), settings.topic_prefix) as topic,
    ):
        kept.why_not = topic.why_not
        for partition in range(logs.partitions):
            async with (
                aclosing(logs.documents(partition)) as documents,
                aclosing(KeptComparison(topic.standings(partition), kept)) as comparison,
            ):
                async for checker, overlay in documents:
                    await comparison.take(overlay)
                    where = f"room {overlay.room_id}, document {overlay.epoch}-{overlay.rev} at {overlay.as_of_ms}"
                    tally.add(where, checker.check(overlay))
                    if tally.documents % REPORT_EVERY == 0:
                        report(f"{tally.of()} claims of {tally.documents} documents, {tally.of(WRONG)} wrong")
        return tally, logs.unchecked


def tell(tally: Tally, *, as_json: bool, differs: bool = False) -> None:
    """Print the tally. Raises Exit with code 1 if a claim is wrong."""
    if as_json:
        counted = [
            {"claim": kind, "said": said, "verdict": verdict, "count": count}
            for (kind, said, verdict), count in sorted(tally.counted.items())
        ]
        unknown = [{"claim": kind, "why": why, "count": count} for (kind, why), count in sorted(tally.unknown.items())]
        told = {"documents": tally.documents, "counted": counted, "not_recounted": unknown, "wrong": tally.told}
        typer.echo(msgspec.json.encode(told))
    else:
        for line in tally_lines(tally):
            typer.echo(line)
        unchecked = "CLAIMS-UNCHECKED" if tally.of() else "NO-CLAIMS"
        verdict = "CLAIMS-WRONG" if tally.of(WRONG) else "CLAIMS-RIGHT" if tally.of(RIGHT) else unchecked
        typer.echo(
            f"{verdict}: {tally.of()} claims, {tally.of(RIGHT)} right, {tally.of(WRONG)} wrong, "
            f"{tally.of(NOT_RECOUNTED)} not recounted"
        )
    if tally.of(WRONG) or differs:
        raise typer.Exit(EXIT_FAILURE)
