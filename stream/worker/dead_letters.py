"""What a refused record looks like in `dead-letters`: its own bytes, and headers that say why and where it came from.

It is written by the checkpoint's transaction that also moves the offset past it: once, whatever crashes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.worker.checkpoint import Message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stream.core.partition import Refused

# A producer's own headers are kept up to this much; the broker's limit for the whole record is 2 MiB.
KEPT_HEADER_BYTES = 16 * 1024


def dead_letter(refused: Refused, topic: str, partition: int) -> Message:
    """The record to write for a refused one; same key, same partition."""
    record, letter = refused.record, refused.letter
    headers = [*_kept(record.headers)]
    why = {
        "dl-reason": letter.reason.value,
        "dl-detail": letter.detail,
        "dl-pointer": letter.pointer,
        "dl-topic": topic,
        "dl-partition": str(partition),
        "dl-offset": str(refused.offset),
        "dl-append-time-ms": str(record.timestamp),
    }
    headers += [(name, text.encode()) for name, text in why.items() if text is not None]
    return Message(record.key, record.value, headers)


def _kept(headers: Iterable[tuple[str, bytes | None]]) -> list[tuple[str, bytes]]:
    """The record's own headers, as many as fit; never one that pretends to be ours."""
    kept: list[tuple[str, bytes]] = []
    size = 0
    for name, value in headers:
        size += len(name) + len(value or b"")
        if size > KEPT_HEADER_BYTES:
            break
        if not name.startswith("dl-"):
            kept.append((name, value or b""))
    return kept
