"""A terminal calls products by their names where a section of the room has any."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from msgspec import Struct, defstruct
from msgspec.structs import asdict
from rich.console import Console

from stream.contract.overlay import Overlay, Sale
from stream.view.fitted import Fitted
from stream.view.names import with_names
from stream.view.terminal import render

if TYPE_CHECKING:
    from collections.abc import Callable


class Product(Struct):
    sku_id: str
    name: str | None = None


class Products(Struct):
    products: list[Product]
    on_show: Product | None = None
    likes: int = 3


WithProducts = defstruct("WithProducts", [("card", Products | None, None)], bases=(Overlay,))


def named(overlay: Overlay, *products: Product, on_show: Product | None = None) -> Any:
    return WithProducts(**asdict(overlay), card=Products(list(products), on_show))


def text(shown: Any) -> str:
    file = io.StringIO()
    Console(file=file, width=120, height=24).print(shown)
    return file.getvalue()


def test_without_names_the_document_is_itself(overlay: Overlay) -> None:
    assert with_names(overlay) is overlay
    nameless = named(overlay, Product("sku-881"), Product("sku-1", " "))
    assert with_names(nameless) is nameless


def test_sale_claims_and_what_is_held_back_have_the_name(overlay: Overlay) -> None:
    known = named(overlay, Product("sku-881", "Wool coat"))
    for shown in (text(render(known, width=120)), text(Fitted(known, lang="en", now_ms=overlay.as_of_ms))):
        assert "Wool coat" in shown
        assert "212 left · coat-drop/Wool coat" in shown
        assert "sku-881" not in shown.partition("card")[0]
    assert "coat-drop/Wool coat" in text(render(known, width=120)).partition("Held back")[2]


def test_the_product_on_show_and_two_of_one_name_are_told_apart(
    overlay: Overlay, make_sale: Callable[..., Sale]
) -> None:
    overlay.sales = [make_sale(), make_sale(sku_id="sku-2"), make_sale(sku_id="sku-3")]
    known = named(overlay, Product("sku-2", "Scarf"), Product("sku-881", "Scarf"), on_show=Product("sku-3", "Hat"))
    assert [sale.sku_id for sale in with_names(known).sales] == ["Scarf (sku-881)", "Scarf (sku-2)", "Hat"]
    assert [sale.sku_id for sale in known.sales] == ["sku-881", "sku-2", "sku-3"]


def test_a_name_cannot_steer_the_terminal_and_is_bounded(overlay: Overlay) -> None:
    shown = text(render(named(overlay, Product("sku-881", "\x1b[31m\u202eevil" + "x" * 5_000)), width=120))
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "x" * 65 not in shown.partition("card")[0]
