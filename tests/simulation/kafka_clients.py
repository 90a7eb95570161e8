"""A producer and a consumer with aiokafka's methods, in front of the simulated cluster.

Only what the worker uses, with the meaning that the contract suite finds in aiokafka: a batch that failed does not keep
`commit_transaction` from succeeding; a later producer of the same id makes the older one's next request fail; the end
offsets of a reader of committed records stop before the first open transaction.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka.errors import ConcurrentTransactions, IllegalOperation, KafkaTimeoutError

from tests.simulation.kafka_log import Draft, Kept, Outcome

if TYPE_CHECKING:
    from aiokafka import TopicPartition

    from tests.simulation.kafka_log import Cluster, PartitionLog
    from tests.simulation.network import Network

# aiokafka asks again after this long; the worker sets `retry_backoff_ms` to 20.
RETRY_S = 0.02
RECORD_OVERHEAD_BYTES = 20


class Delivered(NamedTuple):
    """What the future of a batch comes to."""

    offset: int


class Batch:
    """A batch under construction; it takes its first record whatever that one's size."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self.drafts: list[Draft] = []

    def append(
        self, *, key: bytes | None, value: bytes | None, timestamp: None, headers: list[tuple[str, bytes]]
    ) -> Any:
        """None when it does not fit any more."""
        del timestamp
        size = len(key or b"") + len(value or b"") + RECORD_OVERHEAD_BYTES
        if self.drafts and self._bytes + size > self._most_bytes:
            return None
        self._bytes += size
        self.drafts.append(Draft(key, value, tuple(headers)))
        return self

    def size(self) -> int:
        """Bytes, about."""
        return self._bytes

    def record_count(self) -> int:
        """How many records it holds."""
        return len(self.drafts)


class _Partitions:
    """Stands for the part of aiokafka's transaction manager that the worker uses."""

    def __init__(self) -> None:
        self.added: list[TopicPartition] = []

    def maybe_add_partition_to_txn(self, tp: TopicPartition) -> None:
        """Part of the transaction, without a record."""
        self.added.append(tp)


