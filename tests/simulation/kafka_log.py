"""Kafka's logs and its transactions: what a broker and the transaction coordinator know. No time passes in here.

A transaction is open, then decided, and then its markers come into each partition, one by one and somewhat later, as
on a real cluster. Records of a transaction are there at once; who reads committed records stops before the first open
transaction and does not see what was aborted.
"""

from __future__ import annotations

from bisect import bisect_left
from enum import Enum
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from aiokafka.errors import ConcurrentTransactions, InvalidTxnState, ProducerFenced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Headers = tuple[tuple[str, bytes], ...]
_offset_of = attrgetter("offset")


class Draft(NamedTuple):
    """A record to append."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Outcome(Enum):
    """Of a transaction."""

    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


class Transaction:
    """One transaction. `pending`: partitions whose marker has not come yet."""

    __slots__ = ("first_offsets", "outcome", "pending", "transactional_id")

    def __init__(self, transactional_id: str) -> None:
        self.transactional_id = transactional_id
        self.outcome = Outcome.OPEN
        self.first_offsets: dict[PartitionLog, int] = {}
        self.pending: set[PartitionLog] = set()


class Kept:
    """A record in a log; has what aiokafka's records have. `marker`: no record, but the end of a transaction."""

    __slots__ = ("headers", "key", "marker", "offset", "timestamp", "transaction", "value")

    def __init__(
        self, offset: int, timestamp: int, draft: Draft, transaction: Transaction | None, *, marker: bool = False
    ) -> None:
        self.offset = offset
        self.timestamp = timestamp
        self.key, self.value, self.headers = draft
        self.transaction = transaction
        self.marker = marker


_MARKER = Draft(None, None)


class PartitionLog:
    """One partition of one topic.

    Attributes:
        end: the next offset.
        open: transactions that have records here and no marker yet, by their first offset.
    """

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.records: list[Kept] = []
        self.begin = 0
        self.end = 0
        self.open: dict[Transaction, int] = {}

    def append(
        self,
        drafts: Iterable[Draft],
        now_ms: int,
        transaction: Transaction | None = None,
        *,
        marker: bool = False,
        hole: int = 0,
    ) -> int:
        """The offset of the first. `hole`: so many offsets are left out before it, as compaction leaves them."""
        first = self.end = self.end + hole
        for draft in drafts:
            self.records.append(Kept(self.end, now_ms, draft, transaction, marker=marker))
            self.end += 1
        if transaction is not None and not marker and transaction not in self.open:
            self.open[transaction] = first
        return first

    def mark(self, transaction: Transaction, now_ms: int) -> None:
        """The end of a transaction, and of whatever the same producer had left open: a broker does not know of more."""
        for left in [each for each in self.open if each.transactional_id == transaction.transactional_id]:
            del self.open[left]
            for record in self.records:
                if record.transaction is left:
                    record.transaction = transaction
        self.append([_MARKER], now_ms, transaction, marker=True)

    def stable_end(self) -> int:
        """Where the first open transaction begins; without one, the end."""
        return min(self.open.values(), default=self.end)

    def read(self, position: int, most: int, *, committed: bool) -> tuple[list[Kept], int]:
        """Records from `position` on, and the position after them, beyond what this reader does not get to see."""
        end = self.stable_end() if committed else self.end
        found: list[Kept] = []
        records = self.records
        for index in range(bisect_left(records, position, key=_offset_of), len(records)):
            record = records[index]
            if record.offset >= end:
                break
            if len(found) >= most:
                return found, position
            position = record.offset + 1
            if not (record.marker or (committed and _aborted(record))):
                found.append(record)
        return found, max(position, end)

    def visible(self) -> list[Kept]:
        """Everything that a reader of committed records sees now."""
        return self.read(0, len(self.records), committed=True)[0]

    def compact(self) -> None:
        """Keep the newest committed record of each key, before the first open transaction."""
        stable = self.stable_end()
        newest: dict[bytes | None, int] = {}
        for record in self.records:
            if record.offset < stable and not record.marker and not _aborted(record):
                newest[record.key] = record.offset
        kept = set(newest.values())
        self.records = [record for record in self.records if record.offset >= stable or record.offset in kept]


def _aborted(record: Kept) -> bool:
    return record.transaction is not None and record.transaction.outcome is Outcome.ABORTED


class _Producer:
    """What the coordinator remembers of one transactional id."""

    __slots__ = ("epoch", "transaction")

    def __init__(self) -> None:
        self.epoch = -1
        self.transaction: Transaction | None = None  # open, or decided with markers pending


