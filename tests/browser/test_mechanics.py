"""What every mechanic shows in a real browser: its widgets and its panel, in both languages, and without harm.

A page costs more than a look at it. So one page of the builder is asked for all mechanics, and in each language one
overlay and one console show all of them. Hostile text in their sections is in `test_hostile`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pytest
import pytest_asyncio

from stream.contract.reading import read_overlay
from stream.contract.sections import figures_of, sections_of
from stream.mechanics.kinds import CATALOGUE
from tests.browser.conftest import Pages
from tests.browser.looking import eventually, until_gone
from tests.browser.mechanics import listed, samples, until_shown, widgets_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser

    from tests.browser.conftest import ServeProcess
    from tests.browser.rooms import Room

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]
NAMES = list(CATALOGUE.sections)
LANGUAGES = ("zh-CN", "en")

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
async (sections) => {
  const { figuresOf, isCount } = await import("/static/figures.js");
  const plain = ([figure, value]) => [figure, isCount(value) ? value.value : value];
  return Object.fromEntries(Object.entries(sections).map(([name, section]) => [name, figuresOf(section).map(plain)]));
}
"""


class Known(NamedTuple):
    """What the builder's page says of mechanics."""

    listed: list[dict[str, Any]]
    samples: dict[str, Any]
    figures: dict[str, list[Any]]
    sample: dict[str, Any]
    rows: list[str]

    def of(self, name: str) -> dict[str, Any]:
        (mechanic,) = [each for each in self.listed if each["name"] == name]
        return mechanic


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def known(browser: Browser, served: ServeProcess) -> AsyncIterator[Known]:
    """Asked of one page, once."""
    pages = Pages(browser, served.url)
    page = await pages.open("/builder")
    sections = await samples(page)
    yield Known(
        await listed(page),
        sections,
        await page.evaluate(FIGURES, sections),
        await page.evaluate(SAMPLE_IS_WHOLE),
        await page.locator("ul.widgets li").all_inner_texts(),
    )
    await pages.close()
    assert pages.wrong == []


# -- what pages know ---------------------------------------------------------------------------------------------------
async def test_all_lists_name_the_same_mechanics_in_the_same_order(known: Known) -> None:
    assert [each["name"] for each in known.listed] == NAMES
    widgets = widgets_of(known.listed)
    assert len(widgets) == len(set(widgets))


async def test_the_sample_is_a_whole_document_for_pages_and_for_readers(known: Known) -> None:
    assert known.sample["whole"]
    for document in known.sample["documents"]:
        read = read_overlay(msgspec.json.encode(document), CATALOGUE.sections)
        assert list(sections_of(read)) == NAMES


@pytest.mark.parametrize("name", NAMES)
async def test_pages_and_readers_name_its_figures_alike(name: str, known: Known) -> None:
    ours = figures_of(msgspec.convert(known.samples[name], CATALOGUE.sections[name]))
    theirs = dict(known.figures[name])
    assert theirs
    assert theirs.items() <= {key: getattr(value, "value", value) for key, value in ours.items()}.items()


@pytest.mark.parametrize("name", NAMES)
async def test_its_figures_and_widgets_have_words_in_both_languages(name: str, known: Known) -> None:
    figures = figures_of(msgspec.convert(known.samples[name], CATALOGUE.sections[name]))
    plain = {".".join(part for part in figure.split(".") if not part.isdigit()) for figure in figures}
    mechanic = known.of(name)
    for tag in LANGUAGES:
        words = mechanic["words"][tag]
        assert words["title"]
        assert words["help"]
        assert set(words["widgetNames"]) == set(mechanic["homes"])
        assert plain <= set(words["figures"])


async def test_the_builder_has_a_row_with_a_name_for_every_widget(known: Known) -> None:
    assert len(known.rows) >= len(widgets_of(known.listed))
    assert all(row.strip() for row in known.rows)


# -- what pages show ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("lang", LANGUAGES)
async def test_its_widgets_show_what_is_there_and_leave_with_it(
    lang: str, known: Known, pages: Pages, room: Room
) -> None:
    """All at once; then one mechanic after the other goes, and its own widgets alone with it."""
    widgets = widgets_of(known.listed)
    room.put()
    page = await pages.open(f"/overlay?room={room.room_id}&lang={lang}&widgets={','.join(widgets)}")
    for widget in widgets:
        text = await until_shown(page, room, widget, NAMES)
        assert "undefined" not in text
        assert "{" not in text
    for number, each in reversed([*enumerate(known.listed)]):
        room.sections = {name: section for name, section in room.sections.items() if name != each["name"]}
        room.put()
        for widget in each["homes"]:
            await until_gone(page, widget)
        for widget in widgets_of(known.listed[:number]):
            await until_shown(page, room, widget, NAMES[:number])
    assert pages.wrong == []


@pytest.mark.parametrize("lang", LANGUAGES)
async def test_the_console_has_a_panel_of_it_while_the_room_has_a_section(
    lang: str, known: Known, pages: Pages, room: Room
) -> None:
    room.put()
    page = await pages.open(f"/console/{room.room_id}?lang={lang}")
    room.sections = await samples(page)
    panels = {each["name"]: page.locator(f"section.mechanic.{each['name']}") for each in known.listed}
    async with room.live():
        for name, panel in panels.items():
            await panel.wait_for(state="visible")
            assert known.of(name)["words"][lang]["title"] in await panel.inner_text()
            assert "undefined" not in await panel.inner_text()
        size = "[document.documentElement.scrollHeight, document.documentElement.scrollWidth]"
        assert await page.evaluate(size) == [1080, 1920]
    for number, name in reversed([*enumerate(NAMES)]):
        room.sections = {each: room.sections[each] for each in NAMES[:number]}
        room.put()
        await panels.pop(name).wait_for(state="hidden")
        assert [each for each, panel in panels.items() if not await panel.is_visible()] == []
    assert pages.wrong == []


async def test_on_a_phone_the_panels_show_all_that_they_hold(pages: Pages, room: Room) -> None:
    room.put()
    page = await pages.open(f"/console/{room.room_id}?lang=en", viewport={"width": 400, "height": 800})
    room.sections = await samples(page)
    async with room.live():
        for name in NAMES:
            panel = page.locator(f"section.mechanic.{name}")
            await panel.wait_for(state="visible")
            hidden = partial(panel.evaluate, "panel => panel.scrollHeight - panel.clientHeight")
            await eventually(hidden, lambda px: px <= 0, f"{name} is cut off")
            assert await panel.evaluate("panel => panel.clientHeight") > 60
