"""Files of the pages: found by plain names only, revalidated, packed where the reader takes that."""

from __future__ import annotations

import gzip
import os
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession, web

from stream.local.ports import LOOPBACK
from stream.serve.pages import MECHANICS, PAGES, PICTURE_HOSTS, STATIC, StaticFiles, picture_hosts_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SCRIPT = b"// a script\n" * 200


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "static" / "deep").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "static" / ".hidden").write_text("hidden")
    (tmp_path / "static" / "script.js").write_bytes(SCRIPT)
    (tmp_path / "static" / "deep" / "style.css").write_text("a{}")
    (tmp_path / "static" / "picture.webp").write_bytes(bytes(3_000))
    gifts = tmp_path / "mechanics" / "gifts"
    gifts.mkdir(parents=True)
    (tmp_path / "mechanics" / "mechanics.js").write_text("// all")
    (gifts / "widget.js").write_text("// widget")
    for name in ("fold.py", "README.md", ".hidden.js"):
        (gifts / name).write_text("not for pages")
    return tmp_path / "static"


@pytest.fixture
async def top(folder: Path) -> AsyncIterator[str]:
    files = StaticFiles(folder, folder.parent / "mechanics")

    async def answer(request: web.Request) -> web.StreamResponse:
        return await files.answer(request, request.match_info["name"])

    app = web.Application()
    app.router.add_get("/{name:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, LOOPBACK, 0)
    await site.start()
    yield f"http://{LOOPBACK}:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with ClientSession(auto_decompress=False) as made:
        yield made


async def test_a_file_has_its_type_and_is_revalidated(top: str, session: ClientSession) -> None:
    async with session.get(f"{top}/script.js", headers={"Accept-Encoding": "identity"}) as response:
        assert await response.read() == SCRIPT
        assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-cache"
        tag = response.headers["ETag"]
    for held in (tag, f'"other", {tag}', f"W/{tag}"):
        headers = {"Accept-Encoding": "identity", "If-None-Match": held}
        async with session.get(f"{top}/script.js", headers=headers) as response:
            assert (response.status, response.headers["ETag"]) == (304, tag)
    for path, kind in (("deep/style.css", "text/css; charset=utf-8"), ("picture.webp", "image/webp")):
        async with session.get(f"{top}/{path}") as response:
            assert response.headers["Content-Type"] == kind


async def test_text_is_packed_for_who_takes_it_and_has_another_tag(top: str, session: ClientSession) -> None:
    tags = set()
    for accepted, packed in (("gzip", True), ("br, GZIP;q=0.5", True), ("gzip;q=0", False), ("br", False), ("", False)):
        async with session.get(f"{top}/script.js", headers={"Accept-Encoding": accepted}) as response:
            body = await response.read()
            assert (response.headers.get("Content-Encoding") == "gzip") == packed, accepted
            assert (gzip.decompress(body) if packed else body) == SCRIPT
            assert response.headers["Vary"] == "Accept-Encoding"
            tags.add(response.headers["ETag"])
    assert len(tags) == 2
    for path in ("picture.webp", "deep/style.css"):  # packed already, and too short
        async with session.get(f"{top}/{path}", headers={"Accept-Encoding": "gzip"}) as response:
            assert "Content-Encoding" not in response.headers


async def test_what_mechanics_hold_for_pages_is_served_and_nothing_else_of_theirs(
    top: str, session: ClientSession
) -> None:
    for name, text in (("mechanics/mechanics.js", "// all"), ("mechanics/gifts/widget.js", "// widget")):
        async with session.get(f"{top}/{name}") as response:
            assert (response.status, await response.text()) == (200, text)
            assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
            assert response.headers["Cache-Control"] == "no-cache"
    hidden = ("gifts/fold.py", "gifts/README.md", "gifts/.hidden.js", "gifts", "../static/script.js", "..%2fsecret.txt")
    for name in hidden:
        async with session.get(f"{top}/mechanics/{name}") as response:
            assert response.status == 404 or name.startswith(".."), name
            assert "not for pages" not in await response.text()


async def test_a_changed_file_is_read_again(top: str, session: ClientSession, folder: Path) -> None:
    async with session.get(f"{top}/script.js") as response:
        before = response.headers["ETag"]
    (folder / "script.js").write_text("new")
    os.utime(folder / "script.js", ns=(1, 1))
    async with session.get(f"{top}/script.js") as response:
        assert await response.text() == "new"
        assert response.headers["ETag"] != before
    (folder / "script.js").unlink()
    async with session.get(f"{top}/script.js") as response:
        assert response.status == 404


@pytest.mark.parametrize(
    "name",
    [
        "",
        "nothing.js",
        "deep",
        "deep/",
        "deep//style.css",
        ".hidden",
        "..%2fsecret.txt",
        "%2e%2e/secret.txt",
        "deep%2f..%2f..%2fsecret.txt",
        "%2fetc%2fpasswd",
        "script.js%00",
        "script.js%0a",
        "script.js%5c",
        "a" * 5_000,
    ],
)
async def test_other_names_are_not_found(top: str, session: ClientSession, name: str) -> None:
    from yarl import URL  # noqa: PLC0415 -- only to send a path as it is

    async with session.get(URL(f"{top}/{name}", encoded=True)) as response:
        assert response.status == 404


def test_without_a_server_that_lists_hosts_no_picture_is_shown() -> None:
    (text,) = picture_hosts_file(()).values()
    assert (STATIC / PICTURE_HOSTS).read_text("utf-8").endswith(text)


def test_every_page_is_there() -> None:
    assert [name for name in PAGES.values() if not (STATIC / name).is_file()] == []
    assert (MECHANICS / "mechanics.js").is_file()
