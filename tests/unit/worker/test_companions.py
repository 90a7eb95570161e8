"""Topics that are read along: the group does not hear of them, and a partition has all its topics on one member."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.coordinator.protocol import ConsumerProtocol

from stream.core.saved.growth import TOPICS_1
from stream.settings import load_settings
from stream.worker.app import build_app
from stream.worker.companions import companions, read_along
from stream.worker.transport import CopartitionedAssignor
from tests.unit.worker.helpers import TOPICS


class Client:
    """As much of aiokafka's client as knows which topics it asks about."""

    def __init__(self) -> None:
        self.topics: set[str] = set()

    def set_topics(self, topics: set[str]) -> str:
        self.topics = topics
        return "updated"


@pytest.fixture
async def consumer() -> Any:
    subscription = SubscriptionState()
    return SimpleNamespace(_subscription=subscription, _client=Client())


def test_they_are_the_topics_that_came_after_the_first_version() -> None:
    assert companions(TOPICS) == {"live.interactions"}
    assert companions(TOPICS[:TOPICS_1]) == frozenset()


async def test_partitions_of_them_go_with_those_that_the_group_assigns(consumer: Any) -> None:
    read_along(consumer, companions(TOPICS))
    subscription = consumer._subscription
    subscription.subscribe({*TOPICS})
    subscription.assign_from_subscribed([TopicPartition(topic, number) for topic in TOPICS[:6] for number in (2, 5)])
    assert subscription.assigned_partitions() == {
        TopicPartition(topic, number) for topic in TOPICS for number in (2, 5)
    }
    subscription.assign_from_subscribed([])
    assert subscription.assigned_partitions() == set()


async def test_the_leader_of_a_group_keeps_their_metadata(consumer: Any) -> None:
    read_along(consumer, companions(TOPICS))
    assert consumer._client.set_topics({*TOPICS[:6]}) == "updated"
    assert consumer._client.topics == {*TOPICS}


async def test_the_group_is_not_told_of_them() -> None:
    """Or an older leader would split partitions, and an older member would get topics that it does not know."""
    told = CopartitionedAssignor(build_app(load_settings())).metadata({*TOPICS})
    assert {*ConsumerProtocol.METADATA.decode(told.encode()).subscription} == {*TOPICS[:6]}
