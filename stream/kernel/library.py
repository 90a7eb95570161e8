"""Loads the native kernel and calls it through ctypes, which lets other threads run meanwhile.

The layouts are those of `src/kernel.h`. Nothing here knows what an event means: forms come from the contract.
"""

from __future__ import annotations

import ctypes
import os
from array import array
from ctypes import POINTER, Structure, byref, c_char_p, c_int32, c_int64, c_uint8, c_uint32, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stream.contract.events import MAX_ID_CHARS
from stream.contract.forms import ID, NUMBER, TEXT, TYPE_FIELD, Form, RoomPart, Scanning
from stream.contract.ids import ID_CHARS
from stream.errors import SnapupError
from stream.kernel.building import NAME, checksum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.kernel.choice import Choice

ABI = 2
NAME_BYTES, FIELDS_MAX, KINDS_MAX, ID_COLUMNS_MAX, NUMBER_COLUMNS_MAX = 32, 16, 8, 8, 4
RECORDS_MAX = 1 << 20
TEXT_MAX_BYTES = 1 << 30
# Of so many records one may be odd: beyond that it is quicker to let Python read all of them.
ODD_SHARE = 8
# The library of this environment variable is loaded instead of the built one: the sanitized one, in tests.
LIBRARY_VARIABLE = "SNAPUP_KERNEL_LIBRARY"

_IS_TYPE = 0
_IS = {ID: 1, NUMBER: 2, TEXT: 3}
_COLUMN_ROOM, _COLUMN_TIME, _COLUMN_NONE = -1, -2, -3


class Row(Structure):
    """Where one record lies in its text."""

    _fields_ = (
        *((name, c_int64) for name in ("offset", "timestamp_ms")),
        *((name, c_uint32) for name in ("key_at", "key_bytes", "value_at", "value_bytes", "stamped", "unused")),
    )


class Batch(Structure):
    """What the head of a batch says, and what is taken of it."""

    _fields_ = (
        *((name, c_int64) for name in ("first_offset", "last_offset", "first_ms", "stamp_ms", "count")),
        *((name, c_int64) for name in ("last_moment_ms", "key_most_bytes", "value_most_bytes")),
    )


class _Field(Structure):
    _fields_ = (
        ("name", c_uint8 * NAME_BYTES),
        ("name_bytes", c_uint32),
        ("holds", c_uint32),
        ("least", c_int64),
        ("most", c_int64),
        ("column", c_int32),
        ("unused", c_uint32),
    )


class _Kind(Structure):
    _fields_ = (
        ("tag", c_uint8 * NAME_BYTES),
        *((name, c_uint32) for name in ("tag_bytes", "known", "required", "nullable")),
    )


class _Form(Structure):
    _fields_ = (
        ("fields", c_uint32),
        ("kinds", c_uint32),
        ("field", _Field * FIELDS_MAX),
        ("kind", _Kind * KINDS_MAX),
        *((name, c_int64) for name in ("record_most_bytes", "most_age_ms", "most_ahead_ms", "lateness_ms")),
        ("id_char", c_uint8 * 256),
    )


class _Part(Structure):
    _fields_ = (
        *((name, c_uint32) for name in ("key_at", "key_bytes", "begin", "count", "first_place", "retimed")),
        *((name, c_int64) for name in ("newest_ms", "least_ms", "most_ms")),
    )


class _Columns(Structure):
    _fields_ = (
        *((name, c_void_p) for name in ("parts", "event_time_ms", "at_ms", "places", "kinds")),
        ("numbers", c_void_p * NUMBER_COLUMNS_MAX),
        ("ids", c_void_p * ID_COLUMNS_MAX),
        ("ids_bytes", c_uint64 * ID_COLUMNS_MAX),
        ("odd", c_void_p),
        *((name, c_uint32) for name in ("odd_most", "odds")),
    )


class Scanned(NamedTuple):
    """What a scan gave, in the order of `RoomPart`s. `ids`: joined by line breaks, one behind each.

    `odd`: the places of records that are in no column.
    """

    rooms: list[RoomPart]
    odd: list[int]
    at_ms: array[int]
    places: array[int]
    kinds: bytearray
    numbers: dict[str, array[int]]
    ids: dict[str, memoryview]


