"""`snapup token`: a signed, expiring, read-only token for one room or for all."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from stream.commands.spans import span_s
from stream.contract.ids import is_id
from stream.errors import SnapupError, UsageError
from stream.serve.tokens import ALL_ROOMS, MAX_TTL_S
from stream.settings import load_settings

DEFAULT_TTL = "12h"


def token(
    room: Annotated[str, typer.Argument(help="The room's id; '*' for every room, the list of rooms and /metrics.")],
    *,
    ttl: Annotated[str, typer.Option(help="How long it holds: 90s, 30m, 12h, 7d.")] = DEFAULT_TTL,
) -> None:
    """Print a token that lets whoever has it read the room. It needs the read server's SNAPUP_TOKEN_SECRET."""
    from stream.serve.app import tokens_of  # noqa: PLC0415 -- the server takes a moment to import

    if room != ALL_ROOMS and not (room.isascii() and is_id(room)):
        raise UsageError(f"{room!r} is no room id: 1 to 64 letters, digits and . _ : - are; '*' stands for all rooms.")
    secret = load_settings().token_secret
    if secret is None:
        raise SnapupError(
            "SNAPUP_TOKEN_SECRET is not set: set it to what the read server has, at least 32 random characters."
        )
    now_s, ttl_s = time.time(), span_s(ttl, "--ttl", MAX_TTL_S)
    typer.echo(tokens_of(secret.get_secret_value()).issue(room, ttl_s, now_s))
    until = datetime.fromtimestamp(int(now_s) + ttl_s, UTC)
    typer.echo(f"reads {'every room' if room == ALL_ROOMS else room} until {until:%Y-%m-%d %H:%M:%S} UTC", err=True)
