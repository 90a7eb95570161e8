"""Values of foreign JSON: missing fields are defaults, integers may be text, fractions are refused. Total."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from stream.bridge.reasons import NoEventError, Reason

Node = Any

_WHOLE = re.compile(r"-?[0-9]{1,30}")
_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])")
# No id and no counter of any platform has more digits; Python refuses to write very long numbers.
_TOO_LONG = 10**30
_NO_ID = {"", "0", "-1"}


def at(node: Node, *paths: str) -> Node:
    """The first value at one of the paths that is neither missing, null nor an empty text; else None.

    A path is names with dots between, `common.msgId`, and numbers for places in arrays, `info.2.0`. A name in camel
    case is also found in snake case: Python's libraries write either.
    """
    for path in paths:
        value = _walk(node, path)
        if value is not None and value != "":
            return value
    return None


def _walk(node: Node, path: str) -> Node:
    for name in path.split("."):
        if isinstance(node, dict):
            node = node[name] if name in node else node.get(_snake(name))
        elif isinstance(node, list) and name.isdecimal():
            node = node[int(name)] if int(name) < len(node) else None
        else:
            return None
    return node


@cache
def _snake(name: str) -> str:
    return _HUMP.sub(lambda found: f"_{found[1].lower()}", name)


def whole(value: Node) -> int:
    """The whole number that a number or a text says; 0 where it is missing.

    Raises:
        NoEventError: a fraction, or anything else; a double may have lost digits.
    """
    if value is None or value == "":
        return 0
    if type(value) is int and abs(value) < _TOO_LONG:
        return value
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    raise NoEventError(Reason.BAD_NUMBER)


def id_text(value: Node) -> str | None:
    """The id that a number or a text says; None where it is missing, 0 or -1.

    Raises:
        NoEventError: a fraction or the like: an id that went through a double is another id.
    """
    if type(value) is int and abs(value) < _TOO_LONG:
        value = str(value)
    elif value is not None and not isinstance(value, str):
        raise NoEventError(Reason.BAD_NUMBER)
    return None if value is None or value in _NO_ID else value


def text_of(value: Node) -> str:
    """The text; empty where it is missing or no text."""
    return value if isinstance(value, str) else ""


def items_of(value: Node) -> list[Node]:
    """The items of an array; none where it is missing or no array."""
    return value if isinstance(value, list) else []


def is_true(value: Node) -> bool:
    """Whether a flag is set, in any way that libraries write it."""
    return value is True or value in (1, "1", "true", "True")


def plain_kind(name: Node) -> str:
    """A kind without the dress of libraries: `WebcastChatMessage`, `ChatEvent`, `chat` → `chat`."""
    return text_of(name).lower().removeprefix("webcast").removesuffix("message").removesuffix("event")
