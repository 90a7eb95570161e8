"""One worker process in the simulation: the worker's own classes, wired as `stream.worker.app` wires them."""

from __future__ import annotations

import contextvars
from functools import cache, partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from stream.contract.events import EDITION
from stream.contract.overlay import SIGNALS_EDITION
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.exits import Exit
from stream.kernel.packed import PackedRecords
from stream.worker.assignment import Owners
from stream.worker.checkpoint import OutputTopics
from stream.worker.fold_loop import FoldLoop
from stream.worker.metrics import Metrics
from stream.worker.open_transactions import OutputEnds
from stream.worker.overlay_store import OverlayStore
from stream.worker.ownership import Phase
from stream.worker.partition_owner import OwnerConfig
from stream.worker.projection import Projection
from stream.worker.saving import run_checkpoints
from stream.worker.tasks import Tasks
from tests.simulation.group import ReplacedError
from tests.simulation.kafka_clients import ConsumerTwin, ProducerTwin
from tests.simulation.loop import PROCESS, Process
from tests.simulation.mechanics import FOLDS
from tests.simulation.redis_server import RedisTwin
from tests.simulation.workload import EVENTS_MAX, NAMED_SOURCES, T0_MS, TOPICS

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from faust.types import TP

    from tests.simulation.world import World

# No id is rightly forgotten in a run: within a second of the log, all records of a partition may be folded between one
# and its repetition, however close together they were sent.
RULES = Rules(
    hold_ms=1_500,
    remember_ids_max=4 * EVENTS_MAX,
    contract_edition=EDITION,
    signals_edition=SIGNALS_EDITION,
    ids_by_topic=True,
    remember_sales_ms=7 * 24 * 3_600_000,
    keep_claims=True,
    sources_max=len(NAMED_SOURCES),
    products_max=3,
    mechanics=FOLDS.limits({}),
)
# Rows of mechanics are written again and again within a run.
ROWS_HORIZON_MS = 400
SLICE_RECORDS = 8
REDIS_TIMEOUT_MS = 400
BATCH_ROOMS = 3
A_LEAP_MS = 3_600_000
FLUSH_S = 0.5
HAND_OVER_S = 2.0


@cache
def shared_metrics() -> Metrics:
    """One for all workers of all runs: making one costs more than a run, and nothing here reads it."""
    return Metrics(TOPICS, observe_latency=True)


class WatchedFold(PartitionFold):
    """The fold, with the oracle looking at what it is given."""

    early_records = 25  # between most cuts

    def __init__(self, world: World, partition: int) -> None:
        super().__init__(partition, world.rules, TOPICS, mechanics=FOLDS)
        self._saved.mechanics.horizon_ms = ROWS_HORIZON_MS
        self._world = world

    def fold(self, topic_index: int, records: Any, latest_ms: int | None = None) -> None:
        """Fold, looked at."""
        if records:
            log = self._world.cluster.log(TOPICS[topic_index], self.partition)
            self._world.oracle.folds(log, self.positions[topic_index], records)
        if records and self._world.kernel is not None:
            records = PackedRecords.of(self._world.kernel, records) or records
        super().fold(topic_index, records, latest_ms)

    def advance(self, clock_ms: int, source: Any, most_ends: int | None = None) -> bool:
        """Advance, looked at: rooms whose clock stands in another age have state and clock of two owners."""
        if self.rooms and clock_ms - self.clock_ms > A_LEAP_MS:
            self._world.oracle.complain(
                f"partition {self.partition}: the clock leaps from {self.clock_ms} to {clock_ms}"
            )
            raise RuntimeError("the clock leaps")
        return super().advance(clock_ms, source, most_ends)


