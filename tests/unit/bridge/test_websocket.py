"""Clients of every sort at a bridge's WebSocket, a real one on loopback."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
import pytest
from aiohttp import WSCloseCode, WSMsgType

from stream.bridge import websocket
from stream.bridge.carrier import Carrier
from stream.bridge.delivery import Delivered
from stream.bridge.inbox import Inbox
from stream.bridge.metrics import bridge_registry
from stream.bridge.reasons import Reason
from stream.bridge.websocket import MAX_CONNECTIONS, MAX_READ_BYTES, Connections, address_of, listening, origins_of
from stream.errors import UsageError
from tests.integration.worker_process import until
from tests.support.platforms.heard import NOW_MS, bridge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from stream.contract.recording import RecordedRecord

DEADLINE_S = 60.0
MINE = "chrome-extension://abcdefghijklmnop"


def chat(number: int, **more: Any) -> str:
    said = {"kind": "chat", "msgId": str(number), "roomId": "1", "userId": "2", "comment": "hi", "createTime": NOW_MS}
    return msgspec.json.encode(said | more).decode()


class Delivery:
    """Keeps what it is given, and acknowledges it when it is let."""

    def __init__(self, told: Delivered) -> None:
        self.told = told
        self.records: list[RecordedRecord] = []
        self.may_settle = asyncio.Event()

    async def send(self, records: Sequence[RecordedRecord]) -> None:
        self.records += records
        self.told.sent += len(records)

    async def settle(self) -> None:
        await self.may_settle.wait()
        self.told.acknowledged = self.told.sent

    def ids(self) -> list[str]:
        return [msgspec.json.decode(record.value or b"")["event_id"] for record in self.records]


class World:
    """A bridge with its WebSocket, and what it did."""

    def __init__(self, most_bytes: int = 8 << 20) -> None:
        self.made = bridge("tiktok")
        self.inbox = Inbox(most_bytes)
        self.connections = Connections()
        self.told = Delivered()
        self.delivery = Delivery(self.told)
        self.carrier = Carrier(self.made, self.inbox, lambda: NOW_MS)
        self.said: list[str] = []
        self.client: aiohttp.ClientSession
        self.url = ""

    def listening(self) -> Any:
        return listening(
            address_of("ws://127.0.0.1:0/bridge"),
            self.made,
            self.inbox,
            origins=origins_of([MINE]),
            connections=self.connections,
            tell=self.said.append,
        )

    async def connect(self, **options: Any) -> aiohttp.ClientWebSocketResponse:
        made: aiohttp.ClientWebSocketResponse = await self.client.ws_connect(self.url, **options)
        return made

    async def refused(self, **headers: str) -> tuple[int, str]:
        """Status and words of the answer to a client that is not let in."""
        asked = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        asked |= {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="} | headers
        async with self.client.get(self.url.replace("ws:", "http:"), headers=asked) as answer:
            return answer.status, await answer.text()

    def sample(self, name: str, **labels: str) -> float | None:
        registry = bridge_registry(self.made, self.told, self.inbox, self.connections, self.carrier.lag_s)
        return registry.get_sample_value(name, labels)


@asynccontextmanager
async def world(most_bytes: int = 8 << 20, *, carries: bool = True) -> AsyncIterator[World]:
    """At its end the bridge is asked to stop, as by SIGTERM."""
    there = World(most_bytes)
    async with aiohttp.ClientSession() as there.client, asyncio.timeout(DEADLINE_S), there.listening() as listener:
        there.url = listener.url
        running = asyncio.create_task(there.carrier.run(there.delivery)) if carries else None
        if carries:
            there.delivery.may_settle.set()
        yield there
        there.inbox.end()
        if running is not None:
            await running
    assert there.made.books.unaccounted() == 0


async def ended(client: aiohttp.ClientWebSocketResponse) -> tuple[int | None, str]:
    """The code and the words with which the bridge closed the connection."""
    message = await client.receive()
    assert message.type is WSMsgType.CLOSE
    return message.data, message.extra or ""


async def test_each_text_message_is_a_line_or_several_and_the_end_says_how_many_were_read() -> None:
    async with world() as there:
        first, second = await there.connect(), await there.connect()
        for number in range(1, 301):
            await first.send_str(chat(number))
        await second.send_str(f"{chat(1001)}\n{chat(1002)}\n\nnot json\n")
        await until(lambda: there.told.acknowledged == 302, "302 acknowledged")
        assert there.connections.now == 2
        endings = asyncio.gather(ended(first), ended(second))
    ones = [each for each in there.delivery.ids() if int(each.rpartition(":")[2]) <= 300]
    assert ones == [f"tt:{number}" for number in range(1, 301)], "in the order of sending"
    assert there.made.books.reasons == {Reason.NOT_JSON: 1}
    assert [code for code, _ in await endings] == [WSCloseCode.GOING_AWAY] * 2
    assert [words.rpartition(" ")[2] for _, words in await endings] == ["300", "1"]
    assert there.connections.taken == 2


async def test_what_is_too_large_or_no_text_is_answered_counted_and_ends_that_connection_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(websocket, "MAX_LINE_BYTES", 1000)
    async with world() as there:
        stays, large, binary = [await there.connect() for _ in range(3)]
        await large.send_str(chat(1))
        await large.send_str(chat(2, comment="x" * 1000))
        await large.send_str(chat(3))
        assert await ended(large) == (1009, "this one has more than 1000 bytes; messages read before: 1")
        await binary.send_bytes(chat(4).encode())
        assert await ended(binary) == (1003, "this one is no text; messages read before: 0")
        await stays.send_str(chat(5))
        again = await there.connect()
        await again.send_str(chat(3))
        await until(lambda: there.told.acknowledged == 3, "3 acknowledged")
    assert sorted(there.delivery.ids()) == ["tt:1", "tt:3", "tt:5"]
    assert there.made.books.reasons == {Reason.TOO_LARGE: 1, Reason.NOT_TEXT: 1}
    assert there.made.books.messages == 5


async def test_a_message_beyond_all_bounds_is_counted_and_not_kept() -> None:
    async with world() as there:
        client = await there.connect()
        # It may be cut off while it sends.
        await asyncio.gather(client.send_str("x" * (MAX_READ_BYTES + 1)), return_exceptions=True)
        await until(lambda: bool(there.made.books.reasons), "a reason")
        assert there.made.books.reasons == {Reason.TOO_LARGE: 1}
        await client.close()
        await (await there.connect()).send_str(chat(1))
        await until(lambda: there.told.acknowledged == 1, "1 acknowledged")


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1", "null", "", MINE + ".evil"])
async def test_no_page_may_send_but_one_that_was_named(origin: str) -> None:
    async with world() as there:
        for _ in range(2):
            status, words = await there.refused(Origin=origin)
            assert (status, "--allow-origin" in words) == (403, True)
        await (await there.connect(headers={"Origin": MINE})).send_str(chat(1))
        await until(lambda: there.told.acknowledged == 1, "1 acknowledged")
    assert (there.connections.foreign_origin, there.connections.taken) == (2, 1)
    assert len(there.said) == 1
    assert repr(origin) in there.said[0]


async def test_who_is_no_websocket_or_one_too_many_is_told_so() -> None:
    async with world() as there:
        assert (await there.refused(Upgrade="h2c"))[0] == 426
        clients = [await there.connect() for _ in range(MAX_CONNECTIONS)]
        assert (await there.refused())[0] == 503
        await clients.pop().close()
        await until(lambda: there.connections.now == MAX_CONNECTIONS - 1, "a place")
        await there.connect()
    assert there.connections.too_many == 1


async def test_a_client_that_is_faster_than_kafka_waits_and_nothing_is_dropped() -> None:
    most, size, count = 1 << 20, 256 << 10, 400
    async with world(most, carries=False) as there:
        client = await there.connect()
        sent = 0

        async def send() -> None:
            nonlocal sent
            for number in range(1, count + 1):
                await client.send_str(chat(number, padding="x" * size))
                sent += 1

        sending = asyncio.create_task(send())
        await until(lambda: bool(there.inbox.blocked), "a client that waits")
        for _ in range(1000):
            await asyncio.sleep(0)
        assert there.inbox.waiting_bytes < most + 2 * size
        assert sent < count, "100 MB are no more than sockets hold"
        assert there.carrier.lag_s() > 0
        assert there.sample("stream_bridge_waiting_bytes") == there.inbox.waiting_bytes
        running = asyncio.create_task(there.carrier.run(there.delivery))
        there.delivery.may_settle.set()
        await sending
        await until(lambda: len(there.delivery.records) == count, "all of them")
        there.inbox.end()
        await running
        assert there.carrier.lag_s() == 0
    assert there.delivery.ids() == [f"tt:{number}" for number in range(1, count + 1)]


async def test_where_the_bridge_fails_clients_learn_that_nobody_knows() -> None:
    there = World()

    async def fail() -> None:
        async with there.listening() as listener:
            there.url = listener.url
            client = await there.connect()
            await client.send_str(chat(1))
            await until(lambda: not there.inbox.is_empty(), "a line")
            endings.append(asyncio.create_task(ended(client)))
            raise RuntimeError("Kafka is gone")

    endings: list[asyncio.Task[tuple[int | None, str]]] = []
    async with aiohttp.ClientSession() as there.client:
        with pytest.raises(RuntimeError):
            await fail()
        code, words = await endings[0]
    assert code == WSCloseCode.INTERNAL_ERROR
    assert "send the last minutes again" in words


async def test_a_client_that_comes_again_brings_no_old_messages_as_news() -> None:
    """A platform says a room's last messages again to each process that connects."""
    later_ms = NOW_MS + 600_000

    def heard(number: int, time_ms: int) -> str:
        return chat(number, createTime=time_ms, received_at=later_ms)

    async with world() as there:
        async with await there.connect() as first:
            await first.send_str(f"{chat(1)}\n{heard(2, later_ms)}")
            await until(lambda: there.told.acknowledged == 2, "2 acknowledged")
        again = await there.connect()
        await again.send_str(f"{heard(3, later_ms - 120_000)}\n{heard(4, later_ms - 30_000)}")
        await until(lambda: there.told.acknowledged == 3, "3 acknowledged")
    assert there.delivery.ids() == ["tt:1", "tt:2", "tt:4"]
    assert there.made.books.reasons == {Reason.BACKLOG: 1}


