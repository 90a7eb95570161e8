"""The answers of the gateway. `events` is the one that matters: read, judge each, hand over, wait for Kafka's word."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client.exposition import choose_encoder

from stream.contract.ids import is_id
from stream.ingest.bodies import codec_of, format_of, items_of, too_large, unpacked
from stream.ingest.budget import FullError, Lease
from stream.ingest.intake import ROOM_NOT_ALLOWED, TYPE_NOT_ALLOWED, Accepted, Refusal
from stream.ingest.keys import ANYBODY
from stream.ingest.openapi import Answer, Rejection, openapi_document
from stream.ingest.problems import AWAY_RETRY_S, STOPPING_RETRY_S, Kind, full
from stream.ingest.publisher import AwayError
from stream.serve.openapi import Health, Readiness
from stream.serve.problems import CONTENT_TYPE, ProblemError
from stream.serve.security import LOOPBACK_NAMES

if TYPE_CHECKING:
    from stream.contract.catalogue import Catalogue
    from stream.ingest.budget import Budget
    from stream.ingest.intake import Intake
    from stream.ingest.keys import Key, Keyring
    from stream.ingest.metrics import Metrics
    from stream.ingest.publisher import Publisher
    from stream.ingest.quota import Quotas
    from stream.settings import Settings

# Between two looks at other requests: this many events take a few milliseconds.
EVENTS_AT_ONCE = 200
REQUEST_ID = web.RequestKey("request_id", str)
PLATFORM = web.RequestKey("platform", str)
TALLY = web.RequestKey("tally", tuple)


class Routes:
    """All addresses and what their answers are made of.

    Attributes:
        stopping: the process is about to end and takes no new requests.
    """

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        *,
        keyring: Keyring | None,
        quotas: Quotas,
        intake: Intake,
        publisher: Publisher,
        budget: Budget,
        metrics: Metrics,
    ) -> None:
        self._body_max_bytes = settings.ingest_body_max_bytes
        self._items_max = settings.ingest_events_max
        self._body_timeout_s = settings.ingest_body_timeout_ms / 1000
        self._keyring = keyring
        self._quotas = quotas
        self._intake = intake
        self._publisher = publisher
        self._budget = budget
        self._metrics = metrics
        self._openapi = msgspec.json.encode(
            openapi_document(catalogue, self._body_max_bytes, self._items_max, with_keys=keyring is not None)
        )
        self.stopping = False

    def add_to(self, app: web.Application) -> None:
        """Put the addresses for everybody into the application."""
        app.router.add_post("/v1/events", self.events)
        app.router.add_get("/v1/openapi.json", self.openapi)
        app.router.add_get("/healthz", self.healthz)
        app.router.add_get("/readyz", self.readyz)

    def add_operators_to(self, app: web.Application) -> None:
        """Put the addresses for operators into the application on the metrics port."""
        app.router.add_get("/healthz", self.healthz)
        app.router.add_get("/readyz", self.readyz)
        app.router.add_get("/metrics", self.figures)

    # -- events --------------------------------------------------------------------------------------------------------

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Take a body of events; the answer says what became of each."""
        key = self._key_of(request)
        form = format_of(request.headers.get(hdrs.CONTENT_TYPE, ""))
        codec = codec_of(request.headers.get(hdrs.CONTENT_ENCODING, ""))
        self._check_ready(key)
        lease = Lease(self._budget)
        handed_over = False
        try:
            body = await self._body(request, lease)
            try:
                plain = unpacked(body, codec, self._body_max_bytes)
                # Until Kafka has them: the events themselves, and the producer's copy of them.
                lease.hold(2 * len(plain))
            except FullError:
                self._metrics.refused["full"].inc()
                raise full() from None
            del body
            items = items_of(plain, form, self._items_max)
            del plain
            self._charge(key, len(items))
            accepted, refusals = await self._judge(items, key, are_cloudevents=form.are_cloudevents)
            request[TALLY] = (len(accepted), len(refusals))
            if accepted:
                handed_over = True
                await self._hand_over(accepted, key, lease)
        finally:
            if not handed_over:
                lease.release()
        self._count(key, len(accepted), refusals)
        return _answer(len(accepted), refusals)

    def _key_of(self, request: web.Request) -> Key:
        """What the sender may send.

        Raises:
            ProblemError: there is no key, or it does not hold; without a file of keys, the host is a foreign one.
        """
        if self._keyring is None:
            # A page of another site, whose name was made to lead here, must not write.
            name = re.sub(r":\d*\Z", "", request.headers.get(hdrs.HOST, "localhost")).lower()
            if name not in LOOPBACK_NAMES:
                raise ProblemError(
                    Kind.FOREIGN_HOST, "without keys this gateway answers to localhost and 127.0.0.1 only"
                )
            request[PLATFORM] = ANYBODY.name
            return ANYBODY
        scheme, _, presented = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if scheme.lower() != "bearer" or not presented.strip():
            raise ProblemError(Kind.KEY_MISSING, "send `Authorization: Bearer …`; `snapup ingest-key` makes a key")
        key = self._keyring.find(presented.strip())
        if key is None:
            raise ProblemError(Kind.KEY_REFUSED, "no such key, or no longer")
        request[PLATFORM] = key.name
        return key

    def _check_ready(self, key: Key) -> None:
        """Turn a request away before its body is read, when that would be in vain."""
        if self.stopping:
            self._metrics.refused["stopping"].inc()
            raise ProblemError(Kind.STOPPING, "another replica may take the same body", retry_after_s=STOPPING_RETRY_S)
        if self._publisher.is_away():
            raise self._away()
        self._check_quota(key)

    def _away(self) -> ProblemError:
        self._metrics.refused["kafka_away"].inc()
        return ProblemError(
            Kind.KAFKA_AWAY,
            "not all events were acknowledged: send the same body again, an event counts once by its event_id",
            retry_after_s=AWAY_RETRY_S,
        )

    def _check_quota(self, key: Key) -> None:
        if key.events_per_s is None:
            return
        wait_s = self._quotas.wait_s(key.name, key.events_per_s, time.monotonic())
        if wait_s:
            self._metrics.refused["quota"].inc()
            raise ProblemError(
                Kind.QUOTA, f"{key.name} may send {key.events_per_s:g} events a second", retry_after_s=wait_s
            )

    def _charge(self, key: Key, events: int) -> None:
        self._check_quota(key)  # others of the same name may have come first
        if key.events_per_s is not None:
            self._quotas.charge(key.name, key.events_per_s, events, time.monotonic())

    async def _body(self, request: web.Request, lease: Lease) -> bytes:
        """The body as it came. What has come of it is held in the lease.

        Raises:
            ProblemError: it is too large or too slow, it breaks off, or there is no room for it.
        """
        if (request.content_length or 0) > self._body_max_bytes:
            raise too_large(self._body_max_bytes)
        parts: list[bytes] = []
        length = 0
        try:
            async with asyncio.timeout(self._body_timeout_s):
                while part := await request.content.readany():
                    length += len(part)
                    if length > self._body_max_bytes:
                        raise too_large(self._body_max_bytes)
                    lease.hold(length)
                    parts.append(part)
        except TimeoutError:
            raise ProblemError(Kind.BODY_SLOW, f"a body must be here within {self._body_timeout_s:g} s") from None
        except FullError:
            self._metrics.refused["full"].inc()
            raise full() from None
        except (HttpProcessingError, web.RequestPayloadError):
            raise ProblemError(Kind.BAD_BODY, "the body is not framed as its headers say") from None
        return b"".join(parts)

    async def _judge(
        self, items: list[bytes], key: Key, *, are_cloudevents: bool
    ) -> tuple[list[Accepted], list[Refusal]]:
        """The events to send, and what is wrong with each other one. Lets other requests pass in between."""
        accepted: list[Accepted] = []
        refusals: list[Refusal] = []
        read, now_ms = self._intake.read, time.time_ns() // 1_000_000
        for index, item in enumerate(items):
            if index and index % EVENTS_AT_ONCE == 0:
                await asyncio.sleep(0)
            found = read(item, index, key, now_ms, is_cloudevent=are_cloudevents)
            if isinstance(found, Accepted):
                accepted.append(found)
            else:
                refusals.append(found)
        return accepted, refusals

    async def _hand_over(self, accepted: list[Accepted], key: Key, lease: Lease) -> None:
        try:
            await self._publisher.publish(accepted, lease.release)
        except AwayError:
            self._metrics.events.labels(key.name, "unanswered").inc(len(accepted))
            raise self._away() from None

    def _count(self, key: Key, accepted: int, refusals: list[Refusal]) -> None:
        if accepted:
            self._metrics.events.labels(key.name, "acknowledged").inc(accepted)
        if refusals:
            self._metrics.events.labels(key.name, "refused").inc(len(refusals))
            for reason, count in Counter(refusal.reason for refusal in refusals).items():
                self._metrics.refused_events.labels(reason).inc(count)

    # -- the rest ------------------------------------------------------------------------------------------------------

    async def openapi(self, _request: web.Request) -> web.StreamResponse:
        """The OpenAPI document."""
        return _json(self._openapi)

    async def healthz(self, _request: web.Request) -> web.StreamResponse:
        """Alive: this loop answers. A Kafka that is away is no reason to start anew."""
        return _json(msgspec.json.encode(Health(alive=True, problems=[])))

    async def readyz(self, _request: web.Request) -> web.StreamResponse:
        """Whether events would be taken now."""
        missing = []
        if self.stopping:
            missing.append("the gateway is stopping")
        if self._publisher.is_away():
            missing.append(self._publisher.problem or "Kafka does not acknowledge")
        status = HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK
        return _json(msgspec.json.encode(Readiness(ready=not missing, missing=missing)), status)

    async def figures(self, request: web.Request) -> web.StreamResponse:
        """The metrics."""
        encode, content_type = choose_encoder(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=encode(self._metrics.registry), headers={hdrs.CONTENT_TYPE: content_type})


def request_id_of(request: web.BaseRequest) -> str:
    """The id that the sender gave to the request; a new one where there is none, or none that may stand in a log."""
    said = request.headers.get("X-Request-Id", "")
    return said if said.isascii() and is_id(said) else uuid.uuid4().hex


def _answer(accepted: int, refusals: list[Refusal]) -> web.Response:
    if accepted or not refusals:
        status = HTTPStatus.MULTI_STATUS if refusals else HTTPStatus.ACCEPTED
        return _json(msgspec.json.encode(Answer(accepted, refusals)), status)
    allowed = any(refusal.reason not in (ROOM_NOT_ALLOWED, TYPE_NOT_ALLOWED) for refusal in refusals)
    kind = Kind.ALL_REFUSED if allowed else Kind.NOT_ALLOWED
    body = Rejection(kind.type, kind.title, kind.status, "`errors` says why, event by event", errors=refusals)
    return web.Response(
        body=msgspec.json.encode(body),
        status=kind.status,
        content_type=CONTENT_TYPE,
        headers={"Cache-Control": "no-store"},
    )


def _json(body: bytes, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    return web.Response(
        body=body, status=status, content_type="application/json", headers={"Cache-Control": "no-store"}
    )
