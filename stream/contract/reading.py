"""Reading what others wrote: an overlay document whose words, fields and sections need not be known here.

Where documents are written, lists of words are closed, and mypy holds the writer to them. Where they are read they are
open, as the contract asks of every reader: a level, a claim or a method that only a newer Snapup knows is no reason to
refuse the document. Fields and sections that are not known are passed over by msgspec itself.
"""

from __future__ import annotations

from functools import cache
from types import UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from stream.contract.overlay import Overlay


@cache
def opened(kind: type[Struct]) -> type[Struct]:
    """The struct for a reader: a subclass in which every list of words is any text."""
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


_overlay_of = msgspec.json.Decoder(cast("type[Overlay]", opened(Overlay))).decode


def read_overlay(document: bytes | str) -> Overlay:
    """The overlay document in these bytes. Words in it may be others than those of `stream.contract.overlay`.

    Raises msgspec.DecodeError, UnicodeDecodeError or RecursionError when they are none.
    """
    return _overlay_of(document)
