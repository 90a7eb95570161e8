"""Douyin: messages of the web stream and of the official push → events.

Fields as of `DouyinLiveWebFetcher` c7be5dd, PyPI `douyin-live-chat` 1.0.4, and the page of the data push of 2024-09.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.bridge import webcast
from stream.bridge.displayed import shown_number
from stream.bridge.nodes import Node, at, id_text, is_true, text_of, whole
from stream.bridge.reasons import NoEventError, Reason

if TYPE_CHECKING:
    from stream.bridge.draft import Draft
    from stream.bridge.messages import Message

# Strangers are shown to those who have not logged in under one id: all of them would be one viewer.
MASKED = frozenset(("111111",))
# What the push values in fen, gifts are priced in coins: ten fen are a coin.
FEN_PER_COIN = 10


def douyin(message: Message, draft: Draft) -> None:
    """Make the events of one message."""
    body, pushed = message.body, message.headers.get("x-msg-type") or message.kind
    if pushed.startswith("live_"):
        _pushed(draft, message, pushed)
        return
    kind = webcast.kind_of(message.kind, body)
    if kind not in _KINDS:
        raise NoEventError(Reason.IGNORED_KIND)
    draft.room(at(body, *webcast.ROOM))
    draft.at(*(at(body, path) for path in (*webcast.TIMES, "eventTime")), _time_in_id(at(body, *webcast.MESSAGE_ID)))
    body = _unmasked(body)
    match _KINDS[kind]:
        case "comment":
            webcast.comment(draft, body)
        case "like":
            webcast.like(draft, body)
        case "member":
            webcast.member(draft, body, MASKED)
        case "gift":
            webcast.gift(draft, body, _gift_count(body))
        case "social":
            _social(draft, body, kind)
        case _:
            draft.gauge(
                webcast.event_id(draft, body, "roomuserseq", ""),
                viewers_now=shown_number(_counter(body, "total", "onlineUserForAnchor", "totalStr")),
                viewers_total=shown_number(_counter(body, "totalUser", "totalPvForAnchor")),
                popularity=shown_number(_counter(body, "popularity")),
            )


def _social(draft: Draft, body: Node, kind: str) -> None:
    """`action` 1 is a follow, 3 a share; where it is missing, as TikTok."""
    action = at(body, "action")
    shown = {1: "follow", 3: "share"}.get(whole(action), kind) if action is not None else kind
    if shown in ("follow", "share"):
        user_id = draft.user(at(body, *webcast.USER))
        each_id = webcast.event_id(draft, body, "social", user_id)
        (draft.follow if shown == "follow" else draft.share)(each_id, user_id)
    else:
        webcast.social(draft, body, kind)


def _unmasked(body: Node) -> Node:
    """The message with nobody in the place of a masked stranger."""
    if id_text(at(body, *webcast.USER)) not in MASKED or not isinstance(body.get("user"), dict):
        return body
    return body | {"user": {}, "userId": None, "masked": True}


def _gift_count(body: Node) -> int:
    """The count so far: `repeatCount`, else `totalCount`, else groups of a combo. A single gift is two messages."""
    count = whole(at(body, "repeatCount")) or whole(at(body, "totalCount"))
    return count or whole(at(body, "groupCount")) * max(whole(at(body, "comboCount")), 1)


def _counter(body: Node, *names: str) -> Node:
    """The first of these counters that can be read; text such as `12.3万` too."""
    for name in names:
        value = at(body, name)
        if shown_number(value) is not None:
            return value
    return None


def _time_in_id(value: Node) -> Node:
    """Seconds since 1970, the upper 32 bits of a message id of 19 digits."""
    name = id_text(value) or ""
    return int(name) >> 32 if name.isascii() and name.isdecimal() and len(name) == len("7300000000000000000") else None


def _pushed(draft: Draft, message: Message, kind: str) -> None:
    """The official push; each message of its array comes here by itself."""
    body = message.body
    if is_true(at(body, "test")):
        raise NoEventError(Reason.TEST)
    if kind not in ("live_comment", "live_like", "live_gift"):
        raise NoEventError(Reason.IGNORED_KIND)
    draft.room(message.headers.get("x-roomid") or at(body, "roomid", "roomId"))
    draft.at(at(body, "timestamp"))
    user_id = draft.user(at(body, "sec_openid", "sec_open_id"))
    each_id = draft.message_id(at(body, "msg_id"), kind, user_id, body)
    if kind == "live_comment":
        draft.comment(each_id, user_id, text_of(at(body, "content")))
    elif kind == "live_like":
        draft.like(each_id, user_id, whole(at(body, "like_num")))
    else:
        count, value_fen = whole(at(body, "gift_num")), whole(at(body, "gift_value"))
        gift_id = id_text(at(body, "sec_gift_id", "gift_id"))
        if gift_id is None:
            raise NoEventError(Reason.NO_ID)
        coins, rest = divmod(value_fen, FEN_PER_COIN)
        if rest:
            draft.gift(each_id, user_id, gift_id, count, None)
        else:
            draft.gift_worth(each_id, user_id, gift_id, count, coins)


_KINDS = {
    "chat": "comment",
    "like": "like",
    "member": "member",
    "gift": "gift",
    "social": "social",
    "roomuserseq": "counters",
}
