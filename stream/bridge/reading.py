"""Lines as they come, from a pipe or a file: batches of whole lines, none longer than a message may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from stream.bridge.messages import MAX_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK_BYTES = 64 * 1024


class Readable(Protocol):
    """A pipe or a file. `read` gives what is there, and waits only where nothing is."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""
        ...


def line_batches(source: Readable) -> Iterator[list[bytes]]:
    """The lines that each read completed, without their ends. Of a line that is too long only the beginning is kept."""
    begun = bytearray()
    while chunk := source.read(CHUNK_BYTES):
        *complete, rest = chunk.split(b"\n")
        if complete:
            complete[0] = bytes(begun) + complete[0]
            begun = bytearray()
            yield complete
        if len(begun) <= MAX_LINE_BYTES:
            begun += rest
    if begun:
        yield [bytes(begun)]
