"""`snapup token`: prints a token and nothing else, or says what is wrong."""

from __future__ import annotations

import time

import pytest
from typer.testing import CliRunner

from stream.cli import app
from stream.commands.spans import span_s
from stream.errors import SnapupError
from stream.serve.tokens import MAX_TTL_S, Tokens

SECRET = "a secret for tests and for nothing else"  # noqa: S105


@pytest.fixture
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAPUP_TOKEN_SECRET", SECRET)


@pytest.mark.usefixtures("_secret")
def test_what_is_printed_is_a_token_for_the_room() -> None:
    result = CliRunner().invoke(app, ["token", "room-1", "--ttl", "90s"])
    assert result.exit_code == 0
    claims = Tokens([SECRET]).read(result.stdout.strip(), time.time())
    assert claims.room == "room-1"
    assert 80 < claims.exp - time.time() <= 90
    assert "room-1 until" in result.stderr
    assert result.stdout.strip() not in result.stderr


@pytest.mark.usefixtures("_secret")
def test_a_star_is_for_every_room() -> None:
    result = CliRunner().invoke(app, ["token", "*"])
    assert Tokens([SECRET]).read(result.stdout.strip(), time.time()).room == "*"
    assert "every room until" in result.stderr


@pytest.mark.usefixtures("_secret")
@pytest.mark.parametrize("room", ["", "a b", "**", "r" * 65, "房间"])
def test_what_is_no_room_is_told(room: str) -> None:
    result = CliRunner().invoke(app, ["token", room])
    assert isinstance(result.exception, SnapupError)
    assert "room id" in result.exception.message


def test_without_a_secret_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SNAPUP_TOKEN_SECRET", raising=False)
    result = CliRunner().invoke(app, ["token", "room-1"])
    assert isinstance(result.exception, SnapupError)
    assert "SNAPUP_TOKEN_SECRET" in result.exception.message


def test_a_short_secret_is_told_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAPUP_TOKEN_SECRET", "short one")
    result = CliRunner().invoke(app, ["token", "room-1"])
    assert isinstance(result.exception, SnapupError)
    assert "32" in result.exception.message
    assert "short one" not in result.exception.message


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1_800), ("12h", 43_200), ("7d", 604_800)])
def test_times_are_read(text: str, seconds: int) -> None:
    assert span_s(text, "--ttl", MAX_TTL_S) == seconds


@pytest.mark.parametrize("text", ["", "0s", "12", "1.5h", "-1h", "1w", "367d", "１h", "9" * 30 + "d"])
def test_what_is_no_time_is_told(text: str) -> None:
    with pytest.raises(SnapupError, match="--ttl"):
        span_s(text, "--ttl", MAX_TTL_S)
