"""The OpenAPI 3.1 document, made from the sent types and the one table of operations below."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from stream.contract.events import ID_PATTERN, MAX_ID_CHARS
from stream.contract.heartbeat import Pipeline
from stream.contract.history import RoomHistory
from stream.contract.overlay import Clock, Overlay
from stream.contract.sight import State
from stream.serve.cut import PARTS, Cut
from stream.serve.problems import CONTENT_TYPE, Kind, Problem
from stream.serve.rooms import MAX_ROOMS, MAX_TRENDS, SORTS, RoomList

VERSION = "1.0.0"
JSON = "application/json"


class Snapshot(Struct):
    """The data of a `snapshot` event.

    `overlay` is null where none is known (`missing`, `unreadable`, or `redis_away` before anything was known). With
    `stale` and `redis_away` it is the last one known: show nothing of it beyond its own `stale_after_ms` and each
    claim's `valid_until_ms`. `detail` says why something is `unreadable`. `pipeline` is of the last snapshot, and
    another snapshot follows when no worker is heard any more, or some partition is folded by nobody, and when that
    ends; it is absent while nothing is known of the workers. `cut` repeats what was asked for with `sale`, `sku` and
    `parts`; it is absent when nothing was.
    """

    server_time_ms: int
    state: State
    overlay: Overlay | None
    detail: str = ""
    pipeline: Pipeline | UnsetType = UNSET
    cut: Cut | UnsetType = UNSET


class Freshness(Struct):
    """The data of a `fresh` event, in streams that ask for a subject or parts: the snapshot sent last still holds.

    `fresh` has what moves in it with each publication: `rev`, `as_of_ms`, `stale_after_ms` and `clock` of the document,
    and of each of its claims, in order, `id`, `as_of_ms`, `valid_until_ms` and `value`.
    """

    server_time_ms: int
    state: State
    fresh: FreshTimes
    pipeline: Pipeline | UnsetType = UNSET


class FreshTimes(Struct):
    """What moves while a cut document says the same."""

    epoch: int
    rev: int
    as_of_ms: int
    stale_after_ms: int
    clock: Clock
    claims: list[tuple[str, int, int, int | list[int]]]


class Time(Struct):
    """The server's clock, milliseconds since 1970, UTC."""

    now_ms: Annotated[int, Meta(ge=0)]


class Health(Struct):
    """Whether this process should be left alone."""

    alive: bool
    problems: list[str]


class Readiness(Struct):
    """Whether this replica should be given readers; what is missing otherwise."""

    ready: bool
    missing: list[str]


_TYPES = (Overlay, RoomHistory, RoomList, Snapshot, Freshness, Pipeline, Problem, Time, Health, Readiness)

_ROOM = {
    "name": "room",
    "in": "path",
    "required": True,
    "description": "The room's id.",
    "schema": {"type": "string", "pattern": ID_PATTERN, "maxLength": MAX_ID_CHARS, "minLength": 1},
}
_CLOCK = {
    "Snapup-Time-Ms": {
        "description": "The server's clock when it answered, milliseconds since 1970.",
        "schema": {"type": "integer"},
    }
}
_ETAG = {"ETag": {"description": "`<epoch>-<rev>` of the document.", "schema": {"type": "string"}}}
_STATE = {
    "Snapup-State": {
        "description": "`live`, or `stale` when the document is past its `stale_after_ms`.",
        "schema": {"enum": [State.LIVE.value, State.STALE.value]},
    }
}
_EPOCH_MS = {"type": "integer", "minimum": 0, "maximum": (1 << 53) - 1}
_PIPELINE = {
    "Snapup-Pipeline": {
        "description": "What is known of the workers, as JSON; absent while that is nothing.",
        "content": {JSON: {"schema": {"$ref": "#/components/schemas/Pipeline"}}},
    }
}
_ID = {"type": "string", "pattern": ID_PATTERN, "maxLength": MAX_ID_CHARS}
_CUT = [
    {
        "name": "sale",
        "in": "query",
        "description": "Only this sale, with its claims and the room's own figures.",
        "schema": _ID,
    },
    {"name": "sku", "in": "query", "description": "Only this product.", "schema": _ID},
    {
        "name": "parts",
        "in": "query",
        "description": f"Only these sections, separated by commas: {', '.join(PARTS)}, and names of mechanics. Totals, "
        "urgency and session are always there; claims bring sales and withheld claims along.",
        "schema": {"type": "string"},
    },
]
_RETRY = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}


