"""Lines of NDJSON → messages: bare, in a wrapper with what HTTP said beside them, or many in an array. Total."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
from msgspec import Struct

from stream.bridge.nodes import Node, plain_kind, text_of
from stream.bridge.reasons import Reason
from stream.contract.wire import is_too_deep

if TYPE_CHECKING:
    from collections.abc import Iterator

# A shop's order of a thousand lines has one; the longest of any stream is a hundredth of it.
MAX_LINE_BYTES = 4 * 1024 * 1024
# An array in a wrapper in an array: more is no batch of anybody.
MAX_WRAPPED = 3
_WRAPPER = {"kind", "type", "event", "topic", "room", "received_at", "headers", "data"}
_NO_HEADERS: dict[str, str] = {}


class Message(Struct, frozen=True):
    """One message of a platform.

    Attributes:
        kind: what the bridge or the library calls it, without `Webcast…`, `…Message`, `…Event`, in small letters.
        body: the platform's JSON: an object that is not empty.
        headers: of HTTP, with names in small letters.
        room: the room that the bridge names; None where it names none.
        received_at: when the bridge heard it, as it says it; None where it does not.
        half_character: whether half of a character was replaced.
    """

    kind: str
    body: dict[str, Any]
    headers: Mapping[str, str] = _NO_HEADERS
    room: str | None = None
    received_at: Node = None
    half_character: bool = False


def messages_of(line: bytes) -> Iterator[Message | Reason]:
    """The messages of one line, at least one; a reason in the place of each that is none."""
    found = _node_of(line)
    if isinstance(found, Reason):
        yield found
        return
    node, half = found
    yield from _unwrapped(node, Message("", {}, half_character=half), MAX_WRAPPED)


def message_of(body: bytes, headers: Mapping[str, str]) -> Message | Reason:
    """The message that a webhook's body is, as it came; `headers` with names in small letters."""
    found = _node_of(body)
    if isinstance(found, Reason):
        return found
    node, half = found
    if not isinstance(node, dict) or not node:
        return Reason.NOT_A_MESSAGE
    return Message("", node, headers, half_character=half)


def _node_of(line: bytes) -> tuple[Node, bool] | Reason:
    """The JSON, and whether half of a character was replaced in it; or why it cannot be read."""
    if len(line) > MAX_LINE_BYTES:
        return Reason.TOO_LARGE
    if is_too_deep(line):
        return Reason.TOO_DEEP
    try:
        return msgspec.json.decode(line), False
    except (ValueError, RecursionError):
        try:
            return _with_half_characters(line), True
        except (ValueError, RecursionError):
            return Reason.NOT_JSON


def _unwrapped(node: Node, outer: Message, wrapped: int) -> Iterator[Message | Reason]:
    if isinstance(node, list) and node and wrapped:
        for item in node:
            yield from _unwrapped(item, outer, wrapped - 1)
        return
    if not isinstance(node, dict) or not node:
        yield Reason.NOT_A_MESSAGE
        return
    said = Message(
        outer.kind or _kind(node),
        node,
        _headers(node.get("headers")) or outer.headers,
        text_of(node.get("room")) or outer.room,
        outer.received_at if node.get("received_at") is None else node.get("received_at"),
        outer.half_character,
    )
    inner = _inner(node)
    if inner is None or not wrapped:
        yield said
        return
    if inner is node.get("messages"):
        said = msgspec.structs.replace(said, kind="")  # each says its own
    yield from _unwrapped(inner, said, wrapped - 1)


def _inner(node: dict[str, Any]) -> Node:
    """What a wrapper holds; None where the object is a message itself."""
    if isinstance(node.get("body"), dict | list):
        return node["body"]
    if isinstance(node.get("data"), dict | list) and _kind(node) and node.keys() <= _WRAPPER:
        return node["data"]
    if isinstance(node.get("messages"), list) and node.keys() <= {"messages", *_WRAPPER}:
        return node["messages"]
    return None


def _kind(node: dict[str, Any]) -> str:
    for name in ("kind", "topic", "type", "event", "method"):
        if isinstance(node.get(name), str):
            return plain_kind(node[name])
    return ""


def _headers(node: Node) -> dict[str, str]:
    if not isinstance(node, dict):
        return _NO_HEADERS
    first = {name.lower(): value[0] if isinstance(value, list) and value else value for name, value in node.items()}
    return {name: value for name, value in first.items() if isinstance(value, str)}


def _with_half_characters(line: bytes) -> Node:
    """The JSON of a line in which text was cut in the middle of a character. Raises ValueError for any other fault."""
    node = json.loads(line.decode(), parse_constant=_not_json, parse_int=_number)
    whole = json.dumps(node, ensure_ascii=False).encode("utf-8", "replace")
    return msgspec.json.decode(whole)


def _number(text: str) -> int:
    if len(text) > 30:  # noqa: PLR2004 — see `nodes`: no number of a platform is longer
        raise ValueError(text)
    return int(text)


def _not_json(constant: str) -> NoReturn:
    raise ValueError(constant)
