"""Big screen, wall of rooms and report with overlong names, many products and none: all fits, axe finds nothing.

`make pictures` looks at every scene in both languages and themes, and keeps what it saw.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from msgspec.structs import replace

from stream.commands.report import report_json
from stream.contract.overlay import Money, SourceViews
from stream.contract.report import Amounts, Product, SourceCount
from tests.browser.looking import eventually, text_of
from tests.browser.rooms import coat, now_ms
from tests.browser.test_after import LONG_MS, MINUTE_MS, counted, history, with_history
from tests.browser.test_card import card, product
from tests.browser.test_looks import violations
from tests.browser.test_screens import EVERYTHING, OUT, at_rest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.async_api import Page

    from tests.browser.conftest import Pages
    from tests.browser.rooms import Room

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]
SIZES = ((1920, 1080), (3840, 2160), (1440, 900), (1080, 1920), (400, 800))
LOOKS = [("en", "dark"), ("zh-CN", "light"), *([("en", "light"), ("zh-CN", "dark")] if EVERYTHING else [])]
LONG_NAME = "Extraordinarily warm double-faced wool and cashmere winter coat, 12"
LONG_TITLE = "Grandmother's unbelievable end-of-season everything-must-go evening, second part: 羊毛大衣专场"
LONG_WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamte"
# What is wider than its place, or out of the frame; what scrolls by itself or is shortened with dots may be.
MISFITS = """() => {
  const isShortened = (element) =>
    element !== null && (getComputedStyle(element).textOverflow === "ellipsis" || isShortened(element.parentElement));
  const said = [];
  for (const element of document.querySelectorAll("header *, main *, .note")) {
    if (!element.checkVisibility() || element.closest(".heard, canvas, .table") || isShortened(element)) continue;
    if (![...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue;
    const box = element.getBoundingClientRect();
    const name = `${element.localName}.${element.className} ${element.textContent.slice(0, 40)}`;
    if (box.right > innerWidth + 1 || box.left < -1) said.push(`${name}: out of the frame`);
    const holder = element.closest(".one, section, .tile");
    if (holder && box.bottom > holder.getBoundingClientRect().bottom + 1) said.push(`${name}: below its panel`);
  }
  if (document.documentElement.scrollWidth > innerWidth + 1) said.push("the page scrolls sideways");
  const isWall = document.body.classList.contains("wall-body") && innerWidth >= 1000;
  if (isWall && document.documentElement.scrollHeight > innerHeight + 1) said.push("the screen scrolls");
  return said;
}"""


# The page has its document, and has drawn it.
IS_THERE = "document.documentElement.dataset.state === 'live'"


class Scene(NamedTuple):
    name: str
    prepare: Callable[[Room, int], dict[str, Any]]


def usual(room: Room, began_ms: int) -> dict[str, Any]:
    room.sections = _titled(card(product(), shown=product()), title="Autumn coats")
    room.sections["sources"] = [SourceViews("feed", 15_000), SourceViews("search", 9_000), SourceViews(None, 6_000)]
    marks = [("sale_opened", 1, None), ("restocked", 12, 500), ("oversold", 14, 7)]
    return _marked(room, began_ms, marks)


def overlong(room: Room, began_ms: int) -> dict[str, Any]:
    named = product(name=LONG_NAME)
    room.sections = _titled(card(named, shown=named), title=LONG_TITLE, host_name=LONG_WORD)
    sources = [SourceViews(f"{LONG_WORD}-{number}"[:64], 9_000 - number) for number in range(9)]
    room.sections["sources"] = [*sources, SourceViews(None, 5_000)]
    room.money = [Money("CNY", 10**14, 987_654_321_099_00, 1), Money("USD", 10**10, 99_999_999_99, 1)]
    room.sales = [coat(offered=9_000_000, sold=8_400_000, held=499_958, level="last_call")]
    room.watching = 12_345_678
    return _marked(room, began_ms, [(kind, minute, 1_234_567) for minute, kind in enumerate(_MARKED)])


def no_product(room: Room, began_ms: int) -> dict[str, Any]:
    room.sales, room.money, room.watching = [], [], 3
    return history(room, began_ms, [(1, 0, 0)], currency=None)


def sixty(room: Room, began_ms: int) -> dict[str, Any]:
    products = [product(f"sku-{number:02d}", name=f"{number}. {LONG_NAME}"[:80]) for number in range(60)]
    room.sections = card(*products)
    room.sales = [replace(coat(sold=1_000), sale_id=f"s{number}", sku_id=f"sku-{number:02d}") for number in range(60)]
    return _marked(room, began_ms, [("sold_out", minute, None) for minute in range(1, 15)])


SCENES = [Scene("overlong", overlong)]
if EVERYTHING:
    SCENES += [Scene("usual", usual), Scene("no product", no_product), Scene("sixty products", sixty)]
_MARKED = ("sale_opened", "restocked", "all_taken", "sold_out", "oversold", "sale_ended")


def _titled(sections: dict[str, Any], **fields: str) -> dict[str, Any]:
    return {"card": sections["card"] | fields}


def _marked(room: Room, began_ms: int, marks: list[tuple[str, int, int | None]]) -> dict[str, Any]:
    """A course with a rush in its middle, and what happened in it."""
    paid = [(minute, 40 * minute * minute, 1_500_000 * minute * (minute + 1)) for minute in range(1, 21)]
    sku = {"sale_id": "coat-drop", "sku_id": "sku-881"}
    made = [
        {"at_ms": began_ms + minute * MINUTE_MS, "kind": kind, "severity": "info", "value": value, **sku}
        for kind, minute, value in marks
    ]
    return history(room, began_ms, paid, marks=made)


async def looked_at(page: Page, name: str) -> list[str]:
    """What does not fit in any size, and what axe finds; with `make pictures` each look is kept."""
    found = []
    for width, height in SIZES:
        await page.set_viewport_size({"width": width, "height": height})
        if EVERYTHING:
            await at_rest(page)
            OUT.mkdir(parents=True, exist_ok=True)
            await page.screenshot(path=OUT / f"{name}, {width}x{height}.png", full_page=True)
        found += [f"{width}×{height}: {each}" for each in await page.evaluate(MISFITS)]
    return [*found, *await violations(page)]


@pytest.mark.parametrize(("lang", "theme"), LOOKS)
async def test_walls_and_reports_fit_every_screen(
    lang: str, theme: str, pages: Pages, new_room: Callable[[], Room], tmp_path: Path
) -> None:
    context = await pages.context(bypass_csp=True)  # axe is put into the page as a script
    look, wrong, rooms = f"lang={lang}&theme={theme}", [], []
    for scene in SCENES:
        room, page = new_room(), await context.new_page()
        pages.watch(page)
        room.fresh_ms = LONG_MS
        began_ms = now_ms() - 21 * MINUTE_MS
        before_ms, course = began_ms - 90_000_000, [(1, 5, 400_000), (30, 900, 40_000_000)]
        last = history(room, before_ms, course, ended_ms=before_ms + 40 * MINUTE_MS)
        this = scene.prepare(room, began_ms)
        room.put()
        rooms.append(room.room_id)
        await with_history(page, room, [last, this])
        await page.goto(f"{pages.url}/wall/{room.room_id}?{look}")
        await eventually(partial(page.evaluate, IS_THERE), bool, "the wall")
        wrong += await looked_at(page, f"wall, {scene.name}, {lang}, {theme}")
        await page.goto(f"{pages.url}/report/{room.room_id}/last?{look}")
        await page.locator(".tile").first.wait_for()
        path = tmp_path / "report.json"
        path.write_bytes(report_json(_report(room, this["session_ms"], scene)))
        await page.set_input_files("#file", path)
        await page.locator(".verdict").wait_for()
        wrong += await looked_at(page, f"report, {scene.name}, {lang}, {theme}")
        await page.close()
    page = await pages.open(f"/wall?{look}&rooms={','.join([*rooms, *await _others(new_room)])}", context=context)
    await eventually(text_of(page, ".one p"), lambda text: text.count("4,700") == 12, "the rooms")
    wrong += await looked_at(page, f"wall of rooms, {lang}, {theme}")
    assert wrong == [], "\n".join(wrong)
    pages.wrong = [each for each in pages.wrong if "404" not in each]  # rooms without a history


async def _others(new_room: Callable[[], Room]) -> list[str]:
    """So many rooms that the wall is full."""
    made = [new_room() for _ in range(12 - len(SCENES))]
    for each in made:
        each.fresh_ms = LONG_MS
        overlong(each, 0)
        each.put()
    return [each.room_id for each in made]


def _report(room: Room, began_ms: int, scene: Scene) -> Any:
    made = counted(room, began_ms)
    if scene.prepare is no_product:
        totals = replace(made.totals, money=[], orders=dict.fromkeys(made.totals.orders, 0))
        return replace(made, products=[], sources=[], claims=[], withheld=[], minutes=[], totals=totals)
    long_id = (LONG_WORD.encode("ascii", "ignore").decode() * 2)[:64]
    money = [Amounts("CNY", 10**14, 98_765_432_109_900, 1), Amounts("USD", 5, 4, 3)]
    products = [
        Product(sku_id=f"{number}-{long_id}"[:64], sale_id=long_id, orders_paid=10**6, units_paid=10**6, money=money)
        for number in range(60)
    ]
    sources = [SourceCount(f"{number}{long_id}"[:64], 10**6, 5) for number in range(9)]
    totals = replace(made.totals, money=money, likes=10**9)
    return replace(made, products=products, sources=sources, totals=totals)
