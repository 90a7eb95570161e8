"""Each thing that is missing is a line that says what to do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import codec
from redis.exceptions import NoPermissionError

from stream.kafka_clients import Brokers, Security
from stream.kernel.library import LIBRARY_VARIABLE, load
from stream.local import doctor
from stream.local.ports import LOOPBACK, free_ports
from stream.local.settings import LocalSettings
from stream.redis_clients import RedisClient

if TYPE_CHECKING:
    from pathlib import Path

    from stream.local.doctor import Finding


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalSettings:
    """A machine with Python and nothing else."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("SNAPUP_KERNEL", "python")
    for variable in ("JAVA_HOME", "SNAPUP_BOOTSTRAP_SERVERS", "SNAPUP_REDIS_URL"):
        monkeypatch.delenv(variable, raising=False)
    return LocalSettings(cache_dir=tmp_path / "cache", java=None, redis_server=None)


def _findings(settings: LocalSettings, brokers: Brokers | None = None) -> dict[str, Finding]:
    return {finding.name: finding for finding in doctor.examine(settings, brokers)}


def test_on_a_bare_machine_everything_missing_is_named_with_a_remedy(bare: LocalSettings) -> None:
    findings = _findings(bare)
    missing = {name for name, finding in findings.items() if not finding.ok}
    # A font lies where every program finds it.
    assert missing == {"Java", "Maven", "Kafka jars", "redis-server", "promtool", "Chromium", "Docker"}
    assert all(findings[name].remedy for name in missing)
    assert {name for name in missing if not findings[name].required} == {"promtool", "Chromium", "Docker"}


def test_the_kernel_is_named_with_what_to_do_where_there_is_none(
    bare: LocalSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _findings(bare)["Kernel"].detail == "python, chosen"
    monkeypatch.setenv(LIBRARY_VARIABLE, "/nowhere.so")
    load.cache_clear()
    for choice, required in (("auto", False), ("native", True), ("rust", True)):
        monkeypatch.setenv("SNAPUP_KERNEL", choice)
        finding = _findings(bare)["Kernel"]
        assert (finding.ok, finding.required) == (False, required)
        assert finding.remedy


def test_codecs_that_could_not_be_read_are_named(bare: LocalSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _findings(bare)["Kafka's codecs"].ok
    monkeypatch.setattr(codec, "has_lz4", lambda: False)
    monkeypatch.setattr(codec, "has_zstd", lambda: False)
    finding = _findings(bare)["Kafka's codecs"]
    assert not finding.ok
    assert finding.required
    assert "lz4, zstd" in finding.detail


def test_a_cache_that_cannot_be_written_is_named(bare: LocalSettings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    finding = _findings(bare.model_copy(update={"cache_dir": tmp_path / "file"}))["cache folder"]
    assert not finding.ok
    assert "SNAPUP_CACHE_DIR" in finding.remedy


def test_too_little_room_is_told(bare: LocalSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DATA_BYTES", 2**80)
    finding = _findings(bare)["room for data"]
    assert not finding.ok
    assert "TMPDIR" in finding.remedy


def test_configured_servers_that_do_not_answer_are_told_without_the_password(
    bare: LocalSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_ports(1)[0]
    monkeypatch.setenv("SNAPUP_REDIS_URL", f"redis://:hunter2@{LOOPBACK}:{port}/0")
    security = Security(protocol="SASL_PLAINTEXT", mechanism="PLAIN", username="worker", password="hunter2")
    findings = _findings(bare, Brokers(f"{LOOPBACK}:{port}", security))
    assert not findings["configured Kafka"].ok
    assert "SASL_PLAINTEXT, PLAIN" in findings["configured Kafka"].detail
    assert "Kafka does not answer at" in findings["configured Kafka"].remedy
    assert not findings["configured Redis"].ok
    assert "hunter2" not in str(findings)


def test_installing_without_maven_and_apt_says_what_could_not_be_had(bare: LocalSettings) -> None:
    steps: list[str] = []
    missed = {finding.name: finding for finding in doctor.install(bare, steps.append)}
    assert set(missed) == {"Kafka jars", "redis-server", "promtool"}
    assert len(steps) == 3
    assert "Maven is missing" in missed["Kafka jars"].remedy
    assert not missed["promtool"].required


def test_a_browser_is_installed_only_when_asked_for(bare: LocalSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(doctor, "install_browser", lambda: asked.append("browser"))
    doctor.install(bare, lambda _: None)
    assert asked == []
    doctor.install(bare, lambda _: None, browser=True)
    assert asked == ["browser"]


@pytest.mark.parametrize(
    ("said", "ok"),
    [
        ("this user has no permissions to run the 'get' command", True),  # a worker may only write
        ("No permissions to access a key", True),
        ("this user has no permissions to run the 'select' command", False),  # nothing of ours would work
    ],
)
def test_a_redis_that_refuses_what_every_command_needs_is_not_well(said: str, *, ok: bool) -> None:
    class Refusing(RedisClient):
        async def ask(self, *command: Any) -> Any:
            del command
            raise NoPermissionError(said, status_code="NOPERM")

        async def configuration(self) -> dict[str, str]:
            return {}

    found = asyncio.run(doctor._asked_redis(Refusing("redis://host:1/3", timeout_ms=100)))
    assert found.ok is ok
    assert ok or "refuses what it was asked (NOPERM" in found.remedy
