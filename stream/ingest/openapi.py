"""The OpenAPI 3.1 document of the gateway: from its answers, its kinds of errors, and the contract's schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from stream.bridge.reasons import Reason as WebhookReason
from stream.contract.refusal import Reason
from stream.contract.schema import event_schema
from stream.ingest.bodies import ENCODINGS, PLAIN_ENCODINGS, Format
from stream.ingest.intake import ROOM_NOT_ALLOWED, TYPE_NOT_ALLOWED, Refusal
from stream.ingest.keys import OF_WORKERS
from stream.ingest.problems import Kind
from stream.serve.openapi import Health, Readiness
from stream.serve.problems import CONTENT_TYPE, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stream.contract.catalogue import Catalogue

VERSION = "1.0.0"
JSON = "application/json"
# What an envelope may say of its data, parameters aside.
JSON_TYPE = r"^(application/json|[^\s;]+\+json)$"
REASONS = (*(reason.value for reason in Reason), ROOM_NOT_ALLOWED, TYPE_NOT_ALLOWED)


class Answer(Struct, frozen=True):
    """What became of the events of a body.

    `accepted` of them are in Kafka, acknowledged by all replicas in sync. Each other one is in `errors`.
    """

    accepted: int
    errors: list[Refusal]


class Rejection(Problem, frozen=True, omit_defaults=True):
    """The body of an error; `errors` says why each event was refused, where events are why."""

    accepted: int = 0
    errors: list[Refusal] | None = None


class Untold(Struct, frozen=True):
    """Why a webhook is in no room: it was read, and to send it again is in vain."""

    reason: str
    detail: str
    accepted: int = 0


_OF_WEBHOOKS = (
    Kind.TOPIC_MISSING,
    Kind.SIGNATURE_MISSING,
    Kind.SIGNATURE_REFUSED,
    Kind.OTHER_SHOP,
    Kind.UNKNOWN_SHOP,
)
_OF_BOTH = (
    *(Kind.BAD_BODY, Kind.BODY_SLOW, Kind.BODY_TOO_LARGE, Kind.UNKNOWN_CONTENT_TYPE),
    *(Kind.QUOTA, Kind.KAFKA_AWAY, Kind.FULL, Kind.STOPPING),
)
_EVENTS_KINDS = tuple(kind for kind in Kind if kind is not Kind.FOREIGN_HOST and kind not in _OF_WEBHOOKS)


def openapi_document(catalogue: Catalogue, body_max_bytes: int, items_max: int, *, with_keys: bool) -> dict[str, Any]:
    """The whole document, ready for JSON.

    Args:
        catalogue: the types of events.
        body_max_bytes: the greatest body, before and after unpacking.
        items_max: the most events of a body.
        with_keys: whether a key is needed.
    """
    _, schemas = msgspec.json.schema_components(
        (Answer, Rejection, Untold, Health, Readiness), ref_template="#/components/schemas/{name}"
    )
    names = [name for name in catalogue.types if name not in OF_WORKERS]
    for name in names:
        _add_event(schemas, name, catalogue)
    schemas["Event"] = {"anyOf": [_ref(f"event_{name}") for name in names]}
    schemas["CloudEvent"] = _cloudevent()
    schemas["Refusal"]["properties"]["reason"]["enum"] = list(REASONS)
    schemas["Untold"]["properties"]["reason"]["enum"] = [reason.value for reason in WebhookReason]
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Snapup gateway",
            "version": VERSION,
            "description": "Events of live rooms over HTTP. Send a body again, as it is, after 408, 429, 503 or no "
            "answer: an event counts once by its `event_id`.",
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "events", "description": "What producers send."},
            {"name": "operation", "description": "For machines that look after this one."},
        ],
        "paths": {
            "/v1/events": {"post": _send_events(body_max_bytes, items_max, with_keys=with_keys)},
            "/v1/webhooks/shopify/{shop}": {"post": _send_webhook(body_max_bytes)},
            "/v1/openapi.json": {
                "get": _get(
                    "getOpenapi", "This document.", "events", {"200": _json("OpenAPI 3.1.", {"type": "object"})}
                )
            },
            "/healthz": {"get": _get("getHealth", "Alive?", "operation", {"200": _json("Yes.", _ref("Health"))})},
            "/readyz": {
                "get": _get(
                    "getReadiness",
                    "Ready for events?",
                    "operation",
                    {"200": _json("Yes.", _ref("Readiness")), "503": _json("No.", _ref("Readiness"))},
                )
            },
        },
        "components": {
            "schemas": schemas,
            "responses": {"Problem": _problem("An error.")},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "Made by `snapup ingest-key`."},
                "shopify": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Shopify-Hmac-Sha256",
                    "description": "HMAC-SHA256 of the raw body with the shop's secret, in base64.",
                },
            },
        },
    }


def _add_event(schemas: dict[str, Any], name: str, catalogue: Catalogue) -> None:
    """Add the published schema of a type; what it keeps in its own `$defs` lies beside it here."""
    schema = _moved(event_schema(name, catalogue=catalogue))
    for key in ("$schema", "$id"):
        del schema[key]
    for other, definition in schema.pop("$defs", {}).items():
        if schemas.setdefault(other, definition) != definition:
            raise ValueError(f"two schemas are called {other}")
    schemas[f"event_{name}"] = schema


def _moved(node: Any) -> Any:
    if isinstance(node, list):
        return [_moved(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: value.replace("#/$defs/", "#/components/schemas/") if key == "$ref" else _moved(value)
        for key, value in node.items()
    }


def _send_events(body_max_bytes: int, items_max: int, *, with_keys: bool) -> dict[str, Any]:
    answers = {
        "202": _json("Kafka has acknowledged all events.", _ref("Answer")),
        "207": _json("Kafka has acknowledged some; `errors` names every other one.", _ref("Answer")),
    }
    event, cloudevent = _ref("Event"), _ref("CloudEvent")
    return {
        "operationId": "sendEvents",
        "summary": "Send events",
        "description": f"At most {items_max} events and {body_max_bytes} bytes in a body, which may be compressed "
        f"({', '.join(ENCODINGS)}). The answer comes when Kafka has acknowledged, and says what became of each event.",
        "tags": ["events"],
        "parameters": [
            {
                "name": "X-Request-Id",
                "in": "header",
                "description": "1 to 64 of A-Z a-z 0-9 . _ : - come back in the answer and stand in the log; without "
                "it, or in the place of anything else, an id is made.",
                "schema": {"type": "string"},
            },
            {
                "name": "Content-Encoding",
                "in": "header",
                "schema": {"enum": [*ENCODINGS, *PLAIN_ENCODINGS], "type": "string"},
            },
        ],
        # Without a file of keys a gateway is on loopback only, and asks for none.
        "security": [{"bearer": []}] if with_keys else [],
        "requestBody": {
            "required": True,
            "content": {
                Format.JSON.value: {"schema": {"anyOf": [{"type": "array", "items": event}, event]}},
                Format.NDJSON.value: {
                    "schema": {"type": "string", "description": "An event a line.", "pattern": r"\S"}
                },
                Format.CLOUDEVENT.value: {"schema": cloudevent},
                Format.CLOUDEVENTS.value: {"schema": {"type": "array", "items": cloudevent}},
            },
        },
        "responses": {
            **answers,
            **_problems(_EVENTS_KINDS),
        },
    }


def _send_webhook(body_max_bytes: int) -> dict[str, Any]:
    text = {"type": "string"}
    said = ("X-Shopify-Shop-Domain", "X-Shopify-Topic", "X-Shopify-Triggered-At", "X-Shopify-Webhook-Id")
    return {
        "operationId": "sendShopifyWebhook",
        "summary": "Send a webhook of a shop",
        "description": f"What a shop of Shopify sends by itself: an order, at most {body_max_bytes} bytes. If a room "
        "takes it, Kafka has it when the answer is there. What was answered with 2xx is not to be sent again.",
        "tags": ["events"],
        "parameters": [
            {"name": "shop", "in": "path", "required": True, "description": "Its name in the file.", "schema": text},
            *({"name": name, "in": "header", "schema": text} for name in said),
        ],
        "security": [{"shopify": []}],
        "requestBody": {"required": True, "content": {JSON: {"schema": {"type": "object", "minProperties": 1}}}},
        "responses": {
            "202": _json("Kafka has acknowledged all orders of it.", _ref("Answer")),
            "200": _json(
                "It is in no room, or not all of it is: `reason`, or `errors`, says why.",
                {"anyOf": [_ref("Untold"), _ref("Answer")]},
            ),
            **_problems((*_OF_WEBHOOKS, *_OF_BOTH)),
        },
    }


def _problems(kinds: Iterable[Kind]) -> dict[str, Any]:
    """The answers of an operation that can have these problems."""
    by_status: dict[int, list[str]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(f"{kind.title} (`{kind.type}`).")
    answers = {str(status): _problem(" ".join(texts)) for status, texts in sorted(by_status.items())}
    return answers | {"default": {"$ref": "#/components/responses/Problem"}}


def _cloudevent() -> dict[str, Any]:
    text = {"type": "string", "minLength": 1}
    return {
        "type": "object",
        "description": "CloudEvents 1.0: `id` is our `event_id`, `type` our type, bare or as `snapup.order.v1`, `time` "
        "our `event_time_ms`; `data` holds every other field.",
        "required": ["specversion", "id", "source", "type"],
        "properties": {
            "specversion": {"const": "1.0", "type": "string"},
            "id": text,
            "source": text,
            "type": text,
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"type": "string", "pattern": JSON_TYPE},
            "data": {"type": "object"},
            "data_base64": {"type": "string", "contentEncoding": "base64"},
        },
    }


def _get(name: str, summary: str, tag: str, answers: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "tags": [tag],
        "security": [],
        "responses": {**answers, "default": {"$ref": "#/components/responses/Problem"}},
    }


def _json(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {JSON: {"schema": schema}}}


def _problem(text: str) -> dict[str, Any]:
    retry = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return {"description": text, "headers": retry, "content": {CONTENT_TYPE: {"schema": _ref("Rejection")}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
