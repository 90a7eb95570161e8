"""Sections of mechanics in the overlay document: one optional top-level key each, and the figures that it holds.

Figures are the common tongue of a mechanic's plan, its recount and its section: a dictionary of names and plain values.
`figures_of` puts a section in that tongue, so that a comparison, print or chart need not know the mechanic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, cast

import msgspec
from msgspec import Struct

from stream.contract.overlay import Count, Overlay

# A figure that is exact. No floats: a share is two whole numbers, an amount is in minor units.
Plain = int | str | bool | None
# A figure as a section shows it: a distinct count may be an estimate, and then says how sure it is.
Shown = Plain | Count
# Name of a mechanic → the shape of its section, in the order of the documents.
Sections = Mapping[str, type[Struct]]
NO_SECTIONS: Sections = {}
_BUILT_IN = frozenset(Overlay.__struct_fields__)


def overlay_with(sections: Sections) -> type[Overlay]:
    """The overlay document with these sections: a subclass of `Overlay` in which each section may be absent.

    Raises:
        ValueError: a section has the name of a field of the document.
    """
    return _overlay_with(tuple(sections.items()))


@cache
def _overlay_with(sections: tuple[tuple[str, type[Struct]], ...]) -> type[Overlay]:
    if not sections:
        return Overlay
    taken = _BUILT_IN.intersection(name for name, _ in sections)
    if taken:
        raise ValueError(f"a section may not be called {', '.join(sorted(taken))}: the document has such a field")
    fields = [(name, shape | None, None) for name, shape in sections]
    made = msgspec.defstruct(
        "Overlay", fields, bases=(Overlay,), namespace={"__doc__": Overlay.__doc__}, omit_defaults=True
    )
    return cast("type[Overlay]", made)


def sections_of(overlay: Overlay) -> dict[str, Struct]:
    """The sections that a document holds, by name; without those that its reader did not ask for."""
    found = ((name, getattr(overlay, name)) for name in overlay.__struct_fields__ if name not in _BUILT_IN)
    return {name: section for name, section in found if section is not None}


def figures_of(section: Struct | None) -> dict[str, Shown]:
    """The figures of a section, by name, in the order of its fields: `coins`, `top.1.who`.

    A struct within it gives `outer.inner`, a list `name.1`, `name.2` and so on, a dictionary `name.key`. A missing
    section has no figures.
    """
    return {} if section is None else dict(_figures("", section))


def plain_figures_of(section: Struct | None) -> dict[str, Plain]:
    """The same figures, with the value of each estimate in its place."""
    return {name: shown.value if isinstance(shown, Count) else shown for name, shown in figures_of(section).items()}


def _figures(name: str, value: Any) -> Iterator[tuple[str, Shown]]:
    if isinstance(value, Count) or not isinstance(value, Struct | list | tuple | dict):
        yield name, value
        return
    inside: Iterator[tuple[Any, Any]]
    if isinstance(value, Struct):
        inside = ((field, getattr(value, field)) for field in value.__struct_fields__)
    elif isinstance(value, dict):
        inside = iter(value.items())
    else:
        inside = iter(enumerate(value, 1))
    for key, each in inside:
        yield from _figures(f"{name}.{key}" if name else str(key), each)
