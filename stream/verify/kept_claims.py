"""What `live.claims` says of a room at a document: its records read in the order of the log, compacted or not.

A reader of its own, by docs/contract.md alone: a claim stands in its last record of the present owner, since the second
that the room's record names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field

from stream.contract.claims import CLAIM_SCHEMA, CLAIMS_SCHEMA, SECOND_MS, KeptClaim, KeptRoom

if TYPE_CHECKING:
    from stream.contract.overlay import Overlay

# Kind, sale, SKU.
Name = tuple[str, str | None, str | None]
# The end of it does not move while the time that is left goes down.
COUNTDOWN = "ends_in"


class KeptUnreadableError(ValueError):
    """A record of the topic is none, or records are missing between it and those before it."""


class _Schema(Struct):
    schema: str


class Standing(Struct):
    """All claims of a room at one document. `claims`: said and withheld ones, by kind, sale and SKU."""

    room: KeptRoom
    claims: dict[Name, KeptClaim]

    def value_of(self, claim: KeptClaim) -> Any:
        """What was said at this document, which may be a later one than that of the record."""
        if claim.claim == COUNTDOWN and claim.inputs is not None:
            ends_at_ms = claim.inputs["ends_at_ms"]
            return None if ends_at_ms is None else int(ends_at_ms) - self.room.as_of_ms
        return claim.value


class KeptClaims:
    """Reads the records of one partition, from wherever. What it keeps is what stands of each room."""

    def __init__(self) -> None:
        self._of: dict[str, dict[Name, KeptClaim]] = {}

    def take(self, value: bytes | None) -> Standing | None:
        """The next record; what stands of a room, when this is one of a room and nothing before it is lacking.

        Raises:
            KeptUnreadableError: it is no record of the topic.
        """
        try:
            schema = msgspec.json.decode(value or b"", type=_Schema).schema
            if schema == CLAIM_SCHEMA:
                claim = msgspec.json.decode(value or b"", type=KeptClaim)
                name = claim.claim, claim.sale_id, claim.sku_id
                self._of.setdefault(claim.room_id, {})[name] = claim
                return None
            if schema != CLAIMS_SCHEMA:
                raise KeptUnreadableError(f"it is of the schema {schema!r}, which is not known here")
            room = msgspec.json.decode(value or b"", type=KeptRoom)
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
            return None  # what stands was written before the first record that was read
        return Standing(room, dict(kept))


class Kept(Struct):
    """How documents and the topic agree. `told`: the first differences in words."""

    documents: int = 0
    differing: int = 0
    told: list[str] = field(default_factory=list)


def difference(standing: Standing, document: Overlay) -> str:
    """The first thing in which the topic says something else than the document of the same version; empty: nothing."""
    claims = dict(standing.claims)
    for said in document.claims:
        kept = claims.pop((said.claim, said.sale_id, said.sku_id), None)
        where = "/".join(part for part in (said.claim, said.sale_id, said.sku_id) if part)
        if kept is None or kept.state != "said":
            return f"{where} is said, the topic has {'nothing' if kept is None else kept.reason}"
        ours = kept.rule, standing.value_of(kept), kept.unit, kept.window_ms, kept.inputs
        theirs = said.rule, said.value, said.unit, said.window_ms, said.inputs
        if ours != theirs:
            return f"{where} is {theirs}, the topic has {ours}"
        evidence = [(each.topic, each.partition, each.first_offset) for each in kept.evidence or ()]
        if evidence != [(each.topic, each.partition, each.first_offset) for each in said.evidence]:
            return f"{where} is proven by {said.evidence}, the topic has {kept.evidence}"
    for held in document.withheld:
        kept = claims.pop((held.claim, held.sale_id, held.sku_id), None)
        if kept is None or kept.reason != held.reason:
            where = "/".join(part for part in (held.claim, held.sale_id, held.sku_id) if part)
            return f"{where} is withheld as {held.reason}, the topic has {'nothing' if kept is None else kept.state}"
    if claims and not document.left_out:
        return f"the topic has {', '.join(sorted(name[0] for name in claims))}, the document does not"
    return ""
