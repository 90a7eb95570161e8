"""The starter of a widget: the page of docs/overlays.md, with a server's address, a room and a token filled in.

It is a file to keep and to change, for a place of its own: as a page of this server it would not run.
"""

from __future__ import annotations

import functools
import re

from stream.serve.pages import STATIC

TEMPLATE = STATIC / "starter.html"
# What stands in the printed page, and is replaced in a starter.
PRINTED_SERVER = "http://127.0.0.1:8080"
PRINTED_ROOM = 'room: "my-room"'
PRINTED_TOKEN = 'token: ""'  # noqa: S105 -- the place of one

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-]+(?::\d{1,5})?|https?://\[[0-9A-Fa-f:.]+\](?::\d{1,5})?")
# What tokens are made of: base64url, and the dot between grant and signature.
_TOKEN = re.compile(r"[A-Za-z0-9_.\-]{0,512}")


@functools.cache
def printed_page() -> str:
    """The page as docs/overlays.md prints it."""
    return TEMPLATE.read_text("utf-8")


def starter_page(origin: str, room_id: str, token: str = "") -> str:
    """The text of the file.

    Args:
        origin: scheme, host and port under which the reader reaches this server.
        room_id: a room id, which has no quotes.
        token: a token for the room; empty: none.

    Raises:
        ValueError: the origin or the token has characters that neither can have. The text says which of them.
    """
    if _ORIGIN.fullmatch(origin) is None:
        raise ValueError("this host name cannot stand in an address")
    if _TOKEN.fullmatch(token) is None:
        raise ValueError("this is no token")
    page = printed_page()
    for printed, filled in (
        (PRINTED_SERVER, origin),
        (PRINTED_ROOM, f'room: "{room_id}"'),
        (PRINTED_TOKEN, f'token: "{token}"'),
    ):
        page = page.replace(printed, filled)
    return page
