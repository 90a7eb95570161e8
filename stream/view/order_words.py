"""Orders of a session in words, by what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.view.words import grouped

if TYPE_CHECKING:
    from stream.contract.overlay import Orders
    from stream.view.strings import Strings


def orders_told(orders: Orders, strings: Strings) -> str:
    """How many orders were placed, paid, cancelled and refunded; of the rest those that there are any of."""
    told = strings.orders.format(
        placed=grouped(orders.placed),
        paid=grouped(orders.paid),
        cancelled=grouped(orders.cancelled),
        refunded=grouped(orders.refunded),
    )
    later = [(words, getattr(orders, name)) for name, words in strings.orders_later.items()]
    return " · ".join([told, *(words.format(n=grouped(count)) for words, count in later if count)])
