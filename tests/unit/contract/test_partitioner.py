from __future__ import annotations

import pytest
from aiokafka.partitioner import murmur2 as of_aiokafka
from hypothesis import given
from hypothesis import strategies as st

from stream.contract.partitioner import murmur2, partition_of


@pytest.mark.parametrize(
    ("key", "expected"),
    [  # of Kafka's own test of its Java client, signed there
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_it_is_the_hash_of_the_java_client(key: bytes, expected: int) -> None:
    assert murmur2(key) == expected & 0xFFFFFFFF


@given(st.binary(max_size=70), st.integers(1, 500))
def test_it_is_what_other_clients_choose(key: bytes, partitions: int) -> None:
    assert partition_of(key, partitions) == (of_aiokafka(key) & 0x7FFFFFFF) % partitions
