"""`snapup claims check`: is every claim, said or withheld, what follows from the log? By code that shares nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from stream.commands.claims_view import tally_lines
from stream.commands.replay_claims import check_recording
from stream.errors import EXIT_FAILURE, SnapupError
from stream.settings import load_settings
from stream.sources.replay import MIN_EVERY_MS, recorded, survey
from stream.verify.claim_check import NOT_RECOUNTED, RIGHT, WRONG, Tally

claims_app = typer.Typer(name="claims", no_args_is_help=True, help="The claims that overlays make, checked.")

_talk = Console(stderr=True, highlight=False, soft_wrap=True)


@claims_app.callback()
def _claims() -> None:
    """A group, although it has one command so far."""


@claims_app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recording (NDJSON, also packed as .gz).")],
    *,
    every_ms: Annotated[int, typer.Option(min=MIN_EVERY_MS, help="Log time between two ticks of the clock.")] = 250,
    settle_ms: Annotated[int, typer.Option(min=0, help="Log time that passes after the last record.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="The counts as one JSON object.")] = False,
    topic_prefix: Annotated[str | None, typer.Option(help="Of the topics, for the evidence of claims.")] = None,
) -> None:
    """Replay a recording, and recompute every claim of every document from its records alone.

    Rule, value, unit, window, inputs, validity and evidence of what is said, the reason of what is withheld,
    and whether any is missing. Exit code 1 when one is wrong.
    """
    settings = load_settings(topic_prefix=topic_prefix)
    with _talk.status("Checking the file..."):
        found = survey(file)
    if not found.records:
        raise SnapupError(f"{file} holds no records.")
    if found.cut_off:
        _talk.print(
            f"The end of {file} is cut off: {found.records} whole records were read.", style="yellow", markup=False
        )
    with _talk.status("Recomputing claims..."):
        records = recorded(file, in_order=found.sorted, offered={})
        tally = check_recording(records, settings.rules(), settings.topic_prefix, every_ms, settle_ms)
    tell(tally, as_json=as_json)


def tell(tally: Tally, *, as_json: bool) -> None:
    """Print what was right, and end with exit code 1 where something was wrong."""
    if as_json:
        counted = [
            {"claim": kind, "said": said, "verdict": verdict, "count": count}
            for (kind, said, verdict), count in sorted(tally.counted.items())
        ]
        typer.echo(msgspec.json.encode({"documents": tally.documents, "counted": counted, "wrong": tally.told}))
    else:
        for line in tally_lines(tally):
            typer.echo(line)
        verdict = "CLAIMS-WRONG" if tally.of(WRONG) else "CLAIMS-RIGHT" if tally.of() else "NO-CLAIMS"
        typer.echo(
            f"{verdict}: {tally.of()} claims, {tally.of(RIGHT)} right, {tally.of(WRONG)} wrong, "
            f"{tally.of(NOT_RECOUNTED)} not recounted"
        )
    if tally.of(WRONG):
        raise typer.Exit(EXIT_FAILURE)
