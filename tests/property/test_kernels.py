"""Both kernels give the same, to the byte, whatever bytes come: the Python one is the specification."""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.contract import examples
from stream.contract.catalogue import BUILT_IN
from stream.contract.decode import IN_COLUMNS, DeadLetter, Decoder
from stream.contract.events import MAX_AGE_MS, MAX_AHEAD_MS, TOPIC_NAMES
from stream.core.rules import Rules
from stream.core.time import effective_time_ms
from stream.kernel.packed import PackedRecords
from tests.support.kernels import kernel, packed
from tests.support.odd import odd_log
from tests.support.rooms import Rec, new_fold, random_log, slices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.core.partition import PartitionFold

# KERNEL_FUZZ=100 looks a hundred times as long: worth it after a change to the kernel or to the contract.
THOROUGH = int(os.environ.get("KERNEL_FUZZ", "1"))
NOW_MS = examples.NOW_MS
LATENESS_MS = 60_000
TOPICS = sorted(TOPIC_NAMES.index(name) for name in IN_COLUMNS)
OF_TOPIC = [[name for name, (topic, _) in BUILT_IN.types.items() if topic == TOPIC_NAMES[index]] for index in TOPICS]
GOOD = [
    (topic, msgspec.json.encode(record))
    for topic, names in zip(TOPICS, OF_TOPIC, strict=True)
    for record in examples.valid().values()
    if record["type"] in names
]
PIECES = [
    *(b"[", b"]", b"{", b"}", b'"', b",", b":", b"\\", b"\\u", b"\\ud83d", b"\\ude00", b"\\u00e9", b"\\/", b"\\x"),
    *(b"\x00", b"\x1f", b"\x7f", b"\xff", b"\xc3\xa9", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\xe4\xbd", b"\xc0\xaf"),
    *(b"0", b"00", b"-1", b"1e3", b"1.0", b"9" * 18, b"9" * 19, b"null", b"true", b"NaN", b" ", b"\t\r\n", b"\x0b"),
    *(
        b',"more":1',
        b',"more":"x"',
        b',"more":null',
        b',"more":[1]',
        b',"more":{"a":1}',
        b',"more":-0',
        b',"m\\u0061":1',
    ),
    *(b',"count":2', b',"type":"like"', b',"user_id":null', b',"sale_id":null', b',"sale_id":"s"', b',"quantity":null'),
    *(b',"source":"feed"', b',"session_id":"x"', b',"session_id":null', b'"enter"', b'"leave"', b'"product_click"'),
    *(b'"like"', b'"comment"', b'"cart_add"', b'"cart_remove"', b'"order"', b"a" * 70, "字".encode() * 501),
]
CHANGES = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from((0, 0, 1, 2, 8)), st.sampled_from(PIECES) | st.binary(max_size=4)),
    max_size=3,
)
TIMES = st.sampled_from(
    [0, NOW_MS, NOW_MS - MAX_AHEAD_MS - 1, NOW_MS - MAX_AHEAD_MS, NOW_MS + MAX_AGE_MS, NOW_MS + 61_000]
)
KEYS = st.sampled_from([examples.ROOM.encode()] * 8 + [b"", b"a", b"\xff", examples.ROOM.encode() + b"x"])


def changed(value: bytes, changes: Sequence[tuple[float, int, bytes]]) -> bytes:
    """The value with some of its bytes replaced."""
    for place, taken, put in changes:
        at = int(place * len(value))
        value = value[:at] + put + value[at + taken :]
    return value


@settings(max_examples=250 * THOROUGH, deadline=None)
@given(st.sampled_from(GOOD), CHANGES, TIMES, KEYS)
def test_what_is_taken_is_good_and_says_the_same(
    good: tuple[int, bytes], changes: list[tuple[float, int, bytes]], at_ms: int, key: bytes
) -> None:
    topic, value = good[0], changed(good[1], changes)
    records = PackedRecords.of(kernel(), [Rec(value, key, 0, at_ms)])
    assert records is not None
    columns = Decoder(topic).in_columns(records, LATENESS_MS)
    event: Any = Decoder(topic).decode(value, key, at_ms)
    if columns is None:
        # Only what is unusual may be left to Python: an example as it is published is not.
        assert changes or isinstance(event, DeadLetter) or not value.isascii()
        return
    assert not isinstance(event, DeadLetter)
    (part,) = columns.rooms
    assert part.room_id == event.room_id == key.decode()
    effective_ms = effective_time_ms(event.event_time_ms, at_ms, LATENESS_MS)
    assert (columns.column(part, "event_time_ms"), columns.at_ms(part)) == ([event.event_time_ms], [effective_ms])
    assert (part.newest_ms, part.least_ms, part.most_ms) == (at_ms, effective_ms, effective_ms)
    for name in ("event_id", "user_id", "count", "sku_id", "sale_id", "quantity", "source", "session_id"):
        if hasattr(event, name):
            assert columns.column(part, name) == [getattr(event, name) or (0 if name == "quantity" else None)]


