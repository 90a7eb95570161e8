"""Where to go on after a restore, and when not to."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from stream.core.saved.growth import NEWEST_VERSION
from stream.exits import Exit
from stream.worker.checkpoint import META_KEY, Meta
from stream.worker.fetching import LogEnds
from stream.worker.restore import restore, start_positions, within_logs
from stream.worker.tasks import FatalError

TOPICS = ("live.likes", "live.orders")


def meta(positions: dict[str, int], partitions: int = 4) -> Meta:
    return Meta(
        version=NEWEST_VERSION,
        epoch=3,
        seq=9,
        owner="test",
        claim=False,
        positions=positions,
        clock_ms=5,
        partitions=partitions,
    )


def positions(saved: Meta | None, begin: list[int], end: list[int], *, accept: bool = False) -> list[int]:
    return start_positions(saved, TOPICS, 2, 4, LogEnds(begin, end), accept_data_loss=accept)


def test_without_a_checkpoint_everything_that_is_there_is_read() -> None:
    assert positions(None, [5, 0], [50, 60]) == [5, 0]


def test_saved_positions_are_where_it_goes_on_at_both_ends_of_the_log_too() -> None:
    assert positions(meta({"live.likes": 5, "live.orders": 60}), [5, 0], [50, 60]) == [5, 60]


def test_a_topic_that_is_new_since_the_checkpoint_is_read_whole() -> None:
    assert positions(meta({"live.likes": 7}), [0, 3], [50, 60]) == [7, 3]


def test_records_that_were_deleted_before_they_were_folded_end_the_process() -> None:
    with pytest.raises(
        FatalError, match=r"DATA LOSS: live\.orders, partition 2, begins at 11, 1 records after"
    ) as caught:
        positions(meta({"live.likes": 7, "live.orders": 10}), [0, 11], [50, 60])
    assert caught.value.code is Exit.DATA_LOSS


def test_a_log_that_ends_before_the_saved_position_was_cut_or_made_anew() -> None:
    with pytest.raises(FatalError, match=r"live\.likes, partition 2, ends at 50, 1 records before") as caught:
        positions(meta({"live.likes": 51, "live.orders": 10}), [0, 0], [50, 60])
    assert caught.value.code is Exit.DATA_LOSS


def test_data_loss_that_was_accepted_goes_on_at_the_nearest_record_that_exists() -> None:
    saved = meta({"live.likes": 51, "live.orders": 10})
    assert positions(saved, [0, 11], [50, 60], accept=True) == [50, 11]


def test_a_checkpoint_of_another_partition_count_is_refused() -> None:
    with pytest.raises(FatalError, match="4 partitions, but the checkpoint of partition 2 was made with 8") as caught:
        positions(meta({}, partitions=8), [0, 0], [0, 0])
    assert caught.value.code is Exit.FOREIGN_CHECKPOINT


def test_a_saved_offset_behind_an_open_transactions_first_is_no_loss() -> None:
    """A worker of old read what was not committed."""
    saved = dict.fromkeys(TOPICS, 7)
    begin, stable, written = ([offset] * len(TOPICS) for offset in (0, 5, 9))
    assert within_logs(saved, TOPICS, 2, LogEnds(begin, stable, written), accept_data_loss=False) == [7] * len(TOPICS)


class _Consumer:
    """Of logs that another owner writes to while this one sleeps: once it has asked where the checkpoints end."""

    def __init__(self, logs: dict[str, list[Any]], meanwhile: dict[str, list[Any]]) -> None:
        self._logs = logs
        self._meanwhile = meanwhile
        self._at: dict[Any, int] = {}

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def assign(self, tps: list[Any]) -> None:
        self._at = dict.fromkeys(tps, 0)

    async def seek_to_beginning(self, tp: Any) -> None:
        self._at[tp] = 0

    async def beginning_offsets(self, tps: list[Any]) -> dict[Any, int]:
        return dict.fromkeys(tps, 0)

    async def end_offsets(self, tps: list[Any]) -> dict[Any, int]:
        ends = {tp: len(self._logs[tp.topic]) for tp in tps}
        for topic, records in self._meanwhile.items():
            self._logs[topic] = self._logs[topic] + records
        self._meanwhile = {}
        return ends

    async def position(self, tp: Any) -> int:
        return self._at[tp]

    async def getmany(self, tp: Any, **_limits: int) -> dict[Any, list[Any]]:
        records, self._at[tp] = self._logs[tp.topic][self._at[tp] :], len(self._logs[tp.topic])
        return {tp: records} if records else {}


def _restored(logs: dict[str, list[Any]], meanwhile: dict[str, list[Any]]) -> Any:
    def make(**_arguments: Any) -> _Consumer:
        return _Consumer(logs, meanwhile)

    return asyncio.run(
        restore("simulated", "live.checkpoints", 2, lambda _key, _value: None, make, beside=("live.signals",))
    )


def _record(key: bytes, value: bytes) -> SimpleNamespace:
    return SimpleNamespace(offset=0, key=key, value=value, timestamp=5)


def test_signals_without_a_checkpoint_say_that_it_was_lost() -> None:
    restored = _restored({"live.checkpoints": [], "live.signals": [_record(b"room", b"{}")]}, {})
    assert (restored.meta, restored.beside) == (None, {"live.signals": 0})


def test_signals_that_the_next_owner_wrote_while_this_one_slept_are_no_loss() -> None:
    claim = meta(dict.fromkeys(TOPICS, 0))
    meanwhile = {
        "live.checkpoints": [_record(META_KEY, msgspec.json.encode(claim))],
        "live.signals": [_record(b"room", b"{}")],
    }
    restored = _restored({"live.checkpoints": [], "live.signals": []}, meanwhile)
    assert (restored.meta, restored.beside, restored.end_offset) == (claim, {}, 1)
