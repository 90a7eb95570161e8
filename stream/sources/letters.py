"""Dead letters as an operator needs them: why, where from, what is missing, and whether sending it again would help.

A letter is the refused record, with the worker's headers, which begin with `dl-` (see `worker/dead_letters.py`). A
record sent again carries `snapup-resent`, which names the letter. Refused once more, its new letter has that header
too: it is then the record's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from stream.contract.decode import DeadLetter, Decoder
from stream.contract.events import TOPIC_NAMES
from stream.contract.kept import whole_bytes
from stream.contract.recording import RecordedRecord, encode_record
from stream.contract.refusal import REASONS_OF_THE_ROOM, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

RESENT = "snapup-resent"
OURS = "dl-"
NO_REASON = "none"

Headers = tuple[tuple[str, bytes | None], ...]


class Letter(Struct, frozen=True, kw_only=True):
    """One dead letter.

    Attributes:
        reason: the worker's; `none`: this record of the topic is no dead letter.
        detail: in words.
        pointer: RFC 6901, to the value at fault; None: no single value is.
        topic: full name of the record's topic; "" when the letter does not say.
        partition: the partition of the record.
        offset: the offset of the record.
        append_time_ms: when the record was appended.
        letter_partition: the partition of the letter.
        letter_offset: the offset of the letter.
        letter_time_ms: when the letter was written.
        key: the key of the record.
        value: the value of the record.
        headers: the headers of the record, without the worker's.
        cut: what the letter lacks of the record, in words; empty when it is whole.
        resent: how often the record was sent again before.
    """

    reason: str
    detail: str
    pointer: str | None
    topic: str
    partition: int
    offset: int
    append_time_ms: int
    letter_partition: int
    letter_offset: int
    letter_time_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    cut: tuple[str, ...]
    resent: int

    @property
    def source(self) -> str:
        """Place of the record: `topic/partition@offset`."""
        return f"{self.topic or '?'}/{self.partition}@{self.offset}"

    def record(self) -> RecordedRecord:
        """The record, as a recording holds it."""
        return RecordedRecord(
            topic=self.topic.rpartition(".")[2],
            timestamp=self.append_time_ms,
            value=self.value,
            key=self.key,
            partition=self.partition,
            offset=self.offset,
            headers=self.headers,
        )

    def room_ids(self) -> set[str]:
        """The rooms that the record may be about: its key, and the room in its value."""
        found = {(self.key or b"").decode("utf-8", "replace")}
        try:
            said = msgspec.json.decode(self.value or b"", type=_Room).room_id
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return found
        return found | {said}

    def as_json(self) -> bytes:
        """One line of JSON: all of the above, and under `record` a line of a recording."""
        told = {name: getattr(self, name) for name in _TOLD} | {
            "letter": {
                "partition": self.letter_partition,
                "offset": self.letter_offset,
                "timestamp_ms": self.letter_time_ms,
            },
            "record": msgspec.Raw(encode_record(self.record()).rstrip(b"\n")),
        }
        return msgspec.json.encode(told)


_TOLD = ("reason", "detail", "pointer", "topic", "partition", "offset", "append_time_ms", "cut", "resent")


class _Room(Struct):
    room_id: str


def letter_of(record: Any) -> Letter:
    """The letter in a record of `dead-letters`. Total: a field that the record lacks has a value that says so."""
    ours: dict[str, str] = {}
    own: list[tuple[str, bytes | None]] = []
    for name, value in record.headers:
        if isinstance(name, str) and name.startswith(OURS):
            ours[name.removeprefix(OURS)] = (value or b"").decode("utf-8", "replace")
        else:
            own.append((name, value))
    return Letter(
        reason=ours.get("reason", NO_REASON),
        detail=ours.get("detail", "not a dead letter: it has no dl-reason"),
        pointer=ours.get("pointer"),
        topic=ours.get("topic", ""),
        partition=_number(ours.get("partition")),
        offset=_number(ours.get("offset")),
        append_time_ms=_number(ours.get("append-time-ms")),
        letter_partition=record.partition,
        letter_offset=record.offset,
        letter_time_ms=record.timestamp,
        key=record.key,
        value=record.value,
        headers=tuple(own),
        cut=tuple(_cut(ours, record)),
        resent=sum(1 for name, _ in own if name == RESENT),
    )


def _cut(ours: dict[str, str], record: Any) -> list[str]:
    """What the worker left out of a letter that would have been too large."""
    found = []
    for what, kept in (("key", record.key), ("value", record.value)):
        # The worker may have cut the letter, and we may have kept less of the letter than it holds.
        whole = ours.get(f"{what}-bytes") or str(whole_bytes(kept or b""))
        if whole != str(len(kept or b"")):
            found.append(f"{len(kept or b'')} of {whole} bytes of the {what}")
    if left_out := ours.get("headers-left-out"):
        found.append(f"{left_out} headers left out")
    return found


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.removeprefix("-").isdecimal() else -1


class Obstacle(Struct, frozen=True):
    """Why sending a letter's record again is no use, in words. `refused`: Kafka would take it, the worker would not."""

    why: str
    refused: bool = False


class Judge:
    """Says whether a letter's record would be taken now.

    Args:
        prefix: the prefix of the topics.
        by_record_time: logical names of the topics that keep the producer's time (`CreateTime`).
    """

    def __init__(self, prefix: str, by_record_time: Iterable[str] = ()) -> None:
        self._topics = {f"{prefix}.{name}": name for name in TOPIC_NAMES}
        self._decoders = {name: Decoder(index) for index, name in enumerate(TOPIC_NAMES)}
        self._by_record_time = frozenset(by_record_time)

    def obstacle(self, letter: Letter, now_ms: int) -> Obstacle | None:
        """What is in the way of the letter's record; None when it would be taken."""
        if (why := self._cannot_be_sent(letter)) is not None:
            return Obstacle(why)
        if letter.reason in REASONS_OF_THE_ROOM:
            return Obstacle(f"would be refused again by its room: {letter.detail}", refused=True)
        name = self._topics[letter.topic]
        time_ms = letter.append_time_ms if name in self._by_record_time else now_ms
        match self._decoders[name].decode(letter.value, letter.key, time_ms, letter.headers):
            case DeadLetter(reason=reason, detail=detail):
                return Obstacle(f"would be refused again: {reason.value}, {detail}", refused=True)
        return None

    def _cannot_be_sent(self, letter: Letter) -> str | None:
        if letter.topic not in self._topics:
            return f"did not come from one of our topics ({letter.topic or 'it does not say where from'})"
        if letter.cut:
            return f"is cut ({', '.join(letter.cut)}); the whole record is at {letter.source}"
        if letter.reason == Reason.UNREADABLE_RECORD:
            return f"could not be read ({letter.detail}); its bytes are at {letter.source}"
        if letter.value is None and letter.key is None:
            return "has neither a key nor a value: there is nothing to send"
        return None


REASONS = tuple(reason.value for reason in Reason)
