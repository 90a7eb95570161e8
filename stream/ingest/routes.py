"""The answers of the gateway. `events` is the one that matters: read, judge each, hand over, wait for Kafka's word."""

from __future__ import annotations

import re
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from aiohttp import hdrs, web
from prometheus_client.exposition import choose_encoder

from stream.contract.ids import is_id
from stream.ingest.bodies import codec_of, format_of, items_of, unpacked
from stream.ingest.budget import Lease
from stream.ingest.intake import ROOM_NOT_ALLOWED, TYPE_NOT_ALLOWED
from stream.ingest.keys import ANYBODY
from stream.ingest.openapi import Answer, Rejection, openapi_document
from stream.ingest.problems import Kind
from stream.ingest.receiving import PLATFORM
from stream.serve.openapi import Health, Readiness
from stream.serve.problems import CONTENT_TYPE, ProblemError
from stream.serve.security import LOOPBACK_NAMES

if TYPE_CHECKING:
    from stream.contract.catalogue import Catalogue
    from stream.ingest.intake import Refusal
    from stream.ingest.keys import Key, Keyring
    from stream.ingest.metrics import Metrics
    from stream.ingest.receiving import Receiver
    from stream.settings import Settings

REQUEST_ID = web.RequestKey("request_id", str)


class Routes:
    """The addresses for events that are the contract's, and for machines."""

    def __init__(
        self, settings: Settings, catalogue: Catalogue, *, keyring: Keyring | None, receiver: Receiver, metrics: Metrics
    ) -> None:
        self._body_max_bytes = settings.ingest_body_max_bytes
        self._items_max = settings.ingest_events_max
        self._keyring = keyring
        self._receiver = receiver
        self._metrics = metrics
        self._openapi = msgspec.json.encode(
            openapi_document(catalogue, self._body_max_bytes, self._items_max, with_keys=keyring is not None)
        )

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
        receiver = self._receiver
        receiver.check_ready(key)
        with Lease(receiver.budget) as lease:
            body = await receiver.body(request, lease)
            plain = unpacked(body, codec, self._body_max_bytes)
            # Until Kafka has them: the events themselves, and the producer's copy of them.
            receiver.hold(lease, 2 * len(plain))
            del body
            items = items_of(plain, form, self._items_max)
            del plain
            accepted, refusals = await receiver.deliver(
                request, key, items, lease, are_cloudevents=form.are_cloudevents
            )
        return _answer(accepted, refusals)

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

    # -- the rest ------------------------------------------------------------------------------------------------------

    async def openapi(self, _request: web.Request) -> web.StreamResponse:
        """The OpenAPI document."""
        return json_answer(self._openapi)

    async def healthz(self, _request: web.Request) -> web.StreamResponse:
        """Alive: this loop answers. A Kafka that is away is no reason to start anew."""
        return json_answer(msgspec.json.encode(Health(alive=True, problems=[])))

    async def readyz(self, _request: web.Request) -> web.StreamResponse:
        """Whether events would be taken now."""
        missing = []
        publisher = self._receiver.publisher
        if self._receiver.stopping:
            missing.append("the gateway is stopping")
        if publisher.is_away():
            missing.append(publisher.problem or "Kafka does not acknowledge")
        status = HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK
        return json_answer(msgspec.json.encode(Readiness(ready=not missing, missing=missing)), status)

    async def figures(self, request: web.Request) -> web.StreamResponse:
        """The metrics."""
        encode, content_type = choose_encoder(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=encode(self._metrics.registry), headers={hdrs.CONTENT_TYPE: content_type})


def request_id_of(request: web.BaseRequest) -> str:
    """The id that the sender gave to the request; a new one where there is none, or none that may stand in a log.

    Of a webhook it is that of its delivery, by which the shop's own log names it.
    """
    said = request.headers.get("X-Request-Id") or request.headers.get("X-Shopify-Webhook-Id") or ""
    return said if said.isascii() and is_id(said) else uuid.uuid4().hex


def _answer(accepted: int, refusals: list[Refusal]) -> web.Response:
    if accepted or not refusals:
        status = HTTPStatus.MULTI_STATUS if refusals else HTTPStatus.ACCEPTED
        return json_answer(msgspec.json.encode(Answer(accepted, refusals)), status)
    allowed = any(refusal.reason not in (ROOM_NOT_ALLOWED, TYPE_NOT_ALLOWED) for refusal in refusals)
    kind = Kind.ALL_REFUSED if allowed else Kind.NOT_ALLOWED
    body = Rejection(kind.type, kind.title, kind.status, "`errors` says why, event by event", errors=refusals)
    return web.Response(
        body=msgspec.json.encode(body),
        status=kind.status,
        content_type=CONTENT_TYPE,
        headers={"Cache-Control": "no-store"},
    )


def json_answer(body: bytes, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """JSON as an answer that no cache keeps."""
    return web.Response(
        body=body, status=status, content_type="application/json", headers={"Cache-Control": "no-store"}
    )
