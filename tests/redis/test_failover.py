"""A failover, a dead connection, a server that is full: everything is back by itself, and the log says what it was."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from stream.contract.overlay import room_key
from stream.contract.sight import State
from stream.errors import SnapupError
from stream.overlays.reader import OverlayReader
from stream.redis_clients import REDIS_ERRORS, RedisClient
from stream.verify.redis_documents import RedisDocuments, read_document
from tests.redis.conftest import PREFIX, ROOMS, Worker
from tests.support.redis_servers import DEADLINE_S, ClusterSetup, FailoverPair, RedisNode, SwitchedAddress
from tests.support.serve import serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stream.local.packages import Program
    from tests.redis.conftest import Setup

pytestmark = [pytest.mark.integration, pytest.mark.slow]

NOT_TAKEN = "Redis does not take documents; folding goes on, overlays will go stale"


async def eventually(holds: Callable[[], Any], what: str) -> None:
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not (await result if asyncio.iscoroutine(result := holds()) else result):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"waited in vain for {what}")


async def revisions(client: RedisClient) -> list[int]:
    """Of every room, as Redis has it now; −1: none."""
    found = await client.batch([("HGET", room_key(PREFIX, f"room-{each}", "version"), "r") for each in range(ROOMS)])
    return [int(each) if isinstance(each, bytes) else -1 for each in found]


async def all_rise(client: RedisClient, what: str) -> None:
    """Every room's revision in Redis goes up from now."""
    before: list[int] = []

    async def risen() -> bool:
        try:
            now = await revisions(client)
        except REDIS_ERRORS:
            await client.renew()
            return False
        before.extend(now if not before else ())
        return all(new > old for new, old in zip(now, before, strict=True)) and min(now) >= 0

    await eventually(risen, what)


async def test_worker_server_watcher_and_auditor_go_on_after_a_failover(setup: Setup) -> None:
    async with (
        Worker(setup.url) as worker,
        serving(setup.url) as (_, client),
        await client.events("room-1") as events,
        await client.events("room-2") as others,
    ):
        watched: list[Any] = []
        reader = OverlayReader(setup.url, PREFIX, "room-1", 500)

        async def watch() -> None:
            async for look in reader.looks():
                watched.append(look)  # noqa: PERF401 -- looked at meanwhile

        watching = asyncio.create_task(watch())
        await events.state("live")
        await eventually(lambda: watched and watched[-1].sight.state(0) is State.LIVE, "the watcher to see it")
        auditor = RedisClient(setup.url, timeout_ms=500)
        shown = RedisDocuments(auditor, PREFIX)
        assert (await shown.documents(["room-1"]))[0].document is not None

        await asyncio.to_thread(setup.fail_over)
        await all_rise_somewhere(setup, "the worker to write to the new master")
        rev = worker.owner.fold.rooms["room-1"].rev
        for stream in (events, others):
            await stream.until(lambda event: event.data["state"] == "live" and event.data["overlay"]["rev"] > rev)
        await eventually(
            lambda: watched[-1].sight.state(0) is State.LIVE and watched[-1].overlay.rev > rev,
            "the watcher to see newer ones",
        )
        await eventually(lambda: _finds(shown, rev), "the auditor to see newer ones")
        assert len(await shown.rooms()) == ROOMS
        # In a cluster the list needs every master: it answers 503 until the last one is there again.
        await eventually(lambda: _lists(client), "the list of rooms")
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await reader.close()
        await auditor.aclose()


async def _lists(client: Any) -> bool:
    answer = await client.get("/v1/rooms")
    return answer.status == 200 and len((await answer.json())["rooms"]) == ROOMS


async def _finds(shown: RedisDocuments, rev: int) -> bool:
    try:
        (found,) = await shown.documents(["room-1"])
    except SnapupError:
        return False
    return found.document is not None and read_document("room-1", found.document).rev > rev


async def all_rise_somewhere(setup: Setup, what: str) -> None:
    """As a client sees it that comes anew."""
    fresh = RedisClient(setup.url, timeout_ms=2_000)
    try:
        await all_rise(fresh, what)
    finally:
        await fresh.aclose()


