"""One run: a seed in, what happened out."""

from __future__ import annotations

import hashlib
import os
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from stream.kernel.library import chosen
from tests.simulation.faults import Faults
from tests.simulation.group import Coordinator, GroupMember
from tests.simulation.kafka_clients import ProducerTwin
from tests.simulation.kafka_log import Cluster, Draft
from tests.simulation.loop import WORLD_CONTEXT, SimulatedLoop
from tests.simulation.mechanics import with_mechanics
from tests.simulation.network import Network
from tests.simulation.oracle import Oracle
from tests.simulation.redis_server import RedisServer
from tests.simulation.seams import simulated_time
from tests.simulation.worker import RULES, SimulatedWorker, shared_metrics
from tests.simulation.workload import EVENTS_MAX, EVENTS_MIN, T0_MS, TOPICS, with_sessions, workload

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.kernel.library import Kernel

# By then everything must have come to rest: the longest time-outs and pauses of the worker, one after the other.
REST_S = 60.0
LOOK_S = 0.4
MOST_STEPS = 400_000
MARKER_MOST_S = 0.012
# Of the runs, in which the workers have static names.
STATIC_SHARE = 0.4
# Of the runs, in which hosts speak and a room that is silent for so long has ended its session.
SESSIONS_SHARE = 0.35
IDLE_LEAST_MS, IDLE_MORE_MS = 200, 400


def kernel_of(seed: int) -> Kernel | None:
    """The kernel of a run; None: Python. Where SNAPUP_KERNEL leaves it open, every second run has the native one."""
    choice: Any = os.environ.get("SNAPUP_KERNEL", "auto")
    return None if choice == "auto" and seed % 2 == 0 else chosen(choice)[0]


class Result(Struct):
    """Of one run. `digest`: of everything that was noted, in order: equal if and only if the runs were."""

    seed: int
    problems: list[str]
    digest: str
    seconds: float
    steps: int
    faults: list[str]
    documents: int
    sessions: int
    checkpoints: int
    records: int


