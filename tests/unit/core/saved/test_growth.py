from __future__ import annotations

from typing import ClassVar

import msgspec
import pytest

from stream.contract.events import SaleOpened
from stream.core.saved.growth import NEWEST_VERSION, VERSION_1, VERSION_2, fitted, grown, grown_object, grown_row
from stream.core.saved.ledgers import OPENED_FIELDS_1
from tests.support.events import Log, like, room_closed, room_opened
from tests.support.rooms import INTERACTIONS, LIKES, TOPICS, restarted


class Saved(msgspec.Struct, array_like=True):
    fields_1: ClassVar[int] = 2

    first: int
    second: int = 0


class Later(msgspec.Struct, array_like=True):
    """The same, two versions on."""

    fields_1: ClassVar[int] = 2

    first: int
    second: int = 0
    third: int = 7
    fourth: list[int] = []


@pytest.mark.parametrize(
    ("saved", "expected"),
    [([], [0, 0, 0]), ([1], [1, 0, 0]), ([1, 2, 3], [1, 2, 3]), ([1, 2, 3, 4], [1, 2, 3])],
)
def test_what_was_saved_is_made_as_long_as_it_has_to_be(saved: list[int], expected: list[int]) -> None:
    assert fitted(saved, 3, 0) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0, 0], [0, 0]), ([0, 0, 0, 0], [0, 0]), ([1, 0, 3, 0], [1, 0, 3]), ([0, 0, 0, 4], [0, 0, 0, 4]), ([1], [1])],
)
def test_nothing_at_the_end_is_left_out_but_for_what_was_always_said(values: list[int], expected: list[int]) -> None:
    assert grown(values, 2, 0) == expected
    assert fitted(grown(values, 2, 0), len(values), 0) == values


def test_a_struct_with_more_fields_keeps_its_bytes_until_they_are_used() -> None:
    encode = msgspec.msgpack.encode
    assert encode(grown_row(Saved(5, 6))) == encode(Saved(5, 6)) == encode(grown_row(Later(5, 6)))
    assert encode(grown_row(Saved(5))) == encode(grown_row(Later(5))) == encode([5, 0])
    assert encode(grown_row(Later(5, 6, 8))) == encode([5, 6, 8])
    assert encode(grown_row(Later(5, 6, 7, [1]))) == encode([5, 6, 7, [1]])
    for later in (Later(5), Later(5, 6, 8), Later(5, 0, 7, [1])):
        assert msgspec.msgpack.decode(encode(grown_row(later)), type=Later) == later


class Opened(msgspec.Struct, tag_field="type", tag="opened", kw_only=True):
    sale_id: str
    price: int | None = None


class LaterOpened(msgspec.Struct, tag_field="type", tag="opened", kw_only=True):
    """The same, with two optional fields more."""

    sale_id: str
    price: int | None = None
    early_ms: int | None = None
    words: list[str] = []


def test_an_object_with_more_fields_keeps_its_bytes_until_they_are_used() -> None:
    encode = msgspec.msgpack.encode
    old = encode(Opened(sale_id="s"))
    assert encode(grown_object(Opened(sale_id="s"), 2)) == old
    assert encode(grown_object(LaterOpened(sale_id="s"), 2)) == old
    used = LaterOpened(sale_id="s", words=["a"])
    assert grown_object(used, 2) == {"type": "opened", "sale_id": "s", "price": None, "words": ["a"]}
    assert msgspec.msgpack.decode(encode(grown_object(used, 2)), type=LaterOpened) == used


def test_what_is_saved_of_a_sale_is_as_long_as_it_was() -> None:
    """Whoever adds a field to the contract leaves this number as it is: it says what was always written."""
    assert SaleOpened.__struct_fields__[OPENED_FIELDS_1 - 1] == "restock_planned_at_ms"


def test_the_version_says_2_from_the_first_interaction_on_and_for_ever() -> None:
    log, saved = Log(), dict[bytes, bytes | None]()
    log.add(like())
    assert log.fold.cut(1).version == VERSION_1
    log.add(room_opened())
    assert log.fold.cut(1).version == VERSION_2 == NEWEST_VERSION
    log.add(like())
    assert log.fold.cut(1).version == VERSION_2
    again = restarted(log.fold, saved)
    assert again.cut(1).version == VERSION_1  # the owner says what the meta record said
    again.loaded(log.fold.positions, log.fold.clock_ms, VERSION_2)
    assert again.cut(1).version == VERSION_2


def test_an_interaction_that_is_refused_needs_version_2_as_well() -> None:
    """An older worker would not know how far it was read, and the next one would write the letter again."""
    log = Log()
    topic, record = log.record(room_opened())
    assert topic == INTERACTIONS
    log.fold.fold(topic, [record._replace(value=b"{broken")])
    cut = log.fold.cut(1)
    assert (len(cut.refused), cut.version) == (1, VERSION_2)


def test_others_can_say_what_they_need() -> None:
    log = Log()
    log.fold.needs(VERSION_2)
    log.fold.needs(VERSION_1)
    assert log.fold.cut(1).version == VERSION_2


def test_words_of_the_room_count_once_and_move_no_figure() -> None:
    log = Log()
    log.add(like(), room_opened(event_id="a"), room_opened(event_id="a"), room_closed())
    counters = log.fold.counters
    assert (counters.applied[INTERACTIONS], counters.duplicate[INTERACTIONS]) == (2, 1)
    assert log.fold.positions == [*[0] * LIKES, 1, *[0] * (INTERACTIONS - LIKES - 1), 3]
    assert log.overlay().totals.likes == 1


def test_what_has_no_interactions_says_nothing_of_their_topic() -> None:
    log = Log()
    log.add(like())
    (document,) = log.fold.publish(None, 1, everything=True)
    assert len(document.positions) == len(TOPICS) - 1
    steps = log.fold.cut(1).steps
    assert steps is not None
    assert len(steps.positions) == len(steps.positions_before) == len(TOPICS) - 1
    log.add(room_opened())
    (document,) = log.fold.publish(None, 1, everything=True)
    assert document.positions == (0, 1, 0, 0, 0, 0, 1)
    steps = log.fold.cut(1).steps
    assert steps is not None
    assert (steps.positions_before, steps.positions) == ([0, 1, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 1])
