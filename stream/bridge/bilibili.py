"""bilibili: commands of the web stream and of the open platform → events.

Fields as of blivedm 1.1.7 (from its repository), PyPI `bilibili-api-python` 17.4.2, and the open platform.
Coins are gold seeds, thousandths of a yuan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stream.bridge.nodes import Node, at, id_text, is_true, items_of, text_of, whole
from stream.bridge.reasons import NoEventError, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.bridge.draft import Draft
    from stream.bridge.messages import Message

COINS_PER_YUAN = 1000
_OPEN = "LIVE_OPEN_PLATFORM_"
_ENTERS, _FOLLOWS, _SHARES = 1, 2, 3
# The same entry, gift or purchase is said by another command, which counts.
_SAID_TWICE = ("ENTRY_EFFECT", "COMBO_SEND", "USER_TOAST_MSG", "USER_TOAST_MSG_V2", "SUPER_CHAT_MESSAGE_JPN")


def batches(message: Message) -> list[Message]:
    """The gifts of a batch, each a message by itself."""
    gifts = items_of(at(message.body, "data.gift_list"))
    if _command(message) != "SEND_GIFT_V2" or not gifts:
        return [message]
    data = message.body["data"]
    shared = {name: value for name, value in data.items() if name != "gift_list"}
    inner = [shared | gift if isinstance(gift, dict) else shared for gift in gifts]
    return [msgspec.structs.replace(message, body=message.body | {"data": each}) for each in inner]


def bilibili(message: Message, draft: Draft) -> None:
    """Make the events of one command."""
    command, body = _command(message), message.body
    if command.endswith("_MIRROR"):
        raise NoEventError(Reason.OTHER_ROOM)
    if command in _SAID_TWICE:
        raise NoEventError(Reason.SAID_TWICE)
    make = _COMMANDS.get(command)
    if make is None:
        raise NoEventError(Reason.IGNORED_KIND)
    data = body if command == "DANMU_MSG" else at(body, "data") or body
    draft.room(at(data, "room_id", "roomid") or at(body, "room_id", "roomid"))
    make(data, draft)


def _command(message: Message) -> str:
    """The command without what some bear behind a colon."""
    said = text_of(message.body.get("cmd")).partition(":")[0] or message.kind.upper()
    return f"{said}MESSAGE" if said.endswith("_") else said  # what `plain_kind` takes off


def _danmu(body: Node, draft: Draft) -> None:
    """Who is not logged in sees user 0 for all: the sender's hash tells them apart."""
    info = at(body, "info")
    draft.at(at(info, "0.4"))
    name, crc = id_text(at(info, "2.0")), id_text(at(info, "0.7"))
    user_id = draft.id("crc", crc) if name is None and crc is not None else draft.user(name)
    each_id = draft.message_id(_extra(at(info, "0.15.extra")), "DANMU_MSG", user_id, info)
    draft.comment(each_id, user_id, text_of(at(info, "1")))


def _extra(text: Node) -> Node:
    """The message's id, in JSON within a text."""
    try:
        return at(msgspec.json.decode(text_of(text)), "id_str")
    except (ValueError, RecursionError):
        return None


def _interact(data: Node, draft: Draft) -> None:
    what = whole(at(data, "msg_type"))
    if what not in (_ENTERS, _FOLLOWS, _SHARES):
        raise NoEventError(Reason.IGNORED_KIND)
    draft.at(at(data, "timestamp"))
    user_id = draft.known_user(at(data, "uid"))
    each_id = draft.made_id("INTERACT_WORD", user_id, what)
    {_ENTERS: draft.enter, _FOLLOWS: draft.follow, _SHARES: draft.share}[what](each_id, user_id)


def _click(data: Node, draft: Draft) -> None:
    """A click has no count; the room's total is another command."""
    draft.at(at(data, "timestamp"))
    user_id = draft.user(at(data, "uid"))
    draft.like(draft.made_id("LIKE_INFO_V3_CLICK", user_id, data), user_id, 1)


def _like_total(data: Node, draft: Draft) -> None:
    draft.at(at(data, "timestamp"))
    draft.whole_gauge(draft.made_id("LIKE_INFO_V3_UPDATE", "", data), likes_total=at(data, "click_count"))


def _watched(data: Node, draft: Draft) -> None:
    draft.at(at(data, "timestamp"))
    draft.whole_gauge(draft.made_id("WATCHED_CHANGE", "", data), viewers_total=at(data, "num"))


