"""The records of `live.claims`, from documents: each change of a claim, and a mark for each document.

The records are a function of the documents of the cuts, in their order, and of the epoch. A new owner begins anew,
because the claims of the owner before are not known to it. A replay that follows the journal does the same. No state is
saved.

Moment, revision and last offset of a claim differ in each document; such a difference is no change. A countdown to the
same end is no change either.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from stream.contract.claims import (
    CLAIM_SCHEMA,
    CLAIMS_SCHEMA,
    SECOND_MS,
    KeptClaim,
    KeptRoom,
    claim_key,
    room_key_of,
)
from stream.contract.overlay import Claim, ClaimKind, Withheld

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

# After this many seconds every standing claim is written once more. A reader need not look back further.
WHOLE_EVERY_S = 60
# The value of this claim is the time left to `inputs.ends_at_ms`.
COUNTDOWN = "ends_in"

KeyValue = tuple[bytes, bytes]
# Kind, sale and SKU of a claim.
_Name = tuple[ClaimKind, str | None, str | None]

_encode = msgspec.json.Encoder().encode


class _Session(Struct):
    ended_at_ms: int | None = None


class _Document(Struct):
    """The fields of a document that the claim log reads."""

    room_id: str
    epoch: int
    rev: int
    as_of_ms: int
    stale_after_ms: int
    claims: list[Claim]
    withheld: list[Withheld]
    session: _Session | None = None


_decode = msgspec.json.Decoder(_Document).decode


class _Standing:
    """The standing claims of one room. `since_s`: every one was written in this second or later."""

    __slots__ = ("of", "since_s")

    def __init__(self, since_s: int) -> None:
        self.since_s = since_s
        self.of: dict[_Name, bytes] = {}


class ClaimLog:
    """The claim log of one partition."""

    def __init__(self) -> None:
        self._epoch = -1
        self._standing: dict[str, _Standing] = {}

    @property
    def rooms(self) -> int:
        """The number of rooms with a standing claim."""
        return len(self._standing)

    def records(self, document: bytes, positions: Sequence[int], epoch: int) -> Iterator[KeyValue]:
        """Yield the records that one document of a cut leads to, as keys and values; the room's record comes last.

        Args:
            document: the whole document, as in Redis.
            positions: offsets of the input topics when the document was made.
            epoch: the epoch of the owner that writes.
        """
        if epoch != self._epoch:
            self._epoch = epoch
            self._standing.clear()
        said = _decode(document)
        second = said.as_of_ms // SECOND_MS
        standing = self._standing.get(said.room_id)
        if standing is None:
            standing = self._standing[said.room_id] = _Standing(second)
        if second - standing.since_s >= WHOLE_EVERY_S:
            yield from _over(said, standing.of.keys(), second)
            standing.of, standing.since_s = {}, second
        yield from _changes(said, standing, second)
        ended = said.session is not None and said.session.ended_at_ms is not None
        if ended:
            del self._standing[said.room_id]
        room = KeptRoom(
            CLAIMS_SCHEMA,
            said.room_id,
            said.epoch,
            said.rev,
            said.as_of_ms,
            said.stale_after_ms,
            standing.since_s,
            len(said.claims),
            len(said.withheld),
            [*positions],
            ended,
        )
        yield room_key_of(said.room_id, second), _encode(room)


def _changes(said: _Document, standing: _Standing, second: int) -> Iterator[KeyValue]:
    """Yield a record for each claim that differs from the standing one; the document's claims stand from then on."""
    before = standing.of
    now: dict[_Name, bytes] = {}
    for claim in said.claims:
        name = claim.claim, claim.sale_id, claim.sku_id
        mark = now[name] = _mark(claim)
        if before.get(name) != mark:
            yield claim_key(said.room_id, *name, second), _encode(_said(said, claim))
    for held in said.withheld:
        name = held.claim, held.sale_id, held.sku_id
        mark = now[name] = held.reason.encode()
        if before.get(name) != mark:
            yield claim_key(said.room_id, *name, second), _encode(_withheld(said, held))
    if before.keys() - now.keys():
        yield from _over(said, before.keys(), second)
    standing.of = now


def _mark(claim: Claim) -> bytes:
    """Eight bytes that stay equal while a claim says the same."""
    value = None if claim.claim == COUNTDOWN else claim.value
    first = [(each.topic, each.first_offset) for each in claim.evidence]
    valid_ms = claim.valid_until_ms - claim.as_of_ms
    said = claim.rule, claim.unit, claim.window_ms, value, claim.inputs, first, valid_ms
    return blake2b(_encode(said), digest_size=8).digest()


def _said(said: _Document, claim: Claim) -> KeptClaim:
    return KeptClaim(
        CLAIM_SCHEMA,
        said.room_id,
        claim.claim,
        said.epoch,
        said.rev,
        said.as_of_ms,
        "said",
        claim.sale_id,
        claim.sku_id,
        None,
        claim.rule,
        claim.value,
        claim.unit,
        claim.window_ms,
        claim.valid_until_ms,
        claim.inputs,
        claim.evidence,
    )


def _withheld(said: _Document, held: Withheld) -> KeptClaim:
    return KeptClaim(
        CLAIM_SCHEMA,
        said.room_id,
        held.claim,
        said.epoch,
        said.rev,
        said.as_of_ms,
        "withheld",
        held.sale_id,
        held.sku_id,
        held.reason,
    )


def _over(said: _Document, names: AbstractSet[_Name], second: int) -> Iterator[KeyValue]:
    """Yield a record for each of `names` that the document neither says nor withholds."""
    there: set[_Name] = {(each.claim, each.sale_id, each.sku_id) for each in said.claims}
    there |= {(each.claim, each.sale_id, each.sku_id) for each in said.withheld}
    for name in sorted(names - there, key=repr):
        kind, sale_id, sku_id = name
        over = KeptClaim(CLAIM_SCHEMA, said.room_id, kind, said.epoch, said.rev, said.as_of_ms, "over", sale_id, sku_id)
        yield claim_key(said.room_id, *name, second), _encode(over)
