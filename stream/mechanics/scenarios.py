"""The shows of mechanics, for `snapup simulate`: one of each in the order of `kinds`, and storms.

A storm is more of a mechanic than any room should bear, in a room that sells beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.mechanics.card import show as card
from stream.mechanics.coupons import show as coupons
from stream.mechanics.coupons import storm as coupon_rain
from stream.mechanics.follows import show as follows
from stream.mechanics.gauges import show as gauges
from stream.mechanics.gifts import show as gifts
from stream.mechanics.gifts import storm as gift_storm
from stream.mechanics.shares import show as shares
from stream.mechanics.votes import show as votes
from stream.shows import SCENARIOS as BUILT_IN
from stream.shows import build_show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stream.shows.show import Show

SCENARIOS: Mapping[str, Callable[[int, str], Show]] = {
    gifts.NAME: gifts.build,
    follows.NAME: follows.build,
    shares.NAME: shares.build,
    votes.NAME: votes.build,
    gauges.NAME: gauges.build,
    coupons.NAME: coupons.build,
    card.NAME: card.build,
}
STORMS: Mapping[str, Callable[[int, str, float], Show]] = {
    gift_storm.NAME: gift_storm.build,
    coupon_rain.NAME: coupon_rain.build,
}
NAMES = sorted((*BUILT_IN, *SCENARIOS, *STORMS))


def build(name: str, seed: int, room_id: str | None = None, scale: float = 1.0) -> Show:
    """The scenario of this name, whether a mechanic's or not. As `stream.shows.build_show`."""
    return build_show(name, seed, room_id, scale, SCENARIOS, STORMS)
