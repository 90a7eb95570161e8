"""What can be measured of how pages look: size, contrast, room, movement, and what a screen reader is told."""

from __future__ import annotations

from functools import partial
from operator import eq
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from stream.contract.overlay import FeedItem
from tests.browser.looking import eventually, text_of, until_says
from tests.browser.rooms import COAT, coat, now_ms

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.browser.conftest import Pages
    from tests.browser.rooms import Room

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
ALL = "badge,countdown,watching,pulse,ticker,stock,top,carts,bought,eta,goal"
CONTRASTS = (Path(__file__).parent / "contrasts.js").read_text()


def full(room: Room) -> None:
    room.sales = [coat(), coat(sku_id="sku-412", extended=True)]
    room.feed = [FeedItem("order", now_ms(), "l***", COAT, 2)]
    room.put()


# -- overlay -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_every_text_is_read_over_any_picture(theme: str, pages: Pages, room: Room) -> None:
    full(room)
    page = await pages.open(f"/overlay?room={room.room_id}&lang=en&theme={theme}&goal=5000&widgets={ALL}")
    for level in ("calm", "warming", "brisk", "rush", "snap_up", "last_call", "sold_out", "ended"):
        status = "ended" if level == "ended" else "open"
        sold = 4_900 if level == "sold_out" else 4_858
        room.sales = [coat(level=level, status=status, sold=sold)]  # type: ignore[arg-type]
        room.put()
        drawn = partial(page.evaluate, "document.querySelector('snapup-badge').dataset.level")
        await eventually(drawn, partial(eq, level), "the level is drawn")
        await eventually(lambda: page.evaluate("document.getAnimations().length"), lambda n: n == 0, "at rest")
        worst = await page.evaluate(CONTRASTS)
        assert worst
        assert worst[0][0] >= 4.5, (level, worst)


SIZES = {
    (1920, 1080): (24, 48),
    (1280, 720): (16, 32),
    (1080, 1920): (24, 48),
    (400, 800): (12, 24),
    (360, 640): (12, 24),
}


@pytest.mark.parametrize("lang", ["zh-CN", "en"])
async def test_words_are_large_enough_and_nothing_leaves_the_frame(lang: str, pages: Pages, room: Room) -> None:
    room.watching = 88_210
    full(room)
    room.sales = [coat(extended=True), coat(sku_id="sku-412", level="calm")]  # the one of the long name leads
    room.put()
    page = await pages.open(f"/overlay?room={room.room_id}&lang={lang}&names={COAT}:一件很长很长名字的羊毛大衣")
    await until_says(page, "stock", "42")
    for (width, height), (least_px, least_figure_px) in SIZES.items():
        await page.set_viewport_size({"width": width, "height": height})
        sizes = await page.evaluate(
            """() => [...document.querySelectorAll("main *")]
              .filter((e) => e.checkVisibility() && e.getBoundingClientRect().width && !e.closest(".heard"))
              .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3))
              .map((e) => [parseFloat(getComputedStyle(e).fontSize), e.textContent])"""
        )
        assert min(sizes)[0] >= least_px, (width, min(sizes))
        figures = await page.evaluate(
            """["stock", "countdown"].map((n) => document.querySelector(`snapup-${n} .figure`))
              .map((e) => parseFloat(getComputedStyle(e).fontSize))"""
        )
        assert min(figures) >= least_figure_px, (width, figures)
        boxes = await page.evaluate(
            """() => [...document.querySelectorAll(".plate, .badge")]
              .filter((e) => e.checkVisibility())
              .map((e) => e.getBoundingClientRect())
              .map(({ left, top, right, bottom, width, height }) =>
                ({ left, top, right, bottom, area: width * height }))"""
        )
        _stay_apart_in_the_safe_area(boxes, width, height)
        covered = sum(box["area"] for box in boxes) / (width * height)
        # On the smallest frame letters cannot shrink with it.
        assert covered <= (1 / 8 if width >= 400 else 1 / 6), (width, covered)


