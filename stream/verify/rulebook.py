"""Under which rules the workers folded, as they wrote it down themselves: the journal, read as a stranger would.

Each owner of a partition begins with a record that names its settings and the offsets from which it folds. So what a
record or a document is recounted with is what its own worker had, and not what is set where the audit runs. Only where
the journal says nothing (no worker has run, or retention took its beginning) do the settings here have to do.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

import msgspec
from msgspec import Raw, Struct

from stream.contract.events import TOPIC_NAMES
from stream.verify.recounted import NO_MECHANICS
from stream.verify.room_count import Assumptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream.verify.recounted import Mechanics

# One byte of format version and four of a CRC-32 stand before the MessagePack.
_FRAME_BYTES = 5
FORMAT_VERSION = 1


class Stretch(Struct, array_like=True):
    """From which offsets and clock to which a segment goes, in the contract's order of topics."""

    positions_before: list[int]
    clock_before_ms: int = -1
    notes: Raw = Raw()
    positions: list[int] = []
    clock_ms: int = -1


class Told(Struct, array_like=True):
    """What of a journal's record is needed here: the rest of it, and what later versions add, is passed over."""

    epoch: int
    seq: int
    claim: bool
    steps: Stretch
    version: str = ""
    rules: dict[str, Any] = {}


_decode = msgspec.msgpack.Decoder(Told).decode


class Era(NamedTuple):
    """What the owners of a partition folded under, for as long as it stayed the same.

    Attributes:
        epoch: of the first of them.
        positions: per logical topic, the offset from which it folded.
        assumptions: their rules.
        where: the journal's record that says so, for people.
        version: of Snapup.
    """

    epoch: int
    positions: Mapping[str, int]
    assumptions: Assumptions
    where: str
    version: str


class RulesUsed(Struct, frozen=True, kw_only=True):
    """The rules of some partitions, as a verdict tells them.

    Attributes:
        partitions: which.
        source: `journal` or `settings`.
        where: topic/partition@offset of the first record that says so; empty for settings.
        from_epoch: of the first owner under these rules; 0 for settings.
        version: of Snapup that wrote them.
        rules: by the names of the settings.
    """

    partitions: list[int]
    source: str
    where: str
    from_epoch: int
    version: str
    rules: dict[str, int]


class Rulebook:
    """The eras of each partition.

    Args:
        stated: the settings where the audit runs: for what the journal does not say.
        mechanics: that are counted again.

    Attributes:
        stated: as above.
        mechanics: as above.
        unread: why the journal, or a record of it, could not be read; "" when it could.
        eras: of each partition, in the order of the journal.
    """

    def __init__(self, stated: Assumptions, mechanics: Mechanics = NO_MECHANICS) -> None:
        self.stated = stated
        self.mechanics = mechanics
        self.unread = ""
        self.eras: dict[int, list[Era]] = {}
        self._epochs: dict[int, int] = {}

    def add(self, topic: str, partition: int, offset: int, value: bytes | None) -> None:
        """Take one record of the journal, in log order."""
        where = f"{topic}/{partition}@{offset}"
        segment = read_segment(value)
        if isinstance(segment, str):
            self.unread = self.unread or f"{where}: {segment}"
            return
        eras = self.eras.setdefault(partition, [])
        if segment.claim and segment.epoch <= self._epochs.get(partition, 0):
            eras.clear()  # `checkpoints` was made anew: all that was folded before was folded once more
        self._epochs[partition] = segment.epoch
        if not segment.rules:
            return
        assumptions = assumptions_of_rules(segment.rules)
        if eras and eras[-1].assumptions == assumptions:
            return  # another owner, the same rules
        positions = dict(eras[-1].positions) if eras else {}  # an owner says nothing of a topic that it does not know
        positions.update(zip(TOPIC_NAMES, segment.steps.positions_before, strict=False))
        eras.append(Era(segment.epoch, positions, assumptions, where, segment.version))

    def at(self, partition: int, topic: str, offset: int) -> Assumptions:
        """What the owner had who folded a record; `topic`: logical."""
        eras = self.eras.get(partition)
        if not eras:
            return self.stated
        # Of a claim that folded nothing the next one begins at the same offset: the last one holds.
        place = bisect_right(eras, offset, key=lambda era: era.positions.get(topic, 0))
        return eras[max(place - 1, 0)].assumptions

    def of_epoch(self, partition: int, epoch: int) -> Assumptions:
        """What the owner had who published a document."""
        eras = self.eras.get(partition)
        if not eras:
            return self.stated
        place = bisect_right(eras, epoch, key=lambda era: era.epoch)
        return eras[max(place - 1, 0)].assumptions

    def all(self, partition: int | None = None) -> list[Assumptions]:
        """Every set of rules that a partition was folded under, or any; there is at least one."""
        eras = self.eras.values() if partition is None else [self.eras.get(partition, [])]
        return [era.assumptions for each in eras for era in each] or [self.stated]

    def greatest(self, name: str) -> int:
        """The greatest value of one rule, anywhere: for how long something may matter."""
        return max(int(getattr(rules, name)) for rules in self.all())

    def used(self, partitions: int) -> list[RulesUsed]:
        """Each set of rules that was used, and where it is from; partitions with the same one together."""
        found: dict[tuple[Any, ...], RulesUsed] = {}
        for partition in range(partitions):
            last: Assumptions | None = None
            for era in self.eras.get(partition) or [Era(0, {}, self.stated, "", "")]:
                first, last = last is None, era.assumptions
                # Who took over when is of interest only where the rules changed.
                key = (era.assumptions, bool(era.epoch), None if first else era.epoch)
                if key not in found:
                    found[key] = RulesUsed(
                        partitions=[],
                        source="journal" if era.epoch else "settings",
                        where=era.where,
                        from_epoch=era.epoch,
                        version=era.version,
                        rules=msgspec.structs.asdict(era.assumptions),
                    )
                found[key].partitions.append(partition)
        return list(found.values())


def assumptions_of_rules(rules: Mapping[str, Any]) -> Assumptions:
    """What a recount must assume under the core's rules, by their names.

    A rule that a journal does not name is younger than it: the recount's default holds, which is the old behaviour.
    """
    known = {name: rules[name] for name in Assumptions.__struct_fields__ if isinstance(rules.get(name), int)}
    if "remember_ids_ms" in known:
        # Ids are remembered in two generations: for half of this at least.
        known["remember_ids_ms"] //= 2
    return Assumptions(**known)


def read_segment(value: bytes | None) -> Told | str:
    """A record of the journal, or why it is none."""
    if value is None or len(value) < _FRAME_BYTES or value[0] != FORMAT_VERSION:
        return "no record of the journal that this version reads"
    payload = value[_FRAME_BYTES:]
    if crc32(payload) != int.from_bytes(value[1:_FRAME_BYTES], "big"):
        return "its checksum is wrong"
    try:
        return _decode(payload)
    except msgspec.DecodeError as error:
        return f"not of the journal's shape: {error}"
