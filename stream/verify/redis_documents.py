"""The documents in Redis, as a reader finds them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from redis.exceptions import NoScriptError

from stream.contract.events import TOPIC_NAMES
from stream.contract.overlay import room_key
from stream.contract.reading import read_overlay
from stream.contract.sections import NO_SECTIONS
from stream.errors import SnapupError
from stream.redis_clients import REDIS_ERRORS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from stream.contract.overlay import Overlay
    from stream.contract.sections import Sections
    from stream.redis_clients import RedisClient

# Document and version of one moment.
LOOK = "return {redis.call('GET', KEYS[1]), redis.call('HGET', KEYS[2], 'p')}"
LOOK_SHA = hashlib.sha1(LOOK.encode(), usedforsecurity=False).hexdigest()


class UnreadableError(Exception):
    """The bytes are no overlay document of this room. `expected` and `found` say what differs."""

    def __init__(self, name: str, expected: str, found: str) -> None:
        super().__init__(f"{name}: expected {expected}, found {found}")
        self.name = name
        self.expected = expected
        self.found = found


def read_document(room_id: str, document: bytes, sections: Sections = NO_SECTIONS) -> Overlay:
    """The document of a room, with the named sections of mechanics.

    Raises:
        UnreadableError: the bytes are no document, or one of another room.
    """
    try:
        overlay = read_overlay(document, sections)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError("document", "an overlay document", str(error)) from None
    if overlay.room_id != room_id:
        raise UnreadableError("document's room_id", room_id, overlay.room_id)
    return overlay


class Found(NamedTuple):
    """What Redis holds for a room, at one moment.

    `positions`: the offset of each topic up to which the document was made, in the contract's order; missing ones at
    the end are 0. None: Redis does not tell them.
    """

    document: bytes | None
    positions: tuple[int, ...] | None


def _positions(text: bytes | None) -> tuple[int, ...] | None:
    try:
        found = tuple(int(part) for part in text.split(b",")) if text else ()
    except ValueError:
        return None
    # Topics at the end of the order are left out while none of their records was folded.
    return (*found, *[0] * (len(TOPIC_NAMES) - len(found)))[: len(TOPIC_NAMES)] if found else None


class RedisDocuments:
    """Reads documents. Every failure of Redis is a `SnapupError`."""

    def __init__(self, redis: RedisClient, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix

    async def documents(self, rooms: Sequence[str]) -> list[Found]:
        """The present documents of these rooms, each with the offsets of its making."""

        async def ask() -> list[Found]:
            await self._redis.check_role()
            # Single commands: in a cluster the keys lie in different slots.
            commands = [
                ("EVALSHA", LOOK_SHA, 2, *(room_key(self._prefix, room, what) for what in ("overlay", "version")))
                for room in rooms
            ]
            answers = await self._redis.batch(commands)
            if any(isinstance(answer, NoScriptError) for answer in answers):
                await self._redis.load_script(LOOK)
                answers = await self._redis.batch(commands)
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
            return [Found(document, _positions(positions)) for document, positions in answers]

        return list(await self._asked(ask))

    async def rooms(self) -> set[str]:
        """The rooms that have a document now."""
        begin, end = f"{self._prefix}:v1:{{room:", "}:overlay"

        async def scan() -> set[str]:
            pages = self._redis.scan(f"{begin}*{end}", 1_000)
            return {_text(key).removeprefix(begin).removesuffix(end) async for keys in pages for key in keys}

        return set(await self._asked(scan))

    async def _asked(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await ask()
        except REDIS_ERRORS:  # an open connection may lead to a server that is gone: try a new one
            await self._redis.renew()
        try:
            return await ask()
        except REDIS_ERRORS as error:
            await self._redis.renew()
            raise SnapupError(self._redis.sentence(error)) from None


def _text(key: Any) -> str:
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)