def _stay_apart_in_the_safe_area(boxes: list[dict[str, float]], width: int, height: int) -> None:
    for number, one in enumerate(boxes):
        assert one["left"] >= 0.05 * width - 1, one
        assert one["right"] <= 0.95 * width + 1, one
        assert one["top"] >= 0.05 * height - 1, one
        assert one["bottom"] <= 0.95 * height + 1, one
        for other in boxes[:number]:
            apart = (
                one["right"] <= other["left"]
                or other["right"] <= one["left"]
                or one["bottom"] <= other["top"]
                or other["bottom"] <= one["top"]
            )
            assert apart, (one, other)


SOURCES = """([address, names]) => document.body.replaceChildren(...names.map((name) => {
  const frame = document.createElement("iframe");
  [frame.name, frame.src] = [name, address + name];
  return frame;
}))"""
RESIZE = """async ([width, height]) => {
  for (const frame of document.querySelectorAll("iframe")) Object.assign(frame, { width, height });
  await new Promise(requestAnimationFrame);
}"""
BOX = "(name) => document.querySelector(`snapup-${name} > *`).getBoundingClientRect().toJSON()"


async def test_each_widget_alone_fills_its_source_and_stays_inside(pages: Pages, room: Room) -> None:
    room.fresh_ms = 600_000  # a dozen sources begin together, on a busy machine in some minutes
    full(room)
    room.sales = [coat(ends_in_ms=3_000_000), coat(sku_id="sku-412", ends_in_ms=3_000_000)]
    room.feed[0].at_ms += room.fresh_ms
    room.put()
    page = await pages.open("/overlay?lang=en")  # a page of the server, which may hold others
    widgets = [*ALL.split(","), "price"]
    address = f"/overlay?room={room.room_id}&lang=en&goal=5000&widgets="
    await page.evaluate(SOURCES, [address, widgets])
    for widget in widgets:
        await (
            page.frame_locator(f"iframe[name={widget}]").locator(f"snapup-{widget}:not([hidden]) > *").first.wait_for()
        )
    for width, height in ((800, 600), (640, 160), (360, 120)):
        await page.evaluate(RESIZE, [str(width), str(height)])
        for widget in widgets:
            frame = page.frame(name=widget)
            assert frame is not None
            box = await frame.evaluate(BOX, widget)
            assert box["left"] >= 0, widget
            assert box["top"] >= 0, widget
            assert box["right"] <= width + 1, (widget, width, height, box)
            assert box["bottom"] <= height + 1, (widget, width, height, box)
            assert box["width"] > width * 0.35 or box["height"] > height * 0.5, (widget, width, height, box)


async def test_a_mirrored_page_keeps_its_numbers_and_its_frame(pages: Pages, room: Room) -> None:
    full(room)
    page = await pages.open(f"/overlay?room={room.room_id}&lang=en&dir=rtl&goal=5000&widgets={ALL}")
    await until_says(page, "stock", "42left")
    digits = await page.evaluate(
        "[...document.querySelectorAll('snapup-stock .figure span')].map((e) => e.getBoundingClientRect().left)"
    )
    assert digits == sorted(digits)
    for plate in await page.locator(".plate, .badge").all():
        box = await plate.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 1920


async def test_the_page_is_transparent(pages: Pages, room: Room) -> None:
    full(room)
    page = await pages.open(f"/overlay?room={room.room_id}")
    grounds = await page.evaluate(
        "[document.documentElement, document.body].map((e) => getComputedStyle(e).backgroundColor)"
    )
    assert grounds == ["rgba(0, 0, 0, 0)"] * 2
    assert await page.evaluate("getComputedStyle(document.body).overflow") == "hidden"


