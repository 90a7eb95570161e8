"""When event ids are forgotten. Ids lie in generations; the present generation and the one before are remembered.

A generation lasts for half of `remember_ids_ms` of the partition's clock, or until half of `remember_ids_max` ids came.
The turns by time follow from the clock alone, in one step or in many; a turn by number dates from the clock before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stream.core.saved.frames import frame, unframe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stream.core.rules import Rules
    from stream.core.saved.entries import IdsEntry

GENERATION_KEY = b"g|"
_decoder = msgspec.msgpack.Decoder(tuple[int, int, int])


class Generations:
    """The generations of one partition. `present`: the number of the one in which ids are remembered now."""

    def __init__(self, rules: Rules) -> None:
        self._half_ms = rules.remember_ids_ms // 2
        self._half_count = rules.remember_ids_max // 2
        self.present = 0
        self.ids = 0  # in the present generation, those of duplicates too
        self._since_ms = -1
        self._saved: tuple[int, int, int] | None = None

    def turn_by_number(self, clock_ms: int) -> None:
        """The clock is about to leave `clock_ms`, at which everything since its last move was folded."""
        if self._since_ms < 0 and self.ids:
            self._since_ms = clock_ms
        if self.ids >= self._half_count:
            self._turn(1, clock_ms)

    def turn_by_time(self, clock_ms: int) -> None:
        """The clock has come to `clock_ms`."""
        if self._since_ms < 0:
            return
        passed = (clock_ms - self._since_ms) // self._half_ms
        if passed:
            self._turn(passed, self._since_ms + passed * self._half_ms)

    def _turn(self, passed: int, since_ms: int) -> None:
        self.present += passed
        self._since_ms = since_ms
        self.ids = 0

    # -- checkpoint ----------------------------------------------------------------------------------------------------
    def state(self) -> tuple[int, int, int]:
        """All there is to it."""
        return self.present, self._since_ms, self.ids

    def begin(self, state: tuple[int, int, int]) -> None:
        """Go on from what `state` gave."""
        self.present, self._since_ms, self.ids = self._saved = state

    def record(self) -> Iterator[tuple[bytes, bytes]]:
        """Its state, if that has changed since the last call."""
        state = self.state()
        if state != self._saved:
            self._saved = state
            yield GENERATION_KEY, frame(state)

    def load(self, value: bytes | None) -> None:
        """Take the record of a checkpoint. Raises CorruptCheckpointError when it cannot be read."""
        if value is not None:
            self._saved = unframe(GENERATION_KEY, value, _decoder)

    def restored(self, entries: Iterable[IdsEntry], clock_ms: int) -> None:
        """Go on where the checkpoint stands; without a record, as the saved ids suggest."""
        if self._saved is not None:
            self.present, self._since_ms, self.ids = self._saved
            self.turn_by_time(clock_ms)
            return
        for entry in entries:
            if entry.generation > self.present:
                self.present, self.ids = entry.generation, 0
            if entry.generation == self.present:
                self.ids += len(entry.ids)
        self._since_ms = clock_ms
