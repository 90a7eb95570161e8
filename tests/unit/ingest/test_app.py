"""What holds for every answer of the gateway. Kafka is away here, or something that takes all stands in its place."""

from __future__ import annotations

import asyncio
import gzip
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import cramjam
import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from structlog.testing import capture_logs

from stream.errors import SnapupError
from stream.ingest.app import Gateway
from stream.ingest.keys import entry_of, new_key
from stream.ingest.openapi import openapi_document
from stream.mechanics.kinds import CATALOGUE
from stream.settings import load_settings
from tests.support.ingest import Sender, Taking, cloudevent, eventually, ingesting, like, taking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

Both = tuple[Sender, Taking]
HEAD = b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture
async def both() -> AsyncIterator[Both]:
    async with taking() as made:
        yield made


def ids_in(kept: Taking) -> list[str]:
    return [msgspec.json.decode(event.value)["event_id"] for event in kept.events]


# -- good bodies -------------------------------------------------------------------------------------------------------
async def test_every_form_and_every_encoding_brings_the_same_events(both: Both) -> None:
    sender, kept = both
    some = [like(), like("room-2")]
    lines = b"\n".join(map(msgspec.json.encode, some)) + b"\n"
    packed = msgspec.json.encode(some)
    enveloped = [cloudevent(), cloudevent()]
    for body, content_type, encoding in (
        (packed, "application/json", None),
        (lines, "application/x-ndjson", None),
        (gzip.compress(packed), "application/json; charset=utf-8", "gzip"),
        (bytes(cramjam.zstd.compress(lines)), "application/x-ndjson", "zstd"),
        (msgspec.json.encode(enveloped), "application/cloudevents-batch+json", None),
    ):
        kept.events.clear()
        answer = await sender.send(body, content_type, {"Content-Encoding": encoding} if encoding else None)
        assert (answer.status, await answer.json()) == (202, {"accepted": 2, "errors": []})
        wanted = [each["id"] for each in enveloped] if "cloud" in content_type else [each["event_id"] for each in some]
        assert ids_in(kept) == wanted
    kept.events.clear()
    assert (await sender.send(cloudevent(), "application/cloudevents+json")).status == 202
    assert (await sender.send(like())).status == 202  # one event, without an array
    assert len(kept.events) == 2
    assert (await sender.send(b"[]")).status == 202
    assert sender.gateway.budget.taken_bytes == 0


async def test_some_good_and_some_bad_are_a_207_that_names_each_bad_one(both: Both) -> None:
    sender, kept = both
    good = [like(), like()]
    answer = await sender.send([good[0], like(count=0), good[1], {"type": "like"}, 3])
    assert answer.status == 207
    found = await answer.json()
    assert found["accepted"] == 2
    assert [(each["index"], each["pointer"], each["reason"]) for each in found["errors"]] == [
        (1, "/count", "schema_violation"),
        (3, "/event_id", "schema_violation"),
        (4, "", "schema_violation"),
    ]
    assert "1" in found["errors"][0]["detail"]
    assert ids_in(kept) == [each["event_id"] for each in good]


async def test_only_bad_ones_are_a_422_and_nothing_is_sent(both: Both) -> None:
    sender, kept = both
    found = await sender.problem([like(count=0)])
    assert (found["status"], found["kind"], found["errors"][0]["pointer"]) == (422, "all_refused", "/count")
    assert kept.events == []


# -- bad bodies --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "content_type", "encoding", "status", "kind"),
    [
        (b"", "application/json", "", 400, "bad_body"),
        (b"[1,", "application/json", "", 400, "bad_body"),
        (b"\xff\xfe", "application/json", "", 400, "bad_body"),
        (b"[]", "application/json", "gzip", 400, "bad_encoding"),
        (b"[]", "text/plain", "", 415, "unknown_content_type"),
        (b"[]", "application/json", "br", 415, "unknown_content_encoding"),
        (b"x" * 70_000, "application/json", "", 413, "body_too_large"),
        (gzip.compress(b"x" * 70_000), "application/json", "gzip", 413, "body_too_large"),
        (bytes(cramjam.zstd.compress(b"x" * 70_000)), "application/json", "zstd", 413, "body_too_large"),
        (b"[" + b"1," * 50 + b"1]", "application/json", "", 413, "too_many_events"),
        (b'["\xff"]', "application/json", "", 422, "all_refused"),
    ],
)
async def test_bad_bodies_are_problems(body: bytes, content_type: str, encoding: str, status: int, kind: str) -> None:
    async with taking(ingest_body_max_bytes=1 << 16, ingest_events_max=50) as (sender, kept):
        found = await sender.problem(body, content_type, headers={"Content-Encoding": encoding} if encoding else None)
        assert (found["status"], found["kind"]) == (status, kind)
        assert kept.events == []
        assert sender.gateway.budget.taken_bytes == 0


