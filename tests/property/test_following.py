"""Following a live partition: each document of `signals` comes once, with a checker that stands where it was made."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, NamedTuple, cast

import msgspec
import pytest

from stream.settings import load_settings
from stream.verify.claim_check import RIGHT, WRONG, Tally
from stream.verify.following import Following
from tests.property.test_journal import Cluster
from tests.support.rooms import TOPICS, random_log

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stream.contract.overlay import Overlay
    from stream.verify.log import LogReader

PREFIX = TOPICS[0].partition(".")[0]
# Sessions end within a few seconds of silence, so that many end within one cut and some rooms begin anew in it.
# So few are enough that rooms of thirty people say something.
SHORT = msgspec.structs.replace(
    load_settings().rules(),
    room_idle_ms=4_000,
    presence_timeout_ms=4_000,
    hold_ms=20_000,
    watching_min=2,
    in_carts_min=1,
    bought_min_orders=1,
    stock_left_share_max=0.6,
)
PARTITION = 3


class Kept(NamedTuple):
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()


class Logs:
    """Topics of one partition in memory, read as `LogReader` reads them."""

    def __init__(self, topics: dict[str, list[Kept]]) -> None:
        self._topics = topics
        self._at = dict.fromkeys(topics, 0)
        self.begins = {(topic, PARTITION): 0 for topic in topics}

    async def ends(self) -> dict[tuple[str, int], int]:
        return {(topic, PARTITION): len(records) for topic, records in self._topics.items()}

    async def read_to(self, targets: dict[tuple[str, int], int]) -> AsyncIterator[Kept]:
        for (topic, _), end in targets.items():
            while self._at[topic] < end:
                self._at[topic] += 1
                yield self._topics[topic][self._at[topic] - 1]


def following(cluster: Cluster) -> Following:
    inputs = {
        topic: [Kept(topic, PARTITION, each.offset, each.key, each.value, each.timestamp) for each in records]
        for topic, records in zip(TOPICS, cluster.log, strict=True)
    }
    journal = [Kept("", PARTITION, offset, None, value) for offset, value in enumerate(cluster.journal)]
    signals = [
        Kept("", PARTITION, offset, room_id.encode(), document)
        for offset, (room_id, _, document) in enumerate(cluster.signals)
    ]
    return Following(
        cast("LogReader", Logs(inputs)),
        cast("LogReader", Logs({f"{PREFIX}.journal": journal})),
        cast("LogReader", Logs({f"{PREFIX}.signals": signals})),
        PREFIX,
    )


async def followed(logs: Following) -> tuple[list[Overlay], Tally]:
    found, tally = [], Tally()
    async for checker, overlay in logs.documents(PARTITION):
        found.append(overlay)
        tally.add(f"{overlay.room_id}@{overlay.as_of_ms}", checker.check(overlay))
    return found, tally


@pytest.mark.parametrize("seed", range(12))
def test_each_document_of_signals_comes_once_the_last_of_a_session_too(seed: int) -> None:
    random = Random(seed)
    log = random_log(seed, events=300, rooms=random.choice([2, 6]), duration_ms=300_000, words=True)
    cluster = Cluster(log, random, SHORT)
    cluster.run()
    logs = following(cluster)
    found, tally = asyncio.run(followed(logs))
    made = [(room_id, rev) for room_id, rev, _ in cluster.signals]
    assert [(overlay.room_id, overlay.rev) for overlay in found] == made
    assert logs.unchecked == 0
    assert tally.told[:3] == []
    assert tally.of(WRONG) == 0
    assert tally.of(RIGHT) > 100
