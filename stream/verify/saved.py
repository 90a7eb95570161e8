"""What the workers saved, read without their code: checkpoints and documents, which never go back, and dead letters.

A room's counts can be right although two owners wrote at once. The order of the checkpoint log then cannot be.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import Struct

from stream.contract.kept import CutBytes
from stream.contract.overlay import Session
from stream.verify.recount import Refusal, digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stream.verify.log import Offsets

META_KEY = b"m"
# Bound on kept problems; further ones are only counted. A log that is wrong everywhere must not fill the memory.
PROBLEMS_MAX = 1_000
# Bound on the remembered places of letters. A repeated letter comes soon, from the next owner.
PLACES_MAX = 20_000


class Meta(Struct):
    """The meta record of one checkpoint.

    `positions`: full topic name → next offset to fold, as of `clock_ms`, for the topics that its worker knows.
    """

    epoch: int
    seq: int
    owner: str
    claim: bool
    positions: dict[str, int]
    clock_ms: int = -1
    version: int = 1


class Problems:
    """Sentences about contradictions. The first are kept, and all are counted."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.count = 0

    def add(self, problem: str) -> None:
        """Note a problem."""
        self.count += 1
        if len(self.said) < PROBLEMS_MAX:
            self.said.append(problem)


class CheckpointLog:
    """The meta records of the checkpoints topic, in log order. `problems`: contradictions in them."""

    def __init__(self) -> None:
        self.last: dict[int, Meta] = {}
        self.checkpoints = 0
        self.problems = Problems()

    def add(self, partition: int, offset: int, key: bytes | None, value: bytes | None) -> None:
        """Check one record. Only meta records are checked: the others are the owner's own."""
        if key != META_KEY or value is None:
            return
        try:
            meta = msgspec.json.decode(value, type=Meta)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self.problems.add(f"checkpoints/{partition}@{offset}: not a meta record: {error}")
            return
        self.checkpoints += 1
        if (before := self.last.get(partition)) is not None:
            for wrong in _wrong(before, meta):
                self.problems.add(f"checkpoints/{partition}@{offset}: {wrong}")
        self.last[partition] = meta

    def saved(self, topic: str, partition: int) -> int | None:
        """The next offset to fold of a topic partition, as last saved; None: nothing was saved."""
        meta = self.last.get(partition)
        return None if meta is None else meta.positions.get(topic)

    def behind(self, ends: Offsets) -> dict[tuple[str, int], int]:
        """The input partitions saved less far than `ends`, with the number of missing offsets."""
        saved = {where: self.saved(*where) or 0 for where in ends}
        return {where: end - saved[where] for where, end in ends.items() if saved[where] < end}


def _wrong(before: Meta, after: Meta) -> Iterator[str]:
    """Contradictions between two checkpoints. Compaction may have removed others between: each check allows gaps."""
    if after.epoch < before.epoch:
        yield f"the epoch goes back from {before.epoch} to {after.epoch}"
    if after.epoch == before.epoch and (after.owner != before.owner or after.seq <= before.seq):
        yield f"two writers in epoch {after.epoch}: {before.owner} #{before.seq}, then {after.owner} #{after.seq}"
    if after.clock_ms < before.clock_ms:
        yield f"the clock goes back from {before.clock_ms} to {after.clock_ms}"
    if after.version < before.version:
        yield f"the version goes back from {before.version} to {after.version}"
    for topic, position in before.positions.items():
        # An older worker omits a topic that it does not know. It may do so while nothing of that topic was folded; the
        # version is then 1.
        known = topic in after.positions or before.version > 1
        if known and after.positions.get(topic, 0) < position:
            yield f"{topic} goes back from {position} to {after.positions.get(topic, 0)}"
    if after.claim and after.epoch == before.epoch + 1 and _common(after, before) != _common(before, after):
        yield f"{after.owner} claims other positions than were saved"


def _common(one: Meta, other: Meta) -> dict[str, int]:
    """The positions of `one` for the topics that both know."""
    return {topic: position for topic, position in one.positions.items() if topic in other.positions}


class Stamp(NamedTuple):
    """The checkpoint that a document belongs to. Both values only grow along a partition's log."""

    epoch: int
    as_of_ms: int


class Document(NamedTuple):
    """One record of `live.signals`. `left_out`: the number of items that its lists lack for want of room."""

    stamp: Stamp
    rev: int
    offset: int
    value: bytes
    left_out: dict[str, int]


class _Head(Struct):
    epoch: int
    rev: int
    as_of_ms: int
    session: Session | None = None
    left_out: dict[str, int] = {}


_head_of = msgspec.json.Decoder(_Head).decode


