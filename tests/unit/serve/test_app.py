"""What holds for every answer: problems, headers, hosts, CORS, the OpenAPI document. Redis is away here."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiohttp import ClientSession
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from structlog.testing import capture_logs

from stream.errors import SnapupError
from stream.local.ports import LOOPBACK
from stream.serve.app import Server, run_server, tokens_of
from stream.serve.openapi import Snapshot, openapi_document
from stream.serve.pages import PAGES
from stream.serve.security import MAX_ORIGINS_TOLD
from stream.settings import load_settings
from tests.support.serve import DEADLINE_S, SECRET, Client, document, eventually, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import ClientResponse

NO_REDIS = "redis://127.0.0.1:1/0"
API = [
    "/v1/rooms",
    "/v1/rooms/room-1",
    "/v1/rooms/room-1/events",
    "/v1/rooms/room-1/history",
    "/v1/time",
    "/openapi.json",
    "/healthz",
    "/readyz",
    "/metrics",
]


@pytest.fixture
async def both() -> AsyncIterator[tuple[Server, Client]]:
    async with serving(NO_REDIS, serve_requests_per_s=10_000) as made:
        yield made


@pytest.fixture
def client(both: tuple[Server, Client]) -> Client:
    return both[1]


async def problem_of(response: ClientResponse) -> dict[str, Any]:
    assert response.content_type == "application/problem+json", (response.status, await response.text())
    found = await response.json()
    assert found["status"] == response.status
    assert {"type", "title", "status"} <= found.keys() <= {"type", "title", "status", "detail", "parameter"}
    assert response.headers["Cache-Control"] == "no-store"
    return found  # type: ignore[no-any-return]


# -- problems ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("GET", "/nothing", 404, "about:blank"),
        ("GET", "/v1/", 404, "about:blank"),
        ("GET", "/static/nothing.js", 404, "about:blank"),
        ("GET", "/static/../app.py", 404, "about:blank"),
        ("GET", "/static/%2e%2e/app.py", 404, "about:blank"),
        ("GET", "/static/%2e%2e%2fapp.py", 404, "about:blank"),
        ("POST", "/v1/rooms", 405, "about:blank"),
        ("DELETE", "/v1/rooms/room-1", 405, "about:blank"),
        ("HEAD", "/v1/rooms/room-1/events", 405, "about:blank"),
        ("GET", "/v1/rooms/a%20b", 400, "urn:snapup:problem:bad_room_id"),
        ("GET", "/v1/rooms/%E5%A5%BD", 400, "urn:snapup:problem:bad_room_id"),
        ("GET", "/v1/rooms/" + 65 * "r", 400, "urn:snapup:problem:bad_room_id"),
        ("GET", "/v1/rooms/%2F..%2F/events", 400, "urn:snapup:problem:bad_room_id"),
        ("GET", "/v1/rooms?limit=0", 400, "urn:snapup:problem:bad_parameter"),
        ("GET", "/v1/rooms?limit=1001", 400, "urn:snapup:problem:bad_parameter"),
        ("GET", "/v1/rooms?limit=ten", 400, "urn:snapup:problem:bad_parameter"),
        ("GET", "/v1/rooms?limit=%D9%A3", 400, "urn:snapup:problem:bad_parameter"),
        ("GET", "/v1/rooms?offset=-1", 400, "urn:snapup:problem:bad_parameter"),
        ("GET", "/v1/rooms?offset=10001", 400, "urn:snapup:problem:bad_parameter"),
        ("GET", "/v1/rooms?trend=yes", 400, "urn:snapup:problem:bad_parameter"),
        ("GET", "/v1/rooms?trend=1&limit=101", 400, "urn:snapup:problem:bad_parameter"),
        ("GET", "/v1/rooms?sort=best", 400, "urn:snapup:problem:bad_parameter"),
        ("GET", "/v1/rooms?q=" + 65 * "q", 400, "urn:snapup:problem:bad_parameter"),
        ("GET", "/v1/rooms/room-1", 503, "urn:snapup:problem:redis_away"),
        ("GET", "/v1/rooms/a%20b/history", 400, "urn:snapup:problem:bad_room_id"),
        ("GET", "/v1/rooms/room-1/history?session=-1", 400, "urn:snapup:problem:bad_parameter"),
        ("GET", "/v1/rooms/room-1/history?since_ms=now", 400, "urn:snapup:problem:bad_parameter"),
        ("GET", "/v1/rooms/room-1/history", 503, "urn:snapup:problem:redis_away"),
    ],
)
async def test_every_error_is_a_problem(client: Client, method: str, path: str, status: int, name: str) -> None:
    async with client.session.request(method, client.top + path) as response:
        assert response.status == status
        if method != "HEAD":
            assert (await problem_of(response))["type"] == name


async def test_a_wrong_parameter_is_named(client: Client) -> None:
    assert (await problem_of(await client.get("/v1/rooms?limit=x")))["parameter"] == "limit"


async def test_a_method_that_is_not_allowed_says_which_are(client: Client) -> None:
    async with client.session.post(client.top + "/v1/time") as response:
        assert response.headers["Allow"] == "GET,HEAD"


async def test_a_bug_of_ours_is_a_problem_without_its_words(
    both: tuple[Server, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = both

    async def broken(*_: object) -> None:
        raise RuntimeError("inner secrets")

    monkeypatch.setattr(server.rooms, "search", broken)
    response = await client.get("/v1/rooms")
    assert response.status == 500
    assert "secrets" not in str(await problem_of(response))


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"GET /v1/time HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET /v1/time?token=hush HTTP/1.1\r\nHost: localhost\r\nBad Header\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/time HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"POST /v1/time HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_not_http_gets_a_problem_too_and_a_closed_connection(
    both: tuple[Server, Client], raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection(LOOPBACK, both[0].port)
    writer.write(raw)
    async with asyncio.timeout(DEADLINE_S):
        answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 400 ")
    assert b"Content-Security-Policy" in head
    assert msgspec.json.decode(body)["status"] == 400
    assert "hush" not in answer.decode() + caplog.text


async def test_too_many_requests_of_one_address_are_told_when_to_come_back() -> None:
    async with serving(NO_REDIS, serve_requests_per_s=1) as (server, client):
        statuses = [(await client.get("/v1/time")).status for _ in range(5)]
        assert statuses == [200, 200, 200, 200, 429]
        response = await client.get("/v1/rooms/room-1")
        assert (await problem_of(response))["type"] == "urn:snapup:problem:too_many_requests"
        assert response.headers["Retry-After"] == "1"
        assert server.metrics.refused["address_requests"]._value.get() >= 2
        # Whoever looks after this machine is not counted.
        assert (await client.get("/healthz")).status == 200
        assert (await client.get("/metrics")).status == 200


# -- headers -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", [*API, "/nothing", "/static/nothing", "/", *PAGES])
async def test_every_answer_is_locked_down(client: Client, path: str) -> None:
    async with await client.get(
        path.replace("{room}", "room-1").replace("{session}", "last"), allow_redirects=False
    ) as response:
        headers = response.headers
        policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Server"] == "snapup"
        if path in PAGES:
            assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
            assert policy["frame-ancestors"] == "'self'"
        else:
            assert "script-src" not in policy
            assert policy["frame-ancestors"] == "'none'"
        assert ("Snapup-Time-Ms" in headers) == path.startswith("/v1/")


async def test_pictures_come_from_this_server_and_from_the_hosts_that_are_named() -> None:
    for hosts, sources, listed in (
        ("", "'self' data: blob:", b"[]"),
        (
            "img.example:8443, CDN.example,cdn.example",
            "'self' data: blob: https://cdn.example https://img.example:8443",
            b'["cdn.example","img.example:8443"]',
        ),
    ):
        async with serving(NO_REDIS, serve_picture_hosts=hosts) as (_, client):
            for path in PAGES:
                address = path.replace("{room}", "room-1").replace("{session}", "last")
                async with await client.get(address) as response:
                    said = response.headers["Content-Security-Policy"].split("; ")
                    assert f"img-src {sources}" in said
            async with await client.get("/static/picture-hosts.js") as response:
                assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
                assert await response.read() == b"export const PICTURE_HOSTS = %b;\n" % listed
            async with await client.get("/v1/time") as response:
                assert "img-src" not in response.headers["Content-Security-Policy"]


async def test_the_top_leads_to_the_rooms(client: Client) -> None:
    response = await client.get("/", allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (302, "/console")


async def test_operators_are_told_what_is_missing(both: tuple[Server, Client]) -> None:
    server, client = both
    response = await client.get("/readyz")
    assert response.status == 503
    assert (await response.json())["missing"] == ["Redis gives no documents"]
    server.routes.stopping = True
    assert (await (await client.get("/readyz")).json())["missing"][0] == "stopping"
    assert (await client.get("/healthz")).status == 200
    response = await client.get("/v1/rooms/room-1/events")
    assert (await problem_of(response))["type"] == "urn:snapup:problem:stopping"


async def test_metrics_are_what_was_seen_and_name_no_room(both: tuple[Server, Client]) -> None:
    _, client = both
    await client.get("/v1/rooms/very-secret-room")
    text = await (await client.get("/metrics")).text()
    assert 'stream_serve_requests_total{route="/v1/rooms/{room}",status="503"} 1.0' in text
    assert "stream_serve_redis_up 0.0" in text
    assert "very-secret-room" not in text


async def test_operators_have_a_port_of_their_own_that_asks_for_no_token_and_answers_nothing_else() -> None:
    async with serving(NO_REDIS, token_secret=SECRET, serve_metrics_port=0) as (server, client):
        assert (await client.get("/metrics")).status == 401
        top = f"http://{LOOPBACK}:{server.metrics_port}"
        # By whatever name Prometheus calls it.
        async with client.session.get(f"{top}/metrics", headers={"Host": "server:9465"}) as response:
            assert response.status == 200
            assert "stream_serve_redis_up 0.0" in await response.text()
        assert (await client.session.get(f"{top}/healthz")).status == 200
        assert (await client.session.get(f"{top}/readyz")).status == 503
        for path in ("/v1/rooms", "/v1/rooms/room-1", "/v1/rooms/room-1/events", "/console", "/static/dom.js", "/"):
            response = await client.session.get(top + path)
            assert (response.status, (await problem_of(response))["type"]) == (404, "about:blank"), path


async def test_without_a_metrics_port_there_is_none(both: tuple[Server, Client]) -> None:
    assert both[0].metrics_port is None


async def test_a_metrics_port_in_use_is_told_by_its_own_setting(both: tuple[Server, Client]) -> None:
    with pytest.raises(SnapupError, match="SNAPUP_SERVE_METRICS_PORT"):
        async with serving(NO_REDIS, serve_metrics_port=both[0].port):
            pass


# -- hosts and origins -------------------------------------------------------------------------------------------------
async def test_without_a_secret_foreign_host_names_are_refused(client: Client) -> None:
    for host in ("localhost", "localhost:80", "127.0.0.1:9", "[::1]:1", "LOCALHOST"):
        assert (await client.get("/v1/time", headers={"Host": host})).status == 200, host
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", ""):
        response = await client.get("/v1/time", headers={"Host": host})
        assert response.status == 421, host
        assert (await problem_of(response))["type"] == "urn:snapup:problem:foreign_host"


async def test_with_a_secret_it_answers_to_any_name() -> None:
    async with serving(NO_REDIS, token_secret=SECRET) as (_, client):
        assert (await client.get("/v1/time", headers={"Host": "overlays.example"})).status == 200


async def test_origins_on_the_list_may_read_and_others_may_not() -> None:
    origins = "https://a.example, https://b.example:8443"
    async with serving(NO_REDIS, serve_cors_origins=origins) as (_, client):
        for path in ("/v1/time", "/v1/rooms/a%20b", "/static/snapup-room.js"):
            allowed = await client.get(path, headers={"Origin": "https://a.example"})
            assert allowed.headers["Access-Control-Allow-Origin"] == "https://a.example"
            assert "ETag" in allowed.headers["Access-Control-Expose-Headers"]
            assert "Origin" in allowed.headers["Vary"]
            for origin in ("https://evil.example", "https://a.example.evil", "http://a.example", "null"):
                refused = await client.get(path, headers={"Origin": origin})
                assert "Access-Control-Allow-Origin" not in refused.headers
                assert "Origin" in refused.headers["Vary"]
        assert (
            "Access-Control-Allow-Origin"
            not in (await client.get("/metrics", headers={"Origin": "https://a.example"})).headers
        )


async def test_a_preflight_of_an_allowed_origin_is_answered() -> None:
    asks = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    async with serving(NO_REDIS, serve_cors_origins="https://a.example") as (_, client):
        path = client.top + "/v1/rooms/room-1"
        async with client.session.options(path, headers={"Origin": "https://a.example", **asks}) as response:
            assert response.status == 204
            assert "GET" in response.headers["Access-Control-Allow-Methods"]
            assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
            assert response.headers["Access-Control-Allow-Origin"] == "https://a.example"
        async with client.session.options(path, headers={"Origin": "https://evil.example", **asks}) as response:
            assert response.status == 405
            assert "Access-Control-Allow-Origin" not in response.headers


async def test_without_a_list_no_origin_may_read_and_with_a_star_all_may(client: Client) -> None:
    origin = {"Origin": "https://a.example"}
    assert "Access-Control-Allow-Origin" not in (await client.get("/v1/time", headers=origin)).headers
    async with serving(NO_REDIS, serve_cors_origins="*") as (_, other):
        assert (await other.get("/v1/time", headers=origin)).headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("listed", ["HTTPS://A.Example", "https://a.example:443", "https://a.example:443/"])
async def test_an_origin_may_be_listed_as_people_write_it(listed: str) -> None:
    """A browser writes small letters and leaves out the usual port: what was listed otherwise would never fit."""
    async with serving(NO_REDIS, serve_cors_origins=f"http://b.example:80,{listed}") as (_, client):
        for origin in ("https://a.example", "http://b.example"):
            assert "Access-Control-Allow-Origin" in (await client.get("/v1/time", headers={"Origin": origin})).headers


async def test_each_refused_origin_is_named_in_the_log_once_and_not_for_ever(client: Client) -> None:
    with capture_logs() as logs:
        for number in range(MAX_ORIGINS_TOLD + 5):
            for _ in range(2):
                await client.get("/v1/time", headers={"Origin": f"https://{number}.example"})
        await client.get("/metrics", headers={"Origin": "https://other.example"})
    told = [entry for entry in logs if "SNAPUP_SERVE_CORS_ORIGINS" in entry["event"]]
    assert [entry["origin"] for entry in told] == [f"https://{number}.example" for number in range(MAX_ORIGINS_TOLD)]


# -- the starter of a widget -------------------------------------------------------------------------------------------
async def test_the_starter_is_a_file_for_the_address_that_was_asked(client: Client) -> None:
    response = await client.get("/starter/shop:7.html?token=a.b", headers={"Host": "localhost:8123"})
    assert response.headers["Content-Disposition"] == 'attachment; filename="shop-7.html"'
    text = await response.text()
    assert "http://localhost:8123/static/snapup-room.js" in text
    assert 'room: "shop:7", token: "a.b"' in text
    for path, parameter in (("/starter/a%20b.html", "room"), ('/starter/a.html?token="', "token")):
        refused = await client.get(path)
        assert (refused.status, (await problem_of(refused))["parameter"]) == (400, parameter)


async def test_a_starter_begins_with_https_only_on_a_trusted_proxys_word() -> None:
    asks = {"Host": "snapup.example", "X-Forwarded-Proto": "https"}
    async with serving(NO_REDIS, token_secret=SECRET, serve_trusted_proxies="127.0.0.1") as (_, client):
        assert '"https://snapup.example/' in await (await client.get("/starter/a.html", headers=asks)).text()
        bad = await client.get("/starter/a.html", headers={"Host": 'a"b'})
        assert (bad.status, (await problem_of(bad)).get("parameter")) == (400, "Host")
    async with serving(NO_REDIS, token_secret=SECRET) as (_, client):
        assert '"http://snapup.example/' in await (await client.get("/starter/a.html", headers=asks)).text()


# -- the OpenAPI document ----------------------------------------------------------------------------------------------
def test_the_openapi_document_is_valid() -> None:
    OpenAPIV31SpecValidator(msgspec.json.decode(msgspec.json.encode(openapi_document()))).validate()


async def test_the_openapi_document_is_served_and_lists_exactly_what_is_answered(both: tuple[Server, Client]) -> None:
    server, client = both
    served = await (await client.get("/openapi.json")).json()
    assert served == openapi_document()
    operations = {path: methods["get"]["operationId"] for path, methods in served["paths"].items()}
    routes = {route.path: route.operation for route in server.routes.table() if route.operation is not None}
    assert operations == routes
    registered = {re.sub(r":[^}]+", "", resource.canonical) for resource in server.app().router.resources()}
    assert registered == set(routes) | set(PAGES) | {"/static/{name}", "/starter/{room}.html", "/"}


async def test_answers_are_of_the_schemas_that_the_document_names(client: Client) -> None:
    components = openapi_document()["components"]

    def check(value: object, name: str) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": components}
        Draft202012Validator(schema).validate(value)

    check(await (await client.get("/v1/time")).json(), "Time")
    check(await (await client.get("/healthz")).json(), "Health")
    check(await (await client.get("/readyz")).json(), "Readiness")
    check(await (await client.get("/nothing")).json(), "Problem")
    check(document("room-1"), "Overlay")
    async with await client.events("room-1") as events:
        check((await events.snapshot()).data, "Snapshot")
    whole = {"server_time_ms": 1, "state": "live", "overlay": document("room-1")}
    check(whole, "Snapshot")
    assert msgspec.convert(whole, Snapshot).overlay is not None


# -- fuzz --------------------------------------------------------------------------------------------------------------
PIECES = st.one_of(
    st.sampled_from(
        ["v1", "rooms", "events", "history", "time", "room-1", "static", "overlay", "console", "openapi.json", "..", ""]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=80),
)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=100)


@given(
    pieces=st.lists(PIECES, max_size=5),
    query=st.dictionaries(st.sampled_from(["q", "limit", "sort", "token", "x"]), st.text(max_size=80), max_size=3),
    headers=st.dictionaries(
        st.sampled_from(["If-None-Match", "Last-Event-ID", "Origin", "Authorization", "Accept", "X-Forwarded-For"]),
        VALUES.map(str.strip),
        max_size=3,
    ),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_is_asked_gets_an_answer_or_a_problem(
    client: Client, pieces: list[str], query: dict[str, str], headers: dict[str, str]
) -> None:
    try:
        async with client.session.get(
            "/".join([client.top, *(piece.replace("/", "%2F") for piece in pieces)]),
            params={name: value.encode("utf-8", "replace").decode() for name, value in query.items()},
            headers=headers,
            allow_redirects=False,
        ) as response:
            assert response.status < 500 or response.status == 503
            if response.status >= 400:
                await problem_of(response)
    except ValueError:
        pass  # a header or an address that the client itself does not send


# -- settings ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"serve_host": "0.0.0.0"}, "SNAPUP_TOKEN_SECRET"),  # noqa: S104
        ({"serve_host": "::"}, "SNAPUP_TOKEN_SECRET"),
        ({"serve_host": "snapup.example"}, "SNAPUP_TOKEN_SECRET"),
        ({"token_secret": "short"}, "SNAPUP_TOKEN_SECRET"),
        ({"token_secret": f"{SECRET},short"}, "SNAPUP_TOKEN_SECRET"),
        ({"serve_cors_origins": "a.example"}, "SNAPUP_SERVE_CORS_ORIGINS"),
        *(
            ({"serve_picture_hosts": hosts}, "SNAPUP_SERVE_PICTURE_HOSTS")
            for hosts in (
                "https://a.example",
                "*",
                "*.a.example",
                "a.example/x",
                "a.example; script-src *",
                "a b",
                "'self'",
                "data:",
            )
        ),
        ({"serve_trusted_proxies": "lb"}, "SNAPUP_SERVE_TRUSTED_PROXIES"),
        ({"redis_url": "http://user:short@x"}, "SNAPUP_REDIS_URL"),
    ],
)
async def test_settings_that_do_not_fit_are_told_in_one_line(changes: dict[str, str], said: str) -> None:
    with pytest.raises(SnapupError, match=said) as raised:
        Server(load_settings(**changes))
    assert "\n" not in raised.value.message
    assert "short" not in raised.value.message


async def test_with_a_secret_it_may_listen_anywhere_and_without_on_every_loopback() -> None:
    Server(load_settings(serve_host="0.0.0.0", token_secret=SECRET))  # noqa: S104
    for host in ("127.0.0.1", "127.0.0.2", "::1", "localhost"):
        Server(load_settings(serve_host=host))


async def test_a_port_in_use_is_told() -> None:
    async with serving(NO_REDIS) as (server, _):
        with pytest.raises(SnapupError, match=r"Port \d+ on 127.0.0.1 is in use"):
            async with serving(NO_REDIS, serve_port=server.port):
                pass


async def test_a_stop_that_hangs_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []

    async def endless(_: Server) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("stream.serve.running.end_process", lambda code, _: ended.append(code))
    monkeypatch.setattr(Server, "wait", lambda _self, stop: asyncio.sleep(0, stop.set()))
    with monkeypatch.context() as broken:
        broken.setattr(Server, "close", endless)
        servers: list[Server] = []
        await run_server(load_settings(redis_url=NO_REDIS, serve_port=0, stop_timeout_ms=50), servers.append)
    assert ended == [77]
    await servers[0].close()


def test_several_secrets_are_read_and_the_first_signs() -> None:
    both = tokens_of(f"{SECRET}, {'o' * 32}")
    assert tokens_of(SECRET).read(both.issue("r", 60, 0), 1).room == "r"
    assert both.read(tokens_of("o" * 32).issue("r", 60, 0), 1).room == "r"


async def test_the_end_comes_even_if_a_task_swallows_its_cancellation() -> None:
    server = Server(load_settings(redis_url=NO_REDIS, serve_port=0))
    await server.start()
    swallowed = asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            swallowed.set()
        await asyncio.Event().wait()

    tasks = server._tasks
    tasks.append(asyncio.create_task(stubborn()))
    await asyncio.sleep(0)
    async with asyncio.timeout(DEADLINE_S):
        await server.close()
    assert swallowed.is_set()
    assert all(task.done() for task in tasks)


async def test_a_task_of_ours_that_fails_ends_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(load_settings(redis_url=NO_REDIS, serve_port=0))

    async def failing() -> None:
        raise LookupError("a bug")

    monkeypatch.setattr(server.fanout, "run", failing)
    await server.start()
    with pytest.raises(LookupError, match="a bug"):
        await server.wait(asyncio.Event())
    await server.close()


async def test_connections_are_counted_and_uncounted(both: tuple[Server, Client]) -> None:
    server, _ = both
    async with ClientSession() as session, session.get(f"http://{LOOPBACK}:{server.port}/healthz"):
        assert server.metrics.connections._value.get() == 1
    await eventually(lambda: server.metrics.connections._value.get() == 0)
