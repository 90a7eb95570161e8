# ruff: noqa: SLF001 — private parts are what this module is about
"""Faust's consumer, handing out whole fetched slices. This module touches private parts of Faust and aiokafka.

The module was written against the exact versions asserted below. It overrides:

- `Consumer.getmany`: yields hauls of whole slices of LIVE partitions instead of single records. In a backlog that is a
  hundred times cheaper; with a dozen quiet partitions a fetch gives one item instead of one per topic partition.
- `Consumer.perform_seek`: does nothing. Faust would seek to the group's offsets after each rebalance; ours are in the
  checkpoint.
- `Consumer.verify_event_path`: does nothing. Faust's method knows only acks and commits.
- the consumer thread's fetch waits, which Faust fixes at 1.5 s: a seek during a waiting fetch would take that long.
- aiokafka's handling of records: `stream.records.reading`, for all readers.
- the assignor: Faust's own, which keeps partition p of all topics together. Without a Table, Faust takes round robin.
- the group's topics: those of the first version. Later topics are read along (`companions`).

Topics are declared with `acks=False`, so none of Faust's ack, gap and commit code runs. Calls that belong in the
consumer's own thread (seek, heartbeat, end offsets) run on that thread's loop directly: Faust's method queue has two
workers, and `getmany` occupies one of them.
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

# How long a drain waits for the first record. A newly live partition is looked at no later than this.
DRAIN_WAIT_S = 0.2
# The bound on one answer of one broker, over all its partitions. Together with the records of the drain before, it
# bounds what fetching may hold.
FETCH_ANSWER_MAX_BYTES = 16 * 1024 * 1024
# How soon to look again while some topic partitions are not wanted (not live, or their queues are full): they may be
# wanted at any moment. In a backlog the fold has folded what it waits for in less than `DRAIN_WAIT_S`.
NOT_WANTED_S = 0.02
ASKER_STOP_S = 3.0
# How often to seem busy: well below `broker_max_poll_interval`.
SEEM_BUSY_S = 10.0
# Records of aborted transactions are never read. An open transaction holds up only its own topic partition.
ISOLATION = "read_committed"

T = TypeVar("T")


def check_versions() -> None:
    """Refuse to run on versions other than those that this module was written against.

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
    """The end of a log's committed part in its last fetch answer; None before the first answer."""
    stable: int | None = state.lso
    return state.highwater if stable is None or stable < 0 else stable


class BatchConsumerThread(AIOKafkaConsumerThread):
    """Faust's consumer thread with short fetch waits and bounded answers."""

    mundane_level = "debug"

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust sets this only for "exactly once", which would add a transaction of its own.
        consumer._isolation_level = ISOLATION
        consumer._fetch_max_wait_ms = IDLE_WAIT_MS
        consumer._fetch_max_bytes = FETCH_ANSWER_MAX_BYTES
        transport.throttle.obey(consumer._client)
        app: Any = self.app
        read_along(consumer, app.companions)
        return consumer


