"""The consumer group: who is a member, who owns what in which generation; and a member as Faust and aiokafka make it.

Eager: when somebody comes or goes, all give everything back and join anew. A member learns of it from its heartbeats;
one that sleeps learns of it when it wakes up. A process with a static name (KIP-345) that comes back in time takes the
place of the one before it, and nobody else learns of it. `history` remembers who owned what in which generation.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from faust.types import TP

from stream.worker.fetching import LogEnds, hauls
from stream.worker.ownership import Drained
from tests.simulation.loop import WORLD_CONTEXT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from random import Random

    from stream.worker.fetching import Haul, SliceDesk
    from tests.simulation.kafka_log import Cluster, Kept, PartitionLog
    from tests.simulation.network import Network

SESSION_S = 1.5
REBALANCE_S = 2.0
HEARTBEAT_S = 0.3
LOOK_S = 0.25
FIRST_JOIN_S = 0.2
QUEUE_HAULS = 16
FETCH_WAIT_S = 0.12
NOTHING_WANTED_S = 0.06
MOST_ON_THREAD_S = 0.004
BUSY_THREAD_SHARE, BUSY_THREAD_S = 0.06, 0.08


def _at_log_end(drain: Drained) -> bool:
    return drain.position is not None and drain.end_offset is not None and drain.position >= drain.end_offset


class ReplacedError(KafkaError):
    """Error 82, FENCED_INSTANCE_ID, which aiokafka has no class for: its consumer ends, and with it the worker."""


class Assignment(NamedTuple):
    """What a member is given."""

    member: str
    generation: int
    partitions: frozenset[int]


class _Member:
    __slots__ = ("heard_s", "host", "instance", "joining")

    def __init__(self, host: str, instance: str | None, now_s: float) -> None:
        self.host = host
        self.instance = instance
        self.heard_s = now_s
        self.joining: asyncio.Future[Assignment] | None = None


class Coordinator:
    """The group coordinator.

    Attributes:
        generation: of the group.
        history: generation → partition → its hosts, one after the other: a static name may change hands.
        committed: the group's offsets: hints, nothing may rest on them.
        taken: static name → the host whose request took it from another one last, and when.
    """

    def __init__(self, random: Random, partitions: int, network: Network, note: Callable[[str], None]) -> None:
        self._random = random
        self._partitions = partitions
        self._network = network
        self._note = note
        self._members: dict[str, _Member] = {}
        self._numbers = 0
        self._rebalancing_since: float | None = None
        self._owners: dict[int, str] = {}
        self.generation = 0
        self.history: dict[int, dict[int, list[str]]] = {}
        self.committed: dict[TP, int] = {}
        self.taken: dict[str, tuple[str, float]] = {}

    def look(self) -> None:
        """Every `LOOK_S`: members that were not heard of are put out, a rebalance ends."""
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        for name, member in list(self._members.items()):
            if member.joining is None and now_s - member.heard_s > SESSION_S:
                self._remove(name)
        if self._rebalancing_since is not None:
            waited_s = now_s - self._rebalancing_since
            if waited_s > REBALANCE_S:
                for name, member in list(self._members.items()):
                    if member.joining is None:
                        self._remove(name)
            self._end_rebalance(now_s)
        loop.call_later(LOOK_S, self.look, context=WORLD_CONTEXT)

    def _remove(self, name: str) -> None:
        self._note(f"group: {self._members[name].host} is out")
        del self._members[name]
        self.rebalance()

    def rebalance(self) -> None:
        """Everybody is to join anew."""
        if self._rebalancing_since is None:
            self._rebalancing_since = asyncio.get_running_loop().time()

    def forget_members(self) -> None:
        """The coordinator moved and knows nobody."""
        for name, member in list(self._members.items()):
            if member.joining is None:
                self._remove(name)

    async def join(self, host: str, member_name: str, instance: str | None = None) -> Assignment:
        """Wait until all have joined. `instance`: a static name."""
        loop = asyncio.get_running_loop()
        joined: asyncio.Future[Assignment] = loop.create_future()
        await self._network.call(host, "join", lambda: self._joins(host, member_name, instance, joined))
        return await joined

    def _joins(self, host: str, name: str, instance: str | None, joined: asyncio.Future[Assignment]) -> None:
        now_s = asyncio.get_running_loop().time()
        member = self._members.get(name)
        if member is None:
            self._numbers += 1
            name = f"{host}-{self._numbers}"
            member = _Member(host, instance, now_s)
            if (former := self._of_instance(instance)) is not None:
                self._replace(former, name, member)
                if self._rebalancing_since is None:
                    self._give(name, joined, now_s)
                    return
            self._members[name] = member
        member.joining = joined
        self.rebalance()
        self._end_rebalance(now_s)

    def _of_instance(self, instance: str | None) -> str | None:
        if instance is None:
            return None
        return next((name for name, member in self._members.items() if member.instance == instance), None)

    def _replace(self, former: str, name: str, member: _Member) -> None:
        """Another process takes the place of a static member; the former one is told when it asks for something."""
        waiting = self._members.pop(former).joining
        self._members[name] = member
        self._note(f"group: {member.host} takes the place of {former}")
        assert member.instance is not None
        self.taken[member.instance] = member.host, member.heard_s
        self._owners = {partition: name if owner == former else owner for partition, owner in self._owners.items()}
        if self._rebalancing_since is None:
            for partition, owner in self._owners.items():
                if owner == name:
                    self.history[self.generation][partition].append(member.host)
        if waiting is not None:
            delay_s = self._network.latency_s(member.host, asyncio.get_running_loop().time())
            asyncio.get_running_loop().call_later(delay_s, _refuse, waiting, context=WORLD_CONTEXT)

    def _end_rebalance(self, now_s: float) -> None:
        begun_s = self._rebalancing_since
        if begun_s is None or not self._members or any(member.joining is None for member in self._members.values()):
            return
        if now_s - begun_s < FIRST_JOIN_S * (self.generation == 0):
            return
        self._rebalancing_since = None
        self.generation += 1
        self._assign()
        self.history[self.generation] = {
            partition: [self._members[name].host] for partition, name in self._owners.items()
        }
        self._note(f"group: generation {self.generation} {self.history[self.generation]}")
        for name, member in self._members.items():
            joined, member.joining, member.heard_s = member.joining, None, now_s
            if joined is not None:
                self._give(name, joined, now_s)

    def _give(self, name: str, joined: asyncio.Future[Assignment], now_s: float) -> None:
        mine = frozenset(partition for partition, owner in self._owners.items() if owner == name)
        delay_s = self._network.latency_s(self._members[name].host, now_s)
        answer = Assignment(name, self.generation, mine)
        asyncio.get_running_loop().call_later(delay_s, _give, joined, answer, context=WORLD_CONTEXT)

    def _assign(self) -> None:
        """Mostly everybody keeps what he had; now and then all is dealt anew."""
        names = list(self._members)
        if self._random.random() < 0.3:
            self._owners = {}
        kept = {partition: name for partition, name in self._owners.items() if name in self._members}
        for partition in range(self._partitions):
            if partition not in kept:
                least = min(sum(owner == name for owner in kept.values()) for name in names)
                idle = [name for name in names if sum(owner == name for owner in kept.values()) == least]
                kept[partition] = self._random.choice(idle)
        self._owners = dict(sorted(kept.items()))

    def heartbeat(self, name: str, generation: int) -> bool:
        """Whether the member is one, and nothing else is to be done."""
        member = self._members.get(name)
        if member is None or generation != self.generation:
            return False
        member.heard_s = asyncio.get_running_loop().time()
        return self._rebalancing_since is None

    def leave(self, name: str) -> None:
        """A member goes in order."""
        if name in self._members:
            self._remove(name)

    def commit(self, name: str, generation: int, offsets: Mapping[TP, int]) -> None:
        """Group offsets.

        Raises:
            CommitFailedError: of a member of this generation only.
        """
        if name not in self._members or generation != self.generation:
            raise CommitFailedError
        self.committed.update(offsets)


def _give(joined: asyncio.Future[Assignment], assignment: Assignment) -> None:
    if not joined.done():
        joined.set_result(assignment)


def _refuse(joined: asyncio.Future[Assignment]) -> None:
    if not joined.done():
        joined.set_exception(ReplacedError("another process has joined under this static name"))


class GroupMember:
    """What Faust and aiokafka are to the worker: membership, the fetcher, and the queue before the agent.

    Args:
        host: the process.
        instance: its static name, if it has one.
        topics: the input topics.
        cluster: the logs.
        network: the way there.
        coordinator: of the group.
        random: for what the threads of the process do to each other.
        desk: says what to fetch.
        most_records: of one topic partition in one fetch.
        slice_records: a haul is closed when it holds so many.
        now_ms: the process's wall clock.
        revoked: called before joining.
        assigned: called with the partitions and the generation.
    """

    def __init__(
        self,
        *,
        host: str,
        instance: str | None,
        topics: Sequence[str],
        cluster: Cluster,
        network: Network,
        coordinator: Coordinator,
        random: Random,
        desk: SliceDesk,
        most_records: int,
        slice_records: int,
        now_ms: Callable[[], int],
        revoked: Callable[[], Awaitable[None]],
        assigned: Callable[[set[TP], int], Awaitable[None]],
    ) -> None:
        self.host = host
        self._instance = instance
        self._topics = tuple(topics)
        self._index = {topic: index for index, topic in enumerate(topics)}
        self._cluster = cluster
        self._network = network
        self._coordinator = coordinator
        self._random = random
        self._desk = desk
        self._most_records = most_records
        self._slice_records = slice_records
        self._now_ms = now_ms
        self._revoked = revoked
        self._assigned = assigned
        self._collects = False
        self._positions: dict[TP, int] = {}
        self._ends: dict[TP, tuple[int, int]] = {}
        self._stamps: dict[TP, int] = {}
        self._rejoin = asyncio.Event()
        self._flow = asyncio.Event()
        self._beating = False
        self._thread_free_s = 0.0
        self.member_id = ""
        self.generation = -1
        self.queue: asyncio.Queue[Haul] = asyncio.Queue(QUEUE_HAULS)
        self.when_ends_asked: Callable[[int], None] = lambda _: None
        self.spoil: Callable[[Haul], Sequence[Haul]] = lambda haul: (haul,)

    # -- membership ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Join, work, join anew, for as long as the process runs."""
        while True:
            self._flow.clear()
            await self._revoked()
            self._beating = False
            given = await self._coordinator.join(self.host, self.member_id, self._instance)
            self.member_id, self.generation = given.member, given.generation
            tps = {TP(topic, partition) for partition in sorted(given.partitions) for topic in self._topics}
            self._positions = {tp: self._coordinator.committed.get(tp, 0) for tp in sorted(tps)}
            self._ends = {}
            self._rejoin.clear()
            await self._assigned(tps, given.generation)
            self._beating = True
            # Faust resumes in a task of its own, some time later: what was queued meanwhile is gone.
            await asyncio.sleep(self._random.random() * 0.01)
            while not self.queue.empty():
                self.queue.get_nowait()
            self._flow.set()
            await self._rejoin.wait()

    async def run_heartbeats(self) -> None:
        """Beside everything else, but not while `assigned` is awaited."""
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            if self._beating:
                await self.heartbeat_now()

    async def heartbeat_now(self) -> bool:
        """Whether the group still knows this member."""
        name, generation = self.member_id, self.generation
        if not name:
            return False
        try:
            known = await self._network.call(
                self.host, "heartbeat", lambda: self._coordinator.heartbeat(name, generation)
            )
        except KafkaError:
            return False
        if not known:
            self._rejoin.set()
        return known

    async def leave(self) -> None:
        """Go in order."""
        self._flow.clear()
        self._beating = False
        name = self.member_id
        await self._network.call(self.host, "leave", lambda: self._coordinator.leave(name))

    # -- fetching ------------------------------------------------------------------------------------------------------

    async def run_fetch(self) -> None:
        """From the logs to the queue."""
        while True:
            await self._flow.wait()
            wanted = self._desk.wanted()
            if not wanted:
                await asyncio.sleep(NOTHING_WANTED_S)
                continue
            if self._collects:  # at the end of the log the broker holds its answer
                await asyncio.sleep(FETCH_WAIT_S)
            drains = await self._drain(sorted(wanted))
            await self._flow.wait()
            self._collects = all(_at_log_end(drain) for drain in drains)
            for haul in hauls(self._desk.cut(drains), self._slice_records):
                for each in self.spoil(haul):
                    await self.queue.put(each)

    async def _drain(self, wanted: Sequence[TP]) -> list[Drained]:
        asked = {tp: position for tp in wanted if (position := self._positions.get(tp)) is not None}
        answers = await self._network.call(self.host, "fetch", lambda: self._fetched(asked))
        # One moment of the consumer's thread, as in the worker's transport: what a seek has overtaken is dropped.
        drains = [self._drained(tp, asked.get(tp), answers.get(tp)) for tp in wanted]
        await self._from_thread()
        return drains

    def _fetched(self, asked: Mapping[TP, int]) -> dict[TP, tuple[list[Kept], int, int]]:
        fetched = {}
        for tp, position in asked.items():
            log = self._cluster.log(*tp)
            records, after = log.read(position, self._most_records, committed=False)
            fetched[tp] = (records, after, log.end)
        return fetched

    def _drained(self, tp: TP, asked: int | None, answer: tuple[list[Kept], int, int] | None) -> Drained:
        records: Sequence[Kept] = ()
        if answer is not None and asked is not None and self._positions.get(tp) == asked:
            records, self._positions[tp], end = answer
            self._ends[tp] = (end, self._now_ms())
        seen = self._ends.get(tp)
        return Drained(
            topic_index=self._index[tp.topic],
            partition=tp.partition,
            token=self._stamps.get(tp),
            records=records,
            position=self._positions.get(tp),
            end_offset=None if seen is None else seen[0],
            polled_at_ms=0 if seen is None else seen[1],
        )

    def _thread_s(self) -> float:
        """From one thread of the process to the other, which may be busy."""
        most_s = BUSY_THREAD_S if self._random.random() < BUSY_THREAD_SHARE else MOST_ON_THREAD_S
        return self._random.random() * most_s

    async def _to_thread(self) -> None:
        """To the consumer's thread: what is asked first is done first, as `run_coroutine_threadsafe` has it."""
        loop = asyncio.get_running_loop()
        self._thread_free_s = max(self._thread_free_s, loop.time() + self._thread_s())
        there: asyncio.Future[None] = loop.create_future()
        loop.call_at(self._thread_free_s, _is_there, there)
        await there

    async def _from_thread(self) -> None:
        """Back again; answers may overtake each other, which is more than real threads do."""
        await asyncio.sleep(self._thread_s())

    # -- for owners ----------------------------------------------------------------------------------------------------

    async def seek_fenced(self, partition: int, positions: Sequence[int], token: int) -> None:
        """Seek all topics of a partition, and stamp the token on what is fetched from there.

        Raises:
            IllegalStateError: the partition is not assigned.
        """
        at = {TP(topic, partition): position for topic, position in zip(self._topics, positions, strict=True)}
        await self._to_thread()
        for tp, position in at.items():
            if tp not in self._positions:
                raise IllegalStateError(f"{tp} is not assigned")
            self.seek(tp, position)
            self._stamps[tp] = token
        await self._from_thread()

    def seek(self, tp: TP, position: int) -> None:
        """The fetcher goes on there."""
        self._positions[tp] = position
        self._ends.pop(tp, None)

    async def log_ends(self, partition: int) -> LogEnds:
        """Where the logs begin and end."""
        logs = [self._cluster.log(topic, partition) for topic in self._topics]
        begin = await self._network.call(self.host, "offsets", lambda: [log.begin for log in logs])
        end = await self._network.call(self.host, "log ends", lambda: self._log_ends(logs))
        return LogEnds(begin, end)

    def _log_ends(self, logs: Sequence[PartitionLog]) -> list[int]:
        self.when_ends_asked(logs[0].partition)
        return [log.end for log in logs]

    async def commit_hint(self, saved: Mapping[int, Sequence[int]]) -> None:
        """Commit the saved offsets to the group."""
        offsets = {
            TP(topic, partition): position
            for partition, positions in saved.items()
            for topic, position in zip(self._topics, positions, strict=True)
        }
        name, generation = self.member_id, self.generation
        await self._network.call(self.host, "hint", lambda: self._coordinator.commit(name, generation, offsets))


def _is_there(there: asyncio.Future[None]) -> None:
    if not there.done():  # whoever waits may have been stopped meanwhile
        there.set_result(None)
