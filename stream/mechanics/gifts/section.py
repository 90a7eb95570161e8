"""What documents show of gifts."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from stream.contract.overlay import Count


class Giver(Struct, gc=False):
    """One of those who gave most."""

    who: Annotated[str, Meta(description="the first character of the user id, masked as in the feed")]
    coins: int
    gifts: int


class Combo(Struct, gc=False):
    """A combo of which something was heard in the last ten seconds."""

    who: Annotated[str, Meta(description="as of givers")]
    gift_id: str
    count: Annotated[int, Meta(description="gifts so far")]
    at_ms: Annotated[int, Meta(description="when it was last heard of, UTC epoch milliseconds")]


class Gifts(Struct, omit_defaults=True):
    """The gifts of a session: sums, who gave most, and the newest combos. Coins are the platform's, and not money."""

    coins: Annotated[int, Meta(description="value of all gifts, in coins")]
    gifts: Annotated[int, Meta(description="how many were sent")]
    givers: Annotated[Count, Meta(description="how many people sent any")]
    top: Annotated[list[Giver], Meta(description="who gave most coins, most first")]
    combos: Annotated[list[Combo], Meta(description="newest first")]
    uncredited: Annotated[
        int,
        Meta(
            description="coins of people beyond the bound on givers: none of these is in `top`, and none of them gave "
            "more than this; absent: there are none"
        ),
    ] = 0