class SimulatedWorker:
    """A worker process that can be crashed, paused, stopped.

    Args:
        world: in which it lives.
        name: of this process; a restarted one has another.
        instance: its static name in the group, which a restarted one has again; `name` begins with it.
    """

    def __init__(self, world: World, name: str, instance: str | None) -> None:
        self.world = world
        self.name = name
        self.instance = instance
        self.process = Process(name)
        self.clock_ahead_ms = 0
        self.stopping = False
        self._context = contextvars.Context()
        self._context.run(PROCESS.set, self.process)
        self._last_generation = -1

    def start(self) -> None:
        """Begin to work."""
        self.spawn(self._main())

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run something in this process."""
        self.world.loop.create_task(work, context=self._context)

    def now_ms(self) -> int:
        """The wall clock of this process."""
        return T0_MS + int(self.world.loop.time() * 1000) + self.clock_ahead_ms

    async def _main(self) -> None:
        world = self.world
        make_consumer = partial(_make_consumer, world, self.name)
        config = OwnerConfig(
            bootstrap_servers="simulated",
            id_prefix="group-live",
            who=self.name,
            member_name=self.instance,
            topics=TOPICS,
            outputs=OutputTopics.of("live"),
            partitions=world.partitions,
            max_queued_records=40,
            accept_data_loss=False,
            output_ends=OutputEnds("simulated", make_consumer),
            make_fold=lambda partition: WatchedFold(world, partition),
            make_producer=partial(_make_producer, world, self.name),
            make_consumer=make_consumer,
        )
        self.tasks = Tasks(self._ended)
        metrics = shared_metrics()
        self.owners = Owners(config, lambda: self.member, self.tasks, metrics, slice_records=SLICE_RECORDS)
        self.fold_loop = FoldLoop(self.owners, wall_clock=True, now_ms=self.now_ms)
        self.store = OverlayStore("redis://simulated", "live", REDIS_TIMEOUT_MS, partial(_make_redis, world))
        self.projection = Projection(
            self.store,
            self.owners,
            metrics,
            interval_ms=world.publish_ms,
            batch_rooms=BATCH_ROOMS,
            wall_clock=True,
            now_ms=self.now_ms,
        )
        self.member = world.make_member(
            host=self.name,
            instance=self.instance,
            topics=TOPICS,
            cluster=world.cluster,
            network=world.network,
            coordinator=world.coordinator,
            random=world.random,
            desk=self.owners,
            most_records=world.fetched_records,
            slice_records=SLICE_RECORDS,
            now_ms=self.now_ms,
            revoked=self.owners.on_revoked,
            assigned=self._assigned,
        )
        self.member.spoil = world.faults.spoil
        self.member.when_ends_asked = partial(world.oracle.asked_for_ends, self.name)
        app = SimpleNamespace(consumer=self.member)
        for work, name in (
            (self.fold_loop.run_ticks(), "ticks"),
            (run_checkpoints(self.owners, app, world.checkpoint_ms), "checkpoints"),
            (self.projection.run_collect(), "collect documents"),
            (self.projection.run_write(), "write documents"),
            (self.member.run(), "group"),
            (self.member.run_heartbeats(), "heartbeats"),
            (self.member.run_fetch(), "fetch"),
            (self._fold(), "fold"),
        ):
            self.tasks.spawn(work, name)

    async def _fold(self) -> None:
        while True:
            await self.fold_loop.handle(await self.member.queue.get())

    async def _assigned(self, tps: set[TP], generation: int) -> None:
        """As the worker, and the oracle looks at what is kept."""
        had = {owner.partition: owner for owner in self.owners.all() if owner.phase is not Phase.ACQUIRING}
        await self.owners.on_assigned(tps, generation)
        for partition, owner in had.items():
            if self.owners.get(partition) is owner:
                history = self.world.coordinator.history
                self.world.oracle.keeps(self.name, partition, history, self._last_generation, generation)
        self._last_generation = generation

    def _ended(self, code: Exit, reason: str, **fields: Any) -> None:
        replaced = code is Exit.DUPLICATE_MEMBER or isinstance(fields.get("exc_info"), ReplacedError)
        if replaced and self.world.is_doubled(self.instance):
            self.world.crash(self, f"ends: {reason}")
            return
        self.world.worker_exits(self, f"exit {int(code)}: {reason} {fields.get('task', '')} {fields.get('exc_info')!r}")

    async def stop(self) -> None:
        """As on SIGTERM: save, let go, leave the group."""
        self.stopping = True
        for owner in self.owners.live():
            await self.projection.collect(owner)
        await self.projection.flush(FLUSH_S)
        saved = await self.owners.hand_over(HAND_OVER_S)
        self.world.note(f"{self.name} handed over {saved}")
        await self.member.leave()
        await self.tasks.close(FLUSH_S)
        self.world.worker_stopped(self)


def _make_producer(world: World, host: str, **arguments: Any) -> ProducerTwin:
    return world.make_producer(world.cluster, world.network, host, **arguments)


def _make_consumer(world: World, host: str, **arguments: Any) -> ConsumerTwin:
    return ConsumerTwin(world.cluster, world.network, host, **arguments)


def _make_redis(world: World, **arguments: Any) -> RedisTwin:
    return RedisTwin(world.redis, socket_timeout=arguments["socket_timeout"])
