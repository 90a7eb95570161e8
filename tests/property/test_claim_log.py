"""`live.claims` says what the documents say, also to who reads it compacted or from its middle, over crashes."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.contract.overlay import Overlay
from stream.core.saved.journal import decode_segment
from stream.replay.journaled import JournaledPartition
from stream.verify.kept_claims import KeptClaims, difference
from tests.property.test_journal import REMEMBERING, Cluster
from tests.support.rooms import TOPICS, random_log

if TYPE_CHECKING:
    from stream.core.rules import Rules

KEEPING = msgspec.structs.replace(REMEMBERING, keep_claims=True, signals_edition=2)
KeyValue = tuple[bytes, bytes]


class Keeping(Cluster):
    """Keeps the claims of each committed document."""

    def __init__(self, seed: int, rules: Rules) -> None:
        random = Random(seed)
        log = random_log(seed, events=400, rooms=3, duration_ms=random.choice([20_000, 300_000]), words=True)
        super().__init__(log, random, rules)
        self.run()


def of(cluster: Cluster) -> list[KeyValue]:
    return [record for claims in cluster.claims for record in claims]


@cache
def kept(seed: int) -> Cluster:
    return Keeping(seed, msgspec.structs.replace(KEEPING, signal_max_bytes=0))


@pytest.mark.parametrize("seed", range(6))
def test_the_topic_says_what_each_document_says(seed: int) -> None:
    cluster = kept(seed)
    reader, compared = KeptClaims(), 0
    for (_, _, document), claims in zip(cluster.signals, cluster.claims, strict=True):
        *some, last = [reader.take(value) for _, value in claims]
        assert some == [None] * len(some), "the room's record is the last one"
        assert last is not None
        overlay = msgspec.json.decode(document, type=Overlay)
        assert (last.room.epoch, last.room.rev) == (overlay.epoch, overlay.rev)
        assert difference(last, overlay) == ""
        compared += len(overlay.claims) + len(overlay.withheld)
    assert compared > 50


@pytest.mark.parametrize("seed", range(6))
def test_compaction_and_a_lost_beginning_leave_what_stood_at_the_end_of_each_second(seed: int) -> None:
    cluster = kept(seed)
    documents = {(each[0], msgspec.json.decode(each[2])["epoch"], each[1]): each[2] for each in cluster.signals}
    records = of(cluster)
    records = records[Random(seed).randrange(len(records) // 2) :]
    last = {key: number for number, (key, _) in enumerate(records)}
    reader, compared = KeptClaims(), 0
    for number, (key, value) in enumerate(records):
        if last[key] != number:
            continue  # compacted away
        standing = reader.take(value)
        if standing is None:
            continue
        room = standing.room
        overlay = msgspec.json.decode(documents[room.room_id, room.epoch, room.rev], type=Overlay)
        assert difference(standing, overlay) == ""
        compared += 1
    assert compared


@pytest.mark.parametrize("seed", range(6))
def test_a_replay_gives_the_same_claims_over_crashes_and_take_overs(seed: int) -> None:
    cluster = Keeping(seed, KEEPING)
    assert cluster.epoch > 1
    segments = [decode_segment(value, "here") for value in cluster.journal]
    starts = [0, *(n for n, segment in enumerate(segments) if segment.steps.base is not None and segment.rules)]
    for start in starts:
        follower = JournaledPartition(3, TOPICS, segments[start], keep_state=True)
        again = []
        for segment in segments[start:]:
            for piece in follower.pieces(segment):
                follower.take(piece, cluster.log[piece.topic_index][piece.first : piece.end])
            again += [each.claims for each in follower.cut(segment)]
        assert again == cluster.claims[len(cluster.claims) - len(again) :]
    shortened = [document for _, _, document in cluster.signals if b'"left_out":{' in document]
    assert shortened, "of these all claims are kept"


def test_older_rules_keep_none() -> None:
    cluster = Keeping(1, msgspec.structs.replace(KEEPING, keep_claims=False))
    assert not of(cluster)
    assert not of(Keeping(1, msgspec.structs.replace(KEEPING, remember_sales_ms=0)))
