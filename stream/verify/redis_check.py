"""Each room's document in Redis against the recount, at the very offsets of the document's making.

Redis holds those offsets beside the document. They are mostly beyond the cut, and the recount goes on to exactly there.
If the recount has already passed a document's offsets, it waits for a newer document of that room.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

from stream.contract.events import TOPIC_NAMES
from stream.verify.compare import Figure
from stream.verify.counting import SILENT_NOW
from stream.verify.redis_documents import UnreadableError, read_document

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from stream.contract.overlay import Overlay
    from stream.verify.counting import Counting
    from stream.verify.redis_documents import Found, RedisDocuments
    from stream.verify.saved import Signals
    from stream.verify.verdict import RoomVerdict

LOOK_AGAIN_S = 0.2
BATCH_ROOMS = 200
# The number of documents that the recount may find passed before the room is left for another audit.
DOCUMENTS_TRIED = 10
IN_MOTION = "in motion: the recount was always ahead of its documents"
NOT_SAID = "its worker does not say of which offsets it was made"


class _Readable(NamedTuple):
    overlay: Overlay
    positions: tuple[int, ...]


class RedisCheck:
    """One comparison of all rooms. A room that agreed and has no new record is not compared again.

    Args:
        counting: the recount, which goes on as far as documents do.
        shown: reads the documents.
        signals: the newest document of each room up to the cut.
        prefix: the prefix of the topics.
        compared: room → the counted records when Redis last agreed; kept from audit to audit.
        learn_rules: reads on in the journal, where a worker states its rules before it makes documents.
    """

    def __init__(
        self,
        counting: Counting,
        shown: RedisDocuments,
        signals: Signals,
        prefix: str,
        compared: dict[str, dict[str, int]],
        *,
        learn_rules: Callable[[], Awaitable[None]],
    ) -> None:
        self._counting = counting
        self._shown = shown
        self._signals = signals
        self._topics = [f"{prefix}.{name}" for name in TOPIC_NAMES]
        self._compared = compared
        self._learn_rules = learn_rules
        self._verdicts: dict[str, RoomVerdict] = {}
        self._tried: dict[str, int] = {}
        self._missing: dict[str, Figure] = {}

    async def run(
        self, rooms: Sequence[str], verdicts: dict[str, RoomVerdict], until_s: float, report: Callable[[str], None]
    ) -> None:
        """Compare all rooms. Missing or too old documents are looked for until `until_s` (monotonic)."""
        self._verdicts = verdicts
        waiting = list(rooms)
        while True:
            for first in range(0, len(waiting), BATCH_ROOMS):
                await self._look(waiting[first : first + BATCH_ROOMS])
            waiting = [room for room in waiting if room in self._missing or room in self._tried]
            if not waiting:
                return
            if time.monotonic() > until_s:
                break
            report(f"Redis to show newer documents of {len(waiting)} rooms")
            await asyncio.sleep(LOOK_AGAIN_S)
        for room in waiting:
            if room in self._missing:
                self._verdict(room).figures = [self._missing[room]]
            else:
                self._verdict(room).redis_skipped = IN_MOTION

    async def _look(self, rooms: Sequence[str]) -> None:
        found = zip(rooms, await self._shown.documents(rooms), strict=True)
        await self._learn_rules()
        readable = [each for room, document in found if (each := self._readable(room, document)) is not None]
        for each in readable:
            self._counting.tell(each.overlay.room_id, each.overlay.session)
        # In the order of time: documents of one partition's owner follow its clock.
        for each in sorted(readable, key=lambda each: each.overlay.as_of_ms):
            await self._compare(*each)

    def _verdict(self, room: str) -> RoomVerdict:
        if room not in self._verdicts:
            self._verdicts[room] = self._counting.verdict(room)
        return self._verdicts[room]

    def _readable(self, room: str, found: Found) -> _Readable | None:
        """The document if it is to be compared. Otherwise the verdict or the missing document is noted."""
        self._missing.pop(room, None)
        verdict = self._verdict(room)
        if verdict.skipped is not None:
            self._tried.pop(room, None)
            return None
        if found.document is None:
            if self._counting.silent_since(room, time.time() * 1000):
                verdict.skipped = SILENT_NOW
            else:
                self._missing[room] = Figure("document", "in Redis", "missing")
            return None
        try:
            overlay = read_document(room, found.document, self._counting.sections)
        except UnreadableError as error:
            self._settle(room, None, [Figure(error.name, error.expected, error.found)])
            return None
        if found.positions is None:
            verdict.redis_skipped = NOT_SAID
            return None
        return _Readable(overlay, found.positions) if self._is_new(overlay) else None

    def _is_new(self, overlay: Overlay) -> bool:
        """Whether there is something to compare: the document is not older than the cut, and records came since."""
        room = overlay.room_id
        saved = self._signals.newest.get(room)
        if saved is not None and overlay.as_of_ms < saved.stamp.as_of_ms:
            as_of_ms = saved.stamp.as_of_ms
            self._missing[room] = Figure("document", f"as of {as_of_ms} or later", f"as of {overlay.as_of_ms}")
            return False
        place = self._counting.places.get(room)
        if place is not None and self._compared.get(room) == place.after:
            self._tried.pop(room, None)
            return False
        return True

    async def _compare(self, overlay: Overlay, positions: tuple[int, ...]) -> None:
        # A worker that knows fewer topics gives fewer offsets: it has read nothing of the other topics.
        room, made_of = overlay.room_id, dict.fromkeys(self._topics, 0)
        made_of.update(zip(self._topics, positions, strict=False))
        place = self._counting.places.get(room)
        if place is not None and any(after > made_of[topic] for topic, after in place.counted(overlay.session).items()):
            self._tried[room] = self._tried.get(room, 0) + 1
            if self._tried[room] >= DOCUMENTS_TRIED:
                del self._tried[room]
                self._verdict(room).redis_skipped = IN_MOTION
            return
        if place is not None:
            handed, partition = self._counting.inputs.handed, place.partition
            further = {(topic, partition): at for topic, at in made_of.items() if at > handed[topic, partition]}
            await self._counting.count_to(further, lambda _: None)
            self._counting.release(room, made_of)
        self._settle(room, *self._counting.figures(room, overlay))

    def _settle(self, room: str, as_of_ms: int | None, figures: list[Figure]) -> None:
        self._tried.pop(room, None)
        verdict = self._verdict(room)
        verdict.as_of_ms, verdict.figures, verdict.redis_skipped = as_of_ms, figures, None
        place = self._counting.places.get(room)
        if place is not None and all(figure.agrees for figure in figures):
            self._compared[room] = dict(place.after)
