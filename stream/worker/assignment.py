"""The partitions of this process, and what a rebalance does to them.

Faust calls twice, with what is revoked and with what is assigned. The whole group waits for both answers, so both are
short. A take-over is a task of its own: no heartbeat runs during `assigned`, and a long answer would throw this member
out again and again.

An owner keeps its state over a rebalance only if this process missed no generation, so that no other process can have
owned the partition in between. Correctness does not rest on that: an owner that kept too much is fenced off at its next
checkpoint.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import structlog
from aiokafka.errors import MessageSizeTooLargeError
from faust.types import TP

from stream.exits import Exit
from stream.worker.checkpoint import LostError
from stream.worker.ownership import Drained, Phase, RewoundError, Slice
from stream.worker.partition_owner import Owner, OwnerConfig
from stream.worker.tasks import FatalError, Tasks, asked_to_stop, within

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from stream.core.partition import PartitionFold
    from stream.worker.fetching import LogEnds
    from stream.worker.metrics import Metrics

log = structlog.get_logger(__name__)

# The whole group waits for the slowest member's hand-over. Without a hand-over the next owner replays a second.
REVOKE_WAIT_S = 2.0
HEARTBEAT_WAIT_S = 5.0
SEEK_RETRY_S = 0.5
# A failed take-over is tried again after 0.5, 1, 2, ... 8 s.
RETRY_FIRST_S = 0.5
RETRY_MAX_S = 8.0
# After this many failures in a row the topics are checked again.
RECHECK_AFTER = 3
# Over all partitions, at most this many full queues of records may wait for topics with backlog.
QUEUES_MAX = 4
# How many restores may share the broker and this event loop.
TAKE_OVERS_AT_ONCE = 4
# How often a process with a static name may become a new member. With the shortest session time-out, its silence can
# put it out ten times.
JOINS_WITHIN_S = 60.0
JOINS_MAX = 15
JOINS_SPREAD = 16
# The shortest session time-out. A member that its silence puts out becomes a new one at most twice in this time.
SILENCE_MIN_S, SILENCE_JOINS_MAX = 6.0, 2


class GroupConsumer(Protocol):
    """The group's consumer, as far as owners need it."""

    @property
    def member_id(self) -> str:
        """The id by which the group knows this process. It changes whenever the process was put out or replaced."""
        ...

    def seek_fenced(self, partition: int, positions: Sequence[int], token: int) -> Awaitable[None]:
        """Seek all topics of a partition, and stamp the token on all records that are fetched from there."""
        ...

    def heartbeat_now(self) -> Awaitable[bool]:
        """Whether the group still knows this member."""
        ...

    def log_ends(self, partition: int) -> Awaitable[LogEnds]:
        """Where the logs of a partition begin and end."""
        ...


