"""A ledger to its part of a checkpoint record and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from stream.contract.events import SaleOpened
from stream.core.changelog import LedgerHead, by_second, in_a_row
from stream.core.growth import grown_object, grown_row
from stream.core.stock import Ledger
from stream.core.words import Word, opening, rounds_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.core.rules import Rules

# Of a `sale_opened` in version 1, before what the contract has added since.
OPENED_FIELDS_1 = 13
_opened_encoder = msgspec.msgpack.Encoder()
_opened_decoder = msgspec.msgpack.Decoder(SaleOpened)


def _pace(ledger: Ledger, *, ordered: bool) -> tuple[dict[int, int], dict[int, list[int]]]:
    """What was committed and bought lately. `ordered`: as it is, and not as it came about."""
    if not ordered:
        return ledger.recent, ledger.bought
    recent = {second: net for second, net in sorted(ledger.recent.items()) if net}
    return recent, {bucket: counts for bucket, counts in sorted(ledger.bought.items()) if counts != [0, 0]}


def _second(ledger: Ledger) -> Iterator[Any]:
    """Fields of a ledger's head that are new in the second edition of signals."""
    yield in_a_row(ledger.taken)
    yield in_a_row(ledger.returned)
    yield ledger.restocked_ms
    yield ledger.gone
    yield [*ledger.words] if len(ledger.words) > 1 else []
    yield [*ledger.restocks]
    yield ledger.former if ledger.round_from_ms >= 0 else []


def ledger_head(ledger: Ledger, rules: Rules) -> Any:
    """What is saved of a ledger."""
    head = LedgerHead(
        ledger.sale_id,
        ledger.sku_id,
        None if ledger.opened is None else _opened_encoder.encode(grown_object(ledger.opened, OPENED_FIELDS_1)),
        ledger.restocked,
        ledger.restock_planned,
        ledger.held,
        ledger.sold,
        ledger.released,
        ledger.over_limit,
        *_pace(ledger, ordered=rules.second_signals),
        ledger.said_ms if rules.remembers_rooms else -1,
        ledger.paid_second if rules.second_signals else -1,
        *(_second(ledger) if rules.second_signals else ()),
    )
    return grown_row(head)


def ledger_of(head: LedgerHead, rules: Rules) -> Ledger:
    """A ledger from what was saved of it, without its people."""
    ledger = Ledger(head.sale_id, head.sku_id, rules.distinct_exact_max)
    if head.opened is not None:
        ledger.opened = _opened_decoder.decode(head.opened)
        ledger.limit = ledger.opened.per_user_limit
    ledger.restocked, ledger.restock_planned = head.restocked, head.restock_planned
    ledger.held, ledger.sold, ledger.released, ledger.over_limit = head.held, head.sold, head.released, head.over_limit
    ledger.recent, ledger.bought = head.recent, head.bought
    ledger.taken, ledger.returned = by_second(head.taken), by_second(head.returned)
    ledger.restocked_ms, ledger.said_ms, ledger.paid_second = head.restocked_ms, head.said_ms, head.paid_second
    ledger.gone = head.gone
    if ledger.opened is not None:
        ledger.words = tuple([Word(*word) for word in head.openings]) or (opening(ledger.opened),)
        if rules.second_signals:
            ledger.rounds, ledger.round_from_ms = rounds_of(ledger.words)
    ledger.restocks, ledger.former = tuple(head.restocks), head.former or [0, 0, 0]
    return ledger
