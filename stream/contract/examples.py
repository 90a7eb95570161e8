"""The published examples in `schemas/examples/`: records that are accepted and records that are refused.

A valid example is the value of a record. An invalid one is a whole record (topic, key, append time, headers, value)
with the reason and the JSON pointer of its refusal. Each type has one for each reason, and one for each kind of limit
in its schema. Tests hold the examples against the decoder and against the schemas.
"""

from __future__ import annotations

from base64 import b64encode
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from stream.contract.catalogue import BUILT_IN, Catalogue, KindExamples
from stream.contract.events import (
    MAX_AGE_MS,
    MAX_AHEAD_MS,
    MAX_AMOUNT_MINOR,
    MAX_COMMENT_CHARS,
    MAX_HOLD_MS,
    MAX_ID_CHARS,
    MAX_OFFERED,
    MAX_ORDER_LINES,
    MAX_QUANTITY,
    MAX_RECORD_BYTES,
    MAX_SAFE_INTEGER,
    MAX_TAPS,
)
from stream.contract.refusal import Reason
from stream.contract.wire import MAX_DEPTH

if TYPE_CHECKING:
    from stream.contract.catalogue import Json

NOW_MS = 1_507_636_800_123
ROOM = "viya-2017"

_LINES = [
    {"sku_id": "sku-881", "quantity": 2, "amount_minor": 39_800, "sale_id": "coat-drop"},
    {"sku_id": "sku-12", "quantity": 1, "amount_minor": 0},
]
EVENT = {"event_id": "01JD8Q5W4Z3V9T7KX2M6YB1C0N", "room_id": ROOM, "event_time_ms": NOW_MS}
PERSON = {**EVENT, "user_id": "u-1204118"}
_SALE = {**EVENT, "sale_id": "coat-drop"}
_ROOM = {**EVENT, "show_id": "viya-2017-10-10"}
_ORDER = {**PERSON, "order_id": "o-31544", "status": "placed", "lines": _LINES, "currency": "CNY"}

# An example of each type with every field.
FULL: dict[str, Json] = {
    "comment": {**PERSON, "text": "is there a size M left?"},
    "like": {**PERSON, "count": 12},
    "cart_add": {**PERSON, "sku_id": "sku-881", "quantity": 1, "sale_id": "coat-drop"},
    "cart_remove": {**PERSON, "sku_id": "sku-881", "quantity": 1, "sale_id": "coat-drop"},
    "order": _ORDER,
    "enter": {**PERSON, "source": "feed", "session_id": "s-77"},
    "leave": {**PERSON, "session_id": "s-77"},
    "product_click": {**PERSON, "sku_id": "sku-881", "source": "shelf"},
    "sale_opened": {
        **_SALE,
        "sku_id": "sku-881",
        "offered": 5_000,
        "starts_at_ms": NOW_MS + 60_000,
        "ends_at_ms": NOW_MS + 360_000,
        "price_minor": 19_900,
        "list_price_minor": 39_900,
        "currency": "CNY",
        "per_user_limit": 2,
        "restock_planned_at_ms": NOW_MS + 180_000,
        "prior_price_minor": 24_900,
    },
    "sale_restocked": {**_SALE, "sku_id": "sku-881", "quantity": 500, "restock_planned_at_ms": NOW_MS + 90_000},
    "sale_extended": {**_SALE, "ends_at_ms": NOW_MS + 660_000},
    "sale_closed": _SALE,
    "room_opened": _ROOM,
    "room_closed": _ROOM,
    "records_misplaced": {**EVENT, "topic": "orders", "partition": 2, "offset": 118_204, "count": 5},
}

