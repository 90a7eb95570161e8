"""The clients in `docs/clients` against a server that does all that a gateway may do to them, and a real one."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from stream.local.ports import free_ports
from tests.integration.test_dead_letters import PARTITIONS, SNAPUP, records_of
from tests.integration.worker_process import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stream.local.stack import Stack
    from tests.conftest import ApplyTopics

PROGRAMS = Path(__file__).parent / "client"
LIKES = 40
DEADLINE_S = 120.0


def command(language: str, *words: str) -> list[str]:
    if language == "python":
        return [sys.executable, str(PROGRAMS / "use_client.py"), *words]
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is MISSING: the JavaScript client was NOT tried. On Debian: nodejs.")
    return [node, str(PROGRAMS / "use_client.mjs"), *words]


async def use(language: str, url: str, spool: Path, count: int) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *command(language, url, str(spool), str(count)), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    assert process.returncode == 0
    return dict(json.loads(out))


class Server:
    """Does what its plan says, request by request; afterwards it takes everything."""

    def __init__(self, plan: list[str]) -> None:
        self.plan = plan
        self.asked: list[str] = []
        self.taken: Counter[str] = Counter()
        self.raw: dict[str, set[str]] = {}
        self.sizes: list[int] = []
        self.over = asyncio.Event()

    async def events(self, request: web.Request) -> web.StreamResponse:  # noqa: PLR0911 — one for each answer
        assert request.headers["Authorization"] == "Bearer a-key"
        events = await request.json()
        self.sizes.append(len(events))
        does = "take" if not self.plan else self.plan[0] if self.plan[0] == "away for ever" else self.plan.pop(0)
        self.asked.append(does)
        for event in events:
            self.raw.setdefault(event["event_id"], set()).add(json.dumps(event))
        match does:
            case "503" | "429" | "401" | "404":
                problem = {"title": "no", "status": int(does)}
                return web.json_response(
                    problem, status=int(does), headers={"Retry-After": "1"} if does == "503" else {}
                )
            case "away for ever":
                return web.json_response({}, status=503, headers={"Retry-After": "300"})
            case "silent":
                await self.over.wait()
            case "one bad":
                self.take(events[1:])
                errors = [{"index": 0, "pointer": "/count", "reason": "schema_violation", "detail": "…"}]
                return web.json_response({"accepted": len(events) - 1, "errors": errors}, status=207)
            case "all bad":
                errors = [{"index": at, "pointer": None, "reason": "too_old"} for at in range(len(events))]
                return web.json_response({"title": "none", "accepted": 0, "errors": errors}, status=422)
            case "too large":
                return web.json_response({"title": "too large"}, status=413)
        self.take(events)
        if does == "lost":
            assert request.transport is not None
            request.transport.abort()
        if does == "not json":
            return web.Response(text="<html>", status=502)
        return web.json_response({"accepted": len(events), "errors": []}, status=202)

    def take(self, events: list[dict[str, Any]]) -> None:
        self.taken.update(event["event_id"] for event in events)


@asynccontextmanager
async def serving(plan: list[str]) -> AsyncIterator[tuple[str, Server]]:
    server = Server(plan)
    app = web.Application()
    app.router.add_post("/v1/events", server.events)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    port = free_ports(1)[0]
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/v1/events", server
    finally:
        server.over.set()
        await runner.cleanup()


@pytest.mark.parametrize("language", ["python", "javascript"])
async def test_every_event_is_delivered_whatever_happens_on_the_way(language: str, tmp_path: Path) -> None:
    plan = ["lost", "503", "one bad", "too large", "429", "not json", "401", "all bad", "404", "silent"]
    async with serving([*plan]) as (url, server):
        said = await use(language, url, tmp_path / "spool", LIKES)
    assert server.asked[: len(plan)] == plan
    # The first of the batch that had been lost; after `too large` a whole one was bad, which may be a half.
    bad = sum(refusal.endswith("too_old") for refusal in said["refusals"])
    assert 1 <= bad <= 8
    assert said["refusals"][0] == "u0 schema_violation"
    assert said["refused"] == len(said["refusals"]) == bad + 1
    assert (said["sent"], said["acknowledged"], said["dropped"]) == (LIKES, LIKES - bad - 1, 0)
    assert (said["waiting"], said["done"]) == (0, True)
    assert len(server.taken) >= said["acknowledged"], (
        "what was taken before it was lost and refused is taken all the same"
    )
    assert max(server.taken.values()) > 1, "the lost answer made it come twice"
    assert len(server.raw) == LIKES, "under the id that it was given at first"
    assert {len(said) for said in server.raw.values()} == {1}
    assert max(server.sizes) == 8


@pytest.mark.parametrize("language", ["python", "javascript"])
async def test_what_was_spooled_outlives_a_kill_and_a_full_spool_counts(language: str, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    async with serving(["away for ever"]) as (url, server):
        process = await asyncio.create_subprocess_exec(
            *command(language, url, str(spool), "-1"), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), DEADLINE_S) == b"spooled\n"
        await until(lambda: bool(server.asked), "a first try")
        process.send_signal(signal.SIGKILL)
        await process.wait()
        assert not server.taken
        server.plan.clear()
        said = await use(language, url, spool, 0)
        assert (said["sent"], said["acknowledged"], said["waiting"], said["done"]) == (0, LIKES, 0, True)
        assert len(server.taken) == LIKES
        assert {len(raw) for raw in server.raw.values()} == {1}
    async with serving([]) as (url, server):
        said = await use(language, url, tmp_path / "small", 400)
        assert said["dropped"] > 0
        assert said["sent"] + said["dropped"] == 400
        assert said["acknowledged"] == said["sent"] == len(server.taken)
        assert (said["done"], said["waiting"]) == (True, 0)


@pytest.mark.integration
async def test_the_real_gateway_takes_what_they_send(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, tmp_path: Path
) -> None:
    await apply_topics(PARTITIONS)
    port = free_ports(1)[0]
    environment = {**os.environ, **stack.environment(), "SNAPUP_TOPIC_PREFIX": topic_prefix}
    environment |= {"SNAPUP_INGEST_PORT": str(port), "SNAPUP_INGEST_METRICS_PORT": "0"}
    gateway = await asyncio.create_subprocess_exec(SNAPUP, "ingest", env=environment)
    try:
        for language in ("python", "javascript"):
            # It knocks until the gateway is there.
            said = await use(language, f"http://127.0.0.1:{port}/v1/events", tmp_path / language, 5)
            assert (said["refused"], said["acknowledged"], said["done"]) == (0, 5, True)
    finally:
        gateway.send_signal(signal.SIGTERM)
        await gateway.wait()
    records = await records_of(stack, f"{topic_prefix}.likes", 10)
    assert len({json.loads(record.value)["event_id"] for record in records}) == 10
