"""A recount beside the document that an overlay reads: every figure, one by one.

Exact figures must be equal. A sketched figure states an error that holds in 95 of 100 cases. Here it fails beyond twice
that error, which honest sketches reach once in ten thousand cases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from msgspec import Struct

from stream.contract.events import OrderStatus
from stream.contract.overlay import Count, SaleStatus
from stream.verify.figures import RATE_NAMES, Fraction, MoneyFigures, RateKey, RoomFigures, SaleFigures, SaleKey
from stream.verify.recounted import NO_MECHANICS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stream.contract.overlay import Claim, Overlay, ProductTotals, Rate, Restock, Sale, SaleCorrection
    from stream.verify.figures import DepartureFigures
    from stream.verify.recounted import Mechanics

TOLERATED_ERRORS = 2.0

_TOTALS = ("views", "watching_now", "likes", "comments", "cart_adds")
_LEDGER = (
    "status",
    "offered",
    "restocked",
    "available",
    "held",
    "sold",
    "oversold",
    "released",
    "gone",
    "over_limit",
    "ends_at_ms",
    "extended",
    "price_minor",
    "list_price_minor",
    "currency",
)
_STATUSES = get_args(SaleStatus)
# The recounted figure that a claim's value must equal.
_CLAIMED = {
    "stock_left": "available",
    "all_taken": "held",
    "sold_out": "available",
    "in_carts": "carters_without_order",
}


# The reason why a rate may be above 1.
_NOTES = {
    "watch_to_buy_uv": "not_seen_to_enter",
    "engaged_uv_rate": "not_seen_to_enter",
    "click_to_buy_uv": "not_seen_to_click",
    "orders_per_viewer": "many_orders",
    "pay_rate": "placed_before",
}


class Figure(Struct, frozen=True):
    """One figure, recounted and published. `error_95`: the published relative error; None: the figure must be exact.

    `is_least`: the published figure is a lower bound, within its error.
    """

    name: str
    recounted: int | str | bool | float | None
    published: int | str | bool | float | None
    error_95: float | None = None
    is_least: bool = False

    @property
    def agrees(self) -> bool:
        """Whether the figures are equal, or as near as the sketch allows."""
        if self.error_95 is None or self.recounted == self.published:
            return self.recounted == self.published
        if not isinstance(self.recounted, int | float) or not isinstance(self.published, int | float):
            return False
        if self.is_least and self.published <= self.recounted:
            return True
        return abs(self.published - self.recounted) <= TOLERATED_ERRORS * self.error_95 * max(abs(self.recounted), 1e-9)


class MechanicFigure(Figure, frozen=True):
    """A figure of a mechanic. It names the topics that it comes from."""

    topics: tuple[str, ...] = ()


def compare(
    recounted: RoomFigures,
    overlay: Overlay,
    departures: DepartureFigures | None = None,
    mechanics: Mechanics = NO_MECHANICS,
) -> list[Figure]:
    """All figures of one room. `recounted` and `departures` must be of the document's room and `as_of_ms`.

    A document may lack as many items of a list as its `left_out` states, and a whole section.
    `mechanics`: the recounted mechanics; the document was read with their sections.
    """
    left_out = overlay.left_out or {}
    figures = list(_totals(recounted, overlay))
    if "sources" not in left_out:
        figures += _sources(recounted, overlay)
    if overlay.products is not None and "products" not in left_out:
        figures += _products(recounted, overlay.products, overlay.products_beyond)
    figures += _money(recounted, overlay, left_out.get("money", 0))
    figures += _rates(recounted, overlay, left_out.get("rates", 0))
    figures += _sales(recounted, overlay, left_out.get("sales", 0))
    for claim in overlay.claims:
        figure = _claim(recounted, claim)
        if figure is not None:
            figures.append(figure)
        if departures is not None and claim.claim == "watching_now":
            figures += _departures(departures, claim)
    figures += _mechanics(recounted, overlay, mechanics)
    return figures


def _totals(recounted: RoomFigures, overlay: Overlay) -> Iterator[Figure]:
    totals = overlay.totals
    yield _count("viewers", recounted.viewers, totals.viewers)
    for name in _TOTALS:
        yield Figure(name, getattr(recounted, name), getattr(totals, name))
    for name in (*[status.value for status in OrderStatus], "partly_undone"):
        counted, published = recounted.orders.get(name), getattr(totals.orders, name)
        if counted is not None or published:
            yield Figure(f"orders.{name}", counted or 0, published)


def _sources(recounted: RoomFigures, overlay: Overlay) -> Iterator[Figure]:
    """The views by source; what is left over has a row of its own, so that all rows add up to all views."""
    published = {each.source: each.views for each in overlay.sources if not each.other}
    unnamed = recounted.views - sum(recounted.sources.values()) - recounted.views_beyond if recounted.sources else 0
    for source in sorted(recounted.sources.keys() | {each for each in published if each is not None}):
        yield Figure(f"sources.{source}", recounted.sources.get(source, 0), published.get(source, 0))
    if recounted.sources or overlay.sources:
        beyond = sum(each.views for each in overlay.sources if each.other)
        yield Figure("sources not named", unnamed, published.get(None, 0))
        yield Figure("sources beyond the bound", recounted.views_beyond, beyond)


def _products(recounted: RoomFigures, products: list[ProductTotals], beyond: int) -> Iterator[Figure]:
    """The figures by product. One without figures is not known."""
    published = {product.sku_id: product for product in products}
    for sku_id in sorted(recounted.products.kept.keys() | published.keys()):
        where, ours, theirs = f"product {sku_id}", recounted.products.kept.get(sku_id), published.get(sku_id)
        if ours is None or theirs is None:
            yield Figure(where, "known" if ours else "unknown", "known" if theirs else "unknown")
            continue
        for name in ("clickers", "carters", "payers"):
            yield _count(f"{where} {name}", getattr(ours, name), getattr(theirs, name))
        money = {each.currency: each for each in theirs.money}
        for currency in sorted(ours.money.keys() | money.keys()):
            amounts, shown = ours.money.get(currency, MoneyFigures()), money.get(currency)
            for name in MoneyFigures.__struct_fields__:
                yield Figure(f"{where} {name}.{currency}", getattr(amounts, name), getattr(shown, name, 0))
    if recounted.products.beyond or beyond:
        yield Figure("products beyond the bound", recounted.products.beyond, beyond)


def _money(recounted: RoomFigures, overlay: Overlay, lacks: int) -> Iterator[Figure]:
    published = {money.currency: money for money in overlay.totals.money}
    for currency in sorted(recounted.money.keys() | published.keys()):
        ours, theirs = recounted.money.get(currency, MoneyFigures()), published.get(currency)
        if theirs is None and lacks > 0:
            lacks -= 1
            continue
        for name in MoneyFigures.__struct_fields__:
            # A currency without movement may be listed with zeros or not at all.
            yield Figure(f"{name}.{currency}", getattr(ours, name), getattr(theirs, name) if theirs else 0)


def _rates(recounted: RoomFigures, overlay: Overlay, lacks: int) -> Iterator[Figure]:
    published = {RateKey(rate.name, rate.window_ms, rate.currency): rate for rate in overlay.rates}
    for key in sorted(recounted.rates.keys() | published.keys(), key=str):
        name = f"{key.name}/{'session' if key.window_ms is None else f'{key.window_ms // 1000} s'}"
        name = name if key.currency is None else f"{name}.{key.currency}"
        ours, rate = recounted.rates.get(key), published.get(key)
        if ours is None and key.name not in RATE_NAMES:
            continue  # a rate of a newer worker, like a status below: the meaning of an unknown word is unknown
        if ours is None and rate is not None and key.currency is not None and not rate.num:
            continue  # no money moved in this currency and window: one side says so, the other leaves it out
        if rate is None and lacks > 0:
            lacks -= 1
            continue
        if ours is None or rate is None:
            yield Figure(name, _written(ours), None if rate is None else f"{rate.num}/{rate.den}")
        elif rate.method == "exact":
            yield Figure(name, _written(ours), f"{rate.num}/{rate.den}")
        else:
            quotient = _quotient(Fraction(rate.num, rate.den))
            yield Figure(name, _quotient(ours), quotient, rate.error_95 or 0.0, rate.bound == "lower")
        if rate is not None and rate.note is not None:  # the first edition has no notes
            yield Figure(f"{name} note", _note(rate), rate.note)
        if rate is not None and rate.as_of_ms != overlay.as_of_ms:
            yield Figure(f"{name} as_of_ms", overlay.as_of_ms, rate.as_of_ms)


def _note(rate: Rate) -> str | None:
    """The reason why a published rate is above 1; None: it is not."""
    if rate.num <= rate.den:
        return None
    known, error = _NOTES.get(rate.name), rate.error_95
    if error is not None and (known is None or rate.num * (1 - error) <= rate.den):
        return "sampled"
    return known


def _written(fraction: Fraction | None) -> str | None:
    return None if fraction is None else f"{fraction.num}/{fraction.den}"


def _quotient(fraction: Fraction) -> float:
    return fraction.num / fraction.den if fraction.den else 0.0


def _sales(recounted: RoomFigures, overlay: Overlay, lacks: int) -> Iterator[Figure]:
    published = {SaleKey(sale.sale_id, sale.sku_id): sale for sale in overlay.sales}
    for key in sorted(recounted.sales.keys() | published.keys()):
        where = f"{key.sale_id}/{key.sku_id}"
        ours, theirs = recounted.sales.get(key), published.get(key)
        if theirs is None and ours is not None and not ours.heard_of and ours.status in ("ended", "unknown"):
            continue
        if overlay.session is not None and _is_rumour(ours) and _is_rumour(theirs):
            continue
        if theirs is None and lacks > 0:
            lacks -= 1
            continue
        if ours is None or theirs is None:
            yield Figure(where, "known" if ours else "unknown", "known" if theirs else "unknown")
            continue
        yield from _sale(where, ours, theirs)


def _is_rumour(sale: SaleFigures | Sale | None) -> bool:
    """Whether a sale was neither announced nor bought from: such a sale may be forgotten between sessions."""
    return sale is None or (sale.status == "unknown" and not (sale.held or sale.sold or sale.released or sale.gone))


def _sale(where: str, ours: SaleFigures, theirs: Sale) -> Iterator[Figure]:
    for name in _LEDGER:
        if name != "status" or theirs.status in _STATUSES:
            yield Figure(f"{where} {name}", getattr(ours, name), getattr(theirs, name))
    yield _count(f"{where} carters_without_order", ours.carters_without_order, theirs.carters_without_order)
    if ours.prior_price_minor is not None or theirs.prior_price_minor is not None:
        yield Figure(f"{where} prior_price_minor", ours.prior_price_minor, theirs.prior_price_minor)
    if ours.last_restock is not None or theirs.last_restock is not None:
        yield Figure(f"{where} last_restock", _restocked(ours.last_restock), _restocked(theirs.last_restock))
    if ours.former != theirs.former:
        yield Figure(f"{where} former", str(ours.former), str(theirs.former))
    yield from _suspicions(where, ours, theirs)
    for place in range(max(len(ours.corrections), len(theirs.corrections))):
        recounted, published = (_corrected(each[place:]) for each in (ours.corrections, theirs.corrections))
        yield Figure(f"{where} correction {place + 1}", recounted, published)
    if theirs.offered is not None and theirs.available is not None:
        offered = theirs.offered + theirs.restocked + theirs.oversold
        yield Figure(f"{where} ledger adds up", offered, theirs.available + theirs.held + theirs.sold + theirs.gone)


def _restocked(restock: Restock | None) -> str | None:
    return None if restock is None else f"+{restock.quantity} {restock.at_ms}"


def _corrected(corrections: Sequence[SaleCorrection]) -> str | None:
    """The first of these corrections, as text."""
    return next((f"{each.what} {each.before} -> {each.now} {each.said_at_ms}" for each in corrections), None)


def _suspicions(where: str, ours: SaleFigures, theirs: Sale) -> Iterator[Figure]:
    """The suspicions by rule, as "orders/units". The first edition has none on either side."""
    published: dict[str, tuple[int, int]] = {each.rule: (each.orders, each.units) for each in theirs.suspicions}
    for rule in sorted(ours.suspicions.keys() | published.keys()):
        yield Figure(f"{where} {rule}", _counted(ours.suspicions.get(rule)), _counted(published.get(rule)))
    if published:
        units = sum(units for _, units in published.values())
        yield Figure(f"{where} suspect_units", units, theirs.suspect_units)


def _counted(counts: tuple[int, int] | None) -> str:
    return "0/0" if counts is None else f"{counts[0]}/{counts[1]}"


def _claim(recounted: RoomFigures, claim: Claim) -> Figure | None:
    """The value of a claim beside the ledger's number, which it must equal."""
    if claim.claim == "watching_now":
        return Figure("claim watching_now", recounted.watching_now, _one(claim))
    name = _CLAIMED.get(claim.claim)
    if name is None or claim.sale_id is None or claim.sku_id is None:
        return None
    sale = recounted.sales.get(SaleKey(claim.sale_id, claim.sku_id))
    return Figure(f"claim {claim.claim}", None if sale is None else getattr(sale, name), _one(claim))


