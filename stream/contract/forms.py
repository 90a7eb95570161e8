"""What the good records of one topic look like, as plain tables: for a reader that is no msgspec decoder.

The tables are drawn from the same types that msgspec decodes, so each rule is written once. Only flat events have a
form: ids, whole numbers and texts. Orders have lines, so they have none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from msgspec import inspect

from stream.contract.ids import is_id_type, without_metadata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.contract.events import Event

ID, NUMBER, TEXT = "id", "number", "text"
# The field that msgspec reads first: the kind of the event.
TYPE_FIELD = "type"


class Field(NamedTuple):
    """A field of any of the kinds. `least` and `most`: of a number; of an id or a text, how many characters."""

    name: str
    holds: str
    least: int
    most: int


class Kind(NamedTuple):
    """One kind of event: its wire name, and which of the fields it knows, must have, and may have as null."""

    event: type[Event]
    tag: str
    known: frozenset[str]
    required: frozenset[str]
    nullable: frozenset[str]


class Form(NamedTuple):
    """The good records of one topic."""

    fields: tuple[Field, ...]
    kinds: tuple[Kind, ...]

    def names(self, holds: str) -> list[str]:
        """The fields that hold ids, numbers or texts, in their order."""
        return [field.name for field in self.fields if field.holds == holds]


class Scanning(NamedTuple):
    """A form, and the limits within which a record is good; `lateness_ms`: see `stream.core.time`."""

    form: Form
    max_record_bytes: int
    max_age_ms: int
    max_ahead_ms: int
    lateness_ms: int


class RoomPart(NamedTuple):
    """One room's records among columns: from `begin` to `end`.

    `first_place`: of the first one in the piece; `retimed`: how many have another effective time than their own.
    `newest_ms`: the greatest append time. `least_ms` and `most_ms`: of the effective times.
    """

    room_id: str
    begin: int
    end: int
    first_place: int
    retimed: int
    newest_ms: int
    least_ms: int
    most_ms: int


class Columns(Protocol):
    """Good records as columns, room by room in the order of the rooms' first records, each in the order of the log.

    A few records of the piece may be in no column, because each of them needs a look by itself.
    """

    @property
    def rooms(self) -> Sequence[RoomPart]:
        """Where each room's records are."""
        ...

    @property
    def odd(self) -> Sequence[int]:
        """The places of the records that are in no column, in their order."""
        ...

    def places(self, part: RoomPart) -> list[int]:
        """The places of its records in the piece."""
        ...

    def kinds(self, part: RoomPart) -> Sequence[int]:
        """Which of the form's kinds each is."""
        ...

    def at_ms(self, part: RoomPart) -> list[int]:
        """Their effective times."""
        ...

    def column(self, part: RoomPart, name: str) -> Sequence[str | int | None]:
        """An id or number of each; None: left out. Numbers that a kind does not have are 0."""
        ...


class Scannable(Protocol):
    """Records that can be had in columns."""

    def columns(self, how: Scanning) -> Columns | None:
        """The columns of nearly all; None if too many records need a look by themselves."""
        ...


def form_of(kinds: Sequence[type[Event]]) -> Form | None:
    """The form of a topic with these kinds; None: some have more than ids, whole numbers and texts."""
    fields: dict[str, Field] = {}
    forms: list[Kind] = []
    for kind in kinds:
        shape = inspect.type_info(kind)
        if not isinstance(shape, inspect.StructType):
            return None
        nullable = set[str]()
        for each in shape.fields:
            bare, may_be_null = _not_null(each.type)
            field = _field(each.encode_name, bare)
            if field is None or fields.setdefault(field.name, field) != field:
                return None
            if may_be_null:
                nullable.add(field.name)
        known = frozenset(each.encode_name for each in shape.fields)
        required = frozenset(each.encode_name for each in shape.fields if each.required)
        forms.append(Kind(kind, str(shape.tag), known, required, frozenset(nullable)))
    return Form(tuple(fields.values()), tuple(forms))


def _not_null(shape: inspect.Type) -> tuple[inspect.Type, bool]:
    """The type without null, and whether null is allowed."""
    bare = without_metadata(shape)
    if isinstance(bare, inspect.UnionType):
        others = [member for member in bare.types if not isinstance(without_metadata(member), inspect.NoneType)]
        return (others[0], True) if len(others) == 1 else (bare, False)
    return shape, False


def _field(name: str, shape: inspect.Type) -> Field | None:
    bare = without_metadata(shape)
    if isinstance(bare, inspect.StrType) and bare.max_length is not None:
        if is_id_type(shape):
            return Field(name, ID, bare.min_length or 0, bare.max_length)
        return None if bare.pattern else Field(name, TEXT, bare.min_length or 0, bare.max_length)
    # Below 0 nothing is written here; other bounds than these are for msgspec.
    if isinstance(bare, inspect.IntType) and bare.ge is not None and bare.ge >= 0 and bare.le is not None:
        return Field(name, NUMBER, bare.ge, bare.le) if bare.multiple_of is None else None
    return None
