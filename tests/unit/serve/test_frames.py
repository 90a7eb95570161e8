"""Frames are made once for all streams, and each stream still reads exactly what it was sent."""

from __future__ import annotations

import gzip
import zlib
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from stream.serve.frames import GZIP_HEAD, NOWHERE, WINDOW_BYTES, Chain, Frame, Place, chunk_of, gzip_tail


class Reader:
    """One stream, as the server writes it and as a browser reads it."""

    def __init__(self) -> None:
        self.place, self.sent, self.plain = NOWHERE, GZIP_HEAD, b""

    def take(self, frame: Frame) -> int:
        data = frame.packed(self.place)
        self.place = frame.place_after(self.place)
        self.sent += data
        self.plain += frame.plain
        return len(data)


def text(random: Random, size: int) -> bytes:
    """Like documents: much of it repeats, some of it does not."""
    return b'{"sold":%d,"x":"%b"}' % (random.randrange(10**6), random.randbytes(4).hex().encode() * (size // 8))


@given(seed=st.integers(0, 2**32), sizes=st.lists(st.sampled_from([10, 3_000, 50_000]), min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_whoever_comes_skips_or_is_pinged_reads_what_was_sent(seed: int, sizes: list[int]) -> None:
    random, chain, readers = Random(seed), Chain(), [Reader() for _ in range(4)]
    ping = Frame(b": ping\n\n")
    for step in range(25):
        frame = chain.add(text(random, random.choice(sizes)), is_snapshot=step == 0 or random.random() < 0.5)
        for reader in readers:
            what = random.random()
            if what < 0.6 and (reader.place.last or frame.is_snapshot):
                reader.take(frame)
            elif what < 0.7:
                reader.take(ping)
            elif what < 0.8:  # as for one that comes, or falls behind
                reader.take(Frame(text(random, random.choice(sizes)), is_snapshot=True))
    for reader in readers:
        # Readable up to here at any time, and a whole gzip file when the stream ends in order.
        assert zlib.decompressobj(31).decompress(reader.sent) == reader.plain
        tail = gzip_tail(zlib.crc32(reader.plain), len(reader.plain))
        assert gzip.decompress(reader.sent + tail) == reader.plain


def test_what_follows_in_order_is_small_and_made_once_for_all() -> None:
    random, chain, first, second = Random(1), Chain(), Reader(), Reader()
    for reader in (first, second):
        reader.take(Frame(b"retry: 1000\n\n"))
    body = random.randbytes(3_000).hex().encode()
    sizes = []
    for number in range(5):
        frame = chain.add(b"%d %b" % (number, body), is_snapshot=True)
        sizes.append(first.take(frame))
        assert frame.packed(second.place) is frame.packed(second.place)
        assert second.take(frame) == sizes[-1]
    assert sizes[0] > 3_000
    assert max(sizes[1:]) < 100
    # One that missed a frame gets the next one whole, and is then in order again.
    second.take(Frame(b": ping\n\n"))
    more = [chain.add(b"%d %b" % (number, body), is_snapshot=True) for number in range(5, 7)]
    assert second.take(more[0]) > 3_000
    assert second.take(more[1]) < 100


def test_a_stream_that_is_nowhere_in_the_chain_is_not_taken_for_one_that_is() -> None:
    chain = Chain()
    first, fresh = chain.add(b"a" * 500, is_snapshot=True), chain.add(b"b", is_snapshot=False)
    late = Reader()
    late.take(Frame(b"c" * 500, is_snapshot=True))
    late.take(fresh)
    assert late.place == Place(0, fresh.number)
    late.take(chain.add(b"a" * 500, is_snapshot=True))
    assert zlib.decompressobj(31).decompress(late.sent) == late.plain
    assert first.number < fresh.number


def test_no_window_is_longer_than_deflate_can_look_back() -> None:
    random, chain, reader = Random(2), Chain(), Reader()
    for _ in range(3):
        reader.take(chain.add(random.randbytes(2 * WINDOW_BYTES), is_snapshot=True))
    assert zlib.decompressobj(31).decompress(reader.sent) == reader.plain


def test_a_chunk_says_its_length_in_hexadecimal() -> None:
    assert chunk_of(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
