"""Wiring and life of the worker: settings in, exit code out. Everything is passed on explicitly; nothing is global.

Faust gives the group: membership, assignment, rebalance callbacks, streams and agents. Its settings below are the
settings of the fault tests (docs/exactness.md). Nothing of Faust's Tables, acks, commits and web server is used.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, cast

import faust
import msgspec
import prometheus_client
import structlog
from faust.auth import SASLCredentials, SSLCredentials
from faust.tables.manager import TableManager

from stream.contract.events import TOPIC_NAMES
from stream.core.distinct import sketches
from stream.core.mechanic import NO_MECHANICS
from stream.core.partition import PartitionFold
from stream.exits import Exit, end_process, leave
from stream.kafka_clients import tls_context
from stream.kafka_refusals import refused_permission
from stream.kernel.library import chosen
from stream.kernel.packed import Packer
from stream.records.reading import take_whole_batches
from stream.worker import health, preflight
from stream.worker.assignment import Owners
from stream.worker.checkpoint import OutputTopics
from stream.worker.companions import companions
from stream.worker.fold_loop import FoldLoop
from stream.worker.heartbeat import Heartbeats
from stream.worker.logs import configure_logging
from stream.worker.metrics import Metrics, now_ms
from stream.worker.notices import Notices
from stream.worker.open_transactions import OutputEnds
from stream.worker.overlay_store import OverlayStore
from stream.worker.partition_owner import OwnerConfig
from stream.worker.permissions import run_watch_group
from stream.worker.projection import Projection
from stream.worker.saving import run_checkpoints
from stream.worker.tasks import FatalError, Tasks
from stream.worker.transport import (
    BatchConsumer,
    BatchTransport,
    CopartitionedAssignor,
    PassSchema,
    check_versions,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from faust.auth import Credentials
    from faust.types import TP
    from mode import Seconds

    from stream.core.mechanic import Installed
    from stream.kafka_clients import Security
    from stream.kernel.choice import Choice
    from stream.settings import Settings

log = structlog.get_logger(__name__)

# What the agent's queue may hold, in hauls and not in records.
STREAM_BUFFER_HAULS = 16
# How many records are taken from the fetcher at once, in slices.
DRAIN_SLICES = 4
# Bounds one answer of the broker. Faust wants the sum to be at least the session time-out.
REQUEST_OVER_SESSION_MS = 9_000
# Collect every 50 000 allocations; CPython's default is 700. Records and events hold no cycles. At 500 000 a collection
# paused the loop for 0.3 s, once a minute at 60 000 events/s.
GC_THRESHOLDS = (50_000, 200, 100)
# The time between two looks for documents that are due. Each room has a pace of its own; looks every 100 ms made each
# event wait 50 ms longer.
LOOK_MS = 25
# How much of the time to stop the last checkpoints may take.
HAND_OVER_S = 2.0
FLUSH_S = 0.5


class Worker:
    """One worker process, wired."""

    def __init__(
        self, settings: Settings, partitions: int, *, accept_data_loss: bool, mechanics: Installed = NO_MECHANICS
    ) -> None:
        self.settings = settings
        self.topics = input_topics(settings.topic_prefix)
        wall_clock = settings.clock == "wall"
        rules = settings.rules(mechanics)
        if settings.partitioner == "murmur2":
            rules = msgspec.structs.replace(rules, murmur2_partitions=partitions)
        self.metrics = Metrics(self.topics, observe_latency=wall_clock)
        self.notices = Notices(
            settings.brokers(),
            self.topics[TOPIC_NAMES.index("interactions")],
            lambda result: self.metrics.notices[result].inc(),
        )
        self.output_ends = OutputEnds(settings.brokers())
        self.owner_config = OwnerConfig(
            output_ends=self.output_ends,
            tell=self.notices.tell,
            bootstrap_servers=settings.brokers(),
            id_prefix=transactional_id_prefix(settings),
            member_name=settings.member_name,
            who=f"{settings.member_name or socket.gethostname()}:{os.getpid()}",
            topics=self.topics,
            outputs=OutputTopics.of(settings.topic_prefix, keep_claims=settings.keep_claims),
            partitions=partitions,
            max_queued_records=settings.max_queued_records,
            trusts_times=settings.record_times == "trusted",
            accept_data_loss=accept_data_loss,
            throttled=self.metrics.throttled,
            make_fold=lambda partition: PartitionFold(partition, rules, self.topics, mechanics=mechanics),
        )
        self.tasks = Tasks()
        self.pulse = health.Pulse()
        self.owners = Owners(
            self.owner_config,
            lambda: cast("BatchConsumer", self.app.consumer),
            self.tasks,
            self.metrics,
            slice_records=settings.slice_records,
            recheck=lambda: preflight.recheck_kafka(partial(check_kafka, settings)),
        )
        self.fold_loop = FoldLoop(self.owners, wall_clock=wall_clock, now_ms=now_ms)
        self.store = OverlayStore(settings.redis(), settings.topic_prefix, settings.redis_timeout_ms)
        self.projection = Projection(
            self.store,
            self.owners,
            self.metrics,
            interval_ms=min(LOOK_MS, settings.publish_interval_ms),
            batch_rooms=settings.redis_batch_rooms,
            wall_clock=wall_clock,
            now_ms=now_ms,
        )
        self.heartbeats = Heartbeats(self.store, self.owners, self.metrics, partitions=partitions, now_ms=now_ms)
        self.health = health.Health(self.owners, self.metrics, self.pulse, lambda: self.projection.answers)
        self.app = self._app()

    # -- Faust ---------------------------------------------------------------------------------------------------------

    def _app(self) -> faust.App:
        app = build_app(self.settings)
        app.transport = BatchTransport(
            app,
            self.owners,
            self.topics,
            bootstrap_servers=self.settings.brokers(),
            fetch_collect_ms=self.settings.fetch_collect_ms,
            drain_records=DRAIN_SLICES * self.settings.slice_records,
            haul_records=self.settings.slice_records,
            polled=self.pulse.polled,
            throttled=self.metrics.throttled,
        )
        # acks=False: Faust keeps no offsets of these topics, so none of its ack, gap and commit code runs.
        inputs = app.topic(*self.topics, schema=PassSchema(key_serializer="raw", value_serializer="raw"), acks=False)
        app.agent(inputs, name="fold", concurrency=1)(self._fold)
        # Faust holds its receivers weakly unless told otherwise.
        app.on_partitions_revoked.connect(cast("Any", self._on_revoked), weak=False)
        app.on_partitions_assigned.connect(cast("Any", self._on_assigned), weak=False)
        return app

    async def _fold(self, stream: Any) -> None:
        """The agent. Faust's supervisor would swallow an exception that left this loop, and the haul would be lost."""
        async for haul in stream:
            try:
                await self.fold_loop.handle(haul)
            except Exception as error:  # noqa: BLE001
                partitions = sorted({piece.partition for piece in haul})
                end_process(Exit.FOLD_FAILED, "the fold failed", partitions=partitions, exc_info=error)

    async def _on_revoked(self, _app: Any, revoked: set[TP], **_more: Any) -> None:
        del revoked  # an eager rebalance revokes everything
        with ends_the_process():
            await self.owners.on_revoked()

    async def _on_assigned(self, _app: Any, assigned: set[TP], **_more: Any) -> None:
        with ends_the_process():
            await self.owners.on_assigned(assigned, self.app.consumer_generation_id)

    # -- life ----------------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> Exit | None:
        """None after a stop that was asked for, else the reason why the process ends. Works until then."""
        for work, name in (
            (self.fold_loop.run_ticks(), "ticks"),
            (run_checkpoints(self.owners, self.app, self.settings.checkpoint_interval_ms), "checkpoints"),
            (self.projection.run_collect(), "collect documents"),
            (self.projection.run_write(), "write documents"),
            (self.heartbeats.run(), "heartbeats"),
            (self.health.run_watch(), "watch"),
            (
                preflight.run_watch_counts(self._partition_counts, self.topics, self.owner_config.partitions),
                "partition counts",
            ),
            # The first room that passes the exact bound needs them. Loaded in the midst of its show, numpy stopped the
            # loop for 0.28 s. Beside the joining of the group nothing waits for numpy.
            (asyncio.to_thread(sketches), "sketches"),
            (run_watch_group(self._group_error, self.owner_config.bootstrap_servers, self.owners.put_out), "group"),
        ):
            self.tasks.spawn(work, name)
        faust_runs = asyncio.create_task(self._run_faust(), name="faust")
        asked = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait({faust_runs, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            error = faust_runs.exception() or self.app.crash_reason
            refused = None if error is None else refused_permission(error, self.owner_config.bootstrap_servers, "Read")
            # End at once: tasks that wait for the consumer would be cancelled with it, and seem to have failed.
            if refused is not None:
                end_process(Exit.KAFKA_REFUSES, refused)
            ended = self.owners.put_out(error)
            end_process(ended.code, ended.message)
        await self._stop()
        asked.cancel()
        faust_runs.cancel()
        return None

    def _group_error(self) -> BaseException | None:
        return cast("BatchConsumer", self.app.consumer).group_error()

    async def _partition_counts(self) -> dict[str, int]:
        return await cast("BatchConsumer", self.app.consumer).partition_counts()

    async def _run_faust(self) -> None:
        await self.app.start()
        await self.app.wait_until_stopped()

    async def _stop(self) -> None:
        """Save, let go, leave the group. The next owner does what is not done within the time limit."""
        log.info("stopping")
        for owner in self.owners.live():
            await self.projection.collect(owner)
        await self.projection.flush(FLUSH_S)
        saved = await self.owners.hand_over(HAND_OVER_S)
        log.info("handed over", saved=saved)
        self.tasks.stopping()
        with contextlib.suppress(Exception):  # it never joined, or the consumer is gone: there is nothing to leave
            await cast("BatchConsumer", self.app.consumer).leave_when_stopped()
        await self.app.stop()
        await self.tasks.close(FLUSH_S)
        await self.notices.stop()
        await self.output_ends.stop()
        with contextlib.suppress(OSError):
            await self.store.close()


async def check_kafka(settings: Settings) -> int:
    """How many partitions the topics have.

    Raises:
        SnapupError: something is not as a worker needs it.
    """
    return await preflight.check_kafka(
        settings.brokers(),
        input_topics(settings.topic_prefix),
        OutputTopics.of(settings.topic_prefix, keep_claims=settings.keep_claims),
        group=settings.group,
        id_prefix=transactional_id_prefix(settings),
        signal_max_bytes=settings.signal_max_bytes,
    )


def transactional_id_prefix(settings: Settings) -> str:
    """The prefix of the transactional ids of checkpoints' producers. A dash and the partition follow it."""
    return f"{settings.group}-{settings.topic_prefix}"


def input_topics(prefix: str) -> tuple[str, ...]:
    """The full names of the input topics, in the order of the contract."""
    return tuple(f"{prefix}.{name}" for name in TOPIC_NAMES)


class NoTables(TableManager):
    """Faust's table manager for an app without a Table. Faust needs one to start."""

    mundane_level = "debug"

    async def sleep(self, n: Seconds) -> None:
        """Sleep, but not before the start: Faust waits a second there for Tables that late imports would declare."""
        if self._tables_finalized.is_set():
            await super().sleep(n)


class FaustApp(faust.App):
    """Faust's app without its data folder: without a Table, Faust writes nothing to disk."""

    mundane_level = "debug"
    companions: frozenset[str]

    async def on_first_start(self) -> None:
        """Create nothing."""


def build_app(settings: Settings) -> faust.App:
    """The Faust app with the settings of the fault tests. It has no transport, agents and signals yet."""
    session_s = settings.session_timeout_ms / 1000
    app = FaustApp(
        settings.group,
        broker=[f"kafka://{server.strip()}" for server in settings.bootstrap_servers.split(",")],
        broker_credentials=_credentials(settings.brokers().security),
        store="memory://",
        autodiscover=False,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        processing_guarantee="at_least_once",
        # One stand-by only makes Faust use the assignor: there is no Table that could have a stand-by.
        PartitionAssignor=CopartitionedAssignor,
        TableManager=NoTables,
        table_standby_replicas=1,
        stream_wait_empty=False,
        stream_buffer_maxsize=STREAM_BUFFER_HAULS,
        stream_recovery_delay=0.0,
        broker_session_timeout=session_s,
        broker_heartbeat_interval=settings.heartbeat_interval_ms / 1000,
        broker_rebalance_timeout=settings.rebalance_timeout_ms / 1000,
        broker_request_timeout=session_s + REQUEST_OVER_SESSION_MS / 1000,
        broker_max_poll_interval=300.0,
        # Owners say where to read. A log that does not reach there is an error.
        consumer_auto_offset_reset="none",
        consumer_max_fetch_size=settings.fetch_max_bytes,
        consumer_group_instance_id=settings.member_name,
        worker_redirect_stdouts=False,
    )
    app.in_worker = True
    app.companions = companions(input_topics(settings.topic_prefix))
    return app


def _credentials(security: Security) -> Credentials | None:
    """What Faust's clients show the brokers. All of it is said, because Faust's default is PLAIN without TLS."""
    context = tls_context(security) if security.tls else None
    if security.sasl:
        return SASLCredentials(
            username=security.username, password=security.password, ssl_context=context, mechanism=security.mechanism
        )
    return None if context is None else SSLCredentials(context)


@contextlib.contextmanager
def ends_the_process() -> Iterator[None]:
    """End the process when a rebalance handler fails in here: it leaves a state that nothing was written for."""
    try:
        yield
    except FatalError as error:
        end_process(error.code, error.message)
    except Exception as error:  # noqa: BLE001
        end_process(Exit.HELPER_FAILED, "a rebalance handler failed", exc_info=error)


@contextlib.asynccontextmanager
async def stop_signals(stop_timeout_ms: int) -> AsyncIterator[asyncio.Event]:
    """An event that SIGTERM or SIGINT sets. From then on the process ends within the time, whatever hangs.

    A second signal ends the process at once. Faust's own stop was seen to hang while the broker was away.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def asked() -> None:
        if stop.is_set():
            end_process(Exit.SLOW_STOP, "asked to stop twice")
        stop.set()
        late = threading.Timer(stop_timeout_ms / 1000, end_process, (Exit.SLOW_STOP, "stopping took too long"))
        late.daemon = True
        late.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def read_by(choice: Choice) -> Choice:
    """Let every consumer of this process read by the chosen kernel. Returns which that is; the log's first line tells.

    Raises:
        SnapupError: the native kernel was asked for and cannot be had.
    """
    kernel, why = chosen(choice)
    take_whole_batches(None if kernel is None else Packer(kernel))
    name: Choice = "python" if kernel is None else "native"
    log.info("worker starts", kernel=name, kernel_because=why)
    return name


async def run_worker(settings: Settings, *, accept_data_loss: bool = False, mechanics: Installed = NO_MECHANICS) -> int:
    """The exit code. Checks, wires, works, stops.

    Raises:
        SnapupError: something is not as it must be before the start.
    """
    check_versions()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.freeze()  # imported modules stay: no collection need look at them
    gc.enable()
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    configure_logging(settings.log_level, group=settings.group, member=settings.member_name or str(os.getpid()))
    kernel = read_by(settings.kernel)
    async with stop_signals(settings.stop_timeout_ms) as stop:
        partitions = await check_kafka(settings)
        worker = Worker(settings, partitions, accept_data_loss=accept_data_loss, mechanics=mechanics)
        worker.metrics.kernel.labels(kernel).set(1)
        served = await health.serve(worker.health, settings.metrics_host, settings.metrics_port)
        try:
            log.info("worker started", partitions=partitions, metrics=[str(site.name) for site in served.sites])
            ended = await worker.run(stop)
        finally:
            await served.cleanup()
        log.info("worker stopped", exit_code=int(ended or 0))
        return int(ended or 0)


def run_until_asked(settings: Settings, *, accept_data_loss: bool, mechanics: Installed) -> NoReturn:
    """Run a worker as this process, and end the process with its exit code.

    Raises:
        SnapupError: as `run_worker`.
    """
    leave(asyncio.run(run_worker(settings, accept_data_loss=accept_data_loss, mechanics=mechanics)))
