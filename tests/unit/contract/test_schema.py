from __future__ import annotations

import json
from typing import Any

import pytest

from stream.contract.catalogue import BUILT_IN
from stream.contract.events import INPUT_TOPICS
from stream.contract.schema import event_schema, overlay_schema


def test_every_type_has_its_topic() -> None:
    assert {name: topic for name, (topic, _) in BUILT_IN.types.items()} == {
        "comment": "comments",
        "like": "likes",
        "cart_add": "cart-adds",
        "cart_remove": "cart-adds",
        "order": "orders",
        "enter": "visits",
        "leave": "visits",
        "product_click": "visits",
        "sale_opened": "sales",
        "sale_restocked": "sales",
        "sale_extended": "sales",
        "sale_closed": "sales",
        "room_opened": "interactions",
        "room_closed": "interactions",
        "records_misplaced": "interactions",
    }
    assert sum(len(kinds) for _, kinds in INPUT_TOPICS) == len(BUILT_IN.types)


@pytest.mark.parametrize("name", BUILT_IN.types)
def test_every_field_says_what_it_means_and_has_a_bound(name: str) -> None:
    schema = event_schema(name)
    for node in (schema, *(inner for inner in schema["$defs"].values() if "properties" in inner)):
        assert node["additionalProperties"] is True
        for field, rule in node["properties"].items():
            assert field == "type" or rule["description"]
            for option in rule.get("anyOf", [rule]):
                assert is_bounded(option), field


def is_bounded(rule: dict[str, Any]) -> bool:
    bounds = {"$ref", "const", "enum", "maxLength", "maxItems"}
    is_small = rule.get("type") in ("null", "boolean")
    return is_small or bool(rule.keys() & bounds) or rule.keys() >= {"minimum", "maximum"}


def test_a_schema_never_says_what_some_validators_do_not_know() -> None:
    known = {"$schema", "$id", "$ref", "$defs", "title", "description", "default", "examples", "type", "const", "enum"}
    known |= {"properties", "required", "additionalProperties", "items", "anyOf", "not", "pattern"}
    known |= {"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"}

    def walk(node: Any) -> None:
        if isinstance(node, list):
            for item in node:
                walk(item)
        if isinstance(node, dict):
            assert node.keys() <= known
            for word, part in node.items():
                for inner in part.values() if word in {"properties", "$defs"} else [part]:
                    walk(inner)

    for name in BUILT_IN.types:
        walk(event_schema(name))
    walk(overlay_schema())


def test_the_same_types_give_the_same_text() -> None:
    assert json.dumps(event_schema("order")) == json.dumps(event_schema("order"))
    assert event_schema("order")["$id"] == "urn:snapup:event:order:v1"
    assert overlay_schema()["properties"]["schema"]["const"] == "snapup.overlay.v1"
