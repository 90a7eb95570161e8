"""Hostile text in every place of a document that is shown: nothing of it runs, requests, or steers the page."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import msgspec
import pytest
from msgspec.structs import replace

from stream.contract.overlay import Because, FeedItem, Level, Money, Urgency
from stream.mechanics.kinds import CATALOGUE
from tests.browser.looking import eventually, until_says
from tests.browser.mechanics import listed, samples, until_shown, widgets_of, with_text
from tests.browser.payloads import PAYLOADS, STEERING
from tests.browser.rooms import coat, now_ms
from tests.support.newer import newer_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.async_api import Page, Route

    from tests.browser.conftest import Pages
    from tests.browser.rooms import Room

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]
ALL = "badge,countdown,watching,pulse,ticker,stock,top,carts,bought,eta,goal"
# Characters that turn the direction of writing, have no width, or steer a terminal.
STEERS = re.compile(
    "[\u202a-\u202e\u2066-\u2069\u061c\u200b-\u200f\ufeff\u00ad\u2060\u180e\x00-\x08\x0b-\x1f\ue000\U000e0041]"
)
WATCH = """
  window.hits = [];
  window.hit = (what) => window.hits.push(what);
  for (const name of ["alert", "confirm", "prompt"]) window[name] = window.hit;
  addEventListener("securitypolicyviolation", (event) => window.hits.push(event.violatedDirective + event.blockedURI));
