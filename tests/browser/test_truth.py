"""The overlay never shows what is not true any more: torn, old, missing, from an older owner, or by a wrong clock."""

from __future__ import annotations

import datetime as dt
import signal
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import pytest
from redis import Redis

from stream.local.redis import RedisServer
from stream.local.settings import LocalSettings
from tests.browser.conftest import NO_SHARED_WORKER, Pages, ServeProcess
from tests.browser.looking import eventually, says, text_of, until_gone, until_says
from tests.browser.rooms import Room, coat, now_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.async_api import Browser, Page


pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]
BACK_S = 5.0
BOTH = "widgets=stock,watching,badge,pulse&lang=en"
# Streams that the server has open now, as its own metrics have it, would need the network; the page knows as well.
COUNT_STREAMS = """;
  const asked = window.fetch;
  window.streams = { open: 0, opened: 0 };
  window.fetch = async (url, options) => {
    const isStream = String(url).includes("/events");
    const answer = await asked(url, options);
    if (isStream) {
      window.streams.opened += 1;
      window.streams.open += 1;
      options.signal.addEventListener("abort", () => (window.streams.open -= 1));
    }
    return answer;
  };
"""


async def overlay(pages: Pages, room: Room, query: str = BOTH) -> Page:
    return await pages.open(f"/overlay?room={room.room_id}&{query}")


async def all_gone(page: Page, within_s: float = 15.0) -> None:
    for widget in ("stock", "watching", "badge", "pulse"):
        await until_gone(page, widget, within_s)


# -- old ------------------------------------------------------------------
async def test_claims_go_at_their_own_time_and_the_rest_when_the_snapshot_is_stale(pages: Pages, room: Room) -> None:
    made = room.overlay()
    made = msgspec.structs.replace(
        made,
        rev=1,
        stale_after_ms=made.as_of_ms + 60_000,
        claims=[msgspec.structs.replace(claim, valid_until_ms=made.as_of_ms + 4_000) for claim in made.claims],
    )
    room.put_raw(msgspec.json.encode(made))
    page = await overlay(pages, room)
    await until_says(page, "pulse", "238K")
    await until_gone(page, "stock")
    await until_gone(page, "watching")
    assert now_ms() > made.as_of_ms + 4_000
    assert await says(page, "pulse") is not None  # totals are good while the snapshot is


async def test_a_snapshot_that_nobody_renews_blanks_by_the_page_s_own_timer(pages: Pages, room: Room) -> None:
    room.put()
    page = await overlay(pages, room)
    await until_says(page, "stock", "42left")
    room.fresh_ms = 3_000
    room.sales = [coat(sold=4_860)]
    async with room.live():
        await until_says(page, "stock", "40left")
    made = room.put()
    await all_gone(page)
    assert now_ms() > made.stale_after_ms
    room.fresh_ms = 60_000
    room.put()
    await until_says(page, "stock", "40left")


async def test_a_snapshot_that_is_old_when_it_comes_is_not_shown(pages: Pages, new_room: Callable[[], Room]) -> None:
    room = new_room()
    made = msgspec.to_builtins(room.overlay())
    made |= {"rev": 1, "stale_after_ms": now_ms() - 1}
    room.put_raw(msgspec.json.encode(made))
    page = await overlay(pages, room)
    await all_gone(page)


