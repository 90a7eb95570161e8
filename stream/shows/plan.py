"""A room's plan: who does what and when. The plan writes the events and knows their totals without counting events."""

from __future__ import annotations

from collections import Counter, defaultdict
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import structs

from stream.contract.events import (
    CartAdd,
    CartRemove,
    Comment,
    Enter,
    Event,
    Leave,
    Like,
    Order,
    OrderLine,
    OrderStatus,
    PartLine,
    ProductClick,
    RoomClosed,
    RoomOpened,
    SaleClosed,
    SaleExtended,
    SaleOpened,
    SaleRestocked,
)
from stream.contract.overlay import FormerRounds
from stream.shows.show import ExpectedMoney, ExpectedRate, ExpectedRoom, ExpectedSale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.contract.sections import Plain
    from stream.shows.planned import Planned

HOLD_MS = 60_000
# So many of what a host took back are shown, the last ones.
CORRECTIONS_SHOWN = 3
# One SKU of one sale.
Key = tuple[str, str]


class PartTaken(NamedTuple):
    """What is refunded of an order's first line, and when. `comes_back`: whether the units are for sale again."""

    at_ms: int
    units: int
    amount_minor: int
    comes_back: bool


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
        self._rounds: dict[Key, list[SaleOpened]] = {}  # of each round the opening that holds
        self._moves: dict[Key, list[tuple[int, str, int]]] = defaultdict(list)  # when, what becomes of them, units
        self._units_of_user: dict[Key, Counter[str]] = defaultdict(Counter)
        self._corrections: dict[Key, list[str]] = defaultdict(list)
        # Who carted, and when how many units; None: they took all of them out.
        self._carts: dict[Key, dict[str, list[tuple[int, int | None]]]] = defaultdict(dict)
        self._left_ms: dict[str, int] = {}  # who went, and did not come back
        self._tells_carts = False
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
        last_ms = spans[-1][1]
        if last_ms is None:
            self._watching += 1
            self._left_ms.pop(user_id, None)
        else:
            self._left_ms[user_id] = last_ms

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
        if sale_id is not None:
            self._carts[sale_id, sku_id].setdefault(user_id, []).append((at_ms, quantity))

    def take_out(
        self, user_id: str, at_ms: int, sku_id: str, quantity: int | None = None, sale_id: str | None = None
    ) -> None:
        """Units come out of the cart again: all of them unless told how many, of every sale unless told of which.

        It must be later than any cart-add before it is held back: units are counted in the order of the log. From the
        first one on the plan says how many people have something in the cart at the end, and have not ordered it.
        """
        self._write(CartRemove, at_ms, user_id=user_id, sku_id=sku_id, quantity=quantity, sale_id=sale_id)
        self._tells_carts = True
        for key, carts in self._carts.items():
            if key[1] == sku_id and sale_id in {None, key[0]} and user_id in carts:
                carts[user_id].append((at_ms, None if quantity is None else -quantity))

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
        self.held_back_ms |= planned.held_back_ms
        self._mechanics[planned.NAME] = planned.figures()

    # -- the host ---------------------------------------------------------------------------------------------------
    def open_room(self, show_id: str, at_ms: int) -> None:
        """The show begins. It takes some seconds of silence on both sides: topics are read side by side."""
        self._write(RoomOpened, at_ms, show_id=show_id)

    def close_room(self, show_id: str, at_ms: int) -> None:
        """The show is over."""
        self._write(RoomClosed, at_ms, show_id=show_id)

    def open_sale(self, sale_id: str, sku_id: str, at_ms: int, **terms: Any) -> None:
        """The host announces a sale; once more and with a later start: another round of it, when the first one began.

        `terms` are the other fields of `SaleOpened`, times from the show's beginning.
        """
        self._rounds.setdefault((sale_id, sku_id), []).append(self._opened(sale_id, sku_id, at_ms, terms))

    def set_down(self, sale_id: str, sku_id: str, at_ms: int, offered: int) -> None:
        """The host corrects what the present round offers to less, and says its other terms again as they are."""
        rounds = self._rounds[sale_id, sku_id]
        terms = structs.asdict(rounds[-1]) | {"offered": offered}
        of_the_word = ("event_id", "room_id", "event_time_ms", "sale_id", "sku_id")
        rounds[-1] = self._opened(
            sale_id, sku_id, at_ms, {name: value for name, value in terms.items() if name not in of_the_word}
        )
        self._corrections[sale_id, sku_id].append("offered")

    def _opened(self, sale_id: str, sku_id: str, at_ms: int, terms: dict[str, Any]) -> SaleOpened:
        self._write(SaleOpened, at_ms, sale_id=sale_id, sku_id=sku_id, **terms)
        opened = self.events[-1]
        assert isinstance(opened, SaleOpened)  # noqa: S101 - written on the line above
        return opened

    def extend_sale(
        self, sale_id: str, sku_id: str, at_ms: int, ends_at_ms: int, *, corrects: str | None = None
    ) -> None:
        """The host says another end; `corrects`: what this takes back, as documents call it. Told in order of time."""
        self._write(SaleExtended, at_ms, sale_id=sale_id, sku_id=sku_id, ends_at_ms=ends_at_ms)
        if corrects is not None:
            self._corrections[sale_id, sku_id].append(corrects)

    def close_sale(self, sale_id: str, sku_id: str, at_ms: int) -> None:
        """The host closes the sale."""
        self._write(SaleClosed, at_ms, sale_id=sale_id, sku_id=sku_id)

    def restock(self, sale_id: str, sku_id: str, at_ms: int, quantity: int) -> None:
        """More units come into the round that goes on then."""
        self._write(SaleRestocked, at_ms, sale_id=sale_id, sku_id=sku_id, quantity=quantity)
        self._moves[sale_id, sku_id].append((at_ms, "restocked", quantity))

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
        comes_back: bool | None = None,
        back_after_all_ms: int | None = None,
        part: PartTaken | None = None,
        payment_terms: str | None = None,
    ) -> str:
        """The id of an order that is written with all its statuses.

        `placed_held_back_ms` delivers its first record that much later than the rest. `repeat_paid_ms` repeats "paid"
        under another event id. `comes_back`: the `restock` of its cancel or refund; None: absent, so the units return.
        `back_after_all_ms` repeats the cancel or refund with `restock: true`. `part`: of an order that is paid and not
        undone, what is refunded of its first line. `payment_terms`: of its first record.
        """
        moments = (
            (OrderStatus.PLACED, placed_ms),
            (OrderStatus.PAID, paid_ms),
            (OrderStatus.CANCELLED, cancelled_ms),
            (OrderStatus.REFUNDED, refunded_ms),
            (OrderStatus.PAID, repeat_paid_ms),
        )
        told = {"order_id": self._next_order_id(), "user_id": user_id, "lines": tuple(lines), "currency": currency}
        undone = cancelled_ms is not None or refunded_ms is not None
        for status, at_ms in moments:
            if at_ms is None:
                continue
            restock = comes_back if status in {OrderStatus.CANCELLED, OrderStatus.REFUNDED} else None
            terms = payment_terms if status is OrderStatus.PLACED else None
            event_id = self._write(Order, at_ms, status=status, restock=restock, payment_terms=terms, **told)
            if status is OrderStatus.PLACED and placed_held_back_ms:
                self.held_back_ms[event_id] = placed_held_back_ms
            self._counts[status] += 1
        if repeat_paid_ms is not None:
            self.repeated_statuses += 1
            self._counts[OrderStatus.PAID] -= 1
        if back_after_all_ms is not None:
            status = OrderStatus.CANCELLED if refunded_ms is None else OrderStatus.REFUNDED
            self._write(Order, back_after_all_ms, status=status, restock=True, **told)
        self._note_money(user_id, lines, currency, paid=paid_ms is not None, undone=undone)
        if part is not None:
            lines = self._take_part(part, told, placed_ms)
        if undone:
            fate = "gone" if comes_back is False and back_after_all_ms is None else "released"
        elif paid_ms is not None:
            fate = "sold"
        else:
            is_held = payment_terms is not None or placed_ms + self._hold_ms(lines) > self.duration_ms
            fate = "held" if is_held else "released"
        self._note_stock(user_id, lines, fate, placed_ms)
        return str(told["order_id"])

    def _take_part(self, part: PartTaken, told: dict[str, Any], placed_ms: int) -> list[OrderLine]:
        """What is left of the lines of a paid order of which a part is refunded; the refund is written."""
        line, *others = told["lines"]
        taken = PartLine(sku_id=line.sku_id, quantity=part.units, amount_minor=part.amount_minor, sale_id=line.sale_id)
        restock = None if part.comes_back else False
        said = {"status": OrderStatus.REFUNDED, "part_id": f"{told['order_id']}:1", "part_lines": (taken,)}
        self._write(Order, part.at_ms, restock=restock, **told, **said)
        self._counts["partly_undone"] += 1
        self._money["net"][told["currency"]] -= part.amount_minor
        if line.sale_id is not None:
            fate = "released" if part.comes_back else "gone"
            self._moves[line.sale_id, line.sku_id].append((placed_ms, fate, part.units))
        return [structs.replace(line, quantity=line.quantity - part.units), *others]

    def _hold_ms(self, lines: Sequence[OrderLine]) -> int:
        """How long an order of these lines holds its units, by the newest word about each of its sales."""
        words = [self._rounds.get((line.sale_id or "", line.sku_id), ()) for line in lines]
        return max(HOLD_MS if not said or said[-1].hold_ms is None else said[-1].hold_ms for said in words)

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

    def _note_stock(self, user_id: str, lines: Sequence[OrderLine], fate: str, placed_ms: int) -> None:
        for line in lines:
            if line.sale_id is None:
                continue
            self._moves[line.sale_id, line.sku_id].append((placed_ms, fate, line.quantity))
            if fate in {"held", "sold"}:
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
            orders_partly_undone=self._counts["partly_undone"],
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
            sales=[self._sale(key) for key in sorted(self._rounds)],
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

    def _sale(self, key: Key) -> ExpectedSale:
        """A ledger: stock is that of the last round; what was released and went beyond the limit is of all of them."""
        *before, opened = self._rounds[key]
        units: Counter[str] = Counter()
        former: Counter[str] = Counter()
        released = 0
        for at_ms, fate, quantity in self._moves[key]:
            (former if before and at_ms < opened.starts_at_ms else units)[fate] += quantity
            released += quantity if fate == "released" else 0
        left = opened.offered + units["restocked"] - units["held"] - units["sold"] - units["gone"]
        limit = opened.per_user_limit
        of_users = self._units_of_user[key].values()
        return ExpectedSale(
            sale_id=key[0],
            sku_id=key[1],
            offered=opened.offered,
            restocked=units["restocked"],
            available=max(0, left),
            held=units["held"],
            sold=units["sold"],
            oversold=max(0, -left),
            released=released,
            over_limit=0 if limit is None else sum(max(0, count - limit) for count in of_users),
            gone=units["gone"],
            corrections=self._corrections[key][-CORRECTIONS_SHOWN:],
            former=FormerRounds(len(before), former["restocked"], former["held"], former["sold"], former["gone"])
            if before
            else None,
            carters_without_order=self._waiting(key) if self._tells_carts else None,
        )

    def _waiting(self, key: Key) -> int:
        """How many have it in the cart at the end, and neither ordered it nor left: all carts are young in a show."""
        return sum(
            self._units_of_user[key][user_id] == 0
            and _units_in(moves) > 0
            and self._left_ms.get(user_id, -1) <= max(at_ms for at_ms, units in moves if (units or 0) > 0)
            for user_id, moves in self._carts[key].items()
        )


def _units_in(moves: Sequence[tuple[int, int | None]]) -> int:
    """What is in a cart after these, which may be told in any order."""
    units = 0
    for _, quantity in sorted(moves, key=itemgetter(0)):
        units = 0 if quantity is None else max(0, units + quantity)
    return units
