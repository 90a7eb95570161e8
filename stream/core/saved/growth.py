"""How saved forms grow: this version reads what an older one saved, and marks what an older one would misread.

Lists with a place for each topic, audience or tally become longer with the contract, and structs get new fields at
their end. A form that was saved earlier is shorter than the present one; `fitted` fills it up, and nothing else does.
A form that is written leaves out the places at its end that hold nothing yet (`grown`, `grown_row`). A room or a
partition that uses nothing new keeps its bytes, and an older Snapup can go on with it.

From the first record on that an older Snapup would lose, the partition's meta record says another version, for ever,
and an older worker ends instead. A partition whose meta record does not say so can be rolled back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

# Versions of a partition's checkpoint, as its meta record says.
VERSION_1 = 1
# A record of `interactions` was folded: who does not know the topic would take it for unread. Or a session ended whose
# room is remembered: who does not know of memories would begin the next one anew, with versions that fall. Or somebody
# emptied a cart: who does not know the type refuses the record. Or a view named its source: who does not know of
# sources would lose the counts. Or an order was shipped, or cancelled without lines: who does not know that refuses it.
VERSION_2 = 2
NEWEST_VERSION = VERSION_2

# How long lists and structs were in version 1: a form that is longer now is written so long at least.
TOPICS_1 = 6
AUDIENCES_1 = 7
TALLIES_1 = 4


def fitted(saved: Sequence[T], length: int, nothing: T) -> list[T]:
    """Returns what was saved, at the present length: `nothing` stands in each place that came since.

    Places beyond the present length are of a newer Snapup, whose version says whether they may be left out.
    """
    return [*saved[:length], *[nothing] * (length - len(saved))]


def grown(values: Sequence[T], length_1: int, nothing: T) -> list[T]:
    """Returns what to save: the values without `nothing` at the end, but at least as many as in version 1."""
    end = len(values)
    while end > length_1 and values[end - 1] == nothing:
        end -= 1
    return [*values] if end == len(values) else [*values[:end]]


class Row(Protocol):
    """A struct that is saved as an array. `fields_1`: how many fields it had in version 1."""

    fields_1: ClassVar[int]
    __struct_fields__: ClassVar[tuple[str, ...]]


def grown_row(row: Row) -> Any:
    """Returns what to save of a struct: its fields without defaults at the end, but at least those of version 1."""
    fields_1 = row.fields_1
    end = len(row.__struct_fields__)
    if end == fields_1:
        return row
    kind = type(row)
    defaults = _defaults_of.get(kind)
    if defaults is None:
        defaults = _defaults_of[kind] = _defaults(kind)
    values = msgspec.structs.astuple(row)  # type: ignore[arg-type] # a row is a struct
    while end > fields_1 and values[end - 1] == defaults[end - 1]:
        end -= 1
    return values[:end]


def grown_object(value: msgspec.Struct, fields_1: int) -> Any:
    """The same of a struct that is saved as an object: of its fields after the first `fields_1` those that are used."""
    names = value.__struct_fields__
    if len(names) == fields_1:
        return value
    config, defaults = value.__struct_config__, _defaults(type(value))
    saved = {} if config.tag is None else {config.tag_field: config.tag}
    for place, name in enumerate(names):
        said = getattr(value, name)
        if place < fields_1 or said != defaults[place]:
            saved[name] = said
    return saved


# A look-up for each row: `lru_cache` takes a third of what all of this does.
_defaults_of: dict[type[Any], tuple[Any, ...]] = {}


def _defaults(kind: type[Any]) -> tuple[Any, ...]:
    return tuple(
        field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        for field in msgspec.structs.fields(kind)
    )