# -- behind one address ------------------------------------------------------------------------------------------------
async def test_a_failover_behind_one_address_is_said_once_and_in_the_servers_words(
    program: Program, tmp_path: Path
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with FailoverPair(tmp_path, program) as pair, Worker(pair.url) as worker:
            await eventually(lambda: worker.projection.answers, "the first document")
            at_new_master = RedisClient(pair.replica.url, timeout_ms=2_000)
            await all_rise(at_new_master, "documents to reach the replica")
            await asyncio.to_thread(pair.fail_over)
            await all_rise(at_new_master, "documents to reach the new master")
            assert worker.projection.answers
            await at_new_master.aclose()
    said = [line for line in logs if line["event"] == NOT_TAKEN]
    assert len(said) == 1, said
    assert "READONLY You can't write against a read only replica" in said[0]["error"].replace("-READONLY", "READONLY")
    assert [line["why"] for line in logs if line["event"] == "projecting all rooms anew"] == ["Redis was away"]


async def test_readers_leave_a_master_that_was_cut_off_and_demoted(program: Program, tmp_path: Path) -> None:
    """Its connections stay open, it answers everything, and never hears of another document."""
    async with (
        FailoverPair(tmp_path, program) as pair,
        Worker(pair.url) as worker,
        serving(pair.url) as (_, client),
        await client.events("room-1") as events,
    ):
        reader = OverlayReader(pair.url, PREFIX, "room-1", 500)
        looks = reader.looks()
        await events.state("live")
        while (await anext(looks)).sight.state(0) is not State.LIVE:
            pass
        await asyncio.to_thread(pair.fail_over, isolated=True)
        await all_rise_somewhere(pair, "documents at the new master")
        rev = worker.owner.fold.rooms["room-1"].rev + 5
        await events.until(lambda event: event.data["state"] == "live" and event.data["overlay"]["rev"] > rev)
        async with asyncio.timeout(DEADLINE_S):
            async for look in looks:
                if look.overlay is not None and look.overlay.rev > rev:
                    break
        await reader.close()


async def test_a_connection_whose_other_end_is_gone_is_given_up(program: Program, tmp_path: Path) -> None:
    """Half open: what is sent is never answered, and no word of a goodbye ever comes."""
    node = await asyncio.to_thread(RedisNode(tmp_path, program).start)
    try:
        async with (
            SwitchedAddress(node.port) as address,
            Worker(address.url),
            serving(address.url) as (_, client),
            await client.events("room-1") as events,
        ):
            direct = RedisClient(node.url, timeout_ms=2_000)
            await all_rise(direct, "the first documents")
            await events.state("live")
            address.freeze()
            await all_rise(direct, "documents over new connections")
            (rev,) = (await revisions(direct))[1:2]
            await events.until(lambda event: event.data["state"] == "live" and event.data["overlay"]["rev"] > rev)
            await direct.aclose()
    finally:
        node.stop()


async def test_a_server_that_is_a_replica_from_the_beginning_may_be_read(program: Program, tmp_path: Path) -> None:
    async with FailoverPair(tmp_path, program) as pair, Worker(pair.url):
        reader = RedisClient(pair.replica.url, timeout_ms=2_000)
        await all_rise(reader, "documents to reach the replica")
        await reader.check_role()
        await all_rise(reader, "more of them")
        await reader.aclose()


# -- a cluster ---------------------------------------------------------------------------------------------------------
async def test_while_one_master_is_gone_the_rooms_of_the_others_go_on(program: Program, tmp_path: Path) -> None:
    # The replica may not take over, and the others may serve what is theirs.
    options = {"cluster-require-full-coverage": "no", "cluster-replica-no-failover": "yes"}
    async with ClusterSetup(tmp_path, program, options) as cluster, Worker(cluster.url) as worker:
        direct = RedisClient(cluster.url, timeout_ms=2_000)
        await all_rise(direct, "the first documents")
        await asyncio.to_thread(cluster.nodes[1].kill)

        async def some_rise() -> bool:
            before = await revisions(direct)
            await asyncio.sleep(0.3)
            now = await revisions(direct)
            return any(new > old >= 0 for new, old in zip(now, before, strict=True)) and -1 in now

        await eventually(some_rise, "rooms of the masters that are there")
        assert worker.projection.answers
        await asyncio.to_thread(cluster.nodes[1].restart)
        await all_rise(direct, "every room again")
        await direct.aclose()


async def test_a_slot_that_moves_takes_its_room_along(program: Program, tmp_path: Path) -> None:
    async with (
        ClusterSetup(tmp_path, program) as cluster,
        Worker(cluster.url) as worker,
        serving(cluster.url) as (_, client),
        await client.events("room-1") as events,
    ):
        await events.state("live")
        slot = int(cluster.nodes[0].do("CLUSTER", "KEYSLOT", room_key(PREFIX, "room-1", "overlay")))
        holder = next(node for node in cluster.nodes[:3] if _has(node, slot))
        target = next(node for node in cluster.nodes[:3] if node is not holder)
        failed = worker.counted("stream_redis_writes_total", result="failed")
        await asyncio.to_thread(cluster.move_slot, slot, holder, target)
        rev = worker.owner.fold.rooms["room-1"].rev
        await events.until(lambda event: event.data["state"] == "live" and event.data["overlay"]["rev"] > rev)
        assert worker.projection.answers
        assert worker.counted("stream_redis_writes_total", result="failed") == failed


def _has(node: RedisNode, slot: int) -> bool:
    for first, last, master, *_ in node.do("CLUSTER", "SLOTS"):
        if first <= slot <= last:
            return int(master[1]) == node.port
    return False


# -- what a server says ------------------------------------------------------------------------------------------------
async def test_a_server_that_is_full_is_said_once_and_waited_for(node: RedisNode) -> None:
    with structlog.testing.capture_logs() as logs:
        async with Worker(node.url) as worker:
            direct = RedisClient(node.url, timeout_ms=2_000)
            await all_rise(direct, "the first documents")
            node.do("CONFIG", "SET", "maxmemory-policy", "noeviction")
            node.do("CONFIG", "SET", "maxmemory", "1")
            await eventually(lambda: worker.projection.answers is False, "the worker to notice")
            await asyncio.sleep(1.5)  # three tries
            node.do("CONFIG", "SET", "maxmemory", "0")
            await all_rise(direct, "documents again")
            await direct.aclose()
    said = [line["error"] for line in logs if line["event"] == NOT_TAKEN]
    assert len(said) == 1, said
    assert "OOM" in said[0]
    assert "maxmemory" in said[0]


async def test_without_replicas_that_it_asks_for_a_master_takes_nothing_and_says_so(
    program: Program, tmp_path: Path
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with FailoverPair(tmp_path, program) as pair, Worker(pair.url) as worker:
            await eventually(lambda: worker.projection.answers, "the first document")
            pair.master.do("CONFIG", "SET", "min-replicas-to-write", "3")
            await eventually(lambda: worker.projection.answers is False, "the worker to notice")
            pair.master.do("CONFIG", "SET", "min-replicas-to-write", "0")
            await eventually(lambda: worker.projection.answers, "documents again")
    (said,) = [line["error"] for line in logs if line["event"] == NOT_TAKEN]
    assert "NOREPLICAS" in said


async def test_a_plain_address_of_a_cluster_says_what_to_write(program: Program, tmp_path: Path) -> None:
    async with ClusterSetup(tmp_path, program) as cluster:
        with structlog.testing.capture_logs() as logs:
            async with Worker(cluster.nodes[0].url) as worker:
                await eventually(lambda: worker.projection.answers is False, "the worker to notice")
    (said,) = {line["error"].partition(" ")[0] for line in logs if line["event"] == NOT_TAKEN}
    assert said == "MOVED"
    assert "redis+cluster://" in next(line["error"] for line in logs if line["event"] == NOT_TAKEN)


async def test_a_cluster_address_of_a_plain_server_says_so(node: RedisNode) -> None:
    client = RedisClient(node.url.replace("redis://", "redis+cluster://"), timeout_ms=2_000)
    with pytest.raises(Exception, match="Cluster mode is not enabled") as caught:
        await client.ping()
    assert "cluster support disabled" in client.words(caught.value)
    await client.aclose()
