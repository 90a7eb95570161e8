"""The events that the laws draw are events of the contract."""

from __future__ import annotations

from random import Random
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta, Struct

from stream.contract.catalogue import type_name
from stream.contract.events import Event, Id
from stream.mechanics.kinds import CATALOGUE
from tests.support.any_event import any_event

AT_MS = 1_700_000_000_000


class Ware(Struct, frozen=True):
    """An item of an array."""

    ware_id: Id
    units: Annotated[int, Meta(ge=1, le=9)]
    until_ms: int | None = None


class Basket(Event, frozen=True, kw_only=True, tag="basket"):
    """An event with arrays: of structs with bounds, of ids without."""

    wares: Annotated[tuple[Ware, ...], Meta(min_length=2, max_length=3)]
    labels: list[Id]


@pytest.mark.parametrize("kind", [*CATALOGUE.mechanic_of, Basket], ids=type_name)
def test_an_event_of_any_kind_is_one_that_the_contract_takes(kind: type[Event]) -> None:
    for seed in range(50):
        event = any_event(kind, Random(seed), f"e{seed}", "r1", AT_MS)
        assert msgspec.json.decode(msgspec.json.encode(event), type=kind) == event


def test_an_array_has_as_many_items_as_it_may_and_few_more_than_it_must() -> None:
    drawn = [any_event(Basket, Random(seed), "e1", "r1", AT_MS) for seed in range(50)]
    assert {len(basket.wares) for basket in drawn if isinstance(basket, Basket)} == {2, 3}
    assert {len(basket.labels) for basket in drawn if isinstance(basket, Basket)} == {0, 1, 2}
