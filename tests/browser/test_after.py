"""The pages beside and after the show: all rooms, the big screen, the report."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import pytest_asyncio
from msgspec.structs import replace

from stream.commands.report import report_json, report_name
from stream.contract.overlay import Evidence, Money, Orders
from stream.contract.report import (
    REPORT_SCHEMA,
    Amounts,
    Check,
    ClaimsChecked,
    LogRange,
    Peak,
    Product,
    Quality,
    Report,
    ReportedSession,
    ReportTotals,
    SaidClaim,
    SourceCount,
    Step,
    TopicRange,
    WithheldClaim,
)
from stream.view.report_csv import minutes_csv, products_csv
from tests.browser.looking import eventually, text_of
from tests.browser.rooms import COAT, Room, now_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from playwright.async_api import Locator, Page, Route
    from redis import Redis

    from tests.browser.conftest import Pages

pytestmark = pytest.mark.asyncio(loop_scope="session")


# Longer than any test takes on a slow machine.
LONG_MS = 600_000


def contains(part: str, text: str) -> bool:
    return part in text


def put_many(redis: Redis, prefix: str, count: int) -> None:
    """So many small rooms, the later ones with fewer people and less money."""
    with redis.pipeline() as batch:
        for number in range(count):
            room = Room(f"{prefix}-{number:03}", batch)
            room.fresh_ms = LONG_MS
            room.watching = 10_000 - number
            room.orders = Orders(4, 3, 0, 0)
            room.money = [Money("CNY", 400_00, 300_00 + number, 1)]
            room.sales = []
            room.put()
        batch.execute()


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def answers_that_are_no_fault(pages: Pages) -> AsyncIterator[None]:
    """Of rooms without a history there is none, and a busy server asks for patience: the browser notes such answers."""
    yield
    await pages.close()  # nothing is asked for after that
    pages.wrong = [each for each in pages.wrong if "404" not in each and "503" not in each]


# -- all rooms ---------------------------------------------------------------------------------------------------------
async def test_the_list_has_sums_pages_and_an_order_and_its_address_holds_them(pages: Pages, redis: Redis) -> None:
    put_many(redis, "many", 203)
    page = await pages.open("/rooms?lang=en&q=many-")
    await eventually(text_of(page, ".pager span"), lambda text: text.endswith("of 203"), "the server has read them all")
    await page.goto(f"{pages.url}/rooms?lang=en&q=many-&page=9")  # a page that is not there: the last one that is
    ids = text_of(page, "tbody th")
    await eventually(ids, lambda text: text.startswith("many-200"), "the last page")
    assert (await ids()).split(" | ") == ["many-200", "many-201", "many-202"]
    assert await text_of(page, ".pager span")() == "201–203 of 203"
    figures = await text_of(page, ".totals dd:not(.below)")()
    assert figures == "CN¥61,105 | 609 | 2,009,497 | 203"  # 203 × 300.00 + 0.01 × (0 + … + 202)
    assert "of 812 placed" in await text_of(page, ".totals .below")()
    await page.get_by_role("button", name="previous").click()
    await eventually(ids, lambda text: text.startswith("many-100"), "the page before")
    assert "page=2" in page.url
    await page.get_by_role("button", name="most GMV first").click()
    await eventually(ids, lambda text: text.startswith("many-202"), "from the first page on")
    assert "page=1" in page.url
    # One tab stop for the list; arrows go down the rooms and across a room's pages.
    assert await page.locator("tbody a[tabindex='0']").count() == 1
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowRight")
    focused = "document.activeElement.getAttribute('aria-label')"
    assert await page.evaluate(focused) == "overlay of many-201"
    assert (await page.evaluate("document.activeElement.href")).endswith("/overlay?room=many-201&lang=en")


async def test_what_a_token_allows_is_said_in_words(pages: Pages, room: Room) -> None:
    page = await (await pages.context()).new_page()
    pages.watch(page)

    async def refuse(kind: str) -> None:
        async def answer(route: Route) -> None:
            problem = {"type": f"urn:snapup:problem:{kind}", "title": "", "status": 401}
            await route.fulfill(status=401, content_type="application/problem+json", body=msgspec.json.encode(problem))

        await page.route("**/v1/rooms?*", answer)  # a later route comes before an earlier one

    door = text_of(page, ".token:not([hidden]) h2")
    for kind, word in (("token_missing", "A token is needed"), ("token_expired", "expired")):
        await refuse(kind)
        if page.url == "about:blank":
            await page.goto(f"{pages.url}/rooms?lang=en")
        await eventually(door, partial(contains, word), kind)

    async def only(route: Route) -> None:
        answer: dict[str, Any] = {"rooms": [], "matching": 0, "complete": True, "only_room": room.room_id}
        await route.fulfill(json=answer)

    await page.route("**/v1/rooms?*", only)
    told = text_of(page, ".only:not([hidden])")
    await eventually(told, lambda text: f"the room {room.room_id} alone" in text, "a token for one room")
    pages.wrong = [each for each in pages.wrong if "401" not in each]


# -- the big screen ----------------------------------------------------------------------------------------------------
MINUTE_MS = 60_000


COUNTING = """
() => {
  [window.drawn, window.written] = [0, 0];
  const { clearRect } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.clearRect = function (...box) {
    window.drawn += 1;
    clearRect.apply(this, box);
  };
  const { setProperty } = CSSStyleDeclaration.prototype;
  CSSStyleDeclaration.prototype.setProperty = function (...said) {
    window.written += 1;
    setProperty.apply(this, said);
  };
}
"""


def history(room: Room, began_ms: int, paid: list[tuple[int, int, int]], **changes: Any) -> dict[str, Any]:
    """A history as the server sends it. `paid`: minutes after the beginning, orders paid and minor units so far."""
    times = [began_ms + minutes * MINUTE_MS for minutes, _, _ in paid]
    points: dict[str, Any] = {
        "at_ms": times,
        "watching": [1_000 + minutes for minutes, _, _ in paid],
        "gmv_minor": [minor for _, _, minor in paid],
        "orders": [orders for _, orders, _ in paid],
        "orders_paid": [orders for _, orders, _ in paid],
    }
    made = {"schema": "snapup.history.v1", "room_id": room.room_id, "session_ms": began_ms, "ended_ms": None}
    made |= {"step_ms": 10_000, "from_ms": began_ms, "to_ms": times[-1], "currency": "CNY", "points": points}
    return made | {"other_gmv_minor": {}, "marks": [], "marks_left_out": 0, "sessions": []} | changes


async def with_history(page: Page, room: Room, histories: list[dict[str, Any]]) -> None:
    """The page gets these histories, the last one unless another session is asked for."""
    sessions = [
        {"session_ms": each["session_ms"], "ended_ms": each["ended_ms"], "gmv_minor": 1, "orders": 1}
        for each in histories
    ]

    async def answer(route: Route) -> None:
        asked = [each for each in histories if f"session={each['session_ms']}" in route.request.url]
        await route.fulfill(json=(asked or histories)[-1] | {"sessions": sessions})

    await page.route(f"**/v1/rooms/{room.room_id}/history*", answer)


async def test_the_big_screen_compares_with_the_last_show_at_the_same_minute(pages: Pages, room: Room) -> None:
    now = now_ms()
    began = now - 21 * MINUTE_MS
    # 20 minutes in: 100 000.00. This show has 118 000.00 by its document; a minute later the last one had much more.
    last = history(
        room,
        began - 24 * 60 * MINUTE_MS,
        [(1, 10, 1_000_000), (20, 500, 10_000_000), (22, 900, 90_000_000)],
        ended_ms=began - 23 * 60 * MINUTE_MS,
    )
    this = history(room, began, [(1, 5, 500_000), (10, 1_000, 5_000_000), (15, 3_000, 9_000_000)])
    this["marks"] = [{"at_ms": began + 12 * MINUTE_MS, "kind": "restocked", "severity": "info", "value": 500}]
    room.money = [Money("CNY", 12_000_000, 11_800_000, 1)]
    room.orders = Orders(4_900, 4_200, 0, 0)
    room.put()
    page = await (await pages.context()).new_page()
    pages.watch(page)
    await with_history(page, room, [last, this])
    async with room.live():
        await page.goto(f"{pages.url}/wall/{room.room_id}?lang=en")
        gmv = text_of(page, "[data-tile=gmv]")
        told = await eventually(gmv, lambda text: "last show" in text, "the comparison")
        assert "CN¥118,000" in told
        assert "▲ +18 % v. last show, same minute" in told
        assert "then CN¥100,000" in told
        # 4 200 now, 3 000 five minutes ago, 1 000 ten minutes ago.
        paid = await eventually(text_of(page, "[data-tile=paid]"), lambda text: "before that" in text, "two windows")
        assert "1,200" in paid
        assert "before that 2,000 ▼ 40 %" in paid
        watching = await text_of(page, "[data-tile=watching]")()
        assert "12,345" in watching
        assert "peak 12.3K" in watching
        about = await page.locator(".course canvas").get_attribute("aria-label")
        assert about is not None
        assert about.startswith("GMV a minute from")
        assert "dashed: last show" in await text_of(page, ".course h2")()
        assert COAT in await text_of(page, ".leader")()
        assert "42 left" in await text_of(page, ".leader")()
        # All is read from five metres: no text under 2.4 % of the height, no figure under 8 %.
        sizes = await page.evaluate(
            "[...document.querySelectorAll('main h2, main p, main b')].filter((e) => e.textContent && e.offsetHeight)"
            ".map((e) => parseFloat(getComputedStyle(e).fontSize))"
        )
        assert min(sizes) >= 0.024 * 1_080
        assert await page.evaluate("document.documentElement.scrollHeight") == 1_080
        # The curve is drawn when a step of it is over, not at each look: the page is open for hours.
        await page.evaluate(COUNTING)
        # Three figures are written at each look.
        await eventually(lambda: page.evaluate("window.written"), lambda count: count >= 12, "four looks")
        assert await page.evaluate("window.drawn") <= 1


async def test_the_big_screen_says_nothing_that_it_does_not_know_and_keeps_what_it_had(
    pages: Pages, room: Room
) -> None:
    room.fresh_ms = LONG_MS
    room.put()
    page = await pages.open(f"/wall/{room.room_id}?lang=en")
    assert await page.locator(".sources").is_hidden()  # no view names its source
    gmv, paid = text_of(page, "[data-tile=gmv]"), text_of(page, "[data-tile=paid] .figure")
    await eventually(gmv, lambda text: "CN¥1,875,300" in text, "the money")
    room.fresh_ms = 1_500  # the last document; whoever reads it late finds it old
    room.put()
    fresh = "document.documentElement.dataset.fresh"
    await eventually(lambda: page.evaluate(fresh), lambda seen: seen == "old", "the workers are away")
    assert "last show" not in await gmv()
    assert await paid() == "–"  # it has not seen five minutes
    note = text_of(page, ".note:not([hidden])")
    assert "old" in await note()
    assert "since" in await text_of(page, "[data-tile=watching]")()
    room.vanish()
    assert "CN¥1,875,300" in await gmv()  # it stays, grey
    room.fresh_ms = LONG_MS
    room.put()
    await eventually(lambda: page.evaluate(fresh), lambda seen: seen == "new", "they are back")
    await eventually(note, lambda text: text == "", "no warning is left")


async def test_after_the_show_the_big_screen_says_so_and_stays(pages: Pages, room: Room) -> None:
    began, ended = now_ms() - 90 * MINUTE_MS, now_ms() - 10 * MINUTE_MS
    room.fresh_ms = LONG_MS
    room.orders = replace(room.orders, partly_undone=2)
    document = msgspec.to_builtins(room.put())
    session = {"show_id": "s", "began_at_ms": began, "ended_at_ms": ended, "ended_by": "word"}
    document["session"] = session | {"first_offsets": [], "next_offsets": []}
    # The rows add up to all views, with those that name none, and those of sources beyond the bound.
    document["sources"] = [
        {"source": "search", "views": 15_000},
        {"source": "constructor", "views": 9_000},
        {"source": None, "views": 3_000},
        {"source": None, "views": 3_000, "other": True},
    ]
    room.put_raw(msgspec.json.encode(document | {"rev": 2, "as_of_ms": ended}))
    page = await pages.open(f"/wall/{room.room_id}?lang=en")
    note = text_of(page, ".note:not([hidden])")
    assert "after 1:20:00" in await eventually(note, lambda text: "The show ended at" in text, "it is over")
    paid = await text_of(page, "[data-tile=paid]")()
    assert "4,700" in paid
    assert "12 cancelled, 3 refunded, 2 in part" in paid
    sources = await page.locator(".sources li").all_inner_texts()
    assert sources == ["search 50.0 %", "constructor 30.0 %", "not named 10.0 %", "all others 10.0 %"]
    assert await page.evaluate("document.documentElement.dataset.fresh") == "new"  # final, not old


async def test_a_wall_of_rooms_shows_twelve_and_says_what_it_left_out(
    pages: Pages, new_room: Callable[[], Room]
) -> None:
    rooms = [new_room() for _ in range(13)]
    for place, each in enumerate(rooms):
        each.fresh_ms = LONG_MS
        each.money = [Money("CNY", 1, (place + 1) * 100_000, 1)]
        each.put()
    names = ",".join(each.room_id for each in rooms)
    page = await pages.open(f"/wall?lang=en&rooms={names},{rooms[0].room_id},no%20id")
    figures = text_of(page, ".one .figure")
    expected = " | ".join(f"CN¥{place + 1},000" for place in range(12))
    await eventually(figures, lambda text: text == expected, "all twelve")
    note = await text_of(page, ".note")()
    assert "The first 12 of 13" in note
    assert "No room ids: no id" in note
    await page.locator(".one a").first.click()
    await page.wait_for_url(f"**/wall/{rooms[0].room_id}*")


# -- the report --------------------------------------------------------------------------------------------------------
def counted(room: Room, began_ms: int) -> Report:
    """A report of `snapup report`, small and hostile."""
    money = [Amounts("CNY", 500_000, 400_000, 390_000)]
    totals = ReportTotals(
        viewers=900,
        views=1_000,
        watching_now=3,
        peak=Peak(321, began_ms + 60_000),
        likes=5,
        comments=6,
        cart_adds=7,
        orders={"placed": 12, "paid": 10, "cancelled": 1, "refunded": 1, "partly_undone": 3},
        money=money,
    )
    session = ReportedSession(
        show_id="evening", began_at_ms=began_ms, ended_at_ms=began_ms + 1_200_000, ended_by="word", as_of_ms=began_ms
    )
    claim = SaidClaim(
        claim="stock_left",
        rule="stock_left/1",
        sale_id="s",
        sku_id="=cmd()",
        unit="units",
        documents=4,
        first_at_ms=began_ms,
        last_until_ms=began_ms + 9_000,
        said_ms=8_000,
        spans=1,
        intervals=[(began_ms, began_ms + 9_000)],
        first=42,
        last=7,
        least=7,
        most=42,
        evidence=[Evidence("live.orders", 3, 10, 20)],
    )
    held = WithheldClaim(
        claim="eta_sellout",
        reason="sample_too_small",
        sale_id="s",
        sku_id=None,
        documents=2,
        first_at_ms=began_ms,
        last_until_ms=began_ms + 5_000,
        withheld_ms=5_000,
        spans=1,
    )
    products = [
        Product(sku_id="=cmd()", sale_id="-1,5", orders_paid=4, units_paid=5, money=money),
        Product(sku_id="coat", sale_id=None, orders_paid=6, units_paid=6, units_refunded=1),
        Product(sku_id=None, sale_id=None),
    ]
    minutes = [
        Step(start_ms=began_ms, watching=300, orders_paid=4, money=[Amounts("CNY", 5, 100_000, 1)]),
        Step(start_ms=began_ms + 60_000, watching=321, orders_paid=6, money=[Amounts("USD", 1, 2, 3)]),
    ]
    return Report(
        schema=REPORT_SCHEMA,
        room_id=room.room_id,
        session=session,
        totals=totals,
        rates=[],
        minutes=minutes,
        curve=None,
        products=products,
        sources=[SourceCount("feed", 3, 1), SourceCount(None, 1, 0)],
        claims=[claim],
        withheld=[held],
        corrections=[],
        corrections_left_out=0,
        quality=Quality(
            received=1,
            applied=1,
            duplicate=0,
            dead_lettered=0,
            retimed=0,
            forgettable=0,
            dead_letters={},
            topics=[],
        ),
        log=LogRange(
            sha256="ab" * 32,
            records=9,
            topics=[
                TopicRange(topic="orders", partition=3, first_offset=10, next_offset=20, records=9, sha256="cd" * 32)
            ],
        ),
        rules=[],
        check=Check(
            figures=70,
            epoch=1,
            rev=9,
            document_as_of_ms=began_ms,
            differences=[],
            problems=[],
            claims=ClaimsChecked(documents=4, claims=6, right=6, wrong=0, not_recounted=0, told=[], why_not=None),
        ),
        documents=4,
        documents_from="signals",
        snapup_version="1",
    )


async def test_the_report_says_what_is_not_kept_and_shows_what_was_counted(
    pages: Pages, room: Room, tmp_path: Path
) -> None:
    began = 1_795_780_000_000
    page = await pages.open(f"/report/{room.room_id}/{began}?lang=en", accept_downloads=True)
    note = text_of(page, "main > p[role=status]")
    await eventually(note, lambda text: text.startswith("The server keeps nothing of this session"), "not kept")
    assert f"snapup report {room.room_id} --session {began} --to report.json" in await text_of(page, ".open")()
    assert await page.locator(".tile").count() == 0  # no figure that nobody knows

    made = counted(room, began)
    path = tmp_path / "report.json"

    async def open_file(raw: bytes) -> None:
        path.write_bytes(raw)
        await page.set_input_files("#file", path)

    trouble = text_of(page, ".open .trouble")
    await open_file(report_json(made)[:-40])
    await eventually(trouble, lambda text: text.startswith("This is no report"), "a torn file")
    await open_file(report_json(made).replace(room.room_id.encode(), b"elsewhere"))
    await eventually(trouble, lambda text: "another room: elsewhere" in text, "the report of another room")
    await open_file(report_json(made))
    await eventually(text_of(page, ".verdict"), lambda text: "70 of 70 figures" in text, "the verdict")
    assert await trouble() == ""
    assert "CN¥4,000.00" in await text_of(page, ".tile")()
    assert "1 cancelled, 1 refunded, 3 in part" in await text_of(page, ".tile")()

    def under(heading: str) -> Locator:
        return page.locator("section", has=page.get_by_role("heading", name=heading, exact=True))

    rows = await under("What was claimed").inner_text()
    assert "42 → 7" in rows
    assert f"snapup explain {room.room_id} --claim stock_left --at 2026-11-27T11:46:40.000Z" in rows
    assert "live.orders/3@10..20" in rows
    assert "too few to say" in await under("What was held back").inner_text()
    assert await text_of(page, ".hash")() == "ab" * 32

    async def saved(label: str) -> tuple[str, bytes]:
        async with page.expect_download() as waiting:
            await page.get_by_role("button", name=label, exact=True).click()
        download = await waiting.value
        return download.suggested_filename, await asyncio.to_thread(Path(await download.path()).read_bytes)

    # The same bytes as those of the command, formulas defused.
    name, products = await saved("CSV products")
    assert products == products_csv(made)
    assert name == f"{report_name(made)}-products.csv"
    assert b"\r\n'=cmd(),\"'-1,5\"," in products
    assert (await saved("CSV minutes"))[1] == minutes_csv(made)
    assert msgspec.json.decode((await saved("JSON"))[1], type=Report) == made
    name, picture = await saved("PNG of the curve")
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(picture[16:20]) == 1_600


async def test_the_report_of_a_kept_session_has_its_course_and_the_show_before(pages: Pages, room: Room) -> None:
    began = 1_795_780_000_000
    last = history(room, began - 9_000_000, [(1, 1, 1_000), (20, 50, 100_000)], ended_ms=began - 9_000_000 + 1_500_000)
    this = history(room, began, [(1, 5, 50_000), (10, 30, 150_000)], ended_ms=began + 1_200_000)
    page = await (await pages.context(accept_downloads=True)).new_page()
    pages.watch(page)
    await with_history(page, room, [last, this])
    await page.goto(f"{pages.url}/report/{room.room_id}/last?lang=en&theme=light")
    tiles = await eventually(text_of(page, ".tile"), lambda text: "CN¥1,500.00" in text, "the money")
    assert "+50 % against CN¥1,000 in the show before" in tiles
    assert "1,010" in tiles  # most watching
    assert "Per product" in await text_of(page, "section")()
    await page.locator("summary").first.click()
    rows = (await text_of(page, "details tbody tr")()).split(" | ")
    assert len(rows) == 20  # whole minutes of the show
    assert "CN¥500.00" in rows[0]  # until the end of its first minute
    async with page.expect_download() as waiting:
        await page.get_by_role("button", name="CSV minutes").click()
    content = await asyncio.to_thread(Path(await (await waiting.value).path()).read_text)
    assert content.splitlines()[0].startswith("at_ms,at_utc,watching,orders,orders_paid,paid_minor.CNY")