# -- torn, missing, older ------------------------------------------------------------------
def broken_documents(room: Room) -> dict[str, bytes]:
    whole = msgspec.json.encode(room.overlay())
    plain = msgspec.json.decode(whole)
    return {
        "cut off": whole[: len(whole) // 2],
        "no JSON": b"<html>502</html>",
        "an array": b"[]",
        "another schema": msgspec.json.encode(plain | {"schema": "snapup.overlay.v2"}),
        "another room": msgspec.json.encode(plain | {"room_id": "another"}),
        "no totals": msgspec.json.encode({key: value for key, value in plain.items() if key != "totals"}),
        "claims of text": msgspec.json.encode(plain | {"claims": ["stock_left"]}),
        "a claim with a text as value": msgspec.json.encode(
            plain | {"claims": [plain["claims"][0] | {"value": "<b>9</b>"}]}
        ),
        "a sale without stock": msgspec.json.encode(plain | {"sales": [{"sale_id": "x", "sku_id": "y"}]}),
        "nothing": b"",
    }


async def test_torn_documents_blank_the_page_and_a_whole_one_brings_it_back(pages: Pages, room: Room) -> None:
    room.put()
    page = await overlay(pages, room)
    await until_says(page, "stock", "42left")
    for name, document in broken_documents(room).items():
        room.rev += 1
        room.put_raw(document)
        try:
            await all_gone(page)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error
        room.put()
        await until_says(page, "stock", "42left")


async def test_a_key_that_goes_blanks_the_page(pages: Pages, room: Room) -> None:
    room.put()
    page = await overlay(pages, room)
    await until_says(page, "stock", "42left")
    room.vanish()
    await all_gone(page)


async def test_an_older_owner_cannot_bring_old_figures_back(pages: Pages, room: Room) -> None:
    room.epoch = 7
    room.put()
    page = await overlay(pages, room)
    await until_says(page, "stock", "42left")
    older = Older(room)
    older.put(sold=4_000)
    room.sales = [coat(sold=4_859)]
    room.put()
    await until_says(page, "stock", "41left")


class Older:
    """A paused owner that wakes up and writes without asking."""

    def __init__(self, room: Room) -> None:
        self.room = room

    def put(self, sold: int) -> None:
        room = self.room
        sales, room.sales, room.epoch = room.sales, [coat(sold=sold)], room.epoch - 1
        room.put()
        room.sales, room.epoch = sales, room.epoch + 1


# -- the server away ------------------------------------------------------------------
async def test_a_killed_server_is_found_again_within_five_seconds(
    browser: Browser, own_server: ServeProcess, room: Room
) -> None:
    own_server.start()
    pages = Pages(browser, own_server.url)
    room.fresh_ms = 3_000
    async with room.live():
        page = await overlay(pages, room)
        await until_says(page, "stock", "42left")
        own_server.end(signal.SIGKILL)
        await all_gone(page)  # within the time of the last snapshot
        own_server.start()
        await until_says(page, "stock", "42left", BACK_S)
        own_server.end(signal.SIGTERM)
        own_server.start()
        room.sales = [coat(sold=4_899)]
        await until_says(page, "stock", "1left", BACK_S)
    await pages.close()
    assert pages.wrong == []


async def test_an_overlay_once_opened_comes_up_before_its_server(
    browser: Browser, own_server: ServeProcess, room: Room
) -> None:
    own_server.start()
    pages = Pages(browser, own_server.url)
    context = await pages.context()
    room.put()
    first = await pages.open(f"/overlay?room={room.room_id}&{BOTH}", context=context)
    await until_says(first, "stock", "42left")
    kept = """caches.open("snapup-overlay").then((cache) => cache.keys()).then((keys) => keys.map((key) => key.url))"""
    urls = await eventually(lambda: first.evaluate(kept), lambda found: len(found) > 15, "the page is kept")
    assert not any("room=" in url or "/v1/" in url for url in urls)
    await first.close()
    own_server.end(signal.SIGKILL)

    page = await context.new_page()
    pages.watch(page)
    await page.goto(f"{own_server.url}/overlay?room={room.room_id}&{BOTH}")  # as OBS does, before the server is up
    assert await page.evaluate("document.querySelectorAll('snapup-stock').length") == 1
    await all_gone(page)
    own_server.start()
    await until_says(page, "stock", "42left", BACK_S)
    await pages.close()
    assert pages.wrong == []


async def test_the_starter_file_waits_for_the_server(
    own_server: ServeProcess, room: Room, tmp_path: Path, pages: Pages
) -> None:
    room.put()
    address = f"{own_server.url}/overlay?room={room.room_id}&{BOTH}&names=a:</script>"
    builder = await pages.open("/builder")
    text = await builder.evaluate(
        "async (address) => (await import('/static/builder/starter.js')).starterPage(address)", address
    )
    file = tmp_path / "snapup-overlay.html"
    file.write_text(text)
    page = await (await pages.context()).new_page()
    await page.goto(file.as_uri())
    assert await page.title() == "Snapup"
    own_server.start()
    await page.wait_for_url(lambda url: url.startswith(own_server.url))
    await until_says(page, "stock", "42left", BACK_S)


async def test_a_page_opened_a_second_time_still_runs(pages: Pages, room: Room) -> None:
    # The answer is a 304 then: its headers become those of the page that the browser holds.
    room.put()
    context = await pages.context()
    for _ in range(3):
        page = await pages.open(f"/overlay?room={room.room_id}&{BOTH}", context=context)
        await until_says(page, "stock", "42left")
        await page.close()


async def test_a_lost_subscription_loses_no_figure(pages: Pages, room: Room) -> None:
    room.put()
    page = await overlay(pages, room)
    await until_says(page, "stock", "42left")
    room.redis.client_kill_filter(_type="pubsub")
    room.sales = [coat(sold=4_860)]
    room.put()
    await until_says(page, "stock", "40left")


# -- Redis away ------------------------------------------------------------------
async def test_redis_away_is_said_and_both_pages_recover_by_themselves(browser: Browser, tmp_path: Path) -> None:
    own_redis = RedisServer(tmp_path / "redis", LocalSettings())
    own_redis.start()
    server = ServeProcess(own_redis.url, tmp_path / "serve.log")
    pages = Pages(browser, server.url)
    try:
        server.start()
        with Redis.from_url(own_redis.url) as client:
            room = Room("room-1", client)
            room.fresh_ms = 5_000
            async with room.live():
                page = await overlay(pages, room)
                await until_says(page, "stock", "42left")
                console = await pages.open(f"/console/{room.room_id}?lang=en")
                state = text_of(console, ".freshness .state")
                await eventually(state, lambda text: text == "live", "live")
            own_redis.kill()
            await eventually(state, lambda text: text == "Redis does not answer", "the console says so")
            await all_gone(page)  # within the time of the last snapshot
            fresh = partial(console.evaluate, "document.documentElement.dataset.fresh")
            await eventually(fresh, lambda found: found == "old", "it is grey")
            own_redis.start()
            # It came back empty: nothing that was known before is shown as if it were still so.
            await eventually(state, lambda text: text == "there is nothing about this room now", "empty")
            room.sales = [coat(sold=4_899)]
            async with room.live():
                await until_says(page, "stock", "1left")
                await eventually(state, lambda text: text == "live", "live again")
    finally:
        await pages.close()
        server.end()
        own_redis.stop()
    assert pages.wrong == []


# -- refused ------------------------------------------------------------------
async def test_after_errors_the_page_asks_again_and_more_slowly(pages: Pages, room: Room) -> None:
    room.put()
    context = await pages.context()
    await context.add_init_script(NO_SHARED_WORKER)
    page = await context.new_page()
    asked: list[float] = []

    async def refuse(route: object) -> None:
        asked.append(now_ms())
        if len(asked) <= 3:
            await route.fulfill(status=[500, 404, 502][len(asked) - 1], body="no")  # type: ignore[attr-defined]
        else:
            await route.continue_()  # type: ignore[attr-defined]

    await page.route("**/v1/rooms/*/events?*", refuse)
    await page.goto(f"{pages.url}/overlay?room={room.room_id}&{BOTH}")
    await until_says(page, "stock", "42left")
    assert len(asked) == 4


# -- seen or not ------------------------------------------------------------------
async def test_a_hidden_source_lets_go_of_its_connection_and_comes_back(pages: Pages, room: Room) -> None:
    room.put()
    context = await pages.context()
    await context.add_init_script(NO_SHARED_WORKER + COUNT_STREAMS)
    page = await pages.open(f"/overlay?room={room.room_id}&{BOTH}", context=context)
    await until_says(page, "stock", "42left")
    assert await page.evaluate("window.streams.open") == 1
    visible = "(visible) => dispatchEvent(new CustomEvent('obsSourceVisibleChanged', { detail: { visible } }))"
    await page.evaluate(visible, False)
    assert await page.evaluate("window.streams.open") == 0
    room.sales = [coat(sold=4_860)]
    room.put()
    await page.evaluate(visible, True)
    await until_says(page, "stock", "40left")
    assert await page.evaluate("window.streams") == {"open": 1, "opened": 2}


# -- the clock ------------------------------------------------------------------
@pytest.mark.parametrize("wrong_by_s", [-600, 600])
async def test_a_browser_whose_clock_is_ten_minutes_wrong_counts_down_rightly(
    wrong_by_s: int, pages: Pages, room: Room
) -> None:
    room.sales = [coat(ends_in_ms=252_000)]
    ends_at_ms = room.sales[0].ends_at_ms
    assert ends_at_ms is not None
    room.put()
    context = await pages.context()
    page = await context.new_page()
    pages.watch(page)
    wrong = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=wrong_by_s)
    await page.clock.install(time=wrong)
    await page.goto(f"{pages.url}/overlay?room={room.room_id}&lang=en&widgets=countdown,stock")
    await until_says(page, "stock", "42left")  # neither stale nor from the future
    assert abs(await page.evaluate("Date.now()") - now_ms() - wrong_by_s * 1_000) < 60_000
    text = await until_says(page, "countdown", "Endsin")
    minutes, seconds = text.rpartition("Endsin")[2].split(":")
    shown_ms = (int(minutes) * 60 + int(seconds)) * 1_000
    assert abs(ends_at_ms - now_ms() - shown_ms) < 5_000


