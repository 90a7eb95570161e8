"""`snapup doctor`: what this machine lacks, and the remedy."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape

from stream.errors import EXIT_FAILURE, SnapupError
from stream.local import doctor as examination
from stream.local.doctor import Finding
from stream.local.settings import load_local_settings
from stream.settings import load_settings

if TYPE_CHECKING:
    from stream.local.settings import LocalSettings


def doctor(
    *,
    install: Annotated[
        bool,
        typer.Option("--install", help="Fetch what is missing into the cache: Kafka's jars, redis-server, promtool."),
    ] = False,
    browser: Annotated[
        bool,
        typer.Option("--browser", help="With --install: Chromium and a Chinese font too, into the system, as root."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array instead of lines.")] = False,
) -> None:
    """Check this machine; exit code 1 when something required is missing."""
    settings = load_local_settings()
    if install:
        talk = Console(stderr=True, highlight=False)
        for missed in examination.install(settings, lambda step: talk.print(f"{step}..."), browser=browser):
            talk.print(f"{missed.name}: {missed.remedy}", style="red" if missed.required else "yellow", markup=False)
    findings = _findings(settings)
    if as_json:
        typer.echo(msgspec.json.encode(findings))
    else:
        _show(findings)
    if any(finding.required and not finding.ok for finding in findings):
        raise typer.Exit(EXIT_FAILURE)


def _findings(settings: LocalSettings) -> list[Finding]:
    """The findings. Kafka is asked only if it is configured."""
    if not os.environ.get("SNAPUP_BOOTSTRAP_SERVERS"):
        return examination.examine(settings)
    try:
        brokers = load_settings().brokers()
    except SnapupError as error:
        return [*examination.examine(settings), Finding("settings", ok=False, detail="bad", remedy=error.message)]
    return examination.examine(settings, brokers)


def _show(findings: list[Finding]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        word = "[green]ok      [/]" if finding.ok else "[red]missing [/]" if finding.required else "[yellow]optional[/]"
        console.print(f"{word} {finding.name:{width}}  {escape(finding.detail)}")
        if not finding.ok:
            console.print(f"         {'':{width}}  → {escape(finding.remedy)}")
