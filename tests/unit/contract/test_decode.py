from __future__ import annotations

import sys
import traceback
from typing import Any

import msgspec
import pytest
from aiokafka.partitioner import murmur2 as of_aiokafka

from stream.contract.decode import CANNOT_BE_DEEP_BYTES, MAX_KNOWN_ROOMS, DeadLetter, Decoded, Decoder, Limits, Reason
from stream.contract.events import (
    INPUT_TOPICS,
    MAX_AGE_MS,
    MAX_AHEAD_MS,
    MAX_RECORD_BYTES,
    TOPIC_NAMES,
    Comment,
    Like,
    Order,
    SaleClosed,
)
from stream.contract.kept import CutBytes, Unreadable
from stream.contract.refusal import REASONS_OF_THE_ROOM
from stream.contract.wire import MAX_DEPTH
from tests.support.rooms import Rec

NOW_MS = 1_700_000_000_000
LIKE: dict[str, Any] = {
    "type": "like",
    "event_id": "e-1",
    "room_id": "room-1",
    "event_time_ms": NOW_MS,
    "user_id": "u-1",
    "count": 3,
}
ORDER: dict[str, Any] = {
    "type": "order",
    "event_id": "e-2",
    "room_id": "room-1",
    "event_time_ms": NOW_MS,
    "user_id": "u-1",
    "order_id": "o-1",
    "status": "paid",
    "lines": [
        {"sku_id": "sku-1", "quantity": 2, "amount_minor": 19_800, "sale_id": "sale-1"},
        {"sku_id": "sku-2", "quantity": 1, "amount_minor": 0},
    ],
    "currency": "CNY",
}


def decoded(
    record: dict[str, Any] | bytes | None, topic: str = "likes", key: bytes | None = b"room-1", append_ms: int = NOW_MS
) -> Any:
    value = msgspec.json.encode(record) if isinstance(record, dict) else record
    return Decoder(TOPIC_NAMES.index(topic)).decode(value, key, append_ms)


def said(answer: Any) -> tuple[str, str | None]:
    assert isinstance(answer, DeadLetter)
    assert answer.detail
    return str(answer.reason), answer.pointer


def like_with(json: bytes) -> bytes:
    """A like in which this JSON is the value of an unknown field."""
    return msgspec.json.encode(LIKE)[:-1] + b',"extra":' + json + b"}"


def comment_of(json_text: str) -> bytes:
    head = msgspec.json.encode({**LIKE, "type": "comment"})[:-1]
    return head + b',"text":' + json_text.encode() + b"}"


# --- the good record ------------------------------------------------------------------------------------------------


def test_a_good_record_becomes_its_event() -> None:
    assert decoded(LIKE) == Like(event_id="e-1", room_id="room-1", event_time_ms=NOW_MS, user_id="u-1", count=3)


def test_an_order_keeps_its_lines_in_order() -> None:
    order = decoded(ORDER, "orders")
    assert isinstance(order, Order)
    assert [(line.sku_id, line.quantity, line.amount_minor, line.sale_id) for line in order.lines] == [
        ("sku-1", 2, 19_800, "sale-1"),
        ("sku-2", 1, 0, None),
    ]


def test_unknown_fields_are_ignored() -> None:
    assert decoded({**LIKE, "client": {"os": "ios", "tags": [1, 2.5, None]}}) == decoded(LIKE)


def test_an_optional_field_may_be_null() -> None:
    record = {"type": "cart_add", **{k: v for k, v in LIKE.items() if k not in {"type", "count"}}}
    answer = decoded({**record, "sku_id": "s", "quantity": 1, "sale_id": None}, "cart-adds")
    assert answer.sale_id is None


def test_the_order_of_the_fields_does_not_matter() -> None:
    assert decoded(dict(reversed(LIKE.items()))) == decoded(LIKE)


def test_whitespace_around_and_inside_is_allowed() -> None:
    assert decoded(b" \r\n\t" + msgspec.json.format(msgspec.json.encode(LIKE), indent=2) + b"\n") == decoded(LIKE)


def test_escaped_names_and_values_are_what_they_stand_for() -> None:
    assert decoded(rb'{"ty\u0070e":"lik\u0065",' + msgspec.json.encode(LIKE)[len(b'{"type":"like",') :]) == decoded(
        LIKE
    )


