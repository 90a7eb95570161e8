"""What one overlay source asks for: a subject and parts, compressed, in a real Chromium."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.contract.heartbeat import HEARTBEAT_TTL_MS, Heartbeat, heartbeat_key
from stream.contract.overlay import room_key
from tests.browser.looking import eventually, until_says
from tests.browser.rooms import SALE, coat, now_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.browser.conftest import Pages
    from tests.browser.rooms import Room

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]

READ = """async ([room, sale]) => {
  const response = await fetch(`/v1/rooms/${room}/events?sale=${sale}&parts=claims,feed`);
  window.coding = response.headers.get("Content-Encoding");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  window.text = "";
  window.cancel = () => reader.cancel();
  (async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      window.text += value;
    }
  })().catch((error) => (window.failed = String(error)));
}"""
FOLLOW = """async ([room, sale]) => {
  const { SnapupRoom } = await import("/static/snapup-room.js");
  window.room = new SnapupRoom({ room, sale, parts: ["claims"] });
  window.room.start();
}"""
SEEN = """() => window.room && {
  state: window.room.state, rev: window.room.last?.rev, sales: window.room.last?.sales.length,
  pipeline: window.room.pipeline?.state ?? null, ...window.room.counts,
}"""


def age(room: Room) -> int:
    """Publish the last document again with later times, as a room in which nothing happens is; its revision."""
    key = room_key("live", room.room_id, "overlay")
    raw = room.redis.get(key)
    assert isinstance(raw, bytes)
    made = msgspec.json.decode(raw)
    room.rev += 1
    later_ms = now_ms() - made["as_of_ms"]
    made |= {"rev": room.rev, "as_of_ms": made["as_of_ms"] + later_ms}
    made["stale_after_ms"] += later_ms
    for claim in made["claims"]:
        claim["as_of_ms"] += later_ms
        claim["valid_until_ms"] += later_ms
    room.redis.set(key, msgspec.json.encode(made), px=60_000)
    room.redis.publish(room_key("live", room.room_id, "rev"), room.rev)
    return room.rev


@contextlib.asynccontextmanager
async def worker(room: Room) -> AsyncIterator[list[int]]:
    """A worker is heard for as long as this lasts, so that events have ids; its partitions, of two."""
    folds = [0, 1]

    async def keep() -> None:
        while True:
            word = msgspec.json.encode(Heartbeat(now_ms(), folds, 2))
            room.redis.set(heartbeat_key("live", room.room_id), word, px=HEARTBEAT_TTL_MS)
            await asyncio.sleep(0.3)

    task = asyncio.create_task(keep())
    try:
        yield folds
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        room.redis.delete(heartbeat_key("live", room.room_id))


async def test_each_event_arrives_compressed_and_an_event_that_only_moves_the_times_keeps_the_page_live(
    pages: Pages, room: Room
) -> None:
    other = coat(sold=10, held=0, offered=20)
    room.sales = [coat(), msgspec.structs.replace(other, sale_id="scarf-drop", sku_id="sku-412")]
    room.fresh_ms = 60_000
    room.put()
    async with worker(room) as folds:
        await _follows(pages, room, folds)


async def _follows(pages: Pages, room: Room, folds: list[int]) -> None:
    page = await pages.open("/overlay?lang=en")  # a page that may connect, and shows no room
    await page.evaluate(READ, [room.room_id, SALE])
    await page.evaluate(FOLLOW, [room.room_id, SALE])
    assert await page.evaluate("window.coding") == "gzip"

    async def until_text(part: str) -> str:
        found = await eventually(
            lambda: page.evaluate("window.text"), lambda text: part in text, f"{part} in the stream"
        )
        return str(found)

    await eventually(lambda: page.evaluate(SEEN), lambda seen: seen["pipeline"] == "up", "the worker is heard")
    text = await until_text(f"id: 1-{room.rev}\n")
    snapshots = text.count("event: snapshot")
    assert "scarf-drop" not in text
    assert '"likes":238400' in text  # the room's own figures
    first = await eventually(lambda: page.evaluate(SEEN), lambda seen: seen["state"] == "live", "the room is live")
    assert (first["sales"], first["unreadable"], first["freshened"]) == (1, 0, 0)
    for times in (1, 2, 3):
        rev = age(room)
        text = await until_text(f"event: fresh\nid: 1-{rev}\n")
        seen = await eventually(lambda: page.evaluate(SEEN), lambda seen, rev=rev: seen["rev"] == rev, "it is fresh")  # type: ignore[misc]
        assert (seen["state"], seen["snapshots"], seen["freshened"]) == ("live", first["snapshots"], times)
    stale_ms, last_ms = await page.evaluate(
        "[window.room.overlay.stale_after_ms, window.room.claim('stock_left').as_of_ms]"
    )
    assert stale_ms > last_ms >= now_ms() - 60_000
    assert text.count("event: snapshot") == snapshots
    room.sales = [coat(sold=4_860)]
    room.put()
    await until_text(f"event: snapshot\nid: 1-{room.rev}\n")
    # What workers say is told too, although no document changes.
    folds.remove(1)
    await eventually(lambda: page.evaluate(SEEN), lambda seen: seen["pipeline"] == "partly", "a worker is heard")
    await page.evaluate("(window.cancel(), window.room.stop())")
    assert await page.evaluate("window.failed ?? ''") == ""


async def test_an_overlay_asks_for_the_subject_that_its_address_names(pages: Pages, room: Room) -> None:
    room.put()
    asked: list[str] = []
    context = await pages.context()
    context.on("request", lambda request: asked.append(request.url))
    page = await pages.open(f"/overlay?room={room.room_id}&sale={SALE}&widgets=stock,ticker&lang=en", context=context)
    await until_says(page, "stock", "42left")
    room.sales = [coat(sold=4_860)]
    room.put()
    await until_says(page, "stock", "40left")
    found = await page.evaluate(
        """async () => {
          const { askedOf } = await import("/static/overlay/asked.js");
          const { paramsOf } = await import("/static/overlay/params.js");
          const of = (query) => askedOf(paramsOf(new URLSearchParams(query)));
          return [of("sale=a&sku=b&widgets=stock"), of("widgets=gifts"), of("sale=a&widgets=top,stock")];
        }"""
    )
    one, none, top = found
    assert (one["sale"], one["sku"], none["sale"], top.get("sale")) == ("a", "b", "", None)
    assert one["parts"] == none["parts"] == top["parts"]  # equal subjects share a stream, whatever the widgets
    assert "rates" not in one["parts"]
