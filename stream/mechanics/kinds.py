"""What the contract holds of each mechanic: its kinds of events, its section, its examples. One line a mechanic."""

from __future__ import annotations

from stream.contract.catalogue import Catalogue, Forms
from stream.mechanics.card import events as card
from stream.mechanics.card.section import Card
from stream.mechanics.coupons import events as coupons
from stream.mechanics.coupons.section import Coupons
from stream.mechanics.follows import events as follows
from stream.mechanics.follows.section import Follows
from stream.mechanics.gauges import events as gauges
from stream.mechanics.gauges.section import Gauges
from stream.mechanics.gifts import events as gifts
from stream.mechanics.gifts.section import Gifts
from stream.mechanics.shares import events as shares
from stream.mechanics.shares.section import Shares
from stream.mechanics.votes import events as votes
from stream.mechanics.votes.section import Votes

CATALOGUE = Catalogue(
    (
        Forms("gifts", (gifts.Gift,), Gifts, gifts.EXAMPLES),
        Forms("follows", (follows.Follow, follows.Unfollow), Follows, follows.EXAMPLES),
        Forms("shares", (shares.Share,), Shares, shares.EXAMPLES),
        Forms("votes", (votes.PollOpened, votes.Vote, votes.PollClosed), Votes, votes.EXAMPLES),
        Forms("gauges", (gauges.Gauge,), Gauges, gauges.EXAMPLES),
        Forms(
            "coupons",
            (coupons.CouponOffered, coupons.CouponTaken, coupons.CouponUsed, coupons.CouponReturned),
            Coupons,
            coupons.EXAMPLES,
        ),
        Forms("card", card.KINDS, Card, card.EXAMPLES),
    )
)
