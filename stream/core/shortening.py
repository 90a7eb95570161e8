"""Documents that are too large for the topic `signals`: shorter ones of the same room and revision.

Figures go last. A document that lacks items of a list says in `left_out` how many; the same document and the same bound
give the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw, Struct

if TYPE_CHECKING:
    from collections.abc import Callable

# What is of a moment only, or can be made from the figures again: whole lists, for half of the claims would look like
# all of them, and which half would change from one document to the next.
_FIRST = ("claims", "withheld", "feed")
# Of sales those go first in which nothing can be bought any more.
_STATUSES = ("open", "scheduled", "unknown", "ended")
# For `left_out` itself.
_SAID_BYTES = 400

_fields_of = msgspec.json.Decoder(dict[str, Raw]).decode
_items_of = msgspec.json.Decoder(list[Raw]).decode


class _Sale(Struct):
    status: str


class _Rate(Struct):
    currency: str | None = None


_sale_of = msgspec.json.Decoder(_Sale).decode
_rate_of = msgspec.json.Decoder(_Rate).decode


def shortened(document: bytes, most_bytes: int) -> bytes:
    """The document in at most so many bytes: itself where it fits, else with items of its lists left out.

    In turn go: claims, what is withheld, the feed, lists that are not known here; then, as many as must, sales, rates
    and money, those of a currency before others.

    Args:
        document: an overlay document, as JSON.
        most_bytes: at least some thousands; what is in no list always stays.
    """
    if len(document) <= most_bytes:
        return document
    fields = _fields_of(document)
    totals = _fields_of(fields["totals"])
    lists = {name: _items_of(raw) for name, raw in fields.items() if bytes(raw).startswith(b"[")}
    lists["money"] = _items_of(totals["money"])
    ranks: dict[str, Callable[[Raw], int]] = {
        "sales": _rank_of_sale,
        "rates": lambda rate: _rate_of(rate).currency is not None,
        "money": lambda _: 0,
    }
    whole = [*_FIRST, *(name for name in lists if name not in _FIRST and name not in ranks)]
    excess = len(document) + _SAID_BYTES - most_bytes
    left_out: dict[str, int] = {}
    for name in (*whole, *ranks):
        if excess <= 0 or not lists.get(name):
            continue
        kept = [] if name in whole else _kept(lists[name], ranks[name], excess)
        left_out[name] = len(lists[name]) - len(kept)
        excess -= _bytes_of(lists[name]) - _bytes_of(kept)
        lists[name] = kept
    totals["money"] = Raw(msgspec.json.encode(lists.pop("money")))
    fields |= {name: Raw(msgspec.json.encode(items)) for name, items in lists.items() if name in left_out}
    fields["totals"] = Raw(msgspec.json.encode(totals))
    fields["left_out"] = Raw(msgspec.json.encode(left_out))
    return msgspec.json.encode(fields)


def _kept(items: list[Raw], rank: Callable[[Raw], int], excess: int) -> list[Raw]:
    """Without as many as that takes, in their order: those of the greatest rank go first, of one rank the last."""
    by_rank = sorted(range(len(items)), key=lambda place: (rank(items[place]), place))
    while excess > 0 and by_rank:
        excess -= _bytes_of([items[by_rank.pop()]])
    return [items[place] for place in sorted(by_rank)]


def _bytes_of(items: list[Raw]) -> int:
    """With their commas."""
    return sum(len(bytes(item)) + 1 for item in items)


def _rank_of_sale(sale: Raw) -> int:
    status = _sale_of(sale).status
    return _STATUSES.index(status) if status in _STATUSES else len(_STATUSES)
