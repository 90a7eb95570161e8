"""Writes douyin.ndjson: an invented room as PyPI `douyin-live-chat` 1.0.4 decodes it (`message.to_dict()`).

Run by hand where the library is, in an environment of its own: `pip install douyin-live-chat==1.0.4`, then
`python make_douyin.py > douyin.ndjson`. Each message is made, encoded as protobuf and read by the library.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

ROOM = 7_300_000_000_000_000_009
# The upper 32 bits of a message id are seconds since 1970.
FIRST_S = 1_790_000_000


def common(method: str, number: int, **more: Any) -> dict[str, Any]:
    """What all messages have. Douyin's web stream leaves `create_time` at 0 in most of them."""
    return {"method": f"Webcast{method}", "msg_id": (FIRST_S + number << 32) + number, "room_id": ROOM, **more}


def person(number: int) -> dict[str, Any]:
    """Somebody invented; 0 is a stranger as those see them who are not logged in."""
    return {"id": 92_000_000_000 + number if number else 111_111, "nick_name": f"观众{number}"}


ROSE = {"id": 463, "combo": True, "diamond_count": 1}
SHIP = {"id": 2_000, "diamond_count": 66}
MESSAGES: list[tuple[str, dict[str, Any]]] = [
    ("MemberMessage", {"user": person(1), "member_count": 900, "action": 1}),
    ("MemberMessage", {"user": person(0), "member_count": 901, "action": 1}),
    ("ChatMessage", {"user": person(1), "content": "多少钱？", "event_time": FIRST_S + 3}),
    ("ChatMessage", {"user": person(0), "content": "在吗"}),
    ("LikeMessage", {"user": person(2), "count": 9, "total": 40_000}),
    (
        "GiftMessage",
        {"user": person(1), "gift": ROSE, "gift_id": 463, "group_id": 71, "repeat_count": 1, "combo_count": 1},
    ),
    (
        "GiftMessage",
        {"user": person(1), "gift": ROSE, "gift_id": 463, "group_id": 71, "repeat_count": 3, "combo_count": 3},
    ),
    # A single gift is two messages with two ids.
    ("GiftMessage", {"user": person(2), "gift": SHIP, "gift_id": 2_000, "group_id": 72, "repeat_count": 1}),
    (
        "GiftMessage",
        {"user": person(2), "gift": SHIP, "gift_id": 2_000, "group_id": 72, "repeat_count": 1, "repeat_end": 1},
    ),
    # 66 at once.
    (
        "GiftMessage",
        {"user": person(2), "gift": ROSE, "gift_id": 463, "group_id": 73, "group_count": 66, "combo_count": 1},
    ),
    ("SocialMessage", {"user": person(2), "action": 1, "follow_count": 12}),
    ("SocialMessage", {"user": person(1), "action": 3}),
    ("RoomUserSeqMessage", {"total": 812, "total_pv_for_anchor": "12.3万", "online_user_for_anchor": "812"}),
    ("ProductChangeMessage", {}),
]


def camel(name: str) -> str:
    """`msg_id` → `msgId`."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def in_camel(value: Any) -> Any:
    """The value with its names in camel case."""
    return {camel(name): in_camel(inner) for name, inner in value.items()} if isinstance(value, dict) else value


def main() -> None:
    """Write each message under its raw name."""
    protobuf: Any = importlib.import_module("douyin_live_chat.protobuf.douyin")
    for number, (method, fields) in enumerate(MESSAGES, 1):
        kind = getattr(protobuf, method)
        said = in_camel({"common": common(method, number), **fields})
        line = {"kind": f"Webcast{method}", **kind().parse(bytes(kind().from_dict(said))).to_dict()}
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
