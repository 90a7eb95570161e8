"""The script on a real Redis: only newer documents, one step, and what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from stream.contract.overlay import room_key
from stream.core.histories import Charted
from stream.core.publishing import Published
from stream.local.ports import free_ports
from stream.worker.overlay_store import VERSION_TTL_MS, Answer, OverlayStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import redis.asyncio

    from stream.local.stack import Stack

pytestmark = pytest.mark.integration


@pytest.fixture
async def store(stack: Stack, redis_client: redis.asyncio.Redis) -> AsyncIterator[OverlayStore]:
    del redis_client  # it is empty now
    made = OverlayStore(stack.redis_url, "live", 2_000)
    yield made
    await made.close()


def document(rev: int, room: str = "room-1", ttl_ms: int = 60_000) -> Published:
    return Published(room, rev, b'{"rev":%d}' % rev, ttl_ms, -1, (5, 0, 12))


async def test_a_document_its_version_and_a_nudge_are_written(
    store: OverlayStore, redis_client: redis.asyncio.Redis
) -> None:
    async with redis_client.pubsub() as listener:
        await listener.subscribe(room_key("live", "room-1", "rev"))
        assert await store.write(3, [document(7)]) == [Answer.WRITTEN_NEW]
        nudges = [await listener.get_message(timeout=5) for _ in range(2)]
    assert nudges[1] is not None
    assert nudges[1]["data"] == b"7"
    assert await redis_client.get("live:v1:{room:room-1}:overlay") == b'{"rev":7}'
    assert await redis_client.hgetall("live:v1:{room:room-1}:version") == {
        b"e": b"3",
        b"r": b"7",
        b"p": b"5,0,12",
    }
    assert 0 < await redis_client.pttl("live:v1:{room:room-1}:overlay") <= 60_000
    assert 60_000 < await redis_client.pttl("live:v1:{room:room-1}:version") <= VERSION_TTL_MS


async def test_only_what_is_newer_is_written(store: OverlayStore, redis_client: redis.asyncio.Redis) -> None:
    answers = [
        (await store.write(epoch, [document(rev)]))[0]
        for epoch, rev in ((2, 5), (2, 6), (2, 6), (2, 4), (1, 99), (3, 1), (2, 7), (3, 2))
    ]
    assert answers == [
        Answer.WRITTEN_NEW,
        Answer.WRITTEN,
        Answer.NOT_NEWER,
        Answer.NOT_NEWER,
        Answer.STALE_EPOCH,
        Answer.WRITTEN,
        Answer.STALE_EPOCH,
        Answer.WRITTEN,
    ]
    assert await redis_client.get("live:v1:{room:room-1}:overlay") == b'{"rev":2}'


async def test_a_document_that_ran_out_is_still_guarded_by_its_version(
    store: OverlayStore, redis_client: redis.asyncio.Redis
) -> None:
    await store.write(2, [document(5)])
    await redis_client.delete("live:v1:{room:room-1}:overlay")
    assert await store.write(1, [document(6)]) == [Answer.STALE_EPOCH]
    assert await redis_client.get("live:v1:{room:room-1}:overlay") is None


async def test_a_script_that_redis_forgot_is_loaded_again(
    store: OverlayStore, redis_client: redis.asyncio.Redis
) -> None:
    await store.write(1, [document(1)])
    await redis_client.script_flush()
    rooms = [document(2, room=f"room-{number}") for number in range(300)]
    assert (await store.write(1, rooms)).count(Answer.WRITTEN_NEW) == 299


async def test_one_key_of_a_wrong_type_is_its_own_trouble(
    store: OverlayStore, redis_client: redis.asyncio.Redis
) -> None:
    await redis_client.set(room_key("live", "room-2", "version"), "a string")
    answers = await store.write(1, [document(1, room=f"room-{number}") for number in (1, 2, 3)])
    assert isinstance(answers[1], ResponseError)
    assert (answers[0], answers[2]) == (Answer.WRITTEN_NEW, Answer.WRITTEN_NEW)


async def test_rooms_that_redis_lost_are_noticed(store: OverlayStore, redis_client: redis.asyncio.Redis) -> None:
    await store.write(1, [document(1, room="room-1"), document(1, room="room-2")])
    assert await store.known(["room-1", "room-2"])
    await redis_client.delete(room_key("live", "room-2", "version"))
    assert not await store.known(["room-1", "room-2"])


async def test_a_redis_that_is_not_there_is_an_error_at_once() -> None:
    (port,) = free_ports(1)
    store = OverlayStore(f"redis://127.0.0.1:{port}/0", "live", 500)
    with pytest.raises(RedisConnectionError):
        await store.write(1, [document(1)])
    await store.close()


# -- histories ---------------------------------------------------------------------------------------------------------
async def test_a_history_is_written_by_the_present_owner_only(
    store: OverlayStore, redis_client: redis.asyncio.Redis
) -> None:
    await redis_client.script_flush()
    head, closed = "live:v1:{room:room-1}:history", "live:v1:{room:room-1}:history:7"
    first = Charted("room-1", b"head 1", {7: b"chunks 1"}, 60_000)
    assert await store.write_histories(1, [first]) == [Answer.WRITTEN]  # before any document too
    await store.write(2, [document(5)])
    assert await store.write_histories(1, [Charted("room-1", b"older", {7: b"older"}, 60_000)]) == [Answer.STALE_EPOCH]
    assert (await redis_client.get(head), await redis_client.get(closed)) == (b"head 1", b"chunks 1")
    assert await store.write_histories(2, [Charted("room-1", b"head 2", {}, 60_000)]) == [Answer.WRITTEN]
    assert (await redis_client.get(head), await redis_client.get(closed)) == (b"head 2", b"chunks 1")
    assert 0 < await redis_client.pttl(head) <= 60_000
    assert 0 < await redis_client.pttl(closed) <= 60_000


async def test_a_session_that_is_forgotten_leaves_no_chunks_in_redis(
    store: OverlayStore, redis_client: redis.asyncio.Redis
) -> None:
    await store.write_histories(1, [Charted("room-1", b"head 1", {7: b"chunks 7", 8: b"chunks 8"}, 60_000)])
    await store.write_histories(1, [Charted("room-1", b"head 2", {8: b"more"}, 60_000, (7, 6))])
    keys = sorted(await redis_client.keys("*history:*"))
    assert keys == [b"live:v1:{room:room-1}:history:8"]
    assert await redis_client.get(keys[0]) == b"more"
