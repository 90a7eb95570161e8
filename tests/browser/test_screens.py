"""Pictures to look through, in tests/out/screens/index.html: every scene over every picture, sizes and languages.

The tests take each scene in each size, and in each language, over one of the pictures, so that none of it breaks
unseen. With SNAPUP_ALL_PICTURES=1 (`make pictures`) they take each size in each language over all of the pictures, and
the console in both themes.
"""

from __future__ import annotations

import html
import os
from functools import partial
from itertools import product as product_of
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from stream.contract.overlay import FeedItem, Money, Orders, Restock
from tests.browser.looking import eventually, text_of
from tests.browser.rooms import COAT, coat, now_ms
from tests.browser.test_card import card
from tests.browser.test_card import product as described
from tests.browser.test_subject import fourteen, product

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.async_api import Page

    from tests.browser.conftest import Pages
    from tests.browser.rooms import Room

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]
OUT = Path(__file__).parents[1] / "out" / "screens"
SIZES = {"1920x1080": {"width": 1920, "height": 1080}, "400x800": {"width": 400, "height": 800}}
BACKDROPS = ("bright", "dark", "busy")
LANGUAGES = {"zh-CN": f"names={COAT}:羊毛大衣,sku-412:真丝围巾", "en": f"names={COAT}:Wool coat,sku-412:Silk scarf"}
EVERYTHING = bool(os.environ.get("SNAPUP_ALL_PICTURES"))
# Each size and each language once; with all pictures each size in each language.
PAIRS = [*product_of(SIZES, LANGUAGES)] if EVERYTHING else [*zip(SIZES, LANGUAGES, strict=True)]
THEMES = ("dark", "light") if EVERYTHING else ("dark",)
ALL = "badge,countdown,watching,pulse,goal,top,ticker,carts,eta,stock"
SUBJECT = "badge,countdown,watching,pulse,top,ticker,price,stock"
BACKDROP = """
async (name) => {
  const image = new Image();
  image.src = `/static/builder/backdrops/${name}.svg`;
  await image.decode();
  document.documentElement.style.background = `url("${image.src}") center / cover`;
}
"""


class Scene(NamedTuple):
    name: str
    prepare: Callable[[Room], None]
    query: str = ""


def before(room: Room) -> None:
    room.sales = [coat(status="scheduled", starts_in_ms=95_000, level="unknown", sold=0, held=0)]
    room.watching, room.orders = 3_204, Orders(0, 0, 0, 0)


def rush(room: Room) -> None:
    room.sales = [coat(level="rush", sold=3_100, held=700)]
    room.feed = [FeedItem("order", now_ms(), "l***", COAT, 1)]


def few(room: Room) -> None:
    room.sales = [coat(level="snap_up"), coat(sku_id="sku-412", level="brisk", sold=2_000)]
    room.feed = [FeedItem("order", now_ms(), "小***", COAT, 2)]


def last_seconds(room: Room) -> None:
    room.sales = [coat(level="last_call", sold=4_893, ends_in_ms=9_400, extended=True)]
    room.feed = [FeedItem("order", now_ms(), "M***", COAT, 1)]


def sold_out(room: Room) -> None:
    room.sales = [coat(level="sold_out", sold=4_900)]


def all_taken_of_fourteen(room: Room) -> None:
    fourteen(room)
    room.signals_edition = 2
    room.sales[4] = product(4, sold=100, held=80, level="all_taken", prior_price_minor=59_900)


def restock_of_fourteen(room: Room) -> None:
    fourteen(room)
    room.signals_edition = 2
    restock = Restock(now_ms(), 500)
    room.sales[4] = product(4, sold=176, restocked=500, last_restock=restock, prior_price_minor=59_900)


def calm(room: Room) -> None:
    room.sales = [coat(level="calm", sold=200, held=20, ends_in_ms=3_000_000)]
    room.watching, room.likes, room.comments = 38, 412, 20


def on_show(room: Room) -> None:
    coats = coat(prior_price_minor=59_900)
    room.sales = [coats, coat(sku_id="sku-412", sold=2_000, level="brisk", price_minor=12_900)]
    scarf = described("sku-412", name="Silk scarf", label="7")
    room.sections = card(described(), scarf, shown=described())


