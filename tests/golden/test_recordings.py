"""What 4013363 wrote holds: restored, replayed and gone on with, everything comes out as it did then, byte for byte."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from stream.contract.catalogue import BUILT_IN
from stream.contract.events import INPUT_TOPICS
from stream.contract.overlay import Overlay, room_key
from stream.contract.refusal import REASONS_OF_THE_ROOM, Reason
from stream.core.saved.frames import frame
from stream.core.saved.heads import head_record
from stream.core.saved.journal import decode_segment
from stream.replay.journaled import JournaledPartition
from stream.worker.checkpoint import decode_meta
from stream.worker.dead_letters import dead_letter
from tests.golden.recordings import FOLDER, META_KEY, NAMES, digest, recording, restored, rules_of
from tests.support.old_version import FIRST_VERSION, code_of
from tests.support.rooms import TOPICS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stream.core.partition import PartitionFold
    from stream.core.publishing import Published
    from tests.golden.recordings import Recording

# They are evidence, not fixtures: nobody may make them anew to have a test pass.
DIGESTS = {
    "every_kind.json.gz": "92454683df65421d681f60ec955d1183f1904242b9ba6dcb959ef240947dc799",
    "rush.json.gz": "1d9c1a80bb31af8d5bd31d4e824a1fe133002fc7bfbec2f48a705a826ccdd4c3",
    "seed-1.json.gz": "00b5aaf4fcbff6d1498a20409708561426f9f0c81dc2864e6c9483bb17bd7f84",
    "seed-2.json.gz": "5295810a205303897d61ae623aa87c4f28c6554b87781e1e504bddfc095b4868",
    "seed-3.json.gz": "296d85d5598ea76d8b58c85c7b33b32d85aaffa982ba35eb25ead2bd230270f8",
}
TYPE = re.compile(rb'{"type":"([a-z_]+)",')
# What a segment of the journal begins with; the rest are settings, which grow.
_SegmentHead = tuple[int, int, bool, msgspec.Raw, str, dict[str, Any]]


class _Redis:
    """The documents as the script would have kept them."""

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}
        self.versions: dict[str, dict[str, Any]] = {}

    def write(self, epoch: int, documents: list[Published]) -> None:
        for each in documents:
            key = room_key("live", each.room_id, "version")
            held = self.versions.get(key)
            if held is None or (held["e"], held["r"]) < (epoch, each.rev):
                self.documents[room_key("live", each.room_id, "overlay")] = each.document
                at = ",".join(map(str, each.positions))
                self.versions[key] = {"e": epoch, "r": each.rev, "p": at}


class Rerun:
    """Does with today's code what was done then, and compares what comes out."""

    def __init__(self, found: Recording, topics: tuple[str, ...] = TOPICS) -> None:
        self.found = found
        self.topics = topics
        self.redis = _Redis()
        self.epoch = 0
        self.transactions = 0
        self.fold: PartitionFold
        self._do: dict[str, Callable[..., None]] = {
            "take over": self.take_over,
            "fold": self._fold,
            "advance": self.advance,
            "publish": self.publish,
            "cut": self.cut,
        }

    def run(self) -> None:
        for what, *rest in self.found.done:
            self._do[what](*rest)

    def take_over(self, epoch: int, rules: dict[str, Any], count: int) -> None:
        self.epoch = epoch
        self.fold = restored(self.found, count, rules_of(rules), self.topics)
        self._compare_steps(self.transactions, self.fold.journal.take(self.fold.clock_ms, []))
        self.transactions += 1

    def _fold(self, topic_index: int, first: int, end: int) -> None:
        self.fold.fold(topic_index, self.found.piece(topic_index, first, end))

    def advance(self, clock_ms: int, source: Any) -> None:
        self.fold.advance(clock_ms, source)

    def publish(self, wall_ms: int, everything: bool, expected: str) -> None:  # noqa: FBT001 — as recorded
        documents = self.fold.publish(wall_ms, self.epoch, everything=everything)
        assert digest(documents) == expected
        self.redis.write(self.epoch, documents)

    def cut(self, number: int) -> None:
        found = self.found
        before, after = found.written(number)
        cut = self.fold.cut(self.epoch)
        state = [each for each in found.checkpoints[before.checkpoints : after.checkpoints] if each[0] != META_KEY]
        assert cut.records == state
        assert [(each.room_id, each.document) for each in cut.signals] == found.signals[before.signals : after.signals]
        self._compare_letters(
            [dead_letter(each, self.topics[each.topic_index], found.partition) for each in cut.refused]
        )
        self._compare_steps(number, cut.steps)
        self.transactions = number + 1

    def _compare_letters(self, letters: list[Any]) -> None:
        before, after = self.found.written(self.transactions)
        expected = self.found.dead_letters[before.dead_letters : after.dead_letters]
        assert len(letters) == len(expected)
        for letter, (key, value, headers) in zip(letters, expected, strict=True):
            assert (letter.key, letter.value) == (key, value)
            assert list(letter.headers)[: len(headers)] == headers  # new ones come last

    def _compare_steps(self, number: int, steps: Any) -> None:
        before, after = self.found.written(number)
        (segment,) = self.found.journal[before.journal : after.journal]
        assert frame(steps)[5:] == bytes(_head_of(segment)[3])


def _head_of(segment: bytes) -> _SegmentHead:
    head: _SegmentHead = msgspec.msgpack.decode(segment[5:], type=_SegmentHead)
    return head


