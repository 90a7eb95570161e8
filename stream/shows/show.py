"""What a show is: deliveries in a producer's order of sending, and the figures that they must lead to.

The expected figures come from the scenario's own plan ("this order is paid, that one is not"), never from folding
events: a recount that agrees with them is checked against something that it did not produce.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from msgspec import Struct

from stream.contract.overlay import FormerRounds
from stream.contract.sections import Plain


class Delivery(NamedTuple):
    """One record on its way to Kafka. `send_ms`: show time of sending, from the show's beginning."""

    send_ms: int
    topic: str
    key: bytes
    value: bytes
    event_id: str
    event_time_ms: int


class ExpectedSale(Struct, frozen=True, kw_only=True):
    """One ledger at the end of the show, in units. Fields from `gone` on follow the second edition of signals.

    Attributes:
        corrections: the last corrections by the host, as documents name them, oldest first.
        former: of the rounds before the last one; None: there was one round.
        carters_without_order: people; None: the plan does not tell.
    """

    sale_id: str
    sku_id: str
    offered: int
    restocked: int
    available: int
    held: int
    sold: int
    oversold: int
    released: int
    over_limit: int
    gone: int = 0
    corrections: list[str] = []
    former: FormerRounds | None = None
    carters_without_order: int | None = None


class ExpectedMoney(Struct, frozen=True, kw_only=True):
    """Minor units of one currency."""

    currency: str
    gmv_placed_minor: int
    gmv_paid_minor: int
    gmv_net_minor: int


class ExpectedRate(Struct, frozen=True, kw_only=True):
    """A rate of the whole session."""

    name: str
    num: int
    den: int
    currency: str | None = None


class ExpectedRoom(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One room at the end of the show. `mechanics`: by name, what their sections say."""

    room_id: str
    viewers: int
    views: int
    watching_now: int
    likes: int
    comments: int
    cart_adds: int
    orders_placed: int
    orders_paid: int
    orders_cancelled: int
    orders_refunded: int
    money: list[ExpectedMoney]
    rates: list[ExpectedRate]
    sales: list[ExpectedSale]
    mechanics: dict[str, dict[str, Plain]] = {}
    orders_partly_undone: int = 0


class Expected(Struct, frozen=True, kw_only=True):
    """Exact end figures. `deliveries = applied + duplicates`; each duplicate is in exactly one of the three kinds."""

    rooms: list[ExpectedRoom]
    deliveries: int
    applied: int
    redelivered: int
    replayed: int
    repeated_statuses: int
    out_of_order: int
    duration_ms: int

    @property
    def duplicates(self) -> int:
        """The number of deliveries that must change nothing."""
        return self.redelivered + self.replayed + self.repeated_statuses


class Show(Struct, frozen=True, kw_only=True):
    """A scenario with its seed fixed. `deliveries(t0_ms)` may be called repeatedly: equal `t0_ms` give equal bytes."""

    name: str
    seed: int
    expected: Expected
    deliveries: Callable[[int], Iterator[Delivery]]
