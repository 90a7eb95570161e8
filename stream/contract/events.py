"""The event types: what live rooms may send. This module is the one source of `schemas/`.

Every event carries `event_id` (the idempotency key), `room_id` (also the Kafka key) and `event_time_ms`
(UTC epoch milliseconds, set by the producer). Money is an integer in minor units beside an ISO 4217 code.
Within a major version only optional fields are added. Unknown fields are ignored.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct

MAX_RECORD_BYTES = 16 * 1024
MAX_COMMENT_CHARS = 500
MAX_QUANTITY = 10_000
MAX_TAPS = 10_000
MAX_ORDER_LINES = 100
MAX_AHEAD_MS = 60_000
MAX_AGE_MS = 7 * 24 * 3_600_000
# The times of a sale lie within ten years of the event. This refuses seconds, microseconds and "for ever".
MAX_SALE_AWAY_MS = 3_653 * 24 * 3_600_000
# The second edition: docs/contract.md lists its corrections under "Corrections".
FIRST_EDITION = 1
EDITION = 2
# JSON numbers are exact up to 2**53. Sums of them must stay inside 64 bits.
MAX_SAFE_INTEGER = 2**53 - 1
# 100 lines of this still fit in MAX_SAFE_INTEGER: 9e13 minor units a line.
MAX_AMOUNT_MINOR = 90_000_000_000_000
MAX_OFFERED = 1_000_000_000
MIN_HOLD_MS, MAX_HOLD_MS = 1_000, 86_400_000

MAX_ID_CHARS = 64

# For readers of the schemas: in ECMA 262 `$` is the end. Not a msgspec pattern: Python's `$` also matches before a last
# newline, and a regex call for each id trebles the cost of a decode. `contract.ids` checks the same characters.
ID_PATTERN = r"^[A-Za-z0-9._:-]{1,64}$"

Id = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_ID_CHARS,
        description="opaque identifier",
        extra_json_schema={"pattern": ID_PATTERN},
    ),
]
EventId = Annotated[
    Id, Meta(description="idempotency key: a second record with it, in the same room and topic, is a duplicate")
]
RoomId = Annotated[Id, Meta(description="the room; also the Kafka key of the record")]
UserId = Annotated[Id, Meta(description="who acted: a pseudonym, stable for the session at least; `-`: nobody knows")]
SessionId = Annotated[Id, Meta(description="tells one user's devices apart; default: the user")]
SkuId = Annotated[Id, Meta(description="the product variant")]
OneSkuId = Annotated[Id, Meta(description="only this product variant of the sale; default: all of them")]
SaleId = Annotated[Id, Meta(description="the flash sale that it is part of, if any")]
ShowId = Annotated[Id, Meta(description="the show; a second word with the same show_id says nothing new")]
OrderId = Annotated[Id, Meta(description="the order; its statuses and lines are remembered under it")]
ComeBack = Annotated[
    bool,
    Meta(
        description="of a cancel or refund, whether the units come back into the sale; default: they do, unless "
        "another record of the order says false"
    ),
]
PartId = Annotated[
    Id,
    Meta(
        description="of a cancel or refund of a part of the order, which part: a second record with it says the same; "
        "default: it is about the whole order"
    ),
]
PaymentTerms = Annotated[
    Literal["cash_on_delivery", "deposit"],
    Meta(
        description="how the order is paid, if not at once: its units stay held until it is paid, cancelled or "
        "refunded; default: until its hold runs out"
    ),
]
Revision = Annotated[
    int,
    Meta(
        ge=0,
        le=MAX_SAFE_INTEGER,
        description="of which revision of the order the lines are, if it may be edited before it is paid: a number "
        "that only grows; default: 0",
    ),
]
DeviceId = Annotated[Id, Meta(description="the device that it was placed from: a pseudonym, the same in every account")]
Source = Annotated[Id, Meta(description="where the visitor came from, in the platform's own words")]
EpochMs = Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER, description="UTC epoch milliseconds")]
EventTimeMs = Annotated[EpochMs, Meta(description="when it happened, UTC epoch milliseconds")]
Quantity = Annotated[int, Meta(ge=1, le=MAX_QUANTITY, description="units")]
AmountMinor = Annotated[int, Meta(ge=0, le=MAX_AMOUNT_MINOR, description="minor units of the currency")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$", max_length=3, description="ISO 4217 code")]
RestockPlannedAtMs = Annotated[
    EpochMs, Meta(description="when more units are planned to come: until then no scarcity is claimed")
]

# Directive 98/6/EC, Article 6a: whoever announces a reduction says the lowest price of the 30 days before it.
PriorPriceMinor = Annotated[
    AmountMinor,
    Meta(description="lowest price of a unit in the 30 days before the sale, minor units; the only one shown as `was`"),
]


class OrderStatus(StrEnum):
    """How far an order has come; `paid` implies that it was placed. The last four move neither money nor stock."""

    PLACED = "placed"
    PAID = "paid"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    COMPLETED = "completed"
    PAYMENT_FAILED = "payment_failed"


# Those of the second edition of signals: the first knew the others alone.
LATER_STATUSES = (OrderStatus.SHIPPED, OrderStatus.DELIVERED, OrderStatus.COMPLETED, OrderStatus.PAYMENT_FAILED)
# Those that may be about a part of an order.
UNDOING_STATUSES = frozenset((OrderStatus.CANCELLED, OrderStatus.REFUNDED))
# Without its lines an order has no money and no units to count.
NEED_LINES = frozenset((OrderStatus.PLACED, OrderStatus.PAID))


class Event(Struct, frozen=True, gc=False, kw_only=True, tag_field="type"):
    """What every event has."""

    event_id: EventId
    room_id: RoomId
    event_time_ms: EventTimeMs


class PersonEvent(Event, frozen=True, gc=False, kw_only=True):
    """An event in which a person acted."""

    user_id: UserId


class Comment(PersonEvent, frozen=True, gc=False, kw_only=True, tag="comment"):
    """Somebody wrote a line in the room's chat."""

    text: Annotated[str, Meta(max_length=MAX_COMMENT_CHARS, description="what was written; untrusted")]