@pytest.mark.parametrize(("topic", "kinds"), INPUT_TOPICS)
def test_every_topic_refuses_the_types_of_every_other(topic: str, kinds: tuple[type, ...]) -> None:
    for other, other_kinds in INPUT_TOPICS:
        for kind in other_kinds:
            expected = ("wrong_topic", "/type") if kind not in kinds else ("schema_violation", "/event_id")
            record = {"type": kind.__struct_config__.tag}
            assert said(decoded(record, topic)) == expected, (topic, other)


# --- bytes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b" \n\t ",
        b"{",
        b'{"type":"like"',
        b"\xef\xbb\xbf" + msgspec.json.encode(LIKE),
        msgspec.json.encode(LIKE) + b"x",
        msgspec.json.encode(LIKE) * 2,
        msgspec.json.encode(LIKE).replace(b'"', b"'"),
        msgspec.json.encode(LIKE).replace(b":3", b":NaN"),
        msgspec.json.encode(LIKE).replace(b":3", b":03"),
        msgspec.json.encode(LIKE).replace(b":3", b":+3"),
        like_with(b"Infinity"),
        like_with(b"tru"),
        like_with(b"1."),
        like_with(b".5"),
        like_with(b"[1,]"),
        like_with(b'"\x00"'),
        like_with(b'"\n"'),
        like_with(rb'"\x"'),
        like_with(rb'"\u12"'),
        like_with(b"//comment\n1"),
        "utf-16".encode("utf-16-le"),
    ],
)
def test_what_is_no_json_is_called_so(value: bytes | None) -> None:
    assert said(decoded(value)) == ("not_json", None)


@pytest.mark.parametrize(
    "value",
    [
        b"\xff",
        b"\x80{}",
        comment_of('"@"').replace(b"@", b"\xff"),
        comment_of('"@"').replace(b"@", b"\xed\xa0\x80"),  # a surrogate, encoded
        comment_of('"@"').replace(b"@", b"\xc0\x80"),  # an overlong NUL
        comment_of('"@"').replace(b"@", b"\xf4\x90\x80\x80"),  # beyond U+10FFFF
        like_with(b'"\xff"'),  # msgspec alone would skip these two
        like_with(b'{"\xff":1}'),
        comment_of(r'"\ud800"'),
        comment_of(r'"\ud800 "'),
        comment_of(r'"\ud800\ud800"'),
        comment_of(r'"\udc00\ud800"'),
        comment_of(r'"\ude00"'),
        like_with(rb'"\ud800"'),
        like_with(rb'{"\udfff":1}'),
        rb'"\ud800"',
    ],
)
def test_what_has_no_utf8_form_is_called_so(value: bytes) -> None:
    assert said(decoded(value, "comments")) == ("not_utf8", None)


def test_a_lone_surrogate_in_broken_json_is_no_json() -> None:
    assert said(decoded(like_with(rb'"\ud800"')[:-1])) == ("not_json", None)


def test_a_surrogate_pair_is_one_character() -> None:
    assert decoded(comment_of(r'"\ud83d\ude00"'), "comments").text == "\N{GRINNING FACE}"


def test_a_nul_escape_is_text_but_no_id() -> None:
    assert decoded(comment_of(r'"a\u0000b"'), "comments").text == "a\x00b"
    assert said(decoded({**LIKE, "user_id": "a\x00"})) == ("schema_violation", "/user_id")


def test_a_record_of_the_greatest_size_is_read_and_one_byte_more_is_not() -> None:
    padding = MAX_RECORD_BYTES - len(like_with(b'""'))
    assert isinstance(decoded(like_with(b'"' + b"x" * padding + b'"')), Like)
    assert said(decoded(like_with(b'"' + b"x" * (padding + 1) + b'"'))) == ("too_large", None)


def test_a_record_with_headers_has_the_same_greatest_size() -> None:
    value = like_with(b'"' + b"x" * (MAX_RECORD_BYTES - len(like_with(b'""'))) + b'"')
    decoder = Decoder(TOPIC_NAMES.index("likes"))
    assert isinstance(decoder.decode(value, b"room-1", NOW_MS, [("traceparent", b"00")]), Like)


def test_size_is_looked_at_before_anything_else() -> None:
    assert said(decoded(b"\xff" * (MAX_RECORD_BYTES + 1))) == ("too_large", None)


