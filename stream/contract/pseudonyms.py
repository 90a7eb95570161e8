"""Ids of people in a recording → pseudonyms by a keyed hash: the same id, the same pseudonym, under the same key."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections import Counter
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from stream.contract.decode import DeadLetter, Decoder
from stream.contract.events import MAX_RECORD_BYTES, TOPIC_NAMES
from stream.contract.people import UNKNOWN_PEOPLE
from stream.contract.refusal import Reason

if TYPE_CHECKING:
    from stream.contract.catalogue import Catalogue
    from stream.contract.recording import RecordedRecord

# The fields that name a person or what belongs to one.
PERSONAL = frozenset({"user_id", "session_id", "device_id", "host_id"})
MIN_KEY_BYTES = 16
HASH_BYTES = 16
# Bound on pseudonyms that are kept instead of made again.
KEPT = 65_536


class Pseudonyms:
    """Replaces the ids of people in records.

    Attributes:
        left_out: records that break the contract, by reason. What is in them nobody knows, so they are not handed on.
        named: records whose `event_id` holds the id of the person; it stays as it is, for it may decide between two
            records of one time.
    """

    def __init__(self, key: bytes, catalogue: Catalogue) -> None:
        """`key`: a secret of at least `MIN_KEY_BYTES`. `catalogue`: the types of events that are known.

        Raises:
            ValueError: the key is shorter.
        """
        if len(key) < MIN_KEY_BYTES:
            raise ValueError(f"a key of {len(key)} bytes can be guessed: at least {MIN_KEY_BYTES} are needed")
        self._key = key
        self._decoders = [Decoder(topic, catalogue=catalogue) for topic in range(len(TOPIC_NAMES))]
        self.of = lru_cache(KEPT)(self._of)
        self.left_out: Counter[str] = Counter()
        self.named = 0

    def _of(self, text: str) -> str:
        """The pseudonym of an id: `p` and 128 bits of HMAC-SHA-256 in 22 characters. Nobody stays nobody."""
        if text in UNKNOWN_PEOPLE:
            return text
        digest = hmac.digest(self._key, text.encode(), sha256)[:HASH_BYTES]
        return "p" + urlsafe_b64encode(digest).decode().rstrip("=")

    def replaced(self, record: RecordedRecord) -> RecordedRecord | None:
        """The record with pseudonyms, without headers and without fields that the contract does not know.

        None: it is left out, and counted so. Only ids of people change; the value is written anew.
        """
        decoder = self._decoders[TOPIC_NAMES.index(record.topic)]
        event = decoder.decode(record.value, record.key, record.timestamp, record.headers)
        if isinstance(event, DeadLetter):
            self.left_out[str(event.reason)] += 1
            return None
        fields = _without_nulls(msgspec.to_builtins(event))
        is_named = False
        for name in PERSONAL & fields.keys():
            is_named = is_named or (fields[name] in fields["event_id"] and fields[name] not in UNKNOWN_PEOPLE)
            fields[name] = self.of(fields[name])
        value = msgspec.json.encode(fields)
        if len(value) > MAX_RECORD_BYTES:
            self.left_out[str(Reason.TOO_LARGE)] += 1
            return None
        self.named += is_named
        return msgspec.structs.replace(record, value=value, headers=())


def _without_nulls(node: Any) -> Any:
    """The same without fields that are null, which means what their absence means."""
    if isinstance(node, dict):
        return {name: _without_nulls(value) for name, value in node.items() if value is not None}
    if isinstance(node, list | tuple):
        return [_without_nulls(value) for value in node]
    return node