class Like(PersonEvent, frozen=True, gc=False, kw_only=True, tag="like"):
    """Taps, batched by the client."""

    count: Annotated[int, Meta(ge=1, le=MAX_TAPS, description="taps in this batch")]


class CartAdd(PersonEvent, frozen=True, gc=False, kw_only=True, tag="cart_add"):
    """Somebody put units of one SKU into the cart."""

    sku_id: SkuId
    quantity: Quantity
    sale_id: SaleId | None = None


class CartRemove(PersonEvent, frozen=True, gc=False, kw_only=True, tag="cart_remove"):
    """Somebody took units of one SKU out of the cart, or all of them."""

    sku_id: SkuId
    quantity: Annotated[Quantity, Meta(description="units that were taken out; default: all")] | None = None
    sale_id: (
        Annotated[Id, Meta(description="out of the cart of this sale; default: of every sale it is carted in")] | None
    ) = None


class OrderLine(Struct, frozen=True, gc=False, kw_only=True):
    """One line of an order; `amount_minor` is for the whole line, not for one unit."""

    sku_id: SkuId
    quantity: Quantity
    amount_minor: Annotated[AmountMinor, Meta(description="the whole line's amount, minor units of the currency")]
    sale_id: SaleId | None = None


class PartLine(Struct, frozen=True, gc=False, kw_only=True):
    """What a part of an order takes out of one of its lines: units, money, or both."""

    sku_id: Annotated[Id, Meta(description="the product variant, as in the order's line")]
    quantity: Annotated[
        int, Meta(ge=0, le=MAX_QUANTITY, description="units that the buyer no longer gets or has; 0: money alone")
    ]
    amount_minor: Annotated[
        AmountMinor, Meta(description="what the buyer gets back or no longer pays for them, minor units")
    ]
    sale_id: Annotated[Id, Meta(description="the flash sale, as in the order's line")] | None = None


class Order(PersonEvent, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag="order"):
    """A whole order reached a status. Repeats of (order_id, status) count once.

    Its lines are those of its first record with lines, or, where records say a `revision`, of the greatest one; once it
    is paid, of the one that was paid.

    `restock`: a cancel or refund that says false took the units out of the sale; true, said then or later, puts them
    back whatever else was said. With `part_id` a cancel or refund is about `part_lines` alone.
    `payment_terms` in any of its records but those: its hold does not run out.
    """

    order_id: OrderId
    status: Annotated[OrderStatus, Meta(description="what the whole order has come to")]
    lines: Annotated[
        tuple[OrderLine, ...],
        Meta(
            max_length=MAX_ORDER_LINES,
            description="what was ordered, at least one line; the same in each record of one revision, or "
            "none and left out beside another status than `placed` and `paid`",
        ),
    ] = ()
    currency: Currency
    device_id: DeviceId | None = None
    restock: ComeBack | None = None
    part_id: PartId | None = None
    part_lines: Annotated[
        tuple[PartLine, ...],
        Meta(
            max_length=MAX_ORDER_LINES,
            description="of a record with `part_id`, what that part takes out of the order, at least one line",
        ),
    ] = ()
    payment_terms: PaymentTerms | None = None
    revision: Revision | None = None


class Enter(PersonEvent, frozen=True, gc=False, kw_only=True, tag="enter"):
    """Somebody opened the room: one view."""

    source: Source | None = None
    session_id: SessionId | None = None


