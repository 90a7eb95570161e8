"""Made-up orders with their labels, and the kinds of attacks that the rules of suspicion were made with.

An attack knows of a show what any viewer knows: its sale, when it opens and ends, how many buy. The attack's events are
added to an honest show; all of its orders are fakes. Parameters are drawn by seed. Kinds that the rules were not set on
are in `brushing_held_out`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stream.contract.events import Comment, Enter, Like, Order, OrderLine, OrderStatus, ProductClick

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from stream.contract.events import Event


class Target(NamedTuple):
    """The attacked show. Times from its beginning; `orders`: number of honest people's orders of the sale."""

    room_id: str
    sale_id: str
    sku_id: str
    opens_ms: int
    until_ms: int
    currency: str
    orders: int


class Fakes:
    """Collects the events of one attack. `order_ids`: the labels."""

    def __init__(self, target: Target, rng: Random) -> None:
        self.target = target
        self.rng = rng
        self.events: list[Event] = []
        self.order_ids: set[str] = set()

    def _write(self, kind: Callable[..., Event], at_ms: float, **fields: object) -> None:
        event_id = f"x-{len(self.events):x}"
        room_id = self.target.room_id
        self.events.append(kind(event_id=event_id, room_id=room_id, event_time_ms=max(0, int(at_ms)), **fields))

    def enter(self, user_id: str, at_ms: float) -> None:
        """The account comes into the room, and looks at the product."""
        self._write(Enter, at_ms, user_id=user_id)
        self._write(ProductClick, at_ms + 900, user_id=user_id, sku_id=self.target.sku_id)

    def chat(self, user_id: str, at_ms: float) -> None:
        """The account says and likes something."""
        self._write(Comment, at_ms, user_id=user_id, text="买了")
        self._write(Like, at_ms + 400, user_id=user_id, count=self.rng.randint(1, 20))

    def order(
        self,
        user_id: str,
        at_ms: float,
        *,
        paid_after_ms: float | None = None,
        undone_after_ms: float | None = None,
        undone: OrderStatus = OrderStatus.REFUNDED,
        device_id: str | None = None,
    ) -> None:
        """Place a fake; `undone_after_ms` counts from its placing."""
        target, order_id = self.target, f"fake-{len(self.order_ids)}"
        self.order_ids.add(order_id)
        line = OrderLine(
            sku_id=target.sku_id, quantity=self.rng.choice((1, 1, 1, 2)), amount_minor=9_900, sale_id=target.sale_id
        )
        for status, after_ms in (
            (OrderStatus.PLACED, 0.0),
            (OrderStatus.PAID, paid_after_ms),
            (undone, undone_after_ms),
        ):
            if after_ms is not None and (after_ms == 0 or at_ms + after_ms < target.until_ms):
                self._write(
                    Order,
                    at_ms + after_ms,
                    user_id=user_id,
                    order_id=order_id,
                    status=status,
                    lines=(line,),
                    currency=target.currency,
                    device_id=device_id,
                )

    def moment(self) -> float:
        """A random moment of the sale."""
        return self.rng.uniform(self.target.opens_ms, self.target.until_ms)


# -- what the rules were tried on --------------------------------------------------------------------------------------
def stuffing(fakes: Fakes) -> None:
    """Accounts order again and again for a minute, and never pay: the scenario `brushing`."""
    rng, target = fakes.rng, fakes.target
    for account in range(max(3, target.orders // 90)):
        begins_ms = fakes.moment()
        fakes.enter(f"s{account}", begins_ms - 5_000)
        for _ in range(rng.randint(8, 20)):
            fakes.order(f"s{account}", begins_ms + rng.uniform(0, 60_000))


def hoarding(fakes: Fakes) -> None:
    """A few accounts buy the same again and again, and pay."""
    rng, target = fakes.rng, fakes.target
    for account in range(max(2, target.orders // 150)):
        fakes.enter(f"h{account}", target.opens_ms - 1_000)
        for _ in range(rng.randint(8, 25)):
            fakes.order(f"h{account}", fakes.moment(), paid_after_ms=rng.uniform(2_000, 12_000))


def ghosts(fakes: Fakes) -> None:
    """Each account orders once or twice, does not pay, and never was in the room."""
    rng, target = fakes.rng, fakes.target
    for account in range(target.orders // 6):
        for _ in range(rng.choice((1, 1, 2))):
            fakes.order(f"g{account}", fakes.moment())


def emulator(fakes: Fakes) -> None:
    """One device runs accounts that do not pay, one after the other."""
    rng, target = fakes.rng, fakes.target
    at_ms = float(target.opens_ms)
    for account in range(target.orders // 8):
        at_ms += rng.uniform(200, 2_000)
        fakes.enter(f"e{account}", at_ms - 2_000)
        fakes.order(f"e{account}", at_ms, device_id="emulator")


def cancelling(fakes: Fakes) -> None:
    """Accounts order, cancel within seconds, and order again."""
    rng, target = fakes.rng, fakes.target
    for account in range(max(3, target.orders // 60)):
        fakes.enter(f"c{account}", target.opens_ms)
        at_ms = fakes.moment()
        for _ in range(rng.randint(6, 12)):
            at_ms += rng.uniform(3_000, 9_000)
            fakes.order(f"c{account}", at_ms, undone_after_ms=rng.uniform(1_000, 8_000), undone=OrderStatus.CANCELLED)


DEVELOPMENT = {each.__name__: each for each in (stuffing, hoarding, ghosts, emulator, cancelling)}
