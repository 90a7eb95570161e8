"""The overlay document: Redis holds one for each room, as one JSON string that is always written whole.

Every value is absolute, and nothing is derived that a reader could get wrong: rates are numerator and denominator,
scarcity is a list of claims with their evidence. Shapes only: the rules are in `stream.core`.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

SCHEMA = "snapup.overlay.v1"
# Editions of the rules of forecast, urgency and claims. docs/signals.md says under "Editions" what each changed.
FIRST_SIGNALS = 1
SIGNALS_EDITION = 2


def room_key(prefix: str, room_id: str, what: str) -> str:
    """A room's key in Redis: `overlay` (the document), `version`, or `rev` (the channel of nudges).

    The braces keep a room's keys in one slot of a cluster.
    """
    return f"{prefix}:v1:{{room:{room_id}}}:{what}"


Method = Literal["exact", "sketch"]
Bound = Literal["lower"]
RateNote = Literal["not_seen_to_enter", "not_seen_to_click", "many_orders", "placed_before", "sampled"]
SaleStatus = Literal["unknown", "scheduled", "open", "ended"]
Level = Literal["calm", "warming", "brisk", "rush", "snap_up", "last_call", "all_taken", "sold_out", "ended", "unknown"]
ClaimKind = Literal[
    "stock_left", "bought_recently", "in_carts", "watching_now", "ends_in", "eta_sellout", "all_taken", "sold_out"
]
WithheldReason = Literal[
    "stale",
    "sample_too_small",
    "restock_planned",
    "above_display_threshold",
    "suspected_fake_orders",
    "sale_not_open",
    "stock_unknown",
    "records_misplaced",
    "nothing_left",
    "approximate",
    "leaves_not_heard",
    "forecast_not_calibrated",
]

# The rules that suspect an order of being fake. An order under several rules counts for the first in this order.
SuspicionRule = Literal["unpaid_burst", "one_device", "same_product", "bought_and_undone", "never_seen"]


class Clock(Struct, gc=False):
    """`source`: "tick" when every input topic was read to its end, "log" in a backlog.

    `lag_ms`: wall clock less `as_of_ms`, at publication.
    """

    source: Literal["tick", "log"]
    lag_ms: int


class Count(Struct, gc=False, omit_defaults=True):
    """A distinct count. `error_95`: half width of the 95 % interval as a share of `value`; absent when exact."""

    value: int
    method: Method
    error_95: float | None = None


class Orders(Struct, gc=False, omit_defaults=True):
    """Orders that reached each status at least once; a paid order counts as placed too. The last five: absent: none.

    `partly_undone`: of which a part was cancelled or refunded.
    """

    placed: int
    paid: int
    cancelled: int
    refunded: int
    shipped: int = 0
    delivered: int = 0
    completed: int = 0
    payment_failed: int = 0
    partly_undone: int = 0


class Money(Struct, gc=False):
    """GMV three ways, minor units of one currency."""

    currency: str
    gmv_placed_minor: int
    gmv_paid_minor: int
    gmv_net_minor: int


class Totals(Struct):
    """The session's totals."""

    viewers: Count
    views: int
    watching_now: int
    likes: int
    comments: int
    cart_adds: int
    orders: Orders
    money: list[Money]


class Rate(Struct, gc=False, omit_defaults=True):
    """`num` ÷ `den`; `window_ms` null means the whole session.

    `bound`: `num` is so many at least, within the error. `note`: why `num` is more than `den`; there only when it is.
    """

    name: str
    window_ms: int | None
    num: int
    den: int
    as_of_ms: int
    method: Method
    error_95: float | None = None
    currency: str | None = None
    bound: Bound | None = None
    note: RateNote | None = None


class Velocity(Struct, gc=False):
    """Net units committed (placed less released) in the window that ends at `as_of_ms`."""

    units: int
    window_ms: int


class EtaSellout(Struct, gc=False):
    """Interval in which the last unit goes, from `as_of_ms`, with its stated coverage."""

    low: int
    high: int
    coverage: float


class Because(Struct, gc=False):
    """The rule that holds the level up, what it saw, and what it needed."""

    rule: str
    value: float
    threshold: float


class Urgency(Struct, omit_defaults=True):
    """A level with its reasons. In the room's head, `sale_id` names the sale that leads."""

    level: Level
    since_ms: int
    because: list[Because]
    sale_id: str | None = None


class Suspicion(Struct, gc=False):
    """Orders of a sale that look fake by one rule, and the units that they hold or bought."""

    rule: SuspicionRule
    orders: int
    units: int


class SaleCorrection(Struct, frozen=True, gc=False):
    """What a host said of a sale and took back later, in a word of `said_at_ms`; null: no end, or not closed."""

    what: Literal["ends_at_ms", "closed_at_ms", "offered"]
    before: int | None
    now: int | None
    said_at_ms: int


class Restock(Struct, frozen=True, gc=False):
    """More units of one SKU came into a sale: when, as the host's word says, and how many."""

    at_ms: int
    quantity: int


class FormerRounds(Struct, frozen=True, gc=False):
    """What the rounds of a sale before this one had, and what their orders hold, bought or took for ever."""

    rounds: int
    restocked: int
    held: int
    sold: int
    gone: int


