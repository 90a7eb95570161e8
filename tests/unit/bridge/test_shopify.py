"""Shopify: money, guests, refunds, cuts, and topics in any order."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from stream.bridge.bridge import Bridge
from stream.bridge.platforms import PLATFORMS
from stream.bridge.shopify import Places, Shopify
from tests.support.platforms.heard import NOW_MS, bridge, distinct, events, notes, reasons

GID = "gid://shopify/Order/6200000000001"
TIME = {"X-Shopify-Triggered-At": "2026-09-21T09:15:00.123456789-05:00"}
TIME_MS = 1_790_000_100_123


def without_memory(**places: Any) -> Bridge:
    """A bridge whose adapter remembers no order, as the gateway's; without places its room is `room`."""
    shop = structs.replace(PLATFORMS["shopify"], adapter=lambda: Shopify(Places(**places), max_orders=0))
    return Bridge(shop, None if places else "room")


def line(number: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": 9_000 + number, "variant_id": 44_000_000_000_000 + number, "quantity": 2, "price": "10.00", **more}


def order(topic: str, *lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {
        "id": 6_200_000_000_001.5,
        "admin_graphql_api_id": GID,
        "currency": "USD",
        "test": False,
        "customer": {"id": 77},
        "line_items": list(lines) or [line()],
        **more,
    }
    return {"headers": {"X-Shopify-Topic": topic, **TIME}, "body": body}


def refund(number: int, *items: tuple[int, int], restock: str = "return") -> dict[str, Any]:
    body = {
        "id": number,
        "order_id": 6_200_000_000_001,
        "processed_at": "2026-09-21T09:16:00-05:00",
        "refund_line_items": [
            {
                "line_item_id": 9_000 + item,
                "quantity": units,
                "restock_type": restock,
                "subtotal": 10.0 * units,
                "subtotal_set": {"shop_money": {"amount": f"{10 * units}.00", "currency_code": "USD"}},
            }
            for item, units in items
        ],
    }
    return {"headers": {"X-Shopify-Topic": "refunds/create"}, "body": body}


def test_the_example_of_the_guide() -> None:
    """Yen have no decimals, a guest is of his order, and the rounded `id` is not looked at."""
    made = bridge("shopify", "room")
    yen = order(
        "orders/paid",
        line(quantity=2, price="1000", discount_allocations=[{"amount": "150"}]),
        currency="JPY",
        customer=None,
    )
    (event,) = events(made, yen)
    assert event == {
        "type": "order",
        "event_id": "sh:6200000000001:paid",
        "room_id": "room",
        "event_time_ms": TIME_MS,
        "user_id": "guest:6200000000001",
        "order_id": "6200000000001",
        "status": "paid",
        "currency": "JPY",
        "lines": [{"sku_id": "44000000000001", "quantity": 2, "amount_minor": 1_850, "sale_id": None}],
    }
    assert notes(made) == {"guest": 1}


@pytest.mark.parametrize(
    ("currency", "price", "minor"),
    [
        ("JPY", "1000", 2_000),
        ("JPY", "1000.00", 2_000),
        ("JPY", "1000.5", None),
        ("KWD", "1.234", 2_468),
        ("KWD", "1.2345", None),
        ("USD", "0.1", 20),
        ("USD", 0.1, None),
        ("USD", "1e3", None),
        ("usd", "1", None),
        ("USD", "-1", None),
        ("USD", None, None),
    ],
)
def test_money_is_exact_or_unknown(currency: str, price: Any, minor: int | None) -> None:
    made = bridge("shopify", "room")
    found = events(made, order("orders/create", line(price=price), currency=currency))
    assert [event["lines"][0]["amount_minor"] for event in found] == ([] if minor is None else [minor])
    assert reasons(made) == ({"amount_unknown": 1} if minor is None else {})


def test_lines_never_change_and_statuses_come_in_any_order() -> None:
    edited = [line(1), line(2)]
    made = bridge("shopify", "room")
    found = events(
        made, order("orders/paid"), order("orders/cancelled", *edited), order("orders/create"), order("orders/updated")
    )
    assert [event["status"] for event in found] == ["paid", "cancelled", "placed"]
    assert [len(event["lines"]) for event in found] == [1, 1, 1]
    assert reasons(made) == {"not_all_sent": 1}


def test_a_refund_is_a_part_of_its_order_and_all_of_them_refund_it() -> None:
    made = bridge("shopify", "room")
    events(made, order("orders/paid", line(1), line(2)))
    first, second, again = events(made, refund(1, (1, 2)), refund(2, (2, 1)), refund(2, (2, 1)))
    assert first == {
        "type": "order",
        "event_id": "sh:6200000000001:part:1",
        "room_id": "room",
        "event_time_ms": 1_790_000_160_000,
        "user_id": "77",
        "order_id": "6200000000001",
        "status": "refunded",
        "currency": "USD",
        "part_id": "1",
        "part_lines": [{"sku_id": "44000000000001", "quantity": 2, "amount_minor": 2_000, "sale_id": None}],
    }
    assert second == again
    part, event = events(made, refund(3, (2, 1)))
    assert (part["part_id"], part["part_lines"][0]["quantity"]) == ("3", 1)
    assert (event["status"], event["user_id"], len(event["lines"])) == ("refunded", "77", 2)
    assert "part_id" not in event
    assert reasons(made) == {}
    assert "restock" not in event
    assert events(bridge("shopify", "room"), refund(1, (1, 2))) == []


def test_a_refund_that_restocks_nothing_says_so() -> None:
    made = bridge("shopify", "room")
    events(made, order("orders/paid"))
    part, whole = events(made, refund(1, (1, 2), restock="no_restock"))
    assert (part["part_id"], part["restock"], whole["restock"]) == ("1.kept", False, False)


def test_a_refund_of_no_line_or_of_an_amount_that_is_a_double_gives_nothing() -> None:
    made = bridge("shopify", "room")
    events(made, order("orders/paid", line(1), line(2)))
    double = refund(2, (1, 1))
    del double["body"]["refund_line_items"][0]["subtotal_set"]
    assert events(made, refund(1), refund(3, (8, 1)), double) == []
    assert reasons(made) == {"partial_refund": 2, "amount_unknown": 1}


def test_a_part_of_an_order_that_is_cut_is_not_told() -> None:
    made = bridge("shopify", "room")
    events(made, order("orders/paid", *[line(number) for number in range(250)]))
    assert events(made, refund(1, (1, 1))) == []
    assert reasons(made) == {"partial_refund": 1}


@pytest.mark.parametrize(
    ("lines", "orders"),
    [
        ([line(number) for number in range(250)], 3),
        (
            [
                line(number, variant_id=f"{number:064}", properties=[{"name": "sale", "value": "x" * 64}])
                for number in range(100)
            ],
            2,
        ),
        ([line(quantity=1_000_000)], 1),
    ],
)
def test_an_order_that_no_record_holds_is_cut_alike_for_each_status(lines: list[dict[str, Any]], orders: int) -> None:
    made = bridge("shopify", "room", sale_attribute="sale")
    found = [events(made, order(topic, *lines)) for topic in ("orders/create", "orders/paid", "orders/cancelled")]
    names = ["6200000000001", *(f"6200000000001.{number}" for number in range(2, orders + 1))]
    for status in found:
        assert [event["order_id"] for event in status] == names
        assert [event["lines"] for event in status] == [event["lines"] for event in found[0]]
    units = sum(each["quantity"] for event in found[0] for each in event["lines"])
    assert units == sum(each["quantity"] for each in lines)
    money = sum(each["amount_minor"] for event in found[0] for each in event["lines"])
    assert money == 1_000 * units
    assert not made.last_refusal


def test_an_updated_order_tells_its_refunds_with_and_without_a_memory() -> None:
    """A process that heard nothing of the order makes the same events of it as one that heard all."""
    refunds = [refund(number, (number, 2))["body"] for number in (1, 2)]
    some, both = (order("orders/updated", line(1), line(2), refunds=refunds[:upto]) for upto in (1, 2))
    made, fresh = bridge("shopify", "room"), without_memory()
    heard = events(made, order("orders/paid", line(1), line(2)), refund(1, (1, 2)), refund(2, (2, 2)))[1:]
    assert events(fresh, some) == heard[:1]
    assert events(fresh, both) == heard
    assert events(made, both) == heard
    assert [event.get("part_id") for event in heard] == ["1", "2", None]
    assert heard[2]["status"] == "refunded", "nothing was sent of what all came back"
    assert events(fresh, order("orders/updated"), refund(1, (1, 2))) == []
    assert reasons(fresh) == {"not_all_sent": 1, "refund_of_unknown_order": 1}
    assert not fresh._adapter._orders  # type: ignore[attr-defined] # an adapter that is known to be Shopify's


def test_of_an_updated_order_old_refunds_are_left_out_in_silence_and_unclear_ones_with_a_note() -> None:
    old, double, good = (refund(number, (1, 1))["body"] for number in (1, 2, 3))
    old["processed_at"] = "2026-09-13T00:00:00Z"
    del double["refund_line_items"][0]["subtotal_set"]
    fresh = without_memory()
    assert events(fresh, order("orders/updated", refunds=[old])) == []
    found = events(fresh, order("orders/updated", refunds=[old, good]))
    assert [event.get("part_id") for event in found] == ["3", None], "the old one counts among those that refund it all"
    assert notes(fresh) == {}
    (part,) = events(fresh, order("orders/updated", refunds=[double, good]))
    assert part["part_id"] == "3"
    assert notes(fresh) == {"part_left_out": 1}
    assert reasons(fresh) == {"too_old": 1}


@pytest.mark.parametrize(
    ("said", "room"),
    [
        ({"note_attributes": [{"name": "room", "value": "a b"}], "discount_codes": [{"code": "VIYA10"}]}, "a:20b"),
        ({"discount_codes": [{"code": "OTHER"}, {"code": "viya10"}], "landing_site": "/?live=c"}, "tt:viya"),
        ({"landing_site": "https://shop.example/p/coat?utm_source=tt&live=show%201#x"}, "show:201"),
        ({"landing_site": "/?live="}, None),
        ({"landing_site": "http://[?live=c"}, None),
        ({"landing_site": "/?" + "a=1&" * 200 + "live=c"}, None),
        ({"landing_site": None, "discount_codes": [{"code": 3}, None]}, None),
        ({"note_attributes": [{"name": "room", "value": ""}]}, None),
    ],
)
def test_a_room_is_named_by_an_attribute_else_a_discount_code_else_the_page_that_the_buyer_came_to(
    said: dict[str, Any], room: str | None
) -> None:
    fresh = without_memory(room_attribute="room", room_of_code={"VIYA10": "tt:viya"}, room_parameter="live")
    found = events(fresh, order("orders/paid", **said))
    assert [event["room_id"] for event in found] == ([] if room is None else [room])
    assert reasons(fresh) == ({} if room else {"no_room": 1})


def test_room_and_sale_are_where_the_shop_writes_them() -> None:
    made = bridge("shopify", room_attribute="room", sale_attribute="sale")
    notes_of = {"note_attributes": [{"name": "room", "value": "late show"}, {"name": "sale", "value": "coats"}]}
    own = line(2, properties=[{"name": "sale", "value": "hats"}])
    (event,) = events(made, order("orders/paid", line(1), own, **notes_of))
    assert event["room_id"] == "late:20show"
    assert [each["sale_id"] for each in event["lines"]] == ["coats", "hats"]
    assert events(made, order("orders/paid", admin_graphql_api_id="gid://shopify/Order/8")) == []
    assert reasons(made) == {"no_room": 1}


def test_what_has_no_variant_is_its_product_or_custom() -> None:
    made = bridge("shopify", "room")
    (event,) = events(made, order("orders/paid", line(variant_id=None, product_id=7, sku="A B"), line(variant_id=None)))
    assert [each["sku_id"] for each in event["lines"]] == ["7", "custom"]


def test_a_test_and_an_order_of_nothing_give_nothing() -> None:
    made = bridge("shopify", "room")
    assert events(made, order("orders/paid", test=True), order("orders/paid", line(quantity=0))) == []
    assert reasons(made) == {"test": 1, "no_lines": 1}


def test_a_delivery_that_comes_again_has_the_same_id() -> None:
    made, again = bridge("shopify", "room"), bridge("shopify", "room")
    found = events(made, order("orders/paid"), order("orders/paid"))
    assert len(distinct(found)) == 1
    assert found[0] == events(again, order("orders/paid"))[0]


def test_a_payment_without_a_trigger_is_of_now_and_not_of_the_order() -> None:
    made = bridge("shopify", "room")
    paid = order("orders/paid", created_at="2026-09-01T00:00:00Z")
    paid["headers"].pop("X-Shopify-Triggered-At")
    assert events(made, paid)[0]["event_time_ms"] == NOW_MS


def parcel(number: int, *items: tuple[int, int], **more: Any) -> dict[str, Any]:
    """A fulfillment, of `fulfillments/…` or of an order."""
    return {
        "id": number,
        "order_id": 6_200_000_000_001,
        "status": "success",
        "shipment_status": None,
        "line_items": [{"id": 9_000 + item, "quantity": units} for item, units in items],
        **more,
    }


def sent(topic: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"headers": {"X-Shopify-Topic": f"fulfillments/{topic}", **TIME}, "body": body}


def test_an_order_is_shipped_and_delivered_once_all_of_its_parcels_are() -> None:
    made = bridge("shopify", "room")
    bag, hat = parcel(1, (1, 2)), parcel(2, (2, 1))
    found = events(
        made,
        order("orders/create", line(1), line(2)),
        sent("create", bag),
        sent("create", hat),  # a unit of two
        sent("update", {**bag, "shipment_status": "delivered"}),
        sent("update", bag),  # what was delivered stays so
        sent("create", parcel(3, (2, 1))),
        sent("update", {**hat, "shipment_status": "delivered"}),
        sent("update", parcel(3, (2, 1), shipment_status="delivered")),
    )
    assert [event_id for _, event_id in distinct(found)] == [
        f"sh:6200000000001:{status}" for status in ("placed", "shipped", "delivered")
    ]
    assert reasons(made) == {"not_all_sent": 4}


def test_a_parcel_that_went_nowhere_is_none_and_what_is_refunded_need_not_be_sent() -> None:
    made = bridge("shopify", "room")
    lost = parcel(1, (1, 2))
    found = events(
        made,
        sent("create", lost),
        order("orders/paid", line(1)),
        sent("update", {**lost, "status": "cancelled"}),
        sent("create", lost),
        refund(5, (1, 1)),
        sent("create", parcel(2, (1, 1))),
    )
    assert [(each["status"], each.get("part_id")) for each in found] == [
        ("paid", None),
        ("refunded", "5"),
        ("shipped", None),
    ]
    assert reasons(made) == {"parcel_of_unknown_order": 1, "not_all_sent": 2}


def test_an_order_says_itself_that_it_is_fulfilled() -> None:
    made = bridge("shopify", "room")
    whole = parcel(1, (1, 2), shipment_status="delivered")
    found = events(
        made,
        order("orders/fulfilled", fulfillment_status="fulfilled", fulfillments=[]),
        order("orders/updated", fulfillment_status="fulfilled", fulfillments=[whole]),
        order("orders/updated", fulfillment_status="partial", fulfillments=[parcel(1, (1, 1))]),
    )
    assert [each["status"] for each in distinct(found).values()] == ["shipped", "delivered"]
    assert found[0]["lines"] == [
        {"sku_id": "44000000000001", "quantity": 2, "amount_minor": 2_000, "sale_id": None},
    ]


@pytest.mark.parametrize(
    ("said", "terms"),
    [
        ({"payment_gateway_names": ["Cash on Delivery (COD)"]}, "cash_on_delivery"),
        ({"payment_gateway_names": ["bogus", "cash_on_delivery"]}, "cash_on_delivery"),
        ({"payment_gateway_names": ["Codecard"]}, None),
        ({"financial_status": "partially_paid"}, "deposit"),
        ({"payment_terms": {"payment_terms_type": "NET", "due_in_days": 30}}, "deposit"),
        ({"financial_status": "pending", "payment_terms": None}, None),
    ],
)
def test_how_an_order_is_paid_is_said_with_its_placing_or_once_it_is_known(
    said: dict[str, Any], terms: str | None
) -> None:
    made = bridge("shopify", "room")
    (placed,) = events(made, order("orders/create", **said))
    assert placed.get("payment_terms") == terms
    later = bridge("shopify", "room")
    found = events(later, order("orders/create"), order("orders/updated", **said), order("orders/updated", **said))
    told = [(each["event_id"], each.get("payment_terms")) for each in found[1:]]
    assert told == ([("sh:6200000000001:terms", terms)] if terms else [])
