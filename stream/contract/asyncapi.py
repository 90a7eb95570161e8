"""The AsyncAPI 3.0 document: every public topic with its writer, its key and its messages.

Payloads are references to the schema files beside the document. Checkpoints and the journal are left out: both are
private to the worker, and their form may change with any release.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from stream.contract import cloudevents
from stream.contract.catalogue import BUILT_IN, Catalogue, type_name
from stream.contract.events import ID_PATTERN, MAX_ID_CHARS, MAX_RECORD_BYTES
from stream.contract.refusal import Reason
from stream.contract.schema import (
    CLAIM_SCHEMA_FILE,
    CLAIMS_SCHEMA_FILE,
    MAJOR_VERSION,
    OVERLAY_SCHEMA_FILE,
    event_schema,
    event_schema_file,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.contract.events import Event

ASYNCAPI_FILE = "asyncapi.yaml"
KAFKA_BINDING = "0.5.0"

Node = dict[str, Any]

_ROOM_KEY: Node = {
    "type": "string",
    "description": "The room_id, UTF-8. Partitioner: Kafka's default (murmur2 of the key).",
    "pattern": ID_PATTERN,
    "maxLength": MAX_ID_CHARS,
}
_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")
# Words that some YAML readers take for a boolean or null.
_NOT_PLAIN = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def document(catalogue: Catalogue = BUILT_IN) -> Node:
    """The whole document, with the kinds of a catalogue."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Snapup",
            "version": f"{MAJOR_VERSION}.0.0",
            "description": (
                "Live-commerce signals from Kafka to on-screen overlays. Operations are named from Snapup's side: it"
                " receives what platforms send to the input topics. Every input topic has the same number of"
                f" partitions, its key is the room_id, a record has at most {MAX_RECORD_BYTES} bytes. Unknown fields"
                " are ignored."
            ),
        },
        "defaultContentType": "application/json",
        "channels": {
            **{topic: _input_channel(topic, kinds) for topic, kinds in catalogue.topics},
            "dead-letters": _channel(
                "dead-letters",
                "Records that break the contract, whole, with the reason. Same partition number.",
                ["dead_letter"],
            ),
            "signals": _channel(
                "signals", "The overlay document of every room that changed, at each checkpoint.", ["overlay"]
            ),
            "claims": _channel(
                "claims",
                "What of each document in `signals` is claimed and withheld, where it changed; compacted by claim and "
                "second. Same partition number.",
                ["claim", "claims"],
            ),
        },
        "operations": {
            **{f"receive_{_identifier(topic)}": _operation("receive", topic) for topic, _ in catalogue.topics},
            "send_dead_letters": _operation("send", "dead-letters"),
            "send_signals": _operation("send", "signals"),
            "send_claims": _operation("send", "claims"),
        },
        "components": {
            "messages": {
                **{name: _event_message(name, catalogue) for name in catalogue.types},
                "dead_letter": _dead_letter_message(),
                "overlay": _overlay_message(),
                "claim": _claim_message(),
                "claims": _claims_message(),
            },
            "parameters": {"prefix": {"description": "The topic prefix of the installation.", "default": "live"}},
        },
    }


def _input_channel(topic: str, kinds: Sequence[type[Event]]) -> Node:
    names = [type_name(kind) for kind in kinds]
    return _channel(topic, f"Events of type {', '.join(names)}.", names)


