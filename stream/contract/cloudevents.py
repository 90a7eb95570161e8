"""CloudEvents 1.0 in Kafka's binary mode: three of our fields travel in headers, and here they rejoin the body.

`ce_id` is `event_id`, `ce_type` is `type` (bare, or as `snapup.<type>.v1`), `ce_time` is `event_time_ms`. The body may
repeat a field and must then agree with the header. Every other attribute is ignored, like an unknown field. In Kafka
structured mode is refused: its records would need a second schema. The HTTP gateway takes it, and makes it a bare
record here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stream.contract.events import MAX_RECORD_BYTES
from stream.contract.foreign_times import rfc3339_ms
from stream.contract.refusal import DeadLetter, Reason, refuse, violation
from stream.contract.wire import check_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

SPEC_VERSION = "1.0"
MAJOR_VERSION = 1

_HEADERS = frozenset({"content-type", "ce_specversion", "ce_id", "ce_type", "ce_time"})
# An envelope's own attributes, besides an event of the greatest size, which base64 makes a third longer.
MAX_ENVELOPE_BYTES = 2 * MAX_RECORD_BYTES
_fields_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def type_name(name: str) -> str:
    """The CloudEvents `type` of one of our types: `snapup.order.v1`."""
    return f"snapup.{name}.v{MAJOR_VERSION}"


def plain_record(value: bytes, headers: Sequence[tuple[str, bytes | None]]) -> bytes | DeadLetter:
    """The record as bare JSON: the body joined with its `ce_` headers, or the same bytes if it is no CloudEvent.

    A foreign content type is refused before the body is read.
    """
    # Kafka allows a header without a value, though the client's types do not say so. Of repeated headers the last
    # counts.
    said = {name: text for key, text in headers if (name := key.lower()) in _HEADERS and text is not None}
    if not said:
        return value
    attributes = {name: text.decode(errors="replace") for name, text in said.items()}
    if refused := _check_content_type(attributes.get("content-type")):
        return refused
    spec_version = attributes.get("ce_specversion")
    if spec_version is None:
        return value
    if refused := check_bytes(value):
        return refused
    if spec_version != SPEC_VERSION:
        return refuse(Reason.SCHEMA_VIOLATION, f"ce_specversion is {spec_version!r}: it must be {SPEC_VERSION!r}", "")
    return _merged(value, attributes)


class _Envelope(msgspec.Struct):
    """A CloudEvent in structured mode. Every other attribute is ignored."""

    specversion: str
    id: str
    source: str
    type: str
    time: str | None = None
    datacontenttype: str | None = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data_base64: bytes | None = None


_envelope_of = msgspec.json.Decoder(_Envelope).decode


def plain_structured(value: bytes) -> bytes | DeadLetter:
    """The record in the envelope as bare JSON: `data` joined with `id`, `type` and `time`; or the refusal.

    Pointers of later refusals are those of the bare record.
    """
    if len(value) > MAX_ENVELOPE_BYTES:
        detail = f"the CloudEvent has {len(value)} bytes, the most is {MAX_ENVELOPE_BYTES}"
        return refuse(Reason.TOO_LARGE, detail)
    if refused := check_bytes(value):
        return refused
    try:
        envelope = _envelope_of(value)
    except msgspec.ValidationError as error:
        return violation(str(error))
    if envelope.specversion != SPEC_VERSION:
        detail = f"specversion is {envelope.specversion!r}: it must be {SPEC_VERSION!r}"
        return refuse(Reason.SCHEMA_VIOLATION, detail, "/specversion")
    data = _data_of(envelope)
    if isinstance(data, DeadLetter):
        return data
    attributes = {"ce_id": envelope.id, "ce_type": envelope.type}
    if envelope.time is not None:
        attributes["ce_time"] = envelope.time
    return _merged(data, attributes)


def _data_of(envelope: _Envelope) -> bytes | DeadLetter:
    if envelope.datacontenttype is not None and (refused := _check_content_type(envelope.datacontenttype)):
        return refused
    if not isinstance(envelope.data, msgspec.UnsetType):
        return bytes(envelope.data)
    if envelope.data_base64 is None:
        return refuse(Reason.SCHEMA_VIOLATION, "Object missing required field `data`", "/data")
    return check_bytes(envelope.data_base64) or envelope.data_base64


def _check_content_type(said: str | None) -> DeadLetter | None:
    """The refusal of a record whose producer declares another format. A record without the header counts as JSON."""
    if said is None:
        return None
    media_type = said.partition(";")[0].strip().lower()
    if media_type.startswith("application/cloudevents"):
        detail = f"CloudEvents structured mode ({media_type}) is not accepted: send binary mode, or bare JSON"
        return refuse(Reason.SCHEMA_VIOLATION, detail, "")
    if media_type == "application/json" or media_type.endswith("+json"):
        return None
    return refuse(Reason.NOT_JSON, f"content-type is {media_type!r}: it must be application/json or end in +json")


def _merged(value: bytes, attributes: dict[str, str]) -> bytes | DeadLetter:
    """The body joined with the fields from the headers, or the refusal of the first field that disagrees."""
    try:
        body = _fields_of(value)
    except msgspec.ValidationError as not_an_object:
        return violation(str(not_an_object))
    for field, said in _fields(attributes):
        if isinstance(said, DeadLetter):
            return said
        if field not in body:
            body[field] = msgspec.Raw(msgspec.json.encode(said))
        elif not _is_same(body[field], said):
            detail = f"the body disagrees with its CloudEvents header, which says {said!r}"
            return refuse(Reason.SCHEMA_VIOLATION, detail, f"/{field}")
    return msgspec.json.encode(body)


def _fields(attributes: dict[str, str]) -> list[tuple[str, str | int | DeadLetter]]:
    """The values of our fields that the attributes name."""
    found: list[tuple[str, str | int | DeadLetter]] = []
    if "ce_type" in attributes:
        found.append(("type", _bare_type(attributes["ce_type"])))
    if "ce_id" in attributes:
        found.append(("event_id", attributes["ce_id"]))
    if "ce_time" in attributes:
        found.append(("event_time_ms", _epoch_ms(attributes["ce_time"])))
    return found


def _bare_type(name: str) -> str:
    """`order` for `snapup.order.v1`. Any other name is returned unchanged; a later check calls it unknown."""
    bare = name.removeprefix("snapup.").removesuffix(f".v{MAJOR_VERSION}")
    return bare if name == type_name(bare) else name


def _epoch_ms(text: str) -> int | DeadLetter:
    """Milliseconds of an RFC 3339 time; finer digits are cut off."""
    if (moment_ms := rfc3339_ms(text)) is not None:
        return moment_ms
    detail = f"ce_time is {text!r}: it must be an RFC 3339 time with an offset"
    return refuse(Reason.SCHEMA_VIOLATION, detail, "/event_time_ms")


def _is_same(raw: msgspec.Raw, said: str | int) -> bool:
    try:
        return bool(msgspec.json.decode(raw, type=type(said)) == said)
    except msgspec.ValidationError:
        return False
