"""Files that are written whole or not at all: a reader never meets half of one under its final name."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from stream.errors import NoSuchError, SnapupError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def check_target(path: Path, *, overwrite: bool, source: Path | None = None) -> None:
    """Whether a file may be written there. A device or a pipe may always: nothing in it is replaced.

    Args:
        path: where to.
        overwrite: replace what is there.
        source: what is read meanwhile, which may never be replaced.

    Raises:
        SnapupError: it is there already, or its folder is not.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder, a file is needed.")
    if source is not None and path.is_file() and source.is_file() and path.samefile(source):
        raise UsageError(f"{path} is the file that is read: choose another name.")
    if path.is_file() and not overwrite:
        raise SnapupError(f"{path} is there already: choose another name, or say --overwrite.")
    if not path.parent.is_dir():
        raise NoSuchError(f"There is no folder {path.parent}.")


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A path beside the final one to write to; renamed when all went well, removed when not. Keeps the suffix.

    A device or a pipe is written to as it is.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    part = path.with_name(f".{path.name}.part{path.suffix}")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
