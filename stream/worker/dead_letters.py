"""A refused record in `dead-letters`: its own bytes, and headers that say why and where it came from.

The checkpoint that moves the offset past the record writes the letter in its transaction: once, whatever crashes. So
the letter must fit, whatever the record was. A key or value that does not fit is cut, and a header says so. The whole
record lies where the headers say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from stream.contract.kept import KEPT_KEY_BYTES, cut, whole_bytes
from stream.core.conflicts import EDITED_LATE, OTHER_LINES, PARTS_BEYOND, USED_TWICE
from stream.worker.checkpoint import BATCH_BYTES, Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stream.core.partition import PartitionFold
    from stream.core.publishing import Refused

log = structlog.get_logger(__name__)

# Conflict of a record that was taken all the same → the sentence, and the kind of thing that it names.
_SAID_OF = {
    PARTS_BEYOND: ("an order has more parts than are kept", "order"),
    OTHER_LINES: ("an order has other lines than in its first record", "order"),
    EDITED_LATE: ("an order that is paid is edited; the lines that were paid stand", "order"),
    USED_TWICE: ("an order and a record of another topic have the same event_id; both count", "event_id"),
}

# How much of a producer's own headers is kept.
KEPT_HEADER_BYTES = 16 * 1024
# A worker refuses to start when the topic takes less.
LETTER_MAX_BYTES = BATCH_BYTES
# What a batch has around its one record.
_FRAME_BYTES = 128


def dead_letter(refused: Refused, topic: str, partition: int, most_bytes: int = LETTER_MAX_BYTES) -> Message:
    """The letter to write for a refused record. It has the record's key and partition.

    Args:
        refused: the record and why it was refused.
        topic: full name of the record's topic.
        partition: the partition of record and letter.
        most_bytes: `max.message.bytes` of the dead letters' topic.
    """
    record, letter = refused.record, refused.letter
    key = cut(record.key, KEPT_KEY_BYTES)
    headers, left_out = _kept(record.headers)
    why = {
        "dl-reason": letter.reason.value,
        "dl-detail": letter.detail,
        "dl-pointer": letter.pointer,
        "dl-topic": topic,
        "dl-partition": str(partition),
        "dl-offset": str(refused.offset),
        "dl-append-time-ms": str(record.timestamp),
        "dl-headers-left-out": str(left_out) if left_out else None,
        "dl-key-bytes": None if key is None or len(key) == whole_bytes(key) else str(whole_bytes(key)),
    }
    headers += [(name, text.encode()) for name, text in why.items() if text is not None]
    value = record.value
    if value is not None:
        around = Message(key, b"", [*headers, ("dl-value-bytes", b"0" * 20)]).most_bytes() + _FRAME_BYTES
        value = cut(value, max(most_bytes - around, 0))
        if value is not None and len(value) != whole_bytes(value):
            headers.append(("dl-value-bytes", str(whole_bytes(value)).encode()))
    return Message(key, value, headers)


def _kept(headers: Sequence[tuple[str, bytes | None]]) -> tuple[list[tuple[str, bytes | None]], int]:
    """The record's own headers, as many as fit, and how many are left out. Headers that look like ours are out."""
    kept = [*_fitting(headers)]
    return kept, len(headers) - len(kept)


def _fitting(headers: Iterable[tuple[str, bytes | None]]) -> Iterable[tuple[str, bytes | None]]:
    left = KEPT_HEADER_BYTES
    for name, value in headers:
        size = len(name.encode(errors="replace")) + len(value or b"") + 10
        if size <= left and not name.startswith("dl-"):
            left -= size
            yield name, value


def tell_noted(fold: PartitionFold, topics: Sequence[str]) -> None:
    """Log and drop the fold's notes: records that were taken although they contradict what is known."""
    noted = fold.take_noted()
    for each in noted:
        what, name = _SAID_OF[each.conflict]
        log.warning(
            what,
            topic=topics[each.topic_index],
            partition=fold.partition,
            offset=each.offset,
            **{name: each.name},
        )
