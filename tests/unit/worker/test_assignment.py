"""What a rebalance does to the partitions of a process: kept, dropped, taken over, and never half of one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from faust.types import TP

from stream.exits import Exit
from stream.worker import assignment as assignment_module
from stream.worker.assignment import Owners
from stream.worker.fetching import LogEnds
from stream.worker.ownership import Phase
from stream.worker.partition_owner import Acquired, Owner
from stream.worker.tasks import FatalError
from tests.support.rooms_in_memory import rooms_in_memory
from tests.unit.worker.helpers import (
    LIKES,
    TOPICS,
    WriterTwin,
    drain,
    fetched,
    like,
    live_owner,
    make_config,
    twin_of,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stream.worker.metrics import Metrics
    from stream.worker.tasks import Tasks
    from tests.unit.worker.helpers import Ends


class ConsumerTwin:
    """The group's consumer: remembers seeks, knows whether this member is still known."""

    def __init__(self) -> None:
        self.seeks: list[tuple[int, tuple[int, ...]]] = []
        self.refuse_seeks = 0
        self.member = True
        self.member_id = "member-1"
        self.asked = 0
        self.ends: LogEnds | None = None
        self.answering = asyncio.Event()
        self.answering.set()

    async def seek_fenced(self, partition: int, positions: Sequence[int], _token: int) -> None:
        if self.refuse_seeks:
            self.refuse_seeks -= 1
            raise RuntimeError("not assigned")
        self.seeks.append((partition, tuple(positions)))

    async def heartbeat_now(self) -> bool:
        self.asked += 1
        await self.answering.wait()
        return self.member

    async def log_ends(self, _partition: int) -> LogEnds:
        assert self.ends is not None, "nobody said where the logs end"
        return self.ends


class Group:
    """Owners whose take-overs need no Kafka."""

    def __init__(self, tasks: Tasks, metrics: Metrics) -> None:
        self.consumer = ConsumerTwin()
        self.tasks = tasks
        self.config = make_config()
        self.owners = Owners(self.config, lambda: self.consumer, tasks, metrics, slice_records=100)
        self.acquired: list[int] = []
        self.fail_once: dict[int, BaseException] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.generation = 0

    async def acquire(self, owner: Owner, _log_ends: Any) -> Acquired:
        self.acquired.append(owner.partition)
        await self.gate.wait()
        if error := self.fail_once.pop(owner.partition, None):
            raise error
        owner.writer = WriterTwin()  # type: ignore[assignment]
        owner.fold.loaded([0] * len(TOPICS), -1)
        if not owner.ownership.restored():
            raise RuntimeError("went away")
        return Acquired(0, 0, 0.0, 0.0, 0.0, 0.0, 0.0)

    async def assign(self, *partitions: int, generation: int | None = None) -> None:
        self.generation = self.generation + 1 if generation is None else generation
        await self.owners.on_assigned(assignment(partitions), self.generation)

    async def until_live(self, *partitions: int) -> None:
        await until(lambda: {owner.partition for owner in self.owners.live()} == set(partitions))