class World:
    """Everything of one run. What a mutant breaks it replaces here: the producer, the member, the server of Redis."""

    make_producer: type[ProducerTwin] = ProducerTwin
    make_member: type[GroupMember] = GroupMember
    make_redis_server: type[RedisServer] = RedisServer

    def __init__(self, seed: int, say: Callable[[str], None] | None = None) -> None:
        self.seed = seed
        self.kernel = kernel_of(seed)
        self.random = Random(seed * 2 + 1)  # what happens; the plan below has its own
        plan = Random(seed * 2)
        self._say = say
        self._hash = hashlib.blake2b(digest_size=8)
        self.loop = SimulatedLoop(self.random)
        self.partitions = 1 + int(plan.random() * 3)
        self.seconds = 1.5 + plan.random() * 1.5
        self.network = Network(self.random, self.note)
        self.cluster = Cluster(lambda: T0_MS + int(self.loop.time() * 1000), self._later)
        self.redis = self.make_redis_server(self.random, self.loop.time)
        self.coordinator = Coordinator(self.random, self.partitions, self.network, self.note)
        # With a hand of its own, so that runs without sessions are what they were before there were such.
        hand = Random(f"sessions of {seed}")
        self.rules = RULES
        if hand.random() < SESSIONS_SHARE:
            self.rules = structs.replace(RULES, room_idle_ms=IDLE_LEAST_MS + int(hand.random() * IDLE_MORE_MS))
        self.oracle = Oracle(self.cluster, self.redis, self.rules)
        self.workers: list[SimulatedWorker] = []
        self.wanted_workers = 1 + int(plan.random() * 3)
        self.fetched_records = (2, 5, 40)[int(plan.random() * 3)]
        self.checkpoint_ms = 150 + int(plan.random() * 500)
        self.publish_ms = 60 + int(plan.random() * 200)
        self._started = 0
        self._sent = workload(
            plan, self.partitions, int(EVENTS_MIN + plan.random() * (EVENTS_MAX - EVENTS_MIN)), self.seconds
        )
        if self.rules is not RULES:
            self._sent = with_sessions(hand, self._sent, self.seconds, self.rules.room_idle_ms)
        self._sent = with_mechanics(seed, self._sent, self.seconds)
        self._next = 0
        self.faults = Faults(self, plan)
        self.static = plan.random() < STATIC_SHARE
        self.doubled: set[str] = set()  # static names that two processes had at once
        self._died_s: dict[str, float] = {}

    # -- what the rest tells -------------------------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """Something that happened: part of the digest."""
        line = f"{self.loop.time():10.6f} {text}"
        self._hash.update(line.encode())
        if self._say is not None:
            self._say(line)

    def _later(self, work: Callable[[], None], delay_s: float | None) -> None:
        if delay_s is None:
            delay_s = self.random.random() ** 4 * MARKER_MOST_S
        self.loop.call_later(delay_s, work, context=WORLD_CONTEXT)

    def at(self, when_s: float, work: Callable[[], Any]) -> None:
        """Do something at that second, by no worker's hand."""
        self.loop.call_at(when_s, work, context=WORLD_CONTEXT)

    # -- workers -------------------------------------------------------------------------------------------------------

    def start_worker(self) -> None:
        """One more, if one is wanted."""
        if len(self.workers) < self.wanted_workers:
            taken = {worker.instance for worker in self.workers}
            free = next(name for number in count() if (name := f"s{number}") not in taken)
            self._start(free if self.static else None)

    def start_namesake(self, worker: SimulatedWorker) -> None:
        """Another process under the static name of one that is there."""
        assert worker.instance is not None
        self.doubled.add(worker.instance)
        self._start(worker.instance)

    def is_doubled(self, instance: str | None) -> bool:
        """Whether two processes spoke under a static name: a namesake, or a dead one whose request arrived late."""
        host, taken_s = self.coordinator.taken.get(instance or "", ("", 0.0))
        return instance in self.doubled or self._died_s.get(host, taken_s) < taken_s

    def _start(self, instance: str | None) -> None:
        self._started += 1
        name = f"w{self._started}"
        worker = SimulatedWorker(self, name if instance is None else f"{instance}:{name}", instance)
        self.workers.append(worker)
        self.note(f"{worker.name} starts")
        worker.start()

    def crash(self, worker: SimulatedWorker, why: str = "crashes") -> None:
        """As by SIGKILL; a supervisor starts another."""
        if worker in self.workers:
            self.note(f"{worker.name} {why}")
            self.loop.crash(worker.process)
            self._died_s[worker.name] = self.loop.time()
            self.workers.remove(worker)
            self.at(self.loop.time() + 0.05 + self.random.random() * 0.8, self.start_worker)

    def worker_exits(self, worker: SimulatedWorker, why: str) -> None:
        """A worker gave up by itself: nothing that is simulated may make it do so."""
        self.oracle.complain(f"{worker.name}: {why}")
        self.crash(worker, why)

    def worker_stopped(self, worker: SimulatedWorker) -> None:
        """It was asked to, and is done."""
        self.crash(worker, "stopped")

    # -- the run -------------------------------------------------------------------------------------------------------

    def run(self) -> Result:
        """Run it."""
        with simulated_time(self):
            for _ in range(self.wanted_workers):
                self.at(self.random.random() * 0.3, self.start_worker)
            self.at(0.0, self.coordinator.look)
            self.at(0.0, self._produce)
            self.at(self.seconds, self._ask)
            self.faults.begin()
            if not self.loop.simulate(MOST_STEPS):
                self.oracle.complain(f"no rest after {self.loop.steps} steps")
            for error in self.loop.errors:
                self.oracle.complain(error)
            self.oracle.conclude()
            self.loop.close()
        shared_metrics()._seen.clear()
        return self._result()

    def _produce(self) -> None:
        sent, now_s = self._sent, self.loop.time()
        while self._next < len(sent) and sent[self._next].at_s <= now_s:
            record = sent[self._next]
            self._next += 1
            log = self.cluster.log(TOPICS[record.topic], record.partition)
            log.append([Draft(record.key, record.value)], self.cluster.now_ms(), hole=record.hole)
        if self._next < len(sent):
            self.at(sent[self._next].at_s, self._produce)

    def _ask(self) -> None:
        """Whether everything has come to rest."""
        now_s = self.loop.time()
        over = now_s > self.seconds + REST_S
        is_all_sent = self._next == len(self._sent)  # some records of a storm come after its end
        is_quiet = is_all_sent and self.faults.are_over() and self.oracle.is_all_saved()
        if over or (is_quiet and not self.oracle.differences()):
            self.note("rest")
            self.loop.stop()
        else:
            self.at(now_s + LOOK_S, self._ask)

    def _result(self) -> Result:
        return Result(
            seed=self.seed,
            problems=self.oracle.problems,
            digest=self._hash.hexdigest(),
            seconds=self.loop.time(),
            steps=self.loop.steps,
            faults=self.faults.happened,
            documents=self.oracle.documents,
            sessions=self.oracle.sessions,
            checkpoints=sum(
                record.key == b"m"
                for (topic, _), records in self.oracle.committed.items()
                if topic == "live.checkpoints"
                for record in records
            ),
            records=len(self._sent),
        )
