"""What every test may ask for: a real Kafka and Redis, started once, and names of its own on them."""

from __future__ import annotations

import itertools
import signal
from typing import TYPE_CHECKING

import pytest
import redis.asyncio

from stream import topics
from stream.local.packages import Program, find_program
from stream.local.settings import LocalSettings
from stream.local.stack import Stack, local_stack
from tests.support.durations import Durations
from tests.support.kernels import KERNELS, fold_packed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from stream.topics import TimestampType

    ApplyTopics = Callable[..., Awaitable[dict[str, int]]]

_numbers = itertools.count(1)

# A shell that starts us in the background ignores Ctrl-C, and every child would inherit that; some are sent it here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Note what the tests take; a process of pytest-xdist leaves that to its controller."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Durations(config.rootpath, len(config.getoption("tx", None) or [1])), "durations")


@pytest.fixture(params=KERNELS)
def on_both_kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test runs twice: with its folds given records as they are, and packed for the native kernel."""
    if request.param == "native":
        fold_packed(monkeypatch)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A real Kafka and Redis, shared by the whole session. A test that kills servers starts its own."""
    with local_stack(with_topics=False) as started:
        yield started


@pytest.fixture
def topic_prefix() -> str:
    """A topic prefix that no other test of the session has; good as a key prefix and group name too."""
    return f"t{next(_numbers)}"


@pytest.fixture
def apply_topics(stack: Stack, topic_prefix: str) -> ApplyTopics:
    """A function that creates the declared topics under this test's prefix; awaited, it gives name → partitions."""

    async def apply(partitions: int = 4, timestamp_type: TimestampType | None = None) -> dict[str, int]:
        specs = topics.declared(topic_prefix, partitions=partitions, timestamp_type=timestamp_type)
        reports = await topics.apply(stack.bootstrap_servers, specs)
        return {report.name: report.partitions for report in reports}

    return apply


@pytest.fixture
async def redis_client(stack: Stack) -> AsyncIterator[redis.asyncio.Redis]:
    """A client of the session's Redis, which is empty when the test begins."""
    client = redis.asyncio.Redis.from_url(stack.redis_url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
def promtool() -> Program:
    """Prometheus' own checker of rules; a machine without it is told what was not checked."""
    found = find_program("promtool", LocalSettings().cache_dir)
    if found is None:
        pytest.skip("promtool is MISSING: Prometheus rules were NOT checked. `snapup doctor --install` fetches it.")
    return found
