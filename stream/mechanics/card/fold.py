"""The room's card as the worker keeps it: the latest word of each part.

Rows: one for each product (key: `p|` and the SKU) and one for each other room of which anything was said (key: `l|` and
the room). No id holds `|`. Beyond a bound those are kept whose ids come first in the order of ASCII: that depends on
who was spoken of, and never on who was spoken of first.
"""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, ClassVar

from msgspec import Struct

from stream.core.mechanic import Batch, Mechanic, Scope
from stream.mechanics.card.events import (
    KINDS,
    ProductDescribed,
    ProductShown,
    RoomDescribed,
    RoomLinked,
    RoomUnlinked,
)
from stream.mechanics.card.section import Card, Product

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream.contract.events import Event

# Event time and event id: a later word is greater.
At = tuple[int, str]
NEVER: At = (-1, "")


class CardRow(Struct, array_like=True, frozen=True):
    """The latest word of a product or of another room, and how many words there were."""

    at: At
    words: int
    product: Product | None = None
    linked: bool = False


class Described(Struct, array_like=True, frozen=True):
    """The latest word of the room itself."""

    at: At = NEVER
    host_id: str | None = None
    host_name: str | None = None
    title: str | None = None
    picture: str | None = None


class SavedCard(Struct, array_like=True):
    """What is in no row. `shown_at` and `shown`: the latest word of what is on show."""

    described: Described
    shown_at: At = NEVER
    shown: str | None = None
    products_beyond: int = 0
    links_beyond: int = 0


class _Kept:
    """Rows of products, or of other rooms, within a bound."""

    def __init__(self, prefix: str, most: int) -> None:
        self.prefix = prefix
        self.rows: dict[str, CardRow] = {}
        self.ids: list[str] = []  # in the order of ASCII
        self.beyond = 0
        self._most = most

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, key: str, at: At, row: CardRow) -> list[str]:
        """Keep a word of an id. Returns the ids whose rows are other ones now."""
        before = self.rows.get(key)
        if before is not None:
            newest = row if at > before.at else before
            self.rows[key] = CardRow(newest.at, before.words + 1, newest.product, newest.linked)
            return [key]
        if len(self.ids) < self._most:
            self._keep(key, row)
            return [key]
        last = self.ids[-1]
        if key > last:
            self.beyond += 1
            return []
        self.ids.pop()
        self.beyond += self.rows.pop(last).words
        self._keep(key, row)
        return [key, last]

    def _keep(self, key: str, row: CardRow) -> None:
        self.rows[key] = row
        insort(self.ids, key)

    def restore(self, rows: Mapping[str, CardRow], beyond: int) -> None:
        """Become what was saved."""
        self.rows = {key[2:]: row for key, row in rows.items() if key.startswith(self.prefix)}
        self.ids = sorted(self.rows)
        self.beyond = beyond


class CardFold(Mechanic):
    """The card of one session."""

    NAME = "card"
    KINDS = KINDS
    SAVED = SavedCard
    ROW = CardRow
    LIMITS: ClassVar[Mapping[str, int]] = {"products_max": 100, "links_max": 50}

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self.described = Described()
        self.shown: tuple[At, str | None] = (NEVER, None)
        self.products = _Kept("p|", scope.limit("products_max"))
        self.links = _Kept("l|", scope.limit("links_max"))

    # -- what happens --------------------------------------------------------------------------------------------------
    def fold(self, batch: Batch) -> None:
        """As `Mechanic.fold`: every word is new, if only as one more."""
        for event in batch.events:
            self._take(event, (event.event_time_ms, event.event_id))

    def _take(self, event: Event, at: At) -> None:
        if isinstance(event, ProductShown):
            self.shown = max(self.shown, (at, event.sku_id), key=lambda word: word[0])
        elif isinstance(event, ProductDescribed):
            self._keep(self.products, "products_max", event.sku_id, CardRow(at, 1, _product(event)))
        elif isinstance(event, RoomLinked | RoomUnlinked):
            row = CardRow(at, 1, None, isinstance(event, RoomLinked))
            self._keep(self.links, "links_max", event.linked_room_id, row)
        elif isinstance(event, RoomDescribed) and at > self.described.at:
            self.described = Described(at, event.host_id, event.host_name, event.title, event.picture)

    def _keep(self, kept: _Kept, limit: str, key: str, row: CardRow) -> None:
        before = kept.beyond
        for each in kept.take(key, row.at, row):
            self.touch(kept.prefix + each)
        if kept.beyond > before:
            self.scope.beyond(limit, kept.beyond - before)

    # -- what is shown -------------------------------------------------------------------------------------------------
    def section(self, as_of_ms: int) -> Card:  # noqa: ARG002 — time alone changes nothing
        """As `Mechanic.section`."""
        rows = self.products.rows
        products = [product for sku_id in self.products.ids if (product := rows[sku_id].product) is not None]
        links = [room_id for room_id in self.links.ids if self.links.rows[room_id].linked]
        said = self.described
        return Card(
            len(products),
            len(links),
            products,
            links,
            said.host_id,
            said.host_name,
            said.title,
            said.picture,
            self._on_show(),
            self.products.beyond,
            self.links.beyond,
        )

    def _on_show(self) -> Product | None:
        _, sku_id = self.shown
        if sku_id is None:
            return None
        row = self.products.rows.get(sku_id)
        return Product(sku_id) if row is None else row.product

    # -- what is saved -------------------------------------------------------------------------------------------------
    def saved(self) -> SavedCard:
        """As `Mechanic.saved`."""
        return SavedCard(self.described, *self.shown, self.products.beyond, self.links.beyond)

    def row(self, key: str) -> CardRow | None:
        """As `Mechanic.row`."""
        kept = self.products if key.startswith(self.products.prefix) else self.links
        return kept.rows.get(key[2:])

    def restore(self, saved: SavedCard, rows: Mapping[str, CardRow]) -> None:
        """As `Mechanic.restore`."""
        self.described = saved.described
        self.shown = (saved.shown_at, saved.shown)
        self.products.restore(rows, saved.products_beyond)
        self.links.restore(rows, saved.links_beyond)


def _product(event: ProductDescribed) -> Product:
    return Product(
        event.sku_id,
        event.name,
        event.label,
        event.price_minor,
        event.list_price_minor,
        event.currency,
        event.picture,
    )
