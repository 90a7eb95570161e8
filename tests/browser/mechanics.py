"""What pages know of mechanics: their list, their widgets, and the section of each in the builder's sample room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.browser.looking import eventually, says

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from playwright.async_api import Page

    from tests.browser.rooms import Room

LISTED = """
async () => {
  const { MECHANICS } = await import("/static/mechanics/mechanics.js");
  return MECHANICS.map(({ name, homes, words, panel }) => ({ name, homes, words, panel: Boolean(panel) }));
}
"""
SAMPLES = """
async (step) => {
  const { MECHANICS } = await import("/static/mechanics/mechanics.js");
  return Object.fromEntries(MECHANICS.map(({ name, sample }) => [name, sample(step, Date.now())]));
}
"""


async def listed(page: Page) -> list[dict[str, Any]]:
    """Name, widgets with their places, words, and whether there is a panel, in the order of the list."""
    found: list[dict[str, Any]] = await page.evaluate(LISTED)
    return found


async def samples(page: Page, step: int = 3) -> dict[str, Any]:
    """Name → section, as of now. Any page of the server can tell."""
    found: dict[str, Any] = await page.evaluate(SAMPLES, step)
    return found


async def until_shown(page: Page, room: Room, widget: str, names: Collection[str]) -> str:
    """What the widget says, in a room with sections of these mechanics, of now: some of it shows for seconds."""

    async def look() -> str | None:
        sections = await samples(page)
        room.sections = {name: sections[name] for name in names}
        room.put()
        return await says(page, widget)

    text: str = await eventually(look, bool, f"{widget} shows")
    return text


def widgets_of(mechanics: Iterable[Mapping[str, Any]]) -> list[str]:
    """All their widgets."""
    return [widget for each in mechanics for widget in each["homes"]]


def with_text(value: Any, text: str) -> Any:
    """The same with this in the place of every text; how a number was counted stays."""
    if isinstance(value, dict):
        return {key: each if key == "method" else with_text(each, text) for key, each in value.items()}
    if isinstance(value, list):
        return [with_text(each, text) for each in value]
    return text if isinstance(value, str) else value
