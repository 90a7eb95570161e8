"""`snapup token`: a signed, expiring, read-only token for one room or for all."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlsplit

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
    print_urls: Annotated[
        bool, typer.Option("--print-urls", help="Also the addresses of overlay, console and builder, with the token.")
    ] = False,
    server: Annotated[
        str | None,
        typer.Option(help="With --print-urls: the server's address for readers. Default: this machine's."),
    ] = None,
) -> None:
    """Print a token that lets whoever has it read the room. It needs the read server's SNAPUP_TOKEN_SECRET."""
    from stream.serve.app import tokens_of  # noqa: PLC0415 -- the server takes a moment to import

    if room != ALL_ROOMS and not (room.isascii() and is_id(room)):
        raise UsageError(f"{room!r} is no room id: 1 to 64 letters, digits and . _ : - are; '*' stands for all rooms.")
    if server is not None and not print_urls:
        raise UsageError("--server goes with --print-urls.")
    settings = load_settings()
    secret = settings.token_secret
    if secret is None:
        raise SnapupError(
            "SNAPUP_TOKEN_SECRET is not set: set it to what the read server has, at least 32 random characters."
        )
    now_s, ttl_s = time.time(), span_s(ttl, "--ttl", MAX_TTL_S)
    made = tokens_of(secret.get_secret_value()).issue(room, ttl_s, now_s)
    found = _addresses(server_of(server, settings.serve_host, settings.serve_port), room, made) if print_urls else []
    for line in (made, *found):
        typer.echo(line)
    what = "every room" if room == ALL_ROOMS else room
    typer.echo(f"reads {what} until {until_text(int(now_s) + ttl_s)}", err=True)


def server_of(named: str | None, host: str, port: int) -> str:
    """The address that the pages' addresses begin with, without a slash at the end.

    Args:
        named: as somebody wrote it; None: the read server of this machine.
        host: the address on which that server listens.
        port: its port.

    Raises:
        UsageError: the named one is no http address, or has a query; or the port of this machine's server is not fixed.
    """
    if named is None:
        if not port:
            raise UsageError("SNAPUP_SERVE_PORT is 0, any free port: say with --server where readers find the server.")
        host = "127.0.0.1" if host in ("0.0.0.0", "::", "localhost") else f"[{host}]" if ":" in host else host  # noqa: S104
        return f"http://{host}:{port}"
    try:
        parts = urlsplit(named)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        is_more = bool(parts.query or parts.fragment or parts.username is not None)
    except ValueError:
        is_address, is_more = False, False
    if not is_address or is_more or not named.isprintable():
        raise UsageError("--server: an address such as https://snapup.example is needed, without a query.")
    return named.rstrip("/")


def _addresses(server: str, room: str, made: str) -> list[str]:
    """A line for each page that takes the token in its address. Room ids and tokens need no escapes there."""
    if room == ALL_ROOMS:
        pages = {"console": f"/console?token={made}", "builder": f"/builder?token={made}"}
    else:
        pages = {
            "overlay": f"/overlay?room={room}&token={made}",
            "console": f"/console/{room}?token={made}",
            "builder": f"/builder?room={room}&token={made}",
            "widget": f"/starter/{room}.html?token={made}",
        }
    return [f"{what:8} {server}{path}" for what, path in pages.items()]


def until_text(epoch_s: int) -> str:
    """A moment in UTC, and in this machine's zone if that differs: `2026-11-28 16:05:00 UTC (17:05:00 +0100 here)`."""
    moment = datetime.fromtimestamp(epoch_s, UTC)
    said = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    here = moment.astimezone()
    if not here.utcoffset():
        return said
    day = "" if here.date() == moment.date() else f"{here:%Y-%m-%d} "
    return f"{said} ({day}{here:%H:%M:%S %z} here)"
