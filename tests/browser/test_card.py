"""What viewers see of the room's card: the product on show and the room's sales, as far as claims allow."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from stream.contract.overlay import Suspicion
from tests.browser.looking import eventually, says, until_gone
from tests.browser.rooms import COAT, coat, now_ms
from tests.browser.test_pictures import a_dot

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.browser.conftest import Pages
    from tests.browser.rooms import Room

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]
GOOD, OTHER = "https://pictures.example/coat.png", "https://other.example/coat.png"
STRUCK_OUT = """
[...document.querySelectorAll("snapup-product *")]
  .filter((each) => getComputedStyle(each).textDecorationLine !== "none").length
"""
FIRST, LAST = "early", "zulu"


def product(sku_id: str = COAT, **changes: Any) -> dict[str, Any]:
    described = {
        "name": "Wool coat",
        "label": "3",
        "price_minor": 45_900,
        "list_price_minor": 89_900,
        "currency": "CNY",
    }
    fields = {"sku_id": sku_id, **described, **changes}
    return {name: value for name, value in fields.items() if value is not None}


def card(*products: dict[str, Any], shown: dict[str, Any] | None = None) -> dict[str, Any]:
    listed = list(products)
    said = {} if shown is None else {"on_show": shown}
    return {"card": {"product_count": len(listed), "link_count": 0, "products": listed, "links": [], **said}}


async def overlay(pages: Pages, room: Room, *, more: str = "", lang: str = "en") -> Page:
    room.put()  # the browser itself complains of a room that is not there yet
    return await pages.open(f"/overlay?room={room.room_id}&lang={lang}&widgets=product,shelf{more}")


def bare(text: str | None) -> str:
    """Without blanks, as `says` tells what a widget says."""
    return "" if text is None else re.sub(r"\s+", "", text)


async def seen(page: Page, widget: str, *parts: str, without: str = "never said") -> str:
    """What the widget says once it says this, and not that; all of it without blanks."""

    def fits(text: str | None) -> bool:
        return all(bare(part) in bare(text) for part in parts) and bare(without) not in bare(text)

    return bare(await eventually(lambda: says(page, widget), fits, f"{widget} says {parts}, not {without}"))


# -- the product on show -----------------------------------------------------------------------------------------------
PRICES: list[tuple[dict[str, Any], list[str], list[str]]] = [
    ({}, ["CN¥459", "list price CN¥899"], []),
    ({"list_price_minor": 45_900}, ["CN¥459"], ["list price"]),
    ({"list_price_minor": None}, ["CN¥459"], ["list price"]),
    ({"price_minor": None}, [], ["list price", "899"]),
    ({"currency": None}, [], ["459", "899"]),
    ({"currency": "cny"}, [], ["459", "899"]),
    ({"price_minor": 45_950}, ["CN¥459.50"], []),
    ({"currency": "JPY"}, ["¥45,900", "¥89,900"], ["459.00"]),
    ({"currency": "KWD", "price_minor": 45_905}, ["45.905"], []),
]


async def test_a_price_is_told_with_its_currency_and_a_list_price_as_the_shops_word(pages: Pages, room: Room) -> None:
    room.sales = []
    page = await overlay(pages, room)
    for place, (changes, told, untold) in enumerate(PRICES):
        name = f"Coat {'ABCDEFGHI'[place]}."
        room.sections = card(shown=product(name=name, **changes))
        room.put()
        text = await seen(page, "product", name)
        assert await page.evaluate(STRUCK_OUT) == 0, changes
        assert [part for part in told if bare(part) not in text] == [], changes
        assert [part for part in [*untold, "was", "save", "%"] if bare(part) in text.lower()] == [], changes


async def test_of_the_sale_that_goes_on_it_says_what_claims_allow(pages: Pages, room: Room) -> None:
    room.sections = card(shown=product())
    page = await overlay(pages, room)
    async with room.live():
        text = await seen(page, "product", "42 left", "CN¥399", "list price CN¥899", "4,900 bought in the last 5 min")
        assert re.search(r"until\d\d:\d\d", text)
        # Orders look fake: nothing of stock or of buyers may be said, and the price still may.
        room.sales = [coat(suspect_units=500, suspicions=[Suspicion("one_device", 500, 500)])]
        await seen(page, "product", "CN¥399", without="42")
        room.sales = [coat(held=0, sold=5_000, level="sold_out")]
        await seen(page, "product", "Sold out", without="42")
        # The sale is over: the product's own price is left.
        room.sales = [coat(status="ended")]
        await seen(page, "product", "CN¥459", without="until")


async def test_of_two_sales_that_differ_the_leading_one_counts_as_in_the_page_s_other_widgets(
    pages: Pages, room: Room
) -> None:
    room.sections = card(shown=product())
    lead, other = coat(price_minor=39_900), coat(sale_id=LAST, price_minor=29_900)
    room.sales = [lead, other]
    page = await pages.open(f"/overlay?room={room.room_id}&lang=en&widgets=product,price,stock")
    async with room.live():
        await seen(page, "product", "CN¥399", "42 left", without="299")
        await seen(page, "price", "CN¥399")
        room.sales = [replace(lead, prior_price_minor=59_900), other]
        await seen(page, "product", "CN¥399", "was CN¥599, the lowest of 30 days", without="list price")
    beside = await overlay(pages, room, more=f"&sale={LAST}")
    async with room.live():
        await seen(beside, "product", "CN¥299")
        room.sections = card(shown=product("sku-2"))
        await until_gone(beside, "product")


async def test_it_leaves_when_nothing_is_on_show_and_shows_what_the_address_names(pages: Pages, room: Room) -> None:
    room.sections = card(product(), shown=product())
    page = await overlay(pages, room, more=f"&sku={COAT}&names={COAT}:Our%20coat")
    other = await overlay(pages, room, more="&sku=sku-2")
    async with room.live():
        await seen(page, "product", "Our coat")
        assert await says(other, "product") is None
        room.sections = card(product())
        await until_gone(page, "product")


async def test_a_picture_is_shown_from_a_listed_host_alone(there: Pages, room: Room) -> None:
    page = await overlay(there, room)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "example" in request.url else None)
    await page.route("**://*.example/**", a_dot)
    room.sections = card(shown=product(picture=GOOD))
    async with room.live():
        await page.locator("snapup-product img").wait_for()
        assert await page.locator("snapup-product img").get_attribute("src") == GOOD
        room.sections = card(shown=product(picture=OTHER, name="Another"))
        await seen(page, "product", "Another")
        assert await page.locator("img").count() == 0
    # A card that leaves while its document is old, and comes back, asks again.
    assert set(asked) == {GOOD}
    assert there.wrong == []


async def test_without_a_list_there_is_no_picture(pages: Pages, room: Room) -> None:
    room.sections = card(shown=product(picture=GOOD))
    page = await overlay(pages, room)
    async with room.live():
        await seen(page, "product", "Wool coat")
        assert await page.locator("img").count() == 0


# -- the room's sales --------------------------------------------------------------------------------------------------
async def test_the_shelf_lists_the_sales_of_the_room_by_label_the_product_on_show_first(
    pages: Pages, room: Room
) -> None:
    described = [
        product("b", name="Hat", label="12"),
        product("a", name="Scarf", label="3"),
        product(name="Coat", label="7"),
    ]
    room.sections = card(*described, shown=described[2])
    later_ms = 40 * 3_600_000
    room.sales = [
        coat(sku_id="b", sale_id=FIRST, held=100, sold=4_900, level="all_taken"),
        coat(sku_id="a", sale_id=FIRST, held=0, sold=5_000, level="sold_out"),
        coat(sku_id="unnamed", sale_id=FIRST, held=0, sold=0),
        coat(sku_id="over", sale_id=FIRST, status="ended"),
        coat(sku_id="soon", sale_id=FIRST, status="scheduled", starts_in_ms=later_ms, ends_in_ms=None, held=0, sold=0),
        coat(),
    ]
    page = await overlay(pages, room)
    async with room.live():
        text = await seen(page, "shelf", "Coat")
        rows = [" ".join(row.split()) for row in await page.locator("snapup-shelf li").all_inner_texts()]
        assert [re.sub(r" CN¥399.*", "", row) for row in rows] == [
            "7 Coat On show",
            "3 Scarf",
            "12 Hat",
            "unnamed",
            "soon",
        ]
        assert rows[0].endswith("42 left")
        assert rows[1].endswith("Sold out")
        begins = datetime.fromtimestamp((now_ms() + later_ms) / 1000)  # noqa: DTZ006 — as above
        assert re.search(rf"from {begins:%m-%d} \d\d:\d\d$", rows[4])
        assert "more" not in text
        room.sales = [coat(sku_id=f"s{number}") for number in range(8)]
        await seen(page, "shelf", "and 3 more")
        assert await page.locator("snapup-shelf li").count() == 5
        room.sales = [coat(status="ended")]
        await until_gone(page, "shelf")
