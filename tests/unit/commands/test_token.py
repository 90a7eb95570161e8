"""`snapup token`: prints a token and nothing else, or says what is wrong."""

from __future__ import annotations

import time

import pytest
from typer.testing import CliRunner

from stream.cli import app
from stream.commands.spans import span_s
from stream.commands.token import server_of, until_text
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
def test_addresses_hold_the_token_where_each_page_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAPUP_SERVE_PORT", "8123")
    result = CliRunner().invoke(app, ["token", "shop:7", "--print-urls"])
    token, *lines = result.stdout.splitlines()
    assert Tokens([SECRET]).read(token, time.time()).room == "shop:7"
    assert [line.split() for line in lines] == [
        ["overlay", f"http://127.0.0.1:8123/overlay?room=shop:7&token={token}"],
        ["console", f"http://127.0.0.1:8123/console/shop:7?token={token}"],
        ["builder", f"http://127.0.0.1:8123/builder?room=shop:7&token={token}"],
        ["widget", f"http://127.0.0.1:8123/starter/shop:7.html?token={token}"],
    ]
    assert " UTC" in result.stderr
    result = CliRunner().invoke(app, ["token", "*", "--print-urls", "--server", "https://snapup.example/live/"])
    token, *lines = result.stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["console", f"https://snapup.example/live/console?token={token}"],
        ["builder", f"https://snapup.example/live/builder?token={token}"],
    ]


@pytest.mark.parametrize(
    ("host", "port", "address"),
    [
        ("0.0.0.0", 80, "http://127.0.0.1:80"),  # noqa: S104
        ("::", 80, "http://127.0.0.1:80"),
        ("::1", 80, "http://[::1]:80"),
        ("10.0.0.7", 8080, "http://10.0.0.7:8080"),
    ],
)
def test_without_a_name_it_is_this_machines_server(host: str, port: int, address: str) -> None:
    assert server_of(None, host, port) == address


@pytest.mark.usefixtures("_secret")
@pytest.mark.parametrize(
    "options",
    [
        ("--server", "https://a.example"),
        ("--print-urls", "--server", "a.example"),
        ("--print-urls", "--server", "ftp://a.example"),
        ("--print-urls", "--server", "https://"),
        ("--print-urls", "--server", "https://a.example:x"),
        ("--print-urls", "--server", "https://a.example/?x=1"),
        ("--print-urls", "--server", "https://u:p@a.example"),
        ("--print-urls", "--server", "https://a.example/\n"),
    ],
)
def test_an_address_that_readers_could_not_use_is_told(options: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, ["token", "room-1", *options])
    assert isinstance(result.exception, SnapupError)
    assert "--server" in result.exception.message
    assert result.stdout == ""


@pytest.mark.usefixtures("_secret")
def test_a_port_that_is_not_known_beforehand_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAPUP_SERVE_PORT", "0")
    result = CliRunner().invoke(app, ["token", "room-1", "--print-urls"])
    assert isinstance(result.exception, SnapupError)
    assert "--server" in result.exception.message


@pytest.mark.parametrize(
    ("zone", "says"),
    [
        ("UTC", "2026-11-28 16:05:00 UTC"),
        ("Asia/Shanghai", "2026-11-28 16:05:00 UTC (2026-11-29 00:05:00 +0800 here)"),
        ("America/New_York", "2026-11-28 16:05:00 UTC (11:05:00 -0500 here)"),
    ],
)
def test_the_end_is_said_with_its_zone(monkeypatch: pytest.MonkeyPatch, zone: str, says: str) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert until_text(1_795_881_900) == says
    finally:
        monkeypatch.undo()
        time.tzset()


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
