"""Names instead of ids: a document for people, in which products are called as a section of the room calls them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from stream.contract.sections import sections_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.contract.overlay import Overlay

NAME_CHARS_MAX = 64


def with_names(overlay: Overlay) -> Overlay:
    """The document with a product's name wherever its SKU id stood; itself if no section names a product.

    Of two products with one name each keeps its id behind the name. The result is for display only: its ids are none.
    """
    names = _names_of(overlay)
    if not names:
        return overlay
    return replace(
        overlay,
        sales=[replace(sale, sku_id=names.get(sale.sku_id, sale.sku_id)) for sale in overlay.sales],
        claims=[replace(claim, sku_id=names.get(claim.sku_id or "", claim.sku_id)) for claim in overlay.claims],
        withheld=[replace(each, sku_id=names.get(each.sku_id or "", each.sku_id)) for each in overlay.withheld],
    )


def _names_of(overlay: Overlay) -> dict[str, str]:
    found = {
        sku_id: name[:NAME_CHARS_MAX]
        for section in sections_of(overlay).values()
        for sku_id, name in _named_in(section)
        if name.strip()
    }
    often = Counter(found.values())
    return {sku_id: name if often[name] == 1 else f"{name} ({sku_id})" for sku_id, name in found.items()}


def _named_in(section: Struct) -> Iterator[tuple[str, str]]:
    """(SKU id, name) of every product in a section. A product is whatever has both: no view knows the mechanics."""
    for field in section.__struct_fields__:
        value = getattr(section, field)
        for each in value if isinstance(value, list) else [value]:
            sku_id, name = getattr(each, "sku_id", None), getattr(each, "name", None)
            if isinstance(each, Struct) and isinstance(sku_id, str) and isinstance(name, str):
                yield sku_id, name
