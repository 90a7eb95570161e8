"""`snapup bridge` as it is typed: a file or a pipe in, a recording out, every message in the account."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import aiohttp
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
DEADLINE_S = 120.0
# When the first message of that file was said.
BEGAN_MS = 1_790_000_001_000


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


async def test_a_websocket_is_heard_until_it_is_stopped(tmp_path: Path) -> None:
    """Its client is told how many messages were read, and all of these are in the file."""
    target = tmp_path / "live.ndjson"
    command = [sys.executable, "-c", "from stream.cli import main; main()", "bridge", "tiktok", "--to", str(target)]
    command += ["--json", "--listen", "ws://127.0.0.1:0", "--metrics-port", "0"]
    lines = [
        msgspec.json.encode(msgspec.json.decode(line) | {"received_at": BEGAN_MS})
        for line in TIKTOK.read_bytes().splitlines()
    ]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, limit=1 << 20
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(DEADLINE_S), aiohttp.ClientSession() as client:
            addresses = [(await process.stderr.readline()).decode().split() for _ in range(2)]
            assert [name for name, _ in addresses] == ["metrics", "listening"]
            async with client.ws_connect(addresses[1][1]) as websocket:
                for line in lines:
                    await websocket.send_str(line.decode())
                metrics = ""
                while 'stream_bridge_events_total{outcome="acknowledged",platform="tiktok"} 18.0' not in metrics:
                    async with client.get(addresses[0][1]) as answer:
                        metrics = await answer.text()
                process.send_signal(signal.SIGTERM)
                ending = await websocket.receive()
                assert (ending.data, (ending.extra or "").rpartition(" ")[2]) == (1001, str(len(lines)))
            account = msgspec.json.decode(await process.stdout.read())
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
    assert account["messages"] == len(lines) == 18
    assert account["acknowledged"] == len(list(read_recording(target))) == 18


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tiktik"], "Did you mean 'tiktok'"),
        (["shopify", "--to", "x.ndjson"], "--room-attribute"),
        (["tiktok", "--sale", "s"], "Shopify's"),
        (["tiktok", "--room", "a b"], "no id"),
        (["tiktok", "--to", "nowhere"], "--to takes"),
        (["tiktok", "nowhere.ndjson", "--dry-run", "1"], "No such file"),
        (["tiktok", "--listen", "ws://0.0.0.0:1"], "on loopback alone"),
        (["tiktok", "a.ndjson", "--listen", "ws://127.0.0.1:1"], "takes the place of FILE"),
        (["tiktok", "--allow-origin", "https://a.example"], "say --listen"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(words: list[str], said: str) -> None:
    with pytest.raises(SnapupError, match=said):
        CliRunner().invoke(app, ["bridge", *words], catch_exceptions=False)
