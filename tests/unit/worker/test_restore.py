"""Where to go on after a restore, and when not to."""

from __future__ import annotations

import pytest

from stream.core.growth import NEWEST_VERSION
from stream.exits import Exit
from stream.worker.checkpoint import Meta
from stream.worker.fetching import LogEnds
from stream.worker.restore import start_positions, within_logs
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