class Sale(Struct, omit_defaults=True):
    """One SKU of one sale. `offered + restocked + oversold = available + held + sold + gone`, always.

    `suspicions`: of which orders `suspect_units` are, each under the first rule that suspects it; absent: of none.
    `gone`: units of undone orders that did not come back; absent: none. `corrections`: the last ones, oldest first;
    absent: none. `former`: of the rounds before this one, which its own stock does not hold; absent: it is the first.
    `prior_price_minor`: the lowest price of the last 30 days by the shop's word; absent: the shop did not say one.
    `last_restock`: the newest one of this round; absent: there was none. The first edition has neither.
    """

    sale_id: str
    sku_id: str
    status: SaleStatus
    starts_at_ms: int | None
    ends_at_ms: int | None
    extended: bool
    offered: int | None
    restocked: int
    available: int | None
    held: int
    sold: int
    oversold: int
    over_limit: int
    released: int
    sell_through: float | None
    carters_without_order: Count
    suspect_units: int
    velocity: Velocity
    eta_sellout_ms: EtaSellout | None
    restock_planned_at_ms: int | None
    price_minor: int | None
    list_price_minor: int | None
    currency: str | None
    urgency: Urgency
    suspicions: list[Suspicion] = []
    gone: int = 0
    corrections: list[SaleCorrection] = []
    former: FormerRounds | None = None
    prior_price_minor: int | None = None
    last_restock: Restock | None = None


class Evidence(Struct, gc=False):
    """Where in the log the inputs of a claim came from: this room's records in `[first_offset, next_offset)`."""

    topic: str
    partition: int
    first_offset: int
    next_offset: int


class Claim(Struct, omit_defaults=True):
    """Something that may be said on screen until `valid_until_ms`, and what proves it."""

    id: str
    claim: ClaimKind
    sale_id: str | None
    sku_id: str | None
    value: int | list[int]
    unit: str
    window_ms: int | None
    as_of_ms: int
    valid_until_ms: int
    rule: str
    inputs: dict[str, int | float | None]
    evidence: list[Evidence]


class Withheld(Struct, omit_defaults=True):
    """A claim that failed its rule, and why."""

    claim: ClaimKind
    reason: WithheldReason
    sale_id: str | None = None
    sku_id: str | None = None


class FeedItem(Struct, gc=False, omit_defaults=True):
    """A recent order for a ticker; `who` never holds more than the first character of the user id."""

    kind: Literal["order"]
    at_ms: int
    who: str
    sku_id: str
    quantity: int


class SourceViews(Struct, frozen=True, gc=False, omit_defaults=True):
    """The views of the session that came from one source, in the platform's own words; null: none was named.

    `other`: the views of all sources beyond the bound, in one row, whose `source` is null.
    """

    source: str | None
    views: int
    other: bool = False


class ProductTotals(Struct, gc=False):
    """What the session came to for one product, in whichever sales it is, or in none.

    The distinct people who clicked it, who put it into a cart, and who paid an order with it; and what its lines of the
    session's orders cost, by currency.
    """

    sku_id: str
    clickers: Count
    carters: Count
    payers: Count
    money: list[Money]


EndedBy = Literal["word", "silence", "bound"]


class Session(Struct):
    """Which session of its room a document is of, where that is not the only one that there ever was.

    `show_id`: of the show that a host has opened; null: nobody said. The session's records are those of the room at
    `first_offsets` and up to `next_offsets`, exclusive: one for each input topic, in the contract's order.
    """

    show_id: str | None
    began_at_ms: int
    ended_at_ms: int | None
    ended_by: EndedBy | None
    first_offsets: list[int]
    next_offsets: list[int]


class Overlay(Struct, omit_defaults=True):
    """The whole snapshot of one room.

    `sales_refused`: records beyond the bound on its sales; absent: none. `left_out`: only in the topic `signals`, of a
    document that would have been too large for it: how many items each list lacks.
    `sources`: where the session's views came from, the most first, those not named and those beyond the bound last;
    they add up to `totals.views`; absent: no source was named.
    `products`: what the session came to per product, in the order of ASCII of their SKU ids; absent: it was not counted
    from the session's beginning on. `products_beyond`: how often products beyond the bound were named; absent: never.
    `orders_displaced`: orders that were forgotten before their time, for want of room; absent: none.
    `known_since_ms`: when the first session began that is still known of a room that may have had others before, for
    rooms had been forgotten; absent: none had.
    """

    schema: str
    room_id: str
    epoch: int
    rev: int
    as_of_ms: int
    stale_after_ms: int
    clock: Clock
    totals: Totals
    rates: list[Rate]
    sales: list[Sale]
    urgency: Urgency
    claims: list[Claim]
    withheld: list[Withheld]
    feed: list[FeedItem]
    session: Session | None = None
    sales_refused: int | None = None
    left_out: dict[str, int] | None = None
    sources: list[SourceViews] = []
    products: list[ProductTotals] | None = None
    products_beyond: int = 0
    orders_displaced: int | None = None
    known_since_ms: int | None = None