_LONG_ID = "Az09._:-" * (MAX_ID_CHARS // 8)
_LONGEST_LINE = {"sku_id": "s", "quantity": MAX_QUANTITY, "amount_minor": MAX_AMOUNT_MINOR}

# A value that removes the field.
ABSENT = object()

# Further good examples: type → case → the fields that differ from the full example.
_GOOD: dict[str, dict[str, Json]] = {
    "comment": {
        "unicode": {"text": "这件外套还有 M 码吗?\N{SMILING FACE WITH HEART-SHAPED EYES} e\N{COMBINING ACUTE ACCENT}"},
        "empty": {"text": ""},
        "longest": {"text": "\N{FIRE}" * MAX_COMMENT_CHARS},
        "control-characters": {"text": 'a\x00b\n\t"\\'},
    },
    "like": {"most-taps": {"count": MAX_TAPS}, "longest-ids": {"event_id": _LONG_ID, "user_id": _LONG_ID}},
    "cart_add": {"greatest-quantity": {"quantity": MAX_QUANTITY}},
    "cart_remove": {"greatest-quantity": {"quantity": MAX_QUANTITY}, "of-every-sale": {"sale_id": None}},
    "order": {
        "paid": {"event_id": "01JD8Q60A3R5N8W2E4T6Y8U1P9", "status": "paid"},
        "cancelled": {"event_id": "01JD8Q6F2K7M3B5V9C1X4Z6L8J", "status": "cancelled"},
        "refunded": {"event_id": "01JD8Q6T8H4G2F6D1S3A5P7O9I", "status": "refunded"},
        "shipped": {"event_id": "01JD8Q7V5W8E1R4T7Y0V3J6O9P", "status": "shipped"},
        "delivered": {"event_id": "01JD8Q7X2A5S8D1F4G7H0J3K6L", "status": "delivered"},
        "completed": {"event_id": "01JD8Q7Z9Q2W5E8R1T4Y7V0J3O", "status": "completed"},
        "payment-failed": {"event_id": "01JD8Q61B4C7D0F3G6H9J2K5M8", "status": "payment_failed"},
        "cancelled-without-lines": {"event_id": "01JD8Q6F2K7M3B5V9C1X4Z6L8K", "status": "cancelled", "lines": ABSENT},
        "most-lines": {"lines": [_LONGEST_LINE] * MAX_ORDER_LINES},
        "device-known": {"device_id": "d-7c1f"},
        "cash-on-delivery": {"payment_terms": "cash_on_delivery"},
        "deposit": {"payment_terms": "deposit"},
        "edited": {"event_id": "01JD8Q5Y3H6J9L2P5S8V1Y4B7E", "status": "placed", "revision": 2},
        "not-come-back": {"event_id": "01JD8Q7K2D5S8A1P4H7B0N3M6Q", "status": "refunded", "restock": False},
        "most-part-lines": {
            "event_id": "01JD8Q7R8U1I4O7P0A3S6D9F2G",
            "status": "refunded",
            "part_id": "rf-4",
            "part_lines": [_LINES[1]] * MAX_ORDER_LINES,
        },
        "part-returned": {
            "event_id": "01JD8Q7M4F7G0H3J6K9L2Z5X8C",
            "status": "refunded",
            "lines": ABSENT,
            "part_id": "rf-1",
            "part_lines": [{"sku_id": "sku-881", "quantity": 1, "amount_minor": 19_900, "sale_id": "coat-drop"}],
        },
        "part-of-money-alone": {
            "event_id": "01JD8Q7N5V8B1N4M7Q0W3E6R9T",
            "status": "refunded",
            "lines": ABSENT,
            "part_id": "rf-2",
            "part_lines": [{"sku_id": "sku-881", "quantity": 0, "amount_minor": 500, "sale_id": "coat-drop"}],
        },
        "part-cancelled-and-gone": {
            "event_id": "01JD8Q7P6Y9U2I5O8P1A4S7D0F",
            "status": "cancelled",
            "part_id": "rf-3",
            "restock": False,
            "part_lines": [{"sku_id": "sku-12", "quantity": 1, "amount_minor": 0}],
        },
    },
    "enter": {"earliest-time": {"event_time_ms": 0}, "latest-time": {"event_time_ms": MAX_SAFE_INTEGER}},
    "sale_opened": {
        "nothing-offered": {"offered": 0},
        "most-offered": {"offered": MAX_OFFERED},
        "longest-hold": {"hold_ms": MAX_HOLD_MS},
    },
    "sale_restocked": {"most-units": {"quantity": MAX_OFFERED}},
    "sale_extended": {"one-sku": {"sku_id": "sku-881"}},
    "sale_closed": {"one-sku": {"sku_id": "sku-881"}},
}

# Breaches of the schema: type → case → (pointer, value).
_BAD: dict[str, dict[str, tuple[str, Any]]] = {
    "comment": {
        "text-too-long": ("/text", "x" * (MAX_COMMENT_CHARS + 1)),
        "text-too-long-in-characters": ("/text", "\N{FIRE}" * (MAX_COMMENT_CHARS + 1)),
        "text-missing": ("/text", ABSENT),
        "text-null": ("/text", None),
        "type-missing": ("/type", ABSENT),
        "type-null": ("/type", None),
        "type-number": ("/type", 1),
        "event-id-empty": ("/event_id", ""),
        "event-id-number": ("/event_id", 7),
        "room-missing": ("/room_id", ABSENT),
        "room-empty": ("/room_id", ""),
        "room-too-long": ("/room_id", "x" * (MAX_ID_CHARS + 1)),
        "room-number": ("/room_id", 7),
        "time-missing": ("/event_time_ms", ABSENT),
    },
    "like": {
        "count-zero": ("/count", 0),
        "count-too-many": ("/count", MAX_TAPS + 1),
        "count-fraction": ("/count", 1.5),
        "count-written-as-float": ("/count", 3.0),
        "count-text": ("/count", "3"),
        "count-true": ("/count", True),
        "event-time-negative": ("/event_time_ms", -1),
        "event-time-too-great": ("/event_time_ms", MAX_SAFE_INTEGER + 1),
        "event-time-text": ("/event_time_ms", "2017-10-10T12:00:00Z"),
        "user-missing": ("/user_id", ABSENT),
        "user-empty": ("/user_id", ""),
        "user-number": ("/user_id", 1_204_118),
        "user-with-newline": ("/user_id", "u-1\n"),
        "event-id-too-long": ("/event_id", "x" * (MAX_ID_CHARS + 1)),
        "event-id-missing": ("/event_id", ABSENT),
        "room-with-space": ("/room_id", "viya 2017"),
        "room-not-ascii": ("/room_id", "薇娅"),
    },
    "cart_add": {
        "quantity-zero": ("/quantity", 0),
        "quantity-too-many": ("/quantity", MAX_QUANTITY + 1),
        "sku-missing": ("/sku_id", ABSENT),
        "sale-with-slash": ("/sale_id", "coat/drop"),
    },
    "cart_remove": {
        "quantity-zero": ("/quantity", 0),
        "quantity-text": ("/quantity", "all"),
        "sku-missing": ("/sku_id", ABSENT),
        "user-missing": ("/user_id", ABSENT),
        "sale-with-slash": ("/sale_id", "coat/drop"),
    },
    "order": {
        "lines-too-many": ("/lines", [_LINES[1]] * (MAX_ORDER_LINES + 1)),
        "status-unknown": ("/status", "sent"),
        "currency-small-letters": ("/currency", "cny"),
        "order-id-missing": ("/order_id", ABSENT),
        "line-sku-missing": ("/lines/1/sku_id", ABSENT),
        "line-sku-with-newline": ("/lines/1/sku_id", "sku-12\n"),
        "line-quantity-zero": ("/lines/0/quantity", 0),
        "line-amount-negative": ("/lines/0/amount_minor", -1),
        "line-amount-fraction": ("/lines/0/amount_minor", 398.5),
        "payment-terms-unknown": ("/payment_terms", "invoice"),
        "revision-text": ("/revision", "2"),
        "revision-negative": ("/revision", -1),
        "line-amount-too-great": ("/lines/1/amount_minor", MAX_AMOUNT_MINOR + 1),
        "part-number": ("/part_id", 7),
        "part-lines-too-many": ("/part_lines", [_LINES[1]] * (MAX_ORDER_LINES + 1)),
    },
    "enter": {"source-with-space": ("/source", "the feed"), "session-number": ("/session_id", 77)},
    "leave": {"user-missing": ("/user_id", ABSENT)},
    "product_click": {"sku-empty": ("/sku_id", "")},
    "sale_opened": {
        "offered-negative": ("/offered", -1),
        "offered-too-many": ("/offered", MAX_OFFERED + 1),
        "start-missing": ("/starts_at_ms", ABSENT),
        "limit-zero": ("/per_user_limit", 0),
        "price-negative": ("/price_minor", -1),
        "prior-price-negative": ("/prior_price_minor", -1),
        "prior-price-fraction": ("/prior_price_minor", 248.5),
        "currency-symbol": ("/currency", "¥"),
        "hold-in-seconds": ("/hold_ms", 900),
    },
    "sale_restocked": {"quantity-zero": ("/quantity", 0), "quantity-too-many": ("/quantity", MAX_OFFERED + 1)},
    "sale_extended": {"end-missing": ("/ends_at_ms", ABSENT), "end-null": ("/ends_at_ms", None)},
    "sale_closed": {"sale-missing": ("/sale_id", ABSENT)},
    "room_opened": {"show-missing": ("/show_id", ABSENT), "show-with-space": ("/show_id", "10 October")},
    "room_closed": {"show-missing": ("/show_id", ABSENT), "show-empty": ("/show_id", "")},
    "records_misplaced": {"count-zero": ("/count", 0), "partition-missing": ("/partition", ABSENT)},
}


# Impossible times of a sale: type → case → (field, value).
_IMPOSSIBLE: dict[str, dict[str, tuple[str, int]]] = {
    "sale_opened": {
        "end-in-seconds": ("ends_at_ms", (NOW_MS + 360_000) // 1_000),
        "end-before-start": ("ends_at_ms", NOW_MS + 59_999),
        "start-in-microseconds": ("starts_at_ms", (NOW_MS + 60_000) * 1_000),
        "for-ever": ("ends_at_ms", MAX_SAFE_INTEGER),
        "restock-zero": ("restock_planned_at_ms", 0),
    },
    "sale_restocked": {"restock-in-seconds": ("restock_planned_at_ms", (NOW_MS + 90_000) // 1_000)},
    "sale_extended": {"end-in-seconds": ("ends_at_ms", (NOW_MS + 660_000) // 1_000)},
}


class Invalid(NamedTuple):
    """A record that must be refused, with the reason and pointer of its refusal."""

    reason: Reason
    pointer: str | None
    topic: str
    value: bytes
    key: str | None = ROOM
    append_time_ms: int = NOW_MS
    headers: tuple[tuple[str, str], ...] = ()

    def document(self) -> Json:
        """The published form: the value as JSON if its compact form is these bytes, else in base64."""
        return {
            "reason": str(self.reason),
            "pointer": self.pointer,
            "topic": self.topic,
            "key": self.key,
            "append_time_ms": self.append_time_ms,
            **({"headers": dict(self.headers)} if self.headers else {}),
            **_published_value(self.value),
        }


def of_kind(name: str, catalogue: Catalogue = BUILT_IN) -> KindExamples:
    """The examples of one kind, by its wire name. Raises KeyError where there is no such kind."""
    if name in catalogue.examples:
        return catalogue.examples[name]
    return KindExamples(FULL[name], _GOOD.get(name, {}), _BAD[name])


def full_record(name: str, catalogue: Catalogue = BUILT_IN) -> Json:
    """A record's value with every field of its kind."""
    return {"type": name, **of_kind(name, catalogue).full}


def valid(catalogue: Catalogue = BUILT_IN) -> dict[str, Json]:
    """File name → the value of a good record."""
    found: dict[str, Json] = {}
    for name, (_, kind) in catalogue.types.items():
        full = full_record(name, catalogue)
        # What may not be null stays: an order says when it may leave out its lines.
        required = {"type", *(field.encode_name for field in msgspec.structs.fields(kind) if field.default is not None)}
        least = {key: value for key, value in full.items() if key in required}
        nulls = {key: None for key in full if key not in required}
        cases = {
            "full": full,
            "unknown-fields": {**full, "client": {"app": "直播", "build": 91, "flags": [True, None, 0.5]}},
            **({"minimal": least, "nulls": {**full, **nulls}} if nulls else {}),
            **{case: _changed(full, change) for case, change in of_kind(name, catalogue).good.items()},
        }
        found |= {f"{name}--{case}.json": record for case, record in cases.items()}
    return found


def invalid(catalogue: Catalogue = BUILT_IN) -> dict[str, Invalid]:
    """File name → a record that must be refused."""
    found: dict[str, Invalid] = {}
    for name, (topic, _) in catalogue.types.items():
        good = full_record(name, catalogue)
        bad = of_kind(name, catalogue).bad
        cases = _refused_for_any_type(topic, good)
        cases += [(case, _violation(topic, good, pointer, value)) for case, (pointer, value) in bad.items()]
        cases += [(case, _impossible(topic, good, *wrong)) for case, wrong in _IMPOSSIBLE.get(name, {}).items()]
        if name == "comment":
            cases += _refused_otherwise()
        found |= {f"{record.reason}--{name}--{case}.json": record for case, record in cases}
    return found | {f"{record.reason}--order--{case}.json": record for case, record in _refused_cloudevents()}


def cloudevent() -> Json:
    """A good record in CloudEvents' binary mode: its body lacks the three fields that its headers carry."""
    in_headers = ("type", "event_id", "event_time_ms")
    order = {"type": "order", **FULL["order"]}
    return {
        "topic": "orders",
        "key": ROOM,
        "append_time_ms": NOW_MS,
        "headers": {
            "content-type": "application/json",
            "ce_specversion": "1.0",
            "ce_id": order["event_id"],
            "ce_source": "/shop/orders",
            "ce_type": "snapup.order.v1",
            "ce_time": "2017-10-10T12:00:00.123Z",
        },
        "value": {key: value for key, value in order.items() if key not in in_headers},
    }


def _refused_for_any_type(topic: str, good: Json) -> list[tuple[str, Invalid]]:
    """One record for each reason that does not depend on the type's own fields."""
    other = "likes" if topic != "likes" else "comments"
    value = _encode(good)
    deep = value[:-1] + b',"client":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}"
    padding = MAX_RECORD_BYTES + 1 - len(_encode({**good, "client": ""}))
    time = "/event_time_ms"
    capitals = _encode({**good, "type": good["type"].upper()})
    return [
        ("cut-off", Invalid(Reason.NOT_JSON, None, topic, value[:-20])),
        ("latin-1", Invalid(Reason.NOT_UTF8, None, topic, value[:-1] + b',"client":"caf\xe9"}')),
        ("one-level-too-many", Invalid(Reason.NESTED_TOO_DEEP, None, topic, deep)),
        ("one-byte-too-many", Invalid(Reason.TOO_LARGE, None, topic, _encode({**good, "client": "x" * padding}))),
        ("capital-letters", Invalid(Reason.UNKNOWN_TYPE, "/type", topic, capitals)),
        (f"on-{other}", Invalid(Reason.WRONG_TOPIC, "/type", other, value)),
        ("no-key", Invalid(Reason.KEY_MISMATCH, "/room_id", topic, value, None)),
        ("a-millisecond", Invalid(Reason.AHEAD_OF_CLOCK, time, topic, value, ROOM, NOW_MS - MAX_AHEAD_MS - 1)),
        ("a-millisecond", Invalid(Reason.TOO_OLD, time, topic, value, ROOM, NOW_MS + MAX_AGE_MS + 1)),
    ]


def _refused_otherwise() -> list[tuple[str, Invalid]]:
    """Further cases of those reasons, shown on one type."""
    topic, value = "comments", _encode({"type": "comment", **FULL["comment"]})
    root = Invalid(Reason.SCHEMA_VIOLATION, "", topic, b"[]")
    return [
        ("another-room", Invalid(Reason.KEY_MISMATCH, "/room_id", topic, value, "viya-2018")),
        ("empty", Invalid(Reason.NOT_JSON, None, topic, b"")),
        ("byte-order-mark", Invalid(Reason.NOT_JSON, None, topic, b"\xef\xbb\xbf" + value)),
        ("not-a-number", Invalid(Reason.NOT_JSON, None, topic, value[:-1] + b',"client":NaN}')),
        ("two-in-one", Invalid(Reason.NOT_JSON, None, topic, value + b"\n" + value)),
        ("lone-surrogate", Invalid(Reason.NOT_UTF8, None, topic, value[:-1] + rb',"client":"\ud83d"}')),
        ("array", root),
        ("null", root._replace(value=b"null")),
        ("misspelt", Invalid(Reason.UNKNOWN_TYPE, "/type", topic, value.replace(b'"comment"', b'"coment"', 1))),
    ]


def _refused_cloudevents() -> list[tuple[str, Invalid]]:
    good = cloudevent()
    body = good["value"]

    def refused(reason: Reason, pointer: str | None, value: Json = body, **headers: str) -> Invalid:
        said = good["headers"] | {name.replace("content_type", "content-type"): text for name, text in headers.items()}
        return Invalid(reason, pointer, "orders", _encode(value), ROOM, NOW_MS, tuple(said.items()))

    violation = Reason.SCHEMA_VIOLATION
    return [
        ("cloudevent-structured-mode", refused(violation, "", content_type="application/cloudevents+json")),
        ("cloudevent-old-version", refused(violation, "", ce_specversion="0.3")),
        ("cloudevent-time-without-offset", refused(violation, "/event_time_ms", ce_time="2017-10-10T12:00:00")),
        ("cloudevent-body-disagrees", refused(violation, "/event_id", {**body, "event_id": "another"})),
        ("cloudevent-next-version", refused(Reason.UNKNOWN_TYPE, "/type", ce_type="snapup.order.v2")),
        ("cloudevent-avro", refused(Reason.NOT_JSON, None, content_type="application/avro")),
    ]


def _changed(full: Json, change: Json) -> Json:
    return {field: value for field, value in {**full, **change}.items() if value is not ABSENT}


def _violation(topic: str, good: Json, pointer: str, value: Any) -> Invalid:
    record: Json = deepcopy(good)
    *path, last = [int(step) if step.isdigit() else step for step in pointer[1:].split("/")]
    target: Any = record
    for step in path:
        target = target[step]
    if value is ABSENT:
        del target[last]
    else:
        target[last] = value
    return Invalid(Reason.SCHEMA_VIOLATION, pointer, topic, _encode(record), str(record.get("room_id", ROOM)))


def _impossible(topic: str, good: Json, field: str, value: int) -> Invalid:
    record = _encode({**good, field: value})
    return Invalid(Reason.IMPOSSIBLE_TIME, f"/{field}", topic, record)


def _published_value(value: bytes) -> Json:
    try:
        parsed = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {"value_base64": b64encode(value).decode()}
    return {"value": parsed} if _encode(parsed) == value else {"value_base64": b64encode(value).decode()}


def _encode(record: Any) -> bytes:
    return msgspec.json.encode(record)
