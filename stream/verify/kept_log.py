"""The topic `claims` of live topics: what stood of a room at a moment, and whether it says what the documents say.

Not all who may read the rest may read it, and workers may be told not to keep it: then there is none, and why is said.
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

# Differences that are told in words; all are counted.
TOLD_MAX = 20
# Of what was read ahead of the documents, for rooms of which no document came.
AHEAD_MAX = 10_000

_Version = tuple[str, int, int]


class KeptLog:
    """The topic. Made by `kept_log`; `why_not`: it cannot be read."""

    def __init__(self, reader: LogReader | None, prefix: str, why_not: str = "") -> None:
        self._reader = reader
        self._topic = f"{prefix}.claims"
        self.why_not = why_not

    @property
    def is_there(self) -> bool:
        """Whether it can be read."""
        return self._reader is not None

    async def at(self, partition: int, room_id: str, at_ms: int | None) -> Standing | None:
        """What stood of a room by the last document that is not later than a moment; None: nothing is kept of then.

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
        """What stood at each document of which the topic still tells, in the order of the log.

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
    """Holds the documents of one partition against what the topic says, in the order of both.

    Documents of which it does not tell are not counted: compaction keeps the last of a second, retention differs.
    """

    def __init__(self, standings: AsyncIterator[Standing], kept: Kept) -> None:
        self._standings = standings
        self._kept = kept
        self._ahead: dict[_Version, Standing] = {}
        self._next: Standing | None = None

    async def take(self, document: Overlay) -> None:
        """The next document."""
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
    """The topic at its beginning, or the reason for which there is none.

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
