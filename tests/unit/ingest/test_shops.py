"""The file of shops, and what makes a webhook theirs."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from stream.bridge.reasons import Reason
from stream.ingest.shops import MAX_SHOPS, Shop, Shops, read_shops
from stream.ingest.watched import FileError
from tests.support.ingest import now_ms
from tests.support.shops import NEXT_SECRET, SECRET, order_body, shop_entry

if TYPE_CHECKING:
    from pathlib import Path

# Made by `openssl dgst -sha256 -hmac SECRET -binary | base64`, and the same by Node's `crypto`.
BODY = '{"admin_graphql_api_id":"gid://shopify/Order/6200000000001","note":"外套 ✓"}'.encode()
GOLDEN = [
    (NEXT_SECRET, BODY, "AMUv2eEW3O4nQ4M6ZL328griqVA//eb5URtcOD7oI+E="),
    (SECRET, BODY, "XP2jAZW8EVteVNwHTj3qypMMZFnasI39AijNlC+jET4="),
    (SECRET, b"", "5udf3xxufBI5PchOUlOhJByIn0aSJ+a+jbluFj5bOEQ="),
    (SECRET, b'{"a": 1}\n', "df6Y2PIn31y6tKXvPZ87WbyRfwHjPc7aXdhaOevt3F4="),
]


def shop(**changes: str) -> Shop:
    (made,) = read_shops(shop_entry(**changes).encode())
    return made


@pytest.mark.parametrize(("secret", "body", "signature"), GOLDEN)
def test_a_signature_is_of_the_raw_body_with_either_secret(secret: str, body: bytes, signature: str) -> None:
    both = shop(secrets=f'["{NEXT_SECRET}", "{SECRET}"]')
    assert both.has_signed(body, signature)
    assert shop(secrets=f'["{secret}"]').has_signed(body, signature)
    other = SECRET if secret == NEXT_SECRET else NEXT_SECRET
    assert not shop(secrets=f'["{other}"]').has_signed(body, signature)
    assert not both.has_signed(body + b" ", signature)
    raw = base64.b64decode(signature)
    for wrong in (
        *("", "=", "é", "x" * 10_000, signature[:-1], signature + "=", raw.hex()),
        *(base64.b64encode(each).decode() for each in (raw[:-1], raw + b"x", raw[::-1], b"")),
    ):
        assert not both.has_signed(body, wrong), wrong


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[shop]", "not TOML"),
        (b"\xff", "not UTF-8"),
        (shop_entry(name='"a b"'), "shop 1: the name"),
        (shop_entry(domain='"https://coats.myshopify.com"'), "the domain"),
        (shop_entry(domain='"Coats.myshopify.com"'), "small letters"),
        (shop_entry(secrets="[]"), "0 secrets"),
        (shop_entry(secrets=f'["{SECRET}", "{SECRET}", "{SECRET}"]'), "3 secrets"),
        (shop_entry(secrets='["too short"]'), "16 to 256 characters"),
        (shop_entry(room=""), "say either `room`"),
        (shop_entry(room_attribute='"room"', rooms='["*"]'), "say either `room`"),
        (shop_entry(room="", room_attribute='"room"'), "`rooms` says"),
        (shop_entry(room="", room_parameter='"room"'), "`rooms` says"),
        (shop_entry(rooms='["*"]'), "`rooms` says"),
        (shop_entry(room="", room_parameter='"room"', rooms='["a b"]'), "no room id"),
        (shop_entry(room='"a b"'), "is no id"),
        (shop_entry(sale='""'), "is no id"),
        (shop_entry(room="", room_of_code='{ A = "外" }'), "is no id"),
        (shop_entry(room="", room_of_code='{ "" = "room-1" }'), "none of them empty"),
        (shop_entry(events_per_s="0"), "above 0"),
        (shop_entry(secret='"x"'), "unknown field"),
        (shop_entry() + shop_entry(), "shop 2: there are two shops 'coats'"),
        ("".join(shop_entry(name=f'"s{number}"') for number in range(MAX_SHOPS + 1)), "the most is"),
    ],
)
def test_a_wrong_file_is_a_sentence_without_a_secret(text: str | bytes, said: str) -> None:
    with pytest.raises(FileError, match=said) as error:
        read_shops(text if isinstance(text, bytes) else text.encode())
    assert SECRET not in str(error.value)


def test_a_file_that_goes_wrong_leaves_the_old_shops(tmp_path: Path) -> None:
    path = tmp_path / "shops.toml"
    path.write_text(shop_entry())
    shops = Shops(path)
    assert shops.names == {"coats"}
    path.write_text("[[")
    assert shops.has_changed()
    with pytest.raises(FileError):
        shops.reload()
    assert shops.find("coats") is not None
    assert shops.find("hats") is None


def test_a_room_that_buyers_can_write_must_be_among_those_of_the_shop() -> None:
    chosen = shop(room="", room_attribute='"room"', rooms='["room-*"]', room_of_code='{ viya10 = "viya" }')
    assert [room for room in ("room-1", "room-", "viya", "other", "") if chosen.key.allows_room(room)] == [
        *("room-1", "room-", "viya")
    ]
    assert [name for name in ("order", "like", "records_misplaced") if chosen.key.allows_type(name)] == ["order"]
    assert not shop(room='"a.b"').key.allows_room("axb")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason.NOT_JSON),
        (b"[1]", Reason.NOT_A_MESSAGE),
        (b"{}", Reason.NOT_A_MESSAGE),
        (b"[" * 10_000, Reason.TOO_DEEP),
        (b'{"id":"\\ud800"}', Reason.AMOUNT_UNKNOWN),
        (b'{"body":{"id":1}}', Reason.NO_ID),  # no wrapper: what a shop signs is its order
    ],
)
def test_any_bytes_have_an_answer(body: bytes, reason: Reason) -> None:
    assert shop().orders_of({"x-shopify-topic": "orders/paid"}, body, now_ms()) is reason


def test_a_webhook_that_comes_again_gives_the_same_bytes_whoever_heard_what_before() -> None:
    headers = {"x-shopify-topic": "orders/paid", "x-shopify-triggered-at": "2026-09-21T14:15:00Z"}
    body = msgspec.json.encode(order_body())
    at_ms = 1_790_000_100_000
    first, second = shop(), shop()
    edited = msgspec.json.encode(order_body(line_items=[{"id": 9, "variant_id": 44, "quantity": 9, "price": "10.00"}]))
    second.orders_of(headers | {"x-shopify-topic": "orders/create"}, edited, at_ms)
    found: Any = first.orders_of(headers, body, at_ms)
    assert found[0] == second.orders_of(headers, body, at_ms + 3_600_000)[0]
    (event,) = map(msgspec.json.decode, found[0])
    assert (event["event_id"], event["event_time_ms"]) == ("sh:1:paid", at_ms)
