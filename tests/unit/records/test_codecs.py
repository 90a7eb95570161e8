from __future__ import annotations

import gzip
import struct

import cramjam
import pytest
from aiokafka import codec

from stream.records.codecs import UndecodableError, decompress
from tests.support.raw_batches import CODECS, compressed

PLAIN = b"".join(b'{"event_id":"%032d"}' % number for number in range(4_000))
XERIAL = b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1)


@pytest.mark.parametrize("name", ["gzip", "snappy", "lz4", "zstd"])
def test_every_codec_gives_back_what_was_packed(name: str) -> None:
    assert decompress(CODECS[name], compressed(name, PLAIN)) == PLAIN


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("snappy", codec.snappy_encode(PLAIN)),  # Java's stream of blocks
        ("snappy", codec.snappy_encode(PLAIN[:100]) + codec.snappy_encode(PLAIN[100:])),
        ("gzip", gzip.compress(PLAIN[:100]) + gzip.compress(PLAIN[100:])),
        ("gzip", gzip.compress(PLAIN) + bytes(7)),  # Java ignores what follows
        ("lz4", bytes(cramjam.lz4.compress(PLAIN))),  # with its content's size and checksum
        ("lz4", codec.lz4_encode(PLAIN)),  # without
        ("zstd", codec.zstd_encode(PLAIN[:100]) + codec.zstd_encode(PLAIN[100:])),
        ("zstd", bytes(cramjam.zstd.compress(PLAIN, level=19))),
    ],
)
def test_the_framings_of_the_worlds_clients_are_read(name: str, packed: bytes) -> None:
    assert decompress(CODECS[name], packed) == PLAIN


@pytest.mark.parametrize("name", ["gzip", "lz4", "zstd"])
def test_what_comes_to_more_than_the_bound_gives_its_beginning_and_no_more(name: str) -> None:
    packed = compressed(name, PLAIN)
    assert decompress(CODECS[name], packed, len(PLAIN)) == PLAIN
    with pytest.raises(UndecodableError, match="more than 5000 bytes") as refused:
        decompress(CODECS[name], packed, 5_000)
    assert refused.value.beginning == PLAIN[:5_000]


def test_a_snappy_block_says_how_large_it_is_and_a_stream_gives_its_blocks() -> None:
    with pytest.raises(UndecodableError, match="more than 5000 bytes"):
        decompress(CODECS["snappy"], compressed("snappy", PLAIN), 5_000)
    with pytest.raises(UndecodableError, match="more than 40000 bytes") as refused:
        decompress(CODECS["snappy"], codec.snappy_encode(PLAIN), 40_000)
    assert refused.value.beginning == PLAIN[: 32 * 1024]


@pytest.mark.parametrize("name", ["gzip", "snappy", "lz4", "zstd"])
def test_damage_is_told_by_the_codecs_name(name: str) -> None:
    packed = compressed(name, PLAIN)
    for damaged in (b"junk", b"\xff" * 40, packed[: len(packed) // 2]):
        with pytest.raises(UndecodableError, match=name):
            decompress(CODECS[name], damaged)


@pytest.mark.parametrize("block", [struct.pack(">i", -5), struct.pack(">i", 1 << 30), struct.pack(">i", 0), b"\0\0"])
def test_a_stream_of_blocks_that_lies_is_damaged(block: bytes) -> None:
    with pytest.raises(UndecodableError, match="snappy"):
        decompress(CODECS["snappy"], XERIAL + block)


def test_a_codec_that_nobody_knows_is_told() -> None:
    with pytest.raises(UndecodableError, match="codec 5, which does not exist"):
        decompress(5, b"")
