"""How a broker's failures at its start are told, with a Java machine that fails as asked."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from stream.errors import SnapupError
from stream.local import kafka
from stream.local.kafka import KafkaServer
from stream.local.ports import LOOPBACK, free_ports
from stream.local.settings import LocalSettings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalSettings:
    """No jars are asked for; `java` is the script that a test writes."""
    monkeypatch.setattr(kafka, "ensure_jars", lambda _cache: tmp_path)
    return LocalSettings(java=str(tmp_path / "java"), cache_dir=tmp_path)


def _java(folder: Path, *, formats: str = "exit 0", runs: str = "sleep 600") -> None:
    """A java that tells its version, formats and runs as told."""
    (folder / "java").write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        "  -version) echo 'openjdk version \"17.0.1\"' >&2;;\n"
        f"  *StorageTool*) {formats};;\n"
        f"  *) {runs};;\n"
        "esac\n"
    )
    (folder / "java").chmod(0o755)


def test_a_broker_that_ends_at_its_start_is_quoted_from_its_log(tmp_path: Path, settings: LocalSettings) -> None:
    _java(tmp_path, runs="echo INFO begins; echo 'ERROR Invalid config'; echo INFO ends; exit 1")
    with pytest.raises(SnapupError, match=r"Kafka ended with code 1: ERROR Invalid config \(see "):
        KafkaServer(tmp_path / "kafka", settings).start()


def test_a_full_disk_is_told_as_such(tmp_path: Path, settings: LocalSettings) -> None:
    _java(tmp_path, runs="echo 'java.io.IOException: No space left on device'; exit 1")
    with pytest.raises(SnapupError, match="The disk is full: Kafka cannot write to"):
        KafkaServer(tmp_path / "kafka", settings).start()


def test_storage_that_cannot_be_formatted_is_told_with_the_reason(tmp_path: Path, settings: LocalSettings) -> None:
    _java(tmp_path, formats="echo 'Log directory is read-only' >&2; exit 1")
    with pytest.raises(SnapupError, match="storage cannot be formatted: Log directory is read-only"):
        KafkaServer(tmp_path / "kafka", settings).start()


def test_a_broker_that_never_answers_is_ended_at_the_deadline(tmp_path: Path, settings: LocalSettings) -> None:
    _java(tmp_path)
    server = KafkaServer(tmp_path / "kafka", settings.model_copy(update={"server_start_timeout_s": 0.2}))
    with pytest.raises(SnapupError, match="Kafka did not answer within 0 s"):
        server.start()
    assert server.process is not None
    assert server.process.exit_code is not None


def test_a_port_that_was_asked_for_and_is_taken_is_refused(tmp_path: Path, settings: LocalSettings) -> None:
    _java(tmp_path)
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SnapupError, match=f"Port {port} for Kafka is in use"):
            KafkaServer(tmp_path / "kafka", settings, port=port).start()


def test_a_port_lost_to_somebody_quicker_is_replaced_by_another(tmp_path: Path, settings: LocalSettings) -> None:
    _java(tmp_path, runs="grep ^listeners server.properties >> ports; echo 'Address already in use'; exit 1")
    with pytest.raises(SnapupError, match=r"Port \d+ for Kafka is in use: choose another"):
        KafkaServer(tmp_path / "kafka", settings).start()
    tried = (tmp_path / "kafka" / "ports").read_text("ascii").splitlines()
    assert len(set(tried)) == len(tried) == kafka.START_ATTEMPTS


def test_what_an_earlier_start_said_is_not_taken_for_this_one(tmp_path: Path, settings: LocalSettings) -> None:
    server = KafkaServer(tmp_path / "kafka", settings)
    _java(tmp_path, runs="echo 'java.io.IOException: No space left on device'; exit 1")
    with pytest.raises(SnapupError, match="The disk is full"):
        server.start()
    _java(tmp_path, runs="echo 'ERROR Invalid config'; exit 1")
    with pytest.raises(SnapupError, match="ended with code 1: ERROR Invalid config"):
        server.start()


def test_nothing_that_listens_is_no_kafka_and_neither_is_a_silent_listener() -> None:
    assert not kafka.answers(f"{LOOPBACK}:{free_ports(1)[0]}")
    assert not kafka.answers("nonsense")