def _channel(topic: str, description: str, messages: list[str]) -> Node:
    return {
        "address": f"{{prefix}}.{topic}",
        "description": description,
        "parameters": {"prefix": {"$ref": "#/components/parameters/prefix"}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {"kafka": {"bindingVersion": KAFKA_BINDING}},
    }


def _operation(action: str, topic: str) -> Node:
    return {"action": action, "channel": {"$ref": f"#/channels/{topic}"}}


def _event_message(name: str, catalogue: Catalogue) -> Node:
    schema = event_schema(name, catalogue=catalogue)
    return {
        "name": name,
        "title": schema["title"],
        "summary": schema["description"],
        "contentType": "application/json",
        "headers": _cloudevents_headers(name),
        "payload": {"$ref": f"./{event_schema_file(name)}"},
        "bindings": _key_binding(),
    }


def _cloudevents_headers(name: str) -> Node:
    """The optional headers of a CloudEvent. None is required: without `ce_specversion` the record is bare JSON."""
    return {
        "type": "object",
        "description": "Optional: CloudEvents 1.0, binary mode. The body may leave out what the headers say.",
        "properties": {
            "content-type": {"type": "string", "description": "application/json, or a type that ends in +json"},
            "ce_specversion": {"const": cloudevents.SPEC_VERSION},
            "ce_id": {"type": "string", "description": "event_id"},
            "ce_type": {"enum": [cloudevents.type_name(name), name], "description": "type"},
            "ce_time": {"type": "string", "format": "date-time", "description": "event_time_ms"},
            "ce_source": {"type": "string", "description": "not looked at"},
        },
    }


def _dead_letter_message() -> Node:
    texts = {
        "dl-detail": "what was wrong, in words; at most 200 characters",
        "dl-pointer": "JSON pointer (RFC 6901) of the value at fault; absent when no one value is",
        "dl-topic": "the topic that the record was on",
        "dl-partition": "its partition, decimal",
        "dl-offset": "its offset, decimal",
        "dl-append-time-ms": "its record timestamp, UTC epoch milliseconds, decimal",
        "dl-value-bytes": "how long its value was, decimal; only when this is the beginning of it",
        "dl-key-bytes": "how long its key was, decimal; only when this is the beginning of it",
        "dl-headers-left-out": "how many of its own headers are left out, decimal; only when some are",
    }
    optional = ("dl-pointer", "dl-value-bytes", "dl-key-bytes", "dl-headers-left-out")
    return {
        "name": "dead_letter",
        "title": "dead letter",
        "summary": "A refused record: its key, value and headers, as far as they fit, and these headers beside them.",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "required": ["dl-reason", *(name for name in texts if name not in optional)],
            "properties": {
                "dl-reason": {"enum": [str(reason) for reason in Reason], "description": "why it was refused"},
                **{name: {"type": "string", "description": text} for name, text in texts.items()},
            },
        },
        "payload": {"description": "The bytes of the refused record, whatever they are."},
        "bindings": {
            "kafka": {
                "key": {"description": "The key of the refused record, whatever it was."},
                "bindingVersion": KAFKA_BINDING,
            }
        },
    }


def _overlay_message() -> Node:
    return {
        "name": "overlay",
        "title": "overlay document",
        "summary": "The snapshot of one room, the same document that Redis holds.",
        "contentType": "application/json",
        "payload": {"$ref": f"./{OVERLAY_SCHEMA_FILE}"},
        "bindings": _key_binding(),
    }


def _claim_message() -> Node:
    return {
        "name": "claim",
        "title": "one claim, said or withheld",
        "summary": "Written where it is another than in the document before. Key: [room, claim, sale, SKU, second].",
        "contentType": "application/json",
        "payload": {"$ref": f"./{CLAIM_SCHEMA_FILE}"},
        "bindings": _json_key_binding("Room, claim, sale, SKU, second"),
    }


def _claims_message() -> Node:
    return {
        "name": "claims",
        "title": "which claims of a room stand",
        "summary": "Written for each document, behind its claims. Key: [room, second].",
        "contentType": "application/json",
        "payload": {"$ref": f"./{CLAIMS_SCHEMA_FILE}"},
        "bindings": _json_key_binding("Room, second"),
    }


def _json_key_binding(what: str) -> Node:
    key = {"type": "string", "description": f"{what}: a JSON array. The partition is that of the room."}
    return {"kafka": {"key": key, "bindingVersion": KAFKA_BINDING}}


def _key_binding() -> Node:
    return {"kafka": {"key": _ROOM_KEY, "bindingVersion": KAFKA_BINDING}}


def _identifier(topic: str) -> str:
    return topic.replace("-", "_")


def to_yaml(node: Any) -> str:
    """The node as block-style YAML. It covers what JSON says in printable text: strings are quoted as in JSON."""
    return "\n".join(_lines(node)) + "\n"


def _lines(node: Any) -> list[str]:
    if isinstance(node, dict) and node:
        return [line for key, value in node.items() for line in _entry(_key(key) + ":", value, "  ")]
    if isinstance(node, list) and node:
        return [line for item in node for line in _item(item)]
    return [json.dumps(node, ensure_ascii=False)]


def _entry(head: str, value: Any, indent: str) -> list[str]:
    lines = _lines(value)
    if isinstance(value, dict | list) and value:
        return [head, *(indent + line for line in lines)]
    return [f"{head} {lines[0]}"]


def _item(value: Any) -> list[str]:
    first, *rest = _lines(value)
    return ["- " + first, *("  " + line for line in rest)]


def _key(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) and key.lower() not in _NOT_PLAIN else json.dumps(key, ensure_ascii=False)
