"""The gateway judges as the worker does: the examples of the contract decide."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stream.contract.decode import Decoder
from stream.contract.events import MAX_AGE_MS, TOPIC_NAMES
from stream.contract.refusal import DeadLetter
from stream.ingest.intake import Accepted, Intake, Refusal
from stream.ingest.keys import ANYBODY, Key
from stream.mechanics.kinds import CATALOGUE
from tests.support.ingest import cloudevent, like, now_ms

EXAMPLES = Path(__file__).parents[3] / "schemas" / "examples"
VALID = sorted((EXAMPLES / "valid").glob("*.json"))
MARGIN_MS = 10_000


def read(item: dict[str, Any] | bytes, key: Key = ANYBODY, *, at_ms: int | None = None, enveloped: bool = False) -> Any:
    raw = item if isinstance(item, bytes) else msgspec.json.encode(item)
    return Intake(CATALOGUE, MARGIN_MS).read(raw, 7, key, now_ms() if at_ms is None else at_ms, is_cloudevent=enveloped)


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_good_examples_go_to_the_topic_of_their_type_with_their_room_as_key(path: Path) -> None:
    record = json.loads(path.read_text("utf-8"))
    raw = json.dumps(record).encode()
    key = Key("worker", b"", types=tuple(CATALOGUE.types))
    found = read(raw, key, at_ms=record["event_time_ms"])
    assert found == Accepted(TOPIC_NAMES.index(CATALOGUE.types[record["type"]][0]), record["room_id"].encode(), raw)


def test_bad_examples_are_refused_as_the_decoder_refuses_them() -> None:
    seen = set()
    for path in sorted((EXAMPLES / "invalid").glob("*.json")):
        example = json.loads(path.read_text("utf-8"))
        # Over HTTP nobody chooses topic, key or partition; what depends on other records shows only there.
        if example["reason"] in {
            *("wrong_topic", "key_mismatch", "misplaced_key", "order_conflict", "event_id_conflict"),
            "unreadable_record",
        }:
            continue
        if "value" not in example or example["value"] is None or "headers" in example:
            continue
        raw = json.dumps(example["value"], ensure_ascii=False, separators=(",", ":")).encode()
        said = Decoder(TOPIC_NAMES.index(example["topic"]), catalogue=CATALOGUE).decode(
            raw, example["key"].encode(), example["append_time_ms"]
        )
        assert isinstance(said, DeadLetter)
        found = read(raw, at_ms=example["append_time_ms"])
        if example["reason"] == "too_old":
            assert (found.reason, found.pointer) == ("too_old", "/event_time_ms")
        else:
            assert found == Refusal(7, said.pointer, said.reason, said.detail), path.stem
        assert (found.reason, found.pointer) == (example["reason"], example["pointer"]), path.stem
        seen.add(found.reason)
    assert {"unknown_type", "schema_violation", "ahead_of_clock", "too_old", "impossible_time"} <= seen


def test_a_body_is_judged_as_its_events_are_one_by_one_and_a_good_one_is_read_once() -> None:
    at_ms, dice = now_ms(), random.Random(5)
    good = [like(f"room-{number % 3}", event_time_ms=at_ms) for number in range(8)]
    good += [like(type="comment", text="é", event_time_ms=at_ms), like(type="enter", event_time_ms=at_ms)]
    wrong: list[bytes] = [
        *(
            b"{",
            b"[]",
            b"null",
            b'{"type":"nothing"}',
            b'{"type":"like","x":"\xff"}',
            b'{"x":' + b"[" * 90 + b"]" * 90 + b"}",
        ),
        *(
            msgspec.json.encode(each)
            for each in (
                *(like(count=0), like(room_id="a b"), like(user_id="a b"), like("other"), like(event_id="")),
                *(like(event_time_ms=at_ms - MAX_AGE_MS), like(event_time_ms=at_ms + 60_001), like(x="a" * 20_000)),
                like(type="order", order_id="o", status="paid", currency="CNY", lines=[]),
                like(type="sale_closed", sale_id="s"),
                {"type": "records_misplaced", "event_id": "e", "room_id": "room-1", "event_time_ms": at_ms}
                | {"topic": "likes", "partition": 1, "offset": 1, "count": 1},
            )
        ),
    ]
    key = Key("shop", b"", rooms=("room-*",), types=("like", "comment", "enter", "order"))
    intake = Intake(CATALOGUE, MARGIN_MS)

    def one_by_one(items: list[bytes]) -> tuple[list[Accepted], list[Refusal]]:
        found = [intake.read(item, index, key, at_ms, is_cloudevent=False) for index, item in enumerate(items, 3)]
        return [each for each in found if isinstance(each, Accepted)], [
            each for each in found if isinstance(each, Refusal)
        ]

    bodies = [[*map(msgspec.json.encode, good)]]
    bodies += [dice.sample([*bodies[0], each], len(good) + 1) for each in wrong]
    bodies += [dice.sample([*bodies[0], *wrong], 12) for _ in range(20)]
    for body in bodies:
        assert intake.read_all(body, 3, key, at_ms, are_cloudevents=False) == one_by_one(body)
    wanted = one_by_one(bodies[0])
    assert not wanted[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(Intake, "read")
        assert intake.read_all(bodies[0], 3, key, at_ms, are_cloudevents=False) == wanted


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not_json"),
        (b"\xff", "not_utf8"),
        (b"{", "not_json"),
        (b"[" * 100_000, "too_large"),
        (b"[" * 10_000, "nested_too_deep"),
        (b"null", "schema_violation"),
        (b"[]", "schema_violation"),
        (b'{"type":3}', "schema_violation"),
        (b'{"type":"like","room_id":{}}', "schema_violation"),
        (b'{"type":"like","type":"comment","room_id":"r","room_id":"s"}', "schema_violation"),
        (b'{"type":"like","room_id":"\\ud800"}', "not_utf8"),
        (b'{"type":"nothing"}', "unknown_type"),
        (b'{"x":"' + b"a" * 20_000 + b'"}', "too_large"),
    ],
)
def test_any_bytes_have_an_answer(raw: bytes, reason: str) -> None:
    assert read(raw).reason == reason


def test_an_event_without_an_id_is_refused() -> None:
    made = like()
    del made["event_id"]
    found = read(made)
    assert (found.index, found.reason, found.pointer) == (7, "schema_violation", "/event_id")


def test_what_would_be_too_old_on_arrival_is_refused() -> None:
    at_ms = now_ms()
    assert isinstance(read(like(event_time_ms=at_ms - MAX_AGE_MS + MARGIN_MS), at_ms=at_ms), Accepted)
    assert read(like(event_time_ms=at_ms - MAX_AGE_MS + MARGIN_MS - 1), at_ms=at_ms).reason == "too_old"
    assert read(like(event_time_ms=at_ms + 60_001), at_ms=at_ms).reason == "ahead_of_clock"


def test_the_key_decides_over_rooms_and_types() -> None:
    key = Key("shop", b"", rooms=("room-*",), types=("order", "comment"))
    assert read(like(), key) == Refusal(7, "/type", "type_not_allowed", "the key allows no events of type like")
    key = Key("shop", b"", rooms=("room-2",))
    assert read(like(), key) == Refusal(7, "/room_id", "room_not_allowed", "the key allows no events of room room-1")
    word = {"type": "records_misplaced", "event_id": "e", "room_id": "r", "event_time_ms": now_ms()}
    word |= {"topic": "likes", "partition": 1, "offset": 1, "count": 1}
    assert read(word).reason == "type_not_allowed"


def test_a_cloudevent_is_the_record_that_its_parts_make() -> None:
    at_ms, envelope = now_ms(), cloudevent(time="2023-11-14T22:13:20.123Z")
    del envelope["data"]["event_time_ms"]
    found = read(envelope, at_ms=1_700_000_000_123, enveloped=True)
    assert msgspec.json.decode(found.value) == {
        **envelope["data"],
        "type": "like",
        "event_id": envelope["id"],
        "event_time_ms": 1_700_000_000_123,
    }
    assert isinstance(read(cloudevent(type="like"), at_ms=at_ms, enveloped=True), Accepted)


@pytest.mark.parametrize(
    ("change", "reason", "pointer"),
    [
        ({"specversion": "0.3"}, "schema_violation", "/specversion"),
        ({"id": 3}, "schema_violation", "/id"),
        ({"id": ""}, "schema_violation", "/event_id"),
        ({"time": "yesterday"}, "schema_violation", "/event_time_ms"),
        ({"datacontenttype": "text/plain"}, "not_json", None),
        ({"data": [1]}, "schema_violation", ""),
        ({"data": {"type": "comment"}}, "schema_violation", "/type"),
        ({"type": "com.shop.order"}, "unknown_type", "/type"),
    ],
)
def test_wrong_cloudevents_are_refused(change: dict[str, Any], reason: str, pointer: str | None) -> None:
    found = read(cloudevent(**change), enveloped=True)
    assert (found.reason, found.pointer) == (reason, pointer)
