"""Kuaishou: feeds of the web stream and messages of the official interactive live → events.

Fields as of OrdinaryRoad `live-chat-client` 40806cf and crates.io `kwai_interactive_live` 0.4.0. The official messages
have neither id nor time: one that is delivered again cannot be told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stream.bridge.displayed import shown_number
from stream.bridge.nodes import Node, at, id_text, items_of, text_of, whole
from stream.bridge.reasons import NoEventError, Reason

if TYPE_CHECKING:
    from stream.bridge.draft import Draft
    from stream.bridge.messages import Message

_FEEDS = {"commentFeeds": "comment", "likeFeeds": "like", "giftFeeds": "gift"}
_COUNTERS = ("displayLikeCount", "displayWatchingCount")
# Of the official messages.
_COMMANDS = {"2": "gift", "3": "comment", "7": "like", "9": "share", "10": "follow"}


def batches(message: Message) -> list[Message]:
    """The feeds of a push, each a message by itself, and its counters as one more."""
    body = message.body
    split = []
    for name, kind in _FEEDS.items():
        for feed in items_of(at(body, name)):
            inner = feed if isinstance(feed, dict) else {"feed": feed}
            split.append(msgspec.structs.replace(message, kind=kind, body=inner))
    if at(body, *_COUNTERS) is not None:
        split.append(msgspec.structs.replace(message, kind="counters"))
    return split or [message]


def kuaishou(message: Message, draft: Draft) -> None:
    """Make the events of one feed or message."""
    command = id_text(at(message.body, "cmd"))
    official = command is not None
    kind = _COMMANDS.get(command or "", "") if official else message.kind
    inner = at(message.body, "data")
    body = inner if isinstance(inner, dict) else message.body
    if kind not in (*_COMMANDS.values(), "counters"):
        raise NoEventError(Reason.IGNORED_KIND)
    draft.room(at(body, "roomCode", "roomId", "liveStreamId") or at(message.body, "roomCode", "roomId"))
    draft.at(at(body, "time"))
    if kind == "counters":
        draft.gauge(
            draft.made_id("counters", "", [at(body, name) for name in _COUNTERS]),
            likes_total=shown_number(at(body, "displayLikeCount")),
            viewers_now=shown_number(at(body, "displayWatchingCount")),
        )
        return
    user_id = draft.user(_person(at(body, "user")))
    each_id = draft.message_id(at(body, "id"), kind, user_id, body)
    match kind:
        case "comment":
            draft.comment(each_id, user_id, text_of(at(body, "content", "comment")))
        case "like":
            # A feed is one like: it has no count.
            draft.like(each_id, user_id, whole(at(body, "count")) if official else 1)
        case "share":
            draft.share(each_id, user_id)
        case "follow":
            draft.follow(each_id, user_id)
        case _:
            _gift(body, draft, each_id, user_id)


def _gift(body: Node, draft: Draft, each_id: str, user_id: str) -> None:
    gift_id = id_text(at(body, "giftId"))
    if gift_id is None:
        raise NoEventError(Reason.NO_ID)
    total = at(body, "giftTotalDou")
    streak = id_text(at(body, "mergeKey"))
    if total is not None:
        draft.gift_worth(each_id, user_id, gift_id, max(whole(at(body, "count")), 1), whole(total))
        return
    count = max(whole(at(body, "batchSize")), 1) * max(whole(at(body, "comboCount")), 1)
    if streak is None:
        draft.gift(each_id, user_id, gift_id, count, None)
    else:
        draft.combo(user_id, gift_id, streak, count, None)


def _person(user: Node) -> Node:
    return at(user, "principalId", "openId", "userId", "id") if isinstance(user, dict) else user
