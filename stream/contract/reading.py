"""Reads overlay documents of other versions: their words, fields and sections may be unknown here.

The writer uses closed lists of words, which mypy enforces. A reader's lists are open, as the contract asks of every
reader: it must not refuse a document for a level, claim or method that only a newer Snapup knows. msgspec itself skips
unknown fields and sections; the sections of mechanics are read where the reader names them.
"""

from __future__ import annotations

from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from stream.contract.sections import NO_SECTIONS, overlay_with

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.contract.overlay import Overlay
    from stream.contract.sections import Sections


@cache
def opened(kind: type[Struct]) -> type[Struct]:
    """The struct for a reader: a subclass that takes any text where the struct has a list of words."""
    hints = get_type_hints(kind, include_extras=True)
    fields: list[Any] = []
    for field in msgspec.structs.fields(kind):
        anything = _opened(hints[field.name])
        if anything == hints[field.name]:
            continue
        if field.default_factory is not msgspec.NODEFAULT:
            fields.append((field.name, anything, msgspec.field(default_factory=field.default_factory)))
        elif field.default is not msgspec.NODEFAULT:
            fields.append((field.name, anything, field.default))
        else:
            fields.append((field.name, anything))
    if not fields:
        return kind
    return msgspec.defstruct(kind.__name__, fields, bases=(kind,), gc=kind.__struct_config__.gc)


def _opened(annotation: Any) -> Any:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return str if all(isinstance(word, str) for word in arguments) else annotation
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return opened(annotation)
    if origin in (Union, UnionType):
        return Union[tuple(_opened(argument) for argument in arguments)]  # noqa: UP007 — of a tuple
    if origin in (list, dict, tuple):
        return origin[tuple(_opened(argument) for argument in arguments)]
    return annotation


@cache
def _decoder(kind: type[Overlay]) -> Callable[[bytes | str], Overlay]:
    return msgspec.json.Decoder(cast("type[Overlay]", opened(kind))).decode


def read_overlay(document: bytes | str, sections: Sections = NO_SECTIONS) -> Overlay:
    """The overlay document in these bytes. Its words may be unknown to `stream.contract.overlay`.

    Args:
        document: as it was published.
        sections: of mechanics, which `sections_of` then finds; others are skipped.

    Raises msgspec.DecodeError, UnicodeDecodeError or RecursionError if the bytes are no document.
    """
    return _decoder(overlay_with(sections))(document)
