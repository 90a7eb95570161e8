"""What the documents of a session claimed and withheld, added up: the times, the values, the evidence.

A claim stands from the first document that makes it to the first one that does not, and at most until the end of
validity in the last one that made it. What is withheld stands in the same way, but not beyond the last document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field

from stream.contract.overlay import Evidence
from stream.contract.report import SaidClaim, WithheldClaim

if TYPE_CHECKING:
    from collections.abc import Iterable

# Bound for each claim about each product: a flickering claim must not fill the report. All are counted.
INTERVALS_MAX = 100


class _Claim(Struct):
    """The needed fields of a claim. Later kinds are read like any other."""

    claim: str
    sale_id: str | None
    sku_id: str | None
    value: Any
    unit: str
    valid_until_ms: int
    rule: str
    evidence: list[Evidence]


class _Withheld(Struct):
    claim: str
    reason: str
    sale_id: str | None = None
    sku_id: str | None = None


class SaidDocument(Struct):
    """The claims and withheld claims of an overlay document."""

    as_of_ms: int
    claims: list[_Claim]
    withheld: list[_Withheld]


_decode = msgspec.json.Decoder(SaidDocument).decode

# Kind, rule or reason, sale, SKU.
Key = tuple[str, str, str | None, str | None]


class _Stretches(Struct):
    """The times at which something stood. `since_ms`: the beginning of the open span; −1: none is open."""

    documents: int = 0
    first_ms: int = -1
    last_ms: int = -1
    total_ms: int = 0
    spans: int = 0
    since_ms: int = -1
    until_ms: int = -1
    intervals: list[tuple[int, int]] = field(default_factory=list)

    def stands(self, as_of_ms: int, until_ms: int) -> None:
        """Note a document that says it, valid until `until_ms`."""
        self.documents += 1
        if self.since_ms < 0:
            self.since_ms = as_of_ms
            self.spans += 1
        if self.first_ms < 0:
            self.first_ms = as_of_ms
        self.until_ms = until_ms

    def ends(self, as_of_ms: int) -> None:
        """Note a document that no longer says it."""
        until_ms = max(min(as_of_ms, self.until_ms), self.since_ms)
        self.total_ms += until_ms - self.since_ms
        self.last_ms = until_ms
        if len(self.intervals) < INTERVALS_MAX:
            self.intervals.append((self.since_ms, until_ms))
        self.since_ms = -1


class _Values(Struct):
    """The values of a claim."""

    unit: str
    first: Any
    last: Any = None
    least: Any = None
    most: Any = None
    evidence: dict[tuple[str, int], Evidence] = field(default_factory=dict)

    def add(self, claim: _Claim) -> None:
        """Add the value of one document."""
        self.last = claim.value
        each = claim.value if isinstance(claim.value, list) else [claim.value]
        numbers = [number for number in each if isinstance(number, int | float)]
        if numbers:
            self.least = min(numbers) if self.least is None else min(self.least, *numbers)
            self.most = max(numbers) if self.most is None else max(self.most, *numbers)
        for one in claim.evidence:
            known = self.evidence.get((one.topic, one.partition))
            if known is None:
                self.evidence[one.topic, one.partition] = one
            elif one.first_offset < known.first_offset or one.next_offset > known.next_offset:
                self.evidence[one.topic, one.partition] = Evidence(
                    one.topic,
                    one.partition,
                    min(one.first_offset, known.first_offset),
                    max(one.next_offset, known.next_offset),
                )


class Said:
    """Takes the documents of one session in their order. Memory grows with kinds of claims times products.

    Attributes:
        documents: the number of documents.
        first_ms: the moment of the first document; −1: there was none.
    """

    def __init__(self) -> None:
        self.documents = 0
        self.first_ms = self._last_ms = -1
        self._claims: dict[Key, tuple[_Stretches, _Values]] = {}
        self._withheld: dict[Key, _Stretches] = {}
        self._standing: set[Key] = set()
        self._held_back: set[Key] = set()

    def add(self, document: bytes) -> None:
        """Take one document.

        Raises:
            msgspec.DecodeError: the bytes are no overlay document.
        """
        said = _decode(document)
        as_of_ms = self._last_ms = said.as_of_ms
        if not self.documents:
            self.first_ms = as_of_ms
        self.documents += 1
        standing = set()
        for claim in said.claims:
            key = (claim.claim, claim.rule, claim.sale_id, claim.sku_id)
            standing.add(key)
            found = self._claims.get(key)
            if found is None:
                found = self._claims[key] = (_Stretches(), _Values(claim.unit, claim.value))
            found[0].stands(as_of_ms, claim.valid_until_ms)
            found[1].add(claim)
        held_back = set()
        for withheld in said.withheld:
            key = (withheld.claim, withheld.reason, withheld.sale_id, withheld.sku_id)
            held_back.add(key)
            stretches = self._withheld.get(key)
            if stretches is None:
                stretches = self._withheld[key] = _Stretches()
            stretches.stands(as_of_ms, as_of_ms)
        _end((self._claims[key][0] for key in self._standing - standing), as_of_ms)
        # A withheld claim has no validity that could run out: it stands until a document says otherwise.
        _last((self._withheld[key] for key in self._held_back - held_back), as_of_ms)
        self._standing, self._held_back = standing, held_back

    def end(self) -> None:
        """End the session: what the last document said stands for as long as it is valid."""
        _end((self._claims[key][0] for key in self._standing), None)
        _last((self._withheld[key] for key in self._held_back), self._last_ms)
        self._standing, self._held_back = set(), set()

    def claims(self) -> list[SaidClaim]:
        """The claims, by kind, sale, SKU and rule. Call `end` before."""
        return [
            SaidClaim(
                claim=key[0],
                rule=key[1],
                sale_id=key[2],
                sku_id=key[3],
                unit=values.unit,
                documents=stood.documents,
                first_at_ms=stood.first_ms,
                last_until_ms=stood.last_ms,
                said_ms=stood.total_ms,
                spans=stood.spans,
                intervals=stood.intervals,
                first=values.first,
                last=values.last,
                least=values.least,
                most=values.most,
                evidence=[values.evidence[place] for place in sorted(values.evidence)],
            )
            for key, (stood, values) in sorted(self._claims.items(), key=lambda each: _place(each[0]))
        ]

    def withheld(self) -> list[WithheldClaim]:
        """The withheld claims, by kind, sale, SKU and reason. Call `end` before."""
        return [
            WithheldClaim(
                claim=key[0],
                reason=key[1],
                sale_id=key[2],
                sku_id=key[3],
                documents=stood.documents,
                first_at_ms=stood.first_ms,
                last_until_ms=stood.last_ms,
                withheld_ms=stood.total_ms,
                spans=stood.spans,
            )
            for key, stood in sorted(self._withheld.items(), key=lambda each: _place(each[0]))
        ]


def _end(over: Iterable[_Stretches], as_of_ms: int | None) -> None:
    for stretches in over:
        stretches.ends(stretches.until_ms if as_of_ms is None else as_of_ms)


def _last(over: Iterable[_Stretches], as_of_ms: int) -> None:
    for stretches in over:
        stretches.until_ms = max(stretches.until_ms, as_of_ms)
        stretches.ends(as_of_ms)


def _place(key: Key) -> tuple[str, str, str, str]:
    kind, rule, sale_id, sku_id = key
    return kind, sale_id or "", sku_id or "", rule