# --- depth ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"":', b"}")])
def test_the_depth_limit_counts_the_record_itself(opening: bytes, closing: bytes) -> None:
    def nested(levels: int) -> bytes:
        return like_with(opening * levels + b"1" + closing * levels)

    assert isinstance(decoded(nested(MAX_DEPTH - 1)), Like)
    assert said(decoded(nested(MAX_DEPTH))) == ("nested_too_deep", None)
    assert said(decoded(nested(2_000))) == ("nested_too_deep", None)


def test_depth_is_refused_before_grammar_however_broken_the_rest_is() -> None:
    for deep in (b"[" * 100, b"[" * 8_000, like_with(b"[" * 64), b"}}}" + b"[" * 65, b'{"a":' * 65 + b"\\"):
        assert said(decoded(deep)) == ("nested_too_deep", None)


def test_brackets_in_strings_do_not_nest() -> None:
    assert isinstance(decoded(like_with(b'"' + b"[" * 500 + b'"')), Like)
    assert isinstance(decoded(like_with(rb'"\"' + b"{" * 500 + rb'\\"')), Like)


def test_many_brackets_side_by_side_do_not_nest() -> None:
    assert isinstance(decoded(like_with(b"[" + b"[]," * 200 + b"[]]")), Like)


@pytest.mark.parametrize("kind", [kind for _, kinds in INPUT_TOPICS for kind in kinds])
def test_no_good_record_is_deep_and_too_short_to_be_looked_at(kind: type) -> None:
    # The least fixed part of each type, plus `"":` and as many brackets as are one too many.
    fixed = {
        "user_id": "u",
        "event_id": "e",
        "room_id": "r",
        "event_time_ms": 0,
        "text": "",
        "count": 1,
        "sku_id": "s",
        "quantity": 1,
        "order_id": "o",
        "status": "paid",
        "lines": [{"sku_id": "s", "quantity": 1, "amount_minor": 0}],
        "currency": "CNY",
        "sale_id": "s",
        "offered": 0,
        "starts_at_ms": 0,
        "ends_at_ms": 0,
        "show_id": "s",
        "topic": "t",
        "partition": 0,
        "offset": 0,
    }
    names = [field.name for field in msgspec.structs.fields(kind) if field.required]
    least = msgspec.json.encode({"type": kind.__struct_config__.tag, **{name: fixed[name] for name in names}})  # type: ignore[attr-defined]
    deep = least[:-1] + b',"":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}"
    assert len(deep) > CANNOT_BE_DEEP_BYTES
    topic = next(index for index, (_, kinds) in enumerate(INPUT_TOPICS) if kind in kinds)
    assert said(Decoder(topic).decode(deep, b"r", -1)) == ("nested_too_deep", None)


def test_the_answer_does_not_depend_on_how_deep_the_caller_stands() -> None:
    records = [like_with(b"[" * levels + b"]" * levels) for levels in (10, MAX_DEPTH - 1, MAX_DEPTH, 300, 900, 5_000)]
    decoder = Decoder(TOPIC_NAMES.index("likes"))
    # Learn the room first, and all code paths: what is asked is the stack, not the first call.
    here = [decoder.decode(value, b"room-1", NOW_MS) for value in records]

    def from_below(frames: int) -> list[Any]:
        if frames:
            return from_below(frames - 1)
        return [decoder.decode(value, b"room-1", NOW_MS) for value in records]

    free = sys.getrecursionlimit() - len(_stack())
    assert from_below(free - 2 * MAX_DEPTH - 20) == here


def test_a_caller_without_stack_gets_no_dead_letter_for_a_good_record() -> None:
    decoder = Decoder(TOPIC_NAMES.index("likes"))
    value = like_with(b"[" * 60 + b"]" * 60)
    assert isinstance(decoder.decode(value, b"room-1", NOW_MS), Like)

    def from_below(frames: int) -> Any:
        return from_below(frames - 1) if frames else decoder.decode(value, b"room-1", NOW_MS)

    free = sys.getrecursionlimit() - len(_stack())
    with pytest.raises(RecursionError):
        from_below(free - 30)


def _stack() -> list[Any]:
    return list(traceback.walk_stack(None))


# --- type -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [b"null", b"1", b'"like"', b"[]", b"true"])
def test_what_is_no_object_violates_the_schema_at_the_root(value: bytes) -> None:
    assert said(decoded(value)) == ("schema_violation", "")


