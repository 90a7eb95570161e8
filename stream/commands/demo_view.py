"""The output of `snapup demo`: the room while the show plays (lines if there is no terminal), then the verdict."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field
from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from stream.commands.verdict_view import show_verdict
from stream.contract.report import Report
from stream.verify.latency import quantile
from stream.verify.verdict import Verdict
from stream.view.fitted import Fitted
from stream.view.line import overlay_line

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.console import Console

    from stream.contract.overlay import Overlay

LINE_EVERY_S = 5.0
REFRESH_PER_S = 4
# The product's promise, from append to screen.
PROMISED_MS = 250


class WorkerFigures(Struct, frozen=True):
    """The worker's own figures on /metrics."""

    received: int
    applied: int
    duplicate: int
    dead_lettered: int
    checkpoints: int
    checkpoint_ms_mean: float
    oversold_units: int

    @property
    def balanced(self) -> bool:
        """Whether every record is accounted for."""
        return self.received == self.applied + self.duplicate + self.dead_lettered


class Outcome(Struct, kw_only=True):
    """All results of the demo."""

    verdict: Verdict
    planned: int
    unmet: list[str]
    worker: WorkerFigures
    report: Report
    report_files: list[Path]
    latencies_ms: list[float] = field(default_factory=list)
    lost_probes: int = 0

    @property
    def holds(self) -> bool:
        """Whether everything that was promised exactly holds."""
        exact = not self.verdict.differences and not self.unmet and self.worker.balanced
        return exact and not self.lost_probes and self.report.check.holds


class DemoView:
    """Shows the progress: in place on a terminal, else line by line."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=REFRESH_PER_S, transient=True)
        self._last_line_s = 0.0
        self._is_live = console.is_terminal

    def __enter__(self) -> Self:
        if self._is_live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def end(self) -> None:
        """Stop drawing in place: from here on everything is printed."""
        self._live.stop()
        self._is_live = False

    def step(self, text: str) -> None:
        """Show the beginning of a step."""
        if self._is_live:
            self._live.update(Text(text, style="bold"))
        else:
            self._console.print(text)

    def note(self, text: str) -> None:
        """Print a text that stays readable while the show goes on."""
        self._console.print(text, markup=False, soft_wrap=True)

    def show(self, overlay: Overlay, latencies_ms: list[float]) -> None:
        """Show the room of a document. "Now" is the document's moment: a fast show runs ahead of the wall clock."""
        if self._is_live:
            latency = Text(latency_text(latencies_ms), style="dim")
            self._live.update(Group(latency, Fitted(overlay, lang="en", now_ms=overlay.as_of_ms, reserved=2)))
        elif time.monotonic() - self._last_line_s >= LINE_EVERY_S:
            self._last_line_s = time.monotonic()
            line = overlay_line(overlay, now_ms=overlay.as_of_ms)
            self._console.print(f"{line}; {latency_text(latencies_ms)}", soft_wrap=True, markup=False)


def latency_text(latencies_ms: list[float]) -> str:
    """The times within which half and nearly all of the probes were visible, as text."""
    if not latencies_ms:
        return "no probe visible yet"
    half, most = quantile(latencies_ms, 0.5), quantile(latencies_ms, 0.99)
    return f"sent to visible: p50 {half:.0f} ms, p99 {most:.0f} ms ({len(latencies_ms)} probes)"


def show_outcome(outcome: Outcome, console: Console) -> None:
    """Print the end of the demo, for people."""
    show_verdict(outcome.verdict, console, full=True)
    worker, check = outcome.worker, outcome.report.check
    lines = [
        _mark(not outcome.verdict.differences, "recount", f"{_compared(outcome)} figures in Redis, each as recounted"),
        _mark(not outcome.unmet, "plan", f"{outcome.planned} figures of the scenario's plan, each as planned"),
        _mark(
            worker.balanced,
            "accounts",
            f"{worker.received} records = {worker.applied} applied + {worker.duplicate} duplicates "
            f"+ {worker.dead_lettered} dead letters",
        ),
        _mark(
            check.holds,
            "report",
            f"{check.figures} figures and {check.claims.claims} claims of the room, each as recounted",
        ),
        _mark(not outcome.lost_probes, "probes", latency_text(outcome.latencies_ms)),
        Text(
            f"  checkpoints: {worker.checkpoints} transactions, {worker.checkpoint_ms_mean:.0f} ms each; "
            f"oversold: {worker.oversold_units}"
        ),
    ]
    if outcome.latencies_ms and quantile(outcome.latencies_ms, 0.99) > PROMISED_MS:
        lines.append(Text(f"  p99 is above {PROMISED_MS} ms: this machine is busy with everything at once", "yellow"))
    lines += [Text(f"  {text}", "red") for text in outcome.unmet]
    console.print(Panel(Group(*lines), title="The verdict", expand=False))


def _compared(outcome: Outcome) -> int:
    return sum(len(room.figures) for room in outcome.verdict.rooms)


def _mark(holds: bool, name: str, text: str) -> Text:  # noqa: FBT001 - reads better at its only callers
    return Text.assemble(("✓ " if holds else "✗ ", "green" if holds else "bold red"), f"{name}: {text}")
