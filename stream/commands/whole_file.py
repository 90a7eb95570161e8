"""Files that are written whole or not at all: no reader meets half a file under its final name."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from stream.errors import NoSuchError, SnapupError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def check_target(path: Path, *, overwrite: bool, source: Path | None = None) -> None:
    """Raise unless a file may be written there. A device or a pipe always may: nothing in it is replaced.

    Args:
        path: the path of the file.
        overwrite: replace an existing file.
        source: a file that is read meanwhile and may never be replaced.

    Raises:
        SnapupError: the file exists already, or its folder does not.
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
    """A path beside the final one to write to. It is renamed at success and removed at failure, and keeps the suffix.

    A device or a pipe is written to directly.
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
