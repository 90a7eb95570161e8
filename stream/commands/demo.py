"""`snapup demo`: starts Kafka, Redis, a worker and a show here. Ends with a verdict, and with nothing running."""

from __future__ import annotations

import asyncio
import os
import sys
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from stream.commands.audit import assumptions_of, where_of
from stream.commands.demo_view import DemoView, Outcome, WorkerFigures, show_outcome
from stream.commands.ending import end_on_sigterm
from stream.commands.report import report_line, tell_problems, write_report
from stream.contract.overlay import room_key
from stream.contract.reading import read_overlay
from stream.errors import EXIT_FAILURE, NoSuchError, SnapupError
from stream.local.ports import free_ports
from stream.local.process import ServerProcess, last_lines
from stream.local.settings import load_local_settings, make_folder
from stream.local.stack import local_stack
from stream.mechanics.folds import INSTALLED
from stream.mechanics.kinds import CATALOGUE
from stream.mechanics.recounts import COUNTED_AGAIN
from stream.redis_clients import RedisClient
from stream.settings import PREFIX, load_settings, ways_in
from stream.shows.outcome import figures_planned, unmet
from stream.shows.show import Expected, ExpectedRoom
from stream.shows.snap_up import COAT, SCARF
from stream.verify.audit import audit
from stream.verify.latency import LatencyProbe, quiet_room
from stream.verify.report_log import report_from_kafka

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping, Sequence

    from stream.contract.report import Report
    from stream.local.stack import Stack
    from stream.settings import Settings

SHOW = "snap-up"
# A second room beside it: what a host takes back, a second round, units that stay away.
BESIDE = "encore"
PARTITIONS = 12
READY_DEADLINE_S = 90.0
CATCH_UP_DEADLINE_S = 60.0
LOOK_EVERY_S = 0.25
REDIS_TIMEOUT_MS = 5_000
STOP_S = 12.0
# Variables besides those that give access to servers. Pages that ask for tokens would stay shut.
OF_OTHER_SERVERS = (
    *("BOOTSTRAP_SERVERS", "REDIS_URL", "TOPIC_PREFIX", "GROUP", "MEMBER_NAME"),
    *("TOKEN_SECRET", "TOKEN_SECRET_FILE", "SERVE_METRICS_PORT"),
)
# Bound on the report of an interrupted demo.
HASTE_S = 30.0
# Pages to open in a browser while the show plays. Nobody described the products: the addresses name them.
NAMES = f"names={COAT}:Wool+coat,{SCARF}:Silk+scarf"
PAGES = (
    ("overlay", f"/overlay?room={SHOW}&{NAMES}"),
    ("builder", f"/builder?room={SHOW}&{NAMES}"),
    ("console", f"/console/{SHOW}?{NAMES}"),
    ("console", f"/console/{BESIDE}?{NAMES}"),
    ("wall", f"/wall/{SHOW}"),
    ("widget", f"/starter/{SHOW}.html"),
)
NO_DIGITS = dict.fromkeys(map(ord, "0123456789"))
# The installed `snapup` may not be on the PATH, but its code is importable.
_SNAPUP = (sys.executable, "-c", "from stream.cli import main; main()")


class _Told(msgspec.Struct):
    """The last line of `simulate --json`."""

    expected: Expected