class Cluster:
    """All logs, and the transaction coordinator.

    Args:
        now_ms: the broker's clock.
        later: called with something to do somewhat later: a marker to write, a transaction to time out.
    """

    def __init__(self, now_ms: Callable[[], int], later: Callable[[Callable[[], None], float | None], None]) -> None:
        self.now_ms = now_ms
        self._later = later
        self.logs: dict[tuple[str, int], PartitionLog] = {}
        self._producers: dict[str, _Producer] = {}
        self.when_committed: list[Callable[[Transaction], None]] = []
        # Without a leader: the coordinator leaves their markers of aborts out, as Kafka 4.0 to 4.3 do.
        self.leaderless: set[PartitionLog] = set()

    def log(self, topic: str, partition: int) -> PartitionLog:
        """A partition; topics come into being when they are used."""
        log = self.logs.get((topic, partition))
        if log is None:
            log = self.logs[topic, partition] = PartitionLog(topic, partition)
        return log

    # -- the transaction coordinator -----------------------------------------------------------------------------------

    def init(self, transactional_id: str) -> int:
        """A new epoch: every older producer of this id is fenced off, and its open transaction aborted.

        Raises:
            ConcurrentTransactions: markers of an earlier transaction are not written yet; ask again.
        """
        producer = self._producers.setdefault(transactional_id, _Producer())
        producer.epoch += 1
        transaction = producer.transaction
        if transaction is None:
            return producer.epoch
        if transaction.outcome is Outcome.OPEN:
            self._decide(producer, transaction, Outcome.ABORTED)
        raise ConcurrentTransactions

    def produce(
        self, transactional_id: str, epoch: int, log: PartitionLog, drafts: Sequence[Draft], timeout_s: float
    ) -> int:
        """Append as a part of the open transaction; the offset of the first record.

        Raises:
            ProducerFenced: there is a later producer of this id, or the transaction was timed out.
            ConcurrentTransactions: the transaction before is not wholly written yet; ask again.
        """
        producer = self._known(transactional_id, epoch)
        transaction = producer.transaction
        if transaction is None:
            transaction = producer.transaction = Transaction(transactional_id)
            begun = transaction
            self._later(lambda: self._time_out(producer, begun), timeout_s)
        elif transaction.outcome is not Outcome.OPEN:
            raise ConcurrentTransactions
        first = log.append(drafts, self.now_ms(), transaction)
        transaction.first_offsets.setdefault(log, first)
        return first

    def add(self, transactional_id: str, epoch: int, logs: Iterable[PartitionLog]) -> None:
        """Make partitions part of a transaction, without a record.

        Raises:
            ProducerFenced: as above.
        """
        producer = self._known(transactional_id, epoch)
        if producer.transaction is None:
            producer.transaction = Transaction(transactional_id)
        for log in logs:
            producer.transaction.first_offsets.setdefault(log, log.end)

    def end(self, transactional_id: str, epoch: int, outcome: Outcome) -> None:
        """Commit or abort; the decision holds from here on, the markers follow.

        Raises:
            ProducerFenced: as above.
            InvalidTxnState: it was decided otherwise before.
        """
        producer = self._known(transactional_id, epoch)
        transaction = producer.transaction
        if transaction is None:
            return
        if transaction.outcome is Outcome.OPEN:
            self._decide(producer, transaction, outcome)
        elif transaction.outcome is not outcome:
            raise InvalidTxnState

    def _known(self, transactional_id: str, epoch: int) -> _Producer:
        producer = self._producers.get(transactional_id)
        if producer is None or producer.epoch != epoch:
            raise ProducerFenced
        return producer

    def _time_out(self, producer: _Producer, transaction: Transaction) -> None:
        if producer.transaction is transaction and transaction.outcome is Outcome.OPEN:
            producer.epoch += 1
            self._decide(producer, transaction, Outcome.ABORTED)

    def _decide(self, producer: _Producer, transaction: Transaction, outcome: Outcome) -> None:
        transaction.outcome = outcome
        transaction.pending = set(transaction.first_offsets)
        if outcome is Outcome.COMMITTED:
            for told in self.when_committed:
                told(transaction)
        for log in transaction.first_offsets:
            self._later(lambda log=log: self._mark(producer, transaction, log), None)  # type: ignore[misc]

    def _mark(self, producer: _Producer, transaction: Transaction, log: PartitionLog) -> None:
        if log not in self.leaderless or transaction.outcome is Outcome.COMMITTED:
            log.mark(transaction, self.now_ms())
        transaction.pending.discard(log)
        if not transaction.pending and producer.transaction is transaction:
            producer.transaction = None