@pytest.mark.parametrize("type_json", [None, b"null", b"1", b"[]", b"{}", b"true"])
def test_a_type_that_is_missing_or_no_string_violates_the_schema(type_json: bytes | None) -> None:
    rest = msgspec.json.encode(LIKE)[len(b'{"type":"like",') :]
    value = b"{" + rest if type_json is None else b'{"type":' + type_json + b"," + rest
    assert said(decoded(value)) == ("schema_violation", "/type")


@pytest.mark.parametrize("name", ["gift", "", "Like", "like ", "likes", "snapup.like.v1", "赞", "like\n"])
def test_an_unknown_type_is_called_so_whatever_else_is_wrong(name: str) -> None:
    assert said(decoded({"type": name, "count": -1})) == ("unknown_type", "/type")


def test_where_a_name_is_repeated_the_last_type_says_what_the_record_is() -> None:
    assert said(decoded(b'{"type":"like","type":"gift"}')) == ("unknown_type", "/type")
    assert said(decoded(b'{"type":"gift","type":"like"}')) == ("schema_violation", "/type")


# --- schema ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in LIKE if name != "type"])
def test_a_missing_field_is_named(name: str) -> None:
    assert said(decoded({k: v for k, v in LIKE.items() if k != name})) == ("schema_violation", f"/{name}")


def test_a_missing_field_of_a_line_is_named() -> None:
    lines = [ORDER["lines"][0], {"sku_id": "sku-2", "quantity": 1}]
    assert said(decoded({**ORDER, "lines": lines}, "orders")) == ("schema_violation", "/lines/1/amount_minor")


@pytest.mark.parametrize(
    "count", [b"0", b"-1", b"10001", b'"3"', b"null", b"true", b"3.0", b"3e0", b"1e999", b"9" * 400]
)
def test_a_count_that_is_no_integer_in_its_range_is_refused(count: bytes) -> None:
    value = msgspec.json.encode(LIKE).replace(b":3", b":" + count)
    assert said(decoded(value)) == ("schema_violation", "/count")


@pytest.mark.parametrize("time_ms", [b"-1", b"9007199254740992", b"18446744073709551616", b"-9223372036854775809"])
def test_an_event_time_outside_the_safe_integers_is_refused(time_ms: bytes) -> None:
    value = msgspec.json.encode(LIKE).replace(str(NOW_MS).encode(), time_ms)
    assert said(decoded(value, append_ms=-1)) == ("schema_violation", "/event_time_ms")


@pytest.mark.parametrize("character", ["\N{GRINNING FACE}", "é", "好", "x", '"', "\n"])
def test_a_comment_is_measured_in_characters(character: str) -> None:
    comment = {k: v for k, v in LIKE.items() if k != "count"} | {"type": "comment"}
    longest = decoded({**comment, "text": character * 500}, "comments")
    assert isinstance(longest, Comment)
    assert longest.text == character * 500
    assert said(decoded({**comment, "text": character * 501}, "comments")) == ("schema_violation", "/text")


@pytest.mark.parametrize("field", ["event_id", "user_id"])
@pytest.mark.parametrize("bad", ["", "a\n", "\n", "a b", "é", "a/b", "a\x00", "x" * 65, "{a}"])
def test_an_id_of_other_characters_is_refused(field: str, bad: str) -> None:
    assert said(decoded({**LIKE, field: bad})) == ("schema_violation", f"/{field}")


@pytest.mark.parametrize("bad", ["", "a\n", "a b", "é", "x" * 65])
def test_a_room_id_of_other_characters_is_refused_even_if_the_key_is_the_same(bad: str) -> None:
    assert said(decoded({**LIKE, "room_id": bad}, key=bad.encode())) == ("schema_violation", "/room_id")


@pytest.mark.parametrize("pointer", ["/order_id", "/lines/0/sku_id", "/lines/0/sale_id", "/lines/1/sku_id"])
def test_the_first_bad_id_of_an_order_is_named(pointer: str) -> None:
    order = msgspec.json.decode(msgspec.json.encode(ORDER))
    *path, last = pointer[1:].split("/")
    target = order
    for step in path:
        target = target[int(step)] if step.isdigit() else target[step]
    target[last] = "not an id"
    assert said(decoded(order, "orders")) == ("schema_violation", pointer)


