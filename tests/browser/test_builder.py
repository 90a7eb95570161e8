"""The builder: an address that says what was chosen, and a preview that is the overlay itself."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.conftest import NO_SHARED_WORKER
from tests.browser.looking import eventually, text_of

if TYPE_CHECKING:
    from playwright.async_api import FrameLocator, Page

    from tests.browser.conftest import Pages
    from tests.browser.rooms import Room

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]


def preview(page: Page) -> FrameLocator:
    return page.frame_locator(".stage iframe")


async def asked(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(await page.locator(".address").inner_text()).query)


async def test_it_composes_a_short_address_and_copies_it(pages: Pages, room: Room) -> None:
    room.put()
    context = await pages.context(permissions=["clipboard-read", "clipboard-write"])
    page = await pages.open("/builder?lang=en", context=context)
    copy = page.get_by_role("button", name="Copy")
    assert await copy.is_disabled()
    await page.fill("input[name=room]", room.room_id)
    assert await asked(page) == {"room": [room.room_id], "lang": ["en"]}
    await page.get_by_role("checkbox", name="Goal bar").check()
    await page.get_by_role("checkbox", name="Urgency badge").uncheck()
    await page.get_by_label("Place: Stock bar").select_option("top")
    await page.fill("input[name=goal]", "likes:500000")
    await page.fill("input[name=names]", "sku-881:羊毛 & <大衣>")
    await page.select_option("select[name=plates]", "light")
    await page.get_by_label("Less motion").check()
    assert await asked(page) == {
        "room": [room.room_id],
        "widgets": ["countdown,watching,pulse,goal,ticker,price,stock@top"],
        "names": ["sku-881:羊毛 & <大衣>"],
        "goal": ["likes:500000"],
        "lang": ["en"],
        "theme": ["light"],
        "motion": ["off"],
    }
    await copy.click()
    await eventually(text_of(page, ".result > p"), lambda text: "Copied" in text, "it says so")
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied == await page.locator(".address").inner_text()
    opened = await context.new_page()
    pages.watch(opened)
    await opened.goto(copied)
    await opened.locator("snapup-goal .figure").wait_for()
    assert await opened.locator(".top snapup-stock").count() == 1


async def test_it_previews_samples_marked_as_such_and_the_live_room(pages: Pages, room: Room) -> None:
    room.put()
    page = await pages.open("/builder?lang=zh-CN")
    await preview(page).locator("snapup-stock .figure").wait_for()
    assert await preview(page).locator(".sample").inner_text() == "示例数据"
    await page.fill("input[name=room]", room.room_id)
    await page.select_option("select[name=data]", "live")
    await preview(page).locator("snapup-stock", has_text="sku-881").wait_for()
    assert await preview(page).locator(".sample").count() == 0
    for name in ("明亮", "昏暗", "繁杂"):
        await page.get_by_role("button", name=name).click()
        picture = await page.evaluate("getComputedStyle(document.querySelector('.stage')).backgroundImage")
        answer = await page.request.get(picture.removeprefix('url("').removesuffix('")'))
        assert answer.headers["content-type"].startswith("image/svg")


@pytest.mark.parametrize("frame", ["1920x1080", "1080x1920", "400x800"])
async def test_the_preview_has_the_size_of_the_canvas(frame: str, pages: Pages) -> None:
    page = await pages.open("/builder?lang=en", viewport={"width": 1400, "height": 900})
    await page.select_option("select[name=frame]", frame)
    width, height = map(int, frame.split("x"))
    inside = preview(page).locator("html")
    await eventually(
        lambda: inside.evaluate("() => [innerWidth, innerHeight]"), lambda size: size == [width, height], "the size"
    )
    box = await page.locator(".stage").bounding_box()
    assert box is not None
    assert abs(box["width"] / box["height"] - width / height) < 0.01
    assert box["x"] + box["width"] <= 1400


async def test_a_token_is_told_to_be_a_secret_and_sent_as_a_header_only(pages: Pages, room: Room) -> None:
    room.put()
    page = await pages.open(f"/builder?lang=en&room={room.room_id}")
    await page.fill("input[name=token]", "secret-token")
    assert "holds a token" in await page.locator(".result > p").first.inner_text()
    address = await page.locator(".address").inner_text()
    await page.context.add_init_script(NO_SHARED_WORKER)
    opened = await page.context.new_page()
    async with opened.expect_request("**/events?*") as waiting:
        await opened.goto(address)
    request = await waiting.value
    assert request.headers["authorization"] == "Bearer secret-token"
    assert "secret-token" not in request.url
