"""The platforms that have an adapter, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from stream.bridge import bilibili, kuaishou, youtube
from stream.bridge.douyin import douyin
from stream.bridge.messages import Message
from stream.bridge.shopify import Places, Shopify
from stream.bridge.tiktok import tiktok
from stream.bridge.twitch import twitch

if TYPE_CHECKING:
    from stream.bridge.draft import Draft

    Adapter = Callable[[Message, Draft], None]


class Platform(Struct, frozen=True):
    """A platform.

    Attributes:
        name: as the command and gauges have it.
        prefix: of its ids.
        adapter: makes an adapter, with a memory of its own if it has one.
        cuts_backlog: whether it sends a room's last messages again on each connect.
        batches: takes a message that holds several apart; None: none does.
    """

    name: str
    prefix: str
    adapter: Callable[[], Adapter]
    cuts_backlog: bool = True
    batches: Callable[[Message], list[Message]] | None = None


def shopify(room_attribute: str = "", sale_attribute: str = "", sale: str | None = None) -> Platform:
    """A shop, with the places of room and sale in its orders: see `Places`."""
    places = Places(room_attribute=room_attribute, sale_attribute=sale_attribute, sale=sale)
    return Platform("shopify", "sh:", lambda: Shopify(places), cuts_backlog=False)


PLATFORMS = {
    platform.name: platform
    for platform in (
        Platform("tiktok", "tt:", lambda: tiktok),
        Platform("douyin", "dy:", lambda: douyin),
        Platform("bilibili", "bl:", lambda: bilibili.bilibili, batches=bilibili.batches),
        Platform("kuaishou", "ks:", lambda: kuaishou.kuaishou, batches=kuaishou.batches),
        Platform("youtube", "yt:", lambda: youtube.youtube, batches=youtube.batches),
        Platform("twitch", "tw:", lambda: twitch),
        shopify(),
    )
}