# -- the fold ----------------------------------------------------------------------------------------------------------
RULES = (
    Rules(),
    Rules(contract_edition=2, signals_edition=2, ids_by_topic=True, remember_sales_ms=7 * 86_400_000),
    Rules(contract_edition=2, suspect_unpaid_orders=2, distinct_exact_max=64, murmur2_partitions=0),
)


def all_that_came(fold: PartitionFold) -> tuple[Any, ...]:
    """Documents, checkpoint, counters, dead letters, notes."""
    noted = fold.take_noted()
    refused = [(each.topic_index, each.offset, each.letter, each.record.value) for each in fold.refused]
    documents = [(each.room_id, each.document) for each in fold.publish(None, 1, everything=True)]
    cut = fold.cut(1)
    return (
        documents,
        cut.records,
        cut.positions,
        cut.steps,
        cut.version,
        refused,
        noted,
        vars(fold.counters),
        fold.clock_ms,
    )


def fold_both(pieces: Sequence[tuple[int, Sequence[Rec]]], rules: Rules) -> tuple[int, int]:
    """Fold by both kernels, compare now and then.

    Returns how many pieces the native one had in columns, and how many records were in none of these.
    """
    python, native, in_columns, odd = new_fold(rules), new_fold(rules), 0, 0
    for number, (topic, records) in enumerate(pieces, 1):
        python.fold(topic, records)
        as_packed = packed(records)
        native.fold(topic, as_packed)
        if isinstance(as_packed, PackedRecords) and (columns := Decoder(topic).in_columns(as_packed, LATENESS_MS)):
            in_columns += 1
            odd += len(columns.odd)
        clock_ms = records[-1].timestamp
        assert python.advance(clock_ms, "log") == native.advance(clock_ms, "log")
        assert vars(python.counters) == vars(native.counters)
        if number % 20 == 0 or number == len(pieces):
            assert all_that_came(python) == all_that_came(native)
    return in_columns, odd


@pytest.mark.parametrize("rules", RULES, ids=["first", "second", "tight"])
@pytest.mark.parametrize("seed", range(6))
def test_logs_fold_the_same(seed: int, rules: Rules) -> None:
    """Also where some records are bad, come twice, late, early, or from nobody."""
    make = odd_log if seed % 2 else random_log
    log = make(seed, events=900, rooms=2)
    random = Random(seed)
    for topic in TOPICS:
        records = log[topic]
        records += [record._replace(timestamp=records[-1].timestamp) for record in random.choices(records, k=20)]
        log[topic] = [record._replace(offset=offset) for offset, record in enumerate(records)]
    in_columns, odd = fold_both(slices(log, random, 25), rules)
    assert in_columns > 0
    assert odd > 0


@settings(max_examples=25 * THOROUGH, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(GOOD), CHANGES, TIMES, KEYS, st.integers(0, 9)), min_size=1, max_size=40))
def test_any_bytes_fold_the_same(drawn: list[Any]) -> None:
    """The values are examples with bytes changed, most of which stay good; ids come again and again."""
    pieces: list[tuple[int, list[Rec]]] = []
    offsets = dict.fromkeys(TOPICS, 0)
    for (topic, value), changes, at_ms, key, number in drawn:
        event = msgspec.json.decode(value) | {"event_id": f"e{number}"}
        few = changes if number < 1 else ()
        record = Rec(
            changed(msgspec.json.encode(event), few), key if few else examples.ROOM.encode(), offsets[topic], at_ms
        )
        record = record if few else record._replace(timestamp=NOW_MS + number)
        offsets[topic] += 1
        if not pieces or pieces[-1][0] != topic:
            pieces.append((topic, []))
        pieces[-1][1].append(record)
    fold_both(pieces, RULES[1])
