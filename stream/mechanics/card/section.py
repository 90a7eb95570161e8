"""What documents show of the room's card."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class Product(Struct, frozen=True, omit_defaults=True):
    """A product as the room described it last; what it left out is absent."""

    sku_id: str
    name: Annotated[str | None, Meta(description="untrusted; absent: the product on show is not described")] = None
    label: Annotated[str | None, Meta(description="the room's own sign for it; untrusted")] = None
    price_minor: Annotated[int | None, Meta(description="price of a unit outside of sales, minor units")] = None
    list_price_minor: Annotated[int | None, Meta(description="what the shop calls the list price")] = None
    currency: Annotated[str | None, Meta(description="ISO 4217 code of the prices")] = None
    picture: Annotated[str | None, Meta(description="an https address of any host: show it from hosts you trust")] = (
        None
    )


class Card(Struct, omit_defaults=True):
    """The card of a room: the latest word of each of its parts."""

    product_count: Annotated[int, Meta(description="products that were described, as many as are kept")]
    link_count: Annotated[int, Meta(description="rooms that this one leads to, as many as are kept")]
    products: Annotated[list[Product], Meta(description="those described, in the order of ASCII of their SKU ids")]
    links: Annotated[list[str], Meta(description="rooms that this one leads to, in the order of ASCII")]
    host_id: Annotated[str | None, Meta(description="who hosts the room; absent: nobody said")] = None
    host_name: Annotated[str | None, Meta(description="untrusted")] = None
    title: Annotated[str | None, Meta(description="of the show; untrusted")] = None
    picture: Annotated[str | None, Meta(description="of the host; as of a product")] = None
    on_show: Annotated[Product | None, Meta(description="the product on show; absent: none is")] = None
    products_beyond: Annotated[
        int, Meta(description="words of products beyond the bound, which are in no figure but this; absent: none")
    ] = 0
    links_beyond: Annotated[
        int, Meta(description="words of linked rooms beyond the bound, which are in no figure but this; absent: none")
    ] = 0
