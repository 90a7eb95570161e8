"""How each mechanic is counted again. One line a mechanic, in the order of `kinds`; it never reaches the core."""

from __future__ import annotations

from stream.mechanics.card.recount import CardAgain
from stream.mechanics.coupons.recount import CouponsAgain
from stream.mechanics.follows.recount import FollowsAgain
from stream.mechanics.gauges.recount import GaugesAgain
from stream.mechanics.gifts.recount import GiftsAgain
from stream.mechanics.kinds import CATALOGUE
from stream.mechanics.shares.recount import SharesAgain
from stream.mechanics.votes.recount import VotesAgain
from stream.verify.recounted import Mechanics

COUNTED_AGAIN = Mechanics(
    (GiftsAgain, FollowsAgain, SharesAgain, VotesAgain, GaugesAgain, CouponsAgain, CardAgain), CATALOGUE
)
