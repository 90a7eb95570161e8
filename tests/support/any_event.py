"""Events of any kind, made from the kind's fields alone: few ids, so that they meet, and numbers within limits.

An array has few items more than it must; an item's ids may be alike, as no schema forbids that.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from msgspec import inspect

if TYPE_CHECKING:
    from random import Random

    from stream.contract.events import Event

IDS = 5
SPREAD = 40
MORE_ITEMS = 2


def any_event(kind: type[Event], random: Random, event_id: str, room_id: str, at_ms: int) -> Event:
    """One event of a kind.

    Args:
        kind: the kind.
        random: draws the values.
        event_id: its id.
        room_id: its room.
        at_ms: its time; other times lie within minutes of it.
    """
    given = {"event_id": event_id, "room_id": room_id, "event_time_ms": at_ms}
    described = inspect.type_info(kind)
    assert isinstance(described, inspect.StructType)
    fields: dict[str, Any] = dict(given)
    for field in described.fields:
        if field.name not in given:
            fields[field.name] = _value(field.name, field.type, random, at_ms)
    return kind(**fields)


def _value(name: str, described: inspect.Type, random: Random, at_ms: int) -> Any:  # noqa: PLR0911 — a type each
    if isinstance(described, inspect.Metadata):
        return _value(name, described.type, random, at_ms)
    if isinstance(described, inspect.UnionType):
        return _value(name, random.choice(described.types), random, at_ms)
    if isinstance(described, inspect.NoneType):
        return None
    if isinstance(described, inspect.BoolType):
        return random.random() < 0.5
    if isinstance(described, inspect.EnumType):
        return random.choice(list(described.cls))
    if isinstance(described, inspect.LiteralType):
        return random.choice(described.values)
    if isinstance(described, inspect.IntType):
        return at_ms + random.randrange(-60_000, 180_000) if name.endswith("_ms") else _number(described, random)
    if isinstance(described, inspect.StrType):
        return _text(name, described, random)
    return _composed(name, described, random, at_ms)


def _composed(name: str, described: inspect.Type, random: Random, at_ms: int) -> Any:
    """An array, or a struct in one."""
    if isinstance(described, inspect.StructType):
        return described.cls(**{each.name: _value(each.name, each.type, random, at_ms) for each in described.fields})
    if isinstance(described, inspect.CollectionType):
        least = described.min_length or 0
        most = least + MORE_ITEMS if described.max_length is None else min(described.max_length, least + MORE_ITEMS)
        items = [_value(name, described.item_type, random, at_ms) for _ in range(random.randint(least, most))]
        return items if isinstance(described, inspect.ListType) else tuple(items)
    raise AssertionError(f"{name}: no value is known for {described}")


def _text(name: str, described: inspect.StrType, random: Random) -> str:
    """A word of few; where a pattern is asked for, in the first of some forms that has it: a code, an address."""
    number = random.randrange(IDS)
    word = f"{name[:2]}{number}"
    for text in (word, f"{name[:2].upper()}{'ABCDE'[number]}", f"https://cdn.example/{word}"):
        if described.pattern is None or re.search(described.pattern, text):
            return text
    raise AssertionError(f"{name}: no text is known for {described.pattern}")


def _number(described: inspect.IntType, random: Random) -> int:
    least = 0 if described.ge is None else int(described.ge)
    most = least + SPREAD if described.le is None else int(described.le)
    return random.choice((least, most, random.randint(least, min(most, least + SPREAD))))