def _send_gift(data: Node, draft: Draft) -> None:
    """`total_coin` is what was paid; `price` is what came out of a blind box, or before a discount."""
    draft.at(at(data, "timestamp"))
    user_id = draft.user(at(data, "uid", "sender_uinfo.uid"))
    each_id = draft.message_id(at(data, "tid"), "SEND_GIFT", user_id, data)
    paid = whole(at(data, "total_coin")) if at(data, "coin_type") == "gold" else 0
    draft.gift_worth(each_id, user_id, _gift_id(data), whole(at(data, "num")), paid)


def _guard(data: Node, draft: Draft) -> None:
    draft.at(at(data, "timestamp"), at(data, "start_time"))
    user_id = draft.user(at(data, "uid", "user_info.open_id", "open_id"))
    each_id = draft.message_id(at(data, "msg_id"), "GUARD_BUY", user_id, data)
    count = max(whole(at(data, "num", "guard_num")), 1)
    level = id_text(at(data, "guard_level")) or "0"
    draft.gift_worth(each_id, user_id, f"guard-{level}", count, whole(at(data, "price")) * count)


def _super_chat(data: Node, draft: Draft) -> None:
    """`price` and `rmb` are yuan here, a thousand times the coins of gifts."""
    draft.at(at(data, "timestamp", "ts"), at(data, "start_time"))
    user_id = draft.user(at(data, "open_id", "uid"))
    each_id = draft.message_id(at(data, "msg_id", "id", "message_id"), "SUPER_CHAT_MESSAGE", user_id, data)
    draft.gift_worth(each_id, user_id, "super_chat", 1, whole(at(data, "rmb", "price")) * COINS_PER_YUAN)
    if text_of(at(data, "message")):
        draft.comment(each_id, user_id, text_of(at(data, "message")))


def _open(make: Callable[[Node, Draft, str, str], None]) -> Callable[[Node, Draft], None]:
    """What all messages of the open platform share: a UUID, a pseudonym of each app, seconds."""

    def made(data: Node, draft: Draft) -> None:
        draft.at(at(data, "timestamp"))
        user_id = draft.user(at(data, "open_id"))
        make(data, draft, draft.message_id(at(data, "msg_id"), "open", user_id, data), user_id)

    return made


def _open_danmu(data: Node, draft: Draft, each_id: str, user_id: str) -> None:
    draft.comment(each_id, user_id, text_of(at(data, "msg")))


def _open_like(data: Node, draft: Draft, each_id: str, user_id: str) -> None:
    draft.like(each_id, user_id, whole(at(data, "like_count")))


def _open_enter(data: Node, draft: Draft, each_id: str, user_id: str) -> None:  # noqa: ARG001 — as the others
    draft.enter(each_id, user_id)


def _open_gift(data: Node, draft: Draft, each_id: str, user_id: str) -> None:
    count = whole(at(data, "gift_num"))
    paid = whole(at(data, "r_price")) * count if is_true(at(data, "paid")) else 0
    draft.gift_worth(each_id, user_id, _gift_id(data), count, paid)


def _gift_id(data: Node) -> str:
    gift_id = id_text(at(data, "giftId", "gift_id"))
    if gift_id is None:
        raise NoEventError(Reason.NO_ID)
    return gift_id


_COMMANDS: dict[str, Callable[[Node, Draft], None]] = {
    "DANMU_MSG": _danmu,
    "INTERACT_WORD": _interact,
    "INTERACT_WORD_V2": _interact,
    "LIKE_INFO_V3_CLICK": _click,
    "LIKE_INFO_V3_UPDATE": _like_total,
    "WATCHED_CHANGE": _watched,
    "SEND_GIFT": _send_gift,
    "SEND_GIFT_V2": _send_gift,
    "GUARD_BUY": _guard,
    "SUPER_CHAT_MESSAGE": _super_chat,
    f"{_OPEN}DM": _open(_open_danmu),
    f"{_OPEN}LIKE": _open(_open_like),
    f"{_OPEN}LIVE_ROOM_ENTER": _open(_open_enter),
    f"{_OPEN}SEND_GIFT": _open(_open_gift),
    f"{_OPEN}GUARD": _guard,
    f"{_OPEN}SUPER_CHAT": _super_chat,
}
