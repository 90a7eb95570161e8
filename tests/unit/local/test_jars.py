"""Kafka's jars are the listed ones, or they are refused."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from stream import topics
from stream.errors import SnapupError
from stream.local import jars

if TYPE_CHECKING:
    from pathlib import Path

JARS = {"kafka_2.13-9.9.9.jar": b"the broker", "other-1.jar": b"something"}


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of two small jars in place of the real one; the folder that the cache would hold them in."""
    kafka_files = tmp_path / "kafka-files"
    kafka_files.mkdir()
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in JARS.items()]
    (kafka_files / "jars.sha256").write_text("".join(lines), "ascii")
    (kafka_files / "pom.xml").write_text("<project/>", "utf-8")
    monkeypatch.setattr(topics, "_PLACES", (kafka_files,))
    return jars.jars_dir(tmp_path / "cache")


def _fill(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, content in JARS.items():
        (folder / name).write_bytes(content)


def _maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A program called mvn that does as told, alone on the PATH beside the shell's own."""
    program = tmp_path / "bin" / "mvn"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nfor o; do case $o in -DoutputDirectory=*) out=${{o#*=}};; esac; done\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def test_jars_as_listed_are_used_as_they_are(listed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fill(listed)
    monkeypatch.setenv("PATH", "")  # neither Maven nor anything else is asked
    assert jars.ensure_jars(tmp_path / "cache") == listed
    assert jars.kafka_version() == "9.9.9"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "other-1.jar").write_bytes(b"exchanged"), "other-1.jar has another checksum"),
        (lambda folder: (folder / "other-1.jar").unlink(), "other-1.jar is missing"),
        (lambda folder: (folder / "third-1.jar").touch(), "third-1.jar is not listed"),
    ],
)
def test_jars_that_are_not_the_listed_ones_are_refused(
    listed: Path, tmp_path: Path, damage: object, words: str
) -> None:
    _fill(listed)
    assert callable(damage)
    damage(listed)
    with pytest.raises(SnapupError, match=words):
        jars.ensure_jars(tmp_path / "cache")


def test_fetched_jars_with_another_checksum_are_not_kept(
    listed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _maven(tmp_path, monkeypatch, 'mkdir "$out"; echo forged > "$out/other-1.jar"')
    with pytest.raises(SnapupError, match="jars that are not the listed ones"):
        jars.ensure_jars(tmp_path / "cache")
    assert not listed.exists()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["kafka.lock"]


def test_right_jars_are_fetched_once(listed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    _fill(source)
    _maven(tmp_path, monkeypatch, f'echo x >> {tmp_path}/asked; mkdir "$out"; cp {source}/*.jar "$out"')
    assert jars.ensure_jars(tmp_path / "cache") == listed
    assert jars.ensure_jars(tmp_path / "cache") == listed
    assert (tmp_path / "asked").read_text("ascii") == "x\n"


@pytest.mark.usefixtures("listed")
def test_what_maven_complains_of_first_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _maven(tmp_path, monkeypatch, "echo '[ERROR] no route to the repository'; echo '[ERROR] re-run with -X'; exit 1")
    with pytest.raises(SnapupError, match=r"Maven could not fetch Kafka's jars: \[ERROR\] no route to the repository$"):
        jars.ensure_jars(tmp_path / "cache")


@pytest.mark.usefixtures("listed")
def test_a_missing_maven_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SnapupError, match=r"Maven is missing.*apt-get install maven"):
        jars.ensure_jars(tmp_path / "cache")


def test_the_committed_list_holds_one_kafka_and_only_checksums() -> None:
    assert len(jars.checksums()) > 40
    pom = topics.kafka_file("pom.xml").read_text("utf-8")
    assert f"<version>{jars.kafka_version()}</version>" in pom
