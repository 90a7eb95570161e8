"""What a platform says of gifts."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from stream.contract import examples
from stream.contract.catalogue import KindExamples
from stream.contract.events import MAX_ID_CHARS, Id, PersonEvent

MAX_GIFTS = 10_000
MAX_COINS_EACH = 1_000_000


class Gift(PersonEvent, frozen=True, gc=False, kw_only=True, tag="gift"):
    """Somebody sent gifts. Of a combo that a client counts up, each event holds the sum so far.

    Events of one user, gift and streak are one combo: its greatest count counts, whatever is lost or comes again.
    """

    gift_id: Annotated[Id, Meta(description="what was sent")]
    count: Annotated[int, Meta(ge=1, le=MAX_GIFTS, description="gifts; of a combo: so far")]
    coins_each: Annotated[
        int, Meta(ge=0, le=MAX_COINS_EACH, description="value of one gift, in the platform's coins; not money")
    ]
    streak_id: Annotated[Id, Meta(description="joins the events of one combo; without it, the event is all")] | None = (
        None
    )


_FULL: dict[str, Any] = {
    **examples.PERSON,
    "gift_id": "rose",
    "count": 3,
    "coins_each": 10,
    "streak_id": "01JD8Q9B6K0W3M5T7V9X1Z2C4F",
}
_LONG_ID = "Az09._:-" * (MAX_ID_CHARS // 8)
EXAMPLES = {
    "gift": KindExamples(
        _FULL,
        {
            "alone": {"streak_id": None, "count": 1},
            "most": {"count": MAX_GIFTS, "coins_each": MAX_COINS_EACH},
            "free": {"coins_each": 0},
            "longest-ids": {"gift_id": _LONG_ID, "streak_id": _LONG_ID},
        },
        {
            "count-zero": ("/count", 0),
            "count-too-great": ("/count", MAX_GIFTS + 1),
            "count-missing": ("/count", examples.ABSENT),
            "count-a-text": ("/count", "3"),
            "coins-negative": ("/coins_each", -1),
            "coins-too-many": ("/coins_each", MAX_COINS_EACH + 1),
            "coins-with-a-fraction": ("/coins_each", 0.5),
            "coins-missing": ("/coins_each", examples.ABSENT),
            "gift-missing": ("/gift_id", examples.ABSENT),
            "gift-empty": ("/gift_id", ""),
            "gift-too-long": ("/gift_id", "x" * (MAX_ID_CHARS + 1)),
            "gift-with-a-space": ("/gift_id", "a rose"),
            "gift-number": ("/gift_id", 7),
            "streak-empty": ("/streak_id", ""),
            "streak-too-long": ("/streak_id", "x" * (MAX_ID_CHARS + 1)),
            "streak-number": ("/streak_id", 7),
            "streak-with-a-line-break": ("/streak_id", "s\n"),
        },
    )
}
