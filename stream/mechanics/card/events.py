"""What a platform says of a room, its products and the rooms beside it."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from stream.contract import examples
from stream.contract.catalogue import KindExamples
from stream.contract.events import MAX_AMOUNT_MINOR, MAX_ID_CHARS, AmountMinor, Currency, Event, Id, SkuId

MAX_NAME_CHARS = 80
MAX_TITLE_CHARS = 120
MAX_LABEL_CHARS = 16
MAX_PICTURE_CHARS = 300

# https, a host of letters, digits, dots and hyphens, a port or none, and a path of plain characters. So there is no
# user, no space, no quote and no other scheme. No line break behind `$`: Python's `$` also matches before the last one.
PICTURE_PATTERN = r"^https://([A-Za-z0-9]+[.-]+)*[A-Za-z0-9]+(:[0-9]{1,5})?/[A-Za-z0-9._~:/?#@!$&()*+,;=%\[\]-]*$(?!\n)"

Picture = Annotated[
    str,
    Meta(
        pattern=PICTURE_PATTERN,
        max_length=MAX_PICTURE_CHARS,
        description="address of a picture, https only; pages show it if the read server lists its host",
    ),
]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS, description="for people; untrusted")]
LinkedRoomId = Annotated[Id, Meta(description="the other room")]


class RoomDescribed(Event, frozen=True, gc=False, kw_only=True, tag="room_described"):
    """Who hosts the room, and what its title is. The latest word is all that is known: it takes earlier ones back."""

    host_id: Annotated[Id, Meta(description="who hosts the room: a pseudonym, the same in every room of the host")]
    host_name: Name | None = None
    title: (
        Annotated[str, Meta(min_length=1, max_length=MAX_TITLE_CHARS, description="of the show; untrusted")] | None
    ) = None
    picture: Picture | None = None


class ProductDescribed(Event, frozen=True, gc=False, kw_only=True, tag="product_described"):
    """A product of the room. Of each SKU the latest word is all that is known: it takes earlier ones back."""

    sku_id: SkuId
    name: Name
    label: (
        Annotated[
            str,
            Meta(min_length=1, max_length=MAX_LABEL_CHARS, description="the room's own sign for it, such as 3 or A12"),
        ]
        | None
    ) = None
    price_minor: Annotated[AmountMinor, Meta(description="price of a unit outside of sales, minor units")] | None = None
    list_price_minor: (
        Annotated[AmountMinor, Meta(description="what the shop calls the list price; no price that was ever asked")]
        | None
    ) = None
    currency: (
        Annotated[Currency, Meta(description="ISO 4217 code of the prices; without it no price is shown")] | None
    ) = None
    picture: Picture | None = None


class ProductShown(Event, frozen=True, gc=False, kw_only=True, tag="product_shown"):
    """The host shows a product from now on, or none."""

    sku_id: Annotated[Id, Meta(description="the product variant on show; default: none is")] | None = None


class RoomLinked(Event, frozen=True, gc=False, kw_only=True, tag="room_linked"):
    """The room leads to another one from now on. The latest word of each other room decides."""

    linked_room_id: LinkedRoomId


class RoomUnlinked(Event, frozen=True, gc=False, kw_only=True, tag="room_unlinked"):
    """The room no longer leads to another one. The latest word of each other room decides."""

    linked_room_id: LinkedRoomId


KINDS = (RoomDescribed, ProductDescribed, ProductShown, RoomLinked, RoomUnlinked)

_LONG_ID = "Az09._:-" * (MAX_ID_CHARS // 8)
_BAD_PICTURES: dict[str, tuple[str, Any]] = {
    "picture-not-https": ("/picture", "http://img.example/a.webp"),
    "picture-data": ("/picture", "data:image/png;base64,AAAA"),
    "picture-script": ("/picture", "javascript:void(0)"),
    "picture-without-scheme": ("/picture", "//img.example/a.webp"),
    "picture-without-host": ("/picture", "https:///a.webp"),
    "picture-without-path": ("/picture", "https://img.example"),
    "picture-with-a-user": ("/picture", "https://shop@img.example/a.webp"),
    "picture-with-a-space": ("/picture", "https://img.example/a b.webp"),
    "picture-with-a-quote": ("/picture", "https://img.example/a'.webp"),
    "picture-with-a-line-break": ("/picture", "https://img.example/a.webp\n"),
    "picture-not-ascii": ("/picture", "https://图.example/a.webp"),
    "picture-too-long": ("/picture", f"https://img.example/{'a' * MAX_PICTURE_CHARS}"),
    "picture-empty": ("/picture", ""),
    "picture-no-text": ("/picture", {"url": "https://img.example/a.webp"}),
}
_BAD_LINKS: dict[str, tuple[str, Any]] = {
    "room-missing": ("/linked_room_id", examples.ABSENT),
    "room-null": ("/linked_room_id", None),
    "room-empty": ("/linked_room_id", ""),
    "room-too-long": ("/linked_room_id", "x" * (MAX_ID_CHARS + 1)),
    "room-with-a-slash": ("/linked_room_id", "viya/2018"),
}
_LINK = KindExamples(
    {**examples.EVENT, "linked_room_id": "viya-2018"}, {"longest-id": {"linked_room_id": _LONG_ID}}, _BAD_LINKS
)
EXAMPLES = {
    "room_described": KindExamples(
        {
            **examples.EVENT,
            "host_id": "h-77",
            "host_name": "薇娅",
            "title": "Autumn coats",
            "picture": "https://img.example/hosts/77.webp?v=3",
        },
        {
            "longest": {
                "host_id": _LONG_ID,
                "host_name": "\N{FIRE}" * MAX_NAME_CHARS,
                "title": "\N{FIRE}" * MAX_TITLE_CHARS,
                "picture": f"https://img.example:8443/{'a' * (MAX_PICTURE_CHARS - 25)}",
            },
            "untrusted": {"title": "<b>\x00\u202e</b>"},
        },
        {
            "host-missing": ("/host_id", examples.ABSENT),
            "host-null": ("/host_id", None),
            "host-with-a-space": ("/host_id", "h 77"),
            "host-empty": ("/host_id", ""),
            "host-too-long": ("/host_id", "x" * (MAX_ID_CHARS + 1)),
            "host-name-empty": ("/host_name", ""),
            "host-name-too-long": ("/host_name", "x" * (MAX_NAME_CHARS + 1)),
            "host-name-number": ("/host_name", 77),
            "title-empty": ("/title", ""),
            "title-too-long": ("/title", "x" * (MAX_TITLE_CHARS + 1)),
            "title-no-text": ("/title", 7),
            **_BAD_PICTURES,
        },
    ),
    "product_described": KindExamples(
        {
            **examples.EVENT,
            "sku_id": "sku-881",
            "name": "Wool coat",
            "label": "3",
            "price_minor": 39_900,
            "list_price_minor": 89_900,
            "currency": "CNY",
            "picture": "https://img.example/skus/881.webp",
        },
        {
            "free": {"price_minor": 0},
            "dearest": {"price_minor": MAX_AMOUNT_MINOR, "list_price_minor": MAX_AMOUNT_MINOR},
            "longest": {
                "sku_id": _LONG_ID,
                "name": "\N{FIRE}" * MAX_NAME_CHARS,
                "label": "\N{FIRE}" * MAX_LABEL_CHARS,
            },
        },
        {
            "sku-missing": ("/sku_id", examples.ABSENT),
            "sku-empty": ("/sku_id", ""),
            "sku-too-long": ("/sku_id", "x" * (MAX_ID_CHARS + 1)),
            "sku-number": ("/sku_id", 881),
            "sku-with-a-slash": ("/sku_id", "coat/red"),
            "name-missing": ("/name", examples.ABSENT),
            "name-null": ("/name", None),
            "name-empty": ("/name", ""),
            "name-too-long": ("/name", "x" * (MAX_NAME_CHARS + 1)),
            "label-empty": ("/label", ""),
            "label-too-long": ("/label", "x" * (MAX_LABEL_CHARS + 1)),
            "label-number": ("/label", 3),
            "price-negative": ("/price_minor", -1),
            "price-with-a-fraction": ("/price_minor", 399.5),
            "price-too-great": ("/price_minor", MAX_AMOUNT_MINOR + 1),
            "list-price-negative": ("/list_price_minor", -1),
            "list-price-too-great": ("/list_price_minor", MAX_AMOUNT_MINOR + 1),
            "list-price-a-text": ("/list_price_minor", "899.00"),
            "currency-small-letters": ("/currency", "cny"),
            "currency-a-sign": ("/currency", "¥"),
            "currency-with-a-line-break": ("/currency", "CNY\n"),
            "currency-number": ("/currency", 156),
            **_BAD_PICTURES,
        },
    ),
    "product_shown": KindExamples(
        {**examples.EVENT, "sku_id": "sku-881"},
        {"none": {"sku_id": None}, "longest-id": {"sku_id": _LONG_ID}},
        {
            "sku-empty": ("/sku_id", ""),
            "sku-too-long": ("/sku_id", "x" * (MAX_ID_CHARS + 1)),
            "sku-with-a-slash": ("/sku_id", "coat/red"),
            "sku-false": ("/sku_id", False),
        },
    ),
    "room_linked": _LINK,
    "room_unlinked": _LINK,
}