class Owners:
    """All owners of this process.

    Args:
        config: what the owners share.
        consumer: gives the group's consumer when it is needed: Faust makes the consumer late.
        tasks: runs take-overs.
        metrics: the metrics to count in.
        slice_records: how many records a slice may hold.
        recheck: checks Kafka again when partitions are lost again and again.
    """

    def __init__(
        self,
        config: OwnerConfig,
        consumer: Callable[[], GroupConsumer],
        tasks: Tasks,
        metrics: Metrics,
        *,
        slice_records: int,
        recheck: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._recheck = recheck
        self._rechecking = False
        self._config = config
        self._consumer = consumer
        self._tasks = tasks
        self._metrics = metrics
        self._slice_records = slice_records
        self._owners: dict[int, Owner] = {}
        self._failures: Counter[int] = Counter()
        self._held: dict[int, int] = {}  # partition → epoch of its last owner in this process
        self._generation = -1
        self._member_id = ""
        self._joined_at: list[float] = []
        self._all_topics = frozenset(range(len(config.topics)))
        self._acquiring = asyncio.Semaphore(TAKE_OVERS_AT_ONCE)
        self.assigned: frozenset[int] = frozenset()
        self.rebalancing_since: float | None = time.monotonic()
        self.stopping = False

    # -- look ----------------------------------------------------------------------------------------------------------

    def get(self, partition: int) -> Owner | None:
        """The owner of a partition, whatever its phase."""
        return self._owners.get(partition)

    def all(self) -> list[Owner]:
        """Every owner of this process."""
        return list(self._owners.values())

    def live(self) -> list[Owner]:
        """The owners that fold now."""
        return [owner for owner in self._owners.values() if owner.phase is Phase.LIVE]

    @property
    def rebalancing(self) -> bool:
        """Whether the process is between revoked and assigned, or before its first assignment."""
        return self.rebalancing_since is not None

    # -- the transport's desk ------------------------------------------------------------------------------------------

    def wanted(self) -> set[TP]:
        """The topic partitions to fetch now: those of live owners, except topics whose queues are full."""
        live = self.live()
        crowded = sum(owner.merge.queued_records() for owner in live) > QUEUES_MAX * self._config.max_queued_records
        wanted: set[TP] = set()
        for owner in live:
            # When crowded, fetch only the topics that a fold will soon wait for: memory stays bounded, no fold stops.
            topics = owner.merge.short_topics() if crowded else self._all_topics - owner.merge.full_topics()
            wanted.update(TP(self._config.topics[index], owner.partition) for index in topics)
        return wanted

    def cut(self, drained: Iterable[Drained]) -> Iterator[Slice]:
        """The slices of a drain. Records whose owner has changed meanwhile are left out."""
        for drain in drained:
            owner = self._owners.get(drain.partition)
            if owner is None:
                continue
            if drain.records and drain.token != owner.ownership.token:
                self._metrics.stale_slices.inc()
            try:
                yield from owner.ownership.cut(drain, self._slice_records)
            except RewoundError as error:
                self.heal(owner, str(error))

    def out_of_range(self, partition: int) -> None:
        """Pause a live owner whose log was cut off or made anew. It goes on only if no record is gone."""
        owner = self._owners.get(partition)
        if owner is None or owner.phase is not Phase.LIVE:
            return
        log.warning("out of the log's range", partition=partition, positions=list(owner.fold.positions))
        owner.pause()
        self._tasks.spawn(self._check_logs(owner), f"check logs {partition}")

    async def _check_logs(self, owner: Owner) -> None:
        with self._or_lost(owner):
            await owner.check_logs(self._consumer().log_ends)
        await self._go_live(owner)  # does nothing for a lost owner

    def count_stale(self) -> None:
        """Count a slice whose owner is gone."""
        self._metrics.stale_slices.inc()

    # -- rebalance -----------------------------------------------------------------------------------------------------

    async def on_revoked(self) -> None:
        """Stop folding and save. Owners stay in memory: an eager rebalance mostly gives the same partitions back."""
        self.rebalancing_since = time.monotonic()
        owners = self.all()
        for owner in owners:
            owner.pause()
        log.info("partitions revoked", partitions=sorted(self._owners))
        await self._checkpoint_all(owners, REVOKE_WAIT_S)

    async def on_assigned(self, assigned: Iterable[TP], generation: int) -> None:
        """Drop the partitions that are no longer ours, go on with those that still are, take over the rest."""
        partitions = self._copartitioned(assigned)
        # With a new member id, the group had put us out, or another process has had our static name meanwhile.
        member_id = self._consumer().member_id
        self._refuse_a_war(member_id)
        missed = generation != self._generation + 1 or member_id != self._member_id
        kept = frozenset() if missed else partitions & self._owners.keys()
        saved_at = {partition: owner.saved_at for partition, owner in self._owners.items()}
        for partition in set(self._owners) - kept:
            self._drop(self._owners[partition])
        self._generation, self._member_id = generation, member_id
        self.assigned, self.rebalancing_since = partitions, None
        log.info("partitions assigned", partitions=sorted(partitions), kept=sorted(kept), generation=generation)
        for partition in sorted(partitions):
            owner = self._owners.get(partition)
            if owner is None:
                self._take(partition, carried_at=saved_at.get(partition))
            elif owner.phase is Phase.READY:  # an owner that is still acquiring goes live by itself
                self._tasks.spawn(self._go_live(owner), f"go live {partition}")

    def _refuse_a_war(self, member_id: str) -> None:
        """End where two processes of one static name throw each other out too fast to look into the checkpoint.

        A member that its silence puts out comes back at most once a session time-out. The bound differs from process
        to process, so that not both processes end.
        """
        if member_id == self._member_id or self._config.member_name is None:
            return
        now_s = time.monotonic()
        self._joined_at = [at for at in self._joined_at if now_s - at < JOINS_WITHIN_S] + [now_s]
        if len(self._joined_at) > JOINS_MAX + os.getpid() % JOINS_SPREAD:
            raise self._at_war(len(self._joined_at), JOINS_WITHIN_S)

    def _at_war(self, times: int, within_s: float) -> FatalError:
        return FatalError(
            Exit.DUPLICATE_MEMBER,
            f"The group took {self._config.who} for a new member {times} times within {within_s:.0f} s. Two processes "
            f"have the member name {self._config.member_name}: give each worker a name of its own. Nothing is lost.",
        )

    def put_out(self, error: BaseException | None) -> FatalError:
        """The error that ends this process when its consumer has ended, or when the group refuses this member.

        A broker answers UNKNOWN to a static member that another process replaces while it joins, also at its first
        join. The cause is then not certain, and the error says so.
        """
        since_s = time.monotonic() - SILENCE_MIN_S
        joins = sum(at > since_s for at in self._joined_at)
        if joins > SILENCE_JOINS_MAX:
            return self._at_war(joins, SILENCE_MIN_S)
        name = self._config.member_name
        hint = "" if name is None else f" The broker answers so too when two processes have the member name {name}."
        return FatalError(Exit.CONSUMER_FAILED, f"The consumer ended, or the group refuses it: {error!r}.{hint}")

    def _copartitioned(self, assigned: Iterable[TP]) -> frozenset[int]:
        """The partitions of an assignment. Each must come with all topics, or a room would be folded in part."""
        topics_of: dict[int, set[str]] = defaultdict(set)
        for tp in assigned:
            if tp.topic in self._config.topics:
                topics_of[tp.partition].add(tp.topic)
        for partition, topics in sorted(topics_of.items()):
            missing = sorted(set(self._config.topics) - topics)
            if missing:
                raise FatalError(Exit.NOT_COPARTITIONED, self._without_topic(partition, missing[0]))
        return frozenset(topics_of)

    def _without_topic(self, partition: int, topic: str) -> str:
        owner = self._owners.get(partition)
        known = owner is not None and owner.phase is Phase.READY
        folded = f", folded to {owner.fold.positions[self._config.topics.index(topic)]}" if owner and known else ""
        return (
            f"Partition {partition} was assigned without its topic {topic}{folded}. Was the topic deleted? Then what "
            "came after that is gone: make it anew (`snapup topics apply`) and start once with --accept-data-loss. "
            "Else workers of this group subscribe to different topics, or use another assignor: stop all, then start "
            "one version."
        )

    # -- take over -----------------------------------------------------------------------------------------------------

    def _take(self, partition: int, delay_s: float = 0.0, carried_at: float | None = None) -> None:
        owner = self._owners[partition] = Owner(self._config, partition, self._held.get(partition), carried_at)
        self._tasks.spawn(self._take_over(owner, delay_s), f"take over {partition}")

    async def _take_over(self, owner: Owner, delay_s: float) -> None:
        if delay_s:
            await asyncio.sleep(delay_s)
        with self._or_lost(owner):
            async with self._acquiring:
                await self._check_member()
                if owner.gone:
                    return
                acquired = await owner.acquire(self._consumer().log_ends)
        if self._owners.get(owner.partition) is not owner:
            return
        self._held[owner.partition] = owner.epoch
        self._metrics.taken_over(acquired)
        log.info(
            "partition taken over",
            partition=owner.partition,
            epoch=owner.epoch,
            records=acquired.records,
            fence_ms=round(acquired.fence_s * 1e3),
            restore_ms=round(acquired.restore_s * 1e3),
            ends_ms=round(acquired.ends_s * 1e3),
            load_ms=round(acquired.load_s * 1e3),
            announce_ms=round(acquired.announce_s * 1e3),
            positions=list(owner.saved),
            behind=acquired.behind,
        )
        await self._go_live(owner)

    async def _check_member(self) -> None:
        """Raise unless the group knows this member: one that slept and is out would fence off the rightful owner."""
        if not await within(_ask(self._consumer().heartbeat_now()), HEARTBEAT_WAIT_S):
            raise LostError("the group does not know this member any more")

    async def _go_live(self, owner: Owner) -> None:
        """Seek to where the state ends. A rebalance refuses the seek; then the next assignment tries again."""
        while owner.phase is Phase.READY and not self.rebalancing and not self.stopping:
            token = owner.ownership.seeking(owner.fold.positions)
            try:
                await self._consumer().seek_fenced(owner.partition, owner.ownership.accepted_to, token)
            except (Exception, asyncio.CancelledError) as error:
                if asked_to_stop(error):
                    raise
                log.info("seek refused", partition=owner.partition, error=repr(error))
                await asyncio.sleep(SEEK_RETRY_S)
                if owner.ownership.token != token:  # another task seeks
                    return
                continue
            if owner.ownership.went_live(token):
                log.info("partition live", partition=owner.partition, epoch=owner.epoch)
            return

    def heal(self, owner: Owner, why: str) -> None:
        """Forget the slices on their way and seek anew: one is missing between fetch and fold."""
        if owner.phase is not Phase.LIVE:
            return
        self._metrics.reseeks.inc()
        log.info("seeking again", partition=owner.partition, why=why)
        owner.pause()
        self._tasks.spawn(self._go_live(owner), f"heal {owner.partition}")

    # -- save ----------------------------------------------------------------------------------------------------------

    async def checkpoint(self, owner: Owner) -> None:
        """Save one partition. Any failure ends its owner."""
        begun = time.perf_counter()
        try:
            written = await owner.checkpoint()
        except FatalError as error:
            self._lost(owner, error)
            raise
        except (Exception, asyncio.CancelledError) as error:
            self._lost(owner, error)
            if asked_to_stop(error):
                raise
            return
        if written is not None:
            # Only now: an owner that announced itself and could save nothing has failed.
            self._failures.pop(owner.partition, None)
            self._metrics.checkpointed(written, time.perf_counter() - begun)

    def spawn_checkpoint(self, owner: Owner) -> asyncio.Task[None]:
        """The task that saves one partition beside everything else."""
        return self._tasks.spawn(self.checkpoint(owner), f"save {owner.partition}")

    async def _checkpoint_all(self, owners: Iterable[Owner], timeout_s: float) -> bool:
        """Whether all owners were saved in time."""
        tasks = [self.spawn_checkpoint(owner) for owner in owners]
        if not tasks:
            return True
        _done, pending = await asyncio.wait(tasks, timeout=timeout_s)
        return not pending

    @contextmanager
    def _or_lost(self, owner: Owner) -> Iterator[None]:
        """An error in here ends the owner and not the task. A FatalError and a request to stop are raised."""
        try:
            yield
        except FatalError:
            raise
        except (Exception, asyncio.CancelledError) as error:
            self._lost(owner, error)
            if asked_to_stop(error):
                raise

    def _lost(self, owner: Owner, error: BaseException) -> None:
        """Drop an owner that may not go on. If the partition is still assigned to us, take it over anew."""
        partition = owner.partition
        if owner.phase is Phase.GONE:
            return
        self._failures[partition] += 1
        delay_s = min(RETRY_FIRST_S * 2 ** min(self._failures[partition] - 1, 10), RETRY_MAX_S)
        log.warning("partition lost", partition=partition, phase=owner.phase, epoch=owner.epoch, error=repr(error))
        self._metrics.lost(error)
        again = self._failures[partition] % RECHECK_AFTER == 0 or isinstance(error, MessageSizeTooLargeError)
        if self._recheck is not None and not self._rechecking and again:
            self._rechecking = True
            self._tasks.spawn(self._check_again(self._recheck), "check Kafka again")
        mine = self._owners.get(partition) is owner
        self._drop(owner)
        if mine and partition in self.assigned and not self.stopping:
            self._take(partition, delay_s, owner.saved_at)

    async def _check_again(self, recheck: Callable[[], Awaitable[None]]) -> None:
        """Check Kafka again: a failure that repeats has a cause, and the process ends with its name."""
        try:
            await recheck()
        finally:
            self._rechecking = False

    def _drop(self, owner: Owner) -> None:
        self._metrics.harvest(owner)
        self._metrics.forget(owner)
        if self._owners.get(owner.partition) is owner:
            del self._owners[owner.partition]
        fold = owner.fold
        writer = owner.close()
        self._tasks.spawn(_free(fold), f"free {owner.partition}")
        if writer is not None:
            self._tasks.spawn(writer.stop(), f"stop producer {owner.partition}")

    # -- stop ----------------------------------------------------------------------------------------------------------

    async def hand_over(self, timeout_s: float) -> bool:
        """Whether everything was saved in time. All owners are dropped."""
        self.stopping = True
        owners = self.all()
        for owner in owners:
            owner.pause()
        saved = await self._checkpoint_all(owners, timeout_s)
        for owner in owners:
            self._drop(owner)
        return saved


async def _free(fold: PartitionFold) -> None:
    """Free a fold that is not used any more. At once, half a million orders would stop the loop for half a second."""
    for _ in fold.letting_go():
        await asyncio.sleep(0)


async def _ask(work: Awaitable[bool]) -> bool:
    return await work
