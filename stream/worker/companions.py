# ruff: noqa: SLF001 — private parts of aiokafka, of the version that `transport` asserts
"""Topics that a member reads beside those that its group assigns: partition p of each goes with p of the rest.

The group subscribes only to the topics of the first version. A member adds the partitions of later topics to those that
it was assigned. So one member reads all topics of a partition, and workers of different versions share a group. If
newer workers subscribed to more topics, Faust's assignor would give the topics of one partition to two members.

The group's leader, of whichever version, never hears of these topics and does not watch them. `preflight` checks that
they have as many partitions as the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition

from stream.core.saved.growth import TOPICS_1

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence


def companions(topics: Sequence[str]) -> frozenset[str]:
    """The input topics that the group does not subscribe to. `topics`: all, in the order of the contract."""
    return frozenset(topics[TOPICS_1:])


def read_along(consumer: Any, topics: Collection[str]) -> None:
    """Make a consumer of aiokafka read these topics too. Call this before the consumer starts.

    The consumer has to subscribe to these topics too, and its assignor must not tell the group.
    """
    subscription, client = consumer._subscription, consumer._client
    assign, set_topics = subscription.assign_from_subscribed, client.set_topics

    def assign_with_companions(assigned: Iterable[TopicPartition]) -> None:
        partitions = {tp.partition for tp in assigned}
        assign({*assigned, *(TopicPartition(topic, partition) for topic in topics for partition in partitions)})

    def set_topics_and_companions(said: Iterable[str]) -> Any:
        """A group's leader sets the topics that the group subscribes to. Without its metadata no topic is fetched."""
        return set_topics({*said, *topics})

    subscription.assign_from_subscribed = assign_with_companions
    client.set_topics = set_topics_and_companions
