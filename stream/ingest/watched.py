"""Files of the gateway that are read again when they change: the keys of platforms, the secrets of shops."""

from __future__ import annotations

import tomllib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

MAX_FILE_BYTES = 1 << 20

Form = TypeVar("Form")


class FileError(ValueError):
    """A file is not as it must be; the text says where, and repeats no secret."""


class WatchedFile(ABC):
    """A file, and what it said when it was last in order.

    Args:
        path: the file.

    Attributes:
        names: of all who are in it.

    Raises:
        FileError: the file cannot be read, or is not as it must be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: frozenset[str] = frozenset()
        self._seen: tuple[int, int, int] | None = None
        self.reload()

    def has_changed(self) -> bool:
        """Whether the file is another one than the one last read, or gone."""
        return self._stamp() != self._seen

    def reload(self) -> None:
        """Read the file again. If that fails, what it said before holds.

        Raises:
            FileError: as the class.
        """
        self._seen = self._stamp()
        try:
            raw = self.path.read_bytes()
        except OSError as error:
            raise FileError(f"{self.path} cannot be read: {error.strerror or error}") from None
        self._take(raw)

    @abstractmethod
    def _take(self, raw: bytes) -> None:
        """Take over what the bytes say. Raises FileError, and takes over nothing, where they are wrong."""

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def read_toml(raw: bytes, form: type[Form]) -> Form:
    """The TOML in the bytes of a file, as a struct.

    Raises:
        FileError: it is too large, no TOML, or of another form.
    """
    if len(raw) > MAX_FILE_BYTES:
        raise FileError(f"the file has more than {MAX_FILE_BYTES} bytes")
    try:
        return msgspec.convert(tomllib.loads(raw.decode()), form)
    except UnicodeDecodeError:
        raise FileError("the file is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise FileError(f"the file is not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise FileError(str(error)) from None
