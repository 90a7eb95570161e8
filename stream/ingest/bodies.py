"""A request's body → its events as bytes: content types, encodings, and bounds on what comes out of them.

Pure: bytes in, bytes out. Whether an event keeps the contract is asked later, of each by itself.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from stream.ingest.problems import Kind
from stream.records.codecs import TooLargeError, UndecodableError, decompress
from stream.serve.problems import ProblemError


class Format(Enum):
    """How events lie in a body. `are_cloudevents`: each is an envelope by CloudEvents 1.0."""

    JSON = "application/json"
    NDJSON = "application/x-ndjson"
    CLOUDEVENT = "application/cloudevents+json"
    CLOUDEVENTS = "application/cloudevents-batch+json"

    @property
    def are_cloudevents(self) -> bool:
        """Whether each event is an envelope."""
        return self in (Format.CLOUDEVENT, Format.CLOUDEVENTS)


# The codec's number in `stream.records.codecs`.
ENCODINGS = {"gzip": 1, "x-gzip": 1, "zstd": 4}
PLAIN_ENCODINGS = ("", "identity")
_FORMATS = {each.value: each for each in Format} | {"application/ndjson": Format.NDJSON}
_UTF8 = ("utf-8", "utf8")

_items_of = msgspec.json.Decoder(list[msgspec.Raw]).decode


def format_of(content_type: str) -> Format:
    """The format that a Content-Type header names.

    Raises:
        ProblemError: it is none of ours, or not UTF-8.
    """
    media_type, _, parameters = content_type.partition(";")
    found = _FORMATS.get(media_type.strip().lower())
    if found is None:
        raise ProblemError(
            Kind.UNKNOWN_CONTENT_TYPE, f"send {', '.join(each.value for each in Format)}", parameter="Content-Type"
        )
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in _UTF8:
            raise ProblemError(Kind.UNKNOWN_CONTENT_TYPE, "send UTF-8", parameter="Content-Type")
    return found


def codec_of(content_encoding: str) -> int | None:
    """The codec that a Content-Encoding header names; None: the body is as it is.

    Raises:
        ProblemError: it is none of ours.
    """
    name = content_encoding.strip().lower()
    if name in PLAIN_ENCODINGS:
        return None
    codec = ENCODINGS.get(name)
    if codec is None:
        raise ProblemError(Kind.UNKNOWN_CONTENT_ENCODING, "send gzip, zstd or none", parameter="Content-Encoding")
    return codec


def unpacked(body: bytes, codec: int | None, most_bytes: int) -> bytes:
    """The body without its encoding. Never makes more than `most_bytes`.

    Raises:
        ProblemError: it is damaged, or larger.
    """
    if codec is None:
        return body
    try:
        return decompress(codec, body, most_bytes)
    except TooLargeError:
        raise too_large(most_bytes) from None
    except UndecodableError as error:
        raise ProblemError(Kind.BAD_ENCODING, str(error)[:200], parameter="Content-Encoding") from None


def too_large(most_bytes: int) -> ProblemError:
    """The answer to a body with more bytes than that."""
    return ProblemError(
        Kind.BODY_TOO_LARGE,
        f"a body may have {most_bytes} bytes, before and after unpacking: send fewer events in each",
    )


def items_of(body: bytes, form: Format, most_items: int) -> list[bytes]:
    """The events of a body, in order. Blank lines of NDJSON are none.

    Raises:
        ProblemError: the body as a whole cannot be read, or has more than `most_items` events.
    """
    if not body.strip():
        raise ProblemError(Kind.BAD_BODY, "the body is empty")
    if form is Format.NDJSON:
        found: list[bytes] | list[msgspec.Raw] = [line for line in body.split(b"\n") if line and not line.isspace()]
    elif form is Format.CLOUDEVENT or (form is Format.JSON and body.lstrip()[:1] == b"{"):
        found = [body]
    else:
        try:
            found = _items_of(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            why = "it nests too deep" if isinstance(error, RecursionError) else str(error)[:200]
            raise ProblemError(Kind.BAD_BODY, f"the body is no JSON array: {why}") from None
    if len(found) > most_items:
        raise ProblemError(Kind.TOO_MANY_EVENTS, f"the body has {len(found)} events, the most is {most_items}")
    return [*map(bytes, found)]
