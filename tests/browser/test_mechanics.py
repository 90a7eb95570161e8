"""What every mechanic shows in a real browser: its widgets and its panel, in both languages, and without harm."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from stream.contract.reading import read_overlay
from stream.contract.sections import figures_of, sections_of
from stream.mechanics.kinds import CATALOGUE
from tests.browser.looking import eventually, says, until_gone
from tests.browser.payloads import PAYLOADS
from tests.browser.test_hostile import STEERS, WATCH

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.browser.conftest import Pages
    from tests.browser.rooms import Room

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]
NAMES = list(CATALOGUE.sections)
LANGUAGES = ("zh-CN", "en")

LISTED = """
async () => {
  const { MECHANICS } = await import("/static/mechanics/mechanics.js");
  return MECHANICS.map(({ name, homes, words, panel }) => ({ name, homes, words, panel: Boolean(panel) }));
}
"""
SAMPLE = """
async ([name, step, shift]) => {
  const { MECHANICS } = await import("/static/mechanics/mechanics.js");
  return MECHANICS.find((each) => each.name === name).sample(step, Date.now() + shift);
}
"""
SAMPLE_IS_WHOLE = """
async () => {
  const { sampleOverlay } = await import("/static/overlay/sample.js");
  const { isOverlay } = await import("/static/document.js");
  const now = Date.now();
  const steps = Array.from({ length: 40 }, (_, step) => sampleOverlay(step, now, now));
  return { whole: steps.every(isOverlay), documents: steps.slice(0, 2) };
}
"""
FIGURES = """
async (section) => {
  const { figuresOf, isCount } = await import("/static/figures.js");
  return figuresOf(section).map(([name, value]) => [name, isCount(value) ? value.value : value]);
}
"""


async def listed(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await page.evaluate(LISTED)
    return found


async def sample(page: Page, name: str, step: int = 3) -> Any:
    """Its section of the builder's sample room, of the present."""
    return await page.evaluate(SAMPLE, [name, step, 0])


async def test_all_lists_name_the_same_mechanics_in_the_same_order(pages: Pages) -> None:
    found = await listed(await pages.open("/builder"))
    assert [each["name"] for each in found] == NAMES
    widgets = [widget for each in found for widget in each["homes"]]
    assert len(widgets) == len(set(widgets))


async def test_the_sample_is_a_whole_document_for_pages_and_for_readers(pages: Pages) -> None:
    told = await (await pages.open("/builder")).evaluate(SAMPLE_IS_WHOLE)
    assert told["whole"]
    for document in told["documents"]:
        read = read_overlay(msgspec.json.encode(document), CATALOGUE.sections)
        assert list(sections_of(read)) == NAMES


@pytest.mark.parametrize("name", NAMES)
async def test_pages_and_readers_name_its_figures_alike(name: str, pages: Pages) -> None:
    page = await pages.open("/builder")
    section = await sample(page, name)
    ours = figures_of(msgspec.convert(section, CATALOGUE.sections[name]))
    theirs = dict(await page.evaluate(FIGURES, section))
    assert theirs.items() <= {key: getattr(value, "value", value) for key, value in ours.items()}.items()


@pytest.mark.parametrize("name", NAMES)
async def test_its_figures_and_widgets_have_words_in_both_languages(name: str, pages: Pages) -> None:
    page = await pages.open("/builder")
    (mechanic,) = [each for each in await listed(page) if each["name"] == name]
    figures = figures_of(msgspec.convert(await sample(page, name), CATALOGUE.sections[name]))
    plain = {".".join(part for part in figure.split(".") if not part.isdigit()) for figure in figures}
    for tag in LANGUAGES:
        words = mechanic["words"][tag]
        assert words["title"]
        assert words["help"]
        assert set(words["widgetNames"]) == set(mechanic["homes"])
        assert plain <= set(words["figures"])
    for row in await page.locator("ul.widgets li").all():
        assert await row.inner_text()


