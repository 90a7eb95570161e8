from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.contract.events import TOPIC_NAMES
from stream.contract.overlay import Count, Overlay
from stream.contract.recording import RecordedRecord
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.shows import build_show
from stream.shows.outcome import figures_planned, unmet

if TYPE_CHECKING:
    from stream.shows.show import ExpectedRoom

T0_MS = 1_700_000_000_000


@pytest.fixture(scope="module")
def folded() -> tuple[ExpectedRoom, Overlay]:
    """A whole show through the product's own fold."""
    show = build_show("tadu-2019", 9)
    fold = PartitionFold(0, Rules(), TOPIC_NAMES)
    offsets = [0] * len(TOPIC_NAMES)
    for delivery in show.deliveries(T0_MS):
        topic = TOPIC_NAMES.index(delivery.topic)
        timestamp = T0_MS + delivery.send_ms
        record = RecordedRecord(
            topic=delivery.topic, timestamp=timestamp, value=delivery.value, key=delivery.key, offset=offsets[topic]
        )
        offsets[topic] += 1
        fold.fold(topic, [record])
    fold.advance(T0_MS + show.expected.duration_ms, "log")
    overlay = fold.overlay(show.name)
    assert overlay is not None
    return show.expected.rooms[0], overlay


def test_a_show_that_was_folded_right_meets_its_plan(folded: tuple[ExpectedRoom, Overlay]) -> None:
    assert unmet(*folded) == []
    assert figures_planned(folded[0]) == 1 + 5 + 4 + 3 + 7


def test_each_figure_that_is_off_is_named(folded: tuple[ExpectedRoom, Overlay]) -> None:
    planned, shown = folded
    totals = msgspec.structs.replace(shown.totals, viewers=Count(1, "exact"), likes=2, money=[])
    off = unmet(planned, msgspec.structs.replace(shown, totals=totals, rates=shown.rates[:-1]))
    assert [text.split(":")[0] for text in off] == [
        "viewers",
        "likes",
        "gmv_placed_minor CNY",
        "gmv_paid_minor CNY",
        "gmv_net_minor CNY",
        "gpm_views CNY",
    ]
