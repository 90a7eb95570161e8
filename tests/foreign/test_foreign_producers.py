"""librdkafka, kafka-clients and franz-go write the same show: the sums are the plan's, whoever wrote, in which codec.

Each client has its own defaults, but for what the contract asks for. `make test` tries librdkafka and Java, each codec
by one of them; `make test-foreign` every client with every codec.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import pytest_asyncio

from stream.contract.overlay import room_key
from stream.verify.log import log_reader
from tests.foreign.clients import CLIENTS, CODECS, Client, Java, Librdkafka
from tests.foreign.show import PLAN, Sums, lines, rooms_of, sums_of
from tests.integration.worker_process import DEADLINE_S, LOOK_S, WorkerProcess, assert_books_balance, assert_exact

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    import redis.asyncio

    from stream.local.stack import Stack
    from tests.conftest import ApplyTopics

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ALL = os.environ.get("SNAPUP_FOREIGN") == "all"
SHORT = [(Librdkafka(), ("default", "snappy", "zstd")), (Java(), ("gzip", "lz4"))]
TRIED = [(client, ("default", *CODECS)) for client in CLIENTS] if ALL else SHORT


@pytest.fixture(scope="module")
def build_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the clients are built, once."""
    folder: Path = tmp_path_factory.mktemp("clients")
    return folder


@pytest_asyncio.fixture
async def worker(
    tmp_path: Path, stack: Stack, topic_prefix: str, apply_topics: ApplyTopics
) -> AsyncIterator[WorkerProcess]:
    await apply_topics(3)  # before the worker starts, for it ends where its topics are missing
    with WorkerProcess(tmp_path / "worker.log", stack, topic_prefix) as started:
        yield started


def text_of(name: str, prefix: str) -> tuple[str, int]:
    """What a client reads, and how many lines it is."""
    found = [f"{prefix}.{line.topic}\t{line.room}\t{line.value}\n" for line in lines(name)]
    return "".join(found), len(found)


async def sums_in(
    redis_client: redis.asyncio.Redis, prefix: str, rooms: Sequence[str], worker: WorkerProcess
) -> dict[str, Sums | None]:
    """What the documents of these rooms say, when all agree with the plan or the time is up."""
    until = time.monotonic() + DEADLINE_S
    while True:
        documents = await redis_client.mget([room_key(prefix, room, "overlay") for room in rooms])
        found = {
            room: None if document is None else sums_of(msgspec.json.decode(document))
            for room, document in zip(rooms, documents, strict=True)
        }
        if set(found.values()) == {PLAN} or time.monotonic() > until or worker.process.poll() is not None:
            return found
        await asyncio.sleep(LOOK_S)


@pytest.mark.parametrize(("client", "codecs"), TRIED, ids=lambda each: each.name if isinstance(each, Client) else "")
async def test_the_sums_are_the_plans_whatever_client_wrote_and_in_which_codec(
    stack: Stack,
    topic_prefix: str,
    redis_client: redis.asyncio.Redis,
    worker: WorkerProcess,
    build_folder: Path,
    client: Client,
    codecs: Sequence[str],
) -> None:
    client.command(build_folder)  # what is missing is said before anything is waited for
    await worker.until_ready(3)
    rooms = []
    for codec in codecs:
        name = f"{client.name}-{codec}"
        text, count = text_of(name, topic_prefix)
        written = await asyncio.to_thread(client.produce, build_folder, stack.bootstrap_servers, codec, text)
        assert written == count
        rooms += rooms_of(name)
    assert await sums_in(redis_client, topic_prefix, rooms, worker) == dict.fromkeys(rooms, PLAN)
    verdict = await assert_exact(stack, topic_prefix, worker)
    assert verdict.dead_letters == 0
    await assert_books_balance(worker)


async def test_a_setting_that_the_contract_asks_for_and_that_was_left_out_is_noticed(
    stack: Stack,
    topic_prefix: str,
    worker: WorkerProcess,
    build_folder: Path,
) -> None:
    """Librdkafka's own partitioner is CRC32: records of a room in another partition than the room's are refused."""
    client = Librdkafka()
    client.command(build_folder)
    await worker.until_ready(3)
    text, count = text_of(client.name, topic_prefix)
    servers = stack.bootstrap_servers
    assert await asyncio.to_thread(client.produce, build_folder, servers, "default", text, ()) == count
    verdict = await assert_exact(stack, topic_prefix, worker)
    found = await letters(stack, topic_prefix, 3)
    assert len(found) == verdict.dead_letters > 0
    reasons = {dict(letter.headers)["dl-reason"] for letter in found}
    assert reasons == {b"misplaced_key"}
    # A room is misplaced whole, or not at all.
    misplaced = Counter(letter.key.decode() for letter in found)
    assert set(misplaced.values()) == {count // len(rooms_of(client.name))}
    assert misplaced.keys() < set(rooms_of(client.name))
    _, metrics = await worker.get("/metrics")
    assert 'reason="misplaced_key"' in metrics


async def letters(stack: Stack, prefix: str, partitions: int) -> list[Any]:
    """All dead letters."""
    async with log_reader(stack.bootstrap_servers, [f"{prefix}.dead-letters"], "read_committed") as reader:
        assert len(reader.begins) == partitions
        return [record async for record in reader.read_to(await reader.ends())]
