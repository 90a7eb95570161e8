"""Known states of rooms → their streams: the newest only, in turns, so that no room or reader holds up another."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING

from stream.contract.sight import State
from stream.serve.events import PING, Frame, Stream, View, retry_frame, snapshot_frame, view_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.contract.heartbeat import Pipeline
    from stream.serve.metrics import DropReason, Metrics
    from stream.serve.room_follower import FollowedRoom, RoomFollower

# Streams written to before the event loop gets its turn: about two milliseconds.
TURN_STREAMS = 100
TICK_S = 0.05
# The period for pings, expired tokens and states that change by time alone.
TEND_EVERY_S = 0.25
# A frame carries the server's clock: an older frame is made anew.
FRAME_MAX_AGE_MS = 20
# When the server stops, its readers return at different times, the last within the time that a page promises.
STOP_RETRY_MS = (500, 3_000)


class Fanout:
    """The streams of this process.

    Args:
        follower: the known states of rooms.
        metrics: the metrics to count in.
        ping_ms: a stream that was silent for this long gets a comment.
        slow_ms: a stream that takes nothing for this long is dropped.
        pipeline: what is known of the workers now.
    """

    def __init__(
        self,
        follower: RoomFollower,
        metrics: Metrics,
        *,
        ping_ms: int,
        slow_ms: int,
        pipeline: Callable[[], Pipeline | None] = lambda: None,
    ) -> None:
        self._follower = follower
        self._pipeline = pipeline
        self._metrics = metrics
        self._ping_s = ping_ms / 1000
        self._slow_s = slow_ms / 1000
        self._streams: dict[FollowedRoom, set[Stream]] = {}
        self._behind: set[Stream] = set()
        self._changed: dict[FollowedRoom, None] = {}
        self._shown: dict[FollowedRoom, View] = {}
        self._frames: dict[FollowedRoom, tuple[View, int, Frame]] = {}
        self._news = asyncio.Event()
        self._written = 0
        follower.on_news = self.news

    def __len__(self) -> int:
        """The number of streams."""
        return sum(map(len, self._streams.values()))

    # -- streams come and go -------------------------------------------------------------------------------------------

    def open(self, stream: Stream, last_event_id: str) -> None:
        """Show the stream its room, unless the reader already has that view, and every change from then on."""
        self._streams.setdefault(stream.room, set()).add(stream)
        self._metrics.streams.inc()
        view = self._view(stream.room)
        if last_event_id and view.event_id == last_event_id:
            stream.view = view
        else:
            self._send(stream, view, self._frame(stream.room, view), time.monotonic())

    def close(self, stream: Stream) -> None:
        """Forget a stream that is gone."""
        streams = self._streams.get(stream.room)
        if streams is None or stream not in streams:
            return
        streams.discard(stream)
        self._behind.discard(stream)
        self._metrics.streams.dec()
        if not streams:
            for table in (self._streams, self._changed, self._shown, self._frames):
                table.pop(stream.room, None)

    def news(self, room: FollowedRoom) -> None:
        """Mark a room whose view may have changed."""
        self._changed[room] = None
        self._news.set()

    def news_of_all(self) -> None:
        """Mark every room: something changed that is told with each of them."""
        for room in self._streams:
            self.news(room)

    async def stop(self) -> None:
        """Tell every reader to connect again, and end the streams."""
        now_s = time.monotonic()
        for streams in list(self._streams.values()):
            for stream in list(streams):
                stream.write(retry_frame(random.randint(*STOP_RETRY_MS)), now_s)  # noqa: S311 -- spreads load
                self._end(stream, "server_stopping")
            await asyncio.sleep(0)

    # -- the work ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Pass changes on for as long as the process runs."""
        tended_at = 0.0
        while True:
            # Not wait_for: before Python 3.12 it may swallow a cancellation that comes together with the news.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._news.wait()
            self._news.clear()
            changed, self._changed = self._changed, {}
            for room in changed:
                await self._deliver(room)
            self._catch_up()
            if time.monotonic() - tended_at > TEND_EVERY_S:
                self._tend()
                tended_at = time.monotonic()

    async def _deliver(self, room: FollowedRoom) -> None:
        """Send to all streams of a room, some at a time. Each turn sends the view that is newest then."""
        before = self._shown.get(room)
        streams = list(self._streams.get(room, ()))
        if not streams:
            return
        for start in range(0, len(streams), TURN_STREAMS):
            turn = streams[start : start + TURN_STREAMS]
            self._written += len(turn)
            if self._written >= TURN_STREAMS:
                self._written = 0
                await asyncio.sleep(0)
            view = self._view(room)
            frame = self._frame(room, view)
            now_s = time.monotonic()
            for stream in turn:
                if stream.view != view and not stream.done.is_set():
                    self._send(stream, view, frame, now_s)
        shown = self._view(room)
        if room in self._streams:
            self._shown[room] = shown
        self._observe(room, before, shown)

    def _observe(self, room: FollowedRoom, before: View | None, shown: View) -> None:
        """Observe the delivery time of a live document that replaced another. A first document may already be old."""
        document = self._follower.document(room)
        if document is None or before is None or (before.epoch, before.rev) == (shown.epoch, shown.rev):
            return
        if before.state is State.LIVE is shown.state:
            self._metrics.delivery_s.observe(max(0, _now_ms() - document.published_ms) / 1000)

    def _send(self, stream: Stream, view: View, frame: Frame, now_s: float) -> None:
        if stream.write(frame, now_s):
            stream.view = view
            self._behind.discard(stream)
            self._metrics.sent.inc()
        else:
            self._metrics.coalesced.inc()
            self._behind.add(stream)

    def _catch_up(self) -> None:
        """Send the newest view to streams that are free again, and end those that waited too long."""
        now_s = time.monotonic()
        for stream in list(self._behind):
            if not stream.is_blocked(now_s):
                self._behind.discard(stream)
                view = self._view(stream.room)
                if stream.view != view:
                    self._send(stream, view, self._frame(stream.room, view), now_s)
            elif now_s - (stream.behind_since or now_s) > self._slow_s:
                self._end(stream, "slow")

    def _tend(self) -> None:
        now_s, wall_s = time.monotonic(), time.time()
        for room, streams in self._streams.items():
            shown = self._shown.get(room)
            if shown is None or shown != self._view(room):
                self.news(room)
            for stream in streams:
                if stream.expires_s is not None and wall_s >= stream.expires_s:
                    self._end(stream, "token_expired")
                elif now_s - stream.wrote_at >= self._ping_s and not stream.write(PING, now_s):
                    self._behind.add(stream)
        self._metrics.rooms.set(len(self._follower.rooms))

    def _end(self, stream: Stream, reason: DropReason) -> None:
        if stream.done.is_set():
            return
        self._metrics.dropped[reason].inc()
        self._behind.discard(stream)
        if reason == "slow":
            stream.drop()
        stream.done.set()

    # -- what to show --------------------------------------------------------------------------------------------------

    def _view(self, room: FollowedRoom) -> View:
        pipeline = self._pipeline()
        known = None if pipeline is None else pipeline.state
        return view_of(self._follower.state(room, _now_ms()), room.sight, known)

    def _frame(self, room: FollowedRoom, view: View) -> Frame:
        now_ms = _now_ms()
        held = self._frames.get(room)
        if held is not None and held[0] == view and 0 <= now_ms - held[1] <= FRAME_MAX_AGE_MS:
            return held[2]
        frame = snapshot_frame(view, self._follower.document(room), now_ms, self._pipeline())
        if room in self._streams:
            self._frames[room] = (view, now_ms, frame)
        return frame


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