async def test_obs_s_custom_css_box_works_under_the_strict_policy(pages: Pages, room: Room) -> None:
    full(room)
    context = await pages.context()
    page = await context.new_page()  # what the policy refuses is said in the console, and taken over by the page
    await page.goto(f"{pages.url}/overlay?room={room.room_id}&lang=en")
    await until_says(page, "stock", "42left")
    await page.evaluate(
        """() => {
          const style = document.createElement("style");
          style.innerHTML = ":root { --snapup-snap_up: rgb(1, 2, 3); } .plate { border-radius: 0 }";
          document.querySelector("head").appendChild(style);
        }"""
    )
    ground = "getComputedStyle(document.querySelector('.badge')).backgroundColor"
    await eventually(lambda: page.evaluate(ground), lambda found: found == "rgb(1, 2, 3)", "the streamer's colour")


@pytest.mark.parametrize("how", ["system", "address"])
async def test_reduced_motion_cuts(how: str, pages: Pages, room: Room) -> None:
    full(room)
    options: dict[str, Any] = {"reduced_motion": "reduce"} if how == "system" else {}
    query = "&motion=off" if how == "address" else ""
    context = await pages.context(**options)
    await context.add_init_script(
        "window.moved = 0; const animate = Element.prototype.animate;"
        "Element.prototype.animate = function (...a) { window.moved += 1; return animate.apply(this, a); };"
        "addEventListener('transitionstart', () => (window.moved += 1), true);"
    )
    page = await pages.open(f"/overlay?room={room.room_id}&lang=en&widgets={ALL}{query}", context=context)
    await until_says(page, "stock", "42left")
    room.sales = [coat(sold=4_880, level="last_call")]
    room.put()
    await until_says(page, "stock", "20left")
    assert await page.evaluate("window.moved") == 0


# -- axe --------------------------------------------------------------------------------------------------------------
async def serious(page: Page) -> list[str]:
    """The violations that axe calls serious or critical."""
    return [each for each in await violations(page) if each.startswith(("serious", "critical"))]


async def violations(page: Page) -> list[str]:
    """All that axe finds, each with its impact first."""
    await page.evaluate(AXE.read_text())
    found = await page.evaluate(
        """() => axe.run({ resultTypes: ["violations"] }).then(({ violations }) => violations
          .map(({ impact, id, nodes }) =>
            `${impact} ${id}: ` + nodes.slice(0, 3).map((node) => node.html + node.failureSummary)))"""
    )
    return list(found)


@pytest.mark.parametrize(("lang", "theme"), [("zh-CN", "dark"), ("en", "light")])
async def test_axe_finds_nothing_serious(lang: str, theme: str, pages: Pages, room: Room) -> None:
    full(room)
    room.sales = [coat(sold=5_007, over_limit=2, restock_planned_at_ms=now_ms() + 60_000), coat(sku_id="sku-412")]
    room.put()
    query = f"lang={lang}&theme={theme}"
    context = await pages.context(bypass_csp=True)  # axe is put into the page as a script
    overlay = await pages.open(f"/overlay?room={room.room_id}&goal=5000&widgets={ALL}&{query}", context=context)
    await until_says(overlay, "watching", "")
    assert await serious(overlay) == []
    console = await pages.open(f"/console/{room.room_id}?{query}", context=context)
    await eventually(text_of(console, ".stages b"), lambda text: "21,877" in text, "the console")
    assert await serious(console) == []
    await console.keyboard.press("?")
    assert await serious(console) == []
    rooms = await pages.open(f"/console?{query}", context=context)
    await eventually(text_of(rooms, "tbody th"), lambda text: room.room_id in text, "the rooms")
    assert await serious(rooms) == []
    builder = await pages.open(f"/builder?{query}", context=context)
    assert await serious(builder) == []
    await context.close()


async def test_axe_finds_nothing_serious_in_a_stale_console(pages: Pages, room: Room) -> None:
    room.fresh_ms = 3_000
    full(room)
    context = await pages.context(bypass_csp=True)
    page = await pages.open(f"/console/{room.room_id}?lang=en", context=context)
    await eventually(
        lambda: page.evaluate("document.documentElement.dataset.fresh"), lambda fresh: fresh == "old", "it is stale"
    )
    assert await serious(page) == []
