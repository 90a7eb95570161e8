from __future__ import annotations

import asyncio

from stream.bridge.inbox import LINE_BYTES, Inbox


async def turn() -> None:
    """Let every task go on as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def taken(inbox: Inbox) -> list[bytes]:
    lines: list[bytes] = []
    while (batch := await inbox.take()) is not None:
        lines += batch.lines
    return lines


async def test_sources_wait_at_the_bound_and_nothing_is_lost_or_out_of_order() -> None:
    inbox = Inbox(most_bytes=2 * (LINE_BYTES + 1))
    put = [asyncio.create_task(inbox.put([bytes([65 + number])])) for number in range(5)]
    await turn()
    assert [task.done() for task in put] == [True, True, False, False, False]
    assert (inbox.waiting_bytes, inbox.blocked) == (inbox.most_bytes, 3)
    first = await inbox.take()
    assert first is not None
    assert first.lines == [b"A", b"B"], "small ones are taken together"
    await turn()
    inbox.end()
    assert await taken(inbox) == [b"C", b"D", b"E"]
    assert [await task for task in put] == [True] * 5
    assert inbox.waiting_bytes == 0


async def test_who_waits_for_a_place_at_the_end_is_let_in_and_nobody_after() -> None:
    inbox = Inbox(most_bytes=1)
    await inbox.put([b"waits"])
    waiting = asyncio.create_task(inbox.put([b"for a place"]))
    await turn()
    inbox.end()
    assert not await inbox.put([b"too late"])
    assert await taken(inbox) == [b"waits", b"for a place"]
    assert await waiting


async def test_a_source_that_is_cancelled_holds_up_no_end() -> None:
    inbox = Inbox(most_bytes=1)
    await inbox.put([b"waits"])
    waiting = asyncio.create_task(inbox.put([b"is cancelled"]))
    await turn()
    waiting.cancel()
    inbox.end()
    assert await asyncio.wait_for(taken(inbox), 10) == [b"waits"]


async def test_the_taker_wakes_for_lines_and_for_the_end() -> None:
    inbox = Inbox()
    assert inbox.oldest_s() is None
    taking = asyncio.create_task(inbox.take())
    await turn()
    await inbox.put([b"a", b"b"])
    batch = await taking
    assert batch is not None
    assert batch.lines == [b"a", b"b"]
    taking = asyncio.create_task(inbox.take())
    await turn()
    inbox.end(OSError("gone"))
    assert await taking is None
    assert str(inbox.error) == "gone"
