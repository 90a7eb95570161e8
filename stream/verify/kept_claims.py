"""The claims of a room at a document according to `live.claims`, whose records are read in log order, compacted or not.

The reader follows docs/contract.md alone: a claim stands in its last record of the present owner, back to the second
that the room's record names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec
from msgspec import Struct, field

from stream.contract.claims import CLAIM_SCHEMA, CLAIMS_SCHEMA, SECOND_MS, KeptClaim, KeptRoom
from stream.contract.events import TOPIC_NAMES
from stream.contract.overlay import Claim, Evidence, Withheld
from stream.contract.reading import opened

if TYPE_CHECKING:
    from stream.contract.overlay import Overlay

# Kind, sale, SKU.
Name = tuple[str, str | None, str | None]
# The claim whose end stays while its remaining time shrinks.
COUNTDOWN = "ends_in"


class KeptUnreadableError(ValueError):
    """A record that is none of the topic, or one before which records are missing."""


class _Schema(Struct):
    schema: str


_schema_of = msgspec.json.Decoder(_Schema).decode
_claim_of = msgspec.json.Decoder(cast("type[KeptClaim]", opened(KeptClaim))).decode
_room_of = msgspec.json.Decoder(KeptRoom).decode


class Standing(Struct):
    """All claims of a room at one document. `claims`: said and withheld ones, by kind, sale and SKU."""

    room: KeptRoom
    claims: dict[Name, KeptClaim]

    def said(self) -> list[Claim]:
        """The claims that were said, as of the document, which may be later than a claim's record."""
        return [self._said(each) for each in self.claims.values() if each.state == "said"]

    def withheld(self) -> list[Withheld]:
        """The withheld claims, as in the document."""
        return [
            Withheld(each.claim, each.reason, each.sale_id, each.sku_id)
            for each in self.claims.values()
            if each.reason is not None
        ]

    def _said(self, kept: KeptClaim) -> Claim:
        room, inputs, value = self.room, kept.inputs or {}, kept.value
        if kept.claim == COUNTDOWN:
            value = int(inputs["ends_at_ms"] or 0) - room.as_of_ms
        subject = "" if kept.sale_id is None else f"{kept.sale_id}:{kept.sku_id}:"
        return Claim(
            id=f"{kept.claim}:{subject}{room.epoch}-{room.rev}",
            claim=kept.claim,
            sale_id=kept.sale_id,
            sku_id=kept.sku_id,
            value=0 if value is None else value,
            unit=kept.unit or "",
            window_ms=kept.window_ms,
            as_of_ms=room.as_of_ms,
            valid_until_ms=(kept.valid_until_ms or 0) - kept.as_of_ms + room.as_of_ms,
            rule=kept.rule or "",
            inputs=inputs,
            evidence=[
                Evidence(each.topic, each.partition, each.first_offset, self._next_offset(each.topic))
                for each in kept.evidence or ()
            ],
        )

    def _next_offset(self, topic: str) -> int:
        place = TOPIC_NAMES.index(topic.rpartition(".")[2])
        return self.room.next_offsets[place] if place < len(self.room.next_offsets) else 0


class KeptClaims:
    """Reads the records of one partition from any beginning. It keeps the standing claims of each room."""

    def __init__(self) -> None:
        self._of: dict[str, dict[Name, KeptClaim]] = {}

    def take(self, value: bytes | None) -> Standing | None:
        """Take the next record. Returns the room's standing claims for a room record with nothing missing before it.

        Raises:
            KeptUnreadableError: the value is no record of the topic.
        """
        try:
            schema = _schema_of(value or b"").schema
            if schema == CLAIM_SCHEMA:
                claim = _claim_of(value or b"")
                name = claim.claim, claim.sale_id, claim.sku_id
                self._of.setdefault(claim.room_id, {})[name] = claim
                return None
            if schema != CLAIMS_SCHEMA:
                raise KeptUnreadableError(f"it is of the schema {schema!r}, which is not known here")
            room = _room_of(value or b"")
        except msgspec.MsgspecError as error:
            raise KeptUnreadableError(str(error)) from None
        return self._standing(room)

    def _standing(self, room: KeptRoom) -> Standing | None:
        kept = {
            name: claim
            for name, claim in self._of.get(room.room_id, {}).items()
            if claim.epoch == room.epoch and claim.as_of_ms // SECOND_MS >= room.since_s and claim.state != "over"
        }
        if room.ended:
            self._of.pop(room.room_id, None)
        else:
            self._of[room.room_id] = kept
        of_state = [claim.state for claim in kept.values()]
        if (of_state.count("said"), of_state.count("withheld")) != (room.said, room.withheld):
            return None  # standing claims were written before the first record that was read
        return Standing(room, dict(kept))


class Kept(Struct):
    """How documents and the topic agree. `told`: the first differences. `why_not`: why nothing was compared."""

    documents: int = 0
    differing: int = 0
    why_not: str = ""
    told: list[str] = field(default_factory=list)


def difference(standing: Standing, document: Overlay) -> str:
    """The first difference between the topic and the document of the same version, in words; empty: none."""
    there: list[Claim | Withheld] = [*standing.said(), *standing.withheld()]
    kept = {_name(each): each for each in there}
    published: list[Claim | Withheld] = [*document.claims, *document.withheld]
    for each in published:
        ours = kept.pop(_name(each), None)
        # Compared as values: the document may have been read by a type that accepts unknown words.
        if ours is None or msgspec.to_builtins(ours) != msgspec.to_builtins(each):
            return f"the document has {each}, the topic has {'nothing of it' if ours is None else ours}"
    if kept and not document.left_out:
        return f"the topic has {', '.join(sorted(name[0] for name in kept))}, the document does not"
    return ""


def _name(claim: Claim | Withheld) -> Name:
    return claim.claim, claim.sale_id, claim.sku_id
