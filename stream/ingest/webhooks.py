"""Webhooks of shops, signed by the shop → orders in Kafka, on the way that all events take.

A shop sends a webhook again while the answer is an error, for hours, and may then send none any more. So errors are for
what a second try, or somebody, can mend. A webhook that will never be an order of a room has a 200 that says why.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from stream.bridge.reasons import REASON_WORDS, Reason
from stream.ingest.bodies import PLAIN_ENCODINGS, Format
from stream.ingest.budget import Lease
from stream.ingest.openapi import Answer, Untold
from stream.ingest.problems import Kind
from stream.ingest.receiving import PLATFORM
from stream.ingest.routes import json_answer
from stream.serve.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream.ingest.metrics import Metrics
    from stream.ingest.receiving import Receiver
    from stream.ingest.shops import Shop, Shops

UNTOLD = web.RequestKey("untold", str)
SIGNATURE, DOMAIN, TOPIC = "X-Shopify-Hmac-Sha256", "X-Shopify-Shop-Domain", "X-Shopify-Topic"
# Nobody can have made an order of these by mistake: they are no JSON object.
_UNREADABLE = (Reason.NOT_JSON, Reason.TOO_DEEP, Reason.TOO_LARGE, Reason.NOT_A_MESSAGE)


class Webhooks:
    """The addresses for webhooks.

    Args:
        shops: who may send; None: nobody.
        receiver: takes the events.
        metrics: the metrics to count in.
    """

    def __init__(self, shops: Shops | None, receiver: Receiver, metrics: Metrics) -> None:
        self._shops = shops
        self._receiver = receiver
        self._metrics = metrics

    def add_to(self, app: web.Application) -> None:
        """Put the addresses into the application."""
        app.router.add_post("/v1/webhooks/shopify/{shop}", self.shopify)

    async def shopify(self, request: web.Request) -> web.StreamResponse:
        """Take one webhook of a shop; the answer says what became of it."""
        shop = self._shops.find(request.match_info["shop"]) if self._shops is not None else None
        if shop is None:
            raise ProblemError(Kind.UNKNOWN_SHOP, "no such shop is in the file of shops")
        request[PLATFORM] = shop.key.name
        outcome = "left"  # by its sender, before it was here
        try:
            answer, outcome = await self._take(request, shop)
        except ProblemError as error:
            outcome = error.problem.type.rpartition(":")[2]
            raise
        finally:
            self._metrics.webhooks.labels(shop.key.name, outcome).inc()
        return answer

    async def _take(self, request: web.Request, shop: Shop) -> tuple[web.Response, str]:
        """The answer, and what became of the webhook in one word."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != Format.JSON.value or headers.get("content-encoding", "") not in PLAIN_ENCODINGS:
            raise ProblemError(
                Kind.UNKNOWN_CONTENT_TYPE, f"send {Format.JSON.value}, unpacked", parameter="Content-Type"
            )
        self._receiver.check_ready(shop.key)
        with Lease(self._receiver.budget) as lease:
            body = await self._receiver.body(request, lease)
            _check(shop, headers, body)
            found = shop.orders_of(headers, body, time.time_ns() // 1_000_000)
            if isinstance(found, Reason):
                if found in _UNREADABLE:
                    raise ProblemError(Kind.BAD_BODY, REASON_WORDS[found])
                request[UNTOLD] = found.value
                return json_answer(msgspec.json.encode(Untold(found.value, REASON_WORDS[found]))), found.value
            items, notes = found
            self._receiver.hold(lease, len(body) + 2 * sum(map(len, items)))
            accepted, refusals = await self._receiver.deliver(request, shop.key, items, lease)
        for note, count in notes.items():
            self._metrics.webhook_notes.labels(note.value).inc(count)
        answer = msgspec.json.encode(Answer(accepted, refusals))
        if not refusals:
            return json_answer(answer, HTTPStatus.ACCEPTED), "acknowledged"
        request[UNTOLD] = refusals[0].reason
        return json_answer(answer), refusals[0].reason


def _check(shop: Shop, headers: Mapping[str, str], body: bytes) -> None:
    """Raises ProblemError where a webhook cannot be believed to be this shop's, or is about nothing."""
    signature = headers.get(SIGNATURE.lower())
    if not signature:
        raise ProblemError(Kind.SIGNATURE_MISSING, "a shop signs its webhooks", parameter=SIGNATURE)
    if not shop.has_signed(body, signature):
        raise ProblemError(
            Kind.SIGNATURE_REFUSED, "none of the shop's secrets makes this signature of this body", parameter=SIGNATURE
        )
    # All shops with one app share its secret.
    if headers.get(DOMAIN.lower(), "").lower() != shop.domain:
        raise ProblemError(
            Kind.OTHER_SHOP, "this address is another shop's, as the file of shops has it", parameter=DOMAIN
        )
    if not headers.get(TOPIC.lower()):
        raise ProblemError(Kind.TOPIC_MISSING, "a webhook says what it is about", parameter=TOPIC)
