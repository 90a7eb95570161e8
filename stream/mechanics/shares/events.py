"""What a platform says of shares."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from stream.contract import examples
from stream.contract.catalogue import KindExamples
from stream.contract.events import MAX_ID_CHARS, Id, PersonEvent


class Share(PersonEvent, frozen=True, gc=False, kw_only=True, tag="share"):
    """Somebody shared the room. Each event is one share, whoever else it reaches."""

    channel: (
        Annotated[
            Id, Meta(description="by what, in the platform's own words, such as wechat or link; default: not said")
        ]
        | None
    ) = None


_LONG_ID = "Az09._:-" * (MAX_ID_CHARS // 8)
EXAMPLES = {
    "share": KindExamples(
        {**examples.PERSON, "channel": "wechat"},
        {
            "channel-not-said": {"channel": None},
            "nobody-knows-who": {"user_id": "-"},
            "longest-channel": {"channel": _LONG_ID},
        },
        {
            "channel-empty": ("/channel", ""),
            "channel-too-long": ("/channel", "x" * (MAX_ID_CHARS + 1)),
            "channel-with-a-space": ("/channel", "we chat"),
            "channel-with-a-line-break": ("/channel", "wechat\n"),
            "channel-no-text": ("/channel", 7),
            "channel-many": ("/channel", ["wechat", "link"]),
            "user-missing": ("/user_id", examples.ABSENT),
            "user-null": ("/user_id", None),
        },
    )
}
