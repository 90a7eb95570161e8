"""Clients that mean no good, or cannot do better: what each of them holds is bounded, and the others are served."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, suppress

from tests.support.ingest import eventually, like, taking

ASK = b"GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


async def asking(stack: AsyncExitStack, port: int) -> socket.socket:
    """A client that asks, with as little room in the kernel for answers as can be had; it reads none by itself."""
    connection = stack.enter_context(socket.socket())
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    connection.send(ASK * 200)
    return connection


async def test_who_never_reads_holds_no_more_than_one_answer_and_is_cut_off() -> None:
    async with taking(ingest_body_timeout_ms=500) as (sender, _), AsyncExitStack() as stack:
        gateway = sender.gateway
        answer_bytes = len(await (await sender.session.get(f"{sender.top}/v1/openapi.json")).read())
        server = gateway._runner.server
        assert server is not None
        clients = [await asking(stack, gateway.port) for _ in range(20)]
        unread = gateway.metrics.refused["answer_unread"]._value
        most_bytes = 0

        def cut_off() -> bool:
            nonlocal most_bytes
            transports = [each.transport for each in server.connections if each.transport is not None]
            most_bytes = max([most_bytes, *(each.get_write_buffer_size() for each in transports)])
            return bool(unread.get() == len(clients))

        while not cut_off():
            assert (await sender.send([like()])).status == 202
        assert 0 < most_bytes <= (1 << 16) + 2 * answer_bytes
        await eventually(lambda: gateway.metrics.connections._value.get() <= 1, "their places are given back")


async def test_who_takes_a_little_of_an_answer_now_and_then_is_not_cut_off() -> None:
    async with taking(ingest_body_timeout_ms=300) as (sender, _), AsyncExitStack() as stack:
        gateway = sender.gateway
        slow = await asking(stack, gateway.port)
        server = gateway._runner.server
        assert server is not None
        await eventually(lambda: any(each.writing_paused for each in server.connections), "the kernel is full")
        (connection,) = (each for each in server.connections if each.writing_paused)
        looks: list[object] = []
        while len(looks) < 4 and connection.transport is not None:
            if connection._answer_timer not in looks:  # type: ignore[attr-defined] # ours
                looks.append(connection._answer_timer)  # type: ignore[attr-defined] # as above
            with suppress(BlockingIOError):
                slow.recv(2_048)
            await asyncio.sleep(0.01)
        assert connection.transport is not None
        assert gateway.metrics.refused["answer_unread"]._value.get() == 0


async def test_bodies_that_come_a_byte_at_a_time_keep_nobody_waiting_and_end() -> None:
    async with taking(ingest_body_timeout_ms=500) as (sender, kept):
        opened = [await asyncio.open_connection("127.0.0.1", sender.gateway.port) for _ in range(50)]
        for _, writer in opened:
            writer.write(HEAD + b"Content-Length: 900000\r\n\r\n")

        async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
            answer = asyncio.ensure_future(reader.readuntil(b"\r\n"))
            while not answer.done():
                writer.write(b"[")
                assert (await sender.send([like()])).status == 202
            return answer.result()

        answers = await asyncio.gather(*(drip(*each) for each in opened))
        assert {answer.split()[1] for answer in answers} == {b"408"}
        assert sender.gateway.budget.taken_bytes == 0
        assert len(kept.events) >= 50
        for _, writer in opened:
            writer.close()


async def test_two_thousand_connections_of_one_address_leave_room_for_another() -> None:
    async with taking(ingest_connections_max=512) as (sender, _), AsyncExitStack() as stack:
        metrics = sender.gateway.metrics
        refused = metrics.refused["address_connections"]._value
        loop = asyncio.get_running_loop()
        for _ in range(2_000):
            connection = stack.enter_context(socket.socket())
            connection.setblocking(False)
            connection.bind(("127.0.0.2", 0))
            await loop.sock_connect(connection, ("127.0.0.1", sender.gateway.port))
        await eventually(lambda: refused.get() == 2_000 - 256, "the rest is turned away")
        assert metrics.connections._value.get() == 256
        assert (await sender.send([like()])).status == 202