def openapi_document() -> dict[str, Any]:
    """The whole document, ready for JSON."""
    _, schemas = msgspec.json.schema_components(_TYPES, ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Snapup read server",
            "version": VERSION,
            "description": "Live rooms for browsers: snapshots that revalidate, and an event stream of each room. "
            "Read only. Where the server has a token secret, everything under /v1/rooms and /metrics needs a token.",
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "rooms", "description": "What is known of live rooms."},
            {"name": "operation", "description": "For machines that look after this one."},
        ],
        "paths": {path: {"get": operation} for path, operation in _operations().items()},
        "components": {
            "schemas": schemas,
            "responses": {"Problem": _problem("An error.")},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "Made by `snapup token`."},
                "query": {
                    "type": "apiKey",
                    "in": "query",
                    "name": "token",
                    "description": "The same token, for EventSource and browser sources, which cannot send headers.",
                },
            },
        },
    }


def _operations() -> dict[str, dict[str, Any]]:
    return {
        "/v1/rooms": _operation(
            "listRooms",
            "Rooms whose documents are in Redis, by search, and sums over all that match. A token for one room lists "
            "that room alone.",
            {"200": _answer("The first of the rooms that match.", "RoomList", _CLOCK)},
            (Kind.BAD_PARAMETER, Kind.TOKEN_MISSING, Kind.REDIS_AWAY),
            parameters=[
                _query("q", "Part of the room's id, whatever its case.", {"type": "string", "maxLength": 64}),
                _query("limit", "At most so many.", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}),
                _query(
                    "offset",
                    "So many of the matching rooms come before the first of the answer.",
                    {"type": "integer", "minimum": 0, "maximum": MAX_ROOMS, "default": 0},
                ),
                _query(
                    "trend",
                    f"1: each room with the people of its last minutes, of at most {MAX_TRENDS} rooms.",
                    {"enum": [0, 1], "default": 0},
                ),
                _query("sort", "What comes first.", {"enum": list(SORTS), "default": SORTS[0]}),
            ],
        ),
        "/v1/rooms/{room}": _operation(
            "getRoom",
            "The overlay document of a room. Revalidate with If-None-Match.",
            {
                "200": _answer("The document.", "Overlay", {**_CLOCK, **_ETAG, **_STATE, **_PIPELINE}),
                "304": {"description": "The reader has it.", "headers": {**_CLOCK, **_ETAG, **_STATE, **_PIPELINE}},
            },
            (
                *(Kind.BAD_ROOM_ID, Kind.BAD_PARAMETER, Kind.TOKEN_MISSING, Kind.TOKEN_OTHER_ROOM, Kind.ROOM_MISSING),
                *(Kind.DOCUMENT_UNREADABLE, Kind.REDIS_AWAY),
            ),
            parameters=[_ROOM, *_CUT],
        ),
        "/v1/rooms/{room}/history": _operation(
            "getHistory",
            "What a room did in one session: a point every ten seconds in which something changed, and marks. Two "
            "sessions are kept, the present one and the one before it, also after the show.",
            {"200": _answer("The history.", "RoomHistory", _CLOCK)},
            (
                *(Kind.BAD_ROOM_ID, Kind.BAD_PARAMETER, Kind.TOKEN_MISSING, Kind.TOKEN_OTHER_ROOM),
                *(Kind.HISTORY_MISSING, Kind.DOCUMENT_UNREADABLE, Kind.REDIS_AWAY),
            ),
            parameters=[
                _ROOM,
                _query("session", "Which session, by its `session_ms`; without it the last one.", _EPOCH_MS),
                _query("since_ms", "Only points that are later.", _EPOCH_MS),
            ],
        ),
        "/v1/rooms/{room}/events": _operation(
            "streamRoom",
            "The event stream of a room: a `snapshot` event at once, then one for each change, at most ten a second; a "
            "comment after 15 seconds of silence. With `sale`, `sku` or `parts`, a `fresh` event takes the place of a "
            "snapshot that would say the same. Compressed as gzip for readers that accept it. A live snapshot's id is "
            "`<epoch>-<rev>`; with that as Last-Event-ID "
            "nothing is sent until something changes. A room without a document has a stream too.",
            {
                "200": {
                    "description": "`event: snapshot`, with data like the schema `Snapshot`.",
                    "headers": _CLOCK,
                    "content": {
                        "text/event-stream": {
                            "schema": {"type": "string", "contentMediaType": JSON, "contentSchema": _ref("Snapshot")}
                        }
                    },
                }
            },
            (Kind.BAD_ROOM_ID, Kind.BAD_PARAMETER, Kind.TOKEN_MISSING, Kind.TOKEN_OTHER_ROOM, Kind.FULL),
            parameters=[
                _ROOM,
                *_CUT,
                {
                    "name": "Last-Event-ID",
                    "in": "header",
                    "description": "The id of the last snapshot that was received.",
                    "schema": {"type": "string"},
                },
            ],
        ),
        "/v1/time": _operation(
            "getTime", "The server's clock.", {"200": _answer("Now.", "Time", _CLOCK)}, (), secured=False
        ),
        "/openapi.json": _operation(
            "getOpenapi",
            "This document.",
            {"200": {"description": "OpenAPI 3.1.", "content": {JSON: {"schema": {"type": "object"}}}}},
            (),
            secured=False,
        ),
        "/healthz": _operation(
            "getHealth", "Alive?", {"200": _answer("Yes.", "Health")}, (), tag="operation", secured=False, limited=False
        ),
        "/readyz": _operation(
            "getReadiness",
            "Ready for readers?",
            {"200": _answer("Yes.", "Readiness"), "503": _answer("No.", "Readiness")},
            (),
            tag="operation",
            secured=False,
            limited=False,
        ),
        "/metrics": _operation(
            "getMetrics",
            "Figures for Prometheus.",
            {"200": {"description": "Prometheus text.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
            (Kind.TOKEN_MISSING, Kind.TOKEN_OTHER_ROOM),
            tag="operation",
            limited=False,
        ),
    }


def _operation(
    name: str,
    summary: str,
    answers: dict[str, Any],
    problems: tuple[Kind, ...],
    *,
    tag: str = "rooms",
    parameters: list[dict[str, Any]] | None = None,
    secured: bool = True,
    limited: bool = True,
) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for kind in (*problems, *((Kind.TOO_MANY_REQUESTS,) if limited else ())):
        by_status.setdefault(kind.status, []).append(f"{kind.title} (`{kind.type}`).")
    return {
        "operationId": name,
        "summary": re.split(r"[:.] ", summary, maxsplit=1)[0],
        "description": summary,
        "tags": [tag],
        "parameters": parameters or [],
        # The empty choice is for a server without a secret, which needs no token.
        "security": [{"bearer": []}, {"query": []}, {}] if secured else [],
        "responses": {
            **answers,
            **{str(status): _problem(" ".join(texts)) for status, texts in sorted(by_status.items())},
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }


def _answer(text: str, schema: str, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"description": text, "headers": headers or {}, "content": {JSON: {"schema": _ref(schema)}}}


def _problem(text: str) -> dict[str, Any]:
    return {"description": text, "headers": _RETRY, "content": {CONTENT_TYPE: {"schema": _ref("Problem")}}}


def _query(name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": text, "schema": schema}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
