"""YouTube: items of the Data API's `liveChatMessages` and of pytchat → events; `videos` → gauges.

Fields as of the Data API v3 and PyPI `pytchat` 0.5.5. What a paid message cost is left out: it is money in any
currency, and the coins of gifts are none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stream.bridge.nodes import at, items_of, text_of
from stream.bridge.reasons import NoEventError, Note, Reason

if TYPE_CHECKING:
    from stream.bridge.draft import Draft
    from stream.bridge.messages import Message

_TEXTS = ("textMessageEvent", "textMessage")
_PAID = ("superChatEvent", "superChat")


def batches(message: Message) -> list[Message]:
    """The items of an answer of the API, each a message by itself."""
    items = [item for item in items_of(at(message.body, "items")) if isinstance(item, dict) and item]
    return [msgspec.structs.replace(message, body=item) for item in items] or [message]


def youtube(message: Message, draft: Draft) -> None:
    """Make the events of one item."""
    body = message.body
    if at(body, "liveStreamingDetails", "statistics") is not None:
        _video(message, draft)
        return
    kind = text_of(at(body, "snippet.type", "type"))
    if kind not in (*_TEXTS, *_PAID):
        raise NoEventError(Reason.IGNORED_KIND)
    # Never `snippet.liveChatId`: one video may have several, and they are too long.
    draft.room(at(body, "videoId", "snippet.videoId"))
    draft.at(at(body, "snippet.publishedAt"), at(body, "timestamp"))
    user_id = draft.user(at(body, "authorDetails.channelId", "snippet.authorChannelId", "author.channelId"))
    text = at(
        body,
        "snippet.textMessageDetails.messageText",
        "snippet.superChatDetails.userComment",
        "message",
        "snippet.displayMessage",
    )
    if kind in _PAID:
        draft.notes[Note.PAID_MESSAGE] += 1
    draft.comment(draft.message_id(at(body, "id"), kind, user_id, body), user_id, text_of(text))


def _video(message: Message, draft: Draft) -> None:
    """What the platform counts itself: no likes and no entries of anybody."""
    body = message.body
    draft.room(at(body, "id"))
    draft.at()
    viewers, likes = at(body, "liveStreamingDetails.concurrentViewers"), at(body, "statistics.likeCount")
    draft.whole_gauge(draft.made_id("video", "", [viewers, likes]), viewers_now=viewers, likes_total=likes)