class BatchConsumer(FaustConsumer):
    """Hands whole slices to an agent, only of partitions that their owners want."""

    mundane_level = "debug"
    transport: BatchTransport

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Touched in the consumer's thread only, so that drained records and their token are of one moment.
        self._stamps: dict[TopicPartition, int] = {}
        self._seemed_busy_at = 0.0

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def perform_seek(self) -> None:
        """Do nothing: Faust would seek to the group's offsets, which are only hints. Owners seek."""

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Do nothing: Faust looks at acks and commits, and would report every partition as hanging after five minutes.

        `health.Health.check_progress` watches instead.
        """

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109, ARG002 — Faust's
        """The messages of one fetch. Their values are hauls."""
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
        except NoOffsetForPartitionError:  # just assigned: no owner has sought yet
            return
        # A slice yielded while the flow is stopped is lost: Faust cancels the delivery, and clears the streams' queues
        # before the flow resumes. `Ownership.accept` notices slices that are lost all the same.
        await self._flow()
        for haul in hauls(desk.cut(drains), self.transport.haul_records):
            yield self._message(haul)

    async def _flow(self) -> None:
        if not self.flow_active:
            await self.wait(cast("Any", self.can_resume_flow))

    def _kafka(self) -> Any:
        """The consumer of aiokafka. Touch it in its own thread only."""
        return self._thread._ensure_consumer()

    async def _seem_busy(self) -> None:
        """Show aiokafka a poll now and then: a stand-by that never fetches would leave the group after 300 s."""
        if time.monotonic() - self._seemed_busy_at < SEEM_BUSY_S:
            return
        self._seemed_busy_at = time.monotonic()

        async def touch() -> None:
            with self._kafka()._subscription.fetch_context():
                pass

        await self._on_thread(touch())

    async def _drain(self, wanted: set[TP]) -> list[Drained]:
        """The fetched records of each topic partition, and how far its log reaches. Runs in the consumer's thread."""
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
        # There is no await from here on: the tokens and positions belong to these records.
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
        """A message of Faust's with a haul, under the first slice's topic partition. Only the agent looks inside."""
        piece = haul[0]
        last = piece.records[-1]
        tp = TP(self.transport.topics[piece.topic_index], piece.partition)
        # Faust drops records at or before its read offset. Records that are read again after a seek must pass.
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
        """Seek all topics of a partition, and stamp the token on the records that are drained from there.

        Raises:
            IllegalStateError: the partition is not assigned, or no longer.
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
        """The id by which the group knows this process. During an assignment it is the id of that assignment."""
        return str(self._kafka()._coordinator.member_id)

    async def heartbeat_now(self) -> bool:
        """Whether this process is still a member, by the group's word. A refusal makes aiokafka join anew at once."""

        async def beat() -> bool:
            coordinator = self._kafka()._coordinator
            return bool(coordinator.member_id and coordinator.generation > 0 and await coordinator._do_heartbeat())

        return await self._on_thread(beat())

    def group_error(self) -> BaseException | None:
        """The error with which the group refuses this member, as long as no fetch has raised it."""
        try:
            error: BaseException | None = self._kafka()._coordinator._pending_exception
        except (AttributeError, ConsumerNotStarted):  # not there yet
            return None
        return error

    async def log_ends(self, partition: int) -> LogEnds:
        """Where the logs of a partition begin and end, by the broker's word.

        The question has a connection of its own: a broker answers the requests of one connection in order, and on the
        group consumer's connection a fetch may wait `IDLE_WAIT_MS` for records first.
        """
        tps = [TopicPartition(topic, partition) for topic in self.transport.topics]
        asker = AIOKafkaConsumer(
            **client_options(self.transport.bootstrap_servers), group_id=None, isolation_level=ISOLATION
        )
        try:
            await asker.start()
            await asker._client.set_topics(self.transport.topics)  # else its first try only names the topics
            begin, end = await asyncio.gather(asker.beginning_offsets(tps), asker.end_offsets(tps))
            fetcher: Any = asker._fetcher
            fetcher._isolation_level = READ_UNCOMMITTED  # asked after the committed ends, so as not to be less
            written = await asker.end_offsets(tps)
        finally:
            await within(asker.stop(), ASKER_STOP_S)
        # The committed offsets are a hint. Without them nothing is concluded.
        hints = await within(self._on_thread(self._committed(tps)), ASKER_STOP_S)
        committed = None if hints is None else [hints.get(tp, -1) for tp in tps]
        return LogEnds([begin[tp] for tp in tps], [end[tp] for tp in tps], [written[tp] for tp in tps], committed)

    async def _committed(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The offsets that the group has committed, -1 where it has none."""
        found = await self._kafka()._coordinator.fetch_committed_offsets(tps)
        return {tp: at.offset for tp, at in found.items()}

    async def leave_when_stopped(self) -> None:
        """Let a static member leave the group at its end, as other members do.

        aiokafka sends no LeaveGroup for a static name. The member's partitions would stand still for the session
        time-out, or until the member is back. A member that was killed keeps its place all the same.
        """

        async def forget_the_name() -> None:
            self._kafka()._coordinator._group_instance_id = None

        await self._on_thread(forget_the_name())

    async def partition_counts(self) -> dict[str, int]:
        """Topic → its number of partitions, by the brokers' word. A topic that no broker knows is left out."""

        async def ask() -> dict[str, int]:
            client = self._kafka()._client
            await client.force_metadata_update()
            found = {topic: client.cluster.partitions_for_topic(topic) for topic in self.transport.topics}
            return {topic: len(partitions) for topic, partitions in found.items() if partitions}

        return await self._on_thread(ask())

    async def commit_hint(self, saved: Mapping[int, Sequence[int]]) -> None:
        """Commit the saved offsets to the group, for lag monitors. Snapup does not read them."""
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
    """Makes the consumer, and holds what the consumer needs to know.

    Args:
        app: the Faust app.
        desk: says what to fetch.
        topics: full names of the input topics, in the order of the contract.
        bootstrap_servers: Kafka, and how it is reached.
        fetch_collect_ms: how long a broker collects records before it answers, while records come.
        drain_records: how many records may be taken from the fetcher at once.
        haul_records: how many records close a haul.
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
    """Passes the haul through: the core decodes it."""

    def loads_key(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> None:
        """None: a haul has many keys."""

    def loads_value(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:  # noqa: ARG002
        """The haul itself."""
        return message.value


class CopartitionedAssignor(PartitionAssignor):
    """Faust's sticky assignor, which keeps partition p of all topics on one worker, without stand-bys."""

    def __init__(self, app: Any, replicas: int = 0) -> None:
        del replicas  # Faust passes a setting that was only made to choose this assignor
        super().__init__(app, replicas=0)

    def metadata(self, topics: Iterable[str]) -> Any:  # type: ignore[override] # of the class, in aiokafka alone
        """What a member tells its group: it subscribes to these topics, except those that it reads along."""
        app: Any = self.app
        return super().metadata({*topics} - app.companions)
