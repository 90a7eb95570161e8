"""`snapup ingest-key`: a new key for the gateway, printed once, and its entry for the file of keys."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from stream.errors import UsageError
from stream.ingest.keys import ALL, entry_of, new_key, read_keys
from stream.ingest.watched import MAX_FILE_BYTES, FileError
from stream.mechanics.kinds import CATALOGUE


def ingest_key(
    name: Annotated[str, typer.Argument(help="The platform's name: 1 to 64 letters, digits and . _ : -.")],
    *,
    rooms: Annotated[
        list[str] | None, typer.Option("--room", help="A room that it may send for; * stands for any characters.")
    ] = None,
    types: Annotated[list[str] | None, typer.Option("--type", help="A type that it may send. Default: all.")] = None,
    events_per_s: Annotated[
        float | None, typer.Option(min=0.001, max=1_000_000, help="The quota. Default: none.")
    ] = None,
    append: Annotated[
        Path | None, typer.Option(help="Add the entry to this file of keys, which a running gateway reads again.")
    ] = None,
) -> None:
    """Print a new key, once: only its hash is kept. A name may have two keys, so that one can replace the other."""
    key = new_key()
    entry = entry_of(key, name, rooms or [ALL], types or [ALL], events_per_s)
    before = b""
    if append is not None and append.exists():
        before = append.read_bytes()[: MAX_FILE_BYTES + 1]
    gap = b"" if not before else b"\n" if before.endswith(b"\n") else b"\n\n"
    after = before + gap + entry.encode()
    try:
        read_keys(after, CATALOGUE.types)
    except FileError as error:
        where = "" if append is None else f"{append}: "
        raise UsageError(f"{where}{error}.") from None
    if append is not None:
        _replace(append, after)
    typer.echo(key)
    if append is None:
        typer.echo(entry, err=True, nl=False)
    else:
        typer.echo(f"its hash is in {append}; the key itself is nowhere else", err=True)


def _replace(path: Path, text: bytes) -> None:
    """Replace the file as a whole, so that no gateway reads half of it. Its permissions stay."""
    target = path.resolve()
    made = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        made.touch(mode=0o600)
        if target.exists():
            made.chmod(target.stat().st_mode & 0o7777)
        made.write_bytes(text)
        made.replace(target)
    finally:
        made.unlink(missing_ok=True)