class Kernel:
    """The loaded library.

    Raises:
        OSError: it cannot be loaded.
        SnapupError: it was built from other sources.
    """

    def __init__(self, path: Path) -> None:
        library: Any = ctypes.CDLL(str(path))
        library.snapup_abi.restype = c_uint32
        library.snapup_sources.restype = c_char_p
        if library.snapup_abi() != ABI or library.snapup_sources().decode() != checksum():
            raise SnapupError(f"{path.name} was built from other sources: make setup.")
        library.snapup_crc32c.argtypes = (c_char_p, c_uint64)
        library.snapup_crc32c.restype = c_uint32
        library.snapup_index.argtypes = (c_char_p, c_uint64, POINTER(Batch), c_void_p)
        library.snapup_index.restype = c_int32
        library.snapup_move.argtypes = (c_void_p, c_uint32, c_uint32)
        library.snapup_move.restype = None
        library.snapup_scan.argtypes = (
            *(c_char_p, c_uint64, c_void_p, c_uint32),
            *(POINTER(_Form), c_uint64 * 2, POINTER(_Columns)),
        )
        library.snapup_scan.restype = c_int32
        self._library = library
        self._seed = (c_uint64 * 2).from_buffer_copy(os.urandom(16))
        self._forms: dict[Scanning, _Form | None] = {}

    def crc32c(self, content: bytes) -> int:
        """The CRC-32C of these bytes."""
        return int(self._library.snapup_crc32c(content, len(content)))

    def index(self, plain: bytes, batch: Batch) -> ctypes.Array[Row] | None:
        """Where the records of an unpacked batch lie; None: it is unusual in some way, or wrong."""
        if not 0 < batch.count <= min(RECORDS_MAX, len(plain)) or len(plain) > TEXT_MAX_BYTES:
            return None
        rows = (Row * batch.count)()
        return rows if self._library.snapup_index(plain, len(plain), byref(batch), rows) == batch.count else None

    def move(self, rows: ctypes.Array[Row], begin: int, count: int, by: int) -> None:
        """Let some rows point so many bytes further on. `by` may be negative."""
        self._library.snapup_move(byref(rows, begin * ctypes.sizeof(Row)), count, by & 0xFFFFFFFF)

    def scan(self, text: bytes, rows: ctypes.Array[Row], begin: int, end: int, how: Scanning) -> Scanned | None:
        """The columns of the records from `begin` to `end`; None: too many of them need a look by themselves."""
        form = self._form(how)
        count = end - begin
        if form is None or not 0 < count <= RECORDS_MAX:
            return None
        event_time_ms, at_ms = array("q", bytes(8 * count)), array("q", bytes(8 * count))
        places, kinds, parts = array("I", bytes(4 * count)), bytearray(count), (_Part * count)()
        numbers = {name: array("q", bytes(8 * count)) for name in _number_columns(how.form)}
        ids = {name: bytearray((MAX_ID_CHARS + 1) * count) for name in _id_columns(how.form)}
        odd_most = count // ODD_SHARE
        odd = array("I", bytes(4 * (odd_most or 1)))
        out = _Columns(
            *map(_address, (parts, event_time_ms, at_ms, places, kinds)),
            (c_void_p * NUMBER_COLUMNS_MAX)(*map(_address, numbers.values())),
            (c_void_p * ID_COLUMNS_MAX)(*map(_address, ids.values())),
            odd=_address(odd),
            odd_most=odd_most,
        )
        first = byref(rows, begin * ctypes.sizeof(Row))
        found = self._library.snapup_scan(text, len(text), first, count, byref(form), self._seed, byref(out))
        if found < 0:
            return None
        rooms = [
            RoomPart(
                text[part.key_at : part.key_at + part.key_bytes].decode("ascii"),
                part.begin,
                part.begin + part.count,
                part.first_place,
                part.retimed,
                part.newest_ms,
                part.least_ms,
                part.most_ms,
            )
            for part in parts[:found]
        ]
        texts = {name: memoryview(text)[: out.ids_bytes[at]] for at, (name, text) in enumerate(ids.items())}
        numbers["event_time_ms"] = event_time_ms
        return Scanned(rooms, odd[: out.odds].tolist(), at_ms, places, kinds, numbers, texts)

    def _form(self, how: Scanning) -> _Form | None:
        if how not in self._forms:
            self._forms[how] = _form_of(how)
        return self._forms[how]


