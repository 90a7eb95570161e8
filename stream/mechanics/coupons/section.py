"""What documents show of coupons."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class Coupon(Struct):
    """One coupon, with `offered + overdrawn = left + taken + used + returned + expired` once it was offered."""

    coupon_id: str
    title: Annotated[str | None, Meta(description="what viewers read; untrusted; null: it was not offered yet")]
    offered: Annotated[int | None, Meta(description="how many are handed out in all; null: as `title`")]
    left: Annotated[int | None, Meta(description="of offered, those that nobody took; never below 0; null: as `title`")]
    overdrawn: Annotated[int | None, Meta(description="handed out beyond offered; null: as `title`")]
    handed_out: Annotated[int, Meta(description="taken + used + returned + expired: what `used` is a part of")]
    taken: Annotated[int, Meta(description="in somebody's hand, and may still be used")]
    used: int
    returned: Annotated[int, Meta(description="given back or taken back, used before or not")]
    expired: Annotated[int, Meta(description="not used in time")]
    refused: Annotated[int, Meta(description="takes beyond the limit of their person, which are in no other figure")]
    per_user_limit: Annotated[int | None, Meta(description="how many one person may take; null: any number")]
    starts_at_ms: Annotated[int | None, Meta(description="from when on it is handed out; null: as `title`")]
    ends_at_ms: Annotated[int | None, Meta(description="until when; null: no end was said")]
    valid_s: Annotated[int | None, Meta(description="how long a taken one may be used, seconds; null: without end")]


class Coupons(Struct, omit_defaults=True):
    """The coupons of a session. What is returned or expired is not handed out again."""

    coupons: Annotated[list[Coupon], Meta(description="latest start first; at the end those that were not offered yet")]
    unmatched: Annotated[
        int, Meta(description="takes that were used or returned, and of which nobody said who took what; absent: none")
    ] = 0
    beyond: Annotated[
        int,
        Meta(description="events of coupons and takes beyond the bounds, which are in no other figure; absent: none"),
    ] = 0
