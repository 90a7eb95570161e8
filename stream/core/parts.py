"""Parts of an order that were cancelled or refunded by themselves.

A part is known by its id. Of two words about one part the greater counts, and beyond the bound those with the least ids
are kept: so what parts come to is a function of the set of what was said, in whatever order it came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stream.core.order_state import merged, one_of_equal
from stream.core.standing import APART, BACK, GONE, REFUNDED, STANDINGS, STANDS_BY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stream.contract.events import Order
    from stream.core.order_state import Amounts, OrderState, SaleLine

# What a word says of its units: nothing, so that they come back; that they are gone; that they are back after all.
_UNTOLD, _GONE, _BACK = range(3)
# More than any window reaches in an order that is not made up.
MOVES_MAX = 200

# Sale and SKU, second, net units, units sold, orders paid: what an order did to the pace of a sale.
Move = tuple[tuple[str, str], int, int, int, int]
# Units held, sold, released and gone.
Units = tuple[int, int, int, int]


class Word(NamedTuple):
    """What was said of a part. Compared field by field."""

    amount_minor: int
    units: int
    lines: tuple[SaleLine, ...]
    of_units: int
    amounts: Amounts = ()  # by product


class Stand(NamedTuple):
    """What an order with parts or revisions contributes: net money, and units of each SKU of each sale."""

    net_minor: int
    units: dict[tuple[str, str], Units]


def word_of(event: Order) -> Word:
    """What a record with a part says of it."""
    amount_minor = units = 0
    lines: tuple[SaleLine, ...] = ()
    amounts: dict[str, int] = {}
    for line in event.part_lines:
        amount_minor += line.amount_minor
        amounts[line.sku_id] = amounts.get(line.sku_id, 0) + line.amount_minor
        units += line.quantity
        if line.sale_id is not None and line.quantity:
            lines += ((line.sale_id, line.sku_id, line.quantity),)
    of_units = _UNTOLD if event.restock is None else _BACK if event.restock else _GONE
    return Word(amount_minor, units, tuple(sorted(merged(lines))), of_units, tuple(sorted(amounts.items())))


def units_of(order: OrderState, parts: Parts | None) -> Iterator[tuple[tuple[str, str], Units]]:
    """Of each line of an order its sale and SKU, and how many of its units are held, sold, released and gone."""
    if parts is not None and order.mask & APART:
        yield from parts.stand(order, order.mask).units.items()
        return
    left = STANDINGS[order.mask & STANDS_BY]
    for sale_id, sku_id, units in order.lines:
        yield (sale_id, sku_id), (left.held * units, left.sold * units, left.released * units, left.gone * units)


class Parts:
    """All that was said of the parts of one order, and what follows for its lines; also of one that was edited.

    `whole`: the order's lines as they were ordered; what is left of them are the lines of its `OrderState`. `moves`:
    what the order did to the pace of its sales in the session that was born at `moved_in`, also by lines that it has no
    more. `off`: what all parts take off, by product.
    """

    __slots__ = ("_back", "_gone", "amount_minor", "moved_in", "moves", "off", "said", "whole")

    def __init__(self, whole: tuple[SaleLine, ...], moved_in: int = -1, moves: Sequence[Move] = ()) -> None:
        self.whole = whole
        self.said: dict[str, Word] = {}
        self.amount_minor = 0
        self.off: dict[str, int] = {}
        self.moved_in = moved_in
        self.moves = [*moves]
        self._back: list[int] = [0] * len(whole)
        self._gone: list[int] = [0] * len(whole)

    # -- what is said -------------------------------------------------------------------------------------------------
    def is_news(self, part_id: str, word: Word, parts_max: int) -> bool:
        """Whether a word changes what is known: it is greater than the one known, or of a part that finds a place."""
        known = self.said.get(part_id)
        return not self.is_beyond(part_id, parts_max) if known is None else word > known

    def is_beyond(self, part_id: str, parts_max: int) -> bool:
        """Whether a part finds no place: others with lesser ids have all of them."""
        return part_id not in self.said and len(self.said) >= parts_max and part_id > max(self.said)

    def take(self, part_id: str, word: Word, parts_max: int) -> bool:
        """Take a word that is news. Returns whether another part lost its place."""
        self.said[part_id] = word
        if len(self.said) <= parts_max:
            return False
        del self.said[max(self.said)]
        return True

    def cut(self, order: OrderState) -> None:
        """Work out anew what is left of the lines of the order: of no line are more units taken than it has."""
        back: dict[tuple[str, str], int] = {}
        gone: dict[tuple[str, str], int] = {}
        self.amount_minor, self.off = 0, {}
        for word in self.said.values():
            self.amount_minor += word.amount_minor
            for sku_id, amount_minor in word.amounts:
                self.off[sku_id] = self.off.get(sku_id, 0) + amount_minor
            taken = gone if word.of_units == _GONE else back
            for sale_id, sku_id, quantity in word.lines:
                taken[sale_id, sku_id] = taken.get((sale_id, sku_id), 0) + quantity
        left = []
        for place, (sale_id, sku_id, quantity) in enumerate(self.whole):
            self._back[place] = min(quantity, back.get((sale_id, sku_id), 0))
            self._gone[place] = min(quantity - self._back[place], gone.get((sale_id, sku_id), 0))
            left.append((sale_id, sku_id, quantity - self._back[place] - self._gone[place]))
        order.lines = one_of_equal(tuple(left))

    def learn(self, order: OrderState) -> None:
        """The lines of the order are known from now on, or are others."""
        self.whole = order.lines
        self._back, self._gone = [0] * len(self.whole), [0] * len(self.whole)
        self.cut(order)

    # -- what follows -------------------------------------------------------------------------------------------------
    def stand(self, order: OrderState, mask: int) -> Stand:
        """What the order contributes with these statuses.

        Each unit stands as in an order of its own: one that a part took out as if that order had been refunded.
        """
        left = STANDINGS[mask & STANDS_BY]
        back = STANDINGS[(mask | REFUNDED | BACK) & STANDS_BY]
        lost = STANDINGS[(mask | REFUNDED | GONE) & STANDS_BY]
        units = {
            (sale_id, sku_id): (
                left.held * quantity,
                left.sold * quantity,
                left.released * quantity + back.released * returned + lost.released * gone,
                left.gone * quantity + lost.gone * gone,
            )
            for (sale_id, sku_id, quantity), returned, gone in zip(order.lines, self._back, self._gone, strict=True)
        }
        return Stand(left.sold * max(0, order.amount_minor - self.amount_minor), units)

    # -- pace ---------------------------------------------------------------------------------------------------------
    def note_move(self, move: Move, born_ms: int) -> None:
        """The order changed the pace of a sale, in the session that was born then."""
        if self.moved_in != born_ms:
            self.moved_in, self.moves = born_ms, []
        self.moves.append(move)
        del self.moves[:-MOVES_MAX]

    def moves_of(self, born_ms: int) -> Iterator[Move]:
        """What the order did to the pace of its sales in the session that was born then."""
        yield from self.moves if self.moved_in == born_ms else ()