"""


def hostile(room: Room, text: str) -> dict[str, Any]:
    """A document with the text in every field that is a text, those of the room's sections too.

    Numbers and shape stay right, so that the document is shown.
    """
    room.sales = [
        coat(
            urgency=Urgency("rush", now_ms(), [Because(text, 9.0, 8.0)]),
            currency=text,
        )
    ]
    room.sales = [replace(sale, sale_id=text, sku_id=text) for sale in room.sales]
    room.money = [Money(text, 100, 100, 100), Money("CNY", 100, 100, 100)]
    room.feed = [FeedItem("order", now_ms(), text, text, 2)]
    made: dict[str, Any] = msgspec.to_builtins(room.overlay())
    for claim in made["claims"]:
        claim |= {"rule": text, "id": text, "inputs": {**claim["inputs"], text: 1}}
        for each in claim["evidence"]:
            each["topic"] = text
    made["withheld"] = [
        {"claim": text, "reason": text, "sale_id": text, "sku_id": text},
        {"claim": "eta_sellout", "reason": text, "sale_id": text, "sku_id": text},
    ]
    made["rates"].append(made["rates"][0] | {"name": text, "currency": text})
    made.update(with_text(room.sections, text))
    return made


def contains(seen: str, wanted: str) -> bool:
    return wanted in seen


async def show_all(pages: Sequence[Page], room: Room, payloads: list[str]) -> None:
    """One after the other; each is on all of the pages before the next one comes."""
    for number, text in enumerate(payloads):
        room.sections = await samples(pages[0])  # of now: nothing leaves because it is old
        room.rev += 1
        room.watching = 1_000 + number
        room.put_raw(msgspec.json.encode(hostile(room, text)))
        for page in pages:
            await eventually(
                lambda page=page: page.evaluate(SHOWN),  # type: ignore[misc]
                partial(contains, wanted=f"{room.watching:,}"),
                f"payload {text[:60]!r} is on the page",
            )
            shown, hits = await page.evaluate("[document.body.textContent, window.hits]")
            assert not STEERS.search(shown), text
            assert hits == [], text


SHOWN = "document.body.textContent.replace(/\\s/g, '')"
# What a page adds while it shows this and that; nothing of it can run or ask.
HARMLESS = {"svg", "path", "rect", "bdi", "b", "span", "li", "ol"}
HARMLESS_IN_TABLES = {"p", "td", "th", "tr", "time"}
# All parameters of an address together have to fit into one request line.
MAX_PARAMETER_BYTES = 700
# Those that take any text. Each page has another payload in each.
PARAMETERS = ("names", "goal_label", "lang", "theme", "dir", "min_level", "motion", "scale")


async def guard(pages: Pages, path: str) -> tuple[Page, list[str]]:
    """A page that knows when anything runs; and what it asks of anybody but this server."""
    context = await pages.context()
    await context.add_init_script(WATCH)
    foreign: list[str] = []

    async def refuse(route: Route) -> None:
        if route.request.url.startswith((pages.url, "data:,")):
            await route.continue_()
        else:
            foreign.append(route.request.url)
            await route.abort()

    await context.route("**/*", refuse)
    return await pages.open(path, context=context), foreign


async def elements(page: Page) -> set[str]:
    names: list[str] = await page.evaluate("[...document.querySelectorAll('body *')].map((e) => e.localName)")
    return set(names)


async def test_there_are_enough_payloads() -> None:
    assert len(set(PAYLOADS)) >= 120


async def test_no_text_of_a_document_runs_in_overlay_and_console(pages: Pages, room: Room) -> None:
    """Sales, claims and every mechanic, in all widgets and all panels."""
    room.put()
    console, asked_by_console = await guard(pages, f"/console/{room.room_id}?lang=en")
    mechanics = await listed(console)
    own = widgets_of(mechanics)
    overlay, asked_by_overlay = await guard(
        pages, f"/overlay?room={room.room_id}&lang=en&goal=9&widgets={ALL},{','.join(own)}"
    )
    await until_says(overlay, "stock", "42left")
    for widget in own:
        await until_shown(overlay, room, widget, CATALOGUE.sections)
    await eventually(lambda: elements(console), lambda found: "canvas" in found, "the console draws")
    for each in mechanics:
        await console.locator(f"section.mechanic.{each['name']}").wait_for(state="visible")
    in_overlay, in_console = await elements(overlay), await elements(console)
    await show_all([overlay, console], room, PAYLOADS)
    # What appears on pointing at things is made of the same texts.
    for selector in (".claims .said li", ".claims .withheld li", ".sale .level", ".rates li:last-child", ".strip li"):
        target = console.locator(selector).first
        await target.focus()
        assert await console.locator("#explanation").is_visible()
        assert not STEERS.search(await console.locator("#explanation").inner_text())
    assert await console.evaluate("window.hits") == []
    assert asked_by_overlay == asked_by_console == []
    assert await elements(overlay) - in_overlay <= HARMLESS
    assert await elements(console) - in_console <= HARMLESS | HARMLESS_IN_TABLES


async def test_no_parameter_of_an_address_runs(pages: Pages, room: Room) -> None:
    page, foreign = await guard(pages, f"/overlay?room={room.room_id}")
    payloads = PAYLOADS[::2]
    for first in range(0, len(payloads), len(PARAMETERS)):
        room.put()  # each page is of a fresh document: on a slow machine an old one would leave the screen
        fields = dict(zip(PARAMETERS, map(fitting, payloads[first:]), strict=False))
        fields["names"] = f"sku-881:{fields['names']}"
        await page.goto(f"{pages.url}/overlay?room={room.room_id}&goal=9&widgets={ALL}&{urlencode(fields)}")
        await until_says(page, "watching", "12.3K")
        assert await page.evaluate("window.hits") == []
        assert not STEERS.search(await page.evaluate("document.body.textContent"))
        assert foreign == []


def fitting(text: str) -> str:
    """As much of it as may stand in an address beside the other parameters."""
    while len(quote(text)) > MAX_PARAMETER_BYTES:
        text = text[:-1]
    return text


async def test_steering_characters_become_dots_and_languages_stay_as_they_are(pages: Pages) -> None:
    page = await pages.open("/builder")
    clean = "async (text) => (await import('/static/text.js')).clean(text, 40)"
    for text in STEERING:
        found = await page.evaluate(clean, text)
        assert not STEERS.search(found)
        assert len(found) <= 2 * 40
    for text in (
        *("羊毛大衣", "معطف صوف", "מעיל", "ผ้าพันคอ", "टोपी", "Café Müller", "👕 T-shirt", "sku-881"),
        # Persian, Hindi, families, a heart, two flags, a key: joiners, selectors and tags that belong to the writing.
        *(
            "می\u200cخواهم",
            "क्\u200dष",
            "👨\u200d👩\u200d👧",
            "🧑🏽\u200d💻",
            "❤\ufe0f",
            "🏳\ufe0f\u200d🌈",
            "1\ufe0f\u20e3",
        ),
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    ):
        assert await page.evaluate(clean, text) == text
    for text, shown in (
        ("a\u200cb\u200dc", "a·b·c"),
        ("می\u200c\u200cخ", "می··خ"),
        ("می\u200c", "می·"),
        ("👨\u200d", "👨·"),
        ("\ufe0fx\u20e3", "x·"),
        ("👨\u200d👩\u200d👧" * 9, "👨\u200d👩\u200d👧" * 7 + "…"),  # 39 characters are 7 families
        ("👨\u200d" * 90, "👨\u200d" * 19 + "👨…"),  # one that is longer than everything
    ):
        assert await page.evaluate(clean, text) == shown


async def test_in_a_mirrored_page_an_id_is_cut_at_its_end(pages: Pages, room: Room) -> None:
    long = "sku-4-a-rather-long-name-of-a-variant-that-goes-on"
    room.sales = [replace(coat(), sku_id=long)]
    room.put()
    path = f"/overlay?room={room.room_id}&lang=en&dir=rtl&widgets=stock,countdown,bought,top"
    page = await pages.open(path)
    await until_says(page, "stock", "42left")
    cut = """() => {
      const long = [...document.querySelectorAll(".name > bdi")].filter((name) => name.textContent.length > 20);
      return long.map((name) => {
      const [range, text, box] = [new Range(), name.firstChild, name.parentElement.getBoundingClientRect()];
      const seen = (at) => {
        range.setStart(text, at);
        range.setEnd(text, at + 1);
        const { left, right } = range.getBoundingClientRect();
        return left >= box.left - 1 && right <= box.right + 1;
      };
      return [seen(0), seen(text.data.length - 1)];
      });
    }"""
    found = await page.evaluate(cut)
    assert len(found) >= 2
    assert all(each == [True, False] for each in found), found
    # A name that is written from the right is cut at its own end too, in a page that is not mirrored.
    await page.goto(f"{pages.url}{path.replace('&dir=rtl', '')}&names={long}:{'معطف صوف طويل جدا ' * 3}")
    await until_says(page, "stock", "42left")
    found = await page.evaluate(cut)
    assert len(found) >= 2
    assert all(each == [True, False] for each in found), found


@pytest.mark.parametrize(
    ("names", "read"),
    [
        ("sku-881:Wool coat,sku-412:Scarf", {"sku-881": "Wool coat", "sku-412": "Scarf"}),
        ("sku-1:Coat, red,sku-2:Ratio 3:1", {"sku-1": "Coat, red", "sku-2": "Ratio 3:1"}),
        (r"sku-1:Coat\, sku-2\: red,x:y:Z", {"sku-1": "Coat, sku-2: red", "x:y": "Z"}),
        (r"a\:b:c，q：w\\,z:\,", {"a:b": "c", "q": "w\\", "z": ","}),
        ("a：b:c", {"a": "b:c"}),
        (":x,,y", {}),
        ("a:b\\", {"a": "b\\"}),
    ],
)
async def test_names_may_have_commas_and_colons(names: str, read: dict[str, str], pages: Pages) -> None:
    page = await pages.open("/builder")
    script = """async ([names, all]) => {
      const { namesOf, nameWritten } = await import("/static/overlay/names.js");
      const written = all.map(([id, name]) => nameWritten(id, name)).join(",");
      return [Object.fromEntries(namesOf(names)), Object.fromEntries(namesOf(written))];
    }"""
    found = await page.evaluate(script, [names, list(read.items())])
    # What the builder would write is read as what it wrote.
    assert found == [read, read]


async def test_a_name_written_from_right_to_left_keeps_to_itself(pages: Pages, room: Room) -> None:
    room.put()
    page = await pages.open(
        f"/overlay?room={room.room_id}&lang=en&widgets=stock,ticker,watching&names=sku-881:معطف صوف"
    )
    await until_says(page, "stock", "42left")
    figure = await page.locator("snapup-stock .figure").bounding_box()
    unit = await page.locator("snapup-stock .says .unit").bounding_box()
    assert figure is not None
    assert unit is not None
    assert figure["x"] < unit["x"]  # "42 left", not "left 42"


async def test_levels_of_nobody_s_making_are_shown_as_unknown(pages: Pages, room: Room) -> None:
    level: Level = "<b>rush</b>"  # type: ignore[assignment]
    room.sales = [coat(level=level)]
    room.put()
    page = await pages.open(f"/console/{room.room_id}?lang=en")
    await eventually(
        lambda: page.evaluate("document.querySelector('.sale .level')?.textContent"),
        lambda text: text == "<b>rush</b>",
        "the level as text",
    )


async def test_a_document_of_a_newer_worker_is_whole_and_shows_what_is_known_of_it(pages: Pages, room: Room) -> None:
    """Words, fields and sections to come, and a claim with as many numbers as it likes, are no reason to blank."""
    room.rev += 1
    document = newer_document(msgspec.to_builtins(room.overlay()))
    room.put_raw(msgspec.json.encode(document))
    page = await pages.open("/builder")
    is_whole = "async (document) => (await import('/static/document.js')).isOverlay(document)"
    assert await page.evaluate(is_whole, document)
    assert not await page.evaluate(is_whole, {**document, "totals": {}})
    page = await pages.open(f"/console/{room.room_id}?lang=en")
    await eventually(
        lambda: page.evaluate("document.body.textContent"),
        lambda text: all(word in text for word in ("gift_total: 1, 2, 3", "frenzy", "paused", "≈206")),
        "the words as text",
    )
