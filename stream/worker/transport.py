# ruff: noqa: SLF001 — private parts are what this module is about
"""Faust's consumer, handing out whole fetched slices: this touches private parts of Faust and aiokafka.

It was written against the exact versions asserted below. What is overridden, and why:

- `Consumer.getmany`: yields hauls of whole slices of LIVE partitions instead of single records: in a backlog a hundred
  times cheaper, and with a dozen quiet partitions one item per fetch instead of one per topic partition.
- `Consumer.perform_seek`: nothing. Faust would seek to the group's offsets after each rebalance; ours are in the
  checkpoint.
- `Consumer.verify_event_path`: nothing, it knows acks and commits only.
- the consumer thread's fetch waits, which Faust fixes at 1.5 s: a seek during a waiting fetch would stand still that
  long.
- aiokafka's handling of records: `stream.records.reading`, for all who read them.
- the assignor: Faust's own, which keeps partition p of all topics together; without a Table it would use round robin.
- the group's topics: those of the first version; later ones are read along (`companions`).

Topics are declared with `acks=False`, so none of Faust's ack, gap and commit code runs. What must happen in the
consumer's own thread (seek, heartbeat, end offsets) runs on that thread's loop directly: Faust's method queue has two
workers, and `getmany` sits in one of them.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from typing import TYPE_CHECKING, Any, TypeVar, cast

import aiokafka
import faust
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.codec import has_lz4, has_snappy, has_zstd
from aiokafka.consumer.fetcher import READ_UNCOMMITTED
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.structs import OffsetAndMetadata
from faust.assignor.partition_assignor import PartitionAssignor
from faust.exceptions import ConsumerNotStarted
from faust.serializers.schemas import Schema
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.transport.drivers.aiokafka import Consumer as FaustConsumer
from faust.transport.drivers.aiokafka import Transport as FaustTransport
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from stream.errors import SnapupError
from stream.kafka_clients import client_options
from stream.worker.companions import read_along
from stream.worker.fetching import IDLE_WAIT_MS, Haul, LogEnds, SliceDesk, fetch_terms, hauls
from stream.worker.ownership import Drained
from stream.worker.tasks import within
from stream.worker.throttling import Throttle, Told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence

    from stream.kafka_clients import KafkaAt

FAUST_VERSION = "0.15.3"
AIOKAFKA_VERSION = "0.14.0"

# How long a drain waits for the first record: bounds how late a newly live partition is looked at.
DRAIN_WAIT_S = 0.2
# One answer of one broker, over all its partitions: with the records of the drain before, what fetching may hold at
# most.
FETCH_ANSWER_MAX_BYTES = 16 * 1024 * 1024
# What is not wanted (its partition is not live, or its queue is full) may be so at any moment: look again after this
# long. In a backlog the fold is through with what it waits for in less than `DRAIN_WAIT_S`.
NOT_WANTED_S = 0.02
ASKER_STOP_S = 3.0
# Well below `broker_max_poll_interval`.
SEEM_BUSY_S = 10.0
# Nothing of an aborted transaction is ever read; one that is open holds up its own topic partition alone.
ISOLATION = "read_committed"

T = TypeVar("T")


def check_versions() -> None:
    """Refuse to run on other versions than these private parts were read in.

    Raises:
        SnapupError: another version, or a build without the compiled parts, whose pure Python twins behave differently.
    """
    for name, found, wanted in (
        ("faust-streaming", faust.__version__, FAUST_VERSION),
        ("aiokafka", aiokafka.__version__, AIOKAFKA_VERSION),
    ):
        if found != wanted:
            raise SnapupError(
                f"This worker needs {name} {wanted}, but {found} is installed: install the pinned versions."
            )
    for module in ("faust._cython.streams", "faust.transport._cython.conductor"):
        try:
            importlib.import_module(module)
        except ImportError:
            raise SnapupError(
                f"faust-streaming was installed without its compiled part {module}: install it from a wheel."
            ) from None
    if not (has_snappy() and has_lz4() and has_zstd()):
        raise SnapupError("cramjam is missing: records compressed with snappy, lz4 or zstd could not be read.")


def _stable_end(state: Any) -> int | None:
    """Up to where a log is committed, as its last fetch answer said; None before the first."""
    stable: int | None = state.lso
    return state.highwater if stable is None or stable < 0 else stable


class BatchConsumerThread(AIOKafkaConsumerThread):
    """Faust's consumer thread with short fetch waits and bounded answers."""

    mundane_level = "debug"

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust would do so for "exactly once" only, which is another transaction of its own.
        consumer._isolation_level = ISOLATION
        consumer._fetch_max_wait_ms = IDLE_WAIT_MS
        consumer._fetch_max_bytes = FETCH_ANSWER_MAX_BYTES
        transport.throttle.obey(consumer._client)
        app: Any = self.app
        read_along(consumer, app.companions)
        return consumer


