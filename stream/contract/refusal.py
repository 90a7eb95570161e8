"""Why a record was refused: the reasons, and the value that holds one. A refusal is data, never an exception."""

from __future__ import annotations

import re
from enum import StrEnum

from msgspec import Struct

# A detail goes into a Kafka header and a log line. It may quote the record, which may be 16 KiB of hostile text.
MAX_DETAIL_CHARS = 200

# msgspec ends its messages with the place: "... - at `$.lines[1].quantity`".
_AT = re.compile(r" - at `\$(?P<path>[^`]*)`\Z")
_MISSING = re.compile(r"\AObject missing required field `(?P<name>[^`]+)`")
_STEP = re.compile(r"\.(?P<name>\w+)|\[(?P<index>\d+)\]")


class Reason(StrEnum):
    """Why a record was refused. If several reasons hold, the first in this order is given, live and in replay alike.

    Two exceptions: a foreign content type is refused before the body is read, and an unreadable record has no other
    reason.
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


# These depend on what the room has read before: the record alone does not show them.
REASONS_OF_THE_ROOM = frozenset({Reason.ORDER_CONFLICT, Reason.EVENT_ID_CONFLICT})


class DeadLetter(Struct, frozen=True, gc=False):
    """A refusal. `pointer` (RFC 6901) names the value at fault, "" the whole document; None: no one value is at fault.

    The caller keeps the refused record itself.
    """

    reason: Reason
    detail: str
    pointer: str | None


def refuse(reason: Reason, detail: str, pointer: str | None = None) -> DeadLetter:
    """A dead letter. Its detail is one short printable line, whatever text it quotes."""
    if len(detail) > MAX_DETAIL_CHARS:
        detail = detail[: MAX_DETAIL_CHARS - 1] + "…"
    if not detail.isprintable():
        detail = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in detail)
    return DeadLetter(reason, detail, pointer)


def violation(message: str) -> DeadLetter:
    """The schema violation in msgspec's message: its path becomes a JSON pointer, with a missing field's name added."""
    at = _AT.search(message)
    path = at["path"] if at else ""
    pointer = "".join("/" + (step["name"] or step["index"]) for step in _STEP.finditer(path))
    text = message[: at.start()] if at else message
    if missing := _MISSING.match(text):
        pointer += "/" + missing["name"]
    return refuse(Reason.SCHEMA_VIOLATION, text, pointer)
