"""`snapup bridge` as it is typed: a file or a pipe in, a recording out, every message in the account."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest
from typer.testing import CliRunner

from stream.cli import app
from stream.contract.recording import read_recording
from stream.errors import SnapupError
from tests.support.platforms.heard import HERE

if TYPE_CHECKING:
    from pathlib import Path

TIKTOK = HERE / "tiktok-node.ndjson"
DEADLINE_S = 60.0


def test_a_file_becomes_a_recording_and_each_message_is_accounted_for(tmp_path: Path) -> None:
    target = tmp_path / "out.ndjson"
    answer = CliRunner().invoke(app, ["bridge", "tiktok", str(TIKTOK), "--to", str(target), "--json"])
    assert answer.exit_code == 0, answer.output
    account = msgspec.json.decode(answer.stdout)
    assert account["messages"] == account["gave_events"] + sum(account["reasons"].values()) == 18
    assert account["sent"] == account["acknowledged"] == sum(account["events"].values()) == 18
    assert len(list(read_recording(target))) == 18
    with pytest.raises(SnapupError, match="there already"):
        CliRunner().invoke(app, ["bridge", "tiktok", str(TIKTOK), "--to", str(target)], catch_exceptions=False)


def test_a_dry_run_shows_what_a_sample_becomes_and_sends_nothing() -> None:
    answer = CliRunner().invoke(app, ["bridge", "tiktok", str(TIKTOK), "--dry-run", "3", "--room", "show"])
    assert answer.exit_code == 0
    assert '"type":"enter"' in answer.stdout
    assert "# → ignored_kind" in answer.stdout
    assert "3 messages in 3 lines" in answer.output


def test_a_pipe_is_heard_until_it_is_stopped(tmp_path: Path) -> None:
    """A live source does not end: what was read of it is delivered when the bridge is told to stop."""
    target = tmp_path / "live.ndjson"
    command = [sys.executable, "-c", "from stream.cli import main; main()", "bridge", "tiktok", "--to", str(target)]
    lines = [
        msgspec.json.encode({"kind": "chat", "msgId": str(number), "roomId": "1", "userId": "2", "comment": "hi"})
        for number in range(1, 5_001)
    ]
    with subprocess.Popen([*command, "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        # More than a pipe holds: when all of it is written, the bridge has read most of it.
        process.stdin.write(b"\n".join(lines) + b"\n")
        process.stdin.flush()
        process.send_signal(signal.SIGTERM)
        account = msgspec.json.decode(process.stdout.read())
        assert process.wait(DEADLINE_S) == 0
    records = list(read_recording(target))
    assert {record.topic for record in records} == {"comments"}
    assert 0 < len(records) == account["messages"] == account["acknowledged"] <= len(lines)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tiktik"], "Did you mean 'tiktok'"),
        (["shopify", "--to", "x.ndjson"], "--room-attribute"),
        (["tiktok", "--sale", "s"], "Shopify's"),
        (["tiktok", "--room", "a b"], "no id"),
        (["tiktok", "--to", "nowhere"], "--to takes"),
        (["tiktok", "nowhere.ndjson", "--dry-run", "1"], "No such file"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(words: list[str], said: str) -> None:
    with pytest.raises(SnapupError, match=said):
        CliRunner().invoke(app, ["bridge", *words], catch_exceptions=False)
