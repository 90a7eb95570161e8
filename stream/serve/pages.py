"""The pages and what they load: files of this package's `static` folder. Browsers revalidate them at each use."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import mimetypes
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp import ETag

STATIC = Path(__file__).parent / "static"
# The folders of the mechanics, with their files for pages (`mechanics/…`). None of their other files is served.
MECHANICS = Path(__file__).parents[1] / "mechanics"
MECHANICS_PREFIX = "mechanics/"
MECHANICS_TYPES = (".js", ".css", ".svg")
# Path → file. The page itself reads the room from its address, in the browser.
PAGES: Mapping[str, str] = {
    "/overlay": "overlay.html",
    "/builder": "builder.html",
    "/rooms": "rooms.html",
    "/console": "rooms.html",
    "/console/{room}": "console.html",
    "/wall": "walls.html",
    "/wall/{room}": "wall.html",
    "/report/{room}/{session}": "report.html",
    # At the pages' own level: a service worker's scope is its own folder.
    "/overlay-worker.js": "overlay-worker.js",
    # A shared worker follows the policy sent with its own script, and this one connects as a page does.
    "/static/shared-streams.js": "shared-streams.js",
}
TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".html": "text/html",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".json": "application/json",
    ".LICENSE": "text/plain",
}
GZIP_MIN_BYTES = 1_000
# The module that tells pages which hosts pictures may come from. The file in the folder says none.
PICTURE_HOSTS = "picture-hosts.js"
# Plain names: no hidden file, no step upwards.
_NAME = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*")


class _File(Struct, frozen=True):
    mtime_ns: int
    size: int
    content_type: str
    tag: str
    body: bytes
    packed: bytes | None


class StaticFiles:
    """The files, kept in memory and read again after a change.

    Args:
        folder: the folder of the files. The memory is bounded by the package's number of files.
        mechanics: the folder of the mechanics, whose files for pages have names that begin with `mechanics/`.
        made: name → text of files that the settings make. They take the place of the folder's files of the same name.
    """

    def __init__(
        self, folder: Path = STATIC, mechanics: Path = MECHANICS, made: Mapping[str, str] | None = None
    ) -> None:
        self._folder = folder
        self._mechanics = mechanics
        self._made = {name: _file(name, text.encode(), 0) for name, text in (made or {}).items()}
        self._files: dict[str, _File] = {}

    async def answer(self, request: web.Request, name: str) -> web.Response:
        """The file, or 304 if the reader has it.

        Raises:
            HTTPNotFound: there is no file of that name.
        """
        found = await asyncio.get_running_loop().run_in_executor(None, self._find, name)
        if found is None:
            raise web.HTTPNotFound
        headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        packed = found.packed if accepts_gzip(request) else None
        tag = found.tag if packed is None else f"{found.tag}-gz"
        if is_held(request, tag):
            return web.Response(status=304, headers={**headers, "ETag": f'"{tag}"'})
        if packed is not None:
            headers["Content-Encoding"] = "gzip"
        return web.Response(
            body=found.body if packed is None else packed,
            headers={**headers, "ETag": f'"{tag}"', "Content-Type": found.content_type},
        )

    def _find(self, name: str) -> _File | None:
        if name in self._made:
            return self._made[name]
        if _NAME.fullmatch(name) is None:
            return None
        path = self._folder / name
        if name.startswith(MECHANICS_PREFIX):
            path = self._mechanics / name.removeprefix(MECHANICS_PREFIX)
            if path.suffix not in MECHANICS_TYPES:
                return None
        try:
            status = path.stat()
            held = self._files.get(name)
            if held is not None and (held.mtime_ns, held.size) == (status.st_mtime_ns, status.st_size):
                return held
            body = path.read_bytes()
        except (OSError, ValueError):
            self._files.pop(name, None)
            return None
        file = self._files[name] = _file(name, body, status.st_mtime_ns)
        return file


def picture_hosts_file(hosts: Sequence[str]) -> dict[str, str]:
    """Name → text of the module that tells pages which hosts pictures may come from."""
    listed = msgspec.json.encode(list(hosts)).decode()
    return {PICTURE_HOSTS: f"export const PICTURE_HOSTS = {listed};\n"}


def _file(name: str, body: bytes, mtime_ns: int) -> _File:
    kind = TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    is_text = kind.startswith("text/") or kind in ("application/json", "image/svg+xml")
    return _File(
        mtime_ns,
        len(body),
        f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
        hashlib.sha256(body).hexdigest()[:20],
        body,
        gzip.compress(body, mtime=0) if is_text and len(body) >= GZIP_MIN_BYTES else None,
    )


def is_held(request: web.Request, tag: str) -> bool:
    """Whether the reader already has the entity with this tag."""
    held: tuple[ETag, ...] = request.if_none_match or ()
    return any(each.value in (tag, "*") for each in held)


def accepts_gzip(request: web.BaseRequest) -> bool:
    """Whether the reader takes gzip."""
    for part in request.headers.get("Accept-Encoding", "").lower().split(","):
        coding, _, weight = part.partition(";")
        if coding.strip() == "gzip" and not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", weight):
            return True
    return False
