"""What documents show of shares."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from stream.contract.overlay import Count


class Channel(Struct, gc=False):
    """One of the channels that are counted by name."""

    channel: Annotated[str, Meta(description="the platform's own word")]
    shares: int


class Shares(Struct, omit_defaults=True):
    """The shares of a session. `shares` is the sum of those of `channels`, `not_said` and `other`."""

    shares: Annotated[int, Meta(description="how often the room was shared")]
    sharers: Annotated[Count, Meta(description="how many people shared it")]
    channels: Annotated[
        list[Channel],
        Meta(description="most shares first; of equal ones the shorter name, then the first in the order of ASCII"),
    ]
    not_said: Annotated[int, Meta(description="shares that name no channel; absent: there are none")] = 0
    other: Annotated[
        int,
        Meta(
            description="shares by channels beyond the bound: none of these channels is in `channels`; absent: there "
            "are none"
        ),
    ] = 0
