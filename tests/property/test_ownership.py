"""Whatever happens to slices between fetch and fold, each record is folded once, in order, and in the end all are."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from stream.worker.ownership import Drained, Ownership, Phase, Slice, Verdict

HAPPENINGS = ("fetch", "fetch_stale", "deliver", "lose", "repeat", "swap", "pause", "seek")


class Fetched(NamedTuple):
    offset: int
    timestamp: int = 0
    key: bytes | None = b"room"
    value: bytes | None = b"{}"
    headers: tuple[tuple[str, bytes], ...] = ()


class World:
    """One topic of one partition, with a fetcher and a queue that do what they should not."""

    def __init__(self, offsets: list[int]) -> None:
        self.log = offsets
        self.folded: list[int] = []
        self.position = 0
        self.fetch_from = 0
        self.queue: list[Slice] = []
        self.ownership = Ownership(0, 1)
        self.ownership.restored()
        self.seek()

    def seek(self) -> None:
        if self.ownership.phase is Phase.READY:
            self.fetch_from = self.position
            self.ownership.went_live(self.ownership.seeking([self.position]))

    def fetch(self, count: int, size: int, *, token: int | None = None) -> None:
        records = [Fetched(offset) for offset in self.log if offset >= self.fetch_from][:count]
        if records:
            drained = Drained(0, 0, token or self.ownership.token, records, records[-1].offset + 1, 0, 0)
            self.fetch_from = records[-1].offset + 1
            self.queue.extend(self.ownership.cut(drained, size))

    def deliver(self, *, keep: bool = False) -> None:
        if self.queue:
            piece = self.queue[0] if keep else self.queue.pop(0)
            match self.ownership.accept(piece):
                case Verdict.FOLD:
                    self.folded += [record.offset for record in piece.records]
                    self.position = piece.next_offset
                case Verdict.GAP:
                    self.ownership.pause()
                    self.seek()
                case Verdict.STALE:
                    pass

    def happen(self, what: str, count: int, size: int) -> None:
        match what:
            case "fetch":
                self.fetch(count, size)
            case "fetch_stale":
                before = self.fetch_from
                self.fetch(count, size, token=-1)
                self.fetch_from = before
            case "deliver" | "repeat":
                self.deliver(keep=what == "repeat")
            case "lose":
                del self.queue[:1]
            case "swap":
                self.queue[:2] = self.queue[:2][::-1]
            case "pause":
                self.ownership.pause()
            case "seek":
                self.seek()


@given(
    gaps=st.lists(st.integers(1, 3), min_size=1, max_size=30),
    steps=st.lists(st.tuples(st.sampled_from(HAPPENINGS), st.integers(1, 9), st.integers(1, 4)), max_size=60),
)
def test_every_record_is_folded_once_and_in_order(gaps: list[int], steps: list[tuple[str, int, int]]) -> None:
    offsets = [sum(gaps[: index + 1]) for index in range(len(gaps))]
    world = World(offsets)
    for what, count, size in steps:
        world.happen(what, count, size)
        assert world.folded == offsets[: len(world.folded)]
    # Left alone, it comes to the end by itself: fetch, deliver, and heal what was lost.
    for _ in range(3 * len(offsets) + 3):
        world.seek()
        world.fetch(5, 2)
        while world.queue:
            world.deliver()
        if world.folded != offsets and world.fetch_from > offsets[-1]:
            world.ownership.pause()
    assert world.folded == offsets
