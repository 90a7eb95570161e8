"""`snapup ingest-key`: the key is printed once, its hash is kept, and no file of keys is spoiled."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from stream.cli import app
from stream.errors import UsageError
from stream.ingest.keys import Keyring
from stream.mechanics.kinds import CATALOGUE

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["ingest-key", *words])


def test_the_printed_key_holds_and_stands_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    words = "--room", "tt-*", "--room", "viya", "--type", "like", "--events-per-s", "2000", "--append", str(path)
    first, second = (run("tiktok", *words) for _ in range(2))
    assert first.exit_code == second.exit_code == 0
    keys = [result.stdout.strip() for result in (first, second)]
    text = path.read_text("utf-8")
    assert not any(key in text for key in keys)
    assert path.stat().st_mode & 0o777 == 0o600
    entry = tomllib.loads(text)["key"][0]
    assert {**entry, "sha256": ""} == {
        "name": "tiktok",
        "sha256": "",
        "rooms": ["tt-*", "viya"],
        "types": ["like"],
        "events_per_s": 2000,
    }
    ring = Keyring(path, CATALOGUE.types)
    found = [ring.find(key) for key in keys]
    assert [key and key.name for key in found] == ["tiktok", "tiktok"]

    third = run("tiktok", *words)
    assert isinstance(third.exception, UsageError)
    assert "more than 2 keys" in third.exception.message
    assert path.read_text("utf-8") == text


def test_without_a_file_the_entry_is_told_beside_the_key() -> None:
    told = run("shop")
    assert told.stdout.count("\n") == 1
    assert tomllib.loads(told.stderr)["key"][0]["rooms"] == ["*"]


def test_what_makes_no_entry_is_a_sentence_and_prints_no_key(tmp_path: Path) -> None:
    spoiled = tmp_path / "keys.toml"
    spoiled.write_text("[[")
    for words in (("a b",), ("a", "--type", "liek"), ("a", "--room", "a b"), ("a", "--append", str(spoiled))):
        told = run(*words)
        assert isinstance(told.exception, UsageError), words
        assert told.stdout == ""
    assert spoiled.read_text() == "[["
