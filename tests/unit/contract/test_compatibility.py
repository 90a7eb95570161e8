from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from stream.contract.compatibility import Direction, incompatibilities
from stream.contract.publish import schemas
from stream.contract.schema import OVERLAY_SCHEMA_FILE

if TYPE_CHECKING:
    from collections.abc import Callable

Schema = dict[str, Any]
Change = "Callable[[Schema], object]"

ORDER = schemas()["order.v1.schema.json"]
OVERLAY = schemas()[OVERLAY_SCHEMA_FILE]


def set_at(path: str, value: Any) -> Callable[[Schema], None]:
    *steps, last = path.split("/")

    def change(schema: Schema) -> None:
        for step in steps:
            schema = schema[step]
        schema[last] = value

    return change


def drop(path: str) -> Callable[[Schema], None]:
    *steps, last = path.split("/")

    def change(schema: Schema) -> None:
        for step in steps:
            schema = schema[step]
        del schema[last]

    return change


def after(schema: Schema, change: Callable[[Schema], object], direction: Direction) -> list[str]:
    new = deepcopy(schema)
    change(new)
    return incompatibilities(schema, new, direction)


@pytest.mark.parametrize("schema", schemas().values(), ids=schemas())
@pytest.mark.parametrize("direction", Direction)
def test_nothing_changed_is_compatible(schema: Schema, direction: Direction) -> None:
    assert incompatibilities(schema, schema, direction) == []


def test_what_several_fields_refer_to_is_followed_in_each() -> None:
    found = after(ORDER, set_at("$defs/Id/maxLength", 32), Direction.READ_BY_US)
    assert [line.partition(":")[0] for line in found] == [
        "/device_id",
        "/event_id",
        "/lines/*/sale_id",
        "/lines/*/sku_id",
        "/order_id",
        "/part_id",
        "/part_lines/*/sale_id",
        "/part_lines/*/sku_id",
        "/room_id",
        "/user_id",
    ]


NEW_FIELD = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}


@pytest.mark.parametrize(
    "change",
    [
        set_at("properties/gift", NEW_FIELD),
        set_at("$defs/OrderLine/properties/gift", NEW_FIELD),
        set_at("description", "other words"),
        set_at("properties/lines/maxItems", 200),
        set_at("properties/event_time_ms/minimum", -1),
        drop("$defs/OrderLine/properties/quantity/maximum"),
        lambda schema: schema["$defs"]["OrderStatus"]["enum"].append("lost"),
        lambda schema: schema["required"].remove("currency"),
        set_at("properties/currency", {"anyOf": [ORDER["properties"]["currency"], {"type": "null"}]}),
        set_at("properties/order_id", ORDER["$defs"]["Id"]),  # the same, not by reference
    ],
)
def test_an_event_may_gain_optional_fields_and_width(change: Callable[[Schema], object]) -> None:
    assert after(ORDER, change, Direction.READ_BY_US) == []


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("/order_id", drop("properties/order_id")),
        ("/lines", lambda schema: schema["required"].append("lines")),
        ("/gift", lambda schema: (set_at("properties/gift", NEW_FIELD)(schema), schema["required"].append("gift"))),
        ("/lines/*/sale_id", lambda schema: schema["$defs"]["OrderLine"]["required"].append("sale_id")),
        ("/lines", set_at("properties/lines/maxItems", 50)),
        ("/lines", set_at("properties/lines/minItems", 2)),
        ("/lines/*/quantity", set_at("$defs/OrderLine/properties/quantity/maximum", 100)),
        ("/event_time_ms", set_at("properties/event_time_ms/minimum", 1)),
        ("/event_time_ms", set_at("properties/event_time_ms/type", "string")),
        ("/status", set_at("$defs/OrderStatus/enum", ["paid", "placed"])),
        ("/status", drop("$defs/OrderStatus/enum")),
        ("/currency", set_at("properties/currency/pattern", "^[A-Z]{2}$")),
        ("/currency", drop("properties/currency/pattern")),
        ("/type", set_at("properties/type/const", "purchase")),
        ("/lines/*/sale_id", set_at("$defs/OrderLine/properties/sale_id/anyOf", [{"$ref": "#/$defs/Id"}])),
        ("/lines/*", set_at("properties/lines/items", {"type": "string"})),
        ("/", set_at("additionalProperties", False)),
        ("/order_id", set_at("properties/order_id", {"type": "string", "format": "uuid"})),
    ],
)
def test_an_event_may_not_lose_anything_and_the_field_is_named(place: str, change: Callable[[Schema], object]) -> None:
    found = after(ORDER, change, Direction.READ_BY_US)
    assert found
    assert all(line.startswith((f"{place}:", f"{place}/")) for line in found), found


@pytest.mark.parametrize(
    "change",
    [
        set_at("properties/gifts", {"type": "array", "items": {"type": "string"}}),
        lambda schema: (set_at("properties/gifts", {"type": "integer"})(schema), schema["required"].append("gifts")),
        lambda schema: schema["$defs"]["Claim"]["properties"]["claim"]["enum"].append("gift_sent"),
        set_at("$defs/Claim/properties/window_ms", {"type": "integer"}),
    ],
)
def test_the_overlay_may_gain_fields_and_words(change: Callable[[Schema], object]) -> None:
    assert after(OVERLAY, change, Direction.READ_BY_OTHERS) == []


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("/rev", drop("properties/rev")),
        ("/rev", lambda schema: schema["required"].remove("rev")),
        ("/claims/*/claim", lambda schema: schema["$defs"]["Claim"]["properties"]["claim"]["enum"].remove("ends_in")),
        ("/clock/lag_ms", set_at("$defs/Clock/properties/lag_ms", {"anyOf": [{"type": "integer"}, {"type": "null"}]})),
        ("/claims/*/value", set_at("$defs/Claim/properties/value", {"type": "number"})),
        ("/schema", set_at("properties/schema/const", "snapup.overlay.v2")),
        (
            "/claims/*/inputs/*",
            set_at("$defs/Claim/properties/inputs/additionalProperties", {"type": "string"}),
        ),
    ],
)
def test_the_overlay_may_not_lose_what_readers_count_on(place: str, change: Callable[[Schema], object]) -> None:
    found = after(OVERLAY, change, Direction.READ_BY_OTHERS)
    assert found
    assert all(line.startswith((f"{place}:", f"{place}/")) for line in found), found


def test_the_same_bound_moves_one_way_for_what_we_read_and_the_other_for_what_we_write() -> None:
    narrow = {"type": "integer", "minimum": 1, "maximum": 5}
    wide = {"type": "integer", "minimum": 0, "maximum": 9}
    assert incompatibilities(narrow, wide, Direction.READ_BY_US) == []
    assert len(incompatibilities(wide, narrow, Direction.READ_BY_US)) == 2
    assert incompatibilities(wide, narrow, Direction.READ_BY_OTHERS) == []
    assert len(incompatibilities(narrow, wide, Direction.READ_BY_OTHERS)) == 2
    assert incompatibilities({"type": "integer"}, narrow, Direction.READ_BY_OTHERS) == []
    assert len(incompatibilities({"type": "integer"}, narrow, Direction.READ_BY_US)) == 2
