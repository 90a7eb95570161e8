"""The `snapup` command: mounts the commands, and turns failures that a user can mend into one line."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from stream.errors import SnapupError, explain_os_error

# Command → where it is written. A worker that is started anew after a crash should not first load the simulator.
COMMANDS = {
    "audit": "stream.commands.audit:audit",
    "demo": "stream.commands.demo:demo",
    "doctor": "stream.commands.doctor:doctor",
    "import": "stream.commands.import_:import_app",
    "replay": "stream.commands.replay:replay",
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
    """The commands, each loaded when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 — Typer's
        """Names, as `--help` shows them."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 — Typer's
        """One command; None when there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        found = getattr(importlib.import_module(module), name)
        if isinstance(found, typer.Typer):
            return typer.main.get_group(found)
        alone = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
        alone.command(cmd_name)(found)
        return typer.main.get_command(alone)


app = typer.Typer(
    name="snapup",
    cls=Commands,
    help="Live-commerce signals from Kafka to on-screen overlays: exact and honest.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def snapup() -> None:
    """Live-commerce signals from Kafka to on-screen overlays: exact and honest."""


def main() -> None:
    """Run the command line; exit with the code of the failure that was met, if any."""
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
