"""The records of `live.claims`: what was claimed of each room and what was withheld, second by second.

Each document in `live.signals` has one room record here, after one record for each claim that changed. A claim that
did not change is not written again: its last record stands, back to the second that the room record names.
Shapes and keys only: `stream.core.claim_log` decides what is written when, and docs/contract.md describes it.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from stream.contract.overlay import ClaimKind, Evidence, WithheldReason

CLAIM_SCHEMA = "snapup.claim.v1"
CLAIMS_SCHEMA = "snapup.claims.v1"
SECOND_MS = 1_000

ClaimState = Literal["said", "withheld", "over"]

_encode = msgspec.json.Encoder().encode


class KeptClaim(Struct, omit_defaults=True):
    """One claim as a document had it. Of a withheld one there is a `reason`, of one that is over nothing more.

    `as_of_ms`, `epoch` and `rev` are those of the document; the other fields are those of the claim in it.
    """

    schema: str
    room_id: str
    claim: ClaimKind
    epoch: int
    rev: int
    as_of_ms: int
    state: ClaimState
    sale_id: str | None = None
    sku_id: str | None = None
    reason: WithheldReason | None = None
    rule: str | None = None
    value: int | list[int] | None = None
    unit: str | None = None
    window_ms: int | None = None
    valid_until_ms: int | None = None
    inputs: dict[str, int | float | None] | None = None
    evidence: list[Evidence] | None = None


class KeptRoom(Struct, omit_defaults=True):
    """All claims of a room at one document: `said` claims and `withheld` ones stand.

    Each is in the last record of its claim that is not older than `since_s` (seconds of the epoch; the last part of
    its key) and of the same `epoch`. `next_offsets`: up to where each input topic was read, in the contract's order;
    what is 0 at the end is left out. `ended`: it was the session's last document, and nothing stands any more.
    """

    schema: str
    room_id: str
    epoch: int
    rev: int
    as_of_ms: int
    stale_after_ms: int
    since_s: int
    said: int
    withheld: int
    next_offsets: list[int]
    ended: bool = False


def claim_key(room_id: str, claim: str, sale_id: str | None, sku_id: str | None, second: int) -> bytes:
    """The Kafka key of one claim in one second. Compaction keeps the last record of a key."""
    return _encode((room_id, claim, sale_id, sku_id, second))


def room_key_of(room_id: str, second: int) -> bytes:
    """The Kafka key of a room's record in one second."""
    return _encode((room_id, second))
