"""A hash of a session's records that anyone with the log can compute: docs/report.md has the definition.

A record is written as `offset, record time, key, value, number of headers, name and value of each`: integers as eight
bytes (big-endian, signed), byte strings as their length and then their bytes, a missing one as the length -1. A key or
value above 16 KiB, which the contract does not accept, is written as its whole length and its first 16 KiB.
"""

from __future__ import annotations

from hashlib import sha256
from struct import Struct as Packing
from typing import TYPE_CHECKING

from stream.contract.events import TOPIC_NAMES
from stream.contract.kept import whole_bytes
from stream.contract.report import LogRange, TopicRange

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD = b"snapup-log-1\n"
MOST_BYTES = 16 * 1024
MISSING = -1

_integer = Packing(">q").pack
_two = Packing(">qq").pack


class _Stretch:
    """The records of one topic partition."""

    def __init__(self) -> None:
        self.sha = sha256()
        self.first_offset = self.next_offset = -1
        self.records = 0


class RangeHash:
    """Takes the session's records: each topic partition in the order of its offsets, topics in any order."""

    def __init__(self) -> None:
        self._stretches: dict[tuple[str, int], _Stretch] = {}

    def add(
        self,
        topic: str,
        partition: int,
        offset: int,
        timestamp_ms: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]] = (),
    ) -> None:
        """Take one record of a logical topic."""
        stretch = self._stretches.get((topic, partition))
        if stretch is None:
            stretch = self._stretches[topic, partition] = _Stretch()
            stretch.first_offset = offset
        stretch.next_offset = offset + 1
        stretch.records += 1
        parts = [_two(offset, timestamp_ms), _said(key), _said(value), _integer(len(headers))]
        for name, content in headers:
            parts += (_said(name.encode("utf-8", "surrogateescape")), _said(content))
        stretch.sha.update(b"".join(parts))

    def log_range(self) -> LogRange:
        """Every range with its hash, in the contract's order of topics, and the hash over all of them."""
        order = {name: place for place, name in enumerate(TOPIC_NAMES)}
        topics = [
            TopicRange(
                topic=topic,
                partition=partition,
                first_offset=stretch.first_offset,
                next_offset=stretch.next_offset,
                records=stretch.records,
                sha256=stretch.sha.hexdigest(),
            )
            for (topic, partition), stretch in sorted(
                self._stretches.items(), key=lambda each: (order[each[0][0]], each[0][1])
            )
        ]
        return LogRange(
            sha256=sha256(HEAD + b"".join(map(_line, topics))).hexdigest(),
            records=sum(each.records for each in topics),
            topics=topics,
        )


def _said(content: bytes | None) -> bytes:
    return _integer(MISSING) if content is None else _integer(whole_bytes(content)) + content[:MOST_BYTES]


def _line(of: TopicRange) -> bytes:
    return f"{of.topic} {of.partition} {of.first_offset} {of.next_offset} {of.records} {of.sha256}\n".encode()
