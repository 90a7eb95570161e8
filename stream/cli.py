"""The `snapup` command: mounts the commands, and turns failures that a user can mend into one line."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from stream.errors import SnapupError, did_you_mean, explain_os_error

# Command → its place. Each is loaded alone: a worker restarted after a crash should not first load the simulator.
COMMANDS = {
    "audit": "stream.commands.audit:audit",
    "bridge": "stream.commands.bridge:bridge",
    "claims": "stream.commands.claims:claims_app",
    "dead-letters": "stream.commands.dead_letters:dead_letters",
    "demo": "stream.commands.demo:demo",
    "doctor": "stream.commands.doctor:doctor",
    "explain": "stream.commands.explain:explain",
    "import": "stream.commands.import_:import_app",
    "ingest": "stream.commands.ingest:ingest",
    "ingest-key": "stream.commands.ingest_key:ingest_key",
    "record": "stream.commands.record:record",
    "replay": "stream.commands.replay:replay",
    "report": "stream.commands.report:report",
    "rooms": "stream.commands.rooms:rooms",
    "schemas": "stream.commands.schemas:schemas_app",
    "serve": "stream.commands.serve:serve",
    "simulate": "stream.commands.simulate:simulate",
    "stack": "stream.commands.stack:stack_app",
    "token": "stream.commands.token:token",
    "topics": "stream.commands.topics:topics_app",
    "watch": "stream.commands.watch:watch",
    "worker": "stream.commands.worker:worker",
}


class Commands(TyperGroup):
    """The commands, each loaded when asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 — Typer's
        """Names, as `--help` shows them."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 — Typer's
        """One command; None when no command has this name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        found = getattr(importlib.import_module(module), name)
        if isinstance(found, typer.Typer):
            return typer.main.get_group(found)
        alone = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
        alone.command(cmd_name)(found)
        return typer.main.get_command(alone)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the words begin with; an unknown one fails with the name perhaps meant."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"No such command {name!r}.{did_you_mean(name, COMMANDS)}")
        return super().resolve_command(ctx, args)


def _print_version(asked: bool) -> None:  # noqa: FBT001 — Typer's
    if asked:
        typer.echo(f"snapup {version('snapup')}")
        raise typer.Exit


app = typer.Typer(
    name="snapup",
    cls=Commands,
    help="Live-commerce signals from Kafka to on-screen overlays: exact and honest.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},  # the commands below inherit it
)


@app.callback()
def snapup(
    *,
    asked_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Live-commerce signals from Kafka to on-screen overlays: exact and honest."""


def main() -> None:
    """Run the command line; exit with the code of the failure, if any."""
    try:
        app()
    except SnapupError as error:
        _fail(error)
    except OSError as error:
        explained = explain_os_error(error)
        if explained is None:
            raise
        _fail(explained)


def _fail(error: SnapupError) -> None:
    from rich.console import Console  # noqa: PLC0415 — a worker's start need not wait for it

    Console(stderr=True, highlight=False).print(error.message, style="red", markup=False, soft_wrap=True)
    sys.exit(error.exit_code)
