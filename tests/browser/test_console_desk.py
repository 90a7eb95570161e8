"""What a host relies on: one line an episode, the leader on the first screen, a history, a page for every reader."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from stream.contract.overlay import Money, Orders
from tests.browser.looking import eventually, text_of
from tests.browser.rooms import COAT, SALE, coat, now_ms

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

    from tests.browser.conftest import Pages
    from tests.browser.rooms import Room

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
NAMES = f"names={COAT}:Wool coat,sku-412:Silk scarf"
# Records what would be heard and notified, and every text that a screen reader is told.
WITNESS = """
  window.tones = [];
  window.notes = [];
  window.AudioContext = class {
    currentTime = 0;
    destination = {};
    resume = async () => {};
    createGain = () => ({
      gain: { setValueAtTime() {}, exponentialRampToValueAtTime() {} }, connect: (next) => next,
    });
    createOscillator = () => ({
      frequency: {}, connect: (next) => next, stop() {},
      start() { window.tones.push(this.frequency.value); },
    });
  };
  window.Notification = class {
    static permission = "default";
    static requestPermission = async () => (Notification.permission = "granted");
    constructor(title) { window.notes.push(title); }
  };
"""
LISTEN = """
() => {
  window.told = [];
  for (const region of document.querySelectorAll("[role=status].heard, [role=alert].heard")) {
    new MutationObserver(() => region.textContent && window.told.push(region.textContent))
      .observe(region, { childList: true, characterData: true, subtree: true });
  }
}
"""
TAB_STOPS = """
() => [...document.querySelectorAll("*")]
  .filter((e) => e.tabIndex >= 0 && !e.disabled && !e.closest("dialog") && e.checkVisibility())
  .map((e) => e.closest("section, header.top")?.className ?? e.className)
