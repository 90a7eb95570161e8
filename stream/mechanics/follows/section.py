"""What documents show of followers."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class Follows(Struct, omit_defaults=True):
    """The followers of a session: gained, lost and net. Who came and left again, or left and came again, is in none."""

    gained: Annotated[int, Meta(description="people who did not follow before the session and do now")]
    lost: Annotated[int, Meta(description="people who followed before the session and do not now")]
    net: Annotated[int, Meta(description="gained less lost; may be below zero")]
    beyond: Annotated[
        int,
        Meta(description="events of people beyond the bound, which are in no other figure; absent: there are none"),
    ] = 0
    unknown: Annotated[
        int, Meta(description="events of unknown people, which are in no other figure; absent: there are none")
    ] = 0
