"""The whole way: hostile comments and ids through Kafka, the worker, Redis and the server to the pages."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.browser.conftest import Pages, ServeProcess
from tests.browser.looking import eventually, text_of, until_says
from tests.browser.payloads import PAYLOADS
from tests.browser.test_hostile import WATCH
from tests.integration.worker_process import WorkerProcess, send

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser

    from stream.local.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]
ROOM = "room-1"
VISIT = ("enter", "leave")
TEXT_MAX = 500  # characters of a comment, by the contract


def event(number: int, **fields: Any) -> dict[str, Any]:
    now_ms = time.time_ns() // 1_000_000
    return {"event_id": f"e{number}", "room_id": ROOM, "event_time_ms": now_ms, "user_id": f"u{number}", **fields}


def records() -> list[tuple[str, str, bytes]]:
    """Each payload as a comment, as a SKU, as a person and as a currency; twelve people watch, thirty have left."""
    made: list[tuple[str, dict[str, Any]]] = []
    for number, text in enumerate(PAYLOADS):
        line = {"sku_id": text, "quantity": 1, "amount_minor": 100}
        order = {"type": "order", "order_id": f"o{number}", "status": "paid", "currency": "CNY"}
        good = {"sku_id": "sku-1", "quantity": 1, "amount_minor": 100}
        made += [
            ("comments", event(10 * number, type="comment", text=text[:TEXT_MAX])),
            ("orders", event(10 * number + 1, **order, lines=[line])),
            ("likes", event(10 * number + 2, type="like", count=1) | {"user_id": text}),
            ("orders", event(10 * number + 3, **order, lines=[good]) | {"currency": text}),
        ]
    for number in range(30):
        gone = {"user_id": f"gone-{number}"}
        made += [("visits", event(90_000 + 2 * number + leaves, type=kind) | gone) for leaves, kind in enumerate(VISIT)]
    made += [("visits", event(100_000 + number, type="enter")) for number in range(12)]
    return [(topic, ROOM, msgspec.json.encode(each)) for topic, each in made]


async def test_a_hostile_corpus_through_kafka_runs_nowhere(
    stack: Stack, topic_prefix: str, apply_topics: Any, tmp_path: Path, browser: Browser
) -> None:
    await apply_topics(partitions=1)
    server = ServeProcess(stack.redis_url, tmp_path / "serve.log", "--topic-prefix", topic_prefix)
    server.start()
    pages = Pages(browser, server.url)
    sent = records()
    try:
        with WorkerProcess(tmp_path / "worker.log", stack, topic_prefix) as worker:
            await worker.until_ready(1)
            await send(stack, topic_prefix, sent)
            await worker.until_counted("stream_received_total", len(sent))
            refused = await worker.counted("stream_dead_letters_total")
            context = await pages.context()
            await context.add_init_script(WATCH)
            overlay = await pages.open(f"/overlay?room={ROOM}&lang=en", context=context)
            await until_says(overlay, "watching", "12watching")
            console = await pages.open(f"/console/{ROOM}?lang=en", context=context)
            comments = text_of(console, "[data-figure=comments] dd")
            await eventually(comments, lambda text: re.fullmatch(r"\d+", text) is not None, "comments are counted")
            applied = int(await comments())
            # A comment is text, whatever it says; an id that could carry markup is no id.
            assert applied >= len(PAYLOADS) - 2
            assert refused >= 3 * len(PAYLOADS) - 30
            for page in (overlay, console):
                assert await page.evaluate("window.hits") == []
                shown = await page.evaluate("document.body.textContent")
                assert "window.hit" not in shown
                assert "<script" not in shown
    finally:
        await pages.close()
        server.end()
    assert pages.wrong == []
