"""One partition in this process: its fold, its merge of topics, its transactional producer, and who may use them.

Everything that changes state is synchronous, so state and offsets never part. A cut takes all that is saved in one
step, and the transaction writes it afterwards. State that cannot be proven to be ours is dropped, never repaired.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from msgspec import Struct

from stream.core.merge import TopicMerge
from stream.core.misplaced import Notice
from stream.core.partition import PartitionFold
from stream.core.saved.frames import CorruptCheckpointError
from stream.core.saved.growth import VERSION_1
from stream.core.saved.journal import Segment, encode_segment
from stream.exits import Exit
from stream.kafka_clients import KafkaAt
from stream.worker.checkpoint import (
    CheckpointWriter,
    Contents,
    LostError,
    Meta,
    OutputTopics,
    Written,
    check_sizes,
)
from stream.worker.dead_letters import dead_letter, tell_noted
from stream.worker.going_back import refuse_lost_state
from stream.worker.open_transactions import OutputEnds, OutputPartitions
from stream.worker.ownership import Ownership, Phase
from stream.worker.permissions import naming_refusals
from stream.worker.pump import Pump
from stream.worker.refusals import Refusals
from stream.worker.restore import Restored, restore, start_positions, within_logs
from stream.worker.tasks import FatalError, LongWork
from stream.worker.throttling import Told

if TYPE_CHECKING:
    from stream.core.histories import Charted
    from stream.core.publishing import Published
    from stream.core.saved.journal import Steps
    from stream.worker.fetching import LogEnds

log = structlog.get_logger(__name__)

VERSION = version("snapup")
# The most that one question for the ends of the logs may take.
ENDS_WAIT_S = 8.0


class OwnerConfig(Struct, frozen=True, kw_only=True):
    """What all owners of a process share.

    Attributes:
        bootstrap_servers: Kafka, and how it is reached.
        id_prefix: the prefix of the transactional ids; the partition follows. It stays the same over restarts, or
            nothing is fenced.
        who: the name of this process, for people who read a checkpoint.
        member_name: the static name of this process. No other process may have it; `who` begins with it.
        topics: full names of the input topics, in the order of the contract.
        outputs: the topics that checkpoints write.
        partitions: how many partitions each topic has.
        max_queued_records: how many records of a topic may wait in the merge.
        trusts_times: producers' record times move the clock even beyond the wall clock, as for a show that is played
            faster than life.
        accept_data_loss: go on where records are missing instead of ending the process.
        make_fold: makes the empty state of a partition.
        tell: sends notices to rooms of other partitions; never raises.
        make_producer: makes the producer of checkpoints; takes aiokafka's arguments.
        make_consumer: makes the consumer of a restore; takes aiokafka's arguments.
        output_ends: says what is open in the outputs.
        throttled: is told how long quotas hold our clients back.
        loading: held by the owner that makes its rooms: one after the other, the first is done long before the last.
    """

    bootstrap_servers: KafkaAt
    id_prefix: str
    who: str
    member_name: str | None = None
    topics: tuple[str, ...]
    outputs: OutputTopics
    partitions: int
    max_queued_records: int
    trusts_times: bool = False
    accept_data_loss: bool
    output_ends: OutputEnds
    make_fold: Callable[[int], PartitionFold]
    tell: Callable[[Sequence[Notice]], Awaitable[None]] | None = None
    make_producer: Callable[..., Any] = AIOKafkaProducer
    make_consumer: Callable[..., Any] = AIOKafkaConsumer
    throttled: Told | None = None
    loading: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)


class AskLogEnds(Protocol):
    """Where the logs of a partition begin and end."""

    def __call__(self, partition: int) -> Awaitable[LogEnds]:
        """Ask the broker."""
        ...


class Acquired(Struct, frozen=True):
    """How a take-over went.

    Attributes:
        records: how many state records were read.
        bytes: the bytes of their keys and values.
        fence_s: fencing off older owners.
        restore_s: reading the state records.
        ends_s: asking where outputs and inputs end.
        load_s: making the rooms of the records, with the wait for other partitions of the process.
        announce_s: the first transaction.
        behind: how many records must be folded before anything is published. These are the records that an earlier
            owner folded and did not save, and the records that came meanwhile.
    """

    records: int
    bytes: int
    fence_s: float
    restore_s: float
    ends_s: float
    load_s: float
    announce_s: float
    behind: int = 0


class Owner:
    """The present owner of one partition.

    Attributes:
        ownership: phase, token and the hand-over of slices.
        fold: the state; its `positions` say what it reflects.
        merge: slices that wait for their turn.
        epoch: this owner's number; later owners have greater ones.
        saved: the positions of the last committed checkpoint.
        saved_at: monotonic seconds of the last committed checkpoint, or of the last moment with nothing to save. Until
            this owner announces itself: of the partition's last checkpoint, whoever committed it.
        cut_s: how long a cut takes: the shorter of the last two, since another task may hold up a single cut.
        signals_left_out: how many documents went to the topic `signals` without their longest lists. Redis has them
            whole.
        claims_kept: how many records went to the topic `claims`. `claims_kept_bytes`: the bytes of their keys and
            values.
        outbox: the newest document of each room that Redis has not accepted yet.
        shown_ms: per room, the append time of the newest record that was shown. Records that were already in the
            restored state count as shown.
        refusals: the rooms whose documents Redis' guard does not take, and for how long.
        reproject: publish every room anew, changed or not.
        pump: folds the accepted slices, and moves the clock.

    Args:
        config: what all owners of the process share.
        partition: the partition.
        held_epoch: the epoch of the partition's last owner in this same process.
        carried_at: `saved_at` of the owner that this process lost before.
    """

    def __init__(
        self, config: OwnerConfig, partition: int, held_epoch: int | None = None, carried_at: float | None = None
    ) -> None:
        self.config = config
        self._held_epoch = held_epoch
        self.partition = partition
        self.ownership = Ownership(partition, len(config.topics))
        self.fold = config.make_fold(partition)
        self.merge = TopicMerge(len(config.topics), config.max_queued_records, trusts_times=config.trusts_times)
        self.pump = Pump(self.ownership, self.merge, self.fold)
        self.epoch = 0
        self.saved: tuple[int, ...] = ()
        self._carried_at = carried_at
        self.saved_at = time.monotonic() if carried_at is None else carried_at
        self.cut_s = self._last_cut_s = 0.0
        self.outbox: dict[str, Published] = {}
        self.histories: dict[str, Charted] = {}
        self.shown_ms: dict[str, int] = {}
        self.refusals = Refusals()
        self.reproject = True
        self.lock = asyncio.Lock()  # one transaction at a time
        self.writer: CheckpointWriter | None = None
        self.signals_left_out = 0
        self._told_left_out: set[str] = set()
        self.claims_kept = self.claims_kept_bytes = 0
        self._seq = 0
        self._clock_ms = -1
        self._replay_to: list[int] | None = None

    @property
    def phase(self) -> Phase:
        """How far this owner has come."""
        return self.ownership.phase

    @property
    def gone(self) -> bool:
        """Whether this owner has ended."""
        return self.ownership.phase is Phase.GONE

    # -- acquire -------------------------------------------------------------------------------------------------------

    async def acquire(self, log_ends: AskLogEnds) -> Acquired:
        """How the take-over went: fence off older owners, restore, announce. Afterwards the owner is READY.

        Raises:
            FatalError: the checkpoint or the logs are not what they should be.
            LostError: another process wrote meanwhile, or the partition went away.
        """
        config, partition = self.config, self.partition
        begun = time.perf_counter()
        self.writer = CheckpointWriter(
            config.bootstrap_servers,
            f"{config.id_prefix}-{partition}",
            config.outputs,
            partition,
            config.make_producer,
            config.throttled,
        )
        with naming_refusals(config.bootstrap_servers, "Write"):
            await self.writer.fence()
        fenced = time.perf_counter()
        with naming_refusals(config.bootstrap_servers, "Read"):
            restored = await restore(
                config.bootstrap_servers,
                config.outputs.checkpoints,
                partition,
                self._load,
                config.make_consumer,
                beside=(config.outputs.journal, config.outputs.signals),
                throttled=config.throttled,
            )
        self.writer.landings.least[config.outputs.checkpoints] = restored.end_offset
        self._note_saved(restored)
        read = time.perf_counter()
        outputs = OutputPartitions(config.output_ends, config.outputs, partition)
        with naming_refusals(config.bootstrap_servers, "Read"):
            open_before = await outputs.end_open(self.writer, restored.meta)
        if open_before is not None:
            raise LostError(open_before)
        # Ask after the fence: all records that the old owner may have published lie before these ends.
        ends = await asyncio.wait_for(_ask(log_ends(partition)), ENDS_WAIT_S)
        asked = time.perf_counter()
        await self._adopt(restored, ends)
        loaded = time.perf_counter()
        await self._announce(restored.end_offset)
        self._replay_to = list(ends.end)
        if not self.ownership.restored():
            raise LostError("the partition went away while it was being acquired")
        announced = time.perf_counter()
        behind = sum(max(0, end - at) for end, at in zip(ends.end, self.saved, strict=True))
        return Acquired(
            records=restored.records,
            bytes=restored.bytes,
            fence_s=fenced - begun,
            restore_s=read - fenced,
            ends_s=asked - read,
            load_s=loaded - asked,
            announce_s=announced - loaded,
            behind=behind,
        )

    def _note_saved(self, restored: Restored) -> None:
        """Take over the age of the last committed checkpoint, whoever committed it."""
        if restored.saved_ms >= 0:
            age_s = max(0.0, time.time() - restored.saved_ms / 1000)
            saved_at = time.monotonic() - age_s
            self.saved_at = max(saved_at, self._carried_at) if self._carried_at is not None else saved_at

    def _load(self, key: bytes, value: bytes | None) -> None:
        self._still_ours()
        self.fold.load(key, value)

    async def _adopt(self, restored: Restored, ends: LogEnds) -> None:
        config, meta = self.config, restored.meta
        if meta is None and restored.records:
            raise LostError(f"{restored.records} state records but no meta record")
        if meta is None and not config.accept_data_loss:
            refuse_lost_state(config.topics, self.partition, ends, config.outputs.checkpoints, restored.beside)
        if meta is not None:
            self._refuse_a_namesake(meta)
        positions = start_positions(
            meta, config.topics, self.partition, config.partitions, ends, accept_data_loss=config.accept_data_loss
        )
        self.epoch = (meta.epoch if meta else 0) + 1
        self._clock_ms = meta.clock_ms if meta else -1
        self.saved = tuple(positions)
        if meta is not None:  # with --accept-data-loss the saved positions differ from the positions to go on at
            self.saved = tuple(map(meta.positions.get, config.topics, positions))
        await self._load_finished(positions, meta.version if meta else VERSION_1)
        self.shown_ms = {room_id: room.last_append_ms for room_id, room in self.fold.rooms.items()}

    async def check_logs(self, log_ends: AskLogEnds) -> None:
        """Check that the logs still hold the next records to fold.

        Raises:
            FatalError: they do not.
        """
        ends = await asyncio.wait_for(_ask(log_ends(self.partition)), ENDS_WAIT_S)
        if self.phase is Phase.READY:
            positions = dict(zip(self.config.topics, self.fold.positions, strict=True))
            within_logs(positions, self.config.topics, self.partition, ends, accept_data_loss=False)

    def _refuse_a_namesake(self, meta: Meta) -> None:
        """End if a later owner has our static name while we live: two such processes throw each other out for ever."""
        name = self.config.member_name
        if name is None or self._held_epoch is None or meta.epoch <= self._held_epoch or meta.owner == self.config.who:
            return
        if meta.owner.rpartition(":")[0] == name:
            raise FatalError(
                Exit.DUPLICATE_MEMBER,
                f"{self.config.outputs.checkpoints}, partition {self.partition}: {meta.owner} has claimed epoch "
                f"{meta.epoch} while {self.config.who} was alive. Two processes have the member name {name}: give each "
                "worker a name of its own. Nothing is lost.",
            )

    async def _load_finished(self, positions: list[int], version: int) -> None:
        """Make the rooms from the loaded records. Other partitions of the process get their turn meanwhile."""
        try:
            async with self.config.loading:
                self._still_ours()
                work = LongWork()
                for _ in self.fold.loading(positions, self._clock_ms, version):
                    if work.turn_is_over():
                        await work.give_way()
                        self._still_ours()
        except CorruptCheckpointError as error:
            raise FatalError(
                Exit.FOREIGN_CHECKPOINT,
                f"{self.config.outputs.checkpoints}, partition {self.partition}, cannot be read ({error}): run the "
                "Snapup that wrote it, or use another topic prefix.",
            ) from error

    def _still_ours(self) -> None:
        if self.gone:
            raise LostError("the partition went away while it was being restored")

    async def _announce(self, end_offset: int) -> None:
        """Write for the first time: the epoch is durable before anything is folded, and no other owner writes."""
        steps = self.fold.journal.claim(self._clock_ms, self.saved)
        self.saved = tuple(self.fold.positions)
        meta = self._meta(self.saved, self.fold.version, claim=True)
        contents = Contents(meta, journal=self._segment(meta, steps))
        with naming_refusals(self.config.bootstrap_servers, "Write"):
            await self._writer().write(contents, first_offset=end_offset)
        self.saved_at = time.monotonic()

    def _writer(self) -> CheckpointWriter:
        if self.writer is None:
            raise LostError("the partition went away")
        return self.writer

    def _meta(self, positions: tuple[int, ...], version: int, *, claim: bool = False) -> Meta:
        self._seq += 1
        return Meta(
            version=version,
            epoch=self.epoch,
            seq=self._seq,
            owner=self.config.who,
            claim=claim,
            positions=dict(zip(self.config.topics, positions, strict=True)),
            clock_ms=self._clock_ms,
            partitions=self.config.partitions,
        )

    # -- save ----------------------------------------------------------------------------------------------------------

    async def checkpoint(self) -> Written | None:
        """What was saved; None if nothing had changed. Whatever is raised, this owner must be given up."""
        async with self.lock:
            if self.phase not in (Phase.READY, Phase.LIVE) or self.writer is None:
                return None
            contents = self._timed_cut()
            written = None
            if contents is not None:
                if contents.notices and self.config.tell is not None:
                    await self.config.tell(contents.notices)
                with naming_refusals(self.config.bootstrap_servers, "Write"):
                    written = await self.writer.write(check_sizes(contents, f"partition {self.partition}"))
                self.saved = tuple(contents.meta.positions.values())
            self.saved_at = time.monotonic()
            return written

    def _note_shortened(self, signals: Sequence[Published]) -> None:
        """Count the documents that were too large for `signals`, and name each of their rooms once."""
        for each in signals:
            if not each.whole_bytes:
                continue
            self.signals_left_out += 1
            if each.room_id not in self._told_left_out:
                self._told_left_out.add(each.room_id)
                log.warning(
                    "a room's document is too large for the signals: it is there without its longest lists",
                    room=each.room_id,
                    bytes=each.whole_bytes,
                    most_bytes=self.fold.rules.signal_max_bytes,
                )

    def _timed_cut(self) -> Contents | None:
        began = time.monotonic()
        contents = self._cut()
        took_s = time.monotonic() - began
        self.cut_s, self._last_cut_s = min(took_s, self._last_cut_s), took_s
        return contents

    def _cut(self) -> Contents | None:
        """State, offsets, refusals and signals of one moment. No await is in here, nor between here and the write."""
        cut = self.fold.cut(self.epoch)
        if cut.steps is None:
            return None
        self._clock_ms = cut.clock_ms
        topics = self.config.topics
        meta = self._meta(cut.positions, cut.version)
        tell_noted(self.fold, topics)
        self._note_shortened(cut.signals)
        claims = [claim for each in cut.signals for claim in each.claims]
        self.claims_kept += len(claims)
        self.claims_kept_bytes += sum(len(key) + len(value) for key, value in claims)
        return Contents(
            meta,
            state=cut.records,
            dead_letters=[dead_letter(each, topics[each.topic_index], self.partition) for each in cut.refused],
            signals=[(each.room_id, each.document) for each in cut.signals],
            claims=claims,
            journal=self._segment(meta, cut.steps),
            notices=cut.notices,
        )

    def _segment(self, meta: Meta, steps: Steps) -> bytes:
        """The journal's record of this transaction. Where a replay can begin, the record holds the rules."""
        if not meta.claim and steps.base is None:
            return encode_segment(Segment(meta.epoch, meta.seq, meta.claim, steps))
        rules = msgspec.to_builtins(self.fold.rules)
        return encode_segment(Segment(meta.epoch, meta.seq, meta.claim, steps, VERSION, rules))

    # -- publish -------------------------------------------------------------------------------------------------------

    def collect(self, wall_ms: int | None, limit: int) -> int:
        """How many documents went into the outbox: those of the rooms that are due."""
        if not self._caught_up():
            return 0
        everything, self.reproject = self.reproject, False
        published = self.fold.publish(wall_ms, self.epoch, everything=everything, limit=limit)
        for each in published:
            self.outbox[each.room_id] = each
        if not self.histories:  # else what follows would take the place of chunks that are not written yet
            self.histories = {each.room_id: each for each in self.fold.take_histories(limit)}
        return len(published)

    def project_anew(self) -> None:
        """Make every document once more, also the last documents of sessions just ended: Redis may hold none."""
        self.reproject = True
        self.fold.last_again()
        self.fold.histories_again()

    def _caught_up(self) -> bool:
        """Whether the fold has passed all records that the logs held at the take-over.

        The old owner published ahead of its checkpoints. If the new owner published earlier, the screen would count
        backwards.
        """
        if self._replay_to is None:
            return True
        for index, end in enumerate(self._replay_to):
            folded_to = self.fold.positions[index]
            if folded_to >= self.ownership.accepted_to[index]:
                folded_to = max(folded_to, self.ownership.read_to(index))
            if folded_to < end:
                return False
        self._replay_to = None
        return True

    # -- rebalance -----------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Stop folding; state, epoch and producer stay."""
        self.ownership.pause()
        self.merge.clear()

    def close(self) -> CheckpointWriter | None:
        """The producer, which the caller stops. Everything else is dropped."""
        self.ownership.end()
        self.merge.clear()
        self.fold.let_go()
        self.fold = self.config.make_fold(self.partition)
        self.pump = Pump(self.ownership, self.merge, self.fold)
        self.outbox, self.histories, self.shown_ms = {}, {}, {}
        writer, self.writer = self.writer, None
        return writer


async def _ask(work: Awaitable[LogEnds]) -> LogEnds:
    return await work
