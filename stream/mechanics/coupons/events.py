"""What a platform says of coupons."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from stream.contract import examples
from stream.contract.catalogue import KindExamples
from stream.contract.events import (
    MAX_ID_CHARS,
    MAX_OFFERED,
    MAX_QUANTITY,
    MAX_SAFE_INTEGER,
    EpochMs,
    Event,
    Id,
    OrderId,
    PersonEvent,
)

MAX_TITLE_CHARS = 80
MAX_VALID_S = 366 * 24 * 3_600

CouponId = Annotated[Id, Meta(description="the coupon")]
TakeId = Annotated[Id, Meta(description="the one coupon that one person took; its statuses are remembered under it")]


class CouponOffered(Event, frozen=True, gc=False, kw_only=True, tag="coupon_offered"):
    """A coupon is handed out in the room on these terms. Of several offers of a coupon the newest holds, whole."""

    coupon_id: CouponId
    title: Annotated[
        str, Meta(min_length=1, max_length=MAX_TITLE_CHARS, description="what viewers read; shown as it is")
    ]
    offered: Annotated[int, Meta(ge=0, le=MAX_OFFERED, description="how many are handed out in all")]
    starts_at_ms: Annotated[EpochMs, Meta(description="from when on it is handed out, UTC epoch milliseconds")]
    ends_at_ms: Annotated[EpochMs, Meta(description="until when; default: no end was said")] | None = None
    per_user_limit: (
        Annotated[int, Meta(ge=1, le=MAX_QUANTITY, description="how many one person may take; default: any number")]
        | None
    ) = None
    valid_s: (
        Annotated[
            int,
            Meta(ge=1, le=MAX_VALID_S, description="how long a taken one may be used, seconds; default: without end"),
        ]
        | None
    ) = None


class CouponTaken(PersonEvent, frozen=True, gc=False, kw_only=True, tag="coupon_taken"):
    """Somebody took one coupon. Of several events of one take the earliest says who took which, and when."""

    take_id: TakeId
    coupon_id: CouponId


class CouponUsed(Event, frozen=True, gc=False, kw_only=True, tag="coupon_used"):
    """A coupon that was taken was used."""

    take_id: TakeId
    order_id: Annotated[OrderId, Meta(description="the order that it was used for; in no figure")] | None = None


class CouponReturned(Event, frozen=True, gc=False, kw_only=True, tag="coupon_returned"):
    """A coupon that was taken was given back or taken back, used or not: it may not be used any more."""

    take_id: TakeId


_OFFERED: dict[str, Any] = {
    **examples.EVENT,
    "coupon_id": "rain-20",
    "title": "20 off 199",
    "offered": 500,
    "starts_at_ms": examples.NOW_MS + 60_000,
    "ends_at_ms": examples.NOW_MS + 90_000,
    "per_user_limit": 1,
    "valid_s": 1_800,
}
_TAKEN: dict[str, Any] = {**examples.PERSON, "take_id": "t-88120", "coupon_id": "rain-20"}
_USED: dict[str, Any] = {**examples.EVENT, "take_id": "t-88120", "order_id": "o-31544"}
_RETURNED: dict[str, Any] = {**examples.EVENT, "take_id": "t-88120"}
_LONG_ID = "Az09._:-" * (MAX_ID_CHARS // 8)
_BAD_TAKE = {
    "take-missing": ("/take_id", examples.ABSENT),
    "take-empty": ("/take_id", ""),
    "take-too-long": ("/take_id", "x" * (MAX_ID_CHARS + 1)),
    "take-with-a-space": ("/take_id", "a take"),
    "take-number": ("/take_id", 88_120),
}
_BAD_COUPON = {
    "coupon-missing": ("/coupon_id", examples.ABSENT),
    "coupon-empty": ("/coupon_id", ""),
    "coupon-too-long": ("/coupon_id", "x" * (MAX_ID_CHARS + 1)),
    "coupon-with-a-space": ("/coupon_id", "a coupon"),
    "coupon-number": ("/coupon_id", 20),
}
EXAMPLES = {
    "coupon_offered": KindExamples(
        _OFFERED,
        {
            "without-end-or-limit": {"ends_at_ms": None, "per_user_limit": None, "valid_s": None},
            "most": {"offered": MAX_OFFERED, "per_user_limit": MAX_QUANTITY, "valid_s": MAX_VALID_S},
            "least": {"offered": 0, "per_user_limit": 1, "valid_s": 1},
            "longest-title": {"title": "券" * MAX_TITLE_CHARS},
            "longest-id": {"coupon_id": _LONG_ID},
            "times-at-their-ends": {"starts_at_ms": 0, "ends_at_ms": MAX_SAFE_INTEGER},
        },
        {
            **_BAD_COUPON,
            "title-missing": ("/title", examples.ABSENT),
            "title-empty": ("/title", ""),
            "title-too-long": ("/title", "x" * (MAX_TITLE_CHARS + 1)),
            "title-number": ("/title", 20),
            "offered-missing": ("/offered", examples.ABSENT),
            "offered-negative": ("/offered", -1),
            "offered-too-many": ("/offered", MAX_OFFERED + 1),
            "offered-with-a-fraction": ("/offered", 0.5),
            "limit-zero": ("/per_user_limit", 0),
            "limit-too-great": ("/per_user_limit", MAX_QUANTITY + 1),
            "limit-a-text": ("/per_user_limit", "1"),
            "start-missing": ("/starts_at_ms", examples.ABSENT),
            "start-negative": ("/starts_at_ms", -1),
            "start-too-great": ("/starts_at_ms", MAX_SAFE_INTEGER + 1),
            "start-at-a-written-time": ("/starts_at_ms", "2017-10-10T12:01:00Z"),
            "end-negative": ("/ends_at_ms", -1),
            "end-too-great": ("/ends_at_ms", MAX_SAFE_INTEGER + 1),
            "end-at-a-written-time": ("/ends_at_ms", "2017-10-10T12:01:30Z"),
            "valid-zero": ("/valid_s", 0),
            "valid-too-long": ("/valid_s", MAX_VALID_S + 1),
            "valid-with-a-fraction": ("/valid_s", 0.5),
        },
    ),
    "coupon_taken": KindExamples(
        _TAKEN,
        {"nobody-knows-who": {"user_id": "-"}, "longest-ids": {"take_id": _LONG_ID, "coupon_id": _LONG_ID}},
        {**_BAD_TAKE, **_BAD_COUPON, "user-missing": ("/user_id", examples.ABSENT), "user-null": ("/user_id", None)},
    ),
    "coupon_used": KindExamples(
        _USED,
        {"order-not-said": {"order_id": None}, "longest-ids": {"take_id": _LONG_ID, "order_id": _LONG_ID}},
        {
            **_BAD_TAKE,
            "order-empty": ("/order_id", ""),
            "order-too-long": ("/order_id", "x" * (MAX_ID_CHARS + 1)),
            "order-number": ("/order_id", 31_544),
        },
    ),
    "coupon_returned": KindExamples(_RETURNED, {"longest-id": {"take_id": _LONG_ID}}, _BAD_TAKE),
}
