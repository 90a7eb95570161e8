"""Known states of rooms → their streams: the newest only, in turns, so that no room or reader holds up another."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING

from stream.contract.sight import State
from stream.serve.cutter import Cutter
from stream.serve.events import PING, Stream, View, fresh_text, retry_frame, snapshot_text, view_of
from stream.serve.frames import Chain, Frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.contract.heartbeat import Pipeline
    from stream.serve.cut import Cut
    from stream.serve.metrics import DropReason, Metrics
    from stream.serve.room_follower import FollowedRoom, RoomFollower

# Streams written to before the event loop gets its turn: about two milliseconds.
TURN_STREAMS = 100
TICK_S = 0.05
# For so long one frame goes to the streams of a channel although newer figures are known.
PASS_MAX_MS = 250
# The period for pings, expired tokens and states that change by time alone.
TEND_EVERY_S = 0.25
# A frame carries the server's clock: an older frame is made anew.
FRAME_MAX_AGE_MS = 20
# Subjects and parts of one room that are shown at once. Each is cut and compressed for itself at every change.
MAX_CUTS_A_ROOM = 300
# When the server stops, its readers return at different times, the last within the time that a page promises.
STOP_RETRY_MS = (500, 3_000)


class Told:
    """What is sent of one view: a snapshot; instead of it `fresh`, to streams that have a document of this `content`.

    Args:
        content: the number of the cut document, as its channel counts them; 0: not cut.
        snapshot: the frame, or what makes it when the first stream needs it.
        fresh: the frame; None: every stream gets a snapshot.
    """

    __slots__ = ("_snapshot", "content", "fresh")

    def __init__(self, content: int, snapshot: Frame | Callable[[], Frame], fresh: Frame | None = None) -> None:
        self.content = content
        self.fresh = fresh
        self._snapshot = snapshot

    def frame_for(self, stream: Stream, view: View) -> Frame:
        """The frame for a stream that was sent another view."""
        before = stream.view
        is_told = before is not None and (before.state, before.pipeline) == (view.state, view.pipeline)
        if self.fresh is not None and is_told and stream.content == self.content:
            return self.fresh
        if not isinstance(self._snapshot, Frame):
            self._snapshot = self._snapshot()
        return self._snapshot


class Channel:
    """The streams of one room that show the same of it.

    Attributes:
        streams: the streams.
        told: the last view, when it was made into frames (epoch ms), and these.
    """

    __slots__ = ("_chain", "_content", "_number", "room", "streams", "told")

    def __init__(self, room: FollowedRoom) -> None:
        self.room = room
        self.streams: set[Stream] = set()
        self.told: tuple[View, int, Told] | None = None
        self._chain = Chain()
        self._content = b""
        self._number = 0

    def whole(self, text: bytes, *, to_all: bool) -> Told:
        """What is sent of a document that is not cut, or that is not there."""
        return Told(0, self._frame(text, to_all=to_all))

    def reduced(self, content: bytes, snapshot: Callable[[], bytes], fresh: bytes | None, *, to_all: bool) -> Told:
        """What is sent of a cut document.

        Args:
            content: what it says, but for its times.
            snapshot: makes the event with the document.
            fresh: the event with its times; None: the document is not live.
            to_all: it is sent to all streams now, and not only to one that comes or falls behind.
        """
        is_known = content == self._content and fresh is not None
        if not is_known:
            self._content = content
            self._number += 1
            return Told(self._number, self._frame(snapshot(), to_all=to_all))
        assert fresh is not None  # noqa: S101 -- known above
        frame = self._chain.add(fresh, is_snapshot=False) if to_all else Frame(fresh)
        return Told(self._number, lambda: Frame(snapshot(), is_snapshot=True), frame)

    def _frame(self, text: bytes, *, to_all: bool) -> Frame:
        return self._chain.add(text, is_snapshot=True) if to_all else Frame(text, is_snapshot=True)


class Fanout:
    """The streams of this process.

    Args:
        follower: the known states of rooms.
        metrics: the metrics to count in.
        ping_ms: a stream that was silent for this long gets a comment.
        slow_ms: a stream that takes nothing for this long is dropped.
        pipeline: what is known of the workers now.
        cutter: makes cut documents.
    """

    def __init__(
        self,
        follower: RoomFollower,
        metrics: Metrics,
        *,
        ping_ms: int,
        slow_ms: int,
        pipeline: Callable[[], Pipeline | None] = lambda: None,
        cutter: Cutter | None = None,
    ) -> None:
        self._cutter = Cutter() if cutter is None else cutter
        self._follower = follower
        self._pipeline = pipeline
        self._metrics = metrics
        self._ping_s = ping_ms / 1000
        self._slow_s = slow_ms / 1000
        self._channels: dict[FollowedRoom, dict[Cut, Channel]] = {}
        self._behind: set[Stream] = set()
        self._changed: dict[FollowedRoom, None] = {}
        self._shown: dict[FollowedRoom, View] = {}
        self._news = asyncio.Event()
        self._written = 0
        follower.on_news = self.news

    def __len__(self) -> int:
        """The number of streams."""
        return sum(len(channel.streams) for channels in self._channels.values() for channel in channels.values())

    # -- streams come and go -------------------------------------------------------------------------------------------

    def takes(self, room: FollowedRoom | None, cut: Cut) -> bool:
        """Whether a stream of this room and cut may be opened."""
        channels = {} if room is None else self._channels.get(room, {})
        return cut in channels or len(channels) < MAX_CUTS_A_ROOM

    def open(self, stream: Stream, last_event_id: str) -> None:
        """Show the stream its room, unless the reader already has that view, and every change from then on."""
        channels = self._channels.setdefault(stream.room, {})
        channel = channels.setdefault(stream.cut, Channel(stream.room))
        channel.streams.add(stream)
        self._metrics.streams.inc()
        view = self._view(stream.room)
        if last_event_id and view.event_id == last_event_id:
            stream.view = view
        else:
            self._send(stream, view, self._told(channel, stream.cut, view), time.monotonic())

    def close(self, stream: Stream) -> None:
        """Forget a stream that is gone."""
        channels = self._channels.get(stream.room, {})
        channel = channels.get(stream.cut)
        if channel is None or stream not in channel.streams:
            return
        channel.streams.discard(stream)
        self._behind.discard(stream)
        self._metrics.streams.dec()
        if not channel.streams:
            del channels[stream.cut]
        if not channels:
            for table in (self._channels, self._changed, self._shown):
                table.pop(stream.room, None)

    def news(self, room: FollowedRoom) -> None:
        """Mark a room whose view may have changed."""
        self._changed[room] = None
        self._news.set()

    def news_of_all(self) -> None:
        """Mark every room: something changed that is told with each of them."""
        for room in self._channels:
            self.news(room)

    async def stop(self) -> None:
        """Tell every reader to connect again, and end the streams."""
        now_s = time.monotonic()
        for channel in [channel for channels in self._channels.values() for channel in channels.values()]:
            for stream in list(channel.streams):
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
        """Send to all streams of a room, some at a time."""
        before = self._shown.get(room)
        channels = list(self._channels.get(room, {}).items())
        if not channels:
            return
        for cut, channel in channels:
            await self._deliver_to(channel, cut)
        shown = self._view(room)
        if room in self._channels:
            self._shown[room] = shown
        self._observe(room, before, shown)

    async def _deliver_to(self, channel: Channel, cut: Cut) -> None:
        """Send one frame to all streams of a channel. What is newer meanwhile follows as the next frame for all.

        Frames are packed against those before them, so a stream that got another frame than the others would take
        every frame packed for itself until the next snapshot: ten times the bytes.
        """
        streams = list(channel.streams)
        # A frame carries the clock of its making, and readers keep their best sample: nobody is last each time.
        first = random.randrange(len(streams)) if len(streams) > TURN_STREAMS else 0  # noqa: S311 -- spreads delay
        streams = streams[first:] + streams[:first]
        view, told, made_ms = None, None, 0
        for start in range(0, len(streams), TURN_STREAMS):
            turn = streams[start : start + TURN_STREAMS]
            self._written += len(turn)
            if self._written >= TURN_STREAMS:
                self._written = 0
                await asyncio.sleep(0)
            newest = self._view(channel.room)
            is_late = not 0 <= _now_ms() - made_ms <= PASS_MAX_MS
            if view is None or told is None or is_late or newest.state is not view.state:
                view, told, made_ms = newest, self._told(channel, cut, newest, to_all=True), _now_ms()
            now_s = time.monotonic()
            for stream in turn:
                if stream.view != view and not stream.done.is_set():
                    self._send(stream, view, told, now_s)

    def _observe(self, room: FollowedRoom, before: View | None, shown: View) -> None:
        """Observe the delivery time of a live document that replaced another. A first document may already be old."""
        document = self._follower.document(room)
        if document is None or before is None or (before.epoch, before.rev) == (shown.epoch, shown.rev):
            return
        if before.state is State.LIVE is shown.state:
            self._metrics.delivery_s.observe(max(0, _now_ms() - document.published_ms) / 1000)

    def _send(self, stream: Stream, view: View, told: Told, now_s: float) -> None:
        if stream.write(told.frame_for(stream, view), now_s):
            stream.view = view
            stream.content = told.content
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
                channel = self._channels[stream.room][stream.cut]
                if stream.view != view:
                    self._send(stream, view, self._told(channel, stream.cut, view), now_s)
            elif now_s - (stream.behind_since or now_s) > self._slow_s:
                self._end(stream, "slow")

    def _tend(self) -> None:
        now_s, wall_s = time.monotonic(), time.time()
        for room, channels in self._channels.items():
            shown = self._shown.get(room)
            if shown is None or shown != self._view(room):
                self.news(room)
            for stream in [stream for channel in channels.values() for stream in channel.streams]:
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

    def _told(self, channel: Channel, cut: Cut, view: View, *, to_all: bool = False) -> Told:
        now_ms = _now_ms()
        held = channel.told
        if held is not None and held[0] == view and 0 <= now_ms - held[1] <= FRAME_MAX_AGE_MS:
            return held[2]
        document, pipeline = self._follower.document(channel.room), self._pipeline()
        if document is None or cut.is_whole:
            raw = None if document is None else document.raw
            told = channel.whole(snapshot_text(view, raw, now_ms, pipeline, cut), to_all=to_all)
        else:
            reduced = self._cutter.reduced(document, cut)
            told = channel.reduced(
                reduced.content,
                lambda: snapshot_text(view, reduced.raw, now_ms, pipeline, cut),
                fresh_text(view, reduced.fresh, now_ms, pipeline) if view.state is State.LIVE else None,
                to_all=to_all,
            )
        channel.told = (view, now_ms, told)
        return told


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
