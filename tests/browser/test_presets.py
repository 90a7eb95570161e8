"""What helps to set an overlay up: presets of platforms, the page's own account of itself, and the builder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.looking import eventually, text_of, until_says
from tests.browser.rooms import coat
from tests.browser.test_docs import table
from tests.browser.test_subject import card, fourteen

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.browser.conftest import Pages
    from tests.browser.rooms import Room

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]
SLIDE = "(e) => { e.value = 1.5; e.dispatchEvent(new Event('input', { bubbles: true })); }"
ALL = "import('/static/overlay/params.js').then(({ DEFAULTS }) => Object.keys(DEFAULTS))"
EDGES = ("top", "right", "bottom", "left")
BOXES = """[...document.querySelectorAll(".plate, .badge")].map((each) => each.getBoundingClientRect())
  .filter(({ width, height }) => width && height).map(({ left, top, right, bottom }) => [left, top, right, bottom])"""
AREA = """() => {
  const { top, right, bottom, left } = document.querySelector("main").getBoundingClientRect();
  return [top, innerWidth - right, innerHeight - bottom, left].map(Math.round);
}"""
CONTRAST = """(selector) => {
  const { color, backgroundColor } = getComputedStyle(document.querySelector(selector));
  const light = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map((each) => each / 255)
      .map((each) => (each <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [high, low] = [light(color), light(backgroundColor)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}"""


async def test_presets_keep_clear_of_what_the_docs_say(pages: Pages, room: Room) -> None:
    fourteen(room)
    room.put()
    rows = {row[0].strip("`"): [int(cell) for cell in row[1:5]] for row in table("presets")}
    context = await pages.context(viewport={"width": 1080, "height": 1920})
    page = await pages.open("/builder", context=context)
    known: dict[str, Any] = await page.evaluate("import('/static/overlay/presets.js').then(({ PRESETS }) => PRESETS)")
    assert {name: [edges[edge] for edge in EDGES] for name, edges in known.items()} == rows
    query = f"room={room.room_id}&lang=en&widgets=badge,countdown,watching,pulse,ticker,price,stock,top"
    for name, edges in rows.items():
        await page.goto(f"{pages.url}/overlay?{query}&preset={name}")
        await until_says(page, "watching", "12.3K")
        assert await page.evaluate(AREA) == edges
        boxes = await page.evaluate(BOXES)  # in one look: a line of the ticker may leave between two
        assert boxes
        for left, top, right, bottom in boxes:
            assert left >= edges[3] - 1
            assert right <= 1080 - edges[1] + 1
            assert top >= edges[0] - 1
            assert bottom <= 1920 - edges[2] + 1
    await page.set_viewport_size({"width": 1920, "height": 1080})
    assert await page.evaluate(AREA) == [54, 96, 54, 96]  # a preset is for upright frames
    await page.goto(f"{pages.url}/overlay?{query}&preset=vine")
    assert await page.evaluate("document.documentElement.dataset.preset") is None


async def test_debug_says_what_the_page_knows(pages: Pages, room: Room) -> None:
    fourteen(room)
    room.put()
    page = await pages.open(f"/overlay?room={room.room_id}&lang=en&debug=1&preset=douyin")
    told = text_of(page, ".debug dd")
    for part in (
        "sku-04 · sale-2/sku-04 · leads",
        "live · connected",
        f"{room.epoch}-{room.rev}",
        "N left: plenty left, that is no scarcity",
        "countdown",
        "douyin · 1920×1080 · 54 96 54 96 px",
        "bytes/s",
    ):
        await eventually(told, lambda text, part=part: part in text, part)  # type: ignore[misc]
    room.sections = {"card": card("sku-00")}
    room.put()
    await eventually(told, lambda text: "sale-0/sku-00 · on show" in text, "the new subject")
    assert await page.locator(".safe-area").count() == 1
    plain = await pages.open(f"/overlay?room={room.room_id}&lang=en")
    await until_says(plain, "watching", "12.3K")
    assert await plain.locator(".debug, .safe-area").count() == 0


async def asked(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(await page.locator(".address").inner_text()).query)


async def test_the_builder_knows_the_room_and_says_what_is_wrong(pages: Pages, room: Room) -> None:
    fourteen(room)
    room.put()
    page = await pages.open(f"/builder?lang=en&room={room.room_id}&sael=x&widgets=badge,stok,stock@tpo&preset=taobao")
    wrong = text_of(page, ".mistakes li")
    await eventually(
        wrong,
        lambda text: text == "There is no parameter “sael” | There is no widget “stok” | There is no place “tpo”",
        "what was misspelt",
    )
    assert await asked(page) == {
        "room": [room.room_id],
        "widgets": ["badge,stock"],
        "lang": ["en"],
        "preset": ["taobao"],
    }
    # The choices are the room's own.
    options = "[...document.querySelectorAll('#sales option')].map((each) => each.value)"
    await eventually(lambda: page.evaluate(options), lambda found: found == [f"sale-{n}" for n in range(7)], "sales")
    assert await page.evaluate("document.querySelectorAll('#skus option').length") == 14
    await page.fill("input[name=sale]", "sale-9")
    await page.fill("input[name=sku]", "sku-02")
    await eventually(wrong, lambda text: "The room has no sale “sale-9” now" in text, "the sale")
    await page.fill("input[name=sale]", "sale-2")
    await eventually(wrong, lambda text: "sale-2 / sku-02" in text and "sale-9" not in text, "the pair")
    await page.fill("input[name=sale]", "sale-1")
    await page.get_by_role("button", name="Room’s products").click()
    assert (await asked(page))["names"][0].count(":sku-") == 14  # their ids, to be written over
    # Every parameter has its place in the form.
    await page.fill("input[name=names]", "")
    await page.fill("input[name=goal]", "500")
    await page.fill("input[name=goal_label]", "Go")
    await page.select_option("select[name=min_level]", "rush")
    await page.select_option("select[name=plates]", "light")
    await page.select_option("select[name=dir]", "rtl")
    await page.get_by_label("Less motion").check()
    await page.get_by_label("Show what the page knows").check()
    await page.locator("input[name=scale]").evaluate(SLIDE)
    names, everything = set(await asked(page)), await page.evaluate(ALL)
    assert names == set(everything) - {"token", "names", "sample"}
    # What the platform covers lies around a frame of the upright preview.
    assert await page.input_value("select[name=frame]") == "1080x1920"
    stage, inside = [await page.locator(each).bounding_box() for each in (".stage", ".covered")]
    assert stage is not None
    assert inside is not None
    assert abs((inside["y"] - stage["y"]) / stage["height"] - 290 / 1920) < 0.01
    assert abs(1 - (inside["x"] + inside["width"] - stage["x"]) / stage["width"] - 170 / 1080) < 0.01


@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_the_copy_button_can_be_read(theme: str, pages: Pages, room: Room) -> None:
    room.sales = [coat()]
    room.put()
    page = await pages.open(f"/builder?lang=en&theme={theme}")
    assert await page.get_by_role("button", name="Copy").is_disabled()
    assert await page.evaluate(CONTRAST, ".primary") >= 4.5
    await page.fill("input[name=room]", room.room_id)
    assert await page.evaluate(CONTRAST, ".primary") >= 4.5
