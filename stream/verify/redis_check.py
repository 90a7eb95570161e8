"""Each room's document in Redis against the recount, at the very offsets of which the document was made.

A document's claims carry evidence: the offsets up to which it was made. The recount goes on to exactly there. A
document without claims does not say; it is right to compare it when the room had no record between the cut and the
log's end as it was after the document was read. Else the room is in motion, and the next document is looked at.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from stream.verify.compare import Figure
from stream.verify.counting import SILENT_NOW
from stream.verify.shown import UnreadableError, made_of, read_document

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stream.contract.overlay import Overlay
    from stream.verify.counting import Counting
    from stream.verify.saved import Meta, Signals
    from stream.verify.shown import Shown
    from stream.verify.verdict import RoomVerdict

LOOK_AGAIN_S = 0.2
BATCH_ROOMS = 200
# Documents of a busy room that were made somewhere in between, before it is left for another audit.
DOCUMENTS_TRIED = 5
IN_MOTION = "in motion: no document between two records could be told apart"

Verdicts = dict[str, "RoomVerdict"]


class RedisCheck:
    """One comparison of all rooms; those that agreed and had no record since are not compared again.

    Args:
        counting: goes on as far as documents do.
        shown: reads them.
        signals: the newest document of each room up to the cut.
        cut: per partition, the checkpoint that was compared.
        compared: room → what of it was counted when Redis agreed last; kept from audit to audit.
    """

    def __init__(
        self,
        counting: Counting,
        shown: Shown,
        signals: Signals,
        cut: dict[int, Meta],
        compared: dict[str, dict[str, int]],
    ) -> None:
        self._counting = counting
        self._shown = shown
        self._signals = signals
        self._cut = cut
        self._compared = compared
        self._tried: dict[str, int] = {}
        self._missing: dict[str, Figure] = {}

    async def run(
        self, rooms: Sequence[str], verdicts: Verdicts, until_s: float, report: Callable[[str], None]
    ) -> None:
        """Compare; documents that are missing or too old are looked for until then (monotonic)."""
        waiting = list(rooms)
        while True:
            for first in range(0, len(waiting), BATCH_ROOMS):
                await self._look(waiting[first : first + BATCH_ROOMS], verdicts)
            waiting = [room for room in waiting if room in self._missing or room in self._tried]
            if not waiting:
                return
            if time.monotonic() > until_s:
                break
            report(f"Redis to show newer documents of {len(waiting)} rooms")
            await asyncio.sleep(LOOK_AGAIN_S)
        for room in waiting:
            verdict = self._verdict(room, verdicts)
            if room in self._missing:
                verdict.figures = [self._missing[room]]
            else:
                verdict.redis_skipped = IN_MOTION

    async def _look(self, rooms: Sequence[str], verdicts: Verdicts) -> None:
        told: list[Overlay] = []
        untold: list[Overlay] = []
        for room, document in zip(rooms, await self._shown.documents(rooms), strict=True):
            overlay = self._readable(room, document, verdicts)
            if overlay is not None:
                (untold if made_of(overlay) is None else told).append(overlay)
        # One owner's documents of a partition follow each other as its clock does.
        for overlay in sorted(told, key=lambda each: each.as_of_ms):
            await self._compare_told(overlay, verdicts)
        if untold:
            await self._compare_untold(untold, verdicts)

    def _verdict(self, room: str, verdicts: Verdicts) -> RoomVerdict:
        if room not in verdicts:
            verdicts[room] = self._counting.verdict(room)
        return verdicts[room]

    def _readable(self, room: str, document: bytes | None, verdicts: Verdicts) -> Overlay | None:
        """The document if it is to be compared; else what is to be said is noted."""
        self._missing.pop(room, None)
        verdict = self._verdict(room, verdicts)
        if verdict.skipped is not None:
            self._tried.pop(room, None)
            return None
        if document is None:
            if self._counting.silent_since(room, time.time() * 1000):
                verdict.skipped = SILENT_NOW
            else:
                self._missing[room] = Figure("document", "in Redis", "missing")
            return None
        try:
            overlay = read_document(room, document)
        except UnreadableError as error:
            self._settle(room, verdict, None, [Figure(error.name, error.expected, error.found)])
            return None
        saved = self._signals.newest.get(room)
        if saved is not None and overlay.as_of_ms < saved.stamp.as_of_ms:
            as_of_ms = saved.stamp.as_of_ms
            self._missing[room] = Figure("document", f"as of {as_of_ms}, or later", f"as of {overlay.as_of_ms}")
            return None
        if (place := self._counting.places.get(room)) is not None and self._compared.get(room) == place.after:
            self._tried.pop(room, None)
            return None
        return overlay

    async def _compare_told(self, overlay: Overlay, verdicts: Verdicts) -> None:
        room, offsets = overlay.room_id, made_of(overlay) or {}
        place = self._counting.places.get(room)
        if place is None or any(after > offsets.get(topic, 0) for topic, after in place.after.items()):
            self._in_motion(room, verdicts)  # counted beyond it meanwhile: a newer document will do
            return
        handed = self._counting.inputs.handed
        further = {(topic, place.partition): offset for topic, offset in offsets.items()}
        await self._counting.count_to(
            {where: offset for where, offset in further.items() if offset > handed[where]}, lambda _: None
        )
        self._settle(room, self._verdict(room, verdicts), *self._counting.figures(room, overlay))

    async def _compare_untold(self, overlays: Sequence[Overlay], verdicts: Verdicts) -> None:
        """Looked at after the documents were read: the logs' ends. A room without a record up to there stood still."""
        places = self._counting.places
        partitions = {places[each.room_id].partition for each in overlays if each.room_id in places}
        ends = await self._counting.inputs.ends()
        await self._counting.count_to(
            {where: end for where, end in ends.items() if where[1] in partitions}, lambda _: None
        )
        for overlay in overlays:
            place = places.get(overlay.room_id)
            meta = None if place is None else self._cut.get(place.partition)
            if (
                place is None
                or meta is None
                or any(after > meta.positions.get(topic, 0) for topic, after in place.after.items())
            ):
                self._in_motion(overlay.room_id, verdicts)
                continue
            as_of_ms, figures = self._counting.figures(overlay.room_id, overlay)
            wrong = next((figure for figure in figures if not figure.agrees), None)
            if wrong is not None and self._may_be_older(overlay):
                self._missing[overlay.room_id] = wrong
            else:
                self._settle(overlay.room_id, self._verdict(overlay.room_id, verdicts), as_of_ms, figures)

    def _may_be_older(self, overlay: Overlay) -> bool:
        """Whether a document of the same moment as the cut's may have been made before it: clocks may stand still."""
        saved = self._signals.newest.get(overlay.room_id)
        return saved is not None and (overlay.epoch, overlay.rev) <= (saved.stamp.epoch, saved.rev)

    def _in_motion(self, room: str, verdicts: Verdicts) -> None:
        self._tried[room] = self._tried.get(room, 0) + 1
        if self._tried[room] >= DOCUMENTS_TRIED:
            del self._tried[room]
            self._verdict(room, verdicts).redis_skipped = IN_MOTION

    def _settle(self, room: str, verdict: RoomVerdict, as_of_ms: int | None, figures: list[Figure]) -> None:
        self._tried.pop(room, None)
        verdict.as_of_ms, verdict.figures, verdict.redis_skipped = as_of_ms, figures, None
        place = self._counting.places.get(room)
        if place is not None and all(figure.agrees for figure in figures):
            self._compared[room] = dict(place.after)
