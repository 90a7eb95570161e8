"""Days of rooms with silences, shows and rehearsals: each session is what the recount makes of it, whoever folds."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.contract.events import TOPIC_NAMES
from stream.contract.overlay import Overlay
from stream.core.rules import Rules
from stream.verify.compare import compare
from stream.verify.recount import Recount
from stream.verify.rulebook import assumptions_of_rules
from tests.support.rooms import T0_MS, TOPICS, new_fold, random_log, restarted

if TYPE_CHECKING:
    from stream.core.partition import PartitionFold
    from stream.core.publishing import Published
    from tests.support.rooms import Log, Rec

Saved = dict[bytes, bytes | None]  # the compacted topic
HOUR_MS = 3_600_000
# Holds outlast a session, sales and orders outlast many.
RULES = Rules(
    room_idle_ms=40_000,
    show_idle_ms=100_000,
    hold_ms=90_000,
    remember_sales_ms=HOUR_MS,
    remember_orders_ms=HOUR_MS,
    presence_timeout_ms=20_000,
    allowed_lateness_ms=0,
    ended_again_ms=30_000,
    ids_by_topic=True,
)


def nights(seed: int) -> Log:
    """A log in which every room falls silent now and then."""
    log = random_log(seed, events=350, rooms=4, duration_ms=900_000, words=True)
    random = Random(seed)
    silent: dict[bytes, list[tuple[int, int]]] = {}
    for room in range(4):
        begins = [T0_MS + random.randrange(900_000) for _ in range(5)]
        silent[b"room-%d" % room] = [(begin, begin + random.randrange(30_000, 160_000)) for begin in begins]

    def is_silent(record: Rec) -> bool:
        return any(begin <= record.timestamp < end for begin, end in silent[record.key or b"room-0"])

    kept = [[record for record in records if not is_silent(record)] for records in log]
    return [[record._replace(offset=offset) for offset, record in enumerate(records)] for records in kept]


def in_order(log: Log) -> list[tuple[int, Rec]]:
    return sorted(
        ((topic, record) for topic, records in enumerate(log) for record in records),
        key=lambda each: (each[1].timestamp, each[0]),
    )


class Watched:
    """A fold and a recount that read the same records in the same order; each session's last documents are compared."""

    def __init__(self, seed: int, *, offsets: bool) -> None:
        self.random = Random(seed)
        self.fold: PartitionFold = new_fold(RULES)
        self.recount = Recount(assumptions_of_rules(msgspec.to_builtins(RULES)))
        self.offsets = offsets
        self.saved: Saved = {}
        self.epoch = 1
        self.ended: set[tuple[str, int]] = set()
        self.versions: dict[str, list[tuple[int, int]]] = {}

    def run(self, log: Log) -> None:
        for topic, record in in_order(log):
            self.fold.advance(record.timestamp, "log")
            self.look(self.fold.publish(None, self.epoch))
            if self.random.random() < 0.03:
                self.fold, self.epoch = restarted(self.fold, self.saved, RULES), self.epoch + 1
                self.look(self.fold.publish(None, self.epoch))
            before = {room_id: room.born_ms for room_id, room in self.fold.rooms.items()}
            self.fold.fold(topic, [record])
            if {room_id: room.born_ms for room_id, room in self.fold.rooms.items()} != before:
                # What ended by this word is looked at before the recount goes on behind it.
                self.look(
                    self.fold.publish(None, self.epoch, limit=1) if self.fold._life.ended._due else [], word=record
                )
            self.count(topic, record)
        self.fold.advance(T0_MS + 2_000_000, "log")
        self.look(self.fold.publish(None, self.epoch))

    def count(self, topic: int, record: Rec) -> None:
        offset = record.offset if self.offsets else -1
        if self.offsets:
            for room_id in self.fold.rooms:
                overlay = self.fold.overlay(room_id)
                assert overlay is not None
                self.tell(overlay)
        self.recount.add(TOPICS[topic], record.value, record.key, record.timestamp, offset=offset)

    def tell(self, overlay: Overlay) -> None:
        """What a document says of its session."""
        if overlay.session is not None:
            first = dict(zip(TOPIC_NAMES, overlay.session.first_offsets, strict=True))
            end = dict(zip(TOPIC_NAMES, overlay.session.next_offsets, strict=True))
            is_over = overlay.session.ended_at_ms is not None
            self.recount.begins(overlay.room_id, overlay.session.began_at_ms, first, end if is_over else None)

    def look(self, documents: list[Published], word: Rec | None = None) -> None:
        for each in documents:
            overlay = msgspec.json.decode(each.document, type=Overlay)
            self.versions.setdefault(overlay.room_id, []).append((overlay.epoch, overlay.rev))
            if word is not None and b"room_closed" in (word.value or b""):
                continue  # the word itself is in it, and is not counted yet
            if each.last and overlay.session is not None:
                ended = overlay.room_id, overlay.session.began_at_ms
                if ended in self.ended:  # written again by a new owner
                    continue
                self.ended.add(ended)
            if self.offsets:
                self.tell(overlay)
            figures = compare(self.recount.room(overlay.room_id, overlay.as_of_ms, None, overlay.session), overlay)
            wrong = [figure for figure in figures if not figure.agrees]
            assert not wrong, (overlay.room_id, overlay.session, wrong)


@pytest.mark.parametrize("offsets", [False, True], ids=["in the log's order", "by what documents say"])
@pytest.mark.parametrize("seed", range(25))
def test_every_document_of_every_session_equals_the_recount(seed: int, offsets: bool) -> None:  # noqa: FBT001
    watched = Watched(seed, offsets=offsets)
    watched.run(nights(seed))
    assert len(watched.ended) > 5
    for versions in watched.versions.values():
        assert versions == sorted(set(versions))
