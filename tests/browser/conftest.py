"""A real Chromium, a real Redis and a real `snapup serve`, for the pages. Skipped loudly without Chromium."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright
from redis import Redis

from stream.local.browser import find_chromium
from stream.local.ports import free_ports
from stream.local.redis import RedisServer
from stream.local.settings import LocalSettings
from tests.browser.rooms import Room

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from playwright.async_api import ConsoleMessage

# No GPU, no network but ours, nothing fetched behind our back.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Starting takes two seconds of CPU: on a busy machine, at a low priority, those may be long.
START_S = 120.0
DEADLINE_MS = 60_000
START = "from stream.cli import main; main()"
# As in a browser without the worker that pages share: a test can then watch and answer what a page asks for.
NO_SHARED_WORKER = "delete window.SharedWorker"
PICTURE_HOSTS = ["pictures.example", "pictures.example:8443"]
_numbers = itertools.count(1)


class ServeProcess:
    """`snapup serve` in a process of its own, on a port that it keeps over restarts."""

    def __init__(self, redis_url: str, log: Path, *flags: str, **settings: str) -> None:
        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        # Where pages of others are served from. By its other name, `localhost`, the same place may not read.
        self.widgets_port = free_ports(1)[0]
        self.widgets_origin = f"http://127.0.0.1:{self.widgets_port}"
        self._redis_url = redis_url
        self._log = log
        self._flags = flags
        self._settings = {"SNAPUP_SERVE_REQUESTS_PER_S": "10000"} | settings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and return when it answers."""
        command = [
            sys.executable,
            "-c",
            START,
            "serve",
            "--port",
            str(self.port),
            "--redis-url",
            self._redis_url,
            *self._flags,
        ]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SNAPUP_")}
        kept |= {"SNAPUP_SERVE_REQUESTS_PER_S": "10000", "SNAPUP_SERVE_CORS_ORIGINS": self.widgets_origin}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=kept | self._settings)
        deadline_s = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline_s, "the server did not answer"
            time.sleep(0.05)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True  # it listens when it is ready
        return False

    def said(self) -> str:
        """Its log."""
        return self._log.read_text("utf-8")

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it; SIGKILL: as a crash would."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_S)
            self._process = None


class Pages:
    """Opens pages, and remembers what went wrong on them."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.browser = browser
        self.url = url
        self.wrong: list[str] = []
        self._contexts: list[BrowserContext] = []

    async def context(self, **options: Any) -> BrowserContext:
        """A profile of its own."""
        made = await self.browser.new_context(**({"viewport": {"width": 1920, "height": 1080}} | options))
        made.set_default_timeout(DEADLINE_MS)
        self._contexts.append(made)
        return made

    async def open(self, path: str, *, context: BrowserContext | None = None, **options: Any) -> Page:
        """A page at a path of the server."""
        page = await (context or await self.context(**options)).new_page()
        self.watch(page)
        await page.goto(f"{self.url}{path}")
        return page

    def watch(self, page: Page) -> None:
        """Keep its errors, and what its policy refused."""
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", self._listen)

    def _listen(self, said: ConsoleMessage) -> None:
        # A room of which nothing is kept has no history: the console asks all the same.
        is_asked = "404" in said.text and said.location.get("url", "").partition("?")[0].endswith("/history")
        if _is_wrong(said.type, said.text) and not is_asked:
            self.wrong.append(said.text)

    async def close(self) -> None:
        """Close all of them."""
        for context in self._contexts:
            await context.close()


def _is_wrong(kind: str, text: str) -> bool:
    # A server that is away makes the browser complain of each attempt: that is what such a test is about.
    away = (
        *("ERR_CONNECTION", "ERR_INCOMPLETE_CHUNKED", "ERR_EMPTY_RESPONSE", "ERR_NETWORK", "ERR_SOCKET"),
        "error occurred when fetching the script",  # the page's worker, asked for when the server was just killed
    )
    return kind in ("error", "warning") and not any(each in text for each in away)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Debian's Chromium; a machine without it is told what was not checked."""
    found = find_chromium()
    if found is None:
        pytest.skip("Chromium is MISSING: the pages were NOT checked. `snapup doctor --install` installs it as root.")
    return found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=str(chromium), args=list(ARGUMENTS))
        yield started
        await started.close()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"), LocalSettings())
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def served(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    """The server that most tests share; one that kills it starts its own."""
    process = ServeProcess(redis_server.url, tmp_path_factory.mktemp("serve") / "serve.log")
    process.start()
    yield process
    process.end()


@pytest.fixture(scope="session")
def listing(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    """A server that lists hosts of pictures."""
    log = tmp_path_factory.mktemp("listing") / "serve.log"
    process = ServeProcess(redis_server.url, log, SNAPUP_SERVE_PICTURE_HOSTS=",".join(PICTURE_HOSTS))
    process.start()
    yield process
    process.end()


@pytest.fixture
def own_server(redis_server: RedisServer, tmp_path: Path) -> Iterator[ServeProcess]:
    """A server that is not started yet, for a test that stops and kills it."""
    process = ServeProcess(redis_server.url, tmp_path / "serve.log")
    yield process
    process.end()


@pytest.fixture(scope="session")
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    with Redis.from_url(redis_server.url) as client:
        yield client


@pytest.fixture
def new_room(redis: Redis) -> Callable[[], Room]:
    """Makes rooms that no other test has."""
    return lambda: Room(f"room-{next(_numbers)}", redis)


@pytest.fixture
def room(new_room: Callable[[], Room]) -> Room:
    return new_room()


@pytest_asyncio.fixture(loop_scope="session")
async def pages(browser: Browser, served: ServeProcess) -> AsyncIterator[Pages]:
    """Pages of the shared server; at the end nothing may have gone wrong on any of them."""
    made = Pages(browser, served.url)
    yield made
    await made.close()
    assert made.wrong == []


@pytest_asyncio.fixture(loop_scope="session")
async def there(browser: Browser, listing: ServeProcess) -> AsyncIterator[Pages]:
    """Pages of the server that lists hosts of pictures."""
    made = Pages(browser, listing.url)
    yield made
    await made.close()
