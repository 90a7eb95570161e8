"""The host's console: every figure answers "of what?", old looks old, and all of it by keyboard."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from stream.contract.overlay import Because, FeedItem, Orders, Urgency
from tests.browser.looking import eventually, text_of
from tests.browser.rooms import COAT, SALE, coat, now_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.async_api import Page

    from tests.browser.conftest import Pages
    from tests.browser.rooms import Room

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]


async def console(pages: Pages, room: Room, query: str = "lang=en", **options: Any) -> Page:
    page = await pages.open(f"/console/{room.room_id}?{query}", **options)
    await eventually(text_of(page, ".stages b"), lambda text: "21,877" in text, "the funnel is there")
    return page


async def bubble(page: Page) -> str:
    return await page.locator("#explanation").inner_text()


async def test_every_rate_says_of_what_on_hover_and_on_focus(pages: Pages, room: Room) -> None:
    room.put()
    page = await console(pages, room)
    rates = page.locator(".rates li")
    assert await rates.count() == 7
    for number in range(7):
        shown = (await rates.nth(number).inner_text()).split("\n")
        assert re.search(r"≈?[\d,.]+ / [\d,]+$", shown[-1]), shown
        await rates.nth(number).hover()
        hovered = await bubble(page)
        await page.mouse.move(0, 0)
        await rates.nth(number).focus()
        focused = await bubble(page)
        assert hovered == focused
        assert re.search(r"[\d,.]+ ÷ [\d,]+ · window: 5 min · as of \d\d:\d\d:\d\d · ", focused)
        assert len(focused.split("\n")) >= 3  # value, definition, and what it is of
    # Rounded up: an interval that is said narrower than it is would promise too much.
    assert "estimate, 95 % interval ±1.7 %" in await _explained(page, ".rates li >> nth=5")


async def _explained(page: Page, selector: str) -> str:
    await page.locator(selector).first.focus()
    return await bubble(page)


async def test_every_figure_of_the_page_is_explained_and_reachable(pages: Pages, room: Room) -> None:
    room.orders = Orders(9, 8, 7, 6, 5, 4, 3, 2, 1)  # some are shown only where there are any
    room.put()
    page = await console(pages, room)
    for selector in (
        ".stages li",
        ".figures [data-figure]",
        ".money td",
        ".sale [data-figure]",
        ".pace li",
        ".freshness",
    ):
        for number in range(await page.locator(selector).count()):
            element = page.locator(selector).nth(number)
            await element.focus()
            assert await page.locator("#explanation").is_visible(), selector
            assert await element.get_attribute("aria-describedby") == "explanation"
    await page.keyboard.press("Escape")
    assert not await page.locator("#explanation").is_visible()


async def test_an_explanation_stays_when_the_page_scrolls_to_what_is_focused(pages: Pages, room: Room) -> None:
    room.put()
    page = await console(pages, room, viewport={"width": 400, "height": 400})
    scrolled = await page.evaluate("""async () => {
        const far = [...document.querySelectorAll("[data-explained]")].at(-1);
        const scrolls = new Promise((done) => addEventListener("scroll", done, { capture: true, once: true }));
        far.focus();
        await scrolls;
        await new Promise(requestAnimationFrame);
        return document.activeElement === far;
    }""")
    assert scrolled
    assert await page.locator("#explanation").is_visible()


async def test_the_window_is_chosen_by_key_and_by_pointer_and_stands_in_the_link(pages: Pages, room: Room) -> None:
    room.put()
    page = await console(pages, room)
    first = page.locator(".rates li b").first
    assert await first.inner_text() == "0.94 %"  # 206 / 21,877
    # 206 / 5,000 is written alike in the list and beside the chart.
    assert "4.1 %" in await page.locator(".rates li b").nth(1).inner_text()
    await eventually(page.locator(".legend").last.inner_text, lambda text: "4.1 %" in text, "the chart's figure")
    await page.keyboard.press("w")
    await eventually(first.inner_text, lambda text: text == "1.4 %", "30 minutes")
    await page.get_by_role("button", name="session").click()
    await eventually(first.inner_text, lambda text: text == "1.8 %", "the session")
    assert "window=session" in page.url
    await page.reload()
    await eventually(text_of(page, ".rates li b"), lambda text: text.startswith("1.8 %"), "the link holds the window")


async def test_what_may_be_said_and_what_is_held_back_with_the_reason(pages: Pages, room: Room) -> None:
    at_ms = now_ms() + 600_000
    room.sales = [
        coat(restock_planned_at_ms=at_ms),
        coat(sku_id="sku-412", sold=1_000, carters_without_order=replace(coat().carters_without_order, value=3)),
    ]
    room.feed = [FeedItem("order", now_ms(), "l***", COAT, 2)]
    room.put()
    page = await console(pages, room, "lang=en")
    said = await page.locator(".claims .said").inner_text()
    assert "12,345 watching now" in said
    assert "4,900 bought in the last 5 min, net of cancels" in said
    assert "ends in 4:" in said
    held = re.sub(r"\s+", " ", await page.locator(".claims .withheld").inner_text())
    assert re.search(r"N left restock planned at \d\d:\d\d", held)
    assert "N left plenty left, that is no scarcity" in held
    assert "N in carts too few carts to say" in held
    assert "l*** · sku-881 × 2" in await page.locator(".feed").inner_text()
    proof = await _explained(page, ".claims .said li >> nth=0")
    assert "rule watching_now/1" in proof
    assert re.search(r"live\.t4 partition 3, offsets 0–1,004", proof)


@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_a_click_on_a_claim_says_why_and_how_to_recompute_it(pages: Pages, room: Room, language: str) -> None:
    room.sales = [coat(restock_planned_at_ms=now_ms() + 600_000)]
    room.put()
    page = await console(pages, room, f"lang={language}")
    why = page.locator("dialog.why")
    await page.locator(".claims .said li >> nth=0").click()
    assert "watching_now/1" in await why.inner_text()
    command = await why.locator("code").inner_text()
    assert re.fullmatch(rf"snapup explain {re.escape(room.room_id)} --claim watching_now --at \d{{13}}", command)
    await page.keyboard.press("Escape")
    assert not await why.is_visible()
    held = page.locator(".claims .withheld li >> nth=0")
    await held.focus()
    await page.keyboard.press("Enter")
    assert "--claim stock_left --at" in await why.locator("code").inner_text()
    assert {"en": "restock planned", "zh-CN": "补货"}[language] in await why.inner_text()
    await why.get_by_role("button").click()
    assert not await why.is_visible()


async def test_a_claim_whose_time_is_over_is_held_back_as_too_old(pages: Pages, room: Room) -> None:
    room.put()
    page = await console(pages, room)
    room.fresh_ms = 2_500
    room.put()
    await eventually(text_of(page, ".withheld"), lambda text: "the figures are too old" in text, "expired claims")


async def test_freshness_turns_amber_then_everything_greys_out_and_comes_back(pages: Pages, room: Room) -> None:
    room.put()
    page = await console(pages, room)
    # The page itself notes what it goes through: whoever looks from outside may look too seldom.
    await page.evaluate(
        """() => {
          const root = document.documentElement;
          window.went = [root.dataset.fresh];
          new MutationObserver(() => root.dataset.fresh === window.went.at(-1) || window.went.push(root.dataset.fresh))
            .observe(root, { attributes: true, attributeFilter: ["data-fresh"] });
        }"""
    )
    went = partial(page.evaluate, "window.went")
    room.fresh_ms = 4_000
    room.put()
    await eventually(went, lambda seen: seen[-1] == "old", "too old")
    assert await went() == ["new", "aging", "old"]
    assert "is not how things are now" in (await page.locator(".stale").inner_text()).replace("and not", "is not")
    assert "grayscale" in await page.evaluate("getComputedStyle(document.querySelector('main')).filter")
    room.fresh_ms = 60_000
    room.put()
    await eventually(went, lambda seen: seen[-1] == "new", "fresh again")
    assert await page.locator(".stale").is_hidden()


def _tells(word: str, text: str) -> bool:
    return word in text


async def test_stock_burn_down_and_events_stand_on_one_axis_with_reasons(pages: Pages, room: Room) -> None:
    room.sales = [coat(status="scheduled", level="unknown", starts_in_ms=1_500)]
    room.put()
    page = await console(pages, room)
    steps = [
        (("opened", "RUSH"), coat(level="rush", sold=1_000, starts_in_ms=-500)),
        (
            ("SNAP UP",),
            coat(
                level="snap_up", sold=4_800, urgency=Urgency("snap_up", now_ms(), [Because("eta_below_s", 22.3, 60.0)])
            ),
        ),
        (("sold out",), coat(level="sold_out", sold=4_900)),
        (("restock +500", "LAST CALL"), coat(level="last_call", sold=4_900, restocked=500, offered=5_000)),
        (
            ("extended to",),
            coat(level="last_call", sold=5_100, restocked=500, ends_in_ms=900_000, extended=True),
        ),
        (("ended",), coat(level="ended", sold=5_100, restocked=500, status="ended", ends_in_ms=0)),
    ]
    changes = text_of(page, ".changes")
    for words, sale in steps:
        room.sales = [sale]
        room.orders = replace(room.orders, placed=room.orders.placed + 40, paid=room.orders.paid + 35)
        room.put()
        # Each before the next one is put: a page that lags draws the newest document alone, and that is right.
        for word in words:
            await eventually(changes, partial(_tells, word), f"{word!r} is told")
    told = await changes()
    assert "gone in about 22.3 s (needs 60 s)" in told
    assert "orders come at 9.1 times the room's own pace (needs 8)" in told
    assert await page.locator(".chart canvas").count() == 5
    widths = await page.evaluate(
        "[...document.querySelectorAll('.chart .u-over')].map((e) => [e.offsetLeft, e.offsetWidth].join())"
    )
    assert len(set(widths)) == 1, widths  # one axis: the plots are as wide and begin at the same place
    strip = await page.evaluate(
        "(({ left, width }) => [left, width])(document.querySelector('.strip').getBoundingClientRect())"
    )
    plot = await page.evaluate(
        "(({ left, width }) => [left, width])(document.querySelector('.u-over').getBoundingClientRect())"
    )
    assert all(abs(a - b) <= 2 for a, b in zip(strip, plot, strict=True)), (strip, plot)
    stock = page.locator(".legend").nth(3)
    await eventually(stock.inner_text, lambda text: bool(re.search(r"left\s*300", text)), "the last value")


async def test_arrows_move_through_time_and_escape_goes_back(pages: Pages, room: Room) -> None:
    room.fresh_ms = 3_000
    async with room.live(0.2):
        page = await console(pages, room)
        await eventually(
            text_of(page, ".time .bar-head .soft"),
            lambda text: "since this page was opened" in text,
            "samples are there",
        )
        room.sales = [coat(sold=4_800)]
        legend = page.locator(".legend").nth(3)
        await eventually(legend.inner_text, lambda text: "100" in text, "the newest value")
        readout = page.locator(".readout")
        assert await readout.is_hidden()
        await page.keyboard.press("Home")
        await eventually(legend.inner_text, lambda text: "42" in text, "the value at the beginning")
        assert re.fullmatch(r"\d\d:\d\d:\d\d", await readout.inner_text())
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("Escape")
        await eventually(legend.inner_text, lambda text: "100" in text, "live again")
        assert await readout.is_hidden()


async def test_oversold_and_fake_looking_orders_are_never_hidden(pages: Pages, room: Room) -> None:
    room.sales = [coat(sold=5_007, over_limit=3, suspect_units=12)]
    room.put()
    page = await console(pages, room)
    pace = await page.locator(".pace").inner_text()
    assert "OVERSOLD by 107" in pace
    assert "3 beyond the limit per person" in pace
    assert "12 units look like fake orders" in pace


async def test_gmv_three_ways_and_orders(pages: Pages, room: Room) -> None:
    room.orders = Orders(31_544, 29_810, 611, 97)
    room.put()
    page = await console(pages, room)
    assert (await page.locator(".money tbody").inner_text()).split() == [
        "CNY",
        "1,955,100.00",
        "1,875,300.00",
        "1,869,315.00",
    ]
    orders = page.locator(".figures.orders").inner_text
    assert (await orders()).split() == ["placed", "31,544", "paid", "29,810", "cancelled", "611", "refunded", "97"]
    room.orders = replace(room.orders, partly_undone=12, payment_failed=1_003)
    room.put()
    told = await eventually(orders, lambda text: "1,003" in text, "what else became of orders")
    assert told.split()[8:] == ["in", "part", "12", "not", "paid", "1,003"]


async def test_slash_finds_a_room_and_question_mark_explains(pages: Pages, new_room: Callable[[], Room]) -> None:
    one, other = new_room(), new_room()
    one.put()
    other.put()
    page = await console(pages, one)
    await page.keyboard.press("?")
    assert await page.locator("dialog.help").is_visible()
    await page.keyboard.press("Escape")
    await page.locator("dialog.help").wait_for(state="hidden")
    await page.keyboard.press("/")
    await page.keyboard.type(other.room_id)
    link = page.locator("dialog.search a", has_text=other.room_id).first
    await link.wait_for()
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/console/{other.room_id}*")
    assert await page.locator("h1").inner_text() == other.room_id


async def test_a_key_right_after_a_dialog_closes_is_heard(pages: Pages, room: Room) -> None:
    room.put()
    page = await console(pages, room)
    for dialog in ("help", "search"):
        # Until the browser draws again the focus stays in the dialog that was closed.
        await page.evaluate(
            """(name) => {
              const dialog = document.querySelector(`dialog.${name}`);
              dialog.showModal();
              dialog.close();
              const key = new KeyboardEvent("keydown", { key: "/", bubbles: true, cancelable: true });
              document.activeElement.dispatchEvent(key);
            }""",
            dialog,
        )
        await page.locator("dialog.search").wait_for()
        await page.keyboard.press("Escape")
        await page.locator("dialog.search").wait_for(state="hidden")


async def test_a_search_that_was_sent_off_goes_there_when_the_server_answers_again(
    pages: Pages, new_room: Callable[[], Room]
) -> None:
    one, other = new_room(), new_room()
    one.put()
    other.put()
    page = await console(pages, one)
    await page.route("**/v1/rooms?*", lambda route: route.abort())
    await page.keyboard.press("/")
    await page.keyboard.type(other.room_id)
    await page.keyboard.press("Enter")
    await eventually(text_of(page, "dialog.search p"), bool, "it says that there is no answer")
    assert one.room_id in page.url
    await page.unroute("**/v1/rooms?*")
    await page.wait_for_url(f"**/console/{other.room_id}*")
    pages.wrong.clear()  # of the requests that were refused


async def test_an_open_search_finds_a_room_that_comes_later_and_keeps_the_focus(
    pages: Pages, new_room: Callable[[], Room]
) -> None:
    one, first, later = new_room(), new_room(), new_room()
    first.watching, later.watching = 80_000_000, 81_000_000  # so they are listed whatever other tests have left
    for room in (one, first):
        room.put()
    page = await console(pages, one)
    await page.keyboard.press("/")
    link = page.locator("dialog.search a", has_text=first.room_id).first
    await link.wait_for()
    await link.focus()
    later.put()
    await page.locator("dialog.search a", has_text=later.room_id).first.wait_for()
    assert first.room_id in await page.evaluate("document.activeElement.textContent")
    await page.keyboard.press("Escape")
    await page.locator("dialog.search").wait_for(state="hidden")
    await page.keyboard.press("/")
    await page.keyboard.type("no such room")
    note = text_of(page, "dialog.search > p")
    await eventually(note, bool, "it says that there is none")


async def test_the_rooms_page_ranks_rooms_and_tells_the_worst_alerts_first(
    pages: Pages, new_room: Callable[[], Room]
) -> None:
    calm, busy, oversold = new_room(), new_room(), new_room()
    calm.watching, busy.watching, oversold.watching = 20, 90_000_000, 30
    calm.sales = [coat(level="calm")]
    oversold.sales = [coat(sold=5_007, suspect_units=12, level="calm")]
    for room in (calm, busy, oversold):
        room.put()
    page = await pages.open("/console?lang=en")
    names = text_of(page, "tbody th")
    await eventually(names, lambda text: oversold.room_id in text, "the list of rooms")
    listed = (await names()).split(" | ")
    assert listed[0] == busy.room_id
    assert listed.index(busy.room_id) < listed.index(oversold.room_id) < listed.index(calm.room_id)
    await page.get_by_role("button", name="worst alerts first").click()
    await eventually(
        names,
        lambda text: text.split(" | ").index(oversold.room_id) < text.split(" | ").index(busy.room_id),
        "alerts first",
    )
    row = page.locator("tbody tr", has=page.locator(f"text='{oversold.room_id}'"))
    alerts = await row.inner_text()
    assert "oversold by 107" in alerts
    assert "12 units look fake" in alerts
    await page.keyboard.press("/")
    await page.keyboard.type(calm.room_id)
    await eventually(names, lambda text: text == calm.room_id, "only what matches")
    assert f"q={calm.room_id}" in page.url
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/console/{calm.room_id}*")


async def test_one_screen_at_1080p_and_one_column_on_a_phone(pages: Pages, room: Room) -> None:
    room.sales = [coat(), coat(sku_id="sku-412", level="rush")]
    room.put()
    for lang in ("en", "zh-CN"):
        wide = await console(pages, room, f"lang={lang}")
        assert await wide.evaluate("[document.documentElement.scrollHeight, document.documentElement.scrollWidth]") == [
            1080,
            1920,
        ]
        phone = await console(pages, room, f"lang={lang}", viewport={"width": 400, "height": 800})
        assert await phone.evaluate("document.documentElement.scrollWidth") == 400
        tops = await phone.evaluate(
            "['.headline', '.stock', '.products', '.desk', '.claims', '.time', '.funnel']"
            ".map((s) => document.querySelector(s).getBoundingClientRect().top)"
        )
        assert tops == sorted(tops)
        for page in (wide, phone):
            await page.context.close()


async def test_a_room_that_is_not_there_says_so_and_comes(pages: Pages, room: Room) -> None:
    page = await pages.open(f"/console/{room.room_id}?lang=en")
    state = text_of(page, ".freshness .state")
    await eventually(state, lambda text: text == "there is nothing about this room now", "missing")
    room.put()
    await eventually(state, lambda text: text == "live", "it is there")


async def test_s_chooses_the_next_sale(pages: Pages, room: Room) -> None:
    room.sales = [coat(), coat(sku_id="sku-412", level="rush")]
    room.put()
    page = await console(pages, room)
    title = text_of(page, ".chart h3")
    await eventually(title, lambda text: f"Stock · {COAT}" in text, "the most urgent one")
    await page.keyboard.press("s")
    await eventually(title, lambda text: "Stock · sku-412" in text, "the next one")
    assert f"sale={SALE}%2Fsku-412" in page.url