async def opened(pages: Pages, room: Room, name: str, lang: str) -> tuple[Page, list[str]]:
    page = await pages.open("/builder")
    (mechanic,) = [each for each in await listed(page) if each["name"] == name]
    widgets = list(mechanic["homes"])
    room.sections = {name: await sample(page, name)}
    await page.close()
    page = await pages.open(f"/overlay?room={room.room_id}&lang={lang}&widgets={','.join(widgets)}")
    return page, widgets


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
async def test_its_widgets_show_what_is_there_and_leave_with_it(name: str, lang: str, pages: Pages, room: Room) -> None:
    page, widgets = await opened(pages, room, name, lang)
    async with room.live():
        for widget in widgets:
            text = await eventually(lambda widget=widget: says(page, widget), bool, f"{widget} shows")  # type: ignore[misc]
            assert "undefined" not in text
            assert "{" not in text
    room.sections = {}
    room.put()
    for widget in widgets:
        await until_gone(page, widget)
    assert pages.wrong == []


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
async def test_the_console_has_a_panel_of_it_while_the_room_has_a_section(
    name: str, lang: str, pages: Pages, room: Room
) -> None:
    page = await pages.open(f"/console/{room.room_id}?lang={lang}")
    room.sections = {name: await sample(page, name)}
    (mechanic,) = [each for each in await listed(page) if each["name"] == name]
    panel = page.locator(f"section.mechanic.{name}")
    async with room.live():
        await panel.wait_for(state="visible")
        assert mechanic["words"][lang]["title"] in await panel.inner_text()
        assert "undefined" not in await panel.inner_text()
        size = "[document.documentElement.scrollHeight, document.documentElement.scrollWidth]"
        assert await page.evaluate(size) == [1080, 1920]
    room.sections = {}
    room.put()
    await panel.wait_for(state="hidden")
    assert pages.wrong == []


async def test_on_a_phone_the_panels_show_all_that_they_hold(pages: Pages, room: Room) -> None:
    page = await pages.open(f"/console/{room.room_id}?lang=en", viewport={"width": 400, "height": 800})
    room.sections = {name: await sample(page, name) for name in NAMES}
    async with room.live():
        for name in NAMES:
            panel = page.locator(f"section.mechanic.{name}")
            await panel.wait_for(state="visible")
            hidden = partial(panel.evaluate, "panel => panel.scrollHeight - panel.clientHeight")
            await eventually(hidden, lambda px: px <= 0, f"{name} is cut off")
            assert await panel.evaluate("panel => panel.clientHeight") > 60


def with_text(value: Any, text: str) -> Any:
    """The same with this in the place of every text."""
    if isinstance(value, dict):
        return {key: each if key == "method" else with_text(each, text) for key, each in value.items()}
    if isinstance(value, list):
        return [with_text(each, text) for each in value]
    return text if isinstance(value, str) else value


@pytest.mark.parametrize("name", NAMES)
async def test_hostile_text_in_every_place_does_nothing_but_be_read(name: str, pages: Pages, room: Room) -> None:
    overlay, widgets = await opened(pages, room, name, "en")
    console = await pages.open(f"/console/{room.room_id}?lang=en")
    good = room.sections[name]
    requested: list[str] = []
    for page in (overlay, console):
        await page.evaluate(WATCH)
        page.on("request", lambda request: requested.append(request.url))
    async with room.live(every_s=0.1):
        await eventually(lambda: says(overlay, widgets[0]), bool, "it shows")
        await console.locator(f"section.mechanic.{name}").wait_for(state="visible")
        for text in PAYLOADS:
            room.sections = {name: with_text(good, text)}
            await _a_few_documents_go_by(room)
            for page in (overlay, console):
                shown = await page.evaluate("document.body.innerText")
                assert not STEERS.search(shown), repr(text)
                markup = await page.evaluate("document.querySelectorAll('body script, body img, body iframe').length")
                assert markup == 0, repr(text)
    for page in (overlay, console):
        assert await page.evaluate("window.hits") == []
    assert not [url for url in requested if not re.match(r"http://127\.0\.0\.1:\d+/(static|v1)/", url)]


async def _a_few_documents_go_by(room: Room) -> None:
    seen = room.rev

    async def rev() -> int:
        return room.rev

    await eventually(rev, lambda now: bool(now > seen + 2), "a few documents went by")
