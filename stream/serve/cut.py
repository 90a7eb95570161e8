"""A document cut to a subject (a sale, a product) and to named parts: what one overlay source needs of a large room.

A cut document is a whole document of the contract: sections that were not asked for are empty lists, or absent where
the contract lets them be. The room's own figures stay. A claim is never split from what it rests on: `claims` brings
the sales of these claims and the withheld claims along. Pure: no clock, no I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw, Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from stream.serve.documents import Document

# In every cut: what tells one document from another, how old it is, and figures of the room as a whole.
ALWAYS = (
    *("schema", "room_id", "epoch", "rev", "as_of_ms", "stale_after_ms", "clock"),
    *("totals", "urgency", "session", "sales_refused", "left_out", "orders_displaced", "known_since_ms"),
)
# Lists that a document always has. One that was not asked for is empty.
LISTS = ("rates", "sales", "claims", "withheld", "feed")
# Sections that a document may have. One that was not asked for is absent.
SECTIONS = ("sources", "products")
PARTS = ("totals", "urgency", "session", *LISTS, *SECTIONS)
# Of each claim: the stock that it speaks of, and the claims that are held back.
WITH_CLAIMS = ("sales", "withheld")
# Of products: how often those without figures were named.
WITH_PRODUCTS = ("products_beyond",)
# Lists of which each item is of a sale, of a product, or of the room.
_OF_A_SUBJECT = ("sales", "claims", "withheld", "feed", "products")
# These move with each publication. They are told by a `fresh` event while nothing else changes.
COUNTDOWN = Raw(b'"ends_in"')
TIMES = frozenset({"rev", "as_of_ms", "stale_after_ms", "clock"})


class Cut(Struct, frozen=True):
    """What is asked for: a sale, a product, parts. Empty and None leave it open."""

    sale: str = ""
    sku: str = ""
    parts: tuple[str, ...] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is cut away."""
        return not self.sale and not self.sku and self.parts is None


WHOLE = Cut()


class Reduced(Struct, frozen=True):
    """A cut document.

    Attributes:
        raw: one line of JSON.
        content: everything of it but its times. Equal contents say the same.
        fresh: its times, as the `fresh` member of a `fresh` event: JSON. Of each claim in the document's order: id,
            `as_of_ms`, `valid_until_ms`, value.
    """

    raw: bytes
    content: bytes
    fresh: bytes


class _Of(Struct):
    """What a sale, a claim, a withheld claim or an order of the feed is of; null: of the room."""

    sale_id: str | None = None
    sku_id: str | None = None


class _Claim(Struct):
    id: str
    as_of_ms: int
    valid_until_ms: int
    value: Raw


_decode_top = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_items = msgspec.json.Decoder(list[Raw]).decode
_decode_of = msgspec.json.Decoder(list[_Of]).decode
_decode_claims = msgspec.json.Decoder(list[_Claim]).decode
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode


class Pieces:
    """One document taken apart once for all its cuts.

    Args:
        document: a readable document.
    """

    def __init__(self, document: Document) -> None:
        self._top = _decode_top(document.raw)
        self._items = {name: _decode_items(self._top[name]) for name in (*LISTS, "products") if name in self._top}
        self._of = {name: _decode_of(self._top[name]) for name in _OF_A_SUBJECT if name in self._top}
        self._claims = _decode_claims(self._top["claims"])

    def reduced(self, cut: Cut) -> Reduced:
        """The document cut to what is asked for."""
        kept = {name: self._kept(name, cut) for name in self._of}
        wanted = None if cut.parts is None else _with_what_belongs_to_them(cut.parts)
        fields: list[tuple[str, bytes]] = []
        content: list[bytes] = []
        for name, value in self._top.items():
            raw = bytes(value)
            is_wanted = wanted is None or name in wanted
            if name in LISTS and not is_wanted:
                raw = b"[]"
            elif name not in LISTS and name not in ALWAYS and not is_wanted:
                continue
            elif name in kept:
                raw = b"[%b]" % b",".join(bytes(self._items[name][place]) for place in kept[name])
            fields.append((name, raw))
            if name == "claims" and raw != b"[]":
                content += [_without_times(self._items[name][place]) for place in kept[name]]
            elif name not in TIMES:
                content += [name.encode(), raw]
        shown = () if wanted is not None and "claims" not in wanted else kept["claims"]
        return Reduced(
            b"{%b}" % b",".join(b"%b:%b" % (msgspec.json.encode(name), raw) for name, raw in fields),
            b"\n".join([bytes(self._top["epoch"]), *content]),
            self._fresh([self._claims[place] for place in shown]),
        )

    def _fresh(self, claims: list[_Claim]) -> bytes:
        times = b",".join(b'"%b":%b' % (name.encode(), bytes(self._top[name])) for name in ("epoch", *sorted(TIMES)))
        of_claims = [(claim.id, claim.as_of_ms, claim.valid_until_ms, claim.value) for claim in claims]
        return b'{%b,"claims":%b}' % (times, msgspec.json.encode(of_claims))

    def _kept(self, name: str, cut: Cut) -> list[int]:
        """The places in a list of what belongs to the subject, or to the room as a whole."""
        if not cut.sale and not cut.sku:
            return list(range(len(self._of[name])))
        if name in ("feed", "products"):
            skus = {cut.sku} if cut.sku else {sale.sku_id for sale in self._of["sales"] if sale.sale_id == cut.sale}
            return _places(self._of[name], lambda each: each.sku_id in skus)
        return _places(self._of[name], lambda each: _is_of(each, cut))


def _places(items: list[_Of], fits: Callable[[_Of], bool]) -> list[int]:
    return [place for place, each in enumerate(items) if fits(each)]


def _is_of(each: _Of, cut: Cut) -> bool:
    if each.sale_id is None:
        return True
    return (not cut.sale or each.sale_id == cut.sale) and (not cut.sku or each.sku_id in (None, cut.sku))


def _with_what_belongs_to_them(parts: Collection[str]) -> frozenset[str]:
    with_claims = WITH_CLAIMS if "claims" in parts else ()
    with_products = WITH_PRODUCTS if "products" in parts else ()
    return frozenset((*parts, *with_claims, *with_products))


def _without_times(claim: Raw) -> bytes:
    """A claim but for what moves with each publication. What is left until an end is such a thing; a stock is none."""
    fields = _decode_object(claim)
    del fields["id"], fields["as_of_ms"], fields["valid_until_ms"]
    if fields["claim"] == COUNTDOWN:
        del fields["value"]
    return msgspec.json.encode(fields)
