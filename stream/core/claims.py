"""What may be said on screen: each claim passes its rule or is withheld with a reason.

A rule's name carries a version (`stock_left/1`): change what it lets through and the version goes up. Every figure a
rule looked at is in `inputs`, and `evidence` says where in the log those came from, so that anybody can compute it
again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.contract.events import TOPIC_NAMES
from stream.contract.overlay import Claim, ClaimKind, Evidence, Sale, Withheld, WithheldReason
from stream.core.presence import NEVER
from stream.core.time import BUCKET_MS

if TYPE_CHECKING:
    from stream.core.counters import Reason
    from stream.core.forecast import Forecast, Silence
    from stream.core.presence import Departures
    from stream.core.rules import Rules

CART_ADDS, ORDERS, VISITS, SALES = map(TOPIC_NAMES.index, ("cart-adds", "orders", "visits", "sales"))
SOURCES: dict[ClaimKind, tuple[int, ...]] = {
    "stock_left": (ORDERS, SALES),
    "all_taken": (ORDERS, SALES),
    "sold_out": (ORDERS, SALES),
    "bought_recently": (ORDERS,),
    "in_carts": (CART_ADDS, ORDERS),
    "watching_now": (VISITS,),
    "ends_in": (SALES,),
    "eta_sellout": (ORDERS, SALES),
}


# From the second edition of signals on, the cart of a person who has left does not count: visits are a source.
SOURCES_2: dict[ClaimKind, tuple[int, ...]] = {**SOURCES, "in_carts": (CART_ADDS, ORDERS, VISITS)}


def sources_of(rules: Rules) -> dict[ClaimKind, tuple[int, ...]]:
    """Return the topics that the figures of each claim come from, as places in `TOPIC_NAMES`."""
    return SOURCES_2 if rules.second_signals else SOURCES


class ClaimBook:
    """The claims of one snapshot, and the withheld ones with their reasons."""

    def __init__(
        self, rules: Rules, evidence: list[Evidence | None], version: str, as_of_ms: int, *, stale: bool
    ) -> None:
        self.rules = rules
        self.version = version  # epoch and revision: after a take-over a revision alone occurs again
        self.as_of_ms = as_of_ms
        self.stale = stale
        self.claims: list[Claim] = []
        self.withheld: list[Withheld] = []
        self.reasons: list[Reason] = []
        self.evidence = evidence  # by topic; None: the topic has no record of the room
        self._of_topics: dict[tuple[int, ...], list[Evidence]] = {}  # kept, since several claims share it

    def watching(self, watching_now: int, departures: Departures | None = None) -> None:
        """`watching_now/2`: open sessions, at least `watching_min`, where leaving is heard of.

        `departures`: None under the first edition, which took hearing of leaves for granted (`watching_now/1`).
        """
        inputs: dict[str, int | float | None] = {"open_sessions": watching_now}
        if watching_now < self.rules.watching_min:
            self._withhold("watching_now", None, "sample_too_small")
        elif departures is None:
            self._say("watching_now", None, watching_now, "people", None, inputs)
        elif not departures.are_heard_of(self.rules):
            self._withhold("watching_now", None, "leaves_not_heard")
        else:
            inputs["left"], inputs["not_left"] = departures.left, departures.not_left
            inputs["left_long"], inputs["not_left_long"] = departures.left_long, departures.not_left_long
            inputs["silent_ms"] = departures.silent_ms
            if departures.since_ms > NEVER:
                inputs["since_ms"] = departures.since_ms
            self._say("watching_now", None, watching_now, "people", None, inputs, version=2)

    def sale(
        self,
        sale: Sale,
        bought_units: int,
        bought_orders: int,
        *,
        misplaced: bool = False,
        basis: Forecast | Silence | None = None,
    ) -> None:
        """Every claim about one SKU of one sale. A sale that has ended claims nothing.

        `misplaced`: records of the room lie in a partition where nobody counts them, so the stock is not known.
        `basis`: the forecast, or the reason for its absence; None under the first edition.
        """
        if sale.status == "ended":
            return
        not_open: WithheldReason | None = None
        if sale.status == "unknown":
            not_open = "stock_unknown"
        elif sale.status == "scheduled":
            not_open = "sale_not_open"
        unknown = not_open or ("records_misplaced" if misplaced else None)
        self._stock(sale, unknown)
        self._eta(sale, unknown, basis)
        self._bought(sale, bought_units, bought_orders)
        self._carts(sale)
        self._ends(sale, not_open)

    def _stock(self, sale: Sale, not_open: WithheldReason | None) -> None:
        available = sale.available
        second = self.rules.second_signals
        kind: ClaimKind = "sold_out" if available == 0 else "stock_left"
        if second and available == 0 and sale.held > 0:
            kind = "all_taken"  # held units may still come back
        reason = not_open or self._scarcity_reason(sale)
        if reason is not None or available is None or sale.offered is None:
            self._withhold(kind, sale, reason or "stock_unknown")
            return
        if available > self.rules.stock_left_share_max * (sale.offered + sale.restocked):
            self._withhold(kind, sale, "above_display_threshold")
            return
        inputs: dict[str, int | float | None] = {
            "offered": sale.offered,
            "restocked": sale.restocked,
            "held": sale.held,
            "sold": sale.sold,
            "oversold": sale.oversold,
        }
        if second:
            inputs["gone"] = sale.gone
        value = sale.held if kind == "all_taken" else available
        self._say(kind, sale, value, "items", None, inputs, version=2 if second and kind != "all_taken" else 1)

    def _scarcity_reason(self, sale: Sale) -> WithheldReason | None:
        """The reason to be silent on stock, or None.

        "Few left" would be true and misleading while a restock is planned or while orders look fake.
        """
        planned_ms = sale.restock_planned_at_ms
        if planned_ms is not None and planned_ms > self.as_of_ms:
            return "restock_planned"
        if sale.suspect_units > self.rules.suspect_share_max * (sale.held + sale.sold):
            return "suspected_fake_orders"
        return None

    def _eta(self, sale: Sale, not_open: WithheldReason | None, basis: Forecast | Silence | None) -> None:
        if sale.available == 0:
            return
        reason = not_open or self._scarcity_reason(sale)
        eta = sale.eta_sellout_ms
        if reason is None and eta is None:
            reason = basis if isinstance(basis, str) else "sample_too_small"
        if reason is not None or eta is None:
            self._withhold("eta_sellout", sale, reason or "sample_too_small")
            return
        window_ms = sale.velocity.window_ms
        inputs: dict[str, int | float | None] = {"available": sale.available, "units": sale.velocity.units}
        if basis is not None and not isinstance(basis, str):
            window_ms = basis.seconds * BUCKET_MS
            inputs |= {"units": basis.taken, "units_returned": basis.returned}
            inputs |= {"made_at_ms": basis.made_ms, "available_then": basis.available}
        inputs |= {"coverage": eta.coverage}
        version = 2 if self.rules.second_signals else 1
        self._say("eta_sellout", sale, [eta.low, eta.high], "ms", window_ms, inputs, version=version)

    def _bought(self, sale: Sale, units: int, orders: int) -> None:
        if orders < self.rules.bought_min_orders or units <= 0:
            self._withhold("bought_recently", sale, "sample_too_small")
        else:
            inputs: dict[str, int | float | None] = {"paid_orders_net": orders, "units_net": units}
            self._say("bought_recently", sale, units, "items", self.rules.bought_window_ms, inputs)

    def _carts(self, sale: Sale) -> None:
        count, rules = sale.carters_without_order, self.rules
        people, second = count.value, rules.second_signals
        if people < rules.in_carts_min:
            self._withhold("in_carts", sale, "sample_too_small")
        elif second and count.method != "exact":
            self._withhold("in_carts", sale, "approximate")
        else:
            window_ms = rules.cart_max_age_ms if second else None
            inputs: dict[str, int | float | None] = {"carters_without_order": people}
            self._say("in_carts", sale, people, "people", window_ms, inputs, version=2 if second else 1)

    def _ends(self, sale: Sale, not_open: WithheldReason | None) -> None:
        ends_at_ms = sale.ends_at_ms
        if ends_at_ms is None:
            return
        second = self.rules.second_signals
        if not_open is not None:
            self._withhold("ends_in", sale, not_open)
        elif second and sale.available == 0:
            self._withhold("ends_in", sale, "nothing_left")  # there is nothing to hurry for
        elif ends_at_ms - self.as_of_ms > self.rules.ends_in_max_ms:
            self._withhold("ends_in", sale, "above_display_threshold")
        else:
            inputs: dict[str, int | float | None] = {"ends_at_ms": ends_at_ms, "extended": int(sale.extended)}
            left_ms = ends_at_ms - self.as_of_ms
            self._say("ends_in", sale, left_ms, "ms", None, inputs, version=2 if second else 1)

    def evidence_of(self, topics: tuple[int, ...]) -> list[Evidence]:
        """Return the ranges of the log behind figures that rest on these topics."""
        found = self._of_topics.get(topics)
        if found is None:
            found = self._of_topics[topics] = [each for topic in topics if (each := self.evidence[topic]) is not None]
        return found

    def _withhold(self, kind: ClaimKind, sale: Sale | None, reason: WithheldReason) -> None:
        sale_id, sku_id = (None, None) if sale is None else (sale.sale_id, sale.sku_id)
        self.withheld.append(Withheld(kind, reason, sale_id, sku_id))
        self.reasons.append((kind, reason))

    def _say(
        self,
        kind: ClaimKind,
        sale: Sale | None,
        value: int | list[int],
        unit: str,
        window_ms: int | None,
        inputs: dict[str, int | float | None],
        *,
        version: int = 1,
    ) -> None:
        if self.stale:
            self._withhold(kind, sale, "stale")
            return
        sale_id, sku_id = (None, None) if sale is None else (sale.sale_id, sale.sku_id)
        subject = "" if sale is None else f"{sale_id}:{sku_id}:"
        valid_until_ms = self.as_of_ms + self.rules.claim_valid_ms
        # A claim about a sale is never valid beyond the end of that sale.
        if sale is not None and sale.ends_at_ms is not None:
            valid_until_ms = min(valid_until_ms, sale.ends_at_ms)
        self.claims.append(
            Claim(
                f"{kind}:{subject}{self.version}",
                kind,
                sale_id,
                sku_id,
                value,
                unit,
                window_ms,
                self.as_of_ms,
                valid_until_ms,
                f"{kind}/{version}",
                inputs,
                self.evidence_of(sources_of(self.rules)[kind]),
            )
        )