def _address(buffer: Any) -> int:
    return ctypes.addressof(buffer if isinstance(buffer, ctypes.Array) else c_uint8.from_buffer(buffer))


def _id_columns(form: Form) -> list[str]:
    return [name for name in form.names(ID) if name != "room_id"]


def _number_columns(form: Form) -> list[str]:
    return [name for name in form.names(NUMBER) if name != "event_time_ms"]


def form_bytes(how: Scanning) -> bytes:
    """A form as the library reads it. Raises ValueError if it does not fit."""
    form = _form_of(how)
    if form is None:
        raise ValueError("the form has too many or too long names")
    return bytes(form)


def _form_of(how: Scanning) -> _Form | None:
    """The form as the library reads it; None: it does not fit."""
    form = how.form
    ids, numbers = _id_columns(form), _number_columns(form)
    names = [TYPE_FIELD, *(field.name for field in form.fields)]
    tags = [kind.tag for kind in form.kinds]
    if (
        len(names) > FIELDS_MAX
        or not 0 < len(tags) <= KINDS_MAX
        or len(ids) > ID_COLUMNS_MAX
        or len(numbers) > NUMBER_COLUMNS_MAX
        or any(len(name.encode()) > NAME_BYTES or not name.isascii() for name in (*names, *tags))
        or any(field.holds == ID and field.most > MAX_ID_CHARS for field in form.fields)
    ):
        return None
    made = _Form(len(names), len(tags))
    made.field[0] = _Field(_name(TYPE_FIELD), len(TYPE_FIELD), _IS_TYPE, 0, 0, _COLUMN_NONE)
    columns = {"room_id": _COLUMN_ROOM, "event_time_ms": _COLUMN_TIME}
    columns |= {name: at for of in (ids, numbers) for at, name in enumerate(of)}
    for at, field in enumerate(form.fields, 1):
        column = columns.get(field.name, _COLUMN_NONE)
        holds = _IS[field.holds]
        made.field[at] = _Field(_name(field.name), len(field.name), holds, field.least, field.most, column)
    for at, kind in enumerate(form.kinds):
        known, required, nullable = (_mask(names, of) for of in (kind.known, kind.required, kind.nullable))
        made.kind[at] = _Kind(_name(kind.tag), len(kind.tag), known | 1, required | 1, nullable)
    made.record_most_bytes, made.most_age_ms, made.most_ahead_ms = (
        how.max_record_bytes,
        how.max_age_ms,
        how.max_ahead_ms,
    )
    made.lateness_ms = how.lateness_ms
    for char in ID_CHARS.encode():
        made.id_char[char] = 1
    return made


def _name(text: str) -> ctypes.Array[c_uint8]:
    return (c_uint8 * NAME_BYTES)(*text.encode())


def _mask(names: Sequence[str], of: frozenset[str]) -> int:
    return sum(1 << at for at, name in enumerate(names) if name in of)


@cache
def load(path: Path | None = None) -> Kernel:
    """The kernel of this process.

    Raises:
        SnapupError: it is not built, or not for this code, or does not load.
    """
    library = path or Path(os.environ.get(LIBRARY_VARIABLE) or Path(__file__).parent / NAME)
    if not library.exists():
        raise SnapupError("The native kernel is not built: make setup, where there is a C compiler.")
    try:
        return Kernel(library)
    except (OSError, AttributeError) as error:
        raise SnapupError(f"The native kernel does not load: {error}. Build it again: make setup.") from error


def chosen(choice: Choice) -> tuple[Kernel | None, str]:
    """The kernel to run with, None for Python, and why that is so.

    Raises:
        SnapupError: `native` was asked for and cannot be had.
    """
    if choice == "python":
        return None, "chosen"
    try:
        return load(), "chosen" if choice == "native" else "built"
    except SnapupError as error:
        if choice == "native":
            raise
        return None, error.message
