"""The answers: one function for each address, and the table that maps them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec
from aiohttp import web
from prometheus_client.exposition import choose_encoder

from stream.contract.ids import is_id
from stream.contract.sight import Away, State, Unreadable
from stream.redis_clients import REDIS_ERRORS
from stream.serve.connection import ADDRESS
from stream.serve.cutter import cut_of, known_parts
from stream.serve.events import RETRY_MS, Stream, retry_frame
from stream.serve.history import NoHistoryError
from stream.serve.openapi import openapi_document
from stream.serve.pages import PAGES, StaticFiles, accepts_gzip, is_held, picture_hosts_file
from stream.serve.problems import Kind, ProblemError
from stream.serve.room_follower import RedisAwayError
from stream.serve.rooms import MAX_ROOMS, MAX_TRENDS, SORTS, RoomList, Sort, totals_of
from stream.serve.starter import starter_page
from stream.serve.tokens import ALL_ROOMS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from stream.serve.cut import Cut
    from stream.serve.cutter import Cutter
    from stream.serve.documents import Document
    from stream.serve.fanout import Fanout
    from stream.serve.heartbeats import Heartbeats
    from stream.serve.history import HistoryReader
    from stream.serve.limits import RateLimit, Slots
    from stream.serve.metrics import Metrics
    from stream.serve.room_follower import RoomFollower
    from stream.serve.rooms import RoomIndex
    from stream.serve.security import Access

MAX_QUERY_CHARS = 64
MAX_MS = (1 << 53) - 1
DEFAULT_ROOMS, MAX_LISTED_ROOMS = 100, 1_000
# The first look takes one round trip to Redis, and at worst two time-outs.
FIRST_LOOK_S = 3.0
RETRY_AFTER_S = 1.0
# For requests while streams are still coming back after a restart.
FULL_RETRY_AFTER_S = 5.0
# What an answer says of the workers, in its header `Snapup-Pipeline`.
PIPELINE = web.RequestKey("pipeline", str)


class Route(NamedTuple):
    """One address. `operation`: its name in the OpenAPI document; None: a page, which the document leaves out."""

    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    operation: str | None = None
    allow_head: bool = True


class Routes:
    """All addresses and what their answers are made of.

    Attributes:
        stopping: the process is about to end and takes no new streams.
    """

    def __init__(
        self,
        *,
        follower: RoomFollower,
        fanout: Fanout,
        cutter: Cutter,
        heartbeats: Heartbeats,
        rooms: RoomIndex,
        histories: HistoryReader,
        access: Access,
        streams: Slots,
        requests: RateLimit,
        metrics: Metrics,
        origin_of: Callable[[web.Request], str],
        picture_hosts: Sequence[str] = (),
    ) -> None:
        self._origin_of = origin_of
        self._follower = follower
        self._fanout = fanout
        self._heartbeats = heartbeats
        self._rooms = rooms
        self._histories = histories
        self._access = access
        self._streams = streams
        self._requests = requests
        self._metrics = metrics
        self._cutter = cutter
        self._parts = known_parts()
        self._static = StaticFiles(made=picture_hosts_file(picture_hosts))
        self._openapi = msgspec.json.encode(openapi_document())
        self.stopping = False

    def table(self) -> list[Route]:
        """Every address of the server."""
        return [
            Route("/v1/rooms", self.room_list, "listRooms"),
            Route("/v1/rooms/{room}", self.room, "getRoom"),
            Route("/v1/rooms/{room}/history", self.history, "getHistory"),
            # A HEAD of an endless answer has no meaning.
            Route("/v1/rooms/{room}/events", self.events, "streamRoom", allow_head=False),
            Route("/v1/time", self.time, "getTime"),
            Route("/openapi.json", self.openapi, "getOpenapi"),
            Route("/healthz", self.healthz, "getHealth"),
            Route("/readyz", self.readyz, "getReadiness"),
            Route("/metrics", self.metrics, "getMetrics"),
            *(Route(path, self.page) for path in PAGES),
            Route("/static/{name:.+}", self.static),
            Route("/starter/{room}.html", self.starter),
            Route("/", self.top),
        ]

    def table_for_operators(self) -> list[Route]:
        """The addresses on the operators' port. No reader can reach that port, so no token is needed."""
        return [
            Route("/healthz", self.healthz),
            Route("/readyz", self.readyz),
            Route("/metrics", self.figures),
        ]

    # -- rooms ---------------------------------------------------------------------------------------------------------

    async def room(self, request: web.Request) -> web.StreamResponse:
        """The document of a room, as Redis has it."""
        self._count(request)
        room_id = _room_id(request)
        self._access.check(request, room_id)
        cut = cut_of(request.query, self._parts)
        self._tell_pipeline(request)
        document = await self._document(room_id)
        state = State.STALE if _now_ms() > document.stale_after_ms else State.LIVE
        may_pack = accepts_gzip(request)
        headers = {
            # Compressed it is the same document in other bytes: a weak tag.
            "ETag": f'{"W/" if may_pack else ""}"{document.etag}"',
            "Cache-Control": "no-cache",
            "Snapup-State": state.value,
            "Vary": "Accept-Encoding",
        }
        if is_held(request, document.etag):
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        packed = self._cutter.packed(document, cut) if may_pack else None
        if packed is not None:
            headers["Content-Encoding"] = "gzip"
        body = self._cutter.body(document, cut) if packed is None else packed
        return web.Response(body=body, content_type="application/json", headers=headers)

    def _tell_pipeline(self, request: web.Request) -> None:
        """Have the answer say what is known of the workers, be the answer a document or a problem."""
        if self._follower.away is False and (pipeline := self._heartbeats.pipeline) is not None:
            request[PIPELINE] = msgspec.json.encode(pipeline).decode()

    async def _document(self, room_id: str) -> Document:
        try:
            async with asyncio.timeout(FIRST_LOOK_S):
                sight = await self._follower.look(room_id)
        except (RedisAwayError, TimeoutError):
            raise _redis_away() from None
        match sight.found:
            case None:
                raise ProblemError(Kind.ROOM_MISSING, "nobody publishes this room now", retry_after_s=RETRY_AFTER_S)
            case Unreadable(detail=detail):
                raise ProblemError(Kind.DOCUMENT_UNREADABLE, detail)
            case Away():
                raise _redis_away()
            case document:
                return document

    async def history(self, request: web.Request) -> web.StreamResponse:
        """The history of a room in one session, as Redis has it."""
        self._count(request)
        room_id = _room_id(request)
        self._access.check(request, room_id)
        session_ms = _whole_number(request, "session", -1, 0, MAX_MS)
        since_ms = _whole_number(request, "since_ms", -1, 0, MAX_MS)
        if self._follower.away:
            raise _redis_away()
        try:
            async with asyncio.timeout(FIRST_LOOK_S):
                found = await self._histories.read(
                    room_id, None if session_ms < 0 else session_ms, None if since_ms < 0 else since_ms
                )
        except NoHistoryError as error:
            raise ProblemError(Kind.HISTORY_MISSING, str(error), retry_after_s=RETRY_AFTER_S) from None
        except REDIS_ERRORS:
            raise _redis_away() from None
        if isinstance(found, Unreadable):
            raise ProblemError(Kind.DOCUMENT_UNREADABLE, found.detail)
        return _json(msgspec.json.encode(found))

    async def room_list(self, request: web.Request) -> web.StreamResponse:
        """Rooms that match a search, by default the most watched first."""
        self._count(request)
        grant = self._access.grant(request)
        query = request.query.get("q", "")
        if len(query) > MAX_QUERY_CHARS:
            raise _bad_parameter("q", f"at most {MAX_QUERY_CHARS} characters")
        sort = request.query.get("sort", SORTS[0])
        if sort not in SORTS:
            raise _bad_parameter("sort", f"one of {', '.join(SORTS)}")
        limit = _whole_number(request, "limit", DEFAULT_ROOMS, 1, MAX_LISTED_ROOMS)
        offset = _whole_number(request, "offset", 0, 0, MAX_ROOMS)
        with_trend = _whole_number(request, "trend", 0, 0, 1) == 1
        if with_trend and limit > MAX_TRENDS:
            raise _bad_parameter("limit", f"at most {MAX_TRENDS} with trend=1")
        try:
            if grant is None or grant.allows(ALL_ROOMS):
                found = await self._rooms.search(query, limit, cast("Sort", sort), offset)
            else:
                found = await self._only(grant.room, query, limit, offset)
            if with_trend:
                found = await self._rooms.with_trends(found)
        except (RedisAwayError, TimeoutError):
            raise _redis_away() from None
        return _json(msgspec.json.encode(found))

    async def _only(self, room_id: str, query: str, limit: int, offset: int) -> RoomList:
        """The list for a token that opens one room: this room, if it fits, and no word of any other."""
        async with asyncio.timeout(FIRST_LOOK_S):
            sight = await self._follower.look(room_id)
        now_ms = _now_ms()
        if isinstance(sight.found, Away):
            raise RedisAwayError
        rooms = [] if sight.found is None or isinstance(sight.found, Unreadable) else [sight.found.summary(now_ms)]
        fits = [room for room in rooms if query.casefold() in room_id.casefold()]
        shown = fits[offset : offset + limit]
        return RoomList(shown, len(fits), now_ms, True, offset, totals_of(fits, now_ms), only_room=room_id)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """The event stream of a room, until the reader leaves or is dropped."""
        self._count(request)
        room_id = _room_id(request)
        claims = self._access.check(request, room_id)
        cut = cut_of(request.query, self._parts)
        address = request[ADDRESS]
        self._require_slot(address)
        if not self._fanout.takes(self._follower.rooms.get(room_id), cut):
            raise ProblemError(Kind.FULL, "too many subjects of this room", retry_after_s=FULL_RETRY_AFTER_S)
        self._streams.take(address)
        try:
            return await self._stream(request, room_id, cut, None if claims is None else float(claims.exp))
        finally:
            self._streams.give_back(address)

    def _require_slot(self, address: str) -> None:
        if self.stopping:
            raise ProblemError(Kind.STOPPING, "connect again", retry_after_s=RETRY_AFTER_S)
        if self._streams.is_full():
            self._metrics.refused["total_streams"].inc()
            raise ProblemError(Kind.FULL, "all streams are taken", retry_after_s=FULL_RETRY_AFTER_S)
        if self._streams.is_full_for(address):
            self._metrics.refused["address_streams"].inc()
            most = self._streams.per_address
            raise ProblemError(
                Kind.TOO_MANY_STREAMS, f"at most {most} from one address", retry_after_s=FULL_RETRY_AFTER_S
            )

    async def _stream(
        self, request: web.Request, room_id: str, cut: Cut, expires_s: float | None
    ) -> web.StreamResponse:
        is_packed = accepts_gzip(request)
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",  # else nginx would buffer the stream
                "Vary": "Accept-Encoding",
                **({"Content-Encoding": "gzip"} if is_packed else {}),
            }
        )
        await response.prepare(request)
        transport = request.transport
        if transport is None:  # the reader has already left
            return response
        room = self._follower.watch(room_id)
        stream = Stream(
            transport,
            room,
            chunked=response.headers.get("Transfer-Encoding") == "chunked",
            expires_s=expires_s,
            cut=cut,
            packed=is_packed,
        )
        try:
            stream.write(retry_frame(RETRY_MS), time.monotonic())
            # Not wait_for: before Python 3.12 it may swallow the cancellation of a reader that left.
            with contextlib.suppress(TimeoutError):  # the reader is then told that the state is unknown
                async with asyncio.timeout(FIRST_LOOK_S):
                    await room.known.wait()
            if not self.stopping:
                self._fanout.open(stream, request.headers.get("Last-Event-ID", ""))
                await stream.done.wait()
            stream.end()
        finally:
            self._fanout.close(stream)
            self._follower.unwatch(room)
        return response

    def _count(self, request: web.Request) -> None:
        """Count the request against its address.

        Raises:
            ProblemError: the address has sent too many.
        """
        wait_s = self._requests.wait_s(request[ADDRESS], time.monotonic())
        if wait_s:
            self._metrics.refused["address_requests"].inc()
            raise ProblemError(Kind.TOO_MANY_REQUESTS, "slow down", retry_after_s=wait_s)

    # -- small ones ----------------------------------------------------------------------------------------------------

    async def time(self, request: web.Request) -> web.StreamResponse:
        """This server's clock."""
        self._count(request)
        return _json(b'{"now_ms":%d}' % _now_ms())

    async def openapi(self, request: web.Request) -> web.StreamResponse:
        """The OpenAPI document."""
        self._count(request)
        return web.Response(
            body=self._openapi, content_type="application/json", headers={"Cache-Control": "max-age=300"}
        )

    async def healthz(self, _request: web.Request) -> web.StreamResponse:
        """200 while the event loop answers."""
        return _json(b'{"alive":true,"problems":[]}')

    async def readyz(self, _request: web.Request) -> web.StreamResponse:
        """200 while this replica can serve readers; else 503 with what is missing."""
        missing = []
        if self.stopping:
            missing.append("stopping")
        if self._follower.away is not False:
            missing.append("Redis gives no documents")
        body = msgspec.json.encode({"ready": not missing, "missing": missing})
        return _json(body, HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK)

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """Figures for Prometheus. If tokens are in use, one for all rooms is needed."""
        self._access.check(request)
        return await self.figures(request)

    async def figures(self, request: web.Request) -> web.StreamResponse:
        """Figures for Prometheus, without a token."""
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._metrics.registry), headers={"Content-Type": content_type})

    # -- pages ---------------------------------------------------------------------------------------------------------

    async def page(self, request: web.Request) -> web.StreamResponse:
        """An HTML page."""
        resource: Any = request.match_info.route.resource
        return await self._static.answer(request, PAGES[resource.canonical])

    async def static(self, request: web.Request) -> web.StreamResponse:
        """A file that a page loads."""
        return await self._static.answer(request, request.match_info["name"])

    async def starter(self, request: web.Request) -> web.StreamResponse:
        """A file to save: the widget of docs/overlays.md for this server, a room, and the token of the query."""
        room_id = _room_id(request)
        try:
            page = starter_page(self._origin_of(request), room_id, request.query.get("token", ""))
        except ValueError as error:
            raise _bad_parameter("token" if "token" in str(error) else "Host", str(error)) from None
        return web.Response(
            text=page,
            content_type="text/html",
            charset="utf-8",
            # A colon has no place in a file's name.
            headers={
                "Content-Disposition": f'attachment; filename="{room_id.replace(":", "-")}.html"',
                "Cache-Control": "no-store",
            },
        )

    async def top(self, _request: web.Request) -> web.StreamResponse:
        """A redirect to the list of rooms."""
        return web.Response(status=HTTPStatus.FOUND, headers={"Location": "/console"})


def _room_id(request: web.Request) -> str:
    room_id = request.match_info["room"]
    if not _is_id(room_id):
        raise ProblemError(Kind.BAD_ROOM_ID, "1 to 64 letters, digits and . _ : - are a room id", parameter="room")
    return room_id


def _is_id(text: str) -> bool:
    return text.isascii() and is_id(text)


def _whole_number(request: web.Request, name: str, default: int, least: int, most: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most):
        raise _bad_parameter(name, f"a whole number from {least} to {most}")
    return int(text)


def _bad_parameter(name: str, allowed: str) -> ProblemError:
    return ProblemError(Kind.BAD_PARAMETER, f"{name}: {allowed}", parameter=name)


def _redis_away() -> ProblemError:
    return ProblemError(Kind.REDIS_AWAY, "what this server knows may be old", retry_after_s=RETRY_AFTER_S)


def _json(body: bytes, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    return web.Response(
        body=body, status=status, content_type="application/json", headers={"Cache-Control": "no-store"}
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
