from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
import pytest
from typer.testing import CliRunner

from stream.cli import app
from stream.errors import SnapupError
from stream.local.kept import STATE_VERSION, KeptServer, KeptStack
from stream.local.ports import free_ports
from stream.local.process import ProcessId
from stream.settings import ways_in

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SNAPUP_STATE_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("command", ["status", "env"])
def test_without_a_stack_the_way_to_one_is_named(command: str) -> None:
    result = CliRunner().invoke(app, ["stack", command])
    assert isinstance(result.exception, SnapupError)
    assert "snapup stack up" in result.exception.message
    assert result.stdout == ""


def test_ending_nothing_is_no_failure() -> None:
    result = CliRunner().invoke(app, ["stack", "down"])
    assert result.exit_code == 0
    assert result.stderr == "No local stack was up.\n"


def test_status_tells_a_server_that_lives_and_does_not_answer(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kafka_port, redis_port = free_ports(2)
    ours = ProcessId.of(os.getpid())
    state = KeptStack(
        version=STATE_VERSION,
        started_at_ms=0,
        folder=str(state_dir),
        kafka=KeptServer(port=kafka_port, process=ours, log="kafka.log"),
        redis=KeptServer(port=redis_port, process=ProcessId(ours.pid, ours.started - 1), log="redis.log"),
    )
    (state_dir / "stack.json").write_bytes(msgspec.json.encode(state))
    result = CliRunner().invoke(app, ["stack", "status"])
    assert isinstance(result.exception, SnapupError)
    assert result.exception.message.startswith("Not well: Kafka and Redis.")
    rows = {row.split("│")[1].strip(): row for row in result.stdout.splitlines() if row.startswith("│")}
    assert f"runs (pid {ours.pid})" in rows["Kafka"]
    assert "gone" in rows["Redis"]
    for name in ways_in(os.environ):
        monkeypatch.delenv(name)
    environment = CliRunner().invoke(app, ["stack", "env"])
    assert environment.stdout == (
        f"export SNAPUP_BOOTSTRAP_SERVERS=127.0.0.1:{kafka_port}\n"
        f"export SNAPUP_REDIS_URL=redis://127.0.0.1:{redis_port}/0\n"
    )
    # They ask nobody who he is: what a shell holds for servers elsewhere would keep us out.
    monkeypatch.setenv("SNAPUP_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("SNAPUP_REDIS_PASSWORD", "hush")
    shell = CliRunner().invoke(app, ["stack", "env"]).stdout
    assert shell == environment.stdout + "unset SNAPUP_REDIS_PASSWORD\nunset SNAPUP_SECURITY_PROTOCOL\n"
