"""A bridge before the HTTP gateway: asked again, refused in part, refused whole, and never told wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from stream.bridge import gateway
from stream.bridge.delivery import Delivered
from stream.bridge.gateway import MAX_EVENTS, to_gateway
from stream.contract.recording import RecordedRecord
from stream.errors import SnapupError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PART = {"accepted": 1, "errors": [{"index": 1, "pointer": "/count", "reason": "schema_violation", "detail": "no"}]}


def records(count: int) -> list[RecordedRecord]:
    return [
        RecordedRecord(topic="likes", timestamp=1, value=msgspec.json.encode({"event_id": str(number)}), key=b"r")
        for number in range(count)
    ]


class Gateway:
    """Answers with the given statuses and bodies in turn, the last for ever; keeps what it was sent."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)
        self.bodies: list[bytes] = []
        self.keys: list[str | None] = []

    async def events(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.keys.append(request.headers.get("Authorization"))
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.json_response(body, status=status, headers={"Retry-After": "0"} if status == 503 else {})


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "FIRST_WAIT_S", 0.01)


async def told_by(made: Gateway, count: int) -> Delivered:
    app = web.Application()
    app.router.add_post("/v1/events", made.events)
    told = Delivered()
    async for address in _running(app):
        async with to_gateway(address, "k1", told) as delivery:
            await delivery.send(records(count))
            await delivery.settle()
    return told


async def _running(app: web.Application) -> AsyncIterator[str]:
    async with TestServer(app) as server:
        yield str(server.make_url(""))


async def test_what_is_asked_for_again_is_sent_again_as_it_was() -> None:
    made = Gateway((503, {}), (429, {}), (202, {"accepted": 2, "errors": []}))
    told = await told_by(made, 2)
    assert (told.sent, told.acknowledged, told.refused) == (2, 2, 0)
    assert len(made.bodies) == 3
    assert len(set(made.bodies)) == 1
    assert made.bodies[0].count(b"\n") == 2
    assert set(made.keys) == {"Bearer k1"}


@pytest.mark.parametrize(
    ("status", "body", "acknowledged"),
    [(207, PART, 1), (422, {"detail": "none keeps the contract"}, 0), (403, {"title": "Forbidden"}, 0)],
)
async def test_what_is_refused_is_told_with_its_reason(status: int, body: Any, acknowledged: int) -> None:
    told = await told_by(Gateway((status, body)), 2)
    assert (told.sent, told.acknowledged, told.refused) == (2, acknowledged, 2 - acknowledged)
    assert "the gateway refused it" in told.failures[0]


@pytest.mark.parametrize(("status", "said"), [(401, "answered 401"), (503, "took nothing")])
async def test_a_gateway_that_takes_nothing_ends_the_bridge(
    monkeypatch: pytest.MonkeyPatch, status: int, said: str
) -> None:
    monkeypatch.setattr(gateway, "PATIENCE_S", 0.05)
    with pytest.raises(SnapupError, match=said):
        await told_by(Gateway((status, {"detail": "no key"})), 1)


async def test_bodies_are_bounded() -> None:
    made = Gateway((202, {"accepted": 0}))
    told = await told_by(made, 2 * MAX_EVENTS + 1)
    assert [body.count(b"\n") for body in made.bodies] == [MAX_EVENTS, MAX_EVENTS, 1]
    assert told.acknowledged == 2 * MAX_EVENTS + 1
