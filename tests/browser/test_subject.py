"""One subject a page: in a room with many products, every widget speaks of the same one, or says which it speaks of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from stream.contract.overlay import FeedItem, Level
from tests.browser.looking import eventually, says, until_gone, until_says
from tests.browser.rooms import Room, coat, now_ms

if TYPE_CHECKING:
    from playwright.async_api import Page

    from stream.contract.overlay import Sale
    from tests.browser.conftest import Pages

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]
WIDGETS = "badge,countdown,stock,bought,carts,eta,watching,ticker,top"
KEPT_MS = 20_000
# The product that each widget names; empty: the widget is not there, or names none.
NAMED = """() => Object.fromEntries(["badge", "countdown", "stock", "bought", "carts", "eta"].map((name) => {
  const widget = document.querySelector(`snapup-${name}`);
  const isThere = !widget.hidden && widget.dataset.leaving === undefined;
  return [name, isThere ? widget.querySelector(".name")?.textContent ?? "" : ""];
}))"""
CHOOSES = """async ([steps, query]) => {
  const { Subject } = await import("/static/overlay/subject.js");
  const { paramsOf } = await import("/static/overlay/params.js");
  const subject = new Subject();
  return steps.map(([nowMs, overlay]) => {
    const laterMs = subject.look({ room: { overlay, now: () => nowMs }, params: paramsOf(new URLSearchParams(query)) });
    const { sale, why } = subject;
    return [sale && `${sale.sale_id}/${sale.sku_id}`, why, laterMs === Infinity ? null : laterMs];
  });
}"""


def product(number: int, **changes: Any) -> Sale:
    """One of fourteen: two in a sale, each with another stock and end."""
    ends_in_ms = changes.pop("ends_in_ms", 300_000 + 1_000 * number)
    made = coat(offered=100 + 20 * number, ends_in_ms=ends_in_ms, **{"sold": 10, "held": 0, "level": "calm", **changes})
    return replace(made, sale_id=f"sale-{number // 2}", sku_id=f"sku-{number:02d}")


def fourteen(room: Room) -> None:
    """A rush on number 4, of which plenty is left; number 0 is sold out, of 2 few are left, four come later."""
    room.sales = [product(number) for number in range(10)]
    room.sales += [
        product(number, status="scheduled", level="unknown", starts_in_ms=120_000) for number in range(10, 14)
    ]
    room.sales[0] = product(0, sold=100, level="sold_out")
    room.sales[2] = product(2, sold=137, level="brisk")
    room.sales[4] = product(4, sold=60, level="rush")
    room.feed = [FeedItem("order", now_ms(), "l***", "sku-07", 1)]
    lead = room.sales[4]
    room.urgency = replace(lead.urgency, sale_id=lead.sale_id)


async def named(page: Page) -> set[str]:
    found: dict[str, str] = await page.evaluate(NAMED)
    return {name for name in found.values() if name}


async def until_named(page: Page, *skus: str) -> None:
    await eventually(lambda: named(page), lambda found: found == set(skus), f"all widgets are about {skus}")


async def test_every_widget_of_a_page_speaks_of_the_same_product(pages: Pages, room: Room) -> None:
    fourteen(room)
    room.put()
    page = await pages.open(f"/overlay?room={room.room_id}&lang=en&widgets={WIDGETS}")
    await until_says(page, "watching", "12.3K")
    await until_named(page, "sku-04")
    # Plenty of it is left and a second product is sold out: neither is said.
    await until_gone(page, "stock")
    assert "RUSHsku-04" in (await says(page, "badge") or "")
    assert "sku-04" in (await says(page, "countdown") or "")
    # Those that show several say which.
    assert "sku-07" in (await says(page, "ticker") or "")
    assert (await says(page, "top") or "").count("sku-") == 3
    # The leader sells out, and that is read before another product leads.
    room.sales[4] = product(4, sold=180, level="sold_out")
    lead = room.sales[2]
    room.urgency = replace(lead.urgency, sale_id=lead.sale_id)
    room.put()
    await until_says(page, "stock", "sku-04Soldout")
    await until_named(page, "sku-04")
    # It sold out long ago.
    room.sales[4] = replace(room.sales[4], urgency=replace(room.sales[4].urgency, since_ms=now_ms() - KEPT_MS))
    room.put()
    await until_says(page, "stock", "sku-02")
    await until_named(page, "sku-02")


async def test_the_address_names_the_subject_and_what_is_on_show_comes_next(pages: Pages, room: Room) -> None:
    fourteen(room)
    room.put()
    context = await pages.context()
    queries = {"sale=sale-1": "sku-02", "sku=sku-00": "sku-00", "sale=sale-3&sku=sku-06": "sku-06"}
    for query, sku in queries.items():
        page = await pages.open(f"/overlay?room={room.room_id}&lang=en&widgets={WIDGETS}&{query}", context=context)
        await until_says(page, "watching", "12.3K")
        await until_named(page, sku)
        await page.close()
    room.sections = {"card": card("sku-06")}
    room.put()
    page = await pages.open(f"/overlay?room={room.room_id}&lang=en&widgets={WIDGETS}", context=context)
    await until_says(page, "watching", "12.3K")
    await until_named(page, "sku-06")
    room.sections = {"card": card("sku-02")}
    room.put()
    await until_named(page, "sku-02")  # at once: the host turned to it
    room.sections = {"card": card("sku-not-on-sale")}
    room.put()
    for widget in ("badge", "countdown", "stock", "bought", "carts", "eta"):
        await until_gone(page, widget)
    assert await says(page, "watching") is not None  # of the room
    described = {"product_count": 1, "products": [{"sku_id": "sku-04", "name": "Wool coat"}]}
    room.sections = {"card": card(None) | described}
    room.put()
    await until_named(page, "Wool coat")
    nothing = await pages.open(f"/overlay?room={room.room_id}&lang=en&widgets={WIDGETS}&sku=sku-77", context=context)
    await until_says(nothing, "watching", "12.3K")
    assert await named(nothing) == set()


def card(sku_id: str | None) -> dict[str, Any]:
    """A room's card with this product on show."""
    section = {"product_count": 0, "link_count": 0, "products": [], "links": []}
    return section if sku_id is None else section | {"on_show": {"sku_id": sku_id}}


