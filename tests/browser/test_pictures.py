"""Pictures of other people on our pages: from the hosts that the server lists, and from nowhere else."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import PICTURE_HOSTS as HOSTS

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

    from tests.browser.conftest import Pages

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]
HOST = HOSTS[0]
DOT = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+M8AAAMBAQAY3Y2wAAAAAElFTkSuQmCC")
GOOD = [
    f"https://{HOST}/a.png",
    f"https://{HOST}:8443/a.png?w=200",
    f"https://{HOST.upper()}/a.png",
    f"https://{HOST}:443/a.png",
]
BAD = [
    "",
    f"http://{HOST}/a.png",
    f"//{HOST}/a.png",
    f"https://other.example/{HOST}/a.png",
    f"https://{HOST}.other.example/a.png",
    f"https://cdn.{HOST}/a.png",
    f"https://{HOST}@other.example/a.png",
    f"https://somebody@{HOST}/a.png",
    f"https://somebody:secret@{HOST}/a.png",
    f"https://{HOST}:80/a.png",
    f"https://{HOST}./a.png",
    f"https:\\\\{HOST}\\a.png",
    f"https:/{HOST}/a.png",
    f"https:{HOST}/a.png",
    f" https://{HOST}/a.png",
    f"https://{HOST}/a .png",
    f"https://{HOST}/a\n.png",
    f"ht\ntps://{HOST}/a.png",
    f"https://{HOST}/{'a' * 2_000}",
    f"https://{HOST}/a.png\u202e",
    "data:image/png;base64,AAAA",
    "data:text/html,hello",
    "javascript:void(0)",
    f"javascript://{HOST}/%0avoid(0)",
    "blob:https://pictures.example/1",
    "file:///a.png",
    "/static/a.png",
    "a.png",
    7,
    None,
    [f"https://{HOST}/a.png"],
    {"href": f"https://{HOST}/a.png"},
]
ADDRESSES = """
async ([addresses, hosts]) => {
  const { pictureAddress } = await import("/static/pictures.js");
  return addresses.map((address) => pictureAddress(address, hosts));
}
"""
SHOW = """
async (address) => {
  const { picture } = await import("/static/pictures.js");
  const shown = picture(address);
  if (shown === null) return "none";
  document.body.append(shown);
  await new Promise((done) => { shown.addEventListener("load", done); shown.addEventListener("error", done); });
  return shown.isConnected && shown.naturalWidth > 0 ? "shown" : "gone";
}
"""
# Past our own guard: what the policy of the page says of it.
ANYHOW = """
(address) => new Promise((done) => {
  const shown = new Image();
  shown.onload = () => done("shown");
  shown.onerror = () => done("gone");
  shown.src = address;
})
"""


async def a_dot(route: Route) -> None:
    """Answers for every other host."""
    await route.fulfill(body=DOT, content_type="image/png")


async def answered(pages: Pages) -> tuple[Page, list[str]]:
    """A page for which we answer in the place of other hosts, and what it asks them for."""
    page = await pages.open("/builder")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "example" in request.url else None)
    await page.route("**://*.example*/**", a_dot)
    return page, asked


async def test_only_a_plain_address_of_a_listed_host_is_one(pages: Pages) -> None:
    page = await pages.open("/builder")
    assert None not in await page.evaluate(ADDRESSES, [GOOD, HOSTS])
    assert await page.evaluate(ADDRESSES, [BAD, HOSTS]) == [None] * len(BAD)
    assert await page.evaluate(ADDRESSES, [GOOD, []]) == [None] * len(GOOD)


async def test_pages_show_pictures_of_listed_hosts(there: Pages) -> None:
    page, asked = await answered(there)
    assert await page.evaluate(SHOW, GOOD[0]) == "shown"
    assert await page.evaluate(SHOW, GOOD[1]) == "shown"
    assert await page.evaluate(SHOW, "https://other.example/a.png") == "none"
    assert asked == GOOD[:2]
    assert there.wrong == []


async def test_a_picture_that_does_not_load_takes_itself_away(there: Pages) -> None:
    page = await there.open("/builder")
    await page.route("**://*.example*/**", lambda route: route.fulfill(status=404))
    assert await page.evaluate(SHOW, GOOD[0]) == "gone"
    assert await page.locator("img").count() == 0


async def test_without_a_list_no_picture_is_shown_and_none_asked_for(pages: Pages) -> None:
    page, asked = await answered(pages)
    assert await page.evaluate(SHOW, GOOD[0]) == "none"
    assert asked == []


async def test_the_browser_refuses_other_hosts_by_itself(there: Pages) -> None:
    page, _ = await answered(there)
    assert await page.evaluate(ANYHOW, GOOD[0]) == "shown"
    for address in ("https://other.example/a.png", f"http://{HOST}/a.png", f"https://cdn.{HOST}/a.png"):
        assert await page.evaluate(ANYHOW, address) == "gone", address
    assert len(there.wrong) == 3
    assert all("img-src" in each for each in there.wrong)
