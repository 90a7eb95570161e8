"""How a ledger is saved: its part of a room's head, and back."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from stream.contract.events import SaleOpened
from stream.core.forecast import BLOCK_S, MEMORY_S, PAST_S
from stream.core.ledger import Ledger
from stream.core.saved.growth import grown_object, grown_row
from stream.core.words import Word, opening, rounds_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.core.rules import Rules

# A `words.Word`.
SavedWord = tuple[int, str, int, int, int, int]
# Of a `sale_opened` in version 1, before what the contract has added since.
OPENED_FIELDS_1 = 13
_opened_encoder = msgspec.msgpack.Encoder()
_opened_decoder = msgspec.msgpack.Decoder(SaleOpened)


class LedgerHead(msgspec.Struct, array_like=True):
    """One ledger without its people.

    Held and sold units by user come back from the orders, carters from their blocks.
    """

    fields_1: ClassVar[int] = 11

    sale_id: str
    sku_id: str
    opened: bytes | None
    restocked: int
    restock_planned: tuple[int, int]
    held: int
    sold: int
    released: int
    over_limit: int
    recent: dict[int, int]
    bought: dict[int, list[int]]
    said_ms: int = -1
    paid_second: int = -1
    # What the forecast of the second edition looks at: the first second, then units in it and in those after it.
    taken: list[int] = []
    returned: list[int] = []
    restocked_ms: int = -1
    gone: int = 0
    openings: list[SavedWord] = []  # where there is more than the one that holds
    restocks: list[tuple[int, str, int]] = []
    former: list[int] = []
    blocks: list[int] = []  # the first five seconds, then units taken in them and in those after them


def in_a_row(units: dict[int, int], most: int = 2 * MEMORY_S) -> list[int]:
    """The first bucket, then the units of it and of those after it: a quarter of what the pairs take."""
    units = {bucket: each for bucket, each in units.items() if each}
    if not units:
        return []
    last = max(units)
    first = max(min(units), last - most)  # what is older than that is of another session
    return [first, *map(units.get, range(first, last + 1), repeat(0))]


def by_bucket(row: list[int]) -> dict[int, int]:
    """The other way round."""
    return {bucket: units for bucket, units in enumerate(row[1:], row[0]) if units} if row else {}


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
    yield in_a_row(ledger.blocks, 2 * PAST_S // BLOCK_S)


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
    ledger.taken, ledger.returned = by_bucket(head.taken), by_bucket(head.returned)
    ledger.blocks = by_bucket(head.blocks)
    ledger.restocked_ms, ledger.said_ms, ledger.paid_second = head.restocked_ms, head.said_ms, head.paid_second
    ledger.gone = head.gone
    if ledger.opened is not None:
        ledger.words = tuple([Word(*word) for word in head.openings]) or (opening(ledger.opened),)
        if rules.second_signals:
            ledger.rounds, ledger.round_from_ms = rounds_of(ledger.words)
    ledger.restocks, ledger.former = tuple(head.restocks), head.former or [0, 0, 0]
    return ledger