@pytest.mark.parametrize("currency", ["cny", "CN", "CNYX", "CN\n", "CNY\n", "CN1", ""])
def test_a_currency_is_three_capital_letters(currency: str) -> None:
    assert said(decoded({**ORDER, "currency": currency}, "orders")) == ("schema_violation", "/currency")


def test_the_number_of_lines_is_bounded_on_both_sides() -> None:
    line = ORDER["lines"][1]
    assert said(decoded({**ORDER, "lines": []}, "orders")) == ("schema_violation", "/lines")
    assert isinstance(decoded({**ORDER, "lines": [line] * 100}, "orders"), Order)
    assert said(decoded({**ORDER, "lines": [line] * 101}, "orders")) == ("schema_violation", "/lines")


# --- key ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, b"", b"room-2", b"room-1 ", b"ROOM-1", b"\xff", b'"room-1"'])
def test_a_key_that_is_not_the_room_is_refused(key: bytes | None) -> None:
    decoder = Decoder(TOPIC_NAMES.index("likes"))
    value = msgspec.json.encode(LIKE)
    for _ in range(2):  # neither before nor after the room is known
        assert said(decoder.decode(value, key, NOW_MS)) == ("key_mismatch", "/room_id")
        assert isinstance(decoder.decode(value, b"room-1", NOW_MS), Like)


def test_the_key_of_another_room_that_is_known_is_refused() -> None:
    decoder = Decoder(TOPIC_NAMES.index("likes"))
    for room in ("room-1", "room-2"):
        value = msgspec.json.encode({**LIKE, "room_id": room})
        assert isinstance(decoder.decode(value, room.encode(), NOW_MS), Like)
    assert said(decoder.decode(msgspec.json.encode(LIKE), b"room-2", NOW_MS)) == ("key_mismatch", "/room_id")


def test_a_decoder_forgets_rooms_before_they_are_too_many() -> None:
    decoder = Decoder(TOPIC_NAMES.index("likes"))
    for number in range(2 * MAX_KNOWN_ROOMS + 1):
        room = f"room-{number}"
        value = msgspec.json.encode({**LIKE, "room_id": room})
        assert isinstance(decoder.decode(value, room.encode(), NOW_MS), Like)
        assert len(decoder._rooms) <= MAX_KNOWN_ROOMS


# --- time -----------------------------------------------------------------------------------------------------------


def test_an_event_may_be_ahead_of_its_record_up_to_the_limit() -> None:
    assert isinstance(decoded(LIKE, append_ms=NOW_MS - MAX_AHEAD_MS), Like)
    assert said(decoded(LIKE, append_ms=NOW_MS - MAX_AHEAD_MS - 1)) == ("ahead_of_clock", "/event_time_ms")


def test_an_event_may_be_older_than_its_record_up_to_the_limit() -> None:
    assert isinstance(decoded(LIKE, append_ms=NOW_MS + MAX_AGE_MS), Like)
    assert said(decoded(LIKE, append_ms=NOW_MS + MAX_AGE_MS + 1)) == ("too_old", "/event_time_ms")


def test_a_record_without_a_time_is_not_compared() -> None:
    assert isinstance(decoded(LIKE, append_ms=-1), Like)
    assert said(decoded(LIKE, append_ms=0)) == ("ahead_of_clock", "/event_time_ms")


def test_the_limits_are_those_that_were_given() -> None:
    limits = Limits(max_record_bytes=200, max_ahead_ms=5, max_age_ms=10)
    decoder = Decoder(TOPIC_NAMES.index("likes"), limits)
    value = msgspec.json.encode(LIKE)
    assert isinstance(decoder.decode(value, b"room-1", NOW_MS - 5), Like)
    assert said(decoder.decode(value, b"room-1", NOW_MS - 6))[0] == "ahead_of_clock"
    assert isinstance(decoder.decode(value, b"room-1", NOW_MS + 10), Like)
    assert said(decoder.decode(value, b"room-1", NOW_MS + 11))[0] == "too_old"
    assert said(decoder.decode(value + b" " * 200, b"room-1", NOW_MS))[0] == "too_large"


# --- which reason ---------------------------------------------------------------------------------------------------


