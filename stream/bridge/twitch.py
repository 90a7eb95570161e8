"""Twitch: lines of IRC and notifications of EventSub → events.

A bridge may hear both: a chat message has one id in both, and each delivery another. One event under two delivery ids
is reported, so the message's id is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.bridge.nodes import Node, at, id_text, text_of, whole
from stream.bridge.reasons import NoEventError, Reason

if TYPE_CHECKING:
    from stream.bridge.draft import Draft
    from stream.bridge.messages import Message

_ACTION, _ACTION_END = "\x01ACTION ", "\x01"
# They say again what the chat message with the bits says.
_SAID_TWICE = ("channel.cheer", "channel.bits.use")
BITS = "bits"


def twitch(message: Message, draft: Draft) -> None:
    """Make the events of one line or notification."""
    body = message.body
    line = text_of(at(body, "irc", "raw", "line"))
    if line:
        tags, text = _irc(line)
        _chat(tags, text, draft)
    elif isinstance(at(body, "tags"), dict):
        _chat(at(body, "tags"), text_of(at(body, "message", "text")), draft)
    else:
        _notified(message, draft)


def _irc(line: str) -> tuple[dict[str, str], str]:
    """Tags and text of a PRIVMSG. Raises NoEventError for any other line: JOIN and PART end above 1 000 people."""
    tags_text, rest = line.removeprefix("@").split(" ", 1) if line.startswith("@") and " " in line else ("", line)
    head, _, text = rest.rstrip("\r\n").partition(" :")
    if "PRIVMSG" not in head.split(" "):
        raise NoEventError(Reason.IGNORED_KIND)
    pairs = (pair.partition("=") for pair in tags_text.split(";"))
    return {name: value for name, _, value in pairs if value}, text


def _chat(tags: Node, text: str, draft: Draft) -> None:
    room, source = id_text(at(tags, "room-id")), id_text(at(tags, "source-room-id"))
    _said(
        draft,
        room=room,
        source=source,
        times=(at(tags, "tmi-sent-ts"),),
        message_id=at(tags, "id"),
        user=at(tags, "user-id"),
        text=text,
        bits=at(tags, "bits"),
        body=tags,
    )


def _notified(message: Message, draft: Draft) -> None:
    body = message.body
    inner = at(body, "payload")
    payload = inner if isinstance(inner, dict) else body
    kind = text_of(at(body, "metadata.subscriptionType") or at(payload, "subscription.type")) or message.headers.get(
        "twitch-eventsub-subscription-type", message.kind
    )
    event = at(payload, "event") or payload
    told = at(body, "metadata.messageTimestamp") or message.headers.get("twitch-eventsub-message-timestamp")
    if kind in _SAID_TWICE:
        raise NoEventError(Reason.SAID_TWICE)
    if kind == "channel.chat.message":
        _said(
            draft,
            room=id_text(at(event, "broadcasterUserId")),
            source=id_text(at(event, "sourceBroadcasterUserId")),
            times=(told,),
            message_id=at(event, "messageId"),
            user=at(event, "chatterUserId"),
            text=text_of(at(event, "message.text")),
            bits=at(event, "cheer.bits"),
            body=event,
        )
    elif kind == "channel.follow":
        draft.room(at(event, "broadcasterUserId"))
        draft.at(at(event, "followedAt"), told)
        user_id = draft.known_user(at(event, "userId"))
        draft.follow(draft.made_id("follow", user_id, at(event, "followedAt")), user_id)
    else:
        raise NoEventError(Reason.IGNORED_KIND)


def _said(
    draft: Draft,
    *,
    room: str | None,
    source: str | None,
    times: tuple[Node, ...],
    message_id: Node,
    user: Node,
    text: str,
    bits: Node,
    body: Node,
) -> None:
    """A chat message. One of a shared chat comes to every channel, and counts in the one that it was written in."""
    if source is not None and source != room:
        raise NoEventError(Reason.OTHER_ROOM)
    draft.room(room)
    draft.at(*times)
    user_id = draft.user(user)
    each_id = draft.message_id(message_id, "chat", user_id, body)
    if text.startswith(_ACTION):
        text = text.removeprefix(_ACTION).removesuffix(_ACTION_END)
    draft.comment(each_id, user_id, text)
    if whole(bits):
        draft.gift(each_id, user_id, BITS, whole(bits), 1)
