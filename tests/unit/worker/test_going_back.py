"""Offsets that go back, and state that is gone, end the process with what is known."""

from __future__ import annotations

import pytest

from stream.exits import Exit
from stream.worker.fetching import LogEnds
from stream.worker.going_back import Landings, refuse_lost_state
from stream.worker.tasks import FatalError

TOPICS = ("live.likes", "live.orders")
STATE = "live.checkpoints"


def test_batches_may_land_later_and_later_in_each_topic() -> None:
    landings = Landings()
    for offset in (0, 1, 7, 8):
        landings.check(STATE, 3, offset, STATE)
        landings.check("live.journal", 3, offset + 100, STATE)


def test_what_the_broker_took_for_a_repetition_says_nothing() -> None:
    landings = Landings()
    landings.check(STATE, 3, 5, STATE)
    landings.check(STATE, 3, -1, STATE)
    landings.check(STATE, 3, 6, STATE)


@pytest.mark.parametrize("offset", [0, 4, 5])
def test_a_batch_before_the_last_one_means_another_log(offset: int) -> None:
    landings = Landings()
    landings.check(STATE, 3, 5, STATE)
    with pytest.raises(
        FatalError, match=r"live\.checkpoints, partition 3, has gone back: .* 6\. .* --accept-data"
    ) as end:
        landings.check(STATE, 3, offset, STATE)
    assert end.value.code is Exit.DATA_LOSS
    landings.check("live.journal", 3, 5, STATE)
    with pytest.raises(FatalError, match=r"live\.journal, .* the counts are right\. Start again"):
        landings.check("live.journal", 3, offset, STATE)


def test_the_first_start_of_all_is_no_loss() -> None:
    refuse_lost_state(TOPICS, 0, LogEnds([0, 0], [0, 9]), STATE, {})
    refuse_lost_state(TOPICS, 0, LogEnds([4, 0], [4, 9], None, [-1, -1]), STATE, {})
    # Of a log whose beginning retention has moved since.
    refuse_lost_state(TOPICS, 0, LogEnds([4, 0], [4, 9], None, [4, 0]), STATE, {})


@pytest.mark.parametrize(
    ("ends", "beside", "known_by"),
    [
        (LogEnds([0, 0], [0, 9]), {"live.journal": 2}, r"live\.journal begins at offset 2"),
        (LogEnds([0, 0], [0, 9], None, [-1, 3]), {}, r"the group had saved live\.orders up to 3"),
    ],
)
def test_an_empty_checkpoint_beside_traces_of_an_owner_is_a_loss(
    ends: LogEnds, beside: dict[str, int], known_by: str
) -> None:
    with pytest.raises(FatalError, match=f"holds no state, but an owner was there before: {known_by}") as end:
        refuse_lost_state(TOPICS, 0, ends, STATE, beside)
    assert end.value.code is Exit.DATA_LOSS