def test_of_several_reasons_the_first_in_their_order_is_given() -> None:
    """One record that has everything wrong is mended step by step; the reasons come in the order of the enumeration."""
    record: dict[str, Any] = {**LIKE, "type": "gift", "count": 0, "event_time_ms": NOW_MS}
    seen = []

    def ask(value: bytes) -> None:
        seen.append(said(decoded(value, key=b"other", append_ms=0))[0])

    deep_and_broken = b"[" * 70
    ask(b"\xff" + deep_and_broken + b" " * MAX_RECORD_BYTES)
    ask(b"\xff" + deep_and_broken)
    ask(deep_and_broken)
    ask(msgspec.json.encode(record)[:-1])
    ask(msgspec.json.encode(record))
    record["type"] = "comment"
    ask(msgspec.json.encode(record))
    record["type"] = "like"
    ask(msgspec.json.encode(record))
    record["count"] = 1
    ask(msgspec.json.encode(record))
    seen.append(said(decoded(record, append_ms=0))[0])
    seen.append(said(decoded(record, append_ms=2 * NOW_MS))[0])
    others = REASONS_OF_THE_ROOM | {Reason.IMPOSSIBLE_TIME, Reason.UNREADABLE_RECORD, Reason.MISPLACED_KEY}
    assert seen == [reason for reason in Reason if reason not in others]


@pytest.mark.parametrize("partition", range(3))
def test_a_key_is_taken_where_murmur2_puts_it_and_nowhere_else(partition: int) -> None:
    decoder = Decoder(TOPIC_NAMES.index("likes"), Limits(partition=partition, partitions=3))
    value = msgspec.json.encode(LIKE)
    home = (of_aiokafka(b"room-1") & 0x7FFFFFFF) % 3
    for _ in range(2):
        answer = decoder.decode(value, b"room-1", NOW_MS)
        if partition == home:
            assert isinstance(answer, Like)
        else:
            assert isinstance(answer, DeadLetter)
            assert answer.reason is Reason.MISPLACED_KEY
            assert f"'room-1' belongs in partition {home} of 3" in answer.detail
            assert decoder.decode_all([Rec(value, b"room-1", 0, NOW_MS)]) is None


def test_what_cannot_be_read_is_refused_with_the_readers_words_whatever_its_bytes() -> None:
    value = msgspec.json.encode(LIKE)
    answer = Decoder(TOPIC_NAMES.index("likes")).decode(value, b"r1", NOW_MS, Unreadable("it ends too early"))
    assert answer == DeadLetter(Reason.UNREADABLE_RECORD, "it ends too early", None)


def test_a_value_of_which_the_beginning_was_kept_is_as_large_as_it_was() -> None:
    answer = Decoder(0).decode(CutBytes(b"x" * 20_000, 3_000_000), b"r1", NOW_MS)
    assert isinstance(answer, DeadLetter)
    assert answer.reason is Reason.TOO_LARGE
    assert "3000000 bytes" in answer.detail


def test_the_decoder_of_sales_takes_an_event_without_a_user() -> None:
    record = {"type": "sale_closed", "event_id": "e", "room_id": "room-1", "event_time_ms": NOW_MS, "sale_id": "s"}
    assert isinstance(decoded(record, "sales"), SaleClosed)


# --- many at once -----------------------------------------------------------------------------------------------------


def many(*records: Rec, topic: str = "likes") -> Decoded | None:
    """All of them at once, by a decoder that knows the room."""
    decoder = Decoder(TOPIC_NAMES.index(topic))
    decoder.decode(msgspec.json.encode(LIKE if topic == "likes" else ORDER), b"room-1", NOW_MS)
    return decoder.decode_all(records)


def like_record(timestamp: int = NOW_MS, headers: tuple[tuple[str, bytes], ...] = (), **changed: Any) -> Rec:
    return Rec(msgspec.json.encode(LIKE | changed), b"room-1", 0, timestamp, headers)


def test_good_records_become_columns() -> None:
    decoded = many(like_record(), like_record(NOW_MS + 5, event_id="e-2"), like_record(NOW_MS - 7, event_id="e-3"))
    assert decoded is not None
    assert [event.event_id for event in decoded.events] == ["e-1", "e-2", "e-3"]
    assert decoded.room_ids == ["room-1"] * 3
    assert decoded.event_time_ms == [NOW_MS] * 3
    assert decoded.append_time_ms == [NOW_MS, NOW_MS + 5, NOW_MS - 7]
    assert decoded.ahead_ms == (-5, 7)


