"""`snapup watch` and its reader on a real Redis that comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from typer.testing import CliRunner

from stream.cli import app
from stream.contract.events import Like
from stream.contract.overlay import room_key
from stream.contract.recording import RecordedRecord
from stream.contract.sight import Away, State, Unreadable
from stream.core.rules import Rules
from stream.errors import SnapupError
from stream.local.redis import RedisServer
from stream.local.settings import LocalSettings
from stream.overlays.reader import Look, OverlayReader
from stream.replay.recording import Replay
from stream.worker.overlay_store import OverlayStore
from tests.browser.rooms import coat
from tests.integration.test_dead_letters import snapup

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    import redis.asyncio

    from stream.core.publishing import Published
    from stream.local.stack import Stack

pytestmark = pytest.mark.integration

DEADLINE_S = 20.0


def documents(revisions: int) -> list[Published]:
    """Documents of one room, as the core makes them."""
    found: list[Published] = []
    likes = [
        Like(event_id=f"l{n}", room_id="room-1", event_time_ms=1_700_000_000_000 + 2_000 * n, user_id="u", count=1)
        for n in range(revisions)
    ]
    Replay(Rules(), "live", 1_000, found.append).run(
        RecordedRecord(topic="likes", timestamp=like.event_time_ms, value=msgspec.json.encode(like), key=b"room-1")
        for like in likes
    )
    return found


async def until(looks: AsyncIterator[Look], state: State, rev: int = 0) -> Look:
    async with asyncio.timeout(DEADLINE_S):
        async for look in looks:
            if look.sight.state(0) is state and (look.overlay is None or look.overlay.rev >= rev):
                return look
    raise AssertionError


def _detail(look: Look) -> str:
    assert isinstance(look.sight.found, Away | Unreadable)
    return look.sight.found.detail


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis", LocalSettings())
    server.start()
    yield server
    server.stop()


async def test_a_reader_waits_for_a_room_follows_it_and_says_when_it_is_gone(
    stack: Stack, topic_prefix: str, redis_client: redis.asyncio.Redis
) -> None:
    reader = OverlayReader(stack.redis_url, topic_prefix, "room-1", 500)
    store = OverlayStore(stack.redis_url, topic_prefix, 500)
    looks = reader.looks()
    assert not (await until(looks, State.MISSING)).was_there
    first, second, *_ = documents(3)
    await store.write(1, [first])
    live = await until(looks, State.LIVE)
    assert live.raw == first.document
    assert live.now_ms > 1_700_000_000_000
    await store.write(1, [second])
    assert (await until(looks, State.LIVE, second.rev)).raw == second.document
    await redis_client.set(room_key(topic_prefix, "room-1", "overlay"), b"{}")
    assert _detail(await until(looks, State.UNREADABLE))
    await redis_client.delete(room_key(topic_prefix, "room-1", "overlay"))
    assert (await until(looks, State.MISSING)).was_there
    await reader.close()
    await store.close()


async def test_a_reader_outlives_its_redis(own_redis: RedisServer) -> None:
    reader = OverlayReader(own_redis.url, "live", "room-1", 500)
    looks = reader.looks()
    store = OverlayStore(own_redis.url, "live", 500)
    first, second, *_ = documents(3)
    await store.write(1, [first])
    await until(looks, State.LIVE)
    await asyncio.to_thread(own_redis.kill)
    assert _detail(await until(looks, State.REDIS_AWAY))
    await asyncio.to_thread(own_redis.restart)
    assert (await until(looks, State.MISSING)).was_there
    await store.close()
    store = OverlayStore(own_redis.url, "live", 500)
    await store.write(2, [second])
    assert (await until(looks, State.LIVE)).raw == second.document
    await reader.close()
    await store.close()


async def test_watch_once_prints_a_room_or_says_that_there_is_none(stack: Stack, topic_prefix: str) -> None:
    words = ["watch", "room-1", "--once", "--redis-url", stack.redis_url, "--topic-prefix", topic_prefix]
    nothing = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert isinstance(nothing.exception, SnapupError)
    assert "waiting for a worker" in nothing.exception.message

    document = documents(1)[-1]
    store = OverlayStore(stack.redis_url, topic_prefix, 500)
    await store.write(1, [document])
    await store.close()
    line = await asyncio.to_thread(CliRunner().invoke, app, words)
    # The document is of 2023, and now is later.
    assert line.output.startswith("STALE ")
    assert f"room-1 rev 1.{document.rev} |" in line.output
    raw = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--json"])
    said, theirs = json.loads(raw.stdout), json.loads(document.document)
    assert raw.stdout.count("\n") == 1
    assert list(said)[:4] == ["state", "at_ms", "room_id", "detail"]
    assert said["state"] == "stale"
    assert "too old" in said["detail"]
    assert said == {"state": said["state"], "at_ms": said["at_ms"], "detail": said["detail"]} | theirs


def watching(redis_url: str, topic_prefix: str, *options: str, **how: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from stream.cli import main; main()", "watch", "room-1", *options]
    command += ["--redis-url", redis_url, "--topic-prefix", topic_prefix]
    return subprocess.Popen(command, **how)


async def test_watch_as_json_is_one_object_a_line_with_the_same_first_fields_in_every_state(
    stack: Stack, topic_prefix: str, redis_client: redis.asyncio.Redis
) -> None:
    key = room_key(topic_prefix, "room-1", "overlay")
    fresh = msgspec.json.decode(documents(1)[-1].document) | {"stale_after_ms": 2**52}
    with watching(stack.redis_url, topic_prefix, "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as ours:
        assert ours.stdout is not None
        assert ours.stderr is not None
        seen = []
        for state, value in (
            ("missing", None),
            ("live", json.dumps(fresh, indent=1).encode()),  # line breaks of another writer
            ("stale", json.dumps(fresh | {"rev": 2, "stale_after_ms": 1}).encode()),
            ("unreadable", b"{}"),
        ):
            if value is not None:
                await redis_client.set(key, value)
            seen.append(json.loads(await asyncio.to_thread(ours.stdout.readline)))
            assert list(seen[-1])[:4] == ["state", "at_ms", "room_id", "detail"]
            assert (seen[-1]["state"], seen[-1]["room_id"]) == (state, "room-1")
            assert (seen[-1]["detail"] is None) == (state == "live")
            assert ("totals" in seen[-1]) == (state in ("live", "stale"))
        # The reader of the lines goes away: the next line ends it, without a word.
        ours.stdout.close()
        await redis_client.delete(key)
        assert await asyncio.to_thread(ours.wait, DEADLINE_S * 3) == 0
        assert ours.stderr.read() == b""


def scrolled(written: bytes, rows: int) -> int:
    """By how many lines a terminal with the cursor in its first line scrolled."""
    row = lines = 0
    for up, _ in re.findall(rb"\x1b\[(\d+)A|(\n)", written):
        row += -int(up) if up else 1
        lines += row >= rows
        row = min(max(row, 0), rows - 1)
    return lines


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_watch_on_a_terminal_never_scrolls_it_and_ends_with_its_cursor_and_a_word(
    stack: Stack, topic_prefix: str, redis_client: redis.asyncio.Redis, number: signal.Signals
) -> None:
    document = msgspec.json.decode(documents(1)[-1].document) | {"stale_after_ms": 2**52}
    sale = msgspec.to_builtins(coat())
    document["sales"] = [sale | {"sku_id": f"sku-{n}"} for n in range(60)]
    await redis_client.set(room_key(topic_prefix, "room-1", "overlay"), json.dumps(document))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    with watching(stack.redis_url, topic_prefix, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as watch:
        os.close(theirs)
        said = b""
        while said.count(b"more sales") < 3:  # drawn three times
            said += await asyncio.to_thread(os.read, ours, 65_536)
        watch.send_signal(number)
        with contextlib.suppress(OSError):  # the terminal's other end is closed
            while piece := await asyncio.to_thread(os.read, ours, 65_536):
                said += piece
        assert watch.wait(DEADLINE_S) == 0
    os.close(ours)
    assert scrolled(said.partition(b"No longer watching")[0], rows=24) == 0
    assert said.rindex(b"\x1b[?25h") > said.rindex(b"\x1b[?25l")
    assert said.rstrip().endswith(b"No longer watching room-1; the room goes on.")
    assert b"Traceback" not in said


def test_watch_refuses_what_cannot_be_meant() -> None:
    for words, says in (
        (["watch", "no room"], "no room id"),
        (["watch", "room", "--lang", "tlh"], "there is en"),
        (["watch", "room", "--once", "--redis-url", "http://x"], "redis://"),
        (["watch", "room", "--once", "--redis-url", "redis://:secret@127.0.0.1:1"], "127.0.0.1:1 does not answer"),
    ):
        result = CliRunner().invoke(app, words)
        assert isinstance(result.exception, SnapupError)
        assert says in result.exception.message
        assert "secret" not in result.exception.message


async def test_rooms_are_listed_with_what_is_wrong(
    stack: Stack, topic_prefix: str, redis_client: redis.asyncio.Redis
) -> None:
    out, _ = await snapup(stack, topic_prefix, "rooms")
    assert out.startswith("0 rooms, 0 of them without an alert")
    store = OverlayStore(stack.redis_url, topic_prefix, 500)
    await store.write(1, [documents(3)[0]])
    await store.close()
    await redis_client.set(room_key(topic_prefix, "broken", "overlay"), b"{}")
    await redis_client.sadd(room_key(topic_prefix, "a-set", "overlay"), "x")
    out, _ = await snapup(stack, topic_prefix, "rooms")
    assert "2 unreadable" in out.splitlines()[0]
    assert [line.split()[0] for line in out.splitlines()[2:4]] == ["a-set", "broken"]
    told = [json.loads(line) for line in (await snapup(stack, topic_prefix, "rooms", "--json"))[0].splitlines()]
    assert {room["room_id"] for room in told} == {"a-set", "broken", "room-1"}
    out, _ = await snapup(stack, topic_prefix, "rooms", "--alerts", "--limit", "1")
    assert re.search("and [12] more; --limit shows them", out)  # the third room may be stale by now
    assert "Did you mean 'alerts'?" in (await snapup(stack, topic_prefix, "rooms", "--sort", "alert", code=2))[1]
    _, err = await snapup(stack, topic_prefix, "rooms", "--redis-url", "redis://u:secret@127.0.0.1:1/0", code=1)
    assert "does not answer" in err
    assert "secret" not in err


async def test_a_room_that_is_not_there_is_a_mistake(stack: Stack, topic_prefix: str) -> None:
    _, err = await snapup(stack, topic_prefix, "watch", "nope", "--once", code=2)
    assert "No room 'nope'" in err
