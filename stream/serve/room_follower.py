"""Redis → the known state of each room that is watched here or asked for once.

One subscription for the whole process carries the nudges of the watched rooms. One pipeline at a time fetches the
documents that are due: nudged (at most ten times a second a room), asked for, or not looked at for a second, because
nudges can be lost and keys can vanish in silence. Nothing is queued: a fetch always gets the newest document.

Away: a round trip failed twice. Redis counts as away until every watched room has been fetched anew: nothing old passes
for new when Redis comes back empty.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from typing import TYPE_CHECKING, Any

import structlog

from stream.contract.overlay import room_key
from stream.contract.sight import State, Unreadable
from stream.redis_clients import REDIS_ERRORS, RedisClient
from stream.serve.documents import NOTHING, Document, DocumentSight, read_document

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from stream.redis_address import RedisAddress
    from stream.serve.metrics import Metrics

log = structlog.get_logger(__name__)

PACE_S = 0.1
LOOK_EVERY_S = 1.0
BATCH_ROOMS = 100
AWAY_RETRY_S = 0.5
SUBSCRIBE_RETRY_S = 0.5
# A room without watchers is followed for a little longer: pages reload, connections break and come back.
LINGER_S = 10.0
# Our own nudge returns to us through Redis. Silence means that the subscription is dead, whatever TCP says.
PULSE_EVERY_S = 2.0
PULSE_SILENT_S = 6.0
# Bound on the requests that wait for a look at once. Further ones are refused.
MAX_ASKED = 5_000
# The same error is logged once in this time.
SAY_AGAIN_S = 60.0
MAX_SAID = 100


class RedisAwayError(Exception):
    """Redis does not answer: the state is unknown."""


class FollowedRoom:
    """A followed room.

    Attributes:
        room_id: the id of the room.
        sight: the last look; None before the first.
        unanswered: the last look failed while looks at other rooms did not: the known state is the earlier one.
        watchers: the number of streams that show the room.
        fetched_at: monotonic time of the last look.
        known: set once there is something to show, be it that Redis is away.
    """

    __slots__ = ("fetched_at", "known", "room_id", "sight", "unanswered", "unwatched_at", "watchers")

    def __init__(self, room_id: str) -> None:
        self.room_id = room_id
        self.sight: DocumentSight | None = None
        self.unanswered = False
        self.watchers = 0
        self.fetched_at = 0.0
        self.unwatched_at = 0.0
        self.known = asyncio.Event()


class RoomFollower:
    """Follows Redis. The coroutines of `work` must run for anything to happen.

    Args:
        address: the address of Redis, or a bare URL.
        prefix: the prefix of the keys.
        timeout_ms: the bound on one round trip.
        metrics: the metrics to count in.

    Attributes:
        redis: the client, for other readers of the process.
        away: whether Redis failed to answer the last time; None before the first time.
        rooms: the rooms that are followed now.
        on_news: called with a room whose state may have changed.
    """

    def __init__(self, address: RedisAddress | str, prefix: str, timeout_ms: int, metrics: Metrics) -> None:
        self._prefix = prefix
        self._metrics = metrics
        self.redis = RedisClient(address, timeout_ms=timeout_ms)
        self.away: bool | None = None
        self.rooms: dict[str, FollowedRoom] = {}
        self.on_news: Callable[[FollowedRoom], None] = lambda _room: None
        self._due: dict[str, float] = {}
        self._asked: dict[str, asyncio.Future[DocumentSight]] = {}
        self._work = asyncio.Event()
        self._nudges: Any = None
        self._pulse_channel = f"{prefix}:v1:serve:{uuid.uuid4().hex}"
        self._pulse_heard_at = 0.0
        self._channels: dict[bytes, str] = {}
        self._said: dict[str, float] = {}
        self._partly = False

    # -- for the rest of the server ------------------------------------------------------------------------------------

    def watch(self, room_id: str) -> FollowedRoom:
        """The room, followed until `unwatch`. Calls are counted."""
        room = self.rooms.get(room_id)
        if room is None:
            room = self.rooms[room_id] = FollowedRoom(room_id)
            self._channels[self._key(room_id, "rev").encode()] = room_id
            self._make_due(room_id, 0.0)
            if self.away:
                room.known.set()
        room.watchers += 1
        return room

    def unwatch(self, room: FollowedRoom) -> None:
        """Count one watcher less."""
        room.watchers -= 1
        room.unwatched_at = time.monotonic()

    def state(self, room: FollowedRoom, now_ms: int) -> State:
        """The state of a followed room now."""
        if self.away or room.sight is None or room.unanswered:
            return State.REDIS_AWAY
        return room.sight.state(now_ms)

    async def look(self, room_id: str) -> DocumentSight:
        """What Redis holds of a room now, from memory if it was fetched within the pace.

        Raises:
            RedisAwayError: the state is unknown.
        """
        if self.away:
            raise RedisAwayError
        room = self.rooms.get(room_id)
        if room is not None and room.sight is not None and time.monotonic() - room.fetched_at < PACE_S:
            return room.sight
        asked = self._asked.get(room_id)
        if asked is None:
            if len(self._asked) >= MAX_ASKED:
                raise RedisAwayError
            asked = self._asked[room_id] = asyncio.get_running_loop().create_future()
            self._work.set()
        # Several requests wait for the same look: one that gives up must not cancel it for the others.
        return await asyncio.shield(asked)

    def document(self, room: FollowedRoom) -> Document | None:
        """The last readable document of a followed room; None if there is none."""
        return room.sight.document if room.sight is not None else None

    # -- following -----------------------------------------------------------------------------------------------------

    def work(self) -> list[Coroutine[Any, Any, None]]:
        """The coroutines that run for as long as the process does."""
        return [self._run_nudges(), self._run_fetch(), self._run_looks()]

    async def close(self) -> None:
        """Cancel waiting requests and close the connections."""
        for asked in self._take_asked():
            asked.cancel()
        await self.redis.aclose()

    async def _run_looks(self) -> None:
        """Make rooms due that were not looked at for a second, and forget rooms without watchers."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S / 4)
            now_s = time.monotonic()
            for room in list(self.rooms.values()):
                if not room.watchers and now_s - room.unwatched_at > LINGER_S:
                    await self._forget(room)
                elif now_s - room.fetched_at >= LOOK_EVERY_S:
                    self._make_due(room.room_id, 0.0)

    async def _forget(self, room: FollowedRoom) -> None:
        channel = self._key(room.room_id, "rev")
        del self.rooms[room.room_id]
        self._due.pop(room.room_id, None)
        self._channels.pop(channel.encode(), None)
        if self._nudges is not None:
            with contextlib.suppress(*REDIS_ERRORS):  # the listening loop notices the error itself
                await self._nudges.unsubscribe(channel)

    def _make_due(self, room_id: str, at_s: float) -> None:
        self._due[room_id] = min(at_s, self._due.get(room_id, at_s))
        self._work.set()

    # -- nudges --------------------------------------------------------------------------------------------------------

    async def _run_nudges(self) -> None:
        while True:
            try:
                async with self.redis.subscription() as nudges:
                    await self._listen(nudges)
            except REDIS_ERRORS as error:
                self._say("subscribing again", error)
            finally:
                self._nudges = None
            await asyncio.sleep(SUBSCRIBE_RETRY_S)

    async def _listen(self, nudges: Any) -> None:
        generation = self.redis.generation
        await nudges.subscribe(self._pulse_channel)
        self._nudges = nudges  # from here on, the first fetch of a new room subscribes to it
        if channels := [channel.decode() for channel in self._channels]:
            await nudges.subscribe(*channels)
        for room_id in self.rooms:  # earlier nudges were not heard
            self._make_due(room_id, 0.0)
        pulse = self._pulse_channel.encode()
        heard_at = time.monotonic()
        while time.monotonic() - heard_at < PULSE_SILENT_S:
            if self.redis.generation != generation:
                return  # the subscription leads to a server that is no longer asked
            message = await nudges.get_message(timeout=PULSE_EVERY_S)
            if message is None:
                continue
            if message["channel"] == pulse:
                heard_at = time.monotonic()
            elif (nudged := self._channels.get(message["channel"])) is not None:
                self._metrics.nudges.inc()
                self._make_due(nudged, self.rooms[nudged].fetched_at + PACE_S)
        raise TimeoutError("our own nudges do not come back")

    async def _subscribe(self, room_ids: Iterable[str]) -> None:
        """Subscribe before the first look at a room: changes after the look are then heard."""
        new = [self._key(room_id, "rev") for room_id in room_ids]
        nudges = self._nudges
        if not new or nudges is None:
            return
        try:
            await nudges.subscribe(*new)
        except AttributeError:
            # `_run_nudges` has closed the connection meanwhile, which redis-py does not notice before it writes. Its
            # next subscription has all channels, and looks at all rooms.
            if nudges.connection is not None and nudges.connection.is_connected:
                raise

    # -- documents -----------------------------------------------------------------------------------------------------

    async def _run_fetch(self) -> None:
        pulse_at = 0.0
        while True:
            due = await self._wait_for_due()
            pulse = self.away is not False or time.monotonic() - pulse_at > PULSE_EVERY_S
            if pulse:
                pulse_at = time.monotonic()
            try:
                await self._fetch_all(due, pulse=pulse)
                await self.redis.check_role()
                if self._partly:
                    self._partly = False
                    await self.redis.refresh()
            except REDIS_ERRORS as error:
                self._went_away(error)
                await asyncio.sleep(AWAY_RETRY_S)
                await self.redis.renew()

    async def _wait_for_due(self) -> list[str]:
        """The rooms to fetch now; empty if nothing was due for a while."""
        if self.away is not False:
            return list(self.rooms)
        deadline_s = time.monotonic() + LOOK_EVERY_S
        while True:
            self._work.clear()
            now_s = time.monotonic()
            due = [room_id for room_id, at_s in self._due.items() if at_s <= now_s]
            if due or self._asked or now_s >= deadline_s:
                return due
            next_s = min([deadline_s, *self._due.values()])
            # Not wait_for: before Python 3.12 it may swallow a cancellation that comes together with work.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(next_s - now_s):
                    await self._work.wait()

    async def _fetch_all(self, due: list[str], *, pulse: bool) -> None:
        asked = list(self._asked)
        wanted = list(dict.fromkeys([*asked, *due]))
        await self._subscribe(room_id for room_id in due if (room := self.rooms.get(room_id)) and room.sight is None)
        if pulse:
            await self._twice(lambda: self.redis.publish(self._pulse_channel, b""))
        found: list[FollowedRoom] = []
        for start in range(0, len(wanted), BATCH_ROOMS):
            batch = wanted[start : start + BATCH_ROOMS]
            begun = time.monotonic()
            raws = await self._twice(lambda batch=batch: self._get(batch))  # type: ignore[misc]
            self._metrics.fetch_s.observe(time.monotonic() - begun)
            found += self._take(batch, raws, begun)
            if not self.away:
                self._tell(found)
                found = []
        if self.away is not False:
            self._came_back()
            # Rooms that came meanwhile have not been looked at: their state is unknown.
            found = [room for room in self.rooms.values() if room.sight is not None]
        self._tell(found)

    async def _twice(self, ask: Callable[[], Any]) -> Any:
        """The answer of `ask`, at the second try if need be: Redis is not away because an idle connection died."""
        try:
            return await ask()
        except REDIS_ERRORS:
            if self.away:
                raise
        return await ask()

    async def _get(self, room_ids: list[str]) -> list[Any]:
        # Single commands: in a cluster the keys lie in different slots.
        return await self.redis.batch([("GET", self._key(room_id, "overlay")) for room_id in room_ids])

    def _take(self, room_ids: list[str], raws: list[Any], begun_s: float) -> list[FollowedRoom]:
        """The rooms whose state changed by this fetch, which is noted."""
        if raws and all(isinstance(raw, Exception) for raw in raws) and not _is_wrong_type(raws[0]):
            raise raws[0]  # Redis itself refuses: it is loading, or permission is missing
        changed = []
        for room_id, raw in zip(room_ids, raws, strict=True):
            room = self.rooms.get(room_id)
            if isinstance(raw, Exception) and not _is_wrong_type(raw):
                if self._not_answered(room_id, raw, begun_s) and room is not None:
                    changed.append(room)
                continue
            sight = self._sight(room_id, raw, room)
            if (asked := self._asked.pop(room_id, None)) is not None and not asked.done():
                asked.set_result(sight)
            if room is None:
                continue
            self._due.pop(room_id, None)
            room.fetched_at = begun_s
            if room.sight is None or room.unanswered or sight is not room.sight:
                room.sight, room.unanswered = sight, False
                changed.append(room)
        return changed

    def _not_answered(self, room_id: str, error: BaseException, begun_s: float) -> bool:
        """Whether a followed room now lacks an answer. Notes that one server of several gave no answer for it."""
        self._partly = True
        self._say("a part of Redis gives no documents; readers of its rooms are told", error)
        if (asked := self._asked.pop(room_id, None)) is not None and not asked.done():
            asked.set_exception(RedisAwayError())
            asked.exception()
        if (room := self.rooms.get(room_id)) is None:
            return False
        self._due.pop(room_id, None)
        room.fetched_at = begun_s
        was, room.unanswered = room.unanswered, True
        return not was

    def _sight(self, room_id: str, raw: Any, room: FollowedRoom | None) -> DocumentSight:
        if raw is None:
            return NOTHING
        if isinstance(raw, Exception):
            return DocumentSight(Unreadable("something else than a string lies under the key"))
        held = None if room is None or room.sight is None else room.sight.found
        if room is not None and isinstance(held, Document) and held.raw == raw and room.sight is not None:
            return room.sight
        found = read_document(room_id, raw)
        if isinstance(found, Unreadable):
            self._metrics.unreadable.inc()
        return DocumentSight(found)

    def _tell(self, rooms: list[FollowedRoom]) -> None:
        for room in rooms:
            room.known.set()
            self.on_news(room)

    # -- away and back -------------------------------------------------------------------------------------------------

    def _went_away(self, error: BaseException) -> None:
        for asked in self._take_asked():
            if not asked.done():
                asked.set_exception(RedisAwayError())
                asked.exception()  # the requester may be gone: this marks the exception as seen
        self._say("Redis gives no documents; readers are told", error)
        if self.away is True:
            return
        self.away = True
        self._metrics.redis_up.set(0)
        self._tell(list(self.rooms.values()))

    def _came_back(self) -> None:
        if self.away:
            log.info("Redis gives documents")
        self.away = False
        self._metrics.redis_up.set(1)

    def _say(self, event: str, error: BaseException) -> None:
        """Log an error of Redis. Each wording is logged once in a while."""
        key = f"{event} {(words := self.redis.words(error))}"
        now_s = time.monotonic()
        if now_s - self._said.get(key, float("-inf")) >= SAY_AGAIN_S:
            if len(self._said) >= MAX_SAID:
                self._said.clear()
            self._said[key] = now_s
            log.warning(event, error=words)

    def _take_asked(self) -> list[asyncio.Future[DocumentSight]]:
        asked, self._asked = list(self._asked.values()), {}
        return asked

    def _key(self, room_id: str, what: str) -> str:
        return room_key(self._prefix, room_id, what)


def _is_wrong_type(error: BaseException) -> bool:
    return "WRONGTYPE" in str(error)
