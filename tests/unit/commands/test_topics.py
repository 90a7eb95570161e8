from __future__ import annotations

import pytest
from typer.testing import CliRunner

from stream.cli import app
from stream.errors import SnapupError
from stream.local.ports import LOOPBACK, free_ports


@pytest.mark.parametrize("command", ["apply", "check", "list"])
def test_a_kafka_that_is_not_there_is_told_in_one_sentence(command: str) -> None:
    servers = f"{LOOPBACK}:{free_ports(1)[0]}"
    result = CliRunner().invoke(app, ["topics", command, "--bootstrap-servers", servers])
    assert isinstance(result.exception, SnapupError)
    assert result.exception.message.startswith(f"Kafka does not answer at {servers}")
    assert "\n" not in result.exception.message


def test_the_environment_names_the_cluster_and_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    servers = f"{LOOPBACK}:{free_ports(1)[0]}"
    monkeypatch.setenv("SNAPUP_BOOTSTRAP_SERVERS", servers)
    result = CliRunner().invoke(app, ["topics", "check"])
    assert servers in str(result.exception)
