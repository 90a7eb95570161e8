"""The part that knows Faust: versions, pace, and an assignor that keeps a partition's topics together."""

from __future__ import annotations

import importlib
from collections import defaultdict
from typing import Any, NamedTuple

import faust
import pytest
from aiokafka.consumer.subscription_state import SubscriptionState
from faust.assignor.client_assignment import ClientAssignment, ClientMetadata

from stream.errors import SnapupError
from stream.settings import load_settings
from stream.worker import transport
from stream.worker.app import build_app
from stream.worker.transport import BatchConsumer, CopartitionedAssignor, PassSchema, check_versions
from tests.unit.worker.helpers import TOPICS

PARTITIONS = 12


def test_the_installed_versions_are_those_that_this_was_written_against() -> None:
    check_versions()


def test_another_version_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faust, "__version__", "0.16.0")
    with pytest.raises(SnapupError, match=r"needs faust-streaming 0\.15\.3, but 0\.16\.0 is installed"):
        check_versions()


def test_a_build_without_the_compiled_parts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> None:
        raise ImportError

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(SnapupError, match=r"without its compiled part faust\._cython\.streams"):
        check_versions()


def test_a_codec_that_could_not_be_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "has_lz4", lambda: False)
    with pytest.raises(SnapupError, match="cramjam is missing"):
        check_versions()


# -- signs of life -----------------------------------------------------------------------------------------------------


class Kafka:
    """As much of aiokafka's consumer as knows when it was polled last: the real thing."""

    def __init__(self) -> None:
        self._subscription = SubscriptionState()
        self._subscription._last_fetch_ended -= 299


async def test_a_stand_by_that_fetches_nothing_seems_busy_to_its_group(monkeypatch: pytest.MonkeyPatch) -> None:
    async def here(work: Any) -> Any:
        return await work

    consumer = BatchConsumer.__new__(BatchConsumer)
    consumer._seemed_busy_at = 0.0
    kafka = Kafka()
    monkeypatch.setattr(consumer, "_kafka", lambda: kafka, raising=False)
    monkeypatch.setattr(consumer, "_on_thread", here, raising=False)
    before = kafka._subscription.fetcher_idle_time
    await consumer._seem_busy()
    assert before >= 299
    assert kafka._subscription.fetcher_idle_time < 10
    kafka._subscription._last_fetch_ended -= 5
    await consumer._seem_busy()  # not at every look: it costs a trip to the other thread
    assert kafka._subscription.fetcher_idle_time >= 5


# -- who gets what -----------------------------------------------------------------------------------------------------


class Cluster:
    def partitions_for_topic(self, _topic: str) -> set[int]:
        return set(range(PARTITIONS))

    def topics(self) -> set[str]:
        return set(TOPICS)


class Metadata(NamedTuple):
    version: int
    subscription: list[str]
    user_data: bytes


@pytest.fixture
async def app() -> faust.App:
    return build_app(load_settings())


def assigned(
    app: faust.App, members: int, subscriptions: dict[int, list[str]] | None = None
) -> dict[str, dict[int, set[str]]]:
    """Who gets which topics of which partition, by the real assignor; no broker is asked."""
    nothing = ClientMetadata(
        assignment=ClientAssignment(actives={}, standbys={}), url="http://h:1", changelog_distribution={}
    ).dumps()
    cluster: Any = Cluster()
    metadata: Any = {
        f"member-{index}": Metadata(0, (subscriptions or {}).get(index, list(TOPICS)), nothing)
        for index in range(members)
    }
    answer = CopartitionedAssignor(app).assign(cluster, metadata)
    owned: dict[str, dict[int, set[str]]] = {}
    for member, assignment in answer.items():
        by_partition: dict[int, set[str]] = defaultdict(set)
        for topic, partitions in assignment.assignment:
            for partition in partitions:
                by_partition[partition].add(topic)
        owned[member] = dict(by_partition)
    return owned


@pytest.mark.parametrize("members", range(1, 9))
async def test_a_partition_goes_to_one_member_with_all_its_topics(app: faust.App, members: int) -> None:
    owned = assigned(app, members)
    assert all(topics == set(TOPICS) for by_partition in owned.values() for topics in by_partition.values())
    assert sorted(partition for by_partition in owned.values() for partition in by_partition) == list(range(PARTITIONS))


async def test_members_that_subscribe_to_different_topics_split_partitions_which_is_why_each_assignment_is_checked(
    app: faust.App,
) -> None:
    owned = assigned(app, 3, {2: list(TOPICS[:-1])})
    assert any(topics != set(TOPICS) for by_partition in owned.values() for topics in by_partition.values())


# -- settings of Faust -------------------------------------------------------------------------------------------------


async def test_faust_is_set_up_as_the_fault_tests_were_run() -> None:
    app = build_app(load_settings(bootstrap_servers="a:1, b:2", session_timeout_ms=6_000, member_name="worker-0"))
    conf = app.conf
    assert [str(url) for url in conf.broker] == ["kafka://a:1", "kafka://b:2"]
    assert conf.broker_request_timeout >= conf.broker_session_timeout == 6.0
    assert conf.consumer_group_instance_id == "worker-0"
    assert conf.table_standby_replicas == 1
    assert isinstance(app.assignor, CopartitionedAssignor)
    assert app.assignor.replicas == 0
    assert (conf.stream_wait_empty, conf.web_enabled, conf.topic_allow_declare) == (False, False, False)
    assert not app.in_transaction


def test_a_haul_passes_through_undecoded() -> None:
    class Message:
        key = b"room-1"
        value = object()

    schema = PassSchema(key_serializer="raw", value_serializer="raw")
    assert schema.loads_value(None, Message()) is Message.value