async def test_other_methods_and_paths_are_problems(both: Both) -> None:
    sender, _ = both
    for method, path, status in (("GET", "/v1/events", 405), ("POST", "/v1/nothing", 404), ("GET", "/metrics", 404)):
        answer = await sender.session.request(method, sender.top + path)
        assert (answer.status, answer.content_type) == (status, "application/problem+json")
    answer = await sender.session.post(f"{sender.top}/v1/events", data=b"[]", headers={"Host": "evil.example"})
    assert answer.status == 421


# -- keys --------------------------------------------------------------------------------------------------------------
@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, str, str]:
    """A file with a key for everything and one for likes of room-1, at 10 a second."""
    path, all_of_it, few = tmp_path / "keys.toml", new_key(), new_key()
    path.write_text(entry_of(all_of_it, "all", ["*"], ["*"], None) + entry_of(few, "few", ["room-1"], ["like"], 10))
    return path, all_of_it, few


async def test_without_a_key_or_with_a_wrong_one_it_is_401(keys: tuple[Path, str, str]) -> None:
    async with taking(ingest_keys_file=keys[0]) as (sender, kept):
        for header, kind in (
            ({}, "key_missing"),
            ({"Authorization": "Basic abc"}, "key_missing"),
            ({"Authorization": "Bearer "}, "key_missing"),
            ({"Authorization": f"Bearer {new_key()}"}, "key_refused"),
            ({"Authorization": "Bearer é"}, "key_refused"),
        ):
            found = await sender.problem([like()], headers=header)
            assert (found["status"], found["kind"]) == (401, kind)
        assert kept.events == []
        sender.key = keys[1]
        assert (await sender.send([like("any")])).status == 202


async def test_what_the_key_does_not_allow_is_named_or_403(keys: tuple[Path, str, str]) -> None:
    async with taking(ingest_keys_file=keys[0]) as (sender, _):
        sender.key = keys[2]
        answer = await sender.send([like(), like("room-2")])
        found = await answer.json()
        assert (answer.status, found["errors"][0]["reason"]) == (207, "room_not_allowed")
        comment = like(type="comment", text="hi")
        problem = await sender.problem([comment, like("room-2")])
        assert (problem["status"], problem["kind"]) == (403, "not_allowed")
        assert [each["reason"] for each in problem["errors"]] == ["type_not_allowed", "room_not_allowed"]


async def test_more_than_the_quota_is_a_429_that_says_when(keys: tuple[Path, str, str]) -> None:
    async with taking(ingest_keys_file=keys[0]) as (sender, kept):
        sender.key = keys[2]
        assert (await sender.send([like() for _ in range(1_000)])).status == 202
        found = await sender.problem([like()])
        assert (found["status"], found["kind"]) == (429, "quota")
        assert 90 <= int(found["retry_after"]) <= 97
        assert len(kept.events) == 1_000
        sender.key = keys[1]
        assert (await sender.send([like()])).status == 202  # a quota is its own name's


async def test_keys_change_without_a_restart(keys: tuple[Path, str, str]) -> None:
    path, old, _ = keys
    async with taking(ingest_keys_file=path) as (sender, _kept):
        metrics = sender.gateway.metrics
        new = new_key()
        path.write_text(entry_of(old, "all", ["*"], ["*"], None) + entry_of(new, "all", ["*"], ["*"], None))
        sender.gateway.reload_files()
        for sender.key in (old, new):
            assert (await sender.send([like()])).status == 202
        path.write_text("[[")
        await eventually(lambda: not metrics.keys_file_ok._value.get(), "the change is noticed by itself")
        assert (await sender.send([like()])).status == 202
        path.write_text(entry_of(new, "all", ["*"], ["*"], None))
        await eventually(lambda: metrics.keys._value.get() == 1, "the change is noticed by itself")
        assert (await sender.send([like()])).status == 202
        sender.key = old
        assert (await sender.problem([like()]))["kind"] == "key_refused"