class BatchConsumer(FaustConsumer):
    """Hands an agent whole slices, and only of partitions that their owner wants."""

    mundane_level = "debug"
    transport: BatchTransport

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Touched in the consumer's thread only: what is drained and the token it gets are of one moment.
        self._stamps: dict[TopicPartition, int] = {}
        self._seemed_busy_at = 0.0

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def perform_seek(self) -> None:
        """Nothing: Faust would go to the group's offsets after every rebalance, but they are hints; owners seek."""

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing: Faust would report every partition as hanging after five minutes, for it looks at acks and commits.

        Who watches instead: `health.Health.check_progress`.
        """

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109, ARG002 — Faust's
        """One fetch: yields messages whose values are hauls."""
        await self._flow()
        desk = self.transport.desk
        wanted = desk.wanted()
        self.transport.polled()
        if not wanted:  # an empty set would mean "all partitions" to aiokafka
            await self._seem_busy()
            await self.sleep(NOT_WANTED_S)
            return
        try:
            drains = await self._on_thread(self._drain(wanted))
        except OffsetOutOfRangeError as error:
            for tp in error.args[0]:
                desk.out_of_range(tp.partition)
            return
        except NoOffsetForPartitionError:  # just assigned, and the old owner is not told yet: nobody has sought
            return
        # A slice yielded while the flow is stopped is lost: the delivery is cancelled, and the streams' queues are
        # cleared before the flow resumes. What slips through all the same is seen by `Ownership.accept`.
        await self._flow()
        for haul in hauls(desk.cut(drains), self.transport.haul_records):
            yield self._message(haul)

    async def _flow(self) -> None:
        if not self.flow_active:
            await self.wait(cast("Any", self.can_resume_flow))

    def _kafka(self) -> Any:
        """The consumer of aiokafka; to be touched in its own thread."""
        return self._thread._ensure_consumer()

    async def _seem_busy(self) -> None:
        """Let aiokafka see a poll now and then: a stand-by that never fetches would leave the group after 300 s."""
        if time.monotonic() - self._seemed_busy_at < SEEM_BUSY_S:
            return
        self._seemed_busy_at = time.monotonic()

        async def touch() -> None:
            with self._kafka()._subscription.fetch_context():
                pass

        await self._on_thread(touch())

    async def _drain(self, wanted: set[TP]) -> list[Drained]:
        """In the consumer's thread: take what was fetched, and look how far the log reaches."""
        consumer = self._kafka()
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise self.consumer_stopped_errors[0]
        all_wanted = len(wanted) >= len(consumer.assignment())
        with fetcher._subscriptions.fetch_context():
            fetched = await fetcher.fetched_records(
                wanted,
                timeout=DRAIN_WAIT_S if all_wanted else NOT_WANTED_S,
                max_records=self.transport.drain_records,
            )
        # No await from here on: the tokens and positions belong to these records.
        drains = [self._drained(consumer, TopicPartition(*tp), fetched) for tp in wanted]
        terms = fetch_terms(drains, self.transport.fetch_collect_ms, all_wanted=all_wanted)
        fetcher._fetch_min_bytes, fetcher._fetch_max_wait_ms = terms
        return drains

    def _drained(self, consumer: Any, tp: TopicPartition, fetched: Mapping[TopicPartition, Sequence[Any]]) -> Drained:
        state: Any = None
        if consumer._subscription.is_assigned(tp):
            state = consumer._subscription.subscription.assignment.state_value(tp)
        known = state is not None and state.has_valid_position
        return Drained(
            topic_index=self.transport.topic_index[tp.topic],
            partition=tp.partition,
            token=self._stamps.get(tp),
            records=fetched.get(tp, ()),
            position=state.position if known else None,
            end_offset=_stable_end(state) if known else None,
            polled_at_ms=(state.timestamp or 0) if known else 0,
            written_to=state.highwater if known else None,
        )

    def _message(self, haul: Haul) -> tuple[TP, ConsumerMessage]:
        """One message of Faust's, under the name of the first slice's topic partition: only the agent looks inside."""
        piece = haul[0]
        last = piece.records[-1]
        tp = TP(self.transport.topics[piece.topic_index], piece.partition)
        # Faust drops what lies at or before its read offset; a re-read after a seek does, rightly.
        self._read_offset[tp] = None
        message = ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            0,
            None,
            None,
            cast("Any", haul),
            None,
            0,
            sum(len(each.records) for each in haul),
            tp,
            generation_id=self.app.consumer_generation_id,
        )
        return tp, message

    # -- for owners, from the main thread ------------------------------------------------------------------------------

    async def _on_thread(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._thread.thread_loop))

    async def seek_fenced(self, partition: int, positions: Sequence[int], token: int) -> None:
        """Seek all topics of a partition, and stamp the token on whatever is drained from there.

        Raises:
            IllegalStateError: the partition is not, or no longer, assigned.
        """
        at = {TopicPartition(topic, partition): position for topic, position in self._pairs(positions)}

        async def seek() -> None:
            consumer = self._kafka()
            for tp, position in at.items():
                consumer.seek(tp, position)
                self._stamps[tp] = token

        await self._on_thread(seek())

    @property
    def member_id(self) -> str:
        """Under which the group knows this process. While it is told of an assignment, that of this assignment."""
        return str(self._kafka()._coordinator.member_id)

    async def heartbeat_now(self) -> bool:
        """Ask the group whether this process is still a member; a refusal makes aiokafka join anew at once."""

        async def beat() -> bool:
            coordinator = self._kafka()._coordinator
            return bool(coordinator.member_id and coordinator.generation > 0 and await coordinator._do_heartbeat())

        return await self._on_thread(beat())

    def group_error(self) -> BaseException | None:
        """What the group has against this member, while nobody has fetched since."""
        try:
            error: BaseException | None = self._kafka()._coordinator._pending_exception
        except (AttributeError, ConsumerNotStarted):  # not there yet
            return None
        return error

    async def log_ends(self, partition: int) -> LogEnds:
        """Ask the broker where the logs of a partition begin and end.

        Over a connection of its own: a broker answers one connection's requests in their order, and on the group
        consumer's a fetch may wait `IDLE_WAIT_MS` for records before either question gets its turn.
        """
        tps = [TopicPartition(topic, partition) for topic in self.transport.topics]
        asker = AIOKafkaConsumer(
            **client_options(self.transport.bootstrap_servers), group_id=None, isolation_level=ISOLATION
        )
        try:
            await asker.start()
            await asker._client.set_topics(self.transport.topics)  # else its first try would only tell it of them
            begin, end = await asyncio.gather(asker.beginning_offsets(tps), asker.end_offsets(tps))
            fetcher: Any = asker._fetcher
            fetcher._isolation_level = READ_UNCOMMITTED  # asked last: not before what is committed
            written = await asker.end_offsets(tps)
        finally:
            await within(asker.stop(), ASKER_STOP_S)
        # A hint: where it cannot be had, nothing is concluded from it.
        hints = await within(self._on_thread(self._committed(tps)), ASKER_STOP_S)
        committed = None if hints is None else [hints.get(tp, -1) for tp in tps]
        return LogEnds([begin[tp] for tp in tps], [end[tp] for tp in tps], [written[tp] for tp in tps], committed)

    async def _committed(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """What the group has committed, -1 where it has nothing."""
        found = await self._kafka()._coordinator.fetch_committed_offsets(tps)
        return {tp: at.offset for tp, at in found.items()}

    async def leave_when_stopped(self) -> None:
        """Let a static member leave the group at its end, as others do.

        aiokafka leaves out LeaveGroup for a static name, so its partitions would stand still for the session time-out,
        or until it is back. One that was killed keeps its place all the same.
        """

        async def forget_the_name() -> None:
            self._kafka()._coordinator._group_instance_id = None

        await self._on_thread(forget_the_name())

    async def partition_counts(self) -> dict[str, int]:
        """Ask the brokers how many partitions each input topic has; a topic that nobody knows is left out."""

        async def ask() -> dict[str, int]:
            client = self._kafka()._client
            await client.force_metadata_update()
            found = {topic: client.cluster.partitions_for_topic(topic) for topic in self.transport.topics}
            return {topic: len(partitions) for topic, partitions in found.items() if partitions}

        return await self._on_thread(ask())

    async def commit_hint(self, saved: Mapping[int, Sequence[int]]) -> None:
        """Commit the saved offsets to the group: for lag monitors, nothing here reads them."""
        offsets = {
            TopicPartition(topic, partition): OffsetAndMetadata(position, "")
            for partition, positions in saved.items()
            for topic, position in self._pairs(positions)
        }
        if offsets:
            await self._on_thread(self._kafka().commit(offsets))

    def _pairs(self, positions: Sequence[int]) -> Iterable[tuple[str, int]]:
        return zip(self.transport.topics, positions, strict=True)


class BatchTransport(FaustTransport):
    """Makes the consumer, and carries what it needs to know.

    Args:
        app: the Faust app.
        desk: says what to fetch.
        topics: full names, in the order of the contract.
        bootstrap_servers: Kafka, and how it is reached.
        fetch_collect_ms: while records come, the broker collects them this long before it answers.
        drain_records: most records taken over from the fetcher at once.
        haul_records: a haul is closed when it holds so many.
        polled: called at every look at the fetcher, for the liveness check.
        throttled: is told, in the consumer's thread, how long a quota holds it back.
    """

    Consumer = BatchConsumer

    def __init__(
        self,
        app: faust.App,
        desk: SliceDesk,
        topics: Sequence[str],
        *,
        bootstrap_servers: KafkaAt,
        fetch_collect_ms: int,
        drain_records: int,
        haul_records: int,
        polled: Callable[[], None],
        throttled: Told | None = None,
    ) -> None:
        super().__init__(app.conf.broker, app)
        self.desk = desk
        self.bootstrap_servers = bootstrap_servers
        self.topics = tuple(topics)
        self.topic_index = {name: index for index, name in enumerate(topics)}
        self.fetch_collect_ms = fetch_collect_ms
        self.drain_records = drain_records
        self.haul_records = haul_records
        self.polled = polled
        self.throttle = Throttle("consumer", throttled)


class PassSchema(Schema[Any, Any]):
    """Hands the haul through: decoding is the core's."""

    def loads_key(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> None:
        """There is no key: a haul has many."""

    def loads_value(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:  # noqa: ARG002
        """The haul itself."""
        return message.value


class CopartitionedAssignor(PartitionAssignor):
    """Faust's sticky assignor, which keeps partition p of all topics on one worker, without stand-bys."""

    def __init__(self, app: Any, replicas: int = 0) -> None:
        del replicas  # Faust passes the setting that only made it choose this assignor
        super().__init__(app, replicas=0)

    def metadata(self, topics: Iterable[str]) -> Any:  # type: ignore[override] # of the class, in aiokafka alone
        """What a member says to its group: it subscribes to these topics, but for those that it reads along."""
        app: Any = self.app
        return super().metadata({*topics} - app.companions)
