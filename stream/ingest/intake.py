"""The events of a body → records for Kafka, or why they are refused: by the decoder that the worker asks too.

What is accepted here the worker accepts: the same bytes go to the same decoder. It may still refuse what depends on
other records (a conflict of orders) or on the clock of the broker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import Struct

from stream.contract.catalogue import topic_index_of
from stream.contract.cloudevents import plain_structured
from stream.contract.decode import Decoder, Limits
from stream.contract.events import MAX_AGE_MS
from stream.contract.refusal import DeadLetter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.contract.catalogue import Catalogue
    from stream.contract.events import Event
    from stream.ingest.keys import Key

# Reasons of the gateway's own, beside those of the decoder.
ROOM_NOT_ALLOWED = "room_not_allowed"
TYPE_NOT_ALLOWED = "type_not_allowed"


class Accepted(NamedTuple):
    """An event that may be sent: the place of its topic, its key and its value."""

    topic_index: int
    key: bytes
    value: bytes


class Refusal(Struct, frozen=True):
    """Why one event of the body was refused.

    Attributes:
        index: its place in the body, from 0.
        pointer: the JSON pointer (RFC 6901) of the value at fault, within the event; null: no one value is at fault.
        reason: as in dead letters, or `room_not_allowed` or `type_not_allowed`.
        detail: what is wrong, in words.
    """

    index: int
    pointer: str | None
    reason: str
    detail: str


class _Type(Struct):
    """What decides which topic a record goes to."""

    type: str


class _Head(_Type):
    """What decides where a record goes."""

    room_id: str


_type_of = msgspec.json.Decoder(_Type).decode
_head_of = msgspec.json.Decoder(_Head).decode
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Intake:
    """Reads events. All it keeps is which rooms it has seen.

    Args:
        catalogue: the known kinds.
        margin_ms: how long an event may take from here to Kafka: one that would be too old by then is refused.
    """

    def __init__(self, catalogue: Catalogue, margin_ms: int) -> None:
        limits = Limits(max_age_ms=MAX_AGE_MS - margin_ms)
        self._decoders = [Decoder(index, limits, catalogue) for index in range(len(catalogue.topics))]
        self._event_of = catalogue.decode
        self._topic_of_type = {name: topic_index_of(kind) for name, (_, kind) in catalogue.types.items()}
        self._name_of: dict[type[Event], str] = {kind: name for name, (_, kind) in catalogue.types.items()}
        self._topic_of = {kind: topic_index_of(kind) for kind in self._name_of}

    def read_all(
        self, items: Sequence[bytes], first_index: int, key: Key, now_ms: int, *, are_cloudevents: bool
    ) -> tuple[list[Accepted], list[Refusal]]:
        """The records of events in their order, and the refusals of those that are refused.

        Args:
            items: the events.
            first_index: the place of the first in the body.
            key: what their sender may send.
            now_ms: the time at which they would be stored.
            are_cloudevents: whether each event lies in an envelope.
        """
        good = None if are_cloudevents else self._all_good(items, key, now_ms)
        if good is not None:
            return good, []
        accepted: list[Accepted] = []
        refusals: list[Refusal] = []
        for index, item in enumerate(items, first_index):
            found = self.read(item, index, key, now_ms, is_cloudevent=are_cloudevents)
            if isinstance(found, Accepted):
                accepted.append(found)
            else:
                refusals.append(found)
        return accepted, refusals

    def _all_good(self, items: Sequence[bytes], key: Key, now_ms: int) -> list[Accepted] | None:
        """The records of events that are all good, each read once; None if any of them needs a look by itself."""
        try:
            events: list[Any] = [*map(self._event_of, items)]
        except _UNREADABLE:
            return None
        topics = [self._topic_of[type(event)] for event in events]
        by_topic: dict[int, tuple[list[bytes], list[Any]]] = {}
        for topic, item, event in zip(topics, items, events, strict=True):
            some = by_topic.get(topic)
            if some is None:
                some = by_topic[topic] = [], []
            some[0].append(item)
            some[1].append(event)
        room_ids = [event.room_id for event in events]
        if (
            not all(self._decoders[topic].are_good(*some, now_ms) for topic, some in by_topic.items())
            or not all(key.allows_type(self._name_of[kind]) for kind in set(map(type, events)))
            or not all(map(key.allows_room, set(room_ids)))
        ):
            return None
        return [*map(Accepted, topics, map(str.encode, room_ids), items)]

    def read(self, item: bytes, index: int, key: Key, now_ms: int, *, is_cloudevent: bool) -> Accepted | Refusal:
        """The record of an event, or its refusal.

        Args:
            item: the event.
            index: its place in the body.
            key: what its sender may send.
            now_ms: the time at which it would be stored.
            is_cloudevent: whether the event lies in an envelope.
        """
        if is_cloudevent:
            plain = plain_structured(item)
            if isinstance(plain, DeadLetter):
                return _refusal(index, plain)
            item = plain
        name, room_id = _head(item)
        topic_index = self._topic_of_type.get(name, 0)
        record_key = room_id.encode()
        event = self._decoders[topic_index].decode(item, record_key, now_ms)
        if isinstance(event, DeadLetter):
            return _refusal(index, event)
        if not key.allows_type(name):
            return Refusal(index, "/type", TYPE_NOT_ALLOWED, f"the key allows no events of type {name}")
        if not key.allows_room(room_id):
            return Refusal(index, "/room_id", ROOM_NOT_ALLOWED, f"the key allows no events of room {room_id}")
        return Accepted(topic_index, record_key, item)


def _head(item: bytes) -> tuple[str, str]:
    """The type and the room; empty where they cannot be read, of which the decoder says why."""
    try:
        head = _head_of(item)
    except _UNREADABLE:
        try:
            return _type_of(item).type, ""
        except _UNREADABLE:
            return "", ""
    return head.type, head.room_id


def _refusal(index: int, letter: DeadLetter) -> Refusal:
    return Refusal(index, letter.pointer, letter.reason.value, letter.detail)