async def test_the_last_seconds_have_tenths_then_it_says_ended(pages: Pages, room: Room) -> None:
    room.sales = []
    room.put()
    page = await pages.open(f"/overlay?room={room.room_id}&lang=en&widgets=countdown,watching")
    await until_says(page, "watching", "12.3K")
    room.sales = [coat(ends_in_ms=4_000)]
    room.put()
    text = await until_says(page, "countdown", ".")
    assert float(text.rpartition("Endsin")[2]) <= 4.0
    # No document comes: the page itself knows when it is over, also that "N left" is over with it.
    await until_says(page, "countdown", "Ended")
    assert now_ms() >= (room.sales[0].ends_at_ms or 0)


async def test_a_clock_that_is_set_forward_blanks_until_the_server_is_heard(pages: Pages, room: Room) -> None:
    room.put()
    page = await pages.open(f"/overlay?room={room.room_id}&lang=en&widgets=stock,watching")
    found = await page.evaluate(
        """async () => {
          const { ServerClock } = await import("/static/server-clock.js");
          const real = Date.now;
          const clock = new ServerClock();
          clock.observe(real() + 5000);
          const before = clock.now() - real();
          Date.now = () => real() + 600_000;   // the machine slept ten minutes
          const slept = clock.now() - real();
          clock.observe(real() + 5000);        // the server is heard again
          const after = clock.now() - real();
          Date.now = real;
          return [before, slept, after].map((ms) => Math.round(ms / 1000));
        }"""
    )
    assert found == [5, 605, 5]
