"""What a host reads of products and sources: each figure with its denominator, nothing of what nobody told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from stream.contract.overlay import Money
from tests.browser.looking import eventually, text_of
from tests.browser.rooms import COAT, coat

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.browser.conftest import Pages
    from tests.browser.rooms import Room

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
OUT = Path(__file__).parents[1] / "out"


def count(value: int, error_95: float | None = None) -> dict[str, Any]:
    return (
        {"value": value, "method": "exact"}
        if error_95 is None
        else {"value": value, "method": "sketch", "error_95": error_95}
    )


def product(sku: str, clickers: Any, carters: Any, payers: Any, *money: tuple[str, int]) -> dict[str, Any]:
    purses = [
        {"currency": code, "gmv_placed_minor": paid, "gmv_paid_minor": paid, "gmv_net_minor": paid}
        for code, paid in money
    ]
    return {"sku_id": sku, "clickers": clickers, "carters": carters, "payers": payers, "money": purses}


PRODUCTS = [
    product("belt", count(800), count(120), count(9), ("CNY", 90_000)),
    product("scarf", count(4_800, 0.033), count(410), count(260), ("CNY", 1_590_000), ("EUR", 7_000)),
    product(COAT, count(20_800), count(16_300), count(5_145), ("CNY", 221_000_000)),
    product("hat", count(0), count(3), count(0)),
]
SOURCES = [
    {"source": "feed", "views": 410},
    {"source": "constructor", "views": 300},
    {"source": None, "views": 180},
    {"source": None, "views": 110, "other": True},
]


async def cells(page: Page, sku: str) -> list[str]:
    row = page.locator(".products tbody tr").filter(has=page.locator("th", has_text=sku))
    found: list[str] = await row.locator("td:visible").evaluate_all("(cells) => cells.map((cell) => cell.dataset.full)")
    return found


async def test_products_and_sources_are_there_with_what_they_are_of(pages: Pages, room: Room) -> None:
    room.sales = [coat(sku_id=COAT)]
    room.money = [Money("CNY", 222_680_000, 222_680_000, 222_680_000), Money("EUR", 7_000, 7_000, 7_000)]
    room.sections = {"products": PRODUCTS, "products_beyond": 1_234, "sources": SOURCES}
    room.put()
    for lang in ("en", "zh-CN"):
        context = await pages.context(bypass_csp=True, viewport={"width": 1920, "height": 1080})
        page = await pages.open(
            f"/console/{room.room_id}?lang={lang}&theme={'light' if lang == 'en' else 'dark'}", context=context
        )
        rows = page.locator(".products tbody tr")
        await eventually(rows.count, lambda found: found == 4, "a line a product")
        names = [await rows.nth(place).locator("th button").inner_text() for place in range(4)]
        assert names == [COAT, "scarf", "belt", "hat"], "by GMV in the room's first currency"
        gmv = (await cells(page, "scarf"))[4]
        assert gmv == {"en": "CN¥15,900.00 + €70.00", "zh-CN": "¥15,900.00 + €70.00"}[lang]
        assert (await cells(page, "scarf"))[:4] == ["≈4,800", "410", "260", "≈5.4 %"]
        assert (await cells(page, "hat"))[:5] == ["0", "3", "0", "–", "–"]
        assert "1,234" in await page.locator(".products p").inner_text()
        assert await page.locator(".sources li b").all_inner_texts() == ["41.0 %", "30.0 %", "18.0 %", "11.0 %"]
        assert (
            await page.locator(".sources li .label").all_inner_texts()
            == {
                "en": ["feed", "constructor", "not named", "all others"],
                "zh-CN": ["推荐", "constructor", "未标明", "其余合计"],
            }[lang]
        )
        assert await page.locator(".sources li .of").first.inner_text() in (
            "410 of 1,000",
            "410 / 1,000",
            "410 ÷ 1,000",
        )
        whole = "[document.documentElement.scrollHeight, document.documentElement.scrollWidth]"
        assert await page.evaluate(whole) == [1080, 1920]
        await page.add_script_tag(path=str(AXE))
        found = await page.evaluate(
            "axe.run({ include: ['.products', '.sources'] }).then(({ violations }) => violations)"
        )
        assert found == [], json.dumps(found, indent=1)[:2_000]
        await page.screenshot(path=str(OUT / f"console-products-{lang}.png"))
        await page.context.close()
    # What nobody tells is not there.
    room.sections = {}
    room.put()
    page = await pages.open(f"/console/{room.room_id}?lang=en")
    await eventually(text_of(page, ".products tbody th"), lambda text: COAT in text, "the sale")
    assert await page.locator(".sources").is_hidden()
    assert await page.locator(".products th.at-clicks").is_hidden()