ODD_ONES = {
    "no value": Rec(None, b"room-1", 0, NOW_MS),
    "not JSON": Rec(b"{", b"room-1", 0, NOW_MS),
    "another topic's": Rec(msgspec.json.encode(ORDER), b"room-1", 0, NOW_MS),
    "a room not met yet under another key": Rec(msgspec.json.encode(LIKE | {"room_id": "room-2"}), b"r", 0, NOW_MS),
    "a room whose name is none": Rec(msgspec.json.encode(LIKE | {"room_id": "room 2"}), b"room 2", 0, NOW_MS),
    "another key": Rec(msgspec.json.encode(LIKE), b"room-2", 0, NOW_MS),
    "no key": Rec(msgspec.json.encode(LIKE), None, 0, NOW_MS),
    "headers": like_record(headers=(("content-type", b"application/json"),)),
    "no time": like_record(-1),
    "ahead of the clock": like_record(NOW_MS - MAX_AHEAD_MS - 1),
    "too old": like_record(NOW_MS + MAX_AGE_MS + 1),
    "an id with a space": like_record(event_id="e 1"),
    "too large": Rec(like_with(b'"' + b"x" * MAX_RECORD_BYTES + b'"'), b"room-1", 0, NOW_MS),
    "too deep": Rec(like_with(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)), b"room-1", 0, NOW_MS),
    "not UTF-8": Rec(like_with(b'"\xff"'), b"room-1", 0, NOW_MS),
}


@pytest.mark.parametrize("why", ODD_ONES)
def test_one_odd_record_sends_all_to_be_looked_at_one_by_one(why: str) -> None:
    assert many(like_record(), ODD_ONES[why], like_record()) is None


def test_rooms_are_met_many_at_once() -> None:
    names = [f"room-{number % 7}" for number in range(50)]
    records = [Rec(msgspec.json.encode(LIKE | {"room_id": name}), name.encode(), 0, NOW_MS) for name in names]
    decoded = Decoder(TOPIC_NAMES.index("likes")).decode_all(records)
    assert decoded is not None
    assert decoded.room_ids == names
    assert len({id(room_id) for room_id in decoded.room_ids}) == 7, "of equal names one stays in memory"


def test_more_rooms_at_once_than_are_kept_in_mind_are_looked_at_one_by_one() -> None:
    names = [f"room-{number}" for number in range(MAX_KNOWN_ROOMS + 1)]
    records = [Rec(msgspec.json.encode(LIKE | {"room_id": name}), name.encode(), 0, NOW_MS) for name in names]
    assert Decoder(TOPIC_NAMES.index("likes")).decode_all(records) is None
    assert Decoder(TOPIC_NAMES.index("likes")).decode_all(records[1:]) is not None


def test_half_a_character_is_not_completed_by_the_next_record() -> None:
    first, second = like_with(b'"\xe5"'), like_with(b'"\xa5\xbd"')
    assert many(Rec(first, b"room-1", 0, NOW_MS), Rec(second, b"room-1", 1, NOW_MS)) is None


@pytest.mark.parametrize("change", [{"order_id": "o 1"}, {"lines": [ORDER["lines"][0] | {"sku_id": "s 1"}]}])
def test_ids_anywhere_in_an_order_are_looked_at(change: dict[str, Any]) -> None:
    good, bad = (Rec(msgspec.json.encode(order), b"room-1", 0, NOW_MS) for order in (ORDER, ORDER | change))
    assert many(good, good, topic="orders") is not None
    assert many(good, bad, topic="orders") is None


@pytest.mark.parametrize(("kind", "field"), [(0, "session_id"), (1, "user_id"), (2, "sku_id")])
def test_of_several_kinds_each_has_its_own_ids_looked_at(kind: int, field: str) -> None:
    common = {name: LIKE[name] for name in ("event_id", "room_id", "event_time_ms", "user_id")}
    visits = [common | {"type": name} for name in ("enter", "leave", "product_click")]

    def at_once() -> Decoded | None:
        records = [Rec(msgspec.json.encode(visit), b"room-1", 0, NOW_MS) for visit in visits]
        decoder = Decoder(TOPIC_NAMES.index("visits"))
        decoder.decode(records[0].value, b"room-1", NOW_MS)
        return decoder.decode_all(records)

    found = at_once()
    assert found is not None
    assert len(found.events) == 3
    visits[kind] = visits[kind] | {field: "with space"}
    assert at_once() is None
