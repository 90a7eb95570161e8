from __future__ import annotations

import pytest
from aiokafka.partitioner import DefaultPartitioner

from stream.verify.latency import quantile, quiet_room


@pytest.mark.parametrize(
    ("share", "value"), [(0.0, 1.0), (0.5, 50.0), (0.501, 51.0), (0.99, 99.0), (0.991, 100.0), (1.0, 100.0)]
)
def test_a_quantile_is_the_least_sample_that_is_not_below_that_share(share: float, value: float) -> None:
    assert quantile([float(sample) for sample in range(100, 0, -1)], share) == value


def test_a_quantile_of_one_sample_is_that_sample() -> None:
    assert [quantile([7.0], share) for share in (0.5, 0.99)] == [7.0, 7.0]


def test_a_quiet_room_lies_in_a_partition_of_its_own() -> None:
    numbers = list(range(4))
    busy = ["a", "b", "c"]

    def partition(room: str) -> int:
        return int(DefaultPartitioner()(room.encode(), numbers, numbers))

    assert partition(quiet_room(4, busy)) not in {partition(room) for room in busy}


def test_no_partition_left_is_an_error() -> None:
    with pytest.raises(ValueError, match="all of the 1 partitions"):
        quiet_room(1, ["a"])
