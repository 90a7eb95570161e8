"""API keys of platforms: a file holds the hash of each key, and what its holder may send.

The file is TOML, an entry for each key. One name may have two keys, so that a key is replaced without a gap: add the
new one, give it to the platform, remove the old one.

    [[key]]
    name = "tiktok-bridge"
    sha256 = "…"                # of the key; `snapup ingest-key` makes both
    rooms = ["tt-*", "viya-2017"]
    types = ["like", "order"]   # left out: all that producers send
    events_per_s = 2000         # left out: no quota
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from stream.contract.ids import is_id
from stream.ingest.watched import FileError, WatchedFile, read_toml

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

# Each look compares with all of them.
MAX_KEYS = 256
KEYS_OF_A_NAME = 2
PREFIX = "snapup_"
# 256 bits: nobody guesses them, so a hash without salt and repetition keeps them.
KEY_BYTES = 32
MAX_KEY_CHARS = 256
ALL = "*"
MAX_EVENTS_PER_S = 1_000_000
# Workers send these; a producer that did would silence a room's stock.
OF_WORKERS = frozenset({"records_misplaced"})

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ROOM_PATTERN = re.compile(r"[A-Za-z0-9._:*-]{1,64}")


class _Entry(Struct, forbid_unknown_fields=True):
    name: str
    sha256: str
    rooms: list[str]
    types: list[str] = msgspec.field(default_factory=lambda: [ALL])
    events_per_s: float | None = None


class _File(Struct, forbid_unknown_fields=True):
    key: list[_Entry] = msgspec.field(default_factory=list)


class Key:
    """What the holder of one key may send.

    Args:
        name: the platform's.
        digest: SHA-256 of the key.
        rooms: room ids; `*` in one stands for any characters.
        types: names of types; `*` is all that producers send.
        events_per_s: the quota; None: there is none.
    """

    def __init__(
        self,
        name: str,
        digest: bytes,
        rooms: Sequence[str] = (ALL,),
        types: Sequence[str] = (ALL,),
        events_per_s: float | None = None,
    ) -> None:
        self.name = name
        self.digest = digest
        self.events_per_s = events_per_s
        self._all_rooms = ALL in rooms
        self._rooms = re.compile("|".join(re.escape(room).replace(r"\*", ".*") for room in rooms))
        self._types = None if ALL in types else frozenset(types)

    def allows_room(self, room_id: str) -> bool:
        """Whether events of this room may be sent."""
        return self._all_rooms or self._rooms.fullmatch(room_id) is not None

    def allows_type(self, name: str) -> bool:
        """Whether events of this type may be sent."""
        return name not in OF_WORKERS if self._types is None else name in self._types


# Where no file is set, everybody on this machine is this.
ANYBODY = Key("anybody", b"")


class Keyring(WatchedFile):
    """The keys in use.

    Args:
        path: the file.
        known_types: names of all types.

    Raises:
        FileError: the file cannot be read, or is not as it must be.
    """

    def __init__(self, path: Path, known_types: Collection[str]) -> None:
        self._known_types = known_types
        self.keys: tuple[Key, ...] = ()
        super().__init__(path)

    def find(self, presented: str) -> Key | None:
        """The key with this text; None if there is none. Takes as long for each text of one length."""
        if len(presented) > MAX_KEY_CHARS:
            return None
        digest = hashlib.sha256(presented.encode("utf-8", "surrogateescape")).digest()
        found: Key | None = None
        for key in self.keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found

    def _take(self, raw: bytes) -> None:
        self.keys = read_keys(raw, self._known_types)
        self.names = frozenset(key.name for key in self.keys)


def read_keys(raw: bytes, known_types: Collection[str]) -> tuple[Key, ...]:
    """The keys in the bytes of a file.

    Raises:
        FileError: says which entry is wrong, and why. It repeats no hash.
    """
    entries = read_toml(raw, _File).key
    if len(entries) > MAX_KEYS:
        raise FileError(f"there are {len(entries)} keys, the most is {MAX_KEYS}")
    digests: set[str] = set()
    names: list[str] = []
    for number, entry in enumerate(entries, 1):
        if (problem := _problem(entry, known_types)) is not None:
            raise FileError(f"key {number}: {problem}")
        names.append(entry.name)
        if entry.sha256 in digests:
            raise FileError(f"key {number}: the same sha256 stands there twice")
        digests.add(entry.sha256)
        if names.count(entry.name) > KEYS_OF_A_NAME:
            raise FileError(f"key {number}: {entry.name!r} has more than {KEYS_OF_A_NAME} keys: remove the oldest")
    return tuple(
        Key(entry.name, bytes.fromhex(entry.sha256), entry.rooms, entry.types, entry.events_per_s) for entry in entries
    )


def _problem(entry: _Entry, known_types: Collection[str]) -> str | None:  # noqa: PLR0911 -- one for each mistake
    """What is wrong with an entry; None if nothing is."""
    if not (entry.name.isascii() and is_id(entry.name)):
        return f"the name is {entry.name[:80]!r}: it must be 1 to 64 letters, digits and . _ : -"
    if _SHA256.fullmatch(entry.sha256) is None:
        return "sha256 must be 64 hexadecimal digits in small letters"
    if not entry.rooms or not entry.types:
        return "rooms and types must name something; ['*'] is all"
    if (problem := problem_of_rooms(entry.rooms)) is not None:
        return problem
    for name in entry.types:
        if name != ALL and name not in known_types:
            return f"no event type is called {name[:80]!r}"
        if name in OF_WORKERS:
            return f"{name} is sent by workers only"
    return problem_of_quota(entry.events_per_s)


def problem_of_rooms(rooms: Sequence[str]) -> str | None:
    """What is wrong with rooms that may be sent for; None if nothing is."""
    wrong = next((room for room in rooms if _ROOM_PATTERN.fullmatch(room) is None), None)
    return None if wrong is None else f"{wrong[:80]!r} is no room id, nor one with * for any characters"


def problem_of_quota(events_per_s: float | None) -> str | None:
    """What is wrong with a quota; None if nothing is."""
    if events_per_s is None or 0 < events_per_s <= MAX_EVENTS_PER_S:
        return None
    return f"events_per_s must be above 0 and at most {MAX_EVENTS_PER_S}"


def new_key() -> str:
    """A new key, of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(KEY_BYTES)


def entry_of(key: str, name: str, rooms: Sequence[str], types: Sequence[str], events_per_s: float | None) -> str:
    """The entry for the file of a key, without the key itself. The names need no escapes in TOML."""
    lines = [
        "[[key]]",
        f'name = "{name}"',
        f'sha256 = "{hashlib.sha256(key.encode()).hexdigest()}"',
        f"rooms = [{_quoted(rooms)}]",
    ]
    if ALL not in types:
        lines.append(f"types = [{_quoted(types)}]")
    if events_per_s is not None:
        lines.append(f"events_per_s = {events_per_s:g}")
    return "\n".join(lines) + "\n"


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