@pytest.fixture
def group(tasks: Tasks, metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> Group:
    made = Group(tasks, metrics)

    async def acquire(owner: Owner, log_ends: Any) -> Acquired:
        return await made.acquire(owner, log_ends)

    monkeypatch.setattr(Owner, "acquire", acquire)
    monkeypatch.setattr(assignment_module, "RETRY_FIRST_S", 0.0)
    monkeypatch.setattr(assignment_module, "SEEK_RETRY_S", 0.0)
    return made


def assignment(partitions: Iterable[int]) -> set[TP]:
    return {TP(topic, partition) for partition in partitions for topic in TOPICS}


async def test_an_assignment_is_taken_over_and_goes_live(group: Group) -> None:
    rebalancing = [group.owners.rebalancing]
    await group.assign(0, 2)
    rebalancing.append(group.owners.rebalancing)
    assert rebalancing == [True, False]
    await group.until_live(0, 2)
    assert sorted(partition for partition, _ in group.consumer.seeks) == [0, 2]
    assert group.owners.wanted() == assignment([0, 2])


async def test_a_partition_without_one_of_its_topics_ends_the_process_and_names_it(group: Group) -> None:
    split = assignment([0, 1]) - {TP("live.orders", 1)}
    with pytest.raises(FatalError, match=r"Partition 1 was assigned without its topic live\.orders") as caught:
        await group.owners.on_assigned(split, 1)
    assert caught.value.code is Exit.NOT_COPARTITIONED
    assert group.acquired == []


async def test_a_rebalance_stops_the_fold_saves_and_keeps_what_stays(group: Group) -> None:
    await group.assign(0, 1)
    await group.until_live(0, 1)
    kept = group.owners.get(0)
    assert kept is not None
    kept.fold.fold(LIKES, [like(0, taps=3)])
    await group.owners.on_revoked()
    assert group.owners.rebalancing
    assert group.owners.wanted() == set()
    assert twin_of(kept).written[0].meta.positions["live.likes"] == 1
    await group.assign(0)
    await group.until_live(0)
    assert group.owners.get(0) is kept
    assert group.owners.get(1) is None
    assert group.acquired == [0, 1]
    assert group.consumer.seeks[-1] == (0, tuple(kept.fold.positions))


@pytest.mark.parametrize(
    ("generations", "member_id"),
    [
        pytest.param(2, "member-1", id="a generation was missed"),
        # A second process of our static name was in our place: in the generation of which we know that it was ours.
        pytest.param(1, "another", id="known by another id"),
    ],
)
async def test_state_that_may_have_been_somebody_elses_is_dropped(
    group: Group, generations: int, member_id: str
) -> None:
    await group.assign(0)
    await group.until_live(0)
    before = group.owners.get(0)
    assert before is not None
    await group.owners.on_revoked()
    group.consumer.member_id = member_id
    await group.assign(0, generation=group.generation + generations)
    await group.until_live(0)
    assert group.owners.get(0) is not before
    assert before.phase is Phase.GONE
    assert group.acquired == [0, 0]


@pytest.mark.parametrize("name", ["worker-1", None])
async def test_a_process_that_its_namesake_throws_out_again_and_again_ends(
    group: Group, tasks: Tasks, metrics: Metrics, name: str | None
) -> None:
    owners = Owners(make_config(member_name=name), lambda: group.consumer, tasks, metrics, slice_records=100)

    async def join(times: int) -> None:
        for number in range(times):
            group.consumer.member_id = f"member-{number}"
            await owners.on_assigned(assignment([0]), number + 1)
            await owners.on_revoked()

    await join(assignment_module.JOINS_MAX)
    if name is None:  # nobody else can have its place
        await join(40)
        return
    with pytest.raises(FatalError, match="Two processes have the member name worker-1") as ended:
        await join(assignment_module.JOINS_SPREAD + 1)
    assert ended.value.code is Exit.DUPLICATE_MEMBER


@pytest.mark.parametrize(("joins", "code"), [(2, Exit.CONSUMER_FAILED), (3, Exit.DUPLICATE_MEMBER)])
async def test_an_error_of_the_group_in_a_war_of_namesakes_is_told_as_the_war(
    group: Group, tasks: Tasks, metrics: Metrics, joins: int, code: Exit
) -> None:
    owners = Owners(make_config(member_name="worker-1"), lambda: group.consumer, tasks, metrics, slice_records=100)
    for number in range(joins):
        group.consumer.member_id = f"member-{number}"
        await owners.on_assigned(assignment([0]), number + 1)
        await owners.on_revoked()
    ended = owners.put_out(KafkaError("UnknownError()"))
    assert ended.code is code
    assert "wo processes have the member name worker-1" in ended.message
    assert ("UnknownError" in ended.message) == (code is Exit.CONSUMER_FAILED)


async def test_a_fenced_owner_drops_everything_and_takes_over_anew(group: Group, metrics: Metrics) -> None:
    await group.assign(0)
    await group.until_live(0)
    before = group.owners.get(0)
    assert before is not None
    writer = twin_of(before)
    before.fold.fold(LIKES, [like(0)])
    writer.fail = type("ProducerFenced", (Exception,), {})()
    await group.owners.checkpoint(before)
    await group.until_live(0)
    assert before.phase is Phase.GONE
    assert before.fold.rooms == {}
    assert writer.stopped
    assert group.acquired == [0, 0]
    assert metrics.registry.get_sample_value("stream_fenced_total") == 1


async def test_an_owner_that_is_dropped_leaves_no_room_in_memory(group: Group) -> None:
    # An hour of chaos in which partitions changed hands kept every state that a process had ever had.
    with rooms_in_memory() as count:
        for _ in range(3):
            await group.assign(0, 1, generation=group.generation + 2)
            await group.until_live(0, 1)
            for owner in group.owners.live():
                owner.fold.fold(LIKES, [like(0), like(1, room="room-2")])
            del owner
        assert count() == 4
        await group.owners.hand_over(1.0)
        await until(lambda: count() == 0)


async def test_a_member_that_is_out_of_the_group_takes_nothing_over(group: Group) -> None:
    group.consumer.member = False
    await group.assign(0)
    for _ in range(20):
        await asyncio.sleep(0)
    assert group.acquired == []
    group.consumer.member = True
    await group.until_live(0)
    assert group.acquired == [0]


async def test_a_take_over_that_failed_is_tried_again(group: Group) -> None:
    group.fail_once[0] = OSError("broker away")
    await group.assign(0)
    await group.until_live(0)
    assert group.acquired == [0, 0]


async def test_a_stop_waits_for_no_take_over(group: Group, tasks: Tasks, ends: Ends) -> None:
    group.gate.clear()
    await group.assign(0, 1)
    await until(lambda: len(group.acquired) == 2)
    owners = group.owners.all()
    assert await group.owners.hand_over(60.0)
    assert [owner.phase for owner in owners] == [Phase.GONE, Phase.GONE]
    await tasks.close(60.0)
    assert group.owners.all() == []
    assert ends.calls == []


async def test_a_partition_that_leaves_while_it_is_acquired_is_let_go(group: Group, ends: Ends) -> None:
    group.gate.clear()
    await group.assign(0, 1)
    await until(lambda: len(group.acquired) == 2)
    await group.owners.on_revoked()
    await group.assign(1)
    group.gate.set()
    await group.until_live(1)
    assert group.owners.get(0) is None
    assert group.acquired == [0, 1]
    assert ends.calls == []


async def test_a_partition_that_leaves_before_it_is_acquired_is_not_fenced_off(group: Group) -> None:
    group.consumer.answering.clear()
    await group.assign(0, 1)
    await until(lambda: group.consumer.asked == 2)
    await group.owners.on_revoked()
    await group.assign(1)
    group.consumer.answering.set()
    await group.until_live(1)
    assert group.acquired == [1]


async def test_a_fatal_error_of_a_take_over_ends_the_process(group: Group, ends: Ends) -> None:
    group.fail_once[0] = FatalError(Exit.DATA_LOSS, "records are gone")
    await group.assign(0)
    await until(lambda: bool(ends.calls))
    assert ends.calls == [(Exit.DATA_LOSS, "records are gone")]


async def test_a_refused_seek_is_tried_again(group: Group) -> None:
    group.consumer.refuse_seeks = 3
    await group.assign(0)
    await group.until_live(0)
    assert group.consumer.seeks == [(0, (0,) * len(TOPICS))]


async def test_healing_seeks_to_where_the_fold_stands(group: Group) -> None:
    await group.assign(0)
    await group.until_live(0)
    owner = group.owners.get(0)
    assert owner is not None
    owner.fold.fold(LIKES, [like(0)])
    group.owners.heal(owner, "a test")
    assert group.owners.wanted() == set()
    await group.until_live(0)
    assert group.consumer.seeks[-1] == (0, tuple(owner.fold.positions))


async def test_slices_are_cut_only_of_owners_that_wanted_them(group: Group) -> None:
    await group.assign(0)
    await group.until_live(0)
    owner = group.owners.get(0)
    assert owner is not None
    stranger = live_owner(3)
    drains = [drain(owner, LIKES, [like(0)]), drain(stranger, LIKES, [like(0)])]
    assert [piece.partition for piece in group.owners.cut(drains)] == [0]


async def test_full_topics_are_not_fetched_and_when_all_is_crowded_only_what_folds_soon_wait_for(group: Group) -> None:
    await group.assign(0, 1)
    await group.until_live(0, 1)
    first, second = group.owners.get(0), group.owners.get(1)
    assert first is not None
    assert second is not None
    first.merge.offer(LIKES, [like(offset) for offset in range(1_000)])
    assert group.owners.wanted() == assignment([0, 1]) - {TP(TOPICS[LIKES], 0)}
    second.merge.offer(0, [like(offset) for offset in range(3_100)])
    second.merge.offer(1, [like(offset) for offset in range(201)])
    second.merge.offer(2, [like(offset) for offset in range(200)])
    assert group.owners.wanted() == assignment([0, 1]) - {TP(TOPICS[LIKES], 0), TP(TOPICS[0], 1), TP(TOPICS[1], 1)}


async def test_handing_over_saves_all_and_takes_nothing_new(group: Group) -> None:
    await group.assign(0, 1)
    await group.until_live(0, 1)
    owners = group.owners.all()
    writers = [twin_of(owner) for owner in owners]
    for owner in owners:
        owner.fold.fold(LIKES, [like(0)])
    assert await group.owners.hand_over(5.0)
    assert [len(writer.written) for writer in writers] == [1, 1]
    assert group.owners.all() == []
    assert group.owners.stopping


async def test_a_hand_over_that_takes_too_long_says_so(group: Group) -> None:
    await group.assign(0)
    await group.until_live(0)
    (owner,) = group.owners.all()
    async with owner.lock:
        assert not await group.owners.hand_over(0.001)


async def test_what_was_counted_by_an_owner_that_is_gone_stays_counted(group: Group, metrics: Metrics) -> None:
    await group.assign(0)
    await group.until_live(0)
    (owner,) = group.owners.all()
    fetched(owner, LIKES, [])
    owner.fold.fold(LIKES, [like(0), like(0)])
    await group.owners.on_revoked()
    await group.assign()
    metrics.sync(group.owners.all(), 0)
    value = metrics.registry.get_sample_value
    assert value("stream_received_total", {"topic": "live.likes"}) == 2
    assert value("stream_events_total", {"topic": "live.likes", "outcome": "applied"}) == 1
    assert value("stream_events_total", {"topic": "live.likes", "outcome": "duplicate"}) == 1


# -- logs that change under an owner -----------------------------------------------------------------------------------


async def test_a_log_that_no_longer_reaches_to_where_it_is_read_ends_the_process(group: Group, ends: Ends) -> None:
    await group.assign(1)
    await group.until_live(1)
    owner = group.owners.get(1)
    assert owner is not None
    owner.fold.positions[LIKES] = 50
    group.consumer.ends = LogEnds([0] * len(TOPICS), [20] * len(TOPICS))
    group.owners.out_of_range(1)
    assert owner.phase is Phase.READY  # nothing is folded meanwhile
    await until(lambda: bool(ends.calls))
    ((code, reason),) = ends.calls
    assert code is Exit.DATA_LOSS
    assert f"{TOPICS[LIKES]}, partition 1, ends at 20, 30 records before the next offset to fold, 50" in reason


async def test_a_log_that_holds_everything_after_all_is_read_on(group: Group, ends: Ends) -> None:
    await group.assign(1)
    await group.until_live(1)
    group.consumer.ends = LogEnds([0] * len(TOPICS), [20] * len(TOPICS))
    group.owners.out_of_range(1)
    await until(lambda: len(group.consumer.seeks) == 2)
    await group.until_live(1)
    assert not ends.calls


async def test_a_partition_whose_logs_nobody_knows_is_taken_over_anew(group: Group) -> None:
    await group.assign(1)
    await group.until_live(1)
    group.owners.out_of_range(1)
    await until(lambda: group.acquired == [1, 1])
    await group.until_live(1)


async def test_a_take_over_that_aiokafka_cancels_from_inside_is_tried_again(group: Group, ends: Ends) -> None:
    group.fail_once[1] = asyncio.CancelledError()
    await group.assign(1)
    await group.until_live(1)
    assert group.acquired == [1, 1]
    assert not ends.calls


# -- what is lost again and again --------------------------------------------------------------------------------------


def age_of(metrics: Metrics, owners: Owners, partition: int = 0) -> float | None:
    metrics.sync(owners.all(), len(owners.assigned))
    return metrics.registry.get_sample_value("stream_checkpoint_age_seconds", {"partition": str(partition)})


async def test_the_age_of_a_checkpoint_goes_on_over_owners_that_were_lost(group: Group, metrics: Metrics) -> None:
    await group.assign(0)
    await group.until_live(0)
    for _ in range(5):
        owner = group.owners.get(0)
        assert owner is not None
        owner.saved_at -= 10  # ten seconds go by
        owner.fold.fold(LIKES, [like(0)])
        twin_of(owner).fail = OSError("too large")
        await group.owners.checkpoint(owner)
        await group.until_live(0)
    age = age_of(metrics, group.owners)
    assert age is not None
    assert age > 50
    owner = group.owners.get(0)
    assert owner is not None
    owner.fold.fold(LIKES, [like(0)])
    await group.owners.checkpoint(owner)
    age = age_of(metrics, group.owners)
    assert age is not None
    assert age < 10


async def test_a_partition_that_can_never_be_saved_has_kafka_looked_at_again(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assignment_module, "RETRY_MAX_S", 0.0)
    checked = 0

    async def recheck() -> None:
        nonlocal checked
        checked += 1

    group.owners._recheck = recheck
    await group.assign(0)
    await group.until_live(0)
    for lost in range(1, 8):
        owner = group.owners.get(0)
        assert owner is not None
        owner.fold.fold(LIKES, [like(0)])
        twin_of(owner).fail = OSError("too large")
        await group.owners.checkpoint(owner)
        await group.until_live(0)
        assert checked == lost // 3
    owner = group.owners.get(0)
    assert owner is not None
    owner.fold.fold(LIKES, [like(1)])
    twin_of(owner).fail = MessageSizeTooLargeError()  # that will not mend itself
    await group.owners.checkpoint(owner)
    await group.until_live(0)
    assert checked == 3