async def test_pages_of_one_browser_agree_on_the_leader(pages: Pages, room: Room) -> None:
    fourteen(room)
    room.put()
    context = await pages.context()
    first = await pages.open(f"/overlay?room={room.room_id}&lang=en&widgets=countdown,watching", context=context)
    await until_says(first, "countdown", "sku-04")
    # Now another one leads; who comes later would choose that.
    room.sales[8] = product(8, sold=250, level="last_call")
    room.put()
    second = await pages.open(f"/overlay?room={room.room_id}&lang=en&widgets=countdown,watching", context=context)
    await until_says(second, "countdown", "sku-04")
    alone = await pages.open(f"/overlay?room={room.room_id}&lang=en&widgets=countdown,watching")
    await until_says(alone, "countdown", "sku-08")
    assert "sku-04" in (await says(first, "countdown") or "")


# -- the choice by itself ----------------------------------------------------------------------------------------------
AT_MS = 1_795_780_000_000


def row(
    sku: str, level: Level, *, status: str = "open", since_ms: int = AT_MS - 60_000, **changes: Any
) -> dict[str, Any]:
    """What the choice looks at."""
    times = {"starts_at_ms": AT_MS - 60_000, "ends_at_ms": AT_MS + 600_000} | changes
    return {
        "sale_id": f"of-{sku}",
        "sku_id": sku,
        "status": status,
        "urgency": {"level": level, "since_ms": since_ms},
    } | times


async def chosen(page: Page, *steps: tuple[int, list[dict[str, Any]] | None], query: str = "") -> list[Any]:
    documents = [
        [AT_MS + ms, None if rows is None else {"sales": rows, "urgency": {"sale_id": None}}] for ms, rows in steps
    ]
    found: list[Any] = await page.evaluate(CHOOSES, [documents, query])
    return found


ORDER = [
    row("calm", "calm"),
    row("taken", "all_taken"),
    row("soon", "unknown", status="scheduled", starts_at_ms=AT_MS + 600_000),
    row("out", "sold_out"),
    row("later", "unknown", status="scheduled", starts_at_ms=AT_MS + 6_000_000),
    row("over", "ended", status="ended", ends_at_ms=AT_MS - 60_000),
    row("unheard", "unknown", status="unknown"),
]
CASES: dict[str, tuple[list[tuple[int, list[dict[str, Any]] | None]], list[str | None]]] = {
    "a greater urgency takes over after twenty seconds": (
        [
            (0, [row("a", "rush"), row("b", "calm")]),
            (1_000, [row("a", "rush"), row("b", "last_call")]),
            (19_999, [row("a", "rush"), row("b", "last_call")]),
            (20_000, [row("a", "rush"), row("b", "last_call")]),
        ],
        ["a", "a", "a", "b"],
    ),
    "an equal one never does": (
        [(0, [row("b", "rush")]), (60_000, [row("a", "rush"), row("b", "rush")])],
        ["b", "b"],
    ),
    "one that is not in the document any more goes at once": (
        [(0, [row("a", "rush"), row("b", "calm")]), (1_000, [row("b", "calm")])],
        ["a", "b"],
    ),
    "a late document is no other subject": (
        [(0, [row("a", "rush")]), (1_000, None), (2_000, [row("a", "rush"), row("b", "last_call")])],
        ["a", None, "a"],
    ),
    "an end is read for twenty seconds": (
        [
            (0, [row("a", "rush", ends_at_ms=AT_MS + 60_000), row("b", "calm")]),
            (60_000, [row("a", "ended", status="ended", ends_at_ms=AT_MS + 60_000), row("b", "calm")]),
            (79_999, [row("a", "ended", status="ended", ends_at_ms=AT_MS + 60_000), row("b", "calm")]),
            (80_000, [row("a", "ended", status="ended", ends_at_ms=AT_MS + 60_000), row("b", "calm")]),
        ],
        ["a", "a", "a", "b"],
    ),
    "what sells leads what is taken, and that what comes soon, sold out, comes later, over": (
        [(place, ORDER[place:]) for place in range(7)],
        ["calm", "taken", "soon", "out", "later", "over", "unheard"],
    ),
    "of two that come, the sooner": (
        [
            (
                0,
                [
                    row("a", "unknown", status="scheduled", starts_at_ms=AT_MS + 90_000),
                    row("b", "unknown", status="scheduled", starts_at_ms=AT_MS + 60_000),
                ],
            )
        ],
        ["b"],
    ),
    "no sale": ([(0, [])], [None]),
}


async def test_the_leader_is_kept_for_a_stated_time(pages: Pages) -> None:
    page = await pages.open("/builder")
    for name, (steps, expected) in CASES.items():
        found = [each[0] and each[0].split("/")[1] for each in await chosen(page, *steps)]
        assert found == expected, name
    # The page looks again when the time is up, without a document.
    steps = [(0, [row("a", "rush"), row("b", "calm")]), (5_000, [row("a", "rush"), row("b", "last_call")])]
    assert [each[2] for each in await chosen(page, *steps)] == [None, 15_000]
    assert [each[1] for each in await chosen(page, *steps, query="sku=b")] == ["address", "address"]
