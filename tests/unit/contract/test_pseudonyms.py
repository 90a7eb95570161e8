from __future__ import annotations

import base64
import hmac
from typing import Any

import msgspec
import pytest

from stream.contract.decode import Decoder
from stream.contract.events import MAX_RECORD_BYTES, TOPIC_NAMES
from stream.contract.examples import NOW_MS, full_record
from stream.contract.ids import _id_fields, is_id
from stream.contract.people import UNKNOWN_PEOPLE
from stream.contract.pseudonyms import PERSONAL, Pseudonyms
from stream.contract.recording import RecordedRecord
from stream.mechanics.kinds import CATALOGUE

KEY = b"k" * 16
# Ids of things: shops and sales, not of people.
IMPERSONAL = {
    *(
        "event_id",
        "room_id",
        "sku_id",
        "sale_id",
        "order_id",
        "part_id",
        "show_id",
        "source",
        "topic",
        "linked_room_id",
    ),
    *("coupon_id", "take_id", "gift_id", "streak_id", "poll_id", "option_id", "channel"),
}


def recorded(topic: str, event: dict[str, Any], **more: Any) -> RecordedRecord:
    key = str(event["room_id"]).encode()
    return RecordedRecord(topic=topic, timestamp=NOW_MS, key=key, value=msgspec.json.encode(event), **more)


def replaced(names: Pseudonyms, topic: str, event: dict[str, Any], **more: Any) -> dict[str, Any]:
    found = names.replaced(recorded(topic, event, **more))
    assert found is not None
    assert found.value is not None
    assert (found.key, found.timestamp, found.headers) == (str(event["room_id"]).encode(), NOW_MS, ())
    return dict(msgspec.json.decode(found.value))


def test_every_id_of_the_contract_is_known_to_be_a_persons_or_a_things() -> None:
    found = {name for _, kind in CATALOGUE.types.values() for name in _id_fields(kind)[0]}
    assert found - PERSONAL <= IMPERSONAL, "a new id: does it name a person? then it belongs to PERSONAL"
    assert found >= PERSONAL


@pytest.mark.parametrize("name", CATALOGUE.types)
def test_an_event_of_each_type_keeps_all_but_who_it_was(name: str) -> None:
    names = Pseudonyms(KEY, CATALOGUE)
    topic, event = CATALOGUE.types[name][0], full_record(name, CATALOGUE)
    found = replaced(names, topic, event | {"nickname": "Anna"}, headers=(("trace", b"10.0.0.1"),))
    assert found.keys() == event.keys(), "what the contract does not know is not handed on"
    assert {field: value for field, value in found.items() if field not in PERSONAL} == {
        field: value for field, value in event.items() if field not in PERSONAL
    }
    for field in PERSONAL & event.keys():
        assert is_id(found[field])
        assert found[field] == names.of(event[field]) != event[field]
    again = Decoder(TOPIC_NAMES.index(topic), catalogue=CATALOGUE).decode(
        msgspec.json.encode(found), event["room_id"].encode(), NOW_MS
    )
    assert type(again) is CATALOGUE.types[name][1]


def test_a_pseudonym_is_a_keyed_hash() -> None:
    one, same, other = Pseudonyms(KEY, CATALOGUE), Pseudonyms(KEY, CATALOGUE), Pseudonyms(b"o" * 16, CATALOGUE)
    expected = base64.urlsafe_b64encode(hmac.digest(KEY, b"u-1", "sha256")[:16]).decode().rstrip("=")
    assert one.of("u-1") == same.of("u-1") == "p" + expected
    assert len({one.of("u-1"), one.of("u-2"), other.of("u-1")}) == 3
    assert all(one.of(nobody) == nobody for nobody in UNKNOWN_PEOPLE)
    with pytest.raises(ValueError, match="can be guessed"):
        Pseudonyms(b"short", CATALOGUE)


def test_what_cannot_be_read_is_left_out_and_counted() -> None:
    names = Pseudonyms(KEY, CATALOGUE)
    like = full_record("like", CATALOGUE)
    odd = [
        RecordedRecord(topic="likes", timestamp=NOW_MS, key=b"r", value=b"Anna"),
        RecordedRecord(topic="likes", timestamp=NOW_MS, key=b"r", value=None),
        recorded("orders", like),
        # With the pseudonym it is longer than a record may be.
        recorded("orders", largest_order()),
    ]
    assert [names.replaced(record) for record in odd] == [None] * 4
    assert names.left_out == {"not_json": 2, "wrong_topic": 1, "too_large": 1}


def largest_order() -> dict[str, Any]:
    event = full_record("order", CATALOGUE) | {"user_id": "u", "device_id": "d"}
    line = {"sku_id": "s" * 64, "quantity": 1, "amount_minor": 1, "sale_id": "a"}
    event["lines"] = [dict(line) for _ in range(100)]
    for each in event["lines"]:
        spare = MAX_RECORD_BYTES - len(msgspec.json.encode(event))
        each["sale_id"] = "a" * min(spare + 1, 64)
    assert len(msgspec.json.encode(event)) == MAX_RECORD_BYTES
    return event


def test_event_ids_that_name_the_person_are_counted_and_stay() -> None:
    names = Pseudonyms(KEY, CATALOGUE)
    like = full_record("like", CATALOGUE)
    assert replaced(names, "likes", like | {"event_id": f"{like['user_id']}:7"})["event_id"] == "u-1204118:7"
    assert names.named == 1
    replaced(names, "likes", like)
    replaced(names, "likes", like | {"user_id": "-", "event_id": "e-1"})
    assert names.named == 1


def test_cloudevents_come_out_plain() -> None:
    like = full_record("like", CATALOGUE)
    body = {name: value for name, value in like.items() if name not in ("type", "event_id")}
    headers = (("ce_specversion", b"1.0"), ("ce_type", b"like"), ("ce_id", like["event_id"].encode()))
    found = Pseudonyms(KEY, CATALOGUE).replaced(recorded("likes", body, headers=headers))
    assert found is not None
    assert found.value is not None
    assert msgspec.json.decode(found.value)["event_id"] == like["event_id"]