SCENES = [
    Scene("1 before", before),
    Scene("2 rush", rush),
    Scene("3 few left", few),
    Scene("4 last seconds", last_seconds),
    Scene("5 sold out", sold_out),
    Scene("6 calm", calm),
    Scene("7 all widgets", few, f"&goal=5000&widgets={ALL}"),
    Scene("8 all widgets, light", few, f"&theme=light&goal=5000&widgets={ALL}"),
    Scene("9 fourteen products, all taken", all_taken_of_fourteen, f"&sku=sku-04&widgets={SUBJECT}"),
    Scene("10 fourteen products, restocked", restock_of_fourteen, f"&sku=sku-04&widgets={SUBJECT}"),
]
if EVERYTHING:
    SCENES.append(Scene("11 product on show", on_show, "&widgets=badge,watching,product,shelf"))


async def at_rest(page: Page) -> None:
    await eventually(partial(page.evaluate, "document.getAnimations().length"), lambda moving: moving == 0, "at rest")


@pytest.mark.parametrize(("size", "lang"), PAIRS)
async def test_pictures_of_the_overlay(size: str, lang: str, pages: Pages, new_room: Callable[[], Room]) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    context = await pages.context(viewport=SIZES[size])
    for number, scene in enumerate(SCENES):
        room = new_room()
        scene.prepare(room)
        path = f"/overlay?room={room.room_id}&lang={lang}&{LANGUAGES[lang]}{scene.query}"
        page = await pages.open(path, context=context)
        scene.prepare(room)  # its times run from now
        room.put()
        await page.locator("snapup-watching .figure").wait_for()
        for backdrop in BACKDROPS if EVERYTHING else (BACKDROPS[number % len(BACKDROPS)],):
            await page.evaluate(BACKDROP, backdrop)
            await at_rest(page)
            await page.screenshot(path=OUT / f"overlay, {scene.name}, {backdrop}, {size}, {lang}.png")
        await page.close()


@pytest.mark.parametrize(("size", "lang"), PAIRS)
async def test_pictures_of_console_rooms_and_builder(
    size: str, lang: str, pages: Pages, new_room: Callable[[], Room]
) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    context = await pages.context(viewport=SIZES[size])
    room = new_room()
    few(room)
    room.money.append(Money("USD", 51_600, 47_730, 47_730))
    room.put()
    for theme in THEMES:
        page = await pages.open(f"/console/{room.room_id}?lang={lang}&theme={theme}", context=context)
        await eventually(text_of(page, ".stages b"), lambda text: "21,877" in text, "the console")
        for left in (60, 42, 20, 0):
            room.sales[0] = coat(sold=4_900 - left, level="sold_out" if left == 0 else "snap_up")
            room.put()
            await eventually(text_of(page, ".sale [data-figure=left] b"), partial(_lists, str(left)), "drawn")
        name = f"{theme}, {size}, {lang}"
        await page.screenshot(path=OUT / f"console, {name}.png", full_page=True)
        await page.locator(".rates li").first.focus()
        await page.screenshot(path=OUT / f"console, explained, {name}.png")
        await page.keyboard.press("Escape")
        await page.keyboard.press("?")
        await page.screenshot(path=OUT / f"console, help, {name}.png")
        room.fresh_ms = 1_500
        room.put()
        fresh = partial(page.evaluate, "document.documentElement.dataset.fresh")
        await eventually(fresh, lambda seen: seen == "old", "too old")
        await page.keyboard.press("Escape")
        await page.screenshot(path=OUT / f"console, old, {name}.png")
        room.fresh_ms = 60_000
        room.put()
        rooms = await pages.open(f"/console?lang={lang}&theme={theme}", context=context)
        await eventually(text_of(rooms, "tbody th"), lambda text: "room-" in text, "the rooms")
        await rooms.screenshot(path=OUT / f"rooms, {name}.png")
        builder = await pages.open(f"/builder?lang={lang}&theme={theme}", context=context)
        await builder.frame_locator(".stage iframe").locator("snapup-stock .figure").wait_for()
        await builder.screenshot(path=OUT / f"builder, {name}.png", full_page=True)


def _lists(part: str, text: str) -> bool:
    return part in text.split(" | ")


async def test_the_pictures_stand_on_one_page() -> None:
    files = sorted(OUT.glob("*.png"))
    if not files:
        pytest.skip("no pictures yet")
    figures = "\n".join(
        f'<figure><img loading="lazy" src="{name}.png"><figcaption>{name}</figcaption></figure>'
        for name in (html.escape(each.stem) for each in files)
    )
    style = "body{font:14px system-ui;background:#888}img{max-width:100%}figure{margin:8px}"
    (OUT / "index.html").write_text(f"<!doctype html><meta charset=utf-8><style>{style}</style>{figures}")
