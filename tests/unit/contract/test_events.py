from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest

from stream.contract.events import (
    INPUT_TOPICS,
    MAX_AMOUNT_MINOR,
    MAX_OFFERED,
    MAX_ORDER_LINES,
    MAX_SAFE_INTEGER,
    TOPIC_NAMES,
    RoomEvent,
)

if TYPE_CHECKING:
    import msgspec


def test_the_places_of_the_topics_never_change() -> None:
    """Checkpoints say positions by place: a topic may be added at the end, nothing else."""
    assert TOPIC_NAMES[:6] == ("comments", "likes", "cart-adds", "orders", "visits", "sales")


def test_every_type_belongs_on_exactly_one_topic() -> None:
    placed = [kind for _, kinds in INPUT_TOPICS for kind in kinds]
    assert sorted(placed, key=repr) == sorted(get_args(RoomEvent), key=repr)
    assert len({kind.__struct_config__.tag for kind in placed}) == len(placed)


def test_the_amounts_of_an_order_add_up_within_what_json_says_exactly() -> None:
    assert MAX_ORDER_LINES * MAX_AMOUNT_MINOR <= MAX_SAFE_INTEGER
    assert MAX_OFFERED * MAX_ORDER_LINES <= MAX_SAFE_INTEGER


@pytest.mark.parametrize("kind", get_args(RoomEvent))
def test_an_event_is_a_fact(kind: type[msgspec.Struct]) -> None:
    """Frozen, invisible to the garbage collector, named by `type`."""
    config = kind.__struct_config__
    assert config.frozen
    assert not config.gc
    assert config.tag_field == "type"
    assert not config.forbid_unknown_fields
