from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from stream.errors import SnapupError
from stream.local.ports import LOOPBACK
from stream.local.redis import RedisServer, answers, find_redis_server
from stream.local.settings import LocalSettings

if TYPE_CHECKING:
    from pathlib import Path


def _redis(folder: Path, says: str, *, runs: str = "sleep 600") -> LocalSettings:
    program = folder / "redis-server"
    program.write_text(f"#!/bin/sh\ncase $1 in --version) echo '{says}';; *) {runs};; esac\n")
    program.chmod(0o755)
    return LocalSettings(redis_server=str(program), cache_dir=folder)


def test_a_redis_that_is_too_old_is_refused(tmp_path: Path) -> None:
    settings = _redis(tmp_path, "Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64")
    with pytest.raises(SnapupError, match=r"is Redis 6\.0; 6\.2 or newer is needed"):
        find_redis_server(settings)


@pytest.mark.parametrize("says", ["Redis server v=6.2.0 sha=0", "Valkey server v=8.1.1 sha=0"])
def test_a_redis_or_valkey_that_is_new_enough_is_taken(tmp_path: Path, says: str) -> None:
    settings = _redis(tmp_path, says)
    assert find_redis_server(settings).path == tmp_path / "redis-server"


def test_a_missing_redis_is_named_with_the_way_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SnapupError, match="redis-server is missing: `snapup doctor --install` fetches it"):
        find_redis_server(LocalSettings(cache_dir=tmp_path / "cache"))


def test_a_redis_that_ends_at_its_start_is_quoted(tmp_path: Path) -> None:
    settings = _redis(tmp_path, "Redis server v=7.0.0", runs="echo Bad directive; exit 1")
    with pytest.raises(SnapupError, match="Redis ended with code 1 at its start: Bad directive"):
        RedisServer(tmp_path / "data", settings).start()


def test_a_port_that_was_asked_for_and_is_taken_is_refused(tmp_path: Path) -> None:
    settings = _redis(tmp_path, "Redis server v=7.0.0")
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SnapupError, match=f"Port {port} for Redis is in use"):
            RedisServer(tmp_path / "data", settings, port=port).start()


def test_something_else_that_listens_is_no_redis() -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        assert not answers(LOOPBACK, port)
