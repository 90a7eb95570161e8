"""Why a record was refused: the reasons, and the value that says so. Failure is data here, never an exception."""

from __future__ import annotations

import re
from enum import StrEnum

from msgspec import Struct

# A detail goes into a Kafka header and a log line; it may quote the record, which may be 16 KiB of hostile text.
MAX_DETAIL_CHARS = 200

# msgspec ends its messages with where it stood: "... - at `$.lines[1].quantity`".
_AT = re.compile(r" - at `\$(?P<path>[^`]*)`\Z")
_MISSING = re.compile(r"\AObject missing required field `(?P<name>[^`]+)`")
_STEP = re.compile(r"\.(?P<name>\w+)|\[(?P<index>\d+)\]")


class Reason(StrEnum):
    """Why a record was refused. Where several hold, the first in this order is given: the same live and in replay.

    Two exceptions: a content type that is not ours is refused before the body is looked at; a record that cannot be
    read at all is nothing else.
    """

    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NESTED_TOO_DEEP = "nested_too_deep"
    NOT_JSON = "not_json"
    UNKNOWN_TYPE = "unknown_type"
    WRONG_TOPIC = "wrong_topic"
    SCHEMA_VIOLATION = "schema_violation"
    KEY_MISMATCH = "key_mismatch"
    MISPLACED_KEY = "misplaced_key"
    AHEAD_OF_CLOCK = "ahead_of_clock"
    TOO_OLD = "too_old"
    IMPOSSIBLE_TIME = "impossible_time"
    ORDER_CONFLICT = "order_conflict"
    EVENT_ID_CONFLICT = "event_id_conflict"
    UNREADABLE_RECORD = "unreadable_record"


# Of these the record alone does not tell: they depend on what the room has read before it.
REASONS_OF_THE_ROOM = frozenset({Reason.ORDER_CONFLICT, Reason.EVENT_ID_CONFLICT})


class DeadLetter(Struct, frozen=True, gc=False):
    """A refusal. `pointer` (RFC 6901) names the value at fault, "" the whole document; None when no one value is.

    The refused record itself is kept by whoever holds it.
    """

    reason: Reason
    detail: str
    pointer: str | None


def refuse(reason: Reason, detail: str, pointer: str | None = None) -> DeadLetter:
    """A dead letter whose detail is one short printable line, whatever it quotes."""
    if len(detail) > MAX_DETAIL_CHARS:
        detail = detail[: MAX_DETAIL_CHARS - 1] + "…"
    if not detail.isprintable():
        detail = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in detail)
    return DeadLetter(reason, detail, pointer)


def violation(message: str) -> DeadLetter:
    """A schema violation from msgspec's message: its path becomes a JSON pointer, a missing field is named itself."""
    at = _AT.search(message)
    path = at["path"] if at else ""
    pointer = "".join("/" + (step["name"] or step["index"]) for step in _STEP.finditer(path))
    text = message[: at.start()] if at else message
    if missing := _MISSING.match(text):
        pointer += "/" + missing["name"]
    return refuse(Reason.SCHEMA_VIOLATION, text, pointer)
