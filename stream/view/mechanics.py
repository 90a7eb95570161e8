"""Sections of mechanics as a terminal shows them: every figure by its name, for no view knows the mechanics.

Every text of a section is untrusted and goes through `clean`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.contract.overlay import Count
from stream.contract.sections import figures_of, sections_of
from stream.view.words import clean, grouped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.contract.overlay import Overlay
    from stream.contract.sections import Shown
    from stream.view.strings import Strings

# Most figures of one section; a browser shows the rest.
FIGURES_MAX = 24
FIGURES_IN_LINE_MAX = 4
NAME_CHARS, VALUE_CHARS = 32, 40


def section_figures(overlay: Overlay, strings: Strings) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Each section: its mechanic, and its first figures as (value, name)."""
    for mechanic, section in sections_of(overlay).items():
        figures = figures_of(section)
        shown = [(_text(value, strings), clean(name, NAME_CHARS)) for name, value in figures.items()]
        more = len(shown) - FIGURES_MAX
        yield mechanic, shown if more <= 0 else [*shown[:FIGURES_MAX], (f"+{more}", "")]


def sections_in_line(overlay: Overlay) -> Iterator[str]:
    """Each section as one part of a line: its first whole numbers, without those of its parts."""
    for mechanic, section in sections_of(overlay).items():
        numbers = {name: _number(value) for name, value in figures_of(section).items() if "." not in name}
        said = [f"{grouped(number)} {name}" for name, number in numbers.items() if number is not None]
        yield f"{mechanic}: {', '.join(said[:FIGURES_IN_LINE_MAX]) or 'no figures'}"


def _number(value: Shown) -> int | None:
    if isinstance(value, Count):
        return value.value
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Shown, strings: Strings) -> str:
    if isinstance(value, Count) and value.error_95 is not None:
        return f"{grouped(value.value)} {strings.about.format(share=round(value.error_95 * 100, 1))}"
    number = _number(value)
    if number is not None:
        return grouped(number)
    return {None: "–", True: "✓", False: "✗"}.get(value) or clean(str(value), VALUE_CHARS)  # type: ignore[arg-type] # any other is not in it
