from __future__ import annotations

import gzip

import cramjam
import pytest

from stream.ingest.bodies import Format, codec_of, format_of, items_of, unpacked
from stream.serve.problems import ProblemError


def kind_of(error: pytest.ExceptionInfo[ProblemError]) -> str:
    return error.value.problem.type.rpartition(":")[2]


@pytest.mark.parametrize(
    ("said", "form"),
    [
        ("application/json", Format.JSON),
        ("Application/JSON; charset=UTF-8", Format.JSON),
        ('application/json;charset="utf-8"', Format.JSON),
        ("application/x-ndjson", Format.NDJSON),
        ("application/cloudevents+json; charset=utf-8", Format.CLOUDEVENT),
        ("application/cloudevents-batch+json", Format.CLOUDEVENTS),
    ],
)
def test_content_types_that_are_read(said: str, form: Format) -> None:
    assert format_of(said) is form


@pytest.mark.parametrize("said", ["", "text/plain", "application/json; charset=latin-1", "application/xml", "json"])
def test_other_content_types_are_named(said: str) -> None:
    with pytest.raises(ProblemError) as error:
        format_of(said)
    assert kind_of(error) == "unknown_content_type"


def test_items_are_the_bytes_that_were_sent() -> None:
    assert items_of(b' [ {"a": 1}, [2] , 3]', Format.JSON, 9) == [b'{"a": 1}', b"[2]", b"3"]
    assert items_of(b'\n{"a":1}\r\n\n  \n{"b"', Format.NDJSON, 9) == [b'{"a":1}\r', b'{"b"']
    assert items_of(b' {"a":1}', Format.JSON, 9) == [b' {"a":1}']
    assert items_of(b"[]", Format.JSON, 9) == []
    assert items_of(b"[{}]", Format.CLOUDEVENT, 9) == [b"[{}]"]
    assert items_of(b"[{},{}]", Format.CLOUDEVENTS, 9) == [b"{}", b"{}"]


@pytest.mark.parametrize("body", [b"", b"  \n", b"[1,", b"[1] 2", b"3", b"\xff", b"[" * 100_000, b"\xef\xbb\xbf[]"])
def test_a_body_that_is_no_array_is_a_sentence(body: bytes) -> None:
    with pytest.raises(ProblemError) as error:
        items_of(body, Format.JSON, 9)
    assert kind_of(error) == "bad_body"


@pytest.mark.parametrize("body", [b"[1,2,3,4]", b"1\n2\n3\n4"])
def test_the_number_of_events_is_bounded(body: bytes) -> None:
    with pytest.raises(ProblemError, match="4 events, the most is 3") as error:
        items_of(body, Format.JSON if body[:1] == b"[" else Format.NDJSON, 3)
    assert kind_of(error) == "too_many_events"


def test_encodings_are_unpacked_up_to_the_bound() -> None:
    body = b"x" * 5_000
    zstd = bytes(cramjam.zstd.compress(body))
    assert codec_of("") is None
    assert codec_of("identity") is None
    for packed, name in ((gzip.compress(body), "GZIP"), (zstd, "zstd")):
        codec = codec_of(name)
        assert unpacked(packed, codec, 5_000) == body
        with pytest.raises(ProblemError) as error:
            unpacked(packed, codec, 4_999)
        assert kind_of(error) == "body_too_large"
        with pytest.raises(ProblemError) as error:
            unpacked(packed[:-3], codec, 5_000)
        assert kind_of(error) == "bad_encoding"
        with pytest.raises(ProblemError) as error:
            unpacked(b"nothing of the kind", codec, 5_000)
        assert kind_of(error) == "bad_encoding"
    for name in ("br", "gzip, gzip", "deflate"):
        with pytest.raises(ProblemError) as error:
            codec_of(name)
        assert kind_of(error) == "unknown_content_encoding"
