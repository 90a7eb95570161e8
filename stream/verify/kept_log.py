"""The topic `claims` of live topics: the claims of a room at a moment, and whether they agree with the documents.

A reader of the other topics may lack permission for this one, and workers may not keep it: the reason is then told.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from stream.errors import SnapupError
from stream.kafka_refusals import UnreachableError
from stream.verify.kept_claims import Kept, KeptClaims, KeptUnreadableError, Standing, difference
from stream.verify.log import log_reader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stream.contract.overlay import Overlay
    from stream.kafka_clients import KafkaAt
    from stream.verify.log import LogReader

# Bound on differences told in words. All are counted.
TOLD_MAX = 20
# Bound on states read ahead of the documents, for rooms without a document.
AHEAD_MAX = 10_000

_Version = tuple[str, int, int]


class KeptLog:
    """The topic, made by `kept_log`. `why_not`: why it cannot be read."""

    def __init__(self, reader: LogReader | None, prefix: str, why_not: str = "") -> None:
        self._reader = reader
        self._topic = f"{prefix}.claims"
        self.why_not = why_not

    @property
    def is_there(self) -> bool:
        """Whether the topic can be read."""
        return self._reader is not None

    async def at(self, partition: int, room_id: str, at_ms: int | None) -> Standing | None:
        """The claims of a room at its last document up to a moment; None: nothing is kept from that time.

        Raises:
            SnapupError: a record cannot be read, or Kafka does not answer.
        """
        of_room = msgspec.json.encode([room_id])[:-1] + b","
        found: Standing | None = None
        claims = KeptClaims()
        async for record in self._records(partition):
            if not (record.key or b"").startswith(of_room):
                continue
            standing = _taken(claims, record)
            if standing is None:
                continue
            if at_ms is not None and standing.room.as_of_ms > at_ms:
                break
            found = standing
        return found

    async def standings(self, partition: int) -> AsyncIterator[Standing]:
        """The claims at each document that the topic still covers, in log order.

        Raises:
            SnapupError: a record cannot be read, or Kafka does not answer.
        """
        claims = KeptClaims()
        async for record in self._records(partition):
            if (standing := _taken(claims, record)) is not None:
                yield standing

    async def _records(self, partition: int) -> AsyncIterator[Any]:
        if self._reader is None:
            return
        where = self._topic, partition
        ends = await self._reader.ends()
        if where in ends:
            async for record in self._reader.read_to({where: ends[where]}):
                yield record


def _taken(claims: KeptClaims, record: Any) -> Standing | None:
    try:
        return claims.take(record.value)
    except KeptUnreadableError as error:
        raise SnapupError(f"{record.topic}/{record.partition}@{record.offset}: {error}") from None


class KeptComparison:
    """Compares the documents of one partition with the topic, in the order of both.

    Documents that the topic does not cover are not counted: compaction keeps the last of a second, retention differs.
    """

    def __init__(self, standings: AsyncIterator[Standing], kept: Kept) -> None:
        self._standings = standings
        self._kept = kept
        self._ahead: dict[_Version, Standing] = {}
        self._next: Standing | None = None

    async def take(self, document: Overlay) -> None:
        """Compare the next document."""
        stamp = document.epoch, document.as_of_ms
        while True:
            standing = self._next if self._next is not None else await anext(self._standings, None)
            self._next = standing
            if standing is None or (standing.room.epoch, standing.room.as_of_ms) > stamp:
                break
            self._ahead[standing.room.room_id, standing.room.epoch, standing.room.rev] = standing
            self._next = None
        found = self._ahead.pop((document.room_id, document.epoch, document.rev), None)
        if len(self._ahead) > AHEAD_MAX:
            self._ahead.clear()
        if found is None:
            return
        self._kept.documents += 1
        if said := difference(found, document):
            self._kept.differing += 1
            if len(self._kept.told) < TOLD_MAX:
                self._kept.told.append(f"room {document.room_id}, document {document.epoch}-{document.rev}: {said}")

    async def aclose(self) -> None:
        """Stop reading."""
        close = getattr(self._standings, "aclose", None)
        if close is not None:
            await close()


@asynccontextmanager
async def kept_log(servers: KafkaAt, prefix: str) -> AsyncIterator[KeptLog]:
    """The topic at its beginning, or the reason why it cannot be read.

    Raises:
        UnreachableError: Kafka does not answer.
    """
    reader = log_reader(servers, [f"{prefix}.claims"])
    try:
        opened = await reader.__aenter__()
    except UnreachableError:
        raise
    except SnapupError as error:
        yield KeptLog(None, prefix, error.message)
        return
    try:
        yield KeptLog(opened, prefix)
    finally:
        await reader.__aexit__(None, None, None)
