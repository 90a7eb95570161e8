"""The command line as documents and container files use it."""

from __future__ import annotations

from functools import cache
from typing import Any

import typer

from stream import cli

ROOT: Any = typer.main.get_command(cli.app)


@cache
def subcommands(command: Any) -> dict[str, Any]:
    """The commands below this one, by name; none below one that does something itself."""
    if not hasattr(command, "list_commands"):
        return {}
    return {name: command.get_command(None, name) for name in command.list_commands(None)}