def demo(
    *,
    speed: Annotated[float, typer.Option(min=0.1, max=20, help="Times the show's own speed.")] = 3.0,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another show.")] = 1,
    report_to: Annotated[
        Path | None, typer.Option(help="Folder for the report of the show. Default: `reports` in SNAPUP_STATE_DIR.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="After the show the pages stay up, until Ctrl-C.")] = False,
) -> None:
    """Watch a flash sale on this machine: 260 000 events in under a minute, then counted again by somebody else.

    Starts its own Kafka, Redis, worker and pages for the browser, and ends them: after the show, or with --keep on
    Ctrl-C. Ends with the report of the show, also when it is interrupted. Exit code 1 when a single unit is not where
    it must be.
    """
    folder = load_local_settings().state_dir / "reports" if report_to is None else report_to
    make_folder(folder, "--report-to")
    end_on_sigterm()  # everything started here is ended in order
    console = Console(highlight=False)
    if ignored := ignore_other_servers(os.environ):
        console.print(
            f"Ignored, for a demo has its own servers: {', '.join(ignored)}.", style="dim", markup=False, soft_wrap=True
        )
    with DemoView(console) as view, ExitStack() as running:
        view.step("Starting Kafka and Redis...")
        stack = running.enter_context(local_stack(with_topics=False))
        # A show faster than life runs ahead of the broker's clock: the topics take the producer's time.
        stack.apply_topics(partitions=PARTITIONS, timestamp_type="CreateTime")

        def tell(outcome: Outcome) -> None:
            view.end()
            _tell(outcome, console, keep=keep)

        outcome = asyncio.run(_Demo(stack, view, speed, seed, folder).run(tell, keep=keep))
    if keep:
        typer.echo("Ended: nothing of the demo runs any more.")
    if not outcome.holds:
        raise typer.Exit(EXIT_FAILURE)


def _tell(outcome: Outcome, console: Console, *, keep: bool) -> None:
    """Print the end of the show; the verdict is its last line."""
    show_outcome(outcome, console)
    tell_problems(outcome.report, console)
    for path in outcome.report_files:
        typer.echo(_report_file(path))
    if not keep:
        typer.echo("The pages end here; `snapup demo --keep` leaves them up.")
    typer.echo(report_line(outcome.report))
    typer.echo(outcome.verdict.line)


def ignore_other_servers(environment: MutableMapping[str, str]) -> list[str]:
    """The names of variables that are meant for servers elsewhere, after removing them from the environment."""
    meant = {f"{PREFIX}{name}" for name in OF_OTHER_SERVERS}
    ignored = sorted({*ways_in(environment), *(meant & environment.keys())})
    for name in ignored:
        del environment[name]
    return ignored


class _Demo:
    """One run, on a running stack."""

    def __init__(self, stack: Stack, view: DemoView, speed: float, seed: int, reports: Path) -> None:
        self._reports = reports
        self._is_shown = False  # whether the room has a document
        self._stack = stack
        self._view = view
        self._speed = speed
        self._seed = seed
        self._settings: Settings = load_settings(
            bootstrap_servers=stack.bootstrap_servers, redis_url=stack.redis_url, topic_prefix="live"
        )
        self._port, self._pages_port = free_ports(2)
        self._probe = LatencyProbe(where_of(self._settings), quiet_room(PARTITIONS, [SHOW, BESIDE]))

    async def run(self, tell: Callable[[Outcome], None], *, keep: bool = False) -> Outcome:
        """The outcome of worker, show and verdict. Every started process is ended in any case.

        Args:
            tell: called with the outcome as soon as it is known.
            keep: whether the pages stay up after that, until the task is cancelled.
        """
        self._view.step("Starting a worker...")
        worker = self._start("worker", ["worker"])
        pages = self._start("serve", ["serve", "--host", "127.0.0.1", "--port", str(self._pages_port)])
        try:
            await self._until_ready(worker)
            self._name_pages()
            self._view.step("The show begins...")
            try:
                outcome = await self._judge(await self._play(worker))
            except asyncio.CancelledError:  # Ctrl-C: the report covers the show so far
                await self._report_in_haste()
                raise
            tell(outcome)
            if keep:
                await self._stay_up(worker, pages)
            return outcome
        finally:
            await asyncio.gather(*(asyncio.to_thread(each.stop, STOP_S) for each in (worker, pages)))

    def _name_pages(self) -> None:
        for what, path in PAGES:
            self._view.note(f"{what:8} http://127.0.0.1:{self._pages_port}{path}")

    async def _stay_up(self, *running: ServerProcess) -> None:
        """Wait for Ctrl-C, which is how this is meant to end.

        Raises:
            SnapupError: a process that the pages need has ended by itself.
        """
        self._view.note("The show is over. These pages stay up until you press Ctrl-C:")
        self._name_pages()
        try:
            while True:
                for each in running:
                    if each.exit_code is not None:
                        raise SnapupError(f"{each.log.stem} ended with code {each.exit_code}: {_tail(each.log)}")
                await asyncio.sleep(LOOK_EVERY_S)
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None:
                task.uncancel()

    def _start(self, name: str, arguments: Sequence[str]) -> ServerProcess:
        environment = {
            **os.environ,
            **self._stack.environment(),
            "SNAPUP_TOPIC_PREFIX": self._settings.topic_prefix,
            "SNAPUP_METRICS_HOST": "127.0.0.1",
            "SNAPUP_METRICS_PORT": str(self._port),
            # A show faster than life runs ahead of the wall clock.
            "SNAPUP_RECORD_TIMES": "trusted",
        }
        folder = self._stack.folder
        return ServerProcess(name, [*_SNAPUP, *arguments], log=folder / f"{name}.log", cwd=folder, env=environment)

    async def _until_ready(self, worker: ServerProcess) -> None:
        try:
            async with asyncio.timeout(READY_DEADLINE_S):
                while not await asyncio.to_thread(self._is_ready):
                    if worker.exit_code is not None:
                        raise SnapupError(f"The worker ended with code {worker.exit_code}: {_tail(worker.log)}")
                    await asyncio.sleep(LOOK_EVERY_S)
        except TimeoutError:
            raise SnapupError(f"No worker was ready after {READY_DEADLINE_S:.0f} s: {_tail(worker.log)}") from None

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)  # noqa: PLR2004 - HTTP's OK
        except (urllib.error.URLError, OSError):
            return False

    async def _play(self, worker: ServerProcess) -> list[ExpectedRoom]:
        """The expected figures of both rooms. Each show plays in its own process; the first one's room is watched."""
        options = ["--seed", str(self._seed), "--speed", str(self._speed), "--json"]
        probing = asyncio.create_task(self._probe.run(), name="probe")
        shows = [self._start(f"simulate-{name}", ["simulate", name, *options]) for name in (SHOW, BESIDE)]
        redis = RedisClient(self._settings.redis(), timeout_ms=REDIS_TIMEOUT_MS)
        try:
            while any(show.exit_code is None for show in shows):
                if worker.exit_code is not None:
                    raise SnapupError(f"The worker ended with code {worker.exit_code}: {_tail(worker.log)}")
                if probing.done():
                    probing.result()
                await self._look(redis)
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            await asyncio.gather(*(asyncio.to_thread(show.stop, STOP_S) for show in shows))
            probing.cancel()
            await asyncio.gather(probing, return_exceptions=True)
            await redis.aclose()
        for show in shows:
            if show.exit_code:
                raise SnapupError(f"The show ended with code {show.exit_code}: {_tail(show.log)}")
        return [room for show in shows for room in _told(show.log).rooms]

    async def _look(self, redis: RedisClient) -> None:
        document = await redis.ask("GET", room_key(self._settings.topic_prefix, SHOW, "overlay"))
        if document is None:
            return
        self._is_shown = True
        self._view.show(read_overlay(document, CATALOGUE.sections), self._probe.samples_ms)

    async def _judge(self, expected: list[ExpectedRoom]) -> Outcome:
        self._view.step("Counting the log again...")
        where, report = where_of(self._settings), _waiting(self._view)
        verdict = await audit(
            where,
            assumptions_of(self._settings),
            deadline_s=CATCH_UP_DEADLINE_S,
            report=report,
            mechanics=COUNTED_AGAIN,
        )
        redis = RedisClient(self._settings.redis(), timeout_ms=REDIS_TIMEOUT_MS)
        missed: list[str] = []
        for room in expected:
            document = await redis.ask("GET", room_key(self._settings.topic_prefix, room.room_id, "overlay"))
            missed += ["no document"] if document is None else unmet(room, read_overlay(document, CATALOGUE.sections))
        await redis.aclose()
        made, files = await self._report(check_claims=True)
        return Outcome(
            verdict=verdict,
            planned=sum(figures_planned(room) for room in expected),
            unmet=missed,
            worker=await asyncio.to_thread(self._worker_figures),
            latencies_ms=self._probe.samples_ms,
            lost_probes=self._probe.lost,
            report=made,
            report_files=files,
        )

    async def _report(self, *, check_claims: bool) -> tuple[Report, list[Path]]:
        """The report of the show and the paths of its files, which are written."""
        made = await report_from_kafka(
            self._settings.brokers(),
            self._settings.topic_prefix,
            SHOW,
            session=None,
            stated=assumptions_of(self._settings),
            stated_rules=msgspec.to_builtins(self._settings.rules(INSTALLED)),
            check_claims=check_claims,
            progress=_waiting(self._view, "The report"),
            mechanics=COUNTED_AGAIN,
        )
        return made, write_report(made, self._reports, lang="en", overwrite=True)

    async def _first_report(self) -> tuple[Report, list[Path]]:
        """The report as soon as it is possible: what is shown already is in the log with the next checkpoint."""
        while True:
            try:
                return await self._report(check_claims=False)
            except NoSuchError:
                if not self._is_shown:
                    raise
                await asyncio.sleep(LOOK_EVERY_S)

    async def _report_in_haste(self) -> None:
        """Write the report of the show so far, for a user who waits for the end. A second Ctrl-C ends this too."""
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        self._view.note("The report of the show so far comes; Ctrl-C again ends without it.")
        try:
            async with asyncio.timeout(HASTE_S):
                made, files = await self._first_report()
        except NoSuchError:
            self._view.note("No report: nothing was said of the show yet.")
        except SnapupError as error:
            self._view.note(f"No report: {error.message}")
        except TimeoutError:
            self._view.note(f"No report: it took more than {HASTE_S:.0f} s on this machine.")
        else:
            for line in (*map(_report_file, files), report_line(made)):
                self._view.note(line)

    def _worker_figures(self) -> WorkerFigures:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                outcome = sample.labels.get("outcome")
                name = sample.name if outcome is None else f"{sample.name} {outcome}"
                found[name] = found.get(name, 0.0) + sample.value
        checkpoints = int(found["stream_checkpoint_seconds_count"])
        return WorkerFigures(
            received=int(found["stream_received_total"]),
            applied=int(found["stream_events_total applied"]),
            duplicate=int(found["stream_events_total duplicate"]),
            dead_lettered=int(found["stream_events_total dead_lettered"]),
            checkpoints=checkpoints,
            checkpoint_ms_mean=1000 * found["stream_checkpoint_seconds_sum"] / max(1, checkpoints),
            oversold_units=int(found["stream_oversold_units"]),
        )


def _told(log: Path) -> Expected:
    """The figures in the JSON line of the show's output."""
    for line in reversed(log.read_text("utf-8").splitlines()):
        if line.startswith("{"):
            return msgspec.json.decode(line, type=_Told).expected
    raise SnapupError(f"The show did not say what it must add up to: {_tail(log)}")


def _waiting(view: DemoView, what: str = "Counting again") -> Callable[[str], None]:
    """A progress function that reports a new subject but not each figure, which would be some thousand lines."""
    said = ""

    def report(text: str) -> None:
        nonlocal said
        about = text.translate(NO_DIGITS)
        if about != said:
            said = about
            view.step(f"{what}: {text}")

    return report


def _report_file(path: Path) -> str:
    return f"report   {path}"


def _tail(log: Path) -> str:
    return " | ".join(last_lines(log, 3, wanted=("critical", "error", "Error"))) or f"see {log}"
