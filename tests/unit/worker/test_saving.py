from __future__ import annotations

import pytest

from stream.worker.saving import wait_s


@pytest.mark.parametrize(
    ("cut_s", "partitions", "expected_s"),
    [
        (0.0, 4, 1.0),
        (0.05, 4, 1.0),  # a fifth of the time, all together
        (0.1, 4, 2.0),
        (0.1, 8, 4.0),
        (3.0, 4, 10.0),  # what would be replayed after a crash stays bounded
    ],
)
def test_cuts_that_take_long_come_less_often(cut_s: float, partitions: int, expected_s: float) -> None:
    assert wait_s(1.0, cut_s, partitions) == pytest.approx(expected_s)
