"""docs/overlays.md against the pages: the example runs as it stands there, the tables say what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.looking import eventually, text_of
from tests.browser.rooms import coat

if TYPE_CHECKING:
    from playwright.async_api import Route

    from tests.browser.conftest import Pages
    from tests.browser.rooms import Room

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]
PAGE = (Path(__file__).parents[2] / "docs" / "overlays.md").read_text("utf-8")


def table(name: str) -> list[list[str]]:
    """The rows of a marked table, without its head."""
    text = PAGE.partition(f"<!-- table: {name} -->\n")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in text.splitlines()[2:]]


async def params(pages: Pages) -> dict[str, Any]:
    page = await pages.open("/builder")
    found: dict[str, Any] = await page.evaluate(
        """
        async () => {
          const { DEFAULTS, HOMES, PLACES } = await import("/static/overlay/params.js");
          const { MECHANICS } = await import("/static/mechanics/mechanics.js");
          // A mechanic's widgets are told of in its own README.
          const theirs = MECHANICS.flatMap(({ homes }) => Object.keys(homes));
          return { DEFAULTS, HOMES: Object.keys(HOMES).filter((name) => !theirs.includes(name)), PLACES };
        }
        """
    )
    return found


async def test_the_example_widget_runs_as_it_stands_and_blanks_by_itself(pages: Pages, room: Room) -> None:
    example = PAGE.partition("<!-- example: widget -->\n```html\n")[2].partition("```")[0]
    assert len(re.findall(r"\S.*", example.partition("<script")[2].partition("</script>")[0])) <= 20
    context = await pages.context()

    async def serve(route: Route) -> None:
        await route.fulfill(body=example, content_type="text/html")

    await context.route("**/my-widget.html*", serve)
    page = await pages.open(f"/my-widget.html?room={room.room_id}", context=context)
    text = text_of(page, "#left")
    room.fresh_ms = 4_000
    async with room.live():
        await eventually(text, lambda said: said == "Only 42 left!", "the claim")
    await eventually(text, lambda said: said == "", "it ran out")
    room.fresh_ms = 60_000
    room.sales = [coat(sold=1_000)]
    room.put()
    room.sales = [coat(sold=4_893)]
    room.put()
    await eventually(text, lambda said: said == "Only 7 left!", "the next claim")


async def test_every_parameter_is_documented_with_its_default(pages: Pages) -> None:
    told = {name.strip("`"): default.strip("`") for name, default, _ in table("parameters")}
    assert told == (await params(pages))["DEFAULTS"]


async def test_every_widget_and_place_is_documented(pages: Pages) -> None:
    known = await params(pages)
    assert {row[0].strip("`") for row in table("widgets")} == set(known["HOMES"])
    places = PAGE.partition("Places: ")[2].partition(". ")[0]
    assert re.findall(r"`([a-z-]+)`", places) == known["PLACES"]


async def test_every_member_of_the_module_that_is_told_is_there(pages: Pages) -> None:
    text = PAGE.partition("| of `SnapupRoom` | is |")[2].partition("\n\n")[0]
    told = {name for row in text.splitlines()[2:] for name in re.findall(r"`([a-zA-Z]+)", row.split("|")[1])}
    page = await pages.open("/builder")
    has = await page.evaluate(
        """async (names) => {
          const { SnapupRoom } = await import("/static/snapup-room.js");
          const room = new SnapupRoom({ room: "x" });
          return names.filter((name) => name in room);
        }""",
        sorted(told),
    )
    assert told - set(has) == {"new", "change", "snapshot"}
