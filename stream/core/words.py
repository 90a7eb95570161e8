"""What a host said of the terms of a sale, from the second edition of signals on: the newest word decides.

Words are ordered by their event time, then by their id, and never by when they came. So what holds is a function of the
set of them, and a word that takes another one back can be told from one that came late: it is a correction, and shown.
Of one sale the newest words are kept, which is a function of the set too.
"""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, NamedTuple

from stream.contract.overlay import SaleCorrection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stream.contract.events import SaleClosed, SaleExtended, SaleOpened

OPENED, EXTENDED, CLOSED = range(3)
# So many words are kept of a whole sale, and of each SKU of it; and so many corrections are shown.
WORDS_MAX = 16
CORRECTIONS_SHOWN = 3
ENDLESS = -1


class Word(NamedTuple):
    """What is remembered of a word, in the order in which words count.

    `moment_ms`: the end that it says (`ENDLESS`: none), or when a close counts. What follows it is of an opening.
    """

    event_time_ms: int
    event_id: str
    kind: int
    moment_ms: int
    offered: int = 0
    starts_at_ms: int = 0


Words = tuple[Word, ...]


class Told(NamedTuple):
    """What follows from all words about one SKU of a sale, and what was taken back.

    `ends_at_ms`: `ENDLESS` where there is no end. `closed_at_ms`: −1 where it is not closed.
    """

    ends_at_ms: int
    closed_at_ms: int
    corrections: tuple[SaleCorrection, ...]


def opening(event: SaleOpened) -> Word:
    """What is remembered of an opening."""
    ends_at_ms = ENDLESS if event.ends_at_ms is None else event.ends_at_ms
    return Word(event.event_time_ms, event.event_id, OPENED, ends_at_ms, event.offered, event.starts_at_ms)


def extension(event: SaleExtended) -> Word:
    """What is remembered of an extension."""
    return Word(event.event_time_ms, event.event_id, EXTENDED, event.ends_at_ms)


def close(event: SaleClosed, at_ms: int) -> Word:
    """What is remembered of a close that counts at a moment."""
    return Word(event.event_time_ms, event.event_id, CLOSED, at_ms)


def with_word(words: Words, word: Word) -> Words:
    """One word more; of too many, the newest ones."""
    if any(word.event_id == each.event_id and word.event_time_ms == each.event_time_ms for each in words):
        return words
    more = [*words]
    insort(more, word)
    return tuple(more[-WORDS_MAX:])


def drops(before: Words, after: Words) -> bool:
    """Whether a word that came displaced the oldest one, or was older than all that are kept."""
    return len(before) == WORDS_MAX and after is not before


class Rounds(NamedTuple):
    """How many rounds there were, and when the present one begins: −1 of the first one."""

    number: int
    from_ms: int


FIRST_ROUND = Rounds(1, -1)


def _begins_round(word: Word, starts_at_ms: int) -> bool:
    """Whether an opening begins another round than the one that starts then: it says a later start, and not before."""
    return word.starts_at_ms > starts_at_ms <= word.event_time_ms


def rounds_of(openings: Words) -> Rounds:
    """What follows from the openings of one SKU, which are in their order."""
    number, starts_ms = 0, 0
    for word in openings:
        number += not number or _begins_round(word, starts_ms)
        starts_ms = word.starts_at_ms
    return Rounds(number, starts_ms) if number > 1 else FIRST_ROUND


def told(words: Iterable[Word]) -> Told:  # noqa: C901 — a case for each kind of word
    """What follows from words about one SKU; those of the whole sale are among them. In any order."""
    ends_ms, closed_ms, offered, starts_ms = ENDLESS, -1, -1, 0
    corrections: list[SaleCorrection] = []
    for word in sorted(words):
        at_ms, known = word.event_time_ms, offered >= 0
        if word.kind == CLOSED:
            closed_ms = word.moment_ms if closed_ms < 0 else min(closed_ms, word.moment_ms)
            continue
        if word.kind == OPENED and not known:
            # The first opening takes nothing back: what was said before it was said of this sale.
            later = ends_ms != ENDLESS and ends_ms > word.moment_ms != ENDLESS
            ends_ms, offered = ends_ms if later else word.moment_ms, word.offered
            starts_ms = word.starts_at_ms
            continue
        if word.kind == OPENED and _begins_round(word, starts_ms):
            ends_ms, closed_ms, offered, starts_ms = word.moment_ms, -1, word.offered, word.starts_at_ms
            continue
        if known and closed_ms >= 0:
            corrections.append(SaleCorrection("closed_at_ms", closed_ms, None, at_ms))
        if known:
            closed_ms = -1
        if word.kind == EXTENDED and known and ends_ms == ENDLESS:
            continue  # a sale without an end cannot end later
        if known and _is_earlier(word.moment_ms, ends_ms):
            before_ms = None if ends_ms == ENDLESS else ends_ms
            corrections.append(SaleCorrection("ends_at_ms", before_ms, word.moment_ms, at_ms))
        ends_ms = word.moment_ms if known or word.kind == OPENED else max(ends_ms, word.moment_ms)
        if word.kind == OPENED:
            if word.offered < offered:
                corrections.append(SaleCorrection("offered", offered, word.offered, at_ms))
            offered, starts_ms = word.offered, word.starts_at_ms
    return Told(ends_ms, closed_ms, tuple(corrections))


def _is_earlier(ends_ms: int, before_ms: int) -> bool:
    return ends_ms != ENDLESS and (before_ms == ENDLESS or ends_ms < before_ms)
