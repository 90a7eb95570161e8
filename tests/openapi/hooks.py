"""Loaded by Schemathesis, in its own environment: what the gateway's OpenAPI document cannot say of good bodies."""

from __future__ import annotations

import gzip
import json
import time
from typing import Any

import cramjam
import schemathesis
from schemathesis.transport.serialization import Binary

# The contract's own bound: what lies beyond it was meant to be refused.
MOST_MS = (1 << 53) - 1
# Events in an array or alone; none of a body lies deeper.
LEVELS = 2
FORMS = ("application/json", "application/cloudevents+json", "application/cloudevents-batch+json")
PACKERS: dict[Any, Any] = {"gzip": gzip.compress, "zstd": lambda body: bytes(cramjam.zstd.compress(body))}


def _of_now(node: Any, levels: int = LEVELS) -> Any:
    """The same with events of now: no schema knows the time, and all of them would be refused as too old."""
    if isinstance(node, list) and levels:
        return [_of_now(each, levels - 1) for each in node]
    said_ms = node.get("event_time_ms") if isinstance(node, dict) else None
    if isinstance(node, dict) and type(said_ms) is int and 0 <= said_ms <= MOST_MS:
        return node | {"event_time_ms": time.time_ns() // 1_000_000}
    return node


@schemathesis.serializer(*FORMS)  # type: ignore[untyped-decorator] # not here, for mypy
def as_json(context: Any, body: Any) -> bytes:
    """JSON, packed as the headers of the case say."""
    return _packed(
        context, body if isinstance(body, bytes) else json.dumps(_of_now(_text(body)), default=_text).encode()
    )


@schemathesis.serializer("application/x-ndjson")  # type: ignore[untyped-decorator] # as above
def as_lines(context: Any, body: Any) -> bytes:
    """Text as it is, and anything else as a line of JSON."""
    plain = _of_now(_text(body))
    line = plain if isinstance(plain, str) else json.dumps(plain, default=_text)
    return _packed(context, line.encode("utf-8", "replace"))


def _text(node: Any) -> Any:
    return node.data.decode(errors="replace") if isinstance(node, Binary) else node


def _packed(context: Any, body: bytes) -> bytes:
    said = {name.lower(): value for name, value in (context.case.headers or {}).items()}
    packer = PACKERS.get(said.get("content-encoding"), bytes)
    return bytes(packer(body))
