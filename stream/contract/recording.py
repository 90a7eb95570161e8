"""The recording format: Kafka records of the input topics in a file, one JSON line each, in the order of sending.

    {"topic":"likes","key":"room-1","timestamp_ms":1507636800123,"value":{"type":"like",...}}

- `topic`: the logical name (`stream.contract.events.TOPIC_NAMES`). A full name such as `live.likes` is also read.
- `partition`, `offset`: the record's place in Kafka; absent if it was never there.
- `key`, or `key_base64` if the key is not UTF-8. Both absent: no key.
- `timestamp_ms`: the record timestamp, that is the append time.
- `value`: the record's value byte for byte, if it is JSON on one line; else `value_base64`. Both absent: a tombstone.
- `headers`: a list of `{"name", "value" | "value_base64"}` in order; absent if there are none. A header with neither
  has no value, which is not an empty value.

Lines may hold further fields, which are skipped. docs/recordings.md describes the format for writers of recordings.

A file whose name ends in `.gz` is compressed. A killed recorder leaves the last line cut off: that is reported
(`RecordingReader.cut_off`), and everything before it is read. Any other broken line is an error that names the line.
"""

from __future__ import annotations

import gzip
import zlib
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, BinaryIO, Self, cast

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from stream.contract.events import MAX_RECORD_BYTES, TOPIC_NAMES
from stream.errors import NoSuchError, SnapupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

# A refused record may have the broker's greatest size (1 MiB) and a third more in base64; headers come on top.
MAX_LINE_BYTES = 4 * 1024 * 1024


class RecordedRecord(Struct, frozen=True, gc=False, kw_only=True):
    """One record of an input topic: all that a replay needs to fold it as the worker did.

    `timestamp` is the append time (ms). `partition` and `offset` are -1 if the record was never in Kafka.
    """

    topic: str
    timestamp: int
    value: bytes | None
    key: bytes | None
    partition: int = -1
    offset: int = -1
    headers: tuple[tuple[str, bytes | None], ...] = ()


class _Header(Struct, omit_defaults=True, forbid_unknown_fields=True):
    name: str
    value: str | UnsetType = UNSET
    value_base64: str | UnsetType = UNSET


class _Line(Struct, omit_defaults=True):
    topic: str
    timestamp_ms: int
    partition: int | UnsetType = UNSET
    offset: int | UnsetType = UNSET
    key: str | UnsetType = UNSET
    key_base64: str | UnsetType = UNSET
    headers: list[_Header] | UnsetType = UNSET
    value: Raw | UnsetType = UNSET
    value_base64: str | UnsetType = UNSET


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Line)


def encode_record(record: RecordedRecord) -> bytes:
    """The record as one line, with its line end."""
    line = _Line(topic=record.topic, timestamp_ms=record.timestamp)
    if record.partition >= 0:
        line.partition = record.partition
    if record.offset >= 0:
        line.offset = record.offset
    if record.key is not None:
        line.key, line.key_base64 = _text_or_base64(record.key)
    if record.headers:
        line.headers = [
            _Header(name) if value is None else _Header(name, *_text_or_base64(value)) for name, value in record.headers
        ]
    if record.value is not None:
        if _is_json_line(record.value):
            line.value = Raw(record.value)
        else:
            line.value_base64 = b64encode(record.value).decode()
    return _encoder.encode(line) + b"\n"


def decode_record(raw: bytes) -> RecordedRecord:
    """The record in one line.

    Raises:
        ValueError: the line is not of this format (errors of msgspec and of base64 are ValueErrors too).
    """
    try:
        line = _decoder.decode(raw)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    topic = line.topic.rpartition(".")[2]
    if topic not in TOPIC_NAMES:
        raise ValueError(f"unknown topic {line.topic!r}, expected one of {', '.join(TOPIC_NAMES)}")
    return RecordedRecord(
        topic=topic,
        timestamp=line.timestamp_ms,
        value=bytes(line.value) if isinstance(line.value, Raw) else _bytes_of(UNSET, line.value_base64),
        key=_bytes_of(line.key, line.key_base64),
        partition=-1 if line.partition is UNSET else line.partition,
        offset=-1 if line.offset is UNSET else line.offset,
        headers=()
        if line.headers is UNSET
        else tuple((header.name, _bytes_of(header.value, header.value_base64)) for header in line.headers),
    )


