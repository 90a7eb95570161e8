"""Events in the order of their time, in bounded memory: sorted runs, spilled to unnamed temporary files, then merged.

Files have other orders than time (UserBehavior is sorted by user). Records keep their own time, and a partition's clock
is the time reached in the log. In the order of the rows the clock would leap to the end of the first user's week, and
all that follows would be past. Equal times keep the order of the rows.
"""

from __future__ import annotations

import heapq
import tempfile
from typing import TYPE_CHECKING, BinaryIO, cast

import msgspec

from stream.errors import SnapupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# About 300 bytes an event: 75 MB at a time.
RUN_EVENTS = 250_000
# Each run is an open file during the merge; 50 million events.
MAX_RUNS = 200
_LENGTH_BYTES = 4

# Time in ms, index of the topic, the record's value.
TimedValue = tuple[int, int, bytes]

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(TimedValue)


def in_time_order(values: Iterable[TimedValue], run_events: int = RUN_EVENTS) -> Iterator[TimedValue]:
    """The same values, sorted by time; values of one time keep their order.

    Raises:
        SnapupError: there are more than fit.
    """
    runs: list[BinaryIO] = []
    try:
        run: list[TimedValue] = []
        for value in values:
            run.append(value)
            if len(run) >= run_events:
                runs.append(_spill(run, len(runs), run_events))
                run = []
        run.sort(key=_time)
        # merge() is stable: of equal times the earlier run comes first.
        yield from heapq.merge(*map(_read, runs), run, key=_time)
    finally:
        for file in runs:
            file.close()


def _time(value: TimedValue) -> int:
    return value[0]


def _spill(run: list[TimedValue], runs: int, run_events: int) -> BinaryIO:
    if runs >= MAX_RUNS:
        raise SnapupError(
            f"More than {MAX_RUNS * run_events} events cannot be sorted by time here: import the file in parts, or "
            "with --order file."
        )
    run.sort(key=_time)
    file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - closed by in_time_order, after the merge
    for value in run:
        packed = _encoder.encode(value)
        file.write(len(packed).to_bytes(_LENGTH_BYTES, "big") + packed)
    return file


def _read(file: BinaryIO) -> Iterator[TimedValue]:
    file.seek(0)
    while length := file.read(_LENGTH_BYTES):
        yield _decoder.decode(file.read(int.from_bytes(length, "big")))