def test_settings_that_would_open_or_split_everything_are_refused(tmp_path: Path) -> None:
    def refusal(**settings: Any) -> str:
        with pytest.raises(SnapupError) as error:
            Gateway(load_settings(**settings), CATALOGUE)
        return error.value.message

    assert "SNAPUP_INGEST_KEYS_FILE" in refusal(ingest_host="0.0.0.0")  # noqa: S104 -- refused
    assert "murmur2" in refusal(partitioner="unchecked")
    assert "cannot be read" in refusal(ingest_keys_file=tmp_path / "none.toml")
    assert "SNAPUP_INGEST_TRUSTED_PROXIES" in refusal(ingest_trusted_proxies="x")


# -- bounds ------------------------------------------------------------------------------------------------------------
async def test_bytes_that_wait_for_kafka_are_bounded_and_the_rest_is_told_to_come_again() -> None:
    async with taking(ingest_held_max_bytes=1 << 20) as (sender, kept):
        kept.waits.clear()
        body = [like(padding="x" * 15_000) for _ in range(15)]
        waiting = [asyncio.create_task(sender.send(body)) for _ in range(2)]
        await eventually(lambda: sender.gateway.budget.taken_bytes > 800_000, "two bodies wait")
        found = await sender.problem(body)
        assert (found["status"], found["kind"], found["retry_after"]) == (503, "full", "1")
        kept.waits.set()
        assert [(await task).status for task in waiting] == [202, 202]
        assert sender.gateway.budget.taken_bytes == 0
        assert (await sender.send(body)).status == 202


async def test_a_slow_body_is_a_408_and_holds_no_more_than_has_come() -> None:
    async with taking(ingest_body_timeout_ms=300) as (sender, kept):
        reader, writer = await asyncio.open_connection("127.0.0.1", sender.gateway.port)
        writer.write(HEAD + b"Content-Length: 900000\r\n\r\n[1")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408 ")
        assert sender.gateway.budget.taken_bytes == 0
        assert kept.events == []
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_client_that_leaves_in_the_middle_of_a_body_leaves_nothing(both: Both) -> None:
    sender, kept = both
    _, writer = await asyncio.open_connection("127.0.0.1", sender.gateway.port)
    writer.write(HEAD + b"Content-Length: 99999\r\n\r\n[1")
    await eventually(lambda: sender.gateway.budget.taken_bytes, "the beginning is there")
    with capture_logs() as lines:
        writer.transport.abort()
        await eventually(lambda: not sender.gateway.budget.taken_bytes, "nothing is held")
        await eventually(lambda: not sender.gateway._under_way, "nobody waits")
    assert not [line for line in lines if line["log_level"] == "error"]
    assert kept.events == []


async def test_broken_framing_is_a_problem(both: Both) -> None:
    sender, _ = both
    reader, writer = await asyncio.open_connection("127.0.0.1", sender.gateway.port)
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n[]\r\n")
    assert (await reader.readuntil(b"\r\n")).split()[1] == b"400"
    writer.close()


# -- Kafka is away, or does not say ------------------------------------------------------------------------------------
async def test_while_kafka_is_away_it_is_503_and_not_ready_but_alive() -> None:
    async with ingesting() as sender:
        found = await sender.problem([like()])
        assert (found["status"], found["kind"]) == (503, "kafka_away")
        assert int(found["retry_after"]) >= 1
        ready = await sender.session.get(f"{sender.top}/readyz")
        said = await ready.json()
        assert (ready.status, said["ready"], len(said["missing"])) == (503, False, 1)
        assert (await sender.session.get(f"{sender.top}/healthz")).status == 200


async def test_events_without_an_acknowledgement_are_503_even_if_others_were_refused(both: Both) -> None:
    sender, kept = both
    kept.lost = True
    found = await sender.problem([like(), like(count=0)])
    assert (found["status"], found["kind"]) == (503, "kafka_away")
    assert "errors" not in found
    assert sender.gateway.budget.taken_bytes == 0


