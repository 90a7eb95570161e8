"""The rules under which the workers folded, as they wrote them down: the journal, read without code of the worker.

Each owner of a partition begins with a record that names its settings and the offsets from which it folds. So a record
or a document is recounted under the settings of its own worker, not those where the audit runs. The settings here serve
only where the journal is silent (no worker has run, or retention removed its beginning).
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

# The frame: one byte of format version and four of a CRC-32 stand before the MessagePack.
_FRAME_BYTES = 5
FORMAT_VERSION = 1


class Stretch(Struct, array_like=True):
    """The offsets and clock at both ends of a segment, in the contract's order of topics."""

    positions_before: list[int]
    clock_before_ms: int = -1
    notes: Raw = Raw()
    positions: list[int] = []
    clock_ms: int = -1


class Told(Struct, array_like=True):
    """The needed part of a journal's record. Everything else, and what later versions add, is skipped."""

    epoch: int
    seq: int
    claim: bool
    steps: Stretch
    version: str = ""
    rules: dict[str, Any] = {}


_decode = msgspec.msgpack.Decoder(Told).decode


class Era(NamedTuple):
    """The rules of a partition's owners, for as long as they stayed the same.

    Attributes:
        epoch: the epoch of the first of these owners.
        positions: per logical topic, the offset from which it folded.
        assumptions: the owners' rules.
        where: the journal's record with the rules, for people.
        version: the version of Snapup.
    """

    epoch: int
    positions: Mapping[str, int]
    assumptions: Assumptions
    where: str
    version: str


class RulesUsed(Struct, frozen=True, kw_only=True):
    """The rules of some partitions, as in a verdict.

    Attributes:
        partitions: the numbers of the partitions.
        source: `journal` or `settings`.
        where: topic/partition@offset of the first record with the rules; empty for settings.
        from_epoch: the epoch of the first owner under these rules; 0 for settings.
        version: the version of Snapup that wrote them.
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
        stated: the settings where the audit runs, for what the journal does not say.
        mechanics: the mechanics that are recounted.

    Attributes:
        stated: as above.
        mechanics: as above.
        unread: why the journal, or a record of it, could not be read; "" if it could.
        eras: the eras of each partition, in the order of the journal.
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
            eras.clear()  # `checkpoints` was made anew: everything was folded once more
        self._epochs[partition] = segment.epoch
        if not segment.rules:
            return
        assumptions = assumptions_of_rules(segment.rules)
        if eras and eras[-1].assumptions == assumptions:
            return  # another owner, the same rules
        positions = dict(eras[-1].positions) if eras else {}  # an owner omits topics that it does not know
        positions.update(zip(TOPIC_NAMES, segment.steps.positions_before, strict=False))
        eras.append(Era(segment.epoch, positions, assumptions, where, segment.version))

    def at(self, partition: int, topic: str, offset: int) -> Assumptions:
        """The settings of the owner that folded a record of a logical topic."""
        eras = self.eras.get(partition)
        if not eras:
            return self.stated
        # After a claim that folded nothing, the next era begins at the same offset: the last one holds.
        place = bisect_right(eras, offset, key=lambda era: era.positions.get(topic, 0))
        return eras[max(place - 1, 0)].assumptions

    def of_epoch(self, partition: int, epoch: int) -> Assumptions:
        """The settings of the owner that published a document."""
        eras = self.eras.get(partition)
        if not eras:
            return self.stated
        place = bisect_right(eras, epoch, key=lambda era: era.epoch)
        return eras[max(place - 1, 0)].assumptions

    def all(self, partition: int | None = None) -> list[Assumptions]:
        """Every set of rules under which a partition, or any, was folded; at least one."""
        eras = self.eras.values() if partition is None else [self.eras.get(partition, [])]
        return [era.assumptions for each in eras for era in each] or [self.stated]

    def greatest(self, name: str) -> int:
        """The greatest value of one rule in any era: a bound on how long something matters."""
        return max(int(getattr(rules, name)) for rules in self.all())

    def used(self, partitions: int) -> list[RulesUsed]:
        """Each set of rules that was used, with its source. Partitions with the same rules are listed together."""
        found: dict[tuple[Any, ...], RulesUsed] = {}
        for partition in range(partitions):
            last: Assumptions | None = None
            for era in self.eras.get(partition) or [Era(0, {}, self.stated, "", "")]:
                first, last = last is None, era.assumptions
                # A change of owner matters only if the rules changed.
                key = (era.assumptions, bool(era.epoch), None if first else era.epoch)
                if key not in found:
                    found[key] = RulesUsed(
                        partitions=[],
                        source="journal" if era.epoch else "settings",
                        where=era.where,
                        from_epoch=era.epoch,
                        version=era.version,
                        rules=_by_name(era.assumptions),
                    )
                found[key].partitions.append(partition)
        return list(found.values())


def assumptions_of_rules(rules: Mapping[str, Any]) -> Assumptions:
    """The assumptions of a recount under the core's rules, by their names.

    A rule that the journal lacks is younger than the journal: the recount's default holds, which is the old behaviour.
    """
    known: dict[str, Any] = {
        name: rules[name] for name in Assumptions.__struct_fields__ if isinstance(rules.get(name), int)
    }
    if "remember_ids_ms" in known:
        # Ids are remembered in two generations: for at least half of this time.
        known["remember_ids_ms"] //= 2
    said = rules.get("mechanics")
    if isinstance(said, dict):
        known["mechanics"] = tuple((name, tuple(sorted(limits.items()))) for name, limits in sorted(said.items()))
    return Assumptions(**known)


def _by_name(assumptions: Assumptions) -> dict[str, int]:
    """Every rule by its name, the limits of mechanics as `gifts.top`."""
    found = msgspec.structs.asdict(assumptions)
    for name, limits in found.pop("mechanics"):
        found |= {f"{name}.{limit}": value for limit, value in limits}
    return found


def read_segment(value: bytes | None) -> Told | str:
    """A record of the journal, or the reason why the value is none."""
    if value is None or len(value) < _FRAME_BYTES or value[0] != FORMAT_VERSION:
        return "no record of the journal that this version reads"
    payload = value[_FRAME_BYTES:]
    if crc32(payload) != int.from_bytes(value[1:_FRAME_BYTES], "big"):
        return "its checksum is wrong"
    try:
        return _decode(payload)
    except msgspec.DecodeError as error:
        return f"not of the journal's shape: {error}"
