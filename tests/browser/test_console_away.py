"""A console without figures: the last ones stay, grey, with the reason. And the door of a server that needs a token."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from stream.serve.tokens import Tokens
from tests.browser.conftest import Pages, ServeProcess
from tests.browser.looking import eventually, text_of, until_gone, until_says

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.async_api import Browser, Page

    from stream.local.redis import RedisServer
    from tests.browser.rooms import Room

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]
SECRET = "hush-hush hush-hush hush-hush hush"  # noqa: S105
REASON = """
async (room) => {
  const { reasonOf, reasonText } = await import("/static/console/away.js");
  const { LANGUAGES } = await import("/static/language.js");
  const at = { ...room, now: () => 100_000 };
  return [reasonOf(at), ...["en", "zh-CN"].map((tag) => reasonText(at, LANGUAGES[tag]))];
}
"""


async def open_console(pages: Pages, room: Room, query: str = "lang=en", **options: Any) -> Page:
    page = await pages.open(f"/console/{room.room_id}?{query}", **options)
    await eventually(text_of(page, ".stages b"), lambda text: "21,877" in text, "the funnel is there")
    return page


async def test_a_document_that_is_gone_stays_grey_with_its_age_and_nothing_of_it_may_be_said(
    pages: Pages, room: Room
) -> None:
    room.put()
    page = await open_console(pages, room)
    overlay = await pages.open(f"/overlay?room={room.room_id}&lang=en&widgets=stock,watching")
    await until_says(overlay, "stock", "42left")
    assert "12,345 watching now" in await page.locator(".claims .said").inner_text()
    room.vanish()  # as ten seconds after the last worker was killed
    stale = page.locator(".stale")
    await stale.wait_for(state="visible")
    for widget in ("stock", "watching"):
        await until_gone(overlay, widget)
    assert "21,877" in await page.locator(".stages").inner_text()
    assert "42" in await page.locator(".sale [data-figure=left]").inner_text()
    assert await page.evaluate("document.documentElement.dataset.fresh") == "old"
    assert "grayscale" in await page.evaluate("getComputedStyle(document.querySelector('main')).filter")
    said = page.locator(".claims .said").inner_text
    await eventually(said, lambda text: "watching" not in text and "42 left" not in text, "nothing of it may be said")
    # The clocks of what is old stand still, its age does not.
    ends = await page.locator(".sale .when").inner_text()
    told = await stale.inner_text()
    assert "no worker is heard" in told or "the workers are down, or nobody sends" in told
    age = re.search(r"What follows is (\S+) s old", told)
    assert age is not None, told
    await eventually(stale.inner_text, lambda text: text != told, "it counts on")
    assert await page.locator(".sale .when").inner_text() == ends
    room.put()
    await stale.wait_for(state="hidden")
    await eventually(said, lambda text: "42 left" in text, "it may be said again")


REASONS: list[tuple[dict[str, Any], str | None, str]] = [
    ({"state": "live", "online": True, "pipeline": {"state": "down"}}, None, ""),
    ({"state": "live", "online": False}, "server", "server does not answer"),
    ({"state": "offline"}, "server", "server does not answer"),
    ({"state": "redis_away", "pipeline": {"state": "down"}}, "redis", "Redis does not answer"),
    (
        {"state": "missing", "pipeline": {"state": "down", "heard_ms": 58_000}},
        "pipeline",
        "no worker was heard for 42 s",
    ),
    ({"state": "stale", "pipeline": {"state": "down", "heard_ms": None}}, "pipeline", "no worker is heard"),
    (
        {"state": "stale", "pipeline": {"state": "partly", "heard_ms": 99_000}},
        "partly",
        "part of the pipeline",
    ),
    ({"state": "missing", "pipeline": {"state": "up", "heard_ms": 40_000}}, "silent", "Nobody sends"),
    (
        {
            "state": "missing",
            "pipeline": {"state": "up", "heard_ms": 40_000},
            "last": {"session": {"ended_at_ms": 90_000}},
        },
        "ended",
        "The show ended at ",
    ),
    ({"state": "missing"}, "quiet", "the workers are down, or nobody sends"),
    ({"state": "refused", "refusal": "expired"}, "token", "The token has expired"),
    ({"state": "refused", "refusal": "needed"}, "token", "A token is needed"),
    ({"state": "refused", "refusal": "other_room"}, "token", "for another room"),
    ({"state": "unreadable"}, "unreadable", "not whole"),
]


async def test_why_no_figures_come(pages: Pages) -> None:
    page = await pages.open("/console?lang=en")
    for room, reason, word in REASONS:
        known = {"online": True, "pipeline": None, "last": None, "refusal": None} | room
        found, english, chinese = await page.evaluate(REASON, known)
        assert found == reason, room
        assert word in english, room
        assert bool(chinese) == bool(english)
        assert "{" not in english + chinese
        assert "undefined" not in english + chinese


async def test_a_token_is_asked_for_kept_out_of_the_address_and_told_from_one_that_is_over(
    browser: Browser, redis_server: RedisServer, new_room: Callable[[], Room], tmp_path: Path
) -> None:
    server = ServeProcess(redis_server.url, tmp_path / "serve.log", SNAPUP_TOKEN_SECRET=SECRET)
    pages = Pages(browser, server.url)
    tokens = Tokens([SECRET])
    room, other = new_room(), new_room()
    room.put()
    other.put()
    now_s = time.time()
    try:
        server.start()
        page = await pages.open(f"/console/{room.room_id}?lang=en")
        box = page.locator("section.token")
        title = box.locator("h2")

        async def says(word: str) -> None:
            await eventually(title.inner_text, lambda text: word in text, word)

        await says("A token is needed.")
        assert f"snapup token {room.room_id}" in await box.inner_text()
        assert await page.evaluate("document.activeElement.id") == "token"
        for token, word in (
            ("not-a-token", "The token is not valid."),
            (tokens.issue(room.room_id, 1, now_s - 60), "The token has expired."),
            (tokens.issue(other.room_id, 600, now_s), "The token is for another room."),
        ):
            await box.locator("input").fill(token)
            await page.keyboard.press("Enter")
            await says(word)
        await box.locator("input").fill(tokens.issue(room.room_id, 600, now_s))
        await page.keyboard.press("Enter")
        await eventually(text_of(page, ".stages b"), lambda text: "21,877" in text, "it opens")
        assert await box.is_hidden()
        assert "token" not in page.url
        await page.reload()
        await eventually(text_of(page, ".stages b"), lambda text: "21,877" in text, "a reload brings it along")
        await page.goto(f"{server.url}/console?lang=en")
        listed = text_of(page, "tbody th")
        await eventually(listed, lambda text: text == room.room_id, "the one room that it opens")
        # A token in a link goes out of the address at once.
        await page.goto(f"{server.url}/console?lang=en&token={tokens.issue('*', 600, now_s)}")
        await eventually(listed, lambda text: other.room_id in text, "the whole list")
        assert "token" not in page.url
        assert "token" not in await page.evaluate("[...document.links].map(({ href }) => href).join()")
    finally:
        await pages.close()
        server.end()
    assert [wrong for wrong in pages.wrong if "401" not in wrong and "403" not in wrong] == []
