"""The published contract: what is committed is what the types say, and the schemas agree with the decoder."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator

from stream.commands.schemas import check
from stream.contract.asyncapi import ASYNCAPI_FILE
from stream.contract.decode import DeadLetter, Decoder, Reason
from stream.contract.events import TOPIC_NAMES
from stream.contract.overlay import Overlay
from stream.contract.refusal import REASONS_OF_THE_ROOM
from stream.contract.schema import (
    CLAIM_SCHEMA_FILE,
    CLAIMS_SCHEMA_FILE,
    OVERLAY_SCHEMA_FILE,
    WRITTEN,
    event_schema_file,
)
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.mechanics.kinds import CATALOGUE
from tests.support.rooms import T0_MS, TOPICS, random_log
from tests.support.schemas import validator

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "schemas"
VALID = sorted((SCHEMAS / "examples" / "valid").glob("*.json"))
INVALID = sorted((SCHEMAS / "examples" / "invalid").glob("*.json"))
ANY_TIME = -1

# What JSON Schema cannot see: these records are good by their schema alone.
BEYOND_SCHEMAS = {
    "wrong_topic",
    "key_mismatch",
    "ahead_of_clock",
    "too_old",
    "too_large",
    "nested_too_deep",
    "impossible_time",
}


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    return path.stem


def schema_validator(name: str) -> Any:
    return validator(load(SCHEMAS / event_schema_file(name)))


def bytes_of(example: dict[str, Any]) -> bytes:
    return b64decode(example["value_base64"]) if "value_base64" in example else msgspec.json.encode(example["value"])


def decode(example: dict[str, Any]) -> Any:
    key = None if example["key"] is None else example["key"].encode()
    headers = [(name, text.encode()) for name, text in example.get("headers", {}).items()]
    decoder = Decoder(TOPIC_NAMES.index(example["topic"]), catalogue=CATALOGUE)
    return decoder.decode(bytes_of(example), key, example["append_time_ms"], headers)


def test_what_is_committed_is_what_the_types_say() -> None:
    check(ROOT)


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.schema.json")), ids=name_of)
def test_every_schema_is_a_schema(path: Path) -> None:
    schema = load(path)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    for reference in re.findall(r'"\$ref": "([^"]*)"', path.read_text(encoding="utf-8")):
        assert reference.removeprefix("#/$defs/") in schema["$defs"], "a schema file stands alone"


def test_there_is_one_schema_for_each_type_and_one_for_the_overlay() -> None:
    there = {path.name for path in SCHEMAS.glob("*.schema.json")}
    assert there == {event_schema_file(name) for name in CATALOGUE.types} | {*WRITTEN}


def test_no_pattern_needs_what_only_some_engines_have() -> None:
    for path in SCHEMAS.glob("*.schema.json"):
        for pattern in re.findall(r'"pattern": ("[^\n]*")', path.read_text(encoding="utf-8")):
            assert not re.search(r"\(\?|\\[ZzAGdwsbBpP]", json.loads(pattern)), (
                "look-around and classes differ by engine"
            )


# --- examples -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", VALID, ids=name_of)
def test_a_valid_example_is_read_and_fits_its_schema(path: Path) -> None:
    record = load(path)
    name = path.name.split("--")[0]
    assert record["type"] == name
    schema_validator(name).validate(record)
    topic, kind = CATALOGUE.types[name]
    value = msgspec.json.encode(record)
    event = Decoder(TOPIC_NAMES.index(topic), catalogue=CATALOGUE).decode(value, record["room_id"].encode(), ANY_TIME)
    assert isinstance(event, kind)
    known = {key: item for key, item in record.items() if key in kind.__struct_fields__ and item is not None}
    again = {key: item for key, item in msgspec.to_builtins(event).items() if item not in (None, ())}
    again.pop("type")
    assert drop_nulls(again) == drop_nulls(known)


def drop_nulls(record: Any) -> Any:
    if isinstance(record, list | tuple):
        return [drop_nulls(item) for item in record]
    if isinstance(record, dict):
        return {key: drop_nulls(item) for key, item in record.items() if item is not None}
    return record


@pytest.mark.parametrize("path", INVALID, ids=name_of)
def test_an_invalid_example_is_refused_as_it_says(path: Path) -> None:
    example = load(path)
    answer = decode(example)
    assert isinstance(answer, DeadLetter)
    assert (answer.reason, answer.pointer) == (example["reason"], example["pointer"])
    assert path.name.startswith(f"{example['reason']}--")


@pytest.mark.parametrize("path", [path for path in INVALID if "cloudevent" not in path.name], ids=name_of)
def test_an_invalid_example_breaks_its_schema_unless_no_schema_could_say_so(path: Path) -> None:
    example = load(path)
    name = path.name.split("--")[1]
    try:
        record = json.loads(bytes_of(example).decode(), parse_constant=lambda text: float(f"no {text}"))
        json.dumps(record, ensure_ascii=False).encode()
    except ValueError:  # covers what is no UTF-8, on the way in and out
        assert example["reason"] in {"not_json", "not_utf8"}
        return
    errors = list(schema_validator(name).iter_errors(record))
    assert bool(errors) == (example["reason"] not in BEYOND_SCHEMAS)
    if example["reason"] == "schema_violation":
        assert example["pointer"] in {pointer for error in errors for pointer in pointers(error)}


def pointers(error: Any) -> list[str]:
    """Where a validator sees the fault; for missing fields, the fields."""
    at = "".join(f"/{step}" for step in error.absolute_path)
    if error.validator == "required":
        return [f"{at}/{name}" for name in error.validator_value if name not in error.instance]
    return [at]


def test_every_type_has_an_example_for_every_reason() -> None:
    there = {tuple(path.name.split("--")[:2]) for path in INVALID}
    of_no_value = {Reason.UNREADABLE_RECORD, Reason.MISPLACED_KEY}
    of_any_type = set(Reason) - REASONS_OF_THE_ROOM - of_no_value - {Reason.IMPOSSIBLE_TIME}
    times = {("impossible_time", name) for name in ("sale_opened", "sale_restocked", "sale_extended")}
    assert there == times | {(str(reason), name) for reason in of_any_type for name in CATALOGUE.types}


def test_every_type_has_several_good_examples() -> None:
    for name in CATALOGUE.types:
        assert len([path for path in VALID if path.name.startswith(f"{name}--")]) >= 2


def test_every_limit_of_every_schema_has_an_example_on_either_side() -> None:
    """For each bound there is a good record that stands on it, and a refused one that it refuses."""
    for word, kind in (("maximum", int), ("maxLength", str), ("maxItems", list)):
        for name in ("comment", "like", "cart_add", "order", "sale_opened", "sale_restocked"):
            for field, rule in load(SCHEMAS / event_schema_file(name))["properties"].items():
                bound = rule.get(word)
                if bound is None or field in {"starts_at_ms", "currency", "event_time_ms"}:
                    continue
                goods = [load(path).get(field) for path in VALID if path.name.startswith(f"{name}--")]
                assert bound in map(size, goods), (name, field)
                refused = [load(path) for path in INVALID if path.name.startswith(f"schema_violation--{name}--")]
                bads = [example["value"].get(field) for example in refused if example["pointer"] == f"/{field}"]
                assert bound + 1 in [size(bad) for bad in bads if type(bad) is kind], (name, field)


def size(value: Any) -> int:
    return value if isinstance(value, int) else len(value or "")


@pytest.mark.parametrize("path", sorted((SCHEMAS / "examples" / "cloudevents").glob("*.json")), ids=name_of)
def test_a_cloudevent_example_is_read_as_the_plain_one(path: Path) -> None:
    plain = load(SCHEMAS / "examples" / "valid" / "order--full.json")
    assert decode(load(path)) == decode({**load(path), "headers": {}, "value": plain})


# --- the overlay ----------------------------------------------------------------------------------------------------


def test_an_overlay_document_fits_its_schema_and_its_type() -> None:
    document = load(SCHEMAS / "examples" / "overlay" / "flash-sale.json")
    validator(load(SCHEMAS / OVERLAY_SCHEMA_FILE)).validate(document)
    overlay = msgspec.convert(document, Overlay)
    assert msgspec.to_builtins(overlay) == document, "an example leaves out what is left out when written"


@pytest.mark.parametrize("seed", range(8))
def test_what_is_published_of_any_room_fits_the_schema(seed: int) -> None:
    overlays = validator(load(SCHEMAS / OVERLAY_SCHEMA_FILE))
    log = random_log(seed)
    fold = PartitionFold(0, Rules(), TOPICS)
    published = 0
    for step in range(1, 6):
        for topic, records in enumerate(log):
            fold.fold(topic, records[len(records) * (step - 1) // 5 : len(records) * step // 5])
        fold.advance(T0_MS + step * 30_000, "tick")
        for snapshot in fold.publish(T0_MS + step * 30_000, 1, everything=True):
            overlays.validate(json.loads(snapshot.document))
            published += 1
    assert published >= 5


def test_what_is_kept_of_any_rooms_claims_fits_the_schemas() -> None:
    of = {"snapup.claim.v1": validator(load(SCHEMAS / CLAIM_SCHEMA_FILE))}
    of["snapup.claims.v1"] = validator(load(SCHEMAS / CLAIMS_SCHEMA_FILE))
    kept = Counter[str]()
    for seed in range(4):
        log = random_log(seed)
        fold = PartitionFold(0, Rules(keep_claims=True, remember_sales_ms=9_000_000, watching_min=1), TOPICS)
        for step in range(1, 6):
            for topic, records in enumerate(log):
                fold.fold(topic, records[len(records) * (step - 1) // 5 : len(records) * step // 5])
            fold.advance(T0_MS + step * 30_000, "tick")
            for _, value in (claim for signal in fold.cut(1).signals for claim in signal.claims):
                record = json.loads(value)
                of[record["schema"]].validate(record)
                kept[record.get("state", "room")] += 1
    assert min(kept[state] for state in ("said", "withheld", "over", "room")) > 0


def test_an_overlay_document_may_hold_what_a_reader_does_not_know() -> None:
    document = load(SCHEMAS / "examples" / "overlay" / "flash-sale.json")
    document["karaoke"] = []
    document["sales"][0]["colour"] = "red"
    validator(load(SCHEMAS / OVERLAY_SCHEMA_FILE)).validate(document)


# --- AsyncAPI -------------------------------------------------------------------------------------------------------
# The official schema is on npm only, so these are structural tests of our own; docs/contract.md says how to run it.


def asyncapi() -> Any:
    return yaml.safe_load((SCHEMAS / ASYNCAPI_FILE).read_text(encoding="utf-8"))


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for value in node.values() for found in references(value)]
    if isinstance(node, list):
        return [found for value in node for found in references(value)]
    return []


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi()
    for reference in references(document):
        if reference.startswith("./"):
            assert (SCHEMAS / reference).is_file()
            continue
        node = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_every_topic_is_a_channel_with_its_messages() -> None:
    channels = asyncapi()["channels"]
    assert list(channels) == [*TOPIC_NAMES, "dead-letters", "signals", "claims"]
    for topic, kinds in CATALOGUE.topics:
        names = [kind.__struct_config__.tag for kind in kinds]
        assert list(channels[topic]["messages"]) == names
    for name, channel in channels.items():
        assert channel["address"] == f"{{prefix}}.{name}"
        assert list(channel["parameters"]) == re.findall(r"{(\w+)}", channel["address"])


def test_every_channel_has_one_operation_seen_from_our_side() -> None:
    document = asyncapi()
    actions = {
        operation["channel"]["$ref"].removeprefix("#/channels/"): operation["action"]
        for operation in document["operations"].values()
    }
    assert actions == dict.fromkeys(TOPIC_NAMES, "receive") | dict.fromkeys(
        ("dead-letters", "signals", "claims"), "send"
    )
    assert len(document["operations"]) == len(actions)


def test_every_message_has_a_payload_and_every_keyed_one_the_room_as_its_key() -> None:
    messages = asyncapi()["components"]["messages"]
    assert set(messages) == {*CATALOGUE.types, "dead_letter", "overlay", "claim", "claims"}
    for name, message in messages.items():
        key = message["bindings"]["kafka"]["key"]
        if name == "dead_letter":
            assert "pattern" not in key, "a refused record may have had any key"
            assert message["headers"]["properties"]["dl-reason"]["enum"] == [str(reason) for reason in Reason]
        else:
            assert message["payload"] == {"$ref": f"./{name}.v1.schema.json"}
            assert name.startswith("claim") or key["pattern"] == "^[A-Za-z0-9._:-]{1,64}$"


def test_the_asyncapi_document_uses_only_words_of_the_specification() -> None:
    document = asyncapi()
    words = {
        "": {"asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components"},
        "channel": {"address", "messages", "title", "summary", "description", "servers", "parameters", "bindings"},
        "operation": {"action", "channel", "title", "summary", "description", "bindings", "messages"},
        "message": {"headers", "payload", "contentType", "name", "title", "summary", "description", "bindings"},
        "parameter": {"enum", "default", "description", "examples", "location"},
    }
    assert document["asyncapi"] == "3.0.0"
    assert document.keys() <= words[""]
    assert {"title", "version"} <= document["info"].keys()
    for kind, nodes in {
        "channel": document["channels"],
        "operation": document["operations"],
        "message": document["components"]["messages"],
        "parameter": document["components"]["parameters"],
    }.items():
        for node in nodes.values():
            assert node.keys() <= words[kind]