class RecordingWriter:
    """Writes records to a file. Equal records give equal bytes, compressed or not. `records`: the number written."""

    def __init__(self, path: Path) -> None:
        self._raw = _open(path, "wb")
        self._file: BinaryIO = self._raw
        if path.suffix == ".gz":
            # No name and no time in the header: equal records must give equal bytes.
            packed = gzip.GzipFile(filename="", mode="wb", fileobj=self._raw, compresslevel=6, mtime=0)
            self._file = cast("BinaryIO", packed)
        self.records = 0

    def write(self, record: RecordedRecord) -> None:
        """Append one record."""
        self._file.write(encode_record(record))
        self.records += 1

    def flush(self) -> None:
        """Hand on what is buffered: whoever reads the file now, or after a kill, finds it. Costs some compression."""
        self._file.flush()
        self._raw.flush()

    def close(self) -> None:
        """Write what is buffered and close the file."""
        self._file.close()
        self._raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class RecordingReader:
    """Iterates once over the records of a file. Afterwards `records` is their number, `cut_off` tells a torn end.

    Raises:
        SnapupError: a line before the last is broken, or the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.records = 0
        self.cut_off = False

    def __iter__(self) -> Iterator[RecordedRecord]:
        for number, raw in enumerate(self._lines(), start=1):
            if not raw.strip():
                continue
            try:
                record = decode_record(raw)
            except ValueError as error:
                if not raw.endswith(b"\n") and len(raw) <= MAX_LINE_BYTES:
                    self.cut_off = True
                    return
                raise SnapupError(f"{self._path} is not a recording: line {number}: {error}") from error
            self.records += 1
            yield record

    def _lines(self) -> Iterator[bytes]:
        with _open(self._path, "rb") as raw, _unpacked(raw) if self._path.suffix == ".gz" else raw as file:
            while True:
                try:
                    line = file.readline(MAX_LINE_BYTES + 1)
                except (EOFError, zlib.error):  # the compressed file ends in the middle: its earlier lines are good
                    self.cut_off = True
                    return
                except gzip.BadGzipFile as error:
                    raise SnapupError(f"{self._path} is named .gz and is not gzip: {error}.") from error
                if not line:
                    return
                yield line


def write_recording(path: Path, records: Iterable[RecordedRecord]) -> int:
    """The number of records written: writes all records to a file."""
    with RecordingWriter(path) as writer:
        for record in records:
            writer.write(record)
        return writer.records


def read_recording(path: Path) -> RecordingReader:
    """A recording opened for one pass: iterate over it, then look at `cut_off`."""
    return RecordingReader(path)


def _open(path: Path, mode: str) -> BinaryIO:
    try:
        return cast("BinaryIO", path.open(mode))
    except FileNotFoundError as error:
        raise NoSuchError(f"No such file: {path}.") from error
    except IsADirectoryError as error:
        raise SnapupError(f"{path} is a folder, a file is needed.") from error


def _unpacked(raw: BinaryIO) -> BinaryIO:
    return cast("BinaryIO", gzip.GzipFile(fileobj=raw, mode="rb"))


def _is_json_line(value: bytes) -> bool:
    """Whether these bytes may stand unchanged in a line."""
    if len(value) > 2 * MAX_RECORD_BYTES or b"\n" in value or b"\r" in value or value != value.strip():
        return False
    try:
        value.decode()
        msgspec.json.decode(value)
    except (ValueError, RecursionError):
        return False
    return True


def _text_or_base64(value: bytes) -> tuple[str | UnsetType, str | UnsetType]:
    try:
        return value.decode(), UNSET
    except UnicodeDecodeError:
        return UNSET, b64encode(value).decode()


def _bytes_of(text: str | UnsetType, base64: str | UnsetType) -> bytes | None:
    if text is not UNSET:
        return text.encode()
    return None if base64 is UNSET else b64decode(base64, validate=True)
