"""Why a claim is said or withheld: its rule, the rule's conditions, the records, and the recomputed claim.

It is made from a document and a checker that stands where the document was made (`claim_check`).
"""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from stream.contract.overlay import Claim
from stream.verify.claim_check import WRONG
from stream.verify.claim_records import Proof
from stream.verify.claim_rules import ROOM_RULES, RULES
from stream.verify.figures import SaleKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stream.contract.overlay import Overlay, Withheld
    from stream.verify.claim_check import ClaimChecker, Expected, Judged
    from stream.verify.claim_parts import Condition
    from stream.verify.claim_records import RoomRecords

# A condition without a number in words, and its opposite.
PHRASES = {
    ("status", "is not"): ("the sale was announced", "the sale was not announced"),
    ("status", "is"): ("the sale is open", "the sale is not open"),
    ("records_misplaced", "is"): (
        "all records of the room lie in its partition",
        "records of the room lie where nobody counts them",
    ),
    ("restock_planned_at_ms", "at most"): ("no restock is planned for later", "a restock is planned for later"),
    ("available", "is not"): ("something is left", "nothing is left"),
    ("missing_leaves_ms", "more than"): ("leaving was heard of lately", "leaving was not heard of for too long"),
    ("forecast", "is"): ("there is a forecast", "there is no forecast"),
}
# Words for a figure, after its number.
COUNTED = {
    "suspect_units": "units are of orders that look fake",
    "available": "units are left",
    "paid_orders_net": "orders are paid, net",
    "units_net": "units are sold, net",
    "carters_without_order": "people have it in their cart and have not ordered",
    "time_left_ms": "ms are left of the sale",
    "open_sessions": "sessions are open",
    "left": "visits were heard to end",
    "left_long": "long visits were heard to end",
}
SO = {"at least": "at least", "at most": "at most", "more than": "more than", "is": "exactly", "is not": "not"}
NOT_SO = {"at least": "fewer than", "at most": "more than", "more than": "at most", "is": "not", "is not": "exactly"}


class Asked(Struct, frozen=True, kw_only=True):
    """One condition of the rule. `in_words`: what would change the answer."""

    figure: str
    value: int | float | str | None
    relation: str
    bound: int | float | str | None
    holds: bool
    reason: str
    in_words: str


class Records(Struct, frozen=True, kw_only=True):
    """Records of one topic that the claim rests on: their place, their number, and the last of them.

    `count`: null if the records can no longer be counted.
    """

    topic: str
    partition: int
    first_offset: int | None
    next_offset: int
    count: int | None
    last: list[Proof]


class Explanation(Struct, frozen=True, kw_only=True):
    """One claim of a document.

    Attributes:
        published: `said`, the reason of withholding, or `nothing`.
        recomputed: the same as it follows from the log.
        verdict: `right`, `wrong`, or `not recounted`.
        why: what differs, if the claim is wrong.
        value: what is said, with `unit`, `window_ms`, `valid_until_ms`, `inputs`; null if the claim is withheld.
        takes: what would make it said, or withheld.
    """

    room_id: str
    claim: str
    sale_id: str | None
    sku_id: str | None
    as_of_ms: int
    epoch: int
    rev: int
    published: str
    recomputed: str
    verdict: str
    why: str
    rule: str
    rule_in_words: str
    value: int | list[int] | None
    recomputed_value: int | list[int] | None
    unit: str | None
    window_ms: int | None
    valid_until_ms: int | None
    inputs: dict[str, int | float | None]
    conditions: list[Asked]
    takes: str
    records: list[Records]


def explain(overlay: Overlay, checker: ClaimChecker, records: RoomRecords) -> list[Explanation]:
    """The explanations of each claim of a document, said or withheld, and of each missing one."""
    expected = dict(checker.expected(overlay))
    published: list[Claim | Withheld] = [*overlay.claims, *overlay.withheld]
    there = {(str(each.claim), (each.sale_id, each.sku_id)): each for each in published}
    found = []
    for judged in checker.check(overlay):
        name = judged.kind, judged.subject
        found.append(_explained(overlay, checker, records, judged, expected.get(name), there.get(name)))
    order = [*RULES, *ROOM_RULES]
    kinds = {rule.partition("/")[0]: place for place, rule in reversed([*enumerate(order)])}
    return sorted(found, key=lambda each: (each.sale_id or "", each.sku_id or "", kinds.get(each.claim, len(order))))


