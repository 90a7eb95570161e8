"""The twin of the group coordinator answers as Kafka's own does, in everything that the worker relies on.

Each test runs twice: against the twin, and against the real coordinator, asked in Kafka's own protocol.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import (
    CommitFailedError,
    GroupCoordinatorNotAvailableError,
    MemberIdRequired,
    NoError,
    RebalanceInProgressError,
    for_code,
)
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest
from faust.types import TP

from tests.simulation.group import REBALANCE_S, SESSION_S, Assignment, Coordinator, ReplacedError
from tests.simulation.network import Network

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stream.local.stack import Stack

pytestmark = pytest.mark.integration

PARTITIONS = 6
ALL = frozenset(range(PARTITIONS))
WAIT_S = 20.0
BEAT_S = 0.1
FENCED_INSTANCE_ID = 82


class Member(ABC):
    """One process in the group: what it was given last, and the requests that it can send."""

    def __init__(self, instance: str | None) -> None:
        self.instance: Any = instance  # aiokafka's requests say `str` and take None
        self.given = Assignment("", -1, frozenset())

    @abstractmethod
    async def _join(self) -> Assignment:
        """Join and wait for the assignment."""

    @abstractmethod
    async def heartbeat(self) -> bool:
        """Whether it is a member and has nothing else to do."""

    @abstractmethod
    async def leave(self) -> None:
        """Go in order."""

    @abstractmethod
    async def commit(self, partition: int, offset: int) -> None:
        """Raises CommitFailedError: not a member of this generation."""

    @abstractmethod
    async def committed(self, partition: int) -> int:
        """What the group has."""

    async def join(self) -> Assignment:
        self.given = await asyncio.wait_for(self._join(), WAIT_S)
        return self.given

    async def until_refused(self) -> None:
        """Beat until the coordinator says that there is something else to do."""
        deadline = time.monotonic() + WAIT_S
        while await self.heartbeat():
            assert time.monotonic() < deadline, "every heartbeat was welcome"
            await asyncio.sleep(BEAT_S)


class Group(ABC):
    """A group that nobody is in yet."""

    @abstractmethod
    async def member(self, instance: str | None = None) -> Member:
        """A process that has not joined."""

    async def joined(self, *instances: str | None) -> list[Member]:
        """All of them in one generation."""
        members = [await self.member(instance) for instance in instances]
        first, *others = members
        await first.join()
        for other in others:
            before = members[: members.index(other)]
            joining = asyncio.create_task(other.join())
            for each in before:
                await each.until_refused()
            await asyncio.gather(joining, *(each.join() for each in before))
        return members


class TwinMember(Member):
    def __init__(self, coordinator: Coordinator, host: str, instance: str | None) -> None:
        super().__init__(instance)
        self._coordinator = coordinator
        self._host = host

    async def _join(self) -> Assignment:
        return await self._coordinator.join(self._host, self.given.member, self.instance)

    async def heartbeat(self) -> bool:
        return self._coordinator.heartbeat(self.given.member, self.given.generation)

    async def leave(self) -> None:
        self._coordinator.leave(self.given.member)

    async def commit(self, partition: int, offset: int) -> None:
        self._coordinator.commit(self.given.member, self.given.generation, {TP("t", partition): offset})

    async def committed(self, partition: int) -> int:
        return self._coordinator.committed[TP("t", partition)]


class TwinGroup(Group):
    def __init__(self) -> None:
        self._coordinator = Coordinator(Random(1), PARTITIONS, Network(Random(1)), lambda _: None)
        self._coordinator.look()
        self._hosts = 0

    async def member(self, instance: str | None = None) -> Member:
        self._hosts += 1
        return TwinMember(self._coordinator, f"host-{self._hosts}", instance)


class RealMember(Member):
    """Speaks the protocol by hand. A connection of its own: the coordinator answers one after the other."""

    def __init__(self, client: AIOKafkaClient, node: int, topic: str, instance: str | None) -> None:
        super().__init__(instance)
        self._client = client
        self._node = node
        self._topic = topic
        self._group = f"{topic}.group"

    async def _send(self, request: Any) -> Any:
        return await self._client.send(self._node, request)

    async def _join(self) -> Assignment:
        name = self.given.member
        while True:
            joined = await self._send(
                JoinGroupRequest(
                    self._group,
                    round(SESSION_S * 1e3),
                    round(REBALANCE_S * 1e3),
                    name,
                    self.instance,
                    "twins",
                    [("dealt", b"")],
                )
            )
            error = for_code(joined.error_code)
            if joined.error_code == FENCED_INSTANCE_ID:
                raise ReplacedError
            if error is not NoError:
                name = joined.member_id if error is MemberIdRequired else ""
                continue
            name = joined.member_id
            dealt: list[tuple[str, bytes]] = []
            if joined.leader_id == name:
                names = sorted(member for member, *_ in joined.members)
                dealt = [(each, bytes(range(names.index(each), PARTITIONS, len(names)))) for each in names]
            synced = await self._send(SyncGroupRequest(self._group, joined.generation_id, name, self.instance, dealt))
            error = for_code(synced.error_code)
            if error is NoError:
                return Assignment(name, joined.generation_id, frozenset(synced.member_assignment))
            assert error is RebalanceInProgressError, error

    async def heartbeat(self) -> bool:
        given = self.given
        answer = await self._send(HeartbeatRequest(self._group, given.generation, given.member))
        return for_code(answer.error_code) is NoError

    async def leave(self) -> None:
        await self._send(LeaveGroupRequest(self._group, self.given.member))

    async def commit(self, partition: int, offset: int) -> None:
        given = self.given
        topics = [(self._topic, [(partition, offset, "")])]
        answer = await self._send(OffsetCommitRequest(self._group, given.generation, given.member, -1, topics))
        if for_code(answer.topics[0][1][0][1]) is not NoError:
            raise CommitFailedError

    async def committed(self, partition: int) -> int:
        answer = await self._send(OffsetFetchRequest(self._group, [(self._topic, [partition])]))
        return int(answer.topics[0][1][0][1])


class RealGroup(Group):
    def __init__(self, topic: str, bootstrap_servers: str) -> None:
        self._topic = topic
        self._bootstrap_servers = bootstrap_servers
        self._clients: list[AIOKafkaClient] = []

    async def make_topic(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap_servers)
        await admin.start()
        await admin.create_topics([NewTopic(self._topic, PARTITIONS, 1)])
        await admin.close()

    async def member(self, instance: str | None = None) -> Member:
        client = AIOKafkaClient(bootstrap_servers=self._bootstrap_servers)
        self._clients.append(client)
        await client.bootstrap()
        return RealMember(client, await self._coordinator(client), self._topic, instance)

    async def _coordinator(self, client: AIOKafkaClient) -> int:
        """The first question makes the broker create its topic of groups, which takes a moment."""
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                return int(await client.coordinator_lookup(CoordinationType.GROUP, f"{self._topic}.group"))
            except GroupCoordinatorNotAvailableError:
                assert time.monotonic() < deadline, "no coordinator"
                await asyncio.sleep(BEAT_S)

    async def close(self) -> None:
        for client in self._clients:
            await client.close()


@pytest.fixture(params=["twin", "real"])
async def group(request: pytest.FixtureRequest, topic_prefix: str) -> AsyncIterator[Group]:
    if request.param == "twin":
        yield TwinGroup()
        return
    stack: Stack = request.getfixturevalue("stack")
    made = RealGroup(f"{topic_prefix}.twins", stack.bootstrap_servers)
    await made.make_topic()
    yield made
    await made.close()


def whole(*members: Member) -> bool:
    """Each partition is somebody's, and nobody else's, in one generation."""
    dealt = sorted(partition for member in members for partition in member.given.partitions)
    return dealt == sorted(ALL) and len({member.given.generation for member in members}) == 1


async def test_the_first_one_has_everything(group: Group) -> None:
    (alone,) = await group.joined(None)
    assert alone.given.partitions == ALL
    assert alone.given.generation == 1
    assert await alone.heartbeat()


async def test_who_comes_later_makes_the_others_join_anew(group: Group) -> None:
    first, second = await group.joined(None, None)
    assert whole(first, second)
    assert first.given.generation == 2
    assert await first.heartbeat()
    assert await second.heartbeat()


async def test_who_goes_in_order_is_out_at_once(group: Group) -> None:
    first, second = await group.joined(None, None)
    left = second.given
    await second.leave()
    assert not await second.heartbeat()
    assert not await first.heartbeat()
    await first.join()
    assert whole(first)
    assert first.given.generation == left.generation + 1


async def test_who_is_not_heard_of_for_a_session_is_put_out(group: Group) -> None:
    begun = time.monotonic()  # before either was heard of
    first, second = await group.joined(None, None)
    await first.until_refused()
    assert time.monotonic() - begun >= SESSION_S
    await first.join()
    assert whole(first)
    assert not await second.heartbeat()
    with pytest.raises(CommitFailedError):
        await second.commit(0, 1)


async def test_a_rebalance_waits_for_each_member_but_not_for_ever(group: Group) -> None:
    first, second = await group.joined(None, None)
    third = await group.member()
    joining = asyncio.gather(first.join(), third.join())
    # It is heard of all the time, and learns each time that it is to join.
    while not joining.done():
        await second.heartbeat()
        await asyncio.sleep(BEAT_S)
    await joining
    assert whole(first, third)
    assert not await second.heartbeat()


async def test_one_that_was_put_out_comes_back_as_another(group: Group) -> None:
    first, second = await group.joined(None, None)
    name = second.given.member
    await first.until_refused()
    await first.join()
    coming_back = asyncio.create_task(second.join())
    await first.until_refused()
    await asyncio.gather(coming_back, first.join())
    assert whole(first, second)
    assert second.given.member != name


async def test_only_this_generation_commits_and_offsets_outlive_it(group: Group) -> None:
    first, second = await group.joined(None, None)
    await first.commit(3, 41)
    generation = first.given.generation
    await second.leave()
    await first.until_refused()
    await first.join()
    assert await first.committed(3) == 41
    assert first.given.generation > generation
    first.given = first.given._replace(generation=generation)
    with pytest.raises(CommitFailedError):
        await first.commit(3, 43)
    assert await first.committed(3) == 41


# -- static names ------------------------------------------------------------------------------------------------------


async def test_a_static_member_that_is_back_in_time_disturbs_nobody(group: Group) -> None:
    members = await group.joined("a", "b")
    for place in (0, 1):  # one of them leads the group
        restarted, other = members[place], members[1 - place]
        successor = members[place] = await group.member(restarted.instance)
        await successor.join()
        assert successor.given.partitions == restarted.given.partitions
        assert successor.given.generation == restarted.given.generation
        assert successor.given.member != restarted.given.member
        assert await other.heartbeat()
        assert await successor.heartbeat()
        assert not await restarted.heartbeat()
        with pytest.raises(CommitFailedError):
            await restarted.commit(0, 1)


async def test_a_static_member_that_is_late_is_as_any_other(group: Group) -> None:
    first, second = await group.joined("a", "b")
    await first.until_refused()
    await first.join()
    assert whole(first)
    late = await group.member("b")
    joining = asyncio.create_task(late.join())
    await first.until_refused()
    await asyncio.gather(joining, first.join())
    assert whole(first, late)
    assert not await second.heartbeat()


async def test_two_of_one_static_name_take_each_others_place(group: Group) -> None:
    first, second = await group.joined("a", "b")
    namesake = await group.member("b")
    for loser, winner in ((second, namesake), (namesake, second)):
        winner.given = winner.given._replace(member="")  # as aiokafka does when its id is unknown
        await winner.join()
        assert winner.given.partitions == loser.given.partitions
        assert await winner.heartbeat()
        assert not await loser.heartbeat()
    assert await first.heartbeat()


async def test_a_static_member_that_leaves_is_out_at_once(group: Group) -> None:
    first, second = await group.joined("a", "b")
    await second.leave()
    assert not await first.heartbeat()
    await first.join()
    assert whole(first)


async def test_a_join_that_waits_is_refused_when_another_one_of_its_name_joins(group: Group) -> None:
    first, second = await group.joined("a", "b")
    third = await group.member()
    joining = asyncio.create_task(third.join())
    await second.until_refused()
    waiting = asyncio.create_task(second.join())
    await first.until_refused()
    successor = await group.member("b")
    coming = asyncio.create_task(successor.join())
    with pytest.raises(ReplacedError):
        await waiting
    await asyncio.gather(joining, coming, first.join())
    assert whole(first, successor, third)


async def test_a_static_member_that_comes_back_in_a_rebalance_takes_its_old_place_in_it(group: Group) -> None:
    first, second = await group.joined("a", "b")
    third = await group.member()
    joining = asyncio.create_task(third.join())
    await first.until_refused()
    successor = await group.member("b")
    await asyncio.gather(joining, first.join(), successor.join())
    assert whole(first, successor, third)
    assert not await second.heartbeat()
