"""Live equals replay, to the byte: whoever folded, whoever took over, whenever documents were made."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Literal

import msgspec
import pytest

from stream.core.mechanic import NO_MECHANICS
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.core.saved.journal import JournalError, Segment, check_follows, decode_segment, encode_segment
from stream.replay.journaled import JournaledPartition
from tests.support.events import Log as Events
from tests.support.events import opened
from tests.support.mechanics import EACH, with_interactions
from tests.support.rooms import INTERACTIONS, T0_MS, TOPICS, random_log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.core.mechanic import Installed
    from tests.support.rooms import Log

RULES = Rules()
# Everything that is bounded comes to its bound here.
TIGHT = Rules(
    distinct_exact_max=12,
    remember_ids_ms=60_000,
    remember_ids_max=120,
    remember_orders_ms=90_000,
    remember_orders_max=12,
    presence_timeout_ms=40_000,
    room_idle_ms=25_000,
    hold_ms=20_000,
    sales_per_room_max=3,
    rooms_max=6,
)
# And what rooms know outlives their sessions, for a while; most documents with a sale are too large for the log.
REMEMBERING = msgspec.structs.replace(
    TIGHT, remember_sales_ms=120_000, ended_again_ms=10_000, show_idle_ms=60_000, signal_max_bytes=4_700
)
Signals = list[tuple[str, int, bytes]]


class Cluster:
    """The committed logs of one partition, and the owners that come and go."""

    def __init__(self, log: Log, random: Random, rules: Rules, mechanics: Installed = NO_MECHANICS) -> None:
        self.log, self.random, self.rules, self.mechanics = log, random, rules, mechanics
        self.state: dict[bytes, bytes] = {}
        self.positions, self.clock_ms = [0] * len(TOPICS), -1
        self.journal: list[bytes] = []
        self.signals: Signals = []
        self.claims: list[tuple[tuple[bytes, bytes], ...]] = []  # of each signal
        self.epoch = self.seq = 0
        self.now_ms = T0_MS

    def owner(self) -> PartitionFold:
        """Somebody takes over: what was folded and not committed is gone."""
        if self.random.random() < 0.2:
            least = self.random.randrange(1, 6)
            self.rules = msgspec.structs.replace(self.rules, bought_min_orders=least, ids_by_topic=least % 2 == 0)
        fold = PartitionFold(3, self.rules, TOPICS, mechanics=self.mechanics)
        for key, value in self.state.items():
            fold.load(key, value)
        fold.loaded(self.positions, self.clock_ms)
        self.epoch, self.seq = self.epoch + 1, 1
        steps = fold.journal.take(self.clock_ms, [])
        rules = msgspec.to_builtins(self.rules)
        self.journal.append(encode_segment(Segment(self.epoch, 1, claim=True, steps=steps, version="1", rules=rules)))
        return fold

    def commit(self, fold: PartitionFold) -> None:
        cut = fold.cut(self.epoch)
        if cut.steps is None:
            return
        self.seq += 1
        rules = {} if cut.steps.base is None else msgspec.to_builtins(self.rules)
        self.journal.append(encode_segment(Segment(self.epoch, self.seq, claim=False, steps=cut.steps, rules=rules)))
        for key, value in cut.records:
            self.state.pop(key, None)
            if value is not None:
                self.state[key] = value
        self.positions, self.clock_ms = list(cut.positions), cut.clock_ms
        self.signals += [(each.room_id, each.rev, each.document) for each in cut.signals]
        self.claims += [each.claims for each in cut.signals]

    def run(self) -> None:
        random = self.random
        fold = self.owner()
        while self.positions != [len(records) for records in self.log] or random.random() < 0.9:
            match random.choices(("fold", "tick", "publish", "commit", "crash"), (50, 40, 20, 12, 2))[0]:
                case "fold":
                    self._fold(fold)
                case "tick":
                    self.now_ms += random.choice([1, 30, 100, 100, 700, 1_000, 9_000])
                    source: Literal["tick", "log"] = random.choice(["tick", "tick", "log"])
                    while not fold.advance(self.now_ms, source, random.choice([None, 1, 2])):
                        if random.random() < 0.5:
                            self.commit(fold)
                case "publish":
                    # As of a moment beside the clock, by some owners often and by others never.
                    wall_ms = self.now_ms + random.randrange(200)
                    fold.publish(wall_ms, self.epoch, everything=random.random() < 0.2, limit=random.choice([None, 1]))
                case "commit":
                    self.commit(fold)
                case _:
                    fold = self.owner()
        self.commit(fold)

    def _fold(self, fold: PartitionFold) -> None:
        topic = self.random.randrange(len(TOPICS))
        at = fold.positions[topic]
        piece = self.log[topic][at : at + self.random.randrange(1, 12)]
        if piece:
            self.now_ms = max(self.now_ms, piece[-1].timestamp - self.random.randrange(5_000))
            fold.fold(topic, piece)


def replayed(
    journal: list[bytes], log: Log, start: int = 0, mechanics: Installed = NO_MECHANICS
) -> Iterator[tuple[str, int, bytes]]:
    segments = [decode_segment(value, "here") for value in journal]
    for before, after in pairwise(segments):
        check_follows(before, after, "here")
    follower = JournaledPartition(3, TOPICS, segments[start], keep_state=True, mechanics=mechanics)
    for segment in segments[start:]:
        for piece in follower.pieces(segment):
            follower.take(piece, log[piece.topic_index][piece.first : piece.end])
        for each in follower.cut(segment):
            yield each.room_id, each.rev, each.document


@pytest.mark.parametrize("rules", [RULES, TIGHT, REMEMBERING], ids=["default", "tight", "remembering"])
@pytest.mark.parametrize("seed", range(25))
def test_a_replay_gives_the_same_signals_over_crashes_and_take_overs(seed: int, rules: Rules) -> None:
    random = Random(seed)
    rooms, duration_ms = random.choice([1, 3, 9]), random.choice([20_000, 300_000])
    log = random_log(seed, events=400, rooms=rooms, duration_ms=duration_ms, words=rules is REMEMBERING)
    cluster = Cluster(log, random, rules)
    cluster.run()
    assert cluster.epoch > 1
    assert cluster.signals
    for number, (again, live) in enumerate(zip(replayed(cluster.journal, log), cluster.signals, strict=True)):
        assert again == live, number
    named = [(room_id, msgspec.json.decode(document)["epoch"], rev) for room_id, rev, document in cluster.signals]
    if rules is RULES:  # no room ends and begins anew: a pair of epoch and revision names one document
        assert len(named) == len(set(named))
    if rules is REMEMBERING:  # whatever ends and begins anew
        assert all(len(document) <= 4_700 for _, _, document in cluster.signals)
        assert any(b'"left_out":{' in document for _, _, document in cluster.signals)
        for room_id in {name for name, _, _ in named}:
            versions = [each[1:] for each in named if each[0] == room_id]
            assert versions == sorted(set(versions))


@pytest.mark.parametrize(("signal_max_bytes", "written"), [(0, 0), (1_000_000, 1), (2_000_000, 1)])
def test_a_replay_leaves_out_what_workers_left_out_that_did_not_shorten(signal_max_bytes: int, written: int) -> None:
    rules = Rules(sales_per_room_max=1_000, signal_max_bytes=signal_max_bytes)
    log = Events(rules)
    log.add(*(opened(sale=f"s{number}", sku="k" * 60) for number in range(900)))
    cut = log.fold.cut(1)
    assert cut.steps is not None
    assert (len(cut.signals[0].document) > 1_000_000) == (signal_max_bytes != 1_000_000)
    segment = Segment(1, 1, claim=False, steps=cut.steps, rules=msgspec.to_builtins(rules))
    again = list(replayed([encode_segment(segment)], log.records))
    assert again == [(each.room_id, each.rev, each.document) for each in cut.signals[:written]]


@pytest.mark.parametrize("seed", range(10))
def test_a_replay_may_begin_wherever_there_were_no_rooms(seed: int) -> None:
    log = random_log(seed, events=120, rooms=2, duration_ms=400_000)
    cluster = Cluster(log, Random(seed), msgspec.structs.replace(TIGHT, room_idle_ms=4_000))
    cluster.run()
    segments = [decode_segment(value, "here") for value in cluster.journal]
    starts = [number for number, segment in enumerate(segments) if segment.steps.base is not None and segment.rules]
    assert len(starts) > 1 or seed in (2, 4)
    for start in starts:
        rest = list(replayed(cluster.journal, log, start))
        assert rest == cluster.signals[len(cluster.signals) - len(rest) :]


@pytest.mark.parametrize("rules", [RULES, TIGHT, REMEMBERING], ids=["default", "tight", "remembering"])
@pytest.mark.parametrize("seed", range(2))
def test_a_replay_gives_the_same_sections(seed: int, rules: Rules) -> None:
    random, mechanics = Random(seed), EACH["all"]
    limits = mechanics.limits({})
    if rules is not RULES:
        limits = {name: dict.fromkeys(bounds, 4) for name, bounds in limits.items()}
    log = random_log(seed, events=200, rooms=3, duration_ms=120_000, words=rules is REMEMBERING)
    log = with_interactions(log, mechanics, random, events=150, rooms=3, duration_ms=120_000)
    cluster = Cluster(log, random, msgspec.structs.replace(rules, mechanics=limits), mechanics)
    cluster.run()
    assert cluster.epoch > 1
    assert any(b'"gifts":{' in document for _, _, document in cluster.signals)
    assert any(b'"candles":{' in document for _, _, document in cluster.signals)
    assert list(replayed(cluster.journal, log, mechanics=mechanics)) == cluster.signals
    with pytest.raises(JournalError, match=f"mechanics that are unknown here: {', '.join(sorted(limits))}"):
        list(replayed(cluster.journal, log))


def test_a_mechanic_begins_with_the_owner_that_knows_it_first() -> None:
    """What an older worker refused stays refused in its part of the log."""
    mechanics, random = EACH["gifts"], Random(3)
    log = with_interactions(random_log(3, events=200), mechanics, random, events=150, rooms=3, duration_ms=120_000)
    cluster = Cluster(log, random, RULES, mechanics)
    fold = cluster.owner()
    half = len(log[INTERACTIONS]) // 2
    fold.fold(INTERACTIONS, log[INTERACTIONS][:half])
    assert fold.counters.dead_letters["unknown_type"] > 0
    cluster.commit(fold)
    cluster.rules = msgspec.structs.replace(RULES, mechanics=mechanics.limits({}))
    cluster.run()
    assert any(b'"gifts":{' in document for _, _, document in cluster.signals)
    assert list(replayed(cluster.journal, log, mechanics=mechanics)) == cluster.signals
