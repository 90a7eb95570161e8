"""What the worker does with each mechanic. One line a mechanic, in the order of `kinds`."""

from __future__ import annotations

from stream.core.mechanic import Installed
from stream.mechanics.card.fold import CardFold
from stream.mechanics.coupons.fold import CouponFold
from stream.mechanics.follows.fold import FollowFold
from stream.mechanics.gauges.fold import GaugeFold
from stream.mechanics.gifts.fold import GiftFold
from stream.mechanics.kinds import CATALOGUE
from stream.mechanics.shares.fold import ShareFold
from stream.mechanics.votes.fold import VoteFold

INSTALLED = Installed(CATALOGUE, (GiftFold, FollowFold, ShareFold, VoteFold, GaugeFold, CouponFold, CardFold))
