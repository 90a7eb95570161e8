"""Hours of a show, compressed: a page that does not grow, and a quiet page that does nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from stream.contract.overlay import FeedItem
from tests.browser.conftest import NO_SHARED_WORKER
from tests.browser.looking import eventually, text_of, until_says
from tests.browser.rooms import COAT, coat, now_ms

if TYPE_CHECKING:
    from playwright.async_api import CDPSession, Page

    from tests.browser.conftest import Pages
    from tests.browser.rooms import Room

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]
ALL = "badge,countdown,watching,pulse,ticker,stock,top,carts,bought,eta,goal"
# A stream that never ends, fed by the test: documents come as fast as the page takes them.
FEED = """;
  const feed = { controller: null, encoder: new TextEncoder() };
  window.feed = feed;
  const asked = window.fetch;
  window.fetch = (url, options) =>
    String(url).includes("/events")
      ? Promise.resolve(new Response(
          new ReadableStream({ start: (controller) => (feed.controller = controller) }),
          { headers: { "Content-Type": "text/event-stream" } }))
      : asked(url, options);
"""
# Pictures are not what is looked at here, and painting large ones costs most of the time.
SMALL = {"width": 400, "height": 225}
# `make soak` plays a document a second; otherwise one stands for so many seconds.
SECONDS_EACH = 1 if os.environ.get("SNAPUP_SOAK") else 2
HOUR = 3_600 // SECONDS_EACH
PLAY = (Path(__file__).parent / "play.js").read_text()


async def figures(session: CDPSession) -> dict[str, Any]:
    """Elements, listeners and bytes that live on the page, after what can be let go is gone."""
    await session.send("HeapProfiler.collectGarbage")
    counters = await session.send("Memory.getDOMCounters")
    heap = await session.send("Runtime.getHeapUsage")
    return {"nodes": counters["nodes"], "listeners": counters["jsEventListeners"], "bytes": heap["usedSize"]}


async def soak(page: Page, room: Room, rounds: int, count: int) -> list[dict[str, Any]]:
    session = await page.context.new_cdp_session(page)
    first = msgspec.to_builtins(room.overlay())
    await eventually(lambda: page.evaluate("window.feed.controller !== null"), bool, "the page asked")
    seen = []
    for number in range(rounds):
        await page.evaluate(PLAY, {"document": first, "from": number * count, "count": count})
        # Corrections and leavings take their time; then the page is at rest.
        await eventually(
            lambda: page.evaluate(
                "document.getAnimations().length + document.querySelectorAll('[data-leaving]').length"
            ),
            lambda moving: moving == 0,
            "at rest",
        )
        seen.append(await figures(session))
    return seen


async def test_an_overlay_does_not_grow_over_six_hours_of_updates(pages: Pages, room: Room) -> None:
    context = await pages.context(viewport=SMALL)
    await context.add_init_script(NO_SHARED_WORKER + FEED)
    page = await pages.open(f"/overlay?room={room.room_id}&lang=en&goal=900000&widgets={ALL}", context=context)
    seen = await soak(page, room, rounds=6, count=HOUR)
    settled, last = seen[1], seen[-1]
    assert last["listeners"] <= settled["listeners"], seen
    assert last["nodes"] <= settled["nodes"] * 1.1 + 50, seen
    # 20 bytes a document: less than the smallest object that could be forgotten.
    assert last["bytes"] <= settled["bytes"] + 4 * HOUR * 20, seen
    assert await until_says(page, "pulse", "")


async def test_a_console_is_bounded_beyond_six_hours(pages: Pages, room: Room) -> None:
    context = await pages.context(viewport=SMALL)
    await context.add_init_script(NO_SHARED_WORKER + FEED)
    # Time is compressed: each document is a second later by the page's clock than the one before.
    await context.add_init_script(
        "const now = Date.now; let ahead = 0; window.step = (ms) => (ahead += ms); Date.now = () => now() + ahead;"
    )
    page = await pages.open(f"/console/{room.room_id}?lang=en", context=context)
    session = await context.new_cdp_session(page)
    first = msgspec.to_builtins(room.overlay())
    await eventually(lambda: page.evaluate("window.feed.controller !== null"), bool, "the page asked")
    seen = []
    play = PLAY.replace("const now = Date.now();", f"window.step({SECONDS_EACH * 1_000}); const now = Date.now();")
    count = 3 * HOUR // 2
    for number in range(5):
        await page.evaluate(play, {"document": first, "from": number * count, "count": count})
        seen.append(await figures(session))
    # From the sixth hour on the oldest goes as the newest comes.
    six, more = seen[3], seen[-1]
    assert more["listeners"] <= six["listeners"] * 1.2 + 50, seen
    assert more["nodes"] <= six["nodes"] * 1.2 + 200, seen
    assert more["bytes"] <= six["bytes"] * 1.25 + 2_000_000, seen


async def test_a_quiet_overlay_does_no_frame_work_though_documents_come(pages: Pages, room: Room) -> None:
    room.sales = [coat(ends_in_ms=None)]
    room.feed = []
    room.put()
    context = await pages.context()
    await context.add_init_script(
        "window.frames_asked = 0; const ask = window.requestAnimationFrame;"
        "window.requestAnimationFrame = (f) => { window.frames_asked += 1; return ask(f); };"
    )
    page = await pages.open(f"/overlay?room={room.room_id}&lang=en&widgets={ALL}", context=context)
    await until_says(page, "stock", "42left")
    await eventually(lambda: page.evaluate("document.getAnimations().length"), lambda moving: moving == 0, "at rest")
    session = await context.new_cdp_session(page)
    await session.send("Performance.enable")
    await page.evaluate(
        "window.changed = 0; new MutationObserver((all) => (window.changed += all.length))"
        ".observe(document, { subtree: true, childList: true, characterData: true, attributes: true })"
    )

    async def work() -> dict[str, float]:
        metrics = (await session.send("Performance.getMetrics"))["metrics"]
        return {each["name"]: each["value"] for each in metrics if each["name"] in ("LayoutCount", "RecalcStyleCount")}

    before, rev = await work(), room.rev
    for _ in range(20):  # the same figures again, as a worker publishes them each second
        room.put()
        await page.evaluate("new Promise((resolve) => setTimeout(resolve, 20))")
    assert room.rev == rev + 20
    assert await page.evaluate("window.changed") == 0
    assert await page.evaluate("window.frames_asked") == 0
    after = await work()
    assert after == before


async def test_a_hidden_console_keeps_its_history(pages: Pages, room: Room) -> None:
    room.feed = [FeedItem("order", now_ms(), "l***", COAT, 1)]
    room.fresh_ms = 3_000
    async with room.live(0.2):
        page = await pages.open(f"/console/{room.room_id}?lang=en")
        await eventually(text_of(page, ".stages b"), lambda text: "21,877" in text, "the console")
        await page.evaluate(
            "Object.defineProperty(document, 'hidden', { get: () => window.away ?? false });"
            "window.away = true; document.dispatchEvent(new Event('visibilitychange'))"
        )
        room.sales = [coat(sold=4_800)]
        until_rev = room.rev + 10
        await eventually(lambda: page.evaluate("1"), lambda _: room.rev >= until_rev, "documents came meanwhile")
        await page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
        await eventually(
            text_of(page, ".sale [data-figure=left] b"), lambda text: text == "100", "what came meanwhile is drawn"
        )
