from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from stream.ingest.keys import MAX_KEYS, Keyring, entry_of, new_key, read_keys
from stream.ingest.watched import FileError
from stream.mechanics.kinds import CATALOGUE

if TYPE_CHECKING:
    from pathlib import Path

TYPES = CATALOGUE.types
DIGEST = "ab" * 32


def entry(**changes: str) -> str:
    fields = {"name": '"shop"', "sha256": f'"{DIGEST}"', "rooms": '["*"]'} | changes
    return "[[key]]\n" + "".join(f"{name} = {value}\n" for name, value in fields.items() if value)


def test_a_new_key_is_found_by_its_hash_alone(tmp_path: Path) -> None:
    key, other = new_key(), new_key()
    assert key != other
    assert len(key) > 45
    path = tmp_path / "keys.toml"
    path.write_text(entry_of(key, "shop", ["room-*", "viya"], ["like", "order"], 250))
    assert key not in path.read_text()
    ring = Keyring(path, TYPES)
    found = ring.find(key)
    assert found is not None
    assert (found.name, found.events_per_s) == ("shop", 250)
    for wrong in (other, "", key[:-1], key + "x", "\udcff", "é" * 10, "x" * 10_000, DIGEST):
        assert ring.find(wrong) is None


def test_rooms_and_types_are_those_of_the_entry() -> None:
    (key,) = read_keys(entry(rooms='["room-*", "viya.1"]', types='["like"]').encode(), TYPES)
    rooms = ("room-", "room-7", "viya.1", "viyax1", "my-room-1", "viya.12", "")
    assert [room for room in rooms if key.allows_room(room)] == ["room-", "room-7", "viya.1"]
    assert [name for name in TYPES if key.allows_type(name)] == ["like"]


def test_without_types_all_may_be_sent_but_the_words_of_workers() -> None:
    (key,) = read_keys(entry().encode(), TYPES)
    assert {name for name in TYPES if not key.allows_type(name)} == {"records_misplaced"}
    assert key.events_per_s is None


def test_two_keys_of_a_name_hold_and_three_are_an_error() -> None:
    keys = [new_key() for _ in range(3)]
    entries = [entry_of(key, "shop", ["*"], ["*"], None) for key in keys]
    assert len(read_keys("".join(entries[:2]).encode(), TYPES)) == 2
    with pytest.raises(FileError, match="more than 2 keys"):
        read_keys("".join(entries).encode(), TYPES)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[key]", "not TOML"),
        (b"\xff", "not UTF-8"),
        ("key = 3", "Expected `array`"),
        (entry(name='"a b"'), "key 1: the name"),
        (entry(name=""), "name"),
        (entry(sha256='"XY"'), "64 hexadecimal"),
        (entry(sha256=f'"{DIGEST.upper()}"'), "64 hexadecimal"),
        (entry(rooms="[]"), "must name something"),
        (entry(rooms='["a b"]'), "no room id"),
        (entry(types='["liek"]'), "no event type"),
        (entry(types='["records_misplaced"]'), "by workers only"),
        (entry(events_per_s="0"), "above 0"),
        (entry(events_per_s="nan"), "above 0"),
        (entry(secret='"x"'), "unknown field"),
        (entry() + entry(name='"other"'), "key 2: the same sha256"),
        ("x" * ((1 << 20) + 1), "more than"),
    ],
)
def test_a_wrong_file_is_a_sentence(text: str | bytes, said: str) -> None:
    with pytest.raises(FileError, match=said):
        read_keys(text if isinstance(text, bytes) else text.encode(), TYPES)


def test_there_is_a_bound_on_keys() -> None:
    many = "".join(entry(name=f'"n{n}"', sha256=f'"{n:064x}"') for n in range(MAX_KEYS + 1))
    with pytest.raises(FileError, match="the most is"):
        read_keys(many.encode(), TYPES)


def test_a_file_that_goes_wrong_leaves_the_old_keys(tmp_path: Path) -> None:
    key, path = new_key(), tmp_path / "keys.toml"
    path.write_text(entry_of(key, "shop", ["*"], ["*"], None))
    ring = Keyring(path, TYPES)
    assert not ring.has_changed()
    path.write_text("[[")
    assert ring.has_changed()
    with pytest.raises(FileError):
        ring.reload()
    assert not ring.has_changed()  # told once
    assert ring.find(key) is not None
    path.unlink()
    assert ring.has_changed()
    with pytest.raises(FileError, match="cannot be read"):
        ring.reload()
    path.write_text("")
    assert ring.has_changed()
    ring.reload()
    assert ring.find(key) is None
    assert hashlib.sha256(key.encode()).hexdigest() not in repr(ring.keys)
