"""The room's card made again by the rules of README.md: every word is kept, and the latest is looked for when asked.

Nothing here is shared with the fold.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar

from stream.mechanics.card.events import (
    KINDS,
    ProductDescribed,
    ProductShown,
    RoomDescribed,
    RoomLinked,
    RoomUnlinked,
)
from stream.verify.recounted import Recounted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream.contract.events import Event
    from stream.contract.sections import Plain

OF_THE_ROOM = ("host_id", "host_name", "title", "picture")
OF_A_PRODUCT = ("sku_id", "name", "label", "price_minor", "list_price_minor", "currency", "picture")
# Later times are greater; of one millisecond, greater ids, as text.
_when = attrgetter("event_time_ms", "event_id")


class CardAgain(Recounted):
    """The card of one session."""

    NAME = "card"
    KINDS = KINDS
    LIMITS: ClassVar[Mapping[str, int]] = {"products_max": 100, "links_max": 50}

    def __init__(self, limits: Mapping[str, int]) -> None:
        super().__init__(limits)
        self._said: list[Event] = []

    def note(self, event: Event, effective_ms: int) -> bool:  # noqa: ARG002 — words are ordered by what they say
        """As `Recounted.note`."""
        if type(event) not in KINDS:
            return False
        self._said.append(event)
        return True

    def figures(self, as_of_ms: int) -> dict[str, Plain]:  # noqa: ARG002 — time alone changes nothing
        """As `Recounted.figures`."""
        if not self._said:
            return {}
        room = self._latest(RoomDescribed)
        figures: dict[str, Plain] = {name: getattr(room, name, None) for name in OF_THE_ROOM}
        products = self._by("sku_id", ProductDescribed)
        links = self._by("linked_room_id", RoomLinked, RoomUnlinked)
        skus, rooms = sorted(products)[: self.limits["products_max"]], sorted(links)[: self.limits["links_max"]]
        known = {sku: max(products[sku], key=_when) for sku in skus}
        linked = [room_id for room_id in rooms if type(max(links[room_id], key=_when)) is RoomLinked]
        figures |= {
            "product_count": len(known),
            "link_count": len(linked),
            "products_beyond": sum(len(words) for sku, words in products.items() if sku not in known),
            "links_beyond": sum(len(words) for room_id, words in links.items() if room_id not in rooms),
        }
        for place, sku in enumerate(skus, 1):
            figures |= _of(f"products.{place}", known[sku])
        figures |= {f"links.{place}": room_id for place, room_id in enumerate(linked, 1)}
        return figures | self._on_show(known)

    def _on_show(self, known: Mapping[str, Event]) -> dict[str, Plain]:
        sku: str | None = getattr(self._latest(ProductShown), "sku_id", None)
        if sku is None:
            return {"on_show": None}
        return _of("on_show", known.get(sku)) | {"on_show.sku_id": sku}

    def _latest(self, kind: type[Event]) -> Event | None:
        return max((event for event in self._said if isinstance(event, kind)), key=_when, default=None)

    def _by(self, field: str, *kinds: type[Event]) -> dict[str, list[Any]]:
        """The words of these kinds, by what they are of."""
        found: dict[str, list[Any]] = {}
        for event in self._said:
            if isinstance(event, kinds):
                found.setdefault(getattr(event, field), []).append(event)
        return found


def _of(name: str, product: Event | None) -> dict[str, Plain]:
    return {f"{name}.{field}": getattr(product, field, None) for field in OF_A_PRODUCT}