def _mechanics(recounted: RoomFigures, overlay: Overlay, mechanics: Mechanics) -> Iterator[Figure]:
    """Each figure of each mechanic. A figure that only the recount or only the document has is a difference."""
    left_out = overlay.left_out or {}
    for mechanic, published in mechanics.published(overlay).items():
        ours = recounted.mechanics.get(mechanic, {})
        if not published and mechanic in left_out:
            continue
        for name in ours | published:
            shown, topics = published.get(name), mechanics.topics(mechanic)
            if not isinstance(shown, Count):
                yield MechanicFigure(f"{mechanic}.{name}", ours.get(name), shown, topics=topics)
                continue
            error_95 = None if shown.method == "exact" else shown.error_95 or 0.0
            yield MechanicFigure(f"{mechanic}.{name}", ours.get(name), shown.value, error_95, topics=topics)


def _departures(departures: DepartureFigures, claim: Claim) -> Iterator[Figure]:
    """The figures that show how leaving is heard of. If an older worker did not count, later counts are low."""
    if "since_ms" not in claim.inputs:
        for name, figure in departures._asdict().items():
            if name in claim.inputs:  # the first edition has no such inputs
                yield Figure(f"claim watching_now {name}", figure, claim.inputs[name])


def _one(claim: Claim) -> int | None:
    return claim.value if isinstance(claim.value, int) else None


def _count(name: str, recounted: int, published: Count) -> Figure:
    error_95 = None if published.method == "exact" else published.error_95 or 0.0
    return Figure(name, recounted, published.value, error_95)