class Signals:
    """The documents of `live.signals`, handed out up to a checkpoint. Documents carry its epoch and clock.

    Attributes:
        newest: per room, the document handed out last.
        sessions: the sessions in documents since the caller last emptied it, by room and beginning.
        problems: contradictions in the topic.
    """

    def __init__(self) -> None:
        self.newest: dict[str, Document] = {}
        self.documents = 0
        self.problems = Problems()
        self._waiting: defaultdict[int, deque[tuple[str, Document]]] = defaultdict(deque)
        self.sessions: dict[tuple[str, int], Session | None] = {}
        self._last: dict[int, Stamp] = {}

    def add(self, record: Any) -> None:
        """Take one record of the topic."""
        where = f"signals/{record.partition}@{record.offset}"
        try:
            room_id = (record.key or b"").decode()
            head = _head_of(record.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self.problems.add(f"{where}: not an overlay document: {error}")
            return
        stamp = Stamp(head.epoch, head.as_of_ms)
        before = self._last.get(record.partition, stamp)
        if stamp.epoch < before.epoch or stamp.as_of_ms < before.as_of_ms:
            self.problems.add(f"{where}: goes back from epoch and time {before[:]} to {stamp[:]}")
        self._last[record.partition] = stamp
        self.documents += 1
        began_ms = -1 if head.session is None else head.session.began_at_ms
        self.sessions[room_id, began_ms] = head.session
        self._waiting[record.partition].append(
            (room_id, Document(stamp, head.rev, record.offset, record.value, head.left_out))
        )

    def take(self, partition: int, meta: Meta) -> dict[str, list[Document]]:
        """The newest document of each room with a new one, up to a checkpoint.

        If the clock stands still between two checkpoints, both documents of a room are given, the newest last.
        """
        cut = Stamp(meta.epoch, max(meta.clock_ms, 0))
        found: dict[str, list[Document]] = {}
        waiting = self._waiting[partition]
        while waiting and waiting[0][1].stamp <= cut:
            room_id, document = waiting.popleft()
            same = found.setdefault(room_id, [])
            if same and same[-1].stamp != document.stamp:
                same.clear()
            same.append(document)
            self.newest[room_id] = document._replace(value=b"")
        return found

    def forget(self, room_id: str) -> None:
        """Forget a room that has ended."""
        self.newest.pop(room_id, None)


def _whole(part: bytes | None, said: bytes | None) -> bytes | None:
    """A key or value of a letter. If it was cut, a header gives its whole length."""
    return part if part is None or said is None else CutBytes(part, int(said))


class DeadLetters:
    """Compares the records of the dead-letters topic with the refusals of the recount. Matching ones are dropped.

    Attributes:
        count: the number of letters read.
        ahead_of_clock: topic, partition and offset of records that were refused before their own time had come.
        problems: letters that cannot be read.
    """

    def __init__(self) -> None:
        self.count = 0
        self.problems = Problems()
        self.ahead_of_clock: set[tuple[str, int, int]] = set()
        self._balance: Counter[Refusal] = Counter()  # letters less refusals
        self._places: OrderedDict[Refusal, list[int]] = OrderedDict()

    def add(self, record: Any) -> None:
        """Take one record of the topic."""
        self.count += 1
        headers = {name: value for name, value in record.headers if name.startswith("dl-")}
        try:
            topic = headers["dl-topic"].decode().rpartition(".")[2]
            partition, offset = int(headers["dl-partition"]), int(headers["dl-offset"])
            reason = headers["dl-reason"].decode()
            content = digest(
                _whole(record.key, headers.get("dl-key-bytes")), _whole(record.value, headers.get("dl-value-bytes"))
            )
            if reason == "ahead_of_clock" and int(headers["dl-append-time-ms"]) > record.timestamp:
                self.ahead_of_clock.add((topic, partition, offset))
        except (KeyError, ValueError) as error:
            self.problems.add(f"dead-letters/{record.partition}@{record.offset}: headers are wrong: {error!r}")
            return
        if partition != record.partition:
            self.problems.add(f"dead-letters/{record.partition}@{record.offset}: comes from partition {partition}")
        refusal = Refusal(topic, partition, offset, reason, content)
        self._places.setdefault(refusal, []).append(record.offset)
        if len(self._places) > PLACES_MAX:
            self._places.popitem(last=False)
        self._move(refusal, 1)

    def expect(self, refusal: Refusal) -> None:
        """Note a refused record, which must have exactly one letter."""
        self._move(refusal, -1)

    def _move(self, refusal: Refusal, by: int) -> None:
        self._balance[refusal] += by
        if not self._balance[refusal]:
            del self._balance[refusal]

    def too_often(self, begins: Offsets | None = None, cut: Offsets | None = None) -> dict[Refusal, list[int]]:
        """Repeated or unexpected letters, and their remembered offsets."""
        return {
            refusal: self._places.get(refusal, [])
            for refusal, balance in self._balance.items()
            if balance > 0 and _is_counted(refusal, begins, cut)
        }

    def differences(
        self,
        begins: Offsets | None = None,
        cut: Offsets | None = None,
        fates: Mapping[Refusal, str] = MappingProxyType({}),
    ) -> list[str]:
        """Missing, repeated and unexpected letters, for records from `begins` up to `cut`, in sentences.

        Both bounds are by logical topic and partition; None: no bound. Letters of deleted records cannot be checked.
        `fates`: what is known of repeated letters.
        """
        wrong = []
        for refusal, balance in self._balance.items():
            if _is_counted(refusal, begins, cut):
                said = "should not be in dead-letters" if balance > 0 else "missing in dead-letters"
                fate = f": {fates[refusal]}" if refusal in fates else ""
                wrong += [f"{said}: {_where(refusal)}{fate}"] * abs(balance)
        return [*self.problems.said, *sorted(wrong)]


def _is_counted(refusal: Refusal, begins: Offsets | None, cut: Offsets | None) -> bool:
    source = (refusal.topic, refusal.partition)
    is_before = begins is not None and refusal.offset < begins.get(source, 0)
    is_beyond = cut is not None and refusal.offset >= cut.get(source, 0)
    return not is_before and not is_beyond


def _where(refusal: Refusal) -> str:
    return f"{refusal.topic}/{refusal.partition}@{refusal.offset} ({refusal.reason}, content {refusal.digest})"
