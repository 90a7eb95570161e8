"""What goes wrong in a run, and when: drawn from the seed, each kind present or not (so that rare ones meet)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from stream.worker.checkpoint import OutputTopics
from tests.simulation.network import LOST, Trap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from stream.worker.fetching import Haul
    from tests.simulation.worker import SimulatedWorker
    from tests.simulation.world import World

MOST_FAULTS = 9
FUSE_MOST = 40
STEPS = ("init", "produce", "commit", "offsets", "log ends", "heartbeat", "join", "fetch", "hint")


class Faults:
    """The hand that breaks things.

    Attributes:
        happened: what was done, with its time.
    """

    def __init__(self, world: World, plan: Random) -> None:
        self._world = world
        self._spoil_share = 0.0
        self.happened: list[str] = []
        kinds: list[Callable[[], str | None]] = [
            self._crash,
            self._crash,
            self._crash_at_request,
            self._pause,
            self._pause,
            self._pause_at_request,
            self._stop,
            self._more_or_fewer,
            self._rebalance,
            self._sleep_through_a_generation,
            self._coordinator_moves,
            self._lose_answer,
            self._refuse,
            self._tear,
            self._kafka_away,
            self._slow_host,
            self._wipe_redis,
            self._forget_scripts,
            self._redis_refuses,
            self._redis_slow,
            self._redis_full,
            self._spoil_slices,
            self._jump_clock,
            self._compact,
            self._namesake,
        ]
        chosen = [kind for kind in kinds if plan.random() < 0.4]
        times = sorted(0.2 + plan.random() * world.seconds for _ in range(int(plan.random() * MOST_FAULTS)))
        self._plan = [(at_s, chosen[int(plan.random() * len(chosen))]) for at_s in times] if chosen else []
        # Drawn after all others, so that these come as they came before there was this one.
        if plan.random() < 0.3:
            self._plan.append((0.2 + plan.random() * world.seconds, self._leaderless))
        self._ends_s = 0.0

    def add_namesakes(self, times: int) -> None:
        """So many processes more that come under a name that another one has, evenly over the run."""
        apart_s = self._world.seconds / (times + 1)
        self._plan += [(apart_s * (number + 1), self._namesake) for number in range(times)]

    def begin(self) -> None:
        """Plan them."""
        for at_s, fault in self._plan:
            self._world.at(at_s, lambda fault=fault: self._happen(fault))  # type: ignore[misc]

    def are_over(self) -> bool:
        """Nothing is broken any more, but for its consequences."""
        return self._world.loop.time() > self._ends_s

    def _happen(self, fault: Callable[[], str | None]) -> None:
        what = fault()
        if what is not None:
            self._note(what)

    def _note(self, what: str) -> None:
        self._world.note(f"FAULT {what}")
        self.happened.append(f"{self._world.loop.time():.3f} {what}")

    def _lasts(self, seconds: float) -> float:
        until_s = self._world.loop.time() + seconds
        self._ends_s = max(self._ends_s, until_s)
        return until_s

    def _seconds(self, most: float) -> float:
        """Mostly short."""
        return self._world.random.random() ** 2 * most

    def _pick(self) -> SimulatedWorker | None:
        workers = self._world.workers
        return workers[int(self._world.random.random() * len(workers))] if workers else None

    # -- processes -----------------------------------------------------------------------------------------------------

    def _crash(self) -> str | None:
        """Somewhere between two awaits, soon."""
        if (worker := self._pick()) is None:
            return None
        fuse = int(self._world.random.random() * FUSE_MOST)
        worker.process.arm(fuse, lambda: self._world.crash(worker))
        return f"crash {worker.name} after {fuse} steps"

    def _pause(self) -> str | None:
        if (worker := self._pick()) is None:
            return None
        fuse, seconds = int(self._world.random.random() * FUSE_MOST), self._seconds(4.0)
        self._lasts(seconds + 1)
        worker.process.arm(fuse, lambda: self._freeze(worker, seconds))
        return f"pause {worker.name} for {seconds:.3f} s after {fuse} steps"

    def _freeze(self, worker: SimulatedWorker, seconds: float) -> None:
        world = self._world
        world.note(f"{worker.name} sleeps")
        world.loop.pause(worker.process)

        def wake() -> None:
            world.note(f"{worker.name} wakes up")
            world.loop.resume(worker.process)

        world.at(self._lasts(seconds), wake)

    def _at_request(self, what: str, action: Callable[[SimulatedWorker], None]) -> str | None:
        if (worker := self._pick()) is None:
            return None
        random = self._world.random
        kind = STEPS[int(random.random() * len(STEPS))]
        when = "asked" if random.random() < 0.5 else "answered"
        self._world.network.traps.append(Trap(worker.name, kind, when, lambda: action(worker)))
        return f"{what} {worker.name} at its next {kind}, {when}"

    def _crash_at_request(self) -> str | None:
        return self._at_request("crash", self._world.crash)

    def _pause_at_request(self) -> str | None:
        seconds = self._seconds(4.0)
        return self._at_request(f"pause {seconds:.3f} s", lambda worker: self._freeze(worker, seconds))

    def _stop(self) -> str | None:
        worker = self._pick()
        if worker is None or worker.stopping or not hasattr(worker, "member"):
            return None
        worker.stopping = True
        worker.spawn(worker.stop())
        # What hangs is ended after a while, as the worker's own timer does.
        self._world.at(self._world.loop.time() + 4.0, lambda: self._world.crash(worker))
        return f"stop {worker.name}"

    def _more_or_fewer(self) -> str | None:
        world = self._world
        if world.wanted_workers < 3 and world.random.random() < 0.5:
            world.wanted_workers += 1
            world.start_worker()
            return "one more worker"
        if world.wanted_workers > 1:
            world.wanted_workers -= 1
            return self._stop() or self._crash()
        return None

    def _namesake(self) -> str | None:
        """A second process of one static name, as when a supervisor replaces a process that only slept."""
        worker = self._pick()
        if worker is None or worker.instance is None:
            return None
        seconds = self._seconds(4.0) if self._world.random.random() < 0.6 else 0.0
        if seconds:
            self._freeze(worker, seconds)
        self._world.start_namesake(worker)
        return f"a namesake of {worker.name}, which sleeps for {seconds:.3f} s"

    def _jump_clock(self) -> str | None:
        if (worker := self._pick()) is None:
            return None
        worker.clock_ahead_ms += int((self._world.random.random() - 0.5) * 4_000)
        return f"clock of {worker.name} is {worker.clock_ahead_ms} ms ahead"

    def _slow_host(self) -> str | None:
        if (worker := self._pick()) is None:
            return None
        seconds, most_s = self._seconds(1.5), self._seconds(1.0)
        self._world.network.slow_hosts[worker.name] = (self._lasts(seconds), most_s)
        return f"network of {worker.name} up to {most_s:.3f} s slower for {seconds:.3f} s"

    def _leaderless(self) -> str:
        """Of some output partitions, markers of aborts are left out; a rebalance or a crash makes such."""
        world, random = self._world, self._world.random
        partition, seconds = int(random.random() * world.partitions), 0.5 + self._seconds(3.0)
        chosen = {
            world.cluster.log(topic, partition) for topic in OutputTopics.of("live").all() if random.random() < 0.5
        }
        world.cluster.leaderless |= chosen
        world.at(self._lasts(seconds), lambda: world.cluster.leaderless.difference_update(chosen))
        topics = sorted(log.topic for log in chosen)
        return f"{self._crash() or self._rebalance()}; {topics}, {partition}, without a leader for {seconds:.3f} s"

    # -- the group and the slices --------------------------------------------------------------------------------------

    def _rebalance(self) -> str:
        self._world.coordinator.rebalance()
        return "rebalance"

    def _sleep_through_a_generation(self) -> str | None:
        """A rebalance begins, and one member sleeps from there until the others have shared its partitions."""
        if (worker := self._pick()) is None:
            return None
        seconds = 2.0 + self._seconds(2.0)
        self._world.coordinator.rebalance()
        self._world.network.traps.append(
            Trap(worker.name, "heartbeat", "answered", lambda: self._freeze(worker, seconds))
        )
        return f"rebalance, {worker.name} sleeps for {seconds:.3f} s from its next heartbeat"

    def _coordinator_moves(self) -> str:
        self._world.coordinator.forget_members()
        return "the group's coordinator forgets its members"

    def _spoil_slices(self) -> str:
        seconds = 0.2 + self._seconds(1.5)
        self._spoil_share = 0.15

        def heal() -> None:
            self._spoil_share = 0.0

        self._world.at(self._lasts(seconds), heal)
        return f"slices are dropped, doubled and swapped for {seconds:.3f} s"

    def spoil(self, haul: Haul) -> Sequence[Haul]:
        """What becomes of a haul on its way to the agent."""
        random = self._world.random
        if not self._spoil_share or random.random() > self._spoil_share:
            return (haul,)
        what = int(random.random() * 4)
        self._world.note(f"spoil {what}")
        cut = int(random.random() * len(haul))
        match what:
            case 0:
                return ()
            case 1:
                return haul, haul
            case 2:
                return (haul[::-1],)
            case _:
                return (haul[:cut] + haul[cut + 1 :],) if len(haul) > 1 else (haul, haul)

    # -- Kafka ---------------------------------------------------------------------------------------------------------

    def _trap(self, kind: str, when: str, spring: Callable[[], object]) -> None:
        self._world.network.traps.append(Trap(None, kind, when, spring))

    def _lose_answer(self) -> str:
        error: object = LOST if self._world.random.random() < 0.3 else KafkaTimeoutError()
        kind = "commit" if self._world.random.random() < 0.7 else "produce"
        self._trap(kind, "answered", lambda: error)
        return f"the answer to the next {kind} is lost{' for good' if error is LOST else ''}"

    def _refuse(self) -> str:
        kinds = ("init", "produce", "commit", "log ends", "heartbeat", "offsets")
        kind = kinds[int(self._world.random.random() * len(kinds))]
        self._trap(kind, "asked", KafkaTimeoutError)
        return f"the next {kind} fails"

    def _tear(self) -> str:
        self._trap("produce", "asked", MessageSizeTooLargeError)
        return "a batch of the next transaction is refused"

    def _kafka_away(self) -> str:
        seconds = self._seconds(5.0)
        self._world.network.away_until_s = self._lasts(seconds)
        return f"Kafka away for {seconds:.3f} s"

    def _compact(self) -> str:
        for (topic, _), log in self._world.cluster.logs.items():
            if topic == "live.checkpoints":
                log.compact()
        return "checkpoints compacted"

    # -- Redis ---------------------------------------------------------------------------------------------------------

    def _wipe_redis(self) -> str:
        self._world.redis.flush_all()
        return "FLUSHALL"

    def _forget_scripts(self) -> str:
        self._world.redis.scripts.clear()
        return "SCRIPT FLUSH"

    def _redis_refuses(self) -> str:
        seconds = self._seconds(2.5)
        self._world.redis.refuses_until_s = self._lasts(seconds)
        return f"Redis refuses for {seconds:.3f} s"

    def _redis_slow(self) -> str:
        seconds = self._seconds(2.5)
        self._world.redis.slow_until_s = self._lasts(seconds)
        self._world.redis.slow_most_s = self._world.random.random() * 1.5
        return f"Redis slow for {seconds:.3f} s"

    def _redis_full(self) -> str:
        seconds = self._seconds(2.0)
        self._world.redis.full_until_s = self._lasts(seconds)
        return f"Redis full for {seconds:.3f} s"
