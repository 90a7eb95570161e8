"""The recount's figures of one room: shapes only, plain numbers, with keys for comparing two of them by `==`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field

from stream.contract.overlay import FormerRounds, Restock, SaleCorrection
from stream.verify.recounted import MechanicFigures

if TYPE_CHECKING:
    from stream.contract.events import SaleOpened

# Rates are published over these windows and (None) over the whole session.
WINDOWS_MS: tuple[int | None, ...] = (60_000, 300_000, 1_800_000, None)
# The rates that are recounted.
RATE_NAMES = frozenset(
    (
        *("watch_to_buy_uv", "click_to_buy_uv", "cart_to_order_uv", "engaged_uv_rate"),
        *("orders_per_viewer", "pay_rate", "gpm_views"),
    )
)


class RateKey(NamedTuple):
    """Names a rate: its name, its window (None: the session) and, for money, its currency."""

    name: str
    window_ms: int | None
    currency: str | None = None


class SaleKey(NamedTuple):
    """Names a ledger: one SKU of one sale."""

    sale_id: str
    sku_id: str


class Terms(NamedTuple):
    """A host's terms for one SKU of one sale at a moment. `opened`: None until the opening.

    `round_from_ms`: the beginning of its present round; −1: the first round.
    """

    opened: SaleOpened | None
    restocked: int
    status: str
    ends_at_ms: int | None
    extended: bool
    round_from_ms: int = -1


class Fraction(NamedTuple):
    """A rate as published: never divided."""

    num: int
    den: int


class MoneyFigures(Struct, frozen=True):
    """Minor units of one currency."""

    gmv_placed_minor: int = 0
    gmv_paid_minor: int = 0
    gmv_net_minor: int = 0


class SaleFigures(Struct, frozen=True, kw_only=True):
    """One ledger. `offered` and `available` are None until the opening was seen.

    `heard_of`: whether the session has a record of the sale; if not, a document need not show the sale after its end.
    `suspicions`: by rule, the orders that look fake and the units that they hold or bought.
    """

    status: str
    offered: int | None
    restocked: int
    available: int | None
    held: int
    sold: int
    oversold: int
    released: int
    gone: int
    over_limit: int
    carters_without_order: int
    ends_at_ms: int | None
    extended: bool
    heard_of: bool = True
    suspicions: dict[str, tuple[int, int]] = field(default_factory=dict)
    corrections: list[SaleCorrection] = field(default_factory=list)
    former: FormerRounds | None = None
    price_minor: int | None = None
    list_price_minor: int | None = None
    currency: str | None = None
    prior_price_minor: int | None = None
    last_restock: Restock | None = None


class DepartureFigures(NamedTuple):
    """How visits ended: heard to end, or given up or still open unheard. The long ones are counted apart.

    `silent_ms`: the time since the last visit that was heard to end; −1: there was none.
    """

    left: int
    not_left: int
    left_long: int
    not_left_long: int
    silent_ms: int


class ProductFigures(Struct, frozen=True):
    """What a session came to for one product. `money`: by currency."""

    clickers: int = 0
    carters: int = 0
    payers: int = 0
    money: dict[str, MoneyFigures] = field(default_factory=dict)


class ProductsFigures(NamedTuple):
    """By SKU id the products within the bound; and how often others were named."""

    kept: dict[str, ProductFigures]
    beyond: int


class RoomFigures(Struct, frozen=True, kw_only=True):
    """One room at one moment. `mechanics`: by name, those with a section to show.

    `sources`: the views by source; `views_beyond`: those of all sources beyond the bound.
    """

    room_id: str
    as_of_ms: int
    viewers: int
    views: int
    watching_now: int
    likes: int
    comments: int
    cart_adds: int
    orders: dict[str, int]
    money: dict[str, MoneyFigures]
    rates: dict[RateKey, Fraction]
    sales: dict[SaleKey, SaleFigures]
    mechanics: MechanicFigures = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    views_beyond: int = 0
    products: ProductsFigures = field(default_factory=lambda: ProductsFigures({}, 0))
