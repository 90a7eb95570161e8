"""Lines of a CSV file, one row each: numbered, decoded, split. Owns what is wrong with a line or with the whole file.

A row is a line: a quoted line break would let one stray quote swallow the rest of the file. Files named `.gz` are
unpacked on the way.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import zlib
from typing import TYPE_CHECKING, BinaryIO, cast

from msgspec import Struct

from stream.errors import NoSuchError, SnapupError
from stream.sources.accounts import Accounts, RefusedRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_LINE_BYTES = 64 * 1024

_ZIP = b"PK\x03\x04"
_GZIP = b"\x1f\x8b"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Row(Struct, frozen=True):
    """One row; `torn`: the row is the file's last line and has no line end, so it may be cut off."""

    line: int
    fields: list[str]
    torn: bool

    @property
    def text(self) -> str:
        """The row for the report."""
        return ",".join(self.fields)


class RowReader:
    """Iterates over the rows of a file, once; lines that are no rows go to the accounts.

    Raises:
        SnapupError: the file cannot be read, is empty, is not text, or is in another encoding.
    """

    def __init__(self, path: Path, accounts: Accounts, encoding: str = "utf-8-sig") -> None:
        self._path = path
        self._accounts = accounts
        self._encoding = _ascii_compatible(encoding)
        self._file = _open(path)
        self.size_bytes = path.stat().st_size

    def close(self) -> None:
        """Let the file go, read or not."""
        self._file.close()

    @property
    def read_bytes(self) -> int:
        """Number of bytes read so far, of `size_bytes`."""
        return 0 if self._file.closed else self._file.tell()

    def __iter__(self) -> Iterator[Row]:
        with self._file:
            self._look_at_the_beginning()
            number = 0
            for number, raw in enumerate(self._lines(), start=1):
                row = self._row(number, raw)
                if row is not None:
                    yield row
            if not number:
                raise SnapupError(f"{self._path} is empty.")

    def _look_at_the_beginning(self) -> None:
        beginning = self._file.read(4)
        self._file.seek(0)
        if beginning.startswith(_ZIP):
            raise SnapupError(f"{self._path} is a zip or a spreadsheet, not CSV: unpack it, or save it as CSV.")
        if beginning.startswith(_UTF_16):
            raise SnapupError(f"{self._path} is UTF-16: convert it first, e.g. `iconv -f UTF-16 -t UTF-8`.")
        if beginning.startswith(_GZIP) and self._path.suffix != ".gz":
            raise SnapupError(f"{self._path} is gzip: name it .gz, or unpack it.")

    def _lines(self) -> Iterator[bytes]:
        file = self._file
        if self._path.suffix == ".gz":
            file = cast("BinaryIO", gzip.GzipFile(fileobj=self._file, mode="rb"))
        try:
            while line := file.readline(MAX_LINE_BYTES + 1):
                if len(line) > MAX_LINE_BYTES:
                    self._skip_line(file)
                yield line
        except gzip.BadGzipFile as error:
            raise SnapupError(f"{self._path} is named .gz and is not gzip: {error}.") from None
        except (EOFError, zlib.error):
            self._accounts.remark("The compressed file ends in the middle: the rows up to there were read.")

    @staticmethod
    def _skip_line(file: BinaryIO) -> None:
        while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
            pass

    def _row(self, number: int, raw: bytes) -> Row | None:
        if not raw.strip():
            self._accounts.blank_lines += 1
            return None
        torn = not raw.endswith(b"\n") and len(raw) <= MAX_LINE_BYTES
        encoding = self._encoding if number == 1 or self._encoding != "utf-8-sig" else "utf-8"
        self._accounts.rows += 1
        if len(raw) > MAX_LINE_BYTES:
            detail = f"more than {MAX_LINE_BYTES} bytes"
            self._accounts.refuse(number, RefusedRow.LINE_TOO_LONG, detail, repr(raw[:100]))
            return None
        try:
            text = raw.decode(encoding).rstrip("\r\n")
        except UnicodeDecodeError as error:
            if torn:
                self._accounts.refuse(number, RefusedRow.CUT_OFF, "ends in the middle of a character", repr(raw))
                return None
            raise SnapupError(
                f"{self._path} is not {error.encoding}: line {number}, byte 0x{raw[error.start]:02x}. Name its "
                "encoding with --encoding, e.g. latin-1, cp1252 or gb18030."
            ) from None
        try:
            fields = next(csv.reader([text], strict=True), [])
        except csv.Error as error:
            reason = RefusedRow.CUT_OFF if torn else RefusedRow.NOT_CSV
            self._accounts.refuse(number, reason, str(error), text)
            return None
        if torn:
            self._accounts.remark(f"The last line ({number}) has no line end: it may be cut off.")
        return Row(number, fields, torn)


def _ascii_compatible(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
        if "a,\n".encode(name) == b"a,\n" or name == "utf-8-sig":
            # A byte order mark is no part of the first field, whatever program wrote it.
            return "utf-8-sig" if name == "utf-8" else name
    except (LookupError, UnicodeError):
        raise SnapupError(f"There is no text encoding called {encoding!r}.") from None
    raise SnapupError(f"{encoding} cannot be read line by line: convert the file to UTF-8 first, e.g. with iconv.")


def _open(path: Path) -> BinaryIO:
    try:
        return cast("BinaryIO", path.open("rb"))
    except FileNotFoundError:
        raise NoSuchError(f"No such file: {path}.") from None
    except IsADirectoryError:
        raise SnapupError(f"{path} is a folder, a file is needed.") from None
