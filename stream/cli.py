"""The `snapup` command: mounts the commands, and turns failures that a user can mend into one line."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from stream.commands.demo import demo
from stream.commands.doctor import doctor
from stream.commands.import_ import import_app
from stream.commands.recount import recount
from stream.commands.replay import replay
from stream.commands.schemas import schemas_app
from stream.commands.serve import serve
from stream.commands.simulate import simulate
from stream.commands.stack import stack_app
from stream.commands.token import token
from stream.commands.topics import topics_app
from stream.commands.watch import watch
from stream.commands.worker import worker
from stream.errors import SnapupError, explain_os_error

app = typer.Typer(
    name="snapup",
    help="Live-commerce signals from Kafka to on-screen overlays: exact and honest.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def snapup() -> None:
    """Live-commerce signals from Kafka to on-screen overlays: exact and honest."""


app.command()(demo)
app.command()(doctor)
app.add_typer(import_app)
app.command()(recount)
app.command()(replay)
app.command()(simulate)
app.add_typer(schemas_app)
app.command()(serve)
app.add_typer(stack_app)
app.command()(token)
app.add_typer(topics_app)
app.command()(watch)
app.command()(worker)


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
    Console(stderr=True, highlight=False).print(error.message, style="red", markup=False, soft_wrap=True)
    sys.exit(error.exit_code)
