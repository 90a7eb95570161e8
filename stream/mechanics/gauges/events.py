"""What a platform says of its own figures of a room."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from stream.contract import examples
from stream.contract.catalogue import KindExamples
from stream.contract.events import MAX_ID_CHARS, MAX_SAFE_INTEGER, Event, Id

Precision = Literal["exact", "rounded", "at_least"]


class Gauge(Event, frozen=True, gc=False, kw_only=True, tag="gauge"):
    """A platform said some of its own figures of the room, all of one moment and with one precision.

    Each is a level as the platform knows it, and no change: figures of two events are never added.
    """

    source: Annotated[
        Id, Meta(description="who says it: the platform, in one spelling for the whole session, such as tiktok")
    ]
    viewers_now: (
        Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER, description="people who watch at this moment")] | None
    ) = None
    viewers_total: (
        Annotated[
            int, Meta(ge=0, le=MAX_SAFE_INTEGER, description="people or views so far, as the platform counts them")
        ]
        | None
    ) = None
    likes_total: (
        Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER, description="likes so far, as the platform counts them")] | None
    ) = None
    popularity: (
        Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER, description="the platform's own score; it counts no people")]
        | None
    ) = None
    precision: (
        Annotated[
            Precision,
            Meta(
                description="of all figures in the event: `exact` to the unit, `rounded` either way, or `at_least`, as "
                "behind a plus sign; default: exact"
            ),
        ]
        | None
    ) = None


_FULL: dict[str, Any] = {
    **examples.EVENT,
    "source": "tiktok",
    "viewers_now": 18_204,
    "viewers_total": 241_950,
    "likes_total": 1_204_118,
    "popularity": 88_400,
    "precision": "exact",
}
_LONG_ID = "Az09._:-" * (MAX_ID_CHARS // 8)
_NOT_SAID = {"viewers_now": None, "viewers_total": None, "likes_total": None, "popularity": None}
EXAMPLES = {
    "gauge": KindExamples(
        _FULL,
        {
            "seen-in-total": {**_NOT_SAID, "source": "bilibili", "viewers_total": 52_431},
            "a-lower-bound": {**_NOT_SAID, "source": "douyin", "viewers_total": 12_000, "precision": "at_least"},
            "rounded": {**_NOT_SAID, "source": "kuaishou", "viewers_now": 12_000, "precision": "rounded"},
            "nobody-watches": {**_NOT_SAID, "viewers_now": 0},
            "greatest": dict.fromkeys(_NOT_SAID, MAX_SAFE_INTEGER),
            "longest-source": {"source": _LONG_ID},
        },
        {
            "source-missing": ("/source", examples.ABSENT),
            "source-null": ("/source", None),
            "source-empty": ("/source", ""),
            "source-too-long": ("/source", "x" * (MAX_ID_CHARS + 1)),
            "source-with-a-space": ("/source", "tik tok"),
            "viewers-now-negative": ("/viewers_now", -1),
            "viewers-now-too-great": ("/viewers_now", MAX_SAFE_INTEGER + 1),
            "viewers-now-a-text": ("/viewers_now", "12000"),
            "viewers-total-negative": ("/viewers_total", -1),
            "viewers-total-as-displayed": ("/viewers_total", "1.2万+"),
            "viewers-total-too-great": ("/viewers_total", MAX_SAFE_INTEGER + 1),
            "likes-total-negative": ("/likes_total", -1),
            "likes-total-too-great": ("/likes_total", MAX_SAFE_INTEGER + 1),
            "likes-total-with-a-fraction": ("/likes_total", 1.2),
            "popularity-negative": ("/popularity", -1),
            "popularity-too-great": ("/popularity", MAX_SAFE_INTEGER + 1),
            "popularity-as-displayed": ("/popularity", "8.8w"),
            "popularity-written-as-float": ("/popularity", 88_400.0),
            "precision-unknown": ("/precision", "about"),
            "precision-true": ("/precision", True),
        },
    )
}
