"""The characters of ids, checked for all ids of an event at once.

A regular expression for each id, as msgspec would apply it, trebles the cost of a decode. Instead the ids of an event
are joined and run through one byte table. msgspec checks their lengths.
"""

from __future__ import annotations

from functools import cache
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from msgspec import Struct, inspect

from stream.contract.events import ID_PATTERN, MAX_ID_CHARS, Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ID_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"

# A letter for each byte that an id may contain and NUL for every other: `isalpha` then answers for the whole id.
_LETTER_IF_ALLOWED = bytes(ord("a") if byte in ID_CHARS.encode() else 0 for byte in range(256))


def is_id(text: str) -> bool:
    """Whether the text is a valid id of the contract."""
    return len(text) <= MAX_ID_CHARS and are_id_chars(text)


def are_id_chars(text: str) -> bool:
    """Whether the text is not empty and holds only id characters. Lone surrogates raise: msgspec never lets one in."""
    return text.encode().translate(_LETTER_IF_ALLOWED).isalpha()


def id_check(event_type: type[Event]) -> Callable[[Any], bool]:
    """A function: whether all ids of an event have allowed characters, but for `room_id`, checked once a room."""
    ids, nested = _id_fields(event_type)
    ids = tuple(name for name in ids if name != "room_id")
    if ids == ("event_id", "user_id"):
        return _are_person_ids
    get = attrgetter(*ids)
    if not nested:
        return lambda event: are_id_chars("".join(filter(None, get(event))))
    items = [(name, attrgetter(*_id_fields(item_type)[0])) for name, item_type in nested]

    def check(event: Struct) -> bool:
        texts = [*get(event)]
        for name, get_ids in items:
            for item in getattr(event, name):
                texts += get_ids(item)
        return are_id_chars("".join(filter(None, texts)))

    return check


def ids_check(event_type: type[Event]) -> Callable[[Sequence[Any]], bool]:
    """The check of `id_check` for many events of one type at once. Each id field of all events is one column."""
    ids, nested = _id_fields(event_type)
    columns = [attrgetter(name) for name in ids if name != "room_id"]
    items = [(attrgetter(name), attrgetter(*_id_fields(item_type)[0])) for name, item_type in nested]

    def check(events: Sequence[Any]) -> bool:
        texts: list[str | None] = []
        for column in columns:
            texts += map(column, events)
        for get_items, get_ids in items:
            for ids_of_item in map(get_ids, chain.from_iterable(map(get_items, events))):
                texts += ids_of_item
        try:
            together = "".join(texts)  # type: ignore[arg-type] # None raises TypeError
        except TypeError:  # an id that may be left out
            together = "".join(filter(None, texts))
        return are_id_chars(together)

    return check


def pointer_to_bad_id(value: Struct) -> str | None:
    """The JSON pointer of the first id with a forbidden character; None if there is none."""
    return next((pointer for pointer, text in _ids_of(value) if not are_id_chars(text)), None)


def _are_person_ids(event: Any) -> bool:
    """The check of comments and likes, which are nearly all events. It saves a second call."""
    return (event.event_id + event.user_id).encode().translate(_LETTER_IF_ALLOWED).isalpha()  # type: ignore[no-any-return]


def _ids_of(value: Struct) -> Iterator[tuple[str, str]]:
    ids, nested = _id_fields(type(value))
    for name in ids:
        if (text := getattr(value, name)) is not None:
            yield f"/{name}", text
    for name, _ in nested:
        for index, item in enumerate(getattr(value, name)):
            for pointer, text in _ids_of(item):
                yield f"/{name}/{index}{pointer}", text


@cache
def _id_fields(struct: type[Struct]) -> tuple[tuple[str, ...], tuple[tuple[str, type[Struct]], ...]]:
    """The struct's id fields, and its fields that are arrays of structs together with those structs."""
    shape = inspect.type_info(struct)
    assert isinstance(shape, inspect.StructType)  # noqa: S101 - ours to guarantee
    ids = tuple(field.encode_name for field in shape.fields if is_id_type(field.type))
    nested = tuple(
        (field.encode_name, items)
        for field in shape.fields
        if (items := _struct_of_items(without_metadata(field.type))) is not None
    )
    return ids, nested


def is_id_type(shape: inspect.Type) -> bool:
    """Whether a field is an `Id` or a nullable `Id`."""
    if isinstance(shape, inspect.Metadata) and (shape.extra_json_schema or {}).get("pattern") == ID_PATTERN:
        return True
    bare = without_metadata(shape)
    return isinstance(bare, inspect.UnionType) and any(is_id_type(member) for member in bare.types)


def _struct_of_items(shape: inspect.Type) -> type[Struct] | None:
    """The struct that an array holds; None for anything else."""
    if isinstance(shape, inspect.VarTupleType) and isinstance(shape.item_type, inspect.StructType):
        return shape.item_type.cls
    return None


def without_metadata(shape: inspect.Type) -> inspect.Type:
    """The type alone, without its limits' annotations."""
    return shape.type if isinstance(shape, inspect.Metadata) else shape
