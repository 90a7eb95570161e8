"""The hash of a log range, computed a second time from the words of docs/report.md alone."""

from __future__ import annotations

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st

from stream.contract.kept import CutBytes
from stream.verify.range_hash import RangeHash

Record = tuple[int, int, bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...]]


def as_documented(topics: dict[tuple[str, int], list[Record]], order: list[str]) -> str:
    """What a third party would write."""

    def integer(number: int) -> bytes:
        return number.to_bytes(8, "big", signed=True)

    def text(content: bytes | None) -> bytes:
        return integer(-1) if content is None else integer(len(content)) + content[:16_384]

    lines = "snapup-log-1\n"
    for topic, partition in sorted(topics, key=lambda place: (order.index(place[0]), place[1])):
        records = topics[topic, partition]
        stream = b""
        for offset, timestamp, key, value, headers in records:
            stream += integer(offset) + integer(timestamp) + text(key) + text(value) + integer(len(headers))
            for name, content in headers:
                stream += text(name.encode()) + text(content)
        digest = hashlib.sha256(stream).hexdigest()
        lines += f"{topic} {partition} {records[0][0]} {records[-1][0] + 1} {len(records)} {digest}\n"
    return hashlib.sha256(lines.encode()).hexdigest()


ORDER = ["comments", "likes", "cart-adds", "orders", "visits", "sales", "interactions"]
content = st.none() | st.binary(max_size=40)
records = st.lists(
    st.tuples(
        st.integers(0, 2**40),
        st.integers(-1, 2**45),
        content,
        content,
        st.lists(st.tuples(st.text(st.characters(codec="utf-8"), max_size=5), content), max_size=2).map(tuple),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda record: record[0],
).map(lambda found: sorted(found, key=lambda record: record[0]))


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.tuples(st.sampled_from(ORDER), st.integers(0, 2)), records, max_size=4), st.randoms())
def test_it_is_what_the_page_says_whatever_the_order_of_topics(
    topics: dict[tuple[str, int], list[Record]], shuffle: object
) -> None:
    hashed = RangeHash()
    places = list(topics)
    shuffle.shuffle(places)  # type: ignore[attr-defined]
    for topic, partition in places:
        for offset, timestamp, key, value, headers in topics[topic, partition]:
            hashed.add(topic, partition, offset, timestamp, key, value, headers)
    log = hashed.log_range()
    assert log.sha256 == as_documented(topics, ORDER)
    assert log.records == sum(map(len, topics.values()))


def digest_of(*records: Record) -> str:
    hashed = RangeHash()
    for offset, timestamp, key, value, headers in records:
        hashed.add("likes", 0, offset, timestamp, key, value, headers)
    return hashed.log_range().sha256


def test_every_part_of_a_record_counts() -> None:
    good: Record = (5, 7, b"r", b"v", (("h", b"x"),))
    others: list[Record] = [
        (6, 7, b"r", b"v", (("h", b"x"),)),
        (5, 8, b"r", b"v", (("h", b"x"),)),
        (5, 7, None, b"v", (("h", b"x"),)),
        (5, 7, b"", b"v", (("h", b"x"),)),
        (5, 7, b"rv", b"", (("h", b"x"),)),
        (5, 7, b"r", None, (("h", b"x"),)),
        (5, 7, b"r", b"v", ()),
        (5, 7, b"r", b"v", (("h", None),)),
        (5, 7, b"r", b"v", (("h", b"x"), ("h", b"x"))),
    ]
    assert len({digest_of(good), *map(digest_of, others)}) == 1 + len(others)


def test_of_what_is_too_large_the_beginning_and_the_length_count() -> None:
    """A reader need not keep the rest: three megabytes that nobody takes."""
    whole, other = b"x" * 3_000_000, b"x" * 2_999_999 + b"y"
    cut = CutBytes(whole[:1_000_000], 3_000_000)
    assert digest_of((0, 0, b"r", whole, ())) == digest_of((0, 0, b"r", cut, ())) == digest_of((0, 0, b"r", other, ()))
    assert digest_of((0, 0, b"r", whole, ())) != digest_of((0, 0, b"r", whole[:-1], ()))
