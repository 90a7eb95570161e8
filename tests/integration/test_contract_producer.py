"""The producer that docs/contract.md shows, on a real broker that refuses a record."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from stream.local.stack import Stack

pytestmark = pytest.mark.integration

CONTRACT = Path(__file__).parents[2] / "docs" / "contract.md"


async def test_the_producer_of_the_contract_goes_on_after_a_record_that_is_refused(
    stack: Stack, topic_prefix: str, apply_topics: Any
) -> None:
    await apply_topics(1, "CreateTime")
    (shown,) = [
        block
        for block in re.findall(r"```python\n(.*?)```", CONTRACT.read_text("utf-8"), re.DOTALL)
        if "REFUSED" in block
    ]
    names: dict[str, Any] = {}
    exec(compile(shown, str(CONTRACT), "exec"), names)  # noqa: S102 — our own page
    events, now_ms = names["Events"](stack.bootstrap_servers), time.time_ns() // 1_000_000
    ahead_ms = now_ms + 3 * 86_400_000
    taken = [
        await events.send(f"{topic_prefix}.likes", record, "room-1", at_ms)
        for record, at_ms in (
            (b"1", now_ms),
            (b"2", ahead_ms),
            (b"3", now_ms),
            (b"x" * 900_000, now_ms),
            (b"4", now_ms),
        )
    ]
    assert taken == [True, False, True, True, True]
    sent = [(b"5", ahead_ms), (b"6", now_ms), (b"7", now_ms)]
    likes = f"{topic_prefix}.likes"
    together = await asyncio.gather(*(events.send(likes, record, "room-1", at_ms) for record, at_ms in sent))
    assert together == [False, True, True], "only what is refused by itself is refused"
    assert await events.send(likes, b"8", "room-1", now_ms)
    await events._producer.stop()
