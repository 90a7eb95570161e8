"""Sources of views in the fold are those of the recount, however the log is cut and whenever the worker restarts."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.core.rules import Rules
from stream.verify.compare import compare
from stream.verify.recount import Recount
from stream.verify.room_count import Assumptions
from tests.support.rooms import T0_MS, VISITS, Rec, new_fold, restarted

if TYPE_CHECKING:
    from stream.contract.overlay import Overlay
    from stream.core.partition import PartitionFold

MOST = 4
RULES = Rules(sources_max=MOST)
SOURCES = [None, None, "feed", "feed", "feed", "search", "other", "a", "b", "c"]


def visits(seed: int) -> list[Rec]:
    """Views of one room: some late, some repeated with another source, more sources than there are places."""
    random = Random(seed)
    found: list[Rec] = []
    append_ms = T0_MS
    for number in range(200):
        append_ms += random.choice([0, 0, 300, 4_000])
        event = {
            "type": random.choice(["enter", "enter", "enter", "leave"]),
            "event_id": f"e{number - (random.random() < 0.1)}",
            "room_id": "r1",
            "event_time_ms": append_ms - random.choice([0, 0, 900, 50_000]),
            "user_id": random.choice(["-", "u1", "u2", "u3"]),
        }
        if event["type"] == "enter" and (source := random.choice(SOURCES)) is not None:
            event["source"] = source
        found.append(Rec(msgspec.json.encode(event), b"r1", number, append_ms))
    return found


def shown(fold: PartitionFold) -> Overlay:
    overlay = fold.overlay("r1")
    assert overlay is not None
    return overlay


@pytest.mark.parametrize("seed", range(8))
def test_sources_are_those_of_the_recount_however_the_log_is_cut(seed: int) -> None:
    random, records = Random(seed), visits(seed)
    one_by_one, fold = new_fold(RULES), new_fold(RULES)
    recount = Recount(Assumptions(sources_max=MOST))
    for record in records:
        recount.add("visits", record.value, record.key, record.timestamp, partition=0, offset=record.offset)
        one_by_one.fold(VISITS, [record])
    saved: dict[bytes, bytes | None] = {}
    place = 0
    while place < len(records):
        end = place + random.choice([1, 2, 7, 30])
        fold.fold(VISITS, records[place:end])
        place = end
        if random.random() < 0.3:
            fold = restarted(fold, saved, RULES)
    overlay = shown(fold)
    assert overlay.sources == shown(one_by_one).sources
    assert any(each.other for each in overlay.sources)
    assert sum(each.views for each in overlay.sources) == overlay.totals.views
    figures = [each for each in compare(recount.room("r1", overlay.as_of_ms), overlay) if "sources" in each.name]
    assert len(figures) > MOST
    assert [each for each in figures if not each.agrees] == []


def test_a_count_that_is_off_by_one_or_missing_is_a_difference() -> None:
    records = visits(1)
    fold, recount = new_fold(RULES), Recount(Assumptions(sources_max=MOST))
    fold.fold(VISITS, records)
    for record in records:
        recount.add("visits", record.value, record.key, record.timestamp, partition=0, offset=record.offset)
    overlay = shown(fold)
    figures = recount.room("r1", overlay.as_of_ms)
    most = msgspec.structs.replace(overlay.sources[0], views=overlay.sources[0].views + 1)
    for wrong in ([most, *overlay.sources[1:]], overlay.sources[1:], overlay.sources[:-1], []):
        differing = compare(figures, msgspec.structs.replace(overlay, sources=wrong))
        assert any(each.name.startswith("sources") and not each.agrees for each in differing)
