# ruff: noqa: SLF001 — private parts of aiokafka, of the version that `transport` asserts
"""Topics that a member reads beside what its group assigns: partition p of them goes with partition p of the others.

The group subscribes to the topics of the first version alone. A member adds the partitions of later topics itself,
following what it was assigned, so a partition keeps all its topics on one member by construction, and workers of
different versions share a group: were the group to subscribe to more, Faust's assignor would give the topics of one
partition to two members while some subscribe to it and some do not.

The group's leader, of whichever version, never hears of these topics. Nor does it watch them: `preflight` looks whether
they have as many partitions as the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition

from stream.core.saved.growth import TOPICS_1

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence


def companions(topics: Sequence[str]) -> frozenset[str]:
    """Those of the input topics, given in the order of the contract, that the group does not subscribe to."""
    return frozenset(topics[TOPICS_1:])


def read_along(consumer: Any, topics: Collection[str]) -> None:
    """Have a consumer of aiokafka read these topics along. To be called before it starts.

    It has to subscribe to them, too, and its assignor must not say so to the group.
    """
    subscription, client = consumer._subscription, consumer._client
    assign, set_topics = subscription.assign_from_subscribed, client.set_topics

    def assign_with_companions(assigned: Iterable[TopicPartition]) -> None:
        partitions = {tp.partition for tp in assigned}
        assign({*assigned, *(TopicPartition(topic, partition) for topic in topics for partition in partitions)})

    def set_topics_and_companions(said: Iterable[str]) -> Any:
        """The leader of a group sets what the group subscribes to: without a topic's metadata it cannot be fetched."""
        return set_topics({*said, *topics})

    subscription.assign_from_subscribed = assign_with_companions
    client.set_topics = set_topics_and_companions
