"""docs/overlays.md against the pages: the example runs as it stands there, the tables say what the code does."""

from __future__ import annotations

import functools
import re
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from stream.local.ports import free_ports
from tests.browser.looking import eventually, text_of
from tests.browser.rooms import coat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser.conftest import Pages, ServeProcess
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


@pytest.fixture
def widgets_folder(served: ServeProcess, tmp_path: Path) -> Iterator[Path]:
    """A folder that a server of files alone serves, at an origin that may read and at one that may not."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", served.widgets_port), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield tmp_path
        server.shutdown()
        thread.join()


async def test_the_printed_widget_runs_from_another_origin_and_blanks_by_itself(
    pages: Pages, room: Room, served: ServeProcess, widgets_folder: Path
) -> None:
    printed = PAGE.partition("<!-- example: widget -->\n```html\n")[2].partition("```")[0]
    assert printed.count("\n") <= 20
    filled = printed.replace("http://127.0.0.1:8080", served.url).replace("my-room", room.room_id)
    context = await pages.context()
    starter = await context.request.get(f"{served.url}/starter/{room.room_id}.html?token=")
    assert await starter.text() == filled
    (widgets_folder / "my-room.html").write_text(filled.replace('token: ""', 'token: "a.b"'), "utf-8")
    page = await context.new_page()
    pages.watch(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    room.fresh_ms = 4_000
    await page.goto(f"{served.widgets_origin}/my-room.html")
    text = text_of(page, "#left")
    async with room.live():
        await eventually(text, lambda said: said == "Only 42 left!", "the claim")
        assert await page.title() == "live"
    await eventually(text, lambda said: said == "", "it ran out")
    room.fresh_ms = 60_000
    room.sales = [coat(sold=1_000)]
    room.put()
    room.sales = [coat(sold=4_893)]
    room.put()
    await eventually(text, lambda said: said == "Only 7 left!", "the next claim")
    # A worker is shared within one origin only: the page reads by itself.
    assert f"{served.url}/v1/rooms/{room.room_id}/events?parts=claims" in asked


async def test_a_widget_whose_origin_may_not_read_gets_the_printed_error_and_the_log_names_the_cure(
    pages: Pages, room: Room, served: ServeProcess, widgets_folder: Path
) -> None:
    errors = [row[0].strip("`") for row in table("browser errors")]
    printed = PAGE.partition("<!-- example: widget -->\n```html\n")[2].partition("```")[0]
    ours = printed.replace("http://127.0.0.1:8080", served.url).replace("my-room", room.room_id)
    (widgets_folder / "my-room.html").write_text(ours, "utf-8")
    closed = f"http://127.0.0.1:{free_ports(1)[0]}"
    (widgets_folder / "away.html").write_text(ours.replace(served.url, closed), "utf-8")
    page = await (await pages.context()).new_page()
    said: list[str] = []
    page.on("console", lambda line: said.append(line.text))

    async def says() -> list[str]:
        return said

    def as_printed(error: str, origin: str) -> str:
        return error.replace("http://127.0.0.1:8080", served.url).replace("http://127.0.0.1:8000", origin)

    foreign = served.widgets_origin.replace("127.0.0.1", "localhost")
    await page.goto(f"{foreign}/my-room.html")
    await eventually(says, lambda lines: as_printed(errors[0], foreign) in lines, "refused")
    await page.goto((widgets_folder / "my-room.html").as_uri())
    await eventually(says, lambda lines: as_printed(errors[0], "null") in lines, "refused as a file")
    assert errors[1] == "the same with `from origin 'null'"
    await page.goto(f"{served.widgets_origin}/away.html")
    await eventually(says, lambda lines: errors[2] in lines, "nobody there")
    for origin in (foreign, "null"):
        told = [line for line in served.said().splitlines() if "SNAPUP_SERVE_CORS_ORIGINS" in line and origin in line]
        assert len(told) == 1, origin


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