class ProducerTwin:
    """Stands for AIOKafkaProducer with a transactional id.

    Args:
        cluster: the logs.
        network: the way there.
        host: whose producer.
        transactional_id: as aiokafka's.
        max_batch_size: as aiokafka's.
        transaction_timeout_ms: as aiokafka's.
        request_timeout_ms: as aiokafka's; here only for how long a batch waits to be taken.
    """

    def __init__(
        self,
        cluster: Cluster,
        network: Network,
        host: str,
        *,
        transactional_id: str,
        max_batch_size: int,
        transaction_timeout_ms: int,
        request_timeout_ms: int = 40_000,
        **_more: Any,
    ) -> None:
        self._cluster = cluster
        self._network = network
        self._host = host
        self._id = transactional_id
        self._max_batch_size = max_batch_size
        self._timeout_s = transaction_timeout_ms / 1000
        self._request_timeout_s = request_timeout_ms / 1000
        self._epoch = -1
        self._in_transaction = False
        self._sent: list[asyncio.Task[Delivered]] = []
        self._last: dict[PartitionLog, list[asyncio.Task[Delivered]]] = {}  # the last two

        self._txn_manager = _Partitions()

    async def start(self) -> None:
        """Fence off every older producer of this id."""
        self._epoch = await self._ask_again("init", lambda: self._cluster.init(self._id))

    async def begin_transaction(self) -> None:
        """Nothing is sent yet."""
        if self._in_transaction:
            raise IllegalOperation("in a transaction already")
        self._in_transaction = True
        self._sent = []

    def create_batch(self) -> Batch:
        """An empty one."""
        return Batch(self._max_batch_size)

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Task[Delivered]:
        """Send it; the future of where it landed.

        Of one partition, one batch is under way and one waits. A third is taken when the first is answered.
        """
        if not self._in_transaction:
            raise IllegalOperation("not in a transaction")
        log = self._cluster.log(topic, partition)
        last = self._last.setdefault(log, [])
        if len(last) == 2 and not last[0].done():
            await asyncio.wait([last[0]], timeout=self._request_timeout_s)
            if not last[0].done():
                raise KafkaTimeoutError
        sent = asyncio.get_running_loop().create_task(self._produce(batch, log, last[-1] if last else None))
        self._last[log] = [*last[-1:], sent]
        self._sent.append(sent)
        return sent

    async def _produce(self, batch: Batch, log: PartitionLog, before: asyncio.Task[Delivered] | None) -> Delivered:
        if before is not None:  # the batches of one partition keep their order
            await asyncio.wait([before])
        drafts, timeout_s = batch.drafts, self._timeout_s
        offset = await self._ask_again(
            "produce", lambda: self._cluster.produce(self._id, self._epoch, log, drafts, timeout_s)
        )
        return Delivered(offset)

    async def commit_transaction(self) -> None:
        """Wait for what was sent, whatever became of it, and commit."""
        if not self._in_transaction:
            raise IllegalOperation("not in a transaction")
        if self._sent:
            await asyncio.wait(self._sent)
        await self._add_partitions()
        await self._network.call(
            self._host, "commit", lambda: self._cluster.end(self._id, self._epoch, Outcome.COMMITTED)
        )
        self._in_transaction = False

    async def _add_partitions(self) -> None:
        added, self._txn_manager.added = self._txn_manager.added, []
        if added:
            logs = [self._cluster.log(*tp) for tp in added]
            await self._network.call(self._host, "produce", lambda: self._cluster.add(self._id, self._epoch, logs))

    async def abort_transaction(self) -> None:
        """Wait for what was sent, and abort."""
        if self._sent:
            await asyncio.wait(self._sent)
        await self._add_partitions()
        await self._network.call(self._host, "abort", lambda: self._cluster.end(self._id, self._epoch, Outcome.ABORTED))
        self._in_transaction = False

    async def stop(self) -> None:
        """What was sent is on its way; nothing else is."""
        if pending := [task for task in self._sent if not task.done()]:
            await asyncio.wait(pending)

    async def _ask_again(self, kind: str, carry_out: Any) -> int:
        while True:
            try:
                return int(await self._network.call(self._host, kind, carry_out))
            except ConcurrentTransactions:
                await asyncio.sleep(RETRY_S)


class ConsumerTwin:
    """Stands for AIOKafkaConsumer without a group, as restores use it: one partition, from its beginning to its end."""

    def __init__(
        self, cluster: Cluster, network: Network, host: str, *, isolation_level: str = "read_uncommitted", **_more: Any
    ) -> None:
        self._cluster = cluster
        self._network = network
        self._host = host
        self._committed = isolation_level == "read_committed"
        self._positions: dict[TopicPartition, int] = {}

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Nothing to close."""

    def assign(self, partitions: list[TopicPartition]) -> None:
        """Read these."""
        self._positions = dict.fromkeys(partitions, 0)

    async def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        """To the first offset that there is."""
        begins = await self.beginning_offsets(list(partitions))
        self._positions.update(begins)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read on from here."""
        self._positions[partition] = offset

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Where the logs begin."""
        return await self._network.call(
            self._host, "offsets", lambda: {tp: self._cluster.log(*tp).begin for tp in partitions}
        )

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Where the logs end, for this isolation."""
        return await self._network.call(
            self._host, "offsets", lambda: {tp: self._end(self._cluster.log(*tp)) for tp in partitions}
        )

    def _end(self, log: PartitionLog) -> int:
        return log.stable_end() if self._committed else log.end

    async def position(self, partition: TopicPartition) -> int:
        """What is read next."""
        return self._positions[partition]

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int = 500
    ) -> dict[TopicPartition, list[Kept]]:
        """What there is after the positions."""
        del timeout_ms
        wanted = partitions or tuple(self._positions)
        answers = await self._network.call(
            self._host,
            "fetch",
            lambda: {
                tp: self._cluster.log(*tp).read(self._positions[tp], max_records, committed=self._committed)
                for tp in wanted
            },
        )
        self._positions.update((tp, position) for tp, (_, position) in answers.items())
        return {tp: records for tp, (records, _) in answers.items() if records}
