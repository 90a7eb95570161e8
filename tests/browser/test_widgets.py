"""Every widget in each state, in both languages: what it says, and when it is not there at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest
from msgspec.structs import replace

from stream.contract.overlay import Count, FeedItem, Level, Money, Orders, Restock
from tests.browser.looking import says, until_gone, until_says
from tests.browser.rooms import COAT, coat, now_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.conftest import Pages
    from tests.browser.rooms import Room

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]
HOUR_MS = 3_600_000


class State(NamedTuple):
    """A widget in a state: what it says in zh-CN and in en; None: nothing."""

    name: str
    widget: str
    prepare: Callable[[Room], None]
    zh: str | None = None
    en: str | None = None
    query: str = ""


def with_sale(**changes: object) -> Callable[[Room], None]:
    def prepare(room: Room) -> None:
        room.sales = [coat(**changes)]  # type: ignore[arg-type]

    return prepare


def with_level(level: Level, **changes: object) -> Callable[[Room], None]:
    return with_sale(level=level, **changes)


def all_taken(room: Room, **changes: object) -> None:
    room.signals_edition = 2
    room.sales = [coat(level="all_taken", **SOLD_OUT, **changes)]  # type: ignore[arg-type]


def restocked(age_ms: int = 500, **changes: object) -> Callable[[Room], None]:
    def prepare(room: Room) -> None:
        room.signals_edition = 2
        restock = Restock(now_ms() - age_ms, 500)
        sale = {"restocked": 500, "sold": 2_000, "level": "brisk", "last_restock": restock, **changes}
        room.sales = [coat(**sale)]  # type: ignore[arg-type]

    return prepare


def with_order(quantity: int = 1, age_ms: int = 500, who: str = "l***") -> Callable[[Room], None]:
    def prepare(room: Room) -> None:
        room.feed = [FeedItem("order", now_ms() - age_ms, who, COAT, quantity)]

    return prepare


def with_fields(**fields: object) -> Callable[[Room], None]:
    def prepare(room: Room) -> None:
        for name, value in fields.items():
            setattr(room, name, value)

    return prepare


def two_products(room: Room) -> None:
    room.sales = [coat(), coat(sku_id="sku-412")]


SOLD_OUT = {"sold": 4_900, "held": 100}
PLANNED = {"restock_planned_at_ms": now_ms() + HOUR_MS}

STATES = [
    State("few are left", "stock", with_sale(), "sku-881已售97.1%仅剩42件", "sku-88197.1%sold42left"),
    State("the sale names its product", "stock", with_sale(), "羊毛大衣", "羊毛大衣", f"names={COAT}:羊毛大衣"),
    State("just restocked, and plenty is left", "stock", restocked(), "sku-881已补货+500件", "sku-881+500restocked"),
    State("one is left", "stock", with_sale(sold=4_899), "仅剩1件", "1left"),
    State("sold out", "stock", with_level("sold_out", **SOLD_OUT), "sku-881售罄", "sku-881Soldout"),
    State("all taken", "stock", all_taken, "sku-881100件待付款已抢完", "sku-881100notyetpaidAlltaken"),
    State("all taken, but a restock is planned", "stock", lambda room: all_taken(room, **PLANNED)),
    State("all taken, in a word", "badge", all_taken, "已抢完", "alltaken"),
    State("all taken may not be said", "badge", lambda room: all_taken(room, **PLANNED)),
    State("oversold shows as sold out", "stock", with_level("sold_out", sold=5_007), "售罄", "Soldout"),
    State("plenty is no scarcity", "stock", with_sale(sold=1_000)),
    State("a restock is planned", "stock", with_sale(**PLANNED)),
    State("sold out, but a restock is planned", "stock", with_sale(**SOLD_OUT, **PLANNED)),
    State("orders look fake", "stock", with_sale(suspect_units=900)),
    State("not open yet", "stock", with_sale(status="scheduled")),
    State("nobody said how many", "stock", with_sale(status="unknown", offered=None)),
    State(
        "all taken is told with what is not paid yet",
        "stock",
        lambda room: all_taken(room, last_restock=Restock(now_ms() - 60_000, 500)),
        "100件待付款已抢完",
        "100notyetpaidAlltaken",
    ),
    State("restocked long ago", "stock", restocked(age_ms=20_000)),
    State("restocked, but nothing is left", "stock", restocked(sold=5_500, held=0), "售罄", "Soldout"),
    State("restocked, but orders look fake", "stock", restocked(suspect_units=900)),
    State("a price", "price", with_sale(), "sku-881¥399活动价", "sku-881CN¥399inthissale"),
    State("a price with cents", "price", with_sale(price_minor=39_950), "¥399.50活动价", "CN¥399.50inthissale"),
    State(
        "the shop said the lowest of 30 days",
        "price",
        with_sale(prior_price_minor=59_900),
        "¥399活动价此前30天最低价¥599",
        "CN¥399inthissalewasCN¥599,thelowestof30days",
    ),
    State("which is no more than the price", "price", with_sale(prior_price_minor=39_900), "活动价", "inthissale"),
    State("before its start", "price", with_sale(status="scheduled", starts_in_ms=95_000), "¥399", "CN¥399"),
    State("nobody said the price", "price", with_sale(price_minor=None)),
    State("nobody said the currency", "price", with_sale(currency=None)),
    State("it is over", "price", with_sale(status="ended", level="ended", ends_in_ms=-500)),
    State("it is over", "stock", with_sale(status="ended", level="ended", ends_in_ms=-60_000)),
    State("another sale is asked for", "stock", with_sale(), query="sale=scarf-drop"),
    State("to the end", "countdown", with_sale(ends_in_ms=252_000), "sku-881距结束4:", "sku-881Endsin4:"),
    State("hours to the end", "countdown", with_sale(ends_in_ms=HOUR_MS - 1_000), "距结束59:", "Endsin59:"),
    State("the end was put off", "countdown", with_sale(extended=True), "已延长距结束4:", "extendedEndsin4:"),
    State("to the start", "countdown", with_sale(status="scheduled", starts_in_ms=95_000), "距开抢1:3", "Startsin1:3"),
    State(
        "hours to the start",
        "countdown",
        with_sale(status="scheduled", starts_in_ms=2 * HOUR_MS),
        "距开抢1:59:",
        "Startsin1:59:",
    ),
    State("just started", "countdown", with_sale(starts_in_ms=-1_000, ends_in_ms=None), "已开抢", "Started"),
    State("just over", "countdown", with_sale(status="ended", level="ended", ends_in_ms=-500), "已结束", "Ended"),
    State("over for long", "countdown", with_sale(status="ended", level="ended", ends_in_ms=-60_000)),
    State("the end is far off", "countdown", with_sale(ends_in_ms=2 * HOUR_MS)),
    State("no end, started long ago", "countdown", with_sale(ends_in_ms=None)),
    State("the start is days off", "countdown", with_sale(status="scheduled", starts_in_ms=72 * HOUR_MS)),
    State("calm", "badge", with_level("calm"), "平静", "calm"),
    State("warming", "badge", with_level("warming"), "升温", "warming"),
    State("brisk", "badge", with_level("brisk"), "活跃", "brisk"),
    State("rush", "badge", with_level("rush"), "抢购", "RUSH"),
    State("snap up", "badge", with_level("snap_up"), "疯抢", "SNAPUP"),
    State("last call", "badge", with_level("last_call"), "最后机会", "LASTCALL"),
    State("sold out", "badge", with_level("sold_out", **SOLD_OUT), "售罄", "soldout"),
    State("ended", "badge", with_level("ended", status="ended", ends_in_ms=-500), "已结束", "ended"),
    State("unknown", "badge", with_level("unknown", status="unknown")),
    State("a word that nobody knows", "badge", with_level("hysteria")),  # type: ignore[arg-type]
    State("sold out may not be said", "badge", with_level("sold_out", **SOLD_OUT, **PLANNED)),
    State("a rush of fake orders", "badge", with_level("rush", suspect_units=900)),
    State("last call before a restock", "badge", with_level("last_call", **PLANNED)),
    State("below the least level", "badge", with_level("warming"), query="min_level=rush"),
    State("at the least level", "badge", with_level("rush"), "抢购", "RUSH", query="min_level=rush"),
    State("old news", "ticker", with_order(age_ms=20_000)),
    State("nobody bought", "ticker", with_fields(feed=[])),
    State("one", "ticker", with_order(), "l***买了sku-881", "l***boughtsku-881"),
    State("several", "ticker", with_order(3), "l***买了sku-8813件", "l***bought3×sku-881"),
    State("a full name is cut", "ticker", with_order(who="lihua@example.com"), "l***买了", "l***bought"),
    State("paid orders", "goal", with_fields(), "支付订单4,700/5,000", "paidorders4,700/5,000", "goal=5000"),
    State("reached", "goal", with_fields(), "支付订单达成4,700/4,000", "paidordersreached4,700/4,000", "goal=4000"),
    State(
        "money", "goal", with_fields(), "成交额¥187万/¥200万", "salespaidCN¥1.87M/CN¥2M", "goal=gmv_paid:CNY:2000000"
    ),
    State("its own words", "goal", with_fields(), "加油4,700", "加油4,700", "goal=5000&goal_label=加油"),
    State(
        "an estimate says so",
        "goal",
        with_fields(viewers=Count(1_204_118, "sketch", 0.016)),
        "观众≈120万",
        "viewers≈1.2M",
        "goal=viewers:2000000",
    ),
    State("nothing of it yet", "goal", with_fields(orders=Orders(0, 0, 0, 0)), query="goal=5000"),
    State("money of another currency", "goal", with_fields(money=[Money("USD", 1, 1, 1)]), query="goal=gmv_net:CNY:5"),
    State("no goal", "goal", with_fields()),
    State("no goal that can be", "goal", with_fields(), query="goal=likes:-5"),
    State(
        "two products",
        "top",
        two_products,
        "近5分钟热卖1sku-4124,900件2sku-8814,900件",
        "Boughtinthelast5min1sku-4124,9002sku-8814,900",
    ),
    State("too few orders", "top", with_fields(bought=(2, 2))),
    State("many", "watching", with_fields(watching=12_345), "1.23万人在看", "12.3Kwatching"),
    State("some", "watching", with_fields(watching=9_876), "9,876人在看", "9,876watching"),
    State("too few", "watching", with_fields(watching=9)),
    State("both", "pulse", with_fields(), "23.8万1.82万", "238K18.2K"),
    State("likes only", "pulse", with_fields(comments=0), "23.8万", "238K"),
    State("neither", "pulse", with_fields(likes=0, comments=0)),
    State("said", "bought", with_fields(), "近5分钟卖出4,900件", "4,900boughtinthelast5min"),
    State("too few orders", "bought", with_fields(bought=(2, 2))),
    State("said", "carts", with_fields(), "190人已加购", "in190carts"),
    State("too few carts", "carts", with_sale(carters_without_order=Count(4, "exact"))),
    State("said", "eta", with_fields(), "sku-881预计1分钟内售罄", "sku-881goneinunder1min"),
    State("too few orders", "eta", with_sale(eta_sellout_ms=None)),
    State("a restock is planned", "eta", with_sale(**PLANNED)),
]


def _by_page() -> dict[tuple[str, str], list[State]]:
    grouped: dict[tuple[str, str], list[State]] = {}
    for state in STATES:
        grouped.setdefault((state.widget, state.query), []).append(state)
    return grouped


@pytest.mark.parametrize("lang", ["zh-CN", "en"])
@pytest.mark.parametrize(("widget", "query"), _by_page(), ids=lambda part: part or "plain")
async def test_a_widget_says_what_is_true_or_is_not_there(
    widget: str, query: str, lang: str, pages: Pages, new_room: Callable[[], Room]
) -> None:
    room = new_room()
    # A second widget that always speaks says when the page has read the document.
    beside = "pulse" if widget == "watching" else "watching"
    page = await pages.open(f"/overlay?room={room.room_id}&lang={lang}&widgets={widget},{beside}&{query}")
    for number, state in enumerate(_by_page()[widget, query]):
        blank = new_room()
        room.__dict__ |= {**blank.__dict__, "room_id": room.room_id, "rev": room.rev}
        # Says which document is shown.
        setattr(room, "likes" if widget == "watching" else "watching", 1_000 + number)
        state.prepare(room)
        room.put()
        expected = state.zh if lang == "zh-CN" else state.en
        await until_says(page, beside, f"{1_000 + number:,}")
        if expected is None:
            await until_gone(page, widget)
        else:
            try:
                await until_says(page, widget, expected)
            except AssertionError as error:
                raise AssertionError(f"{state.name}: {error}") from error
    assert await page.evaluate("document.documentElement.lang") == lang


async def test_numbers_roll_to_the_truth_and_stock_that_comes_back_is_told(pages: Pages, room: Room) -> None:
    room.put()
    page = await pages.open(f"/overlay?room={room.room_id}&lang=en&widgets=stock,watching")
    await until_says(page, "stock", "42left")
    room.sales = [coat(sold=4_860)]
    room.put()
    await until_says(page, "stock", "40left")
    assert "+" not in (await says(page, "stock") or "")
    room.sales = [coat(sold=4_845)]
    room.put()
    await until_says(page, "stock", "55left+15")


async def test_back_in_stock_is_said_only_by_a_page_that_said_nothing_was_left(pages: Pages, room: Room) -> None:
    room.signals_edition = 2
    room.sales = [coat(level="sold_out", sold=5_000, held=0)]
    room.put()
    page = await pages.open(f"/overlay?room={room.room_id}&lang=en&widgets=stock,watching")
    await until_says(page, "stock", "Soldout")
    room.sales = [coat(sold=5_010, held=0, restocked=500, last_restock=Restock(now_ms(), 500))]
    room.put()
    await until_says(page, "stock", "sku-881+500backinstock")
    await until_says(page, "stock", "490left")  # after ten seconds, by its own timer


async def test_no_number_rolls_from_one_product_to_another(pages: Pages, room: Room) -> None:
    room.put()
    page = await pages.open(f"/overlay?room={room.room_id}&lang=en&widgets=stock,watching")
    await until_says(page, "stock", "42left")
    other = replace(coat(sold=4_800), sku_id="sku-412")
    room.sales = [other]
    room.put()
    await until_says(page, "stock", "sku-41296.0%sold100left")
    assert "+" not in (await says(page, "stock") or "")


async def test_a_goal_that_is_taken_back_shows_the_correction(pages: Pages, room: Room) -> None:
    room.put()
    page = await pages.open(f"/overlay?room={room.room_id}&lang=en&widgets=goal,watching&goal=gmv_net:CNY:2000000")
    await until_says(page, "goal", "CN¥1.86M")
    room.money = [Money("CNY", 195_510_000, 187_530_000, 186_531_500)]
    room.put()
    await until_says(page, "goal", "−CN¥4,000")


async def test_an_extension_announces_itself(pages: Pages, room: Room) -> None:
    room.put()
    page = await pages.open(f"/overlay?room={room.room_id}&lang=en&widgets=countdown,watching")
    assert "extended" not in await until_says(page, "countdown", "Endsin4:")
    room.sales = [coat(ends_in_ms=552_000, extended=True)]
    room.put()
    await until_says(page, "countdown", "extendedEndsin9:")


async def test_the_ticker_lets_each_order_be_read(pages: Pages, room: Room) -> None:
    room.feed = [FeedItem("order", now_ms(), "a***", COAT, 1)]
    room.put()
    page = await pages.open(f"/overlay?room={room.room_id}&lang=en&widgets=ticker,watching")
    await until_says(page, "ticker", "a***bought")
    room.feed = [FeedItem("order", now_ms(), "b***", COAT, 1), *room.feed]
    room.watching = 20_000
    room.put()
    await until_says(page, "watching", "20K")
    assert "a***" in (await says(page, "ticker") or "")
    await until_says(page, "ticker", "b***bought")  # by its own timer: no document came
