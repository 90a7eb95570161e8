"""What was said of a whole sale, or of one SKU of it, beside its opening."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.core.words import ENDLESS, Words, close, extension, with_word

if TYPE_CHECKING:
    from stream.contract.events import SaleClosed, SaleExtended, SaleOpened
    from stream.contract.overlay import SaleStatus
    from stream.core.words import Told


def own_terms_key(sale_id: str, sku_id: str) -> str:
    """Where the terms of one SKU lie beside those of whole sales: no id holds a stroke."""
    return f"{sale_id}/{sku_id}"


def sale_of_terms(key: str) -> str:
    """The sale of which something is said under this key."""
    return key.partition("/")[0]


class SaleTerms:
    """What holds for a whole sale or for one SKU of it: extensions and the close. Order of arrival does not matter."""

    __slots__ = ("closed_at_ms", "extended_to_ms", "said_ms", "words")

    def __init__(self, extended_to_ms: int = -1, closed_at_ms: int = -1, said_ms: int = -1) -> None:
        self.words: Words = ()  # from the second edition on these decide
        self.extended_to_ms = extended_to_ms
        self.closed_at_ms = closed_at_ms
        self.said_ms = said_ms  # when the host last said something, by the partition's clock

    def extend(self, event: SaleExtended) -> None:
        """The furthest end that was announced holds; from the second edition on the last one that was said."""
        self.extended_to_ms = max(self.extended_to_ms, event.ends_at_ms)
        self.words = with_word(self.words, extension(event))

    def close(self, event: SaleClosed, at_ms: int) -> None:
        """The first close holds; from the second edition on until a word takes it back."""
        self.closed_at_ms = _first(self.closed_at_ms, at_ms)
        self.words = with_word(self.words, close(event, at_ms))

    def and_of(self, other: SaleTerms) -> SaleTerms:
        """Both together."""
        said_ms = max(self.said_ms, other.said_ms)
        closed_at_ms = _first(self.closed_at_ms, other.closed_at_ms)
        return SaleTerms(max(self.extended_to_ms, other.extended_to_ms), closed_at_ms, said_ms)


def status_of(
    opened: SaleOpened | None, told: Told | None, terms: SaleTerms | None, now_ms: int
) -> tuple[SaleStatus, int | None, bool]:
    """Returns the status of a sale, its end (None: open-ended) and whether it was extended.

    Args:
        opened: its opening, if one was seen.
        told: what follows from all words about it; None under the first edition.
        terms: what was said beside its opening; only looked at under the first edition.
        now_ms: the moment.
    """
    if opened is None:
        return "unknown", None, False
    ends_at_ms, closed_ms, extended = opened.ends_at_ms, -1, False
    if told is not None:
        ends_ms, closed_ms = told.ends_at_ms, told.closed_at_ms
        extended = ends_at_ms is not None and ends_ms > ends_at_ms
        ends_at_ms = None if ends_ms == ENDLESS else ends_ms
    elif terms is not None:
        closed_ms = terms.closed_at_ms
        if ends_at_ms is not None and terms.extended_to_ms > ends_at_ms:
            ends_at_ms, extended = terms.extended_to_ms, True
    if 0 <= closed_ms <= now_ms:
        return "ended", closed_ms if ends_at_ms is None else min(closed_ms, ends_at_ms), extended
    if ends_at_ms is not None and now_ms >= ends_at_ms:
        return "ended", ends_at_ms, extended
    return ("scheduled" if now_ms < opened.starts_at_ms else "open"), ends_at_ms, extended


def _first(closed_at_ms: int, other_ms: int) -> int:
    """The earlier close of two; −1: there was none."""
    return max(closed_at_ms, other_ms) if min(closed_at_ms, other_ms) < 0 else min(closed_at_ms, other_ms)