def _explained(
    overlay: Overlay,
    checker: ClaimChecker,
    records: RoomRecords,
    judged: Judged,
    expected: Expected | None,
    there: Claim | Withheld | None,
) -> Explanation:
    claim: Claim | None = there if isinstance(there, Claim) else None
    rule = None if expected is None else RULES.get(expected.rule) or ROOM_RULES[expected.rule]
    sale_id, sku_id = judged.subject
    key = None if sale_id is None or sku_id is None else SaleKey(sale_id, sku_id)
    figures = None if expected is None else expected.figures
    return Explanation(
        room_id=overlay.room_id,
        claim=judged.kind,
        sale_id=sale_id,
        sku_id=sku_id,
        as_of_ms=overlay.as_of_ms,
        epoch=overlay.epoch,
        rev=overlay.rev,
        published="nothing" if there is None else judged.said,
        recomputed=checker.recomputed(overlay, expected),
        verdict=judged.verdict,
        why=judged.why,
        rule="" if expected is None else expected.rule,
        rule_in_words="Nothing of it follows from the log." if rule is None else rule.words,
        value=None if claim is None else claim.value,
        recomputed_value=None if figures is None else figures.value,
        unit=None if claim is None else claim.unit,
        window_ms=None if claim is None else claim.window_ms,
        valid_until_ms=None if claim is None else claim.valid_until_ms,
        inputs={} if claim is None else claim.inputs,
        conditions=[] if expected is None else [_asked(each) for each in expected.conditions],
        takes=_takes(overlay, checker, expected),
        records=[] if rule is None else [*_records(checker, records, overlay.room_id, rule.topics, key)],
    )


def _records(
    checker: ClaimChecker, records: RoomRecords, room_id: str, topics: tuple[str, ...], key: SaleKey | None
) -> Iterator[Records]:
    first = checker.rooms[room_id].first_offsets
    for topic in topics:
        count, last = records.of(topic, key)
        yield Records(
            topic=f"{checker.prefix}.{topic}",
            partition=checker.partition,
            first_offset=first.get(topic),
            next_offset=checker.positions.get(topic, 0),
            count=count,
            last=last,
        )


def _takes(overlay: Overlay, checker: ClaimChecker, expected: Expected | None) -> str:
    if expected is None:
        return "the sale has ended, or is not known: nothing is claimed of it"
    if checker.recomputed(overlay, expected) == "stale":
        return f"is said when the worker is at most {checker.stale_lag_ms} ms behind; it is {overlay.clock.lag_ms}"
    last = _asked(expected.conditions[-1])
    if expected.figures is None:
        return f"is said when {last.in_words}"
    return "is withheld when " + ", or when ".join(not_so(each) for each in expected.conditions)


def _asked(condition: Condition) -> Asked:
    return Asked(
        figure=condition.figure,
        value=condition.value,
        relation=condition.relation,
        bound=condition.bound,
        holds=condition.holds,
        reason=condition.reason,
        in_words=_so(condition),
    )


def _so(condition: Condition) -> str:
    """What must hold, and the present value."""
    phrases = PHRASES.get((condition.figure, condition.relation))
    if phrases is not None:
        return phrases[0]
    return f"{_counted(condition, SO)}; now {'it is not known' if condition.value is None else condition.value}"


def not_so(condition: Condition) -> str:
    """The opposite of a condition, in words."""
    phrases = PHRASES.get((condition.figure, condition.relation))
    return _counted(condition, NOT_SO) if phrases is None else phrases[1]


def _counted(condition: Condition, words: Mapping[str, str]) -> str:
    bound = condition.bound
    if isinstance(bound, float):  # the figures are whole units
        bound = floor(bound) if condition.relation == "at most" else ceil(bound)
    return f"{words[condition.relation]} {bound} {COUNTED.get(condition.figure, f'of {condition.figure}')}"


def as_json(explanations: list[Explanation]) -> bytes:
    """All explanations as one JSON array."""
    return msgspec.json.encode(explanations)


def differs(explanations: list[Explanation]) -> bool:
    """Whether any published claim differs from the recomputed one."""
    return any(each.verdict == WRONG for each in explanations)
