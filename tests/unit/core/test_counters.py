from __future__ import annotations

from stream.core.counters import Counters
from tests.support.events import Log, like
from tests.support.rooms import LIKES, TOPICS, Rec


def test_what_was_received_is_applied_duplicate_or_refused_by_topic() -> None:
    log = Log()
    once = like()
    log.add(once, once, like("u2"))
    log.fold.fold(LIKES, [Rec(b"{", b"r1", 3, 0)])
    counters = log.fold.counters
    assert [each[LIKES] for each in (counters.received, counters.applied, counters.duplicate)] == [4, 2, 1]
    assert counters.dead_lettered[LIKES] == sum(counters.dead_letters.values()) == 1
    assert counters.received == [
        sum(parts) for parts in zip(counters.applied, counters.duplicate, counters.dead_lettered, strict=True)
    ]


def test_counting_begins_with_nothing_for_every_topic() -> None:
    assert Counters(len(TOPICS)).received == [0] * len(TOPICS)
