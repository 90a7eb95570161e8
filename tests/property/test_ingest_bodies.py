"""No body brings the gateway down, and each has an answer that accounts for every event: whatever the bytes are."""

from __future__ import annotations

import asyncio
import gzip
import os
import time
from typing import TYPE_CHECKING, Any

import cramjam
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.ingest import cloudevent, like, taking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.ingest import Sender, Taking

# `make fuzz-ingest` says how long; without it some bodies, in a few seconds.
SECONDS = float(os.environ.get("INGEST_FUZZ_S", "0"))
TYPES = (
    *("application/json", "application/x-ndjson", "application/cloudevents+json"),
    *("application/cloudevents-batch+json", "text/plain", "application/json; charset=utf-16"),
)
PACKERS: dict[str, Any] = {
    "": bytes,
    "gzip": gzip.compress,
    "zstd": lambda body: bytes(cramjam.zstd.compress(body)),
    "br": bytes,
}

# The same ones each time: Hypothesis repeats what it has tried.
LIKE = like(event_id="e-1")
CLOUDEVENT = cloudevent(id="e-1")

anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@st.composite
def events(draw: st.DrawFn) -> Any:
    """An event of ours, mostly with something wrong in it."""
    made = draw(st.sampled_from([LIKE, CLOUDEVENT])).copy()
    for name in draw(st.lists(st.sampled_from([*made, "extra"]), max_size=2)):
        if draw(st.booleans()):
            made.pop(name, None)
        else:
            made[name] = draw(anything)
    return made


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, str, str]:
    """A body, its content type, its encoding: mostly near to what is right."""
    items = draw(st.lists(events() | anything, max_size=6))
    form = draw(st.sampled_from(TYPES))
    raw = [msgspec.json.encode(item) for item in items]
    body = b"\n".join(raw) if "nd" in form else b"[" + b",".join(raw) + b"]"
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.binary(max_size=6)) + body[at + draw(st.integers(0, 3)) :]
    encoding = draw(st.sampled_from([*PACKERS, ""]))
    packed = PACKERS[encoding](body)
    if draw(st.integers(0, 5)) == 0:
        packed = packed[: draw(st.integers(0, len(packed)))]
    return packed, form, encoding


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[asyncio.Runner, Sender, Taking]]:
    """A gateway in a loop that each example uses."""
    with asyncio.Runner() as runner:
        manager = taking(ingest_body_max_bytes=1 << 14, ingest_events_max=5)
        sender, kept = runner.run(manager.__aenter__())
        yield runner, sender, kept
        runner.run(manager.__aexit__(None, None, None))


def test_each_body_has_an_answer_that_accounts_for_all(served: tuple[asyncio.Runner, Sender, Taking]) -> None:
    until_s = time.monotonic() + SECONDS
    while True:
        answered(served)
        if time.monotonic() >= until_s:
            break


@settings(max_examples=1_000 if SECONDS else 150, deadline=None)
@given(made=bodies() | st.tuples(st.binary(max_size=200), st.sampled_from(TYPES), st.sampled_from([*PACKERS])))
def answered(served: tuple[asyncio.Runner, Sender, Taking], made: tuple[bytes, str, str]) -> None:
    runner, sender, kept = served
    body, form, encoding = made

    async def ask() -> tuple[int, str, Any]:
        answer = await sender.send(body, form, {"Content-Encoding": encoding} if encoding else None)
        return answer.status, answer.content_type, await answer.json()

    kept.events.clear()
    status, content_type, said = runner.run(ask())
    assert status in {202, 207, 400, 413, 415, 422}
    assert content_type == ("application/json" if status < 400 else "application/problem+json")
    assert len(kept.events) == said.get("accepted", 0)
    if status == 202:
        assert said["errors"] == []
    elif status in (207, 422):
        indexes = [each["index"] for each in said["errors"]]
        assert indexes == sorted(set(indexes))
        assert all(each["reason"] and each["detail"] for each in said["errors"])
    assert sender.gateway.budget.taken_bytes == 0