"""


def oversold(units: int, **changes: Any) -> Any:
    return coat(level="sold_out", sold=4_900 + units, **changes)


async def open_console(pages: Pages, room: Room, query: str = f"lang=en&{NAMES}", **options: Any) -> Page:
    page = await pages.open(f"/console/{room.room_id}?{query}", **options)
    await eventually(text_of(page, ".stages b"), lambda text: "21,877" in text, "the funnel is there")
    return page


async def test_an_episode_is_one_line_that_grows_is_told_once_and_is_acknowledged(pages: Pages, room: Room) -> None:
    room.sales = [coat(level="sold_out", sold=4_900)]
    room.put()
    context = await pages.context()
    await context.add_init_script(WITNESS)
    page = await open_console(pages, room, context=context)
    await page.evaluate(LISTEN)
    line = page.locator(".changes [data-kind=oversold]")
    await page.locator("[data-tool=sound]").click()
    await page.locator("[data-tool=notify]").click()
    await eventually(text_of(page, "[data-tool]"), lambda text: "sound on | notifies | mute" in text, "switched on")
    for units in range(1, 13):
        room.sales = [oversold(units)]
        room.put()
        await eventually(text_of(page, ".pace"), partial(_has, f"OVERSOLD by {units}"), "each unit is drawn")
    assert await line.count() == 1
    told = re.sub(r"\s+", " ", await line.inner_text())
    assert "oversold 0→12" in told
    assert "Wool coat" in told
    assert "alert" in await line.locator(".sign").inner_text()
    told_of = [each for each in await page.evaluate("window.told") if "oversold" in each]
    assert len(told_of) == 1, told_of
    assert await page.evaluate("window.tones.length") == 3
    assert len(await page.evaluate("window.notes")) == 1
    # Acknowledged: quiet until it has doubled.
    assert "1 open" in await page.locator(".desk .open").inner_text()
    await line.locator("button").click()
    assert await page.locator(".desk .open").is_hidden()
    room.sales = [oversold(14)]
    room.put()
    await eventually(line.inner_text, partial(_has, "0→14"), "it grows on")
    assert await page.locator(".desk .open").is_hidden()
    room.sales = [oversold(24)]
    room.put()
    await page.locator(".desk .open").wait_for(state="visible")
    # A restock in three deliveries is one line, and makes an end of it.
    for more in (100, 300, 500):
        room.sales = [oversold(24, restocked=more)]
        room.put()
        await eventually(text_of(page, ".changes"), partial(_has, f"restock +{more}"), "one sum")
    assert await page.locator(".changes [data-kind=restock]").count() == 1
    await eventually(line.inner_text, partial(_has, "over, lasted"), "it is over")
    # Muted: listed, but neither heard nor notified. And only what the host filters for.
    await page.locator("[data-tool=mute]").click()
    room.sales = [oversold(24, restocked=500), coat(sku_id="sku-412", sold=4_903, level="sold_out")]
    room.orders = replace(room.orders, refunded=room.orders.refunded + 2)
    room.put()
    await eventually(line.count, lambda found: found == 2, "another sale is another episode")
    assert len(await page.evaluate("window.notes")) == 1
    await page.locator(".desk .choice").get_by_role("button", name="money").click()
    await eventually(text_of(page, ".changes li"), partial(_has, "2 refunded"), "money only")
    assert await page.locator(".changes li").count() == 1
    assert "events=money" in page.url


def _has(part: str, text: str) -> bool:
    return part in text


async def test_the_leader_and_the_largest_figures_are_on_the_first_screen(pages: Pages, room: Room) -> None:
    sold_out = [coat(sale_id=f"sale-{n}", sku_id=f"sku-{n:02d}-long", level="sold_out", sold=6_000) for n in range(13)]
    leader = coat(sale_id="z-late", sku_id=COAT, level="snap_up")
    room.sales = [*sold_out, leader]
    room.urgency = replace(leader.urgency, sale_id=leader.sale_id)
    room.watching, room.money = 1_234_567, [Money("CNY", 244_387_400, 218_283_000, 218_283_000)]
    room.put()
    for lang, sign, sum_short, count_short in (
        ("en", "CN¥", "CN¥2,182,830", "1.23M"),
        ("zh-CN", "¥", "¥218.28 万", "123 万"),
    ):
        context = await pages.context(bypass_csp=True)  # axe is put into the page as a script
        page = await open_console(pages, room, f"lang={lang}&theme=light&{NAMES}", context=context)
        for size in ({"width": 1920, "height": 1080}, {"width": 1440, "height": 900}):
            await page.set_viewport_size(size)  # type: ignore[arg-type]
            tops = await page.evaluate(
                """[".headline b", ".stock .choose"].map((name) => document.querySelector(name).getBoundingClientRect())
                .map(({ top, bottom }) => [top, bottom])"""
            )
            assert tops[0][1] < tops[1][0] < tops[1][1] < size["height"] * 0.4, (size, tops)
            assert await page.locator(".stock .choose").first.inner_text() == "Wool coat"
        sums = page.locator(".headline .gmv b span")
        assert [await sums.nth(place).inner_text() for place in (0, 1)] == [sum_short, f"{sign}2,182,830.00"]
        assert await sums.first.get_attribute("aria-hidden") == "true"
        # No figure is shortened for the ear.
        heard = await page.evaluate(
            """() => {
              const copy = document.querySelector("main").cloneNode(true);
              copy.querySelectorAll("[aria-hidden=true], [hidden]").forEach((part) => part.remove());
              return copy.textContent;
            }"""
        )
        assert "1,234,567" in heard
        assert not re.search(r"\d[KMB]\b|\d 万", heard), heard
        assert count_short in await page.locator(".headline .watching b").inner_text()
        rows = page.locator(".products tbody tr")
        assert await rows.count() == 14
        assert {"en": "sold out 13", "zh-CN": "售罄 13"}[lang] in await page.locator(".products p").inner_text()
        # Nobody has told clicks or GMV of a product: those columns are not there.
        assert await page.locator(".products th.at-clicks, .products th.at-gmv").locator("visible=true").count() == 0
        await page.locator(".products th.at-left button").click()
        await eventually(rows.first.locator("th").inner_text, partial(_has, "Wool coat"), "sorted by what is left")
        assert await page.locator(".products th.at-left").get_attribute("aria-sort") == "descending"
        # One tab stop a panel; the arrows go on within it.
        stops = await page.evaluate(TAB_STOPS)
        assert len(stops) <= 12, stops
        assert len(stops) == len(set(stops)), stops
        await page.locator(".stages li").first.focus()
        first = await page.evaluate("document.activeElement.textContent")
        await page.keyboard.press("ArrowDown")
        assert await page.evaluate("document.activeElement.matches('.stages li')")
        assert await page.evaluate("document.activeElement.textContent") != first
        assert len(await page.evaluate(TAB_STOPS)) == len(stops)
        await page.evaluate(AXE.read_text())
        violations = await page.evaluate(
            """axe.run({ resultTypes: ["violations"] }).then(({ violations }) =>
              violations.map(({ id, nodes }) => id + ": " + nodes.slice(0, 3).map((node) => node.html)))"""
        )
        assert violations == [], violations
        await context.close()


def remembered(room: Room, began_ms: int, *, factor: float = 1.0) -> dict[str, Any]:
    """What the server keeps: half an hour in three points."""
    at_ms = [began_ms + minute * 60_000 for minute in (5, 15, 25)]
    return {
        "schema": "snapup.history.v1",
        "room_id": room.room_id,
        "session_ms": began_ms,
        "ended_ms": None,
        "step_ms": 10_000,
        "from_ms": began_ms,
        "to_ms": at_ms[-1],
        "currency": "CNY",
        "points": {
            "at_ms": at_ms,
            "watching": [9_000, 38_204, 12_000],
            "gmv_minor": [int(each * factor) for each in (10_000_000, 90_000_000, 150_000_000)],
            "orders": [100, 2_000, 4_000],
            "orders_paid": [90, 1_900, 3_900],
            "viewers": [10_000, 15_000, 20_000],
            "clickers": [2_000, 3_000, 4_000],
            "payers": [90, 100, 200],
        },
        "marks": [
            {"at_ms": at_ms[0], "kind": "restocked", "severity": "info", "sale_id": SALE, "sku_id": COAT, "value": 500}
        ],
        "sessions": [],
    }


async def test_a_reload_a_second_screen_and_the_hour_after_have_the_whole_show(pages: Pages, room: Room) -> None:
    began_ms, before_ms = now_ms() - 30 * 60_000, now_ms() - 86_400_000
    show, before = remembered(room, began_ms), remembered(room, before_ms, factor=0.5)
    show["sessions"] = [{"session_ms": before_ms}, {"session_ms": began_ms}]
    before["ended_ms"] = before_ms + 3_600_000
    room.money = [Money("CNY", 187_530_000, 187_500_000, 186_931_500)]
    room.put()

    async def answer(route: Route) -> None:
        body = before if f"session={before_ms}" in route.request.url else show
        await route.fulfill(content_type="application/json", body=json.dumps(body))

    context = await pages.context(timezone_id="Asia/Shanghai")
    await context.route(re.compile(r"/history(\?|$)"), answer)
    page = await open_console(pages, room, f"lang=en&range=0&{NAMES}", context=context)
    note = text_of(page, ".time .bar-head .soft")
    await eventually(note, lambda text: text.startswith("since ") and "UTC+8" in text, "from the show's beginning")
    headline = text_of(page, ".headline")
    # 1.875 M now, 0.75 M at the same minute of the last show.
    await eventually(headline, partial(_has, "+150 % v. the last show"), "compared")
    assert "most 38,204, at " in await headline()
    legend = page.locator(".chart").first.locator(".legend")
    assert "last show CN¥750,000.00" in re.sub(r"\s+", " ", await legend.inner_text())
    await page.keyboard.press("Home")
    await eventually(legend.inner_text, partial(_has, "CN¥100,000.00"), "the beginning")
    await page.keyboard.press("Escape")
    restock = text_of(page, ".changes [data-kind=restock]")
    await eventually(restock, lambda text: "restock +500" in text and "Wool coat" in text, "what happened before")
    table = page.locator(".chart").first.locator(".as-table")
    await table.click()
    rows = text_of(page, ".chart-table tbody tr")
    await eventually(rows, partial(_has, "CN¥900,000.00"), "the same figures as a table")
    assert await page.locator(".chart-table tbody tr").count() <= 25
    assert "GMV" in await page.locator(".chart-table caption").inner_text()
    room.vanish()
    page = await pages.open(f"/console/{room.room_id}?lang=en&range=0", context=context)
    await eventually(
        text_of(page, ".legend"), partial(_has, "CN¥1,500,000.00"), "nobody publishes, the course is there"
    )
    assert await page.evaluate("document.documentElement.dataset.fresh") == "none"


async def test_orders_of_a_new_show_are_not_refunds(pages: Pages, room: Room) -> None:
    room.orders = Orders(100, 90, 5, 7)
    room.put()
    page = await open_console(pages, room)
    room.orders = Orders(0, 0, 0, 0)
    room.sales = [coat(sold=4_801)]
    room.put()
    await eventually(text_of(page, ".sale [data-figure=left] b"), lambda text: text == "99", "the new show")
    assert await page.locator(".changes [data-group=money]").count() == 0
    # In its first seconds the server's history is still that of the show before: that is no comparison.
    found = await page.evaluate(
        """async () => {
          const { ShowHistory } = await import("/static/console/show-history.js");
          const shows = new ShowHistory({ roomId: "room-1", tokenOf: () => "" });
          const asOf = (began_at_ms) => shows.isOf({ session: { began_at_ms } });
          const unknown = asOf(5_000);
          shows.show = { session_ms: 1_000_000 };
          return [unknown, asOf(1_002_000), asOf(9_000_000), shows.isOf({})];
        }"""
    )
    assert found == [False, True, False, True]