class Leave(PersonEvent, frozen=True, gc=False, kw_only=True, tag="leave"):
    """Somebody left the room."""

    session_id: SessionId | None = None


class ProductClick(PersonEvent, frozen=True, gc=False, kw_only=True, tag="product_click"):
    """Somebody opened a product from the room."""

    sku_id: SkuId | None = None
    source: Source | None = None


class SaleOpened(Event, frozen=True, gc=False, kw_only=True, tag="sale_opened"):
    """A flash sale of one SKU: `offered` units from `starts_at_ms` to `ends_at_ms`."""

    sale_id: Annotated[Id, Meta(description="the flash sale; one sale may cover several SKUs, an event for each")]
    sku_id: SkuId
    offered: Annotated[int, Meta(ge=0, le=MAX_OFFERED, description="units for sale at the start")]
    starts_at_ms: Annotated[EpochMs, Meta(description="start of the sale, UTC epoch milliseconds")]
    ends_at_ms: Annotated[EpochMs, Meta(description="end of the sale; without it, until it is closed")] | None = None
    price_minor: Annotated[AmountMinor, Meta(description="price of a unit in this sale, minor units")] | None = None
    list_price_minor: Annotated[AmountMinor, Meta(description="price of a unit otherwise, minor units")] | None = None
    currency: Annotated[Currency, Meta(description="ISO 4217 code of the prices")] | None = None
    per_user_limit: Annotated[Quantity, Meta(description="units that one user may order in this sale")] | None = None
    restock_planned_at_ms: RestockPlannedAtMs | None = None
    prior_price_minor: PriorPriceMinor | None = None
    hold_ms: (
        Annotated[
            int,
            Meta(
                ge=MIN_HOLD_MS,
                le=MAX_HOLD_MS,
                description="how long an unpaid order holds its units; default: as the workers are told",
            ),
        ]
        | None
    ) = None


class SaleRestocked(Event, frozen=True, gc=False, kw_only=True, tag="sale_restocked"):
    """More units of one SKU came into a sale."""

    sale_id: Annotated[Id, Meta(description="the flash sale")]
    sku_id: SkuId
    quantity: Annotated[int, Meta(ge=1, le=MAX_OFFERED, description="units added")]
    restock_planned_at_ms: RestockPlannedAtMs | None = None


class SaleExtended(Event, frozen=True, gc=False, kw_only=True, tag="sale_extended"):
    """A sale ends at another time than was said: every SKU of it, or the one that is named."""

    sale_id: Annotated[Id, Meta(description="the flash sale")]
    ends_at_ms: Annotated[EpochMs, Meta(description="the end from now on; the newest word about it decides")]
    sku_id: OneSkuId | None = None


class SaleClosed(Event, frozen=True, gc=False, kw_only=True, tag="sale_closed"):
    """A sale was closed by the host: every SKU of it, or the one that is named."""

    sale_id: Annotated[Id, Meta(description="the flash sale")]
    sku_id: OneSkuId | None = None


class RoomOpened(Event, frozen=True, gc=False, kw_only=True, tag="room_opened"):
    """A room went live: a show begins."""

    show_id: ShowId


class RoomClosed(Event, frozen=True, gc=False, kw_only=True, tag="room_closed"):
    """A room's show is over."""

    show_id: ShowId


class RecordsMisplaced(Event, frozen=True, gc=False, kw_only=True, tag="records_misplaced"):
    """Records of this room lie in another partition than its own, where nobody counts them. Written by workers."""

    topic: Annotated[Id, Meta(description="where the first of them lies: the topic, without prefix")]
    partition: Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER, description="its partition")]
    offset: Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER, description="its offset")]
    count: Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER, description="how many there were since the last notice")]


RoomEvent = (
    Comment
    | Like
    | CartAdd
    | CartRemove
    | Order
    | Enter
    | Leave
    | ProductClick
    | SaleOpened
    | SaleRestocked
    | SaleExtended
    | SaleClosed
    | RoomOpened
    | RoomClosed
    | RecordsMisplaced
)

# Logical topic → the types it carries. A topic's index in this tuple is its place in every checkpoint: append only.
INPUT_TOPICS: tuple[tuple[str, tuple[type[Event], ...]], ...] = (
    ("comments", (Comment,)),
    ("likes", (Like,)),
    ("cart-adds", (CartAdd, CartRemove)),
    ("orders", (Order,)),
    ("visits", (Enter, Leave, ProductClick)),
    ("sales", (SaleOpened, SaleRestocked, SaleExtended, SaleClosed)),
    # All later types belong here: an older worker stops at an unknown topic, but not at an unknown type.
    ("interactions", (RoomOpened, RoomClosed, RecordsMisplaced)),
)
TOPIC_NAMES: tuple[str, ...] = tuple(name for name, _ in INPUT_TOPICS)
