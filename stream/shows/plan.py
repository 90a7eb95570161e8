"""A room's plan: who does what and when. The plan writes the events and knows their totals without counting events."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from stream.contract.events import (
    CartAdd,
    Comment,
    Enter,
    Event,
    Leave,
    Like,
    Order,
    OrderLine,
    OrderStatus,
    ProductClick,
    SaleOpened,
    SaleRestocked,
)
from stream.shows.show import ExpectedMoney, ExpectedRate, ExpectedRoom, ExpectedSale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.contract.sections import Plain
    from stream.shows.planned import Planned

HOLD_MS = 60_000


class RoomPlan:
    """Collects one room's events (`events`, times from the show's beginning) and their consequences.

    Args:
        room_id: the room, also the Kafka key.
        tag: the beginning of every event and order id: shows with other seeds share no ids.
        duration_ms: the end of the show. A hold that runs beyond it still counts as held.
    """

    def __init__(self, room_id: str, tag: str, duration_ms: int) -> None:
        self.room_id = room_id
        self.duration_ms = duration_ms
        self.events: list[Event] = []
        self.held_back_ms: dict[str, int] = {}
        self.repeated_statuses = 0
        self._tag = tag
        self._orders_written = 0
        self._views = 0
        self._watching = 0
        self._likes = 0
        self._people: dict[str, set[str]] = defaultdict(set)
        self._counts: Counter[str] = Counter()
        self._money: dict[str, Counter[str]] = {"placed": Counter(), "paid": Counter(), "net": Counter()}
        self._openings: dict[tuple[str, str], SaleOpened] = {}
        self._restocked: Counter[tuple[str, str]] = Counter()
        self._units: dict[str, Counter[tuple[str, str]]] = {"held": Counter(), "sold": Counter(), "released": Counter()}
        self._units_of_user: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._mechanics: dict[str, dict[str, Plain]] = {}

    def _write(self, kind: type[Event], at_ms: int, **fields: Any) -> str:
        event_id = f"{self._tag}-{len(self.events):x}"
        self.events.append(kind(event_id=event_id, room_id=self.room_id, event_time_ms=at_ms, **fields))
        return event_id

    # -- audience ---------------------------------------------------------------------------------------------------
    def visit(
        self,
        user_id: str,
        spans: Sequence[tuple[int, int | None]],
        *,
        session_id: str | None = None,
        source: str | None = None,
    ) -> None:
        """One session's visits, in order of time: (enter, leave) each. Only the last may stay open (leave None)."""
        for enter_ms, leave_ms in spans:
            self._write(Enter, enter_ms, user_id=user_id, session_id=session_id, source=source)
            if leave_ms is not None:
                self._write(Leave, leave_ms, user_id=user_id, session_id=session_id)
        self._views += len(spans)
        self._people["viewers"].add(user_id)
        if spans[-1][1] is None:
            self._watching += 1

    def click(self, user_id: str, at_ms: int, sku_id: str) -> None:
        """A person opens the product."""
        self._write(ProductClick, at_ms, user_id=user_id, sku_id=sku_id)
        self._people["clickers"].add(user_id)

    def like(self, user_id: str, at_ms: int, count: int) -> None:
        """A batch of taps."""
        self._write(Like, at_ms, user_id=user_id, count=count)
        self._likes += count
        self._people["engaged"].add(user_id)

    def comment(self, user_id: str, at_ms: int, text: str) -> None:
        """A line in the chat."""
        self._write(Comment, at_ms, user_id=user_id, text=text)
        self._counts["comments"] += 1
        self._people["engaged"].add(user_id)

    def cart(self, user_id: str, at_ms: int, sku_id: str, quantity: int = 1, sale_id: str | None = None) -> None:
        """A person puts units into the cart."""
        self._write(CartAdd, at_ms, user_id=user_id, sku_id=sku_id, quantity=quantity, sale_id=sale_id)
        self._counts["cart_adds"] += 1
        self._people["carters"].add(user_id)
        self._people["engaged"].add(user_id)

    def carters(self) -> set[str]:
        """The people who have carted so far."""
        return self._people["carters"]

    # -- mechanics --------------------------------------------------------------------------------------------------
    def add(self, planned: Planned) -> None:
        """A mechanic's events and figures; once for each mechanic.

        Raises:
            ValueError: this mechanic was added before.
        """
        if planned.NAME in self._mechanics:
            raise ValueError(f"{planned.NAME} is planned twice for room {self.room_id}")
        self.events += planned.events()
        self.repeated_statuses += planned.repeated
        self._mechanics[planned.NAME] = planned.figures()

    # -- sales ------------------------------------------------------------------------------------------------------
    def open_sale(self, sale_id: str, sku_id: str, at_ms: int, **terms: Any) -> None:
        """The host announces a sale. `terms`: the other fields of `SaleOpened`, times from the show's beginning."""
        self._write(SaleOpened, at_ms, sale_id=sale_id, sku_id=sku_id, **terms)
        opened = self.events[-1]
        assert isinstance(opened, SaleOpened)  # noqa: S101 - written on the line above
        self._openings[sale_id, sku_id] = opened

    def restock(self, sale_id: str, sku_id: str, at_ms: int, quantity: int) -> None:
        """The host adds units to the sale."""
        self._write(SaleRestocked, at_ms, sale_id=sale_id, sku_id=sku_id, quantity=quantity)
        self._restocked[sale_id, sku_id] += quantity

    # -- orders -----------------------------------------------------------------------------------------------------
    def order(
        self,
        user_id: str,
        lines: Sequence[OrderLine],
        currency: str,
        *,
        placed_ms: int,
        paid_ms: int | None = None,
        cancelled_ms: int | None = None,
        refunded_ms: int | None = None,
        placed_held_back_ms: int = 0,
        repeat_paid_ms: int | None = None,
    ) -> None:
        """An order with all its statuses.

        `placed_held_back_ms` delivers its first record that much later than the rest. `repeat_paid_ms` repeats "paid"
        under another event id.
        """
        moments = (
            (OrderStatus.PLACED, placed_ms),
            (OrderStatus.PAID, paid_ms),
            (OrderStatus.CANCELLED, cancelled_ms),
            (OrderStatus.REFUNDED, refunded_ms),
            (OrderStatus.PAID, repeat_paid_ms),
        )
        told = {"order_id": self._next_order_id(), "user_id": user_id, "lines": tuple(lines), "currency": currency}
        for status, at_ms in moments:
            if at_ms is None:
                continue
            event_id = self._write(Order, at_ms, status=status, **told)
            if status is OrderStatus.PLACED and placed_held_back_ms:
                self.held_back_ms[event_id] = placed_held_back_ms
            self._counts[status] += 1
        if repeat_paid_ms is not None:
            self.repeated_statuses += 1
            self._counts[OrderStatus.PAID] -= 1
        undone = cancelled_ms is not None or refunded_ms is not None
        self._note_money(user_id, lines, currency, paid=paid_ms is not None, undone=undone)
        if undone:
            self._note_stock(user_id, lines, "released")
        elif paid_ms is not None:
            self._note_stock(user_id, lines, "sold")
        else:
            self._note_stock(user_id, lines, "held" if placed_ms + HOLD_MS > self.duration_ms else "released")

    def cancel_of_unknown_order(
        self, user_id: str, lines: Sequence[OrderLine], currency: str, cancelled_ms: int
    ) -> None:
        """A cancel whose order was never in this log. It counts as a cancel and moves no units."""
        told = {"order_id": self._next_order_id(), "user_id": user_id, "lines": tuple(lines), "currency": currency}
        self._write(Order, cancelled_ms, status=OrderStatus.CANCELLED, **told)
        self._counts[OrderStatus.CANCELLED] += 1

    def _next_order_id(self) -> str:
        self._orders_written += 1
        return f"o-{self._tag}-{self._orders_written}"

    def _note_money(self, user_id: str, lines: Sequence[OrderLine], currency: str, *, paid: bool, undone: bool) -> None:
        amount_minor = sum(line.amount_minor for line in lines)
        self._people["buyers"].add(user_id)
        self._money["placed"][currency] += amount_minor
        if paid:
            self._people["payers"].add(user_id)
            self._money["paid"][currency] += amount_minor
        if paid and not undone:
            self._money["net"][currency] += amount_minor

    def _note_stock(self, user_id: str, lines: Sequence[OrderLine], fate: str) -> None:
        for line in lines:
            if line.sale_id is None:
                continue
            self._units[fate][line.sale_id, line.sku_id] += line.quantity
            if fate != "released":
                self._units_of_user[line.sale_id, line.sku_id][user_id] += line.quantity

    # -- what it adds up to -----------------------------------------------------------------------------------------
    def expected(self) -> ExpectedRoom:
        """The room at the end of the show."""
        return ExpectedRoom(
            room_id=self.room_id,
            viewers=len(self._people["viewers"]),
            views=self._views,
            watching_now=self._watching,
            likes=self._likes,
            comments=self._counts["comments"],
            cart_adds=self._counts["cart_adds"],
            orders_placed=self._counts["placed"],
            orders_paid=self._counts["paid"],
            orders_cancelled=self._counts["cancelled"],
            orders_refunded=self._counts["refunded"],
            money=[
                ExpectedMoney(
                    currency=currency,
                    gmv_placed_minor=self._money["placed"][currency],
                    gmv_paid_minor=self._money["paid"][currency],
                    gmv_net_minor=self._money["net"][currency],
                )
                for currency in sorted(self._money["placed"])
            ],
            rates=self._rates(),
            sales=[self._sale(key) for key in sorted(self._openings)],
            mechanics=self._mechanics,
        )

    def _rates(self) -> list[ExpectedRate]:
        people = self._people
        viewers = len(people["viewers"])
        carted_buyers = len(people["buyers"] & people["carters"])
        counted = (
            ("watch_to_buy_uv", len(people["payers"]), viewers),
            ("click_to_buy_uv", len(people["payers"]), len(people["clickers"])),
            ("cart_to_order_uv", carted_buyers, len(people["carters"])),
            ("orders_per_viewer", self._counts["placed"], viewers),
            ("pay_rate", self._counts["paid"], self._counts["placed"]),
            ("engaged_uv_rate", len(people["engaged"]), viewers),
        )
        rates = [ExpectedRate(name=name, num=num, den=den) for name, num, den in counted]
        for currency, minor in sorted(self._money["paid"].items()):
            rates.append(ExpectedRate(name="gpm_views", num=minor * 1000, den=self._views, currency=currency))
        return rates

    def _sale(self, key: tuple[str, str]) -> ExpectedSale:
        opened = self._openings[key]
        held, sold = self._units["held"][key], self._units["sold"][key]
        left = opened.offered + self._restocked[key] - held - sold
        limit = opened.per_user_limit
        units = self._units_of_user[key].values()
        return ExpectedSale(
            sale_id=key[0],
            sku_id=key[1],
            offered=opened.offered,
            restocked=self._restocked[key],
            available=max(0, left),
            held=held,
            sold=sold,
            oversold=max(0, -left),
            released=self._units["released"][key],
            over_limit=0 if limit is None else sum(max(0, count - limit) for count in units),
        )
