"""What TikTok's and Douyin's web streams have in common: chat, likes, entries, gifts, follows, shares, counters.

Three generations of field names are in the wild; each value has a list of the paths that lead to it. Python's libraries
leave out 0, "" and false, Node's write all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.bridge.nodes import Node, at, id_text, plain_kind, text_of, whole
from stream.bridge.reasons import NoEventError, Reason

if TYPE_CHECKING:
    from stream.bridge.draft import Draft

MESSAGE_ID = ("common.msgId", "msgId", "event.msgId")
ROOM = ("common.roomId", "roomId")
TIMES = ("common.createTime", "createTime", "event.createTime", "common.clientSendTime")
USER = ("user.id", "user.userId", "userId")
DISPLAYED = (
    *("common.displayText.key", "common.displayText.displayType", "displayType"),
    *("event.eventDetails.displayType", "common.displayText.defaultPattern"),
)
COINS = ("gift.diamondCount", "giftDetails.diamondCount", "diamondCount", "extendedGiftInfo.diamondCount")
GIFT = ("giftId", "gift.id", "giftDetails.giftId")
STREAK = ("groupId",)
# `member`: someone came in.
JOINED = 1


def kind_of(kind: str, body: Node) -> str:
    """The message's raw kind if it says one, else what the bridge called it.

    Python's library emits two events for one message, and a ShareEvent beside a comment: the raw kind is right.
    """
    raw = plain_kind(at(body, "common.method"))
    if raw == "chat" and kind in ("follow", "share"):
        raise NoEventError(Reason.SAID_TWICE)
    return raw or kind


def event_id(draft: Draft, body: Node, kind: str, user_id: str) -> str:
    """The event id: of the message id, in whichever way it is written."""
    return draft.message_id(at(body, *MESSAGE_ID), kind, user_id, body)


def comment(draft: Draft, body: Node) -> None:
    """A chat line → comment."""
    user_id = draft.user(at(body, *USER))
    draft.comment(event_id(draft, body, "chat", user_id), user_id, text_of(at(body, "content", "comment")))


def like(draft: Draft, body: Node) -> None:
    """A batch of taps → like; the room's total → gauge. The sum of batches is less: big rooms are sampled."""
    count, total = whole(at(body, "count", "likeCount")), at(body, "total", "totalLikeCount")
    user_id = draft.user(at(body, *USER))
    each_id = event_id(draft, body, "like", user_id)
    if count:
        draft.like(each_id, user_id, count)
    if whole(total) or not count:
        draft.whole_gauge(each_id, likes_total=total)


def member(draft: Draft, body: Node, masked: frozenset[str] = frozenset()) -> None:
    """Someone came in → enter; any other action of a member is ignored."""
    action = at(body, "action", "actionId")
    joined = action.upper().endswith("JOINED") if isinstance(action, str) and not action.isdecimal() else None
    if not (whole(action) == JOINED if joined is None else joined):
        raise NoEventError(Reason.IGNORED_KIND)
    person = at(body, *USER)
    if id_text(person) in masked:
        raise NoEventError(Reason.NO_USER)
    user_id = draft.known_user(person)
    draft.enter(event_id(draft, body, "member", user_id), user_id)


def gift(draft: Draft, body: Node, count: int) -> None:
    """A gift, or the count so far of a combo → gift. A `groupId` joins the messages of one combo."""
    gift_id = id_text(at(body, *GIFT))
    if gift_id is None:
        raise NoEventError(Reason.NO_ID)
    coins = at(body, *COINS)
    coins_each = draft.coins_each(gift_id, None if coins is None else whole(coins))
    user_id = draft.user(at(body, *USER))
    streak = id_text(at(body, *STREAK))
    if streak is None:
        draft.gift(event_id(draft, body, "gift", user_id), user_id, gift_id, max(count, 1), coins_each)
    else:
        draft.combo(user_id, gift_id, streak, max(count, 1), coins_each)


def social(draft: Draft, body: Node, kind: str) -> None:
    """A follow or a share, as the displayed text says, or else the kind."""
    if at(body, "content", "comment") is not None:
        raise NoEventError(Reason.SAID_TWICE)  # a comment that a library also emits as a share
    shown = text_of(at(body, *DISPLAYED)).lower() or kind
    user_id = draft.user(at(body, *USER))
    if "follow" in shown:
        draft.follow(event_id(draft, body, "social", user_id), user_id)
    elif "share" in shown:
        draft.share(event_id(draft, body, "social", user_id), user_id)
    else:
        raise NoEventError(Reason.IGNORED_KIND)
