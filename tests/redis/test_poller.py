"""The pollers that docs/overlays.md prints, under the user that it prints: run as they stand, on a real Redis."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import redis

from stream.local.ports import LOOPBACK
from tests.support.redis_servers import RedisNode, running
from tests.support.serve import document, now_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.local.packages import Program

pytestmark = pytest.mark.integration
TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs" / "overlays.md").read_text("utf-8")
KEY = "live:v1:{room:my-room}:overlay"
# The client of the example in JavaScript, pinned: npm puts it into a folder that lasts over runs.
PINNED, INSTALLED = Path(__file__).parent / "node", TOP / "tests" / "out" / "node"
NPM_S = 120.0
# Redis lets everybody who is connected ask these: they read and write no data.
FREE = {"auth", "hello", "quit", "reset"}


def printed(name: str) -> str:
    """An example of the page."""
    (found,) = re.findall(rf"<!-- example: {name} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def guarded(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisNode]:
    """A server that knows an administrator, and the user of the page by the page's own command."""
    users = {"user admin": "on >admin ~* &* +@all", "user default": "off"}
    admin = {"username": "admin", "password": "admin"}
    with running(RedisNode(tmp_path_factory.mktemp("poller"), program, users, client=admin)) as node:
        command = shlex.split(printed("poller user"))
        assert command[:3] == ["redis-cli", "-u", "$SNAPUP_REDIS_URL"]
        assert node.do(*command[3:]) in (b"OK", True)
        yield node


@pytest.fixture(scope="module")
def node_modules() -> Path:
    """The pinned client of Redis for Node, from npm where it is not there yet."""
    lock, wanted = INSTALLED / "package-lock.json", (PINNED / "package-lock.json").read_bytes()
    if not lock.is_file() or lock.read_bytes() != wanted:
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is MISSING: the poller in JavaScript was NOT run.")
        shutil.copytree(PINNED, INSTALLED, dirs_exist_ok=True)
        lock.unlink()  # until all is there
        shutil.copy(PINNED / "package-lock.json", making := INSTALLED / "npm-shrinkwrap.json")
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=INSTALLED, capture_output=True, text=True, timeout=NPM_S, check=False)
        if done.returncode:
            pytest.skip(f"npm fetched NOTHING, so the poller in JavaScript was NOT run: {done.stderr.strip()[-300:]}")
        making.rename(lock)
    return INSTALLED / "node_modules"


def tell(node: RedisNode, left: int, fresh_ms: int) -> None:
    """Write a document whose one claim is as fresh as the document."""
    claim = {"claim": "stock_left", "value": left, "valid_until_ms": now_ms() + fresh_ms}
    node.do("SET", KEY, msgspec.json.encode(document("my-room", fresh_ms=fresh_ms, claims=[claim])))


def test_the_printed_poller_in_python_says_what_may_be_said(guarded: RedisNode, tmp_path: Path) -> None:
    says_what_may_be_said(guarded, sys.executable, "poller.py", tmp_path)


def test_the_printed_poller_in_javascript_says_what_may_be_said(
    guarded: RedisNode, node_modules: Path, tmp_path: Path
) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is MISSING: the poller in JavaScript was NOT run.")
    (tmp_path / "node_modules").symlink_to(node_modules)
    says_what_may_be_said(guarded, node, "poller.mjs", tmp_path)


def says_what_may_be_said(guarded: RedisNode, program: str, name: str, tmp_path: Path) -> None:
    """Run an example as it is printed, but for the port, and for how long it sleeps: it says claims, and blanks."""
    example = printed(name).replace("127.0.0.1:6379", f"{LOOPBACK}:{guarded.port}")
    example = example.replace("sleep(0.5)", "sleep(0.05)").replace("sleep(500)", "sleep(50)")
    assert sum(1 for line in example.splitlines() if line.strip()) <= 11
    path = tmp_path / name
    path.write_text(example, "utf-8")
    tell(guarded, 42, 600_000)
    with subprocess.Popen([program, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            assert running.stdout.readline() == "Only 42 left!\n"
            tell(guarded, 42, -1)
            assert "\n" in iter(running.stdout.readline, "")  # too old: blank
            tell(guarded, 7, 600_000)
            assert "Only 7 left!\n" in iter(running.stdout.readline, "")
            guarded.do("DEL", KEY)
            assert "\n" in iter(running.stdout.readline, "")  # gone: blank
        finally:
            running.kill()


def test_the_printed_user_reads_its_room_and_is_refused_everything_else(guarded: RedisNode) -> None:
    tell(guarded, 42, 600_000)
    other = KEY.replace("my-room", "my-room-2")
    guarded.do("SET", other, "of another room")
    known: dict[str, Any] = guarded.do("COMMAND")
    # A command with parts, such as CLIENT, is asked for each part.
    asked = [
        (str(each["name"]).split("|"), each["arity"])
        for info in known.values()
        for each in _parts(info) or [info]
        if each["name"] not in FREE | {"get"}
    ]
    assert len(asked) > 200
    client: Any = redis.Redis(host=LOOPBACK, port=guarded.port, username="my-room", password="PASSWORD", protocol=2)
    with client:
        assert client.get(KEY)
        for key in (other, "live:v1:{room:my-room}:version", "x"):
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.get(key)
        allowed = {}
        for words, arity in asked:
            # As many words as the command needs: Redis counts them before it looks at permissions.
            try:
                allowed["|".join(words)] = client.execute_command(*words, *[KEY] * (abs(arity) - len(words)))
            except (redis.exceptions.NoPermissionError, redis.exceptions.ExecAbortError):
                continue
            except redis.exceptions.ResponseError as error:
                if "not allowed" not in str(error):  # of DEBUG, which nobody may call here
                    allowed["|".join(words)] = error
        assert allowed == {}


def _parts(info: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": each[0].decode(), "arity": each[1]} for each in info.get("subcommands") or []]
