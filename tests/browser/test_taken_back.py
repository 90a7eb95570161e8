"""What hosts took back, rounds, units that stay away, suspicions and forecasts: on the console and on overlays."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from stream.contract.overlay import EtaSellout, FormerRounds, SaleCorrection, Suspicion
from tests.browser.looking import eventually, says, text_of, until_gone, until_says
from tests.browser.rooms import coat, now_ms

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.browser.conftest import Pages
    from tests.browser.rooms import Room

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]
LANGUAGES = ("en", "zh-CN")
HOUR_MS = 3_600_000


async def console(pages: Pages, room: Room, lang: str) -> Page:
    room.signals_edition = 2
    room.put()
    # Times of day are compared in UTC.
    page = await pages.open(f"/console/{room.room_id}?lang={lang}", timezone_id="UTC")
    await eventually(text_of(page, ".stages b"), lambda text: "21,877" in text, "the funnel is there")
    return page


def clock(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%H:%M:%S")


def tells(*words: str) -> Any:
    return lambda text: all(word in text for word in words)


async def explained(page: Page, selector: str) -> str:
    await page.locator(selector).first.focus()
    return await page.locator("#explanation").inner_text()


@pytest.mark.parametrize("lang", LANGUAGES)
async def test_the_console_lists_what_was_taken_back_the_round_and_what_stays_away(
    lang: str, pages: Pages, room: Room
) -> None:
    at_ms = now_ms()
    before_ms, end_ms, closed_ms = at_ms + HOUR_MS, at_ms + 252_000, at_ms - 30_000
    room.sales = [
        coat(
            sold=4_800,
            gone=3,
            former=FormerRounds(1, 0, 2, 640, 8),
            corrections=[
                SaleCorrection("offered", 50_000, 5_000, at_ms - 50_000),
                SaleCorrection("ends_at_ms", before_ms, end_ms, at_ms - 40_000),
                SaleCorrection("closed_at_ms", closed_ms, None, at_ms - 20_000),
            ],
        )
    ]
    page = await console(pages, room, lang)
    wanted = {
        "en": (
            "round 2, 640 sold before",
            "offered corrected to 5,000, was 50,000",
            f"end corrected to {clock(end_ms)}, was {clock(before_ms)}",
            f"not closed after all, was closed at {clock(closed_ms)}",
            "3 not back",
        ),
        "zh-CN": (
            "第 2 轮，此前已售 640 件",
            "投放更正为 5,000，此前为 50,000",
            f"结束时间更正为 {clock(end_ms)}，此前为 {clock(before_ms)}",
            f"关闭已撤回，此前于 {clock(closed_ms)} 关闭",
            "3 件未退回",
        ),
    }[lang]
    await eventually(text_of(page, ".pace"), tells(*wanted), "each line")
    said = await explained(page, f".pace li.corrected-ends_at_ms-{at_ms - 40_000}")
    assert clock(at_ms - 40_000) in said
    assert {"en": "of all rounds", "zh-CN": "各轮合计"}[lang] in await explained(page, ".pace .round")


@pytest.mark.parametrize("lang", LANGUAGES)
async def test_what_is_taken_back_and_another_round_stand_on_the_axis_of_time(
    lang: str, pages: Pages, room: Room
) -> None:
    at_ms = now_ms()
    end_ms = at_ms + 252_000
    sale = coat(level="sold_out", sold=4_900, held=100, ends_in_ms=HOUR_MS)
    room.sales = [sale]
    page = await console(pages, room, lang)
    changes = text_of(page, ".changes")
    room.sales = [
        replace(sale, ends_at_ms=end_ms, corrections=[SaleCorrection("ends_at_ms", sale.ends_at_ms, end_ms, at_ms)])
    ]
    room.put()
    words = {"en": ("end corrected", "was"), "zh-CN": ("结束时间更正", "此前为")}[lang]
    await eventually(changes, tells(*words, clock(end_ms)), "the correction")
    anew = coat(level="calm", offered=300, sold=0, held=0, ends_in_ms=2 * HOUR_MS, extended=True)
    room.sales = [replace(anew, former=FormerRounds(1, 0, 0, 4_900, 0))]
    room.put()
    await eventually(changes, tells({"en": "round 2", "zh-CN": "第 2 轮"}[lang]), "the round")
    told = await changes()
    # What a new round offers does not come back, and its end is not the old one's put off.
    for wrong in {"en": ("back in stock", "extended to"), "zh-CN": ("恢复有货", "延长至")}[lang]:
        assert wrong not in told
    room.sales = [replace(room.sales[0], restocked=50, available=350)]
    room.put()
    await eventually(changes, tells({"en": "restock +50", "zh-CN": "补货 +50"}[lang]), "the restock")


@pytest.mark.parametrize("lang", LANGUAGES)
async def test_suspicions_stand_by_their_rules_and_silence_what_is_said_of_stock(
    lang: str, pages: Pages, room: Room
) -> None:
    room.sales = [
        coat(
            suspect_units=900,
            suspicions=[Suspicion("unpaid_burst", 40, 700), Suspicion("one_device", 12, 200)],
        )
    ]
    page = await console(pages, room, lang)
    wanted = {
        "en": (
            "900 units look like fake orders",
            "40 (700 units): one account, many unpaid",
            "one device, many accounts",
        ),
        "zh-CN": ("900 件疑似刷单", "40 笔（700 件）：同一账号多笔未付款", "同一设备多个账号"),
    }[lang]
    await eventually(text_of(page, ".pace"), tells(*wanted), "each suspicion")
    held = re.sub(r"\s+", " ", await page.locator(".claims .withheld").inner_text())
    assert {"en": "some orders look fake", "zh-CN": "疑似刷单"}[lang] in held
    assert {"en": "ten minutes", "zh-CN": "十分钟"}[lang] in await explained(page, ".pace .warn-suspects-unpaid_burst")


@pytest.mark.parametrize("lang", LANGUAGES)
async def test_units_that_are_only_held_are_told_from_those_that_are_sold(lang: str, pages: Pages, room: Room) -> None:
    room.sales = [coat(level="all_taken", sold=4_124, held=876)]
    page = await console(pages, room, lang)
    said = await page.locator(".claims .said").inner_text()
    assert {"en": "all taken, 876 not yet paid", "zh-CN": "876 件待付款"}[lang] in said
    assert "876" in await page.locator(".sale [data-figure=held]").inner_text()
    assert {"en": "may come back", "zh-CN": "可能"}[lang] in await explained(page, ".sale .level")


@pytest.mark.parametrize("lang", LANGUAGES)
async def test_hosts_see_the_interval_of_a_forecast_and_viewers_a_round_figure(
    lang: str, pages: Pages, room: Room
) -> None:
    room.sales = [coat(eta_sellout_ms=EtaSellout(50_000, 190_000, 0.9))]
    page = await console(pages, room, lang)
    interval = {"en": "50 s–4 min", "zh-CN": "50 秒–4 分钟"}[lang]
    assert interval in await page.locator(".sale [data-figure=goneIn]").inner_text()
    assert "90 %" in await explained(page, ".sale [data-figure=goneIn]")
    assert interval in await page.locator(".claims .said").inner_text()
    overlay = await pages.open(f"/overlay?room={room.room_id}&lang={lang}&widgets=eta,watching")
    told = await until_says(overlay, "eta", {"en": "goneinabout2min", "zh-CN": "约2分钟"}[lang])
    assert "90" not in told
    assert "." not in told
    room.sales = [replace(room.sales[0], eta_sellout_ms=None)]
    room.put()
    held = text_of(page, ".claims .withheld")
    await eventually(held, lambda text: "eta" not in text and "50" not in text, "no forecast, no interval")
    await until_gone(overlay, "eta")
    assert await page.locator(".sale [data-figure=goneIn]").is_hidden()


@pytest.mark.parametrize("lang", LANGUAGES)
async def test_a_countdown_that_jumped_says_for_a_minute_that_the_end_was_corrected(
    lang: str, pages: Pages, room: Room
) -> None:
    extended = {"en": "extended", "zh-CN": "已延长"}[lang]
    corrected = {"en": "endcorrected", "zh-CN": "结束时间已更正"}[lang]
    room.sales = [coat(ends_in_ms=HOUR_MS - 60_000, extended=True)]
    room.put()
    page = await pages.open(f"/overlay?room={room.room_id}&lang={lang}&widgets=countdown,watching")
    await until_says(page, "countdown", extended)

    async def with_correction(said_ms: int, wanted: str, *, what: Any = "ends_at_ms") -> str:
        sale = coat(ends_in_ms=252_000, extended=True)
        room.sales = [replace(sale, corrections=[SaleCorrection(what, now_ms() + HOUR_MS, sale.ends_at_ms, said_ms)])]
        room.put()
        return await until_says(page, "countdown", wanted)

    assert "4:1" in await with_correction(now_ms(), corrected)
    # A minute later it is the end, as any other; a stock level that was set down is not about the end.
    assert corrected not in await with_correction(now_ms() - 60_000, extended)
    assert corrected not in await with_correction(now_ms(), extended, what="offered")
    assert corrected in await with_correction(now_ms() - 1_000, corrected, what="closed_at_ms")


async def test_a_correction_of_a_kind_that_nobody_knows_breaks_no_page(pages: Pages, room: Room) -> None:
    room.sales = [coat()]
    page = await console(pages, room, "en")
    for number, what in enumerate(("constructor", "toString", "price")):
        odd: Any = SaleCorrection(what, 1, 2, now_ms())  # type: ignore[arg-type]
        room.sales = [coat(sold=4_850 + number, corrections=[odd])]
        room.put()
        left = f"{50 - number}"
        await eventually(text_of(page, ".sale [data-figure=left]"), partial(_begins, left), "the page goes on")
    assert "function" not in await page.locator("main").inner_text()
    overlay = await pages.open(f"/overlay?room={room.room_id}&lang=en&widgets=stock,countdown,watching")
    await until_says(overlay, "stock", "48left")
    assert "corrected" not in (await says(overlay, "countdown") or "")


def _begins(word: str, text: str) -> bool:
    return text.startswith(word)
