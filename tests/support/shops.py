"""A shop of Shopify as tests have it: its entry in the file of shops, and webhooks with its signature."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from tests.support.ingest import now_ms

if TYPE_CHECKING:
    from aiohttp import ClientResponse

    from tests.support.ingest import Sender

SECRET, NEXT_SECRET = "hush-hush-hush-hush", "shpss_0123456789abcdef0123456789abcdef"
DOMAIN = "coats.myshopify.com"


def shop_entry(**changes: str) -> str:
    """The entry of the shop `coats`, whose orders are all of room-1; fields as in TOML, "" leaves one out."""
    fields = {"name": '"coats"', "domain": f'"{DOMAIN}"', "secrets": f'["{SECRET}"]', "room": '"room-1"'} | changes
    return "[[shop]]\n" + "".join(f"{name} = {value}\n" for name, value in fields.items() if value)


def order_body(number: int = 1, **more: Any) -> dict[str, Any]:
    """An order of two units for 20.00 USD, as a webhook has it."""
    return {
        "admin_graphql_api_id": f"gid://shopify/Order/{number}",
        "currency": "USD",
        "test": False,
        "customer": {"id": 77},
        "line_items": [{"id": 9, "variant_id": 44, "quantity": 2, "price": "10.00"}],
        **more,
    }


def signed(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


async def webhook(
    sender: Sender, topic: str, body: Any, secret: str = SECRET, shop: str = "coats", **headers: str | None
) -> ClientResponse:
    """The answer to a webhook; `headers` with `_` for `-`, None leaves one out."""
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    said: dict[str, str | None] = {
        "Content-Type": "application/json",
        "X-Shopify-Topic": topic,
        "X-Shopify-Shop-Domain": DOMAIN,
        "X-Shopify-Hmac-Sha256": signed(data, secret),
        "X-Shopify-Webhook-Id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
        "X-Shopify-Triggered-At": datetime.fromtimestamp(now_ms() / 1000, UTC).isoformat(),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    sent = {name: value for name, value in said.items() if value is not None}
    return await sender.session.post(f"{sender.top}/v1/webhooks/shopify/{shop}", data=data, headers=sent)
