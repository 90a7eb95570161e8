"""Many pages of one browser: a scene of eight overlay sources is eight pages that share six connections to a host."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession

from tests.browser.conftest import NO_SHARED_WORKER, Pages, ServeProcess
from tests.browser.looking import eventually, until_gone, until_says
from tests.browser.rooms import Room, coat

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.async_api import Browser, BrowserContext, Page

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]
SOURCES = 8
STREAMS_MAX = 4
OLD_MS = 2_000
WIDGETS = "widgets=stock,watching&lang=en"
# The worker's answers wait until `answer()`, as on a machine that is busy.
SLOW_WORKER = """
  const Real = SharedWorker;
  window.SharedWorker = class {
    constructor(...named) {
      const { port } = new Real(...named);
      const waiting = [];
      let take = (event) => waiting.push(event);
      this.port = {
        postMessage: (message) => port.postMessage(message),
        close: () => port.close(),
        set onmessage(mine) {
          port.onmessage = (event) => take(event);
          window.answer = () => { take = mine; waiting.forEach(mine); };
        },
      };
    }
  };
"""


async def sources(pages: Pages, rooms: list[Room]) -> tuple[BrowserContext, list[Page]]:
    """One browser with a page for each of the rooms, as OBS opens the sources of a scene: all at once."""
    context = await pages.context()
    opened = [pages.open(f"/overlay?room={room.room_id}&{WIDGETS}", context=context) for room in rooms]
    return context, list(await asyncio.gather(*opened))


async def open_streams(url: str) -> int:
    async with ClientSession() as session, session.get(f"{url}/metrics") as response:
        found = re.search(r"^stream_serve_streams (\d+)", await response.text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


async def no_streams(url: str) -> None:
    """The streams of the test before are gone: a server hears of a closed page a little later."""
    await until_streams(url, 0)


async def until_streams(url: str, count: int) -> None:
    await eventually(lambda: open_streams(url), lambda found: found == count, f"{count} streams")


async def test_eight_sources_of_one_room_all_show_over_one_stream(pages: Pages, room: Room) -> None:
    room.put()
    await no_streams(pages.url)
    _, shown = await sources(pages, [room] * SOURCES)
    for page in shown:
        await until_says(page, "stock", "42left")
    await until_streams(pages.url, 1)
    room.sales = [coat(sold=4_860)]
    room.put()
    for page in shown:
        await until_says(page, "stock", "40left")


async def test_sources_whose_worker_answers_late_show_meanwhile_and_share_then(pages: Pages, room: Room) -> None:
    room.put()
    await no_streams(pages.url)
    context = await pages.context()
    await context.add_init_script(SLOW_WORKER)
    address = f"/overlay?room={room.room_id}&{WIDGETS}"
    shown = await asyncio.gather(*(pages.open(address, context=context) for _ in range(SOURCES)))
    for page in shown:
        await until_says(page, "stock", "42left")
    await until_streams(pages.url, 0)
    for page in shown:
        await page.evaluate("answer()")
    await until_streams(pages.url, 1)
    room.sales = [coat(sold=4_860)]
    room.put()
    for page in shown:
        await until_says(page, "stock", "40left")


async def test_sources_whose_worker_dies_share_another_one(browser: Browser, pages: Pages, room: Room) -> None:
    async with room.live():
        await no_streams(pages.url)
        context = await pages.context()
        await context.clock.install()
        address = f"/overlay?room={room.room_id}&{WIDGETS}"
        shown = await asyncio.gather(*(pages.open(address, context=context) for _ in range(2)))
        for page in shown:
            await until_says(page, "stock", "42left")
        await until_streams(pages.url, 1)
        session = await browser.new_browser_cdp_session()
        targets = (await session.send("Target.getTargets"))["targetInfos"]
        workers = [each["targetId"] for each in targets if each["type"] == "shared_worker"]
        for target in workers:
            await session.send("Target.closeTarget", {"targetId": target})
        assert workers
        await until_streams(pages.url, 0)
        for _ in range(4):
            await context.clock.fast_forward(5_000)
        await until_streams(pages.url, 1)
        room.sales = [coat(sold=4_860)]
        for page in shown:
            await until_says(page, "stock", "40left")


async def test_eight_sources_of_eight_rooms_all_show_and_move(pages: Pages, new_room: Callable[[], Room]) -> None:
    rooms = [new_room() for _ in range(SOURCES)]
    for room in rooms:
        room.put()
    await no_streams(pages.url)
    context, shown = await sources(pages, rooms)
    for page in shown:
        await until_says(page, "stock", "42left")
    await until_streams(pages.url, STREAMS_MAX)
    for room in rooms:
        room.sales = [coat(sold=4_860)]
        room.put()
    for page in shown:
        await until_says(page, "stock", "40left")
    # A ninth page still finds a connection; and whoever was asked for gets the stream of one that went.
    ninth = await pages.open(f"/overlay?room={rooms[0].room_id}&{WIDGETS}", context=context)
    await until_says(ninth, "stock", "40left")
    for page in shown[1:5]:
        await page.close()
    await until_streams(pages.url, STREAMS_MAX)
    for page in (ninth, shown[0], *shown[5:]):
        await until_says(page, "stock", "40left")


async def test_a_room_that_is_asked_for_says_what_is_away(pages: Pages, new_room: Callable[[], Room]) -> None:
    rooms = [new_room() for _ in range(STREAMS_MAX + 1)]
    for room in rooms:
        room.put()
    _, shown = await sources(pages, rooms)
    for page in shown:
        await until_says(page, "stock", "42left")
    for room in rooms:
        room.vanish()
    for page in shown:
        await until_gone(page, "stock")
    for room in rooms:
        room.put()
    for page in shown:
        await until_says(page, "stock", "42left")


async def test_a_page_that_comes_later_knows_how_old_what_it_is_told_is(pages: Pages, room: Room) -> None:
    room.put()
    put_s = time.monotonic()

    async def age_ms() -> float:
        return (time.monotonic() - put_s) * 1_000

    context = await pages.context()
    first = await pages.open(f"/overlay?room={room.room_id}&{WIDGETS}", context=context)
    await until_says(first, "stock", "42left")
    await eventually(age_ms, lambda old: old > OLD_MS, "the document is old")
    second = await pages.open(f"/overlay?room={room.room_id}&{WIDGETS}", context=context)
    await until_says(second, "stock", "42left")
    skew_ms = await second.evaluate(
        """async () => {
          const { SnapupRoom } = await import("/static/snapup-room.js");
          const room = new SnapupRoom({ room: new URLSearchParams(location.search).get("room") });
          await new Promise((resolve) => { room.addEventListener("snapshot", resolve); room.start(); });
          const skew = room.now() - Date.now();
          room.stop();
          return skew;
        }"""
    )
    assert abs(skew_ms) < await age_ms() / 2


async def test_sources_that_were_open_before_the_server_restarts_share_again(
    browser: Browser, own_server: ServeProcess, room: Room
) -> None:
    own_server.start()
    pages = Pages(browser, own_server.url)
    room.fresh_ms = 3_000
    async with room.live():
        _, shown = await sources(pages, [room] * SOURCES)
        for page in shown:
            await until_says(page, "stock", "42left")
        own_server.end(signal.SIGKILL)
        for page in shown:
            await until_gone(page, "stock")
        own_server.start()
        for page in shown:
            await until_says(page, "stock", "42left")
        await until_streams(pages.url, 1)
    await pages.close()


async def test_a_hidden_source_lets_go_of_its_room_and_the_last_one_of_the_stream(pages: Pages, room: Room) -> None:
    room.put()
    await no_streams(pages.url)
    _, shown = await sources(pages, [room, room])
    visible = "(visible) => dispatchEvent(new CustomEvent('obsSourceVisibleChanged', { detail: { visible } }))"
    for page, left in zip(shown, (1, 0), strict=True):
        await until_says(page, "stock", "42left")
        await page.evaluate(visible, False)
        await until_streams(pages.url, left)
    for page in shown:
        await page.evaluate(visible, True)
        await until_says(page, "stock", "42left")
    await until_streams(pages.url, 1)


async def test_where_there_is_no_shared_worker_a_page_connects_itself(pages: Pages, room: Room) -> None:
    room.put()
    context = await pages.context()
    await context.add_init_script(NO_SHARED_WORKER)
    page = await pages.open(f"/overlay?room={room.room_id}&{WIDGETS}", context=context)
    await until_says(page, "stock", "42left")