async def test_the_metrics_account_for_each_message() -> None:
    async with world() as there:
        client = await there.connect()
        await client.send_str(f"{chat(1)}\n{chat(2)}\nnot json\n{{}}")
        await until(lambda: there.told.acknowledged == 2, "2 acknowledged")
        await until(lambda: there.made.books.messages == 4, "4 messages")
        outcomes = ["gave_events", *(reason.value for reason in Reason)]
        counted = {
            outcome: there.sample("stream_bridge_messages_total", platform="tiktok", outcome=outcome)
            for outcome in outcomes
        }
        assert {outcome: count for outcome, count in counted.items() if count != 0} == {
            "gave_events": 2,
            "not_json": 1,
            "not_a_message": 1,
        }
        events = {
            outcome: there.sample("stream_bridge_events_total", platform="tiktok", outcome=outcome)
            for outcome in ("acknowledged", "refused")
        }
        assert events == {"acknowledged": 2, "refused": 0}
        assert there.sample("stream_bridge_unanswered_events") == 0
        assert there.sample("stream_bridge_connections") == 1
        assert there.sample("stream_bridge_connection_attempts_total", outcome="taken") == 1


@pytest.mark.parametrize(
    "text",
    ["127.0.0.1:1", "ws://0.0.0.0:1", "ws://example.com:1", "ws://127.0.0.1", "wss://127.0.0.1:1", "ws://127.0.0.1:x"],
)
def test_only_loopback_can_be_listened_on(text: str) -> None:
    with pytest.raises(UsageError, match="on loopback alone"):
        address_of(text)
    assert address_of("ws://localhost:8765").url(8765) == "ws://127.0.0.1:8765/"
    assert address_of("ws://[::1]:0/a").url(1) == "ws://[::1]:1/a"


@pytest.mark.parametrize("origin", ["*", "null", "https://a.example/", "a.example"])
def test_an_origin_that_any_page_can_have_is_none(origin: str) -> None:
    with pytest.raises(UsageError, match="takes an origin"):
        origins_of([origin])