# -- around ------------------------------------------------------------------------------------------------------------
async def test_request_ids_come_back_and_stand_in_the_log_and_secrets_do_not(
    keys: tuple[Path, str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "stream.serve.access")
    async with taking(ingest_keys_file=keys[0]) as (sender, _):
        sender.key = keys[1]
        with capture_logs() as lines:
            answer = await sender.send([like(), like(count=0)], headers={"X-Request-Id": "r-1"})
            assert answer.headers["X-Request-Id"] == "r-1"
            odd = await sender.send([like()], headers={"X-Request-Id": "a b"})
            assert len(odd.headers["X-Request-Id"]) == 32
            await eventually(lambda: len([line for line in lines if line["event"] == "request"]) == 2, "two lines")
    (line, _) = (line for line in lines if line["event"] == "request")
    wanted = {"request_id": "r-1", "platform": "all", "events": 1, "refused": 1, "status": 207, "path": "/v1/events"}
    assert wanted.items() <= line.items()
    assert keys[1] not in repr(lines)


async def test_answers_are_not_for_pages(both: Both) -> None:
    sender, _ = both
    answer = await sender.send([like()], headers={"Origin": "https://evil.example"})
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_who_is_under_way_at_the_end_is_answered_and_who_comes_then_is_not_taken() -> None:
    async with taking() as (sender, kept):
        kept.waits.clear()
        under_way = asyncio.create_task(sender.send([like()]))
        await eventually(lambda: sender.gateway._under_way, "a request waits")
        closing = asyncio.create_task(sender.gateway.close())
        await eventually(lambda: sender.gateway.receiver.stopping, "the gateway stops")
        assert not closing.done()
        kept.waits.set()
        answer = await under_way
        assert (answer.status, answer.headers["Connection"]) == (202, "close")
        await closing
        assert len(kept.events) == 1


async def test_a_stop_ends_the_gateway_although_the_client_of_kafka_loses_the_cancellation() -> None:
    async with ingesting() as sender:
        looking = asyncio.Event()

        async def losing() -> None:
            looking.set()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

        sender.gateway.publisher._make = losing  # type: ignore[method-assign] # as aiokafka does now and then
        await looking.wait()
        async with asyncio.timeout(20):
            await sender.gateway.close()


async def test_metrics_are_on_their_own_port(both: Both) -> None:
    sender, _ = both
    await sender.send([like(), like(count=0)])
    top = f"http://127.0.0.1:{sender.gateway.metrics_port}"
    text = await (await sender.session.get(f"{top}/metrics")).text()
    for line in (
        'stream_ingest_requests_total{route="/v1/events",status="207"} 1.0',
        'stream_ingest_events_total{outcome="acknowledged",platform="anybody"} 1.0',
        'stream_ingest_refused_events_total{reason="schema_violation"} 1.0',
        "stream_ingest_held_bytes 0.0",
    ):
        assert line in text


# -- OpenAPI -----------------------------------------------------------------------------------------------------------
async def test_the_openapi_document_is_valid_served_and_says_what_is_answered(both: Both) -> None:
    sender, _ = both
    document = await (await sender.session.get(f"{sender.top}/v1/openapi.json")).json()
    assert document == json.loads(msgspec.json.encode(openapi_document(CATALOGUE, 1 << 20, 5_000, with_keys=False)))
    OpenAPIV31SpecValidator(document).validate()
    routed = {
        (route.method.lower(), route.resource.canonical)
        for route in sender.gateway._runner.app.router.routes()
        if route.method != "HEAD" and route.resource is not None
    }
    assert routed == {(method, path) for path, methods in document["paths"].items() for method in methods}

    def validator(name: str) -> Draft202012Validator:
        return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": document["components"]})

    validator("Event").validate(like())
    validator("CloudEvent").validate(cloudevent(datacontenttype="application/json"))
    assert not validator("CloudEvent").is_valid(cloudevent(datacontenttype="text/plain"))
    assert not validator("Event").is_valid(like(count=0))
    answers = document["paths"]["/v1/events"]["post"]["responses"]
    for body, status in (([like()], "202"), ([like(), like(count=0)], "207"), ([like(count=0)], "422"), (3, "400")):
        answer = await sender.send(body)
        assert str(answer.status) == status
        (described,) = answers[status]["content"].values()
        name = described["schema"]["$ref"].rpartition("/")[2]
        validator(name).validate(await answer.json())
