"""TikTok LIVE: messages of tiktok-live-connector, TikTokLive and Euler's sockets → events.

Fields as of npm `tiktok-live-connector` 2.5.0 and PyPI `TikTokLive` 7.0.1, and of the two generations before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.bridge import webcast
from stream.bridge.nodes import at, whole
from stream.bridge.reasons import NoEventError, Reason

if TYPE_CHECKING:
    from stream.bridge.draft import Draft
    from stream.bridge.messages import Message


def tiktok(message: Message, draft: Draft) -> None:
    """Make the events of one message."""
    body, kind = message.body, webcast.kind_of(message.kind, message.body)
    if kind not in _KINDS:
        raise NoEventError(Reason.IGNORED_KIND)
    draft.room(at(body, *webcast.ROOM))
    draft.at(*(at(body, path) for path in webcast.TIMES))
    match _KINDS[kind]:
        case "comment":
            webcast.comment(draft, body)
        case "like":
            webcast.like(draft, body)
        case "member":
            webcast.member(draft, body)
        case "gift":
            webcast.gift(draft, body, whole(at(body, "repeatCount", "comboCount")))
        case "social":
            webcast.social(draft, body, kind)
        case _:
            # In big rooms members are sampled, so these counters are the platform's word and no sum of ours.
            draft.whole_gauge(
                webcast.event_id(draft, body, "roomuserseq", ""),
                viewers_now=at(body, "total", "viewerCount", "mTotal"),
                viewers_total=at(body, "totalUser"),
                popularity=at(body, "popularity"),
            )


_KINDS = {
    **dict.fromkeys(("chat", "comment"), "comment"),
    "like": "like",
    **dict.fromkeys(("member", "join"), "member"),
    "gift": "gift",
    **dict.fromkeys(("social", "follow", "share"), "social"),
    **dict.fromkeys(("roomuserseq", "roomuser"), "counters"),
}