def test_nobody_has_made_the_recordings_anew() -> None:
    assert {path.name: sha256(path.read_bytes()).hexdigest() for path in sorted(FOLDER.iterdir())} == DIGESTS
    assert {f"{name}.json.gz" for name in NAMES} == DIGESTS.keys()


def test_the_recordings_hold_everything_that_a_worker_wrote_then() -> None:
    kinds: Counter[str] = Counter()
    said: Counter[str] = Counter()
    for found in map(recording, NAMES):
        for key, value in found.checkpoints:
            kind = key[:2].decode()
            if kind == "b|":
                kind += key.split(b"|")[2][:1].decode() + ("s" if key.endswith(b"|s") else "")
            kinds[kind + (" gone" if value is None else "")] += 1
        for _, document in found.signals:
            overlay = msgspec.json.decode(document, type=Overlay)
            said.update(claim.claim for claim in overlay.claims)
            said.update(claim.reason for claim in overlay.withheld)
            said.update(sale.status for sale in overlay.sales)
            said[overlay.urgency.level] += 1
            said["held back units"] += sum(sale.released > 0 for sale in overlay.sales)
        said.update(dict(headers)["dl-reason"].decode() for _, _, headers in found.dead_letters)
        said.update(what for what, *_ in found.done)
    forgotten = {f"{kind} gone" for kind in ("r|", "b|a", "b|as", "b|c", "b|cs", "d|", "i|", "o|", "p|")}
    assert kinds.keys() == {"m", "g|", "f|", "r|", "b|a", "b|as", "b|c", "b|cs", "d|", "i|", "o|", "p|"} | forgotten
    assert said.keys() >= {"stock_left", "bought_recently", "in_carts", "watching_now", "ends_in", "eta_sellout"}
    assert said.keys() >= {"sold_out", "sample_too_small", "restock_planned", "above_display_threshold"}
    assert said.keys() >= {"stock_unknown", "sale_not_open", "unknown", "scheduled", "open", "ended", "calm"}
    later = {Reason.IMPOSSIBLE_TIME, Reason.UNREADABLE_RECORD, Reason.MISPLACED_KEY, *REASONS_OF_THE_ROOM}
    reasons = {reason.value for reason in Reason if reason not in later}
    assert said.keys() >= {"warming", "brisk", "last_call", "held back units", *reasons}
    values = [record.value for records in recording("every_kind").inputs for record in records if record.value]
    types = {match[1].decode() for value in values if (match := TYPE.match(value))}
    known = {name for name, (topic, _) in BUILT_IN.types.items() if f"live.{topic}" in recording("rush").topics}
    assert types >= known - {"cart_remove"}  # which came later


def test_the_topics_of_then_are_the_first_ones_of_now() -> None:
    for name in NAMES:
        topics = recording(name).topics
        assert topics == tuple(f"live.{topic}" for topic, _ in INPUT_TOPICS[: len(topics)])


@pytest.mark.parametrize("name", NAMES)
def test_what_was_done_then_gives_the_same_bytes_now(name: str) -> None:
    """Each owner takes over from the records of then and goes on: state, signals, letters, journal, Redis."""
    found = recording(name)
    rerun = Rerun(found)
    rerun.run()
    assert rerun.transactions == len(found.transactions)
    assert rerun.redis.documents == found.documents
    assert rerun.redis.versions == found.versions


@pytest.mark.usefixtures("on_both_kernels")
@pytest.mark.parametrize("name", NAMES)
def test_the_journal_of_then_replays_to_the_signals_of_then(name: str) -> None:
    found = recording(name)
    segments = [decode_segment(value, "journal") for value in found.journal]
    follower = JournaledPartition(found.partition, TOPICS, segments[0], keep_state=True)
    signals = []
    for segment in segments:
        for piece in follower.pieces(segment):
            follower.take(piece, found.piece(piece.topic_index, piece.first, piece.end))
        signals += [(each.room_id, each.document) for each in follower.cut(segment)]
    assert signals == found.signals


@pytest.mark.parametrize("name", NAMES)
def test_a_room_that_nothing_touched_since_keeps_the_bytes_of_its_head(name: str) -> None:
    found = recording(name)
    compared = 0
    for _, rules, count in found.take_overs():
        fold = restored(found, count, rules)
        saved = {key: value for key, value in found.state(count) if key.startswith(b"r|")}
        assert {key: value for key, value in saved.items() if value is not None} == dict(
            head_record(room) for room in fold.rooms.values()
        )
        assert [fold.cut(1).records, fold.cut(1).steps] == [[], None]
        compared += len(fold.rooms)
    assert compared


@pytest.mark.parametrize("name", NAMES)
def test_every_meta_record_of_then_is_read(name: str) -> None:
    for key, value in recording(name).checkpoints:
        if key == META_KEY:
            assert value is not None
            meta = msgspec.structs.asdict(decode_meta(value, "here"))
            assert meta.items() >= msgspec.json.decode(value).items()
            assert meta["version"] == 1


def test_the_old_version_makes_the_same_recordings_again(tmp_path: Path) -> None:
    """From its own code, by `record.py`: nothing in them is anybody else's word."""
    old = code_of(FIRST_VERSION, tmp_path / "old")
    made = subprocess.run(
        [sys.executable, FOLDER.parent / "record.py", tmp_path / "v1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(old)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    for name in DIGESTS:
        assert gzip.decompress((tmp_path / "v1" / name).read_bytes()) == gzip.decompress((FOLDER / name).read_bytes())
