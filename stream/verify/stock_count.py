"""Units that a room's orders hold, bought and gave back of each sale, recounted."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from stream.contract.overlay import FIRST_SIGNALS, FormerRounds
from stream.verify.order_count import is_no_one

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stream.verify.figures import SaleKey
    from stream.verify.host_words import HostWords
    from stream.verify.order_facts import OrderFacts, SaleFacts

CORRECTIONS_SHOWN = 3


class Units(Struct):
    """Units of one SKU of one sale, in all rounds. `of_user`: held and sold units by person.

    `former`: by standing, the units in orders of former rounds.
    """

    held: int = 0
    sold: int = 0
    released: int = 0
    gone: int = 0
    of_user: Counter[str] = field(default_factory=Counter)
    former: Counter[str] = field(default_factory=Counter)

    def add(self, standing: str, units: int) -> None:
        """Add units of one standing."""
        setattr(self, standing, getattr(self, standing) + units)

    def add_forgotten(self, sale: SaleFacts) -> None:
        """Add the units of forgotten orders."""
        for standing, units in sale.forgotten.items():
            self.add(standing, units)
            self.former[standing] += units

    def before(self) -> tuple[int, int, int]:
        """Units of former rounds: held, sold, gone."""
        return self.former["held"], self.former["sold"], self.former["gone"]

    def now(self, standing: str, from_ms: int) -> int:
        """Units of the present round, which begins at `from_ms`; −1: the first round."""
        units: int = getattr(self, standing)
        return units if from_ms < 0 else units - self.former[standing]


def count_units(
    orders: Mapping[str, OrderFacts], as_of_ms: int, edition: int, round_from_ms: Callable[[SaleKey], int]
) -> defaultdict[SaleKey, Units]:
    """The units of each sale in the orders, at a moment.

    `edition`: the edition of the contract. `round_from_ms`: gives the beginning of a sale's present round.
    """
    counted: defaultdict[SaleKey, Units] = defaultdict(Units)
    began_ms: dict[SaleKey, int] = {}
    for order in orders.values():
        for key, standing, quantity in order.units(as_of_ms):
            units = counted[key]
            if key not in began_ms:
                began_ms[key] = round_from_ms(key)
            if not standing or not quantity:
                continue
            units.add(standing, quantity)
            if not order.is_of_round(began_ms[key]):
                units.former[standing] += quantity
            if standing in ("held", "sold") and not is_no_one(order.user_id, edition):
                units.of_user[order.user_id] += quantity
    return counted


def sale_figures(
    key: SaleKey, sale: SaleFacts, units: Units, words: HostWords, as_of_ms: int, signals_edition: int
) -> dict[str, Any]:
    """The fields of a sale's figures that follow from its units and from its host's words."""
    opened = words.opening(key)
    number, from_ms = words.round(key, signals_edition)
    restocked, restocked_before = sale.restocked(from_ms)
    held, sold, gone = (units.now(standing, from_ms) for standing in ("held", "sold", "gone"))
    left = None if opened is None else opened.offered + restocked - held - sold - gone
    limit = None if opened is None else opened.per_user_limit
    status, ends_at_ms, extended = words.status(key, as_of_ms, signals_edition)
    is_first = signals_edition == FIRST_SIGNALS
    return {
        "status": status,
        "offered": None if opened is None else opened.offered,
        "restocked": restocked,
        "available": None if left is None else max(0, left),
        "held": held,
        "sold": sold,
        "oversold": 0 if left is None else max(0, -left),
        "released": units.released,
        "gone": gone,
        "over_limit": 0 if limit is None else sum(max(0, bought - limit) for bought in units.of_user.values()),
        "ends_at_ms": ends_at_ms,
        "extended": extended,
        "corrections": words.corrections(key, signals_edition)[-CORRECTIONS_SHOWN:],
        "former": None if number == 1 else FormerRounds(number - 1, restocked_before, *units.before()),
        "price_minor": None if opened is None else opened.price_minor,
        "list_price_minor": None if opened is None else opened.list_price_minor,
        "currency": None if opened is None else opened.currency,
        "prior_price_minor": None if opened is None or is_first else opened.prior_price_minor,
        "last_restock": None if is_first else sale.last_restock(from_ms),
    }
